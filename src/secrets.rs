//! Inputs as they may be shown and kept: without what opens them.

/// Options of a query that say how to connect, and no secret.
const PLAIN: [&str; 19] = [
    "mode",
    "listen",
    "latency",
    "localaddr",
    "localport",
    "interface",
    "iface",
    "ttl",
    "pkt_size",
    "timeout",
    "connect_timeout",
    "rw_timeout",
    "sources",
    "block",
    "buffer_size",
    "fifo_size",
    "transport",
    "transtype",
    "reuse",
];

/// Parts of the names of GStreamer properties whose values are secrets.
const SECRET: [&str; 7] = ["pass", "pw", "key", "token", "secret", "auth", "user"];

/// A secret shorter than this is not looked for in texts.
const SHORT: usize = 4;

/// The input without user and password, without the values of options that are not known to be plain, without the stream key of RTMP,
/// and without the values of what a GStreamer description calls a password or the like. Anything but a URL or `gst:` is left as it is.
pub fn without_secrets(input: &str) -> String {
    if let Some(description) = input.strip_prefix("gst:") {
        return format!("gst:{}", description.split(' ').map(property).collect::<Vec<_>>().join(" "));
    }
    let Some((scheme, rest)) = input.split_once("://") else { return input.to_owned() };
    let (place, query) = rest.split_once(['?', '#']).map_or((rest, None), |(place, query)| (place, Some(query)));
    let authority = place.split('/').next().unwrap_or_default();
    // A slash in a password: what follows the last @ is the host. An @ that begins the address is how UDP and RIST listen.
    let place = match authority.rfind('@').and_then(|_| place.rfind('@')) {
        // The source of a group is no secret.
        Some(at) if at > 0 && scheme != "udp" && scheme != "rtp" => format!("…@{}", &place[at + 1..]),
        _ => place.to_owned(),
    };
    let place = match place.rsplit_once('/') {
        Some((before, key)) if scheme.starts_with("rtmp") && !key.is_empty() => format!("{before}/…"),
        _ => place,
    };
    match query {
        Some(query) => format!("{scheme}://{place}?{}", query.split('&').map(option).collect::<Vec<_>>().join("&")),
        None => format!("{scheme}://{place}"),
    }
}

/// What of an input may not be shown, for [`scrub`]: what others make of it, such as errors of libraries, may have it in them. Short ones are left out, for they are in every word.
pub fn hidden(input: &str) -> Vec<String> {
    let words: Vec<&str> = input.strip_prefix("gst:").map_or_else(|| vec![input], |description| description.split(' ').collect());
    let mut found: Vec<String> = words.into_iter().flat_map(hidden_in).filter(|secret| secret.len() >= SHORT).map(str::to_owned).collect();
    // One may be a part of another.
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found
}

/// The text without what is [`hidden`].
pub fn scrub(text: &str, hidden: &[String]) -> String {
    hidden.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
}

/// What of an input or an address is a secret as it is, by its name: a password before the host, an option or a GStreamer property that is called so.
/// References (`${…}`) are none. The stream key of RTMP looks like the name of any stream, so it is not told apart.
pub fn literal(text: &str) -> Option<String> {
    let words: Vec<&str> = text.strip_prefix("gst:").map_or_else(|| vec![text], |description| description.split_whitespace().collect());
    words.into_iter().find_map(literal_in)
}

fn literal_in(word: &str) -> Option<String> {
    let plain = |value: &str| !value.is_empty() && !value.contains("${");
    if let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.contains("://")) {
        let value = value.trim_matches(['"', '\'']);
        return if opens(name) && plain(value) { Some(name.to_owned()) } else { literal_in(value) };
    }
    let (_, rest) = word.split_once("://")?;
    let (place, query) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
    let option = |(name, value): (&str, &str)| (opens(name) && !name.ends_with("_env") && !name.ends_with("_file") && plain(value)).then(|| name.to_owned());
    if let Some(found) = query.split(['&', '#', '?']).filter_map(|option| option.split_once('=')).find_map(option) {
        return Some(found);
    }
    let user = place.rfind('@').map(|at| &place[..at])?;
    // A reference may have a colon in it: ${file:PATH}.
    let password = user.split_once(':').filter(|(name, password)| !name.contains("${") && plain(password));
    password.map(|_| "the password before the host".to_owned())
}

/// Whether a header with this name and value has a secret in it as it is.
pub fn literal_header(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let secret = opens(&name) || ["auth", "cookie"].iter().any(|part| name.contains(part));
    secret && !value.contains("${") && !value.starts_with("file:")
}

/// Whether something of this name opens something. `pbkeylen` and `key-int-max` do not.
fn opens(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pw", "token", "secret", "signature"].iter().any(|part| name.contains(part)) || name.ends_with("key") || name == "sig"
}

/// Whether a line of a job is one that a secret may be written in.
pub fn may_hide(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    ["seed", "header"].iter().chain(&SECRET[..6]).any(|secret| lower.contains(secret))
}

/// A line, or what is said of it, without what is in quotes, and without words of digits.
pub fn without_values(line: &str) -> String {
    let parts = line.split(['"', '\'']).enumerate().map(|(n, part)| if n % 2 == 1 { "…" } else { part });
    let words = |part: &str| part.split(' ').map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "…" } else { word }).collect::<Vec<_>>().join(" ");
    parts.map(words).collect::<Vec<_>>().join("\"")
}

fn hidden_in(word: &str) -> Vec<&str> {
    let quotes = ['"', '\''];
    if let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.contains("://")) {
        let lower = name.to_ascii_lowercase();
        let value = value.trim_matches(quotes);
        return if SECRET.iter().any(|secret| lower.contains(secret)) { vec![value] } else { hidden_in(value) };
    }
    let Some((scheme, rest)) = word.split_once("://") else { return Vec::new() };
    let (place, query) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
    let mut found: Vec<&str> =
        query.split('&').filter_map(|option| option.split_once('=')).filter(|(key, _)| !PLAIN.contains(key)).map(|(_, value)| value).collect();
    let user = place.rfind('@').filter(|at| *at > 0).map(|at| &place[..at]);
    found.extend(user.into_iter().chain(user.into_iter().flat_map(|user| user.split(':').skip(1))));
    found.extend(place.rsplit_once('/').map(|(_, key)| key).filter(|_| scheme.starts_with("rtmp")));
    found
}

fn option(option: &str) -> String {
    match option.split_once('=') {
        Some((key, _)) if !PLAIN.contains(&key) => format!("{key}=…"),
        _ => option.to_owned(),
    }
}

fn property(word: &str) -> String {
    let Some((name, value)) = word.split_once('=') else { return word.to_owned() };
    let lower = name.to_ascii_lowercase();
    match value.trim_matches(['"', '\'']) {
        _ if SECRET.iter().any(|secret| lower.contains(secret)) => format!("{name}=…"),
        url if url.contains("://") => format!("{name}={}", without_secrets(url)),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libraries_say_of_an_input_is_scrubbed() {
        for (input, said, shown) in [
            ("gst:srtsrc passphrase=hid! uri=srt://h:1?streamid=hidden ! tsparse", "no hid! in srt://h:1?streamid=hidden", "no … in srt://h:1?streamid=…"),
            ("gst:rtspsrc user-pw=\"hidden\" ! fakesink", "could not set \"user-pw\" to \"hidden\"", "could not set \"user-pw\" to \"…\""),
            ("rtsp://me:hidden@h/1?transport=udp", "rtsp://me:hidden@h/1 is not there", "rtsp://…@h/1 is not there"),
            ("rtmp://h/live/hidden", "no stream live/hidden", "no stream live/…"),
            ("gst:videotestsrc pattern=ball", "pattern=ball", "pattern=ball"),
        ] {
            assert_eq!(scrub(said, &hidden(input)), shown);
        }
    }

    #[test]
    fn a_wrong_line_does_not_repeat_a_secret() {
        for line in ["key = \"00112233445566778899aabbccddeeff", "key = 123456789", "seed = 'abcdefgh' x", "headers = { a = \"token\" } }", "  key = \"a\\qb\""]
        {
            let toml = format!("[protection]\n{line}\n");
            let error = crate::config::parse::<crate::job::Wishes>("job", "job.toml", &toml).expect_err("wrong").to_string();
            assert!(!["0011", "1234", "abcd", "token", "\\q"].iter().any(|secret| error.contains(secret)), "{error}");
            assert!(error.contains("line 2"), "{error}");
        }
    }

    #[test]
    fn nothing_that_opens_an_input_is_shown() {
        for (input, shown) in [
            ("srt://h:9000?mode=caller&passphrase=0123456789&streamid=abc", "srt://h:9000?mode=caller&passphrase=…&streamid=…"),
            ("https://me:hidden@host/x/a.m3u8", "https://…@host/x/a.m3u8"),
            ("http://HIDDEN@host/a?access_token=1", "http://…@host/a?access_token=…"),
            ("http://me:pa@ss/hidden@host/a?sig=1", "http://…@host/a?sig=…"),
            ("rtmp://host:1935/live/hidden", "rtmp://host:1935/live/…"),
            ("gst:srtsrc passphrase=hidden uri=srt://h:1?streamid=hidden ! tsparse", "gst:srtsrc passphrase=… uri=srt://h:1?streamid=… ! tsparse"),
        ] {
            assert_eq!(without_secrets(input), shown);
        }
        for plain in
            ["udp://@239.1.1.1:5000?localaddr=10.0.0.1", "http://h/a:b@c", "-", "feed.ts", "testsrc:size=256x144", "gst:videotestsrc pattern=ball ! x264enc"]
        {
            assert_eq!(without_secrets(plain), plain);
        }
    }
}

//! Inputs as they may be shown and kept: without what opens them.

pub mod given;
mod literal;
mod words;

use given::SHORT;
pub use literal::{literal, literal_header};
use words::{QUOTES, fields, is_address, words};

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

/// Parts of the names of GStreamer properties whose values are secrets. The first six are in the names of a job's keys, too.
const SECRET: [&str; 9] = ["pass", "pw", "key", "token", "secret", "auth", "user", "header", "cookie"];

/// The input without user and password, without the values of options that are not known to be plain, without the stream key of RTMP,
/// and without the values of what a GStreamer description calls a password or the like. Anything but a URL or `gst:` is left as it is.
/// Where a reference of the job was filled in, it stands again.
pub fn without_secrets(input: &str) -> String {
    let masked = given::masked(input);
    // A reference may be what makes an address of it, or a query: then only the text as it is says what is secret by its place.
    let shape =
        |text: &str| (text.starts_with("gst:"), text.split_once("://").map(|(scheme, _)| scheme.to_owned()), text.contains(['?', '#']), is_address(text));
    let text = if shape(input) == shape(&masked) { in_place(&masked) } else { given::masked(&in_place(input)) };
    given::shown(&text)
}

/// An input as a job writes it, without what is secret by its place; references stay as they are, whatever they stand for.
pub fn as_written(input: &str) -> String {
    in_place(input)
}

/// What of an input may not be shown, for [`scrub`]: what others make of it, such as errors of libraries, may have it in them. Short ones are left out, for they are in every word.
pub fn hidden(input: &str) -> Vec<String> {
    let masked = given::masked(input);
    let long = |secret: &&str| secret.len() >= SHORT;
    let mut found: Vec<String> = hidden_in(input).into_iter().chain(hidden_in(&masked)).filter(long).map(str::to_owned).collect();
    // One may be a part of another.
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found.dedup();
    found
}

/// The text without what is [`hidden`], and with references in the place of their values.
pub fn scrub(text: &str, hidden: &[String]) -> String {
    given::shown(&hidden.iter().fold(given::masked(text), |text, secret| text.replace(secret.as_str(), "…")))
}

/// From here on [`scrub_line`] leaves out what opens this input.
pub fn watch(input: &str) {
    given::hide(hidden(input));
}

/// A line that a library writes by itself, without what is known to open something, and with addresses as [`without_secrets`] shows them.
pub fn scrub_line(line: &str) -> String {
    // What is hidden was found in a text as it is, or in one whose references were known by then.
    let line = given::without_hidden(given::masked(&given::without_hidden(line.to_owned())));
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>');
    let word = |word: &str| match word.strip_suffix(ends) {
        Some(bare) if bare.contains("://") => in_place(bare) + &word[bare.len()..],
        None if word.contains("://") => in_place(word),
        _ => word.to_owned(),
    };
    given::shown(&line.split_inclusive(ends).map(word).collect::<String>())
}

/// Without what is secret by its place. Two paths of one feed are named together.
fn in_place(input: &str) -> String {
    if let Some(description) = input.strip_prefix("gst:") {
        let (mut out, mut done) = ("gst:".to_owned(), 0);
        for word in words(description) {
            out.push_str(&description[done..word.start]);
            out.push_str(&property(&description[word.clone()]));
            done = word.end;
        }
        return out + &description[done..];
    }
    each(input).into_iter().map(address).collect::<Vec<_>>().join(AND)
}

/// What stands between two paths of one feed.
const AND: &str = " and ";

/// The addresses in a text that names one, or several.
fn each(text: &str) -> Vec<&str> {
    let begins = |at: &usize| is_address(&text[at + AND.len()..]);
    let mut found = Vec::new();
    let mut begin = 0;
    for at in text.match_indices(AND).map(|(at, _)| at).filter(begins) {
        found.push(&text[begin..at]);
        begin = at + AND.len();
    }
    found.push(&text[begin..]);
    found
}

fn address(input: &str) -> String {
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

/// Whether a line of a job is one that a secret may be written in.
pub fn may_hide(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    ["seed", "header", "cookie"].iter().chain(&SECRET[..6]).any(|secret| lower.contains(secret))
}

/// A line, or what is said of it, without what is in quotes, and without words of digits.
pub fn without_values(line: &str) -> String {
    let parts = line.split(['"', '\'']).enumerate().map(|(n, part)| if n % 2 == 1 { "…" } else { part });
    let words = |part: &str| part.split(' ').map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "…" } else { word }).collect::<Vec<_>>().join(" ");
    parts.map(words).collect::<Vec<_>>().join("\"")
}

fn hidden_in(input: &str) -> Vec<&str> {
    match input.strip_prefix("gst:") {
        Some(description) => words(description).into_iter().flat_map(|word| hidden_in_property(&description[word])).collect(),
        None => each(input).into_iter().flat_map(hidden_in_address).collect(),
    }
}

fn hidden_in_property(word: &str) -> Vec<&str> {
    let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.contains("://")) else { return hidden_in_address(word.trim_matches(QUOTES)) };
    let value = value.trim_matches(QUOTES);
    let of_fields = fields(value).filter(|(name, _)| is_secret(name)).map(|(_, value)| value);
    let whole = is_secret(name).then_some(value);
    whole.into_iter().chain(of_fields).chain(hidden_in_address(value)).collect()
}

/// Whether a property of this name has a secret for its value.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|secret| name.contains(secret))
}

fn hidden_in_address(word: &str) -> Vec<&str> {
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
    let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.contains("://")) else { return address(word) };
    match value.trim_matches(QUOTES) {
        value if is_secret(name) || !is_address(value) && fields(value).any(|(name, _)| is_secret(name)) => format!("{}=…", name.trim_end()),
        url if url.contains("://") => format!("{}={}", name.trim_end(), address(url)),
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
            ("gst:srtsrc  passphrase = 'hid den' uri = \"srt://h:1?streamid=hidden\" ! tsparse", "gst:srtsrc  passphrase=… uri=srt://h:1?streamid=… ! tsparse"),
            ("gst:souphttpsrc extra-headers=\"x,Authorization=(string)hidden\" ! tsdemux", "gst:souphttpsrc extra-headers=… ! tsdemux"),
            ("gst:udpsrc caps=\"application/x-srtp, srtp-key=(buffer)hidden\" ! fakesink", "gst:udpsrc caps=… ! fakesink"),
            // Two paths of one feed.
            ("srt://h:1?latency=120 and srt://k:1?passphrase=hidden", "srt://h:1?latency=120 and srt://k:1?passphrase=…"),
            ("a and b.ts and rtsp://me:hidden@h/1", "a and b.ts and rtsp://…@h/1"),
        ] {
            assert_eq!(without_secrets(input), shown);
            assert!(!hidden(input).is_empty() && !scrub(&format!("not {input}"), &hidden(input)).contains("hidden"), "{input}");
            // Shown again, it is the same.
            assert_eq!(without_secrets(shown), shown);
        }
        for plain in
            ["udp://@239.1.1.1:5000?localaddr=10.0.0.1", "http://h/a:b@c", "-", "feed.ts", "testsrc:size=256x144", "gst:videotestsrc pattern=ball ! x264enc"]
        {
            assert_eq!(without_secrets(plain), plain);
        }
    }
}

//! Secrets that stand in an address as they are, told by their names and places.

use super::given::MARK;
use super::words::{QUOTES, fields, is_address, words};

/// Parts of the names of what opens something.
const PARTS: [&str; 10] = ["passphrase", "password", "passwd", "token", "secret", "signature", "credential", "authorization", "cookie", "hdnt"];
/// Words of such names.
const WORDS: [&str; 7] = ["pwd", "pw", "sig", "auth", "jwt", "hmac", "hdnea"];
/// Values that are none.
const SWITCHES: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "none", "0", "1"];

/// What of an address or a `gst:` description is a secret as it is, by its name: a password before the host (and over HTTP a user alone, which is a token), an option or a
/// property that is called so. References (`${…}`) are none. Anything else is a path. The stream key of RTMP looks like the name of any stream, so it is not told apart.
pub fn literal(text: &str) -> Option<String> {
    let text = blank(text);
    match text.strip_prefix("gst:") {
        Some(description) => words(description).into_iter().find_map(|word| in_property(&description[word])),
        None => in_address(&text),
    }
}

/// Whether a header with this name and value has a secret in it as it is.
pub fn literal_header(name: &str, value: &str) -> bool {
    opens_by_header(name) && !blank(value).contains(MARK) && !value.starts_with("file:")
}

/// The text with a character in the place of each reference, which may have a colon, a slash or a space in it.
fn blank(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((_, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push(MARK);
        rest = behind;
    }
    out + rest
}

fn is_secret(value: &str) -> bool {
    !value.is_empty() && !value.contains(MARK) && !SWITCHES.contains(&value)
}

fn in_address(text: &str) -> Option<String> {
    // Where a reference stands for what begins an address, options may follow it.
    let (scheme, rest) = match text.split_once("://") {
        Some(parts) => parts,
        None if text.starts_with(MARK) => ("", text),
        None => return None,
    };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let pairs = |text: &'_ str, settings: bool| {
        text.split(['&', '?', '#']).filter_map(|option| option.split_once('=')).find_map(|(name, value)| {
            // Behind the # stand settings of an output, some of which say where a secret is.
            let place = settings && (name == "key" || name.ends_with("_file") || name.ends_with("_env"));
            if !place && (opens(name) || has_word(name, &["pass"])) && is_secret(value) { Some(name.to_owned()) } else { in_address(value) }
        })
    };
    pairs(query, false).or_else(|| pairs(fragment, true)).or_else(|| {
        // The source of a group stands there, too.
        let (user, _) = place.split('/').next()?.rsplit_once('@').filter(|_| scheme != "udp" && scheme != "rtp")?;
        match user.split_once(':') {
            Some((_, password)) => is_secret(password).then(|| "the password before the host".to_owned()),
            None => (scheme.starts_with("http") && is_secret(user)).then(|| "what stands before the host".to_owned()),
        }
    })
}

/// In a word of a GStreamer description.
fn in_property(word: &str) -> Option<String> {
    let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.contains("://")) else { return in_address(word.trim_matches(QUOTES)) };
    let (name, value) = (name.trim_end(), value.trim_matches(QUOTES));
    if opens(name) && is_secret(value) {
        return Some(name.to_owned());
    }
    if is_address(value) {
        return in_address(value);
    }
    fields(value).find(|(name, value)| opens_by_header(name) && is_secret(value)).map(|(name, _)| name.to_owned())
}

/// Whether something of this name opens something. `pbkeylen`, `key-int-max` and `bypass` do not, nor does `pass`: encoders have passes.
fn opens(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    PARTS.iter().any(|part| lower.contains(part)) || lower.ends_with("key") || lower.ends_with("pw") || has_word(name, &WORDS)
}

fn has_word(name: &str, words: &[&str]) -> bool {
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
}

fn opens_by_header(name: &str) -> bool {
    opens(name) || name.to_ascii_lowercase().contains("auth")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_as_it_is_is_found_by_its_name_or_place() {
        for (text, what) in [
            ("rtsp://${USER}:hunter2@cam/1", "the password before the host"),
            ("rtsp://${file:/run/u}:hunter2@cam/1", "the password before the host"),
            ("https://TOKEN@host/a", "what stands before the host"),
            ("https://host/a?auth=abc", "auth"),
            ("https://host/a?hdnts=exp=1~hmac=abc", "hdnts"),
            ("https://host/a?x=1&hdnea=abc", "hdnea"),
            ("https://host/a?hmac=abc", "hmac"),
            ("https://host/a?jwt=abc", "jwt"),
            ("https://host/a?user-pass=abc", "user-pass"),
            ("https://host/a?X-Amz-Credential=abc", "X-Amz-Credential"),
            ("https://host/a?key=abc#key=/etc/k.pem", "key"),
            ("gst:srtsrc uri=srt://h:1 passphrase = sesame-open ! tsdemux", "passphrase"),
            ("gst:srtsrc passphrase= 'sesame open' ! tsdemux", "passphrase"),
            ("gst:souphttpsrc location=http://h/x extra-headers=\"x,Accept=(string)a,Authorization=(string)abc\" ! tsdemux", "Authorization"),
            ("gst:rtspsrc location=\"rtsp://me:hunter2@cam/1\" ! fakesink", "the password before the host"),
            ("gst:udpsrc ! application/x-srtp,srtp-key=(buffer)0011 ! fakesink", "application/x-srtp,srtp-key"),
            ("gst:rtsp://me:hunter2@cam/1?x=1 ! fakesink", "the password before the host"),
        ] {
            assert_eq!(literal(text).as_deref(), Some(what), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for text in [
            "https://o/live#certificate=/etc/c.pem&key=/etc/k.pem&token_env=T&password_file=/run/p",
            "udp://[fe80::1]@[ff3e::1]:5000",
            "rtp://10.0.0.1@232.1.1.1:5000",
            "http://h:8080/live/@main/a.m3u8",
            "rist://@0.0.0.0:9000",
            "gst:videotestsrc ! x264enc pass=quant quantizer=20 key-int-max=50 ! nvcudah264enc multi-pass=two-pass ! fakesink",
            "gst:souphttpsrc location=http://auth.example/cookies?x=1 ! tsdemux",
            "gst:srtsrc uri=srt://h:1 authentication=true passphrase=${P} ! tsdemux",
            "gst:souphttpsrc extra-headers=\"x,Authorization=(string)${T}\" ! tsdemux",
            "/srv/bypass/ch=1.ts",
            "/srv/x/key=1",
            "https://h/a?bypass=7&author=me&token=${T}&x=${Y}",
            "https://me:${file:/run/a@b/c}@host/x",
            "rtsp://admin@cam/1",
        ] {
            assert_eq!(literal(text), None, "{text}");
        }
    }
}

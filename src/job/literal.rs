//! Secrets that stand in a job file as they are: refused, with their place. Whoever reads the file, or the system that it is kept in, has them.

use super::outputs::is_variable;
use super::protection::ProtectionWishes;
use super::wishes::Wishes;
use crate::config::ConfigError;
use crate::secrets::given::remember;
use crate::secrets::{literal, literal_header};
use std::fs::File;
use std::io::{self, Read};
use zeroize::Zeroizing;

/// What is accepted in its place.
const ACCEPTED: &str =
    "${NAME} (a variable of the environment) or ${file:PATH} (a file's text) in the place of the secret; or the whole of it by flag or variable";

impl Wishes {
    /// Refuses a secret that is written in the job file called `file`, whose text is `text`.
    pub(super) fn refuse_literals(&self, file: &str, text: &str) -> Result<(), ConfigError> {
        let place = |field: String, written: &str, what: &str| {
            let at = line_of(text, &field, written).map_or(String::new(), |line| format!(" (line {line})"));
            ConfigError::Value { what: "job", file: file.to_owned(), field, value: format!("a secret as it is: {what}{at}"), accepted: ACCEPTED.to_owned() }
        };
        let inputs = self.inputs.iter().flatten().enumerate().map(|(n, input)| (format!("inputs[{n}]"), input.clone()));
        let standby = self.standby.input.iter().map(|input| ("standby.input".to_owned(), input.clone()));
        let plain = self.outputs.iter().flatten().enumerate().map(|(n, output)| (format!("outputs[{n}]"), output.display().to_string()));
        let tables = self.output.iter().flatten().enumerate().flat_map(|(n, output)| {
            let endpoint = output.endpoint.iter().map(move |endpoint| (format!("output[{n}].endpoint"), endpoint.clone()));
            std::iter::once((format!("output[{n}].url"), output.url.display().to_string())).chain(endpoint)
        });
        let ProtectionWishes(protection) = self.protection.clone().unwrap_or_default();
        let servers = protection.iter().enumerate().filter_map(|(n, wish)| Some((format!("protection[{n}].cpix"), wish.cpix.clone()?)));
        for (field, written) in inputs.chain(standby).chain(plain).chain(tables).chain(servers) {
            literal(&written).map_or(Ok(()), |what| Err(place(field, &written, &what)))?;
        }
        for (n, wish) in protection.iter().enumerate() {
            for (name, value) in &wish.headers {
                if literal_header(name, value.written()) {
                    return Err(place(format!("protection[{n}].headers.{name}"), value.written(), "the value of this header"));
                }
            }
        }
        Ok(())
    }
}

/// The line that `written` stands in, behind the key of `field`; none where that is not certain: a text may be written in several ways, and more than once.
fn line_of(text: &str, field: &str, written: &str) -> Option<usize> {
    let key = field.rsplit('.').next()?.split('[').next()?;
    // Up to what files write as something else.
    let head = written.split(['"', '\\']).next().filter(|head| !head.is_empty())?;
    let lines = || text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
    let (first, _) = lines().find(|(_, line)| has_key(line, key))?;
    let mut found = lines().filter(|(n, line)| *n >= first && line.contains(head));
    let (line, _) = found.next()?;
    found.next().is_none().then_some(line + 1)
}

/// Whether a line has `key`, and what is set to it.
fn has_key(line: &str, key: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    line.match_indices(key).any(|(at, _)| {
        let behind = line[at + key.len()..].trim_start_matches(['"', '\'', ' ', '\t']);
        !line[..at].ends_with(is_part) && behind.starts_with(['=', ':'])
    })
}

/// The text with its references filled in: `${NAME}` and `${file:PATH}`, whose values are not shown from here on. `Err`: what is wrong with one of them, without its value.
pub(super) fn filled(text: &str) -> Result<Zeroizing<String>, String> {
    let mut out = Zeroizing::new(String::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').ok_or("${ without }; accepted: ${NAME}, ${file:PATH}")?;
        let value = match name.strip_prefix("file:") {
            Some(path) => from_file(path).map_err(|e| format!("${{file:{path}}} ({e}); accepted: a file that can be read"))?,
            None if is_variable(name) => {
                Zeroizing::new(std::env::var(name).map_err(|_| format!("${{{name}}}; accepted: a variable that is set in the environment"))?)
            }
            None => return Err("${…} without the name of a variable; accepted: ${NAME}, ${file:PATH}".to_owned()),
        };
        let reference = format!("${{{name}}}");
        if value.chars().any(char::is_control) {
            return Err(format!("{reference} (its value is not shown); accepted: text in one line"));
        }
        remember(&reference, &value)?;
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

/// The text of a file with a secret, without the end of its line.
pub(super) fn from_file(path: &str) -> io::Result<Zeroizing<String>> {
    /// More is no secret.
    const MOST: u64 = 64 << 10;
    let mut text = Zeroizing::new(String::new());
    File::open(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::{hidden, scrub, without_secrets};
    use std::path::Path;

    fn read(text: &str) -> Result<Wishes, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("job.toml");
        std::fs::write(&path, text).expect("written");
        Wishes::read(Path::new(&path)).map_err(|e| e.to_string())
    }

    #[test]
    fn a_secret_in_the_file_is_refused_with_its_place_and_not_shown() {
        for (text, field) in [
            ("inputs = [\n  \"srt://h:1?mode=caller&passphrase=sesame-open\",\n]", "inputs[0]"),
            ("segment = 2\ninputs = [\"rtsp://me:sesame-open@camera/1\"]", "inputs[0]"),
            ("segment = 2\ninputs = [\"gst:srtsrc uri=srt://h:1 passphrase=sesame-open ! tsdemux\"]", "inputs[0]"),
            ("[standby]\ninput = \"https://host/a.m3u8?access_token=sesame-open\"", "standby.input"),
            ("segment = 2\noutputs = [\"https://host/live?sig=sesame-open\"]", "outputs[0]"),
            ("[[output]]\nurl = \"https://me:sesame-open@host/live\"", "output[0].url"),
            ("[[protection]]\nheaders = { Authorization = \"Bearer sesame-open\" }", "protection[0].headers.Authorization"),
            ("[[protection]]\nheaders = { x-api-key = \"sesame-open\" }", "protection[0].headers.x-api-key"),
            ("[[output]]\nurl = \"s3://b/x\"\nendpoint = \"https://me:sesame-open@h\"\n", "output[0].endpoint"),
            ("segment = 2\ninputs = [\"rtsp://${USER}:sesame-open@camera/1\"]", "inputs[0]"),
            ("segment = 2\ninputs = [\"gst:srtsrc uri=srt://h:1 passphrase = sesame-open ! tsdemux\"]", "inputs[0]"),
        ] {
            let error = read(text).expect_err(text);
            let line = if field.ends_with("endpoint") { "(line 3)" } else { "(line 2)" };
            assert!(error.contains(field) && error.contains(line) && error.contains("${NAME}") && !error.contains("sesame"), "{text}: {error}");
        }
    }

    #[test]
    fn a_line_is_told_where_it_is_certain() {
        let error = |text: &str| read(text).expect_err(text);
        // A comment is no line of it, nor is another key's that ends alike.
        let text = "# Authorization = \"Bearer abc\"\n[[protection]]\ncontent = \"Bearer abc\"\nheaders = { Authorization = \"Bearer abc\" }";
        assert!(error(text).contains("(line 4)"), "{}", error(text));
        let text = "# inputs = [\"rtsp://me:sesame@h/1\"]\n[standby]\ninput = \"rtsp://me:sesame@h/1\"";
        assert!(error(text).contains("(line 3)"), "{}", error(text));
        // As other characters than it stands for; twice.
        for text in [
            "segment = 2\noutputs = [\"0\"]\ninputs = [\"srt://h:1?passphrase=\\u0061bcdefghij\"]",
            "inputs = [\"srt://h:1?passphrase=abcdefghij\",\n\"srt://h:1?passphrase=abcdefghij\"]",
        ] {
            assert!(error(text).contains("inputs[0]") && !error(text).contains("(line"), "{}", error(text));
        }
    }

    #[test]
    fn references_and_what_is_no_secret_are_fine() {
        for text in [
            "inputs = [\"srt://h:1?mode=caller&passphrase=${PASS}&pbkeylen=16&streamid=abc\"]",
            "inputs = [\"rtsp://me:${file:/run/secrets/camera}@camera/1\"]",
            "inputs = [\"rtmp://host/live/name\", \"udp://10.0.0.1@239.1.1.1:5000\"]",
            "inputs = [\"gst:videotestsrc key-int-max=50 ! x264enc key-int-max=25 ! fakesink\"]",
            "outputs = [\"https://me:${PUSH}@host/live?sig=${SIG}\", \"/srv/a:b@c\", \"/srv/x/key=1\", \"https://o/live#certificate=/etc/c.pem&key=/etc/k.pem\"]",
            "inputs = [\"udp://[fe80::1]@[ff3e::1]:5000\", \"/srv/bypass/ch=1.ts\"]",
            "[[protection]]\nheaders = { Authorization = \"Bearer ${TOKEN}\", Accept = \"application/xml\", x-key = \"file:/run/k\" }",
        ] {
            assert_eq!(read(text).err(), None, "{text}");
        }
    }

    #[test]
    fn references_are_filled_in() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("pass");
        std::fs::write(&path, "sesame\n").expect("written");
        let home = std::env::var("PATH").expect("PATH is set");
        let of = |text: &str| filled(text).map(|text| text.to_string());
        assert_eq!(of(&format!("srt://h:1?passphrase=${{file:{}}}&x=${{PATH}}", path.display())), Ok(format!("srt://h:1?passphrase=sesame&x={home}")));
        assert_eq!(of("plain $5 {x}"), Ok("plain $5 {x}".into()));
        for (text, told) in
            [("a${NOT_SET_ANYWHERE}", "${NOT_SET_ANYWHERE}; accepted"), ("${file:/nowhere}", "/nowhere"), ("${a b}", "the name"), ("${x", "without }")]
        {
            assert!(of(text).is_err_and(|why| why.contains(told)), "{text}");
        }
    }

    #[test]
    fn what_references_stand_for_is_not_shown_wherever_it_stands() {
        let dir = tempfile::tempdir().expect("a folder");
        let reference = |name: &str, value: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, value).expect("written");
            format!("${{file:{}}}", path.display())
        };
        let token = reference("token", "Tk-92/x%26 y");
        for (input, shown) in [
            (format!("https://cdn/{token}/live.m3u8"), format!("https://cdn/{token}/live.m3u8")),
            (format!("rtmp://h/{token}/s"), format!("rtmp://h/{token}/…")),
            (format!("gst:souphttpsrc location=http://h/{token}/x ! tsdemux"), format!("gst:souphttpsrc location=http://h/{token}/x ! tsdemux")),
            (format!("srt://h:1?passphrase={token}"), "srt://h:1?passphrase=…".to_owned()),
            (token.clone(), token.clone()),
        ] {
            let filled = filled(&input).expect("legal");
            assert!(filled.contains("Tk-92/x%26 y"));
            assert_eq!(without_secrets(&filled), shown);
            let said = scrub(&format!("cannot open '{}': Tk-92/x& y", *filled), &hidden(&filled));
            assert!(!said.contains("Tk-92"), "{said}");
        }
        // As a URL that was read has it.
        let url = url::Url::parse(&filled(&format!("https://{}/{token}/cpix", reference("tenant", "Acme-7"))).expect("legal")).expect("a URL");
        assert_eq!(without_secrets(url.as_str()), format!("https://${{file:{}}}/{token}/cpix", dir.path().join("tenant").display()));
        // A short one is in every word.
        assert_eq!(without_secrets(&filled(&format!("udp://h{}:5000", reference("short", "1"))).expect("legal")), "udp://h1:5000");
    }

    #[test]
    fn a_token_that_changes_leaves_the_job_as_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("token");
        let digest = |token: &str| {
            std::fs::write(&path, token).expect("written");
            let wishes = read(&format!("inputs = [\"https://cdn/${{file:{}}}/live.m3u8\"]\noutputs = [\"out\"]", path.display())).expect("legal");
            let job = wishes.check("job.toml").expect("legal");
            assert!(job.inputs[0].contains(token));
            crate::resolution::digest(&job)
        };
        assert_eq!(digest("sesame-one"), digest("another-one"));
    }
}

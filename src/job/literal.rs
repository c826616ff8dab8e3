//! Secrets that stand in a job file as they are: refused, with their place. Whoever reads the file, or the system that it is kept in, has them.

use super::outputs::is_variable;
use super::protection::ProtectionWishes;
use super::wishes::Wishes;
use crate::config::ConfigError;
use crate::secrets::{literal, literal_header};

/// What is accepted in its place.
const ACCEPTED: &str =
    "${NAME} (a variable of the environment) or ${file:PATH} (a file's text) in the place of the secret; or the whole of it by flag or variable";

impl Wishes {
    /// Refuses a secret that is written in the job file called `file`, whose text is `text`.
    pub(super) fn refuse_literals(&self, file: &str, text: &str) -> Result<(), ConfigError> {
        let place = |field: String, written: &str, what: &str| {
            // By what stands before the secret, since a text may be written in several ways.
            let head: String = written.chars().take_while(|c| !matches!(c, ':' | '!' | ' ' | '"' | '\\')).collect();
            let leaf = field.rsplit(['.', '[']).next().unwrap_or_default().trim_end_matches(']').to_owned();
            let found =
                text.lines().position(|line| line.contains(written)).or_else(|| text.lines().position(|line| line.contains(&head) || line.contains(&leaf)));
            let at = found.map_or(String::new(), |n| format!(" (line {})", n + 1));
            ConfigError::Value { what: "job", file: file.to_owned(), field, value: format!("a secret as it is: {what}{at}"), accepted: ACCEPTED.to_owned() }
        };
        for (n, input) in self.inputs.iter().flatten().enumerate() {
            literal(input).map_or(Ok(()), |what| Err(place(format!("inputs[{n}]"), input, &what)))?;
        }
        let standby = self.standby.input.iter().map(|input| ("standby.input".to_owned(), input.clone()));
        let plain = self.outputs.iter().flatten().enumerate().map(|(n, output)| (format!("outputs[{n}]"), output.display().to_string()));
        let tables = self.output.iter().flatten().enumerate().map(|(n, output)| (format!("output[{n}].url"), output.url.display().to_string()));
        let ProtectionWishes(protection) = self.protection.clone().unwrap_or_default();
        let servers = protection.iter().enumerate().filter_map(|(n, wish)| Some((format!("protection[{n}].cpix"), wish.cpix.clone()?)));
        for (field, written) in standby.chain(plain).chain(tables).chain(servers) {
            literal(&written).map_or(Ok(()), |what| Err(place(field, &written, &what)))?;
        }
        for (n, wish) in protection.iter().enumerate() {
            for (name, value) in &wish.headers {
                if literal_header(name, value.written()) {
                    return Err(place(format!("protection[{n}].headers.{name}"), name, "the value of this header"));
                }
            }
        }
        Ok(())
    }
}

/// The text with its references filled in: `${NAME}` and `${file:PATH}`. `Err`: what is wrong with one of them, without its value.
pub(super) fn filled(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').ok_or("${ without }; accepted: ${NAME}, ${file:PATH}")?;
        let value = match name.strip_prefix("file:") {
            Some(path) => from_file(path)?,
            None if is_variable(name) => std::env::var(name).map_err(|_| format!("${{{name}}}; accepted: a variable that is set in the environment"))?,
            None => return Err("${…} without the name of a variable; accepted: ${NAME}, ${file:PATH}".to_owned()),
        };
        if value.chars().any(char::is_control) {
            return Err(format!("${{{name}}} (its value is not shown); accepted: text in one line"));
        }
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

/// The text of a file with a secret, without the end of its line.
fn from_file(path: &str) -> Result<String, String> {
    /// More is no secret that stands in an address.
    const MOST: u64 = 64 << 10;
    use std::io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text));
    read.map_err(|e| format!("${{file:{path}}} ({e}); accepted: a file that can be read"))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
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
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(field) && error.contains("(line 2)") && error.contains("${NAME}") && !error.contains("sesame"), "{text}: {error}");
        }
    }

    #[test]
    fn references_and_what_is_no_secret_are_fine() {
        for text in [
            "inputs = [\"srt://h:1?mode=caller&passphrase=${PASS}&pbkeylen=16&streamid=abc\"]",
            "inputs = [\"rtsp://me:${file:/run/secrets/camera}@camera/1\"]",
            "inputs = [\"rtmp://host/live/name\", \"udp://10.0.0.1@239.1.1.1:5000\"]",
            "inputs = [\"gst:videotestsrc key-int-max=50 ! x264enc key-int-max=25 ! fakesink\"]",
            "outputs = [\"https://me:${PUSH}@host/live?sig=${SIG}\", \"/srv/a:b@c\"]",
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
        assert_eq!(filled(&format!("srt://h:1?passphrase=${{file:{}}}&x=${{PATH}}", path.display())), Ok(format!("srt://h:1?passphrase=sesame&x={home}")));
        assert_eq!(filled("plain $5 {x}"), Ok("plain $5 {x}".into()));
        for (text, told) in
            [("a${NOT_SET_ANYWHERE}", "${NOT_SET_ANYWHERE}; accepted"), ("${file:/nowhere}", "/nowhere"), ("${a b}", "the name"), ("${x", "without }")]
        {
            assert!(filled(text).is_err_and(|why| why.contains(told)), "{text}");
        }
    }
}

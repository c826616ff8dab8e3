//! Reading what people write: TOML or JSON files of a bounded size, and errors that say where.

use crate::secrets::{may_hide, without_values};
use serde::de::DeserializeOwned;
use std::io::Read;
use std::path::Path;

/// The largest job or ladder file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 20;

/// Why a file that someone wrote is not accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{what} {file}: {why}")]
    Read {
        /// "job", "ladder", "resolution".
        what: &'static str,
        /// As given.
        file: String,
        /// The system's words, and what would be accepted.
        why: String,
    },
    /// It is not TOML or JSON, or has a field, type or value that is not known.
    #[error("{what} {file}, line {line} (`{text}`): {why}")]
    Syntax {
        /// "job", "ladder".
        what: &'static str,
        /// As given.
        file: String,
        /// From 1.
        line: usize,
        /// That line.
        text: String,
        /// What is wrong with it, and what would be accepted.
        why: String,
    },
    /// A field has a value that is legal TOML and not a legal job or ladder.
    #[error("{what} {file}: {field} = {value}; accepted: {accepted}")]
    Value {
        /// "job", "ladder".
        what: &'static str,
        /// As given.
        file: String,
        /// Which field, with the rung that it belongs to.
        field: String,
        /// As given.
        value: String,
        /// What would do.
        accepted: String,
    },
}

impl ConfigError {
    /// The same of a file that is called otherwise.
    pub fn of(self, name: &str) -> ConfigError {
        match self {
            ConfigError::Read { what, why, .. } => ConfigError::Read { what, file: name.to_owned(), why },
            other => other,
        }
    }
}

/// Reads a text file of at most [`MAX_FILE`] bytes. `what` goes into the error.
pub fn read(what: &'static str, path: &Path) -> Result<String, ConfigError> {
    let wrong = |why: String| ConfigError::Read { what, file: path.display().to_string(), why };
    let file = std::fs::File::open(path).map_err(|e| wrong(format!("{e}; accepted: a file that can be read")))?;
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|e| wrong(format!("{e}; accepted: a text file in UTF-8")))?;
    if text.len() as u64 > MAX_FILE {
        return Err(wrong(format!("more than {MAX_FILE} bytes; accepted: up to {MAX_FILE}")));
    }
    Ok(text)
}

/// Whether a text is JSON: by the end of the file's name, or, where that says nothing, by its first character, which TOML cannot begin with.
pub fn is_json(file: &str, text: &str) -> bool {
    let name = file.to_ascii_lowercase();
    name.ends_with(".json") || !name.ends_with(".toml") && text.trim_start_matches('\u{feff}').trim_start().starts_with('{')
}

/// Parses TOML or JSON ([`is_json`]). `what` and `file` go into the error, beside the line and, of JSON, the key.
pub fn parse<T: DeserializeOwned>(what: &'static str, file: &str, text: &str) -> Result<T, ConfigError> {
    if is_json(file, text) {
        return json(what, file, text);
    }
    toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        wrong_line(what, file, text, before.matches('\n').count() + 1, None, e.message())
    })
}

fn json<T: DeserializeOwned>(what: &'static str, file: &str, text: &str) -> Result<T, ConfigError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|e| (e.path().to_string(), e.into_inner()));
    read.and_then(|value| reader.end().map(|()| value).map_err(|e| (".".to_owned(), e))).map_err(|(path, e)| {
        // What serde_json says ends with the place, which is told before it.
        let said = e.to_string();
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
        let key = (path != "." && path != "?").then_some(path);
        wrong_line(what, file, text, e.line().max(1), key.as_deref(), said)
    })
}

/// The error of one line. A secret that someone wrote into it all the same is not repeated.
fn wrong_line(what: &'static str, file: &str, text: &str, line: usize, key: Option<&str>, said: &str) -> ConfigError {
    let shown: String = text.lines().nth(line - 1).unwrap_or_default().trim().chars().take(120).collect();
    let why = said.trim().replace('\n', "; ");
    let hides = may_hide(&shown) || key.is_some_and(may_hide);
    let (text, why) = if hides { (without_values(&shown), without_values(&why)) } else { (shown, why) };
    let why = key.map_or(why.clone(), |key| format!("{key}: {why}"));
    ConfigError::Syntax { what, file: file.to_owned(), line, text, why }
}

/// Names in one line, for an error.
pub fn listed<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    items.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Wishes;

    fn wishes(file: &str, text: &str) -> Result<Wishes, String> {
        parse("job", file, text).map_err(|e| e.to_string())
    }

    #[test]
    fn one_job_in_two_languages() {
        let toml =
            "inputs = [\"a.ts\"]\nsegment = 2\nladder = \"tiny\"\n[timeline]\nhold = \"1.5s\"\n[[output]]\nurl = \"out\"\n[select]\naudio = [\"eng\", 3]\n";
        let json = r#" {"inputs": ["a.ts"], "segment": 2, "ladder": "tiny", "timeline": {"hold": "1.5s"}, "output": [{"url": "out"}], "select": {"audio": ["eng", 3]}}"#;
        let read = wishes("job.toml", toml).expect("TOML");
        assert_eq!(Ok(&read), wishes("job.json", json).as_ref());
        assert_eq!(Ok(&read), wishes("/dev/stdin", json).as_ref());
        assert_eq!(Ok(&read), wishes("job", &format!("\u{feff}{json}")).as_ref());
    }

    #[test]
    fn what_is_wrong_in_json_is_told_with_line_and_key() {
        for (text, told) in [
            ("{\n  \"timeline\": {\n    \"holt\": 1\n  }\n}", "line 3 (`\"holt\": 1`): timeline.holt: unknown field `holt`, expected one of `clock`"),
            ("{\n  \"segment\": 1.5\n}", "line 2 (`\"segment\": 1.5`): segment: 1.5 without quotes is not exact"),
            ("{\n  \"output\": [\n    {\"url\": \"a\"},\n    {\"url\": \"b\", \"fsync\": \"maybe\"}\n  ]\n}", "line 4 ("),
            ("{\n  \"output\": [\n    {\"url\": \"a\"},\n    {\"url\": \"b\", \"fsync\": \"maybe\"}\n  ]\n}", "output[1].fsync: unknown variant `maybe`"),
            ("{\n  \"inputs\": [\"a\"]\n  \"segment\": 2\n}", "line 3"),
            ("{\"inputs\": [\"a\"]} x", "trailing characters"),
            ("{\"inputs\": [\"a\"],\n\"inputs\": [\"b\"]}", "line 2 (`\"inputs\": [\"b\"]}`): duplicate field `inputs`"),
        ] {
            let error = wishes("job.json", text).expect_err(text);
            assert!(error.starts_with("job job.json, line ") && error.contains(told), "no {told:?} in {error}");
        }
    }

    #[test]
    fn json_that_is_wrong_does_not_repeat_a_secret() {
        let texts = [
            "{\"protection\": {\n\"keys\": [{\"id\": \"x\", \"key\":\n\"0011223344\", \"iw\": 1}]}}",
            "{\"protection\": {\"seed\":\n\"0011223344\\q\"}}",
            "{\"protection\": {\"keys\": [{\"id\": \"x\", \"key\":\n0011223344}]}}",
        ];
        for text in texts {
            let error = wishes("job.json", text).expect_err(text);
            assert!(!error.contains("0011") && error.contains("line "), "{error}");
        }
    }
}

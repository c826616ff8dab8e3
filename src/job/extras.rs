//! What players expect beside the media: `[session_data]`, `thumbnails`.

use crate::config::ConfigError;
use crate::mux::session::{Says, SessionDatum};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The most pieces of session data.
const MAX_DATA: usize = 64;
/// The longest value, URI or id, in bytes.
const MAX_TEXT: usize = 4096;

/// As checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// `EXT-X-SESSION-DATA`, in the order of their ids.
    pub session: Vec<SessionDatum>,
    /// Tiled pictures for the seek bar.
    pub thumbnails: bool,
}

/// `[session_data]` as written: id to what it says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct SessionWishes(BTreeMap<String, DatumWish>);

/// What one id says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a text, a table with value or uri (and language), or a list of such tables")]
enum DatumWish {
    Value(String),
    One(Written),
    Many(Vec<Written>),
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    value: Option<String>,
    uri: Option<String>,
    language: Option<String>,
}

impl SessionWishes {
    /// These, or those of `below` where there are none.
    pub fn over(self, below: SessionWishes) -> SessionWishes {
        if self.0.is_empty() { below } else { self }
    }

    /// What can stand in a playlist. `file` goes into errors.
    ///
    /// # Errors
    /// A character that no quoted string may have; neither or both of `value` and `uri`; a language twice; too many.
    pub fn check(self, file: &str) -> Result<Vec<SessionDatum>, ConfigError> {
        let wrong = |field: String, value: String, accepted: &str| ConfigError::Value {
            what: "job",
            file: file.to_owned(),
            field,
            value,
            accepted: accepted.to_owned(),
        };
        let mut data: Vec<SessionDatum> = Vec::new();
        for (id, wish) in self.0 {
            let field = |part: &str| format!("session_data.{id:?}{part}");
            if !is_id(&id) {
                return Err(wrong(
                    "session_data".to_owned(),
                    format!("{id:?}"),
                    "ids of a-z, A-Z, 0-9, \".\", \"_\", \"-\", in reverse DNS order (com.example.title)",
                ));
            }
            let all = match wish {
                DatumWish::Value(value) => vec![Written { value: Some(value), ..Written::default() }],
                DatumWish::One(one) => vec![one],
                DatumWish::Many(many) => many,
            };
            for Written { value, uri, language } in all {
                let says = match (value, uri) {
                    (Some(value), None) if is_quotable(&value) => Says::Value(value),
                    (None, Some(uri)) if is_uri(&uri) => Says::Uri(uri),
                    (Some(value), None) => {
                        return Err(wrong(field(".value"), format!("{value:?}"), "1 to 4096 bytes without quotation marks and control characters"));
                    }
                    (None, Some(uri)) => {
                        return Err(wrong(
                            field(".uri"),
                            format!("{uri:?}"),
                            "a URI: 1 to 4096 printable ASCII characters without spaces, quotation marks and angle brackets",
                        ));
                    }
                    (both, _) => {
                        let found = if both.is_some() { "value and uri" } else { "neither value nor uri" };
                        return Err(wrong(field(""), found.to_owned(), "either value or uri"));
                    }
                };
                if let Some(tag) = language.as_ref().filter(|tag| !is_tag(tag)) {
                    return Err(wrong(field(".language"), format!("{tag:?}"), "a tag of RFC 5646 (en, pt-BR)"));
                }
                if data.iter().any(|other| other.id == id && other.language == language) {
                    return Err(wrong(field(".language"), format!("{} twice", language.as_deref().unwrap_or("none")), "a language of its own for each"));
                }
                data.push(SessionDatum { id: id.clone(), says, language });
            }
        }
        if data.len() > MAX_DATA {
            return Err(wrong("session_data".to_owned(), format!("{} of them", data.len()), "up to 64"));
        }
        Ok(data)
    }
}

fn is_id(id: &str) -> bool {
    (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// What a quoted string may have (RFC 8216bis, 4.2), and nothing that a playlist may not have at all (4.1).
fn is_quotable(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && !text.chars().any(|c| c == '"' || c.is_control() || c == '\u{feff}')
}

fn is_uri(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
}

fn is_tag(tag: &str) -> bool {
    (2..=35).contains(&tag.len()) && tag.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::session::lines;

    fn checked(toml: &str) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Job {
            session_data: SessionWishes,
        }
        let job: Job = toml::from_str(&format!("[session_data]\n{toml}")).map_err(|e| e.message().to_owned())?;
        job.session_data.check("job.toml").map(|data| lines(&data)).map_err(|e| e.to_string())
    }

    #[test]
    fn as_it_is_written_and_as_it_stands_in_a_playlist() {
        let toml = "\"com.example.title\" = [{ value = \"The Match, live\", language = \"en\" }, { value = \"Das Spiel\", language = \"de\" }]\n\
                    \"com.example.lyrics\" = { uri = \"lyrics.json\" }\n\"com.example.venue\" = \"Wembley\"\n";
        let expected = "#EXT-X-SESSION-DATA:DATA-ID=\"com.example.lyrics\",URI=\"lyrics.json\"\n\
                        #EXT-X-SESSION-DATA:DATA-ID=\"com.example.title\",VALUE=\"The Match, live\",LANGUAGE=\"en\"\n\
                        #EXT-X-SESSION-DATA:DATA-ID=\"com.example.title\",VALUE=\"Das Spiel\",LANGUAGE=\"de\"\n\
                        #EXT-X-SESSION-DATA:DATA-ID=\"com.example.venue\",VALUE=\"Wembley\"\n";
        assert_eq!(checked(toml).as_deref(), Ok(expected));
    }

    #[test]
    fn what_no_playlist_can_have_is_refused_with_the_field() {
        let cases = [
            ("a = 'say \"x\"'", "session_data.\"a\".value"),
            ("a = \"two\\nlines\"", "session_data.\"a\".value"),
            ("a = \"\"", "session_data.\"a\".value"),
            ("a = { uri = \"no spaces\" }", "session_data.\"a\".uri"),
            ("a = { uri = \"x\", value = \"y\" }", "value and uri"),
            ("a = {}", "neither value nor uri"),
            ("a = { value = \"x\", language = \"e_n\" }", "session_data.\"a\".language"),
            ("a = [{ value = \"x\" }, { value = \"y\" }]", "none twice"),
            ("\"a b\" = \"x\"", "session_data = \"a b\""),
            ("a = 5", "a text, a table with value or uri"),
        ];
        for (toml, told) in cases {
            let error = checked(toml).expect_err(toml);
            assert!(error.contains(told), "{toml}: {error}");
        }
    }
}

//! Session data (RFC 8216bis, 4.4.6.4): what an application wants to know of the event, as the job says it.

use std::fmt::Write;

/// One piece of it. What is legal was checked with the job ([`crate::job::extras`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDatum {
    /// `DATA-ID`.
    pub id: String,
    /// What it says, or where that is said.
    pub says: Says,
    /// `LANGUAGE`.
    pub language: Option<String>,
}

/// A value, or the URI of a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// `VALUE`.
    Value(String),
    /// `URI`, relative to the multivariant playlist.
    Uri(String),
}

/// Its lines in the multivariant playlist.
pub fn lines(data: &[SessionDatum]) -> String {
    let mut text = String::new();
    for SessionDatum { id, says, language } in data {
        let (name, said) = match says {
            Says::Value(value) => ("VALUE", value),
            Says::Uri(uri) => ("URI", uri),
        };
        let language = language.as_ref().map_or(String::new(), |tag| format!(",LANGUAGE=\"{tag}\""));
        writeln!(text, "#EXT-X-SESSION-DATA:DATA-ID=\"{id}\",{name}=\"{said}\"{language}").expect("writing to a String does not fail");
    }
    text
}

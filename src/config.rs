//! Reading what people write: TOML files of a bounded size, and errors that say where.

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
    /// It is not TOML, or has a field, type or value that is not known.
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

/// Parses TOML. `what` and `file` go into the error, beside the line.
pub fn parse<T: DeserializeOwned>(what: &'static str, file: &str, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let shown: String = text.lines().nth(line - 1).unwrap_or_default().trim().chars().take(120).collect();
        let why = e.message().trim().replace('\n', "; ");
        // A secret that someone wrote into a job all the same is not repeated.
        let (text, why) = if may_hide(&shown) { (without_values(&shown), without_values(&why)) } else { (shown, why) };
        ConfigError::Syntax { what, file: file.to_owned(), line, text, why }
    })
}

/// Names in one line, for an error.
pub fn listed<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    items.into_iter().collect::<Vec<_>>().join(", ")
}

//! The file of the edits: what a restart goes by, and a twin that is given it.

use super::book::MOST;
use super::edit::Edit;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Its name in a directory that is published into.
pub const FILE: &str = "edits.json";
/// The version of its format.
const VERSION: u32 = 1;

/// Why the edits of an event cannot be read, or kept.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeepError {
    /// They cannot be read.
    #[error("edits {path}: {why}; accepted: a file of edits of version {VERSION} that fits this job, as GET /v1/edits shows them, or none")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// They cannot be written.
    #[error("edits {path}: {why}; accepted: a place that can be written to")]
    Unwritable {
        /// The file or folder.
        path: String,
        /// The system's words.
        why: String,
    },
}

/// What `GET /v1/edits` says beside is ignored.
#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    edits: Vec<Edit>,
}

/// The edits of the first of `files` that is there; none where none is.
pub(super) fn load(files: &[PathBuf]) -> Result<(Vec<Edit>, Option<&Path>), KeepError> {
    let Some(path) = files.iter().find(|path| path.symlink_metadata().is_ok()) else { return Ok((Vec::new(), None)) };
    let wrong = |why: String| KeepError::Unreadable { path: path.display().to_string(), why };
    if !path.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
    let text = crate::config::read("edits", path).map_err(|e| wrong(e.to_string()))?;
    let content: Content = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if content.version != VERSION {
        return Err(wrong(format!("version = {}", content.version)));
    }
    if content.edits.len() > MOST {
        return Err(wrong(format!("it has {} edits; up to {MOST} are taken", content.edits.len())));
    }
    Ok((content.edits, Some(path)))
}

/// Keeps them in all of `files`: made under another name, stored, then renamed.
pub(super) fn store(files: &[PathBuf], edits: &[Edit]) -> Result<(), KeepError> {
    let mut text = serde_json::to_string_pretty(&Content { version: VERSION, edits: edits.to_vec() }).unwrap_or_default();
    text.push('\n');
    for path in files {
        let making = path.with_extension("json.tmp");
        let wrong = |path: &Path, e: std::io::Error| KeepError::Unwritable { path: path.display().to_string(), why: e.to_string() };
        let mut file = File::create(&making).map_err(|e| wrong(&making, e))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| wrong(&making, e))?;
        fs::rename(&making, path).map_err(|e| wrong(path, e))?;
    }
    Ok(())
}

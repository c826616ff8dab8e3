//! The file of the edits: what a restart goes by, and a twin that is given it.

use super::book::MOST;
use super::edit::Edit;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

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

/// The edits of the newest of `files` that is there, for one that could not be written is behind; none where none is.
pub(super) fn load(files: &[PathBuf]) -> Result<(Vec<Edit>, Option<&Path>, bool), KeepError> {
    let there = |path: &&PathBuf| path.symlink_metadata().is_ok();
    let age = |path: &PathBuf| path.metadata().and_then(|about| about.modified()).unwrap_or(UNIX_EPOCH);
    let Some(path) = files.iter().filter(there).rev().max_by_key(|path| age(path)) else { return Ok((Vec::new(), None, true)) };
    let edits = read(path)?;
    let mut alike = files.iter().all(|path| there(&path));
    for other in files.iter().filter(there).filter(|other| *other != path) {
        match read(other) {
            Ok(others) if others == edits => {}
            Ok(_) => {
                alike = false;
                tracing::warn!("edits {}: it has others than {}, which is newer and is followed", other.display(), path.display());
            }
            Err(error) => {
                alike = false;
                tracing::warn!("{error}: {} is newer, and is followed", path.display());
            }
        }
    }
    Ok((edits, Some(path), alike))
}

fn read(path: &Path) -> Result<Vec<Edit>, KeepError> {
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
    Ok(content.edits)
}

/// Keeps them in all of `files`, also where one of them cannot be written, which is the answer then: made under another name, stored, then renamed.
pub(super) fn store(files: &[PathBuf], edits: &[Edit]) -> Result<(), KeepError> {
    let mut text = serde_json::to_string_pretty(&Content { version: VERSION, edits: edits.to_vec() }).unwrap_or_default();
    text.push('\n');
    let mut stored = Ok(());
    for path in files {
        stored = stored.and(write(path, &text));
    }
    stored
}

fn write(path: &Path, text: &str) -> Result<(), KeepError> {
    let making = path.with_extension("json.tmp");
    let wrong = |path: &Path, e: std::io::Error| KeepError::Unwritable { path: path.display().to_string(), why: e.to_string() };
    let mut file = File::create(&making).map_err(|e| wrong(&making, e))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| wrong(&making, e))?;
    fs::rename(&making, path).map_err(|e| wrong(path, e))
}

#[cfg(test)]
mod tests {
    use super::super::edit::Change;
    use super::*;
    use std::time::{Duration, SystemTime};

    fn slate(from: i64) -> Vec<Edit> {
        vec![Edit { from, change: Change::Slate { on: true } }]
    }

    #[test]
    fn a_file_that_cannot_be_written_costs_no_other_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let [gone, well] = ["gone/edits.json", "edits.json"].map(|name| dir.path().join(name));
        let files = [gone, well.clone()];
        let refused = store(&files, &slate(7)).expect_err("there is no such folder");
        assert!(matches!(&refused, KeepError::Unwritable { path, .. } if path.contains("gone")), "{refused}");
        assert_eq!(load(&files).map(|(edits, path, _)| (edits, path)), Ok((slate(7), Some(well.as_path()))));
    }

    #[test]
    fn of_files_that_differ_the_newest_is_followed() {
        let dir = tempfile::tempdir().expect("a folder");
        let files = ["a.json", "b.json"].map(|name| dir.path().join(name));
        assert_eq!(load(&files), Ok((vec![], None, true)));
        let aged = |path: &Path, seconds: u64| {
            let file = File::options().write(true).open(path).expect("it is there");
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).expect("aged");
        };
        store(&files[..1], &slate(1)).expect("written");
        store(&files[1..], &slate(2)).expect("written");
        for (ages, followed) in [([60, 5], 2), ([5, 60], 1)] {
            files.iter().zip(ages).for_each(|(path, age)| aged(path, age));
            assert_eq!(load(&files).expect("read").0, slate(followed), "{ages:?}");
        }
        // One that is broken is in the way only where it is what would be followed.
        fs::write(&files[1], "{").expect("written");
        assert!(matches!(load(&files), Err(KeepError::Unreadable { .. })));
        aged(&files[1], 60);
        assert_eq!(load(&files).expect("read").0, slate(1));
    }
}

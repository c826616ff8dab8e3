//! The file of the masks: what a restart of the origin goes by.

use super::mask::{MAX_MASKS, Mask};
use crate::sink::SinkError;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Its name in the origin's directory.
pub const FILE: &str = "masks.json";
/// The version of its format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    masks: Vec<String>,
}

/// Masks, kept in a directory.
pub(super) struct Kept {
    path: PathBuf,
}

impl Kept {
    /// In `dir`, which need not have any.
    pub fn of(dir: &Path) -> Kept {
        Kept { path: dir.join(FILE) }
    }

    /// Those that an earlier life had; none where there is no file.
    ///
    /// # Errors
    /// A file that is not of this format: somebody hid these numbers, and they must not be shown because of a comma.
    pub fn load(&self) -> Result<Vec<Mask>, SinkError> {
        let wrong = |why: String| {
            let why = format!("{why}; accepted: {{\"version\": {VERSION}, \"masks\": [\"PIPELINE:FROM-TO\"]}} with up to {MAX_MASKS} of them, or no such file");
            SinkError::new(&self.path, why)
        };
        if self.path.symlink_metadata().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
            return Ok(Vec::new());
        }
        let text = crate::config::read("masks", &self.path).map_err(|e| wrong(e.to_string()))?;
        let content: Content = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        if content.version != VERSION || content.masks.len() > MAX_MASKS {
            return Err(wrong(format!("version {}, {} masks", content.version, content.masks.len())));
        }
        content.masks.iter().map(|mask| mask.parse().map_err(&wrong)).collect()
    }

    /// Keeps them: made under another name, stored, then renamed.
    ///
    /// # Errors
    /// The system's.
    pub fn store(&self, masks: &[Mask]) -> Result<(), SinkError> {
        let content = Content { version: VERSION, masks: masks.iter().map(ToString::to_string).collect() };
        let text = serde_json::to_string_pretty(&content).unwrap_or_default() + "\n";
        let making = self.path.with_extension("json.tmp");
        let written = File::create(&making).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        written.and_then(|()| fs::rename(&making, &self.path)).map_err(|e| SinkError::new(&self.path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_there_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let kept = Kept::of(dir.path());
        assert_eq!(kept.load().expect("none"), []);
        let masks: Vec<Mask> = ["A:5-9", "B:7-", "A:3"].iter().map(|mask| mask.parse().expect("legal")).collect();
        kept.store(&masks).expect("written");
        assert_eq!(kept.load().expect("read"), masks);
        kept.store(&[]).expect("written");
        assert_eq!(kept.load().expect("read"), []);
    }

    #[test]
    fn what_is_no_file_of_masks_is_refused_with_its_place() {
        let dir = tempfile::tempdir().expect("a folder");
        let kept = Kept::of(dir.path());
        let many = format!("{{\"version\": 1, \"masks\": [{}]}}", vec!["\"A:1\""; MAX_MASKS + 1].join(","));
        for text in ["", "[]", "{\"version\": 2, \"masks\": []}", "{\"version\": 1, \"masks\": [\"A:9-5\"]}", "{\"version\": 1, \"masks\": [5]}", &many] {
            std::fs::write(dir.path().join(FILE), text).expect("written");
            let said = kept.load().expect_err(text).to_string();
            assert!(said.contains(FILE) && said.contains("PIPELINE:FROM-TO"), "{said}");
        }
        std::fs::remove_file(dir.path().join(FILE)).expect("removed");
        std::fs::create_dir(dir.path().join(FILE)).expect("a folder");
        assert!(kept.load().is_err() && kept.store(&[]).is_err());
    }
}

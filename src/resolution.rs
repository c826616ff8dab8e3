//! What was found out about a source once, kept beside the output: a restart does not resolve anew, and a changed job does not mix with what is there.

use crate::capture::choose;
use crate::class::{fraction, short_hash};
use crate::config;
use crate::job::{Anchor, Job};
use crate::plan::SourceFacts;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Its name in an output.
pub const FILE: &str = "resolution.json";
/// The version of its format that this program reads and writes.
pub const VERSION: u32 = 2;

/// The content of `resolution.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// Version of the format.
    pub version: u32,
    /// Digest of the job ([`digest`]).
    pub job: String,
    /// What the plan was resolved against.
    pub source: SourceFacts,
    /// The anchor that was taken when the first worker started; absent where the clock needs none.
    pub anchor: Option<AnchorTaken>,
    /// Class of the worker that wrote this.
    pub class: String,
}

/// An anchor as exact text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorTaken {
    /// Source time, "numerator/denominator" seconds.
    pub source: String,
    /// The UTC that it is, "numerator/denominator" seconds since the epoch.
    pub utc: String,
}

/// Why a kept resolution cannot be used, or a new one not kept.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ResolutionError {
    /// It belongs to another job.
    #[error(
        "output {output}: {FILE} is of another job ({found}, this one is {wanted}: other inputs, ladder, segment, rate, select or timeline); accepted: another --output, or remove the directory"
    )]
    OtherJob {
        /// The output.
        output: String,
        /// Digest there.
        found: String,
        /// Digest of this job.
        wanted: String,
    },
    /// Two outputs of this job hold different ones.
    #[error("outputs {first} and {second}: their {FILE} differ; accepted: outputs that were written together, or remove one directory")]
    Disagree {
        /// One output.
        first: String,
        /// The other.
        second: String,
    },
    /// It cannot be read as one.
    #[error("{path}: {why}; accepted: a resolution of version {VERSION}; use another --output, or remove the directory")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// It cannot be written.
    #[error("{path}: {why}; accepted: a directory that can be written to")]
    Unwritable {
        /// The file or directory.
        path: String,
        /// The system's words.
        why: String,
    },
}

impl From<Anchor> for AnchorTaken {
    fn from(anchor: Anchor) -> AnchorTaken {
        AnchorTaken { source: fraction(anchor.source), utc: fraction(anchor.utc) }
    }
}

impl AnchorTaken {
    /// The anchor, where both sides are times.
    pub fn anchor(&self) -> Option<Anchor> {
        Some(Anchor { source: self.source.parse().ok()?, utc: self.utc.parse().ok()? })
    }
}

/// A short hash of what a resolution depends on: inputs, ladder, segment, rate, select, timeline.
pub fn digest(job: &Job) -> String {
    let (timeline, select) = (&job.timeline, &job.select);
    let mut facts = json!({
        // A signed URL or a passphrase may be another one after a restart.
        "inputs": job.written,
        "ladder": job.ladder,
        "segment": fraction(job.segment),
        "rate": job.rate,
        "select": {
            "program": select.program.as_ref().map(ToString::to_string),
            "video": select.video.as_ref().map(ToString::to_string),
            "audio": select.audio.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "no_audio": select.no_audio,
        },
        "clock": format!("{:?}", timeline.clock),
        "anchor": timeline.anchor.map(AnchorTaken::from),
        "phase": fraction(timeline.phase),
        "stamp_offset": fraction(timeline.stamp_offset),
        "hold": fraction(timeline.hold),
        "max_gap": fraction(timeline.max_gap),
    });
    if let Some(source) = &job.source {
        facts["source"] = json!(source);
    }
    short_hash(&facts)
}

impl Resolution {
    /// A new one for `job`.
    pub fn new(job: &Job, source: SourceFacts, anchor: Option<Anchor>, class: String) -> Resolution {
        Resolution { version: VERSION, job: digest(job), source, anchor: anchor.map(AnchorTaken::from), class }
    }

    /// `job` as it is opened again: it wants the streams that were chosen, as many sounds as there were, and does without those that are gone.
    pub fn reopened(&self, job: &Job) -> Job {
        Job { select: choose::again(&job.select, self.source.video, &self.source.sounds), ..job.clone() }
    }

    /// The one kept beside the outputs of `job`; `None` where no output has one. Reads only.
    pub fn load(job: &Job) -> Result<Option<Resolution>, ResolutionError> {
        let wanted = digest(job);
        let mut kept: Option<(&Path, Resolution)> = None;
        for output in job.directories() {
            let Some(found) = read(output)? else { continue };
            if found.job != wanted {
                return Err(ResolutionError::OtherJob { output: output.display().to_string(), found: found.job, wanted });
            }
            match &kept {
                Some((first, other)) if *other != found => {
                    return Err(ResolutionError::Disagree { first: first.display().to_string(), second: output.display().to_string() });
                }
                Some(_) => {}
                None => kept = Some((output, found)),
            }
        }
        Ok(kept.map(|(_, resolution)| resolution))
    }

    /// Keeps it beside every output, as the first file there: made under another name, stored, then renamed.
    pub fn store(&self, job: &Job) -> Result<(), ResolutionError> {
        job.directories().try_for_each(|output| self.store_in(output))
    }

    fn store_in(&self, output: &Path) -> Result<(), ResolutionError> {
        let (name, making) = (output.join(FILE), output.join(format!("{FILE}.tmp")));
        let wrong = |path: &Path, e: &dyn std::fmt::Display| ResolutionError::Unwritable { path: path.display().to_string(), why: e.to_string() };
        let mut text = serde_json::to_string_pretty(self).map_err(|e| wrong(&name, &e))?;
        text.push('\n');
        fs::create_dir_all(output).map_err(|e| wrong(output, &e))?;
        let mut file = File::create(&making).map_err(|e| wrong(&making, &e))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| wrong(&making, &e))?;
        fs::rename(&making, &name).map_err(|e| wrong(&name, &e))
    }
}

fn read(output: &Path) -> Result<Option<Resolution>, ResolutionError> {
    let path = output.join(FILE);
    if matches!(path.symlink_metadata(), Err(e) if e.kind() == std::io::ErrorKind::NotFound) {
        return Ok(None);
    }
    let wrong = |why: String| ResolutionError::Unreadable { path: path.display().to_string(), why };
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(wrong("it is not a file".to_owned()));
    }
    let text = config::read("resolution", &path).map_err(|e| wrong(e.to_string()))?;
    let found: Resolution = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if found.version != VERSION {
        return Err(wrong(format!("version = {}", found.version)));
    }
    if found.anchor.as_ref().is_some_and(|taken| taken.anchor().is_none()) {
        return Err(wrong(format!("anchor = {:?}", found.anchor)));
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan_tests;
    use crate::time::Seconds;

    fn job(outputs: &[&Path]) -> Job {
        Job { outputs: outputs.iter().map(|p| crate::job::Output::directory(*p)).collect(), ..plan_tests::job("tiny", "") }
    }

    fn resolution(job: &Job) -> Resolution {
        let anchor = Anchor { source: Seconds::new(1001, 90_000), utc: Seconds::new(5_385_876_390_120, 3000) };
        Resolution::new(job, plan_tests::source(1920, 1080, (1, 1)), Some(anchor), "abc".into())
    }

    #[test]
    fn what_was_stored_is_loaded_exactly() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let job = job(&[&dir.path().join("a/b")]);
        assert_eq!(Resolution::load(&job), Ok(None));
        let made = resolution(&job);
        made.store(&job).expect("stored");
        let kept = Resolution::load(&job).expect("loads").expect("is there");
        assert_eq!(kept, made);
        let anchor = kept.anchor.and_then(|a| a.anchor()).expect("an anchor");
        assert_eq!((anchor.source, anchor.utc), (Seconds::new(1001, 90_000), Seconds::new(5_385_876_390_120, 3000)));
        let files: Vec<_> = fs::read_dir(dir.path().join("a/b")).expect("listed").flatten().map(|e| e.file_name()).collect();
        assert_eq!(files, [FILE], "nothing half-made stays");
    }

    #[test]
    fn another_job_is_told_what_to_do() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let first = job(&[dir.path()]);
        resolution(&first).store(&first).expect("stored");
        let mut other = first.clone();
        other.segment = Seconds::whole(4);
        let message = Resolution::load(&other).expect_err("another job").to_string();
        for part in [&dir.path().display().to_string(), &digest(&first), &digest(&other), "another --output", "remove the directory"] {
            assert!(message.contains(part), "no {part} in {message}");
        }
        let mut same = first.clone();
        same.publish_delay = Seconds::whole(9);
        assert!(Resolution::load(&same).expect("loads").is_some(), "settings that resolve nothing may change");
    }

    #[test]
    fn outputs_that_disagree_are_refused_and_a_new_one_joins() {
        let dirs = [tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two")];
        let both = job(&[dirs[0].path(), dirs[1].path()]);
        let made = resolution(&both);
        made.store_in(dirs[1].path()).expect("stored");
        assert_eq!(Resolution::load(&both), Ok(Some(made.clone())));
        Resolution { class: "other".into(), ..made }.store_in(dirs[0].path()).expect("stored");
        assert!(matches!(Resolution::load(&both), Err(ResolutionError::Disagree { .. })));
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let job = job(&[dir.path()]);
        let good = serde_json::to_string(&resolution(&job)).expect("JSON");
        for (text, why) in [
            ("", "EOF"),
            ("{}", "missing field"),
            (&good.replace("\"version\":2", "\"version\":1"), "version = 1"),
            (&good.replace("1001/90000", "1001/0"), "anchor ="),
            (&good[..good.len() / 2], "EOF"),
        ] {
            fs::write(dir.path().join(FILE), text).expect("written");
            let message = Resolution::load(&job).expect_err("damaged").to_string();
            assert!(message.contains(FILE) && message.contains(why) && message.contains("version 2"), "{message}");
        }
    }
}

//! Whether the places that a job names can be used. Opens and creates nothing.

use super::{Job, is_file};
use crate::config::ConfigError;
use crate::ffmpeg::{Access, access};
use std::io::ErrorKind;
use std::path::Path;

impl Job {
    /// Refuses a missing or unreadable input file, and an output that cannot be a directory written to.
    pub fn check_places(&self) -> Result<(), ConfigError> {
        for input in self.inputs.iter().filter(|input| is_file(input)) {
            check_input(Path::new(input)).map_err(|why| ConfigError::Read { what: "input", file: input.clone(), why })?;
        }
        for output in &self.outputs {
            check_output(output).map_err(|why| ConfigError::Read { what: "output", file: output.display().to_string(), why })?;
        }
        Ok(())
    }
}

fn check_input(path: &Path) -> Result<(), String> {
    const ACCEPTED: &str = "accepted: a media file that can be read, - (stdin), udp://ADDRESS:PORT, or testsrc:OPTIONS";
    let found = std::fs::metadata(path).map_err(|e| format!("{e}; {ACCEPTED}"))?;
    if found.is_dir() {
        return Err(format!("it is a directory; {ACCEPTED}"));
    }
    access(path, Access::Read).map_err(|e| format!("{e}; {ACCEPTED}"))
}

/// The output itself, or the nearest folder above it that exists, must be a directory that can be written to.
fn check_output(output: &Path) -> Result<(), String> {
    const ACCEPTED: &str = "accepted: a directory that can be written to, or a path where one can be made";
    for place in output.ancestors() {
        let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
        let shown = place.display();
        match std::fs::metadata(place) {
            Ok(found) if found.is_dir() => return access(place, Access::WriteInto).map_err(|e| format!("{shown} cannot be written to: {e}; {ACCEPTED}")),
            Ok(_) => return Err(format!("{shown} is not a directory; {ACCEPTED}")),
            Err(_) if std::fs::symlink_metadata(place).is_ok() => return Err(format!("{shown} is a link to nowhere; {ACCEPTED}")),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(e) => return Err(format!("{shown}: {e}; {ACCEPTED}")),
        }
    }
    Err(format!("no folder above it exists; {ACCEPTED}"))
}

//! Whether the places that a job names can be used. Opens and creates nothing.

use super::output::{Login, Output};
use super::{Job, is_file, outputs};
use crate::config::ConfigError;
use crate::ffmpeg::{Access, access};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

impl Job {
    /// Refuses a missing or unreadable input file, and an output that cannot be a directory written to.
    pub fn check_places(&self) -> Result<(), ConfigError> {
        for input in self.inputs.iter().filter(|input| is_file(input)) {
            check_input(Path::new(input)).map_err(|why| ConfigError::Read { what: "input", file: input.clone(), why })?;
        }
        for output in self.directories() {
            check_output(output).map_err(|why| ConfigError::Read { what: "output", file: output.display().to_string(), why })?;
        }
        for output in &self.outputs {
            secrets(output).map_err(|why| ConfigError::Read { what: "output", file: output.to_string(), why })?;
        }
        self.check_apart()
    }

    /// Refuses two outputs that are one directory, and an input that publishing would replace.
    fn check_apart(&self) -> Result<(), ConfigError> {
        let real: Vec<PathBuf> = self.directories().map(real).collect();
        for (i, (output, place)) in self.directories().zip(&real).enumerate() {
            let wrong = |why: String| ConfigError::Read { what: "output", file: output.display().to_string(), why };
            if let Some(first) = self.directories().zip(&real).take(i).find_map(|(other, at)| (at == place).then_some(other)) {
                return Err(wrong(format!("it is the directory {} again; accepted: each directory once", first.display())));
            }
            let replaced = self.inputs.iter().filter(|input| is_file(input)).find(|input| is_published(&real_input(input), place));
            if let Some(input) = replaced {
                return Err(wrong(format!("the input {input} lies in it, under a name that is published; accepted: another directory")));
            }
        }
        Ok(())
    }
}

/// What opens a destination must be there: it is read, and forgotten.
fn secrets(output: &Output) -> Result<(), String> {
    let readable = |path: &Path| access(path, Access::Read).map_err(|e| format!("{}: {e}; accepted: a file that can be read", path.display()));
    match output {
        Output::Directory(_) => Ok(()),
        Output::Objects(objects) => objects.ca.as_deref().map_or(Ok(()), readable),
        Output::Push(push) => {
            match &push.login {
                Login::Open => {}
                Login::Bearer(secret) | Login::Basic { password: secret, .. } => drop(secret.read()?),
            }
            for name in push.query.iter().flat_map(|query| outputs::variables(query).unwrap_or_default()) {
                std::env::var(name).map_err(|e| format!("environment variable {name}: {e}; accepted: one that is set"))?;
            }
            let (certificate, key) = push.certificate.as_ref().map_or((None, None), |(certificate, key)| (Some(certificate), Some(key)));
            [certificate, key, push.ca.as_ref()].into_iter().flatten().try_for_each(|path| readable(path))
        }
    }
}

/// Where `path` leads: without links and detours as far as it exists.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find_map(|place| Some((place.canonicalize().ok()?, path.strip_prefix(place).ok()?)));
    there.map_or_else(|| path.clone(), |(there, rest)| if rest.as_os_str().is_empty() { there } else { there.join(rest) })
}

fn real_input(input: &str) -> PathBuf {
    real(Path::new(input.strip_prefix("file:").unwrap_or(input)))
}

/// Whether a file is one that an output at `root` replaces or is found by.
fn is_published(file: &Path, root: &Path) -> bool {
    let Ok(inside) = file.strip_prefix(root) else { return false };
    let ours = |names: &[&str]| inside.file_name().and_then(|name| name.to_str()).is_some_and(|name| names.contains(&name));
    match inside.components().count() {
        1 => ours(&["main.m3u8", "manifest.mpd", "resolution.json"]),
        2 => ours(&["init.mp4", "media.m3u8"]) || inside.extension().is_some_and(|e| e == "m4s"),
        _ => false,
    }
}

fn check_input(path: &Path) -> Result<(), String> {
    const ACCEPTED: &str =
        "accepted: a media file that can be read, - (stdin), a URL (udp://ADDRESS:PORT, srt://, rtmp://, http://), gst:PIPELINE, or testsrc:OPTIONS";
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

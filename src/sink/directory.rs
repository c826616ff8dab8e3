//! A directory as a destination: each file is written beside its place under a temporary name and renamed into it, so a reader, and a restart after
//! `kill -9`, finds it whole or not at all. Nothing is synced to the disk: a power cut may cost the newest files (see [`super::stored`]).

use super::{Publish, Sink, SinkError};
use crate::status::Status;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// A directory that is published into.
pub struct Directory {
    root: PathBuf,
    /// Locked (flock) for as long as this lives: two workers would remove and rename each other's temporary files.
    _lock: fs::File,
    /// Where conflicts are counted, if anywhere.
    status: Option<Arc<Status>>,
}

/// As [`Directory::open`], for the table.
pub(super) fn open(root: &Path, tracks: &[String], status: &Arc<Status>) -> Result<Box<dyn Sink>, SinkError> {
    Ok(Box::new(Directory::open(root, tracks, status.clone())?))
}

/// Whether `root` could be published into, as far as looking can tell: it, or the nearest parent that exists, is a folder. Touches nothing.
pub fn check(root: &Path) -> Result<(), SinkError> {
    let nearest = root.ancestors().map(|a| if a.as_os_str().is_empty() { Path::new(".") } else { a });
    for path in nearest {
        match fs::metadata(path) {
            Ok(m) if !m.is_dir() => return Err(SinkError::new(root, format!("{} is not a directory", path.display()))),
            Ok(m) if m.permissions().readonly() => return Err(SinkError::new(root, format!("{} cannot be written to", path.display()))),
            Ok(_) => return Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(SinkError::new(root, format!("{}: {e}", path.display()))),
        }
    }
    Ok(())
}

impl Directory {
    /// Creates `root` where it is missing, proves that it can be written to, and removes what a killed run left half-written in it and in the folders of `tracks`.
    /// Conflicts are counted in `status`, where there is one.
    pub fn open(root: &Path, tracks: &[String], status: impl Into<Option<Arc<Status>>>) -> Result<Directory, SinkError> {
        check(root)?;
        fs::create_dir_all(root).map_err(|e| SinkError::new(root, e))?;
        let lock = lock(root)?;
        let probe = root.join(".probe.tmp");
        let tried = fs::write(&probe, b"mezzo").map_err(|e| SinkError::new(root, e));
        let removed = fs::remove_file(&probe).map_err(|e| SinkError::new(&probe, e));
        tried.and(removed)?;
        sweep(root)?;
        for track in tracks {
            let folder = root.join(plain(root, track)?);
            if folder.exists() {
                sweep(&folder)?;
            }
        }
        Ok(Directory { root: root.to_owned(), _lock: lock, status: status.into() })
    }

    /// An event has one init segment for ever: players and the twin worker hold it already.
    fn init(&self, path: &Path, bytes: &[u8]) -> Result<(), SinkError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| SinkError::new(folder, e))?;
        }
        if agree(path, bytes)? { Ok(()) } else { write_whole(path, bytes) }
    }

    /// What is published stays: a player may have fetched the half of it, a twin the whole.
    fn segment(&self, path: &Path, bytes: &[u8]) -> Result<(), SinkError> {
        match existing(path)? {
            Some(old) if old == bytes => {}
            Some(_) => {
                self.status.iter().for_each(|status| status.conflicts.add(1));
                tracing::warn!(path = %path.display(), "a segment of this number exists with other bytes; it stays as it is");
            }
            None => write_whole(path, bytes)?,
        }
        Ok(())
    }
}

impl Sink for Directory {
    fn publish(&mut self, item: &Publish) -> Result<(), SinkError> {
        let full = |path: &str| plain(&self.root, path).map(|p| self.root.join(p));
        match item {
            Publish::Init { path, bytes } => self.init(&full(path)?, bytes),
            Publish::Segment { path, bytes, .. } => self.segment(&full(path)?, bytes),
            Publish::Text { path, bytes, .. } => write_whole(&full(path)?, bytes),
            // A reader of files sees whole ones only.
            Publish::Chunk { .. } | Publish::Abort { .. } => Ok(()),
            Publish::Remove { path } => remove(&full(path)?),
        }
    }
}

/// The system drops the lock with the process, however that ends. Where a file system has no locks, none is held.
fn lock(root: &Path) -> Result<fs::File, SinkError> {
    let folder = fs::File::open(root).map_err(|e| SinkError::new(root, e))?;
    match folder.try_lock() {
        Err(fs::TryLockError::WouldBlock) => Err(SinkError::new(
            root,
            "another worker is publishing into it; accepted: a directory of its own for each worker, or the same one once that worker has left",
        )),
        Err(fs::TryLockError::Error(e)) => {
            tracing::debug!(path = %root.display(), "cannot be locked: {e}");
            Ok(folder)
        }
        Ok(()) => Ok(folder),
    }
}

/// Whether this init segment is at `path` already; another one there is an error.
pub fn agree(path: &Path, bytes: &[u8]) -> Result<bool, SinkError> {
    match existing(path)? {
        Some(old) if old == bytes => Ok(true),
        Some(_) => Err(SinkError::new(
            path,
            "there is an init segment of another encoding already, and an event never has a second one; publish into an empty directory, or with the settings and version of the first run",
        )),
        None => Ok(false),
    }
}

/// The relative path, if it leads nowhere but down.
fn plain<'a>(root: &Path, path: &'a str) -> Result<&'a Path, SinkError> {
    let inside = !path.is_empty() && Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
    if inside { Ok(Path::new(path)) } else { Err(SinkError::new(root.join(path), "leads outside of the output")) }
}

/// The bytes at `path`; none where there is no file, or an empty one (which a power cut leaves, and which is replaced).
fn existing(path: &Path) -> Result<Option<Vec<u8>>, SinkError> {
    match fs::metadata(path) {
        Ok(m) if !m.is_file() => return Err(SinkError::new(path, "it is there and is not a file; publish into another directory, or remove it")),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let bytes = fs::read(path).map_err(|e| SinkError::new(path, e))?;
    Ok((!bytes.is_empty()).then_some(bytes))
}

/// Writes `path` so that it is seen whole or not at all; what was there is replaced at once. The folder must exist. On an error nothing is left behind.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SinkError> {
    let Some(name) = path.file_name() else { return Err(SinkError::new(path, "names no file")) };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(".tmp");
    let temporary = path.with_file_name(temporary);
    let written = fs::File::create(&temporary).and_then(|mut f| f.write_all(bytes)).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|e| {
        // The first error is the one to report; whether this succeeds changes nothing.
        let _ = fs::remove_file(&temporary);
        SinkError::new(path, e)
    })
}

fn remove(path: &Path) -> Result<(), SinkError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(SinkError::new(path, e)),
        _ => Ok(()),
    }
}

/// Removes `.<name>.tmp` files of mezzo's own kinds from one folder, not from below it.
fn sweep(folder: &Path) -> Result<(), SinkError> {
    for entry in fs::read_dir(folder).map_err(|e| SinkError::new(folder, e))? {
        let entry = entry.map_err(|e| SinkError::new(folder, e))?;
        let name = entry.file_name();
        let ours = name
            .to_str()
            .and_then(|n| n.strip_prefix('.')?.strip_suffix(".tmp"))
            .is_some_and(|n| [".m4s", ".mp4", ".m3u8", ".mpd", ".json"].iter().any(|e| n.ends_with(e)));
        if ours && entry.file_type().is_ok_and(|t| t.is_file()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;

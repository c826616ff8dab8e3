//! A directory as a destination: each file is written beside its place under a temporary name and renamed into it, so a reader, and a restart after
//! `kill -9`, finds it whole or not at all. Synced to the disk is what the output's `fsync` says; without it a power cut may cost the newest files (see [`super::stored`]).

use super::held::Held;
use super::{Context, Publish, Sink, SinkError};
use crate::ffmpeg::{Access, access};
use crate::job::output::{DirectoryOutput, Fsync, Keep};
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
    held: Held,
    fsync: Fsync,
}

/// As [`Directory::open`], with what the job says of it.
pub(super) fn open(output: &DirectoryOutput, context: &Context) -> Result<Box<dyn Sink>, SinkError> {
    let directory = Directory::open(&output.path, &context.tracks(), context.status.clone())?;
    Ok(Box::new(directory.keeping(output.keep, output.fsync)))
}

/// Whether what `root` holds already can go on with these init segments, and its folders can be written to. Reads only.
pub(super) fn agree_all(root: &Path, inits: &[(String, Vec<u8>)]) -> Result<(), SinkError> {
    inits.iter().try_for_each(|(path, bytes)| {
        let path = root.join(path);
        agree(&path, bytes)?;
        let Some(folder) = path.parent().filter(|folder| folder.exists()) else { return Ok(()) };
        access(folder, Access::WriteInto).map_err(|e| SinkError::new(folder, format!("cannot be written to: {e}; accepted: a directory that can")))
    })
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
        Ok(Directory { root: root.to_owned(), _lock: lock, status: status.into(), held: Held::new(Keep::Window), fsync: Fsync::Never })
    }

    /// With another window than the job's, and with what is to be synced.
    pub fn keeping(self, keep: Keep, fsync: Fsync) -> Directory {
        Directory { held: Held::new(keep), fsync, ..self }
    }

    fn sync_media(&self) -> bool {
        self.fsync != Fsync::Never
    }

    /// An event has one init segment for ever: players and the twin worker hold it already.
    fn init(&self, path: &Path, bytes: &[u8]) -> Result<(), SinkError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| SinkError::new(folder, e))?;
            if self.sync_media() {
                // The folder of the track is an entry of the root.
                fs::File::open(&self.root).and_then(|root| root.sync_all()).map_err(|e| SinkError::new(&self.root, e))?;
            }
        }
        if agree(path, bytes)? { Ok(()) } else { write_with(path, bytes, self.sync_media()) }
    }

    /// What is published stays: a player may have fetched the half of it, a twin the whole.
    fn segment(&self, path: &Path, bytes: &[u8]) -> Result<(), SinkError> {
        match existing(path)? {
            Some(old) if old == bytes => {}
            Some(_) => {
                self.status.iter().for_each(|status| status.conflicts.add(1));
                tracing::warn!(path = %path.display(), "a segment of this number exists with other bytes; it stays as it is");
            }
            None => write_with(path, bytes, self.sync_media())?,
        }
        Ok(())
    }
}

impl Sink for Directory {
    fn publish(&mut self, item: &Publish) -> Result<(), SinkError> {
        let full = |path: &str| plain(&self.root, path).map(|p| self.root.join(p));
        match item {
            Publish::Init { path, bytes } => self.init(&full(path)?, bytes),
            Publish::Segment { path, bytes, number, slot_end, .. } => {
                self.segment(&full(path)?, bytes)?;
                let late = self.held.shown(*number, *slot_end);
                late.iter().try_for_each(|path| remove(&full(path)?))
            }
            Publish::Text { path, bytes, .. } => {
                let path = full(path)?;
                // Thumbnails have a folder that no init segment made.
                path.parent().map_or(Ok(()), |folder| fs::create_dir_all(folder).map_err(|e| SinkError::new(folder, e)))?;
                write_with(&path, bytes, self.fsync == Fsync::All)
            }
            // A reader of files sees whole ones only.
            Publish::Chunk { .. } | Publish::Abort { .. } => Ok(()),
            Publish::Remove { path } if self.held.leaves(path) => remove(&full(path)?),
            Publish::Remove { .. } => Ok(()),
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

/// As [`write_with`], without syncing.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SinkError> {
    write_with(path, bytes, false)
}

/// Writes `path` so that it is seen whole or not at all; what was there is replaced at once. The folder must exist. On an error nothing is left behind.
/// With `sync`, the bytes are on the disk before the name is, and the name is before this returns.
pub fn write_with(path: &Path, bytes: &[u8], sync: bool) -> Result<(), SinkError> {
    let Some(name) = path.file_name() else { return Err(SinkError::new(path, "names no file")) };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(".tmp");
    let temporary = path.with_file_name(temporary);
    let write = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)?;
        match path.parent().filter(|_| sync) {
            Some(folder) => fs::File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all(),
            None => Ok(()),
        }
    };
    let written = write();
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
            .is_some_and(|n| [".m4s", ".mp4", ".m3u8", ".mpd", ".json", ".jpg"].iter().any(|e| n.ends_with(e)));
        if ours && entry.file_type().is_ok_and(|t| t.is_file()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;

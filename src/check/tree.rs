//! Reading a published tree from a directory: names first, files one at a time, everything bounded, no symbolic link followed.

use super::ledger::Ledger;
use super::report::{LAYOUT, Place};
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Most tracks of a tree.
pub const MAX_TRACKS: usize = 64;
/// Most names looked at, in the whole tree: 46 days of 2-second segments.
pub const MAX_NAMES: usize = 2_000_000;
/// Largest segment: 16 seconds at 128 Mb/s.
pub const MAX_SEGMENT: u64 = 256 << 20;
/// Largest initialisation segment.
pub const MAX_INIT: u64 = 1 << 20;
/// Largest playlist or manifest.
pub const MAX_TEXT: u64 = 16 << 20;
/// Segment numbers are below this, so that no product with a grid overflows (2^40: 69,000 years of 2-second segments).
pub const MAX_NUMBER: i64 = 1 << 40;

/// Why a target cannot be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Not a path.
    #[error("target \"{0}\" is a URL; only a directory (or the path of its main.m3u8) is accepted so far")]
    Url(String),
    /// It cannot be read.
    #[error("target {}: {why}; a directory with main.m3u8 or manifest.mpd, or the path of its main.m3u8, is accepted", path.display())]
    Target {
        /// As given.
        path: PathBuf,
        /// The system's words, or ours.
        why: String,
    },
}

/// Names of a published tree.
#[derive(Debug)]
pub struct Tree {
    /// The directory.
    pub root: PathBuf,
    /// Tracks by name, in alphabetical order.
    pub tracks: Vec<TrackDir>,
}

/// Names in the folder of a track.
#[derive(Debug)]
pub struct TrackDir {
    /// Name of the track and of the folder.
    pub name: String,
    /// Numbers of the segments, ascending.
    pub numbers: Vec<i64>,
}

impl Tree {
    /// Lists `target`: a directory, or the path of the `main.m3u8` in one.
    pub fn open(target: &Path, ledger: &mut Ledger) -> Result<Tree, CheckError> {
        let shown = target.to_string_lossy();
        if shown.contains("://") {
            return Err(CheckError::Url(shown.into_owned()));
        }
        let unusable = |why: String| CheckError::Target { path: target.to_owned(), why };
        let meta = fs::metadata(target).map_err(|e| unusable(e.to_string()))?;
        let root = match target.parent() {
            _ if meta.is_dir() => target.to_owned(),
            Some(parent) if target.file_name().is_some_and(|n| n == "main.m3u8") && meta.is_file() => {
                if parent.as_os_str().is_empty() {
                    PathBuf::from(".")
                } else {
                    parent.to_owned()
                }
            }
            _ => return Err(unusable("it is not a directory".to_owned())),
        };
        let mut budget = MAX_NAMES;
        let tracks = list(&root, &mut budget, ledger).map_err(|e| unusable(e.to_string()))?;
        let manifest = ["main.m3u8", "manifest.mpd"].iter().any(|name| fs::symlink_metadata(root.join(name)).is_ok());
        if !manifest && tracks.is_empty() {
            return Err(unusable("it holds neither a manifest nor a track".to_owned()));
        }
        if budget == 0 {
            ledger.error(LAYOUT, &Place::tree(), format!("there are more than {MAX_NAMES} names; the rest was not looked at"));
        }
        Ok(Tree { root, tracks })
    }

    /// A manifest at the root, or nothing (and a finding of `line`) where it cannot be read.
    pub fn text(&self, path: &str, line: u8, ledger: &mut Ledger) -> Option<String> {
        ledger.checked(line, 1);
        let place = Place::file(path);
        match read(&self.root.join(path), MAX_TEXT) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return Some(text),
                Err(e) => ledger.error(line, &place, format!("byte {} is not UTF-8", e.utf8_error().valid_up_to())),
            },
            Err(why) => ledger.error(line, &place, why.to_string()),
        }
        None
    }

    /// A text that may be absent.
    pub fn there(&self, path: &str, line: u8, ledger: &mut Ledger) -> Option<String> {
        fs::symlink_metadata(self.root.join(path)).is_ok().then(|| self.text(path, line, ledger)).flatten()
    }

    /// `<track>/init.mp4`.
    pub fn init(&self, track: &str) -> Result<Vec<u8>, ReadError> {
        read(&self.root.join(track).join("init.mp4"), MAX_INIT)
    }

    /// `<track>/<number>.m4s`.
    pub fn segment(&self, track: &str, number: i64) -> Result<Vec<u8>, ReadError> {
        read(&self.root.join(track).join(format!("{number}.m4s")), MAX_SEGMENT)
    }

    /// The track of that name.
    pub fn track(&self, name: &str) -> Option<&TrackDir> {
        self.tracks.iter().find(|t| t.name == name)
    }
}

impl TrackDir {
    /// Whether segment `number` is there.
    pub fn has(&self, number: i64) -> bool {
        self.numbers.binary_search(&number).is_ok()
    }

    /// Runs of numbers between the first and the last that are not there.
    pub fn holes(&self) -> impl Iterator<Item = (i64, i64)> {
        self.numbers.windows(2).filter(|w| w[1] - w[0] > 1).map(|w| (w[0] + 1, w[1] - 1))
    }
}

/// The folders of `root` that hold an initialisation segment, a playlist or segments.
fn list(root: &Path, budget: &mut usize, ledger: &mut Ledger) -> std::io::Result<Vec<TrackDir>> {
    let mut tracks = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if *budget == 0 {
            break;
        }
        *budget -= 1;
        let name = entry.file_name().to_string_lossy().into_owned();
        ledger.checked(LAYOUT, 1);
        match entry.file_type() {
            Ok(kind) if kind.is_symlink() => ledger.error(LAYOUT, &Place::file(name), "it is a symbolic link; links are not followed"),
            Ok(kind) if kind.is_dir() && !name.starts_with('.') => {
                if tracks.len() == MAX_TRACKS {
                    ledger.error(LAYOUT, &Place::file(name), format!("it is one track more than the {MAX_TRACKS} that are looked at"));
                    break;
                }
                tracks.extend(list_track(&entry.path(), name, budget, ledger)?);
            }
            _ => {}
        }
    }
    tracks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tracks)
}

fn list_track(path: &Path, name: String, budget: &mut usize, ledger: &mut Ledger) -> std::io::Result<Option<TrackDir>> {
    let place = Place::track(&name);
    let (mut numbers, mut strays, mut known) = (Vec::new(), Vec::new(), false);
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if *budget == 0 {
            break;
        }
        *budget -= 1;
        let file = entry.file_name().to_string_lossy().into_owned();
        match number(&file) {
            Some(n) => numbers.push(n),
            None if file == "init.mp4" || file == "media.m3u8" => known = true,
            None if file == "iframes.m3u8" => {}
            None => strays.push(file),
        }
    }
    if !known && numbers.is_empty() {
        return Ok(None);
    }
    ledger.checked(LAYOUT, numbers.len() as u64);
    let legal = !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    ledger.hold(LAYOUT, legal, &place, "the name", &name, "1 to 64 of a-z, 0-9, \".\", \"_\", \"-\"");
    if let Some(first) = strays.iter().min() {
        let text = format!("{} names are neither init.mp4, media.m3u8 nor a segment number below 2^40, the first is \"{first}\"", strays.len());
        ledger.note(LAYOUT, &place, text);
    }
    numbers.sort_unstable();
    Ok(Some(TrackDir { name, numbers }))
}

/// The number of a segment from its file name: decimal, no sign, no leading zero.
pub fn number(file: &str) -> Option<i64> {
    let digits = file.strip_suffix(".m4s")?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse().ok()).flatten().filter(|n| *n < MAX_NUMBER)
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// A link, a folder, a device.
    #[error("it is not a regular file; links are not followed")]
    Kind,
    /// Too large.
    #[error("it has more than {0} bytes; that much is accepted")]
    Large(u64),
    /// Something else.
    #[error("it cannot be read: {0}")]
    Io(std::io::Error),
}

/// A regular file of at most `limit` bytes. Never waits on a pipe, never follows a link in the last part of the path.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    let file = opened.map_err(|e| match e.raw_os_error() {
        Some(libc::ENOENT) => ReadError::Missing,
        Some(libc::ELOOP) => ReadError::Kind,
        _ => ReadError::Io(e),
    })?;
    let meta = file.metadata().map_err(ReadError::Io)?;
    if !meta.is_file() {
        return Err(ReadError::Kind);
    }
    if meta.len() > limit {
        return Err(ReadError::Large(limit));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(ReadError::Io)?;
    if bytes.len() as u64 > limit { Err(ReadError::Large(limit)) } else { Ok(bytes) }
}

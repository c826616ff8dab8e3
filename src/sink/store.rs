//! The embedded origin's memory: what is published, by path, ready to be served. Bounded in bytes; when it is full the oldest segments go first.

use super::{Publish, Sink, SinkError, stored};
use crate::time::GopId;
use crate::verdict::Verdict;
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

/// One published thing, as it is served.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The bytes; cloning counts a reference.
    pub bytes: Bytes,
    /// Media type.
    pub content_type: &'static str,
    /// Strong entity tag, quotes included: the first 16 bytes of the SHA-256, in hexadecimal.
    pub etag: String,
    /// Whether these bytes will never change under this path (init and media segments).
    pub immutable: bool,
    /// Of a segment: what is known of it beside its bytes.
    pub verdict: Option<Arc<Verdict>>,
}

/// Why there is nothing at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absent {
    /// It is not published, and nothing is known of when it will be.
    Unknown,
    /// A segment older than any that is kept, or one that was left out: it will not come.
    Gone,
    /// A segment that is still to come: so many after the newest of its track, 1 for the very next.
    Early(i64),
}

/// How full the store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Usage {
    /// Segments held.
    pub segments: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// The most bytes of segments that are held.
    pub limit: u64,
    /// Segments dropped because of that limit, not because they left the window.
    pub evicted: u64,
    /// Segments that came again with other bytes; the first ones stayed.
    pub conflicts: u64,
}

/// The store. Clones share one content; a clone is a [`Sink`] for the publishing thread, others serve readers.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    limit: u64,
    audio: HashSet<String>,
    content: RwLock<Content>,
    /// Sent for each segment that comes, whichever it is.
    arrivals: watch::Sender<()>,
}

#[derive(Default)]
struct Content {
    /// Init segments, playlists, manifests: as many as there are tracks, and a few.
    files: HashMap<String, Entry>,
    /// By number first, so that the oldest of all tracks is the first.
    segments: BTreeMap<(GopId, String), Entry>,
    /// The newest number of each track that has left.
    gone: HashMap<String, GopId>,
    /// The newest number of each track that has come.
    newest: HashMap<String, GopId>,
    bytes: u64,
    evicted: u64,
    conflicts: u64,
}

impl Store {
    /// An empty store for at most `limit` bytes of segments. `audio`: names of the tracks that carry sound.
    pub fn new(limit: u64, audio: impl IntoIterator<Item = String>) -> Store {
        Store(Arc::new(Shared { limit, audio: audio.into_iter().collect(), content: RwLock::default(), arrivals: watch::Sender::new(()) }))
    }

    /// What is at `path` (`avc-1080p/123.m4s`). An exact look-up: nothing but what was published can be reached.
    pub fn get(&self, path: &str) -> Result<Entry, Absent> {
        let content = self.read();
        if let Some(entry) = content.files.get(path) {
            return Ok(entry.clone());
        }
        let (track, number) = segment_path(path).ok_or(Absent::Unknown)?;
        if let Some(entry) = content.segments.get(&(number, track.to_owned())) {
            return Ok(entry.clone());
        }
        if content.gone.get(track).is_some_and(|&newest| number <= newest) {
            return Err(Absent::Gone);
        }
        // A track's segments come in order: one that the newest has overtaken was left out.
        Err(content.newest.get(track).map_or(Absent::Unknown, |newest| match number.0.saturating_sub(newest.0) {
            ahead @ 1.. => Absent::Early(ahead),
            _ => Absent::Gone,
        }))
    }

    /// What changes whenever a segment has come.
    pub fn arrivals(&self) -> watch::Receiver<()> {
        self.0.arrivals.subscribe()
    }

    /// How full it is.
    pub fn usage(&self) -> Usage {
        let c = self.read();
        Usage { segments: c.segments.len(), bytes: c.bytes, limit: self.0.limit, evicted: c.evicted, conflicts: c.conflicts }
    }

    /// Takes up again what an earlier run left in `dir` ([`stored::scan`]), newest first and as much as fits, so that the window a player sees is whole after a
    /// restart. Call it before anything is published.
    pub fn restore(&self, dir: &Path, found: &[(String, Vec<GopId>)]) -> Result<(), SinkError> {
        let mut newest_first: Vec<(GopId, &str)> = found.iter().flat_map(|(track, numbers)| numbers.iter().map(|&n| (n, track.as_str()))).collect();
        newest_first.sort_unstable_by(|a, b| b.cmp(a));
        let mut room = self.0.limit;
        for (number, track) in newest_first {
            let path = dir.join(track).join(format!("{number}.m4s"));
            let size = std::fs::metadata(&path).map_err(|e| SinkError::new(&path, e))?.len();
            let Some(rest) = room.checked_sub(size) else { break };
            room = rest;
            let bytes = std::fs::read(&path).map_err(|e| SinkError::new(&path, e))?;
            let verdict = Verdict::of_stored(&bytes, self.0.audio.contains(track));
            self.put_segment(track, number, &Bytes::from(bytes), &Arc::new(verdict));
        }
        let mut content = self.write();
        for (track, numbers) in found {
            let kept = |n: &&GopId| content.segments.contains_key(&(**n, track.clone()));
            if let Some(&left) = numbers.iter().rev().find(|n| !kept(n)) {
                content.leaves(track, left);
            }
        }
        Ok(())
    }

    fn put_segment(&self, track: &str, number: GopId, bytes: &Bytes, verdict: &Arc<Verdict>) {
        let entry = Entry { content_type: self.media_type(track), verdict: Some(Arc::clone(verdict)), ..entry(bytes, "", true) };
        let key = (number, track.to_owned());
        let mut content = self.write();
        if let Some(old) = content.segments.get(&key) {
            if old.etag != entry.etag {
                content.conflicts += 1;
                tracing::warn!(track, %number, "a segment of this number exists with other bytes; it stays as it is");
            }
            return;
        }
        content.bytes += bytes.len() as u64;
        content.segments.insert(key, entry);
        let newest = content.newest.entry(track.to_owned()).or_insert(number);
        *newest = number.max(*newest);
        while content.bytes > self.0.limit && content.segments.len() > 1 {
            content.evict();
        }
        drop(content);
        self.0.arrivals.send_replace(());
    }

    fn media_type(&self, track: &str) -> &'static str {
        if self.0.audio.contains(track) { "audio/mp4" } else { "video/mp4" }
    }

    // No lock is held while anything is computed or copied, so neither side waits for long; no code under it can panic half-way.
    fn read(&self) -> RwLockReadGuard<'_, Content> {
        self.0.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Content> {
        self.0.content.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn evict(&mut self) {
        if let Some(((number, track), entry)) = self.segments.pop_first() {
            self.bytes -= entry.bytes.len() as u64;
            self.evicted += 1;
            self.leaves(&track, number);
        }
    }

    fn remove(&mut self, path: &str) {
        let Some((track, number)) = segment_path(path) else {
            self.files.remove(path);
            return;
        };
        if let Some(entry) = self.segments.remove(&(number, track.to_owned())) {
            self.bytes -= entry.bytes.len() as u64;
        }
        self.leaves(track, number);
    }

    fn leaves(&mut self, track: &str, number: GopId) {
        let newest = self.gone.entry(track.to_owned()).or_insert(number);
        *newest = number.max(*newest);
    }
}

impl Sink for Store {
    fn publish(&mut self, item: &Publish) -> Result<(), SinkError> {
        match item {
            Publish::Segment { track, number, bytes, verdict, .. } => self.put_segment(track, *number, bytes, verdict),
            Publish::Init { path, bytes } => {
                let content_type = self.media_type(path.split('/').next().unwrap_or_default());
                self.write().files.insert(path.clone(), entry(bytes, content_type, true));
            }
            Publish::Chunk { .. } | Publish::Abort { .. } => {}
            Publish::Text { path, bytes, .. } => {
                let entry = entry(bytes, text_type(path), false);
                self.write().files.insert(path.clone(), entry);
            }
            Publish::Remove { path } => self.write().remove(path),
        }
        Ok(())
    }
}

fn entry(bytes: &Bytes, content_type: &'static str, immutable: bool) -> Entry {
    let hash: String = Sha256::digest(bytes).iter().take(16).map(|b| format!("{b:02x}")).collect();
    Entry { bytes: bytes.clone(), content_type, etag: format!("\"{hash}\""), immutable, verdict: None }
}

/// Media types: RFC 8216 section 4, ISO/IEC 23009-1 annex C.
fn text_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("mpd") => "application/dash+xml",
        Some("json") => "application/json",
        Some("jpg") => "image/jpeg",
        _ => "application/octet-stream",
    }
}

fn segment_path(path: &str) -> Option<(&str, GopId)> {
    let (track, name) = path.split_once('/')?;
    Some((track, stored::number(name)?))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

//! The embedded origin's memory: what is published, by path, ready to be served. Bounded in bytes; when it is full the oldest segments go first, to the disk
//! where a destination keeps them there.

mod content;
mod entry;
mod filed;
mod making;
mod place;
mod track;

use super::{Edge, Publish, Sink, SinkError};
use crate::time::GopId;
use crate::verdict::Verdict;
use bytes::Bytes;
use content::Content;
pub use entry::{Entry, Text};
pub use filed::{Filed, Opened};
pub use making::{GivenUp, Growing};
use making::{Part, Taken};
use place::Place;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;
use track::Segment;

/// Segments of one track that may be in the making at once, and of how many that were given up the chunks that are out are kept.
const MAKING: usize = 4;
/// A segment this far behind the newest is not at the live edge.
const EDGE: i64 = 4;

/// What there is at a media path.
#[derive(Debug)]
pub enum Found {
    /// All of it, in memory.
    Whole(Entry),
    /// The beginning of a segment in the making.
    Growing(Growing),
    /// All of it, on the disk.
    Filed(Filed),
}

/// Why there is nothing at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absent {
    /// It is not published, and nothing is known of when it will be.
    Unknown,
    /// A segment older than any that is kept, or one that was left out, or a part that it does not have: it will not come.
    Gone,
    /// A segment that is still to come: so many after the newest of its track, 1 for the very next; and 1 for the very next part.
    Early(i64),
}

/// How full the store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct Usage {
    /// Segments held in memory.
    pub segments: usize,
    /// Bytes of them, and of those in the making.
    pub bytes: u64,
    /// The most bytes of segments that are held.
    pub limit: u64,
    /// Segments dropped from memory because of that limit, not because they left the window.
    pub evicted: u64,
    /// Of those, how many are served from the disk.
    pub filed: usize,
    /// Segments that came again with other bytes; the first ones stayed.
    pub conflicts: u64,
    /// Segments of which a chunk is out, and the rest is still to come.
    pub making: usize,
    /// Segments that were given up after a chunk was out.
    pub given_up: u64,
    /// Chunks out of order, or other than those before; whole segments other than their chunks.
    pub mismatches: u64,
}

/// The store. Clones share one content; a clone is a [`Sink`] for the publishing thread, others serve readers.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    limit: u64,
    audio: RwLock<HashSet<String>>,
    /// Where a destination keeps every segment as a file.
    folder: Option<PathBuf>,
    content: RwLock<Content>,
}

impl Store {
    /// An empty store for at most `limit` bytes of segments. `audio`: names of the tracks that carry sound.
    pub fn new(limit: u64, audio: impl IntoIterator<Item = String>) -> Store {
        Store::with_folder(limit, audio, None)
    }

    /// As [`Store::new`]; what memory has no room for is served from the files in `folder`, which a [directory](super::directory::Directory) is publishing into.
    pub fn with_folder(limit: u64, audio: impl IntoIterator<Item = String>, folder: Option<PathBuf>) -> Store {
        Store(Arc::new(Shared { limit, audio: RwLock::new(audio.into_iter().collect()), folder, content: RwLock::default() }))
    }

    /// From now on this track is known to carry sound. Before its first segment.
    pub fn carries_sound(&self, track: &str) {
        self.0.audio.write().unwrap_or_else(PoisonError::into_inner).insert(track.to_owned());
    }

    /// What is whole and in memory at `path` (`avc-1080p/123.m4s`). An exact look-up: nothing but what was published can be reached.
    pub fn get(&self, path: &str) -> Result<Entry, Absent> {
        if let Some(text) = self.text(path) {
            return Ok(text.borrow().entry.clone());
        }
        match self.find(path)? {
            Found::Whole(entry) => Ok(entry),
            Found::Growing(_) => Err(Absent::Early(1)),
            Found::Filed(_) => Err(Absent::Unknown),
        }
    }

    /// The playlist or manifest at `path`, and those that will replace it.
    pub fn text(&self, path: &str) -> Option<watch::Receiver<Arc<Text>>> {
        self.read().texts.get(path).map(watch::Sender::subscribe)
    }

    /// The init segment, segment, or part of one, at `path`. An exact look-up, too.
    pub fn find(&self, path: &str) -> Result<Found, Absent> {
        let content = self.read();
        if let Some(entry) = content.inits.get(path) {
            return Ok(Found::Whole(entry.clone()));
        }
        let Place { track: name, number, part } = Place::of(path).ok_or(Absent::Unknown)?;
        let track = content.tracks.get(name).ok_or(Absent::Unknown)?;
        let content_type = self.media_type(name);
        if let Some(index) = part {
            return track.part(number, index, content_type).map(Found::Whole);
        }
        if let Some(segment) = track.segments.get(&number) {
            return Ok(Found::Whole(segment.entry.clone()));
        }
        if let Some(making) = track.making.get(&number) {
            return Ok(Found::Growing(Growing { content_type, making: making.clone(), news: track.news.subscribe(), next: 0 }));
        }
        if let (Some(facts), Some(folder)) = (track.filed.get(&number), &self.0.folder) {
            let path = folder.join(name).join(format!("{number}.m4s"));
            return Ok(Found::Filed(Filed { content_type, path, facts: facts.clone() }));
        }
        Err(track.absent(number))
    }

    /// What changes whenever there is something new of the track that `path` is of; nothing where there is no such track.
    pub fn news(&self, path: &str) -> Option<watch::Receiver<()>> {
        let (track, _) = path.split_once('/')?;
        self.read().tracks.get(track).map(|t| t.news.subscribe())
    }

    /// How many parts segment `number` of `track` came in, where it is in memory and came in parts.
    pub fn parts(&self, track: &str, number: GopId) -> Option<usize> {
        self.read().tracks.get(track).and_then(|t| t.parts(number))
    }

    /// Whether `path` is that of a segment well behind the newest of its track: what a player at the live edge does not ask for.
    pub fn is_old(&self, path: &str) -> bool {
        let Some(place) = Place::of(path) else { return false };
        let newest = self.read().tracks.get(place.track).and_then(|t| t.newest());
        newest.is_some_and(|newest| place.number.0 <= newest.0.saturating_sub(EDGE))
    }

    /// A segment on the disk could not be served: it is not looked for again. `etag`: or could, and this is what reading it told.
    pub fn looked(&self, path: &str, etag: Option<&str>) {
        let Some(place) = Place::of(path) else { return };
        let mut content = self.write();
        let Some(track) = content.tracks.get_mut(place.track) else { return };
        match (etag, track.filed.get_mut(&place.number)) {
            (Some(etag), Some(facts)) => facts.etag = Some(etag.to_owned()),
            (None, Some(_)) => {
                track.filed.remove(&place.number);
            }
            (_, None) => {}
        }
    }

    /// How full it is.
    pub fn usage(&self) -> Usage {
        let c = self.read();
        let sum = |count: &dyn Fn(&track::Track) -> usize| c.tracks.values().map(count).sum();
        Usage {
            segments: sum(&|t| t.segments.len()),
            bytes: c.bytes,
            limit: self.0.limit,
            evicted: c.evicted,
            filed: sum(&|t| t.filed.len()),
            conflicts: c.conflicts,
            making: sum(&|t| t.making.len()),
            given_up: c.given_up,
            mismatches: c.mismatches,
        }
    }

    /// Takes up again what an earlier run left in `dir` ([`super::stored::scan`]), newest first and as much as fits, so that the window a player sees is whole
    /// after a restart; the rest is served from there, if that is the folder of this store. Call it before anything is published.
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
            let verdict = Verdict::of_stored(&bytes, self.media_type(track) == "audio/mp4");
            self.put_segment(track, number, &Bytes::from(bytes), Some(&Arc::new(verdict)));
        }
        let here = self.0.folder.as_deref() == Some(dir);
        let mut content = self.write();
        for (name, numbers) in found {
            let track = content.track(name);
            let left: Vec<GopId> = numbers.iter().copied().filter(|n| !track.segments.contains_key(n)).collect();
            for number in left {
                if here {
                    track.filed.insert(number, Default::default());
                    track.comes(number);
                } else {
                    track.leaves(number);
                }
            }
        }
        Ok(())
    }

    fn put_segment(&self, name: &str, number: GopId, bytes: &Bytes, verdict: Option<&Arc<Verdict>>) {
        // One that nothing was said about has a hash of zeros.
        let hashed = verdict.filter(|v| v.hash != [0; 32]);
        let etag = hashed.map_or_else(|| entry::tag(bytes), |v| entry::tag_of(&v.hash));
        let entry = Entry { bytes: bytes.clone(), content_type: self.media_type(name), etag, immutable: true, verdict: verdict.cloned() };
        let mut content = self.write();
        let known = content.track(name).known(number);
        if let Some(old) = known {
            if old.is_some_and(|old| old != entry.etag) {
                content.conflicts += 1;
                tracing::warn!(track = name, %number, "a segment of this number exists with other bytes; it stays as it is");
            }
            return;
        }
        let parts = match content.track(name).making.remove(&number) {
            None => Vec::new(),
            Some(making) => {
                content.bytes = content.bytes.saturating_sub(making.bytes());
                making.complete(bytes).unwrap_or_else(|| {
                    content.mismatches += 1;
                    tracing::warn!(track = name, %number, "the whole segment differs from the chunks that are out; from now on it is served, and they are not");
                    Vec::new()
                })
            }
        };
        content.bytes += bytes.len() as u64;
        let track = content.track(name);
        track.segments.insert(number, Segment { entry, parts });
        track.comes(number);
        let news = track.news.clone();
        content.evict(self.0.limit, self.0.folder.is_some());
        drop(content);
        news.send_replace(());
    }

    fn put_chunk(&self, name: &str, number: GopId, index: u32, bytes: &Bytes) {
        let part = Part::new(bytes);
        let mut content = self.write();
        let track = content.track(name);
        if track.known(number).is_some() || track.broken.contains_key(&number) {
            return;
        }
        let making = track.making.entry(number).or_default();
        // One that is larger than all that may be held is no segment.
        let taken = if making.bytes() + bytes.len() as u64 > self.0.limit { Taken::Wrong } else { making.take(index, part) };
        let news = track.news.clone();
        match taken {
            Taken::Known => return,
            Taken::New => content.bytes += bytes.len() as u64,
            Taken::Wrong => {
                content.mismatches += 1;
                tracing::warn!(track = name, %number, index, "a chunk out of order, another than before, or one too many: the segment is served once it is whole");
                content.give_up(name, number);
            }
        }
        if content.track(name).making.len() > MAKING
            && let Some(oldest) = content.track(name).making.first_key_value().map(|(n, _)| *n)
        {
            content.give_up(name, oldest);
        }
        content.evict(self.0.limit, self.0.folder.is_some());
        drop(content);
        news.send_replace(());
    }

    fn abort(&self, name: &str, number: GopId) {
        let mut content = self.write();
        content.give_up(name, number);
        let track = content.track(name);
        track.comes(number);
        let news = track.news.clone();
        drop(content);
        news.send_replace(());
    }

    fn put_text(&self, path: &str, bytes: &Bytes, edge: Option<Edge>) {
        let text = Arc::new(Text::new(path, bytes, edge));
        let sender = {
            let mut content = self.write();
            match content.texts.get(path) {
                Some(sender) => sender.clone(),
                None => {
                    content.texts.insert(path.to_owned(), watch::Sender::new(text));
                    return;
                }
            }
        };
        // Readers are woken without the lock.
        sender.send_replace(text);
    }

    fn media_type(&self, track: &str) -> &'static str {
        let audio = self.0.audio.read().unwrap_or_else(PoisonError::into_inner);
        if audio.contains(track) { "audio/mp4" } else { "video/mp4" }
    }

    // No lock is held while anything is computed or copied, so neither side waits for long; no code under it can panic half-way.
    fn read(&self) -> RwLockReadGuard<'_, Content> {
        self.0.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Content> {
        self.0.content.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Store {
    fn takes_chunks(&self) -> bool {
        true
    }

    fn publish(&mut self, item: &Publish) -> Result<(), SinkError> {
        match item {
            Publish::Segment { track, number, bytes, verdict, .. } => self.put_segment(track, *number, bytes, Some(verdict)),
            Publish::Init { path, bytes } => {
                let track = path.split('/').next().unwrap_or_default();
                let entry = Entry::new(bytes, self.media_type(track), true);
                let mut content = self.write();
                content.track(track);
                content.inits.insert(path.clone(), entry);
            }
            Publish::Chunk { track, number, index, bytes, .. } => self.put_chunk(track, *number, *index, bytes),
            Publish::Abort { track, number, .. } => self.abort(track, *number),
            Publish::Text { path, bytes, edge, .. } => self.put_text(path, bytes, *edge),
            Publish::Remove { path } => self.write().remove(path),
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

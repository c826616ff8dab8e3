//! A segment in the making: it grows by chunks until it is whole, or given up.

use super::entry::{Entry, tag};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What there is of a segment in the making; readers keep it past its end.
#[derive(Default, Debug)]
pub(super) struct Making(Mutex<Progress>);

#[derive(Default, Debug)]
struct Progress {
    parts: Vec<Part>,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Whole,
    Broken,
}

/// A chunk, as it is served by itself.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub bytes: Bytes,
    pub etag: String,
}

impl Part {
    pub fn new(bytes: &Bytes) -> Part {
        Part { bytes: bytes.clone(), etag: tag(bytes) }
    }

    pub fn entry(&self, content_type: &'static str) -> Entry {
        Entry { bytes: self.bytes.clone(), content_type, etag: self.etag.clone(), immutable: true, verdict: None }
    }
}

/// What came of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It is there now.
    New,
    /// It was there before.
    Known,
    /// Another one is in its place, or those before it are missing.
    Wrong,
}

impl Making {
    pub fn take(&self, index: u32, part: Part) -> Taken {
        let mut progress = self.lock();
        let index = index as usize;
        match progress.parts.get(index) {
            Some(old) if old.etag == part.etag => Taken::Known,
            None if index == progress.parts.len() => {
                progress.parts.push(part);
                Taken::New
            }
            _ => Taken::Wrong,
        }
    }

    pub fn part(&self, index: usize) -> Option<Part> {
        self.lock().parts.get(index).cloned()
    }

    /// How many chunks there are.
    pub fn len(&self) -> usize {
        self.lock().parts.len()
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> u64 {
        self.lock().parts.iter().map(|p| p.bytes.len() as u64).sum()
    }

    /// It is whole: `whole` begins with what is out, and the chunks become parts of it, so that the memory is held once. Where it does not, readers are cut off.
    pub fn complete(&self, whole: &Bytes) -> Option<Vec<Part>> {
        let mut progress = self.lock();
        let (mut at, mut parts) = (0, Vec::with_capacity(progress.parts.len()));
        for part in &progress.parts {
            let to = at + part.bytes.len();
            if whole.get(at..to) != Some(part.bytes.as_ref()) {
                progress.end = Some(End::Broken);
                return None;
            }
            parts.push(Part { bytes: whole.slice(at..to), etag: part.etag.clone() });
            at = to;
        }
        if at < whole.len() {
            progress.end = Some(End::Broken);
            return None;
        }
        progress.end = Some(End::Whole);
        Some(parts)
    }

    /// It will not become whole. What is out stays.
    pub fn give_up(&self) -> Vec<Part> {
        let mut progress = self.lock();
        progress.end = Some(End::Broken);
        progress.parts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader of a segment in the making.
#[derive(Debug)]
pub struct Growing {
    /// Media type.
    pub content_type: &'static str,
    pub(super) making: Arc<Making>,
    pub(super) news: watch::Receiver<()>,
    pub(super) next: usize,
}

/// The segment was given up, or came out as another one: what was read of it is nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the segment was given up")]
pub struct GivenUp;

impl Growing {
    /// The next chunk, as soon as it is there; nothing once the segment is whole.
    pub async fn next(&mut self) -> Result<Option<Bytes>, GivenUp> {
        loop {
            // Marked before looking: what comes after the look is noticed.
            self.news.mark_unchanged();
            let (part, end) = {
                let progress = self.making.lock();
                (progress.parts.get(self.next).cloned(), progress.end)
            };
            match (part, end) {
                (_, Some(End::Broken)) => return Err(GivenUp),
                (Some(part), _) => {
                    self.next += 1;
                    return Ok(Some(part.bytes));
                }
                (None, Some(End::Whole)) => return Ok(None),
                (None, None) => self.news.changed().await.map_err(|_| GivenUp)?,
            }
        }
    }
}

//! What is held of one track.

use super::entry::Entry;
use super::filed::Facts;
use super::making::{Making, Part};
use super::{Absent, MAKING};
use crate::time::GopId;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// A whole segment in memory.
pub(super) struct Segment {
    pub entry: Entry,
    /// Pieces of it, where it came in chunks.
    pub parts: Vec<Part>,
}

#[derive(Default)]
pub(super) struct Track {
    /// Told whenever a chunk or a segment has come, or one will not.
    pub news: watch::Sender<()>,
    pub segments: BTreeMap<GopId, Segment>,
    pub making: BTreeMap<GopId, Arc<Making>>,
    /// What was out of the last few segments that were given up.
    pub broken: BTreeMap<GopId, Vec<Part>>,
    /// Segments that left memory for want of room, and are on the disk.
    pub filed: BTreeMap<GopId, Facts>,
    /// The newest number that has left.
    gone: Option<GopId>,
    /// The newest that has come whole, or was given up.
    newest: Option<GopId>,
}

impl Track {
    pub fn comes(&mut self, number: GopId) {
        self.newest = self.newest.max(Some(number));
    }

    pub fn leaves(&mut self, number: GopId) {
        self.gone = self.gone.max(Some(number));
    }

    /// The newest segment that there is anything of.
    pub fn newest(&self) -> Option<GopId> {
        self.newest.max(self.making.last_key_value().map(|(number, _)| *number))
    }

    /// Whether this segment came whole before, and its entity tag where that is known.
    pub fn known(&self, number: GopId) -> Option<Option<String>> {
        let held = self.segments.get(&number).map(|s| Some(s.entry.etag.clone()));
        held.or_else(|| self.filed.get(&number).map(|facts| facts.etag.clone()))
    }

    /// Why there is no such segment.
    pub fn absent(&self, number: GopId) -> Absent {
        if self.gone.is_some_and(|gone| number <= gone) {
            return Absent::Gone;
        }
        // A track's segments come in order: one that the newest has overtaken was left out.
        self.newest().map_or(Absent::Unknown, |newest| match number.0.saturating_sub(newest.0) {
            ahead @ 1.. => Absent::Early(ahead),
            _ => Absent::Gone,
        })
    }

    pub fn part(&self, number: GopId, index: usize, content_type: &'static str) -> Result<Entry, Absent> {
        let found = if let Some(making) = self.making.get(&number) {
            let next = making.len();
            making.part(index).ok_or(if index == next { Absent::Early(1) } else { Absent::Unknown })
        } else if let Some(parts) = self.segments.get(&number).map(|s| &s.parts).or_else(|| self.broken.get(&number)) {
            parts.get(index).cloned().ok_or(Absent::Gone)
        } else {
            Err(match self.absent(number) {
                // Of the very next segment, the first part is the next one; how many it will have is not known.
                Absent::Early(1) if index > 0 => Absent::Unknown,
                absent => absent,
            })
        };
        found.map(|part| part.entry(content_type))
    }

    /// Of a segment that came in chunks and is in memory: how many.
    pub fn parts(&self, number: GopId) -> Option<usize> {
        self.segments.get(&number).map(|s| s.parts.len()).filter(|n| *n > 0).or_else(|| self.broken.get(&number).map(Vec::len))
    }

    /// Ends a segment in the making without its whole; returns the bytes that are no longer held.
    pub fn give_up(&mut self, number: GopId) -> u64 {
        if let Some(making) = self.making.remove(&number) {
            self.broken.insert(number, making.give_up());
        }
        let mut freed = 0;
        while self.broken.len() > MAKING
            && let Some((_, parts)) = self.broken.pop_first()
        {
            freed += size(&parts);
        }
        freed
    }

    /// Forgets a segment, wherever it is; returns the bytes that are no longer held.
    pub fn remove(&mut self, number: GopId) -> u64 {
        self.leaves(number);
        self.filed.remove(&number);
        let broken = self.broken.remove(&number).map_or(0, |parts| size(&parts));
        self.segments.remove(&number).map_or(0, |s| s.entry.bytes.len() as u64) + broken
    }
}

fn size(parts: &[Part]) -> u64 {
    parts.iter().map(|p| p.bytes.len() as u64).sum()
}

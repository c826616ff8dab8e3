//! What waits for a remote destination: a lane for each track, one for texts, and what it missed. Pure bookkeeping: no I/O, no clock.
//!
//! Bounded in bytes. Live, when it is full the oldest whole segments are dropped and counted, first those that the destination missed anyway; and a lane that has
//! fallen behind goes on at the live edge, the segments that it leaves out being filled in later for as long as they are held.

use super::counts::Counts;
use super::track::{Lane, Piece, Waiting};
use crate::sink::{Publish, stored};
use crate::time::GopId;
use crate::verdict::Verdict;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The lane of playlists and manifests.
pub const TEXTS: usize = 0;
/// Segments of a lane that may wait before it goes on at the live edge.
const WAITING: usize = 2;
/// The most lanes; more tracks than a job may have.
const MAX_LANES: usize = 256;
/// The most texts that wait; two of a path.
const MAX_TEXTS: usize = 1024;

/// What is to be done next.
#[derive(Debug)]
pub enum Work {
    /// Send the init segment of the lane.
    Greet,
    /// Send a segment.
    Segment(Arc<Piece>),
    /// Send a text.
    Text {
        /// Relative path.
        path: String,
        /// The bytes.
        bytes: Bytes,
    },
    /// Delete.
    Remove {
        /// Relative path.
        path: String,
    },
}

#[derive(Debug)]
struct Text {
    seq: u64,
    path: String,
    /// `None`: delete it.
    bytes: Option<Bytes>,
}

/// What bounds it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of whole segments.
    pub bytes: u64,
    /// How many numbers before the newest are filled in later.
    pub fill: i64,
    /// Nobody waits for it: what is too much is dropped.
    pub live: bool,
}

/// All that waits.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    /// Lanes by number; [`TEXTS`] is the first.
    pub lanes: Vec<Lane>,
    texts: VecDeque<Text>,
    /// The text lane is at work.
    pub texts_busy: bool,
    /// A segment that is being filled in.
    filling: Option<Arc<Piece>>,
    bytes: u64,
    seq: u64,
    counts: Arc<Counts>,
}

impl Queue {
    /// Nothing waits. `tracks`: the names of all, each with a lane.
    pub fn new(limits: Limits, tracks: &[String], counts: Arc<Counts>) -> Queue {
        let lane = |name: &String| Lane { name: name.clone(), ..Lane::default() };
        let lanes = std::iter::once(Lane::default()).chain(tracks.iter().map(lane)).collect();
        Queue { limits, lanes, texts: VecDeque::new(), texts_busy: false, filling: None, bytes: 0, seq: 0, counts }
    }

    /// Takes what was published. Never waits.
    pub fn publish(&mut self, item: &Publish) {
        self.seq += 1;
        match item {
            Publish::Init { path, bytes } => {
                let Some(lane) = self.lane_of(path) else { return };
                lane.init = Some((path.clone(), bytes.clone()));
                lane.waiting.push_back(Waiting::Greet);
            }
            Publish::Chunk { track, number, path, bytes, index, .. } => {
                let Some(lane) = self.lane(track) else { return };
                if *index == 0 {
                    lane.begin(*number, path);
                }
                // Without its beginning it is sent once it is whole.
                let making = lane.making.as_ref().filter(|making| making.number == *number);
                making.iter().for_each(|making| making.body.push(bytes.clone()));
            }
            Publish::Abort { track, number, .. } => self.abort(track, *number),
            Publish::Segment { track, number, path, bytes, verdict, .. } => self.segment(track, *number, path, bytes, verdict),
            Publish::Text { path, bytes, .. } => {
                if let Some(lane) = path.split_once('/').and_then(|(track, _)| self.lane(track)) {
                    lane.texts.insert(path.clone(), bytes.clone());
                }
                self.text(path, Some(bytes.clone()));
            }
            Publish::Remove { path } => {
                let number = path.rsplit_once('/').and_then(|(_, name)| stored::number(name));
                if let (Some(lane), Some(number)) = (self.lane_of(path), number) {
                    lane.absent = lane.absent.split_off(&number.next());
                }
                self.text(path, None);
            }
        }
        self.keep_bounds();
    }

    fn segment(&mut self, track: &str, number: GopId, path: &str, bytes: &Bytes, verdict: &Arc<Verdict>) {
        let seq = self.seq;
        let Some(lane) = self.lane(track) else { return };
        if lane.making.as_ref().is_none_or(|making| making.number != number) {
            lane.begin(number, path);
        }
        let Some(piece) = lane.making.take() else { return };
        // Told before it is whole: who waits for the whole reads them.
        let _ = piece.verdict.set(Arc::clone(verdict));
        let _ = piece.whole.set(seq);
        piece.body.complete(bytes.clone());
        let held = lane.holds(&piece);
        lane.newest = lane.newest.max(Some(number));
        if held {
            piece.counted.store(bytes.len() as u64, Relaxed);
            self.bytes += bytes.len() as u64;
        }
    }

    fn abort(&mut self, track: &str, number: GopId) {
        let Some(lane) = self.lane(track) else { return };
        let Some(piece) = lane.making.take_if(|making| making.number == number) else { return };
        lane.waiting.retain(|one| !matches!(one, Waiting::Segment(other) if Arc::ptr_eq(other, &piece)));
        lane.missing.remove(&number);
        lane.absent.insert(number);
        piece.body.abort();
    }

    fn text(&mut self, path: &str, bytes: Option<Bytes>) {
        // The first of a path that waits keeps its place, or a lane that is always a little late would never see one; the second is replaced.
        let mut same = self.texts.iter().enumerate().filter(|(_, text)| text.path == path).map(|(i, _)| i);
        if let Some(second) = same.nth(1) {
            self.texts.remove(second);
        }
        if self.texts.len() >= MAX_TEXTS && self.texts.pop_front().is_some_and(|text| text.bytes.is_some()) {
            self.counts.texts_dropped.fetch_add(1, Relaxed);
        }
        self.texts.push_back(Text { seq: self.seq, path: path.to_owned(), bytes });
    }

    /// What lane `index` does next, which is then at work on it; `None` where nothing is ready.
    pub fn take(&mut self, index: usize) -> Option<Work> {
        if index == TEXTS {
            return self.take_text();
        }
        if self.limits.live {
            self.leave_out_old(index);
        }
        let lane = self.lanes.get_mut(index)?;
        match lane.waiting.pop_front()? {
            Waiting::Greet => Some(Work::Greet),
            Waiting::Segment(piece) => {
                lane.busy = Some(Arc::clone(&piece));
                Some(Work::Segment(piece))
            }
        }
    }

    fn leave_out_old(&mut self, index: usize) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        while lane.waiting.iter().filter(|one| matches!(one, Waiting::Segment(_))).count() > WAITING {
            let oldest = lane.waiting.iter().position(|one| matches!(one, Waiting::Segment(_)));
            let Some(Waiting::Segment(piece)) = oldest.and_then(|i| lane.waiting.remove(i)) else { return };
            lane.absent.insert(piece.number);
            lane.missing.insert(piece.number, piece);
        }
        self.forget_old(index);
    }

    /// A text may go once all that was published before it is there, or was given up: of its own track, or of all.
    fn take_text(&mut self) -> Option<Work> {
        let ready = |text: &Text| {
            let own = text.path.split_once('/').map(|(track, _)| track).filter(|track| self.lanes.iter().any(|lane| lane.name == *track));
            self.lanes.iter().skip(1).filter(|lane| own.is_none_or(|own| own == lane.name)).all(|lane| lane.settled(text.seq))
        };
        let at = self.texts.iter().position(ready)?;
        let text = self.texts.remove(at)?;
        self.texts_busy = true;
        Some(match text.bytes {
            None => Work::Remove { path: text.path },
            Some(bytes) => {
                let lane = text.path.split_once('/').and_then(|(track, _)| self.lanes.iter().find(|lane| lane.name == track));
                let bytes = lane.map_or_else(|| bytes.clone(), |lane| super::texts::with_gaps(&bytes, |number| lane.absent.contains(&number)));
                Work::Text { path: text.path, bytes }
            }
        })
    }

    /// Whether a text of this path, newer than one at work, waits.
    pub fn has_newer(&self, path: &str) -> bool {
        self.texts.iter().any(|text| text.path == path)
    }

    /// The lane's segment is there.
    pub fn delivered(&mut self, index: usize, piece: &Arc<Piece>) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        lane.busy = None;
        lane.well = true;
        lane.absent.remove(&piece.number);
        self.let_go(piece);
    }

    /// The lane's segment is not there, for now: it goes on with the next one.
    pub fn deferred(&mut self, index: usize, piece: &Arc<Piece>) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        lane.busy = None;
        lane.well = false;
        lane.absent.insert(piece.number);
        if piece.body.is_aborted() {
            self.let_go(piece);
            return;
        }
        lane.missing.insert(piece.number, Arc::clone(piece));
        self.forget_old(index);
        self.keep_bounds();
    }

    /// A missing segment that may be tried now: the oldest whole one of a lane that is well. It is then at work.
    pub fn take_missing(&mut self) -> Option<(usize, Arc<Piece>)> {
        let oldest = |lane: &Lane| lane.missing.values().find(|piece| piece.whole.get().is_some()).cloned();
        let (index, piece) = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| lane.well)
            .filter_map(|(index, lane)| Some((index, oldest(lane)?)))
            .min_by_key(|(_, piece)| piece.number)?;
        self.lanes.get_mut(index)?.missing.remove(&piece.number);
        self.filling = Some(Arc::clone(&piece));
        Some((index, piece))
    }

    /// What became of a segment that was missing: there, to be tried again, or given up.
    pub fn filled(&mut self, index: usize, piece: &Arc<Piece>, outcome: Filled) {
        self.filling = None;
        let Some(lane) = self.lanes.get_mut(index) else { return };
        match outcome {
            Filled::There => {
                lane.absent.remove(&piece.number);
                // Its playlists say so.
                let texts: Vec<(String, Bytes)> = lane.texts.iter().map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
                self.let_go(piece);
                self.counts.filled_in.fetch_add(1, Relaxed);
                texts
                    .into_iter()
                    .filter(|(path, _)| !self.has_newer(path))
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|(path, bytes)| self.text(&path, Some(bytes)));
            }
            Filled::Again => {
                lane.missing.insert(piece.number, Arc::clone(piece));
                self.forget_old(index);
            }
            Filled::Never => self.drop_piece(piece),
        }
    }

    /// Bytes of whole segments that wait.
    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there is room for more, where it is waited for.
    pub fn has_room(&self) -> bool {
        self.bytes < self.limits.bytes
    }

    /// Whether nothing waits and nobody is at work. What is missing counts where its lane is well.
    pub fn is_idle(&self) -> bool {
        let idle = |lane: &Lane| lane.waiting.is_empty() && lane.busy.is_none() && (!lane.well || lane.missing.is_empty());
        self.texts.is_empty() && !self.texts_busy && self.filling.is_none() && self.lanes.iter().all(idle)
    }

    /// Nothing more will be published: what is not whole will not be.
    pub fn close(&mut self) {
        let making: Vec<(String, GopId)> = self.lanes.iter().filter_map(|lane| Some((lane.name.clone(), lane.making.as_ref()?.number))).collect();
        making.into_iter().for_each(|(track, number)| self.abort(&track, number));
    }

    /// Nothing will be tried any more: what is left counts as dropped.
    pub fn give_up(&mut self) {
        let left: Vec<Arc<Piece>> = self.lanes.iter().flat_map(Lane::held).chain(self.filling.iter().cloned()).collect();
        left.iter().for_each(|piece| self.drop_piece(piece));
        for lane in &mut self.lanes {
            lane.waiting.clear();
            lane.missing.clear();
        }
        self.texts.clear();
    }

    fn lane_of(&mut self, path: &str) -> Option<&mut Lane> {
        let (track, _) = path.split_once('/')?;
        self.lane(track)
    }

    fn lane(&mut self, track: &str) -> Option<&mut Lane> {
        let found = self.lanes.iter().skip(1).position(|lane| lane.name == track).map(|i| i + 1);
        if found.is_none() && self.lanes.len() >= MAX_LANES {
            return None;
        }
        let index = found.unwrap_or_else(|| {
            self.lanes.push(Lane { name: track.to_owned(), ..Lane::default() });
            self.lanes.len() - 1
        });
        self.lanes.get_mut(index)
    }

    /// What is too old to be filled in is dropped.
    fn forget_old(&mut self, index: usize) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        let oldest = GopId(lane.newest.map_or(i64::MIN, |newest| newest.0.saturating_sub(self.limits.fill)));
        let keep = lane.missing.split_off(&oldest);
        let old = std::mem::replace(&mut lane.missing, keep);
        lane.bound_absent();
        old.values().for_each(|piece| self.drop_piece(piece));
    }

    fn keep_bounds(&mut self) {
        while self.limits.live && self.bytes > self.limits.bytes {
            let missing = self.lanes.iter().flat_map(|lane| lane.missing.values()).filter(|piece| piece.whole.get().is_some()).min_by_key(|piece| piece.number);
            let waiting = || self.lanes.iter().flat_map(Lane::waiting_whole).min_by_key(|piece| piece.number);
            let Some(piece) = missing.or_else(waiting).cloned() else { break };
            for lane in &mut self.lanes {
                lane.waiting.retain(|one| !matches!(one, Waiting::Segment(other) if Arc::ptr_eq(other, &piece)));
                if lane.missing.get(&piece.number).is_some_and(|other| Arc::ptr_eq(other, &piece)) {
                    lane.missing.remove(&piece.number);
                }
                if piece.path.starts_with(&format!("{}/", lane.name)) {
                    lane.absent.insert(piece.number);
                }
            }
            self.drop_piece(&piece);
        }
        let held = self.lanes.iter().map(|lane| lane.held().count() as u64).sum();
        self.counts.backlog[0].store(held, Relaxed);
        self.counts.backlog[1].store(self.bytes, Relaxed);
    }

    fn drop_piece(&mut self, piece: &Arc<Piece>) {
        self.counts.dropped.fetch_add(1, Relaxed);
        self.let_go(piece);
    }

    fn let_go(&mut self, piece: &Arc<Piece>) {
        self.bytes = self.bytes.saturating_sub(piece.counted.swap(0, Relaxed));
        let held = self.lanes.iter().map(|lane| lane.held().count() as u64).sum();
        self.counts.backlog[0].store(held, Relaxed);
        self.counts.backlog[1].store(self.bytes, Relaxed);
    }
}

/// What became of a segment that was missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filled {
    /// It is there.
    There,
    /// It is tried again.
    Again,
    /// The destination does not want it.
    Never,
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;

//! A track as a remote destination sees it: its segments, whole or being made, and where each of them stands.

use super::growing::Growing;
use crate::time::GopId;
use crate::verdict::Verdict;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

/// The most numbers of a lane that are remembered as not being there.
const MAX_ABSENT: usize = 100_000;

/// A segment for this destination.
#[derive(Debug)]
pub struct Piece {
    /// Its number.
    pub number: GopId,
    /// Relative path.
    pub path: String,
    /// Its bytes.
    pub body: Growing,
    /// What is known of it, once it is whole.
    pub verdict: OnceLock<Arc<Verdict>>,
    /// Its place in publishing order, once it is whole.
    pub whole: OnceLock<u64>,
    /// Bytes that count for the limit.
    pub counted: AtomicU64,
}

/// What waits in a lane.
#[derive(Debug)]
pub enum Waiting {
    /// The init segment.
    Greet,
    /// A segment.
    Segment(Arc<Piece>),
}

/// A track.
#[derive(Debug, Default)]
pub struct Lane {
    /// Its name; empty for the lane of texts.
    pub name: String,
    /// Path and bytes of its init segment.
    pub init: Option<(String, Bytes)>,
    /// What waits, oldest first.
    pub waiting: VecDeque<Waiting>,
    /// What is being sent.
    pub busy: Option<Arc<Piece>>,
    /// What is being made.
    pub making: Option<Arc<Piece>>,
    /// What failed, or was left out, and is filled in later.
    pub missing: BTreeMap<GopId, Arc<Piece>>,
    /// Numbers that the destination does not have, for its playlists.
    pub absent: BTreeSet<GopId>,
    /// The newest number that is whole.
    pub newest: Option<GopId>,
    /// The last texts of the track.
    pub texts: BTreeMap<String, Bytes>,
    /// Its last request went well.
    pub well: bool,
}

impl Lane {
    /// A segment is being made from now on.
    pub fn begin(&mut self, number: GopId, path: &str) {
        // One that never became whole: nobody can finish it now.
        if let Some(lost) = self.making.take() {
            lost.body.abort();
        }
        let piece = Arc::new(Piece {
            number,
            path: path.to_owned(),
            body: Growing::default(),
            verdict: OnceLock::new(),
            whole: OnceLock::new(),
            counted: AtomicU64::new(0),
        });
        self.making = Some(Arc::clone(&piece));
        self.waiting.push_back(Waiting::Segment(piece));
    }

    /// All segments that it has, at work or not.
    pub fn held(&self) -> impl Iterator<Item = Arc<Piece>> {
        let waiting = self.waiting.iter().filter_map(|one| if let Waiting::Segment(piece) = one { Some(piece) } else { None });
        waiting.chain(&self.busy).chain(self.missing.values()).cloned()
    }

    /// Whole segments that wait.
    pub fn waiting_whole(&self) -> impl Iterator<Item = &Arc<Piece>> {
        let whole = |piece: &&Arc<Piece>| piece.whole.get().is_some();
        self.waiting.iter().filter_map(|one| if let Waiting::Segment(piece) = one { Some(piece) } else { None }).filter(whole)
    }

    /// Whether it has this one.
    pub fn holds(&self, piece: &Arc<Piece>) -> bool {
        self.held().any(|other| Arc::ptr_eq(&other, piece))
    }

    /// Whether all that was published before `seq` is there, or was given up for now.
    pub fn settled(&self, seq: u64) -> bool {
        let before = |piece: &Arc<Piece>| piece.whole.get().is_some_and(|whole| *whole < seq);
        let greets = self.waiting.iter().any(|one| matches!(one, Waiting::Greet));
        !greets && !self.busy.iter().any(before) && !self.waiting_whole().any(before)
    }

    /// Forgets the oldest of too many numbers that are not there.
    pub fn bound_absent(&mut self) {
        while self.absent.len() > MAX_ABSENT {
            self.absent.pop_first();
        }
    }
}

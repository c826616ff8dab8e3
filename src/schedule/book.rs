//! All edits of an event, and what they make of a segment.

use super::edit::{Change, Edit, Key};
use crate::time::{GopId, Grid, Slot};

/// The most edits that are kept. Beyond, those go that alter nothing any more; where there is none of those, no more are taken.
pub const MOST: usize = 1000;
/// Edits of so many segments ago are kept for a twin, or a restart, that is behind.
const BEHIND: i64 = 1000;
/// An edit may name the second segment after the newest that was begun, and later ones: sound of a segment has samples of the next one in its run-up.
const MARGIN: i64 = 2;
/// Where none is named it is one later, so that a twin that is a segment ahead, or asked a moment later, can still keep it.
const TWINS: i64 = 1;

/// Why an edit is not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// What it names is encoded already, or about to be.
    #[error("segment {from} is settled: it is encoded, or about to be; accepted: {first} and later")]
    Settled {
        /// As asked.
        from: i64,
        /// The first that may be named.
        first: i64,
    },
    /// There is no such rung.
    #[error("there is no video rung \"{rung}\"; accepted: {known}")]
    Rung {
        /// As asked.
        rung: String,
        /// All there are.
        known: String,
    },
    /// A value that is not legal for this rung.
    #[error("{field} = {value}; accepted: {accepted}")]
    Value {
        /// Which.
        field: &'static str,
        /// As asked.
        value: String,
        /// What would do.
        accepted: String,
    },
    /// It is legal, and cannot be kept here.
    #[error("{0}")]
    Impossible(String),
    /// No rung would be left.
    #[error("{rung} is the last video rung that is made in segment {segment}; accepted: enable another one first, from that segment or an earlier one on")]
    LastRung {
        /// As asked.
        rung: String,
        /// Where none would be left.
        segment: i64,
    },
    /// There are too many.
    #[error("there are {MOST} edits, and all of them still count")]
    Full,
}

/// An edit that is asked for.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Asked {
    pub edit: Edit,
    /// Its segment was named. Where it was not, it is enough that the same counts there already.
    pub named: bool,
}

/// What came of one: the edit by which what was asked for counts.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Took {
    pub edit: Edit,
    pub new: bool,
}

/// The edits, in the order in which they were made.
#[derive(Debug, Default, Clone)]
pub(super) struct Book {
    edits: Vec<Edit>,
    reached: Option<GopId>,
}

impl Book {
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    pub fn reached(&self) -> Option<GopId> {
        self.reached
    }

    /// A stage begins with `gop`.
    pub fn reach(&mut self, gop: GopId) {
        self.reached = self.reached.max(Some(gop));
    }

    /// The first segment that an edit may name.
    pub fn first_open(&self) -> GopId {
        GopId(self.reached.map_or(0, |reached| reached.0 + MARGIN))
    }

    /// The segment that an edit is from which names none. Before the first it is the beginning, unless edits were kept: then one from the beginning would not count.
    pub fn default_from(&self) -> Option<GopId> {
        match self.reached {
            Some(reached) => Some(GopId(reached.0 + MARGIN + TWINS)),
            None => self.edits.is_empty().then_some(GopId(0)),
        }
    }

    /// The edit that counts for `key` in `gop`: the one with the latest segment that is not behind it.
    fn edit_at(&self, key: &Key, gop: GopId) -> Option<&Edit> {
        self.edits.iter().filter(|edit| edit.from <= gop.0 && edit.change.key() == *key).max_by_key(|edit| edit.from)
    }

    fn at(&self, key: &Key, gop: GopId) -> Option<&Change> {
        self.edit_at(key, gop).map(|edit| &edit.change)
    }

    pub fn enabled(&self, rung: &str, gop: GopId) -> bool {
        !matches!(self.at(&Key::Enabled(rung), gop), Some(Change::Enabled { enabled: false, .. }))
    }

    pub fn cap(&self, rung: &str, gop: GopId) -> Option<u64> {
        if let Some(Change::Cap { max_bitrate, .. }) = self.at(&Key::Cap(rung), gop) { Some(*max_bitrate) } else { None }
    }

    pub fn quality(&self, rung: &str, gop: GopId) -> Option<f32> {
        if let Some(Change::Quality { quality, .. }) = self.at(&Key::Quality(rung), gop) { Some(*quality) } else { None }
    }

    pub fn is_slate(&self, gop: GopId) -> bool {
        matches!(self.at(&Key::Slate, gop), Some(Change::Slate { on: true }))
    }

    /// Slots inside `gop`, from 0, that are IDRs by an edit, rising.
    pub fn idrs(&self, gop: GopId, grid: Grid) -> Vec<u32> {
        let slots =
            self.edits.iter().filter(|edit| edit.from == gop.0).filter_map(|edit| if let Change::Idr { slot } = edit.change { Some(slot) } else { None });
        let mut inside: Vec<u32> = slots.map(|slot| grid.index(Slot(slot))).collect();
        inside.sort_unstable();
        inside
    }

    /// The edit by which it counts already, where there is nothing to do. One that names a segment that is still open must be there itself: what counts in its place
    /// may be replaced from an earlier segment on, and the order of asking would matter.
    fn there(&self, Asked { edit, named }: &Asked) -> Option<Edit> {
        if self.edits.contains(edit) {
            return Some(edit.clone());
        }
        if *named && edit.from >= self.first_open().0 {
            return None;
        }
        match (self.edit_at(&edit.change.key(), GopId(edit.from)), &edit.change) {
            (Some(known), change) => (known.change == *change).then(|| known.clone()),
            // What the plan says counts from the beginning, without an edit.
            (None, Change::Enabled { enabled: true, .. } | Change::Slate { on: false }) => Some(Edit { from: 0, ..edit.clone() }),
            (None, _) => None,
        }
    }

    /// Takes edits, all or none, and says of each what came of it. `rungs`: all that could be made.
    pub fn take(&mut self, asked: &[Asked], rungs: &[&str]) -> Result<Vec<Took>, Refused> {
        let mut after = self.clone();
        let mut took = Vec::with_capacity(asked.len());
        for one in asked {
            if let Some(edit) = after.there(one) {
                took.push(Took { edit, new: false });
                continue;
            }
            let edit = &one.edit;
            // A cue alters no byte: it may be of what is published.
            if edit.from < self.first_open().0 && !matches!(edit.change, Change::Cue(_)) {
                return Err(Refused::Settled { from: edit.from, first: self.first_open().0 });
            }
            after.put(edit.clone())?;
            took.push(Took { edit: edit.clone(), new: true });
        }
        // Once for all: of two that change places, one is asked for first.
        let disabled = asked.iter().find_map(|one| if let Change::Enabled { rung, enabled: false } = &one.edit.change { Some(rung) } else { None });
        if let Some(rung) = disabled {
            after.some_rung(rung, rungs)?;
        }
        *self = after;
        Ok(took)
    }

    fn put(&mut self, edit: Edit) -> Result<(), Refused> {
        let same = |other: &Edit| other.change.key() == edit.change.key() && (other.from == edit.from || matches!(edit.change, Change::Cue(_)));
        if let Some(known) = self.edits.iter_mut().find(|other| same(other)) {
            *known = edit;
            return Ok(());
        }
        if self.edits.len() >= MOST {
            self.forget();
        }
        if self.edits.len() >= MOST {
            return Err(Refused::Full);
        }
        self.edits.push(edit);
        Ok(())
    }

    /// Drops what alters nothing any more: what was long ago and is over, or was replaced by what was long ago, too.
    fn forget(&mut self) {
        let Some(long_ago) = self.reached.map(|reached| reached.0 - BEHIND) else { return };
        let counts = |edit: &Edit| {
            if edit.from >= long_ago {
                return true;
            }
            match &edit.change {
                Change::Idr { .. } | Change::Cue(_) => false,
                change => !self.edits.iter().any(|other| other.change.key() == change.key() && other.from > edit.from && other.from <= long_ago),
            }
        };
        self.edits = self.edits.iter().filter(|edit| counts(edit)).cloned().collect();
    }

    /// Some rung is made wherever one changes.
    fn some_rung(&self, asked: &str, rungs: &[&str]) -> Result<(), Refused> {
        let switches = self.edits.iter().filter(|edit| matches!(edit.change, Change::Enabled { .. }));
        for at in switches.map(|edit| GopId(edit.from)) {
            if !rungs.iter().any(|rung| self.enabled(rung, at)) {
                return Err(Refused::LastRung { rung: asked.to_owned(), segment: at.0 });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;

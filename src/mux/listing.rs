//! Which segments of a track exist, which are listed, and which have left.

use crate::job::Window;
use crate::time::{GopId, Seconds};
use std::collections::VecDeque;

/// Most gap entries in a row. A longer hole (a day at two seconds) starts the list anew behind it.
const MAX_GAP: i64 = 43_200;
/// Fewest entries of a sliding window.
const MIN_LISTED: usize = 3;

/// An entry of a media playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Segment number.
    pub number: GopId,
    /// When it starts (UTC).
    pub start: Seconds,
    /// How long it lasts.
    pub duration: Seconds,
    /// It will never come.
    pub gap: bool,
}

/// The segments of one track.
#[derive(Debug)]
pub struct Listing {
    /// Entries of a sliding window; absent for the whole event.
    keep: Option<usize>,
    listed: VecDeque<Entry>,
    /// No longer listed, still stored.
    stored: VecDeque<GopId>,
    whole: bool,
}

impl Listing {
    /// `segment` is the duration of a whole GOP.
    pub fn new(window: Window, segment: Seconds) -> Listing {
        let keep = match window {
            Window::Whole => None,
            Window::Last(span) => {
                let (num, den) = segment.fraction();
                // span / segment, rounded up; both have at most 2^40 s and small denominators.
                let count = if num > 0 { span.times(den).over(num).ceil_ticks(1) } else { 0 };
                Some(usize::try_from(count).unwrap_or(0).max(MIN_LISTED))
            }
        };
        Listing { keep, listed: VecDeque::new(), stored: VecDeque::new(), whole: window == Window::Whole }
    }

    /// What is listed, oldest first.
    pub fn entries(&self) -> &VecDeque<Entry> {
        &self.listed
    }

    /// Whether nothing has ever left the list, and nothing will.
    pub fn whole(&self) -> bool {
        self.whole
    }

    /// The oldest number that is stored, or listed as a gap.
    pub fn oldest(&self) -> Option<GopId> {
        self.stored.front().copied().or(self.listed.front().map(|e| e.number))
    }

    /// Number of the last entry.
    pub fn last(&self) -> Option<GopId> {
        self.listed.back().map(|e| e.number)
    }

    /// Appends an entry whose number is the last one's plus one (or any, if it is the first). Numbers to remove from the store.
    ///
    /// A segment stays stored after it has left the list for as long as a list that had it may be in use: one window and one segment more (RFC 8216, 6.2.2).
    pub fn push(&mut self, entry: Entry) -> Vec<GopId> {
        self.listed.push_back(entry);
        let Some(keep) = self.keep else { return Vec::new() };
        while self.listed.len() > keep {
            self.stored.extend(self.listed.pop_front().filter(|e| !e.gap).map(|e| e.number));
        }
        let oldest = entry.number.0.saturating_sub(2 * keep as i64);
        let mut leave = Vec::new();
        while let Some(number) = self.stored.pop_front_if(|number| number.0 < oldest) {
            leave.push(number);
        }
        leave
    }

    /// Appends gaps for `from..to`, each entry made by `entry`. Of a hole longer than the window only the end is listed;
    /// one that is longer than a day's worth is not listed at all, and the list starts anew.
    pub fn gap(&mut self, from: GopId, to: GopId, entry: impl Fn(GopId) -> Entry) -> Vec<GopId> {
        let most = self.keep.map_or(MAX_GAP, |keep| keep as i64);
        let count = to.0.saturating_sub(from.0);
        let mut leave = Vec::new();
        if count > most {
            self.stored.extend(self.listed.drain(..).filter(|e| !e.gap).map(|e| e.number));
            if self.keep.is_none() {
                self.whole = false;
                return leave;
            }
        }
        for number in to.0.saturating_sub(count.min(most))..to.0 {
            leave.extend(self.push(Entry { gap: true, ..entry(GopId(number)) }));
        }
        leave
    }
}

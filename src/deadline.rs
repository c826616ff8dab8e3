//! When segments are due, and which are not there by then. [`Monitor`] is pure: it is told what was published, and what time it is. `watch` is its thread.
//!
//! Segment k of every track is due at the end of its slot plus `publish_delay`, the instant at which players that go by the manifest ask for it.

mod watch;

use crate::time::{GopId, Grid, Seconds};
use serde::Serialize;
use std::collections::BTreeSet;
pub use watch::{Guard, Watch};

/// How much later than due is still on time: clocks of players and workers are no better.
pub const TOLERANCE: Seconds = Seconds::TENTH;
/// Overdue segments of a track that may still come; the oldest is given up for another.
const OPEN: usize = 32;
/// Segments after which one that is overdue will never come, where nobody makes the track any more: no later one tells.
const GIVEN_UP: i64 = 4;
/// Segments that are counted one by one when time leaps ahead.
const LEAP: i64 = 4096;

/// Who makes a segment of a track (its place in the plan).
pub type Makers = Box<dyn Fn(usize, GopId) -> Maker + Send>;

/// Who makes a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maker {
    /// This worker: it is due here.
    Here,
    /// Another shard.
    Another,
    /// Nobody: the rung is disabled.
    Nobody,
}

/// What changed. One of a spell, however many segments it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A segment was not published when it was due, or never will be; the one before it was.
    Overdue {
        /// Which track, by its place in the plan.
        track: usize,
        /// Which segment.
        gop: GopId,
    },
    /// A segment is on time, and none is overdue any more.
    OnTime {
        /// Which track.
        track: usize,
        /// Which segment.
        gop: GopId,
        /// How many were not, in this spell.
        missed: u64,
    },
}

/// What is known of a track.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, utoipa::ToSchema)]
pub struct TrackDeadline {
    /// Segments that were not published when they were due.
    pub misses: u64,
    /// Of those, segments that came after all.
    pub late: u64,
    /// Of those, segments that will never come.
    pub missing: u64,
    /// Milliseconds for which the oldest segment that may still come is overdue; 0: none is.
    pub overdue_ms: i64,
}

#[derive(Default)]
struct Track {
    /// The next that is due; unknown before the first of any track.
    next: Option<GopId>,
    /// Overdue, and may still come.
    open: BTreeSet<GopId>,
    /// Misses of the spell that goes on.
    spell: Option<u64>,
    misses: u64,
    late: u64,
    missing: u64,
}

/// Watches every track of a job.
pub struct Monitor {
    grid: Grid,
    delay: Seconds,
    makers: Makers,
    tracks: Vec<Track>,
    over: bool,
}

impl Monitor {
    /// Of so many tracks. Nothing is due before the first segment of any of them was published; from then on, all of them are.
    pub fn new(grid: Grid, publish_delay: Seconds, tracks: usize, makers: Makers) -> Monitor {
        Monitor { grid, delay: publish_delay, makers, tracks: std::iter::repeat_with(Track::default).take(tracks).collect(), over: false }
    }

    /// The instant after which a segment is not on time.
    pub fn due(&self, gop: GopId) -> Seconds {
        self.grid.gop_time(gop.next()) + self.delay + TOLERANCE
    }

    /// When [`Monitor::tick`] has something to say next, unless something is published before.
    pub fn wakes(&self) -> Option<Seconds> {
        let next = self.tracks.iter().filter_map(|track| track.next).min().filter(|_| !self.over)?;
        Some(self.due(next))
    }

    /// Nothing new is due any more: the event is over, or this worker leaves.
    pub fn end(&mut self) {
        self.over = true;
    }

    /// A segment of a track was published. Each track's come by rising number.
    pub fn published(&mut self, index: usize, gop: GopId, at: Seconds) -> Vec<Event> {
        let due = self.due(gop);
        for (other, track) in self.tracks.iter_mut().enumerate() {
            track.next.get_or_insert(if other == index { gop } else { gop.next() });
        }
        let Some(track) = self.tracks.get_mut(index) else { return Vec::new() };
        let mut events = Vec::new();
        // What comes out of order never comes.
        track.never_come(gop);
        track.late += u64::from(track.open.remove(&gop));
        let next = track.next.unwrap_or(gop);
        let skipped = (next.0..gop.0).take(LEAP as usize).filter(|number| (self.makers)(index, GopId(*number)) == Maker::Here).count() as u64;
        if skipped > 0 {
            track.missing += skipped;
            track.miss(skipped, index, next, &mut events);
        }
        if gop >= next {
            track.next = Some(gop.next());
            if at > due {
                track.late += 1;
                track.miss(1, index, gop, &mut events);
            }
        }
        if at <= due
            && skipped == 0
            && let Some(missed) = track.spell.take()
        {
            events.push(Event::OnTime { track: index, gop, missed });
        }
        events
    }

    /// It is `now`: what is overdue since the last time.
    pub fn tick(&mut self, now: Seconds) -> Vec<Event> {
        let mut events = Vec::new();
        if self.over {
            return events;
        }
        let reached = self.grid.gop(self.grid.nearest(now - self.delay - TOLERANCE)).0;
        for index in 0..self.tracks.len() {
            while let Some(next) = self.tracks[index].next.filter(|next| self.due(*next) < now) {
                let (maker, track) = ((self.makers)(index, next), &mut self.tracks[index]);
                match maker {
                    Maker::Here => {
                        track.open.insert(next);
                        if track.open.len() > OPEN && track.open.pop_first().is_some() {
                            track.missing += 1;
                        }
                        track.miss(1, index, next, &mut events);
                    }
                    Maker::Another => {}
                    Maker::Nobody => track.never_come(GopId(next.0 - GIVEN_UP)),
                }
                // Time that leaps by hours says nothing of the segments between.
                track.next = Some(if reached - next.0 > LEAP { GopId(reached) } else { next.next() });
            }
        }
        events
    }

    /// What is known of a track at this moment.
    pub fn of(&self, index: usize, now: Seconds) -> TrackDeadline {
        let Some(track) = self.tracks.get(index) else { return TrackDeadline::default() };
        let overdue = track.open.first().map_or(Seconds::ZERO, |open| (now - self.due(*open)).max(Seconds::ZERO));
        TrackDeadline { misses: track.misses, late: track.late, missing: track.missing, overdue_ms: overdue.nearest_ticks(1000) }
    }

    /// What keeps a track from being on time: the segment, and for how many milliseconds it is overdue.
    pub fn overdue(&self, index: usize, now: Seconds) -> Option<(GopId, i64)> {
        let open = *self.tracks.get(index)?.open.first()?;
        Some((open, (now - self.due(open)).nearest_ticks(1000)))
    }
}

impl Track {
    /// What is overdue and before `gop` is given up.
    fn never_come(&mut self, gop: GopId) {
        let rest = self.open.split_off(&gop);
        self.missing += std::mem::replace(&mut self.open, rest).len() as u64;
    }

    fn miss(&mut self, count: u64, track: usize, gop: GopId, events: &mut Vec<Event>) {
        self.misses += count;
        match &mut self.spell {
            Some(spell) => *spell += count,
            None => {
                self.spell = Some(count);
                events.push(Event::Overdue { track, gop });
            }
        }
    }
}

#[cfg(test)]
mod tests;

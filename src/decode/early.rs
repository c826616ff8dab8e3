//! The beginning of an event whose feed is not there yet (`timeline.start = "now"`): filler and silence on the grid, by the host's clock.
//!
//! Which slots these are depends on when the worker started: they are marked as filler, and a twin that had the feed goes before.

use super::framesync::Emit;
use crate::frame::{AudioCue, Frame, Length, Origin, Picture, SideData};
use crate::time::{Grid, Seconds, Slot};
use std::sync::Arc;
use std::time::Duration;

/// Source time, in seconds, that no stamp reaches: what is cued by it is silent, and waits for no sound.
const NOWHERE: i64 = 1 << 50;

/// Fills slots until the feed's own pictures go on.
pub struct Early {
    grid: Grid,
    picture: Picture,
    /// A slot is filled this long after it was due.
    lateness: Seconds,
    /// UTC when the clock that slots are filled by was zero.
    zero: Seconds,
    next: Slot,
    /// One past the last slot of the event.
    end: Option<Slot>,
    filled: u64,
}

impl Early {
    /// From the first GOP on that opens at `now`, in UTC, or later; `now` is zero on the clock that [`Early::fill_due`] is told. `duration`: how many slots the event has.
    pub fn new(grid: Grid, picture: Picture, duration: Option<u64>, lateness: Seconds, now: Seconds) -> Early {
        let slot = grid.nearest(now);
        let first = grid.first(grid.gop(slot).next());
        let end = duration.and_then(|slots| i64::try_from(slots).ok()).map(|slots| Slot(first.0.saturating_add(slots)));
        Early { grid, picture, lateness, zero: now, next: first, end, filled: 0 }
    }

    /// When the next slot is filled.
    pub fn due(&self) -> Option<Duration> {
        (!self.is_over()).then(|| (self.grid.time(self.next) + self.lateness - self.zero).to_duration())
    }

    /// Fills what is due by now.
    pub fn fill_due(&mut self, now: Duration, out: &mut Vec<Emit>) {
        while self.due().is_some_and(|due| due <= now) {
            self.fill(false, out);
        }
    }

    /// Fills up to `slot`, not included, where the feed goes on; where that is further away than `most`, to the end of the GOP that is open. Says how many slots are left out.
    pub fn fill_to(&mut self, slot: Slot, most: Seconds, out: &mut Vec<Emit>) -> u64 {
        let far = self.grid.time(slot) - self.grid.time(self.next) > most;
        while self.next < slot && !self.is_over() && !(far && self.grid.index(self.next) == 0) {
            self.fill(false, out);
        }
        u64::try_from(slot.0 - self.next.0).unwrap_or(0)
    }

    /// The event is over: the GOP that is open is filled, as its last.
    pub fn finish(&mut self, out: &mut Vec<Emit>) {
        while self.grid.index(self.next) > 0 && !self.is_over() {
            self.fill(self.grid.index(self.next) + 1 == self.grid.gop_slots, out);
        }
    }

    /// The next slot.
    pub fn next(&self) -> Slot {
        self.next
    }

    /// One past the last slot of the event.
    pub fn end(&self) -> Option<Slot> {
        self.end
    }

    /// Whether the event has all its slots.
    pub fn is_over(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }

    /// Slots filled so far.
    pub fn filled(&self) -> u64 {
        self.filled
    }

    fn fill(&mut self, last: bool, out: &mut Vec<Emit>) {
        let (slot, grid) = (self.next, self.grid);
        let (gop, index) = (grid.gop(slot), grid.index(slot));
        let last = last || self.end.is_some_and(|end| slot.0 + 1 >= end.0);
        let slots = self.end.map_or(grid.gop_slots.into(), |end| end.0 - grid.first(gop).0);
        let length = if slots < i64::from(grid.gop_slots) { Length::Short(slots.max(1) as u32) } else { Length::Whole };
        out.push(Emit::Frame(Frame {
            slot,
            gop,
            opens_gop: index == 0,
            force_idr: false,
            length,
            last,
            picture: self.picture.clone(),
            origin: Origin::Filler,
            damaged: false,
            missed: true,
            path: 0,
            sight: Default::default(),
            side: Arc::new(SideData::default()),
        }));
        if last || index + 1 == grid.gop_slots {
            out.push(Emit::Cue(AudioCue { gop, slots: index + 1, more: false, offset: Seconds::whole(NOWHERE), moved: None, whole: true, away: true, last }));
        }
        self.next = Slot(slot.0 + 1);
        self.filled += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rate;
    use ffmpeg_next::frame::Video;

    fn early(duration: Option<u64>) -> Early {
        let grid = Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO);
        Early::new(grid, Picture::Cpu(Arc::new(Video::empty())), duration, Seconds::ONE, Seconds::new(10_000_000_501, 10))
    }

    fn slots(out: &[Emit]) -> Vec<i64> {
        out.iter().filter_map(|emit| if let Emit::Frame(frame) = emit { Some(frame.slot.0) } else { None }).collect()
    }

    fn cues(out: &[Emit]) -> Vec<(i64, u32, bool)> {
        out.iter().filter_map(|emit| if let Emit::Cue(cue) = emit { Some((cue.gop.0, cue.slots, cue.last)) } else { None }).collect()
    }

    /// The worker starts at 1,000,000,050.1 s; the next GOP opens at ….052, and its first slot is late at ….053.
    #[test]
    fn slots_are_filled_a_second_late_from_the_next_gop_on() {
        let (mut early, mut out) = (early(None), Vec::new());
        assert_eq!(early.due(), Some(Duration::from_millis(2900)));
        early.fill_due(Duration::from_millis(2890), &mut out);
        assert!(out.is_empty());
        early.fill_due(Duration::from_millis(2900 + 1999), &mut out);
        let first = 1_000_000_052 * 25;
        assert_eq!(slots(&out), (first..first + 50).collect::<Vec<_>>());
        assert_eq!(cues(&out), [(first / 50, 50, false)]);
        assert_eq!((early.filled(), early.next()), (50, Slot(first + 50)));
    }

    #[test]
    fn it_ends_with_the_event() {
        let (mut early, mut out) = (early(Some(70)), Vec::new());
        early.fill_due(Duration::from_secs(100), &mut out);
        let first = 1_000_000_052 * 25;
        assert_eq!(slots(&out).len(), 70);
        assert_eq!(cues(&out), [(first / 50, 50, false), (first / 50 + 1, 20, true)]);
        assert!(early.is_over() && early.due().is_none());
        let Some(Emit::Frame(opens)) = out.iter().find(|emit| matches!(emit, Emit::Frame(f) if f.slot.0 == first + 50)) else { panic!("the second GOP") };
        assert_eq!(opens.length, Length::Short(20));
    }

    #[test]
    fn a_feed_without_a_picture_closes_the_gop_that_is_open() {
        let (mut early, mut out) = (early(None), Vec::new());
        early.finish(&mut out);
        assert!(out.is_empty(), "none is open");
        early.fill_due(Duration::from_millis(2900 + 400), &mut out);
        early.finish(&mut out);
        assert_eq!(cues(&out), [(1_000_000_052 / 2, 50, true)]);
    }

    #[test]
    fn it_hands_over_where_the_feed_begins() {
        let (mut early, mut out) = (early(None), Vec::new());
        let first = 1_000_000_052 * 25;
        assert_eq!(early.fill_to(Slot(first + 100), Seconds::MINUTE, &mut out), 0);
        assert_eq!(slots(&out).len(), 100);
        early.fill_due(Duration::from_millis(2900 + 4000 + 40), &mut out);
        let open = early.next();
        assert_eq!(early.grid.index(open), 2);
        assert_eq!(early.fill_to(Slot(first + 25 * 1000), Seconds::MINUTE, &mut out), 25 * 1000 - 150, "the rest of its GOP, and a hole of whole ones");
    }
}

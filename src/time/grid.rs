//! The epoch grid: slots, GOPs, and the frames of sound between them.

use super::{Rate, Seconds};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A place for one picture on the epoch grid: slot n is shown at n/R seconds since the epoch. Never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Slot(pub i64);

/// A GOP of the grid, which is also the segment number of every track.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct GopId(pub i64);

impl GopId {
    /// The GOP after this one.
    pub fn next(self) -> GopId {
        GopId(self.0 + 1)
    }
}

impl fmt::Display for GopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The epoch grid of a video rendition: its rate and how many slots a GOP has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Grid {
    /// Pictures per second.
    pub rate: Rate,
    /// Slots in a GOP, at least 2.
    pub gop_slots: u32,
}

impl Grid {
    /// The grid at `rate` whose GOPs last as near to `segment` as whole slots can, at least 2 slots.
    pub fn new(rate: Rate, segment: Seconds) -> Grid {
        let (num, den) = segment.fraction();
        let slots = Seconds::new(num * i128::from(rate.num()), den * i128::from(rate.den())).nearest_ticks(1);
        Grid { rate, gop_slots: u32::try_from(slots.max(2)).unwrap_or(u32::MAX) }
    }

    /// When `slot` is shown.
    pub fn time(&self, slot: Slot) -> Seconds {
        self.rate.period().times(i128::from(slot.0))
    }

    /// The slot whose time is nearest to `time`; halfway, the later one.
    pub fn nearest(&self, time: Seconds) -> Slot {
        let (num, den) = time.fraction();
        Slot(Seconds::new(num * i128::from(self.rate.num()), den * i128::from(self.rate.den())).nearest_ticks(1))
    }

    /// How many slots it takes to show something for `span`: rounded up, none for a negative span.
    pub fn slots_in(&self, span: Seconds) -> u64 {
        let (num, den) = span.fraction();
        Seconds::new(num * i128::from(self.rate.num()), den * i128::from(self.rate.den())).ceil_ticks(1).max(0).unsigned_abs()
    }

    /// The GOP that holds `slot`.
    pub fn gop(&self, slot: Slot) -> GopId {
        GopId(slot.0.div_euclid(i64::from(self.gop_slots)))
    }

    /// The first slot of `gop`.
    pub fn first(&self, gop: GopId) -> Slot {
        Slot(gop.0 * i64::from(self.gop_slots))
    }

    /// Where `slot` stands in its GOP, from 0.
    pub fn index(&self, slot: Slot) -> u32 {
        slot.0.rem_euclid(i64::from(self.gop_slots)) as u32
    }

    /// When `gop` starts.
    pub fn gop_time(&self, gop: GopId) -> Seconds {
        self.time(self.first(gop))
    }

    /// How long every whole GOP lasts.
    pub fn gop_duration(&self) -> Seconds {
        self.rate.period().times(i128::from(self.gop_slots))
    }

    /// The media timescale of a video track: a multiple of the rate's numerator, at least 1000 a second.
    pub fn timescale(&self) -> u32 {
        if self.rate.num() < 1000 { self.rate.num() * 1000 } else { self.rate.num() }
    }

    /// How many ticks of [`Grid::timescale`] one slot lasts. An integer by construction.
    pub fn slot_ticks(&self) -> u32 {
        self.rate.den() * (self.timescale() / self.rate.num())
    }
}

/// The epoch grid of an audio rendition: frames of `frame` samples, cut into segments that follow the video's GOPs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct AudioGrid {
    /// The video grid whose GOPs number the segments.
    pub video: Grid,
    /// Samples per second, which is also the media timescale.
    pub sample_rate: u32,
    /// Samples in a frame (AAC: 1024).
    pub frame: u32,
}

impl AudioGrid {
    /// The first audio frame (counted from the epoch) of segment `gop`: ⌈k S / F⌉, S the samples of a video GOP.
    pub fn first(&self, gop: GopId) -> i64 {
        self.frame_at_or_after(self.video.gop_time(gop))
    }

    /// The first audio frame that starts at `time` or later.
    pub fn frame_at_or_after(&self, time: Seconds) -> i64 {
        let (num, den) = time.fraction();
        Seconds::new(num * i128::from(self.sample_rate), den * i128::from(self.frame)).ceil_ticks(1)
    }

    /// How many frames segment `gop` has; it varies by one.
    pub fn frames(&self, gop: GopId) -> u32 {
        (self.first(gop.next()) - self.first(gop)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grid(num: u32, den: u32) -> Grid {
        Grid::new(Rate::new(num, den).expect("a rate"), Seconds::TWO)
    }

    #[test]
    fn two_seconds_are_whole_slots() {
        let slots = [(24_000, 1001, 48), (25, 1, 50), (30_000, 1001, 60), (60_000, 1001, 120), (60, 1, 120)];
        for (num, den, expected) in slots {
            assert_eq!(grid(num, den).gop_slots, expected);
        }
        assert_eq!((grid(30_000, 1001).timescale(), grid(30_000, 1001).slot_ticks()), (30_000, 1001));
        assert_eq!((grid(25, 1).timescale(), grid(25, 1).slot_ticks()), (25_000, 1000));
    }

    #[test]
    fn sound_follows_gops_by_at_most_a_frame() {
        let audio = AudioGrid { video: grid(30_000, 1001), sample_rate: 48_000, frame: 1024 };
        // 96,096 samples a GOP: 93.84375 frames.
        assert_eq!((0..6).map(|k| audio.first(GopId(k))).collect::<Vec<_>>(), [0, 94, 188, 282, 376, 470]);
        assert_eq!((audio.frames(GopId(5)), audio.frames(GopId(6))), (94, 93));
    }

    proptest! {
        #[test]
        fn slots_and_gops_agree(num in 1..120u32, slot in 0..100_000_000_000i64) {
            let (grid, slot) = (grid(num, 1), Slot(slot));
            prop_assert_eq!(grid.nearest(grid.time(slot)), slot);
            let gop = grid.gop(slot);
            prop_assert_eq!(grid.first(gop).0 + i64::from(grid.index(slot)), slot.0);
            prop_assert!(grid.index(slot) < grid.gop_slots);
        }
    }
}

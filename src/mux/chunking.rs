//! Where segments are cut into chunks: by numbers alone, so that the muxer, the playlists and the reader of a plan come to the same.

use super::{TrackKind, TrackSpec};
use crate::plan::{AAC_FRAME, SAMPLE_RATE};
use crate::time::Grid;
use std::ops::Range;

/// That segments are cut into chunks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunking {
    /// Slots of a chunk of video, at least 1. One of sound has as many whole frames as fit into that time, at least one.
    pub slots: u32,
    /// Every chunk says its time (`prft`), not only the first of a segment.
    pub prft: bool,
}

/// Where the segments of one track are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// Units (slots, or audio frames) of every chunk but the last of a segment.
    pub units: u32,
    /// Chunks of the longest segment.
    pub most: u32,
    /// By how much `mfhd` grows from segment to segment: the same for all tracks of a grid, and no less than any has chunks.
    pub step: u32,
    /// As in [`Chunking::prft`].
    pub prft: bool,
}

impl Cuts {
    /// The cuts of `track`; a segment is one chunk where there is no `chunking`.
    pub fn of(track: &TrackSpec, chunking: Option<Chunking>) -> Cuts {
        let Some(Chunking { slots, prft }) = chunking else { return Cuts { units: u32::MAX, most: 1, step: 1, prft: false } };
        let grid = track.grid();
        let video = (slots.max(1), grid.gop_slots);
        let sound = (sound(grid, slots), most_frames(grid));
        let count = |(units, most): (u32, u32)| most.div_ceil(units).max(1);
        let own = if let TrackKind::Video { .. } = track.kind { video } else { sound };
        Cuts { units: own.0, most: count(own), step: count(video).max(count(sound)), prft }
    }

    /// The units of chunk `index`, of a segment that has enough of them.
    pub fn range(&self, index: u32) -> Range<usize> {
        let start = (index as usize).saturating_mul(self.units as usize);
        start..start.saturating_add(self.units as usize)
    }

    /// How many chunks `units` units are.
    pub fn count(&self, units: u32) -> u32 {
        units.div_ceil(self.units)
    }
}

/// Whole audio frames that fit into `slots` slots, at least one.
fn sound(grid: Grid, slots: u32) -> u32 {
    let (num, den) = grid.rate.period().times(i128::from(slots)).fraction();
    u32::try_from(num * i128::from(SAMPLE_RATE) / (den * i128::from(AAC_FRAME))).unwrap_or(u32::MAX).max(1)
}

/// The most audio frames of a segment.
fn most_frames(grid: Grid) -> u32 {
    let samples = grid.gop_duration().ceil_ticks(SAMPLE_RATE);
    u32::try_from((samples + i64::from(AAC_FRAME) - 1) / i64::from(AAC_FRAME)).unwrap_or(u32::MAX)
}

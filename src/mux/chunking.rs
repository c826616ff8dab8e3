//! Where segments are cut into chunks: by numbers alone, so that the muxer, the playlists and the reader of a plan come to the same.

use super::{TrackKind, TrackSpec};
use crate::time::Seconds;
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
    pub per_segment: u32,
    /// As in [`Chunking::prft`].
    pub prft: bool,
}

impl Cuts {
    /// The cuts of `track`; a segment is one chunk where there is no `chunking`.
    pub fn of(track: &TrackSpec, chunking: Option<Chunking>) -> Cuts {
        let Some(Chunking { slots, prft }) = chunking else { return Cuts { units: u32::MAX, per_segment: 1, prft: false } };
        let ticks = |span: Seconds| span.ceil_ticks(track.timescale());
        let grid = track.grid();
        let (units, most) = match &track.kind {
            TrackKind::Video { .. } => (slots, i64::from(grid.gop_slots)),
            TrackKind::Audio { rendition, .. } => {
                let frame = i64::from(rendition.grid.frame).max(1);
                // Rounded down to whole frames: the tick that rounding up may add is none of a frame.
                let (num, den) = grid.rate.period().times(i128::from(slots)).fraction();
                let units = num * i128::from(track.timescale()) / (den * i128::from(frame));
                (u32::try_from(units).unwrap_or(u32::MAX), (ticks(grid.gop_duration()) + frame - 1) / frame)
            }
        };
        let units = units.max(1);
        Cuts { units, per_segment: u32::try_from(most).unwrap_or(u32::MAX).div_ceil(units).max(1), prft }
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

//! Where segments are cut into chunks: by numbers alone, so that the muxer, the playlists and the reader of a plan come to the same.

use super::{TrackKind, TrackSpec};
use crate::plan::{AAC_FRAME, SAMPLE_RATE};
use crate::time::{AudioGrid, GopId, Grid, Seconds};
use std::ops::Range;

/// That segments are cut into chunks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunking {
    /// Slots of a chunk of video, at least 1. One of sound has the frames that begin in that time, so that it comes with its pictures, and the last of a segment is
    /// no scrap that comes together with the one before it; where chunks are shorter than two frames or so, as many whole frames as fit, at least one.
    pub slots: u32,
    /// Every chunk says its time (`prft`), not only the first of a segment.
    pub prft: bool,
}

/// Where the segments of one track are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// Units (slots, or audio frames) of the longest chunk.
    pub units: u32,
    /// Chunks of the longest segment.
    pub most: u32,
    /// By how much `mfhd` grows from segment to segment: the same for all tracks of a grid, and no less than any has chunks.
    pub step: u32,
    /// As in [`Chunking::prft`].
    pub prft: bool,
    /// Of sound that is cut where the pictures are: where its frames are, and how long a chunk is.
    sound: Option<(AudioGrid, Seconds)>,
}

impl Cuts {
    /// The cuts of `track`; a segment is one chunk where there is no `chunking`.
    pub fn of(track: &TrackSpec, chunking: Option<Chunking>) -> Cuts {
        let Some(Chunking { slots, prft }) = chunking else { return Cuts { units: u32::MAX, most: 1, step: 1, prft: false, sound: None } };
        let grid = track.grid();
        let (slots, video) = (slots.max(1), grid.gop_slots.div_ceil(slots.max(1)).max(1));
        let span = grid.rate.period().times(i128::from(slots));
        let sound = match aligned(span) {
            Some(units) => (units, video),
            None => (fitting(span), most_frames(grid).div_ceil(fitting(span)).max(1)),
        };
        let step = video.max(sound.1);
        match &track.kind {
            TrackKind::Video { .. } => Cuts { units: slots, most: video, step, prft, sound: None },
            TrackKind::Audio { rendition, .. } => Cuts { units: sound.0, most: sound.1, step, prft, sound: aligned(span).map(|_| (rendition.grid, span)) },
        }
    }

    /// The units of chunk `index` of segment `gop`, counted from its first, were it long enough for them.
    pub fn range(&self, gop: GopId, index: u32) -> Range<usize> {
        match self.sound {
            None => {
                let start = (index as usize).saturating_mul(self.units as usize);
                start..start.saturating_add(self.units as usize)
            }
            Some((grid, span)) => {
                let edge =
                    |index: u32| (grid.frame_at_or_after(grid.video.gop_time(gop) + span.times(i128::from(index))) - grid.first(gop)).unsigned_abs() as usize;
                edge(index)..edge(index.saturating_add(1))
            }
        }
    }

    /// How many chunks the first `units` units of segment `gop` are.
    pub fn count(&self, gop: GopId, units: u32) -> u32 {
        match self.sound {
            None => units.div_ceil(self.units),
            Some(_) => (0..self.most).find(|index| self.range(gop, *index).end >= units as usize).map_or(self.most, |last| last + 1).min(units),
        }
    }
}

/// The most frames of a chunk of sound that has those which begin within a chunk of video, `span`. `None` where that may be none, or where chunks of video would be too
/// short beside them ([`super::parts::LEAST`]).
fn aligned(span: Seconds) -> Option<u32> {
    let frame = Seconds::new(i128::from(AAC_FRAME), i128::from(SAMPLE_RATE));
    let most = fitting(span) + u32::from(frame.times(i128::from(fitting(span))) != span);
    (span >= frame && span.times(100) >= frame.times(i128::from(most)).times(super::parts::LEAST)).then_some(most)
}

/// Whole audio frames that fit into `span`, at least one.
fn fitting(span: Seconds) -> u32 {
    let (num, den) = span.fraction();
    u32::try_from(num * i128::from(SAMPLE_RATE) / (den * i128::from(AAC_FRAME))).unwrap_or(u32::MAX).max(1)
}

/// The most audio frames of a segment.
fn most_frames(grid: Grid) -> u32 {
    let samples = grid.gop_duration().ceil_ticks(SAMPLE_RATE);
    u32::try_from((samples + i64::from(AAC_FRAME) - 1) / i64::from(AAC_FRAME)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::test_kit::{ASC, audio, avcc, grid, rendition, video};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the rate and the chunks: every unit of a segment is in one chunk, none is empty, none is longer than it says, and there are no more than it says.
        #[test]
        fn chunks_are_a_segment(rate in 0usize..6, slots in 1u32..70, gop in 0i64..1_000_000_000, sound: bool) {
            let (num, den, gop_slots) = [(24_000, 1001, 48), (25, 1, 50), (30_000, 1001, 60), (30, 1, 60), (50, 1, 100), (60_000, 1001, 120)][rate];
            let grid = grid(num, den, gop_slots);
            let track = if sound { audio(1, "a", 128_000, grid, "eng", ASC.to_vec()) } else { video(0, rendition("v", 640, 360, 2_000_000, grid), avcc()) };
            let (cuts, gop) = (Cuts::of(&track, Some(Chunking { slots, prft: false })), GopId(gop));
            let units = track.units(gop);
            let count = cuts.count(gop, units);
            prop_assert!(count <= cuts.most && cuts.most <= cuts.step);
            let mut at = 0;
            for index in 0..count {
                let range = cuts.range(gop, index);
                prop_assert!(range.start == at && range.end > at && range.len() <= cuts.units as usize, "{:?} of {:?}", range, cuts);
                at = range.end;
            }
            prop_assert!(at >= units as usize && cuts.range(gop, count - 1).start < units as usize);
            for units in 1..=units {
                prop_assert!(cuts.range(gop, cuts.count(gop, units) - 1).contains(&(units as usize - 1)));
            }
        }
    }
}

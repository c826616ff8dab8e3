//! Partial segments of low-latency HLS (RFC 8216bis, 4.4.4.9): the chunks of the last few segments, as a playlist lists them.

use super::chunking::{Chunking, Cuts};
use super::{TrackKind, TrackSpec};
use crate::sink::Edge;
use crate::time::{GopId, Seconds};
use std::collections::VecDeque;

/// A part lasts at least this part of the target, in hundredths; but for the last of a segment, and those that can be decoded alone, as all of sound can.
pub(super) const LEAST: i128 = 85;
/// Parts are listed as long as they are within this many target durations of the end (6.2.2).
const LISTED: i128 = 3;

/// A part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How long it lasts.
    pub duration: Seconds,
    /// It can be decoded without what came before it.
    pub independent: bool,
    /// It will never come.
    pub gap: bool,
}

/// `PART-TARGET` of every track: the longest chunk of any. `None` where chunks are so short (one picture at 60 a second beside sound) that a video part would be too
/// short beside a part of sound, which has one AAC frame at least.
pub fn target(tracks: &[TrackSpec], chunking: Option<Chunking>) -> Option<Seconds> {
    let chunking = chunking?;
    let span = |track: &TrackSpec| track.span(Cuts::of(track, Some(chunking)).units);
    let longest = tracks.iter().map(span).max()?;
    let video = tracks.iter().filter(|t| matches!(t.kind, TrackKind::Video { .. })).map(span).min();
    video.is_none_or(|video| video.times(100) >= longest.times(LEAST)).then_some(longest)
}

/// The parts of the last segments of a track.
#[derive(Debug, Default)]
pub struct Parts {
    segments: VecDeque<(GopId, Vec<Part>)>,
}

impl Parts {
    /// The next part of segment `number`.
    pub fn push(&mut self, number: GopId, part: Part) {
        match self.segments.back_mut().filter(|(last, _)| *last == number) {
            Some((_, parts)) => parts.push(part),
            None => self.segments.push_back((number, vec![part])),
        }
    }

    /// Whether nothing is known of any.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Those of segment `number`.
    pub fn of(&self, number: GopId) -> &[Part] {
        self.segments.iter().find(|(n, _)| *n == number).map_or(&[], |(_, parts)| parts)
    }

    /// Segment `number` will not be completed: what is missing of its `track` never comes.
    pub fn abort(&mut self, track: &TrackSpec, number: GopId, cuts: Cuts) {
        let units = track.units(number);
        let from = self.of(number).len() as u32;
        for index in from..cuts.count(number, units) {
            let range = cuts.range(number, index);
            let count = (range.end.min(units as usize) - range.start.min(units as usize)) as u32;
            self.push(number, Part { duration: track.span(count), independent: false, gap: true });
        }
    }

    /// Forgets what a playlist that ends at `end` (UTC) does not list.
    pub fn trim(&mut self, track: &TrackSpec, end: Seconds, target: i64) {
        let span = Seconds::whole(target).times(LISTED);
        while self.segments.front().is_some_and(|(number, _)| track.time(track.first_unit(number.next())) + span < end) {
            self.segments.pop_front();
        }
    }

    /// How far a playlist reaches whose next whole segment is `next`.
    pub fn edge(&self, next: GopId) -> Edge {
        Edge { next, parts: self.of(next).len() as u32 }
    }

    /// The last segment, and the last part of it, of a playlist whose next whole segment is `next`.
    pub fn last(&self, next: GopId) -> (GopId, Option<u32>) {
        let place = |parts: &[Part]| (parts.len() as u32).checked_sub(1);
        match place(self.of(next)) {
            Some(part) => (next, Some(part)),
            None => {
                let last = GopId(next.0 - 1);
                (last, place(self.of(last)))
            }
        }
    }
}

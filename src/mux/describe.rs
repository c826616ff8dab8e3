//! A track as playlists describe it: codec string and bandwidth, both from what was written and settings, never from what was measured.

use super::chunking::Cuts;
use super::{Chunking, TrackKind, TrackSpec, entries, fragment};
use crate::inspect::InitFacts;
use crate::plan::AudioRendition;
use crate::protect::{Guard, Signal};

/// A track, described.
#[derive(Clone, Debug)]
pub struct Described {
    /// The track.
    pub spec: TrackSpec,
    /// RFC 6381 codec string, read from its initialisation segment.
    pub codecs: String,
    /// Bits per second that no segment exceeds: 1.10 x the cap, and the container.
    pub peak: u64,
    /// Bits per second that the average stays within: the constant rate or the cap, and the container.
    pub average: u64,
    /// What is said of its key, where it is protected.
    pub signal: Option<Signal>,
}

impl Described {
    /// `spec` as its initialisation segment `init` has it, in segments of such chunks.
    pub fn new(spec: &TrackSpec, init: &InitFacts, chunking: Option<Chunking>) -> Described {
        let (num, den) = spec.grid().gop_duration().fraction();
        let bits = i128::from(fragment::overhead(spec, chunking)) * 8 * den;
        let container = u64::try_from((bits + num - 1) / num.max(1)).unwrap_or(u64::MAX);
        let cap = match &spec.kind {
            TrackKind::Video { rendition, .. } => rendition.max_bitrate,
            TrackKind::Audio { rendition, .. } => rendition.bitrate,
        };
        let constant = if let TrackKind::Video { rendition, .. } = &spec.kind { rendition.bitrate } else { None };
        let (peak, average) = (entries::peak(cap).saturating_add(container), constant.unwrap_or(cap).saturating_add(container));
        Described { spec: spec.clone(), codecs: init.codecs.clone(), peak, average, signal: None }
    }

    /// The same where `guard` protects it, in segments of such chunks.
    pub fn guarded(mut self, guard: &Guard, chunking: Option<Chunking>) -> Described {
        let (num, den) = self.spec.grid().gop_duration().fraction();
        let bits = i128::from(guard.overhead(u64::from(Cuts::of(&self.spec, chunking).most))) * 8 * den;
        let more = u64::try_from((bits + num - 1) / num.max(1)).unwrap_or(u64::MAX);
        (self.peak, self.average) = (self.peak.saturating_add(more), self.average.saturating_add(more));
        self.signal = Some(guard.signal());
        self
    }

    /// The rendition, where it is an audio track.
    pub fn audio(&self) -> Option<&AudioRendition> {
        match &self.spec.kind {
            TrackKind::Audio { rendition, .. } => Some(rendition),
            TrackKind::Video { .. } => None,
        }
    }
}

//! What the muxer knows of a track: its name, its grid, its decoder configuration.

use super::MuxError;
use crate::encode::TrackId;
use crate::plan::{AudioRendition, Rendition};
use crate::time::{GopId, Grid, Seconds};

/// Times in a timescale stay below this (2^53): a JavaScript player holds them in a double.
pub const MAX_TIME: i128 = 1 << 53;

/// A track to be muxed.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackSpec {
    /// Index into the plan, which is also the index among the tracks given to [`super::run`].
    pub id: TrackId,
    /// Name of the rung, and of the folder.
    pub name: String,
    /// Sound or picture.
    pub kind: TrackKind,
}

/// Sound or picture, with what a decoder needs.
#[derive(Clone, Debug, PartialEq)]
pub enum TrackKind {
    /// A video rendition.
    Video {
        /// As planned.
        rendition: Rendition,
        /// Content of the configuration box (AVC: AVCDecoderConfigurationRecord).
        config: Vec<u8>,
    },
    /// An audio rendition.
    Audio {
        /// As planned.
        rendition: AudioRendition,
        /// AudioSpecificConfig.
        config: Vec<u8>,
    },
}

impl TrackSpec {
    /// The video grid that numbers the segments.
    pub fn grid(&self) -> Grid {
        match &self.kind {
            TrackKind::Video { rendition, .. } => rendition.grid,
            TrackKind::Audio { rendition, .. } => rendition.grid.video,
        }
    }

    /// Media timescale: [`Grid::timescale`] for video, the sample rate for audio.
    pub fn timescale(&self) -> u32 {
        match &self.kind {
            TrackKind::Video { rendition, .. } => rendition.grid.timescale(),
            TrackKind::Audio { rendition, .. } => rendition.grid.sample_rate,
        }
    }

    /// Ticks of one coded unit: a slot of video, a frame of audio.
    pub fn unit_ticks(&self) -> u32 {
        match &self.kind {
            TrackKind::Video { rendition, .. } => rendition.grid.slot_ticks(),
            TrackKind::Audio { rendition, .. } => rendition.grid.frame,
        }
    }

    /// The first unit of `gop`, counted from the epoch: slot kG, or audio frame ⌈k S / F⌉. For a legal number ([`TrackSpec::legal`]).
    pub fn first_unit(&self, gop: GopId) -> i64 {
        match &self.kind {
            TrackKind::Video { rendition, .. } => rendition.grid.first(gop).0,
            TrackKind::Audio { rendition, .. } => rendition.grid.first(gop),
        }
    }

    /// How many units a whole `gop` has. For a legal number.
    pub fn units(&self, gop: GopId) -> u32 {
        match &self.kind {
            TrackKind::Video { rendition, .. } => rendition.grid.gop_slots,
            TrackKind::Audio { rendition, .. } => rendition.grid.frames(gop),
        }
    }

    /// How long `units` units last.
    pub fn span(&self, units: u32) -> Seconds {
        Seconds::new(i128::from(units) * i128::from(self.unit_ticks()), i128::from(self.timescale()))
    }

    /// When unit `unit` (counted from the epoch) is shown or heard.
    pub fn time(&self, unit: i64) -> Seconds {
        Seconds::new(i128::from(unit) * i128::from(self.unit_ticks()), i128::from(self.timescale()))
    }

    /// The longest that a segment of this track lasts.
    pub fn longest(&self) -> Seconds {
        match &self.kind {
            TrackKind::Video { rendition, .. } => rendition.grid.gop_duration(),
            TrackKind::Audio { rendition, .. } => rendition.grid.video.gop_duration() + self.span(1),
        }
    }

    /// Whether the times of `gop` fit: not negative, and below [`MAX_TIME`] ticks at its end.
    pub fn legal(&self, gop: GopId) -> Result<(), MuxError> {
        let (num, den) = self.grid().gop_duration().fraction();
        let end = (i128::from(gop.0) + 2) * num * i128::from(self.timescale().max(self.grid().timescale())) / den;
        if gop.0 >= 0 && end < MAX_TIME { Ok(()) } else { Err(MuxError::Number { track: self.name.clone(), gop }) }
    }

    /// Its language as a tag, where that says more than a code.
    pub fn tag(&self) -> Option<&str> {
        match &self.kind {
            TrackKind::Video { .. } => None,
            TrackKind::Audio { rendition, .. } => rendition.tag.as_deref(),
        }
    }

    /// `<track>/init.mp4`.
    pub fn init_path(&self) -> String {
        format!("{}/init.mp4", self.name)
    }

    /// `<track>/<segment number>.m4s`.
    pub fn segment_path(&self, gop: GopId) -> String {
        format!("{}/{gop}.m4s", self.name)
    }

    /// `<track>/media.m3u8`.
    pub fn playlist_path(&self) -> String {
        format!("{}/media.m3u8", self.name)
    }
}

//! The plan: a job resolved against a source. Facts only; everything that alters bytes is in here or in the feed.

pub mod backends;
pub mod capacity;
pub mod fit;
pub mod latency;
#[cfg(test)]
pub(crate) mod plan_tests;
mod resolve;
mod sound;
pub mod speed;

use crate::colour::{HdrMetadata, Signal, Target, VideoRange};
use crate::job::{Latency, StreamRef};
use crate::ladder::{AudioCodec, VideoCodec};
use crate::language;
use crate::role::Role;
use crate::time::{AudioGrid, Grid, Rate, Seconds};
pub use resolve::{AAC_FRAME, MAX_SOURCE, PlanError, chunk_slots, resolve, sound_step};
use serde::{Deserialize, Serialize};

/// What the source is, as far as the plan depends on it. Kept beside the output, so that a restart does not resolve anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// Coded width in pixels, after cropping and rotation.
    pub width: u32,
    /// Coded height in lines, after cropping and rotation.
    pub height: u32,
    /// Sample aspect ratio, width to height of a pixel, in lowest terms; (1, 1) where unknown.
    pub sar: (u32, u32),
    /// Picture rate of the source after deinterlacing (30i counts as 60), snapped to a standard one where it is within 1 %.
    pub rate: Rate,
    /// Whether pictures may be interlaced.
    pub interlaced: bool,
    /// Dynamic range, by its transfer function.
    pub range: VideoRange,
    /// What an HDR source says of its light, as far as was known at the start.
    #[serde(default)]
    pub hdr: HdrMetadata,
    /// The chosen video stream, to be found again after a restart.
    #[serde(default)]
    pub video: Option<StreamRef>,
    /// The chosen sounds, each a track of its own for every rung of sound.
    pub sounds: Vec<SoundFacts>,
}

/// A chosen sound, as far as was known at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundFacts {
    /// Its stream, to be found again after a restart; absent where it was not there yet.
    pub stream: Option<StreamRef>,
    /// Its codec, as libav calls it.
    pub codec: Option<String>,
    /// The job does without it: nothing that the feed says of it decides about its tracks, so that a worker that starts while it is away makes the same.
    #[serde(default)]
    pub optional: bool,
    /// Its channels.
    pub channels: Option<u32>,
    /// Its samples per second.
    pub sample_rate: Option<u32>,
    /// Its language: a code of ISO 639 or a tag, as the job or the container says.
    pub language: Option<String>,
    /// What to call it, where the job says.
    pub label: Option<String>,
    /// What it is for, where the job or the container says.
    pub role: Option<Role>,
}

/// A video rendition as it will be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rendition {
    /// Rung and track name.
    pub name: String,
    /// Codec.
    pub codec: VideoCodec,
    /// Width in square pixels, even.
    pub width: u32,
    /// Height, even.
    pub height: u32,
    /// The grid.
    pub grid: Grid,
    /// Bits of a sample, 8 or 10.
    pub depth: u32,
    /// Dynamic range.
    pub range: VideoRange,
    /// Static metadata of a rung that is HDR.
    pub hdr: HdrMetadata,
    /// Cap in bits per second.
    pub max_bitrate: u64,
    /// CRF or its kin. With a constant bitrate: where the search for it starts.
    pub quality: f32,
    /// Constant rate in bits per second, boxes included; absent: quality under the cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u64>,
    /// Operating point.
    pub point: String,
    /// Backends that can serve it here, in order of preference (names in `encode::BACKENDS`).
    pub backends: Vec<String>,
    /// GOPs of this rung that encode at once.
    pub lanes: u32,
    /// Under overload it may show every second picture twice. It alters nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub half_rate: bool,
    /// Slots of a chunk, where chunks leave before their GOP is complete: what is out is never encoded again. Absent: whole segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk: Option<u32>,
    /// How far its encoders look ahead.
    #[serde(default, skip_serializing_if = "Latency::is_normal")]
    pub latency: Latency,
    /// Devices that hardware backends of this rung use, at most one of each kind: "cuda:0", "/dev/dri/renderD128". Alter no byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
}

impl Rendition {
    /// Bytes of one of its pictures.
    pub fn picture_bytes(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * 3 / 2 * u64::from(self.depth.div_ceil(8))
    }

    /// What its samples mean.
    pub fn signal(&self) -> Signal {
        Signal { depth: self.depth, range: self.range }
    }

    /// What its pictures are.
    pub fn target(&self) -> Target {
        Target { width: self.width, height: self.height, signal: self.signal() }
    }
}

/// An audio rendition as it will be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioRendition {
    /// Track name: that of the rung for the first sound, with the sound's own behind it for the others.
    pub name: String,
    /// Name of the rung.
    pub rung: String,
    /// Codec.
    pub codec: AudioCodec,
    /// Bits per second.
    pub bitrate: u64,
    /// Channels: 1, 2 or 6 (5.1).
    pub channels: u32,
    /// The grid; `grid.sample_rate` is 48000.
    pub grid: AudioGrid,
    /// Which of [`SourceFacts::sounds`] it is.
    pub sound: usize,
    /// ISO 639-2 language, `und` where nobody says.
    pub language: String,
    /// Its language as a tag of RFC 5646, where that says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What it is called, the same in every rung.
    pub label: String,
    /// What it is for.
    pub role: Role,
}

impl AudioRendition {
    /// A rung of the only sound there is.
    pub fn main(rung: &str, bitrate: u64, channels: u32, grid: AudioGrid, language: &str) -> AudioRendition {
        AudioRendition {
            name: rung.to_owned(),
            rung: rung.to_owned(),
            codec: AudioCodec::Aac,
            bitrate,
            channels,
            grid,
            sound: 0,
            language: language.to_owned(),
            tag: None,
            label: language::tag(language).unwrap_or("main").to_owned(),
            role: Role::Main,
        }
    }

    /// The shortest tag of its language; absent where that is not known.
    pub fn language_tag(&self) -> Option<&str> {
        self.tag.as_deref().or(language::tag(&self.language))
    }
}

/// A rung that is not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name in the ladder.
    pub rung: String,
    /// Why: "larger than the source, 1024x576".
    pub why: String,
}

/// What would run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Short hash of everything beside the feed that alters bytes (design: the class of a worker).
    pub class: String,
    /// What was resolved against.
    pub source: SourceFacts,
    /// The device that decodes and scales the source, where one does: "cuda:0", "/dev/dri/renderD128".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<String>,
    /// The video grid, shared by all rungs.
    pub grid: Grid,
    /// Video renditions, largest first.
    pub video: Vec<Rendition>,
    /// Audio renditions, as in the ladder.
    pub audio: Vec<AudioRendition>,
    /// Rungs of the ladder that are not made, and why.
    pub left_out: Vec<LeftOut>,
    /// One line for each thing a user should know (not locked to a twin, HDR made SDR, …).
    pub warnings: Vec<String>,
}

/// The most tracks of a job.
pub const MAX_TRACKS: usize = 64;

/// Sample rate of every audio rendition.
pub const SAMPLE_RATE: u32 = 48_000;

impl Plan {
    /// The distinct pictures of the ladder, largest first.
    pub fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for target in self.video.iter().map(Rendition::target) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        targets
    }

    /// All rungs that are left out in one line, those with the same reason together; `None` where all are made.
    pub fn left_out_line(&self) -> Option<String> {
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for LeftOut { rung, why } in &self.left_out {
            match reasons.iter_mut().find(|(reason, _)| reason == why) {
                Some((_, rungs)) => rungs.push(rung),
                None => reasons.push((why, vec![rung])),
            }
        }
        let told: Vec<String> = reasons.iter().map(|(why, rungs)| format!("{}: {why}", rungs.join(", "))).collect();
        (!told.is_empty()).then(|| format!("left out: {}", told.join("; ")))
    }

    /// How long a segment lasts.
    pub fn segment_duration(&self) -> Seconds {
        self.grid.gop_duration()
    }
}

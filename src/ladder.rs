//! The ladder: which renditions a job makes. Read from TOML, either a file or one that is built in (`ladders/`).

use serde::{Deserialize, Serialize};

/// A ladder as written: wishes, before they are resolved against a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// What to call it.
    pub name: String,
    /// Video rungs, in any order.
    #[serde(default)]
    pub video: Vec<VideoRung>,
    /// Audio rungs, in any order; none at all is legal.
    #[serde(default)]
    pub audio: Vec<AudioRung>,
}

/// A video codec.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// H.264 / AVC.
    Avc,
    /// H.265 / HEVC.
    Hevc,
    /// AV1.
    Av1,
}

/// An audio codec.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// AAC-LC.
    Aac,
}

/// One video rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoRung {
    /// Name of the rung, of its track and of its folder: `[a-z0-9._-]`, at most 64 characters.
    pub name: String,
    /// Codec.
    pub codec: VideoCodec,
    /// Width of the box that the picture is fitted into, in square pixels, even.
    pub width: u32,
    /// Height of that box, even.
    pub height: u32,
    /// The cap, in bits per second: no segment exceeds 1.10 x this x its duration. Written "6M", "730k" or as a number.
    pub max_bitrate: Bitrate,
    /// Quality target of the encoder's own scale (CRF); met unless the cap binds.
    #[serde(default = "default_quality")]
    pub quality: f32,
    /// Operating point: a named set of encoder settings (`encode::point`).
    #[serde(default = "default_point")]
    pub point: String,
    /// Backends to try, in order; empty: the plan chooses.
    #[serde(default)]
    pub backend: Vec<String>,
}

fn default_quality() -> f32 {
    23.0
}

fn default_point() -> String {
    "veryfast".to_owned()
}

/// One audio rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioRung {
    /// Name of the rung, of its track and of its folder; as for video.
    pub name: String,
    /// Codec.
    pub codec: AudioCodec,
    /// Constant bitrate in bits per second.
    pub bitrate: Bitrate,
    /// Channels, 1 or 2.
    #[serde(default = "default_channels")]
    pub channels: u32,
}

fn default_channels() -> u32 {
    2
}

/// Bits per second, written "6M", "3.5M", "730k" or as a whole number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct Bitrate(pub u64);

impl<'de> Deserialize<'de> for Bitrate {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Bitrate, D::Error> {
        // Replaced when parsing lands: accepts a whole number only.
        u64::deserialize(d).map(Bitrate)
    }
}

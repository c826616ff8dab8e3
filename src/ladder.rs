//! The ladder: which renditions a job makes. Read from TOML, either a file or one that is built in (`ladders/`).

pub mod bitrate;
mod check;
#[cfg(test)]
mod ladder_tests;

use crate::config::{self, ConfigError};
pub use bitrate::Bitrate;
pub use check::{MAX_NAME, RESERVED, SIZES, legal_name};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::path::Path;

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

impl VideoCodec {
    /// As ladders write it.
    pub fn name(self) -> &'static str {
        match self {
            VideoCodec::Avc => "avc",
            VideoCodec::Hevc => "hevc",
            VideoCodec::Av1 => "av1",
        }
    }

    /// The scale of its quality, best first: x264's and x265's CRF, SVT-AV1's CRF; the backends map it onto their own.
    pub fn qualities(self) -> RangeInclusive<f32> {
        match self {
            VideoCodec::Avc | VideoCodec::Hevc => 1.0..=51.0,
            VideoCodec::Av1 => 1.0..=63.0,
        }
    }

    /// The quality of a rung that names none.
    pub fn default_quality(self) -> f32 {
        match self {
            VideoCodec::Avc => 23.0,
            VideoCodec::Hevc => 26.0,
            VideoCodec::Av1 => 35.0,
        }
    }

    /// Bits of a sample that its rungs can have. AVC of 10 bits (High 10) is in no CMAF profile, and few players decode it.
    pub fn depths(self) -> &'static [u32] {
        match self {
            VideoCodec::Avc => &[8],
            VideoCodec::Hevc | VideoCodec::Av1 => &[8, 10],
        }
    }

    /// Whether its rungs are HDR where the source is, unless they say otherwise.
    pub fn keeps_hdr(self) -> bool {
        self.depths().contains(&10)
    }
}

/// An audio codec.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// AAC-LC.
    Aac,
}

impl AudioCodec {
    /// As ladders write it.
    pub fn name(self) -> &'static str {
        match self {
            AudioCodec::Aac => "aac",
        }
    }
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
    #[serde(deserialize_with = "check::size")]
    pub width: u32,
    /// Height of that box, even.
    #[serde(deserialize_with = "check::size")]
    pub height: u32,
    /// The cap, in bits per second: no segment exceeds 1.10 x this x its duration. Written "6M", "730k" or as a number. Absent: the constant bitrate.
    #[serde(default)]
    pub max_bitrate: Option<Bitrate>,
    /// Constant bitrate, in place of a quality: every segment has this x its duration, to a tenth.
    #[serde(default)]
    pub bitrate: Option<Bitrate>,
    /// Quality target of the codec's own scale (CRF and its kin); met unless the cap binds. Absent: [`VideoCodec::default_quality`].
    #[serde(default)]
    pub quality: Option<f32>,
    /// Bits of a sample, 8 or 10. Absent: 10 where the rung is HDR, else 8.
    #[serde(default)]
    pub depth: Option<u32>,
    /// Whether an HDR source stays HDR; else it is tone-mapped to SDR. Absent: as [`VideoCodec::keeps_hdr`] says.
    #[serde(default)]
    pub hdr: Option<bool>,
    /// Where no backend can make this rung, the others are made without it; else that is an error.
    #[serde(default)]
    pub optional: bool,
    /// Under overload it may show every second picture twice.
    #[serde(default)]
    pub half_rate: bool,
    /// Operating point: a named set of encoder settings (`encode::point`), or [`AUTO`].
    #[serde(default = "default_point")]
    pub point: String,
    /// Backends to try, in order. Written as a list, or "auto".
    #[serde(default)]
    pub backend: BackendWish,
    /// The device of a hardware backend, "cuda:0" or a render node. Absent: spread by load over those that there are.
    #[serde(default)]
    pub device: Option<String>,
}

impl VideoRung {
    /// The cap, which a legal rung has.
    pub fn cap(&self) -> Bitrate {
        self.max_bitrate.or(self.bitrate).unwrap_or(Bitrate(0))
    }
}

fn default_point() -> String {
    AUTO.to_owned()
}

/// Which backends a rung may be made by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "\"auto\", or a list of backends such as [\"x264\"]")]
pub enum BackendWish {
    /// Not written: the codec's default backend.
    #[default]
    Default,
    /// These, in this order.
    These(Vec<String>),
    /// Whatever this machine holds in real time, best first.
    Auto(Auto),
}

/// The word "auto".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// "auto".
    Auto,
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
    /// Channels: 1, 2 or 6 (5.1).
    #[serde(default = "default_channels")]
    pub channels: u32,
}

fn default_channels() -> u32 {
    2
}

/// The operating point of a rung that leaves it to the plan, which goes by the size of the picture.
pub const AUTO: &str = "auto";

/// Operating points that a rung may name.
pub const POINTS: &[&str] = &[AUTO, "ultrafast", "superfast", "swift", "brisk", "veryfast", "faster", "fast", "medium"];

/// The ladder of a job that names none.
pub const DEFAULT: &str = "avc-1080p-6";

/// Built-in ladders by name. Another one is a file in `ladders/` and a line here.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("avc-1080p-6", include_str!("../ladders/avc-1080p-6.toml")),
    ("demo", include_str!("../ladders/demo.toml")),
    ("hevc-1080p-6", include_str!("../ladders/hevc-1080p-6.toml")),
    ("sd-to-4k", include_str!("../ladders/sd-to-4k.toml")),
    ("three-codecs", include_str!("../ladders/three-codecs.toml")),
    ("tiny", include_str!("../ladders/tiny.toml")),
];

impl Ladder {
    /// The ladder that `--ladder` means: a built-in name, or a file (`./tiny` where a file is called as a built-in one). A relative path starts at `base`.
    pub fn load(wish: &str, base: &Path) -> Result<Ladder, ConfigError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == wish) {
            return Ladder::parse(name, text);
        }
        let path = base.join(wish);
        if !wish.contains('/') && !wish.ends_with(".toml") && !path.exists() {
            let names = config::listed(BUILT_IN.iter().map(|(name, _)| *name));
            let why = format!("neither a built-in ladder nor a file; accepted: {names}, or the path of a TOML file");
            return Err(ConfigError::Read { what: "ladder", file: wish.to_owned(), why });
        }
        Ladder::parse(&path.display().to_string(), &config::read("ladder", &path)?)
    }

    /// A checked ladder from TOML. `file` goes into errors.
    pub fn parse(file: &str, text: &str) -> Result<Ladder, ConfigError> {
        let ladder: Ladder = config::parse("ladder", file, text)?;
        ladder.check(file, POINTS)?;
        Ok(ladder)
    }
}

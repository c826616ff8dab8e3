//! What the source is, as people write it: for an event that begins before its feed, and for workers that must agree whatever they see first.

use super::select::{Pick, Select};
use super::value::Text;
use crate::capture::facts::field_rate;
use crate::colour::{HdrMetadata, VideoRange};
use crate::plan::fit::believable;
use crate::plan::{MAX_SOURCE, SoundFacts, SourceFacts};
use crate::time::Rate;
use serde::Deserialize;
use std::str::FromStr;

/// Pixels across and lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels across.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
        let legal = |side: &u32| (16..=MAX_SOURCE).contains(side);
        let found = sides.filter(|(width, height)| legal(width) && legal(height));
        found
            .map(|(width, height)| Size { width, height })
            .ok_or_else(|| format!("\"{text}\" is not a size; accepted: WIDTHxHEIGHT (1920x1080), 16 to {MAX_SOURCE} each way"))
    }
}

/// `[source]` as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceWishes {
    /// "1920x1080": its pixels.
    pub size: Option<Text<Size>>,
    /// Whole pictures a second.
    pub rate: Option<Text<Rate>>,
    /// Its pictures are two fields each.
    pub interlaced: Option<bool>,
    /// "sdr", "hlg" or "pq".
    pub range: Option<VideoRange>,
    /// The shape of a pixel, width and height: [64, 45].
    pub pixel: Option<(u32, u32)>,
    /// Channels of its sounds.
    pub channels: Option<u32>,
}

impl SourceWishes {
    /// These wishes, and those of `below` where these have none.
    pub(super) fn over(self, below: SourceWishes) -> SourceWishes {
        SourceWishes {
            size: self.size.or(below.size),
            rate: self.rate.or(below.rate),
            interlaced: self.interlaced.or(below.interlaced),
            range: self.range.or(below.range),
            pixel: self.pixel.or(below.pixel),
            channels: self.channels.or(below.channels),
        }
    }

    /// The facts, with the sounds that `select` asks for; nothing where nothing is written. `Err`: the field, its value, and what is accepted.
    pub(super) fn facts(&self, select: &Select) -> Result<Option<SourceFacts>, (&'static str, String, &'static str)> {
        if *self == SourceWishes::default() {
            return Ok(None);
        }
        let missing = |field| {
            (
                field,
                "none".to_owned(),
                "size = \"1920x1080\" and rate = \"25\" (whole pictures a second), and what differs from progressive SDR in square pixels with stereo sound",
            )
        };
        let size = self.size.as_ref().ok_or_else(|| missing("source.size"))?.0;
        let rate = self.rate.as_ref().ok_or_else(|| missing("source.rate"))?.0;
        let sar = self.pixel.unwrap_or((1, 1));
        if sar.0 == 0 || sar.1 == 0 || !believable(sar) {
            return Err(("source.pixel", format!("[{}, {}]", sar.0, sar.1), "a shape from [1, 4] to [4, 1]"));
        }
        let channels = self.channels.unwrap_or(2);
        if !(1..=8).contains(&channels) {
            return Err(("source.channels", channels.to_string(), "1 to 8"));
        }
        let interlaced = self.interlaced.unwrap_or(false);
        let common = num_rational::Ratio::new(sar.0, sar.1);
        Ok(Some(SourceFacts {
            width: size.width,
            height: size.height,
            sar: (*common.numer(), *common.denom()),
            rate: if interlaced { field_rate(rate) } else { rate },
            interlaced,
            range: self.range.unwrap_or_default(),
            hdr: HdrMetadata::default(),
            video: None,
            sounds: sounds(select, channels),
        }))
    }
}

/// The sounds that are asked for; one where nothing is said.
fn sounds(select: &Select, channels: u32) -> Vec<SoundFacts> {
    if select.no_audio {
        return Vec::new();
    }
    let one = SoundFacts { channels: Some(channels), ..SoundFacts::default() };
    if select.audio.is_empty() {
        return vec![one];
    }
    let of = |pick: &super::AudioPick| {
        let asked = if let Pick::Language(language) = &pick.pick { Some(language.clone()) } else { None };
        let (language, label, role) = (pick.language.clone().or(asked), pick.label.clone(), pick.role);
        SoundFacts { language, label, role, optional: pick.optional, ..one.clone() }
    };
    select.audio.iter().map(of).collect()
}

//! What makes a ladder legal: names, sizes, rates and points, each with what would be accepted.

use super::bitrate::Bitrate;
use super::{AudioRung, BackendWish, Ladder, VideoRung};
use crate::config::{ConfigError, listed};
use hwaccel::device::{Kind, Name};
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// Smallest and largest width or height of a rung's box.
pub const SIZES: RangeInclusive<u32> = 16..=8192;
/// Range of a video cap in bits per second.
pub const CAPS: RangeInclusive<u64> = 16_000..=200_000_000;
/// Range of an audio bitrate in bits per second.
pub const AUDIO_BITRATES: RangeInclusive<u64> = 16_000..=512_000;
/// The most bits per second of one AAC-LC channel: 6144 bits in each frame of 1024 samples at 48 kHz is 288,000 (ISO/IEC 14496-3, 4.5.3), rounded down to a usual rate.
pub const AAC_CHANNEL: u64 = 256_000;
/// The most rungs of one kind.
pub const MAX_RUNGS: usize = 32;
/// The longest name.
pub const MAX_NAME: usize = 64;
/// Names that the published tree or the embedded origin already uses.
pub const RESERVED: &[&str] = &["live", "main.m3u8", "manifest.mpd", "media.m3u8", "resolution.json"];

/// One wrong field: (field, value, accepted).
type Wrong = (String, String, String);

impl Ladder {
    /// Refuses what cannot work whatever the source is. `file` goes into the error; `points` are the operating points that exist.
    pub fn check(&self, file: &str, points: &[&str]) -> Result<(), ConfigError> {
        self.first_wrong(points)
            .map_or(Ok(()), |(field, value, accepted)| Err(ConfigError::Value { what: "ladder", file: file.to_owned(), field, value, accepted }))
    }

    fn first_wrong(&self, points: &[&str]) -> Option<Wrong> {
        if !legal_name(&self.name) {
            return Some(("name".into(), quoted(&self.name), name_accepted()));
        }
        if self.video.is_empty() || self.video.len() > MAX_RUNGS {
            return Some(("video".into(), format!("{} rungs", self.video.len()), format!("1 to {MAX_RUNGS} [[video]] rungs")));
        }
        if self.audio.len() > MAX_RUNGS {
            return Some(("audio".into(), format!("{} rungs", self.audio.len()), format!("up to {MAX_RUNGS} [[audio]] rungs")));
        }
        self.wrong_names().or_else(|| self.video.iter().find_map(|rung| video_wrong(rung, points))).or_else(|| self.audio.iter().find_map(audio_wrong))
    }

    fn wrong_names(&self) -> Option<Wrong> {
        let video = self.video.iter().enumerate().map(|(i, rung)| (format!("video rung {}", i + 1), &rung.name));
        let audio = self.audio.iter().enumerate().map(|(i, rung)| (format!("audio rung {}", i + 1), &rung.name));
        let mut seen: HashMap<&str, String> = HashMap::new();
        for (place, name) in video.chain(audio) {
            let field = format!("name of {place}");
            if !legal_name(name) {
                return Some((field, quoted(name), name_accepted()));
            }
            if let Some(first) = seen.insert(name, place) {
                return Some((field, quoted(name), format!("a name of its own ({first} has this one)")));
            }
        }
        None
    }
}

fn video_wrong(rung: &VideoRung, points: &[&str]) -> Option<Wrong> {
    let wrong = |field: &str, value: String, accepted: String| Some((format!("{field} of video rung \"{}\"", rung.name), value, accepted));
    for (field, size) in [("width", rung.width), ("height", rung.height)] {
        if !SIZES.contains(&size) || !size.is_multiple_of(2) {
            return wrong(field, size.to_string(), format!("an even number from {} to {}", SIZES.start(), SIZES.end()));
        }
    }
    if let Some(wrong) = rate_wrong(rung) {
        return Some(wrong);
    }
    let (codec, qualities) = (rung.codec.name(), rung.codec.qualities());
    if let Some(quality) = rung.quality.filter(|quality| !qualities.contains(quality)) {
        return wrong("quality", quality.to_string(), format!("{} (best) to {} for {codec}", qualities.start(), qualities.end()));
    }
    let depths = rung.codec.depths();
    if let Some(depth) = rung.depth.filter(|depth| !depths.contains(depth)) {
        return wrong(
            "depth",
            depth.to_string(),
            format!("{} for {codec}", listed(depths.iter().map(u32::to_string).collect::<Vec<_>>().iter().map(String::as_str))),
        );
    }
    if rung.hdr == Some(true) && (rung.depth == Some(8) || !depths.contains(&10)) {
        return wrong("hdr", "true".into(), format!("false with {codec} of {} bits; HDR needs hevc or av1 of 10", rung.depth.unwrap_or(8)));
    }
    if rung.backend == BackendWish::These(Vec::new()) {
        return wrong("backend", "[]".into(), "\"auto\", or at least one backend".into());
    }
    if let Some(device) = rung.device.as_ref().filter(|device| Name::parse(device).is_none_or(|name| name.kind() == Kind::Vulkan)) {
        return wrong("device", quoted(device), hwaccel::device::ENCODING.into());
    }
    if !points.contains(&rung.point.as_str()) {
        return wrong("point", quoted(&rung.point), listed(points.iter().copied()));
    }
    None
}

/// A quality under a cap, or a constant bitrate under one that is no less.
fn rate_wrong(rung: &VideoRung) -> Option<Wrong> {
    let wrong = |field: &str, value: String, accepted: String| Some((format!("{field} of video rung \"{}\"", rung.name), value, accepted));
    if rung.max_bitrate.is_none() && rung.bitrate.is_none() {
        return wrong("max_bitrate", "nothing".into(), format!("{}, or a constant bitrate in its place", range(&CAPS)));
    }
    for (field, bits) in [("max_bitrate", rung.max_bitrate), ("bitrate", rung.bitrate)] {
        if let Some(bits) = bits.filter(|bits| !CAPS.contains(&bits.0)) {
            return wrong(field, bits.to_string(), range(&CAPS));
        }
    }
    let constant = rung.bitrate?;
    if let Some(quality) = rung.quality {
        return wrong("quality", quality.to_string(), format!("none beside bitrate = {constant}; or quality with max_bitrate, and no bitrate"));
    }
    if rung.cap() < constant {
        return wrong("max_bitrate", rung.cap().to_string(), format!("at least the constant bitrate, {constant}; or none, which is the same"));
    }
    None
}

fn audio_wrong(rung: &AudioRung) -> Option<Wrong> {
    let wrong = |field: &str, value: String, accepted: String| Some((format!("{field} of audio rung \"{}\"", rung.name), value, accepted));
    if ![1, 2, 6].contains(&rung.channels) {
        return wrong("channels", rung.channels.to_string(), "1, 2 or 6 (5.1)".into());
    }
    // A sixth for the low-frequency channel would be too much to ask: 5.1 is five channels and a little.
    let least = *AUDIO_BITRATES.start() * u64::from(rung.channels.clamp(1, 6).div_ceil(2));
    let bitrates = least..=(*AUDIO_BITRATES.end()).min(AAC_CHANNEL * u64::from(rung.channels));
    if !bitrates.contains(&rung.bitrate.0) {
        return wrong("bitrate", rung.bitrate.to_string(), format!("{} with {} channel(s)", range(&bitrates), rung.channels));
    }
    None
}

fn range(bits: &RangeInclusive<u64>) -> String {
    format!("{} to {}", Bitrate(*bits.start()), Bitrate(*bits.end()))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// Reads a width or height, so that a wrong type is told what a size is.
pub(super) fn size<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    struct Size;
    impl serde::de::Visitor<'_> for Size {
        type Value = u32;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "an even number from {} to {}", SIZES.start(), SIZES.end())
        }
        fn visit_u64<E: serde::de::Error>(self, size: u64) -> Result<u32, E> {
            u32::try_from(size).map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(size), &self))
        }
        fn visit_i64<E: serde::de::Error>(self, size: i64) -> Result<u32, E> {
            u32::try_from(size).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(size), &self))
        }
    }
    d.deserialize_any(Size)
}

/// Whether `name` can be a ladder, a track and a folder.
pub fn legal_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(legal) && !name.starts_with('.') && !name.ends_with(".tmp") && !RESERVED.contains(&name)
}

fn name_accepted() -> String {
    format!(
        "1 to {MAX_NAME} characters of a-z, 0-9, dot, underscore and hyphen, not starting with a dot, not ending in .tmp, and none of {}",
        listed(RESERVED.iter().copied())
    )
}

//! AVC, HEVC and AV1 by VA-API through libav. Pictures are taken from the device where they are there already, else uploaded.
//!
//! Constant quantizer: the one mode that every driver has; a rung of constant bitrate needs one that has that, too. The runner checks each GOP against its cap, and has those that exceed it encoded again.

use super::hardware::{Hardware, Options, constant, speed};
use super::{EncodeError, Opened, Recipe};
use crate::colour::VideoRange;
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use hwaccel::device::{Kind, Name};

/// The family.
pub const VAAPI: Hardware = Hardware {
    name: "vaapi",
    kind: Kind::Vaapi,
    encoders: &[(VideoCodec::Avc, "h264_vaapi"), (VideoCodec::Hevc, "hevc_vaapi"), (VideoCodec::Av1, "av1_vaapi")],
    options,
    // Newer devices of Intel encode by their fixed function only.
    also: &[("low_power", "1")],
    first: || Name::Node("/dev/dri/renderD128".to_owned()),
};

/// Level of each operating point, fastest first: 1 is best, 7 is fastest with Intel's drivers; others take the nearest that they have.
const LEVELS: [&str; 8] = ["7", "7", "6", "6", "5", "5", "4", "4"];

/// The same for all. `async_depth=1`: each picture comes out before the next goes in.
const COMMON: &[(&str, &str)] = &[("bf", "0"), ("idr_interval", "0"), ("b_depth", "1"), ("async_depth", "1"), ("low_power", "0")];

/// Opens one for the event.
pub fn open(rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    VAAPI.open(rendition, recipe)
}

/// libav's options. The level is libav's choice.
fn options(rendition: &Rendition, recipe: &Recipe, _: Option<&Name>) -> Options {
    let own: &[(&str, &str)] = match (rendition.codec, rendition.depth) {
        (VideoCodec::Avc, _) => &[("profile", "high"), ("coder", "cabac"), ("aud", "0"), ("sei", "0")],
        (VideoCodec::Hevc, 10) => &[("profile", "main10"), ("tier", "main"), ("aud", "0"), ("sei", "0")],
        (VideoCodec::Hevc, _) => &[("profile", "main"), ("tier", "main"), ("aud", "0"), ("sei", "0")],
        (VideoCodec::Av1, _) => &[("profile", "main"), ("tier", "main")],
    };
    // AV1's index goes to 255.
    let quantizer = match rendition.codec {
        VideoCodec::Avc | VideoCodec::Hevc => recipe.quality.round().clamp(1.0, 51.0),
        VideoCodec::Av1 => (4.0 * recipe.quality).round().clamp(1.0, 255.0),
    };
    // A forced IDR starts libav's count again, so that no other ever comes; some drivers keep the number in 16 bits.
    let slots = rendition.grid.gop_slots;
    let gop = slots.saturating_mul(2).min(i16::MAX.unsigned_abs().into()).max(slots.saturating_add(1));
    let mut all: Options = COMMON.iter().chain(own).map(|(name, value)| (*name, (*value).to_owned())).collect();
    match recipe.bitrate {
        Some(bitrate) => all.extend(constant(rendition, bitrate, ("rc_mode", "CBR"))),
        None => all.extend([("rc_mode", "CQP".to_owned()), ("global_quality", format!("{quantizer}"))]),
    }
    all.extend([
        ("compression_level", LEVELS[speed(recipe).min(LEVELS.len() - 1)].to_owned()),
        ("g", gop.to_string()),
        ("chroma_sample_location", if rendition.range == VideoRange::Sdr { "left" } else { "topleft" }.to_owned()),
    ]);
    all
}

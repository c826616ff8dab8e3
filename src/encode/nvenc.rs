//! AVC, HEVC and AV1 by NVENC through libav. Pictures are taken from the device where they are there already, else uploaded.
//!
//! Capped quality: a target quality (`cq`) under `maxrate`. libav hands no bucket over with it, so a GOP may exceed its cap; the runner checks each, and has those that
//! do encoded again. No lookahead, which presets p6 and p7 would bring with them, and no B pictures: they are not in every generation, and would be held across a
//! GOP's end.

use super::hardware::{Hardware, Options, constant, speed};
use super::{EncodeError, Opened, Recipe};
use crate::colour::VideoRange;
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use hwaccel::device::{Kind, Name};

/// The family.
pub const NVENC: Hardware = Hardware {
    name: "nvenc",
    kind: Kind::Cuda,
    encoders: &[(VideoCodec::Avc, "h264_nvenc"), (VideoCodec::Hevc, "hevc_nvenc"), (VideoCodec::Av1, "av1_nvenc")],
    options,
    also: &[],
    first: || Name::Cuda(0),
};

/// Preset and passes of each operating point, fastest first.
const PRESETS: [(&str, &str); 8] =
    [("p1", "disabled"), ("p1", "disabled"), ("p2", "disabled"), ("p3", "disabled"), ("p3", "disabled"), ("p4", "qres"), ("p4", "qres"), ("p5", "qres")];

/// The same for all. `delay=0`: each picture comes out before the next goes in. `g`: none but forced IDRs.
const COMMON: &[(&str, &str)] = &[
    ("tune", "hq"),
    ("bf", "0"),
    ("g", "2147483647"),
    ("forced-idr", "1"),
    ("no-scenecut", "1"),
    ("rc-lookahead", "0"),
    ("delay", "0"),
    ("surfaces", "4"),
    ("spatial-aq", "1"),
    ("temporal-aq", "0"),
];

/// AVC and HEVC. Captions and other side data are not the encoder's to write.
const NAL: &[(&str, &str)] = &[("b_ref_mode", "disabled"), ("aud", "0"), ("a53cc", "0"), ("extra_sei", "0"), ("udu_sei", "0")];

/// Opens one for the event.
pub fn open(rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    NVENC.open(rendition, recipe)
}

/// libav's options. The level is the driver's choice.
fn options(rendition: &Rendition, recipe: &Recipe, device: Option<&Name>) -> Options {
    let (preset, multipass) = PRESETS[speed(recipe).min(PRESETS.len() - 1)];
    let own: &[(&str, &str)] = match (rendition.codec, rendition.depth) {
        (VideoCodec::Avc, _) => &[("profile", "high"), ("coder", "cabac")],
        (VideoCodec::Hevc, 10) => &[("profile", "main10"), ("tier", "main"), ("s12m_tc", "0")],
        (VideoCodec::Hevc, _) => &[("profile", "main"), ("tier", "main"), ("s12m_tc", "0")],
        (VideoCodec::Av1, _) => &[("tier", "0")],
    };
    let nal = if rendition.codec == VideoCodec::Av1 { &[][..] } else { NAL };
    let mut all: Options = COMMON.iter().chain(nal).chain(own).map(|(name, value)| (*name, (*value).to_owned())).collect();
    // NVENC's scale is 0 to 51 whatever the codec.
    let quality = match rendition.codec {
        VideoCodec::Avc | VideoCodec::Hevc => recipe.quality,
        VideoCodec::Av1 => recipe.quality * 51.0 / 63.0,
    };
    match recipe.bitrate {
        Some(bitrate) => all.extend(constant(rendition, bitrate, ("rc", "cbr"))),
        None => all.extend([
            ("rc", "vbr".to_owned()),
            ("b", "0".to_owned()),
            ("cq", format!("{:.2}", quality.clamp(0.5, 51.0))),
            ("maxrate", recipe.cap.to_string()),
        ]),
    }
    all.extend([
        ("preset", preset.to_owned()),
        ("multipass", multipass.to_owned()),
        ("chroma_sample_location", if rendition.range == VideoRange::Sdr { "left" } else { "topleft" }.to_owned()),
    ]);
    if let Some(Name::Cuda(number)) = device {
        all.push(("gpu", number.to_string()));
    }
    all
}

//! What rav1e is told about a rendition: everything but the rate.

use super::level::{Needs, level};
use crate::encode::point::POINTS;
use crate::job::Latency;
use crate::plan::Rendition;
use ::rav1e::prelude::*;

/// rav1e's speed for each operating point. Speed 6 is `medium`, as rav1e's own default is; measured in docs/design/av1-rate.md.
const SPEEDS: &[(&str, u8)] = &[("ultrafast", 10), ("superfast", 10), ("swift", 10), ("brisk", 9), ("veryfast", 9), ("faster", 8), ("fast", 7), ("medium", 6)];

/// The fastest speed: for what is not published.
const FASTEST: u8 = 10;

/// The settings of one encoder, but for the rate.
///
/// # Errors
/// What is not possible, and what is.
pub fn settings(rendition: &Rendition, point: &str) -> Result<EncoderConfig, String> {
    let speed = SPEEDS.iter().find(|(name, _)| *name == point).map(|(_, speed)| *speed);
    let speed = speed.ok_or_else(|| format!("point \"{point}\" is none of {}", POINTS.join(", ")))?;
    if !matches!(rendition.depth, 8 | 10) {
        return Err(format!("{} bits; accepted: 8 and 10", rendition.depth));
    }
    let rate = rendition.grid.rate;
    let needs = Needs { width: rendition.width, height: rendition.height, rate: (rate.num(), rate.den()), headers_for_two: 3, bitrate: rendition.max_bitrate };
    let level = level(&needs).ok_or_else(|| format!("{}x{} at {rate} is beyond level 6.2 of AV1", rendition.width, rendition.height))?;
    let (primaries, transfer, matrix) = rendition.range.code_points();
    let description = (code(&PRIMARIES, primaries), code(&TRANSFERS, transfer), code(&MATRICES, matrix));
    let (Some(color_primaries), Some(transfer_characteristics), Some(matrix_coefficients)) = description else {
        return Err(format!("colour {primaries}/{transfer}/{matrix} has no name in rav1e"));
    };
    let mut config = EncoderConfig::with_speed_preset(speed);
    config.width = rendition.width as usize;
    config.height = rendition.height as usize;
    config.time_base = Rational::new(rate.den().into(), rate.num().into());
    config.bit_depth = rendition.depth as usize;
    config.chroma_sampling = ChromaSampling::Cs420;
    config.chroma_sample_position = if transfer == 1 { ChromaSamplePosition::Vertical } else { ChromaSamplePosition::Colocated };
    config.pixel_range = PixelRange::Limited;
    config.color_description = Some(ColorDescription { color_primaries, transfer_characteristics, matrix_coefficients });
    config.mastering_display = rendition.hdr.mastering.map(mastering);
    config.content_light = rendition.hdr.light.map(|l| ContentLight { max_content_light_level: l.max_content, max_frame_average_light_level: l.max_average });
    config.level_idx = Some(level);
    // Key frames where they are asked for, nowhere else.
    config.min_key_frame_interval = 0;
    config.max_key_frame_interval = u64::from(rendition.grid.gop_slots);
    config.speed_settings.scene_detection_mode = SceneDetectionSpeed::None;
    let low = rendition.latency == Latency::Low;
    config.low_latency = low;
    if low {
        config.speed_settings.rdo_lookahead_frames = 1;
    }
    config.switch_frame_interval = 0;
    config.error_resilient = false;
    config.enable_timing_info = false;
    config.film_grain_params = None;
    config.tune = Tune::Psychovisual;
    (config.tiles, config.tile_cols, config.tile_rows) = (0, 0, 0);
    Ok(config)
}

/// The same for pictures of another size, as fast as can be, where only the cost of the pictures is asked for.
pub fn scout(config: &EncoderConfig, (width, height): (usize, usize)) -> EncoderConfig {
    let mut scout = EncoderConfig { width, height, level_idx: None, mastering_display: None, content_light: None, ..config.clone() };
    scout.speed_settings = SpeedSettings::from_preset(FASTEST);
    scout.speed_settings.scene_detection_mode = SceneDetectionSpeed::None;
    scout.speed_settings.cdef = false;
    scout
}

/// Whether it is the fastest speed, whose blocks of one size cost a quarter more bits than others.
pub fn is_fastest(config: &EncoderConfig) -> bool {
    !config.speed_settings.motion.use_satd_subpel
}

/// The same, as fast as can be, with an equal sequence header.
pub fn headed_alike(config: &EncoderConfig) -> EncoderConfig {
    let (cdef, lrf) = (config.speed_settings.cdef, config.speed_settings.lrf);
    let mut fast = config.clone();
    fast.speed_settings = SpeedSettings::from_preset(FASTEST);
    fast.speed_settings.scene_detection_mode = SceneDetectionSpeed::None;
    (fast.speed_settings.cdef, fast.speed_settings.lrf) = (cdef, lrf);
    fast
}

// Names of H.273's code points that renditions have (`VideoRange::code_points`).
const PRIMARIES: [(u8, ColorPrimaries); 2] = [(1, ColorPrimaries::BT709), (9, ColorPrimaries::BT2020)];
const TRANSFERS: [(u8, TransferCharacteristics); 3] =
    [(1, TransferCharacteristics::BT709), (16, TransferCharacteristics::SMPTE2084), (18, TransferCharacteristics::HLG)];
const MATRICES: [(u8, MatrixCoefficients); 2] = [(1, MatrixCoefficients::BT709), (9, MatrixCoefficients::BT2020NCL)];

fn code<T: Copy>(names: &[(u8, T)], code: u8) -> Option<T> {
    names.iter().find(|(of, _)| *of == code).map(|(_, name)| *name)
}

/// From units of 0.00002 and 0.0001 cd/m² to AV1's 0.16, 24.8 and 18.14 fixed point (section 6.7.4), rounded.
fn mastering(m: crate::colour::Mastering) -> MasteringDisplay {
    let fixed = |value: u64, scale: u64, unit: u64| (value * scale + unit / 2) / unit;
    let side = |v: u16| fixed(v.into(), 1 << 16, 50_000).min(u64::from(u16::MAX)) as u16;
    let point = |(x, y): (u16, u16)| ChromaticityPoint { x: side(x), y: side(y) };
    let light = |v: u32, bits: u32| u32::try_from(fixed(v.into(), 1 << bits, 10_000)).unwrap_or(u32::MAX);
    MasteringDisplay {
        primaries: m.primaries.map(point),
        white_point: point(m.white),
        max_luminance: light(m.max_luminance, 8),
        min_luminance: light(m.min_luminance, 14),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_a_speed() {
        assert_eq!(SPEEDS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), POINTS);
        assert!(SPEEDS.is_sorted_by(|a, b| a.1 >= b.1));
    }

    #[test]
    fn light_is_in_the_units_of_av1() {
        let bt2020 = crate::colour::Mastering {
            primaries: [(35_400, 14_600), (8_500, 39_850), (6_550, 2_300)],
            white: (15_635, 16_450),
            max_luminance: 10_000_000,
            min_luminance: 50,
        };
        let m = mastering(bt2020);
        assert_eq!((m.primaries[0].x, m.primaries[0].y), (46_399, 19_137), "0.708, 0.292");
        assert_eq!((m.white_point.x, m.white_point.y), (20_493, 21_561), "0.3127, 0.3290");
        assert_eq!((m.max_luminance, m.min_luminance), (1000 << 8, 82), "1000 and 0.005 cd/m²");
    }
}

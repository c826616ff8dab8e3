//! Static metadata of HDR10 as messages in the bitstream, which drivers and older versions of libav do not write.

use super::super::obu::Obu;
use crate::colour::{HdrMetadata, Mastering};

/// OBU type of metadata (AV1, section 6.2.2).
const METADATA: u8 = 5;

/// Prefix SEI messages of HEVC, each a NAL unit: mastering_display_colour_volume (ITU-T H.265 D.2.28) and content_light_level_info (D.2.35).
pub fn sei(hdr: &HdrMetadata) -> Vec<Vec<u8>> {
    let mastering = hdr.mastering.map(|m| {
        let [red, green, blue] = m.primaries;
        // In the order green, blue, red, in our units.
        let points = [green, blue, red, m.white].into_iter().flat_map(|(x, y)| [x.to_be_bytes(), y.to_be_bytes()]).flatten();
        (137u8, points.chain(m.max_luminance.to_be_bytes()).chain(m.min_luminance.to_be_bytes()).collect::<Vec<u8>>())
    });
    let light = hdr.light.map(|l| (144u8, [l.max_content.to_be_bytes(), l.max_average.to_be_bytes()].concat()));
    mastering.into_iter().chain(light).map(|(kind, payload)| nal_unit(kind, &payload)).collect()
}

/// A NAL unit with one message.
fn nal_unit(kind: u8, payload: &[u8]) -> Vec<u8> {
    // Type 39, layer 0, temporal id 0; a payload is below 255 bytes; then rbsp_trailing_bits.
    let mut unit = vec![39 << 1, 1, kind, payload.len() as u8];
    let mut zeros = 0;
    for byte in payload.iter().copied().chain([0x80]) {
        if zeros == 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        unit.push(byte);
    }
    unit
}

/// Metadata OBUs of AV1 with their sizes: metadata_hdr_mdcv and metadata_hdr_cll (sections 5.8.3 and 5.8.4).
pub fn metadata(hdr: &HdrMetadata) -> Vec<Vec<u8>> {
    let mastering = hdr.mastering.map(|m| (2u8, fixed(&m)));
    let light = hdr.light.map(|l| (1u8, [l.max_content.to_be_bytes(), l.max_average.to_be_bytes()].concat()));
    let one = |(kind, payload): (u8, Vec<u8>)| {
        let payload = [&[kind][..], &payload, &[0x80]].concat();
        let mut out = Vec::new();
        Obu { kind: METADATA, extension: None, payload: &payload }.write(&mut out);
        out
    };
    mastering.into_iter().chain(light).map(one).collect()
}

/// From units of 0.00002 and 0.0001 cd/m² to 0.16, 24.8 and 18.14 fixed point (section 6.7.4), rounded.
fn fixed(m: &Mastering) -> Vec<u8> {
    let scaled = |value: u64, bits: u32, unit: u64| ((value << bits) + unit / 2) / unit;
    let side = |v: u16| (scaled(v.into(), 16, 50_000).min(u64::from(u16::MAX)) as u16).to_be_bytes();
    let [red, green, blue] = m.primaries;
    let points = [red, green, blue, m.white].into_iter().flat_map(|(x, y)| [side(x), side(y)]).flatten();
    let light = |v: u32, bits: u32| u32::try_from(scaled(v.into(), bits, 10_000)).unwrap_or(u32::MAX).to_be_bytes();
    points.chain(light(m.max_luminance, 8)).chain(light(m.min_luminance, 14)).collect()
}

//! Configuration records of HEVC and AV1, and the codec strings (RFC 6381) that are made of them.

use super::InspectError;
use super::boxes::Cursor;
use super::init::Colour;

/// What an HEVCDecoderConfigurationRecord says (ISO/IEC 14496-15, 8.3.3.1).
pub(super) struct HevcRecord {
    /// Profile, tier and level: 1, 4, 6 and 1 bytes of profile, compatibility, constraints and level.
    pub profile_tier_level: [u8; 12],
    /// Bytes of a NAL unit length.
    pub nal_length: u8,
    /// Whole NAL units.
    pub parameter_sets: Vec<Vec<u8>>,
    /// Bits of a luma sample.
    pub depth: u8,
}

/// Reads one.
pub(super) fn hevc_record(body: &mut Cursor) -> Result<HevcRecord, InspectError> {
    body.u8("hvcC version")?;
    let profile_tier_level = body.array("hvcC profile, tier and level")?;
    body.take(4, "hvcC segmentation, parallelism, chroma")?;
    let depth = (body.u8("hvcC luma depth")? & 7) + 8;
    body.take(3, "hvcC chroma depth, rate")?;
    let nal_length = (body.u8("hvcC lengths")? & 3) + 1;
    let mut parameter_sets = Vec::new();
    for _ in 0..body.u8("hvcC arrays")? {
        body.u8("hvcC array type")?;
        for _ in 0..body.u16("number of parameter sets")? {
            let size = body.u16("parameter set size")?;
            parameter_sets.push(body.take(usize::from(size), "parameter set")?.to_vec());
        }
    }
    Ok(HevcRecord { profile_tier_level, nal_length, parameter_sets, depth })
}

/// The codec string of profile, tier and level, 12 bytes as `hvcC` and a sequence parameter set have them, without the entry (ISO/IEC 14496-15, annex E.3).
pub fn hevc_codecs(profile_tier_level: &[u8; 12]) -> String {
    let [profile, a, b, c, d, constraints @ .., level] = profile_tier_level;
    let compatibility = u32::from_be_bytes([*a, *b, *c, *d]);
    let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let mut codecs = format!("{space}{}.{:X}.{tier}{level}", profile & 0x1f, compatibility.reverse_bits());
    let used = constraints.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    constraints.iter().take(used).for_each(|b| codecs.push_str(&format!(".{b:X}")));
    codecs
}

/// The codec string of an AV1CodecConfigurationRecord without the entry (AV1-ISOBMFF, 5), of its second and third byte: short, unless its colour is other than the
/// default, BT.709 in limited range.
pub fn av1_codecs(level: u8, shape: u8, colour: Option<Colour>) -> String {
    let bit = |shift: u8| shape >> shift & 1;
    let tier = if bit(7) == 0 { 'M' } else { 'H' };
    let short = format!("{}.{:02}{tier}.{:02}", level >> 5, level & 0x1f, 8 + 2 * bit(6) + 2 * bit(5));
    let default = Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false };
    let colour = colour.unwrap_or(default);
    // 4:2:0, chroma position unknown.
    if colour == default && shape & 0x1f == 0x0c {
        return short;
    }
    let position = if bit(3) == 1 && bit(2) == 1 { shape & 3 } else { 0 };
    let Colour { primaries, transfer, matrix, full_range } = colour;
    format!("{short}.{}.{}{}{position}.{primaries:02}.{transfer:02}.{matrix:02}.{}", bit(4), bit(3), bit(2), u8::from(full_range))
}

//! HEVC byte streams: NAL units out of Annex B, into length-prefixed samples and `hvcC`, and what a sequence parameter set says (ITU-T H.265).

use super::annexb::units;
use super::bits::Bits;

/// NAL unit types of ITU-T H.265 table 7-1 that are told apart here.
pub mod nal {
    /// Slice of an IDR picture with leading pictures.
    pub const IDR_W_RADL: u8 = 19;
    /// Slice of an IDR picture without leading pictures.
    pub const IDR_N_LP: u8 = 20;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
    /// Filler data.
    pub const FILLER: u8 = 38;
    /// Supplemental enhancement information before the picture.
    pub const PREFIX_SEI: u8 = 39;
}

/// x265's own identifier in its user_data_unregistered SEI: the settings, the CPU among them.
const X265_UUID: [u8; 16] = [0x2c, 0xa2, 0xde, 0x09, 0xb5, 0x17, 0x47, 0xdb, 0xbb, 0x55, 0xa4, 0xfe, 0x7f, 0xc2, 0xfc, 0x4e];

/// The type of a NAL unit that is not empty.
pub fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |b| b >> 1 & 0x3f)
}

/// Whether a NAL unit is a slice of an IDR picture.
pub fn is_idr(unit: &[u8]) -> bool {
    matches!(kind(unit), nal::IDR_W_RADL | nal::IDR_N_LP)
}

/// An access unit of Annex B as a CMAF sample: each unit behind its length in 4 bytes, without parameter sets, delimiters, filler and x265's settings. The flag is
/// whether it is an IDR picture; such a one gets the messages in `heads` (whole NAL units) before its first slice, unless it has them already.
pub fn to_sample(stream: &[u8], heads: &[Vec<u8>]) -> (Vec<u8>, bool) {
    let kept: Vec<&[u8]> =
        units(stream).filter(|unit| !matches!(kind(unit), nal::VPS | nal::SPS | nal::PPS | nal::AUD | nal::FILLER) && !is_x265_settings(unit)).collect();
    let idr = kept.iter().any(|unit| is_idr(unit));
    let missing = heads.iter().map(Vec::as_slice).filter(|head| idr && !kept.contains(head));
    let mut sample = Vec::with_capacity(stream.len() + 64);
    for unit in missing.chain(kept.iter().copied()) {
        // An encoder's picture is far below 4 GiB.
        sample.extend_from_slice(&(unit.len() as u32).to_be_bytes());
        sample.extend_from_slice(unit);
    }
    (sample, idr)
}

/// The messages among the headers of a stream that belong before every IDR picture: all but x265's settings.
pub fn head_messages(headers: &[u8]) -> Vec<Vec<u8>> {
    units(headers).filter(|unit| kind(unit) == nal::PREFIX_SEI && !is_x265_settings(unit)).map(<[u8]>::to_vec).collect()
}

fn is_x265_settings(unit: &[u8]) -> bool {
    // NAL header of two bytes, payload type 5, size in bytes of 255 and a rest, UUID.
    let Some([_, _, 5, payload @ ..]) = unit.get(..).filter(|unit| kind(unit) == nal::PREFIX_SEI) else { return false };
    let size = payload.iter().take_while(|b| **b == 255).count() + 1;
    payload.get(size..size + 16).is_some_and(|uuid| uuid == X265_UUID)
}

/// A NAL unit's payload behind its header of two bytes, without emulation prevention.
fn rbsp(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for &byte in unit.get(2..).unwrap_or_default() {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// What a sequence parameter set says, as far as containers and checks need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// general_profile_space, tier flag and profile_idc as one byte, 4 bytes of compatibility flags, 6 of constraint flags, and general_level_idc: as `hvcC` has them.
    pub profile_tier_level: [u8; 12],
    /// sps_max_sub_layers_minus1 + 1.
    pub temporal_layers: u8,
    /// sps_temporal_id_nesting_flag.
    pub nested: bool,
    /// chroma_format_idc; 1 is 4:2:0.
    pub chroma: u8,
    /// Bits of a sample of luma, and of chroma.
    pub depth: (u8, u8),
    /// The picture inside its conformance window, in pixels and lines.
    pub size: (u32, u32),
    /// Sample aspect ratio, where the VUI says.
    pub sar: Option<(u16, u16)>,
    /// ColourPrimaries, TransferCharacteristics, MatrixCoefficients of ITU-T H.273, where the VUI says.
    pub colour: Option<(u8, u8, u8)>,
    /// Full range, where the VUI says.
    pub full_range: Option<bool>,
    /// chroma_sample_loc_type_top_field, where the VUI says: 0 left, 2 top left.
    pub chroma_location: Option<u8>,
    /// Pictures are fields.
    pub fields: bool,
}

impl Sps {
    /// general_profile_idc: 1 is Main, 2 is Main 10.
    pub fn profile(&self) -> u8 {
        self.profile_tier_level[0] & 0x1f
    }

    /// High tier.
    pub fn high_tier(&self) -> bool {
        self.profile_tier_level[0] & 0x20 != 0
    }

    /// general_level_idc: 120 is level 4.
    pub fn level(&self) -> u8 {
        self.profile_tier_level[11]
    }

    /// Whether the stream says that it holds progressive pictures only.
    pub fn progressive(&self) -> bool {
        self.profile_tier_level[5] & 0xc0 == 0x80 && !self.fields
    }

    /// Reads a whole NAL unit; `None` where it is no SPS, broken, or of an extension.
    pub fn read(unit: &[u8]) -> Option<Sps> {
        if kind(unit) != nal::SPS {
            return None;
        }
        let rbsp = rbsp(unit);
        let mut bits = Bits::new(&rbsp);
        bits.skip(4)?;
        let layers = bits.take(3)?;
        let nested = bits.flag()?;
        let mut profile_tier_level = [0; 12];
        for byte in &mut profile_tier_level {
            *byte = bits.take(8)? as u8;
        }
        sub_layers(&mut bits, layers)?;
        bits.golomb()?;
        let chroma = bits.golomb().filter(|c| *c <= 3)?;
        if chroma == 3 {
            bits.skip(1)?;
        }
        let (mut width, mut height) = (bits.golomb()?, bits.golomb()?);
        if bits.flag()? {
            // Offsets are in chroma samples (table 6-1).
            let (across, down) = (if matches!(chroma, 1 | 2) { 2 } else { 1 }, if chroma == 1 { 2 } else { 1 });
            let (left, right, top, bottom) = (bits.golomb()?, bits.golomb()?, bits.golomb()?, bits.golomb()?);
            width = width.checked_sub(left.checked_add(right)?.checked_mul(across)?)?;
            height = height.checked_sub(top.checked_add(bottom)?.checked_mul(down)?)?;
        }
        let mut depth = || bits.golomb().filter(|d| *d <= 8).map(|d| d as u8 + 8);
        let depth = (depth()?, depth()?);
        let poc_bits = bits.golomb().filter(|n| *n <= 12)? + 4;
        let all_layers = bits.flag()?;
        for _ in if all_layers { 0 } else { layers }..=layers {
            skip_golombs(&mut bits, 3)?;
        }
        skip_golombs(&mut bits, 6)?;
        if bits.flag()? && bits.flag()? {
            scaling_lists(&mut bits)?;
        }
        // Asymmetric partitions, sample adaptive offset.
        bits.skip(2)?;
        if bits.flag()? {
            bits.skip(8)?;
            skip_golombs(&mut bits, 2)?;
            bits.skip(1)?;
        }
        reference_sets(&mut bits)?;
        if bits.flag()? {
            for _ in 0..bits.golomb().filter(|n| *n <= 32)? {
                bits.skip(poc_bits as usize + 1)?;
            }
        }
        // Temporal motion vectors, strong intra smoothing.
        bits.skip(2)?;
        let mut sps = Sps {
            profile_tier_level,
            temporal_layers: layers as u8 + 1,
            nested,
            chroma: chroma as u8,
            depth,
            size: (width, height),
            sar: None,
            colour: None,
            full_range: None,
            chroma_location: None,
            fields: false,
        };
        if bits.flag()? {
            sps.usability(&mut bits)?;
        }
        Some(sps)
    }

    /// The VUI as far as `field_seq_flag` (section E.2.1).
    fn usability(&mut self, bits: &mut Bits) -> Option<()> {
        if bits.flag()? {
            self.sar = match bits.take(8)? {
                255 => Some((bits.take(16)? as u16, bits.take(16)? as u16)),
                n => SAR.get(n as usize).copied().flatten(),
            };
        }
        if bits.flag()? {
            bits.skip(1)?;
        }
        if bits.flag()? {
            bits.skip(3)?;
            self.full_range = Some(bits.flag()?);
            if bits.flag()? {
                self.colour = Some((bits.take(8)? as u8, bits.take(8)? as u8, bits.take(8)? as u8));
            }
        }
        if bits.flag()? {
            self.chroma_location = Some(bits.golomb().filter(|n| *n <= 5)? as u8);
            bits.golomb()?;
        }
        bits.skip(1)?;
        self.fields = bits.flag()?;
        Some(())
    }
}

/// Table E-1.
const SAR: [Option<(u16, u16)>; 17] = [
    None,
    Some((1, 1)),
    Some((12, 11)),
    Some((10, 11)),
    Some((16, 11)),
    Some((40, 33)),
    Some((24, 11)),
    Some((20, 11)),
    Some((32, 11)),
    Some((80, 33)),
    Some((18, 11)),
    Some((15, 11)),
    Some((64, 33)),
    Some((160, 99)),
    Some((4, 3)),
    Some((3, 2)),
    Some((2, 1)),
];

fn skip_golombs(bits: &mut Bits, count: u32) -> Option<()> {
    (0..count).try_for_each(|_| bits.golomb().map(drop))
}

/// The rest of profile_tier_level (section 7.3.3): 88 bits and a level for each sub-layer that has them.
fn sub_layers(bits: &mut Bits, layers: u32) -> Option<()> {
    let mut present = Vec::new();
    for _ in 0..layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if layers > 0 {
        bits.skip(2 * (8 - layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}

/// Section 7.3.4.
fn scaling_lists(bits: &mut Bits) -> Option<()> {
    for size in 0..4u32 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if bits.flag()? {
                let coefficients = 64.min(1 << (4 + 2 * size)) + u32::from(size > 1);
                skip_golombs(bits, coefficients)?;
            } else {
                bits.golomb()?;
            }
        }
    }
    Some(())
}

/// Section 7.3.7, for every set.
fn reference_sets(bits: &mut Bits) -> Option<()> {
    let mut pictures = 0;
    for set in 0..bits.golomb().filter(|n| *n <= 64)? {
        if set > 0 && bits.flag()? {
            bits.skip(1)?;
            bits.golomb()?;
            let mut kept = 0;
            for _ in 0..=pictures {
                kept += u32::from(bits.flag()? || bits.flag()?);
            }
            pictures = kept;
        } else {
            let (before, after) = (bits.golomb().filter(|n| *n <= 16)?, bits.golomb().filter(|n| *n <= 16)?);
            pictures = before + after;
            for _ in 0..pictures {
                bits.golomb()?;
                bits.skip(1)?;
            }
        }
    }
    Some(())
}

/// An HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1) with 4-byte lengths from the parameter sets in an Annex B stream, complete, as `hvc1` wants them.
/// `None` where there is no VPS, PPS or usable SPS.
pub fn hvcc(stream: &[u8]) -> Option<Vec<u8>> {
    let of = |wanted: u8| units(stream).filter(move |unit| kind(unit) == wanted).collect::<Vec<_>>();
    let sets = [(nal::VPS, of(nal::VPS)), (nal::SPS, of(nal::SPS)), (nal::PPS, of(nal::PPS))];
    let sps = Sps::read(sets[1].1.first()?)?;
    let mut out = vec![1];
    out.extend_from_slice(&sps.profile_tier_level);
    // No minimum of spatial segmentation, parallelism unknown.
    out.extend_from_slice(&[0xf0, 0, 0xfc, 0xfc | sps.chroma, 0xf8 | (sps.depth.0 - 8), 0xf8 | (sps.depth.1 - 8)]);
    // Average rate and constant rate not said; lengths of 4 bytes.
    out.extend_from_slice(&[0, 0, sps.temporal_layers << 3 | u8::from(sps.nested) << 2 | 3, 3]);
    for (kind, units) in &sets {
        out.push(0x80 | kind);
        out.extend_from_slice(&u16::try_from(units.len()).ok().filter(|n| *n > 0)?.to_be_bytes());
        for unit in units {
            out.extend_from_slice(&u16::try_from(unit.len()).ok()?.to_be_bytes());
            out.extend_from_slice(unit);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::annexb::sample_units;
    use proptest::prelude::*;

    /// Parameter sets of a 640x360 stream of 10 bits, PQ, Main tier, level 4.1, that x265 3.5 made.
    const VPS: [u8; 24] = [0x40, 1, 0x0c, 1, 0xff, 0xff, 2, 0x20, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x7b, 0x95, 0x94, 9];
    const SPS: [u8; 48] = [
        0x42, 1, 1, 2, 0x20, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x7b, 0xa0, 5, 2, 1, 0x71, 0xf2, 0xb6, 0x59, 0x59, 0x52, 0x93, 0x0b, 0xc0, 0x5a, 0x84,
        0x88, 4, 0xdb, 8, 0, 0, 3, 0, 8, 0, 0, 3, 0, 0xc8, 0x40,
    ];
    const PPS: [u8; 6] = [0x44, 1, 0xc0, 0x73, 0xc0, 0x89];

    #[test]
    fn a_sequence_parameter_set_reads_as_it_was_asked_for() {
        let sps = Sps::read(&SPS).expect("reads");
        assert_eq!((sps.profile(), sps.high_tier(), sps.level(), sps.size, sps.depth, sps.chroma), (2, false, 123, (640, 360), (10, 10), 1));
        assert_eq!((sps.colour, sps.full_range, sps.chroma_location, sps.sar, sps.progressive()), (Some((9, 16, 9)), Some(false), Some(2), Some((1, 1)), true));
        assert!((2..34).all(|n| Sps::read(&SPS[..n]).is_none_or(|cut| cut != sps)), "cut short");
        assert_eq!(Sps::read(&PPS), None);
    }

    #[test]
    fn the_record_is_that_of_another_muxer() {
        let stream = [&[0, 0, 0, 1][..], &VPS, &[0, 0, 0, 1], &SPS, &[0, 0, 1], &PPS].concat();
        let record = hvcc(&stream).expect("it has all three");
        // libav 5.1.9 wrote this for the same stream, with 4 arrays: the fourth has messages.
        assert_eq!(record[..23], [1, 2, 0x20, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 0x7b, 0xf0, 0, 0xfc, 0xfd, 0xfa, 0xfa, 0, 0, 0x0f, 3]);
        assert_eq!(record[23..], [&[0xa0, 0, 1, 0, 24][..], &VPS, &[0xa1, 0, 1, 0, 48], &SPS, &[0xa2, 0, 1, 0, 6], &PPS].concat());
        assert_eq!(hvcc(&stream[..stream.len() - 9]), None, "no PPS");
    }

    #[test]
    fn only_the_settings_of_x265_are_dropped() {
        let sei = |uuid: [u8; 16]| [&[0, 0, 1, 0x4e, 1, 5, 255, 20][..], &uuid, &[7; 259], &[0x80]].concat();
        assert_eq!(to_sample(&sei(X265_UUID), &[]).0.len(), 0);
        assert!(to_sample(&sei([9; 16]), &[]).0.len() > 200);
    }

    #[test]
    fn messages_of_the_headers_go_before_idr_pictures_once() {
        let head = vec![nal::PREFIX_SEI << 1, 1, 137, 1, 9, 0x80];
        let (idr, slice) = ([0, 0, 1, nal::IDR_W_RADL << 1, 1, 7, 7], [0, 0, 1, 2, 1, 8, 8]);
        let units = |stream: &[u8]| sample_units(&to_sample(stream, std::slice::from_ref(&head)).0).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(units(&idr), [head.clone(), idr[3..].to_vec()]);
        assert_eq!(units(&slice), [slice[3..].to_vec()]);
        assert_eq!(units(&[&[0, 0, 1][..], &head, &idr].concat()), [head.clone(), idr[3..].to_vec()]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_samples_read_back(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0x42), any::<u8>()], 0..400)) {
            let (sample, _) = to_sample(&bytes, &[]);
            let kept: Vec<_> = units(&bytes).filter(|u| !matches!(kind(u), 32..=35 | 38) && !is_x265_settings(u)).collect();
            prop_assert_eq!(sample_units(&sample).collect::<Vec<_>>(), kept);
            let _ = hvcc(&bytes);
            let _ = Sps::read(&[&[0x42, 1][..], &bytes].concat());
        }
    }
}

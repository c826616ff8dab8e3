//! Parameter sets of several encoders in one init segment, so that a segment of either plays without another one.
//!
//! AVC: each encoder has its sets under ids of its own, and the `avcC` holds all (tried: alternating segments of two encoders play in Chromium, hls.js, Shaka Player
//! and dash.js; with one id for both they do not). HEVC: the sample entry is `hev1` and every IDR carries its encoder's sets. AV1: every key picture carries its
//! sequence header as it is.

use crate::ladder::VideoCodec;
use mp4_atom::{Atom, Avcc};

/// `one` with the parameter sets of `other` beside its own; both are the content of configuration boxes.
///
/// # Errors
/// Why they cannot stand side by side, in words.
pub fn merge(codec: VideoCodec, one: &[u8], other: &[u8]) -> Result<Vec<u8>, String> {
    match codec {
        VideoCodec::Avc => merge_avc(one, other),
        VideoCodec::Hevc => merge_hevc(one, other),
        VideoCodec::Av1 => merge_av1(one, other),
    }
}

/// The record of the first with a profile, tier and level that speak for both (ISO/IEC 14496-15, 8.3.3.1.2): the higher tier and level, the flags that both have.
fn merge_hevc(one: &[u8], other: &[u8]) -> Result<Vec<u8>, String> {
    let fixed = |record: &[u8]| -> Result<[u8; 4], String> {
        let Some([_, profile, .., layers]) = record.get(..22) else { return Err(format!("hvcC of {} bytes breaks off", record.len())) };
        // Profile space and profile; chroma and the depths; lengths of NAL units.
        Ok([profile & 0xdf, record[16] << 6 | (record[17] & 7) << 3 | record[18] & 7, layers & 3, 0])
    };
    if fixed(one)? != fixed(other)? {
        return Err("its profile, chroma or depth is another than that of the backends before it".to_owned());
    }
    let mut both = one.to_vec();
    both[1] |= other[1] & 0x20;
    both[2..12].iter_mut().zip(&other[2..12]).for_each(|(flags, its)| *flags &= its);
    both[12] = both[12].max(other[12]);
    Ok(both)
}

/// That record of the two which has the higher tier and level, where profile, depth and chroma are the same: those do not change in a track (AV1-ISOBMFF 3, which
/// wants one level, too; where drivers choose theirs by themselves that is more than a fallback can keep).
fn merge_av1(one: &[u8], other: &[u8]) -> Result<Vec<u8>, String> {
    let said = |record: &[u8]| record.get(1..3).map(|said| (said[0], said[1])).ok_or_else(|| format!("av1C of {} bytes breaks off", record.len()));
    let ((level, shape), (its_level, its_shape)) = (said(one)?, said(other)?);
    let fixed = |level: u8, shape: u8| (level >> 5, shape >> 2 & 0x1f);
    // Where chroma is may be unknown.
    let places = [shape & 3, its_shape & 3];
    if fixed(level, shape) != fixed(its_level, its_shape) || (places[0] != places[1] && !places.contains(&0)) {
        let words = |level: u8, shape: u8| format!("profile {} and flags {:#04x}", level >> 5, shape & 0x7f);
        return Err(format!("its sequence header says {}, that of the backends before it {}", words(its_level, its_shape), words(level, shape)));
    }
    let rank = |level: u8, shape: u8| (shape >> 7, level & 0x1f);
    Ok(if rank(its_level, its_shape) > rank(level, shape) { other } else { one }.to_vec())
}

fn merge_avc(one: &[u8], other: &[u8]) -> Result<Vec<u8>, String> {
    let read = |body: &[u8]| Avcc::decode_body(&mut &body[..]).map_err(|e| format!("avcC of {} bytes: {e}", body.len()));
    let (mut both, other) = (read(one)?, read(other)?);
    add(&mut both.sequence_parameter_sets, other.sequence_parameter_sets, "sequence", sps_id)?;
    add(&mut both.picture_parameter_sets, other.picture_parameter_sets, "picture", pps_id)?;
    // The record's profile and level hold for all sets (ISO/IEC 14496-15, 5.3.3.1.2).
    both.avc_profile_indication = both.avc_profile_indication.max(other.avc_profile_indication);
    both.avc_level_indication = both.avc_level_indication.max(other.avc_level_indication);
    both.profile_compatibility &= other.profile_compatibility;
    both.ext = both.ext.take().or(other.ext);
    let mut out = Vec::new();
    both.encode_body(&mut out).map_err(|e| format!("avcC: {e}"))?;
    Ok(out)
}

/// The parameter sets in a configuration as a sample carries them, each behind its length in 4 bytes; empty for codecs whose init segment holds all sets, or
/// whose key pictures carry them anyway.
pub fn in_band(codec: VideoCodec, config: &[u8]) -> Vec<u8> {
    match codec {
        VideoCodec::Hevc => hvcc_sets(config).unwrap_or_default(),
        VideoCodec::Avc | VideoCodec::Av1 => Vec::new(),
    }
}

/// All arrays of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1.2); `None` where it breaks off.
fn hvcc_sets(config: &[u8]) -> Option<Vec<u8>> {
    let (arrays, mut rest) = config.get(22..)?.split_first()?;
    let mut out = Vec::new();
    for _ in 0..*arrays {
        let [_, high, low, after @ ..] = rest else { return None };
        rest = after;
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let length = u16::from_be_bytes(*length);
            let unit = after.get(..usize::from(length))?;
            out.extend_from_slice(&u32::from(length).to_be_bytes());
            out.extend_from_slice(unit);
            rest = &after[unit.len()..];
        }
    }
    Some(out)
}

type Id = fn(&[u8]) -> Option<u32>;

fn add(sets: &mut Vec<Vec<u8>>, more: Vec<Vec<u8>>, kind: &str, id: Id) -> Result<(), String> {
    for set in more {
        let own = id(&set).ok_or_else(|| format!("a {kind} parameter set without an id"))?;
        match sets.iter().find(|known| id(known) == Some(own)) {
            Some(known) if *known == set => {}
            Some(_) => return Err(format!("its {kind} parameter set has the id of another backend's, {own}, and says something else")),
            None => sets.push(set),
        }
    }
    Ok(())
}

/// `seq_parameter_set_id`: behind the NAL header, profile, constraints and level.
fn sps_id(set: &[u8]) -> Option<u32> {
    golomb(set.get(4..)?)
}

/// `pic_parameter_set_id`: behind the NAL header.
fn pps_id(set: &[u8]) -> Option<u32> {
    golomb(set.get(1..)?)
}

/// The first ue(v) of ITU-T H.264 9.1 in `bytes`. Ids are below 256: at most 17 bits.
fn golomb(bytes: &[u8]) -> Option<u32> {
    let word = bytes.iter().take(4).enumerate().fold(0u32, |word, (i, byte)| word | u32::from(*byte) << (24 - 8 * i));
    let zeros = word.leading_zeros();
    let length = 2 * zeros + 1;
    (zeros <= 8 && length as usize <= 8 * bytes.len()).then(|| (word >> (32 - length)) - 1)
}

#[cfg(test)]
mod tests {
    use super::super::annexb;
    use super::*;

    /// An avcC of one SPS and one PPS with these ids (0 to 2) and a last byte of their own.
    fn avcc(ids: (u8, u8), level: u8, own: u8) -> Vec<u8> {
        let code = |id: u8| [0x80u8, 0x40, 0x60][id as usize];
        let stream = [&[0, 0, 1, 0x67, 100, 0, level, code(ids.0), own][..], &[0, 0, 1, 0x68, code(ids.1), own]].concat();
        annexb::avcc(&stream).expect("both sets")
    }

    #[test]
    fn sets_under_ids_of_their_own_stand_side_by_side() {
        let both = merge(VideoCodec::Avc, &avcc((0, 0), 31, 7), &avcc((1, 1), 40, 9)).expect("they fit");
        let read = Avcc::decode_body(&mut &both[..]).expect("an avcC");
        assert_eq!((read.sequence_parameter_sets.len(), read.picture_parameter_sets.len(), read.avc_level_indication), (2, 2, 40));
        assert_eq!(merge(VideoCodec::Avc, &both, &avcc((1, 1), 40, 9)).expect("known already"), both);
    }

    #[test]
    fn one_id_for_two_is_refused() {
        let error = merge(VideoCodec::Avc, &avcc((0, 0), 31, 7), &avcc((0, 1), 31, 9)).expect_err("they clash");
        assert!(error.contains("sequence parameter set has the id of another backend's, 0"), "{error}");
        assert!(merge(VideoCodec::Avc, &avcc((0, 0), 31, 7), &[1, 2, 3]).is_err());
    }

    #[test]
    fn one_record_speaks_for_both() {
        // Level 3.1 of Main with two constraint flags, High tier of level 4 with one of them and another compatibility.
        let record = |profile: u8, compatible: u8, flag: u8, level: u8, depth: u8| {
            let mut hvcc = vec![1, profile, compatible, 0, 0, 0, flag, 0, 0, 0, 0, 0, level, 0xf0, 0, 0xfc, 0xfd, 0xf8 | depth, 0xf8 | depth, 0, 0, 0x0f];
            hvcc.push(0);
            hvcc
        };
        let both = merge(VideoCodec::Hevc, &record(1, 0x60, 0xb0, 93, 0), &record(0x21, 0x40, 0x90, 120, 0)).expect("they fit");
        assert_eq!(both, record(0x21, 0x40, 0x90, 120, 0));
        assert!(merge(VideoCodec::Hevc, &record(1, 0x60, 0x90, 93, 0), &record(2, 0x20, 0x90, 93, 2)).expect_err("10 bits").contains("depth"));
        assert!(merge(VideoCodec::Hevc, &record(1, 0x60, 0x90, 93, 0), &[1, 2]).is_err());
        let av1 = |level: u8, shape: u8| vec![0x81, level, shape, 0, 0x0a, 1, level];
        assert_eq!(merge(VideoCodec::Av1, &av1(4, 0x0d), &av1(5, 0x0c)), Ok(av1(5, 0x0c)), "the higher level, and chroma's place unknown");
        assert_eq!(merge(VideoCodec::Av1, &av1(8, 0x8d), &av1(9, 0x0d)), Ok(av1(8, 0x8d)), "the higher tier");
        assert!(merge(VideoCodec::Av1, &av1(4, 0x0d), &av1(4, 0x4d)).expect_err("10 bits").contains("flags 0x4d"));
        assert!(merge(VideoCodec::Av1, &av1(4, 0x0d), &av1(4, 0x0e)).is_err(), "chroma in two places");
    }

    #[test]
    fn ids_are_read_as_exp_golomb() {
        for (bytes, id) in [
            (&[0x80][..], Some(0)),
            (&[0x40], Some(1)),
            (&[0x60], Some(2)),
            (&[0b0010_0000], Some(3)),
            (&[0, 0x80, 0x40], Some(255)),
            (&[0x08], None),
            (&[], None),
        ] {
            assert_eq!(golomb(bytes), id, "{bytes:?}");
        }
    }
}

//! H.264 byte streams: NAL units out of Annex B, into length-prefixed samples and `avcC`.

/// NAL unit types of ITU-T H.264 table 7-1 that are told apart here.
pub mod nal {
    /// Slice of a picture that is not an IDR.
    pub const SLICE: u8 = 1;
    /// Slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// Filler data.
    pub const FILLER: u8 = 12;
}

/// x264's own identifier in its user_data_unregistered SEI: the settings, the CPU among them.
const X264_UUID: [u8; 16] = [0xdc, 0x45, 0xe9, 0xbd, 0xe6, 0xd9, 0x48, 0xb7, 0x96, 0x2c, 0xd8, 0x20, 0xd9, 0x23, 0xee, 0xef];

/// The NAL units of an Annex B byte stream, without start codes and trailing zeros.
pub fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        loop {
            let from = rest?;
            let end = from.windows(3).position(|w| w == [0, 0, 1]).unwrap_or(from.len());
            rest = after_start_code(&from[end..]);
            let used = from[..end].iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
            if used > 0 {
                return Some(&from[..used]);
            }
        }
    })
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(3).position(|w| w == [0, 0, 1])?;
    bytes.get(at + 3..)
}

/// The type of a NAL unit that is not empty.
pub fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |b| b & 0x1f)
}

/// An access unit of Annex B as a CMAF sample: each unit behind its length in 4 bytes, without parameter sets, delimiters, filler and x264's settings.
/// The flag is whether it is an IDR picture.
pub fn to_sample(stream: &[u8]) -> (Vec<u8>, bool) {
    let mut sample = Vec::with_capacity(stream.len() + 16);
    let mut idr = false;
    for unit in units(stream) {
        match kind(unit) {
            nal::SPS | nal::PPS | nal::AUD | nal::FILLER => continue,
            nal::SEI if is_x264_settings(unit) => continue,
            nal::IDR => idr = true,
            _ => {}
        }
        // An encoder's picture is far below 4 GiB.
        sample.extend_from_slice(&(unit.len() as u32).to_be_bytes());
        sample.extend_from_slice(unit);
    }
    (sample, idr)
}

/// The units of a length-prefixed sample. Stops at the first length that does not fit.
pub fn sample_units(mut sample: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = sample.split_first_chunk::<4>()?;
        let unit = rest.get(..u32::from_be_bytes(*length) as usize)?;
        sample = &rest[unit.len()..];
        Some(unit)
    })
}

fn is_x264_settings(unit: &[u8]) -> bool {
    // NAL header, payload type 5, size in bytes of 255 and a rest, UUID.
    let Some([_, 5, payload @ ..]) = unit.get(..) else { return false };
    let size = payload.iter().take_while(|b| **b == 255).count() + 1;
    payload.get(size..size + 16).is_some_and(|uuid| uuid == X264_UUID)
}

/// An AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1) with 4-byte lengths from the parameter sets in an Annex B stream, for 8-bit 4:2:0. `None` where
/// there is no usable SPS or PPS.
pub fn avcc(stream: &[u8]) -> Option<Vec<u8>> {
    let of = |wanted: u8| units(stream).filter(move |u| kind(u) == wanted).collect::<Vec<_>>();
    let (sps, pps) = (of(nal::SPS), of(nal::PPS));
    let &[_, profile, compatibility, level, ..] = *sps.first()? else { return None };
    let count = |sets: &[&[u8]], max: usize| (!sets.is_empty() && sets.len() <= max).then_some(sets.len() as u8);
    let mut out = vec![1, profile, compatibility, level, 0xff, 0xe0 | count(&sps, 31)?];
    let put = |sets: &[&[u8]], out: &mut Vec<u8>| -> Option<()> {
        for set in sets {
            out.extend_from_slice(&u16::try_from(set.len()).ok()?.to_be_bytes());
            out.extend_from_slice(set);
        }
        Some(())
    };
    put(&sps, &mut out)?;
    out.push(count(&pps, 255)?);
    put(&pps, &mut out)?;
    if matches!(profile, 100 | 110 | 122 | 144) {
        // chroma_format 4:2:0, 8 bits luma and chroma, no SPS extensions.
        out.extend_from_slice(&[0xfd, 0xf8, 0xf8, 0]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_found_behind_both_start_codes() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 0, 1, 0x65, 9, 0, 0, 3, 1];
        assert_eq!(units(&stream).collect::<Vec<_>>(), [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 9, 0, 0, 3, 1]]);
        let (sample, idr) = to_sample(&stream);
        assert_eq!((&sample[..], idr), (&[0, 0, 0, 6, 0x65, 9, 0, 0, 3, 1][..], true));
    }

    #[test]
    fn only_the_settings_sei_of_x264_is_dropped() {
        let sei = |uuid: [u8; 16]| [&[0, 0, 1, 6, 5, 255, 20][..], &uuid, &[7; 259], &[0x80]].concat();
        assert_eq!(to_sample(&sei(X264_UUID)).0.len(), 0);
        assert!(to_sample(&sei([9; 16])).0.len() > 200);
    }

    #[test]
    fn avcc_needs_both_sets() {
        assert_eq!(avcc(&[0, 0, 1, 0x67, 100, 0, 31, 5]), None);
        assert_eq!(avcc(&[0, 0, 1, 0x67, 100, 0, 0, 1, 0x68, 1]), None, "an SPS cut short");
        let full = avcc(&[0, 0, 1, 0x67, 100, 0, 31, 5, 0, 0, 1, 0x68, 0xee]);
        let want = [1, 100, 0, 31, 0xff, 0xe1, 0, 5, 0x67, 100, 0, 31, 5, 1, 0, 2, 0x68, 0xee, 0xfd, 0xf8, 0xf8, 0];
        assert_eq!(full.as_deref(), Some(&want[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_samples_read_back(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..400)) {
            let (sample, _) = to_sample(&bytes);
            let kept: Vec<_> = units(&bytes).filter(|u| !matches!(kind(u), 7 | 8 | 9 | 12) && !is_x264_settings(u)).collect();
            prop_assert_eq!(sample_units(&sample).collect::<Vec<_>>(), kept);
            let _ = avcc(&bytes);
            let _ = sample_units(&bytes).count();
        }
    }
}

//! What samples are made of: NAL units of AVC and HEVC, OBUs of AV1.

use super::boxes::Cursor;
use super::init::{InitFacts, Media};
use super::segment::{Sample, SegmentFacts};
use super::{Code, Finding, InspectError};

/// Most units of a segment.
const MAX_UNITS: usize = 1 << 20;
/// Most parameter sets or sequence headers kept of a segment.
const MAX_SETS: usize = 64;

/// How a sample is divided into units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// AVC: NAL units behind lengths of so many bytes.
    Avc(usize),
    /// HEVC, likewise.
    Hevc(usize),
    /// AV1: OBUs.
    Av1,
}

impl Syntax {
    /// That of a track; nothing where it is of no codec that is known here.
    pub(super) fn of(init: &InitFacts) -> Option<Syntax> {
        let Media::Video { nal_length, .. } = &init.media else { return None };
        match (&init.entry, nal_length) {
            (b"avc1" | b"avc3", Some(length)) => Some(Syntax::Avc(usize::from(*length))),
            (b"hvc1" | b"hev1", Some(length)) => Some(Syntax::Hevc(usize::from(*length))),
            (b"av01", _) => Some(Syntax::Av1),
            _ => None,
        }
    }
}

/// A unit of a sample.
struct Unit<'a> {
    kind: u8,
    /// NAL units with their header, OBUs without.
    bytes: &'a [u8],
}

/// Reads the units of every sample that lies in its own `mdat` (so each byte is read once): their types, whether decoding may start there, the pictures.
pub(super) fn read(bytes: &[u8], init: &InitFacts, syntax: Syntax, facts: &mut SegmentFacts) -> Result<(), InspectError> {
    let mut total = 0;
    let mut known = Known::of(init);
    for chunk in &mut facts.chunks {
        for (i, sample) in chunk.samples.iter_mut().enumerate() {
            let end = sample.offset.saturating_add(sample.size as usize);
            if sample.offset < chunk.mdat.start || end > chunk.mdat.end {
                continue;
            }
            let mut body = Cursor::new(bytes, sample.offset..end);
            while body.left() > 0 {
                let at = body.at();
                let unit = match next(&mut body, syntax)? {
                    Ok(unit) => unit,
                    Err(why) => {
                        facts.findings.push(Finding::new(Code::NalLengths, format!("sample {i}, byte {at}: {why}")));
                        break;
                    }
                };
                total += 1;
                if total > MAX_UNITS {
                    return Err(InspectError::Many { at, what: "NAL units or OBUs", most: MAX_UNITS });
                }
                if let Some(why) = known.meet(&unit, syntax) {
                    facts.findings.push(Finding::new(Code::InBand, format!("sample {i}, byte {at}: {why}")));
                }
                note(&unit, syntax, sample);
                let set = match syntax {
                    Syntax::Avc(_) => false,
                    Syntax::Hevc(_) => matches!(unit.kind, 32..=34),
                    Syntax::Av1 => unit.kind == 1,
                };
                if set && facts.sets.len() < MAX_SETS && !facts.sets.iter().any(|known| known == unit.bytes) {
                    facts.sets.push(unit.bytes.to_vec());
                }
            }
        }
    }
    Ok(())
}

/// What a unit says of its sample.
fn note(unit: &Unit, syntax: Syntax, sample: &mut Sample) {
    let byte = |n: usize| unit.bytes.get(n).copied().unwrap_or(0);
    match syntax {
        Syntax::Avc(_) => sample.starts |= unit.kind == 5,
        Syntax::Hevc(_) => {
            sample.starts |= matches!(unit.kind, 19 | 20);
            // first_slice_segment_in_pic_flag (ITU-T H.265, 7.3.6.1).
            sample.pictures = sample.pictures.saturating_add(u32::from(unit.kind < 32 && byte(2) & 0x80 != 0));
        }
        Syntax::Av1 if matches!(unit.kind, 3 | 6) => {
            // The first frame decides, and a sequence header must be before it.
            let first = sample.nals.contains(&1) && !sample.nals.iter().any(|n| matches!(n, 3 | 6));
            // show_existing_frame 0, frame_type 0, show_frame 1 (AV1 specification, 5.9.2).
            sample.starts |= first && byte(0) & 0xf0 == 0x10;
            sample.pictures = sample.pictures.saturating_add(u32::from(byte(0) & 0x80 != 0 || byte(0) & 0x10 != 0));
        }
        Syntax::Av1 => {}
    }
    sample.nals.push(unit.kind);
}

/// Picture parameter sets of HEVC that a slice may refer to so far, by number, as bits.
struct Known {
    pictures: u64,
    told: bool,
}

impl Known {
    fn of(init: &InitFacts) -> Known {
        let mut known = Known { pictures: 0, told: false };
        if let Media::Video { parameter_sets, .. } = &init.media {
            parameter_sets.iter().for_each(|set| known.add(set));
        }
        known
    }

    fn add(&mut self, set: &[u8]) {
        // nal_unit_type 34, then pps_pic_parameter_set_id (7.3.2.3).
        if set.first().is_some_and(|b| b >> 1 & 0x3f == 34) {
            self.pictures |= golomb(set.get(2..).unwrap_or_default(), 0).map_or(0, |id| 1 << id);
        }
    }

    /// Learns of a set; of a slice whose set is nowhere, says so, once a segment.
    fn meet(&mut self, unit: &Unit, syntax: Syntax) -> Option<String> {
        let Syntax::Hevc(_) = syntax else { return None };
        self.add(unit.bytes);
        if unit.kind >= 32 || self.told {
            return None;
        }
        // first_slice_segment_in_pic_flag, no_output_of_prior_pics_flag of pictures that decoding may start at, slice_pic_parameter_set_id.
        let id = golomb(unit.bytes.get(2..).unwrap_or_default(), if matches!(unit.kind, 16..=23) { 2 } else { 1 });
        let there = id.is_some_and(|id| self.pictures >> id & 1 == 1);
        self.told = !there;
        let all = || (0..64).filter(|n| self.pictures >> n & 1 == 1).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
        let id = id.map_or("beyond 63".to_owned(), |id| id.to_string());
        (!there).then(|| format!("a slice refers to picture parameter set {id}; one that hvcC or the segment holds ({}) is accepted", all()))
    }
}

/// The Exp-Golomb number (9.2) behind `skip` bits, below 64.
fn golomb(bytes: &[u8], skip: u32) -> Option<u32> {
    let word = bytes.iter().take(4).enumerate().fold(0u32, |word, (i, byte)| word | u32::from(*byte) << (24 - 8 * i)) << skip;
    let zeros = word.leading_zeros();
    (zeros <= 6 && skip + 2 * zeros < 8 * bytes.len() as u32).then(|| (word >> (31 - 2 * zeros)) - 1).filter(|n| *n < 64)
}

/// The next unit. The inner error is what is wrong with its length.
fn next<'a>(body: &mut Cursor<'a>, syntax: Syntax) -> Result<Result<Unit<'a>, String>, InspectError> {
    let length = match syntax {
        Syntax::Avc(length) | Syntax::Hevc(length) => length,
        Syntax::Av1 => return obu(body),
    };
    let size = body.take(length.min(body.left()), "NAL length")?.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
    let least = if let Syntax::Avc(_) = syntax { 1 } else { 2 };
    if size < least || size > body.left() {
        return Ok(Err(format!("NAL unit of {size} bytes, {} are left in the sample; {least} to as many are accepted", body.left())));
    }
    let bytes = body.take(size, "NAL unit")?;
    let first = bytes[0];
    Ok(Ok(Unit { kind: if let Syntax::Avc(_) = syntax { first & 0x1f } else { first >> 1 & 0x3f }, bytes }))
}

/// An OBU with its size (AV1 specification, 5.3).
fn obu<'a>(body: &mut Cursor<'a>) -> Result<Result<Unit<'a>, String>, InspectError> {
    let header = body.u8("OBU header")?;
    if header & 0x82 != 2 {
        return Ok(Err(format!("OBU header {header:#04x}: the forbidden bit is set, or there is no size")));
    }
    body.take(if header & 4 == 0 { 0 } else { 1 }.min(body.left()), "OBU extension")?;
    let mut size = 0u64;
    for shift in 0..8 {
        if body.left() == 0 {
            return Ok(Err("the size of an OBU is cut short".to_owned()));
        }
        let byte = body.u8("OBU size")?;
        size |= u64::from(byte & 0x7f) << (7 * shift);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let Some(size) = usize::try_from(size).ok().filter(|size| *size <= body.left()) else {
        return Ok(Err(format!("OBU of {size} bytes, {} are left in the sample; as many are accepted", body.left())));
    };
    Ok(Ok(Unit { kind: header >> 3 & 0xf, bytes: body.take(size, "OBU")? }))
}

#[cfg(test)]
mod tests {
    use super::golomb;

    #[test]
    fn short_numbers_are_read_and_others_are_none() {
        assert_eq!([golomb(&[0x80], 0), golomb(&[0x40], 0), golomb(&[0x60], 0), golomb(&[0xc0], 1)], [Some(0), Some(1), Some(2), Some(0)]);
        // 63 is six zeros and seven bits of 64; more than that is no number of a parameter set.
        assert_eq!([golomb(&[0x02, 0x00], 0), golomb(&[0x02, 0x10], 0), golomb(&[0x01, 0x00], 0)], [Some(63), None, None]);
        assert_eq!([golomb(&[], 0), golomb(&[0x02], 0), golomb(&[0; 8], 1)], [None; 3]);
    }
}

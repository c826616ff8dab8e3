//! Slices of AVC and HEVC: the NAL unit's length, its header and the slice header stay clear, everything behind is protected.
//!
//! Under `cenc` the protected part is whole blocks, ending with the unit (23001-7, 10.2); under `cbcs` it begins right behind the slice header (10.4.2).

use super::cipher::Scheme;
use super::ranges::{Map, guarded};
use cros_codecs::codec::h264::nalu::{Header, Nalu};
use cros_codecs::codec::{h264, h265};
use std::borrow::Cow;
use std::fmt::Debug;
use std::io::Cursor;

/// Bytes of a NAL unit's length. Samples of other lengths are never made here.
const LENGTH: usize = 4;

/// Reads slices of AVC.
pub struct Avc(h264::parser::Parser);

/// Reads slices of HEVC.
pub struct Hevc(h265::parser::Parser);

fn nalu<H: Header + Debug>(unit: &[u8]) -> Result<Nalu<'_, H>, String> {
    Ok(Nalu { header: H::parse(&mut Cursor::new(unit))?, data: Cow::Borrowed(unit), size: unit.len(), offset: 0 })
}

/// Bytes of a slice from its NAL unit header to the end of the slice header, from bits without emulation prevention and the number of such bytes.
fn header_bytes(bits: usize, prevention: usize) -> usize {
    bits.div_ceil(8) + prevention
}

/// Every unit of a sample.
fn units(sample: &[u8], mut each: impl FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
    let mut rest = sample;
    while !rest.is_empty() {
        let unit = rest.split_first_chunk::<LENGTH>().and_then(|(length, rest)| rest.split_at_checked(u32::from_be_bytes(*length) as usize));
        let Some((unit, behind)) = unit.filter(|(unit, _)| !unit.is_empty()) else { return Err("NAL units with lengths of 4 bytes are accepted".to_owned()) };
        each(unit)?;
        rest = behind;
    }
    Ok(())
}

/// Notes a unit: `header` bytes of it are clear, all of it where absent.
fn note(map: &mut Map, unit: &[u8], header: Option<usize>, scheme: Scheme) {
    let clear = header.unwrap_or(unit.len()).min(unit.len());
    map.clear(LENGTH + clear);
    if clear < unit.len() {
        map.protect(unit.len() - clear, scheme == Scheme::Cenc);
    }
}

impl Avc {
    /// With the parameter sets of its initialisation segment.
    pub fn new(sets: &[Vec<u8>]) -> Result<Avc, String> {
        let mut avc = Avc(h264::parser::Parser::default());
        sets.iter().try_for_each(|set| avc.learn(set)).map(|()| avc)
    }

    fn learn(&mut self, unit: &[u8]) -> Result<(), String> {
        let Avc(parser) = self;
        guarded(|| match unit.first().map(|b| b & 0x1f) {
            Some(7) => parser.parse_sps(&nalu(unit)?).map(|_| ()),
            Some(8) => parser.parse_pps(&nalu(unit)?).map(|_| ()),
            _ => Ok(()),
        })
    }

    /// The ranges of a sample.
    pub fn map(&mut self, sample: &[u8], scheme: Scheme, map: &mut Map) -> Result<(), String> {
        units(sample, |unit| {
            self.learn(unit)?;
            let header = match unit[0] & 0x1f {
                1 | 5 => Some(guarded(|| {
                    let slice = self.0.parse_slice_header(nalu(unit)?)?.header;
                    // Its count is of the payload and the NAL unit header.
                    Ok(header_bytes(slice.header_bit_size, slice.n_emulation_prevention_bytes))
                })?),
                2..=4 => return Err("data partitions are not accepted".to_owned()),
                _ => None,
            };
            note(map, unit, header, scheme);
            Ok(())
        })
    }
}

impl Hevc {
    /// With the parameter sets of its initialisation segment.
    pub fn new(sets: &[Vec<u8>]) -> Result<Hevc, String> {
        let mut hevc = Hevc(h265::parser::Parser::default());
        sets.iter().try_for_each(|set| hevc.learn(set)).map(|()| hevc)
    }

    fn learn(&mut self, unit: &[u8]) -> Result<(), String> {
        let Hevc(parser) = self;
        guarded(|| match unit.first().map(|b| b >> 1 & 0x3f) {
            Some(32) => parser.parse_vps(&nalu(unit)?).map(|_| ()),
            Some(33) => parser.parse_sps(&nalu(unit)?).map(|_| ()),
            Some(34) => parser.parse_pps(&nalu(unit)?).map(|_| ()),
            _ => Ok(()),
        })
    }

    /// The ranges of a sample.
    pub fn map(&mut self, sample: &[u8], scheme: Scheme, map: &mut Map) -> Result<(), String> {
        units(sample, |unit| {
            self.learn(unit)?;
            let header = match unit[0] >> 1 & 0x3f {
                0..=31 => Some(guarded(|| {
                    let slice = self.0.parse_slice_header(nalu(unit)?)?.header;
                    Ok(header_bytes(slice.header_bit_size as usize, slice.n_emulation_prevention_bytes as usize))
                })?),
                _ => None,
            };
            note(map, unit, header, scheme);
            Ok(())
        })
    }
}

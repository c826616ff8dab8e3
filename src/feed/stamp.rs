//! Puts a UTC stamp (MISB ST 0604) into a coded picture.

use crate::sei::{is_st0604, st0604_payload};
use std::ops::Range;

/// Codecs whose pictures can carry a stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StampCodec {
    /// H.264 (AVC).
    H264,
    /// H.265 (HEVC).
    Hevc,
}

/// How NAL units are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// Start codes (ITU-T H.264 Annex B, H.265 Annex B).
    AnnexB,
    /// A big-endian length of so many bytes before each.
    Length(usize),
}

impl Framing {
    /// As the configuration record says (ISO/IEC 14496-15: `avcC` byte 4, `hvcC` byte 21), where there is one.
    pub fn of(codec: StampCodec, extradata: &[u8]) -> Framing {
        let at = match codec {
            StampCodec::H264 => 4,
            StampCodec::Hevc => 21,
        };
        match (extradata.first(), extradata.get(at)) {
            (Some(1), Some(byte)) => Framing::Length(usize::from(byte & 3) + 1),
            _ => Framing::AnnexB,
        }
    }
}

impl StampCodec {
    fn header(self) -> &'static [u8] {
        match self {
            StampCodec::H264 => &[6],
            // nal_unit_type 39 (PREFIX_SEI_NUT), layer 0, temporal id 0.
            StampCodec::Hevc => &[39 << 1, 1],
        }
    }

    fn is_slice(self, nal: &[u8]) -> bool {
        match (self, nal.first()) {
            (StampCodec::H264, Some(byte)) => (1..=5).contains(&(byte & 31)),
            (StampCodec::Hevc, Some(byte)) => byte >> 1 & 63 < 32,
            (_, None) => false,
        }
    }

    /// What follows type and size of an SEI whose first message is user_data_unregistered; `None` for all other NAL units.
    fn user_data(self, nal: &[u8]) -> Option<&[u8]> {
        let header = self.header();
        let kind = |byte: u8| if self == StampCodec::H264 { byte & 31 } else { byte >> 1 & 63 };
        let is_sei = nal.first().map(|b| kind(*b)) == header.first().map(|b| kind(*b));
        nal.get(header.len()..).filter(|message| is_sei && message.first() == Some(&5))?.get(2..)
    }

    fn is_stamp(self, nal: &[u8]) -> bool {
        self.user_data(nal).is_some_and(is_st0604)
    }
}

/// The access unit with a stamp of `micros`, and without the stamps it had; `None` where no slice is found in it.
/// It stands before the first slice, and before the first other user data, of which some readers see only the first.
pub(super) fn stamp(unit: &[u8], codec: StampCodec, framing: Framing, micros: u64) -> Option<Vec<u8>> {
    let nals = split(unit, framing);
    let slice = nals.iter().position(|nal| codec.is_slice(&unit[nal.body.clone()]))?;
    let first = nals.iter().position(|nal| codec.user_data(&unit[nal.body.clone()]).is_some()).map_or(slice, |data| data.min(slice));
    let mut sei = codec.header().to_vec();
    // No emulation prevention is needed: the payload has at most two zero bytes in a row, and 0xFF or the 0x80 of the trailing bits follow them.
    let payload = st0604_payload(micros);
    sei.extend_from_slice(&[5, payload.len() as u8]);
    sei.extend_from_slice(&payload);
    sei.push(0x80);
    let mut out = Vec::with_capacity(unit.len() + sei.len() + 4);
    for (i, nal) in nals.iter().enumerate() {
        if i == first {
            match framing {
                Framing::AnnexB => out.extend_from_slice(&[0, 0, 0, 1]),
                Framing::Length(bytes) => out.extend_from_slice(&(sei.len() as u64).to_be_bytes()[8 - bytes..]),
            }
            out.extend_from_slice(&sei);
        }
        if !codec.is_stamp(&unit[nal.body.clone()]) {
            out.extend_from_slice(&unit[nal.from..nal.body.end]);
        }
    }
    Some(out)
}

/// A NAL unit: where its start code or length begins, and where its own bytes are.
struct Nal {
    from: usize,
    body: Range<usize>,
}

fn split(unit: &[u8], framing: Framing) -> Vec<Nal> {
    match framing {
        Framing::AnnexB => split_start_codes(unit),
        Framing::Length(bytes) => split_lengths(unit, bytes),
    }
}

fn split_start_codes(unit: &[u8]) -> Vec<Nal> {
    let mut nals: Vec<Nal> = Vec::new();
    let mut at = 0;
    while let Some(code) = unit.get(at..).and_then(|rest| rest.windows(3).position(|w| w == [0, 0, 1])).map(|i| at + i) {
        // Zero bytes before the code belong to it.
        let zeros = unit[at..code].iter().rev().take_while(|b| **b == 0).count();
        let from = if nals.is_empty() { 0 } else { code - zeros };
        if let Some(last) = nals.last_mut() {
            last.body.end = from;
        }
        nals.push(Nal { from, body: code + 3..unit.len() });
        at = code + 3;
    }
    nals
}

fn split_lengths(unit: &[u8], bytes: usize) -> Vec<Nal> {
    let mut nals = Vec::new();
    let mut at = 0;
    while let Some(length) = unit.get(at..at + bytes) {
        let length = length.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
        let start = at + bytes;
        let end = start.saturating_add(length).min(unit.len());
        nals.push(Nal { from: at, body: start..end });
        at = end;
    }
    nals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sei::parse_st0604;

    const MICROS: u64 = 1_795_292_130_040_000;

    fn expected() -> Option<crate::time::Seconds> {
        Some(crate::time::Seconds::new(MICROS.into(), 1_000_000))
    }

    fn bodies(unit: &[u8], framing: Framing) -> Vec<Vec<u8>> {
        split(unit, framing).into_iter().map(|nal| unit[nal.body].to_vec()).collect()
    }

    #[test]
    fn stands_before_the_first_slice_and_replaces_the_one_before() {
        let unit =
            [&[0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3][..], &[0, 0, 1, 6, 5, 2, 8, 8, 0x80], &[0, 0, 1, 0x65, 7, 7, 0, 0, 1, 0x65, 8]]
                .concat();
        let once = stamp(&unit, StampCodec::H264, Framing::AnnexB, 5).expect("has a slice");
        let twice = stamp(&once, StampCodec::H264, Framing::AnnexB, MICROS).expect("has a slice");
        let nals = bodies(&twice, Framing::AnnexB);
        assert_eq!(nals.iter().map(|n| n[0] & 31).collect::<Vec<_>>(), [9, 7, 8, 6, 6, 5, 5]);
        assert_eq!((nals[3][1], nals[3][2], parse_st0604(&nals[3][3..])), (5, 28, expected()));
        assert_eq!([&nals[..3], &nals[4..]].concat(), bodies(&unit, Framing::AnnexB));
    }

    #[test]
    fn lengths_and_hevc() {
        let unit = [0, 2, 32 << 1, 1, 0, 3, 19 << 1, 1, 9];
        let stamped = stamp(&unit, StampCodec::Hevc, Framing::Length(2), MICROS).expect("has a slice");
        let nals = bodies(&stamped, Framing::Length(2));
        assert_eq!(nals.iter().map(|n| n[0] >> 1).collect::<Vec<_>>(), [32, 39, 19]);
        assert_eq!(parse_st0604(&nals[1][4..]), expected());
        assert_eq!(Framing::of(StampCodec::H264, &[1, 100, 0, 40, 0xFF]), Framing::Length(4));
        assert_eq!(Framing::of(StampCodec::H264, &[0, 0, 0, 1, 0x67]), Framing::AnnexB);
    }

    #[test]
    fn no_stamp_needs_emulation_prevention() {
        for micros in [0, 1, u64::MAX, 1 << 16, 0xFF00_0000_0000_0000, MICROS] {
            let stamped = stamp(&[0, 0, 1, 0x65, 9], StampCodec::H264, Framing::AnnexB, micros).expect("has a slice");
            assert_eq!(split_start_codes(&stamped).len(), 2);
            let nal = &stamped[split_start_codes(&stamped)[0].body.clone()];
            assert_eq!(nal.len(), 32);
            assert!(!nal.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] <= 3), "{micros}");
        }
    }

    #[test]
    fn broken_units_are_left_alone() {
        for unit in [&[][..], &[0, 0], &[0, 0, 1], &[0, 0, 1, 9, 0xF0], &[1, 2, 3]] {
            assert_eq!(stamp(unit, StampCodec::H264, Framing::AnnexB, 1), None);
        }
        assert_eq!(stamp(&[255, 255, 255, 255], StampCodec::H264, Framing::Length(4), 1), None);
        assert!(stamp(&[255, 255, 255, 255, 0x65], StampCodec::H264, Framing::Length(4), 1).is_some());
    }
}

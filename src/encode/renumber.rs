//! Other ids for the parameter sets of AVC, for encoders that have 0 for theirs and know no setting for it: two of them can then take turns.
//!
//! Id 0 is one bit, an id from 15 to 30 nine: a slice's data moves by a whole byte, so that nothing in it has to be understood or aligned anew (ITU-T H.264, 7.3.3, 9.1).

use super::annexb::{kind, nal, units};

/// Ids of nine bits, which sequence parameter sets may have, too.
const FIRST: u32 = 15;
const LAST: u32 = 30;

/// The id for the backend at `place` of a rung's list; none for the first, which keeps its own, and where there are no more.
pub fn id(place: usize) -> Option<u32> {
    let place = u32::try_from(place).ok()?.checked_sub(1)?;
    Some(FIRST + place).filter(|id| *id <= LAST)
}

/// An Annex B stream with `id` in place of 0 in its parameter sets and in the slices that refer to them. Units with another id, or broken ones, stay as they are.
pub fn stream(bytes: &[u8], id: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    for unit in units(bytes) {
        out.extend_from_slice(&[0, 0, 0, 1]);
        match renumbered(unit, id) {
            Some(changed) => out.extend_from_slice(&changed),
            None => out.extend_from_slice(unit),
        }
    }
    out
}

fn renumbered(unit: &[u8], id: u32) -> Option<Vec<u8>> {
    // Bits and numbers before the id, and ids.
    let (bits, numbers, ids) = match kind(unit) {
        // Profile, constraints and level.
        nal::SPS => (24, 0, 1),
        // Its own id, and that of its sequence parameter set.
        nal::PPS => (0, 0, 2),
        // first_mb_in_slice, slice_type.
        nal::SLICE | nal::IDR => (0, 2, 1),
        _ => return None,
    };
    let (header, payload) = unit.split_first()?;
    let mut rbsp = unescaped(payload);
    let mut at = bits;
    for _ in 0..numbers {
        at = behind_number(&rbsp, at)?;
    }
    for _ in 0..ids {
        at = put(&mut rbsp, at, id)?;
    }
    let mut out = Vec::with_capacity(unit.len() + 4);
    out.push(*header);
    escape(&rbsp, &mut out);
    Some(out)
}

fn bit(bytes: &[u8], at: usize) -> Option<bool> {
    bytes.get(at / 8).map(|byte| byte >> (7 - at % 8) & 1 == 1)
}

/// Where the Exp-Golomb number at bit `at` ends.
fn behind_number(bytes: &[u8], at: usize) -> Option<usize> {
    let mut zeros = 0;
    while !bit(bytes, at + zeros)? {
        zeros += 1;
    }
    (zeros < 32).then_some(at + 2 * zeros + 1)
}

/// Puts `id` where bit `at` says 0; the place behind it.
fn put(bytes: &mut Vec<u8>, at: usize, id: u32) -> Option<usize> {
    if !bit(bytes, at)? {
        return None;
    }
    let (byte, before) = (at / 8, at % 8);
    let old = u16::from(bytes[byte]);
    // What is before the bit, four zeros and five bits of id + 1, what is behind it: 16 bits in all.
    let head = (old << 8) & !(0xffff_u16 >> before);
    let code = (id as u16 + 1) << (7 - before);
    let tail = old & (0x7f >> before);
    bytes.splice(byte..=byte, (head | code | tail).to_be_bytes());
    Some(at + 9)
}

/// Without emulation prevention (7.3.1).
fn unescaped(payload: &[u8]) -> Vec<u8> {
    let (mut out, mut zeros) = (Vec::with_capacity(payload.len() + 2), 0);
    for &byte in payload {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

fn escape(rbsp: &[u8], out: &mut Vec<u8>) {
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    // A unit does not end in a zero: cabac_zero_words have a 3 behind them.
    if zeros > 0 {
        out.push(3);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{decode_samples, frames, hash_pictures, pattern, rendition};
    use super::super::{Packet, Recipe, annexb, sets, x264};
    use super::*;
    use crate::frame::Picture;
    use crate::ladder::VideoCodec;
    use crate::time::Rate;
    use proptest::prelude::*;

    /// A GOP of x264 with the ids 0, and its `avcC`.
    fn coded(point: &str) -> (Vec<Packet>, Vec<u8>) {
        let mut of = rendition((320, 180), Rate::new(25, 1).expect("legal"), 24, 900_000, &["x264"]);
        of.point = point.to_owned();
        let opened = x264::open(&of, &Recipe::of(&of)).expect("it opens");
        let (mut encoder, mut out) = (opened.encoder, Vec::new());
        for frame in frames(of.grid, 0, &(0..24).map(|n| pattern(320, 180, n)).collect::<Vec<_>>()) {
            encoder.encode(&frame, &mut out).expect("it encodes");
        }
        encoder.finish(&mut out).expect("it drains");
        (out, opened.config)
    }

    fn annex_b(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect()
    }

    /// The same GOP as an encoder with other ids would have written it.
    fn other(packets: &[Packet], config: &[u8], id: u32) -> (Vec<Packet>, Vec<u8>) {
        let read = <mp4_atom::Avcc as mp4_atom::Atom>::decode_body(&mut &config[..]).expect("an avcC");
        let all: Vec<&[u8]> = read.sequence_parameter_sets.iter().chain(&read.picture_parameter_sets).map(Vec::as_slice).collect();
        let config = annexb::avcc(&stream(&annex_b(&all), id)).expect("both sets");
        let again = |packet: &Packet| {
            let units: Vec<&[u8]> = annexb::sample_units(&packet.data).collect();
            let (data, idr) = annexb::to_sample(&stream(&annex_b(&units), id));
            Packet { data, idr, ..packet.clone() }
        };
        (packets.iter().map(again).collect(), config)
    }

    fn shown(config: &[u8], packets: &[Packet]) -> String {
        let pictures: Vec<_> = decode_samples(config, packets).into_iter().map(|picture| Picture::Cpu(picture.into())).collect();
        assert_eq!(pictures.len(), packets.len());
        hash_pictures(&pictures)
    }

    /// Without and with CABAC, with B pictures, weights and references of all kinds.
    #[test]
    fn a_gop_under_another_id_shows_the_same_pictures() {
        for point in ["ultrafast", "superfast", "brisk", "medium"] {
            let (packets, config) = coded(point);
            let of_first = shown(&config, &packets);
            for number in [id(1), id(2), id(16)].map(|id| id.expect("an id")) {
                let (others, its) = other(&packets, &config, number);
                assert_ne!(its, config);
                assert_eq!(shown(&its, &others), of_first, "{point}: id {number} alone");
                // The two take turns under one init segment.
                let both = sets::merge(VideoCodec::Avc, &config, &its).expect("they stand side by side");
                assert_eq!([shown(&both, &others), shown(&both, &packets)], [of_first.clone(), of_first.clone()], "{point}: id {number} beside 0");
            }
        }
    }

    #[test]
    fn ids_are_nine_bits_and_others_than_0_stay() {
        assert_eq!([id(0), id(1), id(16), id(17)], [None, Some(15), Some(30), None]);
        // A PPS of id 1 and another of id 0 with SPS 0: 1 1 1… becomes 000010000 000010000 1….
        assert_eq!(renumbered(&[0x68, 0x40], 15), None);
        assert_eq!(renumbered(&[0x68, 0xe0], 15), Some(vec![0x68, 0b0000_1000, 0b0000_0100, 0b0010_0000]));
        assert_eq!(renumbered(&[0x06, 0xe0], 15), None, "no set");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(3), Just(0x67), Just(0x68), Just(0x65), any::<u8>()], 0..200)) {
            let once = stream(&bytes, 15);
            prop_assert_eq!(units(&once).count(), units(&bytes).count());
            prop_assert_eq!(stream(&once, 15), once.clone(), "nothing has an id of 0 any more, or it is broken");
        }
    }
}

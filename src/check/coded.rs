//! HEVC and AV1: do the sample entry and the segments say what the parameter sets and the sequence headers say (lines 7, 8, 9, 16)?

use super::decode::MAX_PIXELS;
use super::ledger::Ledger;
use super::profiles;
use super::report::Place;
use crate::encode::hevc::{self, Sps};
use crate::encode::obu::{self, SequenceHeader};
use crate::inspect::{Colour, InitFacts, Media, SegmentFacts, av1_codecs, hevc_codecs};

/// What a stream's own headers say.
pub(super) struct Coded {
    pub size: (u32, u32),
    pub depth: u32,
    /// Primaries, transfer, matrix, full range; absent where the stream does not say.
    pub colour: Option<Colour>,
    sar: Option<(u16, u16)>,
    progressive: bool,
    /// Profile, tier and level as the configuration record must have them: 12 bytes of HEVC, 2 of AV1.
    pub record: Vec<u8>,
}

impl Coded {
    fn of_set(sps: &Sps) -> Coded {
        let colour = sps.colour.map(|(p, t, m)| Colour { primaries: p.into(), transfer: t.into(), matrix: m.into(), full_range: sps.full_range == Some(true) });
        let record = sps.profile_tier_level.to_vec();
        Coded { size: sps.size, depth: sps.depth.0.into(), colour, sar: sps.sar, progressive: sps.progressive(), record }
    }

    fn of_header(header: &SequenceHeader) -> Coded {
        let (p, t, m) = header.colour;
        let colour = Colour { primaries: p.into(), transfer: t.into(), matrix: m.into(), full_range: header.full_range };
        let flag = |set: bool, shift: u32| u8::from(set) << shift;
        // AV1-ISOBMFF 2.3.3.
        let shape = flag(header.high_tier, 7)
            | flag(header.depth > 8, 6)
            | flag(header.depth == 12, 5)
            | flag(header.monochrome, 4)
            | flag(header.subsampling.0, 3)
            | flag(header.subsampling.1, 2)
            | header.chroma_position & 3;
        let said = header.colour != (2, 2, 2);
        let record = vec![header.profile << 5 | header.level, shape];
        Coded { size: header.size, depth: header.depth, colour: said.then_some(colour), sar: None, progressive: true, record }
    }

    /// The codec string behind the entry.
    fn codecs(&self, colour: Option<Colour>) -> String {
        match self.record.as_slice() {
            [level, shape] => av1_codecs(*level, *shape, colour),
            record => record.try_into().map_or(String::new(), hevc_codecs),
        }
    }
}

/// Reads the headers in the configuration record; nothing where there are none, or they are broken.
pub(super) fn coded(init: &InitFacts) -> Option<Coded> {
    let Media::Video { parameter_sets, .. } = &init.media else { return None };
    if &init.entry == b"av01" {
        return Some(Coded::of_header(&obu::sequence_header(parameter_sets.first()?)?.1));
    }
    let sps = parameter_sets.iter().find(|set| hevc::kind(set) == hevc::nal::SPS)?;
    Some(Coded::of_set(&Sps::read(sps)?))
}

/// Whether a decoder may be let loose: the stream says how large its pictures are, and they are of a size that is decoded.
pub fn decodable(init: &InitFacts) -> bool {
    coded(init).is_some_and(|coded| small(coded.size))
}

fn small((width, height): (u32, u32)) -> bool {
    u64::from(width) * u64::from(height) <= MAX_PIXELS
}

/// Everything that the initialisation segment alone shows.
pub fn check(place: &Place, init: &InitFacts, ledger: &mut Ledger) {
    let Media::Video { colour, parameter_sets, light, .. } = &init.media else { return };
    if &init.entry == b"hvc1" {
        let count = |kind: u8| parameter_sets.iter().filter(|set| hevc::kind(set) == kind).count();
        let (vps, sps, pps) = (count(hevc::nal::VPS), count(hevc::nal::SPS), count(hevc::nal::PPS));
        ledger.hold(9, vps > 0 && sps > 0 && pps > 0, place, "hvcC", format!("{vps} VPS, {sps} SPS and {pps} PPS"), "at least one of each");
    }
    let Some(coded) = ledger.present(9, place, "a sequence parameter set or header that can be parsed", coded(init)) else { return };
    profiles::brands(place, init, &coded, ledger);
    let place = place.clone().at(if &init.entry == b"av01" { "init.mp4 av1C" } else { "init.mp4 hvcC" });
    // `hev1`: segments hold sets of their own, and the record speaks for all (ISO/IEC 14496-15, 8.3.3.1).
    let required = coded.codecs(*colour);
    let said = init.codecs.split_once('.').map_or("", |(_, said)| said);
    ledger.hold(8, &init.entry == b"hev1" || said == required, &place, "the codec string of the record", said, format!("{required}, that of the stream,"));
    compare(&place, init, &coded, ledger);
    let pq = colour.is_some_and(|c| c.transfer == 16);
    if pq && light.0.is_none() {
        ledger.note(8, &place, "there is no mdcv: the source said nothing of the display that it was graded on");
    }
}

/// What a header says, against the sample entry.
fn compare(place: &Place, init: &InitFacts, coded: &Coded, ledger: &mut Ledger) {
    let Media::Video { width, height, colour, pasp, depth, record, .. } = &init.media else { return };
    ledger.hold(16, coded.progressive, place, "the scan", "interlaced, or not said", "progressive");
    ledger.equal(8, place, "the picture", format!("{}x{}", coded.size.0, coded.size.1), format!("{width}x{height}"));
    ledger.equal(8, place, "the depth", coded.depth, depth.unwrap_or(0).into());
    let speaks = covers(record, &coded.record);
    let required = format!("that of the stream, {},", coded.codecs(*colour));
    let found = match record.as_slice() {
        [level, shape] => av1_codecs(*level, *shape, *colour),
        record => record.try_into().map_or("unreadable".to_owned(), hevc_codecs),
    };
    ledger.hold(8, speaks, place, "profile, tier and level of the record", found, required);
    if let (Some((h, v)), Some((w, x))) = (coded.sar, pasp) {
        let same = u64::from(h) * u64::from(*x) == u64::from(v) * u64::from(*w);
        ledger.hold(8, same, place, "the sample aspect ratio", format!("{h}:{v}"), format!("{w}:{x} (pasp)"));
    }
    if let (Some(said), Some(colour)) = (coded.colour, colour) {
        let words = |c: Colour| format!("{}/{}/{} {}", c.primaries, c.transfer, c.matrix, if c.full_range { "full" } else { "limited" });
        ledger.hold(8, said == *colour, place, "the colour", words(said), format!("{} (colr)", words(*colour)));
    }
}

/// Whether a record speaks for a parameter set or sequence header: one profile, a tier and level that are no less; of HEVC no flag that the set does not have (ISO/IEC
/// 14496-15, 8.3.3.1.2), of AV1 the same depth and chroma, whose place one of them may not know.
fn covers(record: &[u8], set: &[u8]) -> bool {
    if let ([level, shape], [own, its]) = (record, set) {
        let fixed = |level: &u8, shape: &u8| (level >> 5, shape >> 2 & 0x1f);
        let rank = |level: &u8, shape: &u8| (shape >> 7, level & 0x1f);
        let place = shape & 3 == its & 3 || shape & 3 == 0 || its & 3 == 0;
        return fixed(level, shape) == fixed(own, its) && rank(level, shape) >= rank(own, its) && place;
    }
    let ([profile, flags @ .., level], [own, its @ .., its_level]) = (record, set) else { return false };
    let tier = |byte: u8| byte & 0x20;
    let subset = flags.len() == its.len() && flags.iter().zip(its).all(|(said, has)| said & !has == 0);
    profile & 0xdf == own & 0xdf && (tier(*profile), *level) >= (tier(*own), *its_level) && subset
}

/// The parameter sets or sequence headers in a segment's samples. Whether a decoder may be let loose on it.
pub fn segment(place: &Place, init: &InitFacts, facts: &SegmentFacts, ledger: &mut Ledger) -> bool {
    let av1 = &init.entry == b"av01";
    let mut decodable = true;
    for set in facts.sets.iter().filter(|set| av1 || hevc::kind(set) == hevc::nal::SPS) {
        let read = if av1 { SequenceHeader::read(set).map(|h| Coded::of_header(&h)) } else { Sps::read(set).map(|s| Coded::of_set(&s)) };
        let what = if av1 { "a sequence header that can be parsed" } else { "a sequence parameter set that can be parsed" };
        let Some(coded) = ledger.present(9, place, what, read) else {
            decodable = false;
            continue;
        };
        let place = place.clone().at(if av1 { "sequence header" } else { "SPS" });
        compare(&place, init, &coded, ledger);
        if let Media::Video { record, .. } = &init.media
            && av1
            && *record != coded.record
        {
            ledger.note(9, &place, "its level or chroma position is not that of av1C: another encoder made it (AV1-ISOBMFF 3 wants one)");
        }
        decodable &= small(coded.size);
    }
    decodable
}

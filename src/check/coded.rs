//! HEVC and AV1: does the sample entry say what the parameter sets and the sequence header say (lines 8, 9, 16)?

use super::ledger::Ledger;
use super::report::Place;
use crate::encode::{hevc, obu};
use crate::inspect::{Colour, InitFacts, Media};

/// What a stream's own headers say.
struct Coded {
    place: &'static str,
    size: (u32, u32),
    depth: u32,
    /// Primaries, transfer, matrix, full range; absent where the stream does not say.
    colour: Option<Colour>,
    sar: Option<(u16, u16)>,
    progressive: bool,
    /// Codec string without the entry: profile, tier and level as the configuration record must have them.
    record: Vec<u8>,
}

/// Reads the headers of HEVC or AV1; nothing where there are none, or they are broken.
fn coded(init: &InitFacts) -> Option<Coded> {
    let Media::Video { parameter_sets, .. } = &init.media else { return None };
    if &init.entry == b"av01" {
        let (_, header) = obu::sequence_header(parameter_sets.first()?)?;
        let (p, t, m) = header.colour;
        let colour = Colour { primaries: p.into(), transfer: t.into(), matrix: m.into(), full_range: header.full_range };
        let record = vec![header.profile, header.level, u8::from(header.high_tier)];
        let said = header.colour != (2, 2, 2);
        return Some(Coded { place: "av1C", size: header.size, depth: header.depth, colour: said.then_some(colour), sar: None, progressive: true, record });
    }
    let sps = hevc::Sps::read(parameter_sets.iter().find(|set| hevc::kind(set) == hevc::nal::SPS)?)?;
    let colour = sps.colour.map(|(p, t, m)| Colour { primaries: p.into(), transfer: t.into(), matrix: m.into(), full_range: sps.full_range == Some(true) });
    let record = vec![sps.profile(), sps.level(), u8::from(sps.high_tier())];
    Some(Coded { place: "hvcC", size: sps.size, depth: sps.depth.0.into(), colour, sar: sps.sar, progressive: sps.progressive(), record })
}

/// The size of the pictures, as the stream says.
pub fn size(init: &InitFacts) -> Option<(u32, u32)> {
    coded(init).map(|coded| coded.size)
}

/// Profile, level and tier as the codec string has them, which is made of the configuration record.
fn of_string(codecs: &str) -> Option<Vec<u8>> {
    let mut parts = codecs.split('.');
    let (entry, profile, third) = (parts.next()?, parts.next()?, parts.next()?);
    if entry == "av01" {
        let (level, tier) = third.split_at_checked(2)?;
        return Some(vec![profile.parse().ok()?, level.parse().ok()?, u8::from(tier == "H")]);
    }
    let level = parts.next()?;
    Some(vec![profile.trim_start_matches(['A', 'B', 'C']).parse().ok()?, level.get(1..)?.parse().ok()?, u8::from(level.starts_with('H'))])
}

/// Everything that the initialisation segment alone shows.
pub fn check(place: &Place, init: &InitFacts, ledger: &mut Ledger) {
    let Media::Video { width, height, colour, pasp, depth, parameter_sets, light, .. } = &init.media else { return };
    if &init.entry == b"hvc1" {
        let count = |kind: u8| parameter_sets.iter().filter(|set| hevc::kind(set) == kind).count();
        let (vps, sps, pps) = (count(hevc::nal::VPS), count(hevc::nal::SPS), count(hevc::nal::PPS));
        ledger.hold(9, vps > 0 && sps > 0 && pps > 0, place, "hvcC", format!("{vps} VPS, {sps} SPS and {pps} PPS"), "at least one of each");
    }
    let Some(coded) = ledger.present(9, place, "a sequence parameter set or header that can be parsed", coded(init)) else { return };
    let place = place.clone().at(format!("init.mp4 {}", coded.place));
    ledger.hold(16, coded.progressive, &place, "the scan", "interlaced, or not said", "progressive");
    ledger.equal(8, &place, "the picture", format!("{}x{}", coded.size.0, coded.size.1), format!("{width}x{height}"));
    ledger.equal(8, &place, "the depth", coded.depth, depth.unwrap_or(0).into());
    let record = of_string(&init.codecs);
    let text = |r: &[u8]| format!("{:?}", r);
    let found = record.as_deref().map_or("unreadable".to_owned(), text);
    let required = format!("{} (those of the stream)", text(&coded.record));
    ledger.hold(8, record.as_deref() == Some(&coded.record), &place, "profile, level and tier of the record", found, required);
    if let (Some((h, v)), Some((w, x))) = (coded.sar, pasp) {
        let same = u64::from(h) * u64::from(*x) == u64::from(v) * u64::from(*w);
        ledger.hold(8, same, &place, "the sample aspect ratio", format!("{h}:{v}"), format!("{w}:{x} (pasp)"));
    }
    if let (Some(said), Some(colour)) = (coded.colour, colour) {
        let words = |c: Colour| format!("{}/{}/{} {}", c.primaries, c.transfer, c.matrix, if c.full_range { "full" } else { "limited" });
        ledger.hold(8, said == *colour, &place, "the colour", words(said), format!("{} (colr)", words(*colour)));
    }
    let pq = colour.is_some_and(|c| c.transfer == 16);
    if pq && light.0.is_none() {
        ledger.note(8, &place, "there is no mdcv: the source said nothing of the display that it was graded on");
    }
}

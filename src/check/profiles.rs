//! CMAF media profiles of HEVC and AV1: are the brands those that the stream is within (line 7)?

use super::coded::Coded;
use super::ledger::Ledger;
use super::report::Place;
use crate::inspect::{Colour, InitFacts, Media};

/// A media profile of HEVC: Main tier, 4:2:0, at most 60 pictures a second.
struct Profile {
    brand: [u8; 4],
    /// general_profile_idc.
    profile: u8,
    /// general_level_idc at most.
    level: u8,
    size: (u32, u32),
    /// (primaries, transfer, matrix) of ITU-T H.273.
    colours: &'static [(u16, u16, u16)],
}

const BT709: (u16, u16, u16) = (1, 1, 1);

/// ISO/IEC 23000-19, B.5, table B.1. HLG may be said to be SDR in BT.2020 with a message beside it, hence twice.
const HEVC: [Profile; 6] = [
    Profile { brand: *b"chhd", profile: 1, level: 123, size: (1920, 1080), colours: &[BT709] },
    Profile { brand: *b"chh1", profile: 2, level: 123, size: (1920, 1080), colours: &[BT709] },
    Profile { brand: *b"cud8", profile: 1, level: 150, size: (3840, 2160), colours: &[BT709] },
    Profile { brand: *b"cud1", profile: 2, level: 153, size: (3840, 2160), colours: &[BT709, (9, 1, 9), (9, 14, 9), (9, 15, 9)] },
    Profile { brand: *b"chd1", profile: 2, level: 153, size: (3840, 2160), colours: &[(9, 16, 9)] },
    Profile { brand: *b"clg1", profile: 2, level: 153, size: (3840, 2160), colours: &[(9, 18, 9), (9, 14, 9)] },
];

impl Profile {
    fn holds(&self, coded: &Coded, colour: Option<Colour>) -> bool {
        let ([profile, .., level], Some(c)) = (coded.record.as_slice(), coded.colour.or(colour)) else { return false };
        // The profile with its space and tier: general profiles of Main tier.
        *profile == self.profile
            && *level <= self.level
            && (coded.size.0 <= self.size.0 && coded.size.1 <= self.size.1)
            && self.colours.contains(&(c.primaries, c.transfer, c.matrix))
            && !c.full_range
    }
}

fn name(brand: [u8; 4]) -> String {
    String::from_utf8_lossy(&brand).into_owned()
}

/// No brand is there that the stream is not within; `av01` is there with AV1 (AV1-ISOBMFF 2.1), a media profile of HEVC where there is one that fits.
pub(super) fn brands(place: &Place, init: &InitFacts, coded: &Coded, ledger: &mut Ledger) {
    let Media::Video { colour, .. } = init.media else { return };
    if &init.entry == b"av01" {
        ledger.hold(7, init.brands.contains(b"av01"), place, "the brand av01", "absent", "there, as for every track of AV1,");
        return;
    }
    let fitting: Vec<String> = HEVC.iter().filter(|p| p.holds(coded, colour)).map(|p| name(p.brand)).collect();
    let all = if fitting.is_empty() { "none".to_owned() } else { fitting.join(" or ") };
    for claimed in HEVC.iter().filter(|p| init.brands.contains(&p.brand)) {
        let required = format!("{all}, by profile, tier, level, size and colour of the stream (ISO/IEC 23000-19, table B.1),");
        ledger.hold(7, claimed.holds(coded, colour), place, "the media profile", name(claimed.brand), required);
    }
    if !HEVC.iter().any(|p| init.brands.contains(&p.brand)) && !fitting.is_empty() {
        ledger.note(7, place, format!("ftyp names no media profile; the track is within {all}"));
    }
}

//! The level and tier of an H.265 stream from what it needs, so that they are fixed by the rendition and not by an encoder's guess.

/// What a stream needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Needs {
    /// Width in samples.
    pub width: u32,
    /// Height in samples.
    pub height: u32,
    /// Pictures per second, (numerator, denominator).
    pub rate: (u32, u32),
    /// Highest bit rate in bits per second.
    pub bitrate: u64,
    /// Size of the coded picture buffer in bits.
    pub buffer: u64,
}

/// A row of ITU-T H.265 tables A.8 and A.9.
struct Row {
    /// general_level_idc: 30 times the level.
    level: u8,
    /// MaxLumaPs, in samples.
    picture: u64,
    /// MaxLumaSr, in samples per second.
    rate: u64,
    /// MaxBR and MaxCPB, which are equal but below level 2, in 1000 bits: Main tier, and High tier where there is one.
    main: u64,
    high: Option<u64>,
}

const fn row(level: u8, picture: u64, rate: u64, main: u64, high: Option<u64>) -> Row {
    Row { level, picture, rate, main, high }
}

const TABLE: [Row; 13] = [
    row(30, 36_864, 552_960, 128, None),
    row(60, 122_880, 3_686_400, 1_500, None),
    row(63, 245_760, 7_372_800, 3_000, None),
    row(90, 552_960, 16_588_800, 6_000, None),
    row(93, 983_040, 33_177_600, 10_000, None),
    row(120, 2_228_224, 66_846_720, 12_000, Some(30_000)),
    row(123, 2_228_224, 133_693_440, 20_000, Some(50_000)),
    row(150, 8_912_896, 267_386_880, 25_000, Some(100_000)),
    row(153, 8_912_896, 534_773_760, 40_000, Some(160_000)),
    row(156, 8_912_896, 1_069_547_520, 60_000, Some(240_000)),
    row(180, 35_651_584, 1_069_547_520, 60_000, Some(240_000)),
    row(183, 35_651_584, 2_139_095_040, 120_000, Some(480_000)),
    row(186, 35_651_584, 4_278_190_080, 240_000, Some(800_000)),
];

/// The lowest general_level_idc (120 is level 4) of Main tier that allows `needs`, else of High tier (true), which few players have; `None` where none does.
/// Six reference pictures fit into every level at its largest picture size.
pub fn level(needs: &Needs) -> Option<(u8, bool)> {
    let (w, h) = (u64::from(needs.width), u64::from(needs.height));
    let (num, den) = (u64::from(needs.rate.0), u64::from(needs.rate.1));
    let bits = needs.bitrate.max(needs.buffer);
    let shows = |row: &&Row| {
        let most = row.picture * 8;
        w * h <= row.picture && w * w <= most && h * h <= most && (w * h).saturating_mul(num) <= row.rate.saturating_mul(den)
    };
    let main = || TABLE.iter().filter(shows).find(|row| bits <= row.main * 1000).map(|row| (row.level, false));
    let high = || TABLE.iter().filter(shows).find(|row| row.high.is_some_and(|most| bits <= most * 1000)).map(|row| (row.level, true));
    main().or_else(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_renditions_get_their_well_known_levels() {
        let of = |width, height, num, den, bitrate| level(&Needs { width, height, rate: (num, den), bitrate, buffer: bitrate });
        assert_eq!(of(1920, 1080, 30, 1, 6_000_000), Some((120, false)));
        assert_eq!(of(1920, 1080, 60000, 1001, 6_000_000), Some((123, false)));
        assert_eq!(of(1280, 720, 30, 1, 3_000_000), Some((93, false)));
        assert_eq!(of(960, 540, 30, 1, 2_000_000), Some((90, false)));
        assert_eq!(of(640, 360, 30, 1, 730_000), Some((63, false)));
        assert_eq!(of(3840, 2160, 30, 1, 16_000_000), Some((150, false)));
        assert_eq!(of(3840, 2160, 60, 1, 16_000_000), Some((153, false)));
        assert_eq!(of(3840, 2160, 60, 1, 50_000_000), Some((156, false)), "by rate of bits");
        assert_eq!(of(1920, 1080, 30, 1, 300_000_000), Some((183, true)), "beyond Main tier");
        assert_eq!(of(16, 4300, 25, 1, 100_000), Some((150, false)), "by the longer side");
        assert_eq!(of(16_384, 16_384, 60, 1, 1_000_000), None);
    }
}

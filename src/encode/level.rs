//! The level of an H.264 stream from what it needs, so that it is fixed by the rendition and not by an encoder's guess.

/// What a stream needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Needs {
    /// Width in samples.
    pub width: u32,
    /// Height in samples.
    pub height: u32,
    /// Pictures per second, (numerator, denominator).
    pub rate: (u32, u32),
    /// Frames in the decoded picture buffer.
    pub frames: u32,
    /// Highest bit rate in bits per second.
    pub bitrate: u64,
    /// Size of the coded picture buffer in bits.
    pub buffer: u64,
    /// High profile: limits on bits are 1.25 times those of Main and Baseline.
    pub high: bool,
}

/// level_idc, MaxMBPS, MaxFS, MaxDpbMbs, MaxBR and MaxCPB (in 1000 bits) of ITU-T H.264 table A-1.
const TABLE: [(u8, u64, u64, u64, u64, u64); 19] = [
    (10, 1_485, 99, 396, 64, 175),
    (11, 3_000, 396, 900, 192, 500),
    (12, 6_000, 396, 2_376, 384, 1_000),
    (13, 11_880, 396, 2_376, 768, 2_000),
    (20, 11_880, 396, 2_376, 2_000, 2_000),
    (21, 19_800, 792, 4_752, 4_000, 4_000),
    (22, 20_250, 1_620, 8_100, 4_000, 4_000),
    (30, 40_500, 1_620, 8_100, 10_000, 10_000),
    (31, 108_000, 3_600, 18_000, 14_000, 14_000),
    (32, 216_000, 5_120, 20_480, 20_000, 20_000),
    (40, 245_760, 8_192, 32_768, 20_000, 25_000),
    (41, 245_760, 8_192, 32_768, 50_000, 62_500),
    (42, 522_240, 8_704, 34_816, 50_000, 62_500),
    (50, 589_824, 22_080, 110_400, 135_000, 135_000),
    (51, 983_040, 36_864, 184_320, 240_000, 240_000),
    (52, 2_073_600, 36_864, 184_320, 240_000, 240_000),
    (60, 4_177_920, 139_264, 696_320, 240_000, 240_000),
    (61, 8_355_840, 139_264, 696_320, 480_000, 480_000),
    (62, 16_711_680, 139_264, 696_320, 800_000, 800_000),
];

/// The lowest level_idc (40 is level 4.0) that allows `needs`, or `None` where none does.
pub fn level(needs: &Needs) -> Option<u8> {
    let (w, h) = (u64::from(needs.width.div_ceil(16)), u64::from(needs.height.div_ceil(16)));
    let size = w * h;
    let factor = if needs.high { 1250 } else { 1000 };
    let fits = |&(_, per_second, frame, dpb, rate, buffer): &(u8, u64, u64, u64, u64, u64)| {
        let (num, den) = (u64::from(needs.rate.0), u64::from(needs.rate.1));
        size <= frame
            && w * w <= 8 * frame
            && h * h <= 8 * frame
            && size.saturating_mul(num) <= per_second.saturating_mul(den)
            && u64::from(needs.frames).saturating_mul(size) <= dpb
            && needs.bitrate <= rate * factor
            && needs.buffer <= buffer * factor
    };
    TABLE.iter().find(|row| fits(row)).map(|row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_renditions_get_their_well_known_levels() {
        let of = |width, height, num, den, frames, bitrate| level(&Needs { width, height, rate: (num, den), frames, bitrate, buffer: bitrate, high: true });
        assert_eq!(of(1920, 1080, 30, 1, 4, 6_000_000), Some(40));
        assert_eq!(of(1920, 1080, 60000, 1001, 4, 6_000_000), Some(42));
        assert_eq!(of(1280, 720, 25, 1, 4, 3_000_000), Some(31));
        assert_eq!(of(1280, 720, 50, 1, 4, 3_000_000), Some(32));
        assert_eq!(of(640, 360, 30, 1, 4, 730_000), Some(30));
        assert_eq!(of(3840, 2160, 60, 1, 4, 20_000_000), Some(52));
        assert_eq!(of(1920, 1080, 25, 1, 4, 40_000_000), Some(41), "by rate of bits");
        assert_eq!(of(1920, 1080, 25, 1, 5, 6_000_000), Some(50), "by decoded frames");
        assert_eq!(of(16, 4112, 25, 1, 4, 6_000_000), Some(42), "by the longer side");
        assert_eq!(of(16_384, 16_384, 120, 1, 4, 6_000_000), None);
    }
}

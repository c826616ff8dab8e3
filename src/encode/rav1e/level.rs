//! Levels of AV1: the least one whose limits a rendition keeps (Annex A.3 of the AV1 specification).

/// What a stream asks of a decoder.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Width in pixels.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// Pictures a second, numerator and denominator.
    pub rate: (u32, u32),
    /// Frame headers for each 2 pictures: 3 where every other picture is shown from a frame that was coded before.
    pub headers_for_two: u32,
    /// Bits per second.
    pub bitrate: u64,
}

struct Limits {
    /// `seq_level_idx`.
    index: u8,
    picture: u64,
    width: u32,
    height: u32,
    /// Luma samples a second.
    display: u64,
    /// Frame headers a second.
    headers: u64,
    /// Main tier, in units of 100 kb/s.
    bitrate: u64,
}

macro_rules! levels {
    ($($index:literal: $picture:literal, $width:literal x $height:literal, $display:literal, $headers:literal, $bitrate:literal;)*) => {
        &[$(Limits { index: $index, picture: $picture, width: $width, height: $height, display: $display, headers: $headers, bitrate: $bitrate }),*]
    };
}

/// Index, MaxPicSize, MaxHSize x MaxVSize, MaxDisplayRate, MaxHeaderRate, MainMbps in tenths.
const LEVELS: &[Limits] = levels! {
    0: 147_456, 2048 x 1152, 4_423_680, 150, 15;
    1: 278_784, 2816 x 1584, 8_363_520, 150, 30;
    4: 665_856, 4352 x 2448, 19_975_680, 150, 60;
    5: 1_065_024, 5504 x 3096, 31_950_720, 150, 100;
    8: 2_359_296, 6144 x 3456, 70_778_880, 300, 120;
    9: 2_359_296, 6144 x 3456, 141_557_760, 300, 200;
    12: 8_912_896, 8192 x 4352, 267_386_880, 300, 300;
    13: 8_912_896, 8192 x 4352, 534_773_760, 300, 400;
    14: 8_912_896, 8192 x 4352, 1_069_547_520, 300, 600;
    16: 35_651_584, 16384 x 8704, 1_069_547_520, 300, 600;
    17: 35_651_584, 16384 x 8704, 2_139_095_040, 300, 1000;
    18: 35_651_584, 16384 x 8704, 4_278_190_080, 300, 1600;
};

/// `seq_level_idx` of the least level, Main tier, that allows `needs`; 8 is level 4.0. `None` where it is beyond level 6.2.
pub fn level(needs: &Needs) -> Option<u8> {
    let picture = u64::from(needs.width) * u64::from(needs.height);
    let per_second = |n: u64, for_each: u64| (n * u64::from(needs.rate.0)).div_ceil(u64::from(needs.rate.1) * for_each);
    let holds = |l: &&Limits| {
        picture <= l.picture
            && needs.width <= l.width
            && needs.height <= l.height
            && per_second(picture, 1) <= l.display
            && per_second(u64::from(needs.headers_for_two), 2) <= l.headers
            && needs.bitrate <= l.bitrate * 100_000
    };
    LEVELS.iter().find(holds).map(|l| l.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renditions_get_the_levels_that_players_know() {
        let at = |(width, height), rate, bitrate| level(&Needs { width, height, rate, headers_for_two: 3, bitrate });
        assert_eq!(at((320, 180), (25, 1), 300_000), Some(0), "2.0");
        assert_eq!(at((640, 360), (30_000, 1001), 800_000), Some(1), "2.1");
        assert_eq!(at((1280, 720), (30, 1), 3_000_000), Some(5), "3.1");
        assert_eq!(at((1920, 1080), (30, 1), 6_000_000), Some(8), "4.0");
        assert_eq!(at((1920, 1080), (60, 1), 8_000_000), Some(9), "4.1");
        assert_eq!(at((3840, 2160), (60, 1), 16_000_000), Some(13), "5.1");
        assert_eq!(at((1920, 1080), (30, 1), 13_000_000), Some(9), "by its rate");
        assert_eq!(at((16_384, 16_384), (25, 1), 1), None);
    }
}

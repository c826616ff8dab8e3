//! What a source picture's samples mean: its tags, completed where they are silent.

use crate::colour::{Target, VideoRange};
use crate::ffmpeg::{Colour, Layout};
use hwaccel::host::{Family, Format};

/// H.273 code points used below.
mod h273 {
    pub const UNSPECIFIED: u8 = 2;
    pub const BT709: u8 = 1;
    pub const BT470BG: u8 = 5;
    pub const SMPTE170M: u8 = 6;
    pub const SMPTE240M: u8 = 7;
    pub const LINEAR: u8 = 8;
    pub const LOG_316: u8 = 10;
    pub const BT2020: u8 = 9;
    pub const BT2020_CL: u8 = 10;
    pub const PQ: u8 = 16;
    pub const HLG: u8 = 18;
    pub const RGB: u8 = 0;
}

/// The format of a rung's pictures: 4:2:0, limited range, and the rest as its signal says.
pub fn target(target: &Target) -> Format {
    let (primaries, transfer, matrix) = target.signal.range.code_points();
    Format {
        width: target.width,
        height: target.height,
        family: Family::Yuv { sub_w: 1, sub_h: 1 },
        depth: target.signal.depth,
        full_range: false,
        matrix,
        transfer,
        primaries,
        // Left, or top left.
        chroma_location: if target.signal.is_hdr() { 2 } else { 0 },
    }
}

/// The dynamic range of a source picture, by its tags.
pub fn range(tags: &Colour) -> VideoRange {
    match u8::try_from(tags.transfer) {
        Ok(h273::PQ) => VideoRange::Pq,
        Ok(h273::HLG) => VideoRange::Hlg,
        _ => VideoRange::Sdr,
    }
}

/// The format of a source picture. Sizes are rounded down to whole chroma samples.
///
/// Where tags are absent: PQ, HLG or any BT.2020 tag means BT.2020; a matrix speaks for the primaries and the other way round; else up to 576 lines is BT.601
/// (576 and 288 lines the 625-line kind), above is BT.709. RGB and `yuvj…` are full range unless tagged.
///
/// All camera-referred standard-range transfers (BT.601, 709, 2020, gamma 2.2 and 2.8, sRGB) are taken for one: screens show them alike, and the gamma 2.8
/// that PAL streams are tagged with describes a display of 1970.
pub fn source(layout: &Layout, tags: &Colour, width: u32, height: u32) -> Format {
    let code = |value: i32| u8::try_from(value).unwrap_or(h273::UNSPECIFIED);
    let (sub_w, sub_h) = layout.sub;
    let family = match (layout.components, layout.rgb) {
        (1, _) => Family::Grey,
        (_, true) => Family::Rgb,
        _ => Family::Yuv { sub_w, sub_h },
    };
    let transfer = match code(tags.transfer) {
        kept @ (h273::LINEAR..=h273::LOG_316 | h273::PQ | h273::HLG) => kept,
        _ => h273::BT709,
    };
    let (matrix, primaries) = matrix_and_primaries(code(tags.matrix), code(tags.primaries), code(tags.transfer), height);
    let full_range = match tags.range {
        1 => false,
        2 => true,
        _ => layout.full_range || family == Family::Rgb,
    };
    Format {
        width: width >> sub_w << sub_w,
        height: height >> sub_h << sub_h,
        family,
        depth: layout.depth,
        full_range: full_range || layout.full_range,
        matrix: match family {
            Family::Rgb => h273::RGB,
            Family::Grey => h273::BT709,
            Family::Yuv { .. } => matrix,
        },
        transfer,
        primaries: if family == Family::Grey { h273::BT709 } else { primaries },
        // libav counts from 1, with 0 for unspecified.
        chroma_location: u8::try_from(tags.chroma_location - 1).ok().filter(|l| *l <= 5).unwrap_or(0),
    }
}

/// [`source`] with the tags ignored: for tags that name a conversion which does not exist.
pub fn source_untagged(layout: &Layout, tags: &Colour, width: u32, height: u32) -> Format {
    let silent = i32::from(h273::UNSPECIFIED);
    source(layout, &Colour { matrix: silent, transfer: silent, primaries: silent, ..*tags }, width, height)
}

fn matrix_and_primaries(matrix: u8, primaries: u8, transfer: u8, height: u32) -> (u8, u8) {
    use h273::*;
    let by_lines = match height {
        288 | 576 => BT470BG,
        0..=576 => SMPTE170M,
        _ => BT709,
    };
    // Matrix 0 in a Y'CbCr format and 3 are nonsense, as primaries 0 and 3 are.
    let named = |code: u8| !matches!(code, 0 | UNSPECIFIED | 3);
    let wide = matches!(transfer, PQ | HLG);
    match (named(matrix), named(primaries)) {
        (true, true) => (matrix, primaries),
        (true, false) => {
            let primaries = match matrix {
                BT709 if wide => BT2020,
                BT2020 | BT2020_CL => BT2020,
                BT470BG => BT470BG,
                SMPTE170M if by_lines == BT470BG => BT470BG,
                SMPTE170M => SMPTE170M,
                SMPTE240M => SMPTE240M,
                _ => BT709,
            };
            (matrix, primaries)
        }
        (false, true) => {
            let matrix = match primaries {
                BT2020 => BT2020,
                BT470BG => BT470BG,
                SMPTE170M | SMPTE240M => SMPTE170M,
                _ => BT709,
            };
            (matrix, primaries)
        }
        (false, false) if wide => (BT2020, BT2020),
        (false, false) => (by_lines, by_lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::Signal;

    const YUV: Layout = Layout { depth: 8, components: 3, rgb: false, sub: (1, 1), full_range: false, plane: [0, 1, 2] };
    const SILENT: Colour = Colour { range: 0, matrix: 2, transfer: 2, primaries: 2, chroma_location: 0, sar: (0, 1) };

    #[test]
    fn silent_tags_follow_the_number_of_lines() {
        let kind = |w, h| source(&YUV, &SILENT, w, h);
        assert_eq!((kind(720, 576).matrix, kind(720, 576).primaries), (5, 5));
        assert_eq!((kind(720, 480).matrix, kind(720, 480).primaries), (6, 6));
        let sdr = |width, height| target(&Target { width, height, signal: Signal::SDR });
        assert_eq!(kind(1280, 720), sdr(1280, 720));
        assert_eq!(kind(720, 1280), sdr(720, 1280), "portrait is not standard definition");
    }

    #[test]
    fn one_tag_speaks_for_the_other_and_hostile_ones_for_none() {
        let with = |matrix, transfer, primaries| {
            let f = source(&YUV, &Colour { matrix, transfer, primaries, ..SILENT }, 1920, 1080);
            (f.matrix, f.transfer, f.primaries)
        };
        assert_eq!(with(2, 16, 2), (9, 16, 9), "PQ alone means BT.2020");
        assert_eq!(with(2, 18, 2), (9, 18, 9), "HLG alone too");
        assert_eq!(with(6, 2, 2), (6, 1, 6));
        assert_eq!(with(2, 2, 9), (9, 1, 9));
        assert_eq!(with(5, 5, 5), (5, 1, 5), "gamma 2.8 is not applied");
        assert_eq!(with(-7, 70_000, 0), (1, 1, 1));
    }

    #[test]
    fn rgb_and_jpeg_formats_are_full_range() {
        let rgb = Layout { rgb: true, sub: (0, 0), plane: [2, 0, 1], ..YUV };
        assert!(source(&rgb, &SILENT, 640, 480).full_range);
        assert!(!source(&rgb, &Colour { range: 1, ..SILENT }, 640, 480).full_range);
        assert!(source(&Layout { full_range: true, ..YUV }, &SILENT, 640, 480).full_range);
        assert_eq!((source(&YUV, &SILENT, 853, 479).width, source(&YUV, &SILENT, 853, 479).height), (852, 478));
    }
}

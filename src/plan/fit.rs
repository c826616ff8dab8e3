//! Which size a rung's picture gets: fitted into its box, aspect kept, never larger than the source.

use super::SourceFacts;

/// A size in square pixels, both sides even.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Pixels.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

/// The smallest side of a picture that is made.
pub const MIN_SIDE: u32 = 16;

/// A source's shape in square pixels: `wide / base` pixels by `height` lines, exactly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    wide: u64,
    base: u64,
    height: u64,
}

/// How a rung's box and the source go together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fit {
    /// The picture has this size in the box.
    Size(Size),
    /// It would have to be made larger than the source.
    Above,
}

impl Shape {
    /// The shape of a source. A sample aspect ratio beyond 1:4 or 4:1 is no shape of any format and counts as 1:1.
    pub fn of(source: &SourceFacts) -> Shape {
        let (num, den) = if believable(source.sar) { source.sar } else { (1, 1) };
        Shape { wide: u64::from(source.width) * u64::from(num), base: u64::from(den), height: u64::from(source.height) }
    }

    /// The source's own size: the width to the nearest even number (halfway, the lower), the height to the even number below.
    pub fn size(self) -> Size {
        Size { width: even(self.wide, self.base), height: even_below(self.height) }
    }

    /// Fits the picture into a box, which turns on its side for a portrait source. One pixel more than the source has is still the source (853 in a box of 854).
    pub fn fit(self, width: u32, height: u32) -> Fit {
        let portrait = self.height * self.base > self.wide;
        let (width, height) = if portrait && width > height { (height, width) } else { (width, height) };
        let (width, height) = (u64::from(width), u64::from(height));
        let own = self.size();
        // Width against height of the source, cross-multiplied: exact, and below 2^64 for any size and any believable ratio.
        let by_width = width * self.height * self.base <= height * self.wide;
        let fitted = if by_width {
            if width * self.base > self.wide + self.base {
                return Fit::Above;
            }
            Size { width: clamp(width), height: even(self.height * self.base * width, self.wide) }
        } else {
            if height > self.height + 1 {
                return Fit::Above;
            }
            Size { width: even(self.wide * height, self.base * self.height), height: clamp(height) }
        };
        // A strip that the smallest side would have to be widened for is no picture of this shape.
        if fitted.width.min(fitted.height) < MIN_SIDE && own.width.min(own.height) >= MIN_SIDE {
            return Fit::Above;
        }
        Fit::Size(Size { width: fitted.width.min(own.width).max(MIN_SIDE), height: fitted.height.min(own.height).max(MIN_SIDE) })
    }
}

/// Whether a sample aspect ratio is one of a format that exists: from 1:4 to 4:1.
pub fn believable((num, den): (u32, u32)) -> bool {
    num > 0 && den > 0 && u64::from(num) <= 4 * u64::from(den) && u64::from(den) <= 4 * u64::from(num)
}

/// `num / den` to the nearest even number; halfway, the lower.
fn even(num: u64, den: u64) -> u32 {
    // n/d lies nearest to 2k where k = ceil(n/2d - 1/2) = ceil((n - d) / 2d).
    clamp(2 * num.saturating_sub(den).div_ceil(2 * den.max(1)))
}

fn even_below(n: u64) -> u32 {
    clamp(n & !1)
}

fn clamp(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(width: u32, height: u32, sar: (u32, u32)) -> Shape {
        Shape::of(&super::super::plan_tests::source(width, height, sar))
    }

    fn fitted(source: (u32, u32), sar: (u32, u32), into: (u32, u32)) -> Option<(u32, u32)> {
        match shape(source.0, source.1, sar).fit(into.0, into.1) {
            Fit::Size(size) => Some((size.width, size.height)),
            Fit::Above => None,
        }
    }

    #[test]
    fn real_sources_keep_their_shape() {
        let full = (1920, 1080);
        for (source, sar, into, expected) in [
            ((1920, 1080), (1, 1), full, Some(full)),
            ((1920, 1080), (1, 1), (1280, 720), Some((1280, 720))),
            ((1920, 1088), (1, 1), full, Some((1906, 1080))),
            ((3026, 1386), (1, 1), full, Some((1920, 880))),
            ((720, 576), (64, 45), (1280, 720), None),
            ((720, 576), (64, 45), (1024, 576), Some((1024, 576))),
            ((720, 576), (16, 11), (960, 540), Some((960, 528))),
            ((720, 576), (16, 11), (1280, 576), Some((1048, 576))),
            ((720, 576), (16, 15), (640, 360), Some((480, 360))),
            ((1920, 1080), (3041, 3040), full, Some(full)),
            ((1920, 1080), (3039, 3040), full, Some(full)),
            ((704, 576), (12, 11), (768, 576), Some((768, 576))),
            ((1440, 1080), (4, 3), full, Some(full)),
            ((720, 1280), (1, 1), full, None),
            ((720, 1280), (1, 1), (1280, 720), Some((720, 1280))),
            ((720, 1280), (1, 1), (640, 360), Some((360, 640))),
            ((720, 1280), (1, 1), (1080, 1920), None),
            ((720, 1280), (1, 1), (360, 640), Some((360, 640))),
            ((853, 480), (1, 1), (854, 480), Some((852, 480))),
            ((853, 479), (1, 1), (854, 480), Some((852, 478))),
            ((852, 480), (1, 1), (854, 480), Some((852, 480))),
            ((1916, 1072), (1, 1), full, None),
            ((1024, 576), (1, 1), (1024, 578), Some((1024, 576))),
            ((256, 192), (1, 1), (320, 180), Some((240, 180))),
            ((640, 426), (1, 1), (640, 360), Some((540, 360))),
            ((16, 4000), (1, 1), full, None),
            ((720, 576), (0, 0), (640, 360), Some((450, 360))),
            ((720, 576), (65_535, 1), (640, 360), Some((450, 360))),
        ] {
            assert_eq!(fitted(source, sar, into), expected, "{source:?} {sar:?} into {into:?}");
        }
    }

    #[test]
    fn the_own_size_is_square_and_even() {
        for (source, sar, expected) in
            [((853, 479), (1, 1), (852, 478)), ((720, 576), (16, 11), (1048, 576)), ((720, 480), (8, 9), (640, 480)), ((720, 480), (10, 11), (654, 480))]
        {
            let own = shape(source.0, source.1, sar).size();
            assert_eq!((own.width, own.height), expected, "{source:?} {sar:?}");
        }
    }

    proptest! {
        #[test]
        fn never_larger_than_the_source_or_the_box_never_odd_never_bent(
            w in 16u32..8192, h in 16u32..8192, sar in (1u32..64, 1u32..64), bw in 8u32..4096, bh in 8u32..4096,
        ) {
            let shape = shape(w, h, sar);
            let own = shape.size();
            prop_assume!(own.width >= MIN_SIDE && own.height >= MIN_SIDE);
            if let Fit::Size(size) = shape.fit(2 * bw, 2 * bh) {
                prop_assert!(size.width % 2 == 0 && size.height % 2 == 0);
                prop_assert!(size.width <= own.width && size.height <= own.height, "{size:?} above {own:?}");
                prop_assert!(size.width.max(size.height) <= 2 * bw.max(bh));
                // Each side is within 2 of what the exact aspect asks of it, unless the smallest side was forced.
                let off = (i128::from(size.width) * i128::from(shape.height) * i128::from(shape.base) - i128::from(size.height) * i128::from(shape.wide)).abs();
                let two = 2 * i128::from(shape.wide.max(shape.height * shape.base));
                prop_assert!(off <= two || size.width == MIN_SIDE || size.height == MIN_SIDE, "{size:?} of {shape:?}");
            }
        }
    }
}

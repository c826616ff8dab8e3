//! What a picture shows, roughly: enough to tell a black or a frozen feed from one that is alive.

use ffmpeg_next::color::Range;
use ffmpeg_next::frame::Video;

/// Places at which luma is looked at.
const ACROSS: usize = 48;
const DOWN: usize = 27;

/// Luma above black, in steps of 8 bits, that still counts as black.
const BLACK: u8 = 16;
/// One place in so many may be brighter: a logo, a clock.
const BRIGHTER: usize = 100;
/// Mean difference, in steps of 8 bits, below which two pictures show the same: an encoder's noise on a still picture, but not the grain of a camera.
const STILL: usize = 1;
/// Difference at one place, in steps of 8 bits, that an encoder's noise may make.
const NOISE: u8 = 6;

/// Luma at 48 by 27 places, 8 bits each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    luma: Vec<u8>,
    full_range: bool,
}

impl Look {
    /// Looks at a planar picture; the first plane is taken for luma.
    pub fn of(picture: &Video) -> Look {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (depth, _) = crate::ffmpeg::depth_and_rgb(picture.format());
        let (data, stride) = (picture.data(0), picture.stride(0));
        let sample = |x: usize, y: usize| -> u8 {
            if depth > 8 {
                let at = y * stride + 2 * x;
                let value = u16::from_le_bytes([data.get(at).copied().unwrap_or(0), data.get(at + 1).copied().unwrap_or(0)]);
                u8::try_from(value >> (depth - 8)).unwrap_or(u8::MAX)
            } else {
                data.get(y * stride + x).copied().unwrap_or(0)
            }
        };
        let place = |i: usize, of: usize, size: usize| (2 * i + 1) * size / (2 * of);
        let luma = (0..DOWN).flat_map(|y| (0..ACROSS).map(move |x| (x, y))).map(|(x, y)| sample(place(x, ACROSS, width), place(y, DOWN, height)));
        Look { luma: luma.collect(), full_range: picture.color_range() == Range::JPEG }
    }

    /// Whether nothing is to be seen.
    pub fn is_black(&self) -> bool {
        let most = BLACK + if self.full_range { 0 } else { 16 };
        self.luma.iter().filter(|luma| **luma > most).count() * BRIGHTER <= self.luma.len()
    }

    /// Whether this is `before` again, but for an encoder's noise: nothing moved, not even something small.
    pub fn is_same(&self, before: &Look) -> bool {
        self.is_still(before) && self.luma.iter().zip(&before.luma).all(|(a, b)| a.abs_diff(*b) <= NOISE)
    }

    /// Whether nothing moved since `before`.
    pub fn is_still(&self, before: &Look) -> bool {
        let difference: usize = self.luma.iter().zip(&before.luma).map(|(a, b)| usize::from(a.abs_diff(*b))).sum();
        difference < STILL * self.luma.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ffmpeg_next::format::Pixel;

    fn flat(format: Pixel, value: u16) -> Video {
        let mut picture = Video::new(format, 322, 182);
        for sample in picture.data_mut(0).chunks_exact_mut(2) {
            sample.copy_from_slice(&if format == Pixel::YUV420P { [value as u8, value as u8] } else { value.to_le_bytes() });
        }
        picture
    }

    #[test]
    fn black_is_black_at_every_depth_and_a_logo_does_not_matter() {
        assert!(Look::of(&flat(Pixel::YUV420P, 16)).is_black() && Look::of(&flat(Pixel::YUV420P10LE, 64)).is_black());
        assert!(!Look::of(&flat(Pixel::YUV420P, 60)).is_black() && !Look::of(&flat(Pixel::YUV420P10LE, 240)).is_black());
        let mut logo = flat(Pixel::YUV420P, 16);
        let stride = logo.stride(0);
        for row in 4..16 {
            logo.data_mut(0)[row * stride + 4..row * stride + 24].fill(235);
        }
        assert!(Look::of(&logo).is_black());
    }

    #[test]
    fn noise_of_an_encoder_is_still_and_movement_is_not() {
        let still = Look::of(&flat(Pixel::YUV420P, 90));
        let mut noisy = flat(Pixel::YUV420P, 90);
        noisy.data_mut(0).iter_mut().step_by(3).for_each(|luma| *luma += 1);
        assert!(Look::of(&noisy).is_still(&still));
        let mut moved = flat(Pixel::YUV420P, 90);
        let stride = moved.stride(0);
        moved.data_mut(0)[60 * stride..120 * stride].fill(120);
        assert!(!Look::of(&moved).is_still(&still));
    }
}

//! Periodic noise and colour, in integers.

/// Mixes a lattice point into 8 bits.
fn lattice(x: u32, y: u32, seed: u32) -> u32 {
    let mut h = x.wrapping_mul(0x85EB_CA6B) ^ y.wrapping_mul(0xC2B2_AE35) ^ seed.wrapping_mul(0x27D4_EB2F);
    h = (h ^ h >> 15).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ h >> 12).wrapping_mul(0x297A_2D39);
    (h ^ h >> 15) & 255
}

/// Smooth noise, 0 to 255, at `x` and `y` in 256ths of a lattice cell; it repeats after `cells` cells across.
fn noise(x: u32, y: u32, cells: u32, seed: u32) -> u32 {
    let (x0, y0) = ((x >> 8) % cells, y >> 8);
    let x1 = (x0 + 1) % cells;
    let ease = |f: u32| (f * f * (768 - 2 * f)) >> 16;
    let (fx, fy) = (ease(x & 255), ease(y & 255));
    let mix = |a: u32, b: u32, f: u32| a * (256 - f) + b * f;
    let top = mix(lattice(x0, y0, seed), lattice(x1, y0, seed), fx);
    let low = mix(lattice(x0, y0 + 1, seed), lattice(x1, y0 + 1, seed), fx);
    (top * (256 - fy) + low * fy) >> 16
}

/// Four octaves of noise, 0 to 255; `cells` lattice cells of the coarsest across.
pub(super) fn clouds(x: u32, y: u32, cells: u32, seed: u32) -> u32 {
    let mut sum = 0;
    for octave in 0..4 {
        sum += noise(x << octave, y << octave, cells << octave, seed + octave) << (3 - octave);
    }
    sum / 15
}

/// Red, green, blue, 0 to 255.
pub(super) type Rgb = [u32; 3];

/// `a` to `b` as `f` goes from 0 to 256.
pub(super) fn blend(a: Rgb, b: Rgb, f: u32) -> Rgb {
    std::array::from_fn(|i| (a[i] * (256 - f) + b[i] * f) >> 8)
}

/// BT.709 limited range, 8 bits (ITU-R BT.709-6, items 3.2 to 3.4 and 4.6), coefficients times 65536.
pub(super) fn ycbcr([r, g, b]: Rgb) -> [u8; 3] {
    let (r, g, b) = (r as i32, g as i32, b as i32);
    let clip = |v: i32| v.clamp(16, 240) as u8;
    [
        clip(16 + ((11_966 * r + 40_254 * g + 4_064 * b + 32_768) >> 16)),
        clip(128 + ((-6_596 * r - 22_189 * g + 28_784 * b + 32_768) >> 16)),
        clip(128 + ((28_784 * r - 26_145 * g - 2_639 * b + 32_768) >> 16)),
    ]
}

/// A strip that repeats across: a plane of luma and two of chroma at half the resolution.
pub(super) struct Strip {
    /// Luma columns after which it repeats; even.
    pub period: usize,
    /// Luma, `period` bytes a row.
    pub y: Vec<u8>,
    /// Cb, `period / 2` bytes a row.
    pub u: Vec<u8>,
    /// Cr.
    pub v: Vec<u8>,
}

impl Strip {
    /// Paints every pixel with `colour(x, y)`; chroma is that of the top left pixel of each four.
    pub fn paint(period: usize, rows: usize, colour: impl Fn(u32, u32) -> Rgb) -> Strip {
        let mut strip = Strip { period, y: vec![0; period * rows], u: vec![0; period / 2 * rows.div_ceil(2)], v: vec![0; period / 2 * rows.div_ceil(2)] };
        for row in 0..rows {
            for x in 0..period {
                let [y, u, v] = ycbcr(colour(x as u32, row as u32));
                strip.y[row * period + x] = y;
                if row % 2 == 0 && x % 2 == 0 {
                    let at = row / 2 * (period / 2) + x / 2;
                    (strip.u[at], strip.v[at]) = (u, v);
                }
            }
        }
        strip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_the_standard() {
        assert_eq!(ycbcr([0, 0, 0]), [16, 128, 128]);
        assert_eq!(ycbcr([255, 255, 255]), [235, 128, 128]);
        assert_eq!(ycbcr([255, 0, 0]), [63, 102, 240]);
        assert_eq!(ycbcr([0, 0, 255]), [32, 240, 118]);
        assert_eq!(ycbcr([191, 191, 0]), [168, 44, 136]);
    }

    #[test]
    fn noise_repeats_across() {
        for y in [0, 700, 5000] {
            assert_eq!(clouds(0, y, 8, 1), clouds(8 << 8, y, 8, 1));
            assert_eq!(clouds(77, y, 8, 1), clouds(77 + (8 << 8), y, 8, 1));
        }
        assert_ne!(clouds(77, 300, 8, 1), clouds(1077, 300, 8, 1));
    }
}

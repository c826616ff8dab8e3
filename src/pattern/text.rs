//! Burnt-in text: the 8x8 font, scaled up smoothly, on a solid ground.

use super::picture::Plane;
use font8x8::legacy::BASIC_LEGACY;

/// Luma of the ground that text stands on.
pub(super) const GROUND: u8 = 22;
const INK: u32 = 235;

/// The printable ASCII characters at one size, as luma, ready to copy.
pub(super) struct Font {
    /// Pixels across a character.
    pub width: usize,
    /// Lines of a character.
    pub height: usize,
    glyphs: Vec<u8>,
}

impl Font {
    /// Characters of `width` by `height` pixels.
    pub fn new(width: usize, height: usize) -> Font {
        let mut glyphs = Vec::with_capacity(95 * width * height);
        for bitmap in &BASIC_LEGACY[32..127] {
            for y in 0..height {
                for x in 0..width {
                    let ink = coverage(bitmap, x, y, width, height);
                    glyphs.push((u32::from(GROUND) + (INK - u32::from(GROUND)) * ink / 256) as u8);
                }
            }
        }
        Font { width, height, glyphs }
    }

    /// Writes `text` with its top left corner at (`x`, `y`). What is beyond the right edge is left out.
    pub fn write(&self, luma: &mut Plane<'_>, x: usize, y: usize, text: &str) {
        let cell = self.width * self.height;
        for (i, byte) in text.bytes().enumerate() {
            let from = x + i * self.width;
            if from + self.width > luma.width {
                return;
            }
            let glyph = usize::from(byte.clamp(32, 126) - 32) * cell;
            for row in 0..self.height {
                let ink = &self.glyphs[glyph + row * self.width..][..self.width];
                luma.row(y + row)[from..from + self.width].copy_from_slice(ink);
            }
        }
    }
    /// The character at (`x`, `y`) of a picture, of those in `among`: the one whose pixels differ least. `None` beyond the edges.
    pub fn read(&self, luma: &[u8], stride: usize, x: usize, y: usize, among: &str) -> Option<char> {
        let cell = self.width * self.height;
        let differs = |c: char| {
            let glyph = (u32::from(c).clamp(32, 126) - 32) as usize * cell;
            (0..self.height).try_fold(0u64, |sum, row| {
                let seen = luma.get((y + row) * stride + x..)?.get(..self.width)?;
                let ink = &self.glyphs[glyph + row * self.width..][..self.width];
                Some(sum + seen.iter().zip(ink).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>())
            })
        };
        let differences = among.chars().map(|c| Some((differs(c)?, c))).collect::<Option<Vec<_>>>()?;
        differences.into_iter().min().map(|(_, c)| c)
    }
}

/// How much of an output pixel is ink, 0 to 256: the bitmap interpolated linearly, then its edge made steep, which rounds the corners of the blocks.
fn coverage(bitmap: &[u8; 8], x: usize, y: usize, width: usize, height: usize) -> u32 {
    if width == 8 && height == 8 {
        return u32::from(bitmap[y] >> x & 1) * 256;
    }
    let place = |p: usize, n: usize| (p * 2 + 1) as i32 * 8 * 128 / n as i32 - 128;
    let (sx, sy) = (place(x, width), place(y, height));
    let bit = |bx: i32, by: i32| if (0..8).contains(&bx) && (0..8).contains(&by) { i32::from(bitmap[by as usize] >> bx & 1) } else { 0 };
    let (bx, by, fx, fy) = (sx >> 8, sy >> 8, sx & 255, sy & 255);
    let top = bit(bx, by) * (256 - fx) + bit(bx + 1, by) * fx;
    let low = bit(bx, by + 1) * (256 - fx) + bit(bx + 1, by + 1) * fx;
    let value = (top * (256 - fy) + low * fy) >> 8;
    // Steepness grows with the size, so that an edge stays about one pixel wide.
    let steep = (width as i32 / 8).clamp(1, 6);
    ((value - 112) * steep + 128).clamp(0, 256) as u32
}

//! The test pattern: picture and sound as pure functions of UTC. `testsrc:` and `mezzo feed` show it.
//!
//! Integers only, so that every machine draws the same bytes.

pub mod picture;
mod scene;
mod sprite;
mod text;
mod texture;
pub mod tone;

use std::fmt;
use std::str::FromStr;

/// Width and height of the pattern in square pixels: both even, 256x144 to 7680x4320.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    width: u32,
    height: u32,
}

/// Not a size that the pattern can be drawn in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a size: give WIDTHxHEIGHT, both even, 256x144 to 7680x4320 (1280x720)")]
pub struct SizeError(String);

impl Size {
    /// `None` outside the limits.
    pub fn new(width: u32, height: u32) -> Option<Size> {
        let legal = (256..=7680).contains(&width) && (144..=4320).contains(&height) && width.is_multiple_of(2) && height.is_multiple_of(2);
        legal.then_some(Size { width, height })
    }

    /// Pixels in a line.
    pub fn width(self) -> u32 {
        self.width
    }

    /// Lines.
    pub fn height(self) -> u32 {
        self.height
    }

    /// Bytes of a picture: yuv420p, planes one after another without padding.
    pub fn bytes(self) -> usize {
        self.width as usize * self.height as usize * 3 / 2
    }
}

impl FromStr for Size {
    type Err = SizeError;
    fn from_str(text: &str) -> Result<Size, SizeError> {
        let parsed = text.split_once('x').and_then(|(w, h)| Size::new(w.parse().ok()?, h.parse().ok()?));
        parsed.ok_or_else(|| SizeError(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// One turn of a sine in 240 steps, amplitude 32767: by rotation in 2^-30 fixed point, so that no machine rounds it otherwise.
pub(crate) fn sine_table() -> [i32; 240] {
    // cos and sin of 1.5 degrees, times 2^30.
    const COS: i64 = 1_073_373_877;
    const SIN: i64 = 28_107_284;
    let (mut c, mut s) = (1i64 << 30, 0i64);
    let mut table = [0i32; 240];
    // A quarter by rotation, the rest by symmetry: the table is exactly odd and exactly periodic.
    for i in 0..60 {
        let v = ((s * 32_767 + (1 << 29)) >> 30) as i32;
        table[i] = v;
        table[i + 120] = -v;
        if i > 0 {
            table[120 - i] = v;
            table[240 - i] = -v;
        }
        (c, s) = ((c * COS - s * SIN) >> 30, (s * COS + c * SIN) >> 30);
    }
    table[60] = 32_767;
    table[180] = -32_767;
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!("1280x720".parse::<Size>().map(|s| (s.width(), s.height())), Ok((1280, 720)));
        for bad in ["", "1280", "1280x", "x720", "1281x720", "1280x721", "128x72", "9000x720", "1280X720", "-2x720", "1280x720x2"] {
            assert_eq!(bad.parse::<Size>(), Err(SizeError(bad.to_owned())));
        }
    }

    #[test]
    fn sine_is_a_sine() {
        let table = sine_table();
        for (i, v) in table.iter().enumerate() {
            let want = (i as f64 * std::f64::consts::TAU / 240.0).sin() * 32767.0;
            assert!((f64::from(*v) - want).abs() < 1.0, "{i}: {v} {want}");
        }
    }
}

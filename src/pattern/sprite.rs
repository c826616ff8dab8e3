//! Round things drawn by row copies: the ball and the zone plate.

use super::picture::Planes;
use super::texture::{Rgb, ycbcr};

/// A disc of opaque pixels.
pub(super) struct Disc {
    /// Pixels across; even.
    pub diameter: usize,
    /// For each luma row, where the disc starts and ends; even.
    spans: Vec<(usize, usize)>,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Disc {
    /// Paints `colour(x, y)`, both counted from the centre in half pixels.
    pub fn paint(diameter: usize, colour: impl Fn(i32, i32) -> Rgb) -> Disc {
        let d = diameter & !1;
        let mut disc = Disc { diameter: d, spans: Vec::new(), y: vec![0; d * d], u: vec![128; d * d / 4], v: vec![128; d * d / 4] };
        for row in 0..d {
            // Both rows of a chroma row get the same span.
            let dy = (row & !1) as i32 * 2 + 2 - d as i32;
            let half = ((d * d) as i32 - dy * dy).max(0).isqrt() as usize / 2;
            let start = (d / 2 - half).next_multiple_of(2);
            disc.spans.push((start, (d - start).max(start)));
            for x in 0..d {
                let [y, u, v] = ycbcr(colour(x as i32 * 2 + 1 - d as i32, row as i32 * 2 + 1 - d as i32));
                disc.y[row * d + x] = y;
                if row % 2 == 0 && x % 2 == 0 {
                    let at = row / 2 * (d / 2) + x / 2;
                    (disc.u[at], disc.v[at]) = (u, v);
                }
            }
        }
        disc
    }

    /// Draws it with the top left corner of its square at (`x`, `y`), both even; the square must lie inside the picture.
    pub fn draw(&self, out: &mut Planes<'_>, x: usize, y: usize) {
        let d = self.diameter;
        for (row, &(start, end)) in self.spans.iter().enumerate() {
            out.y.row(y + row)[x + start..x + end].copy_from_slice(&self.y[row * d + start..row * d + end]);
            if row % 2 == 0 {
                let (from, (start, end)) = (row / 2 * (d / 2), (start / 2, end / 2));
                out.u.row((y + row) / 2)[x / 2 + start..x / 2 + end].copy_from_slice(&self.u[from + start..from + end]);
                out.v.row((y + row) / 2)[x / 2 + start..x / 2 + end].copy_from_slice(&self.v[from + start..from + end]);
            }
        }
    }
}

/// How many pictures a turn of the ball, and of the zone plate, has.
pub(super) const PHASES: usize = 8;

/// A ball in red and white squares of 30 degrees, at each of its phases.
pub(super) fn balls(diameter: usize) -> Vec<Disc> {
    let sine = super::sine_table();
    // Angle, in 1.5 degrees from -90, whose sine is v / 256, for v from -256 to 256.
    let angle: Vec<i32> = (-256..=256).map(|v: i32| (0..120).take_while(|&a: &i32| sine[(a + 180) as usize % 240] < v * 128).count() as i32).collect();
    let of = |v: i32| angle[(v + 256).clamp(0, 512) as usize];
    let r = (diameter & !1) as i32;
    let turn = |shift: i32| {
        Disc::paint(diameter, |x, y| {
            let half = (r * r - y * y).max(1).isqrt().max(1);
            let square = (of(x * 256 / half) + shift) / 20 + of(y * 256 / r) / 20;
            let shade = (230 - (x * 2 + y * 3) * 50 / r - (x * x + y * y) * 70 / (r * r)).clamp(40, 256) as u32;
            let base: Rgb = if square % 2 == 0 { [225, 30, 35] } else { [250, 250, 245] };
            base.map(|c| (c * shade) >> 8)
        })
    };
    (0..PHASES as i32).map(|phase| turn(phase * 5)).collect()
}

/// A zone plate, whose rings reach a quarter of a cycle a pixel at the rim, at each of its phases.
pub(super) fn zone_plates(diameter: usize) -> Vec<Disc> {
    let sine = super::sine_table();
    let r = (diameter & !1) as i64;
    let plate = |phase: i64| {
        Disc::paint(diameter, |x, y| {
            // Radius in half pixels: phase / turn = radius^2 / (8 R) in pixels, in 240ths.
            let squared = i64::from(x) * i64::from(x) + i64::from(y) * i64::from(y);
            let at = (60 * squared / (4 * r) - phase * 30).rem_euclid(240);
            [(128 + sine[at as usize] * 120 / 32_768) as u32; 3]
        })
    };
    (0..PHASES as i64).map(plate).collect()
}

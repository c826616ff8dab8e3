//! The landscape: clouds, a range of hills, and a sea whose rows move at their own speeds, so that an encoder has work that no single vector describes.

use super::picture::{Moment, Planes};
use super::texture::{Rgb, Strip, blend, clouds};

const ZENITH: Rgb = [34, 84, 160];
const HORIZON: Rgb = [255, 196, 140];
const CLOUD: Rgb = [250, 240, 232];
const HILL_FAR: Rgb = [70, 70, 105];
const HILL_NEAR: Rgb = [38, 56, 58];
const SEA_FAR: Rgb = [214, 160, 124];
const SEA_NEAR: Rgb = [8, 42, 78];
const FOAM: Rgb = [225, 235, 235];

/// The strips that the landscape is put together from.
pub(super) struct Scene {
    top: usize,
    sky: Strip,
    sea: Strip,
    hills: Strip,
    /// For each row of the hills, the columns that are hill, as (start, end), even.
    runs: Vec<Vec<(usize, usize)>>,
    sky_rows: usize,
    sea_rows: usize,
    sine: [i32; 240],
}

impl Scene {
    /// A landscape of `width` by `rows` (both even), whose first row is row `top` (even) of the picture.
    pub fn new(width: usize, rows: usize, top: usize) -> Scene {
        let sky_rows = (rows * 58 / 100) & !1;
        let sea_rows = rows - sky_rows;
        let hill_rows = (sky_rows / 3) & !1;
        // In 256ths of a lattice cell: `cells` cells across the whole width.
        let across = |x: u32, cells: u32| x * cells * 256 / width as u32;
        let sky = Strip::paint(width, sky_rows, |x, y| {
            let down = y * 256 / sky_rows as u32;
            let cover = clouds(across(x, 6), across(y * 2, 6), 6, 11).saturating_sub(126) * 4;
            blend(blend(ZENITH, HORIZON, (down * down) >> 8), CLOUD, cover.min(230))
        });
        let sea = Strip::paint(width, sea_rows, |x, y| {
            let (down, far) = (y * 256 / sea_rows as u32, sea_rows as u32 - y);
            // Perspective: rows stand closer together towards the horizon.
            let v = 4_000 * sea_rows as u32 / (sea_rows as u32 / 5 + y);
            let swell = clouds(across(x, 22), v, 22, 23);
            let water = blend(SEA_FAR, SEA_NEAR, (down * 3).min(256));
            let glint = ((swell.saturating_sub(138) * 5).min(200) * (256 - 128 * far / sea_rows as u32)) >> 8;
            blend(water.map(|c| (c * (190 + swell / 2)) >> 8), FOAM, glint)
        });
        let ridge: Vec<usize> = (0..width).step_by(2).map(|x| (clouds(across(x as u32, 7), 77, 7, 41) as usize).saturating_sub(48) * hill_rows / 190).collect();
        let hills = Strip::paint(width, hill_rows, |x, y| {
            let rough = clouds(across(x, 24), across(y, 24), 24, 57);
            blend(HILL_FAR, HILL_NEAR, y * 256 / hill_rows as u32).map(|c| (c * (150 + rough)) >> 8)
        });
        let runs = (0..hill_rows).map(|row| runs(&ridge, hill_rows - (row & !1))).collect();
        Scene { top, sky, sea, hills, runs, sky_rows, sea_rows, sine: super::sine_table() }
    }

    /// Draws it as it is at `moment`.
    pub fn draw(&self, out: &mut Planes<'_>, moment: &Moment) {
        let width = self.sky.period as i64;
        let drift = moment.travel(width / 40, width);
        for row in 0..self.sky_rows {
            band(out, self.top + row, &self.sky, row, drift);
        }
        let pan = moment.travel(width / 16, width);
        let first = self.top + self.sky_rows - self.runs.len();
        for (row, runs) in self.runs.iter().enumerate() {
            for &run in runs {
                patch(out, first + row, &self.hills, row, run, pan);
            }
        }
        let turn = moment.travel(60, 240) as i64;
        for row in 0..self.sea_rows {
            // Rows of a pair move together, so that chroma fits both.
            let near = (row & !1) as i64;
            let speed = width / 14 + width * near / (4 * self.sea_rows as i64);
            let wave = i64::from(self.sine[(turn + near * 480 / self.sea_rows as i64) as usize % 240]) * width / 80 / 32_768;
            let offset = (moment.travel(speed, width) as i64 + wave).rem_euclid(width) as usize & !1;
            band(out, self.top + self.sky_rows + row, &self.sea, row, offset);
        }
    }
}

/// Where the ridge is at least `height` high, as runs of luma columns.
fn runs(ridge: &[usize], height: usize) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (i, _) in ridge.iter().enumerate().filter(|&(_, &h)| h >= height) {
        match found.last_mut() {
            Some(run) if run.1 == i * 2 => run.1 += 2,
            _ => found.push((i * 2, i * 2 + 2)),
        }
    }
    found
}

/// Copies a whole row of a strip, scrolled by `offset` (even) columns.
fn band(out: &mut Planes<'_>, at: usize, strip: &Strip, row: usize, offset: usize) {
    let (period, half) = (strip.period, strip.period / 2);
    let offset = offset & !1;
    scroll(out.y.row(at), &strip.y[row * period..][..period], offset);
    if row.is_multiple_of(2) {
        scroll(out.u.row(at / 2), &strip.u[row / 2 * half..][..half], offset / 2);
        scroll(out.v.row(at / 2), &strip.v[row / 2 * half..][..half], offset / 2);
    }
}

fn scroll(to: &mut [u8], from: &[u8], offset: usize) {
    let split = from.len() - offset;
    to[..split].copy_from_slice(&from[offset..]);
    to[split..].copy_from_slice(&from[..offset]);
}

/// Copies the columns of `run` (even) of a strip's row to where scrolling by `offset` puts them, in two pieces where they cross the edge.
fn patch(out: &mut Planes<'_>, at: usize, strip: &Strip, row: usize, run: (usize, usize), offset: usize) {
    let (period, offset) = (strip.period, offset & !1);
    let start = (run.0 + period - offset) % period;
    let first = (run.1 - run.0).min(period - start);
    for (from, to, len) in [(run.0, start, first), (run.0 + first, 0, run.1 - run.0 - first)] {
        out.y.row(at)[to..to + len].copy_from_slice(&strip.y[row * period + from..][..len]);
        if row.is_multiple_of(2) {
            let (base, to, len) = (row / 2 * (period / 2) + from / 2, to / 2, len / 2);
            out.u.row(at / 2)[to..to + len].copy_from_slice(&strip.u[base..][..len]);
            out.v.row(at / 2)[to..to + len].copy_from_slice(&strip.v[base..][..len]);
        }
    }
}

//! Tone mapping: HDR pictures as SDR, a fixed function of the colour of each pixel. docs/design/tone-mapping.md says which, and why.
//!
//! The function is sampled into three cubes (Y, Cb and Cr of the result, each by Y, Cb and Cr of the source), once for each kind of source, and interpolated in
//! integers. So nothing is left to the instruction set, and it costs the same whatever the function is.

pub mod curves;
pub mod operator;
#[cfg(test)]
mod tests;

use crate::colour::{HdrMetadata, Signal, Target, VideoRange};
use hwaccel::host::cube::{CHROMA_NODES, Cube, LUMA_NODES};
use hwaccel::host::{Source, Target as Plane};
use hwaccel::isa::Isa;
use operator::{Mapping, Operator};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// Maps that are kept: a source that goes back and forth between HLG and PQ, and as many again for a plan to come.
const KEPT: usize = 4;
/// Rows of chroma that one task makes.
const ROWS: usize = 16;

/// Makes SDR of HDR pictures of one kind: 10-bit 4:2:0, limited range, BT.2020, chroma sited top left.
pub struct ToneMap {
    operator: Operator,
    /// Y, Cb, Cr: codes of 10 bits, times 16.
    cubes: [Cube; 3],
}

impl ToneMap {
    /// The map for sources of `range` that say `hdr` of their light. Takes a tenth of a second or two of one processor the first time.
    pub fn of(range: VideoRange, hdr: &HdrMetadata) -> Arc<ToneMap> {
        static MADE: Mutex<Vec<Arc<ToneMap>>> = Mutex::new(Vec::new());
        let operator = Operator::of(range, hdr);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(map) = made.iter().find(|map| map.operator == operator) {
            return Arc::clone(map);
        }
        let map = Arc::new(ToneMap::new(operator));
        if made.len() == KEPT {
            made.remove(0);
        }
        made.push(Arc::clone(&map));
        map
    }

    fn new(operator: Operator) -> ToneMap {
        let mapping = Mapping::new(&operator);
        let rows: Vec<[[u16; 3]; LUMA_NODES]> = (0..CHROMA_NODES * CHROMA_NODES)
            .into_par_iter()
            .map(|at| std::array::from_fn(|y| node(&mapping, [y as f64 * 8.0, (at / CHROMA_NODES) as f64 * 16.0, (at % CHROMA_NODES) as f64 * 16.0])))
            .collect();
        let cube = |component: usize| Cube::new(|cb, cr| rows[cb * CHROMA_NODES + cr].map(|node| node[component]));
        ToneMap { operator, cubes: [cube(0), cube(1), cube(2)] }
    }

    /// What it makes pictures of `target` from.
    pub fn source(&self, target: &Target) -> Target {
        Target { signal: Signal { depth: 10, range: self.operator.range }, ..*target }
    }

    /// Makes a picture. `source` holds Y, Cb, Cr of [`ToneMap::source`], each with its stride in bytes; `out` those of `target`, 8 or 10 bits, in whole strides. Rows that `source` lacks are left as they are.
    pub fn run(&self, source: &[Source<'_>], target: Target, out: &mut [Plane<'_>; 3]) {
        let [(luma, luma_stride), (cb, cb_stride), (cr, cr_stride)] = out;
        let bands = luma.par_chunks_mut(*luma_stride * 2 * ROWS).zip(cb.par_chunks_mut(*cb_stride * ROWS)).zip(cr.par_chunks_mut(*cr_stride * ROWS));
        let strides = (*luma_stride, *cb_stride, *cr_stride);
        bands.enumerate().for_each(|(band, ((luma, cb), cr))| {
            let mut rows = Rows::new(&self.cubes, source, &target);
            let (lumas, cbs, crs) = (luma.chunks_mut(2 * strides.0), cb.chunks_mut(strides.1), cr.chunks_mut(strides.2));
            for (row, ((luma, cb), cr)) in lumas.zip(cbs).zip(crs).enumerate() {
                let (first, second) = luma.split_at_mut(strides.0.min(luma.len()));
                rows.make(band * ROWS + row, [first, second, cb, cr]);
            }
        });
    }
}

/// The value of the three cubes at a node, given in codes of 10 bits.
fn node(mapping: &Mapping, [y, cb, cr]: [f64; 3]) -> [u16; 3] {
    // BT.2020, limited range of 10 bits.
    let (y, cb, cr) = ((y - 64.0) / 876.0, (cb - 512.0) / 896.0, (cr - 512.0) / 896.0);
    let (r, b) = (y + 1.4746 * cr, y + 1.8814 * cb);
    let g = (y - 0.2627 * r - 0.0593 * b) / 0.6780;
    let [r, g, b] = mapping.map([r, g, b]);
    let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let (cb, cr) = ((b - y) / 1.8556, (r - y) / 1.5748);
    let code = |value: f64| (value * 16.0 + 0.5) as u16;
    [code(64.0 + 876.0 * y), code(512.0 + 896.0 * cb), code(512.0 + 896.0 * cr)]
}

/// Two rows of luma and the row of chroma between them, at a time.
struct Rows<'a> {
    cubes: &'a [Cube; 3],
    source: &'a [Source<'a>],
    target: &'a Target,
    isa: Isa,
    /// The source's rows of luma, and of chroma: this one and the next.
    luma: [Vec<u16>; 2],
    chroma: [[Vec<u16>; 2]; 2],
    /// Where a cube is looked up.
    places: [Vec<u16>; 3],
    made: Vec<u16>,
}

impl<'a> Rows<'a> {
    fn new(cubes: &'a [Cube; 3], source: &'a [Source<'a>], target: &'a Target) -> Rows<'a> {
        let (width, half) = (target.width as usize, target.width as usize / 2);
        let row = |length: usize| vec![0u16; length];
        let chroma = || [row(half), row(half)];
        let places = [row(width), row(width), row(width)];
        Rows { cubes, source, target, isa: Isa::pinned(), luma: [row(width), row(width)], chroma: [chroma(), chroma()], places, made: row(width) }
    }

    /// Row `row` of chroma, and the two of luma that belong to it.
    fn make(&mut self, row: usize, [first, second, cb, cr]: [&mut [u8]; 4]) {
        let half = self.target.width as usize / 2;
        let below = (row + 1).min((self.target.height as usize / 2).saturating_sub(1));
        for (which, luma) in self.luma.iter_mut().enumerate() {
            read(self.source, 0, 2 * row + which, luma);
        }
        for (component, rows) in self.chroma.iter_mut().enumerate() {
            read(self.source, component + 1, row, &mut rows[0]);
            read(self.source, component + 1, below, &mut rows[1]);
        }
        // Chroma lies on the even samples of the upper row of luma.
        for (which, out) in [first, second].into_iter().enumerate() {
            self.places[0].iter_mut().zip(&self.luma[which]).for_each(|(place, luma)| *place = 2 * luma);
            for (rows, places) in self.chroma.iter().zip(&mut self.places[1..]) {
                spread(&rows[0], &rows[which], places);
            }
            let [y, cb, cr] = &self.places;
            self.cubes[0].lookup(self.isa, y, cb, cr, &mut self.made);
            write(&self.made, self.target.signal.depth, 2 * row + which, out);
        }
        // SDR's lies on the even samples too, but half way between the two rows.
        let [y, places @ ..] = &mut self.places;
        between(&self.luma, &mut y[..half]);
        for (rows, places) in self.chroma.iter().zip(places) {
            let lower = |((place, near), far): ((&mut u16, &u16), &u16)| *place = 3 * near + far;
            places.iter_mut().zip(&rows[0]).zip(&rows[1]).for_each(lower);
        }
        let [y, cb_places, cr_places] = &self.places;
        for (component, out) in [cb, cr].into_iter().enumerate() {
            let made = &mut self.made[..half];
            self.cubes[component + 1].lookup(self.isa, &y[..half], &cb_places[..half], &cr_places[..half], made);
            write(made, self.target.signal.depth, row, out);
        }
    }
}

/// Row `row` of a plane of 10-bit samples; what is beyond the largest code counts as it.
fn read(source: &[Source<'_>], plane: usize, row: usize, out: &mut [u16]) {
    let (data, stride) = source[plane];
    let samples = data.get(row * stride..).unwrap_or_default().as_chunks::<2>().0;
    out.iter_mut().zip(samples).for_each(|(out, sample)| *out = u16::from_le_bytes(*sample).min(1023));
}

/// Chroma at every sample of a row of luma, in quarters of a code, of the two rows of chroma that it lies between.
fn spread(upper: &[u16], lower: &[u16], out: &mut [u16]) {
    let pairs = || upper.iter().zip(lower).map(|(a, b)| a + b);
    let next = pairs().skip(1).chain(pairs().next_back());
    for ((out, here), next) in out.as_chunks_mut::<2>().0.iter_mut().zip(pairs()).zip(next) {
        *out = [2 * here, here + next];
    }
}

/// Luma at every even sample half way between two rows, in halves of a code: a quarter, a half, a quarter of each row.
fn between(rows: &[Vec<u16>; 2], out: &mut [u16]) {
    let mut left = rows[0][0] + rows[1][0];
    let pairs = rows[0].as_chunks::<2>().0.iter().zip(rows[1].as_chunks::<2>().0);
    for (out, (upper, lower)) in out.iter_mut().zip(pairs) {
        let (here, right) = (upper[0] + lower[0], upper[1] + lower[1]);
        *out = (left + 2 * here + right + 2) >> 2;
        left = right;
    }
}

/// A row of codes of 10 bits times 16 as samples; of 8 bits by ordered dither, a function of the place alone.
fn write(made: &[u16], depth: u32, row: usize, out: &mut [u8]) {
    if depth > 8 {
        let samples = out.as_chunks_mut::<2>().0;
        made.iter().zip(samples).for_each(|(made, out)| *out = ((made + 8) >> 4).to_le_bytes());
        return;
    }
    let thresholds = &BAYER[row % 8];
    for (made, out) in made.chunks(8).zip(out.chunks_mut(8)) {
        made.iter().zip(out).zip(thresholds).for_each(|((made, out), threshold)| *out = ((made + threshold) >> 6) as u8);
    }
}

/// Thresholds from 0 to 63, each once, neighbours far apart (Bayer 1973).
const BAYER: [[u16; 8]; 8] = [
    [0, 32, 8, 40, 2, 34, 10, 42],
    [48, 16, 56, 24, 50, 18, 58, 26],
    [12, 44, 4, 36, 14, 46, 6, 38],
    [60, 28, 52, 20, 62, 30, 54, 22],
    [3, 35, 11, 43, 1, 33, 9, 41],
    [51, 19, 59, 27, 49, 17, 57, 25],
    [15, 47, 7, 39, 13, 45, 5, 37],
    [63, 31, 55, 23, 61, 29, 53, 21],
];

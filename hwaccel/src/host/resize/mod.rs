//! Making pictures smaller in whole numbers: bicubic (b = 0, c = 0.6), first down, then across.
//!
//! libzimg does the same by way of pictures of 16 bits, in a quarter more time (by AVX-512 each); pictures of several sizes are a tenth of what a ladder costs. Every way here makes the same samples:
//! weights have 14 bits, what lies between the two passes 14 as well, and sums are exact in 32.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod axis;
mod portable;
#[cfg(test)]
mod tests;

use super::{Family, Format, Options, Source, Target};
use crate::isa::{Isa, has_cheap_avx512};
use axis::{Across, Down};

/// Bits of a weight, and of a sample between the passes.
const BITS: u32 = 14;
/// Samples that are made at once across; rows between the passes are longer than the pictures by two of them and what fills the last.
const BLOCK: usize = 16;

/// Pairs of rows that a row is made of, at most.
const MOST_PAIRS: usize = 9;

/// Samples of a line of the processor's cache.
const LINE: usize = 32;

/// How a plane is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Way {
    fn of(isa: Isa) -> Way {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if has_cheap_avx512() && is_x86_feature_detected!("avx512vnni") => Way::Avx512,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Way::Avx2,
            _ => Way::Portable,
        }
    }
}

/// What a way needs to know beside the weights.
enum Picks {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Picks),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Picks),
}

/// One change of size, ready for any number of pictures.
pub struct Resize {
    /// Of luma, and of chroma.
    planes: Vec<Plane>,
    rows: Rows,
}

/// What is known of a plane beforehand.
struct Plane {
    depth: u32,
    down: Down,
    across: Across,
    picks: Picks,
}

/// Rows in the making.
#[derive(Default)]
struct Rows {
    /// Rows of the target that are made.
    done: usize,
    /// Pairs of source rows, their samples in turn, the last few of them.
    pairs: Vec<Row>,
    /// Which pair each of them holds.
    holds: Vec<Option<usize>>,
    /// A row of the target's, as wide as the source.
    narrow: Row,
}

/// Samples from an address on that begins a line of the processor's cache.
#[derive(Default)]
struct Row {
    samples: Vec<i16>,
    from: usize,
}

impl Row {
    fn resize(&mut self, length: usize) {
        self.samples.resize(length + LINE, 0);
        self.from = self.samples.as_ptr().align_offset(2 * LINE).min(LINE);
    }

    fn samples(&self) -> &[i16] {
        &self.samples[self.from..]
    }

    fn samples_mut(&mut self) -> &mut [i16] {
        &mut self.samples[self.from..]
    }
}

impl Resize {
    /// The change from `src` to `dst`; `None` where something else but their size differs, or the size not by one to four, or where a sample has more than twelve bits.
    pub fn new(src: &Format, dst: &Format, options: &Options) -> Option<Resize> {
        Resize::by(Way::of(options.isa), src, dst)
    }

    fn by(way: Way, src: &Format, dst: &Format) -> Option<Resize> {
        if !super::is_resize(src, dst) || src == dst || !(8..=12).contains(&src.depth) {
            return None;
        }
        let (left, top) = axis::places(src.chroma_location)?;
        let (sub_w, sub_h) = match src.family {
            Family::Yuv { sub_w: w @ (0 | 1), sub_h: h @ (0 | 1) } => (w, h),
            Family::Grey => (0, 0),
            _ => return None,
        };
        let whole = |format: &Format| format.width.is_multiple_of(1 << sub_w) && format.height.is_multiple_of(1 << sub_h);
        if !whole(src) || !whole(dst) {
            return None;
        }
        let plane = |index: usize| {
            let ((width, height), (to_width, to_height)) = (src.plane_size(index), dst.plane_size(index));
            let lies = |sub: u32, place: f64| if index > 0 && sub == 1 { place } else { axis::CENTRE };
            let down = Down::new(height as usize, to_height as usize, lies(sub_h, top))?;
            let across = Across::new(width as usize, to_width as usize, lies(sub_w, left))?;
            let picks = match way {
                Way::Portable => Picks::Portable,
                #[cfg(target_arch = "x86_64")]
                Way::Avx2 => Picks::Avx2(avx2::Picks::new(&across)?),
                #[cfg(target_arch = "x86_64")]
                Way::Avx512 => Picks::Avx512(avx512::Picks::new(&across)?),
            };
            Some(Plane { depth: src.depth, down, across, picks })
        };
        let planes: Vec<Plane> = (0..src.planes().min(2)).map(plane).collect::<Option<_>>()?;
        Some(Resize { planes, rows: Rows::default() })
    }
}

/// Rows of the source that every target is taken through before the next: what they take in the processor's cache, at 2160p in 10 bits still.
const BAND: usize = 32;

/// Rows that are fetched from memory before they are read.
const AHEAD: usize = 16;

/// Makes pictures of one, which comes from memory once for all of them; each is what it is by itself. Every plane holds whole strides of all its rows, each of which has room for its
/// samples in whole blocks of 32 bytes.
pub fn run_all(targets: &mut [(&mut Resize, &mut [Target<'_>])], src: &[Source<'_>]) {
    for (index, source) in src.iter().enumerate() {
        let rows = targets.iter().filter_map(|(resize, _)| Some(resize.planes.get(index.min(1))?.down.source)).max().unwrap_or(0);
        targets.iter_mut().for_each(|(resize, _)| resize.begin(index));
        for band in (BAND..rows + BAND).step_by(BAND) {
            for (resize, dst) in targets.iter_mut() {
                if let (Some(plane), Some(target)) = (resize.planes.get(index.min(1)), dst.get_mut(index)) {
                    plane.advance(&mut resize.rows, *source, target, band.min(rows));
                }
            }
        }
    }
}

impl Resize {
    /// Makes ready for plane `index`.
    fn begin(&mut self, index: usize) {
        let (Some(plane), rows) = (self.planes.get(index.min(1)), &mut self.rows) else { return };
        let (width, slots) = (plane.across.source.next_multiple_of(32), plane.down.most_pairs);
        rows.done = 0;
        rows.narrow.resize(width + 64);
        rows.pairs.resize_with(slots, Row::default);
        rows.pairs.iter_mut().for_each(|pair| pair.resize(2 * width));
        rows.holds.clear();
        rows.holds.resize(slots, None);
    }
}

impl Plane {
    /// Makes the rows that need none of the source's from `until` on, as far as they are not made.
    fn advance(&self, rows: &mut Rows, (source, stride): Source<'_>, (target, to_stride): &mut Target<'_>, until: usize) {
        let (width, slots) = (self.across.source.next_multiple_of(32), self.down.most_pairs);
        let row = |y: usize| &source[y.min(self.down.source - 1) * stride..][..stride];
        for (y, out) in target.chunks_mut(*to_stride).enumerate().take(self.down.rows.len()).skip(rows.done) {
            let (first, weights) = self.down.row(y);
            if 2 * (first + weights.len()) > until.next_multiple_of(2) {
                return;
            }
            for pair in first..first + weights.len() {
                if rows.holds[pair % slots].replace(pair) != Some(pair) {
                    let soon = &source[((2 * pair + AHEAD) * stride).min(source.len())..];
                    self.interleave((row(2 * pair), row(2 * pair + 1)), soon, rows.pairs[pair % slots].samples_mut(), width);
                }
            }
            let mut pairs: [&[i16]; MOST_PAIRS] = [&[]; MOST_PAIRS];
            (first..first + weights.len()).zip(&mut pairs).for_each(|(pair, of)| *of = rows.pairs[pair % slots].samples());
            self.down(&pairs[..weights.len()], weights, rows.narrow.samples_mut(), width);
            self.across(rows.narrow.samples(), out);
            rows.done = y + 1;
        }
    }

    /// Two rows in turn, `width` samples of each or as many as there are. Meanwhile two rows' worth of `soon` is fetched from memory.
    fn interleave(&self, of: (&[u8], &[u8]), soon: &[u8], pair: &mut [i16], width: usize) {
        match self.picks {
            Picks::Portable => portable::interleave(self.depth, of, pair),
            // SAFETY: this way is only taken on processors that have the instructions.
            #[cfg(target_arch = "x86_64")]
            Picks::Avx2(_) => unsafe { avx2::interleave(self.depth, of, soon, pair, width) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Picks::Avx512(_) => unsafe { avx512::interleave(self.depth, of, soon, pair, width) },
        }
    }

    /// The sum of pairs of rows by their weights.
    fn down(&self, pairs: &[&[i16]], weights: &[[i16; 2]], narrow: &mut [i16], width: usize) {
        match self.picks {
            Picks::Portable => portable::down(self.depth, pairs, weights, narrow, width),
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Picks::Avx2(_) => unsafe { avx2::down(self.depth, pairs, weights, narrow, width) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Picks::Avx512(_) => unsafe { avx512::down(self.depth, pairs, weights, narrow, width) },
        }
    }

    /// A row of the target out of one as wide as the source.
    fn across(&self, narrow: &[i16], out: &mut [u8]) {
        match &self.picks {
            Picks::Portable => portable::across(self.depth, narrow, &self.across, out),
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Picks::Avx2(picks) => unsafe { avx2::across(self.depth, narrow, &self.across, picks, out) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Picks::Avx512(picks) => unsafe { avx512::across(self.depth, narrow, &self.across, picks, out) },
        }
    }
}

/// Calls a function that is built for each number of pairs, with that of `weights`.
#[cfg(target_arch = "x86_64")]
macro_rules! by_number {
    ($function:ident($depth:expr, $pairs:expr, $weights:expr, $narrow:expr, $width:expr)) => {
        match $weights.len() {
            0 | 1 => $function::<1>($depth, $pairs, $weights, $narrow, $width),
            2 => $function::<2>($depth, $pairs, $weights, $narrow, $width),
            3 => $function::<3>($depth, $pairs, $weights, $narrow, $width),
            4 => $function::<4>($depth, $pairs, $weights, $narrow, $width),
            5 => $function::<5>($depth, $pairs, $weights, $narrow, $width),
            6 => $function::<6>($depth, $pairs, $weights, $narrow, $width),
            7 => $function::<7>($depth, $pairs, $weights, $narrow, $width),
            8 => $function::<8>($depth, $pairs, $weights, $narrow, $width),
            _ => $function::<9>($depth, $pairs, $weights, $narrow, $width),
        }
    };
}
#[cfg(target_arch = "x86_64")]
use by_number;

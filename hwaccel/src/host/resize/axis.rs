//! The weights of one direction.

use super::{BITS, BLOCK, MOST_PAIRS};

/// Where in the picture a plane's samples lie, as what [`weights`] takes: in the middle of what they stand for, or so much nearer to the left or top.
pub const CENTRE: f64 = 0.5;

/// Where chroma that is half as wide (and high) lies, by H.273's Chroma420SampleLocType: across, down. `None` for other numbers.
pub fn places(chroma_location: u8) -> Option<(f64, f64)> {
    let left = if chroma_location.is_multiple_of(2) { 0.25 } else { CENTRE };
    match chroma_location {
        0 | 1 => Some((left, CENTRE)),
        2 | 3 => Some((left, 0.25)),
        4 | 5 => Some((left, 0.75)),
        _ => None,
    }
}

/// What each sample is the sum of: the first of them and the weights of as many as there are.
struct Weights {
    taps: usize,
    starts: Vec<usize>,
    weights: Vec<i16>,
}

/// Bicubic with b = 0, c = 0.6.
fn bicubic(x: f64) -> f64 {
    let x = x.abs();
    match x {
        _ if x < 1.0 => (1.4 * x - 2.4) * x * x + 1.0,
        _ if x < 2.0 => ((-0.6 * x + 3.0) * x - 4.8) * x + 2.4,
        _ => 0.0,
    }
}

/// Of `to` samples made of `from`, which are one to four times as many; an even number for each. Those beyond the edge are as those within.
fn weights(from: usize, to: usize, place: f64) -> Option<Weights> {
    let ratio = from as f64 / to.max(1) as f64;
    let taps = ((4.0 * ratio).ceil() as usize).next_multiple_of(2);
    if to == 0 || to > from || ratio > 4.0 || taps > from {
        return None;
    }
    let (mut starts, mut all) = (Vec::with_capacity(to), Vec::with_capacity(to * taps));
    for index in 0..to {
        let centre = ratio * index as f64 + (ratio - 1.0) * place;
        let low = (centre - 2.0 * ratio).floor() as i64 + 1;
        let start = low.clamp(0, (from - taps) as i64);
        let mut sums = vec![0.0; taps];
        for at in low..low + taps as i64 {
            let mirrored = if at < 0 {
                -1 - at
            } else if at >= from as i64 {
                2 * from as i64 - 1 - at
            } else {
                at
            };
            sums[(mirrored - start) as usize] += bicubic((at as f64 - centre) / ratio);
        }
        let (sum, one) = (sums.iter().sum::<f64>(), f64::from(1 << BITS));
        let mut rounded: Vec<i16> = sums.iter().map(|weight| (weight / sum * one).round() as i16).collect();
        let lacking = (1 << BITS) - rounded.iter().map(|weight| i32::from(*weight)).sum::<i32>();
        *rounded.iter_mut().max().expect("four at least") += lacking as i16;
        starts.push(start as usize);
        all.extend(rounded);
    }
    Some(Weights { taps, starts, weights: all })
}

/// Rows out of rows, which are taken in pairs.
pub struct Down {
    /// Rows of the source.
    pub source: usize,
    /// Of each row: its first pair, and where its weights begin and end.
    pub rows: Vec<(usize, std::ops::Range<usize>)>,
    weights: Vec<[i16; 2]>,
    /// Pairs of a row, at most.
    pub most_pairs: usize,
}

impl Down {
    pub fn new(from: usize, to: usize, place: f64) -> Option<Down> {
        let plain = weights(from, to, place)?;
        let (mut rows, mut paired, mut most_pairs) = (Vec::with_capacity(to), Vec::new(), 0);
        for (start, weights) in plain.starts.iter().zip(plain.weights.chunks(plain.taps)) {
            // From an even row on.
            let padded: Vec<i16> = std::iter::repeat_n(0, start % 2).chain(weights.iter().copied()).chain(std::iter::repeat_n(0, start % 2)).collect();
            let pairs: Vec<[i16; 2]> = padded.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
            let nothing = |pair: &&[i16; 2]| **pair == [0, 0];
            let (before, behind) = (pairs.iter().take_while(nothing).count(), pairs.iter().rev().take_while(nothing).count());
            let kept = &pairs[before..pairs.len() - behind];
            rows.push((start / 2 + before, paired.len()..paired.len() + kept.len()));
            paired.extend_from_slice(kept);
            most_pairs = most_pairs.max(kept.len());
        }
        (most_pairs <= MOST_PAIRS).then_some(Down { source: from, rows, weights: paired, most_pairs })
    }

    /// The first pair of row `y` and the weights of its pairs.
    pub fn row(&self, y: usize) -> (usize, &[[i16; 2]]) {
        let (first, weights) = &self.rows[y];
        (*first, &self.weights[weights.clone()])
    }
}

/// Samples that are made at once.
pub struct Block {
    /// Where their weights begin. Most blocks have those of the one before, so that they stay in the processor's cache.
    pub weights: usize,
    /// Whether each begins two behind the one before, as at half the size: what is read lies as it is needed.
    pub is_straight: bool,
}

/// Samples of a row out of those of a longer one.
pub struct Across {
    /// Samples of the source's row.
    pub source: usize,
    /// Samples of the row that is made.
    pub width: usize,
    /// Pairs of weights of each sample.
    pub pairs: usize,
    /// Of each sample, and of those that fill the last block: where its source begins.
    pub starts: Vec<usize>,
    pub blocks: Vec<Block>,
    /// The weights of a block's samples, pair by pair. Samples that only fill the last block have none.
    pub weights: Vec<[i16; 2 * BLOCK]>,
}

impl Across {
    pub fn new(from: usize, to: usize, place: f64) -> Option<Across> {
        let plain = weights(from, to, place)?;
        let (pairs, whole) = (plain.taps / 2, to.next_multiple_of(BLOCK));
        let weight = |sample: usize, tap: usize| if sample < to { plain.weights[sample * plain.taps + tap] } else { 0 };
        let starts: Vec<usize> = (0..whole).map(|sample| plain.starts[sample.min(to - 1)]).collect();
        let (mut blocks, mut weights) = (Vec::with_capacity(whole / BLOCK), Vec::<[i16; 2 * BLOCK]>::new());
        for (starts, first) in starts.chunks_exact(BLOCK).zip((0..).step_by(BLOCK)) {
            let of: Vec<_> = (0..pairs).map(|pair| std::array::from_fn(|at| weight(first + at / 2, 2 * pair + at % 2))).collect();
            let known = weights.chunks_exact(pairs).position(|known| known == of).unwrap_or_else(|| {
                weights.extend(&of);
                weights.len() / pairs - 1
            });
            blocks.push(Block { weights: known * pairs, is_straight: starts.windows(2).all(|two| two[1] == two[0] + 2) });
        }
        Some(Across { source: from, width: to, pairs, starts, blocks, weights })
    }
}

//! For processors with AVX2: sixteen samples at once.

use super::axis::Across;
use super::{BITS, BLOCK};
use std::arch::x86_64::*;

/// Samples of a vector.
const LANES: usize = 16;

/// As [`super::portable::interleave`], but for the order of samples: what `down` reads one behind the other.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn interleave(depth: u32, (upper, lower): (&[u8], &[u8]), soon: &[u8], pair: &mut [i16], width: usize) {
    let bytes = if depth == 8 { 1 } else { 2 };
    let whole = width.min(upper.len() / bytes).min(lower.len() / bytes).min(pair.len() / 2) / LANES * LANES;
    for x in (0..whole).step_by(LANES) {
        // SAFETY: `x + LANES` samples are within both rows, and twice as many words within the pair.
        unsafe {
            let (upper, lower) = match depth {
                8 => (_mm256_cvtepu8_epi16(_mm_loadu_si128(upper.as_ptr().add(x).cast())), _mm256_cvtepu8_epi16(_mm_loadu_si128(lower.as_ptr().add(x).cast()))),
                _ => (_mm256_loadu_si256(upper.as_ptr().add(2 * x).cast()), _mm256_loadu_si256(lower.as_ptr().add(2 * x).cast())),
            };
            let to = pair.as_mut_ptr().add(2 * x);
            _mm_prefetch::<_MM_HINT_T0>(soon.as_ptr().wrapping_add(2 * bytes * x).cast());
            _mm256_storeu_si256(to.cast(), _mm256_unpacklo_epi16(upper, lower));
            _mm256_storeu_si256(to.add(LANES).cast(), _mm256_unpackhi_epi16(upper, lower));
        }
    }
}

/// As [`super::portable::down`], of pairs as [`interleave`] has them.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn down(depth: u32, pairs: &[&[i16]], weights: &[[i16; 2]], narrow: &mut [i16], width: usize) {
    // SAFETY: as the caller says.
    unsafe { super::by_number!(down_by(depth, pairs, weights, narrow, width)) }
}

#[target_feature(enable = "avx2")]
unsafe fn down_by<const N: usize>(depth: u32, pairs: &[&[i16]], weights: &[[i16; 2]], narrow: &mut [i16], width: usize) {
    let whole = pairs.iter().map(|pair| pair.len() / 2).min().unwrap_or(0).min(width).min(narrow.len()) / LANES * LANES;
    let (half, shift) = (_mm256_set1_epi32(1 << (depth - 1)), _mm_cvtsi32_si128(depth as i32));
    let (mut of, mut by) = ([std::ptr::null::<i16>(); N], [half; N]);
    for index in 0..N {
        (of[index], by[index]) = (pairs[index].as_ptr(), _mm256_set1_epi32(i32::from(weights[index][0]) & 0xffff | i32::from(weights[index][1]) << 16));
    }
    for x in (0..whole).step_by(LANES) {
        let (mut low, mut high) = (half, half);
        // SAFETY: every pair has twice `whole` words, and the row `whole`.
        unsafe {
            for index in 0..N {
                let at = of[index].add(2 * x);
                low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_loadu_si256(at.cast()), by[index]));
                high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_loadu_si256(at.add(LANES).cast()), by[index]));
            }
            let row = _mm256_packs_epi32(_mm256_sra_epi32(low, shift), _mm256_sra_epi32(high, shift));
            _mm256_storeu_si256(narrow.as_mut_ptr().add(x).cast(), row);
        }
    }
}

/// Where the samples of a row lie in the one that they are made of.
pub struct Picks {
    /// Of each block: where the first sample of each group of four begins.
    starts: Vec<[u32; 4]>,
    /// Of each block: which bytes of the eight words from there on, and of the eight behind them, are the first pair of each sample; 0x80 for none.
    near: Vec<[[u8; 16]; 4]>,
    far: Vec<[[u8; 16]; 4]>,
    /// Whether any group needs those behind.
    is_far: bool,
}

impl Picks {
    /// `None` where a group is wider than sixteen words.
    pub fn new(across: &Across) -> Option<Picks> {
        let (mut starts, mut near, mut far, mut is_far) = (Vec::new(), Vec::new(), Vec::new(), false);
        for block in across.starts.chunks_exact(BLOCK) {
            let mut picks = [[[0x80; 16]; 4]; 2];
            for (sample, start) in block.iter().enumerate() {
                for byte in 0..4 {
                    let at = 2 * (start - block[sample / 4 * 4]) + byte;
                    picks.get_mut(at / 16)?[sample / 4][sample % 4 * 4 + byte] = (at % 16) as u8;
                    is_far |= at >= 16;
                }
            }
            starts.push(std::array::from_fn(|group| block[4 * group] as u32));
            near.push(picks[0]);
            far.push(picks[1]);
        }
        Some(Picks { starts, near, far, is_far })
    }
}

/// As [`super::portable::across`]; writes whole blocks, as far as `out` goes.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn across(depth: u32, narrow: &[i16], across: &Across, picks: &Picks, out: &mut [u8]) {
    // SAFETY: as the caller says.
    unsafe { if picks.is_far { across_by::<true>(depth, narrow, across, picks, out) } else { across_by::<false>(depth, narrow, across, picks, out) } }
}

/// Sixteen bytes from each.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn both(a: *const i16, b: *const i16) -> __m256i {
    // SAFETY: as the caller says.
    unsafe { _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(_mm_loadu_si128(a.cast())), _mm_loadu_si128(b.cast())) }
}

#[target_feature(enable = "avx2")]
unsafe fn across_by<const FAR: bool>(depth: u32, narrow: &[i16], across: &Across, picks: &Picks, out: &mut [u8]) {
    let shift = 2 * BITS - depth;
    let (half, shift, most) = (_mm256_set1_epi32(1 << (shift - 1)), _mm_cvtsi32_si128(shift as i32), _mm256_set1_epi16((1 << depth) - 1));
    let bytes = if depth == 8 { BLOCK } else { 2 * BLOCK };
    let blocks = picks.starts.iter().zip(picks.near.iter().zip(&picks.far)).zip(&across.blocks);
    for (((starts, (near, far)), block), out) in blocks.zip(out.chunks_exact_mut(bytes)) {
        let reach = starts[3] as usize + 2 * across.pairs + 16;
        assert!(reach <= narrow.len(), "a row between the passes is longer than the source's by two blocks");
        let weights = &across.weights[block.weights..][..across.pairs];
        let mut sums = [half; 2];
        for (one, sum) in sums.iter_mut().enumerate() {
            // SAFETY: starts only grow, and eight words from one and a pair on, with `FAR` eight more, are within `reach`; picks and weights are read whole.
            unsafe {
                let (near, far) = (_mm256_loadu_si256(near.as_ptr().add(2 * one).cast()), _mm256_loadu_si256(far.as_ptr().add(2 * one).cast()));
                let (a, b) = (narrow.as_ptr().add(starts[2 * one] as usize), narrow.as_ptr().add(starts[2 * one + 1] as usize));
                let weights = weights.iter().map(|weights| _mm256_loadu_si256(weights.as_ptr().add(16 * one).cast())).enumerate();
                if block.is_straight {
                    for (pair, weights) in weights {
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(_mm256_loadu_si256(a.add(2 * pair).cast()), weights));
                    }
                    continue;
                }
                for (pair, weights) in weights {
                    let mut samples = _mm256_shuffle_epi8(both(a.add(2 * pair), b.add(2 * pair)), near);
                    if FAR {
                        samples = _mm256_or_si256(samples, _mm256_shuffle_epi8(both(a.add(2 * pair + 8), b.add(2 * pair + 8)), far));
                    }
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(samples, weights));
                }
            }
        }
        let (a, b) = (_mm256_sra_epi32(sums[0], shift), _mm256_sra_epi32(sums[1], shift));
        // Groups 0 2 | 1 3, then in order.
        let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(a, b));
        // SAFETY: `out` has as many bytes.
        unsafe {
            if depth == 8 {
                let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(words, words));
                _mm_storeu_si128(out.as_mut_ptr().cast(), _mm256_castsi256_si128(bytes));
            } else {
                let words = _mm256_min_epi16(_mm256_max_epi16(words, _mm256_setzero_si256()), most);
                _mm256_storeu_si256(out.as_mut_ptr().cast(), words);
            }
        }
    }
}

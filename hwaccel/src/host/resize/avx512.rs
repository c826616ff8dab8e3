//! For processors with AVX-512 (F, BW, VL, VNNI): thirty-two samples at once down, sixteen across.

use super::axis::Across;
use super::{BITS, BLOCK};
use std::arch::x86_64::*;

/// Samples of a vector.
const LANES: usize = 32;

/// As [`super::avx2::interleave`], in an order of its own.
///
/// # Safety
/// The processor has AVX-512 F, BW, VL and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub unsafe fn interleave(depth: u32, (upper, lower): (&[u8], &[u8]), soon: &[u8], pair: &mut [i16], width: usize) {
    let bytes = if depth == 8 { 1 } else { 2 };
    let there = width.min(upper.len() / bytes).min(lower.len() / bytes).min(pair.len() / 2);
    let whole = there.next_multiple_of(LANES).min(pair.len() / 2 / LANES * LANES);
    for x in (0..whole).step_by(LANES) {
        // The last block of words may be half there: rows are whole blocks of bytes.
        let mask = if there - x >= LANES { !0u32 } else { (1 << (there - x)) - 1 };
        // SAFETY: `mask` leaves out what is beyond the rows; the pair has room for whole blocks.
        unsafe {
            let (upper, lower) = if depth == 8 {
                let (upper, lower) = (upper.as_ptr().add(x).cast(), lower.as_ptr().add(x).cast());
                (_mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, upper)), _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, lower)))
            } else {
                (_mm512_maskz_loadu_epi16(mask, upper.as_ptr().add(2 * x).cast()), _mm512_maskz_loadu_epi16(mask, lower.as_ptr().add(2 * x).cast()))
            };
            let to = pair.as_mut_ptr().add(2 * x);
            // One line of memory for each block, or two of words: as much as it reads. What is not there is not fetched.
            for line in 0..bytes {
                _mm_prefetch::<_MM_HINT_T0>(soon.as_ptr().wrapping_add(2 * bytes * x + 64 * line).cast());
            }
            _mm512_storeu_si512(to.cast(), _mm512_unpacklo_epi16(upper, lower));
            _mm512_storeu_si512(to.add(LANES).cast(), _mm512_unpackhi_epi16(upper, lower));
        }
    }
}

/// As [`super::portable::down`], of pairs as [`interleave`] has them.
///
/// # Safety
/// The processor has AVX-512 F, BW, VL and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub unsafe fn down(depth: u32, pairs: &[&[i16]], weights: &[[i16; 2]], narrow: &mut [i16], width: usize) {
    // SAFETY: as the caller says.
    unsafe { super::by_number!(down_by(depth, pairs, weights, narrow, width)) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn down_by<const N: usize>(depth: u32, pairs: &[&[i16]], weights: &[[i16; 2]], narrow: &mut [i16], width: usize) {
    let whole = pairs.iter().map(|pair| pair.len() / 2).min().unwrap_or(0).min(width).min(narrow.len()) / LANES * LANES;
    let (half, shift) = (_mm512_set1_epi32(1 << (depth - 1)), _mm_cvtsi32_si128(depth as i32));
    let (mut of, mut by) = ([std::ptr::null::<i16>(); N], [half; N]);
    for index in 0..N {
        (of[index], by[index]) = (pairs[index].as_ptr(), _mm512_set1_epi32(i32::from(weights[index][0]) & 0xffff | i32::from(weights[index][1]) << 16));
    }
    for x in (0..whole).step_by(LANES) {
        let (mut low, mut high) = (half, half);
        // SAFETY: every pair has twice `whole` words, and the row `whole`.
        unsafe {
            for index in 0..N {
                let at = of[index].add(2 * x);
                low = _mm512_dpwssd_epi32(low, _mm512_loadu_si512(at.cast()), by[index]);
                high = _mm512_dpwssd_epi32(high, _mm512_loadu_si512(at.add(LANES).cast()), by[index]);
            }
            let row = _mm512_packs_epi32(_mm512_sra_epi32(low, shift), _mm512_sra_epi32(high, shift));
            _mm512_storeu_si512(narrow.as_mut_ptr().add(x).cast(), row);
        }
    }
}

/// Where the samples of a row lie in the one that they are made of.
pub struct Picks {
    /// Of each block: where its first sample begins, and its ninth.
    starts: Vec<[u32; 2]>,
    /// Of each block: which of the 32 words from there on are the first pair of each sample of that half.
    words: Vec<[u16; 2 * BLOCK]>,
    /// Whether all of a block are within 32 words of its first.
    is_near: bool,
}

impl Picks {
    /// `None` where half a block is wider than that.
    pub fn new(across: &Across) -> Option<Picks> {
        let of = |near: bool| -> (Vec<_>, Vec<[usize; 2 * BLOCK]>) {
            let half = |block: &[usize], sample: usize| if near { block[0] } else { block[sample / 8 * 8] };
            let word = |block: &[usize], at: usize| block[at / 2] - half(block, at / 2) + at % 2;
            across.starts.chunks_exact(BLOCK).map(|block| ([half(block, 0) as u32, half(block, 8) as u32], std::array::from_fn(|at| word(block, at)))).unzip()
        };
        let fits = |words: &[[usize; 2 * BLOCK]]| words.iter().flatten().all(|word| *word < LANES);
        let near = of(true);
        let is_near = fits(&near.1);
        let (starts, words) = if is_near { near } else { of(false) };
        fits(&words).then(|| Picks { starts, words: words.iter().map(|words| words.map(|word| word as u16)).collect(), is_near })
    }
}

/// As [`super::portable::across`]; writes whole blocks, as far as `out` goes.
///
/// # Safety
/// The processor has AVX-512 F, BW, VL and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub unsafe fn across(depth: u32, narrow: &[i16], across: &Across, picks: &Picks, out: &mut [u8]) {
    let reach = picks.starts.last().map_or(0, |starts| starts[1] as usize + 2 * across.pairs + LANES);
    assert!(reach <= narrow.len(), "a row between the passes is longer than the source's by two blocks");
    macro_rules! by {
        ($near:literal: $($pairs:literal)*) => {
            match across.pairs {
                $($pairs => across_by::<$near, $pairs>(depth, narrow, across, picks, out),)*
                _ => unreachable!("sizes are at most a quarter: two to eight pairs"),
            }
        };
    }
    // SAFETY: as the caller says; `reach` was looked at.
    unsafe { if picks.is_near { by!(true: 2 3 4 5 6 7 8) } else { by!(false: 2 3 4 5 6 7 8) } }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn across_by<const NEAR: bool, const N: usize>(depth: u32, narrow: &[i16], across: &Across, picks: &Picks, out: &mut [u8]) {
    let shift = 2 * BITS - depth;
    let (half, shift, most) = (_mm512_set1_epi32(1 << (shift - 1)), _mm_cvtsi32_si128(shift as i32), _mm512_set1_epi32((1 << depth) - 1));
    let bytes = if depth == 8 { BLOCK } else { 2 * BLOCK };
    let blocks = picks.words.iter().zip(&picks.starts).zip(&across.blocks);
    for (((words, starts), block), out) in blocks.zip(out.chunks_exact_mut(bytes)) {
        let Some(weights) = across.weights[block.weights..].first_chunk::<N>() else { return };
        // SAFETY: starts only grow, and 32 words from one and a pair on are within `narrow`, as the caller has seen; words and weights are read whole; `out` has as many bytes.
        unsafe {
            let (words, mut sum) = (_mm512_loadu_si512(words.as_ptr().cast()), half);
            let (first, ninth) = (narrow.as_ptr().add(starts[0] as usize), narrow.as_ptr().add(starts[1] as usize));
            let load = |from: *const i16, pair: usize| _mm512_loadu_si512(from.add(2 * pair).cast());
            let weights = weights.iter().map(|weights| _mm512_loadu_si512(weights.as_ptr().cast())).enumerate();
            if block.is_straight {
                for (pair, weights) in weights {
                    sum = _mm512_dpwssd_epi32(sum, load(first, pair), weights);
                }
            } else {
                for (pair, weights) in weights {
                    let mut samples = _mm512_permutexvar_epi16(words, load(first, pair));
                    if !NEAR {
                        samples = _mm512_mask_permutexvar_epi16(samples, 0xffff_0000, words, load(ninth, pair));
                    }
                    sum = _mm512_dpwssd_epi32(sum, samples, weights);
                }
            }
            let sum = _mm512_max_epi32(_mm512_sra_epi32(sum, shift), _mm512_setzero_si512());
            if depth == 8 {
                _mm_storeu_si128(out.as_mut_ptr().cast(), _mm512_cvtusepi32_epi8(sum));
            } else {
                _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(_mm512_min_epi32(sum, most)));
            }
        }
    }
}

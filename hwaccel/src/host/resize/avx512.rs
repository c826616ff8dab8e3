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
pub unsafe fn interleave(depth: u32, upper: &[u8], lower: &[u8], pair: &mut [i16], width: usize) {
    let bytes = if depth == 8 { 1 } else { 2 };
    let there = width.min(upper.len() / bytes).min(lower.len() / bytes).min(pair.len() / 2);
    for x in (0..there).step_by(LANES) {
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
            let to = pair[2 * x..2 * (x + LANES)].as_mut_ptr();
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
    /// Of each block: which of the 64 words from the first sample's start on are the first pair of each sample.
    words: Vec<[u16; 2 * BLOCK]>,
    /// Whether any block needs the second half of them.
    is_far: bool,
}

impl Picks {
    /// `None` where a block is wider than that.
    pub fn new(across: &Across) -> Option<Picks> {
        let word = |block: &[usize], at: usize| (block[at / 2] - block[0] + at % 2) as u16;
        let words: Vec<[u16; 2 * BLOCK]> = across.starts.chunks_exact(BLOCK).map(|block| std::array::from_fn(|at| word(block, at))).collect();
        let most = words.iter().flatten().copied().max()?;
        (most < 64).then_some(Picks { words, is_far: most >= 32 })
    }
}

/// As [`super::portable::across`]; writes whole blocks, as far as `out` goes.
///
/// # Safety
/// The processor has AVX-512 F, BW, VL and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub unsafe fn across(depth: u32, narrow: &[i16], across: &Across, picks: &Picks, out: &mut [u8]) {
    // SAFETY: as the caller says.
    unsafe { if picks.is_far { across_by::<true>(depth, narrow, across, picks, out) } else { across_by::<false>(depth, narrow, across, picks, out) } }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn across_by<const FAR: bool>(depth: u32, narrow: &[i16], across: &Across, picks: &Picks, out: &mut [u8]) {
    let shift = 2 * BITS - depth;
    let (half, shift, most) = (_mm512_set1_epi32(1 << (shift - 1)), _mm_cvtsi32_si128(shift as i32), _mm512_set1_epi32((1 << depth) - 1));
    let bytes = if depth == 8 { BLOCK } else { 2 * BLOCK };
    let blocks = picks.words.iter().zip(across.starts.chunks_exact(BLOCK)).zip(across.weights.chunks_exact(across.pairs));
    for (((words, starts), weights), out) in blocks.zip(out.chunks_exact_mut(bytes)) {
        let from = &narrow[starts[0]..][..2 * across.pairs + 62];
        // SAFETY: 64 words from a pair on are within `from`; words and weights are read whole; `out` has as many bytes.
        unsafe {
            let (words, mut sum) = (_mm512_loadu_si512(words.as_ptr().cast()), half);
            for (pair, weights) in weights.iter().enumerate() {
                let at = from.as_ptr().add(2 * pair);
                let near = _mm512_loadu_si512(at.cast());
                let samples =
                    if FAR { _mm512_permutex2var_epi16(near, words, _mm512_loadu_si512(at.add(32).cast())) } else { _mm512_permutexvar_epi16(words, near) };
                sum = _mm512_dpwssd_epi32(sum, samples, _mm512_loadu_si512(weights.as_ptr().cast()));
            }
            let sum = _mm512_min_epi32(_mm512_max_epi32(_mm512_sra_epi32(sum, shift), _mm512_setzero_si512()), most);
            if depth == 8 {
                _mm_storeu_si128(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(sum));
            } else {
                _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(sum));
            }
        }
    }
}

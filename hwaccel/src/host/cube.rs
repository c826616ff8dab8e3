//! A function of three samples (Y, Cb, Cr), known at the nodes of a grid and interpolated between them along each axis, in integers: the same on every machine.

use crate::isa::Isa;

/// Nodes along Y, one for every 8 codes of 10 bits.
pub const LUMA_NODES: usize = 129;
/// Nodes along Cb and along Cr, one for every 16 codes of 10 bits.
pub const CHROMA_NODES: usize = 65;

/// From a node to the next along Cr, with one to spare: nodes are read in pairs.
const PITCH: usize = LUMA_NODES + 1;
/// From a node to the next along Cb.
const SHEET: usize = PITCH * CHROMA_NODES;

/// The values at the nodes, from 0 to 16383.
pub struct Cube {
    nodes: Vec<i16>,
}

impl Cube {
    /// Fills a cube: `row(cb, cr)` gives the values along Y for a node of each chroma axis.
    pub fn new(row: impl Fn(usize, usize) -> [u16; LUMA_NODES]) -> Cube {
        let mut nodes = Vec::with_capacity(SHEET * CHROMA_NODES);
        for (cb, cr) in (0..CHROMA_NODES).flat_map(|cb| (0..CHROMA_NODES).map(move |cr| (cb, cr))) {
            let values = row(cb, cr).map(|value| value.min(MOST) as i16);
            nodes.extend_from_slice(&values);
            nodes.push(values[LUMA_NODES - 1]);
        }
        Cube { nodes }
    }

    /// The function at each place: `y` in halves of a code of 10 bits, `cb` and `cr` in quarters; larger ones count as the largest code. All slices have one length: what is beyond the shortest is left
    /// alone. `isa` alters no value.
    pub fn lookup(&self, isa: Isa, y: &[u16], cb: &[u16], cr: &[u16], out: &mut [u16]) {
        let length = y.len().min(cb.len()).min(cr.len()).min(out.len());
        let (y, cb, cr, out) = (&y[..length], &cb[..length], &cr[..length], &mut out[..length]);
        let done = match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if is_x86_feature_detected!("avx2") => {
                // SAFETY: the processor has AVX2.
                unsafe { avx2::lookup(self, y, cb, cr, out) }
            }
            _ => 0,
        };
        for i in done..length {
            out[i] = self.at(y[i], cb[i], cr[i]);
        }
    }

    fn at(&self, y: u16, cb: u16, cr: u16) -> u16 {
        let (y, cb, cr) = (usize::from(y.min(LUMA_END)), usize::from(cb.min(CHROMA_END)), usize::from(cr.min(CHROMA_END)));
        let base = (cb >> 6) * SHEET + (cr >> 6) * PITCH + (y >> 4);
        let (fy, fb, fr) = ((y & 15) as i32, (cb & 63) as i32, (cr & 63) as i32);
        let along_y = |at: usize| i32::from(self.nodes[at]) * (16 - fy) + i32::from(self.nodes[at + 1]) * fy;
        let along_cr = |at: usize| (along_y(at) << 6) + (along_y(at + PITCH) - along_y(at)) * fr;
        let (near, far) = (along_cr(base), along_cr(base + SHEET));
        (((near << 6) + (far - near) * fb + (1 << 15)) >> 16) as u16
    }
}

/// The largest value: with the 16 bits of the three fractions it stays within an `i32`.
const MOST: u16 = 16_383;
/// The last code in halves, and in quarters: the nodes beyond are there to be interpolated to.
const LUMA_END: u16 = 1023 * 2;
const CHROMA_END: u16 = 1023 * 4;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{CHROMA_END, Cube, LUMA_END, PITCH, SHEET};
    use std::arch::x86_64::*;

    /// As many places as there are whole vectors; says how many.
    #[target_feature(enable = "avx2")]
    pub fn lookup(cube: &Cube, y: &[u16], cb: &[u16], cr: &[u16], out: &mut [u16]) -> usize {
        let whole = out.len() / 8 * 8;
        let (pitch, sheet) = (_mm256_set1_epi32(PITCH as i32), _mm256_set1_epi32(SHEET as i32));
        for at in (0..whole).step_by(8) {
            let y = load(&y[at..at + 8], LUMA_END);
            let (cb, cr) = (load(&cb[at..at + 8], CHROMA_END), load(&cr[at..at + 8], CHROMA_END));
            let rows = _mm256_add_epi32(_mm256_mullo_epi32(_mm256_srli_epi32::<6>(cb), sheet), _mm256_mullo_epi32(_mm256_srli_epi32::<6>(cr), pitch));
            let base = _mm256_add_epi32(rows, _mm256_srli_epi32::<4>(y));
            let low = |v: __m256i, mask: i32| _mm256_and_si256(v, _mm256_set1_epi32(mask));
            let (fy, fb, fr) = (low(y, 15), low(cb, 63), low(cr, 63));
            // Both weights of a pair of nodes, as they lie.
            let weights = _mm256_or_si256(_mm256_sub_epi32(_mm256_set1_epi32(16), fy), _mm256_slli_epi32::<16>(fy));
            let along_y = |at: __m256i| _mm256_madd_epi16(gather(cube, at), weights);
            let lerp =
                |near: __m256i, far: __m256i, by: __m256i| _mm256_add_epi32(_mm256_slli_epi32::<6>(near), _mm256_mullo_epi32(_mm256_sub_epi32(far, near), by));
            let along_cr = |at: __m256i| lerp(along_y(at), along_y(_mm256_add_epi32(at, pitch)), fr);
            let sum = lerp(along_cr(base), along_cr(_mm256_add_epi32(base, sheet)), fb);
            let rounded = _mm256_srli_epi32::<16>(_mm256_add_epi32(sum, _mm256_set1_epi32(1 << 15)));
            let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(rounded, rounded));
            let target = &mut out[at..at + 8];
            // SAFETY: eight 16-bit values, which is what the store writes, at any alignment.
            unsafe { _mm_storeu_si128(target.as_mut_ptr().cast(), _mm256_castsi256_si128(packed)) }
        }
        whole
    }

    /// Eight samples as 32-bit numbers, at most `most`.
    #[target_feature(enable = "avx2")]
    fn load(samples: &[u16], most: u16) -> __m256i {
        assert!(samples.len() == 8);
        // SAFETY: eight 16-bit values, which is what the load reads, at any alignment.
        let samples = unsafe { _mm_loadu_si128(samples.as_ptr().cast()) };
        _mm256_cvtepu16_epi32(_mm_min_epu16(samples, _mm_set1_epi16(most as i16)))
    }

    /// Each node and the next along Y.
    #[target_feature(enable = "avx2")]
    fn gather(cube: &Cube, at: __m256i) -> __m256i {
        // SAFETY: indices come from samples that `load` has bounded, so that they and the nodes behind them lie within the cube: (63 + 1) SHEET + (63 + 1) PITCH + 127 + 1 is its last node but one.
        unsafe { _mm256_i32gather_epi32::<2>(cube.nodes.as_ptr().cast(), at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cube of noise, and samples everywhere, hostile ones too.
    fn noise(seed: u32) -> impl FnMut() -> u32 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        }
    }

    #[test]
    fn nodes_come_back_and_what_lies_between_is_between() {
        // Linear along each axis, so interpolation is exact: 4 Y + 2 Cb + Cr in codes of 10 bits.
        let cube = Cube::new(|cb, cr| std::array::from_fn(|y| (4 * 8 * y + 2 * 16 * cb + 16 * cr) as u16));
        for (y, cb, cr) in [(0, 0, 0), (1023, 1023, 1023), (64, 512, 512), (703, 17, 1001)] {
            let mut out = [0];
            cube.lookup(Isa::pinned(), &[2 * y], &[4 * cb], &[4 * cr], &mut out);
            assert_eq!(out[0], 4 * y + 2 * cb + cr);
        }
    }

    #[test]
    fn vectors_and_single_samples_agree() {
        let values = std::cell::RefCell::new(noise(7));
        let cube = Cube::new(|_, _| std::array::from_fn(|_| (values.borrow_mut()() % 16_384) as u16));
        assert_eq!(cube.nodes.len(), SHEET * CHROMA_NODES);
        let mut next = noise(3);
        let mut samples = |most: u32| (0..10_003).map(|_| (next() % most) as u16).collect::<Vec<u16>>();
        for (luma, chroma) in [(2047, 4093), (65_536, 65_536)] {
            let (y, cb, cr) = (samples(luma), samples(chroma), samples(chroma));
            let mut outs = [Isa::Avx2, Isa::Sse2].map(|isa| {
                let mut out = vec![0; y.len()];
                cube.lookup(isa, &y, &cb, &cr, &mut out);
                out
            });
            let plain = outs[1].clone();
            assert_eq!(outs[0], plain);
            outs[0].fill(9);
            cube.lookup(Isa::pinned(), &y, &cb, &cr[..5], &mut outs[0]);
            assert_eq!((&outs[0][..5], outs[0][5]), (&plain[..5], 9));
        }
    }
}

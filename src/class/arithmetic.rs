//! What neither IEEE 754 nor the instruction set lays down, and codecs use all the same: measured, since no processor or library tells.

use hwaccel::isa::approximate_reciprocal;
use std::hint::black_box;

/// A digest of the C library's elementary functions. Their last bit is the library's choice, by version and by processor (glibc has variants with and
/// without FMA). x264's rate control, libav's AAC encoder and zimg's transfer functions call them.
pub(super) fn functions() -> String {
    let single: [fn(f32) -> f32; 8] = [f32::exp, f32::exp2, f32::ln, f32::log2, f32::sin, f32::cos, f32::cbrt, |x| x.powf(black_box(0.3))];
    let double: [fn(f64) -> f64; 8] = [f64::exp, f64::exp2, f64::ln, f64::log2, f64::sin, f64::cos, f64::cbrt, |x| x.powf(black_box(0.3))];
    let mut digest = Digest::new();
    for i in 1..=2000u32 {
        // Steps that are no round number in binary, from 0.0007 to 14.
        let (x, y) = (black_box(i as f32 * 0.007_1), black_box(f64::from(i) * 0.007_1));
        single.iter().for_each(|f| digest.add(f(x).to_bits().into()));
        double.iter().for_each(|f| digest.add(f(y).to_bits()));
    }
    digest.text()
}

/// A digest of the processor's approximate reciprocal (`rcpps`), "none" where there is no such thing. Intel and AMD give different bits, both within the 2^-11.4 that the
/// manuals allow. x264's macroblock tree (`mbtree_propagate_cost`) uses it on 14-bit costs: every value that it can meet is tried here.
pub(super) fn reciprocals() -> String {
    if approximate_reciprocal(1.0).is_none() {
        return "none".to_owned();
    }
    let mut digest = Digest::new();
    let costs = (0..1u16 << 14).filter_map(|cost| approximate_reciprocal(f32::from(cost)));
    costs.for_each(|reciprocal| digest.add(reciprocal.to_bits().into()));
    digest.text()
}

/// FNV-1a, by words.
struct Digest(u64);

impl Digest {
    fn new() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x100_0000_01b3);
    }

    fn text(&self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_again() {
        assert_eq!((functions(), reciprocals()), (functions(), reciprocals()));
        assert_ne!(functions(), reciprocals());
    }

    #[test]
    fn one_bit_counts() {
        let of = |last: u64| {
            let mut digest = Digest::new();
            (0..1000).chain([last]).for_each(|word| digest.add(word));
            digest.text()
        };
        assert_ne!(of(1 << 40), of(1 << 40 | 1));
    }
}

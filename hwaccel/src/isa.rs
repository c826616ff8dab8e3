//! The instruction set that codecs and scalers are pinned to, so that bytes do not depend on the machine.
//!
//! A newer machine is held down to x86-64-v3; a machine below that uses its own baseline, and is of another class.

/// What everything on this host is pinned to. Part of a worker's class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isa {
    /// x86-64-v3: AVX2, FMA, BMI1 and BMI2.
    Avx2,
    /// Any x86-64.
    Sse2,
    /// Another architecture, at its baseline.
    Baseline,
}

impl Isa {
    /// The level of this host. The same for the life of the process.
    pub fn pinned() -> Isa {
        #[cfg(target_arch = "x86_64")]
        {
            let v3 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("f16c");
            if v3 { Isa::Avx2 } else { Isa::Sse2 }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Baseline
    }

    /// As it is written into the class of a worker.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx2 => "x86-64-v3",
            Isa::Sse2 => "x86-64",
            Isa::Baseline => std::env::consts::ARCH,
        }
    }

    /// As x265 wants it in `asm=`, which knows the names of x264. Its AVX-512 writes the same bytes as its AVX2 (`encode::x265` has the test), so it is used where the
    /// processor has it, and is no part of the class. It saves 4 to 10 % of x265's time on Zen 5.
    pub fn x265(self) -> &'static str {
        if self == Isa::Avx2 && has_cheap_avx512() { "avx512" } else { self.x264() }
    }

    /// As SVT-AV1 wants it in `asm=`; on other architectures than x86 it has but its own.
    pub fn svt_av1(self) -> &'static str {
        match self {
            Isa::Avx2 => "avx2",
            Isa::Sse2 => "sse2",
            Isa::Baseline => "max",
        }
    }

    /// As x264 wants it in `asm=`.
    pub fn x264(self) -> &'static str {
        match self {
            Isa::Avx2 => "avx2",
            Isa::Sse2 => "sse2",
            Isa::Baseline if cfg!(target_arch = "aarch64") => "neon",
            Isa::Baseline => "0",
        }
    }
}

/// Whether the processor has what x265 calls AVX-512 (F, CD, BW, DQ, VL), and is of a kind that does not slow down for it: those before Ice Lake do, and lack VBMI2.
/// x265 does not look itself: told of instructions that are not there it would run into them.
pub fn has_cheap_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi2")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// What this processor's approximate reciprocal (`rcpss`, as `rcpps`) of `x` is; none on architectures without it. Within 1.5 x 2^-12 of 1/x, but no manual says which
/// bits: makers differ.
pub fn approximate_reciprocal(x: f32) -> Option<f32> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_cvtss_f32, _mm_rcp_ss, _mm_set_ss};
        // SAFETY: the three need SSE, which every x86-64 processor has.
        Some(unsafe { _mm_cvtss_f32(_mm_rcp_ss(_mm_set_ss(x))) })
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = x;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn reciprocals_are_near() {
        for x in (1..16_384u16).map(f32::from) {
            let got = std::hint::black_box(approximate_reciprocal(std::hint::black_box(x)).expect("x86-64 has it"));
            assert!((f64::from(got) * f64::from(x) - 1.0).abs() <= 1.5 / 4096.0, "1/{x} is about {got}");
        }
    }
}

//! Transfer functions between signal and light, of additions, multiplications, divisions and square roots alone, whose results IEEE 754 lays down to the last
//! bit: a table made of them is the same with every C library.

use std::f64::consts::{LN_2, LOG2_E, SQRT_2};

/// Base-2 logarithm of a normal number greater than zero, to 1e-15.
fn log2(x: f64) -> f64 {
    let bits = x.to_bits();
    let (mut exponent, mut fraction) = ((bits >> 52) as i64 - 1023, f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52));
    if fraction > SQRT_2 {
        (exponent, fraction) = (exponent + 1, fraction / 2.0);
    }
    // ln f = 2 artanh((f - 1) / (f + 1)), by its series; |s| <= 0.172.
    let s = (fraction - 1.0) / (fraction + 1.0);
    let series = (0..12).rev().fold(0.0, |sum, k| sum * s * s + 1.0 / f64::from(2 * k + 1));
    exponent as f64 + 2.0 * s * series * LOG2_E
}

/// 2 to the power of `x`, from -1000 to 1000, to 1e-15.
fn exp2(x: f64) -> f64 {
    let x = x.clamp(-1000.0, 1000.0);
    let whole = (x + 0.5).floor();
    let t = (x - whole) * LN_2;
    let series = (1..18).rev().fold(1.0, |sum, k| sum * t / f64::from(k) + 1.0);
    series * f64::from_bits(((whole as i64 + 1023) as u64) << 52)
}

/// `x` to the power of `y`; 0 where `x` is not greater than 0.
pub fn pow(x: f64, y: f64) -> f64 {
    if x >= f64::MIN_POSITIVE { exp2(y * log2(x)) } else { 0.0 }
}

// SMPTE ST 2084, ITU-R BT.2100 table 4.
const M1: f64 = 2610.0 / 16384.0;
const M2: f64 = 2523.0 / 4096.0 * 128.0;
const C1: f64 = 3424.0 / 4096.0;
const C2: f64 = 2413.0 / 4096.0 * 32.0;
const C3: f64 = 2392.0 / 4096.0 * 32.0;

/// The light, in cd/m², that a PQ signal from 0 to 1 means.
pub fn pq_to_light(signal: f64) -> f64 {
    let n = pow(signal, 1.0 / M2);
    10_000.0 * pow((n - C1).max(0.0) / (C2 - C3 * n), 1.0 / M1)
}

/// The PQ signal of light in cd/m².
pub fn light_to_pq(light: f64) -> f64 {
    let y = pow(light / 10_000.0, M1);
    pow((C1 + C2 * y) / (1.0 + C3 * y), M2)
}

/// The signal of a BT.1886 display, from 0 to 1, for light from 0 to 1 of its white.
pub fn light_to_gamma(light: f64) -> f64 {
    pow(light, 1.0 / 2.4)
}

/// The light of a BT.1886 display for its signal, both from 0 to 1.
pub fn gamma_to_light(signal: f64) -> f64 {
    pow(signal, 2.4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, by: f64) {
        assert!((a - b).abs() <= by, "{a}, not {b}");
    }

    #[test]
    fn powers_are_those_of_the_c_library() {
        for i in 1..4000 {
            let x = f64::from(i) * 0.003_1;
            for y in [M1, M2, 1.0 / M1, 1.0 / M2, 1.0 / 2.4, 0.2] {
                let want = x.powf(y);
                near(pow(x, y) / want, 1.0, 1e-12);
            }
        }
        assert_eq!((pow(0.0, 0.5), pow(-1.0, 2.0), pow(1.0, 78.8)), (0.0, 0.0, 1.0));
    }

    /// Values of ITU-R BT.2408 (graphics white) and BT.2100.
    #[test]
    fn curves_go_through_known_points() {
        near(light_to_pq(203.0), 0.580_7, 1e-4);
        near(light_to_pq(100.0), 0.508_1, 1e-4);
        near(light_to_pq(10_000.0), 1.0, 1e-12);
        near(pq_to_light(0.751_8), 1000.0, 0.5);
        near(pq_to_light(light_to_pq(0.01)), 0.01, 1e-9);
        near(light_to_gamma(0.5), 0.749_15, 1e-4);
        near(gamma_to_light(light_to_gamma(0.3)), 0.3, 1e-12);
    }
}

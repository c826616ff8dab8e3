//! The rate of a GOP: each comes out near its budget, or below it where its quality target is met with less.
//!
//! rav1e's one-pass control learns from the stream as it goes and overshoots short GOPs two or three times; its second pass lands where it should if it is told what
//! the pictures cost. That is found out on pictures of a ninth of the pixels (a scout), at the quantizer of the quality target, while the GOP's pictures come in. The
//! published run then has the stats of the scout, scaled to whole pictures, and may not quantize finer than the quality target. A run that still misses is made
//! again with its own stats, which leave nothing to guess.
//!
//! All of it is a function of the GOP's pictures and settings.

use super::coder::{Spend, Written};
use super::stats::Stats;

/// What a GOP may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bits for all its pictures.
    pub bits: u64,
    /// The quantizer index of the quality target: none finer is used.
    pub finest: u8,
    /// The one that the scout ran at: the finest, or where the rate is constant one that is likely.
    pub scouted: u8,
}

/// How the pictures of the scout compare to those that are published.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Pixels of a published picture for one of the scout's, times 1000.
    pub pixels_permille: u64,
    /// Bits likewise, as [`bits_permille`] says.
    pub bits_permille: u64,
}

/// What it took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Effort {
    /// Runs of the scout.
    pub scouts: u32,
    /// Runs at full size.
    pub runs: u32,
    /// What the GOP was taken to cost at the quality target before it was encoded, to its budget.
    pub expected: f64,
}

/// Bits that pictures cost at full size for one bit at 1/`divisor` of their width and height, at the same quantizer, times 1000. Between 3.2 and 5.1 for thirds
/// at speed 10, whatever the quantizer, and a quarter less at other speeds, which find smaller codes (film, animation, flowers and a flight, 360p and 720p).
pub fn bits_permille(divisor: usize, fastest: bool) -> u64 {
    let of_fastest = match divisor {
        0 | 1 => 1000,
        2 => 2450,
        _ => 4200,
    };
    if fastest { of_fastest } else { of_fastest * 4 / 5 }
}

/// Runs of a GOP at full size, at most.
const RUNS: u32 = 4;
/// What is aimed at, to the budget, in percent.
const AIM: u64 = 98;
/// What is accepted, in percent. A segment may exceed its cap by a tenth, boxes included.
const ACCEPTED: std::ops::RangeInclusive<u64> = 91..=107;
/// Where the GOP is taken to cost this many times its budget, quantizers will be so far from the scout's that it goes again.
const FAR: f64 = 2.5;
/// Steps of the quantizer index that halve the bits: 27 to 60, the more the finer.
const STEPS: f64 = 32.0;
/// A GOP that costs less than this at its quality target may well stay below its budget.
const SURE: f64 = 1.15;

/// Finds how to spend the budget. `first` is what the scout wrote at the budget's quantizer for it; `scout` sends it again at another one, `run` encodes the GOP.
///
/// # Errors
/// Those of the runs.
pub fn spend(
    budget: Budget,
    scale: Scale,
    first: Written,
    mut scout: impl FnMut(u8) -> Result<Written, String>,
    mut run: impl FnMut(Spend) -> Result<Written, String>,
) -> Result<(Written, Effort), String> {
    let bits = budget.bits.max(1);
    let expected = first.bits() as f64 * scale.bits_permille as f64 / 1000.0 / bits as f64;
    let mut effort = Effort { scouts: 1, runs: 0, expected };
    let mut seen = first;
    // Whether the pictures may want less than there is.
    let capped = budget.scouted == budget.finest;
    if expected > FAR || (!capped && expected < 1.0 / FAR) {
        let nearer = f64::from(budget.scouted) + STEPS * expected.max(1e-3).log2();
        effort.scouts += 1;
        seen = scout(nearer.clamp(f64::from(budget.finest), 240.0) as u8)?;
    }
    // rav1e takes bits to go with pixels.
    let cheaper = (scale.pixels_permille as f64 / scale.bits_permille.max(1) as f64).log2() * f64::from(1 << 24);
    let mut stats: Stats = seen.stats.cheaper(cheaper as i32);
    drop(seen);
    let mut aim = bits / 100 * AIM;
    let mut best: Option<Written> = None;
    while effort.runs < RUNS {
        effort.runs += 1;
        let written = run(Spend::Bits(aim, &stats, budget.finest))?;
        let percent = written.bits().saturating_mul(100) / bits;
        let enough = percent >= *ACCEPTED.start() || (capped && expected < SURE) || effort.runs > 1;
        let accepted = enough && percent <= *ACCEPTED.end();
        stats = written.stats.clone();
        if percent > *ACCEPTED.end() && effort.runs > 1 {
            aim = (u128::from(aim) * u128::from(aim) / u128::from(written.bits().max(1))) as u64;
        }
        if accepted || best.as_ref().is_none_or(|best| better(&written, best, bits)) {
            best = Some(written);
        }
        if accepted {
            break;
        }
    }
    best.map(|written| (written, effort)).ok_or_else(|| "no run was made".to_owned())
}

/// Whether `a` keeps to `bits` better than `b`: within them as large as can be, beyond them as small.
fn better(a: &Written, b: &Written, bits: u64) -> bool {
    let most = bits / 100 * ACCEPTED.end();
    match (a.bits() <= most, b.bits() <= most) {
        (true, true) => a.bits() > b.bits(),
        (false, false) => a.bits() < b.bits(),
        (fits, _) => fits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale { pixels_permille: 9000, bits_permille: 4200 };

    fn written(bits: u64) -> Written {
        Written { units: vec![vec![0; bits as usize / 8]], stats: Stats::default() }
    }

    /// Runs against pictures that cost `costs` in turn.
    fn spent(expected: f64, costs: &[u64]) -> (u64, Effort, Vec<u64>) {
        let budget = Budget { bits: 100_000, finest: 100, scouted: 100 };
        let first = written((100_000.0 * expected / 4.2) as u64);
        let (mut aims, mut costs) = (Vec::new(), costs.iter());
        let run = |spend: Spend| {
            let Spend::Bits(aim, _, 100) = spend else { panic!("{spend:?}") };
            aims.push(aim);
            Ok(written(*costs.next().expect("no further run")))
        };
        let (out, effort) = spend(budget, SCALE, first, |q| Ok(written(u64::from(q) * 80)), run).expect("no run fails");
        (out.bits(), effort, aims)
    }

    #[test]
    fn a_run_that_lands_is_the_only_one() {
        assert_eq!(spent(1.5, &[99_200]), (99_200, Effort { scouts: 1, runs: 1, expected: spent(1.5, &[99_200]).1.expected }, vec![98_000]));
        assert_eq!(spent(0.3, &[24_000]).1.runs, 1, "less is enough where the quality is met");
        assert_eq!(spent(4.0, &[100_000]).1.scouts, 2, "far off, the scout goes again");
    }

    #[test]
    fn a_run_that_misses_is_made_again_and_never_without_end() {
        assert_eq!(spent(1.5, &[70_000, 99_200]).0, 99_200);
        assert_eq!(spent(1.5, &[70_000, 70_400]).0, 70_400, "twice too little is what it costs");
        assert_eq!(spent(1.5, &[120_000, 99_200]).0, 99_200);
        let (bits, effort, aims) = spent(1.5, &[140_000, 120_000, 112_000, 116_000]);
        assert_eq!((bits, effort.runs), (112_000, 4), "the smallest where none fits");
        assert!(aims[2] < aims[1] && aims[3] < aims[2], "{aims:?}");
        assert_eq!(spent(1.5, &[80_000, 120_000, 96_000]).0, 96_000);
    }
}

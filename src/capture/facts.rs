//! From what a container claims to what the plan can rely on: rate, shape.

use crate::time::Rate;
use num_rational::Ratio;

/// The rates that broadcast and streaming use, rising.
const STANDARD: [(u32, u32); 12] =
    [(24_000, 1001), (24, 1), (25, 1), (30_000, 1001), (30, 1), (48_000, 1001), (48, 1), (50, 1), (60_000, 1001), (60, 1), (100, 1), (120, 1)];

/// The grid rate for a source whose container claims `average` and `base` pictures a second (libav's `avg_frame_rate` and `r_frame_rate`; not positive where unknown), before any doubling for fields.
///
/// - `base`, where it is standard within 1 % and the average confirms it within 10 % (averages of a short probe are coarse);
/// - else the average, snapped to the nearest standard rate within 1.5 % (1000/33 of FLV's milliseconds is 30);
/// - else, where the source is steady and slow, the smallest multiple of it that is standard (15 is 30, 12.5 is 25);
/// - else, where it varies, the nearest standard rate above the average, at least 30: what phones and screen recorders mean;
/// - 30 where nothing is known.
pub fn grid_rate(average: (i32, i32), base: (i32, i32)) -> Rate {
    let (average, base) = (positive(average), positive(base));
    let pick = match (average, base) {
        (Some(a), Some(b)) if near(a, b, 100) && snap(b, 10).is_some() => snap(b, 10),
        (Some(a), _) => snap(a, 15).or_else(|| multiple(a, base)).or_else(|| above(a)),
        (None, Some(b)) => snap(b, 15),
        (None, None) => None,
    };
    pick.unwrap_or(STANDARD[4]).rate()
}

trait AsRate {
    fn rate(self) -> Rate;
}

impl AsRate for (u32, u32) {
    fn rate(self) -> Rate {
        Rate::new(self.0, self.1).expect("standard rates lie between 1 and 120")
    }
}

/// Twice the rate: fields of an interlaced source. The rate itself where that is beyond 120.
pub fn field_rate(rate: Rate) -> Rate {
    rate.num().checked_mul(2).and_then(|num| Rate::new(num, rate.den())).unwrap_or(rate)
}

type Exact = Ratio<i128>;

fn positive((num, den): (i32, i32)) -> Option<Exact> {
    (num > 0 && den > 0).then(|| Ratio::new(i128::from(num), i128::from(den)))
}

fn exact((num, den): (u32, u32)) -> Exact {
    Ratio::new(i128::from(num), i128::from(den))
}

/// Whether `a` is within `thousandths` of `b`.
fn near(a: Exact, b: Exact, thousandths: i128) -> bool {
    let off = if a > b { a - b } else { b - a };
    off * 1000 <= b * thousandths
}

fn snap(rate: Exact, thousandths: i128) -> Option<(u32, u32)> {
    let off = |s: &(u32, u32)| if exact(*s) > rate { exact(*s) - rate } else { rate - exact(*s) };
    STANDARD.into_iter().filter(|s| near(rate, exact(*s), thousandths)).min_by_key(off)
}

fn multiple(average: Exact, base: Option<Exact>) -> Option<(u32, u32)> {
    let steady = base.is_some_and(|b| near(average, b, 10));
    (steady && average < Ratio::from_integer(24)).then(|| (2..=24).find_map(|n| snap(average * n, 10)))?
}

fn above(average: Exact) -> Option<(u32, u32)> {
    let floor = average.max(Ratio::new(30_000, 1001));
    let fits = STANDARD.into_iter().find(|s| exact(*s) >= floor).or(STANDARD.last().copied());
    // A varying average below 29.97 is a camera's 30: its clock is rarely 1000/1001.
    if average < Ratio::from_integer(27) { Some(STANDARD[4]) } else { fits }
}

/// A sample aspect ratio to rely on: in lowest terms, (1, 1) where it is unknown, 65535:65535, or beyond 1:4 and 4:1.
pub fn sane_sar((num, den): (i32, i32)) -> (u32, u32) {
    let (Ok(num), Ok(den)) = (u32::try_from(num), u32::try_from(den)) else { return (1, 1) };
    if num == 0 || den == 0 || u64::from(num) > 4 * u64::from(den) || u64::from(den) > 4 * u64::from(num) {
        return (1, 1);
    }
    let reduced = Ratio::new(num, den);
    (*reduced.numer(), *reduced.denom())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(average: (i32, i32), base: (i32, i32)) -> String {
        grid_rate(average, base).to_string()
    }

    #[test]
    fn rates_of_real_clips() {
        assert_eq!(rate((30_000, 1001), (30_000, 1001)), "30000/1001");
        assert_eq!(rate((30_000, 1001), (60_000, 1001)), "30000/1001", "a field-coded stream");
        assert_eq!(rate((24_000, 1001), (24_000, 1001)), "24000/1001");
        assert_eq!(rate((24, 1), (24, 1)), "24");
        assert_eq!(rate((2997, 125), (24_000, 1001)), "24000/1001", "a rounded average");
        assert_eq!(rate((1000, 33), (30, 1)), "30");
        assert_eq!(rate((1000, 33), (1000, 33)), "30");
        assert_eq!(rate((140_000, 5087), (30, 1)), "30", "27.52");
        assert_eq!(rate((51_600, 1841), (30_000, 1001)), "30000/1001", "28.03");
        assert_eq!(rate((3_628_800, 502_589), (57_600, 1)), "30", "7.22, varying");
        assert_eq!(rate((15, 1), (15, 1)), "30");
        assert_eq!(rate((25, 2), (25, 2)), "25");
        assert_eq!(rate((0, 0), (90_000, 1)), "30");
        assert_eq!(rate((0, 0), (0, 0)), "30");
        assert_eq!(rate((55, 1), (1000, 1)), "60000/1001");
        assert_eq!(rate((-1, 5), (i32::MAX, 1)), "30");
    }

    #[test]
    fn fields() {
        assert_eq!(field_rate(grid_rate((25, 1), (25, 1))).to_string(), "50");
        assert_eq!(field_rate(grid_rate((30_000, 1001), (0, 0))).to_string(), "60000/1001");
        assert_eq!(field_rate(grid_rate((100, 1), (0, 0))).to_string(), "100");
    }

    #[test]
    fn aspect_ratios() {
        assert_eq!(sane_sar((65_535, 65_535)), (1, 1));
        assert_eq!(sane_sar((64, 45)), (64, 45));
        assert_eq!(sane_sar((32, 22)), (16, 11));
        assert_eq!(sane_sar((0, 1)), (1, 1));
        assert_eq!(sane_sar((-4, 3)), (1, 1));
        assert_eq!(sane_sar((5, 1)), (1, 1));
        assert_eq!(sane_sar((1, 65_535)), (1, 1));
    }
}

//! Constant bitrate: every GOP has the bits of its rate and its duration, boxes included, to a tenth; less where its pictures are at the finest quality with less.
//!
//! Each GOP is brought there by itself, from its own pictures: nothing is carried from one to the next. Where an encoder does not land, the frames that are held are
//! encoded again, at most [`TRIES`] times ([`SEARCHES`] where a quality is searched) and once more for the best of them. What the ladder says becomes each backend's own settings here:
//!
//! | backend | settings | where it does not land |
//! |---|---|---|
//! | x264 | `b`, `maxrate` the same, `bufsize` half a GOP, 65 % full ([`START`]) | another `b` |
//! | x265 | `bitrate`, `vbv-maxrate`, `vbv-bufsize`, `vbv-init`, likewise | another `bitrate` |
//! | rav1e | the budget of its own rate model (`rav1e/rate.rs`) | its own business |
//! | SVT-AV1 | `crf`, whose bits for a GOP are searched | another `crf` |
//! | NVENC | `rc=cbr`, `b`, `maxrate`, `bufsize` | only what exceeds its cap is encoded again |
//! | VA-API | `rc_mode=CBR`, `b`, `maxrate`, `bufsize` | likewise |

use super::Recipe;
use std::ops::RangeInclusive;

/// How a backend brings a GOP to a constant bitrate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Constant {
    /// Its rate control aims at `Recipe::bitrate`; a GOP that misses is encoded again with another aim.
    Aimed,
    /// It has a rate model of its own for `Recipe::bitrate`.
    Modelled,
    /// It codes at `Recipe::quality`, which is searched; so much coarser halves the bits.
    Searched(f32),
    /// A device's rate control, which runs on from GOP to GOP.
    Running,
}

/// What a GOP may have of its bits, in thousandths, without being encoded again. A tenth is promised.
pub const ACCEPTED: RangeInclusive<u64> = 910..=1080;
/// How often a GOP is encoded to find its setting.
pub const TRIES: usize = 4;
/// Likewise for a quality, whose bits fall ever faster towards the coarsest.
pub const SEARCHES: usize = 6;
/// How full the bucket of an encoder starts, in percent: x264 keeps it between 50 and 80.
pub const START: u64 = 65;

/// Aims and qualities that are possible.
const AIMS: RangeInclusive<f64> = 10_000.0..=2_000_000_000.0;
/// A step is at most this many halvings or doublings.
const STEP: f64 = 2.0;
/// Where more than this part of the bits that a step asked for does not come (in halvings), pictures take no more.
const FLAT: f64 = 0.25;

/// One try: the setting, and the bits that came of it in thousandths of what they should be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Try {
    setting: f64,
    permille: u64,
}

/// A GOP's tries so far.
#[derive(Clone, Debug, Default)]
pub struct Tries {
    tried: Vec<Try>,
    settled: bool,
}

impl Tries {
    /// The GOP came out with `permille` of its bits: how it is encoded next, or nothing where it stays. `qualities` are those of the codec.
    pub fn next(&mut self, kind: Constant, recipe: &Recipe, permille: u64, qualities: RangeInclusive<f32>) -> Option<Recipe> {
        if self.settled || ACCEPTED.contains(&permille) {
            return None;
        }
        let aim = recipe.bitrate.unwrap_or(0) as f64;
        let (setting, range) = match kind {
            Constant::Modelled => return None,
            Constant::Running if permille <= 1100 => return None,
            Constant::Aimed | Constant::Running => (aim.max(1.0).log2(), AIMS.start().log2()..=AIMS.end().log2()),
            // Finer is more, as with an aim.
            Constant::Searched(halves) => {
                (-f64::from(recipe.quality / halves), -f64::from(*qualities.end() / halves)..=-f64::from(*qualities.start() / halves))
            }
        };
        self.tried.push(Try { setting, permille });
        let most = if matches!(kind, Constant::Searched(_)) { SEARCHES } else { TRIES };
        let next = (self.tried.len() < most).then(|| self.step().clamp(*range.start(), *range.end()));
        let known = |setting: f64| self.tried.iter().any(|t| same(kind, t.setting, setting));
        let chosen = match next.filter(|next| !known(*next) && !self.is_flat()) {
            Some(next) => next,
            None => {
                self.settled = true;
                let best = self.best();
                if best == setting {
                    return None;
                }
                best
            }
        };
        let mut recipe = recipe.clone();
        match kind {
            Constant::Searched(halves) => recipe.quality = (-chosen * f64::from(halves)).round() as f32,
            _ => recipe.bitrate = Some(chosen.exp2().round() as u64),
        }
        Some(recipe)
    }

    /// Where the bits should be right: between the nearest tries on both sides, else as far as they are missing by the last two, or the one.
    fn step(&self) -> f64 {
        let log = |t: &Try| (t.permille.max(1) as f64 / 1000.0).log2();
        let below = self.tried.iter().filter(|t| t.permille < 1000).max_by(|a, b| a.setting.total_cmp(&b.setting));
        let above = self.tried.iter().filter(|t| t.permille >= 1000).min_by(|a, b| a.setting.total_cmp(&b.setting));
        match (below, above) {
            (Some(low), Some(high)) if low.setting < high.setting => {
                let part = -log(low) / (log(high) - log(low));
                low.setting + (high.setting - low.setting) * part.clamp(0.1, 0.9)
            }
            // What an octave of the setting made of the bits, where that is known.
            _ => match self.tried.as_slice() {
                [.., before, last] if before.setting != last.setting => {
                    let slope = ((log(last) - log(before)) / (last.setting - before.setting)).clamp(FLAT, 1.0 / FLAT);
                    last.setting - (log(last) / slope).clamp(-STEP, STEP)
                }
                [.., last] => last.setting - log(last).clamp(-STEP, STEP),
                [] => 0.0,
            },
        }
    }

    /// Whether a larger setting made no more of them.
    fn is_flat(&self) -> bool {
        let [.., one, two] = self.tried.as_slice() else { return false };
        let (asked, came) = (two.setting - one.setting, (two.permille.max(1) as f64 / one.permille.max(1) as f64).log2());
        two.permille < *ACCEPTED.start() && asked > 0.0 && came < asked * FLAT
    }

    /// The setting that came nearest; beyond a tenth too much none that is below is worse.
    fn best(&self) -> f64 {
        let miss = |t: &Try| (t.permille > 1090, t.permille.abs_diff(1000));
        self.tried.iter().min_by_key(|t| miss(t)).map_or(0.0, |t| t.setting)
    }
}

/// Whether two settings are one: a quality is whole.
fn same(kind: Constant, a: f64, b: f64) -> bool {
    match kind {
        Constant::Searched(halves) => (a * f64::from(halves)).round() == (b * f64::from(halves)).round(),
        _ => (a - b).abs() < 0.005,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recipe(bitrate: u64) -> Recipe {
        Recipe { point: "swift".into(), quality: 35.0, cap: 1_000_000, bitrate: Some(bitrate), slots: 50, idr_at: Vec::new(), step: Default::default() }
    }

    /// Encodes until it stays; the permilles, and the last recipe.
    fn found(kind: Constant, mut encode: impl FnMut(&Recipe) -> u64) -> (Vec<u64>, Recipe) {
        let (mut tries, mut recipe, mut seen) = (Tries::default(), recipe(1_000_000), Vec::new());
        loop {
            seen.push(encode(&recipe));
            assert!(seen.len() <= SEARCHES + 1, "without end: {seen:?}");
            match tries.next(kind, &recipe, *seen.last().expect("just pushed"), 1.0..=63.0) {
                Some(next) => recipe = next,
                None => return (seen, recipe),
            }
        }
    }

    #[test]
    fn what_lands_stays_and_what_misses_is_aimed_again() {
        assert_eq!(found(Constant::Aimed, |_| 1010).0, [1010]);
        // An encoder that makes a fifth too much of whatever it is told.
        let (seen, last) = found(Constant::Aimed, |r| r.bitrate.expect("given") * 12 / 10_000);
        assert_eq!((seen, last.bitrate), (vec![1200, 999], Some(833_333)));
        // A model's own is not meddled with, and a device's only beyond the cap.
        assert_eq!(found(Constant::Modelled, |_| 700).0, [700]);
        assert_eq!(found(Constant::Running, |_| 700).0, [700]);
        assert_eq!(found(Constant::Running, |r| r.bitrate.expect("given") * 12 / 10_000).0, [1200, 999]);
    }

    #[test]
    fn easy_pictures_are_not_encoded_over_and_over() {
        assert_eq!(found(Constant::Aimed, |_| 30).0.len(), 3, "once more with more, then the first again");
        let (seen, last) = found(Constant::Searched(16.0), |_| 5);
        assert!(seen.len() <= 3 && last.quality >= 1.0, "{seen:?}");
    }

    proptest! {
        /// Encoders whose bits follow their quality by any law that is steady land within a tenth, or as near as a step of the quality lets them.
        #[test]
        fn a_quality_is_found(halves in 8.0f64..30.0, at35 in 150.0f64..8000.0) {
            let (seen, _) = found(Constant::Searched(16.0), |r| (at35 * ((35.0 - f64::from(r.quality)) / halves).exp2()) as u64);
            let ends = [(35.0f64 - 63.0) / halves, (35.0f64 - 1.0) / halves].map(|e| (at35 * e.exp2()) as u64);
            let last = *seen.last().expect("one");
            prop_assert!((900..=1100).contains(&last) || ends[0] > 1000 || ends[1] < 1000, "{seen:?}");
        }

        #[test]
        fn nothing_goes_on_without_end(all in proptest::collection::vec(0u64..100_000, 8)) {
            for kind in [Constant::Aimed, Constant::Searched(16.0), Constant::Running] {
                let mut all = all.iter().copied();
                found(kind, |_| all.next().expect("no more than seven"));
            }
        }
    }
}

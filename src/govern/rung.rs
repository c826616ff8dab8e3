//! What a rung's lanes and the governor tell each other: the step to take from the next GOP on, and what GOPs took.

use super::Step;
use crate::time::Rate;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Of one rung.
#[derive(Debug, Default)]
pub struct Governed {
    step: AtomicU8,
    /// How the newest GOP was made, and the thousandths of a processor that it took: `1 + 4 x thousandths + step`; 0 before the first.
    took: AtomicU64,
    /// GOPs that were hurried, or had half their pictures.
    pub hurried: AtomicU64,
    /// GOPs that were left out.
    pub paused: AtomicU64,
}

impl Governed {
    /// What its GOPs are made as from the next one on.
    pub fn step(&self) -> Step {
        Step::ALL.get(usize::from(self.step.load(Relaxed))).copied().unwrap_or_default()
    }

    /// Likewise; what it was before.
    pub fn set(&self, step: Step) -> Step {
        let before = self.step.swap(step as u8, Relaxed);
        Step::ALL.get(usize::from(before)).copied().unwrap_or_default()
    }

    /// A GOP of so many slots is done.
    pub fn took(&self, step: Step, took: Duration, rate: Rate, slots: u32) {
        let lasts = rate.period().times(i128::from(slots.max(1))).to_duration();
        let thousandths = u64::try_from(took.as_nanos() * 1000 / lasts.as_nanos().max(1)).unwrap_or(u64::MAX).min(u64::MAX >> 3);
        self.took.store(1 + 4 * thousandths + u64::from(step as u8), Relaxed);
        self.hurried.fetch_add(u64::from(step > Step::Full), Relaxed);
    }

    /// A GOP is left out.
    pub fn left_out(&self) {
        self.paused.fetch_add(1, Relaxed);
    }

    /// What the newest GOP took, once: how it was made, and thousandths of a processor.
    pub fn newest(&self) -> Option<(Step, u64)> {
        let told = self.took.swap(0, Relaxed).checked_sub(1)?;
        Some((*Step::ALL.get((told % 4) as usize)?, told / 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard_once() {
        let governed = Governed::default();
        assert_eq!((governed.step(), governed.newest()), (Step::Full, None));
        assert_eq!(governed.set(Step::Halved), Step::Full);
        assert_eq!(governed.step(), Step::Halved);
        let rate = Rate::new(25, 1).expect("a rate");
        governed.took(Step::Hurried, Duration::from_millis(500), rate, 50);
        assert_eq!((governed.newest(), governed.newest()), (Some((Step::Hurried, 250)), None));
        governed.took(Step::Full, Duration::MAX, rate, 0);
        assert!(governed.newest().is_some_and(|(step, took)| step == Step::Full && took > 1_000_000));
        assert_eq!(governed.hurried.load(Relaxed), 1);
    }
}

//! The circuit breaker of a rung: a backend that keeps failing is left alone for a while, then tried again where a GOP opens.

use crate::time::GopId;
use std::sync::Mutex;

/// Failures in a row after which a backend rests.
const FAILURES: u32 = 3;
/// GOPs that it rests first; twice as many each time that it fails again when it is tried, up to [`LONGEST`].
const REST: i64 = 15;
const LONGEST: i64 = 240;

/// What is known of one backend.
#[derive(Clone, Copy, Default)]
struct State {
    failures: u32,
    rests: u32,
    /// It is not used in GOPs before this one.
    until: Option<i64>,
}

/// The breakers of a rung's backends, shared by its lanes. Without failures it decides nothing, and what is published is as planned.
pub struct Breakers {
    states: Mutex<Vec<State>>,
}

impl Breakers {
    /// For a rung of so many backends.
    pub fn new(backends: usize) -> Breakers {
        Breakers { states: Mutex::new(vec![State::default(); backends]) }
    }

    /// The first backend from index `from` on that may encode `gop`; where all rest, the first. `None` where there is none from there on.
    pub fn choose(&self, from: usize, gop: GopId) -> Option<usize> {
        let states = self.lock();
        let awake = |i: &usize| states[*i].until.is_none_or(|until| gop.0 >= until);
        (from..states.len()).find(awake).or((from < states.len()).then_some(from))
    }

    /// Backend `index` failed on `gop`. True where it is left alone from here on.
    pub fn failed(&self, index: usize, gop: GopId) -> bool {
        let mut states = self.lock();
        let Some(state) = states.get_mut(index) else { return false };
        state.failures += 1;
        // One failure is enough for a backend that is on trial again.
        if state.failures < FAILURES && state.rests == 0 {
            return false;
        }
        let rest = LONGEST.min(REST << state.rests.min(8));
        (state.failures, state.rests) = (0, state.rests.saturating_add(1));
        state.until = Some(gop.0.saturating_add(1 + rest));
        true
    }

    /// Backend `index` made a whole GOP.
    pub fn succeeded(&self, index: usize) {
        if let Some(state) = self.lock().get_mut(index) {
            *state = State::default();
        }
    }

    /// Backends that are left alone in `gop`.
    pub fn resting(&self, gop: GopId) -> Vec<usize> {
        let states = self.lock();
        (0..states.len()).filter(|i| states[*i].until.is_some_and(|until| gop.0 < until)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_rest_a_backend_and_a_trial_that_fails_doubles_it() {
        let breakers = Breakers::new(2);
        assert_eq!(breakers.choose(0, GopId(0)), Some(0));
        assert_eq!([0, 1, 2].map(|gop| breakers.failed(0, GopId(gop))), [false, false, true]);
        assert_eq!(breakers.choose(0, GopId(3)), Some(1));
        assert_eq!(breakers.resting(GopId(17)), [0]);
        assert_eq!(breakers.choose(0, GopId(18)), Some(0), "fifteen GOPs later");
        assert!(breakers.failed(0, GopId(18)));
        assert_eq!((breakers.choose(0, GopId(48)), breakers.choose(0, GopId(49))), (Some(1), Some(0)));
        breakers.succeeded(0);
        assert!(!breakers.failed(0, GopId(50)), "a success clears its record");
    }

    #[test]
    fn where_all_rest_the_first_is_tried_and_beyond_the_last_there_is_none() {
        let breakers = Breakers::new(2);
        for _ in 0..3 {
            breakers.failed(0, GopId(0));
            breakers.failed(1, GopId(0));
        }
        assert_eq!((breakers.choose(0, GopId(1)), breakers.choose(1, GopId(1)), breakers.choose(2, GopId(1))), (Some(0), Some(1), None));
        for gop in 0..10_000 {
            breakers.failed(0, GopId(gop));
        }
        assert_eq!(breakers.choose(0, GopId(9_999 + 241)), Some(0), "no rest is longer");
    }
}

//! What a rung counts.

use super::measured::Measured;
use crate::govern::Governed;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Of one rung, for status and metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// GOPs left out because the rung was late.
    pub late: AtomicU64,
    /// GOPs that every backend failed on, or that broke off.
    pub failed: AtomicU64,
    /// Attempts beyond the first.
    pub retried: AtomicU64,
    /// GOPs that another backend made than the plan puts first.
    pub fallbacks: AtomicU64,
    /// GOPs whose frames were not held for another try, because the frame budget was spent.
    pub unheld: AtomicU64,
    /// GOPs sent on although they exceed 1.10 x cap.
    pub over_cap: AtomicU64,
    /// Pictures that an encoder was given, each once, however often its GOP is tried.
    pub encoded: AtomicU64,
    /// Pictures that wait for its lanes, give or take the one on its way.
    pub waiting: AtomicU64,
    /// Its lanes were told that nothing follows.
    pub ended: AtomicBool,
    /// What is measured of it.
    pub measured: Measured,
    /// What the overload governor makes of it.
    pub governed: Governed,
}

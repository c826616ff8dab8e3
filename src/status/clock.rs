//! How the source's clock stands: what it goes by, whether it is locked, and how near to the next slot its pictures are.

use crate::clock::{Clock, Lock};
use crate::time::Seconds;
use serde::Serialize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

/// Written once a picture by the decoding thread; nothing locks.
#[derive(Debug, Default)]
pub struct ClockStatus {
    chosen: OnceLock<(String, Lock)>,
    lost: AtomicBool,
    /// Both in microseconds.
    margin: AtomicI64,
    period: AtomicI64,
}

/// The source's clock at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct ClockSnapshot {
    /// What it goes by, in words.
    pub reference: String,
    /// Whether another worker on this feed places it alike.
    pub lock: Lock,
    /// Microseconds by which the source's pictures may move before they fall into another slot: half a slot at most.
    pub margin_us: i64,
    /// Microseconds that a slot lasts.
    pub slot_us: i64,
}

impl ClockStatus {
    /// The clock is chosen: once a job.
    pub fn choose(&self, reference: String, lock: Lock, slot: Seconds) {
        self.period.store(slot.nearest_ticks(1_000_000), Relaxed);
        // A job has one clock: nothing is ever replaced.
        let _ = self.chosen.set((reference, lock));
    }

    /// A picture was placed.
    pub fn placed(&self, clock: &Clock) {
        self.lost.store(clock.is_lost(), Relaxed);
        self.margin.store(clock.margin().map_or(0, |margin| margin.nearest_ticks(1_000_000)), Relaxed);
    }

    pub(super) fn snapshot(&self) -> Option<ClockSnapshot> {
        let (reference, lock) = self.chosen.get()?;
        let lock = if *lock == Lock::Locked && self.lost.load(Relaxed) { Lock::Lost } else { *lock };
        Some(ClockSnapshot { reference: reference.clone(), lock, margin_us: self.margin.load(Relaxed), slot_us: self.period.load(Relaxed) })
    }
}

//! Counters of the whole job, and its state.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Where the worker stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is published yet.
    Starting,
    /// At work.
    Running,
    /// It was told to stop and finishes what is in flight.
    Leaving,
    /// The event is over.
    Ended,
    /// It broke.
    Failed,
}

impl State {
    /// As `/v1/status` writes it.
    pub fn name(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Running => "running",
            State::Leaving => "leaving",
            State::Ended => "ended",
            State::Failed => "failed",
        }
    }
}

/// By their discriminants.
pub(super) const STATES: [State; 5] = [State::Starting, State::Running, State::Leaving, State::Ended, State::Failed];

/// What the source brought, and what was done to it. One line is one counter.
#[derive(Debug, Default)]
pub struct SourceCounts {
    /// Pictures decoded.
    pub pictures: Counter,
    /// Pictures whose packets libav flags as damaged (a continuity counter is enough), or that did not decode whole.
    pub errors: Counter,
    /// Slots that repeat the picture before them.
    pub repeats: Counter,
    /// Slots that show filler.
    pub fillers: Counter,
    /// Pictures for which there was no slot (a burst, a feed faster than the grid), or no time.
    pub dropped: Counter,
    /// Times that decoding left a device for the host.
    pub left_device: Counter,
    /// Times that the feed's clock was tied to the grid anew.
    pub anchors: Counter,
}

//! What is shown of a status beside its numbers: what is late, and what `/metrics` reads.

use super::{State, Status, lock};
use crate::deadline;
use crate::encode::counters::Counters;
use crate::mux;
use crate::sink::remote;
use crate::time::{GopId, Seconds};
use crate::traces;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What only metrics read, beside the snapshot.
pub struct Seen {
    /// Of each track, what its rung counts; absent for sound.
    pub rungs: Vec<Option<Arc<Counters>>>,
    /// The muxer's counts.
    pub mux: Option<Arc<mux::Counts>>,
    /// Destinations behind a network, as in the job.
    pub outputs: Vec<Arc<remote::counts::Counts>>,
    /// What is due.
    pub deadline: Option<Arc<deadline::Watch>>,
    /// What becomes of traces.
    pub traces: Option<Arc<traces::Counts>>,
    /// How much later than its slot the newest picture of each feed came, microseconds.
    pub offsets_us: Vec<i64>,
}

impl Status {
    /// What metrics read.
    pub fn seen(&self) -> Seen {
        let second = self.watched.standby.get().map(|(_, second)| second.probes.offset_us());
        Seen {
            rungs: self.tracks.iter().map(|track| track.rung.get().cloned()).collect(),
            mux: self.watched.mux.get().cloned(),
            outputs: lock(&self.watched.outputs).clone(),
            deadline: self.watched.deadline.get().cloned(),
            traces: self.watched.traces.get().cloned(),
            offsets_us: [self.probes.offset_us()].into_iter().chain(second).collect(),
        }
    }

    /// Names of the tracks, in the order of the plan.
    pub fn names(&self) -> Vec<String> {
        self.tracks.iter().map(|track| track.facts.name.clone()).collect()
    }

    /// The worker's class.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// How long it has run.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// What is due, where anything is.
    pub(super) fn deadline(&self) -> Option<&Arc<deadline::Watch>> {
        self.watched.deadline.get()
    }

    /// A segment of a track was published.
    pub(super) fn due(&self, track: usize, number: GopId, at: Seconds) {
        self.deadline().into_iter().for_each(|watch| watch.published(track, number, at));
    }

    /// What is not published on time, in words; nothing where nothing is due.
    pub fn late(&self) -> Vec<String> {
        let Some(watch) = self.deadline() else { return Vec::new() };
        (0..self.tracks.len()).filter_map(|track| watch.late(track)).collect()
    }

    /// Whether the event is over for the encoders, or this worker leaves: nothing new is due.
    pub fn is_ending(&self) -> bool {
        let leaving = self.state.load(Relaxed) >= State::Leaving as u8;
        leaving || self.tracks.iter().filter_map(|track| track.rung.get()).any(|rung| rung.ended.load(Relaxed))
    }
}

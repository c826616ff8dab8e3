//! What is counted of a remote destination, and what is said about it in the log: once for each change, not for each failure.

use super::failure::{Failure, Kind};
use crate::metrics::{Histogram, Spans};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a trouble that goes on is told again.
const REMIND: Duration = Duration::from_secs(60);

/// How long nothing more is said of one, whatever happens.
const QUIET: Duration = Duration::from_secs(5);

/// The counts of one destination.
#[derive(Debug, Default)]
pub struct Counts {
    shown: String,
    /// Requests made, of every kind.
    pub requests: AtomicU64,
    /// Bytes of bodies that were taken.
    pub bytes: AtomicU64,
    /// Segments that it has.
    pub segments: AtomicU64,
    /// Connections made.
    pub connections: AtomicU64,
    /// Requests made again.
    pub retries: AtomicU64,
    /// Redirects followed.
    pub redirects: AtomicU64,
    /// Requests that took more than two seconds beyond the media's own time.
    pub over_budget: AtomicU64,
    /// Segments that came later, after one or more newer ones.
    pub filled_in: AtomicU64,
    /// Segments that it will not get.
    pub dropped: AtomicU64,
    /// Segments that were given up in the making, and torn there.
    pub torn: AtomicU64,
    /// Playlists and manifests that were given up, for it did not take them.
    pub texts_dropped: AtomicU64,
    /// Deleted.
    pub deleted: AtomicU64,
    /// Segments that wait for it, and their bytes.
    pub backlog: [AtomicU64; 2],
    /// From the last byte of a body to the answer.
    pub latency: Histogram<Spans>,
    /// The newest of those, in microseconds.
    pub latest: AtomicU64,
    failed: [AtomicU64; 7],
    state: Mutex<State>,
}

const KINDS: [Kind; 7] = [Kind::Connect, Kind::Lost, Kind::Slow, Kind::Server, Kind::Throttled, Kind::Uninitialised, Kind::Refused];

#[derive(Debug, Default)]
struct State {
    /// The lanes that are in trouble.
    lanes: HashMap<usize, Kind>,
    last_error: Option<String>,
    told: Option<(Kind, Instant)>,
    /// The log says that it is in trouble.
    loud: bool,
    last_well: Option<Instant>,
}

/// A remote destination at one moment, as `/v1/status` shows it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Output)]
pub struct Snapshot {
    /// Where, without what opens it.
    pub url: String,
    /// "well", or the kind of failure that stands between.
    pub state: &'static str,
    /// Requests made.
    pub requests: u64,
    /// Bytes of bodies that were taken.
    pub bytes: u64,
    /// Segments that it has.
    pub segments: u64,
    /// Connections made.
    pub connections: u64,
    /// Failed requests, by kind.
    #[schema(value_type = HashMap<String, u64>)]
    pub failures: HashMap<&'static str, u64>,
    /// Requests made again.
    pub retries: u64,
    /// Redirects followed.
    pub redirects: u64,
    /// Requests that took more than two seconds beyond the media's own time.
    pub over_budget: u64,
    /// Segments that came later, after one or more newer ones.
    pub filled_in: u64,
    /// Segments that it will not get.
    pub dropped: u64,
    /// Segments given up in the making.
    pub torn: u64,
    /// Playlists and manifests given up.
    pub texts_dropped: u64,
    /// Deleted.
    pub deleted: u64,
    /// Segments that wait for it.
    pub backlog_segments: u64,
    /// Bytes of them.
    pub backlog_bytes: u64,
    /// Milliseconds from the last byte of the newest body to its answer.
    pub write_ms: u64,
    /// The words of the last failure.
    pub last_error: Option<String>,
}

impl Counts {
    /// Of a destination, as it may be shown.
    pub fn new(shown: impl ToString) -> Counts {
        Counts { shown: shown.to_string(), ..Counts::default() }
    }

    /// A request failed that nobody depends on.
    pub fn missed(&self, failure: &Failure) {
        if let Some(count) = KINDS.iter().position(|kind| *kind == failure.kind).and_then(|i| self.failed.get(i)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// A request of `lane` failed.
    pub fn failed(&self, lane: usize, failure: &Failure) {
        self.missed(failure);
        let mut state = self.state();
        state.lanes.insert(lane, failure.kind);
        state.last_error = Some(failure.why.clone());
        let now = Instant::now();
        let news = |kind: Kind| kind != failure.kind || !state.loud;
        if state.told.is_none_or(|(kind, at)| now >= at + REMIND || (news(kind) && now >= at + QUIET)) {
            state.told = Some((failure.kind, now));
            state.loud = true;
            drop(state);
            tracing::warn!(output = self.shown, kind = failure.kind.name(), "the output does not take what is published: {}", failure.why);
        }
    }

    /// A body was taken so long after its last byte.
    pub fn took(&self, span: Duration) {
        self.latency.observe_span(span);
        self.latest.store(u64::try_from(span.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// A request of `lane` went well.
    pub fn well(&self, lane: usize) {
        let mut state = self.state();
        state.lanes.remove(&lane);
        state.last_well = Some(Instant::now());
        if state.lanes.is_empty() && std::mem::take(&mut state.loud) {
            drop(state);
            tracing::info!(output = self.shown, dropped = self.dropped.load(Relaxed), "the output takes what is published");
        }
    }

    /// When a request went well last.
    pub fn last_well(&self) -> Option<Instant> {
        self.state().last_well
    }

    /// The count of a kind of failure.
    pub fn of(&self, kind: Kind) -> u64 {
        KINDS.iter().position(|one| *one == kind).and_then(|i| self.failed.get(i)).map_or(0, |count| count.load(Relaxed))
    }

    /// Where it goes, as it may be shown.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Everything, now.
    pub fn snapshot(&self) -> Snapshot {
        let (state, last_error) = {
            let state = self.state();
            (state.lanes.values().next().map_or("well", |kind| kind.name()), state.last_error.clone())
        };
        let get = |count: &AtomicU64| count.load(Relaxed);
        Snapshot {
            url: self.shown.clone(),
            state,
            requests: get(&self.requests),
            bytes: get(&self.bytes),
            segments: get(&self.segments),
            connections: get(&self.connections),
            failures: KINDS.iter().map(|kind| (kind.name(), self.of(*kind))).collect(),
            retries: get(&self.retries),
            redirects: get(&self.redirects),
            over_budget: get(&self.over_budget),
            filled_in: get(&self.filled_in),
            dropped: get(&self.dropped),
            torn: get(&self.torn),
            texts_dropped: get(&self.texts_dropped),
            deleted: get(&self.deleted),
            backlog_segments: get(&self.backlog[0]),
            backlog_bytes: get(&self.backlog[1]),
            write_ms: get(&self.latest) / 1000,
            last_error,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Metrics: what is counted, as Prometheus reads it. `docs/metrics.md` is for people.
//!
//! - `table`: every metric, its name, its unit, its labels; `text`: the two formats
//! - `worker`: the page of a worker; `origin`: that of `mezzo origin`
//! - `histogram`, `probes`: distributions, and the wall-clock marks that they come from
//!
//! To add one: a line in `table`, and its sample where the page is made.

pub mod histogram;
mod origin;
pub mod probes;
pub mod table;
pub mod text;
mod worker;

pub use histogram::{Distribution, Histogram, Ratios, Spans};
pub use origin::origin;
pub use probes::{Life, Probes, Queue};
pub use text::{Format, Page};
pub use worker::{store, worker};

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Log lines of this process that were not written.
static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

/// Log lines were not written, because there were too many of the same.
pub fn suppress_log(lines: u64) {
    SUPPRESSED.fetch_add(lines, Relaxed);
}

/// How many log lines of this process were not written.
pub fn log_suppressed() -> u64 {
    SUPPRESSED.load(Relaxed)
}

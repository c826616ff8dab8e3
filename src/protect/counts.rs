//! What happened to keys, and for want of them.

use super::cipher::Scheme;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counts of one form of the output.
#[derive(Debug, Default)]
pub struct Counts {
    /// Crypto periods that a key server gave.
    pub fetched: AtomicU64,
    /// Requests to it that failed.
    pub failed: AtomicU64,
    /// Segments and chunks that were not published for want of a key.
    pub missing: AtomicU64,
    /// Segments and chunks that were not published because they could not be encrypted.
    pub refused: AtomicU64,
    /// The newest request to it failed, or keys of another period are still asked for in vain.
    pub failing: AtomicBool,
}

/// The same at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = Keys)]
pub struct CountsSnapshot {
    /// "cbcs" or "cenc".
    pub scheme: &'static str,
    /// As [`Counts::fetched`].
    pub fetched: u64,
    /// As [`Counts::failed`].
    pub failed: u64,
    /// As [`Counts::missing`].
    pub missing: u64,
    /// As [`Counts::refused`].
    pub refused: u64,
    /// As [`Counts::failing`].
    pub failing: bool,
}

impl Counts {
    /// Now, of a form in that scheme.
    pub fn snapshot(&self, scheme: Scheme) -> CountsSnapshot {
        let [fetched, failed, missing, refused] = [&self.fetched, &self.failed, &self.missing, &self.refused].map(|count| count.load(Relaxed));
        CountsSnapshot { scheme: scheme.name(), fetched, failed, missing, refused, failing: self.failing.load(Relaxed) }
    }
}

//! Time and the epoch grid: exact instants, frame rates, slots and GOPs.
//!
//! No float holds a time or a frame rate here. A rendition at rate R has frame n at n/R seconds since
//! 1970-01-01T00:00:00Z; GOP k holds the slots [kG, (k+1)G); the segment number is k.

mod grid;
mod rate;
mod seconds;

pub use grid::{AudioGrid, GopId, Grid, Slot};
pub use rate::Rate;
pub use seconds::{MAX_SECONDS, Seconds};

/// Why a text is not a time or a rate.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeError {
    /// Not a plain decimal number of seconds, a fraction, or an RFC 3339 date.
    #[error("\"{0}\" is not a time: give seconds (12, 12.345, 60060/30000) or a date (2026-11-21T20:15:30.5Z)")]
    Time(String),
    /// Not a frame rate.
    #[error("\"{0}\" is not a frame rate: give a whole number or a fraction from 1 to 120 (25, 30000/1001)")]
    Rate(String),
}

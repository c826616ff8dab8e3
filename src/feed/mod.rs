//! `mezzo feed`: a test feed. The pattern, or a file in a loop, as MPEG-TS with UTC in every picture (MISB ST 0604), in real time.
//!
//! - `synthetic`: pattern → `screen` → encoders → stamp → mux → outputs
//! - `replay`: file, again and again → stamp → mux → outputs
//! - `output`: for each output its `faults`, then a file or a `wire`
//!
//! PTS are UTC * 90000, cut to 33 bits by the container.

mod encode;
pub mod faults;
mod mux;
pub mod options;
mod output;
mod place;
mod replay;
mod screen;
mod stamp;
mod survey;
mod synthetic;
mod wire;

pub use faults::{Fault, FaultKind};
pub use options::{FeedInput, FeedOptions, FeedOutput, Gop};
pub use output::OutputReport;
pub use stamp::StampCodec;

use crate::stop::Stop;
use crate::time::Seconds;

/// What a feed has sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedReport {
    /// Pictures sent.
    pub pictures: u64,
    /// Pictures left out because this machine was more than a second late.
    pub skipped: u64,
    /// Pictures sent without a stamp, because no slice was found in them.
    pub unstamped: u64,
    /// Packets of a file left out because their stamps were missing or not in order.
    pub dropped: u64,
    /// Transport packets that scripted faults left out, on all ways together.
    pub lost: u64,
    /// Bytes sent to all outputs together.
    pub bytes: u64,
    /// What was sent to each output.
    pub outputs: Vec<OutputReport>,
    /// Times that a file was played to its end.
    pub loops: u64,
    /// UTC of the first picture.
    pub first: Option<Seconds>,
    /// UTC of the last picture.
    pub last: Option<Seconds>,
}

/// Why a feed is refused or broke.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// An option is wrong (exit code 2).
    #[error("{field}: \"{value}\" is not accepted; accepted: {accepted}")]
    Option {
        /// Name of the flag.
        field: &'static str,
        /// As given.
        value: String,
        /// What would be accepted.
        accepted: String,
    },
    /// The input file cannot be used (exit code 2).
    #[error("input {path}: {why}")]
    Input {
        /// As given.
        path: String,
        /// Why, and what would be accepted.
        why: String,
    },
    /// The output cannot be written (exit code 1).
    #[error("output {output}: {why}")]
    Output {
        /// Where.
        output: String,
        /// The system's words.
        why: String,
    },
    /// An encoder is missing or failed (exit code 1).
    #[error("encoder {coder}: {why}")]
    Encoder {
        /// Name in libav.
        coder: &'static str,
        /// libav's words.
        why: String,
    },
    /// The muxer failed (exit code 1).
    #[error("MPEG-TS muxer: {why}")]
    Mux {
        /// libav's words.
        why: String,
    },
    /// The sending thread ended; the error that ended it is reported instead wherever it left one (exit code 1).
    #[error("the sending thread ended early")]
    SenderGone,
}

impl FeedError {
    /// Whether the arguments are wrong (exit code 2), rather than something that broke (exit code 1).
    pub fn is_usage(&self) -> bool {
        matches!(self, FeedError::Option { .. } | FeedError::Input { .. })
    }
}

/// Sends the feed on the calling thread until its duration is over or `stop` is raised; both end it well.
pub fn run(options: &FeedOptions, stop: &Stop) -> Result<FeedReport, FeedError> {
    options.check()?;
    // Fails never: it fills the table of libav's words for errors.
    let _ = ffmpeg_next::init();
    match &options.input {
        FeedInput::Pattern => synthetic::run(options, stop),
        FeedInput::File(path) => replay::run(options, path, stop),
    }
}

/// The first whole `period` at or after `time`.
fn round_up(time: Seconds, period: Seconds) -> Seconds {
    let ((tn, td), (pn, pd)) = (time.fraction(), period.fraction());
    period.times(i128::from(Seconds::new(tn * pd, td * pn).ceil_ticks(1)))
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;

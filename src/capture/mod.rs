//! Capture: opens one input and demuxes it once. An input is one file here and one line in the `INPUTS` table.
//!
//! Only this stage watches for a stop; everything behind it drains.

pub mod testsrc;

use crate::plan::SourceFacts;
use crate::time::Seconds;
use ffmpeg_next as ffmpeg;

/// Which of the two chosen streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The video stream.
    Video,
    /// The audio stream.
    Audio,
}

/// One access unit of a chosen stream, in the order of the container.
pub struct Unit {
    /// Which stream.
    pub kind: Kind,
    /// The packet. Its PTS and DTS are unwrapped: the container's 33-bit stamps, masked, then continued across every wrap (the same for both streams).
    pub packet: ffmpeg::Packet,
    /// The host's clock when it came in. Used by the `arrival` clock and for lag only.
    pub arrival: Seconds,
}

/// A stream as a decoder needs it.
pub struct StreamInfo {
    /// Index in the container.
    pub index: usize,
    /// Codec parameters.
    pub parameters: ffmpeg::codec::Parameters,
    /// Seconds per tick of the packets' stamps, (numerator, denominator).
    pub time_base: (i32, i32),
    /// ISO 639-2 language, where the container says.
    pub language: Option<String>,
}

/// What the source's stamps mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A finite file: its first picture is slot 0 unless anchored.
    File,
    /// A live feed with a clock of its own that wraps after this many seconds (2^33/90000 for MPEG-TS), if at all.
    Live {
        /// The span after which stamps repeat.
        wrap: Option<Seconds>,
    },
    /// Stamps are UTC already (`testsrc:`).
    Utc,
}

/// An opened input, described.
pub struct Source {
    /// What the plan needs to know.
    pub facts: SourceFacts,
    /// The chosen video stream.
    pub video: StreamInfo,
    /// The chosen audio stream.
    pub audio: Option<StreamInfo>,
    /// What stamps mean.
    pub origin: Origin,
}

/// What a read brings.
pub enum Read {
    /// The next access unit of a chosen stream.
    Unit(Unit),
    /// The input is at its end.
    End,
    /// The stop flag was seen.
    Stopped,
}

/// An opened input. Owned by the capture thread.
pub trait Input: Send {
    /// Blocks for the next access unit; returns within 100 ms of the stop flag being raised.
    fn read(&mut self) -> Result<Read, CaptureError>;
}

/// Why an input does not open, or broke.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It cannot be opened: wrong arguments (exit code 2).
    #[error("input {url}: {why}")]
    Open {
        /// As given.
        url: String,
        /// Why, and what would be accepted.
        why: String,
    },
    /// It broke while running (exit code 1).
    #[error("input {url}: {why}")]
    Broken {
        /// As given.
        url: String,
        /// Why.
        why: String,
    },
}

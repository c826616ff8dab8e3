//! Capture: opens one input and demuxes it once. An input is one file here and one line in the `INPUTS` table.
//!
//! Only this stage watches for a stop; everything behind it drains.

mod apart;
pub mod choose;
pub mod facts;
mod follow;
#[cfg(feature = "gstreamer")]
mod gst;
#[cfg(not(feature = "gstreamer"))]
#[path = "gst_absent.rs"]
mod gst;
mod leading;
mod libav;
mod network;
pub mod offer;
pub mod pace;
mod pipe;
pub mod run;
pub mod stamped;
pub mod stamps;
mod stored;
pub mod testsrc;
mod turn;
pub mod unwrap;
mod watch;

pub use apart::abandoned;
pub use leading::Leading;
pub use pace::Pacer;
pub use run::{CaptureCounters, Feed, run};
pub use turn::Turn;

use crate::job::{Pace, Select};
use crate::plan::SourceFacts;
use crate::stop::Stop;
use crate::time::Seconds;
use ffmpeg_next as ffmpeg;

/// A way to open an input.
struct Opener {
    /// Whether this is the one for a URL.
    takes: fn(&str) -> bool,
    /// Opens it. Returns within 100 ms of the stop flag being raised.
    open: fn(&str, Pace, &Select, &Stop) -> Opened,
}

/// What opening an input comes to.
pub type Opened = Result<(Source, Box<dyn Input>), CaptureError>;

/// Every kind of input; the first that takes the URL opens it.
const INPUTS: &[Opener] = &[
    Opener { takes: |url| url.starts_with(testsrc::SCHEME), open: testsrc::open },
    Opener { takes: |url| url.starts_with(gst::SCHEME), open: gst::open },
    Opener { takes: |url| url == "-", open: stored::open_stdin },
    Opener { takes: |url| url.contains("://") && !url.starts_with("file:"), open: network::open },
    Opener { takes: |_| true, open: stored::open_path },
];

/// Opens `url` (a path, `-` for stdin, `udp://…` and the other protocols of `network.rs`, `gst:…`, `testsrc:…`), chooses its streams and describes them.
///
/// # Errors
/// [`CaptureError::Open`] where it is not there, is not media, has no picture that can be decoded, or lacks a stream that was asked for; also where `stop` is raised meanwhile.
pub fn open(url: &str, pace: Pace, select: &Select, stop: &Stop) -> Opened {
    let opener = INPUTS.iter().find(|i| (i.takes)(url));
    let open = opener.map(|i| i.open).ok_or_else(|| CaptureError::Open { url: url.to_owned(), why: "no input takes this URL".to_owned() })?;
    open(url, pace, select, stop)
}

/// Which of the chosen streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The video stream.
    Video,
    /// A sound, by its place in [`Source::audio`].
    Audio(usize),
}

/// One access unit of a chosen stream, in the order of the container.
pub struct Unit {
    /// Which stream.
    pub kind: Kind,
    /// The packet. Its PTS and DTS are unwrapped: the container's 33-bit stamps, masked, then continued across every wrap (the same for all streams).
    pub packet: ffmpeg::Packet,
    /// What a decoder needs, with the first unit of a stream that was not there at the start.
    pub news: Option<Box<StreamInfo>>,
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
    /// How its pictures must be turned.
    pub turn: Turn,
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
    /// A live feed whose stamps begin anew with every connection and say nothing beyond it (RTMP, a live GStreamer pipeline).
    Session,
    /// Stamps are UTC already (`testsrc:`).
    Utc,
}

/// An opened input, described.
pub struct Source {
    /// What the plan needs to know.
    pub facts: SourceFacts,
    /// The chosen video stream.
    pub video: StreamInfo,
    /// The chosen sounds, in the order of [`SourceFacts::sounds`]; one is absent while it is waited for.
    pub audio: Vec<Option<StreamInfo>>,
    /// Everything that the input has.
    pub offer: offer::Offer,
    /// What stamps mean.
    pub origin: Origin,
    /// How long it is, where a container says; a hint that may be wrong.
    pub duration: Option<Seconds>,
}

/// What a read brings.
pub enum Read {
    /// The next access unit of a chosen stream.
    Unit(Unit),
    /// Something was lost here; reading goes on.
    Lost(Lost),
    /// The input is at its end.
    End,
    /// The stop flag was seen.
    Stopped,
}

/// What was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// A read failed.
    Read,
    /// A packet whose stamps are beyond every sane range.
    Stamp,
    /// A chosen stream went on in another one, which is followed from here on; or a sound that was waited for came.
    Moved,
    /// A packet of a stream that came in a chosen one's place, and cannot be used, or not yet.
    Stray,
    /// What came faster than it was taken, and did not fit the queue.
    Overrun,
}

/// How an input delivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// As fast as it is read (a file, a generator): `live` releases its packets at their own rate.
    Stored,
    /// Perhaps as fast as it is read, perhaps by a clock of its own (a pipe, HTTP): `live` lets it run a little ahead, and a little fast, so that no clock is held against another.
    Piped,
    /// By its own clock.
    Live,
}

/// An opened input. Owned by the capture thread.
pub trait Input: Send {
    /// Blocks for the next access unit; returns within 100 ms of the stop flag being raised.
    fn read(&mut self) -> Result<Read, CaptureError>;

    /// How it delivers, which decides whether `--pace live` holds its packets back.
    fn delivery(&self) -> Delivery {
        Delivery::Stored
    }
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

#[cfg(test)]
#[path = "media_tests.rs"]
pub(crate) mod media_tests;

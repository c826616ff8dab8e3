//! Capture: opens one input and demuxes it once. An input is one file here and one line in the `INPUTS` table.
//!
//! Only this stage watches for a stop; everything behind it drains.

mod apart;
pub mod choose;
mod describe;
pub mod facts;
mod follow;
#[cfg(feature = "gstreamer")]
mod gst;
#[cfg(not(feature = "gstreamer"))]
#[path = "gst_absent.rs"]
mod gst;
mod leading;
mod libav;
mod listen;
mod network;
mod numbers;
pub mod offer;
pub mod pace;
pub mod paths;
mod pipe;
mod playlist;
mod psi;
mod reconnect;
pub mod refused;
mod rendezvous;
mod renumber;
pub mod run;
pub mod stamped;
pub mod stamps;
mod stored;
pub mod testsrc;
mod turn;
mod turns;
mod unlike;
pub mod unwrap;
mod watch;

pub use apart::abandoned;
pub use leading::Leading;
pub use libav::start_libav;
pub use pace::Pacer;
pub use run::{CaptureCounters, Feed, run};
pub use turn::Turn;
pub use unlike::look as are_unlike;

use crate::ffmpeg::SharedParameters;
use crate::job::{Pace, Select};
use crate::plan::SourceFacts;
use crate::secrets::{hidden, scrub, without_secrets};
use crate::stop::Stop;
use crate::time::Seconds;
use ffmpeg_next as ffmpeg;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

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
    Opener { takes: paths::takes, open: paths::open },
    Opener { takes: rendezvous::takes, open: rendezvous::open },
    Opener { takes: |url| url.contains("://") && !url.starts_with("file:"), open: network::open },
    Opener { takes: |_| true, open: stored::open_path },
];

/// Opens `url` (a path, `-` for stdin, `udp://…` and the other protocols of `network.rs`, `gst:…`, `testsrc:…`), chooses its streams and describes them.
///
/// # Errors
/// [`CaptureError::Open`] where it is not there, is not media, has no picture that can be decoded, or lacks a stream that was asked for; also where `stop` is raised meanwhile.
pub fn open(url: &str, pace: Pace, select: &Select, stop: &Stop) -> Opened {
    open_within(url, pace, select, stop, None)
}

/// As [`open`], where a feed that shows nothing for `timeout` ends the run: before its first picture, and after its last. What cannot be reached yet is called until then.
///
/// # Errors
/// As [`open`], and [`CaptureError::Silent`].
pub fn open_within(url: &str, pace: Pace, select: &Select, stop: &Stop, timeout: Option<Duration>) -> Opened {
    let (dialled, hidden) = (url.to_owned(), hidden(url));
    reconnect::open(url, select, move |select, stop| dial(&dialled, pace, select, stop).map_err(|error| error.scrubbed(&hidden)), stop, timeout)
}

/// A number for a connection whose stamps begin anew.
fn new_session() -> u32 {
    static SESSIONS: AtomicU32 = AtomicU32::new(1);
    SESSIONS.fetch_add(1, Ordering::Relaxed)
}

/// Opens the inputs of a job: one, or two paths of one feed, neither of which is waited for longer than `window` where the other has what is missing.
///
/// # Errors
/// As [`open_within`].
pub fn open_all(inputs: &[String], window: Seconds, pace: Pace, select: &Select, stop: &Stop, timeout: Option<Duration>) -> Opened {
    match inputs {
        [] => open_within("", pace, select, stop, timeout),
        [input] => open_within(input, pace, select, stop, timeout),
        [..] => {
            let paths = inputs.to_vec();
            reconnect::open(&inputs.join(" and "), select, move |select, stop| paths::open_paths(&paths, window.to_duration(), select, stop), stop, timeout)
        }
    }
}

/// Whether a feed from here can be waited for after the event has begun: what has a connection or brings datagrams, which may not be there yet.
pub fn may_come_later(url: &str) -> bool {
    url.contains("://") && !url.starts_with("file:") && !url.starts_with(gst::SCHEME) && !url.starts_with(testsrc::SCHEME)
}

/// The inputs of a job whose feed need not be there yet, and is known to be what `facts` say: called from the first read on, for as long as it takes, or for `timeout`. Opens nothing.
pub fn open_later(
    inputs: &[String],
    window: Seconds,
    pace: Pace,
    select: &Select,
    stop: &Stop,
    timeout: Option<Duration>,
    facts: &SourceFacts,
) -> (Source, Box<dyn Input>) {
    let later = Later::default();
    let select = choose::again(select, facts.video, &facts.sounds);
    let delivery = if inputs.iter().any(|input| input.starts_with("http")) { Delivery::Piped } else { Delivery::Live };
    let input = match inputs {
        [_, _, ..] => {
            let paths = inputs.to_vec();
            let dial = move |select: &Select, stop: &Stop| paths::open_paths(&paths, window.to_duration(), select, stop);
            reconnect::later(&inputs.join(" and "), select, dial, stop, timeout, delivery, Arc::clone(&later))
        }
        _ => {
            let url = inputs.first().cloned().unwrap_or_default();
            let (dialled, hidden) = (url.clone(), hidden(&url));
            let dial = move |select: &Select, stop: &Stop| dial(&dialled, pace, select, stop).map_err(|error| error.scrubbed(&hidden));
            reconnect::later(&url, select, dial, stop, timeout, delivery, Arc::clone(&later))
        }
    };
    let video = Arc::new(StreamInfo::new(0, ffmpeg::codec::Parameters::new(), (1, 90_000)));
    let (audio, origin) = (facts.sounds.iter().map(|_| None).collect(), Origin::Live { wrap: None });
    let source = Source { facts: facts.clone(), video, audio, offer: Default::default(), origin, duration: None, paths: None, later: Some(later) };
    (source, input)
}

/// Opens an input once.
fn dial(url: &str, pace: Pace, select: &Select, stop: &Stop) -> Opened {
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
    /// What its stream is, as far as a decoder depends on it. Another one than that of the unit before of its kind: decoding begins anew, at the next random-access point.
    pub stream: Arc<StreamInfo>,
    /// The packet. Its PTS and DTS are unwrapped: the container's 33-bit stamps, masked, then continued across every wrap (the same for all streams).
    pub packet: ffmpeg::Packet,
    /// The host's clock when it came in. Used by the `arrival` clock and for lag only.
    pub arrival: Seconds,
    /// Parts of it are known to be missing.
    pub hurt: bool,
}

/// A stream as a decoder needs it.
pub struct StreamInfo {
    /// Index in the container.
    pub index: usize,
    /// Codec parameters.
    pub parameters: SharedParameters,
    /// Seconds per tick of the packets' stamps, (numerator, denominator).
    pub time_base: (i32, i32),
    /// ISO 639-2 language, where the container says.
    pub language: Option<String>,
    /// How its pictures must be turned.
    pub turn: Turn,
    /// Number of the connection, where stamps begin anew with every one: those of another say nothing of these. 0 where they are the source's own.
    pub session: u32,
}

impl StreamInfo {
    /// A stream that says no more than a decoder must know.
    pub fn new(index: usize, parameters: ffmpeg::codec::Parameters, time_base: (i32, i32)) -> StreamInfo {
        StreamInfo { index, parameters: parameters.into(), time_base, language: None, turn: Turn::None, session: 0 }
    }
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
    pub video: Arc<StreamInfo>,
    /// The chosen sounds, in the order of [`SourceFacts::sounds`]; one is absent while it is waited for.
    pub audio: Vec<Option<Arc<StreamInfo>>>,
    /// Everything that the input has.
    pub offer: offer::Offer,
    /// What stamps mean.
    pub origin: Origin,
    /// How long it is, where a container says; a hint that may be wrong.
    pub duration: Option<Seconds>,
    /// What is counted of its paths, where it has such.
    pub paths: Option<Arc<paths::counts::Counts>>,
    /// It need not be there yet: what is known of it then. Before that, its streams and its origin are made up.
    pub later: Option<Later>,
}

/// What is told of a feed once it is there.
pub type Later = Arc<OnceLock<Arrived>>;

/// What a feed is that came late.
#[derive(Debug)]
pub struct Arrived {
    /// What its stamps mean.
    pub origin: Origin,
    /// What is counted of its paths, where it has such.
    pub paths: Option<Arc<paths::counts::Counts>>,
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
    /// The connection. It is opened again.
    Connection,
    /// What came between two connections: there is one again.
    Outage,
    /// So many callers that brought no media, before one did.
    Callers(u32),
    /// A stream that went on as something else, from which pictures or sound are made from here on.
    Format,
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

    /// From here on nothing may come for no longer than this; where it has a limit of its own, the shorter one counts.
    fn limit_silence(&mut self, _: Duration) {}
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
    /// It is not there, or not any more, and may be there again: it can be opened again (at the start, exit code 1).
    #[error("input {url}: {why}")]
    Away {
        /// As given.
        url: String,
        /// Why.
        why: String,
    },
    /// It is there, and is not what the job asks for; it may bring something else another time. At the start that is [`CaptureError::Open`].
    #[error("input {url}: {why}")]
    Unfit {
        /// As given.
        url: String,
        /// Why, and what would be accepted.
        why: String,
    },
    /// It showed nothing for as long as the job allows (exit code 1).
    #[error("input {url}: nothing came for {} s (input_timeout); {why}", .after.as_secs())]
    Silent {
        /// As given.
        url: String,
        /// How long.
        after: Duration,
        /// What was known last.
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

impl CaptureError {
    /// The same without what may not be shown of the input.
    fn scrubbed(self, hidden: &[String]) -> CaptureError {
        let (shown, scrubbed) = (|url: String| without_secrets(&url), |why: String| scrub(&why, hidden));
        match self {
            CaptureError::Open { url, why } => CaptureError::Open { url: shown(url), why: scrubbed(why) },
            CaptureError::Away { url, why } => CaptureError::Away { url: shown(url), why: scrubbed(why) },
            CaptureError::Unfit { url, why } => CaptureError::Unfit { url: shown(url), why: scrubbed(why) },
            CaptureError::Silent { url, after, why } => CaptureError::Silent { url: shown(url), after, why: scrubbed(why) },
            CaptureError::Broken { url, why } => CaptureError::Broken { url: shown(url), why: scrubbed(why) },
        }
    }
}

#[cfg(test)]
#[path = "media_tests.rs"]
pub(crate) mod media_tests;

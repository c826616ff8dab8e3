//! The job: everything that was asked for, checked, before anything is opened.

pub mod audio;
pub mod check;
mod decode;
pub mod extras;
pub mod filler;
#[cfg(test)]
mod job_tests;
pub mod keys;
pub mod latency;
mod literal;
pub mod output;
pub mod outputs;
pub mod overload;
mod place;
pub mod protection;
pub mod select;
pub mod serving;
pub mod source;
pub mod standby;
pub mod value;
pub mod wishes;

use crate::decode::filler::Filler;
use crate::ladder::Ladder;
use crate::plan::SourceFacts;
use crate::shard::Shard;
use crate::time::{Rate, Seconds};
pub use decode::DecodeOn;
pub use extras::Extras;
pub use latency::{Latency, Prft};
pub use output::Output;
pub use overload::Overload;
pub use protection::Protection;
pub use select::{AudioPick, Pick, ProgramPick, Select, StreamRef};
use serde::Deserialize;
pub use serving::Serving;
pub use standby::Standby;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
pub use value::{Listen, Span, Text};
pub use wishes::Wishes;

/// A checked job: legal in itself, not yet resolved against a source.
#[derive(Clone, Debug)]
pub struct Job {
    /// Where the feed comes from: a path, `-`, `udp://…`, `testsrc:…`; or two paths of one feed.
    pub inputs: Vec<String>,
    /// The same as they are written, references and all, without what opens them: by these a job is known again.
    pub written: Vec<String>,
    /// How long one path is waited for where the other one lost something.
    pub path_window: Seconds,
    /// A second feed of the same programme, from encoders of its own.
    pub standby: Option<Standby>,
    /// What to make of it.
    pub ladder: Ladder,
    /// Where to publish.
    pub outputs: Vec<Output>,
    /// Where to serve the page, the embedded origin and the status.
    pub listen: Option<SocketAddr>,
    /// How that is served.
    pub serving: Serving,
    /// Which part of the plan this worker makes, where several share it.
    pub shard: Shard,
    /// A machine that is known not to hold the plan in real time is refused.
    pub require_capacity: bool,
    /// What happens where the machine turns out to be too small.
    pub overload: Overload,
    /// Bytes that the worker may take in all, where the job says.
    pub memory: Option<u64>,
    /// Where edits by the API are kept, and read from at the start; beside each output where absent.
    pub edits: Option<PathBuf>,
    /// How inputs are consumed.
    pub pace: Pace,
    /// The event ends after this long.
    pub duration: Option<Seconds>,
    /// The run ends where the feed shows nothing for this long: before its first picture, or after its last. Absent: 20 s for what is called, for ever for what listens and what was there before.
    pub input_timeout: Option<Seconds>,
    /// How source time becomes UTC.
    pub timeline: Timeline,
    /// Nominal segment duration; the grid takes the nearest whole number of slots.
    pub segment: Seconds,
    /// Split segments into chunks of this length.
    pub chunk: Option<Seconds>,
    /// Which segments are kept and listed.
    pub window: Window,
    /// Number k is due at the end of its slot plus this, the same for both workers of a pair.
    pub publish_delay: Seconds,
    /// Which streams of the input are used.
    pub select: Select,
    /// Rate of the grid; the source's own, snapped to a standard one, where absent.
    pub rate: Option<Rate>,
    /// Where the source is decoded.
    pub decode: DecodeOn,
    /// How outputs are protected; each is clear where none of these is for it.
    pub protection: Vec<Protection>,
    /// How far encoders look ahead.
    pub latency: Latency,
    /// What says when it was produced.
    pub prft: Prft,
    /// What players expect beside the media.
    pub extras: Extras,
    /// What the source is, where the job says and no look at it is wanted: all that a plan depends on but its streams.
    pub source: Option<SourceFacts>,
}

impl Job {
    /// The directories among the outputs.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.outputs.iter().filter_map(Output::path)
    }
}

/// `timeline.start`: when an event begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// With the feed's first picture
    #[default]
    FirstPicture,
    /// At once, with filler until the feed comes; what the feed is must be known: by [source] in the job, or by an earlier run
    Now,
}

/// How inputs are consumed (`--pace`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// At their own rate; lateness sheds whole GOPs.
    Live,
    /// As fast as the machine can; nothing is ever dropped.
    Fast,
}

/// How source time becomes UTC (`[timeline]`).
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// Which clock.
    pub clock: ClockKind,
    /// Source seconds = UTC.
    pub anchor: Option<Anchor>,
    /// Added to every picture's time before its slot is chosen; moves a feed that sits half a slot off the grid.
    pub phase: Seconds,
    /// Added to every SEI stamp (stamps without leap seconds, or with an encoder's known offset).
    pub stamp_offset: Seconds,
    /// A gap repeats the last picture for this long, then shows filler.
    pub hold: Seconds,
    /// A gap longer than this is not filled: its GOPs are left out (`EXT-X-GAP`).
    pub max_gap: Seconds,
    /// What filler shows.
    pub filler: Filler,
    /// When the event begins.
    pub start: Start,
}

/// `timeline.clock`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// The first that the feed supports: sei, pts where there is an anchor, else arrival for live input, its own start for a file
    Auto,
    /// UTC in every picture (MISB ST 0604)
    Sei,
    /// PTS against an anchor
    Pts,
    /// The host's clock
    Arrival,
}

/// `--anchor SECONDS=UTC`: the source time `source` is the instant `utc`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// Source time (PTS in seconds).
    pub source: Seconds,
    /// What UTC it is then.
    pub utc: Seconds,
}

/// Which segments are kept and listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    /// The whole event.
    Whole,
    /// The last so many seconds, at least three segments.
    Last(Seconds),
}

/// Whether `input` is the path of a file: no scheme, not stdin, not `testsrc:` or `gst:`.
pub fn is_file(input: &str) -> bool {
    input != "-" && !input.contains("://") && !input.starts_with("testsrc:") && !input.starts_with("gst:")
}

//! Where published bytes go. A destination is one file here and one line in [`DESTINATIONS`].

pub mod directory;
pub mod runner;
pub mod store;
pub mod stored;

use crate::ffmpeg::{Access, access};
use crate::status::Status;
use crate::time::{GopId, Seconds};
use crate::verdict::Verdict;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is published, in order. `path` is relative to the output's root (`avc-1080p/123.m4s`).
#[derive(Clone, Debug)]
pub enum Publish {
    /// A track's initialisation segment, once, before its first segment.
    Init {
        /// Relative path.
        path: String,
        /// The bytes.
        bytes: Bytes,
    },
    /// The next chunk of a segment in the making, which [`Publish::Segment`] with the same bytes, or [`Publish::Abort`], follows. Only for sinks that hand out chunks.
    Chunk {
        /// Track name.
        track: String,
        /// Number of its segment.
        number: GopId,
        /// Its place in the segment, from 0.
        index: u32,
        /// Relative path of the segment.
        path: String,
        /// The bytes.
        bytes: Bytes,
        /// When its first unit is shown or heard (UTC).
        start: Seconds,
        /// How long it lasts.
        duration: Seconds,
        /// It can be decoded without what came before it.
        independent: bool,
    },
    /// The segment in the making will not be completed: what is out is out, and its number becomes a gap. Only for sinks that hand out chunks.
    Abort {
        /// Track name.
        track: String,
        /// Its number.
        number: GopId,
        /// Relative path.
        path: String,
    },
    /// A whole segment.
    Segment {
        /// Track name.
        track: String,
        /// Its number.
        number: GopId,
        /// Relative path.
        path: String,
        /// The bytes.
        bytes: Bytes,
        /// When its slot ends (UTC), for lag metrics.
        slot_end: Seconds,
        /// What is known of it beside its bytes.
        verdict: Arc<Verdict>,
    },
    /// A playlist or manifest; replaces its predecessor at once.
    Text {
        /// Relative path.
        path: String,
        /// The bytes.
        bytes: Bytes,
        /// Who it is for.
        readers: Readers,
        /// Of a media playlist: how far it reaches.
        edge: Option<Edge>,
    },
    /// This segment has left the window.
    Remove {
        /// Relative path.
        path: String,
    },
}

/// Who a playlist or manifest is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readers {
    /// Everybody.
    All,
    /// Those of a sink that hands out whole segments only.
    Whole,
    /// Those of a sink that hands out chunks as they come.
    Chunked,
}

/// How far a media playlist reaches, for readers that wait for the next one (RFC 8216bis, 6.2.5.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Edge {
    /// The number after the last whole segment, or gap, that it lists.
    pub next: GopId,
    /// How many parts of that one it lists.
    pub parts: u32,
}

/// A destination. Owned by one thread; calls arrive in publishing order.
pub trait Sink: Send {
    /// Whether it hands out chunks as they come. If not, it is shown neither chunks nor texts that speak of them.
    fn takes_chunks(&self) -> bool {
        false
    }
    /// Stores one thing. When it returns, a reader can see it whole, or not at all.
    fn publish(&mut self, item: &Publish) -> Result<(), SinkError>;
}

impl Publish {
    /// Whether a sink that does, or does not, hand out chunks is shown it.
    pub fn concerns(&self, takes_chunks: bool) -> bool {
        match self {
            Publish::Chunk { .. } | Publish::Abort { .. } | Publish::Text { readers: Readers::Chunked, .. } => takes_chunks,
            Publish::Text { readers: Readers::Whole, .. } => !takes_chunks,
            _ => true,
        }
    }
}

/// Why something could not be stored.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct SinkError {
    /// The full path or URL.
    pub path: String,
    /// The system's words.
    pub why: String,
}

impl SinkError {
    /// An error about `path`, in the system's words.
    pub fn new(path: impl AsRef<Path>, why: impl ToString) -> SinkError {
        SinkError { path: path.as_ref().display().to_string(), why: why.to_string() }
    }
}

/// Makes a destination ready, so that a bad address fails at the start. Second argument: the names of all tracks.
pub type Open = fn(&Path, &[String], &Arc<Status>) -> Result<Box<dyn Sink>, SinkError>;

/// A kind of destination.
pub struct Destination {
    /// How its addresses begin; empty for a plain path.
    pub scheme: &'static str,
    /// Opens one.
    pub open: Open,
}

/// Every kind of destination that can be written as `--output`.
pub const DESTINATIONS: &[Destination] = &[Destination { scheme: "", open: directory::open }];

/// Whether `output` is of a kind that exists and could be written to. Touches nothing.
pub fn check(output: &Path) -> Result<(), SinkError> {
    find(output)?;
    directory::check(output)
}

/// Whether what `outputs` hold already can go on with these init segments (relative path, bytes), and their folders can be written to. Reads only.
pub fn agree(outputs: &[PathBuf], inits: &[(String, Vec<u8>)]) -> Result<(), SinkError> {
    let places = outputs.iter().flat_map(|output| inits.iter().map(move |(path, bytes)| (output.join(path), bytes)));
    places.into_iter().try_for_each(|(path, bytes)| {
        directory::agree(&path, bytes)?;
        let Some(folder) = path.parent().filter(|folder| folder.exists()) else { return Ok(()) };
        access(folder, Access::WriteInto).map_err(|e| SinkError::new(folder, format!("cannot be written to: {e}; accepted: a directory that can")))
    })
}

/// Opens `output`, where `tracks` will be published.
pub fn open(output: &Path, tracks: &[String], status: &Arc<Status>) -> Result<Box<dyn Sink>, SinkError> {
    (find(output)?.open)(output, tracks, status)
}

fn find(output: &Path) -> Result<&'static Destination, SinkError> {
    let scheme = output.to_str().and_then(|o| o.split_once("://")).map_or("", |(scheme, _)| scheme);
    DESTINATIONS
        .iter()
        .find(|d| d.scheme == scheme)
        .ok_or_else(|| SinkError::new(output, format!("no such kind of output: \"{scheme}://\"; accepted: a directory")))
}

//! Where published bytes go. A kind of destination is a file or folder here, a variant of [`Output`], and a line in [`open`] and [`agree`].

pub mod directory;
mod held;
pub(crate) mod net;
mod objects;
mod push;
pub mod remote;
pub mod runner;
pub mod store;
pub mod stored;

use crate::job::{Output, Pace};
use crate::plan::Plan;
use crate::status::Status;
use crate::time::{GopId, Seconds};
use crate::verdict::Verdict;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

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
    /// Whether it is shown this.
    fn wants(&self, item: &Publish) -> bool {
        item.concerns(self.takes_chunks())
    }
    /// Stores one thing. When it returns, a reader can see it whole, or not at all.
    fn publish(&mut self, item: &Publish) -> Result<(), SinkError>;
    /// Nothing more will be published: brings out what still waits, until `deadline` at the latest.
    fn finish(&mut self, _deadline: Instant) -> Result<(), SinkError> {
        Ok(())
    }
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

/// What a destination needs to know of the job.
#[derive(Clone, Debug)]
pub struct Context {
    /// Names of the tracks with pictures.
    pub video: Vec<String>,
    /// Names of the tracks with sound.
    pub audio: Vec<String>,
    /// How long a segment lasts.
    pub segment: Seconds,
    /// At full speed a destination that is behind is waited for; live, nobody waits.
    pub pace: Pace,
    /// Where it is counted.
    pub status: Arc<Status>,
}

impl Context {
    /// Of a plan.
    pub fn of(plan: &Plan, pace: Pace, status: &Arc<Status>) -> Context {
        Context {
            video: plan.video.iter().map(|r| r.name.clone()).collect(),
            audio: plan.audio.iter().map(|r| r.name.clone()).collect(),
            segment: plan.segment_duration(),
            pace,
            status: Arc::clone(status),
        }
    }

    /// The names of all tracks, video first.
    pub fn tracks(&self) -> Vec<String> {
        self.video.iter().chain(&self.audio).cloned().collect()
    }
}

/// Whether what `outputs` hold already can go on with these init segments (relative path, bytes), and directories can be written to. Reads only.
/// What is reached over a network is asked for a few seconds at most; one that does not answer is not an error, for it may come back.
pub fn agree(outputs: &[Output], inits: &[(String, Vec<u8>)]) -> Result<(), SinkError> {
    outputs.iter().try_for_each(|output| match output {
        Output::Directory(directory) => directory::agree_all(&directory.path, inits),
        Output::Push(push) => push::agree(push, inits),
        Output::Objects(objects) => objects::agree(objects, inits),
    })
}

/// The media type of what is published under `path` (RFC 8216 section 4, ISO/IEC 23009-1 annex C, RFC 6381); `audio`: of a track with sound.
pub fn media_type(path: &str, audio: bool) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("m4s" | "mp4") if audio => "audio/mp4",
        Some("m4s" | "mp4") => "video/mp4",
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("mpd") => "application/dash+xml",
        Some("json") => "application/json",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("vtt") => "text/vtt",
        _ => "application/octet-stream",
    }
}

/// Makes a destination ready: a directory that cannot be written to fails here.
pub fn open(output: &Output, context: &Context) -> Result<Box<dyn Sink>, SinkError> {
    match output {
        Output::Directory(directory) => directory::open(directory, context),
        Output::Push(push) => push::open(push, context),
        Output::Objects(objects) => objects::open(objects, context),
    }
}

//! What the origin counts, and `/v1/status` as it shows it.

use super::mask::Mask;
use serde::Serialize;

/// Counts of one pipeline on one track, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Whole bodies that came as segments.
    pub received: u64,
    /// Published.
    pub chosen: u64,
    /// The same bytes as what is published, or waits to be.
    pub identical: u64,
    /// Other bytes than what was published, though neither is marked: these pipelines do not make the same.
    pub differing: u64,
    /// Could have been published, and another one was; one of the two is marked.
    pub passed_over: u64,
    /// No segment of this track and number, or none that can be decoded.
    pub broken: u64,
    /// Bodies that broke off.
    pub broken_off: u64,
    /// Came after its gap was listed, or its number had left.
    pub late: u64,
    /// Hidden by a mask.
    pub masked: u64,
    /// Refused for its number, or because its initialisation segment is another one.
    pub refused: u64,
    /// Bytes of the segments that came.
    pub bytes: u64,
    /// The newest number that came.
    pub last: Option<i64>,
}

/// Counts of one track, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TrackCounts {
    /// Segments published.
    pub published: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Numbers that were listed as gaps.
    pub gaps: u64,
    /// Segments that were given up when chunks of them were out already.
    pub aborted: u64,
    /// Published segments with filler or defects: no better candidate came.
    pub marked: u64,
    /// Segments that could be read later than 500 ms after their last byte, or after what they waited for.
    pub deadline_misses: u64,
    /// The longest that took, in milliseconds.
    pub slowest_ms: i64,
    /// The newest number that is published, or listed as a gap.
    pub last: Option<i64>,
}

/// A pipeline on a track.
#[derive(Clone, Debug, Serialize)]
pub struct PipelineSnapshot {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Its initialisation segment is another one: nothing of it is taken here.
    pub other_init: bool,
    /// It sent something within the last three segments.
    pub alive: bool,
    /// Counts.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A track.
#[derive(Clone, Debug, Serialize)]
pub struct TrackSnapshot {
    /// Name.
    pub name: String,
    /// RFC 6381 codec string.
    pub codecs: String,
    /// Counts.
    #[serde(flatten)]
    pub counts: TrackCounts,
    /// Numbers that came and wait: for one before them, or for a better candidate.
    pub waiting: usize,
    /// Every pipeline that sent something.
    pub pipelines: Vec<PipelineSnapshot>,
}

/// `/v1/status` of the origin.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// `waiting` for the first segments, `running`, or `ended`.
    pub state: &'static str,
    /// Host's clock.
    pub now: String,
    /// Duration of a segment in milliseconds, once it is known.
    pub segment_ms: Option<i64>,
    /// Pipelines, in the order of preference.
    pub pipelines: Vec<String>,
    /// Tracks, in the order of the playlists.
    pub tracks: Vec<TrackSnapshot>,
    /// What is hidden.
    pub masks: Vec<Mask>,
    /// Things that could not be written to the output directory.
    pub unwritten: u64,
    /// Why the last of them could not.
    pub write_error: Option<String>,
}

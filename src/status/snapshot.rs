//! The status at one moment: plain numbers, as `/v1/status` and the terminal show them.

use super::clock::ClockSnapshot;
use super::counts::{SourceCounts, State};
use super::{DefectsSnapshot, TrackFacts, Watched};
use crate::budget::Parts;
use crate::capture::CaptureCounters;
use crate::capture::paths::counts as paths;
use crate::capture::refused;
use crate::deadline::TrackDeadline;
use crate::decode::audio;
use crate::govern::Step;
use crate::mux;
use crate::plan::SourceFacts;
use crate::protect;
use crate::sink::remote;
use crate::standby::run::WatchSnapshot;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The status at one moment, as `/v1/status` shows it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Snapshot {
    /// Where the worker stands.
    pub state: State,
    /// Why it failed.
    pub error: Option<String>,
    /// The worker's class.
    pub class: String,
    /// The host's clock, RFC 3339.
    pub now: String,
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Milliseconds that a segment lasts.
    pub segment_ms: i64,
    /// Whether slots are instants of today's UTC, so that there is a lag.
    pub live: bool,
    /// The end of the newest published slot, RFC 3339. A file without an anchor begins at 1970.
    pub position: Option<String>,
    /// Milliseconds from the beginning of the first slot that this process published to the end of the newest.
    pub media_ms: i64,
    /// What `media_ms` will be at the end, where the job or the container says; the latter may be wrong.
    pub expected_ms: Option<i64>,
    /// The largest lag of a track that is enabled.
    pub lag_ms: Option<i64>,
    /// The largest age of a track that is enabled.
    pub age_ms: Option<i64>,
    /// What the feed is.
    #[schema(value_type = Object)]
    pub feed: SourceFacts,
    /// What places the source on the grid; absent before its first picture.
    pub clock: Option<ClockSnapshot>,
    /// The source.
    pub source: SourceSnapshot,
    /// The second feed, and which of both is shown; absent where the job has one.
    pub standby: Option<StandbySnapshot>,
    /// The paths that it comes on, where they are received here (UDP, RTP, two paths).
    pub inputs: Option<InputsSnapshot>,
    /// What became of it.
    pub published: PublishedSnapshot,
    /// The budget of memory, in bytes; absent before the worker has divided it.
    pub memory: Option<MemorySnapshot>,
    /// Destinations behind a network, as in the job.
    pub outputs: Vec<remote::counts::Snapshot>,
    /// Keys of each `[protection]`, as in the job; absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protection: Vec<protect::CountsSnapshot>,
    /// See [`super::Status::conflicts`].
    pub conflicts: u64,
    /// Tracks as in the plan, video first.
    pub tracks: Vec<TrackSnapshot>,
    /// What the plan warned about, and which rungs it left out.
    pub warnings: Vec<String>,
}

/// The second feed at one moment.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct StandbySnapshot {
    /// Which feed is shown, and what is wrong with each.
    #[serde(flatten)]
    pub switch: WatchSnapshot,
    /// What places it on the grid.
    pub clock: Option<ClockSnapshot>,
    /// What it brought.
    pub source: SourceSnapshot,
}

/// The source at one moment.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SourceSnapshot {
    /// Access units demuxed, both streams.
    pub units: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// GOPs of the source left out before decoding, whole or from some picture on, because the decoder was outrun.
    pub shed_gops: u64,
    /// See [`SourceCounts::pictures`].
    pub pictures: u64,
    /// Access units of either stream that could not be read, had no sane stamp, did not fit an input's queue, were of a stream that came in a chosen one's place and
    /// could not be used, or did not decode whole.
    pub errors: u64,
    /// See [`SourceCounts::repeats`].
    pub repeats: u64,
    /// See [`SourceCounts::fillers`].
    pub fillers: u64,
    /// See [`SourceCounts::dropped`].
    pub dropped: u64,
    /// Published samples of sound that the feed did not have.
    pub silent_samples: u64,
    /// See [`SourceCounts::anchors`].
    pub anchors: u64,
    /// See [`SourceCounts::left_device`].
    pub left_device: u64,
    /// Connections lost, and opened again. Where the first is one more, there is none now.
    pub disconnects: u64,
    /// See `disconnects`.
    pub reconnects: u64,
    /// Callers of a listening input that brought no media.
    pub callers_refused: u64,
    /// Times that the video or the sound moved to another PID, or became something else.
    pub changes: u64,
}

/// The paths of the input at one moment.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct InputsSnapshot {
    /// In the order of the job.
    pub paths: Vec<paths::PathSnapshot>,
    /// What came of them.
    pub merge: paths::MergeSnapshot,
}

impl InputsSnapshot {
    pub(super) fn of(counts: &paths::Counts) -> InputsSnapshot {
        InputsSnapshot { paths: counts.paths.iter().map(|path| path.snapshot()).collect(), merge: counts.merge.snapshot() }
    }
}

/// Who may take how much memory, and what of it pictures have.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct MemorySnapshot {
    /// The parts.
    #[serde(flatten)]
    pub parts: Parts,
    /// Bytes of pictures that wait or are held.
    pub held: u64,
}

/// The muxer's counts at one moment, all tracks together: [`mux::Counts`].
#[derive(Clone, Debug, Default, Serialize, utoipa::ToSchema)]
pub struct PublishedSnapshot {
    /// Segments published.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Segment numbers that will never come.
    pub gaps: u64,
    /// Segments that were not published because they cannot be decoded.
    pub undecodable: u64,
    /// Rules that published segments break.
    pub findings: u64,
    /// Segments larger than 1.10 x cap x duration.
    pub over_cap: u64,
}

impl PublishedSnapshot {
    pub(super) fn of(counts: &mux::Counts) -> PublishedSnapshot {
        let [segments, bytes, gaps, undecodable, findings, over_cap] =
            [&counts.segments, &counts.bytes, &counts.gaps, &counts.undecodable, &counts.findings, &counts.over_cap].map(|c| c.load(Relaxed));
        PublishedSnapshot { segments, bytes, gaps, undecodable, findings, over_cap }
    }
}

/// One track at one moment.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct TrackSnapshot {
    /// What it is.
    #[serde(flatten)]
    pub facts: TrackFacts,
    /// Whether it is to be made now: a rung may be disabled.
    pub enabled: bool,
    /// What the overload governor makes of it; absent for sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overload: Option<Step>,
    /// GOPs that it hurried, or that show every second picture twice.
    pub hurried: u64,
    /// GOPs that it left out, for the sake of smaller rungs.
    pub paused: u64,
    /// Which of its segments are made here, where other shards make the rest: "none", "numbers that leave 0 of 2".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Number of the segment published last.
    pub last_segment: Option<i64>,
    /// Segments published by this process.
    pub segments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Bits per second of the last one, taken as a whole segment long.
    pub bitrate: Option<u64>,
    /// Milliseconds from the end of its slot to its publication; only where slots are today's UTC.
    pub lag_ms: Option<i64>,
    /// Milliseconds from the end of its slot to now: grows when the track stalls, or is disabled.
    pub age_ms: Option<i64>,
    /// Pictures that its encoder was given, each once; absent for sound.
    pub encoded: Option<u64>,
    /// Pictures that wait for its encoder; absent for sound.
    pub queue: Option<u64>,
    /// GOPs dropped because the rung was late.
    pub late: u64,
    /// GOPs dropped because every backend failed on them.
    pub failed: u64,
    /// GOPs encoded again.
    pub retries: u64,
    /// GOPs that another backend made than the plan puts first.
    pub fallbacks: u64,
    /// GOPs whose frames were not held for another try, because the frame budget was spent.
    pub unheld: u64,
    /// GOPs that exceed 1.10 x cap.
    pub over_cap: u64,
    /// Thousandths of the time that a GOP may take in which the newest one was encoded: above 1000 the rung is slower than real time. A shard has more time for each, where others make numbers of the rung. Absent for sound.
    pub encode_permille: Option<u64>,
    /// Segments that were not published when they were due; absent where nothing is due (`--pace fast`).
    pub deadline: Option<TrackDeadline>,
    /// What was wrong with its segments, though they were published.
    pub quality: DefectsSnapshot,
}

impl SourceCounts {
    pub(super) fn snapshot(&self, watched: &Watched) -> SourceSnapshot {
        let capture = |which: &dyn Fn(&CaptureCounters) -> &AtomicU64| watched.capture.get().map_or(0, |c| which(c).load(Relaxed));
        let sound = |which: &dyn Fn(&audio::Counts) -> &AtomicU64| watched.sound.get().map_or(0, |c| which(c).load(Relaxed));
        SourceSnapshot {
            units: capture(&|c| &c.video) + capture(&|c| &c.audio),
            bytes: capture(&|c| &c.bytes),
            shed_gops: capture(&|c| &c.shed_gops),
            pictures: self.pictures.get(),
            errors: self.errors.get()
                + capture(&|c| &c.failed_reads)
                + capture(&|c| &c.bad_stamps)
                + capture(&|c| &c.strays)
                + capture(&|c| &c.overruns)
                + sound(&|c| &c.faults),
            repeats: self.repeats.get(),
            fillers: self.fillers.get(),
            dropped: self.dropped.get(),
            silent_samples: sound(&|c| &c.silent_samples),
            anchors: self.anchors.get(),
            left_device: self.left_device.get(),
            disconnects: capture(&|c| &c.disconnects),
            reconnects: capture(&|c| &c.reconnects),
            callers_refused: capture(&|c| &c.callers) + refused::count(),
            changes: capture(&|c| &c.moves) + capture(&|c| &c.formats),
        }
    }
}

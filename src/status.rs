//! What the worker is doing, as numbers: counted by the stages, shown by `serve`, logged at the end.
//!
//! Per picture nothing locks: counters are atomics. What belongs together (a segment's number, size and end) is behind one lock a track, taken once a segment.
//! Nothing here is ever read back by a stage: published bytes do not depend on it.

use crate::capture::CaptureCounters;
use crate::decode::audio;
use crate::encode::TrackId;
use crate::encode::queue::Counters;
use crate::ladder::{AudioCodec, VideoCodec};
use crate::mux;
use crate::plan::Plan;
use crate::time::{GopId, Rate, Seconds};
use serde::Serialize;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Where the worker stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is published yet.
    Starting,
    /// At work.
    Running,
    /// It was told to stop and finishes what is in flight.
    Leaving,
    /// The event is over.
    Ended,
    /// It broke.
    Failed,
}

const STATES: [State; 5] = [State::Starting, State::Running, State::Leaving, State::Ended, State::Failed];

/// What the source brought, and what was done to it. One line is one counter.
#[derive(Debug, Default)]
pub struct SourceCounts {
    /// Pictures decoded.
    pub pictures: Counter,
    /// Pictures that did not decode, or not whole.
    pub errors: Counter,
    /// Slots that repeat the picture before them.
    pub repeats: Counter,
    /// Slots that show filler.
    pub fillers: Counter,
    /// Pictures for which there was no slot (a burst, a feed faster than the grid), or no time.
    pub dropped: Counter,
    /// Times that the feed's clock was tied to the grid anew.
    pub anchors: Counter,
}

/// One track.
#[derive(Debug)]
struct Track {
    facts: TrackFacts,
    rung: OnceLock<Arc<Counters>>,
    published: Mutex<Published>,
}

/// What stages count by themselves, from when the pipeline hands it over.
#[derive(Debug, Default)]
struct Watched {
    capture: OnceLock<Arc<CaptureCounters>>,
    sound: OnceLock<Arc<audio::Counts>>,
    mux: OnceLock<Arc<mux::Counts>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Published {
    segments: u64,
    bytes: u64,
    last: Option<LastSegment>,
}

#[derive(Clone, Copy, Debug)]
struct LastSegment {
    number: GopId,
    bytes: u64,
    slot_end: Seconds,
    published: Seconds,
}

/// What a track is, from the plan.
#[derive(Clone, Debug, Serialize)]
pub struct TrackFacts {
    /// Rung and track name.
    pub name: String,
    /// What it carries.
    #[serde(flatten)]
    pub media: Media,
    /// Cap of video, constant rate of audio, in bits per second.
    pub max_bitrate: u64,
}

/// What a track carries.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Media {
    /// Pictures.
    Video {
        /// Codec.
        codec: VideoCodec,
        /// Pixels across.
        width: u32,
        /// Lines.
        height: u32,
        /// Pictures per second.
        rate: Rate,
    },
    /// Sound.
    Audio {
        /// Codec.
        codec: AudioCodec,
        /// Channels.
        channels: u32,
    },
}

/// Everything that is counted. One per job, shared by `Arc`.
#[derive(Debug)]
pub struct Status {
    started: Instant,
    state: AtomicU8,
    error: Mutex<Option<String>>,
    class: String,
    warnings: Vec<String>,
    segment: Seconds,
    live: bool,
    tracks: Vec<Track>,
    watched: Watched,
    /// The source's counts.
    pub source: SourceCounts,
    /// Segments that a destination already had with other bytes; it kept its own.
    pub conflicts: Counter,
}

impl Status {
    /// All zero. `live`: slots are instants of today's UTC, so that a lag behind them means something (false for a file that starts at the epoch).
    pub fn new(plan: &Plan, live: bool) -> Status {
        let video = plan.video.iter().map(|r| TrackFacts {
            name: r.name.clone(),
            media: Media::Video { codec: r.codec, width: r.width, height: r.height, rate: r.grid.rate },
            max_bitrate: r.max_bitrate,
        });
        let audio = plan.audio.iter().map(|r| TrackFacts {
            name: r.name.clone(),
            media: Media::Audio { codec: r.codec, channels: r.channels },
            max_bitrate: r.bitrate,
        });
        Status {
            started: Instant::now(),
            state: AtomicU8::new(State::Starting as u8),
            error: Mutex::new(None),
            class: plan.class.clone(),
            warnings: plan.warnings.iter().chain(&plan.left_out).cloned().collect(),
            segment: plan.segment_duration(),
            live,
            tracks: video.chain(audio).map(Track::new).collect(),
            watched: Watched::default(),
            source: SourceCounts::default(),
            conflicts: Counter::default(),
        }
    }

    /// Where the worker stands now.
    pub fn set_state(&self, state: State) {
        self.state.store(state as u8, Relaxed);
    }

    /// The worker broke, and why. The first reason stays.
    pub fn fail(&self, why: &str) {
        lock(&self.error).get_or_insert_with(|| why.to_owned());
    }

    /// Shows what capture counts.
    pub fn watch_capture(&self, counters: Arc<CaptureCounters>) {
        // A job has one of each stage: nothing is ever replaced.
        let _ = self.watched.capture.set(counters);
    }

    /// Shows what the audio stage counts.
    pub fn watch_sound(&self, counts: Arc<audio::Counts>) {
        let _ = self.watched.sound.set(counts);
    }

    /// Shows what the muxer counts.
    pub fn watch_mux(&self, counts: Arc<mux::Counts>) {
        let _ = self.watched.mux.set(counts);
    }

    /// Shows what a video rung counts.
    pub fn watch_rung(&self, track: TrackId, counters: Arc<Counters>) {
        if let Some(t) = self.tracks.get(track.0) {
            let _ = t.rung.set(counters);
        }
    }

    /// A segment is stored in every destination. Names beside the plan's are ignored.
    pub fn segment_published(&self, track: &str, number: GopId, bytes: u64, slot_end: Seconds) {
        let Some(t) = self.tracks.iter().find(|t| t.facts.name == track) else { return };
        {
            let mut p = lock(&t.published);
            p.segments += 1;
            p.bytes += bytes;
            p.last = Some(LastSegment { number, bytes, slot_end, published: Seconds::host_now() });
        }
        let starting = State::Starting as u8;
        let _ = self.state.compare_exchange(starting, State::Running as u8, Relaxed, Relaxed);
    }

    /// Tracks of which no segment is stored yet.
    pub fn missing(&self) -> Vec<&str> {
        self.tracks.iter().filter(|t| lock(&t.published).last.is_none()).map(|t| t.facts.name.as_str()).collect()
    }

    /// Everything, now.
    pub fn snapshot(&self) -> Snapshot {
        let now = Seconds::host_now();
        let error = lock(&self.error).clone();
        let state = STATES.get(usize::from(self.state.load(Relaxed))).copied();
        Snapshot {
            // A failure is the last word, whatever stage says its own after it.
            state: if error.is_some() { State::Failed } else { state.unwrap_or(State::Failed) },
            error,
            class: self.class.clone(),
            now: now.to_rfc3339(),
            uptime_ms: self.started.elapsed().as_millis() as u64,
            segment_ms: self.segment.nearest_ticks(1000),
            source: self.source.snapshot(&self.watched),
            published: self.watched.mux.get().map(|counts| PublishedSnapshot::of(counts)).unwrap_or_default(),
            conflicts: self.conflicts.get(),
            tracks: self.tracks.iter().map(|t| t.snapshot(now, self.segment, self.live)).collect(),
            warnings: self.warnings.clone(),
        }
    }
}

impl Track {
    fn new(facts: TrackFacts) -> Track {
        Track { facts, rung: OnceLock::new(), published: Mutex::default() }
    }

    fn snapshot(&self, now: Seconds, segment: Seconds, live: bool) -> TrackSnapshot {
        let p = *lock(&self.published);
        let count = |which: &dyn Fn(&Counters) -> &AtomicU64| self.rung.get().map_or(0, |rung| which(rung).load(Relaxed));
        let behind = |at: Seconds, slot_end: Seconds| live.then(|| (at - slot_end).nearest_ticks(1000));
        TrackSnapshot {
            facts: self.facts.clone(),
            last_segment: p.last.map(|l| l.number.0),
            segments: p.segments,
            bytes: p.bytes,
            bitrate: p.last.and_then(|l| bits_per_second(l.bytes, segment)),
            lag_ms: p.last.and_then(|l| behind(l.published, l.slot_end)),
            age_ms: p.last.and_then(|l| behind(now, l.slot_end)),
            queue: self.rung.get().map(|r| r.waiting.load(Relaxed)),
            late: count(&|r| &r.late),
            failed: count(&|r| &r.failed),
            retries: count(&|r| &r.retried),
        }
    }
}

fn bits_per_second(bytes: u64, span: Seconds) -> Option<u64> {
    let (num, den) = span.fraction();
    (num > 0).then(|| i128::from(bytes) * 8 * den / num).and_then(|bps| u64::try_from(bps).ok())
}

impl SourceCounts {
    fn snapshot(&self, watched: &Watched) -> SourceSnapshot {
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
        }
    }
}

/// A poisoned lock only means that a thread died while it counted; the numbers are still numbers.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The status at one moment, as `/v1/status` shows it.
#[derive(Clone, Debug, Serialize)]
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
    /// The source.
    pub source: SourceSnapshot,
    /// What became of it.
    pub published: PublishedSnapshot,
    /// See [`Status::conflicts`].
    pub conflicts: u64,
    /// Tracks as in the plan, video first.
    pub tracks: Vec<TrackSnapshot>,
    /// What the plan warned about, and which rungs it left out.
    pub warnings: Vec<String>,
}

/// The source at one moment.
#[derive(Clone, Debug, Serialize)]
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
}

/// The muxer's counts at one moment, all tracks together: [`mux::Counts`].
#[derive(Clone, Debug, Default, Serialize)]
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
    fn of(counts: &mux::Counts) -> PublishedSnapshot {
        let [segments, bytes, gaps, undecodable, findings, over_cap] =
            [&counts.segments, &counts.bytes, &counts.gaps, &counts.undecodable, &counts.findings, &counts.over_cap].map(|c| c.load(Relaxed));
        PublishedSnapshot { segments, bytes, gaps, undecodable, findings, over_cap }
    }
}

/// One track at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct TrackSnapshot {
    /// What it is.
    #[serde(flatten)]
    pub facts: TrackFacts,
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
    /// Milliseconds from the end of its slot to now: grows when the track stalls.
    pub age_ms: Option<i64>,
    /// Pictures that wait for its encoder; absent for sound.
    pub queue: Option<u64>,
    /// GOPs dropped because the rung was late.
    pub late: u64,
    /// GOPs dropped because every backend failed on them.
    pub failed: u64,
    /// GOPs encoded again.
    pub retries: u64,
}

#[cfg(test)]
#[path = "status_tests.rs"]
pub(crate) mod tests;

//! What the worker is doing, as numbers: counted by the stages, shown by `serve`, logged at the end.
//!
//! Per picture nothing locks: counters are atomics. What belongs together (a segment's number, size and end) is behind one lock a track, taken once a segment.
//! Nothing here is ever read back by a stage: published bytes do not depend on it.

use crate::capture::CaptureCounters;
use crate::decode::audio;
use crate::encode::queue;
use crate::ladder::{AudioCodec, VideoCodec};
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
    /// Video packets that did not decode, or pictures that did not decode whole.
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
    published: Mutex<Published>,
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
    /// The source's counts.
    pub source: SourceCounts,
    /// Segments that a destination already had with other bytes; it kept its own.
    pub conflicts: Counter,
    watched: OnceLock<Watched>,
}

/// The stages' own counters, read when the status is asked for.
#[derive(Debug)]
pub struct Watched {
    /// Capture's.
    pub capture: Arc<CaptureCounters>,
    /// The audio stage's, where there is sound.
    pub audio: Option<Arc<audio::Counts>>,
    /// The video rungs', in the order of their tracks.
    pub rungs: Vec<Arc<queue::Counters>>,
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
            source: SourceCounts::default(),
            conflicts: Counter::default(),
            watched: OnceLock::new(),
        }
    }

    /// The counters of the stages, once they are there. Later calls do nothing.
    pub fn watch(&self, watched: Watched) {
        let _ = self.watched.set(watched);
    }

    /// Where the worker stands now.
    pub fn set_state(&self, state: State) {
        self.state.store(state as u8, Relaxed);
    }

    /// The worker broke, and why. The first reason stays.
    pub fn fail(&self, why: &str) {
        lock(&self.error).get_or_insert_with(|| why.to_owned());
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
            source: self.source.snapshot(self.watched.get()),
            conflicts: self.conflicts.get(),
            tracks: self
                .tracks
                .iter()
                .enumerate()
                .map(|(i, t)| t.snapshot(now, self.segment, self.live, self.watched.get().and_then(|w| w.rungs.get(i))))
                .collect(),
            warnings: self.warnings.clone(),
        }
    }
}

impl Track {
    fn new(facts: TrackFacts) -> Track {
        Track { facts, published: Mutex::default() }
    }

    fn snapshot(&self, now: Seconds, segment: Seconds, live: bool, rung: Option<&Arc<queue::Counters>>) -> TrackSnapshot {
        let rung = |count: fn(&queue::Counters) -> &AtomicU64| rung.map_or(0, |r| count(r).load(Relaxed));
        let p = *lock(&self.published);
        let behind = |at: Seconds, slot_end: Seconds| live.then(|| (at - slot_end).nearest_ticks(1000));
        TrackSnapshot {
            facts: self.facts.clone(),
            last_segment: p.last.map(|l| l.number.0),
            segments: p.segments,
            bytes: p.bytes,
            bitrate: p.last.and_then(|l| bits_per_second(l.bytes, segment)),
            lag_ms: p.last.and_then(|l| behind(l.published, l.slot_end)),
            age_ms: p.last.and_then(|l| behind(now, l.slot_end)),
            queue: rung(|r| &r.waiting),
            late: rung(|r| &r.late),
            failed: rung(|r| &r.failed),
            retries: rung(|r| &r.retried),
        }
    }
}

fn bits_per_second(bytes: u64, span: Seconds) -> Option<u64> {
    let (num, den) = span.fraction();
    (num > 0).then(|| i128::from(bytes) * 8 * den / num).and_then(|bps| u64::try_from(bps).ok())
}

impl SourceCounts {
    fn snapshot(&self, watched: Option<&Watched>) -> SourceSnapshot {
        let capture = |count: fn(&CaptureCounters) -> &AtomicU64| watched.map_or(0, |w| count(&w.capture).load(Relaxed));
        let audio = |count: fn(&audio::Counts) -> &AtomicU64| watched.and_then(|w| w.audio.as_ref()).map_or(0, |a| count(a).load(Relaxed));
        SourceSnapshot {
            units: capture(|c| &c.video) + capture(|c| &c.audio),
            corrupt: capture(|c| &c.corrupt),
            pictures: self.pictures.get(),
            errors: self.errors.get() + audio(|a| &a.faults) + capture(|c| &c.failed_reads) + capture(|c| &c.bad_stamps),
            repeats: self.repeats.get(),
            fillers: self.fillers.get(),
            dropped: self.dropped.get() + capture(|c| &c.shed_packets) + capture(|c| &c.shed_audio) + audio(|a| &a.dropped),
            silent_samples: audio(|a| &a.silent_samples),
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
    /// Access units of them that the container flags as damaged.
    pub corrupt: u64,
    /// Pictures decoded.
    pub pictures: u64,
    /// Reads, packets and pictures that failed, or came out damaged.
    pub errors: u64,
    /// Slots that repeat the picture before them.
    pub repeats: u64,
    /// Slots that show filler.
    pub fillers: u64,
    /// Pictures for which there was no slot, and packets for which there was no time.
    pub dropped: u64,
    /// Published samples of sound that the feed did not have.
    pub silent_samples: u64,
    /// Times that the feed's clock was tied to the grid anew.
    pub anchors: u64,
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
    /// Frames that wait for its encoder.
    pub queue: u64,
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

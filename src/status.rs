//! What the worker is doing, as numbers: counted by the stages, shown by `serve`, logged at the end.
//!
//! Per picture nothing locks: counters are atomics. What belongs together (a segment's number, size and end) is behind one lock a track, taken once a segment.
//! Nothing here is ever read back by a stage: published bytes do not depend on it.

mod clock;
mod counts;
mod defects;
mod seen;
mod snapshot;

use crate::budget::{FrameBudget, Parts};
use crate::capture::CaptureCounters;
use crate::capture::paths::counts as paths;
use crate::deadline;
use crate::decode::audio;
use crate::encode::TrackId;
use crate::encode::counters::Counters;
use crate::events::{Content, Events, Kind, Note};
use crate::govern::Step;
use crate::ladder::{AudioCodec, VideoCodec};
use crate::metrics::Probes;
use crate::mux;
use crate::plan::{Plan, SourceFacts};
use crate::protect::{self, cipher::Scheme};
use crate::schedule::Schedule;
use crate::shard::{Part, Share};
use crate::sink::remote;
use crate::standby::run::Watch;
use crate::time::{GopId, Rate, Seconds};
use crate::traces;
use crate::verdict::Verdict;
pub use clock::{ClockSnapshot, ClockStatus};
pub use counts::{Counter, SourceCounts, State};
pub use defects::DefectsSnapshot;
pub use seen::Seen;
use serde::Serialize;
pub use snapshot::{InputsSnapshot, MemorySnapshot, PublishedSnapshot, Snapshot, SourceSnapshot, StandbySnapshot, TrackSnapshot};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// One track.
#[derive(Debug)]
struct Track {
    facts: TrackFacts,
    rung: OnceLock<Arc<Counters>>,
    published: Mutex<Published>,
    defects: Mutex<defects::Defects>,
}

/// What stages count by themselves, from when the pipeline hands it over.
#[derive(Debug, Default)]
struct Watched {
    capture: OnceLock<Arc<CaptureCounters>>,
    paths: Mutex<Option<Arc<paths::Counts>>>,
    sound: OnceLock<Arc<audio::Counts>>,
    mux: OnceLock<Arc<mux::Counts>>,
    memory: OnceLock<(Parts, Vec<Arc<FrameBudget>>)>,
    standby: OnceLock<(Arc<Watch>, Arc<Status>)>,
    share: OnceLock<Share>,
    outputs: Mutex<Vec<Arc<remote::counts::Counts>>>,
    protection: OnceLock<Vec<(Scheme, Arc<protect::Counts>)>>,
    deadline: OnceLock<Arc<deadline::Watch>>,
    traces: OnceLock<Arc<traces::Counts>>,
    schedule: OnceLock<Arc<Schedule>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Published {
    segments: u64,
    bytes: u64,
    /// Where the first segment of this process begins.
    begun: Option<Seconds>,
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
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct TrackFacts {
    /// Rung and track name.
    pub name: String,
    /// What it carries.
    #[serde(flatten)]
    pub media: Media,
    /// Cap of video, constant rate of audio, in bits per second.
    pub max_bitrate: u64,
    /// The backend that the plan puts first; absent for sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
}

/// What a track carries.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Media {
    /// Pictures.
    Video {
        /// Codec.
        #[schema(value_type = String)]
        codec: VideoCodec,
        /// Pixels across.
        width: u32,
        /// Lines.
        height: u32,
        /// Pictures per second.
        #[schema(value_type = String)]
        rate: Rate,
    },
    /// Sound.
    Audio {
        /// Codec.
        #[schema(value_type = String)]
        codec: AudioCodec,
        /// Channels.
        channels: u32,
        /// ISO 639-2 language, or a tag where that says more.
        language: String,
        /// What it is called.
        label: String,
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
    feed: SourceFacts,
    expected: OnceLock<Seconds>,
    tracks: Vec<Track>,
    watched: Watched,
    /// What happened.
    pub events: Arc<Events>,
    content: Mutex<Content>,
    /// The source's counts.
    pub source: SourceCounts,
    /// What places the source on the grid.
    pub clock: ClockStatus,
    /// Segments that a destination already had with other bytes; it kept its own.
    pub conflicts: Counter,
    /// Marks along the way of pictures and segments.
    pub probes: Arc<Probes>,
}

impl Status {
    /// All zero. `live`: slots are instants of today's UTC, so that a lag behind them means something (false for a file that starts at the epoch).
    pub fn new(plan: &Plan, live: bool) -> Status {
        let video = plan.video.iter().map(|r| TrackFacts {
            name: r.name.clone(),
            media: Media::Video { codec: r.codec, width: r.width, height: r.height, rate: r.grid.rate },
            max_bitrate: r.max_bitrate,
            backend: r.backends.first().cloned(),
        });
        let audio = plan.audio.iter().map(|r| TrackFacts {
            name: r.name.clone(),
            media: Media::Audio { codec: r.codec, channels: r.channels, language: r.tag.clone().unwrap_or_else(|| r.language.clone()), label: r.label.clone() },
            max_bitrate: r.bitrate,
            backend: None,
        });
        let probes = Arc::new(Probes::new(plan.grid, plan.video.len() + plan.audio.len()));
        Status {
            started: Instant::now(),
            state: AtomicU8::new(State::Starting as u8),
            error: Mutex::new(None),
            class: plan.class.clone(),
            warnings: plan.warnings.iter().cloned().chain(plan.left_out_line()).collect(),
            segment: plan.segment_duration(),
            live,
            feed: plan.source.clone(),
            expected: OnceLock::new(),
            tracks: video.chain(audio).map(Track::new).collect(),
            watched: Watched::default(),
            events: Arc::default(),
            content: Mutex::default(),
            source: SourceCounts::default(),
            clock: ClockStatus::default(),
            conflicts: Counter::default(),
            probes,
        }
    }

    /// Where the worker stands now.
    pub fn set_state(&self, state: State) {
        if self.state.swap(state as u8, Relaxed) != state as u8 {
            self.events.emit(Note::new(Kind::State, state.name()));
        }
    }

    /// The worker broke, and why. The first reason stays.
    pub fn fail(&self, why: &str) {
        let mut error = lock(&self.error);
        if error.is_none() {
            *error = Some(why.to_owned());
            self.events.emit(Note::new(Kind::Failed, why));
        }
    }

    /// How much is to come, where that is known: the first word counts.
    pub fn expect(&self, duration: Seconds) {
        let _ = self.expected.set(duration);
    }

    /// Shows what capture counts.
    pub fn watch_capture(&self, counters: Arc<CaptureCounters>) {
        // A job has one of each stage: nothing is ever replaced.
        let _ = self.watched.capture.set(counters);
    }

    /// Shows what is counted of the paths of the input; those of one that was opened again, from then on.
    pub fn watch_paths(&self, counts: Arc<paths::Counts>) {
        *lock(&self.watched.paths) = Some(counts);
    }

    /// Shows what the audio stage counts.
    pub fn watch_sound(&self, counts: Arc<audio::Counts>) {
        let _ = self.watched.sound.set(counts);
    }

    /// Shows what the muxer counts.
    pub fn watch_mux(&self, counts: Arc<mux::Counts>) {
        let _ = counts.probes.set(Arc::clone(&self.probes));
        let _ = self.watched.mux.set(counts);
    }

    /// Shows how memory is divided, and what pictures have of it.
    pub fn watch_memory(&self, parts: Parts, budgets: Vec<Arc<FrameBudget>>) {
        let _ = self.watched.memory.set((parts, budgets));
    }

    /// Shows what is due, and not there.
    pub fn watch_deadline(&self, watch: Arc<deadline::Watch>) {
        let _ = self.watched.deadline.set(watch);
    }

    /// Shows what becomes of traces.
    pub fn watch_traces(&self, counts: Arc<traces::Counts>) {
        let _ = self.watched.traces.set(counts);
    }

    /// Shows what becomes of keys, in the order of the job.
    pub fn watch_protection(&self, counts: Vec<(Scheme, Arc<protect::Counts>)>) {
        let _ = self.watched.protection.set(counts);
    }

    /// Shows what a destination behind a network counts; in the order of the job.
    pub fn watch_output(&self, counts: Arc<remote::counts::Counts>) {
        lock(&self.watched.outputs).push(counts);
    }

    /// Goes by what is to be made.
    pub fn watch_schedule(&self, schedule: Arc<Schedule>) {
        let _ = self.watched.schedule.set(schedule);
    }

    /// Whether segment `number` of `track` is to be made: a rung may be disabled.
    pub fn is_made(&self, track: &str, number: GopId) -> bool {
        self.watched.schedule.get().is_none_or(|schedule| schedule.is_enabled(track, number))
    }

    /// Whether a rung is to be made now: as its newest segment that was begun.
    fn is_enabled(&self, track: &str) -> bool {
        let at = self.watched.schedule.get().and_then(|schedule| schedule.frontier().0);
        at.is_none_or(|at| self.is_made(track, at))
    }

    /// Whether the overload governor leaves a rung out now.
    pub fn is_paused(&self, track: usize) -> bool {
        self.tracks.get(track).is_some_and(Track::is_paused)
    }

    /// Shows the switch between two feeds, and what the second one's stages count.
    pub fn watch_standby(&self, switch: Arc<Watch>, second: Arc<Status>) {
        let _ = self.watched.standby.set((switch, second));
    }

    /// What shows one of two feeds, where there are two.
    pub fn standby(&self) -> Option<&Arc<Watch>> {
        self.watched.standby.get().map(|(watch, _)| watch)
    }

    /// What of the plan is made here, where several workers share it.
    pub fn set_share(&self, share: Share) {
        let _ = self.watched.share.set(share);
    }

    /// Which numbers of a track are made here: only they can be late or missing.
    pub fn part(&self, track: &str) -> Part {
        self.watched.share.get().map_or_else(Part::all, |share| share.part(track))
    }

    /// Shows what a video rung counts.
    pub fn watch_rung(&self, track: TrackId, counters: Arc<Counters>) {
        if let Some(t) = self.tracks.get(track.0) {
            counters.measured.mark(Arc::clone(&self.probes), track);
            let _ = t.rung.set(counters);
        }
    }

    /// A segment is stored in every destination. Names beside the plan's are ignored.
    pub fn segment_published(&self, track: &str, number: GopId, bytes: u64, slot_end: Seconds) {
        let Some((index, t)) = self.tracks.iter().enumerate().find(|(_, t)| t.facts.name == track) else { return };
        let now = Seconds::host_now();
        {
            let mut p = lock(&t.published);
            p.segments += 1;
            p.bytes += bytes;
            p.begun.get_or_insert(slot_end - self.segment);
            p.last = Some(LastSegment { number, bytes, slot_end, published: now });
        }
        self.probes.published(index, number, bytes);
        self.due(index, number, now);
        let starting = State::Starting as u8;
        if self.state.compare_exchange(starting, State::Running as u8, Relaxed, Relaxed).is_ok() {
            self.events.emit(Note::new(Kind::State, State::Running.name()).segment(number));
        }
    }

    /// What the verdict on a segment that was published is. Names beside the plan's are ignored.
    pub fn segment_judged(&self, track: &str, number: GopId, verdict: &Verdict) {
        lock(&self.content).take(track, number, verdict).into_iter().for_each(|note| self.events.emit(note));
        if let Some(t) = self.tracks.iter().find(|t| t.facts.name == track) {
            lock(&t.defects).take(verdict);
        }
    }

    /// Tracks of which no segment is stored yet, though one is to be made here.
    pub fn missing(&self) -> Vec<&str> {
        let wanted = |track: &Track| !self.part(&track.facts.name).is_none() && self.is_enabled(&track.facts.name);
        self.tracks.iter().filter(|t| lock(&t.published).last.is_none() && wanted(t) && !t.is_paused()).map(|t| t.facts.name.as_str()).collect()
    }

    /// Whether segments are being published, and more of them will come.
    pub fn is_running(&self) -> bool {
        self.state.load(Relaxed) == State::Running as u8 && lock(&self.error).is_none()
    }

    /// Whether slots are instants of today's UTC.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// How long a segment lasts, to the nearest millisecond.
    pub fn segment_duration(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.segment.nearest_ticks(1000)).unwrap_or_default())
    }

    /// Everything, now.
    pub fn snapshot(&self) -> Snapshot {
        let now = Seconds::host_now();
        let error = lock(&self.error).clone();
        let state = counts::STATES.get(usize::from(self.state.load(Relaxed))).copied();
        let of = |(index, t): (usize, &Track)| TrackSnapshot {
            enabled: self.is_enabled(&t.facts.name),
            deadline: self.deadline().map(|watch| watch.of(index)),
            ..t.snapshot(now, self.segment, self.live, &self.part(&t.facts.name))
        };
        let tracks: Vec<TrackSnapshot> = self.tracks.iter().enumerate().map(of).collect();
        // What is not made now only grows older.
        let made = || tracks.iter().filter(|t| t.enabled && t.overload != Some(Step::Paused));
        let published = self.tracks.iter().map(|t| *lock(&t.published));
        let spans: Vec<(Seconds, Seconds)> = published.filter_map(|p| Some((p.begun?, p.last?.slot_end))).collect();
        let (begun, position) = (spans.iter().map(|s| s.0).min(), spans.iter().map(|s| s.1).max());
        Snapshot {
            // A failure is the last word, whatever stage says its own after it.
            state: if error.is_some() { State::Failed } else { state.unwrap_or(State::Failed) },
            error,
            class: self.class.clone(),
            now: now.to_rfc3339(),
            uptime_ms: self.started.elapsed().as_millis() as u64,
            segment_ms: self.segment.nearest_ticks(1000),
            live: self.live,
            position: position.map(|p| p.to_rfc3339()),
            media_ms: position.zip(begun).map_or(0, |(position, begun)| (position - begun).nearest_ticks(1000)),
            expected_ms: self.expected.get().map(|e| e.nearest_ticks(1000)),
            lag_ms: made().filter_map(|t| t.lag_ms).max(),
            age_ms: made().filter_map(|t| t.age_ms).max(),
            feed: self.feed.clone(),
            clock: self.clock.snapshot(),
            standby: self.watched.standby.get().map(|(switch, second)| StandbySnapshot {
                switch: switch.snapshot(),
                clock: second.clock.snapshot(),
                source: second.source.snapshot(&second.watched),
            }),
            source: self.source.snapshot(&self.watched),
            inputs: lock(&self.watched.paths).as_ref().map(|counts| InputsSnapshot::of(counts)),
            published: self.watched.mux.get().map(|counts| PublishedSnapshot::of(counts)).unwrap_or_default(),
            memory: self.watched.memory.get().map(|(parts, budgets)| MemorySnapshot { parts: *parts, held: budgets.iter().map(|budget| budget.held()).sum() }),
            outputs: lock(&self.watched.outputs).iter().map(|counts| counts.snapshot()).collect(),
            protection: self.watched.protection.get().into_iter().flatten().map(|(scheme, counts)| counts.snapshot(*scheme)).collect(),
            conflicts: self.conflicts.get(),
            tracks,
            warnings: self.warnings.clone(),
        }
    }
}

impl Track {
    fn new(facts: TrackFacts) -> Track {
        Track { facts, rung: OnceLock::new(), published: Mutex::default(), defects: Mutex::default() }
    }

    fn is_paused(&self) -> bool {
        self.rung.get().is_some_and(|rung| rung.governed.step() == Step::Paused)
    }

    fn snapshot(&self, now: Seconds, segment: Seconds, live: bool, part: &Part) -> TrackSnapshot {
        let p = *lock(&self.published);
        let count = |which: &dyn Fn(&Counters) -> &AtomicU64| self.rung.get().map_or(0, |rung| which(rung).load(Relaxed));
        // A recording that plays the part of a live feed has its own idea of the time of day.
        let today = p.last.is_some_and(|l| (l.published - l.slot_end).abs() < Seconds::MINUTE.times(10));
        let behind = |at: Seconds, slot_end: Seconds| (live && today).then(|| (at - slot_end).nearest_ticks(1000));
        TrackSnapshot {
            facts: self.facts.clone(),
            enabled: true,
            overload: self.rung.get().map(|r| r.governed.step()),
            hurried: count(&|r| &r.governed.hurried),
            paused: count(&|r| &r.governed.paused),
            part: (!part.is_all()).then(|| part.to_string()),
            last_segment: p.last.map(|l| l.number.0),
            segments: p.segments,
            bytes: p.bytes,
            bitrate: p.last.and_then(|l| bits_per_second(l.bytes, segment)),
            lag_ms: p.last.and_then(|l| behind(l.published, l.slot_end)),
            age_ms: p.last.and_then(|l| behind(now, l.slot_end)),
            encoded: self.rung.get().map(|r| r.encoded.load(Relaxed)),
            queue: self.rung.get().map(|r| r.waiting.load(Relaxed)),
            late: count(&|r| &r.late),
            failed: count(&|r| &r.failed),
            retries: count(&|r| &r.retried),
            fallbacks: count(&|r| &r.fallbacks),
            unheld: count(&|r| &r.unheld),
            over_cap: count(&|r| &r.over_cap),
            encode_permille: self.rung.get().and_then(|r| r.measured.newest()),
            deadline: None,
            quality: lock(&self.defects).snapshot(),
        }
    }
}

fn bits_per_second(bytes: u64, span: Seconds) -> Option<u64> {
    let (num, den) = span.fraction();
    (num > 0).then(|| i128::from(bytes) * 8 * den / num).and_then(|bps| u64::try_from(bps).ok())
}

/// A poisoned lock only means that a thread died while it counted; the numbers are still numbers.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "status_tests.rs"]
pub(crate) mod tests;

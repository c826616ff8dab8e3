//! The topology: which stages there are, the queues between them, and the order in which they start and end. [`run`] is the whole flow.
//!
//! ```text
//! capture ─► decode ─► downscale ─► rung ─┐
//!    │         │ cues               rung ─┤
//!    │         ▼                    rung ─┼─► mux ─► sink ─► directory, memory ─► serve
//!    └─────► audio ─────────────► rung ───┘
//! ```

mod standby;

use crate::budget::FrameBudget;
use crate::capture::stamped::{self, Stamps};
use crate::capture::{self, CaptureCounters, CaptureError, Input, Origin, Source};
use crate::clock::{Clock, Tick};
use crate::decode::audio::{Audio, Cut, Over, Rung};
use crate::decode::change::Decoding;
use crate::decode::framesync::{FrameSync, LATENESS, Settings};
use crate::decode::samples::AudioError;
use crate::decode::{self, DecodeError, MakeSync, Outputs, filler};
use crate::downscale::{self, DownscaleError};
use crate::encode::aac::{self, Aac};
use crate::encode::queue::{RungQueue, lanes};
use crate::encode::served::{self, Served};
use crate::encode::{TrackId, audio_runner, runner};
use crate::ffmpeg::give_way;
use crate::job::protection::Group;
use crate::job::{ClockKind, Job, Pace};
use crate::mux::{self, MuxError, TrackKind, TrackSpec};
use crate::plan::{self, Plan};
use crate::protect::{Fetcher, Form};
use crate::resolution::Resolution;
use crate::schedule::Schedule;
use crate::serve::Server;
use crate::sink::store::Store;
use crate::sink::{self, Sink, SinkError, runner as sink_runner, stored};
use crate::status::{State, Status};
use crate::stop::Stop;
use crate::supervise::{StageError, StageFailure, Threads};
use crate::time::{GopId, Grid, Seconds};
use crate::timeline::{self, TimelineError};
use crossbeam::channel::bounded;
use ffmpeg_next::codec;
use std::convert::Infallible;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

/// Access units that wait for a decoder, each stream. Full: capture waits (`fast`), or leaves out whole GOPs of the source before decoding (`live`).
const UNITS: usize = 256;
/// The same of pictures that are not compressed, at full speed: each may be 12 MB. (In real time a queue is all that stands between a busy second and a GOP left out.)
const RAW_UNITS: usize = 8;
/// Decoded pictures that wait for the downscaler. Full: the decoder waits. Small, since each may be 12 MB.
const FRAMES: usize = 2;
/// GOPs whose sound may be made. Full: frame sync waits; the audio thread takes them as they come.
const CUES: usize = 64;
/// Segments of sound that wait for a rung. Full: the audio thread waits.
const SOUND: usize = 2;
/// What encoders have told the muxer. Full: they wait.
const TO_MUX: usize = 1024;
/// What waits to be published. Full: the muxer waits.
const PUBLISH: usize = 64;
/// Threads of the video decoder. Not from the machine: concealment of damaged pictures differs by their number.
const DECODER_THREADS: usize = 4;
/// Memory of the embedded origin.
const STORE_BYTES: u64 = 512 << 20;
/// A worker that joins starts with the first GOP this long after its first picture: run-up of the sound (24 packets of at most 36 ms, 16 frames of 21 ms) and its skew in the container.
const RUN_UP: Seconds = Seconds::TWO;
/// How long a live event that is over waits for the last of its sound.
const GRACE: Duration = Duration::from_secs(5);

/// Why a job did not run, or broke.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The job, its input or its output is wrong; nothing was written (exit code 2).
    #[error("{0}")]
    Wrong(Box<dyn std::error::Error + Send + Sync>),
    /// It broke while running (exit code 1).
    #[error(transparent)]
    Failed(#[from] StageError),
}

impl StageFailure for CaptureError {}

impl StageFailure for SinkError {}

impl StageFailure for DecodeError {
    fn is_echo(&self) -> bool {
        matches!(self, DecodeError::Gone(_))
    }
}

impl StageFailure for AudioError {
    fn is_echo(&self) -> bool {
        matches!(self, AudioError::Upstream(_))
    }
}

impl StageFailure for DownscaleError {
    fn is_echo(&self) -> bool {
        matches!(self, DownscaleError::Gone(_) | DownscaleError::Upstream)
    }
}

impl StageFailure for runner::RunError {
    fn is_echo(&self) -> bool {
        matches!(self, runner::RunError::MuxGone(_) | runner::RunError::Upstream(_))
    }
}

impl StageFailure for MuxError {
    fn is_echo(&self) -> bool {
        matches!(self, MuxError::Broke(_) | MuxError::Gone)
    }
}

impl StageFailure for decode::Gone {
    fn is_echo(&self) -> bool {
        true
    }
}

impl StageFailure for Infallible {}

fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> RunError {
    RunError::Wrong(Box::new(error))
}

/// Runs a job until its feed ends, `stop` is raised, or something breaks. `ready` is given what may be watched from then on, and the URL of the page, where there is one.
///
/// # Errors
/// [`RunError::Wrong`] before anything was written; [`RunError::Failed`] afterwards.
pub fn run(job: &Job, stop: &Stop, ready: impl FnOnce(&Arc<Status>, Option<&str>)) -> Result<(), RunError> {
    // Everything is resolved and opened once before anything is written.
    let kept = Resolution::load(job).map_err(wrong)?;
    // A restart takes the streams that were chosen first.
    let asked = kept.as_ref().map_or_else(|| job.clone(), |kept| kept.reopened(job));
    let opened = open(&asked, stop).map_err(not_opened).and_then(|(source, input)| Ok((require_stamps(job, &source, input)?, source)));
    if stop.is_raised() {
        tracing::info!("asked to stop before the feed came: nothing was written");
        return Ok(());
    }
    let (input, source) = opened?;
    let resolution = kept.unwrap_or_else(|| Resolution::new(job, source.facts.clone(), None, String::new()));
    let plan = plan::resolve(job, &resolution.source).map_err(wrong)?;
    let (mut plan, rungs) = served::open_all(plan, job).map_err(wrong)?;
    let device = decode::device::settle(&mut plan, job, Some(&source.video));
    let resolution = Resolution { class: plan.class.clone(), ..resolution };
    plan.left_out_line().iter().for_each(|line| tracing::info!("{line}"));
    plan.warnings.iter().for_each(|line| tracing::warn!("{line}"));
    let schedule = Arc::new(Schedule::new());
    let (video_tracks, audio_tracks) = (video_tracks(&rungs), audio_tracks(&plan)?);
    let decoder = Decoding::open(&source.video, &resolution.source, DECODER_THREADS).map_err(wrong)?;
    let decoder = match &device {
        Some(device) => decoder.on(device),
        None => decoder,
    };
    let status = Arc::new(Status::new(&plan, job.pace == Pace::Live));
    let sounds = sounds(&source, &plan, &status)?;
    let tracks: Vec<TrackSpec> = video_tracks.iter().chain(audio_tracks.iter().map(|(track, _)| track)).cloned().collect();
    let (forms, fetchers) = forms(job, &plan)?;
    let groups = job.groups();
    for group in &groups {
        let form = group.form.and_then(|n| forms.get(n));
        let inits = tracks.iter().map(|track| Ok((track.init_path(), mux::init_in(track, &plan.class, form)?)));
        sink::agree(&group.outputs, &inits.collect::<Result<Vec<_>, MuxError>>().map_err(wrong)?).map_err(wrong)?;
    }
    let store = Store::new(STORE_BYTES, plan.audio.iter().map(|a| a.name.clone()));
    let server = job.listen.map(|address| Server::start(address, store.clone(), status.clone())).transpose().map_err(wrong)?;

    // From here on, things are written.
    let destinations = outputs(job, &groups, &plan, &resolution, &store, &status)?;
    job.duration.into_iter().chain(source.duration).min().into_iter().for_each(|d| status.expect(d));
    ready(&status, server.as_ref().map(Server::url).as_deref());
    let mut threads = Threads::new(stop.clone());
    let raw = source.video.parameters.id() == codec::Id::RAWVIDEO && job.pace == Pace::Fast;
    let (units_tx, units) = bounded(if raw { RAW_UNITS } else { UNITS });
    let (frames_tx, frames) = bounded(FRAMES);
    let sync = SyncOf { job: job.clone(), grid: plan.grid, run_up: if plan.audio.is_empty() { Seconds::ZERO } else { RUN_UP } };
    let mut second = standby::Second::of(job, &plan, &sync, stop);
    let (packets_tx, packets) = bounded(TO_MUX);

    let feed = capture::Feed::new(input, &source, job.pace);
    // Each sound has its own queues and its own thread: one of which nothing comes holds up no other.
    let (sound_tx, sound): (Vec<_>, Vec<_>) = sounds.iter().map(|_| bounded(UNITS)).unzip();
    let (cues_tx, cues): (Vec<_>, Vec<_>) = sounds.iter().map(|_| bounded(CUES)).unzip();
    let (watch, counters) = (stop.clone(), Arc::new(CaptureCounters::default()));
    status.watch_capture(Arc::clone(&counters));
    source.paths.iter().for_each(|paths| status.watch_paths(Arc::clone(paths)));
    threads.spawn("capture", move || capture::run(feed, units_tx, sound_tx, &watch, &counters).map(|_| ()))?;

    let make_sync = sync.make(&source, &status, Some(resolution));
    let (leaver, told) = (schedule.clone(), status.clone());
    let leaving = Box::new(move || {
        told.set_state(State::Leaving);
        leaver.leave();
    });
    // With a second feed, the switch is between this one and the downscaler.
    let (slots_tx, slots) = bounded(FRAMES);
    let outputs = Outputs { frames: if second.is_some() { slots_tx } else { frames_tx.clone() }, cues: cues_tx, leaving };
    let (stopping, counted) = (stop.clone(), status.clone());
    let live = job.pace == Pace::Live;
    let ahead = if live { Seconds::ZERO } else { decode::ahead(plan.grid) };
    let settings = decode::Settings { stamp_offset: job.timeline.stamp_offset, live, ahead };
    threads.spawn("decode", move || decode::run(decoder, make_sync, settings, units, outputs, &stopping, &counted))?;

    let mut queues = Vec::new();
    let mut all_lanes = Vec::new();
    let budget = Arc::new(FrameBudget::default());
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    for (mut served, track) in rungs.into_iter().zip(&video_tracks) {
        served.rendition.lanes = lanes(&served.rendition, &plan.video, job.pace, processors);
        let (queue, runners, counters) = RungQueue::open(&served, track.id, job.pace, &packets_tx, &schedule, &budget);
        status.watch_rung(track.id, counters);
        queues.push(queue);
        // Where processors are short, sound, the muxer and the lowest rung go first; at full speed, where all wait for the slowest, the largest.
        let behind = if job.pace == Pace::Fast { track.id.0 } else { plan.video.len() - 1 - track.id.0 };
        let way = u8::try_from(behind * 2).unwrap_or(u8::MAX);
        all_lanes.extend(runners.into_iter().enumerate().map(|(lane, runner)| (format!("{}/{lane}", served.rendition.name), way, runner)));
    }
    let (targets, hdr) = (plan.targets(), plan.source.hdr);
    threads.spawn("downscale", move || downscale::run(&frames, &targets, &hdr, queues))?;
    for (name, way, lane) in all_lanes {
        threads.spawn(&name, move || {
            give_way(way);
            lane.run()
        })?;
    }

    let over = Over::new(if second.is_some() { plan.audio.len() } else { sounds.len() }, stop);
    let mut rungs: Vec<Vec<Rung>> = sounds.iter().map(|_| Vec::new()).collect();
    for (rendition, (track, encoder)) in plan.audio.iter().zip(audio_tracks) {
        let (mut tx, rx) = bounded(SOUND);
        if let Some(second) = &mut second {
            tx = second.choose(&mut threads, &rendition.name, (rendition.sound, rendition.channels), tx, &over)?;
        }
        if let Some(rungs) = rungs.get_mut(rendition.sound) {
            rungs.push(Rung { channels: rendition.channels, tx });
        }
        let packets_tx = packets_tx.clone();
        threads.spawn(&rendition.name, move || {
            audio_runner::run(encoder, track.id, rx, packets_tx);
            Ok::<(), Infallible>(())
        })?;
    }
    // With a second feed, what is over for the first is not over for the event.
    let over = if second.is_some() { Over::new(usize::MAX, stop) } else { over };
    for (n, (((audio, sound), cues), rungs)) in sounds.into_iter().zip(sound).zip(cues).zip(rungs).enumerate() {
        let (over, grace) = (over.clone(), (job.pace == Pace::Live).then_some(GRACE));
        threads.spawn(&format!("audio/{n}"), move || audio.run(sound, cues, rungs, &over, grace))?;
    }
    drop(packets_tx);
    match second {
        Some(second) => second.start(&mut threads, slots, frames_tx, &status)?,
        None => drop((frames_tx, slots)),
    }

    let mut sinks = Vec::new();
    let mut others = Vec::new();
    for (group, (destinations, stored)) in groups.iter().zip(destinations) {
        let (tx, publish) = bounded(PUBLISH);
        sinks.push((destinations, publish));
        others.push(mux::Other { form: group.form.and_then(|n| forms.get(n)).cloned(), stored, tx });
    }
    // The forms live as long as the muxer wants keys of them.
    drop(forms);
    let first = others.remove(0);
    let settings = mux::Settings {
        class: plan.class.clone(),
        publish_delay: job.publish_delay,
        window: job.window,
        chunk_slots: job.chunk.map(|chunk| plan.grid.nearest(chunk).0.clamp(1, i64::from(plan.grid.gop_slots)) as u32),
        not_before: None,
        stored: first.stored,
        counts: Arc::default(),
        form: first.form,
        others,
    };
    status.watch_mux(Arc::clone(&settings.counts));
    for fetcher in fetchers {
        threads.spawn("keys", move || {
            fetcher.run();
            Ok::<(), Infallible>(())
        })?;
    }
    threads.spawn("mux", move || mux::run(tracks, settings, packets, first.tx))?;
    for (place, (sinks, publish)) in sinks.into_iter().enumerate() {
        // A segment counts once, however many forms of it there are.
        let counted = (place == 0).then(|| status.clone());
        threads.spawn("sink", move || sink_runner::run(sinks, publish, counted.as_deref()))?;
    }

    let ended = threads.join();
    say_what_came_of_it(&status);
    match &ended {
        Ok(()) => status.set_state(State::Ended),
        Err(error) => status.fail(&error.to_string()),
    }
    if let Some(server) = server {
        server.stop();
    }
    Ok(ended?)
}

/// One line at the end, with everything that was counted.
fn say_what_came_of_it(status: &Status) {
    let s = status.snapshot();
    let segments: u64 = s.tracks.iter().map(|t| t.segments).sum();
    let (late, failed) = (s.tracks.iter().map(|t| t.late).sum::<u64>(), s.tracks.iter().map(|t| t.failed).sum::<u64>());
    let (pictures, repeats, fillers, dropped, errors) = (s.source.pictures, s.source.repeats, s.source.fillers, s.source.dropped, s.source.errors);
    tracing::info!(
        segments,
        late,
        failed,
        pictures,
        repeats,
        fillers,
        dropped,
        errors,
        silent_samples = s.source.silent_samples,
        reconnects = s.source.reconnects,
        "done"
    );
    if segments == 0 {
        tracing::warn!("nothing was published: the feed ended before the first whole segment");
    }
}

/// A feed that never shows anything is not a wrong job.
fn not_opened(error: CaptureError) -> RunError {
    match error {
        CaptureError::Silent { .. } => StageError { thread: "capture".to_owned(), why: Box::new(error), echo: false }.into(),
        error => wrong(error),
    }
}

/// Opens the inputs of a job.
///
/// # Errors
/// As [`capture::open_all`].
pub fn open(job: &Job, stop: &Stop) -> Result<(Source, Box<dyn Input>), CaptureError> {
    let timeout = job.input_timeout.map(Seconds::to_duration);
    capture::open_all(&job.inputs, job.path_window, job.pace, &job.select, stop, timeout)
}

/// Where the job insists on UTC stamps, refuses a feed whose first picture has none, before anything is written.
fn require_stamps(job: &Job, source: &Source, input: Box<dyn Input>) -> Result<Box<dyn Input>, RunError> {
    if job.timeline.clock != ClockKind::Sei || source.origin == Origin::Utc {
        return Ok(input);
    }
    let broke = |error: CaptureError| StageError { thread: "capture".to_owned(), why: Box::new(error), echo: false };
    let (stamps, input) = stamped::look(input).map_err(broke)?;
    let Stamps::Absent(pts) = stamps else { return Ok(input) };
    let (num, den) = source.video.time_base;
    let pts = pts.and_then(|ticks| Seconds::from_ticks(ticks, num, den)).unwrap_or(Seconds::ZERO);
    Err(wrong(TimelineError::NoStamp { pts }))
}

/// How sound is cut, where there is any.
fn cut(plan: &Plan) -> Option<Cut> {
    plan.audio.first().map(|first| Cut { grid: first.grid, lead: aac::LEAD, tail: aac::TAIL })
}

/// What decodes each sound; none where no rung is made of sound. Of a kept resolution there may be more sounds than the source has now: those are silent.
fn sounds(source: &Source, plan: &Plan, status: &Status) -> Result<Vec<Audio>, RunError> {
    let Some(cut) = cut(plan) else { return Ok(Vec::new()) };
    let counts = Arc::default();
    status.watch_sound(Arc::clone(&counts));
    let open = |n: usize| match source.audio.get(n) {
        Some(Some(stream)) => Audio::open(stream, cut, Arc::clone(&counts)).map_err(wrong),
        _ => Ok(Audio::awaiting(source.video.time_base, cut, Arc::clone(&counts))),
    };
    (0..plan.source.sounds.len()).map(|n| open(n).map(Audio::behind_run_up)).collect()
}

/// The track of every rung, with the parameter sets of the encoders that were opened for it.
fn video_tracks(rungs: &[Served]) -> Vec<TrackSpec> {
    let track = |(id, served): (usize, &Served)| {
        let kind = TrackKind::Video { rendition: served.rendition.clone(), config: served.config.clone() };
        TrackSpec { id: TrackId(id), name: served.rendition.name.clone(), kind }
    };
    rungs.iter().enumerate().map(track).collect()
}

/// Likewise for audio.
fn audio_tracks(plan: &Plan) -> Result<Vec<(TrackSpec, Aac)>, RunError> {
    let track = |(place, rendition): (usize, &plan::AudioRendition)| {
        let encoder = Aac::open(rendition).map_err(wrong)?;
        let kind = TrackKind::Audio { rendition: rendition.clone(), config: encoder.config().to_vec() };
        Ok((TrackSpec { id: TrackId(plan.video.len() + place), name: rendition.name.clone(), kind }, encoder))
    };
    plan.audio.iter().enumerate().map(track).collect()
}

/// What the muxer needs to know of segments that are stored already.
type Stored = Vec<(String, Vec<GopId>)>;

/// The forms that outputs are protected in, and what asks key servers for their keys.
fn forms(job: &Job, plan: &Plan) -> Result<(Vec<Arc<Form>>, Vec<Fetcher>), RunError> {
    let opened = job.protection.iter().map(|asked| Form::open(asked, plan.grid, job.pace == Pace::Live)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let (forms, fetchers): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
    Ok((forms, fetchers.into_iter().flatten().collect()))
}

/// The destinations of a group of outputs, and what is in them already.
type Destinations = (Vec<Box<dyn Sink>>, Stored);

/// Opens the destinations of each group, memory first, and finds what an earlier life of this job left in them.
fn outputs(job: &Job, groups: &[Group], plan: &Plan, resolution: &Resolution, store: &Store, status: &Arc<Status>) -> Result<Vec<Destinations>, RunError> {
    let names: Vec<String> = plan.video.iter().map(|r| r.name.clone()).chain(plan.audio.iter().map(|r| r.name.clone())).collect();
    let open = |group: &Group| {
        let directories = group.outputs.iter().map(|output| sink::open(output, &names, status)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let memory = group.listen.then(|| Box::new(store.clone()) as Box<dyn Sink>);
        Ok(memory.into_iter().chain(directories).collect())
    };
    let opened: Vec<Vec<Box<dyn Sink>>> = groups.iter().map(open).collect::<Result<_, RunError>>()?;
    resolution.store(job).map_err(wrong)?;
    let found = |group: &Group| -> Result<Stored, RunError> {
        let Some(output) = group.outputs.first() else { return Ok(Stored::new()) };
        let found = stored::scan(output, &names).map_err(wrong)?;
        if group.listen {
            store.restore(output, &found).map_err(wrong)?;
        }
        Ok(found)
    };
    opened.into_iter().zip(groups).map(|(sinks, group)| Ok((sinks, found(group)?))).collect()
}

/// What frame sync needs of a job, for each of its feeds.
#[derive(Clone)]
struct SyncOf {
    job: Job,
    grid: Grid,
    run_up: Seconds,
}

impl SyncOf {
    /// What makes the frame sync once the first picture is there. An anchor taken then is kept beside the outputs before anything is published, where `kept` says where.
    fn make(&self, source: &Source, status: &Arc<Status>, kept: Option<Resolution>) -> MakeSync {
        let (of, status, origin, expected) = (self.clone(), Arc::clone(status), source.origin, source.duration);
        Box::new(move |first: &Tick| {
            let SyncOf { job, grid, run_up } = of;
            let anchor = kept.as_ref().and_then(|kept| kept.anchor.as_ref()?.anchor());
            let choice = timeline::choose(&job.timeline, origin, first, anchor)?;
            tracing::info!("{} is placed by {}", if kept.is_some() { "the feed" } else { "the standby" }, choice.reference);
            status.clock.choose(choice.reference.to_string(), choice.lock, grid.rate.period());
            if let (Some(taken), Some(kept)) = (choice.taken, kept) {
                Resolution { anchor: Some(taken.into()), ..kept }.store(&job)?;
            }
            let wrap = if let Origin::Live { wrap } = origin { wrap } else { None };
            let clock = Clock::new(grid, choice.reference, wrap, job.timeline.phase, job.timeline.max_gap, choice.whole);
            // Of two feeds, the switch ends the event.
            let (duration, lateness) = match &job.standby {
                Some(standby) => (None, standby.conditions.loss),
                None => (job.duration.map(|span| grid.slots_in(span)), LATENESS),
            };
            let run_up = if choice.whole { Seconds::ZERO } else { run_up };
            let settings = Settings { hold: job.timeline.hold, max_gap: job.timeline.max_gap, duration, expected, run_up, whole: choice.whole, lateness };
            Ok(FrameSync::new(grid, clock, settings, filler::black))
        })
    }
}

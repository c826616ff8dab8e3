//! The topology: which stages there are, the queues between them, and the order in which they start and end. [`run`] is the whole flow.
//!
//! ```text
//! capture ─► decode ─► downscale ─► rung ─┐
//!    │         │ cues               rung ─┤
//!    │         ▼                    rung ─┼─► mux ─► sink ─► directory, memory ─► serve
//!    └─────► audio ─────────────► rung ───┘
//! ```

mod due;
mod failure;
mod feeds;
mod forms;
mod lives;
mod stages;
mod standby;
mod sync;
mod thumbnails;
mod tracks;

use crate::budget::{FrameBudget, Parts};
use crate::capture::CaptureCounters;
use crate::decode::audio::{Over, Rung};
use crate::decode::change::Decoding;
use crate::decode::{self, Makes};
use crate::downscale::burst::Burst;
use crate::downscale::slate::Slates;
use crate::downscale::{self, Beside};
use crate::encode::audio_runner;
use crate::encode::queue::{RungQueue, lanes};
use crate::encode::served;
use crate::events::Observer;
use crate::ffmpeg::give_way;
use crate::govern::ladder::Ladder;
use crate::job::{Job, Pace, Prft, Start};
use crate::mux::{self, TrackSpec};
use crate::plan::capacity::least;
use crate::plan::{self, Rendition, speed};
use crate::probe;
use crate::resolution::Resolution;
use crate::schedule::{Desk, Mute, Schedule};
use crate::serve::control::{self, Control};
use crate::serve::{Server, Setup};
use crate::sight::Watcher;
use crate::sink::runner as sink_runner;
use crate::sink::store::Store;
use crate::status::{State, Status};
use crate::stop::Stop;
use crate::supervise::Threads;
use crate::time::Seconds;
use crossbeam::channel::bounded;
pub use failure::RunError;
use failure::wrong;
pub use feeds::{Feeds, feeds, known, open, stated};
use feeds::{later, require_stamps};
use forms::Forms;
use stages::{Ends, Stages};
use standby::First;
use std::convert::Infallible;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use sync::SyncOf;
use tracks::{audio_tracks, sounds, video_tracks};

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
/// Threads of the video decoder. Not from the machine: concealment of damaged pictures differs by their number.
const DECODER_THREADS: usize = 4;
/// The same at low latency: libav's frame threads hold back a picture each but one.
const LOW_DECODER_THREADS: usize = 1;
/// A worker that joins starts with the first GOP this long after its first picture: run-up of the sound (24 packets of at most 36 ms, 16 frames of 21 ms) and its skew in the container.
const RUN_UP: Seconds = Seconds::TWO;
/// Niceness of the rung that gives way to all others, where processors are short; those between are evenly apart.
const GIVES_WAY: usize = 19;
/// How long a live event that is over waits for the last of its sound.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a job until its feed ends, `stop` is raised, or something breaks. `ready` is given what may be watched from then on, and the URL of the page, where there is one.
///
/// # Errors
/// [`RunError::Wrong`] before anything was written; [`RunError::Failed`] afterwards.
pub fn run(job: &Job, stop: &Stop, ready: impl FnOnce(&Arc<Status>, Option<&str>)) -> Result<(), RunError> {
    // Everything is resolved and opened once before anything is written.
    let kept = Resolution::load(job).map_err(wrong)?;
    // A restart takes the streams that were chosen first.
    let asked = kept.as_ref().map_or_else(|| job.clone(), |kept| kept.reopened(job));
    let opened = match known(&asked, kept.as_ref())? {
        Some(facts) => Ok(Feeds::of(later(&asked, &facts, stop))),
        None => feeds(&asked, stop),
    };
    let opened = opened.and_then(|feeds| Ok((require_stamps(job, &feeds.source, feeds.input)?, feeds.source, feeds.second, feeds.job)));
    if stop.is_raised() {
        tracing::info!("asked to stop before the feed came: nothing was written");
        return Ok(());
    }
    let (input, source, opened, other) = opened?;
    let resolution = kept.unwrap_or_else(|| Resolution::new(job, stated(job, &source.facts), None, String::new()));
    let job = other.as_ref().unwrap_or(job);
    let plan = plan::resolve(job, &resolution.source).map_err(wrong)?;
    let (mut plan, rungs) = served::open_all(plan, job).map_err(wrong)?;
    // What comes late is decoded by whatever takes it then.
    let device = if source.later.is_some() { None } else { decode::device::settle(&mut plan, job, Some(&source.video)) };
    plan.warnings.extend(plan::capacity::start::check(job, &plan).map_err(wrong)?);
    let resolution = Resolution { class: plan.class.clone(), ..resolution };
    plan.left_out_line().iter().for_each(|line| tracing::info!("{line}"));
    plan.warnings.iter().for_each(|line| tracing::warn!("{line}"));
    let schedule = Arc::new(Schedule::new());
    let share = job.shard.share(&plan);
    let memory = Parts::of(job, &plan, &share, probe::memory()).map_err(wrong)?;
    let desk = Desk::open(job, &schedule, &rungs, plan.grid).map_err(wrong)?;
    let chunking = plan::chunk_slots(job, plan.grid).map(|slots| mux::Chunking { slots, prft: job.prft == Prft::Chunk });
    let (video_tracks, audio_tracks) = (video_tracks(&rungs), audio_tracks(&plan, chunking)?);
    let decoder_threads = stages::decoder_threads(job);
    let decoder = match &source.later {
        Some(_) => Decoding::awaiting(&source.video, &resolution.source, decoder_threads),
        None => Decoding::open(&source.video, &resolution.source, decoder_threads).map_err(wrong)?,
    };
    let decoder = match &device {
        Some(device) => decoder.on(device),
        None => decoder,
    };
    let status = Arc::new(Status::new(&plan, job.pace == Pace::Live));
    if share.is_of_several() {
        tracing::info!("{}", share.line(job.shard, &plan));
        status.set_share(share.clone());
    }
    let heard = Arc::default();
    let sounds = sounds(&source, tracks::cut(&plan), plan.source.sounds.len(), &heard).map_err(wrong)?;
    if !sounds.is_empty() {
        status.watch_sound(Arc::clone(&heard));
    }
    let tracks: Vec<TrackSpec> = video_tracks.iter().chain(audio_tracks.iter().map(|(track, _)| track)).cloned().collect();
    let mut forms = Forms::open(job, &plan, &status)?;
    forms.agree(&tracks, &plan.class)?;
    let store = Store::with_folder(job.serving.memory, plan.audio.iter().map(|a| a.name.clone()), forms.folder().map(Path::to_path_buf));
    status.watch_schedule(Arc::clone(&schedule));
    let control = Control::new(&status, desk, stop, job);
    let setup = Setup { reserved: control::routes(control), ..Setup::of(&job.serving).map_err(wrong)? };
    let server = job.listen.map(|address| Server::start_with(address, store.clone(), status.clone(), setup)).transpose().map_err(wrong)?;

    // From here on, things are written.
    let destinations = forms.destinations(&plan, job.pace, &store, &status)?;
    resolution.store(job).map_err(wrong)?;
    let fetchers = std::mem::take(&mut forms.fetchers);
    let mut forms = forms.start(destinations, &tracks, job.extras.thumbnails, &store)?;
    job.duration.into_iter().chain(source.duration).min().into_iter().for_each(|d| status.expect(d));
    let observer = Observer::start(Arc::clone(&status)).inspect_err(|error| tracing::warn!(%error, "no thread watches for events")).ok();
    ready(&status, server.as_ref().map(Server::url).as_deref());
    let deadline = due::watch(job, &plan, &schedule, &status);
    // What waits for slow encoders is not waited for once a stage has failed.
    let failing = Arc::clone(&schedule);
    let mut threads = Threads::new(stop.clone()).leaving(move || failing.leave());
    let (frames_tx, frames) = bounded(FRAMES);
    let sync = SyncOf { job: job.clone(), grid: plan.grid, run_up: if plan.audio.is_empty() { Seconds::ZERO } else { RUN_UP } };
    let mut second = standby::Second::of(job, &plan, &sync, stop, opened);
    let (packets_tx, packets) = bounded(TO_MUX);

    let counters = Arc::new(CaptureCounters::default());
    status.watch_capture(Arc::clone(&counters));
    source.paths.iter().for_each(|paths| status.watch_paths(Arc::clone(paths)));
    let make_sync = sync.make(&source, &status, Some(resolution.clone()));
    let (leaver, told) = (schedule.clone(), status.clone());
    let leaving = move || {
        told.set_state(State::Leaving);
        leaver.leave();
    };
    let early = (job.timeline.start == Start::Now).then(|| sync.make_early(&plan.source)).flatten();
    let makes = Makes { sync: make_sync, early };
    let (settings, count) = (stages::settings(job, plan.grid), sounds.len());
    let stages = Stages { input, source, decoder, sounds, makes, settings, pace: job.pace, counters, status: status.clone() };

    let mut queues = Vec::new();
    let mut all_lanes = Vec::new();
    let mut budgets = Vec::new();
    let needs = |rung: &Rendition| if share.part(&rung.name).is_none() { 0 } else { least(rung) };
    let least_of_all = rungs.iter().map(|served| needs(&served.rendition)).sum();
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    for (mut served, track) in rungs.into_iter().zip(&video_tracks) {
        let budget = Arc::new(FrameBudget::new(memory.share(needs(&served.rendition), least_of_all)));
        budgets.push(Arc::clone(&budget));
        served.rendition.lanes = lanes(&served.rendition, &plan.video, |name| share.part(name), job.pace, processors);
        let (queue, runners, counters) = RungQueue::open(&served, track.id, share.part(&track.name), job.pace, &packets_tx, &schedule, &budget);
        status.watch_rung(track.id, counters);
        queues.push(queue);
        // Where processors are short, sound, the muxer and the lowest rung go first; at full speed, where all wait for the slowest, each as far as it has work.
        let behind = plan.video.len() - 1 - track.id.0;
        let way = u8::try_from(behind * GIVES_WAY / (plan.video.len() - 1).max(1)).unwrap_or(u8::MAX);
        let way = if job.pace == Pace::Fast { speed::gives_way(&served.rendition, &plan.video) } else { way };
        all_lanes.extend(runners.into_iter().enumerate().map(|(lane, runner)| (format!("{}/{lane}", served.rendition.name), way, runner)));
    }
    status.watch_memory(memory, budgets);
    let (targets, hdr, watcher) = (plan.targets(), plan.source.hdr, Watcher::new(plan.grid));
    let (tap, thumbnails) = thumbnails::start(job, &plan, &mut threads)?;
    let made = |name: &str, cost: u64| share.part(name).of(cost);
    let governor = (job.pace == Pace::Live).then(|| Ladder::new(job.overload, &plan.video, made, &schedule)).flatten();
    let burst = (job.pace == Pace::Live).then(|| Burst::new(plan.grid.gop_duration().to_duration()));
    let slates = Slates::new(schedule.clone(), job.timeline.filler.clone());
    threads.spawn("downscale", move || downscale::run(&frames, &targets, &hdr, Beside { slates, watcher, tap, burst, governor }, queues))?;
    for (name, way, lane) in all_lanes {
        threads.spawn(&name, move || {
            give_way(way);
            lane.run()
        })?;
    }

    let over = Over::new(if second.is_some() { plan.audio.len() } else { count }, stop);
    let mut rungs: Vec<Vec<Rung>> = (0..count).map(|_| Vec::new()).collect();
    for (rendition, (track, encoder)) in plan.audio.iter().zip(audio_tracks) {
        let (mut tx, rx) = bounded(SOUND);
        if let Some(second) = &mut second {
            tx = second.choose(&mut threads, &rendition.name, (rendition.sound, rendition.channels), tx, &over)?;
        }
        if let Some(rungs) = rungs.get_mut(rendition.sound) {
            rungs.push(Rung { channels: rendition.channels, tx });
        }
        let (packets_tx, part, mute) = (packets_tx.clone(), share.part(&rendition.name), Mute::new(schedule.clone(), rendition.grid));
        threads.spawn(&rendition.name, move || {
            audio_runner::run(encoder, track.id, part, rx, packets_tx, Some(&mute));
            Ok::<(), Infallible>(())
        })?;
    }
    drop(packets_tx);
    match second {
        Some(second) => {
            let first = First { job: job.clone(), stages, rungs, leaving: Arc::new(leaving), heard, kept: resolution };
            second.start(&mut threads, first, frames_tx)?;
        }
        None => {
            let ends = Ends { frames: frames_tx, rungs, leaving: Box::new(leaving), over };
            let capture = stages.start(&mut threads, "", ends, stop)?;
            threads.spawn("capture", move || capture().map(|_| ()))?;
        }
    }

    let first = forms.remove(0);
    let (sinks, others): (Vec<_>, Vec<_>) = forms.into_iter().map(|form| ((form.sinks, form.published), form.mux)).unzip();
    let settings = mux::Settings {
        schedule: schedule.clone(),
        class: plan.class.clone(),
        publish_delay: job.publish_delay,
        window: job.window,
        chunking,
        not_before: None,
        stored: first.mux.stored.segments,
        iframes: first.mux.stored.iframes,
        session: job.extras.session.clone(),
        thumbnails: thumbnails.map(|feed| mux::thumbnails::Feed { stored: first.mux.stored.sheets, ..feed }),
        counts: Arc::default(),
        form: first.mux.form,
        others,
        share: Some(share),
    };
    status.watch_mux(Arc::clone(&settings.counts));
    for fetcher in fetchers {
        threads.spawn("keys", move || {
            fetcher.run();
            Ok::<(), Infallible>(())
        })?;
    }
    threads.spawn("mux", move || mux::run(tracks, settings, packets, first.mux.tx))?;
    let counted = status.clone();
    threads.spawn("sink", move || sink_runner::run(first.sinks, first.published, Some(&counted)))?;
    for (place, (sinks, published)) in sinks.into_iter().enumerate() {
        // A segment counts once, however many forms of it there are.
        threads.spawn(&format!("sink/{}", place + 1), move || sink_runner::run(sinks, published, None))?;
    }

    let ended = threads.join();
    drop(deadline);
    say_what_came_of_it(&status);
    match &ended {
        Ok(()) => status.set_state(State::Ended),
        Err(error) => status.fail(&error.to_string()),
    }
    drop(observer);
    status.events.close();
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

//! The second feed of a job, where it has one: captured, decoded and put on the grid beside the first, and the switch between both.
//!
//! ```text
//! capture ─► decode ─► slots ──────────┐
//!    └─────► audio ─► sound ─────────┐ ├─► switch ─► downscale
//! standby ─► decode ─► slots ────────┼─┘      │ which feed each GOP is of
//!    └─────► audio ─► sound ─────────┴─► choose ─► rung
//! ```

use super::{CUES, DECODER_THREADS, FRAMES, SOUND, SyncOf, UNITS};
use crate::capture::{self, CaptureCounters, Input, Source};
use crate::decode::audio::{Audio, Over, Rung};
use crate::decode::change::Decoding;
use crate::decode::{self, Makes, Outputs};
use crate::frame::{Flow, Frame, PcmSegment};
use crate::job::{Job, Pace};
use crate::plan::Plan;
use crate::standby::health::Conditions;
use crate::standby::run::Watch;
use crate::standby::sound::{Chooser, Silence};
use crate::standby::switch::Switch;
use crate::status::Status;
use crate::stop::Stop;
use crate::supervise::{StageError, Threads};
use crate::time::{GopId, Grid, Seconds};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// How long is waited before a second feed that is not there is called again.
const AGAIN: Duration = Duration::from_secs(5);

/// The second feed as it is connected, beside the first.
pub(super) struct Second {
    conditions: Conditions,
    grid: Grid,
    duration: Option<u64>,
    feed: Feed,
    silence: Silence,
    slots: Receiver<Flow<Frame>>,
    chosen: Vec<Sender<Flow<(GopId, usize)>>>,
}

impl Second {
    /// Nothing is connected yet; nothing at all where the job has no second feed.
    pub fn of(job: &Job, plan: &Plan, sync: &SyncOf, stop: &Stop, opened: Option<(Source, Box<dyn Input>)>) -> Option<Second> {
        let standby = job.standby.as_ref()?;
        let (frames, slots) = bounded(FRAMES);
        let (cut, status) = (super::tracks::cut(plan), Arc::new(Status::new(plan, true)));
        let sound = plan.source.sounds.iter().map(|_| Vec::new()).collect();
        let feed = Feed { url: standby.input.clone(), job: job.clone(), frames, sound, cut, sync: sync.clone(), stop: stop.clone(), status, opened };
        let duration = job.duration.map(|span| plan.grid.slots_in(span));
        Some(Second { conditions: standby.conditions, grid: plan.grid, duration, feed, silence: Silence::default(), slots, chosen: Vec::new() })
    }

    /// Puts a chooser before a rung of sound; what the first feed's sound goes into. `over` is told when the rung has all that it gets.
    pub fn choose(
        &mut self,
        threads: &mut Threads,
        name: &str,
        (sound, channels): (usize, u32),
        rung: Sender<Flow<PcmSegment>>,
        over: &Over,
    ) -> Result<Sender<Flow<PcmSegment>>, StageError> {
        let (first_tx, first) = bounded(SOUND);
        let (second_tx, second) = bounded(SOUND);
        let (chosen_tx, chosen) = bounded(CUES);
        if let Some(rungs) = self.feed.sound.get_mut(sound) {
            rungs.push(Rung { channels, tx: second_tx });
        }
        let silence = self.chosen.is_empty().then(|| self.silence.clone());
        self.chosen.push(chosen_tx);
        let (chooser, over) = (Chooser { feeds: [first, second], chosen, rung, silence }, over.clone());
        threads.spawn(&format!("{name}/choose"), move || {
            chooser.run(&over);
            Ok::<(), Infallible>(())
        })?;
        Ok(first_tx)
    }

    /// Starts the second feed and the switch; `first` are the slots of the first feed, `shown` takes those that are chosen.
    pub fn start(self, threads: &mut Threads, first: Receiver<Flow<Frame>>, shown: Sender<Flow<Frame>>, status: &Status) -> Result<(), StageError> {
        let Second { conditions, grid, duration, feed, silence, slots, chosen } = self;
        let watch = Arc::new(Watch::default());
        status.watch_standby(Arc::clone(&watch), Arc::clone(&feed.status));
        let outputs = crate::standby::run::Outputs { frames: shown, chosen, stop: feed.stop.clone() };
        threads.spawn("standby", move || {
            feed.run();
            Ok::<(), Infallible>(())
        })?;
        let switch = Switch::new(grid, conditions, duration);
        threads.spawn("switch", move || crate::standby::run::run(switch, grid, [first, slots], &outputs, &silence, &watch))
    }
}

/// The second feed. Whatever becomes of it, the first goes on.
struct Feed {
    url: String,
    job: Job,
    frames: Sender<Flow<Frame>>,
    sound: Vec<Vec<Rung>>,
    cut: Option<decode::audio::Cut>,
    sync: SyncOf,
    stop: Stop,
    status: Arc<Status>,
    /// It is open already.
    opened: Option<(Source, Box<dyn Input>)>,
}

impl Feed {
    fn run(mut self) {
        let opened = loop {
            if let Some(opened) = self.opened.take() {
                break opened;
            }
            match capture::open(&self.url, Pace::Live, &self.job.select, &self.stop) {
                Ok(opened) => break opened,
                Err(_) if self.stop.is_raised() => return,
                Err(error) => tracing::warn!("the standby is not there yet, and is called again: {error}"),
            }
            if self.stop.wait(AGAIN) {
                return;
            }
        };
        if let Err(error) = self.watch(opened) {
            tracing::warn!("the standby is at its end: {error}");
        }
    }

    fn watch(self, (source, input): (Source, Box<dyn Input>)) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let decoder = Decoding::open(&source.video, &source.facts, DECODER_THREADS)?;
        let counts = Arc::default();
        self.status.watch_sound(Arc::clone(&counts));
        let open = |n: usize, cut| match source.audio.get(n) {
            Some(Some(stream)) => Audio::open(stream, cut, Arc::clone(&counts)),
            _ => Ok(Audio::awaiting(source.video.time_base, cut, Arc::clone(&counts))),
        };
        let sounds = self.cut.iter().flat_map(|cut| (0..self.sound.len()).map(|n| open(n, *cut).map(Audio::behind_run_up))).collect::<Result<Vec<_>, _>>()?;
        let (units_tx, units) = bounded(UNITS);
        let (sound_tx, sound): (Vec<_>, Vec<_>) = sounds.iter().map(|_| bounded(UNITS)).unzip();
        let (cues_tx, cues): (Vec<_>, Vec<_>) = sounds.iter().map(|_| bounded(CUES)).unzip();
        let counters = Arc::new(CaptureCounters::default());
        self.status.watch_capture(Arc::clone(&counters));
        source.paths.iter().for_each(|paths| self.status.watch_paths(Arc::clone(paths)));
        let makes = Makes { sync: self.sync.make(&source, &self.status, None), early: None };
        let settings = decode::Settings { stamp_offset: self.job.timeline.stamp_offset, live: true, ahead: Seconds::ZERO, max_gap: self.job.timeline.max_gap };
        let outputs = Outputs { frames: self.frames, cues: cues_tx, leaving: Box::new(|| {}) };
        let feed = capture::Feed::new(input, &source, Pace::Live);
        // What is over for this feed is not over for the event.
        let (mut threads, over) = (Threads::new(Stop::new()), Over::new(usize::MAX, &Stop::new()));
        let (stop, status) = (self.stop.clone(), Arc::clone(&self.status));
        threads.spawn("standby/decode", move || decode::run(decoder, makes, settings, units, outputs, &stop, &status))?;
        for (n, (((audio, sound), cues), rungs)) in sounds.into_iter().zip(sound).zip(cues).zip(self.sound).enumerate() {
            let over = over.clone();
            threads.spawn(&format!("standby/audio/{n}"), move || audio.run(sound, cues, rungs, &over, Some(super::GRACE)))?;
        }
        let captured = capture::run(feed, units_tx, sound_tx, &self.stop, &counters);
        threads.join()?;
        captured?;
        Ok(())
    }
}

//! The second feed of a job, where it has one: captured, decoded and put on the grid beside the first, and the switch between both.
//!
//! ```text
//! capture ─► decode ─► slots ──────────┐
//!    └─────► audio ─► sound ─────────┐ ├─► switch ─► downscale
//! standby ─► decode ─► slots ────────┼─┘      │ which feed each GOP is of
//!    └─────► audio ─► sound ─────────┴─► choose ─► rung
//! ```

use super::lives::Feed;
use super::stages::Stages;
use super::{CUES, FRAMES, SOUND, SyncOf};
use crate::capture::{self, CaptureCounters, Input, Source};
use crate::decode::audio::{Counts, Over, Rung};
use crate::frame::{Flow, Frame, PcmSegment};
use crate::job::{Job, Pace};
use crate::plan::Plan;
use crate::resolution::Resolution;
use crate::standby::health::Conditions;
use crate::standby::run::Outputs;
use crate::standby::sound::{Chooser, Silence};
use crate::standby::switch::Switch;
use crate::status::Status;
use crate::stop::Stop;
use crate::supervise::{StageError, Threads};
use crate::time::{GopId, Grid, Seconds};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::convert::Infallible;
use std::sync::Arc;

/// The second feed as it is connected, beside the first.
pub(super) struct Second {
    conditions: Conditions,
    grid: Grid,
    duration: Option<u64>,
    feed: Feed,
    /// It is open already.
    opened: Option<(Source, Box<dyn Input>)>,
    silence: Silence,
    slots: Receiver<Flow<Frame>>,
    chosen: Vec<Sender<Flow<(GopId, usize)>>>,
}

/// The first feed, as a job without a second would run it.
pub(super) struct First {
    pub(super) job: Job,
    pub(super) stages: Stages,
    /// The rungs of each sound.
    pub(super) rungs: Vec<Vec<Rung>>,
    pub(super) leaving: Arc<dyn Fn() + Send + Sync>,
    pub(super) heard: Arc<Counts>,
    pub(super) kept: Resolution,
}

/// Whether what is at its end may be there again.
fn comes_again(url: &str) -> bool {
    capture::may_come_later(url) || url.starts_with("gst:")
}

impl Second {
    /// Nothing is connected yet; nothing at all where the job has no second feed.
    pub fn of(job: &Job, plan: &Plan, sync: &SyncOf, stop: &Stop, opened: Option<(Source, Box<dyn Input>)>) -> Option<Second> {
        let standby = job.standby.as_ref()?;
        let (frames, slots) = bounded(FRAMES);
        let (status, captured, heard): (_, Arc<CaptureCounters>, Arc<Counts>) = (Arc::new(Status::new(plan, true)), Arc::default(), Arc::default());
        status.watch_capture(Arc::clone(&captured));
        status.watch_sound(Arc::clone(&heard));
        let (url, select, timeout) = (standby.input.clone(), job.select.clone(), job.input_timeout.map(Seconds::to_duration));
        // What places the first says nothing of the second.
        let mut own = job.clone();
        own.timeline.anchor = standby.anchor;
        let feed = Feed {
            path: 1,
            name: "the standby",
            prefix: "standby/",
            again: comes_again(&url),
            dial: Box::new(move |stop| capture::open_within(&url, Pace::Live, &select, stop, timeout)),
            sync: SyncOf { job: own.clone(), ..sync.clone() },
            job: own,
            kept: None,
            frames,
            sound: plan.source.sounds.iter().map(|_| Vec::new()).collect(),
            cut: super::tracks::cut(plan),
            stop: stop.clone(),
            status,
            captured,
            heard,
            leaving: Arc::new(|| {}),
            watch: Arc::default(),
        };
        let duration = job.duration.map(|span| plan.grid.slots_in(span));
        Some(Second { conditions: standby.conditions, grid: plan.grid, duration, feed, opened, silence: Silence::default(), slots, chosen: Vec::new() })
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

    /// Starts both feeds and the switch; `shown` takes the slots that are chosen.
    pub fn start(self, threads: &mut Threads, first: First, shown: Sender<Flow<Frame>>) -> Result<(), StageError> {
        let Second { conditions, grid, duration, feed, opened, silence, slots, chosen } = self;
        let (first_tx, first_slots) = bounded(FRAMES);
        let First { job, stages, rungs, leaving, heard, kept } = first;
        let (watch, asked) = (Arc::clone(&feed.watch), kept.reopened(&job));
        stages.status.watch_standby(Arc::clone(&watch), Arc::clone(&feed.status));
        let one = Feed {
            path: 0,
            name: "the first feed",
            prefix: "",
            again: job.inputs.iter().all(|input| comes_again(input)),
            dial: Box::new(move |stop| super::open(&asked, stop)),
            sync: SyncOf { job: job.clone(), ..feed.sync.clone() },
            job,
            kept: Some(kept),
            frames: first_tx,
            sound: rungs,
            cut: feed.cut,
            stop: feed.stop.clone(),
            status: Arc::clone(&stages.status),
            captured: Arc::clone(&stages.counters),
            heard,
            leaving,
            watch: Arc::clone(&watch),
        };
        let outputs = Outputs { frames: shown, chosen, stop: feed.stop.clone() };
        threads.spawn("capture", move || one.run(Some(stages)))?;
        threads.spawn("standby", move || {
            let open = opened.and_then(|opened| feed.open(opened));
            feed.run(open)
        })?;
        let switch = Switch::new(grid, conditions, duration);
        threads.spawn("switch", move || crate::standby::run::run(switch, grid, [first_slots, slots], &outputs, &silence, &watch))
    }
}

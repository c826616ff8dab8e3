//! What makes the frame sync of a feed, once it is known what places its pictures.

use crate::capture::{Origin, Source};
use crate::clock::{Clock, Tick};
use crate::decode::early::Early;
use crate::decode::framesync::{FrameSync, LATENESS, Settings};
use crate::decode::{MakeEarly, MakeSync, filler};
use crate::job::Job;
use crate::plan::{self, SourceFacts};
use crate::resolution::Resolution;
use crate::status::Status;
use crate::time::{Grid, Seconds};
use crate::timeline;
use std::sync::Arc;

/// What frame sync needs of a job, for each of its feeds.
#[derive(Clone)]
pub(super) struct SyncOf {
    pub(super) job: Job,
    pub(super) grid: Grid,
    pub(super) run_up: Seconds,
}

impl SyncOf {
    /// What fills the slots of an event that begins before its feed, which `facts` describe; nothing where a picture of that size cannot be made.
    pub(super) fn make_early(&self, facts: &SourceFacts) -> Option<MakeEarly> {
        let SyncOf { job, grid, .. } = self.clone();
        let like = filler::shape(facts)?;
        let (duration, lateness) = match &job.standby {
            Some(standby) => (None, standby.conditions.loss),
            None => (job.duration.map(|span| grid.slots_in(span)), LATENESS),
        };
        Some(Box::new(move |now| Early::new(grid, job.timeline.filler.after(&like), duration, lateness, now)))
    }

    /// What makes the frame sync once the first picture is there. An anchor taken then is kept beside the outputs before anything is published, where `kept` says where.
    pub(super) fn make(&self, source: &Source, status: &Arc<Status>, kept: Option<Resolution>) -> MakeSync {
        let (of, status, origin, expected, later) = (self.clone(), Arc::clone(status), source.origin, source.duration, source.later.clone());
        Box::new(move |first: &Tick| {
            let SyncOf { job, grid, run_up } = of;
            let arrived = later.as_ref().and_then(|later| later.get());
            let origin = arrived.map_or(origin, |arrived| arrived.origin);
            arrived.and_then(|arrived| arrived.paths.clone()).into_iter().for_each(|paths| status.watch_paths(paths));
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
            // Which feed's sound a GOP has is known at its end only.
            let sound_step = plan::sound_step(&job, grid).filter(|_| job.standby.is_none());
            let settings =
                Settings { hold: job.timeline.hold, max_gap: job.timeline.max_gap, duration, expected, run_up, whole: choice.whole, sound_step, lateness };
            let filler = job.timeline.filler.clone();
            Ok(FrameSync::new(grid, clock, settings, Box::new(move |like| filler.after(like))))
        })
    }
}

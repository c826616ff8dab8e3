//! One of two feeds through all its lives: where it ends or fails, it is opened again while the other one carries the event.

use super::stages::{self, Ends, Stages};
use super::{SyncOf, tracks};
use crate::capture::{self, CaptureCounters, Opened, Origin};
use crate::decode::Makes;
use crate::decode::audio::{Counts, Cut, Over, Rung};
use crate::decode::change::Decoding;
use crate::frame::{End, Flow, Frame};
use crate::job::{Job, Pace};
use crate::resolution::Resolution;
use crate::standby::run::Watch;
use crate::status::Status;
use crate::stop::Stop;
use crate::supervise::{StageError, Threads};
use crossbeam::channel::Sender;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long is waited before the second call in a row, and at most. Doubled from call to call.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5);
/// A feed that was there this long was a good one: what becomes of it then is told, even where it was told before.
const GOOD: Duration = Duration::from_secs(10);

/// A feed. Whatever becomes of it, the other one goes on; only where both are gone, the event is over.
pub(super) struct Feed {
    /// Its number at the switch.
    pub(super) path: usize,
    /// What it is called in messages.
    pub(super) name: &'static str,
    /// Before the names of its threads.
    pub(super) prefix: &'static str,
    /// What opens it.
    pub(super) dial: Box<dyn Fn(&Stop) -> Opened + Send>,
    /// Whether there is somebody who may answer again.
    pub(super) again: bool,
    pub(super) job: Job,
    /// What its clock's anchor is kept in, if it is.
    pub(super) kept: Option<Resolution>,
    /// Open as long as the feed may come back.
    pub(super) frames: Sender<Flow<Frame>>,
    pub(super) sound: Vec<Vec<Rung>>,
    pub(super) cut: Option<Cut>,
    pub(super) sync: SyncOf,
    pub(super) stop: Stop,
    pub(super) status: Arc<Status>,
    pub(super) captured: Arc<CaptureCounters>,
    pub(super) heard: Arc<Counts>,
    pub(super) leaving: Arc<dyn Fn() + Send + Sync>,
    pub(super) watch: Arc<Watch>,
}

/// When the next call is due, and what was told last.
struct Calls {
    pause: Duration,
    told: Option<String>,
}

impl Calls {
    /// One line, unless it was the last one.
    fn tell(&mut self, line: String) {
        if self.told.as_ref() != Some(&line) {
            tracing::warn!("{line}");
            self.told = Some(line);
        }
    }
}

impl Feed {
    /// Runs until the job stops. `open`: its first life, where it is open already.
    ///
    /// # Errors
    /// It failed when the other one was gone: that is the end of the event, and this is why.
    pub fn run(self, open: Option<Stages>) -> Result<(), StageError> {
        let mut calls = Calls { pause: Duration::ZERO, told: None };
        let (mut next, mut failed) = (open, None);
        loop {
            let Some(stages) = next.take().or_else(|| self.call(&mut calls)) else { return self.why(failed) };
            let (began, live) = (Instant::now(), stages.source.origin != Origin::File || stages.source.later.is_some());
            self.watch.open(self.path, true);
            let ended = self.live(stages);
            self.watch.open(self.path, false);
            if self.close(*ended.as_ref().unwrap_or(&End::Leaving)).is_err() {
                // Nobody is behind it any more, which has been said.
                return Ok(());
            }
            if began.elapsed() >= GOOD {
                calls.told = None;
            }
            calls.pause = calls.pause.max(SHORTEST);
            let again = match ended {
                Ok(End::Leaving) => return Ok(()),
                Ok(End::Ended) => {
                    failed = None;
                    calls.tell(format!("{} is at its end", self.name));
                    self.again && live
                }
                Err(error) => {
                    if !self.stop.is_raised() {
                        calls.tell(format!("{} is gone: {error}", self.name));
                    }
                    failed = Some(error);
                    self.again
                }
            };
            if !again {
                self.stop.wait_for();
                return self.why(failed);
            }
            if began.elapsed() >= GOOD {
                calls.pause = SHORTEST;
            }
        }
    }

    fn why(&self, failed: Option<StageError>) -> Result<(), StageError> {
        failed.filter(|_| self.watch.is_broken_by(self.path)).map_or(Ok(()), Err)
    }

    /// Calls until it is there; nothing where the job stops.
    fn call(&self, calls: &mut Calls) -> Option<Stages> {
        loop {
            if self.stop.wait(calls.pause) {
                return None;
            }
            calls.pause = (calls.pause * 2).clamp(SHORTEST, LONGEST);
            let why = match (self.dial)(&self.stop).map_err(Into::into).and_then(|opened| self.stages(opened)) {
                _ if self.stop.is_raised() => return None,
                Ok(stages) => {
                    tracing::info!("{} is there", self.name);
                    return Some(stages);
                }
                Err(why) => why,
            };
            calls.tell(format!("{} is not there, and is called again and again: {why}", self.name));
        }
    }

    /// The first life of a feed that is open; nothing where it cannot be decoded.
    pub fn open(&self, opened: (capture::Source, Box<dyn capture::Input>)) -> Option<Stages> {
        self.stages(opened).map_err(|why| tracing::warn!("{} cannot be used, and is called again: {why}", self.name)).ok()
    }

    fn stages(&self, (source, input): (capture::Source, Box<dyn capture::Input>)) -> Result<Stages, Box<dyn std::error::Error + Send + Sync>> {
        let decoder = Decoding::open(&source.video, &source.facts, stages::decoder_threads(&self.job))?;
        let sounds = tracks::sounds(&source, self.cut, self.sound.len(), &self.heard)?;
        source.paths.iter().for_each(|paths| self.status.watch_paths(Arc::clone(paths)));
        // An earlier life may have taken an anchor.
        let kept = self.kept.as_ref().map(|kept| Resolution::load(&self.job).ok().flatten().unwrap_or_else(|| kept.clone()));
        let makes = Makes { sync: self.sync.make(&source, &self.status, kept), early: None };
        let (settings, counters, status) = (stages::settings(&self.job, self.sync.grid), Arc::clone(&self.captured), Arc::clone(&self.status));
        Ok(Stages { input, source, decoder, sounds, makes, settings, pace: Pace::Live, counters, status })
    }

    /// From the first picture to the last.
    fn live(&self, stages: Stages) -> Result<End, StageError> {
        // Where the event is over, this worker does not leave it.
        let (leaving, watch) = (Arc::clone(&self.leaving), Arc::clone(&self.watch));
        let leaving = Box::new(move || {
            if !watch.is_over() {
                leaving()
            }
        });
        // What is over for this feed is not over for the event.
        let (mut threads, over) = (Threads::new(Stop::new()), Over::new(usize::MAX, &Stop::new()));
        let ends = Ends { frames: self.frames.clone(), rungs: self.sound.clone(), leaving, over };
        let captured = stages.start(&mut threads, self.prefix, ends, &self.stop)?();
        match (threads.join(), captured) {
            (Err(error), _) if !error.echo => Err(error),
            (_, Err(error)) => Err(StageError { thread: "capture".to_owned(), why: Box::new(error), echo: false }),
            (Err(error), Ok(_)) => Err(error),
            (Ok(()), Ok(end)) => Ok(end),
        }
    }

    /// Ends what a life that failed left open: no sound of it is waited for, and then no picture. Said once more of one that ended, which is known to be closed now.
    fn close(&self, end: End) -> Result<(), ()> {
        // A rung that is gone has all that it gets.
        self.sound.iter().flatten().for_each(|rung| drop(rung.tx.send(Flow::End(end))));
        self.frames.send(Flow::End(end)).map_err(drop)
    }
}

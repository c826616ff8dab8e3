//! Decoding: pictures and sound, decoded once and put on the epoch grid.

mod absence;
mod ahead;
pub mod audio;
pub mod audio_store;
pub mod change;
mod convert;
mod damage;
pub mod deinterlace;
pub mod device;
pub mod early;
pub mod filler;
pub mod framesync;
pub mod mixdown;
mod offsets;
mod pce;
pub mod place;
pub mod samples;
pub mod slate;
pub mod video;

use crate::capture::{Kind, Unit};
use crate::clock::Tick;
use crate::frame::{AudioCue, End, Flow, Frame, Picture};
use crate::metrics::Queue;
use crate::status::Status;
use crate::stop::Stop;
use crate::time::{Grid, Seconds};
use ahead::Ahead;
use change::Decoding;
use crossbeam::channel::{Receiver, SendError, Sender};
use early::Early;
use framesync::{Counts, Emit, FrameSync, Timed};
use std::sync::Arc;
use std::time::Instant;
use video::SourcePicture;

/// A queue behind this stage closed: whoever read it failed, and has said so.
#[derive(Debug, thiserror::Error)]
#[error("the stage behind {0} is gone")]
pub struct Gone(pub &'static str);

/// Where decoded pictures go.
pub struct Outputs {
    /// Every slot, to the downscaler.
    pub frames: Sender<Flow<Frame>>,
    /// Every complete GOP, to the thread of each sound; none where there is no sound.
    pub cues: Vec<Sender<Flow<AudioCue>>>,
    /// Called as soon as it is known that this worker leaves while the event goes on.
    pub leaving: Box<dyn Fn() + Send>,
}

impl Outputs {
    fn send(&self, emitted: &mut Vec<Emit>) -> Result<(), Gone> {
        for emit in emitted.drain(..) {
            match emit {
                Emit::Frame(frame) => self.frames.send(Flow::Item(frame)).map_err(|SendError(_)| Gone("frame sync"))?,
                Emit::Cue(cue) => self.cue(Flow::Item(cue))?,
            }
        }
        Ok(())
    }

    fn cue(&self, cue: Flow<AudioCue>) -> Result<(), Gone> {
        self.cues.iter().try_for_each(|cues| cues.send(cue.clone())).map_err(|SendError(_)| Gone("frame sync (sound)"))
    }

    fn end(&self, end: End) -> Result<(), Gone> {
        self.cue(Flow::End(end))?;
        self.frames.send(Flow::End(end)).map_err(|SendError(_)| Gone("frame sync"))
    }
}

/// Makes the frame sync once the first picture says what the feed's clock is.
pub type MakeSync = Box<dyn FnOnce(&Tick) -> Result<FrameSync, DecodeError> + Send>;

/// What the decoding thread goes by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Added to every UTC stamp.
    pub stamp_offset: Seconds,
    /// The feed comes in its own time: slots whose pictures do not come are filled by the host's clock.
    pub live: bool,
    /// How far units are read ahead of the decoder; zero where they come in their own time.
    pub ahead: Seconds,
    /// A feed that is not there when it starts may be placed up to so far from the host's clock.
    pub max_gap: Seconds,
}

/// Pictures in a row after which a feed that was away is back.
const BACK: u64 = 25;

/// How far to read ahead so that the end of a feed is in sight when its last GOP opens: a GOP, and what decoder and filters hold.
pub fn ahead(grid: Grid) -> Seconds {
    let held = Seconds::new(HELD * i128::from(grid.rate.den()), i128::from(grid.rate.num()));
    grid.gop_duration() + held.max(Seconds::TWO)
}

/// More pictures than libav's decoders (16 of H.264 and its threads) and the deinterlacer hold.
const HELD: i128 = 32;

/// Why decoding stopped.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The stage behind closed its queue, or capture closed ours without an end: it failed, and has said so.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The feed has no clock that the job can use.
    #[error(transparent)]
    Timeline(#[from] crate::timeline::TimelineError),
    /// A feed without a picture.
    #[error("no picture of the video stream could be decoded")]
    NoPicture,
    /// The feed came after filler had begun the event, for slots that are long gone.
    #[error(
        "the feed says that it is {} s behind this host's clock, by which the event was begun (timeline.start = \"now\"); accepted: up to timeline.max_gap ({} s), or start = \"first-picture\"",
        .behind, .most
    )]
    Behind {
        /// How far.
        behind: Seconds,
        /// How far it may be.
        most: Seconds,
    },
    /// The anchor that was taken could not be kept.
    #[error(transparent)]
    Keep(#[from] crate::resolution::ResolutionError),
}

/// What makes filler for an event that begins before its feed, once it is known when that is: UTC now.
pub type MakeEarly = Box<dyn FnOnce(Seconds) -> Early + Send>;

/// What makes the parts that depend on when the feed comes, and on what it is then.
pub struct Makes {
    /// The frame sync, at the first picture.
    pub sync: MakeSync,
    /// What fills the slots before that, where the event begins at once.
    pub early: Option<MakeEarly>,
}

/// Body of the decoding thread: access units in, slots out. Once the event has its `duration` it says so behind it and reads on until
/// the source has ended, so that capture never waits for a full queue; without sound to wait for it stops the source, too.
/// Once `stop` is raised, what was captured and not decoded yet is left out, unless the event ends: at `Pace::Fast` that may be seconds of work for a GOP that would be discarded.
///
/// # Errors
/// The feed's clock cannot be used, the stage behind is gone, or the queue closed without an end.
pub fn run(
    decoder: Decoding,
    Makes { sync: make_sync, early: make_early }: Makes,
    settings: Settings,
    units: Receiver<Flow<Unit>>,
    outputs: Outputs,
    stop: &Stop,
    status: &Arc<Status>,
) -> Result<(), DecodeError> {
    let mut stage = Stage {
        units: Ahead::new(units, settings.ahead),
        decoder,
        make_sync: Some(make_sync),
        sync: None,
        early: make_early.map(|make| make(Seconds::host_now())),
        settings,
        started: Instant::now(),
        pictures: Vec::new(),
        emitted: Vec::new(),
        left_out: false,
        away: None,
        counted: Counts::default(),
        failed: 0,
        told: false,
        left_device: 0,
    };
    loop {
        let end = match stage.next()? {
            Some(flow) if stop.is_raised() && !stop.ends() => stage.leave(&flow, &outputs),
            Some(flow) => stage.decode(flow),
            None => {
                stage.fill();
                None
            }
        };
        if end == Some(End::Leaving) {
            (outputs.leaving)();
        }
        stage.synchronise(end)?;
        stage.count(status);
        stage.measure(status, &outputs);
        outputs.send(&mut stage.emitted)?;
        match end {
            Some(End::Ended) if stage.sync.is_none() && stage.early.is_none() => return Err(DecodeError::NoPicture),
            Some(end) => return Ok(outputs.end(end)?),
            None if stage.is_over() => {
                outputs.end(End::Ended)?;
                if outputs.cues.is_empty() {
                    stop.raise();
                }
                return Ok(stage.units.drain()?);
            }
            None => {}
        }
    }
}

/// The state of the decoding thread.
struct Stage {
    units: Ahead,
    decoder: Decoding,
    make_sync: Option<MakeSync>,
    sync: Option<FrameSync>,
    /// What fills the slots before the first picture.
    early: Option<Early>,
    settings: Settings,
    started: Instant,
    pictures: Vec<SourcePicture>,
    emitted: Vec<Emit>,
    /// Something captured was not decoded, because this worker leaves.
    left_out: bool,
    /// Slots are being filled because nothing comes; how many pictures had been placed when one was filled last.
    away: Option<u64>,
    counted: Counts,
    failed: u64,
    /// That a phase would help has been said.
    told: bool,
    left_device: u64,
}

impl Stage {
    /// What capture has next; nothing where a live feed's slot is due first.
    fn next(&mut self) -> Result<Option<Flow<Unit>>, Gone> {
        let due = match (&self.sync, &self.early) {
            (Some(sync), _) if self.settings.live => sync.due(),
            (None, Some(early)) => early.due(),
            _ => None,
        };
        self.units.next(due.map(|due| self.started + due))
    }

    fn leave(&mut self, flow: &Flow<Unit>, outputs: &Outputs) -> Option<End> {
        match flow {
            Flow::Item(_) => {
                (outputs.leaving)();
                self.left_out = true;
                None
            }
            // The source may have been at its end; what is published is not.
            Flow::End(_) if self.left_out => Some(End::Leaving),
            Flow::End(end) => self.decode(Flow::End(*end)),
        }
    }

    fn decode(&mut self, flow: Flow<Unit>) -> Option<End> {
        match flow {
            Flow::Item(unit) => {
                if unit.kind == Kind::Video {
                    self.decoder.push(&unit, &mut self.pictures);
                }
                None
            }
            Flow::End(end) => {
                if end == End::Ended {
                    self.decoder.flush(&mut self.pictures);
                }
                Some(end)
            }
        }
    }

    /// Whether the event has all its slots.
    fn is_over(&self) -> bool {
        self.sync.as_ref().map_or_else(|| self.early.as_ref().is_some_and(Early::is_over), FrameSync::is_over)
    }

    fn fill(&mut self) {
        if let (None, Some(early)) = (&self.sync, &mut self.early) {
            if early.filled() == 0 {
                tracing::warn!("the feed is not there yet: its slots are filled until it is");
            }
            early.fill_due(self.started.elapsed(), &mut self.emitted);
        }
        let Some(sync) = &mut self.sync else { return };
        sync.fill_due(self.started.elapsed(), &mut self.emitted);
        let counts = sync.counts();
        if counts.absent > self.counted.absent && self.away.replace(counts.placed).is_none() {
            tracing::warn!("the feed is away: its slots are filled");
        }
    }

    fn synchronise(&mut self, end: Option<End>) -> Result<(), DecodeError> {
        for picture in &self.pictures {
            let timed = timed(picture, self.settings.stamp_offset);
            if let Some(make) = self.make_sync.take() {
                let sync = make(&timed.tick)?;
                self.sync = Some(match self.early.take() {
                    Some(early) => sync.behind(early),
                    None => sync,
                });
            }
            if let Some(sync) = &mut self.sync {
                sync.look_ahead(self.units.sight());
                if picture.renewed {
                    sync.renew();
                }
            }
            match &mut self.sync {
                Some(sync) if self.settings.live => {
                    sync.push_live(timed, self.started.elapsed(), &mut self.emitted);
                    if let Some(behind) = sync.behind_filler().filter(|behind| *behind > self.settings.max_gap) {
                        return Err(DecodeError::Behind { behind, most: self.settings.max_gap });
                    }
                }
                Some(sync) => sync.push(timed, &mut self.emitted),
                None => {}
            }
        }
        if let (Some(sync), Some(end)) = (&mut self.sync, end) {
            sync.finish(end, &mut self.emitted);
        }
        if let (Some(early), Some(End::Ended)) = (&mut self.early, end) {
            early.finish(&mut self.emitted);
        }
        Ok(())
    }

    /// Marks the slots that leave.
    fn measure(&self, status: &Status, outputs: &Outputs) {
        let frames = self.emitted.iter().filter_map(|emit| if let Emit::Frame(frame) = emit { Some(frame) } else { None });
        frames.for_each(|frame| status.probes.placed(frame.slot, frame.side.arrival));
        status.probes.waiting(Queue::Units, self.units.waiting());
        status.probes.waiting(Queue::Pictures, outputs.frames.len());
    }

    fn count(&mut self, status: &Status) {
        status.source.pictures.add(self.pictures.len() as u64);
        self.pictures.clear();
        let counters = self.decoder.counters();
        status.source.left_device.add(counters.left_device - self.left_device);
        self.left_device = counters.left_device;
        let failed = counters.errors + counters.lost + counters.damaged;
        status.source.errors.add(failed - self.failed);
        self.failed = failed;
        let Some(sync) = &self.sync else {
            let filler = self.early.as_ref().map_or(0, Early::filled);
            return count(status, &mut self.counted, Counts { filler, ..Counts::default() });
        };
        let counts = sync.counts();
        if self.away.is_some_and(|placed| counts.placed >= placed + BACK) {
            tracing::info!("the feed is back");
            self.away = None;
        }
        status.clock.placed(sync.clock());
        if let Some(phase) = sync.clock().better_phase().filter(|_| !self.told) {
            self.told = true;
            let phase = phase.nearest_ticks(1000);
            tracing::warn!(
                "the feed's pictures stand between two slots, where jitter of their stamps moves them; phase = \"{phase}ms\" in [timeline] of all its workers puts them in the middle"
            );
        }
        count(status, &mut self.counted, counts);
    }
}

fn timed(from: &SourcePicture, stamp_offset: Seconds) -> Timed {
    let tick = Tick { pts: from.pts, key: from.key, stamp: from.stamp.map(|stamp| stamp + stamp_offset), arrival: from.arrival };
    Timed { tick, picture: Picture::of(from.picture.clone()), damaged: from.damaged }
}

/// Adds what changed since `before` to the job's counters.
fn count(status: &Status, before: &mut Counts, now: Counts) {
    let source = &status.source;
    source.repeats.add(now.repeats - before.repeats);
    source.fillers.add(now.filler - before.filler);
    source.dropped.add(now.dropped + now.late - before.dropped - before.late);
    source.anchors.add(now.jumps + now.locks_lost + now.moves - before.jumps - before.locks_lost - before.moves);
    if now.locks_lost > before.locks_lost {
        tracing::warn!("source time jumped and carries no UTC: carried on behind the last slot, no longer locked to a twin");
    }
    if now.jumps > before.jumps {
        tracing::warn!("source time jumped; UTC (its stamps, or the host's clock where that is its clock) says where it goes on");
    }
    if now.skipped > before.skipped {
        tracing::warn!(slots = now.skipped - before.skipped, "the feed was away for longer than max_gap: whole segments are left out");
    }
    *before = now;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{self, Read};
    use crate::job::{Pace, Select};
    use crate::status::tests::plan;
    use crossbeam::channel::unbounded;

    /// What was captured when a stop is asked for is seconds of decoding at `Pace::Fast`; the event is not over then, even where the source is.
    #[test]
    fn a_stop_leaves_out_what_is_not_decoded_yet() {
        let opened = capture::open("testsrc:size=256x144,duration=1,audio=off", Pace::Fast, &Select::default(), &Stop::new());
        let (source, mut input) = opened.expect("opens");
        let decoder = Decoding::open(&source.video, &source.facts, 1).expect("a decoder");
        let (units_tx, units) = unbounded();
        while let Read::Unit(unit) = input.read().expect("reads") {
            units_tx.send(Flow::Item(unit)).expect("open");
        }
        assert!(units_tx.len() >= 25);
        units_tx.send(Flow::End(End::Ended)).expect("open");
        let (frames_tx, frames) = unbounded();
        let (stop, status) = (Stop::new(), Arc::new(Status::new(&plan(), false)));
        stop.raise();
        let (tell, told) = unbounded();
        let leaving = Box::new(move || tell.send(()).expect("somebody listens"));
        let make = Box::new(|_: &Tick| panic!("no picture is decoded"));
        run(
            decoder,
            Makes { sync: make, early: None },
            Settings { stamp_offset: Seconds::ZERO, live: false, ahead: Seconds::TEN, max_gap: Seconds::MINUTE },
            units,
            Outputs { frames: frames_tx, cues: Vec::new(), leaving },
            &stop,
            &status,
        )
        .expect("it leaves");
        assert!(told.try_recv().is_ok());
        assert!(matches!(frames.try_recv(), Ok(Flow::End(End::Leaving))));
        assert!(frames.try_recv().is_err());
    }
}

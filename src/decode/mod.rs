//! Decoding: pictures and sound, decoded once and put on the epoch grid.

pub mod audio;
pub mod audio_store;
mod convert;
pub mod deinterlace;
pub mod filler;
pub mod framesync;
mod pce;
pub mod place;
pub mod samples;
pub mod video;

use crate::capture::{Kind, Unit};
use crate::clock::Tick;
use crate::frame::{AudioCue, End, Flow, Frame, Picture};
use crate::status::Status;
use crate::stop::Stop;
use crate::time::Seconds;
use crossbeam::channel::{Receiver, SendError, Sender};
use framesync::{Counts, Emit, FrameSync, Timed};
use std::sync::Arc;
use video::{SourcePicture, VideoDecoder};

/// A queue behind this stage closed: whoever read it failed, and has said so.
#[derive(Debug, thiserror::Error)]
#[error("the stage behind {0} is gone")]
pub struct Gone(pub &'static str);

/// Where decoded pictures go.
pub struct Outputs {
    /// Every slot, to the downscaler.
    pub frames: Sender<Flow<Frame>>,
    /// Every complete GOP, to the audio thread; absent where there is no sound.
    pub cues: Option<Sender<Flow<AudioCue>>>,
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
        self.cues.as_ref().map_or(Ok(()), |cues| cues.send(cue)).map_err(|SendError(_)| Gone("frame sync (sound)"))
    }

    fn end(&self, end: End) -> Result<(), Gone> {
        self.cue(Flow::End(end))?;
        self.frames.send(Flow::End(end)).map_err(|SendError(_)| Gone("frame sync"))
    }
}

/// Makes the frame sync once the first picture says what the feed's clock is.
pub type MakeSync = Box<dyn FnOnce(&Tick) -> Result<FrameSync, DecodeError> + Send>;

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
    /// The anchor that was taken could not be kept.
    #[error(transparent)]
    Keep(#[from] crate::resolution::ResolutionError),
}

/// Body of the decoding thread: access units in, slots out. Once the event has its `duration` it says so behind it and reads on until
/// the source has ended, so that capture never waits for a full queue; without sound to wait for it stops the source, too.
/// Once `stop` is raised, what was captured and not decoded yet is left out: at `Pace::Fast` that may be seconds of work for a GOP that would be discarded.
/// `stamp_offset` is added to every UTC stamp.
///
/// # Errors
/// The feed's clock cannot be used, the stage behind is gone, or the queue closed without an end.
pub fn run(
    mut decoder: VideoDecoder,
    make_sync: MakeSync,
    stamp_offset: Seconds,
    units: Receiver<Flow<Unit>>,
    outputs: Outputs,
    stop: &Stop,
    status: &Arc<Status>,
) -> Result<(), DecodeError> {
    let (mut pictures, mut emitted) = (Vec::new(), Vec::new());
    let (mut make_sync, mut sync, mut before, mut failed) = (Some(make_sync), None::<FrameSync>, Counts::default(), 0);
    let mut left_out = false;
    for flow in &units {
        let end = match flow {
            Flow::Item(_) if stop.is_raised() => {
                (outputs.leaving)();
                left_out = true;
                continue;
            }
            // The source may have been at its end; what is published is not.
            Flow::End(_) if left_out => Some(End::Leaving),
            Flow::Item(unit) if unit.kind == Kind::Video => {
                decoder.push(&unit, &mut pictures);
                None
            }
            Flow::Item(_) => None,
            Flow::End(end) => {
                if end == End::Ended {
                    decoder.flush(&mut pictures);
                }
                Some(end)
            }
        };
        if end == Some(End::Leaving) {
            (outputs.leaving)();
        }
        status.source.pictures.add(pictures.len() as u64);
        let failures = decoder.counters().errors + decoder.counters().lost;
        status.source.errors.add(failures - failed);
        failed = failures;
        for picture in pictures.drain(..) {
            let timed = timed(picture, stamp_offset);
            if let Some(make) = make_sync.take() {
                sync = Some(make(&timed.tick)?);
            }
            if let Some(sync) = &mut sync {
                sync.push(timed, &mut emitted);
            }
        }
        if let Some(sync) = &mut sync {
            if let Some(end) = end {
                sync.finish(end, &mut emitted);
            }
            count(status, &mut before, sync.counts());
        }
        outputs.send(&mut emitted)?;
        match end {
            Some(End::Ended) if sync.is_none() => return Err(DecodeError::NoPicture),
            Some(end) => return Ok(outputs.end(end)?),
            None if sync.as_ref().is_some_and(FrameSync::is_over) => {
                outputs.end(End::Ended)?;
                if outputs.cues.is_none() {
                    stop.raise();
                }
                return Ok(drain(&units)?);
            }
            None => {}
        }
    }
    Err(Gone("capture").into())
}

fn drain(units: &Receiver<Flow<Unit>>) -> Result<(), Gone> {
    let ended = units.iter().any(|flow| matches!(flow, Flow::End(_)));
    if ended { Ok(()) } else { Err(Gone("capture")) }
}

fn timed(picture: SourcePicture, stamp_offset: Seconds) -> Timed {
    let SourcePicture { picture, pts, key, stamp, arrival, damaged, .. } = picture;
    Timed { tick: Tick { pts, key, stamp: stamp.map(|stamp| stamp + stamp_offset), arrival }, picture: Picture::Cpu(picture), damaged }
}

/// Adds what changed since `before` to the job's counters.
fn count(status: &Status, before: &mut Counts, now: Counts) {
    let source = &status.source;
    source.repeats.add(now.repeats - before.repeats);
    source.fillers.add(now.filler - before.filler);
    source.dropped.add(now.dropped + now.late - before.dropped - before.late);
    source.errors.add(now.damaged - before.damaged);
    source.anchors.add(now.jumps + now.locks_lost + now.moves - before.jumps - before.locks_lost - before.moves);
    if now.locks_lost > before.locks_lost {
        tracing::warn!("source time jumped and carries no UTC: carried on behind the last slot, no longer locked to a twin");
    }
    if now.jumps > before.jumps {
        tracing::warn!("source time jumped; its UTC stamps keep the lock");
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
        let decoder = VideoDecoder::open(&source.video, &source.facts, 1).expect("a decoder");
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
        run(decoder, make, Seconds::ZERO, units, Outputs { frames: frames_tx, cues: None, leaving }, &stop, &status).expect("it leaves");
        assert!(told.try_recv().is_ok());
        assert!(matches!(frames.try_recv(), Ok(Flow::End(End::Leaving))));
        assert!(frames.try_recv().is_err());
    }
}

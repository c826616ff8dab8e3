//! The stages that make slots and sound of one feed: capture, decoding, and what cuts its sounds.

use super::{CUES, DECODER_THREADS, GRACE, LOW_DECODER_THREADS, RAW_UNITS, UNITS};
use crate::capture::{self, CaptureCounters, CaptureError, Input, Source};
use crate::decode::audio::{Audio, Over, Rung};
use crate::decode::change::Decoding;
use crate::decode::{self, Makes, Outputs};
use crate::frame::{End, Flow, Frame};
use crate::job::{Job, Latency, Pace};
use crate::status::Status;
use crate::stop::Stop;
use crate::supervise::{StageError, Threads};
use crate::time::{Grid, Seconds};
use crossbeam::channel::{Sender, bounded};
use ffmpeg_next::codec;
use std::sync::Arc;

/// A feed and what its stages are made of.
pub(super) struct Stages {
    pub(super) input: Box<dyn Input>,
    pub(super) source: Source,
    pub(super) decoder: Decoding,
    /// One for each sound of the plan; none where no rung is made of sound.
    pub(super) sounds: Vec<Audio>,
    pub(super) makes: Makes,
    pub(super) settings: decode::Settings,
    pub(super) pace: Pace,
    pub(super) counters: Arc<CaptureCounters>,
    pub(super) status: Arc<Status>,
}

/// Where what they make goes.
pub(super) struct Ends {
    pub(super) frames: Sender<Flow<Frame>>,
    /// The rungs of each sound.
    pub(super) rungs: Vec<Vec<Rung>>,
    /// Called as soon as it is known that this worker leaves while the event goes on.
    pub(super) leaving: Box<dyn Fn() + Send>,
    pub(super) over: Over,
}

/// How many threads decode video.
pub(super) fn decoder_threads(job: &Job) -> usize {
    if job.latency == Latency::Low { LOW_DECODER_THREADS } else { DECODER_THREADS }
}

/// What decoding goes by.
pub(super) fn settings(job: &Job, grid: Grid) -> decode::Settings {
    let live = job.pace == Pace::Live;
    let ahead = if live { Seconds::ZERO } else { decode::ahead(grid) };
    decode::Settings { stamp_offset: job.timeline.stamp_offset, live, ahead, max_gap: job.timeline.max_gap }
}

impl Stages {
    /// Starts all but capture, whose body is given back. `prefix` is before the names of the threads.
    pub fn start(
        self,
        threads: &mut Threads,
        prefix: &str,
        ends: Ends,
        stop: &Stop,
    ) -> Result<impl FnOnce() -> Result<End, CaptureError> + Send + use<>, StageError> {
        let Stages { input, source, decoder, sounds, makes, settings, pace, counters, status } = self;
        let Ends { frames, rungs, leaving, over } = ends;
        let raw = source.video.parameters.id() == codec::Id::RAWVIDEO && pace == Pace::Fast;
        let (units_tx, units) = bounded(if raw { RAW_UNITS } else { UNITS });
        // Each sound has its own queues and its own thread: one of which nothing comes holds up no other.
        let (sound_tx, sound): (Vec<_>, Vec<_>) = sounds.iter().map(|_| bounded(UNITS)).unzip();
        let (cues_tx, cues): (Vec<_>, Vec<_>) = sounds.iter().map(|_| bounded(CUES)).unzip();
        let feed = capture::Feed::new(input, &source, pace);
        let outputs = Outputs { frames, cues: cues_tx, leaving };
        let stopping = stop.clone();
        threads.spawn(&format!("{prefix}decode"), move || decode::run(decoder, makes, settings, units, outputs, &stopping, &status))?;
        let grace = (pace == Pace::Live).then_some(GRACE);
        for (n, (((audio, sound), cues), rungs)) in sounds.into_iter().zip(sound).zip(cues).zip(rungs).enumerate() {
            let over = over.clone();
            threads.spawn(&format!("{prefix}audio/{n}"), move || audio.run(sound, cues, rungs, &over, grace))?;
        }
        let stop = stop.clone();
        Ok(move || capture::run(feed, units_tx, sound_tx, &stop, &counters))
    }
}

//! What there is of each rung before anything flows: its track, and what decodes its sound.

use super::failure::{RunError, wrong};
use crate::capture::Source;
use crate::decode::audio::{Audio, Counts, Cut};
use crate::decode::samples::AudioError;
use crate::encode::TrackId;
use crate::encode::aac::{self, Aac};
use crate::encode::served::Served;
use crate::mux::{self, TrackKind, TrackSpec};
use crate::plan::{self, Plan};
use std::sync::Arc;

/// How sound is cut, where there is any.
pub(super) fn cut(plan: &Plan) -> Option<Cut> {
    plan.audio.first().map(|first| Cut { grid: first.grid, lead: aac::LEAD, tail: aac::TAIL, ahead: aac::AHEAD })
}

/// What decodes each of so many sounds; none where no rung is made of sound. Of a kept resolution there may be more sounds than the source has now: those are silent.
pub(super) fn sounds(source: &Source, cut: Option<Cut>, sounds: usize, counts: &Arc<Counts>) -> Result<Vec<Audio>, AudioError> {
    let Some(cut) = cut else { return Ok(Vec::new()) };
    let open = |n: usize| match source.audio.get(n) {
        Some(Some(stream)) => Audio::open(stream, cut, Arc::clone(counts)),
        _ => Ok(Audio::awaiting(source.video.time_base, cut, Arc::clone(counts))),
    };
    (0..sounds).map(|n| open(n).map(Audio::behind_run_up)).collect()
}

/// The track of every rung, with the parameter sets of the encoders that were opened for it.
pub(super) fn video_tracks(rungs: &[Served]) -> Vec<TrackSpec> {
    let track = |(id, served): (usize, &Served)| {
        let kind = TrackKind::Video { rendition: served.rendition.clone(), config: served.config.clone() };
        TrackSpec { id: TrackId(id), name: served.rendition.name.clone(), kind }
    };
    rungs.iter().enumerate().map(track).collect()
}

/// Likewise for audio.
pub(super) fn audio_tracks(plan: &Plan, chunking: Option<mux::Chunking>) -> Result<Vec<(TrackSpec, Aac)>, RunError> {
    let track = |(place, rendition): (usize, &plan::AudioRendition)| {
        let encoder = Aac::open(rendition).map_err(wrong)?;
        let kind = TrackKind::Audio { rendition: rendition.clone(), config: encoder.config().to_vec() };
        let track = TrackSpec { id: TrackId(plan.video.len() + place), name: rendition.name.clone(), kind };
        let boxes = mux::overhead(&track, chunking);
        Ok((track, encoder.with_boxes(boxes)))
    };
    plan.audio.iter().enumerate().map(track).collect()
}

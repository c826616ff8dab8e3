//! Sheets of thumbnails beside the rungs: where their pictures are taken from, and the thread that makes them.

use super::RunError;
use crate::downscale::thumbnails::{Tap, ThumbnailError, run};
use crate::job::{Job, Pace};
use crate::mux::thumbnails::{Feed, Layout};
use crate::plan::Plan;
use crate::supervise::{StageFailure, Threads};
use crossbeam::channel::bounded;

/// Pictures that wait to become tiles: one comes every two seconds or more.
const PICTURES: usize = 4;
/// Sheets that wait for the muxer, which takes them as they come.
const SHEETS: usize = 2;

impl StageFailure for ThumbnailError {}

/// What the downscaler and the muxer get, where the job asks for thumbnails and there is a rung to make them of.
pub fn start(job: &Job, plan: &Plan, threads: &mut Threads) -> Result<(Option<Tap>, Option<Feed>), RunError> {
    if !job.extras.thumbnails {
        return Ok((None, None));
    }
    let Some((layout, target)) = Layout::of(&plan.video, plan.grid) else {
        tracing::warn!("no rung of standard range: there are no thumbnails");
        return Ok((None, None));
    };
    let ((tx, pictures), (sheets_tx, sheets)) = (bounded(PICTURES), bounded(SHEETS));
    threads.spawn("thumbnails", move || {
        // Nothing depends on them: the event goes on without.
        run(layout, target, &pictures, &sheets_tx).or_else(|error| {
            tracing::error!("{error}: there are no more of them");
            Ok::<(), ThumbnailError>(())
        })
    })?;
    Ok((Some(Tap { layout, target, tx, live: job.pace == Pace::Live }), Some(Feed { layout, sheets, stored: Vec::new() })))
}

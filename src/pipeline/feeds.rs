//! What a job takes in: its feed, or two paths of it, or a feed and its standby; and what is done where one of them is not there yet.

use super::{RunError, wrong};
use crate::capture::stamped::{self, Stamps};
use crate::capture::{self, CaptureError, Input, Origin, Source};
use crate::job::{ClockKind, Job, Pace, Standby, Start};
use crate::plan::SourceFacts;
use crate::resolution::Resolution;
use crate::standby::health::Conditions;
use crate::stop::Stop;
use crate::supervise::StageError;
use crate::time::Seconds;
use crate::timeline::TimelineError;

/// A feed that is not there, or never shows anything, is not a wrong job.
fn not_opened(error: CaptureError) -> RunError {
    match error {
        CaptureError::Away { .. } | CaptureError::Silent { .. } => StageError { thread: "capture".to_owned(), why: Box::new(error), echo: false }.into(),
        error => wrong(error),
    }
}

/// Opens the inputs of a job.
///
/// # Errors
/// As [`capture::open_all`].
pub fn open(job: &Job, stop: &Stop) -> Result<(Source, Box<dyn Input>), CaptureError> {
    let timeout = job.input_timeout.map(Seconds::to_duration);
    capture::open_all(&job.inputs, job.path_window, job.pace, &job.select, stop, timeout)
}

/// The inputs of a job that need not be there yet.
pub(super) fn later(job: &Job, facts: &SourceFacts, stop: &Stop) -> (Source, Box<dyn Input>) {
    capture::open_later(&job.inputs, job.path_window, job.pace, &job.select, stop, job.input_timeout.map(Seconds::to_duration), facts)
}

/// The feeds of a job as they were opened.
pub struct Feeds {
    /// The first, described.
    pub source: Source,
    /// And itself.
    pub input: Box<dyn Input>,
    /// The second, where it was opened, too.
    pub(super) second: Option<(Source, Box<dyn Input>)>,
    /// What the job became: two inputs that are not one feed are a feed and its standby.
    pub job: Option<Job>,
}

impl Feeds {
    pub(super) fn of((source, input): (Source, Box<dyn Input>)) -> Feeds {
        Feeds { source, input, second: None, job: None }
    }
}

/// Opens the feeds of a job. Two inputs that are not one feed are taken as a feed and its standby. Where the first feed is not there, and its standby is, the event begins with that.
///
/// # Errors
/// As [`open`].
pub fn feeds(job: &Job, stop: &Stop) -> Result<Feeds, RunError> {
    let opened = match (open(job, stop), &job.standby) {
        (Err(error), Some(standby)) if !stop.is_raised() && job.inputs.iter().all(|input| capture::may_come_later(input)) => {
            tracing::warn!("{error}; the event begins with its standby, if that is there");
            let timeout = job.input_timeout.map(Seconds::to_duration);
            let Ok(second) = capture::open_within(&standby.input, job.pace, &job.select, stop, timeout) else { return Err(not_opened(error)) };
            let (source, input) = later(job, &second.0.facts, stop);
            return Ok(Feeds { source, input, second: Some(second), job: None });
        }
        (opened, _) => opened.map_err(not_opened)?,
    };
    let (source, input) = opened;
    let Some(paths) = source.paths.clone().filter(|_| job.inputs.len() == 2 && job.pace == Pace::Live) else { return Ok(Feeds::of((source, input))) };
    let broke = |error: CaptureError| StageError { thread: "capture".to_owned(), why: Box::new(error), echo: false };
    let (unlike, input) = capture::are_unlike(&paths, input).map_err(broke)?;
    let ([first, second], true, None) = (job.inputs.as_slice(), unlike, &job.standby) else { return Ok(Feeds::of((source, input))) };
    tracing::warn!("the two inputs are not one feed, which could be merged: the second is taken as a standby for the first, and decoded all the time, too");
    drop(input);
    let standby = Some(Standby { input: second.clone(), anchor: None, conditions: Conditions::default() });
    let job = Job { inputs: vec![first.clone()], standby, ..job.clone() };
    let (source, input) = open(&job, stop).map_err(not_opened)?;
    Ok(Feeds { job: Some(job), ..Feeds::of((source, input)) })
}

/// What the source is, where the event begins before it is there: as an earlier run found it, or as the job says.
///
/// # Errors
/// Neither says.
pub fn known(job: &Job, kept: Option<&Resolution>) -> Result<Option<SourceFacts>, RunError> {
    if job.timeline.start != Start::Now {
        return Ok(None);
    }
    kept.map(|kept| kept.source.clone()).or_else(|| job.source.clone()).map(Some).ok_or_else(|| wrong(Unknown))
}

/// An event is to begin before its feed, and nobody says what that is.
#[derive(Debug, thiserror::Error)]
#[error(
    "timeline.start = \"now\": nothing is known of the feed; accepted: with [source] in the job file (size = \"1920x1080\", rate = \"25\"), or with an output that an earlier run published into"
)]
struct Unknown;

/// What the plan goes by: the source as the job says that it is, or as it was found.
pub fn stated(job: &Job, found: &SourceFacts) -> SourceFacts {
    let said = job.source.clone().map(|said| SourceFacts { video: found.video, sounds: found.sounds.clone(), ..said });
    said.unwrap_or_else(|| found.clone())
}

/// Where the job insists on UTC stamps, refuses a feed whose first picture has none, before anything is written.
pub(super) fn require_stamps(job: &Job, source: &Source, input: Box<dyn Input>) -> Result<Box<dyn Input>, RunError> {
    if job.timeline.clock != ClockKind::Sei || source.origin == Origin::Utc || source.later.is_some() {
        return Ok(input);
    }
    let broke = |error: CaptureError| StageError { thread: "capture".to_owned(), why: Box::new(error), echo: false };
    let (stamps, input) = stamped::look(input).map_err(broke)?;
    let Stamps::Absent(pts) = stamps else { return Ok(input) };
    let (num, den) = source.video.time_base;
    let pts = pts.and_then(|ticks| Seconds::from_ticks(ticks, num, den)).unwrap_or(Seconds::ZERO);
    Err(wrong(TimelineError::NoStamp { pts }))
}

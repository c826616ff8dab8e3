//! What a worker says at its start of what is to come, by what was measured before.

use super::measure::{MeasureError, measure};
use super::{Capacity, kept};
use crate::job::{Job, Pace};
use crate::plan::Plan;

/// The job wants a machine that holds it, and this one does not, or cannot say so.
#[derive(Debug, thiserror::Error)]
pub enum Overcommit {
    /// It takes more than there is.
    #[error("limits.require_capacity: {0}; accepted: a machine that holds it, fewer rungs, or a faster point (`mezzo plan --measure` has the numbers)")]
    Short(String),
    /// It could not be measured.
    #[error("limits.require_capacity: this machine could not be measured: {0}")]
    Measure(#[from] MeasureError),
}

/// A line for a user where the plan is known not to fit in real time; nothing where it fits, or nobody measured.
///
/// # Errors
/// The job asks for a machine that holds it ([`Job::require_capacity`]), and this one does not. What was not measured yet is measured then, in a few seconds.
pub fn check(job: &Job, plan: &Plan) -> Result<Option<String>, Overcommit> {
    if job.pace == Pace::Fast {
        return Ok(None);
    }
    let known = match kept::known(job, plan) {
        None if job.require_capacity => Some(renew(job, plan)?),
        known => known,
    };
    match known.filter(|capacity| !capacity.fits).map(|capacity| capacity.advice()) {
        Some(advice) if job.require_capacity => Err(Overcommit::Short(advice)),
        advice => Ok(advice.map(|advice| format!("this machine will not keep up: {advice}"))),
    }
}

/// Measures, and keeps what was measured where there is a place for it.
///
/// # Errors
/// It could not be measured.
pub fn renew(job: &Job, plan: &Plan) -> Result<Capacity, MeasureError> {
    tracing::info!("measuring what {} rungs take of this machine", plan.video.len());
    let measured = measure(plan)?;
    let Some(folder) = kept::folder() else {
        tracing::warn!("neither XDG_CACHE_HOME nor HOME is set: what was measured is not kept");
        return Ok(kept::of(job, plan, &measured));
    };
    if let Err(error) = kept::store(&folder, &measured) {
        tracing::warn!(folder = %folder.display(), %error, "what was measured is not kept");
    }
    Ok(kept::of(job, plan, &measured))
}

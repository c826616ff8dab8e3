//! Watches that segments are published when they are due, where they are made in real time.

use crate::deadline::{Guard, Watch};
use crate::encode::Order;
use crate::job::{Job, Pace};
use crate::plan::Plan;
use crate::schedule::Schedule;
use crate::status::Status;
use crate::time::GopId;
use std::sync::Arc;

/// Until the guard is dropped. Nothing where nothing is due, or no thread is to be had: the job goes on without.
pub(super) fn watch(job: &Job, plan: &Plan, schedule: &Arc<Schedule>, status: &Arc<Status>) -> Option<Guard> {
    if job.pace != Pace::Live {
        return None;
    }
    let (schedule, video) = (Arc::clone(schedule), plan.video.clone());
    let parts: Vec<_> = status.names().iter().map(|name| status.part(name)).collect();
    let made_here = move |track: usize, gop: GopId| parts.get(track).is_none_or(|part| part.has(gop));
    let expects =
        move |track: usize, gop: GopId| made_here(track, gop) && video.get(track).is_none_or(|rung| matches!(schedule.order(rung, gop), Order::Encode(_)));
    let watch = Watch::new(plan.grid, job.publish_delay, status.names(), Box::new(expects), Arc::clone(&status.events));
    status.watch_deadline(Arc::clone(&watch));
    let told = Arc::clone(status);
    let guard = watch.start(move || told.is_ending());
    guard.inspect_err(|error| tracing::warn!("deadlines are not watched: {error}")).ok()
}

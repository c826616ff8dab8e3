//! Watches that segments are published when they are due, where they are made in real time.

use crate::deadline::{Guard, Maker, Watch};
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
    let (schedule, video, governed) = (Arc::clone(schedule), plan.video.clone(), Arc::clone(status));
    let parts: Vec<_> = status.names().iter().map(|name| status.part(name)).collect();
    let made_here = move |track: usize, gop: GopId| parts.get(track).is_none_or(|part| part.has(gop));
    let makers = move |track: usize, gop: GopId| match video.get(track).map(|rung| schedule.order(rung, gop)) {
        Some(Order::Skip(_)) => Maker::Nobody,
        // Left out under overload, for the sake of the others: that is told as such.
        Some(Order::Encode(_)) if governed.is_paused(track) => Maker::Nobody,
        _ if made_here(track, gop) => Maker::Here,
        _ => Maker::Another,
    };
    let watch = Watch::new(plan.grid, job.publish_delay, status.names(), Box::new(makers), Arc::clone(&status.events));
    status.watch_deadline(Arc::clone(&watch));
    let told = Arc::clone(status);
    let guard = watch.start(move || told.is_ending());
    guard.inspect_err(|error| tracing::warn!("deadlines are not watched: {error}")).ok()
}

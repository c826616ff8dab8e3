//! The governor at work: asked when a GOP opens, before any rung is given a frame of it.

use super::machine::Idle;
use super::{Governor, Load, Rung};
use crate::encode::find;
use crate::encode::queue::RungQueue;
use crate::job::Overload;
use crate::plan::{Rendition, speed};
use crate::schedule::Schedule;
use crate::time::GopId;
use std::num::NonZero;
use std::sync::Arc;

/// Governs all rungs of a worker.
#[derive(Debug)]
pub struct Ladder {
    policy: Overload,
    governor: Governor,
    idle: Idle,
    schedule: Arc<Schedule>,
}

/// A rung is so late that it would lose a segment, and the job wants to fail then.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("overload: {rung} is late at segment {gop} (overload = \"fail\"; \"degrade\" lowers what rungs cost, \"hold\" leaves segments out)")]
pub struct Failed {
    rung: String,
    gop: GopId,
}

impl Ladder {
    /// For the rungs of a plan, in its order, the largest first; nothing where nothing is governed. `made`: how much of a rung is made here, of what `cost` all of it takes.
    pub fn new(policy: Overload, rungs: &[Rendition], made: impl Fn(&str, u64) -> u64, schedule: &Arc<Schedule>) -> Option<Ladder> {
        let (idle, processors) = (Idle::new(), std::thread::available_parallelism().map_or(1, NonZero::get));
        if policy == Overload::Degrade && !idle.is_told() {
            tracing::warn!("this machine does not say how idle its processors are: overload is not governed, and rungs that are late leave segments out");
            return None;
        }
        let rung = |rung: &Rendition| Rung {
            // There is nothing faster than that.
            may_hurry: rung.point != "ultrafast" && rung.backends.first().and_then(|name| find(name)).is_some_and(|backend| backend.hurries),
            may_halve: rung.half_rate,
            cost: made(&rung.name, speed::work(rung).saturating_mul(10)),
            pixels: u64::from(rung.width) * u64::from(rung.height),
        };
        let rungs: Vec<Rung> = rungs.iter().map(rung).collect();
        (policy != Overload::Hold).then(|| Ladder {
            policy,
            governor: Governor::new(&rungs, u32::try_from(processors).unwrap_or(u32::MAX)),
            idle,
            schedule: Arc::clone(schedule),
        })
    }

    /// `gop` opens: what each rung is from now on. `early`: as [`Governor::edge`] has it.
    ///
    /// # Errors
    /// The job wants to fail under overload, and this is one.
    pub fn edge(&mut self, gop: GopId, early: bool, queues: &[RungQueue]) -> Result<(), Failed> {
        let load = |queue: &RungQueue| {
            let (waiting, backlog) = queue.waits(gop);
            let idle = queue.is_idle() || !self.schedule.is_enabled(queue.name(), gop);
            Load { waiting, backlog, lanes: queue.lanes(), idle, elsewhere: !queue.wants(gop), took: queue.newest() }
        };
        let loads: Vec<Load> = queues.iter().map(load).collect();
        if self.policy == Overload::Fail {
            let late = queues.iter().find(|queue| queue.loses(gop));
            return late.map_or(Ok(()), |queue| Err(Failed { rung: queue.name().to_owned(), gop }));
        }
        let idle = self.idle.since();
        self.governor.edge(&loads, idle, early);
        for (place, queue) in queues.iter().enumerate() {
            let (step, load) = (self.governor.step(place), loads[place].waiting);
            let before = queue.governed().set(step);
            let (rung, segment, from, to) = (queue.name(), gop.0, before.name(), step.name());
            if step > before {
                tracing::warn!(rung, segment, from, to, waiting_permille = load, idle_permille = idle, "overload: a step down");
            } else if step < before {
                tracing::info!(rung, segment, from, to, idle_permille = idle, "overload: a step back up");
            }
        }
        Ok(())
    }
}

//! What a rung does with a GOP. The one place where shards, edits by the API, the overload governor, circuit breakers and disabled rungs meet; so far every GOP is
//! encoded as the plan says.

use crate::encode::{Order, Recipe};
use crate::plan::Rendition;
use crate::time::GopId;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A worker that leaves finishes the GOPs in flight as long as this takes no more; what is encoded after it is discarded. At `Pace::Fast` a heavy rung has
/// seconds of work in its queue, and a worker that was told to leave has three.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers for all rungs; shared by their threads.
#[derive(Debug, Default)]
pub struct Schedule {
    left: OnceLock<Instant>,
}

impl Schedule {
    /// A schedule that follows the plan.
    pub fn new() -> Schedule {
        Schedule::default()
    }

    /// This worker leaves. Later calls do nothing.
    pub fn leave(&self) {
        self.left.get_or_init(Instant::now);
    }

    /// Whether it left so long ago that what is not encoded yet is discarded.
    pub fn is_over(&self) -> bool {
        self.left.get().is_some_and(|left| left.elapsed() > PATIENCE)
    }

    /// What `rendition` does with `gop`. A pure function of the plan, the GOP and edits that name it.
    pub fn order(&self, rendition: &Rendition, gop: GopId) -> Order {
        let _ = gop;
        Order::Encode(Recipe::of(rendition))
    }
}

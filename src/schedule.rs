//! What a rung does with a GOP. The one place where shards, edits by the API, the overload governor, circuit breakers and disabled rungs meet; so far every GOP is
//! encoded as the plan says.

use crate::encode::{Order, Recipe};
use crate::plan::Rendition;
use crate::time::GopId;

/// Answers for all rungs; shared by their threads.
#[derive(Debug, Default)]
pub struct Schedule {}

impl Schedule {
    /// A schedule that follows the plan.
    pub fn new() -> Schedule {
        Schedule {}
    }

    /// What `rendition` does with `gop`. A pure function of the plan, the GOP and edits that name it.
    pub fn order(&self, rendition: &Rendition, gop: GopId) -> Order {
        let _ = gop;
        Order::Encode(Recipe { point: rendition.point.clone(), quality: rendition.quality, cap: rendition.max_bitrate, idr_at: Vec::new() })
    }
}

//! Pictures that come all at once: a feed that begins, that was held up, or whose clock has jumped.

use crate::encode::queue::RungQueue;
use crate::time::GopId;
use std::time::{Duration, Instant};

/// A GOP that opens when less than this part of the one before is over opens early: thousandths.
const EARLY: u32 = 750;
/// All waiting in one burst: less than it takes until capture leaves out GOPs of the source: half its queue, two seconds at 60 pictures a second.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Waits, where GOPs open faster than real time, for rungs that are not done with those before. Each lane of a rung has as long for it as a GOP lasts, which is what it has of a feed that
/// comes in its own time: a rung that needs longer is slower than real time, and is not waited for again until the burst is over.
#[derive(Debug)]
pub struct Burst {
    lasts: Duration,
    /// When the newest GOP opened.
    opened: Option<Instant>,
    patience: Duration,
    /// Waiting that is left of it.
    left: Duration,
    /// Of each rung: it was waited for in vain.
    slow: Vec<bool>,
}

impl Burst {
    /// For GOPs of this duration.
    pub fn new(lasts: Duration) -> Burst {
        Burst::with(lasts, PATIENCE)
    }

    /// And so much waiting in one burst.
    pub(super) fn with(lasts: Duration, patience: Duration) -> Burst {
        Burst { lasts, opened: None, patience, left: patience, slow: Vec::new() }
    }

    /// `gop` opens `now`. Whether it does so early, so that what waits says nothing of what rungs can do.
    pub fn edge(&mut self, gop: GopId, now: Instant, rungs: &[RungQueue]) -> bool {
        let Some(opened) = self.opened.replace(now) else { return true };
        if now.duration_since(opened) >= self.lasts * EARLY / 1000 {
            (self.left, self.slow) = (self.patience, Vec::new());
            return false;
        }
        self.slow.resize(rungs.len(), false);
        for (rung, slow) in rungs.iter().zip(&mut self.slow).filter(|(_, slow)| !**slow) {
            let until = (opened + self.lasts * rung.lanes()).min(now + self.left);
            *slow = !rung.await_room(gop, until);
        }
        let waited = now.elapsed();
        self.left = self.left.saturating_sub(waited);
        self.opened = Some(now + waited);
        true
    }
}

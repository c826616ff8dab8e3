//! When a live feed's pictures count as missing: by the host's clock, from how late its pictures have been.

use crate::time::{Grid, Seconds, Slot};
use std::time::Duration;

/// A picture that comes this much later than any of its predecessors of late came is too late: its slot is filled. The stated limit of lateness (docs/design/clock.md).
pub const LATENESS: Seconds = Seconds::ONE;

/// How late pictures were is remembered for one to two times this long: longer than a segment of a feed that comes in segments.
const MEMORY: Seconds = Seconds::TEN;

/// How late pictures are, on a clock that only runs forward and whose zero means nothing.
pub struct Absence {
    /// How much later than the latest one a picture may come.
    lateness: Seconds,
    /// The largest of (host - grid) in the stretch under way, and in the one before it.
    latest: Option<Seconds>,
    before: Option<Seconds>,
    /// Host time at which the stretch under way began.
    since: Option<Seconds>,
    /// Pictures in a row that came after their slots were filled.
    late: u32,
}

impl Absence {
    /// Nothing has come yet.
    pub fn new(lateness: Seconds) -> Absence {
        Absence { lateness, latest: None, before: None, since: None, late: 0 }
    }

    /// A picture of `slot` came at `now`. `in_time`: its slot was not filled yet. One that is not counts only after a whole GOP of its kind:
    /// what a decoder held while the feed was away comes out late once, a feed that is slower than before stays so.
    pub fn seen(&mut self, now: Duration, slot: Slot, in_time: bool, grid: Grid) {
        self.late = if in_time { 0 } else { self.late.saturating_add(1) };
        if !in_time && self.late <= grid.gop_slots {
            return;
        }
        let now = host(now);
        let lag = now - grid.time(slot);
        if self.since.is_none_or(|since| now - since >= MEMORY) {
            self.before = self.latest.take();
            self.since = Some(now);
        }
        self.latest = Some(self.latest.map_or(lag, |latest| latest.max(lag)));
    }

    /// The host time at which `slot` counts as missing; `None` before the first picture.
    pub fn due(&self, slot: Slot, grid: Grid) -> Option<Duration> {
        let lag = self.latest.into_iter().chain(self.before).max()?;
        Some((grid.time(slot) + lag + self.lateness).to_duration())
    }
}

fn host(now: Duration) -> Seconds {
    Seconds::from_nanos(i128::try_from(now.as_nanos()).unwrap_or(i128::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rate;

    fn grid() -> Grid {
        Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO)
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Slots of 40 ms, a segment of six seconds at once: the next one is not missing before it would come.
    #[test]
    fn a_feed_that_comes_in_segments_is_not_away_between_them() {
        let mut absence = Absence::new(LATENESS);
        for n in 0..450_i64 {
            absence.seen(at(7000 + 6000 * (n as u64 / 150)), Slot(n), true, grid());
        }
        assert_eq!(absence.due(Slot(450), grid()), Some(at(7000 + 18_000 + 1000)));
    }

    #[test]
    fn lag_that_is_over_is_forgotten() {
        let mut absence = Absence::new(LATENESS);
        absence.seen(at(5000), Slot(0), true, grid());
        let arrivals = (125..700_i64).map(|n| (at(40 * n as u64 + 100), Slot(n)));
        for (now, slot) in arrivals {
            absence.seen(now, slot, true, grid());
        }
        assert_eq!(absence.due(Slot(700), grid()), Some(at(28_000 + 100 + 1000)));
    }

    #[test]
    fn what_the_decoder_held_alters_nothing_but_a_slower_feed_does() {
        let mut absence = Absence::new(LATENESS);
        absence.seen(at(100), Slot(0), true, grid());
        for n in 1..=50 {
            absence.seen(at(40 * n as u64 + 3100), Slot(n), false, grid());
        }
        assert_eq!(absence.due(Slot(51), grid()), Some(at(40 * 51 + 1100)));
        absence.seen(at(40 * 51 + 3100), Slot(51), false, grid());
        assert_eq!(absence.due(Slot(52), grid()), Some(at(40 * 52 + 4100)));
    }
}

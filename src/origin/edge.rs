//! Numbers that can be right: one that is absurdly far ahead must not wipe the window that players are in.

use crate::time::{GopId, Seconds};

/// How far into the future a segment may start: clocks differ, and a feed that is anchored at its beginning is pushed faster than it plays.
pub const AHEAD: Seconds = Seconds::MINUTE;

/// How far a number may be ahead of the newest while that one goes on: in time …
const JUMP: Seconds = Seconds::MINUTE;
/// … and at least so many numbers.
const JUMP_NUMBERS: i64 = 8;

/// For how many segments nothing must have come before a larger jump is believed: the event went on elsewhere, or it is another one.
const QUIET: i128 = 5;

/// The newest number of the event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edge {
    newest: Option<(GopId, Seconds)>,
}

/// Why a number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Far {
    /// It is not that late yet.
    #[error("segment {number} begins {} s from now; at most {} s ahead are accepted", ahead.ceil_ticks(1), AHEAD.ceil_ticks(1))]
    Future {
        /// The number.
        number: GopId,
        /// How far ahead it begins.
        ahead: Seconds,
    },
    /// Others go on far behind it.
    #[error("segment {number} is far ahead of the newest, {newest}, and that one goes on; a number near it is accepted")]
    Jump {
        /// The number.
        number: GopId,
        /// The newest one.
        newest: GopId,
    },
}

impl Edge {
    /// Whether `number`, which begins at `start`, can be right at `now`; segments last `segment`.
    pub fn allows(&self, number: GopId, start: Seconds, segment: Seconds, now: Seconds) -> Result<(), Far> {
        if start > now + AHEAD {
            return Err(Far::Future { number, ahead: start - now });
        }
        match self.newest {
            Some((newest, at)) if now < at + segment.times(QUIET) && number.0.saturating_sub(newest.0) > jump(segment) => Err(Far::Jump { number, newest }),
            _ => Ok(()),
        }
    }

    /// Takes note of a number that was accepted.
    pub fn note(&mut self, number: GopId, now: Seconds) {
        match &mut self.newest {
            Some((newest, at)) if number > *newest => (*newest, *at) = (number, now),
            Some(_) => {}
            none => *none = Some((number, now)),
        }
    }

    /// The newest number.
    pub fn newest(&self) -> Option<GopId> {
        self.newest.map(|(number, _)| number)
    }
}

fn jump(segment: Seconds) -> i64 {
    let (num, den) = segment.fraction();
    if num > 0 { JUMP.times(den).over(num).ceil_ticks(1).max(JUMP_NUMBERS) } else { JUMP_NUMBERS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(number: i64) -> Seconds {
        Seconds::whole(2 * number)
    }

    fn allows(edge: &Edge, number: i64, now: i64) -> Result<(), Far> {
        edge.allows(GopId(number), start(number), Seconds::TWO, Seconds::whole(now))
    }

    #[test]
    fn a_live_event_is_not_led_astray() {
        let mut edge = Edge::default();
        assert_eq!(allows(&edge, 1000, 2000), Ok(()), "the first one is believed");
        edge.note(GopId(1000), Seconds::whole(2000));
        for (number, fine) in [(1001, true), (1030, true), (1031, false), (1 << 40, false), (5, true)] {
            assert_eq!(allows(&edge, number, 2002).is_ok(), fine, "{number}");
        }
        assert!(matches!(allows(&edge, 1040, 2003), Err(Far::Future { .. })));
        assert_eq!(edge.newest(), Some(GopId(1000)));
    }

    #[test]
    fn an_event_of_another_day_is_left_where_it_is_until_it_is_silent() {
        let mut edge = Edge::default();
        let now = 1_795_000_000;
        edge.note(GopId(7), Seconds::whole(now));
        let today = now / 2;
        assert_eq!(allows(&edge, today, now + 9), Err(Far::Jump { number: GopId(today), newest: GopId(7) }));
        assert_eq!(allows(&edge, today, now + 10), Ok(()), "five segments long nothing came");
        assert_eq!(allows(&edge, 8 + 29, now + 1), Ok(()));
    }
}

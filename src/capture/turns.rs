//! Stamps of few bits (33 in MPEG-TS) across connections: each begins in some turn of the source's clock, and is put into the one that carries on the one before.

use super::{Origin, Source};
use crate::time::Seconds;
use ffmpeg_next::Packet;

/// Moves the stamps of a connection by whole turns.
pub struct Turns {
    /// Ticks of a turn, where stamps wrap and outlive the connection.
    wrap: Option<i64>,
    /// The newest stamp handed on.
    last: Option<i64>,
    /// What is added in this connection; absent before its first stamp.
    add: Option<i64>,
}

impl Turns {
    /// For the first connection, which stays as it is.
    pub fn new(source: &Source) -> Turns {
        Turns { wrap: wrap(source), last: None, add: Some(0) }
    }

    /// Before the first connection.
    pub fn unknown() -> Turns {
        Turns { wrap: None, last: None, add: Some(0) }
    }

    /// There is another connection.
    pub fn again(&mut self, source: &Source) {
        self.add = if wrap(source) == self.wrap { None } else { Some(0) };
        self.wrap = wrap(source);
    }

    /// Puts the next packet's stamps into their turn. All streams of a transport stream count alike.
    pub fn shift(&mut self, packet: &mut Packet) {
        let (Some(wrap), Some(stamp)) = (self.wrap, packet.dts().or(packet.pts())) else { return };
        let add = *self.add.get_or_insert_with(|| self.last.map_or(0, |last| nearest_turn(last.saturating_sub(stamp), wrap)));
        if add != 0 {
            packet.set_dts(packet.dts().and_then(|dts| dts.checked_add(add)));
            packet.set_pts(packet.pts().and_then(|pts| pts.checked_add(add)));
        }
        self.last = stamp.checked_add(add);
    }
}

/// The whole number of turns, in ticks, that is nearest to `ticks`.
fn nearest_turn(ticks: i64, wrap: i64) -> i64 {
    ticks.saturating_add(wrap / 2).div_euclid(wrap).saturating_mul(wrap)
}

fn wrap(source: &Source) -> Option<i64> {
    let Origin::Live { wrap: Some(wrap) } = source.origin else { return None };
    let (num, den) = source.video.time_base;
    let (wrap_num, wrap_den) = wrap.fraction();
    let ticks = Seconds::new(wrap_num * i128::from(den.max(1)), wrap_den * i128::from(num.max(1))).nearest_ticks(1);
    (ticks > 1).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRAP: i64 = 1 << 33;

    fn shifted(turns: &mut Turns, dts: i64) -> i64 {
        let mut packet = Packet::new(1);
        packet.set_dts(Some(dts));
        packet.set_pts(Some(dts + 3600));
        turns.shift(&mut packet);
        assert_eq!(packet.pts(), packet.dts().map(|dts| dts + 3600));
        packet.dts().expect("it has one")
    }

    #[test]
    fn a_connection_begins_in_the_turn_in_which_the_one_before_was_lost() {
        let mut turns = Turns { wrap: Some(WRAP), last: None, add: Some(0) };
        // Unwrapped already by the connection itself, three turns on.
        assert_eq!(shifted(&mut turns, 3 * WRAP - 100), 3 * WRAP - 100);
        for (next, placed) in [(2000, 3 * WRAP + 2000), (90_000, 3 * WRAP + 90_000)] {
            turns.add = None;
            assert_eq!(shifted(&mut turns, next), placed);
        }
        turns.add = None;
        assert_eq!(shifted(&mut turns, WRAP - 500), 3 * WRAP - 500, "back over the wrap, as a late packet is");
        // A clock that was set anew stays as far off as it is.
        turns.add = None;
        assert_eq!(shifted(&mut turns, WRAP / 4), 3 * WRAP + WRAP / 4);
    }
}

//! The pictures that lead a key picture: coded after it, shown before it, and made from what came before it. Where that is missing, they go too.

use ffmpeg_next::Packet;

/// Packets after a key packet among which its leading pictures lie.
const REACH: u32 = 64;

/// Tells the packets that lead one key packet.
#[derive(Clone, Copy, Debug)]
pub struct Leading {
    key: Option<i64>,
    two_seconds: i64,
    left: u32,
}

impl Leading {
    /// After `key`, in a stream of this time base.
    pub fn of(key: &Packet, time_base: (i32, i32)) -> Leading {
        let two_seconds = 2 * i64::from(time_base.1) / i64::from(time_base.0.max(1));
        Leading { key: key.pts(), two_seconds, left: REACH }
    }

    /// Whether this next packet leads the key packet: shown before it, by less than two seconds (more is a jump of the source). Packets without PTS never do.
    pub fn has(&mut self, packet: &Packet) -> bool {
        self.left = self.left.saturating_sub(1);
        let before = self.key.zip(packet.pts()).map(|(key, pts)| key.saturating_sub(pts));
        !self.is_over(packet) && before.is_some_and(|b| b > 0 && b < self.two_seconds)
    }

    /// Whether no packet from this one on leads.
    pub fn is_over(&self, packet: &Packet) -> bool {
        self.left == 0 || packet.is_key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ffmpeg_next::packet::Flags;

    fn packet(pts: Option<i64>) -> Packet {
        let mut packet = Packet::new(1);
        packet.set_pts(pts);
        packet
    }

    #[test]
    fn the_second_field_of_the_key_picture_does_not_end_it() {
        let mut leading = Leading::of(&packet(Some(9000)), (1, 90_000));
        let led: Vec<bool> = [10_800, 1800, 5400, 12_600, 9000, -172_000].into_iter().map(|pts| leading.has(&packet(Some(pts)))).collect();
        assert_eq!(led, [false, true, true, false, false, false]);
        assert!(!leading.has(&packet(None)));
        let mut key = packet(Some(5000));
        key.set_flags(Flags::KEY);
        assert!(!leading.has(&key));
        for _ in 0..64 {
            leading.has(&packet(Some(20_000)));
        }
        assert!(!leading.has(&packet(Some(1800))), "nothing leads for ever");
    }
}

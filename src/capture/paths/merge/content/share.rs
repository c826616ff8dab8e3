//! How much of what comes on the two paths both of them have: runs of equal packets alone do not tell two encodes with the same sound apart.

use std::time::Duration;

/// What lies further back than this counts half.
const SPAN: Duration = Duration::from_secs(1);
/// And so does what lies further back than so many packets of the path that brings less.
const PACKETS: u64 = 512;

/// Packets that say anything, of late.
#[derive(Default)]
pub(super) struct Share {
    came: [u64; 2],
    both: u64,
    since: Duration,
}

impl Share {
    /// A packet of a path.
    pub fn came(&mut self, path: usize) {
        self.came[path] += 1;
    }

    /// It is one that the other path has, too.
    pub fn both(&mut self) {
        self.both += 1;
    }

    /// Not while one of them brings nothing.
    pub fn restart(&mut self, now: Duration) {
        *self = Share { since: now, ..Share::default() };
    }

    /// Whether both have at least half of what comes on the one that brings less, which brings something.
    pub fn is_most(&self) -> bool {
        self.lesser() > 0 && 2 * self.both >= self.lesser()
    }

    /// Whether one of them has brought nothing that says anything.
    pub fn is_open(&self) -> bool {
        self.lesser() == 0
    }

    /// Lets what is long ago count less.
    pub fn age(&mut self, now: Duration) {
        if now.saturating_sub(self.since) >= SPAN || self.lesser() >= PACKETS {
            self.came = self.came.map(|came| came / 2);
            self.both /= 2;
            self.since = now;
        }
    }

    fn lesser(&self) -> u64 {
        self.came[0].min(self.came[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_sound_is_not_most_of_it() {
        let mut share = Share::default();
        for packet in 0..10_000 {
            (0..2).for_each(|path| share.came(path));
            if packet % 10 < 3 {
                share.both();
            }
            assert!(packet < 10 || !share.is_most(), "{packet}");
            share.age(Duration::ZERO);
        }
        // And where the second encoder gives way to the path of the first.
        for _ in 0..PACKETS * 2 {
            (0..2).for_each(|path| share.came(path));
            share.both();
            share.age(Duration::ZERO);
        }
        assert!(share.is_most());
    }

    #[test]
    fn begun_anew_it_says_nothing() {
        let mut share = Share::default();
        (0..2).for_each(|path| share.came(path));
        share.both();
        assert!(share.is_most() && !share.is_open());
        share.restart(Duration::from_secs(1));
        assert!(!share.is_most() && share.is_open());
    }

    #[test]
    fn a_path_that_loses_four_fifths_still_carries_the_same() {
        let mut share = Share::default();
        for packet in 0..10_000 {
            share.came(0);
            if packet % 5 == 0 {
                share.came(1);
                share.both();
            }
            share.age(Duration::from_millis(packet));
            assert!(packet == 0 || share.is_most() || share.is_open(), "{packet}");
        }
    }
}

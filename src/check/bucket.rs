//! One leaky bucket over the concatenation of a track's segments.
//!
//! The bucket fills with every sample (without the container's bytes) at its decoding time and leaks at the track's maximum rate.
//! It holds one slot of media at that rate: what a player that has buffered one segment can do without.
//! The rate is `btrt`'s maximum, which is 1.10 x the cap, as much as a single segment may have.
//! Everything is counted in bits x timescale, so nothing is rounded.

/// A leaky bucket that starts empty.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: u128,
    timescale: u128,
    capacity: u128,
    level: u128,
}

/// The bucket ran over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// Bits that did not fit.
    pub bits: u128,
    /// Bits that the bucket holds.
    pub capacity: u128,
}

impl Bucket {
    /// Leaks `rate` bits per second; holds what leaks in `slot_ticks` of `timescale`.
    pub fn new(rate: u64, timescale: u32, slot_ticks: u64) -> Bucket {
        let (rate, timescale) = (u128::from(rate), u128::from(timescale.max(1)));
        Bucket { rate, timescale, capacity: rate * u128::from(slot_ticks), level: 0 }
    }

    /// A sample of `bytes` comes in, then `ticks` go by. Where it does not fit, the bucket is full afterwards, so that the next overflow is one of its own.
    pub fn sample(&mut self, bytes: u64, ticks: u32) -> Option<Overflow> {
        self.level = self.level.saturating_add(u128::from(bytes) * 8 * self.timescale);
        let over = (self.level > self.capacity).then(|| {
            let bits = (self.level - self.capacity).div_ceil(self.timescale);
            self.level = self.capacity;
            Overflow { bits, capacity: self.capacity / self.timescale }
        });
        self.idle(u64::from(ticks));
        over
    }

    /// `ticks` go by without a sample.
    pub fn idle(&mut self, ticks: u64) {
        self.level = self.level.saturating_sub(self.rate * u128::from(ticks));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_a_slot_at_the_rate_and_recovers() {
        // 1000 bits a second, a slot of one second: 125 bytes at once fit, a byte more does not.
        let mut bucket = Bucket::new(1000, 10, 10);
        assert_eq!(bucket.sample(125, 0), None);
        assert_eq!(bucket.sample(1, 5), Some(Overflow { bits: 8, capacity: 1000 }));
        // Half a second later 500 bits have leaked.
        assert_eq!(bucket.sample(62, 0), None);
        assert_eq!(bucket.sample(1, 0), Some(Overflow { bits: 4, capacity: 1000 }));
    }

    #[test]
    fn constant_rate_never_overflows_and_a_hair_more_does() {
        let run = |bytes| {
            let mut bucket = Bucket::new(1_000_000, 25, 50);
            (0..10_000).filter_map(|_| bucket.sample(bytes, 1)).count()
        };
        assert_eq!(run(5000), 0);
        assert!(run(5100) > 0, "2 % above the rate fills two seconds of it after 2450 pictures");
    }
}

//! Unwraps stamps of few bits (33 in MPEG-TS): masked to what the container holds, then continued across every wrap. Pure.

/// Continues wrapping stamps. One is shared by the streams of an input, so that they wrap together.
#[derive(Clone, Debug)]
pub struct Unwrap {
    bits: u32,
    last: Option<i64>,
}

impl Unwrap {
    /// For stamps of `bits` bits. From 63 on, stamps do not wrap and pass as they are.
    pub fn new(bits: u32) -> Unwrap {
        Unwrap { bits, last: None }
    }

    /// The stamp that is equal to `stamp` modulo 2^bits and nearest to the one before; the first is itself, masked.
    /// So a jump stays a jump, forwards or backwards, up to half a wrap; of exactly half a wrap, the one that counts no wrap.
    /// `None` where the result leaves 64 bits.
    pub fn next(&mut self, stamp: i64) -> Option<i64> {
        let value = self.near(self.last, stamp)?;
        self.last = Some(value);
        Some(value)
    }

    /// As [`Unwrap::next`], but near `other` (the DTS of the same packet), and without moving the reference.
    pub fn beside(&self, other: i64, stamp: i64) -> Option<i64> {
        self.near(Some(other), stamp)
    }

    fn near(&self, reference: Option<i64>, stamp: i64) -> Option<i64> {
        if self.bits == 0 || self.bits >= 63 {
            return Some(stamp);
        }
        let (wrap, half) = (1i64 << self.bits, 1i64 << (self.bits - 1));
        let masked = stamp & (wrap - 1);
        let Some(reference) = reference else { return Some(masked) };
        let ahead = masked - (reference & (wrap - 1));
        let step = match ahead {
            a if a > half => a - wrap,
            a if a < -half => a + wrap,
            a => a,
        };
        reference.checked_add(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WRAP: i64 = 1 << 33;
    const HALF: i64 = 1 << 32;

    proptest! {
        /// Whatever a steady feed's true time, the unwrapped stamps advance as it does, across any number of wraps, and whatever libav added.
        #[test]
        fn a_feed_runs_on(start in 0..WRAP, steps in prop::collection::vec(-90_000i64..HALF, 1..60), extra in prop::collection::vec(-3i64..3, 60)) {
            let mut unwrap = Unwrap::new(33);
            let mut truth = start;
            prop_assert_eq!(unwrap.next(start), Some(start));
            for (step, extra) in steps.iter().zip(extra) {
                truth += step;
                prop_assert_eq!(unwrap.next((truth & (WRAP - 1)) + extra * WRAP), Some(truth));
            }
        }

        /// Any stamps: equal modulo 2^33, never more than half a wrap from the one before.
        #[test]
        fn any_stamps(stamps in prop::collection::vec(any::<i64>(), 1..60)) {
            let mut unwrap = Unwrap::new(33);
            let mut last: Option<i64> = None;
            for stamp in stamps {
                let value = unwrap.next(stamp).expect("60 half wraps fit in 64 bits");
                prop_assert_eq!(value & (WRAP - 1), stamp & (WRAP - 1));
                if let Some(last) = last {
                    prop_assert!((value - last).abs() <= HALF);
                }
                last = Some(value);
            }
        }

        /// One wild stamp does not move the ones after it.
        #[test]
        fn a_jump_and_back(at in 0..WRAP, wild in 0..WRAP) {
            let mut unwrap = Unwrap::new(33);
            unwrap.next(at);
            unwrap.next(wild);
            prop_assert_eq!(unwrap.next(at), Some(at));
        }

        /// A backwards jump stays one.
        #[test]
        fn backwards(at in 0..WRAP, back in 1..HALF) {
            let mut unwrap = Unwrap::new(33);
            unwrap.next(at);
            prop_assert_eq!(unwrap.next((at - back).rem_euclid(WRAP)), Some(at - back));
        }

        #[test]
        fn pts_beside_dts(dts in any::<i64>(), ahead in -HALF + 1..HALF) {
            let mut unwrap = Unwrap::new(33);
            let dts = unwrap.next(dts).expect("the first is masked");
            prop_assert_eq!(unwrap.beside(dts, (dts + ahead).rem_euclid(WRAP)), Some(dts + ahead));
        }

        #[test]
        fn wide_stamps_pass(stamp: i64) {
            prop_assert_eq!(Unwrap::new(64).next(stamp), Some(stamp));
        }
    }
}

//! Chance that is the same in every run: a hash of a seed and a number, so that one throw depends on no other.

use super::Share;
use crate::time::Seconds;

/// The throws of one fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Of the feed's seed, who throws, and which fault it is.
    pub fn new(seed: u64, who: u64, fault: u64) -> Dice {
        Dice(mix(mix(mix(seed) ^ who) ^ fault))
    }

    /// Throw `n`: any of 2^64 values.
    pub fn throw(self, n: u64) -> u64 {
        mix(self.0 ^ mix(n))
    }

    /// Whether throw `n` hits a share.
    pub fn hits(self, n: u64, share: Share) -> bool {
        (self.throw(n) >> 32) % 1_000_000 < u64::from(share.0)
    }

    /// Throw `n` as a number below `limit`.
    pub fn below(self, n: u64, limit: u64) -> u64 {
        (self.throw(n) >> 16) % limit.max(1)
    }

    /// Throw `n` as a part of `span`, in 65536ths.
    pub fn part(self, n: u64, span: Seconds) -> Seconds {
        span.times(i128::from(self.below(n, 65_536))).over(65_536)
    }

    /// Fills bytes from throw `n`.
    pub fn fill(self, n: u64, bytes: &mut [u8]) {
        let own = Dice(self.throw(n));
        for (i, chunk) in (0u64..).zip(bytes.chunks_mut(8)) {
            chunk.copy_from_slice(&own.throw(i).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

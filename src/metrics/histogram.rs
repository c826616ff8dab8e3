//! Distributions, counted without a lock: one atomic a bucket.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Where the buckets of a kind of histogram end, in millionths, rising. What is beyond the last has a bucket of its own.
pub trait Bounds {
    /// Upper ends, inclusive.
    const BOUNDS: &'static [u64];
}

/// Spans of time: 1 ms to 30 s.
#[derive(Debug)]
pub struct Spans;

impl Bounds for Spans {
    const BOUNDS: &'static [u64] =
        &[1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 6_000_000, 10_000_000, 30_000_000];
}

/// Parts of what is allowed: a twentieth to four times. 1 is the limit.
#[derive(Debug)]
pub struct Ratios;

impl Bounds for Ratios {
    const BOUNDS: &'static [u64] =
        &[50_000, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000, 700_000, 800_000, 900_000, 1_000_000, 1_500_000, 2_000_000, 4_000_000];
}

/// How often values were in each bucket, and their sum.
#[derive(Debug)]
pub struct Histogram<B> {
    buckets: Vec<AtomicU64>,
    sum: AtomicU64,
    bounds: PhantomData<B>,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Upper ends of the buckets in millionths.
    pub bounds: &'static [u64],
    /// Of each bucket and of what is beyond the last: how many values are in it or below.
    pub cumulative: Vec<u64>,
    /// The sum of all values in millionths.
    pub sum: u64,
}

impl<B: Bounds> Default for Histogram<B> {
    fn default() -> Histogram<B> {
        let buckets = (0..=B::BOUNDS.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { buckets, sum: AtomicU64::new(0), bounds: PhantomData }
    }
}

impl<B: Bounds> Histogram<B> {
    /// Counts a value, in millionths.
    pub fn observe(&self, millionths: u64) {
        let place = B::BOUNDS.partition_point(|bound| *bound < millionths);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(millionths, Relaxed);
    }

    /// Counts a span of time.
    pub fn observe_span(&self, span: Duration) {
        self.observe(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    }

    /// Now. A value that is counted meanwhile may be in the buckets and not yet in the sum.
    pub fn snapshot(&self) -> Distribution {
        let cumulative = self.buckets.iter().scan(0u64, |so_far, bucket| {
            *so_far += bucket.load(Relaxed);
            Some(*so_far)
        });
        Distribution { bounds: B::BOUNDS, cumulative: cumulative.collect(), sum: self.sum.load(Relaxed) }
    }
}

impl Distribution {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.cumulative.last().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let spans = Histogram::<Spans>::default();
        for micros in [0, 1_000, 1_001, 30_000_000, 30_000_001, u64::MAX >> 8] {
            spans.observe(micros);
        }
        let seen = spans.snapshot();
        assert_eq!((seen.cumulative[0], seen.cumulative[1], seen.cumulative[14], seen.count()), (2, 3, 4, 6));
        assert_eq!(seen.cumulative.len(), Spans::BOUNDS.len() + 1);
        assert!(Spans::BOUNDS.is_sorted() && Ratios::BOUNDS.is_sorted());
    }
}

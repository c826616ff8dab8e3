//! The process-wide budget of memory: who has how much of it ([`Parts`]), and the part that pictures have ([`FrameBudget`]), whether they wait for an encoder or are held so that a GOP
//! can be encoded again.

mod parts;

pub use parts::{Parts, TooSmall};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of pictures that are held, and may be.
#[derive(Debug)]
pub struct FrameBudget {
    limit: u64,
    held: AtomicU64,
}

/// Without a limit.
impl Default for FrameBudget {
    fn default() -> FrameBudget {
        FrameBudget::new(u64::MAX)
    }
}

impl FrameBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> FrameBudget {
        FrameBudget { limit, held: AtomicU64::new(0) }
    }

    /// Takes `bytes` of it, given back when the permit is dropped; `None` where that is more than is left.
    pub fn take(self: &Arc<FrameBudget>, bytes: u64) -> Option<Permit> {
        let fits = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.held.try_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()?;
        Some(Permit { budget: Arc::clone(self), bytes })
    }

    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }
}

/// A part of the budget.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<FrameBudget>,
    bytes: u64,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back_and_the_limit_holds() {
        let budget = Arc::new(FrameBudget::new(10));
        let first = budget.take(6).expect("there is room");
        assert!(budget.take(5).is_none());
        let second = budget.take(4).expect("just enough");
        drop(first);
        assert_eq!(budget.held(), 4);
        assert!(budget.take(u64::MAX).is_none());
        drop(second);
        assert_eq!(budget.held(), 0);
    }
}

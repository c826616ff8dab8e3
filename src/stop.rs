//! The stop flag. Only capture watches it; everything behind capture drains.

use crate::frame::End;
use crossbeam::channel::{Receiver, RecvError, RecvTimeoutError, Sender, bounded};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A flag that is raised once, and can be waited for. Clones share it.
#[derive(Clone)]
pub struct Stop {
    raised: Arc<AtomicBool>,
    /// The event is to end, not only this worker's part in it.
    ends: Arc<AtomicBool>,
    /// Dropped when the flag is raised, which disconnects every `bell`.
    rope: Arc<Mutex<Option<Sender<Infallible>>>>,
    bell: Receiver<Infallible>,
    limit: Option<Duration>,
}

impl Stop {
    /// A flag that is not raised.
    pub fn new() -> Stop {
        let (rope, bell) = bounded(0);
        Stop { raised: Arc::default(), ends: Arc::default(), rope: Arc::new(Mutex::new(Some(rope))), bell, limit: None }
    }

    /// The same flag, for somebody who may take no longer than `limit` to open an input.
    pub fn within(&self, limit: Duration) -> Stop {
        Stop { limit: Some(limit), ..self.clone() }
    }

    /// How long opening an input may take, where that was said.
    pub fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// Raises the flag and wakes everyone who waits. Not for a signal handler (it takes a lock), but for the thread behind one.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.rope.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Raises the flag, and says that the event is over: it ends with what the source has brought so far.
    pub fn end(&self) {
        self.ends.store(true, Ordering::Release);
        self.raise();
    }

    /// Whether the event is over.
    pub fn ends(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    /// How a flow stops where the flag is raised.
    pub fn how(&self) -> End {
        if self.ends() { End::Ended } else { End::Leaving }
    }

    /// Whether the flag is raised.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// A channel that never carries anything and disconnects when the flag is raised, for `select!`.
    pub fn bell(&self) -> &Receiver<Infallible> {
        &self.bell
    }

    /// Waits until the flag is raised.
    pub fn wait_for(&self) {
        let Err(RecvError) = self.bell.recv();
    }

    /// Waits for at most `span`. True when the flag is raised.
    pub fn wait(&self, span: Duration) -> bool {
        match self.bell.recv_timeout(span) {
            Ok(never) => match never {},
            Err(RecvTimeoutError::Timeout) => self.is_raised(),
            Err(RecvTimeoutError::Disconnected) => true,
        }
    }
}

impl Default for Stop {
    fn default() -> Stop {
        Stop::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn raising_wakes_a_waiter() {
        let stop = Stop::new();
        let other = stop.clone();
        assert!(!stop.wait(Duration::from_millis(1)));
        let waiter = std::thread::spawn(move || {
            let began = Instant::now();
            (other.wait(Duration::from_secs(20)), began.elapsed())
        });
        stop.raise();
        let (raised, took) = waiter.join().expect("the waiter does not panic");
        assert!(raised && took < Duration::from_secs(10), "{took:?}");
        assert!(stop.is_raised() && stop.wait(Duration::from_secs(20)));
        stop.raise();
    }
}

//! The stop flag: raised once, seen by everything that waits.

use crossbeam::channel::{Receiver, Sender, bounded};
use std::sync::{Arc, Mutex};

/// A flag that can be raised once, polled, and waited on. Clones share it.
#[derive(Clone)]
pub struct Stop {
    held: Arc<Mutex<Option<Sender<()>>>>,
    waiter: Receiver<()>,
}

impl Stop {
    /// A flag that is down.
    pub fn new() -> Stop {
        let (held, waiter) = bounded(0);
        Stop { held: Arc::new(Mutex::new(Some(held))), waiter }
    }

    /// Raises it. Nothing lowers it again.
    pub fn raise(&self) {
        self.held.lock().unwrap_or_else(|e| e.into_inner()).take();
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        matches!(self.waiter.try_recv(), Err(crossbeam::channel::TryRecvError::Disconnected))
    }

    /// Disconnects when the flag is raised; carries nothing before that.
    pub fn waiter(&self) -> &Receiver<()> {
        &self.waiter
    }
}

impl Default for Stop {
    fn default() -> Stop {
        Stop::new()
    }
}

//! What clients may take, and how much of it is taken.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What a client may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once for everything. A player holds two to six.
    pub connections: usize,
    /// Connections beyond those, for the worker's health, status and control only: players are told to come back. More wait in the system's backlog.
    pub reserve: usize,
    /// Time for a request's head to arrive on a connection of the reserve, which ends after its answer.
    pub reserve_time: Duration,
    /// Bytes of a request's head.
    pub head: usize,
    /// Time for a request's head to arrive, which is also how long an idle connection is kept, and the time for a TLS handshake.
    pub head_time: Duration,
    /// Requests at once on a connection of HTTP/2.
    pub streams: u32,
    /// Segments that are read from the disk at once.
    pub disk: usize,
    /// Time in which a client that is being sent to must take at least something.
    pub stall: Duration,
    /// Age at which a connection is closed after the answer in progress …
    pub age: Duration,
    /// … and how long that answer may then still take.
    pub last_answer: Duration,
    /// How long a stop of the server waits for answers in progress.
    pub goodbye: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 4096,
            reserve: 32,
            reserve_time: Duration::from_secs(2),
            head: 16 << 10,
            head_time: Duration::from_secs(15),
            streams: 64,
            disk: 32,
            stall: Duration::from_secs(15),
            age: Duration::from_secs(300),
            last_answer: Duration::from_secs(60),
            goodbye: Duration::from_millis(500),
        }
    }
}

/// Descriptors for everything but connections: inputs, outputs, logs, devices.
const OTHERS: u64 = 256;

impl Limits {
    /// As many connections as this process may have descriptors for; it asks the system for more of those where there are too few.
    pub(super) fn within_descriptors(self) -> Limits {
        let wanted = (self.connections + self.reserve + self.disk) as u64 + OTHERS;
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < wanted) {
            limit.current = Some(limit.maximum.map_or(wanted, |most| most.min(wanted)));
            if let Err(e) = setrlimit(Resource::Nofile, limit) {
                tracing::debug!("the limit of open files stays as it is: {e}");
            }
        }
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        if allowed >= wanted {
            return self;
        }
        let connections = usize::try_from(allowed.saturating_sub(wanted - self.connections as u64)).unwrap_or(self.connections).max(16);
        tracing::warn!(connections, "this process may open {allowed} files: so many connections are taken; for more, raise its limit (ulimit -n, LimitNOFILE)");
        Limits { connections, ..self }
    }
}

/// How much is taken.
#[derive(Clone, Debug)]
pub(super) struct Load {
    connections: usize,
    places: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    disk: Arc<Semaphore>,
}

impl Load {
    pub fn new(limits: &Limits) -> Load {
        let places = |count| Arc::new(Semaphore::new(count));
        Load { connections: limits.connections, places: places(limits.connections), reserve: places(limits.reserve), disk: places(limits.disk) }
    }

    pub fn places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.places)
    }

    pub fn reserve(&self) -> Arc<Semaphore> {
        Arc::clone(&self.reserve)
    }

    pub fn disk(&self) -> Arc<Semaphore> {
        Arc::clone(&self.disk)
    }

    /// Seven of eight places are taken: who asks for what is long past comes second.
    pub fn is_high(&self) -> bool {
        self.places.available_permits() < self.connections / 8
    }
}

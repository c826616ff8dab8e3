//! The threads of a job: named, joined on every path, the first failure kept.

use crate::stop::Stop;
use std::any::Any;
use std::sync::Arc;
use std::thread::JoinHandle;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Why a stage failed.
pub trait StageFailure: std::error::Error + Send + Sync + 'static {
    /// Whether it only says that a neighbour is gone, which has its own word of why.
    fn is_echo(&self) -> bool {
        false
    }
}

/// What went wrong, and in which thread.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct StageError {
    /// Name of the thread.
    pub thread: String,
    /// What it said.
    pub why: Failure,
    /// It only says that a neighbour is gone.
    pub echo: bool,
}

/// Called when a stage failed.
type Leave = Arc<dyn Fn() + Send + Sync>;

/// The threads that were started, in flow order.
pub struct Threads {
    stop: Stop,
    /// What else is told of a failure.
    leave: Option<Leave>,
    failures: (crossbeam::channel::Sender<StageError>, crossbeam::channel::Receiver<StageError>),
    running: Vec<(String, JoinHandle<()>)>,
}

impl Threads {
    /// None yet. `stop` is raised as soon as one of them fails, so that the source stops and the rest drains.
    pub fn new(stop: Stop) -> Threads {
        Threads { stop, leave: None, failures: crossbeam::channel::unbounded(), running: Vec::new() }
    }

    /// Where one of them fails, `leave` is called as well, by threads that are started from here on.
    pub fn leaving(self, leave: impl Fn() + Send + Sync + 'static) -> Threads {
        Threads { leave: Some(Arc::new(leave)), ..self }
    }

    /// Starts a thread. Its error, or its panic, is a failure of the job.
    pub fn spawn<E: StageFailure>(&mut self, name: &str, body: impl FnOnce() -> Result<(), E> + Send + 'static) -> Result<(), StageError> {
        let (stop, leave, failures, thread) = (self.stop.clone(), self.leave.clone(), self.failures.0.clone(), name.to_owned());
        let guarded = move || {
            let (why, echo): (Failure, bool) = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    let echo = error.is_echo();
                    (Box::new(error), echo)
                }
                Err(panic) => (panicked(panic.as_ref()).into(), false),
            };
            // The receiver lives as long as any thread does.
            let _ = failures.send(StageError { thread, why, echo });
            stop.raise();
            leave.iter().for_each(|leave| leave());
        };
        let handle = std::thread::Builder::new().name(name.to_owned()).spawn(guarded).map_err(|error| StageError {
            thread: name.to_owned(),
            why: error.into(),
            echo: false,
        })?;
        self.running.push((name.to_owned(), handle));
        Ok(())
    }

    /// Waits for all of them, in flow order. The first failure in time that is no echo of another is the error; the others are logged.
    pub fn join(self) -> Result<(), StageError> {
        for (name, handle) in self.running {
            if handle.join().is_err() {
                tracing::error!(thread = name, "ended without a word");
            }
        }
        let mut failures: Vec<StageError> = self.failures.1.try_iter().collect();
        // A stable sort: in time, echoes last.
        failures.sort_by_key(|failure| failure.echo);
        let mut failures = failures.into_iter();
        let first = failures.next();
        for other in failures {
            tracing::debug!(thread = other.thread, why = %other.why, "failed beside the first failure");
        }
        first.map_or(Ok(()), Err)
    }
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("internal error: {}", text.unwrap_or_else(|| "a panic without words".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str);

    impl StageFailure for Said {
        fn is_echo(&self) -> bool {
            self.0 == "my neighbour is gone"
        }
    }

    #[test]
    fn the_cause_is_kept_and_stops_the_rest() {
        let stop = Stop::new();
        let mut threads = Threads::new(stop.clone());
        let seen = stop.clone();
        threads.spawn("source", move || if seen.wait(Duration::from_secs(20)) { Ok(()) } else { Err(Said("never stopped")) }).expect("a thread");
        let (gone, told) = crossbeam::channel::bounded::<()>(0);
        // The echo is heard before its cause.
        threads.spawn("neighbour", move || Err(Said("my neighbour is gone")).inspect_err(|_| drop(gone))).expect("a thread");
        threads
            .spawn("broken", move || {
                Err(Said("no space left")).inspect_err(|_| {
                    let _ = told.recv();
                })
            })
            .expect("a thread");
        let error = threads.join().expect_err("one failed");
        assert_eq!((error.thread.as_str(), error.to_string().as_str()), ("broken", "no space left"));
        assert!(stop.is_raised());
    }

    #[test]
    fn a_panic_is_a_failure() {
        let mut threads = Threads::new(Stop::new());
        threads.spawn("odd", || -> Result<(), Said> { panic!("slot 7") }).expect("a thread");
        assert_eq!(threads.join().expect_err("it panicked").to_string(), "internal error: slot 7");
    }
}

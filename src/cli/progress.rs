//! What a running worker shows on stderr: a live view on a terminal, a line now and then elsewhere.

mod beat;
mod figures;
mod view;
mod words;

use super::screen::{self, SCREEN};
use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use figures::Figures;
use mezzo::status::Status;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How it is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Below the log, drawn anew all the time.
    View {
        /// With colours.
        colour: bool,
    },
    /// As log lines.
    Lines,
}

/// Between two drawings.
const DRAW: Duration = Duration::from_millis(250);

/// Shows the status until it is dropped.
pub struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts showing. `url`: of the page, where there is one; `every`: how often a line is logged, zero for never.
    pub fn start(status: Arc<Status>, url: Option<&str>, manner: Manner, every: Duration) -> Progress {
        let (stop, stopped) = bounded::<()>(0);
        if manner == Manner::Lines && every.is_zero() {
            return Progress { stop: Some(stop), thread: None };
        }
        let url = url.map(str::to_owned);
        let body = move || {
            let mut figures = Figures::new();
            // A line says what became of the time before it: there is none in the beginning.
            let (period, mut silent) = if manner == Manner::Lines { (every, true) } else { (DRAW, false) };
            loop {
                let snapshot = status.snapshot();
                figures.add(Instant::now(), &snapshot);
                match manner {
                    Manner::View { colour } => SCREEN.show(view::lines(&snapshot, &figures, url.as_deref(), screen::size(), colour)),
                    Manner::Lines if silent => silent = false,
                    Manner::Lines => beat::beat(&snapshot, &figures),
                }
                // Nothing is ever sent: the other end goes away.
                if stopped.recv_timeout(period) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            SCREEN.show(Vec::new());
        };
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(body);
        if let Err(error) = &thread {
            tracing::warn!("no progress is shown: {error}");
        }
        Progress { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the progress thread panicked");
        }
    }
}

//! Interrupts libav while it connects, probes or waits.

use crate::stop::Stop;
use ffmpeg_next::{self as ffmpeg, Error};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long opening may take: a feed that does not flow is an error, not a wait without end.
pub const OPEN_LIMIT: Duration = Duration::from_secs(20);

/// Interrupts libav when the flag is raised, or when opening takes too long.
pub struct Watch {
    /// The flag.
    pub stop: Stop,
    began: Instant,
    open: Arc<AtomicBool>,
    limit: Option<Duration>,
    /// Where somebody is waited for who connects: how long opening may take from then on, and when that was.
    caller: Option<(Duration, Connected)>,
}

/// When somebody connected.
#[derive(Clone, Default)]
pub struct Connected(Arc<OnceLock<Instant>>);

impl Connected {
    /// Now, unless they have already.
    pub fn now(&self) {
        self.0.get_or_init(Instant::now);
    }
}

impl Watch {
    /// Opening may take [`OPEN_LIMIT`], or as long as was said.
    pub fn new(stop: &Stop) -> Watch {
        Watch::with_limit(stop, Some(stop.limit().unwrap_or(OPEN_LIMIT)))
    }

    /// Opening may take as long as `limit` says; none: as long as it takes.
    pub fn with_limit(stop: &Stop, limit: Option<Duration>) -> Watch {
        Watch { stop: stop.clone(), began: Instant::now(), open: Arc::default(), limit, caller: None }
    }

    /// Somebody is waited for who connects, for as long as it takes or `limit` says; from then on opening may take `patience`.
    pub fn for_caller(stop: &Stop, limit: Option<Duration>, patience: Duration) -> Watch {
        Watch { caller: Some((patience, Connected::default())), ..Watch::with_limit(stop, limit) }
    }

    /// Where to say that somebody has connected, where that is waited for.
    pub fn connected(&self) -> Option<Connected> {
        self.caller.as_ref().map(|(_, connected)| connected.clone())
    }

    /// What libav asks ten times a second, or more often.
    pub fn closure(&self) -> impl FnMut() -> bool + Send + 'static {
        let (stop, open, limits) = (self.stop.clone(), self.open.clone(), (self.began, self.limit, self.caller.clone()));
        move || stop.is_raised() || (!open.load(Ordering::Relaxed) && over(&limits).is_some())
    }

    /// Which limit is over, while it is not open.
    pub fn over(&self) -> Option<Duration> {
        over(&(self.began, self.limit, self.caller.clone()))
    }

    /// It is open: from here on only the flag interrupts.
    pub fn opened(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Why opening failed. `invalid`: what to say where the media is at fault.
    pub fn explain(&self, error: Error, invalid: &str) -> String {
        match error {
            Error::Exit if self.stop.is_raised() => "stopped while it was being opened".to_owned(),
            Error::Exit => format!("nothing that can be decoded came within {} s", self.over().or(self.limit).unwrap_or(OPEN_LIMIT).as_secs()),
            Error::InvalidData | Error::Eof => invalid.to_owned(),
            Error::Other { errno: ffmpeg::error::EINVAL } => format!("{invalid}; raw samples without a header are not accepted, for nothing says their size"),
            other => other.to_string(),
        }
    }
}

type Limits = (Instant, Option<Duration>, Option<(Duration, Connected)>);

/// Which of the limits is over.
fn over((began, limit, caller): &Limits) -> Option<Duration> {
    let late = caller.as_ref().and_then(|(patience, connected)| connected.0.get().filter(|at| at.elapsed() > *patience).map(|_| *patience));
    limit.filter(|limit| began.elapsed() > *limit).or(late)
}

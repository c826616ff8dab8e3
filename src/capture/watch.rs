//! Interrupts libav while it connects, probes or waits.

use crate::stop::Stop;
use ffmpeg_next::{self as ffmpeg, Error};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
}

impl Watch {
    /// Opening may take [`OPEN_LIMIT`], or as long as was said.
    pub fn new(stop: &Stop) -> Watch {
        Watch::with_limit(stop, Some(stop.limit().unwrap_or(OPEN_LIMIT)))
    }

    /// Opening may take as long as `limit` says; none: as long as it takes.
    pub fn with_limit(stop: &Stop, limit: Option<Duration>) -> Watch {
        Watch { stop: stop.clone(), began: Instant::now(), open: Arc::default(), limit }
    }

    /// What libav asks ten times a second, or more often.
    pub fn closure(&self) -> impl FnMut() -> bool + Send + 'static {
        let (stop, began, open, limit) = (self.stop.clone(), self.began, self.open.clone(), self.limit);
        move || stop.is_raised() || (!open.load(Ordering::Relaxed) && limit.is_some_and(|limit| began.elapsed() > limit))
    }

    /// It is open: from here on only the flag interrupts.
    pub fn opened(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Why opening failed. `invalid`: what to say where the media is at fault.
    pub fn explain(&self, error: Error, invalid: &str) -> String {
        match error {
            Error::Exit if self.stop.is_raised() => "stopped while it was being opened".to_owned(),
            Error::Exit => format!("nothing that can be decoded came within {} s", self.limit.unwrap_or(OPEN_LIMIT).as_secs()),
            Error::InvalidData | Error::Eof => invalid.to_owned(),
            Error::Other { errno: ffmpeg::error::EINVAL } => format!("{invalid}; raw samples without a header are not accepted, for nothing says their size"),
            other => other.to_string(),
        }
    }
}

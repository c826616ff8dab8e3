//! HLS that had no end mark when it was opened. libav says the same where it has one now and where nobody answers any more, so it is looked up.

use super::{CaptureError, Delivery, Input, Read};
use crate::stop::Stop;

/// A playlist that goes on.
pub struct Playlist {
    /// What reads it.
    pub input: Box<dyn Input>,
    /// As it may be shown.
    pub shown: String,
    /// Whether it has its end mark now. Where it cannot be read, it has none.
    pub is_finished: Box<dyn Fn() -> bool + Send>,
    /// The flag.
    pub stop: Stop,
}

impl Input for Playlist {
    fn read(&mut self) -> Result<Read, CaptureError> {
        let read = self.input.read()?;
        if !matches!(read, Read::End) || (self.is_finished)() {
            return Ok(read);
        }
        if self.stop.is_raised() {
            return Ok(Read::Stopped);
        }
        let why = "its playlist can no longer be read, and had no end mark (EXT-X-ENDLIST)";
        Err(CaptureError::Away { url: self.shown.clone(), why: why.to_owned() })
    }

    fn delivery(&self) -> Delivery {
        self.input.delivery()
    }
}

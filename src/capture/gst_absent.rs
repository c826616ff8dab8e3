//! Stands in for GStreamer where mezzo is built without it.

use super::{CaptureError, Opened};
use crate::job::{Pace, Select};
use crate::stop::Stop;

/// The scheme, with its colon.
pub const SCHEME: &str = "gst:";

/// Refuses.
pub fn open(url: &str, _: Pace, _: &Select, _: &Stop) -> Opened {
    let why = "this mezzo was built without GStreamer (cargo's feature `gstreamer`); a file, -, udp://, srt://, rtmp://, http:// and testsrc: are accepted";
    Err(CaptureError::Open { url: url.to_owned(), why: why.to_owned() })
}

//! Where published bytes go. A destination is one file here and one line in [`open`].

use crate::time::{GopId, Seconds};
use bytes::Bytes;

/// What is published, in order. `path` is relative to the output's root (`avc-1080p/123.m4s`).
#[derive(Clone, Debug)]
pub enum Publish {
    /// A track's initialisation segment, once, before its first segment.
    Init {
        /// Relative path.
        path: String,
        /// The bytes.
        bytes: Bytes,
    },
    /// A whole segment.
    Segment {
        /// Track name.
        track: String,
        /// Its number.
        number: GopId,
        /// Relative path.
        path: String,
        /// The bytes.
        bytes: Bytes,
        /// When its slot ends (UTC), for lag metrics.
        slot_end: Seconds,
    },
    /// A playlist or manifest; replaces its predecessor at once.
    Text {
        /// Relative path.
        path: String,
        /// The bytes.
        bytes: Bytes,
    },
    /// This segment has left the window.
    Remove {
        /// Relative path.
        path: String,
    },
}

/// A destination. Owned by one thread; calls arrive in publishing order.
pub trait Sink: Send {
    /// Stores one thing. When it returns, a reader can see it whole, or not at all.
    fn publish(&mut self, item: &Publish) -> Result<(), SinkError>;
}

/// Why something could not be stored.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct SinkError {
    /// The full path or URL.
    pub path: String,
    /// The system's words.
    pub why: String,
}

//! What somebody who pushes is told.

use super::edge::Far;
use crate::time::GopId;

/// What became of something that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is published now.
    Published,
    /// It waits: for a number before it, or for a better one.
    Waits,
    /// The same bytes are here already.
    Identical,
    /// Another one was published for this number, and nothing says why they differ.
    Other,
    /// Another one was published for this number; one of the two is marked.
    PassedOver,
    /// Its number has left, or is listed as a gap.
    Late,
    /// A mask hides it.
    Masked,
    /// The origin writes its own.
    Ignored,
}

impl Fate {
    /// In a few words.
    pub fn text(self) -> &'static str {
        match self {
            Fate::Published => "published",
            Fate::Waits => "it waits for a number before it, or for a better one",
            Fate::Identical => "the same bytes are here already",
            Fate::Other | Fate::PassedOver => "another one was published for this number, and stays",
            Fate::Late => "too late: its number has left, or is listed as a gap",
            Fate::Masked => "hidden by a mask",
            Fate::Ignored => "ignored: the origin writes its own",
        }
    }
}

/// Why something was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A pipeline that nobody named.
    #[error("pipeline \"{name}\" is not known; accepted: {accepted}")]
    Pipeline {
        /// Its name.
        name: String,
        /// Those that are.
        accepted: String,
    },
    /// A path that leads to nothing.
    #[error("\"{0}\" is no place to push to; accepted: /ingest/PIPELINE/TRACK/init.mp4, /ingest/PIPELINE/TRACK/NUMBER.m4s, and manifests, which are ignored")]
    Path(String),
    /// Too many tracks.
    #[error("track \"{name}\" is one more than the {most} that are accepted")]
    Tracks {
        /// Its name.
        name: String,
        /// The limit.
        most: usize,
    },
    /// No initialisation segment that can be read.
    #[error("the initialisation segment of {track}: {why}")]
    Init {
        /// Name of the track.
        track: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another initialisation segment than the event's.
    #[error("{track} has an initialisation segment of another encoding, and an event never has a second one; accepted: workers of the same class and settings")]
    OtherInit {
        /// Name of the track.
        track: String,
    },
    /// A segment before its initialisation segment.
    #[error("{track} has no initialisation segment yet; push {track}/init.mp4 first")]
    NoInit {
        /// Name of the track.
        track: String,
    },
    /// Not a segment that can be published.
    #[error("{track}: segment {number}: {why}")]
    Broken {
        /// Name of the track.
        track: String,
        /// Its number.
        number: GopId,
        /// What is wrong with it.
        why: String,
    },
    /// A number that cannot be right.
    #[error("{track}: {far}")]
    Far {
        /// Name of the track.
        track: String,
        /// Why.
        far: Far,
    },
    /// The event is over.
    #[error("{track}: segment {number} comes after the end of the event")]
    Over {
        /// Name of the track.
        track: String,
        /// Its number.
        number: GopId,
    },
    /// Too much waits for the first pictures.
    #[error("{track}: segment {number}: too much waits for the first segment of pictures, which says how long a segment lasts")]
    Full {
        /// Name of the track.
        track: String,
        /// Its number.
        number: GopId,
    },
}

impl Refusal {
    /// The HTTP status that says so.
    pub fn code(&self) -> u16 {
        match self {
            Refusal::Pipeline { .. } => 403,
            Refusal::Path(_) => 404,
            Refusal::OtherInit { .. } | Refusal::Far { .. } => 409,
            Refusal::Over { .. } => 410,
            Refusal::NoInit { .. } => 412,
            Refusal::Init { .. } | Refusal::Broken { .. } => 422,
            Refusal::Full { .. } => 503,
            Refusal::Tracks { .. } => 507,
        }
    }
}

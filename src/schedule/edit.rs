//! What may be changed while the event goes on, each from a segment on that has a number.

use crate::time::{GopId, Grid, Slot};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An edit: two workers with the same plan, feed and edits make the same bytes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Edit {
    /// The first segment that it alters. What is before is as it was.
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    pub from: i64,
    /// What it changes.
    #[serde(flatten)]
    pub change: Change,
}

/// What an edit changes. Of two that change the same thing, the one with the later segment counts from that segment on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Change {
    /// Whether a rung is made.
    Enabled {
        /// Its name.
        rung: String,
        /// Whether it is.
        enabled: bool,
    },
    /// The cap of a rung.
    Cap {
        /// Its name.
        rung: String,
        /// Bits per second, at most that of the plan.
        max_bitrate: u64,
    },
    /// The quality that a rung aims at.
    Quality {
        /// Its name.
        rung: String,
        /// CRF or its kin, less is better.
        quality: f32,
    },
    /// Whether a slate is shown instead of the feed, without sound.
    Slate {
        /// Whether it is.
        on: bool,
    },
    /// An IDR inside the segment, in all rungs.
    Idr {
        /// The slot of the grid, counted from 1970.
        #[schema(minimum = 0, maximum = 9007199254740991_i64)]
        slot: i64,
    },
    /// A cue: alters no byte of a segment.
    Cue(Cue),
}

/// A cue on the programme's time, as `EXT-X-DATERANGE` has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Cue {
    /// What names it.
    pub cue: String,
    /// When it begins: UTC, RFC 3339, on the grid.
    pub time: String,
    /// How long it lasts, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What kind it is: `CLASS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Anything to say of it: `X-MEZZO-TEXT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What two edits must have in common so that the later replaces the earlier.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Key<'a> {
    Enabled(&'a str),
    Cap(&'a str),
    Quality(&'a str),
    Slate,
    Idr(i64),
    Cue(&'a str),
}

impl Change {
    pub(super) fn key(&self) -> Key<'_> {
        match self {
            Change::Enabled { rung, .. } => Key::Enabled(rung),
            Change::Cap { rung, .. } => Key::Cap(rung),
            Change::Quality { rung, .. } => Key::Quality(rung),
            Change::Slate { .. } => Key::Slate,
            Change::Idr { slot } => Key::Idr(*slot),
            Change::Cue(Cue { cue, .. }) => Key::Cue(cue),
        }
    }

    /// The rung that it is of, where it is of one.
    pub fn rung(&self) -> Option<&str> {
        match self {
            Change::Enabled { rung, .. } | Change::Cap { rung, .. } | Change::Quality { rung, .. } => Some(rung),
            Change::Slate { .. } | Change::Idr { .. } | Change::Cue(_) => None,
        }
    }

    /// The segment that it must name, where it is of one only.
    pub(super) fn own_segment(&self, grid: Grid) -> Option<GopId> {
        match self {
            Change::Idr { slot } => Some(grid.gop(Slot(*slot))),
            Change::Cue(cue) => cue.time.parse().ok().map(|time| grid.gop(grid.nearest(time))),
            _ => None,
        }
    }
}

impl std::fmt::Display for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let from = self.from;
        match &self.change {
            Change::Enabled { rung, enabled: true } => write!(f, "{rung} is made from segment {from} on"),
            Change::Enabled { rung, enabled: false } => write!(f, "{rung} is not made from segment {from} on"),
            Change::Cap { rung, max_bitrate } => write!(f, "{rung} has a cap of {max_bitrate} b/s from segment {from} on"),
            Change::Quality { rung, quality } => write!(f, "{rung} has quality {quality} from segment {from} on"),
            Change::Slate { on: true } => write!(f, "a slate is shown from segment {from} on"),
            Change::Slate { on: false } => write!(f, "the feed is shown from segment {from} on"),
            Change::Idr { slot } => write!(f, "an IDR at slot {slot}, in segment {from}"),
            Change::Cue(cue) => write!(f, "cue {} at {}", cue.cue, cue.time),
        }
    }
}

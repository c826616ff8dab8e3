//! What is known of a published segment beside its bytes: what shaped it, what it shows, and what the self-check says. It travels beside the segment, never in it.
//!
//! - `defects`: what can be wrong with a segment, and the score; `cmsd`: the verdict as an HTTP header, and back; `fields`: the syntax of such headers

pub mod cmsd;
pub mod defects;
pub mod fields;

use crate::encode::Stats;
use crate::inspect::{self, Code, Finding, SegmentFacts};
use crate::mux::Marks;
pub use cmsd::headers;
use sha2::{Digest, Sha256};

/// The verdict on one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Class, repeats, filler, damage: what the segment itself says.
    pub marks: Marks,
    /// SHA-256 of the whole segment.
    pub hash: [u8; 32],
    /// Rules that it breaks, though it can be decoded.
    pub findings: Vec<Code>,
    /// It is larger than 1.10 x cap x duration.
    pub over_cap: bool,
    /// What it shows.
    pub shown: Shown,
}

/// What a segment shows, as far as its bytes do not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// It carries sound.
    pub sound: bool,
    /// Milliseconds that it lasts, to the nearest.
    pub millis: u32,
    /// Slots, or audio frames.
    pub units: u32,
    /// Slots of black that the feed itself sends.
    pub black: u32,
    /// Slots in which the feed shows what it has shown for half a second.
    pub frozen: u32,
    /// Audio frames of silence that the feed itself sends.
    pub silent: u32,
}

impl Shown {
    /// Of a finished GOP.
    pub fn new(stats: &Stats, sound: bool, millis: i64) -> Shown {
        let Stats { units, black, frozen, silent, .. } = *stats;
        Shown { sound, millis: u32::try_from(millis).unwrap_or(0), units, black, frozen, silent }
    }
}

impl Verdict {
    /// The verdict on `bytes`, which carry `marks`.
    pub fn new(marks: Marks, bytes: &[u8], findings: &[Finding], over_cap: bool) -> Verdict {
        let findings = findings.iter().map(|f| f.code).collect();
        Verdict { marks, hash: Sha256::digest(bytes).into(), findings, over_cap, shown: Shown::default() }
    }

    /// With what the segment shows.
    pub fn showing(self, shown: Shown) -> Verdict {
        Verdict { shown, ..self }
    }

    /// The verdict on a segment of which only the bytes are left (an earlier run stored it): the rules that bytes alone show, and what it says of itself.
    /// What was black, frozen or silent in it is not known any more, nor its cap.
    pub fn of_stored(bytes: &[u8], sound: bool) -> Verdict {
        let facts = inspect::segment(bytes, None).unwrap_or_else(|_| SegmentFacts::default());
        let units = u32::try_from(facts.samples().count()).unwrap_or(u32::MAX);
        let marks = facts.marks.clone().unwrap_or_default();
        // As the muxer judges it: an IDR inside was asked for.
        let findings: Vec<Finding> = facts.findings.iter().filter(|finding| finding.code != Code::IdrInside).cloned().collect();
        Verdict::new(marks, bytes, &findings, false).showing(Shown { sound, units, ..Shown::default() })
    }

    /// The hash in hexadecimal.
    pub fn hash_text(&self) -> String {
        self.hash.iter().map(|b| format!("{b:02x}")).collect()
    }
}

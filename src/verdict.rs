//! What is known of a published segment beside its bytes: what shaped it, and what the self-check says. It travels beside the segment, never in it.

use crate::inspect::{Code, Finding};
use crate::mux::Marks;
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
}

impl Verdict {
    /// The verdict on `bytes`, which carry `marks`.
    pub fn new(marks: Marks, bytes: &[u8], findings: &[Finding], over_cap: bool) -> Verdict {
        Verdict { marks, hash: Sha256::digest(bytes).into(), findings: findings.iter().map(|f| f.code).collect(), over_cap }
    }

    /// The hash in hexadecimal.
    pub fn hash_text(&self) -> String {
        self.hash.iter().map(|b| format!("{b:02x}")).collect()
    }
}

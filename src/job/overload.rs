//! What happens where the machine is too small for what it was given.

use serde::Deserialize;

/// `limits.overload`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Overload {
    /// Rungs that are late leave segments out, and nothing else is altered
    Hold,
    /// Faster encoding first, then half the pictures where the ladder allows it, then the largest rungs are left out; back as soon as there is room
    #[default]
    Degrade,
    /// The worker ends (exit code 1) before a segment is left out
    Fail,
}

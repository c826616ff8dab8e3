//! How soon bytes leave, and what they say of their time.

use serde::{Deserialize, Serialize};

/// `latency`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Latency {
    /// Encoders look ahead as their operating points say
    #[default]
    Normal,
    /// Encoders look ahead two pictures at most and hold none back; chunks of 200 ms unless the job says otherwise
    Low,
}

impl Latency {
    /// Whether it is as usual.
    pub fn is_normal(&self) -> bool {
        *self == Latency::Normal
    }
}

/// `prft`: what says when it was produced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Prft {
    /// Every segment
    #[default]
    Segment,
    /// Every chunk
    Chunk,
}

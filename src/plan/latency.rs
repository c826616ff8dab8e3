//! How soon a picture is out, as far as a plan tells.

use super::Plan;
use crate::encode::delay::delay;
use crate::time::Seconds;
use serde::Serialize;

/// Pictures that wait before the encoder: in the demuxer for the next one's first byte, and in frame sync for the one that may be nearer to its slot.
const BEFORE: u32 = 2;
/// libav's frame threads hold back a picture each but one; at low latency there is one.
const DECODER: u32 = 3;

/// What is expected of the way from a picture entering to its chunk being out, where the machine keeps up. Without the time that decoding, scaling and encoding a picture take.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Expected {
    /// Duration of a chunk in seconds.
    pub chunk: String,
    /// Of the last picture of a chunk, in milliseconds.
    pub least_ms: u64,
    /// Of the first picture of a chunk.
    pub most_ms: u64,
    /// For each rung, how many pictures its encoder holds back.
    pub held: Vec<(String, u32)>,
}

impl Expected {
    /// Of a plan whose segments leave in chunks.
    pub fn of(plan: &Plan) -> Option<Expected> {
        let first = plan.video.iter().find(|r| r.chunk.is_some())?;
        let chunk = first.chunk?;
        let held: Vec<(String, u32)> = plan.video.iter().map(|r| (r.name.clone(), delay(r))).collect();
        let most = held.iter().map(|(_, frames)| *frames).max().unwrap_or(0);
        let decoder = if first.latency.is_normal() { DECODER } else { 0 };
        let period = plan.grid.rate.period();
        let milliseconds = |slots: u32| period.times(i128::from(slots)).ceil_ticks(1000).unsigned_abs();
        let least = BEFORE + decoder + most;
        let span: Seconds = period.times(i128::from(chunk));
        Some(Expected { chunk: span.to_string(), least_ms: milliseconds(least), most_ms: milliseconds(least + chunk), held })
    }
}

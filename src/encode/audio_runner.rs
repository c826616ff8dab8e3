//! The thread of one audio rung: segments of samples in, packets out.

use crate::encode::aac::{Aac, FRAME};
use crate::encode::{Stats, ToMux, TrackId, Why};
use crate::frame::{Flow, PcmSegment};
use crossbeam::channel::{Receiver, Sender};
use std::time::Instant;

/// Encodes segments until the flow ends: each one's packets, then `Done`. A segment that fails is `Void`, then `Skipped`; the next goes on. An end is passed on.
///
/// Returns when the flow has ended, when it closed without an end (then no end is passed on), or when nobody listens any more.
pub fn run(encoder: Aac, track: TrackId, rx: Receiver<Flow<PcmSegment>>, tx: Sender<ToMux>) {
    for item in rx {
        let sent = match item {
            Flow::Item(segment) if !segment.joined => tx.send(ToMux::Skipped { track, gop: segment.gop, why: Why::Joining }),
            Flow::Item(segment) => messages(&encoder, track, &segment).into_iter().try_for_each(|message| tx.send(message)),
            Flow::End(end) => {
                // Whether anyone still listens makes no difference now.
                let _ = tx.send(ToMux::End { track, end });
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

fn messages(encoder: &Aac, track: TrackId, segment: &PcmSegment) -> Vec<ToMux> {
    let (gop, attempt) = (segment.gop, 0);
    let started = Instant::now();
    match encoder.encode(segment) {
        Ok(packets) => {
            let filler = u32::try_from(segment.silent_samples.div_ceil(u64::from(FRAME))).unwrap_or(u32::MAX);
            let stats = Stats { units: segment.frames, filler, last: segment.last, busy: started.elapsed(), ..Stats::default() };
            let mut messages: Vec<ToMux> = packets.into_iter().map(|packet| ToMux::Packet { track, gop, attempt, packet }).collect();
            messages.push(ToMux::Done { track, gop, attempt, stats });
            messages
        }
        Err(error) => {
            tracing::error!(segment = gop.0, %error, "sound left out");
            vec![ToMux::Void { track, gop, attempt }, ToMux::Skipped { track, gop, why: Why::Failed }]
        }
    }
}

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
            let stats = Stats {
                units: segment.frames,
                filler,
                damaged: segment.damaged,
                path: segment.path,
                last: segment.last,
                busy: started.elapsed(),
                ..Stats::default()
            };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::End;
    use crate::plan::AudioRendition;
    use crate::time::{AudioGrid, GopId, Grid, Rate, Seconds};
    use crossbeam::channel::{bounded, unbounded};
    use std::sync::Arc;

    fn segment(gop: i64, planes: usize, value: f32) -> PcmSegment {
        let length = (16 + 94 + 4) * 1024;
        let (first_frame, silent_samples) = (gop * 94, 1025);
        PcmSegment {
            gop: GopId(gop),
            first_frame,
            frames: 94,
            lead: 16,
            tail: 4,
            planes: Arc::new(vec![vec![value; length]; planes]),
            silent_samples,
            damaged: 0,
            clean: true,
            joined: true,
            path: 0,
            last: false,
        }
    }

    #[test]
    fn a_failure_costs_its_segment_only() {
        let grid = AudioGrid { video: Grid::new(Rate::new(25, 1).expect("legal"), Seconds::whole(2)), sample_rate: 48_000, frame: 1024 };
        let rendition = AudioRendition::main("aac", 96_000, 2, grid, "und");
        let encoder = Aac::open(&rendition).expect("opens");
        // AAC-LC, 48 kHz, stereo (ISO 14496-3, 1.6.2.1).
        assert_eq!(encoder.config().get(..2), Some(&[0x11, 0x90][..]));
        let (tx, rx) = unbounded();
        let (mux_tx, mux_rx) = bounded(1000);
        // The second has a plane too few; libav refuses the third.
        for (gop, planes, value) in [(7, 2, 0.1), (8, 1, 0.1), (9, 2, f32::INFINITY), (10, 2, 0.0)] {
            tx.send(Flow::Item(segment(gop, planes, value))).expect("room");
        }
        tx.send(Flow::End(End::Leaving)).expect("room");
        run(encoder, TrackId(3), rx, mux_tx);
        let mut log = Vec::new();
        for message in mux_rx {
            match message {
                ToMux::Packet { gop, packet, .. } => {
                    assert!(packet.idr && (gop.0 * 94..gop.0 * 94 + 94).contains(&packet.time));
                }
                ToMux::Done { gop, stats, .. } => log.push(format!("{gop} done {} {}", stats.units, stats.filler)),
                ToMux::Void { gop, .. } => log.push(format!("{gop} void")),
                other @ (ToMux::Told { .. } | ToMux::Backend { .. } | ToMux::Continue { .. }) => panic!("{other:?}"),
                ToMux::Skipped { gop, why, .. } => log.push(format!("{gop} {why:?}")),
                ToMux::End { track, end } => log.push(format!("{track:?} {end:?}")),
            }
        }
        assert_eq!(log, ["7 done 94 2", "8 void", "8 Failed", "9 void", "9 Failed", "10 done 94 2", "TrackId(3) Leaving"]);
    }
}

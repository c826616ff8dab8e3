//! The thread of one audio rung: segments of samples in, packets out.

use crate::encode::aac::{Aac, FRAME, Parts};
use crate::encode::{EncodeError, Packet, Stats, ToMux, Told, TrackId, Why};
use crate::frame::{Flow, PcmSegment};
use crate::schedule::Mute;
use crate::shard::Part;
use crate::standby::sound::SILENT;
use crate::time::GopId;
use crossbeam::channel::{Receiver, SendError, Sender};
use std::time::{Duration, Instant};

/// Encodes segments until the flow ends: each one's packets, then `Done`. A segment that fails is `Void`, then `Skipped`; the next goes on. An end is passed on.
/// Of a segment that comes in parts, each part's packets are sent as soon as they are there. `mute` takes the sound out of slates. Of what is not in `part`, another
/// shard's, only the number goes on.
///
/// Returns when the flow has ended, when it closed without an end (then no end is passed on), or when nobody listens any more.
pub fn run(encoder: Aac, track: TrackId, part: Part, rx: Receiver<Flow<PcmSegment>>, tx: Sender<ToMux>, mute: Option<&Mute>) {
    let mut runner = Runner { encoder, track, part, tx, open: None };
    for item in rx {
        let sent = match item {
            Flow::Item(segment) => {
                let segment = match mute {
                    Some(mute) => mute.pass(segment),
                    None => segment,
                };
                runner.take(&segment)
            }
            Flow::End(end) => {
                // Whether anyone still listens makes no difference now.
                let _ = runner.leave().and_then(|()| runner.tx.send(ToMux::End { track, end }));
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
    let _ = runner.leave();
}

struct Runner {
    encoder: Aac,
    track: TrackId,
    part: Part,
    tx: Sender<ToMux>,
    /// The segment of which parts came.
    open: Option<Open>,
}

/// A segment of which parts came.
struct Open {
    gop: GopId,
    /// Absent where it is left out.
    parts: Option<Parts>,
    told: Told,
    frames: u32,
    /// Frames without sound so far.
    silent: u32,
    busy: Duration,
}

/// The muxer is gone.
type Sent = Result<(), SendError<ToMux>>;

impl Runner {
    /// A segment, or the next part of one.
    fn take(&mut self, segment: &PcmSegment) -> Sent {
        let (track, gop, attempt) = (self.track, segment.gop, 0);
        if !self.part.has(gop) {
            self.leave()?;
            let why = Why::OtherShard { units: segment.frames };
            return if segment.more { Ok(()) } else { self.tx.send(ToMux::Skipped { track, gop, why }) };
        }
        if segment.from == 0 {
            self.leave()?;
            if !segment.joined {
                self.open = Some(Open::left_out(gop));
                return self.tx.send(ToMux::Skipped { track, gop, why: Why::Joining });
            }
        }
        if segment.from == 0 && !segment.more {
            let started = Instant::now();
            let packets = self.encoder.encode(segment);
            // Said before its packets: they may be all of a chunk, which says it.
            if let Some((unit, told)) = Open::left_out(gop).tell(segment).filter(|_| segment.last && packets.is_ok()) {
                self.tx.send(ToMux::Told { track, gop, unit, told })?;
            }
            return self.send(segment, packets, started.elapsed(), silent(segment));
        }
        let mut open = match self.open.take().filter(|open| open.gop == gop) {
            Some(open) => open,
            // Without its beginning there is nothing to go on with.
            None if segment.from > 0 => return Ok(()),
            None => match Parts::open(&self.encoder, segment) {
                Ok(parts) => Open { parts: Some(parts), ..Open::left_out(gop) },
                Err(error) => {
                    self.open = Some(Open::left_out(gop));
                    return self.send(segment, Err(error), Duration::ZERO, 0);
                }
            },
        };
        let Some(parts) = &mut open.parts else {
            self.open = Some(open);
            return Ok(());
        };
        let started = Instant::now();
        let packets = parts.encode(&self.encoder, segment);
        open.busy += started.elapsed();
        open.silent += silent(segment);
        if packets.is_err() || !segment.more {
            self.open = packets.is_err().then(|| Open::left_out(gop));
            if let Some((unit, told)) = open.tell(segment).filter(|_| packets.is_ok()) {
                self.tx.send(ToMux::Told { track, gop, unit, told })?;
            }
            return self.send(segment, packets, open.busy, open.silent);
        }
        if let Some((unit, told)) = open.tell(segment) {
            self.tx.send(ToMux::Told { track, gop, unit, told })?;
        }
        self.open = Some(open);
        packets.into_iter().flatten().try_for_each(|packet| self.tx.send(ToMux::Packet { track, gop, attempt, packet }))
    }

    /// The last packets of a segment, or why there are none.
    fn send(&self, segment: &PcmSegment, packets: Result<Vec<Packet>, EncodeError>, busy: Duration, silent: u32) -> Sent {
        let (track, gop, attempt) = (self.track, segment.gop, 0);
        match packets {
            Ok(packets) => {
                let stats = Stats {
                    units: segment.frames,
                    filler: fillers(segment),
                    damaged: segment.damaged,
                    silent: silent.saturating_sub(fillers(segment)),
                    path: segment.path,
                    last: segment.last,
                    busy,
                    ..Stats::default()
                };
                packets.into_iter().try_for_each(|packet| self.tx.send(ToMux::Packet { track, gop, attempt, packet }))?;
                self.tx.send(ToMux::Done { track, gop, attempt, stats })
            }
            Err(error) => {
                tracing::error!(segment = gop.0, %error, "sound left out");
                self.tx.send(ToMux::Void { track, gop, attempt })?;
                self.tx.send(ToMux::Skipped { track, gop, why: Why::Failed })
            }
        }
    }

    /// The segment of which parts came will not be completed.
    fn leave(&mut self) -> Sent {
        match self.open.take().filter(|open| open.parts.is_some()) {
            Some(open) => self.tx.send(ToMux::Void { track: self.track, gop: open.gop, attempt: 0 }),
            None => Ok(()),
        }
    }
}

impl Open {
    fn left_out(gop: GopId) -> Open {
        Open { gop, parts: None, told: Told::default(), frames: 0, silent: 0, busy: Duration::ZERO }
    }

    /// What a part adds to what was told of the segment, with the unit that it is told of; nothing where there is nothing to say.
    fn tell(&mut self, segment: &PcmSegment) -> Option<(i64, Told)> {
        let (before, unit) = (self.told, segment.first_frame + i64::from(self.frames));
        let told = Told { fillers: fillers(segment), damaged: segment.damaged, path: segment.path, last: segment.last, ..before };
        (self.told, self.frames) = (told, segment.frames);
        let new = Told { fillers: told.fillers.saturating_sub(before.fillers), damaged: told.damaged.saturating_sub(before.damaged), ..told };
        (new != Told::default()).then_some((unit, new))
    }
}

/// Silent samples in frames, rounded up.
fn fillers(segment: &PcmSegment) -> u32 {
    u32::try_from(segment.silent_samples.div_ceil(u64::from(FRAME))).unwrap_or(u32::MAX)
}

/// How many of the frames that a segment, or a part of one, brings to publish have no sample above [`SILENT`] on any channel.
fn silent(segment: &PcmSegment) -> u32 {
    let end = segment.lead + segment.frames + if segment.more { segment.tail } else { 0 };
    let quiet = |n: &u32| {
        let from = u64::from(n - segment.from) as usize * FRAME as usize;
        segment.planes.iter().all(|plane| plane.get(from..).is_none_or(|plane| plane.iter().take(FRAME as usize).all(|sample| sample.abs() <= SILENT)))
    };
    (segment.lead.max(segment.from)..end).filter(quiet).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::End;
    use crate::plan::AudioRendition;
    use crate::time::{AudioGrid, Grid, Rate, Seconds};
    use crossbeam::channel::{bounded, unbounded};
    use std::sync::Arc;

    fn segment(gop: i64, planes: usize, value: f32) -> PcmSegment {
        let length = (16 + 94 + 4) * 1024;
        let (first_frame, silent_samples) = (gop * 94, 1025);
        PcmSegment {
            gop: GopId(gop),
            from: 0,
            more: false,
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
        run(encoder, TrackId(3), Part::all(), rx, mux_tx, None);
        let mut log = Vec::new();
        for message in mux_rx {
            match message {
                ToMux::Packet { gop, packet, .. } => {
                    assert!(packet.idr && (gop.0 * 94..gop.0 * 94 + 94).contains(&packet.time));
                }
                ToMux::Done { gop, stats, .. } => log.push(format!("{gop} done {} {} {}", stats.units, stats.filler, stats.silent)),
                ToMux::Void { gop, .. } => log.push(format!("{gop} void")),
                other @ (ToMux::First { .. } | ToMux::Told { .. } | ToMux::Backend { .. } | ToMux::Continue { .. } | ToMux::Absent { .. }) => {
                    panic!("{other:?}")
                }
                ToMux::Skipped { gop, why, .. } => log.push(format!("{gop} {why:?}")),
                ToMux::End { track, end } => log.push(format!("{track:?} {end:?}")),
            }
        }
        assert_eq!(log, ["7 done 94 2 0", "8 void", "8 Failed", "9 void", "9 Failed", "10 done 94 2 92", "TrackId(3) Leaving"]);
    }
}

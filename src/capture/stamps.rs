//! The stamps of packets: unwrapped, filled in where the container has none, checked.

use super::Kind;
use super::unwrap::Unwrap;
use crate::time::{Rate, Seconds};
use ffmpeg_next::Packet;

/// How a stream's stamps are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scale {
    /// Seconds per tick.
    pub time_base: (i32, i32),
    /// Bits before they wrap.
    pub bits: u32,
}

/// Puts stamps on the packets of one input.
pub struct Stamper {
    video: Track,
    audio: Vec<Sound>,
    clock: Unwrap,
}

struct Sound {
    track: Track,
    /// Absent where it counts in the video's scale, and wraps with it.
    own_clock: Option<Unwrap>,
}

struct Track {
    scale: Scale,
    /// Ticks from one packet to the next where the container does not say.
    step: i64,
    /// Where the next packet without any stamp goes.
    next: i64,
    /// Stamp and duration of the last packet.
    last: Option<(i64, i64)>,
    /// Ticks by which libav counts too few: a sound that it meets in mid-feed has no duration until its second packet, which it then stamps as the first.
    behind: i64,
}

impl Track {
    fn new(scale: Scale, step: i64) -> Track {
        Track { scale, step, next: 0, last: None, behind: 0 }
    }

    /// How much later a packet of sound with this stamp is. One PES packet may hold several, of which libav counts all but the first.
    fn behind(&mut self, stamp: i64, duration: i64) -> i64 {
        self.behind = match self.last {
            Some((last, 0)) if last == stamp => duration,
            Some((last, _)) if last == stamp => self.behind,
            _ => 0,
        };
        self.last = Some((stamp.saturating_add(self.behind), duration));
        self.behind
    }
}

impl Stamper {
    /// `rate` is what pictures without stamps are counted at.
    pub fn new(video: Scale, audio: Vec<Scale>, rate: Rate) -> Stamper {
        let step = ticks(rate.period(), video.time_base);
        let sound = |scale: Scale| Sound { track: Track::new(scale, 0), own_clock: (scale != video).then(|| Unwrap::new(scale.bits)) };
        Stamper { video: Track::new(video, step), audio: audio.into_iter().map(sound).collect(), clock: Unwrap::new(video.bits) }
    }

    /// A stream goes on as another one, whose stamps are written like this.
    pub fn follow(&mut self, kind: Kind, scale: Scale) {
        match kind {
            Kind::Video => {
                self.video.scale = scale;
                for Sound { track, own_clock } in &mut self.audio {
                    *own_clock = if track.scale == scale { None } else { own_clock.take().or_else(|| Some(Unwrap::new(track.scale.bits))) };
                }
            }
            Kind::Audio(n) => {
                let Some(Sound { track, own_clock }) = self.audio.get_mut(n) else { return };
                *track = Track { next: track.next, ..Track::new(scale, 0) };
                *own_clock = (scale != self.video.scale).then(|| Unwrap::new(scale.bits));
            }
        }
    }

    /// Rewrites the packet's stamps. False where they are beyond every sane range: drop it.
    ///
    /// A DTS is continued from the packet before (of any stream), the PTS lies beside it. Video without any stamp gets a DTS counted at its packets'
    /// duration, else at the frame rate; its PTS stays absent, and the decoder gives its pictures the DTSs in rising order. Audio without PTS gets its DTS, or follows on.
    pub fn stamp(&mut self, kind: Kind, packet: &mut Packet) -> bool {
        let (track, clock) = match kind {
            Kind::Video => (&mut self.video, &mut self.clock),
            Kind::Audio(n) => match self.audio.get_mut(n) {
                Some(Sound { track, own_clock }) => (track, own_clock.as_mut().unwrap_or(&mut self.clock)),
                None => return false,
            },
        };
        let (dts, pts) = match (packet.dts(), packet.pts()) {
            (Some(dts), pts) => {
                let Some(dts) = clock.next(dts) else { return false };
                (Some(dts), pts.map(|pts| clock.beside(dts, pts)))
            }
            (None, Some(pts)) => (None, Some(clock.next(pts))),
            (None, None) => (Some(track.next), None),
        };
        let pts = match pts {
            Some(None) => return false,
            Some(pts) => pts,
            None if kind != Kind::Video => dts,
            None => None,
        };
        let sane = |stamp: Option<i64>| stamp.is_none_or(|s| Seconds::from_ticks(s, track.scale.time_base.0, track.scale.time_base.1).is_some());
        if !sane(dts) || !sane(pts) {
            return false;
        }
        let behind = if let (Kind::Audio(_), Some(pts)) = (kind, pts) { track.behind(pts, packet.duration().max(0)) } else { 0 };
        let later = |stamp: Option<i64>| stamp.map(|stamp| stamp.saturating_add(behind));
        let (dts, pts) = (later(dts), later(pts));
        let step = if packet.duration() > 0 { packet.duration() } else { track.step };
        track.next = dts.or(pts).unwrap_or(track.next).saturating_add(step);
        packet.set_dts(dts);
        packet.set_pts(pts);
        true
    }
}

/// A span in ticks of a time base, to the nearest, at least 1.
fn ticks(span: Seconds, time_base: (i32, i32)) -> i64 {
    let (num, den) = span.fraction();
    let base = (i128::from(time_base.0.max(1)), i128::from(time_base.1.max(1)));
    Seconds::new(num * base.1, den * base.0).nearest_ticks(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TS: Scale = Scale { time_base: (1, 90_000), bits: 33 };

    fn packet(dts: Option<i64>, pts: Option<i64>) -> Packet {
        let mut packet = Packet::new(1);
        packet.set_dts(dts);
        packet.set_pts(pts);
        packet
    }

    fn stamped(stamper: &mut Stamper, kind: Kind, dts: Option<i64>, pts: Option<i64>) -> (Option<i64>, Option<i64>) {
        let mut packet = packet(dts, pts);
        assert!(stamper.stamp(kind, &mut packet));
        (packet.dts(), packet.pts())
    }

    #[test]
    fn both_streams_wrap_together() {
        let rate = Rate::new(25, 1).expect("a rate");
        let wrap = 1 << 33;
        let mut s = Stamper::new(TS, vec![TS], rate);
        assert_eq!(stamped(&mut s, Kind::Video, Some(wrap - 3600), Some(0)), (Some(wrap - 3600), Some(wrap)));
        assert_eq!(stamped(&mut s, Kind::Audio(0), None, Some(wrap - 1920)), (None, Some(wrap - 1920)));
        assert_eq!(stamped(&mut s, Kind::Video, Some(0), Some(3600)), (Some(wrap), Some(wrap + 3600)));
        // libav's own correction is undone.
        assert_eq!(stamped(&mut s, Kind::Audio(0), Some(-wrap), Some(-wrap)), (Some(wrap), Some(wrap)));
        assert_eq!(stamped(&mut s, Kind::Audio(0), Some(wrap + 1920), Some(wrap + 1920)), (Some(wrap + 1920), Some(wrap + 1920)));
    }

    /// As libav stamps MPEG audio that it meets in mid-feed, three frames to a PES packet.
    #[test]
    fn sound_without_a_duration_at_first_is_where_it_belongs() {
        let mut s = Stamper::new(TS, vec![TS], Rate::new(25, 1).expect("a rate"));
        let mut stamps = Vec::new();
        for (pts, duration) in [(90_000, 0), (90_000, 2160), (92_160, 2160), (96_480, 2160), (98_640, 2160), (98_640, 2160)] {
            let mut packet = packet(Some(pts), Some(pts));
            packet.set_duration(duration);
            assert!(s.stamp(Kind::Audio(0), &mut packet));
            assert_eq!(packet.dts(), packet.pts());
            stamps.extend(packet.pts());
        }
        // What is stamped twice and says how long it is stays as it is.
        assert_eq!(stamps, [90_000, 92_160, 94_320, 96_480, 98_640, 98_640]);
    }

    #[test]
    fn pictures_without_stamps_are_counted() {
        let rate = Rate::new(30_000, 1001).expect("a rate");
        let mut s = Stamper::new(Scale { time_base: (1, 90_000), bits: 64 }, Vec::new(), rate);
        assert_eq!(stamped(&mut s, Kind::Video, None, None), (Some(0), None));
        assert_eq!(stamped(&mut s, Kind::Video, None, None), (Some(3003), None));
        assert!(!s.stamp(Kind::Video, &mut packet(Some(i64::MAX - 1), None)));
        assert_eq!(stamped(&mut s, Kind::Video, None, None), (Some(6006), None));
    }
}

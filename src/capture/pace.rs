//! Releases packets at their own rate, for files that play the part of a live feed.

use super::{Kind, Source};
use crate::time::Seconds;
use ffmpeg_next::Packet;
use std::time::{Duration, Instant};

/// A step of this much, in stamps, is a jump: the packet is due when the one before it was, and counting goes on from there.
const JUMP: Duration = Duration::from_secs(10);
/// Steps back by more than this are jumps too; less is disorder.
const BACK: Duration = Duration::from_millis(1000);

/// Says when packets are due, by DTS against the monotonic clock.
pub struct Pacer {
    video: Track,
    audio: Track,
}

struct Track {
    time_base: (i32, i32),
    /// (when, stamp) that the others are counted from.
    base: Option<(Instant, Seconds)>,
    last: Option<Seconds>,
}

impl Pacer {
    /// For the chosen streams of `source`.
    pub fn new(source: &Source) -> Pacer {
        let video = source.video.time_base;
        Pacer::with_time_bases(video, source.audio.as_ref().map_or(video, |a| a.time_base))
    }

    fn with_time_bases(video: (i32, i32), audio: (i32, i32)) -> Pacer {
        let track = |time_base| Track { time_base, base: None, last: None };
        Pacer { video: track(video), audio: track(audio) }
    }

    /// When the packet is due, given that it is `now`; at most [`JUMP`] ahead.
    pub fn due(&mut self, kind: Kind, packet: &Packet, now: Instant) -> Instant {
        let (track, other) = match kind {
            Kind::Video => (&mut self.video, &mut self.audio),
            Kind::Audio => (&mut self.audio, &mut self.video),
        };
        let stamp = packet.dts().or(packet.pts()).and_then(|s| Seconds::from_ticks(s, track.time_base.0, track.time_base.1));
        let Some(stamp) = stamp else { return now };
        let is_jump = |from: Seconds| (stamp - from).to_duration() > JUMP || (from - stamp).to_duration() > BACK;
        let base = match (track.base, track.last) {
            (Some(base), Some(last)) if is_jump(last) => (at(base, last), stamp),
            (Some(base), _) => base,
            // The first of its stream: it keeps its distance to the other stream, if that is plausible.
            (None, _) => other.base.filter(|_| !other.last.is_some_and(is_jump)).unwrap_or((now, stamp)),
        };
        track.base = Some(base);
        track.last = Some(stamp);
        at(base, stamp).min(now + JUMP)
    }
}

fn at((when, stamp): (Instant, Seconds), of: Seconds) -> Instant {
    let ahead = when.checked_add((of - stamp).to_duration()).unwrap_or(when);
    ahead.checked_sub((stamp - of).to_duration()).unwrap_or(when)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(pacer: &mut Pacer, kind: Kind, millis: i64, now: Instant) -> Duration {
        let mut packet = Packet::new(1);
        packet.set_dts(Some(millis));
        pacer.due(kind, &packet, now) - now
    }

    #[test]
    fn packets_are_due_at_their_own_rate() {
        let mut pacer = Pacer::with_time_bases((1, 1000), (1, 1000));
        let now = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(due(&mut pacer, Kind::Video, 5000, now), ms(0));
        assert_eq!(due(&mut pacer, Kind::Audio, 5500, now), ms(500));
        assert_eq!(due(&mut pacer, Kind::Video, 5040, now), ms(40));
        // A jump forwards by an hour: at once, then on at the same rate; audio of before the jump is not held for an hour.
        assert_eq!(due(&mut pacer, Kind::Video, 3_605_040, now), ms(40));
        assert_eq!(due(&mut pacer, Kind::Audio, 5520, now), ms(520));
        assert_eq!(due(&mut pacer, Kind::Video, 3_605_140, now), ms(140));
        assert_eq!(due(&mut pacer, Kind::Audio, 3_605_520, now), ms(520));
        // And backwards.
        assert_eq!(due(&mut pacer, Kind::Video, 0, now), ms(140));
        assert_eq!(due(&mut pacer, Kind::Video, 9_000, now), ms(9140));
        // A packet without stamps is due now.
        assert_eq!(pacer.due(Kind::Video, &Packet::new(1), now), now);
    }
}

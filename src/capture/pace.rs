//! Releases packets at their own rate, for files that play the part of a live feed.

use super::{Delivery, Kind, Source};
use crate::time::Seconds;
use ffmpeg_next::Packet;
use std::time::{Duration, Instant};

/// A step of this much, in stamps, is a jump: the packet is due when the one before it was, and counting goes on from there.
const JUMP: Duration = Duration::from_secs(10);
/// Steps back by more than this are jumps too; less is disorder.
const BACK: Duration = Duration::from_millis(1000);

/// How far a pipe may run ahead.
const AHEAD: Duration = Duration::from_secs(1);

/// Says when packets are due, by DTS against the monotonic clock.
pub struct Pacer {
    video: Track,
    audio: Vec<Track>,
    /// Of a pipe: it may be `AHEAD`, and a thousandth fast, which is more than any clock's drift.
    loose: bool,
}

struct Track {
    time_base: (i32, i32),
    /// (when, stamp) that the others are counted from.
    base: Option<(Instant, Seconds)>,
    last: Option<Seconds>,
}

impl Pacer {
    /// For the chosen streams of `source`; `None` where its packets come by a clock of their own.
    pub fn new(source: &Source, delivery: Delivery) -> Option<Pacer> {
        let video = source.video.time_base;
        let audio = source.audio.iter().map(|sound| sound.as_ref().map_or(video, |a| a.time_base)).collect();
        (delivery != Delivery::Live).then(|| Pacer::with_time_bases(video, audio, delivery == Delivery::Piped))
    }

    fn with_time_bases(video: (i32, i32), audio: Vec<(i32, i32)>, loose: bool) -> Pacer {
        let track = |time_base| Track { time_base, base: None, last: None };
        Pacer { video: track(video), audio: audio.into_iter().map(track).collect(), loose }
    }

    /// When the packet is due, given that it is `now`; at most ten seconds ahead.
    pub fn due(&mut self, kind: Kind, packet: &Packet, now: Instant) -> Instant {
        // The first stream that has begun, where this one has not.
        let other = std::iter::once(&self.video).chain(&self.audio).find_map(|track| track.base.map(|base| (base, track.last)));
        let track = match kind {
            Kind::Video => &mut self.video,
            Kind::Audio(n) => match self.audio.get_mut(n) {
                Some(track) => track,
                None => return now,
            },
        };
        let stamp = packet.dts().or(packet.pts()).and_then(|s| Seconds::from_ticks(s, track.time_base.0, track.time_base.1));
        let Some(stamp) = stamp else { return now };
        let is_jump = |from: Seconds| (stamp - from).to_duration() > JUMP || (from - stamp).to_duration() > BACK;
        let base = match (track.base, track.last) {
            (Some(base), Some(last)) if is_jump(last) => (at(base, last), stamp),
            (Some(base), _) => base,
            // The first of its stream: it keeps its distance to another stream, if that is plausible.
            (None, _) => other.filter(|(_, last)| !last.is_some_and(is_jump)).map_or((now, stamp), |(base, _)| base),
        };
        track.base = Some(base);
        track.last = Some(stamp);
        let due = at(base, stamp).min(now + JUMP);
        if self.loose { due.checked_sub(AHEAD + due.saturating_duration_since(base.0) / 1000).unwrap_or(now) } else { due }
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
    fn a_pipe_runs_a_little_ahead_and_a_little_fast() {
        let mut pacer = Pacer::with_time_bases((1, 1000), vec![(1, 1000)], true);
        let now = Instant::now();
        assert_eq!(due(&mut pacer, Kind::Video, 0, now), Duration::ZERO);
        assert_eq!(due(&mut pacer, Kind::Video, 900, now), Duration::ZERO);
        assert_eq!(due(&mut pacer, Kind::Video, 3000, now), Duration::from_millis(3000 - 1000 - 3));
    }

    #[test]
    fn packets_are_due_at_their_own_rate() {
        let mut pacer = Pacer::with_time_bases((1, 1000), vec![(1, 1000)], false);
        let now = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(due(&mut pacer, Kind::Video, 5000, now), ms(0));
        assert_eq!(due(&mut pacer, Kind::Audio(0), 5500, now), ms(500));
        assert_eq!(due(&mut pacer, Kind::Video, 5040, now), ms(40));
        // A jump forwards by an hour: at once, then on at the same rate; audio of before the jump is not held for an hour.
        assert_eq!(due(&mut pacer, Kind::Video, 3_605_040, now), ms(40));
        assert_eq!(due(&mut pacer, Kind::Audio(0), 5520, now), ms(520));
        assert_eq!(due(&mut pacer, Kind::Video, 3_605_140, now), ms(140));
        assert_eq!(due(&mut pacer, Kind::Audio(0), 3_605_520, now), ms(520));
        // And backwards.
        assert_eq!(due(&mut pacer, Kind::Video, 0, now), ms(140));
        assert_eq!(due(&mut pacer, Kind::Video, 9_000, now), ms(9140));
        // A packet without stamps is due now.
        assert_eq!(pacer.due(Kind::Video, &Packet::new(1), now), now);
    }
}

//! Rates, from what was counted lately.

use mezzo::status::Snapshot;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What rates are taken over, at least, where it is there: two segments of the usual length, and a bit.
const SPAN: Duration = Duration::from_secs(5);
/// The most that is remembered, whatever is added how often.
const KEPT: usize = 64;

/// The counts of one moment.
struct Counts {
    at: Instant,
    media_ms: i64,
    pictures: u64,
    encoded: Vec<Option<u64>>,
}

/// The last few seconds of a job.
pub struct Figures {
    counts: VecDeque<Counts>,
}

impl Figures {
    /// Nothing is known yet.
    pub fn new() -> Figures {
        Figures { counts: VecDeque::new() }
    }

    /// Takes note.
    pub fn add(&mut self, at: Instant, snapshot: &Snapshot) {
        let encoded = snapshot.tracks.iter().map(|t| t.encoded).collect();
        self.counts.push_back(Counts { at, media_ms: snapshot.media_ms, pictures: snapshot.source.pictures, encoded });
        // The oldest one goes as soon as the next one is old enough, too.
        while self.counts.len() > KEPT || self.counts.get(1).is_some_and(|second| at.duration_since(second.at) >= SPAN) {
            self.counts.pop_front();
        }
    }

    /// Pictures a second that were decoded, in tenths.
    pub fn decoded(&self) -> Option<u64> {
        let (first, last, ms) = self.ends()?;
        Some(last.pictures.saturating_sub(first.pictures) * 10_000 / ms)
    }

    /// Pictures a second that the encoder of a track was given, in tenths.
    pub fn encoded(&self, track: usize) -> Option<u64> {
        let (first, last, ms) = self.ends()?;
        let of = |counts: &Counts| counts.encoded.get(track).copied().flatten();
        // Its counter is not there before its threads are.
        Some(of(last)?.saturating_sub(of(first).unwrap_or_default()) * 10_000 / ms)
    }

    /// Media a second that was published, in hundredths of a second: 100 is real time.
    pub fn speed(&self) -> Option<u64> {
        let (first, last, ms) = self.ends()?;
        let media = u64::try_from(last.media_ms.saturating_sub(first.media_ms)).ok()?;
        Some(media.saturating_mul(100) / ms)
    }

    fn ends(&self) -> Option<(&Counts, &Counts, u64)> {
        let (first, last) = (self.counts.front()?, self.counts.back()?);
        let ms = u64::try_from(last.at.duration_since(first.at).as_millis()).ok().filter(|ms| *ms > 0)?;
        Some((first, last, ms))
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::snapshot;
    use super::*;

    #[test]
    fn rates_follow_the_last_seconds() {
        let (mut figures, start) = (Figures::new(), Instant::now());
        let mut s = snapshot();
        assert_eq!((figures.decoded(), figures.encoded(0), figures.speed()), (None, None, None));
        for quarter in 0..80u64 {
            // 10 s at 25 a second, then 10 s at 50.
            let encoded = if quarter <= 40 { quarter * 25 / 4 } else { 250 + (quarter - 40) * 50 / 4 };
            s.tracks[0].encoded = Some(encoded);
            s.source.pictures = encoded;
            s.media_ms = encoded as i64 * 40;
            figures.add(start + Duration::from_millis(250 * quarter), &s);
            if quarter == 40 {
                let fps = figures.encoded(0).expect("known");
                assert!((245..=255).contains(&fps), "{fps}");
            }
        }
        let (decoded, fps, speed) = (figures.decoded().expect("known"), figures.encoded(0).expect("known"), figures.speed().expect("known"));
        assert!((495..=505).contains(&fps) && decoded == fps && (195..=205).contains(&speed), "{decoded} {fps} {speed}");
        assert_eq!(figures.encoded(2), None, "sound has no pictures");
        assert_eq!(figures.encoded(7), None);
        let (mut first, mut before) = (Figures::new(), s.clone());
        before.tracks[0].encoded = None;
        s.tracks[0].encoded = Some(50);
        first.add(start, &before);
        first.add(start + Duration::from_secs(2), &s);
        assert_eq!(first.encoded(0), Some(250), "from before the rung's threads were there");
        (0..1000).for_each(|_| figures.add(start + Duration::from_secs(30), &s));
        assert!(figures.counts.len() <= KEPT);
    }
}

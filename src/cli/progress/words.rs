//! Numbers as people read them.

use mezzo::status::{Snapshot, TrackSnapshot};
use mezzo::time::Rate;

/// "1:23:45": hours, minutes and seconds of a length of media or of time.
pub fn length(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// "2.31 s".
pub fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:02} s", ms / 1000, ms % 1000 / 10)
}

/// "2.91 Mb/s", "730 kb/s".
pub fn bitrate(bits: u64) -> String {
    if bits < 1_000_000 { format!("{} kb/s", bits / 1000) } else { format!("{}.{:02} Mb/s", bits / 1_000_000, bits / 10_000 % 100) }
}

/// "25.0", from tenths.
pub fn tenths(n: u64) -> String {
    format!("{}.{}", n / 10, n % 10)
}

/// "3.41 x", from hundredths.
pub fn times(n: u64) -> String {
    format!("{}.{:02} x", n / 100, n % 100)
}

/// "25", "29.97".
pub fn rate(rate: Rate) -> String {
    let hundredths = (u64::from(rate.num()) * 100 + u64::from(rate.den()) / 2) / u64::from(rate.den().max(1));
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Where the worker stands: an instant of UTC ("14:03:22 UTC"), or how far a file has come.
pub fn position(s: &Snapshot) -> String {
    let clock = s.position.as_deref().and_then(|p| p.get(11..19));
    match clock.filter(|_| s.live) {
        Some(clock) => format!("{clock} UTC"),
        None => length(s.media_ms),
    }
}

/// How much of what is to come is done, in per cent.
pub fn share(s: &Snapshot) -> Option<u64> {
    let (done, all) = (u64::try_from(s.media_ms).ok()?, u64::try_from(s.expected_ms?).ok().filter(|all| *all > 0)?);
    Some((done.saturating_mul(100) / all).min(100))
}

/// What the job did to the feed, and lost: names and counts of what happened at all.
pub fn troubles(s: &Snapshot) -> Vec<(&'static str, u64)> {
    let source = &s.source;
    let of_tracks = |count: fn(&TrackSnapshot) -> u64| s.tracks.iter().map(count).sum();
    let all = [
        ("repeated", source.repeats),
        ("filler", source.fillers),
        ("surplus", source.dropped),
        ("damaged", source.errors),
        ("GOPs shed", source.shed_gops),
        ("silent ms", source.silent_samples / 48),
        ("clock re-anchored", source.anchors),
        ("left a device", source.left_device),
        ("gaps", s.published.gaps),
        ("over cap", s.published.over_cap),
        ("by a fallback", of_tracks(|t| t.fallbacks)),
        ("hurried", of_tracks(|t| t.hurried)),
        ("paused", of_tracks(|t| t.paused)),
        ("not held", of_tracks(|t| t.unheld)),
        ("conflicts", s.conflicts),
    ];
    all.into_iter().filter(|(_, n)| *n > 0).collect()
}

/// Segments that a track left out.
pub fn dropped(track: &TrackSnapshot) -> u64 {
    track.late + track.failed
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use mezzo::plan::Plan;
    use mezzo::status::Status;
    use mezzo::time::{GopId, Seconds};

    /// Of a live job with two rungs, 1080p and 540p, and one track of sound, one segment each.
    pub fn snapshot() -> Snapshot {
        let job: mezzo::job::Wishes = toml::from_str("inputs = [\"a.ts\"]\noutputs = [\"o\"]\nladder = \"avc-1080p-6\"").expect("TOML");
        let source = mezzo::plan::SourceFacts {
            width: 1920,
            height: 1080,
            sar: (1, 1),
            rate: Rate::new(25, 1).expect("a rate"),
            interlaced: false,
            range: Default::default(),
            hdr: Default::default(),
            video: None,
            sounds: vec![Default::default()],
        };
        let mut plan: Plan = mezzo::plan::resolve(&job.check("test").expect("legal"), &source).expect("resolves");
        plan.video.retain(|r| ["avc-1080p", "avc-540p"].contains(&r.name.as_str()));
        let status = Status::new(&plan, true);
        let end = Seconds::host_now() - Seconds::whole(2);
        for (track, bytes) in [("avc-1080p", 1_250_000), ("avc-540p", 300_000), ("aac-128k", 32_000)] {
            status.segment_published(track, GopId(7), bytes, end);
        }
        let mut snapshot = status.snapshot();
        for track in &mut snapshot.tracks[..2] {
            (track.encoded, track.queue) = (Some(50), Some(3));
        }
        snapshot
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!([length(0), length(59_999), length(3_600_000 * 30 + 61_000)], ["0:00:00", "0:00:59", "30:01:01"]);
        assert_eq!([seconds(2319), seconds(-40), seconds(0)], ["2.31 s", "-0.04 s", "0.00 s"]);
        assert_eq!([bitrate(0), bitrate(730_400), bitrate(999_600), bitrate(12_345_678)], ["0 kb/s", "730 kb/s", "999 kb/s", "12.34 Mb/s"]);
        assert_eq!([tenths(250), tenths(7), times(341)], ["25.0", "0.7", "3.41 x"]);
        let of = |num, den| rate(Rate::new(num, den).expect("legal"));
        assert_eq!([of(25, 1), of(30_000, 1001), of(50, 1), of(24_000, 1001)], ["25", "29.97", "50", "23.98"]);
    }

    #[test]
    fn a_share_is_known_where_the_end_is() {
        let mut s = snapshot();
        assert_eq!(share(&s), None);
        for (done, all, percent) in [(2000, 8000, Some(25)), (9000, 8000, Some(100)), (2000, 0, None), (2000, -5, None), (i64::MAX, 1, Some(100))] {
            (s.media_ms, s.expected_ms) = (done, Some(all));
            assert_eq!(share(&s), percent, "{done} of {all}");
        }
    }

    #[test]
    fn only_what_happened_is_told() {
        let mut s = snapshot();
        assert!(troubles(&s).is_empty());
        (s.source.repeats, s.source.silent_samples) = (3, 4800);
        assert_eq!(troubles(&s), [("repeated", 3), ("silent ms", 100)]);
    }
}

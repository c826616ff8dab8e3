use super::*;
use crate::colour::VideoRange;
use crate::plan::{AudioRendition, Rendition, SourceFacts};
use crate::time::{AudioGrid, Grid};

/// A plan of one video track `v` and one audio track `a`, 2 s segments at 25 pictures a second.
pub(crate) fn plan() -> Plan {
    let rate = Rate::new(25, 1).expect("a rate");
    let grid = Grid::new(rate, Seconds::whole(2));
    let source = SourceFacts {
        width: 640,
        height: 360,
        sar: (1, 1),
        rate,
        interlaced: false,
        range: VideoRange::Sdr,
        hdr: Default::default(),
        video: None,
        sounds: vec![Default::default()],
    };
    let video = Rendition {
        name: "v".into(),
        codec: VideoCodec::Avc,
        width: 640,
        height: 360,
        grid,
        depth: 8,
        range: Default::default(),
        hdr: Default::default(),
        max_bitrate: 1_000_000,
        quality: 23.0,
        bitrate: None,
        point: "veryfast".into(),
        backends: vec!["x264".into()],
        lanes: 2,
        half_rate: false,
        chunk: None,
        latency: Default::default(),
        devices: Vec::new(),
    };
    let audio = AudioRendition::main("a", 128_000, 2, AudioGrid { video: grid, sample_rate: 48_000, frame: 1024 }, "und");
    Plan { class: "c1a55".into(), source, decode: None, grid, video: vec![video], audio: vec![audio], left_out: vec![], warnings: vec![] }
}

#[test]
fn counts_come_out_where_they_belong() {
    let status = Status::new(&plan(), true);
    assert_eq!(status.missing(), ["v", "a"]);
    assert_eq!(status.snapshot().state, State::Starting);
    let end = Seconds::host_now() - Seconds::whole(3);
    status.segment_published("v", GopId(7), 250_000, end);
    status.segment_published("nobody", GopId(7), 1, end);
    for fillers in [1, 0] {
        let marks = mux::Marks { fillers, repeats: 2, ..mux::Marks::default() };
        let shown = crate::verdict::Shown { units: 50, ..Default::default() };
        status.segment_judged("v", GopId(1), &Verdict { marks, shown, ..Verdict::default() });
    }
    let (rung, capture, sound, mux) =
        (Arc::<Counters>::default(), Arc::<CaptureCounters>::default(), Arc::<audio::Counts>::default(), Arc::<mux::Counts>::default());
    status.watch_rung(TrackId(0), rung.clone());
    status.watch_rung(TrackId(9), rung.clone());
    status.watch_capture(capture.clone());
    status.watch_sound(sound.clone());
    status.watch_mux(mux.clone());
    for (counter, n) in [
        (&rung.late, 1),
        (&rung.failed, 2),
        (&rung.waiting, 4),
        (&capture.video, 50),
        (&capture.audio, 94),
        (&capture.shed_gops, 3),
        (&capture.failed_reads, 5),
        (&sound.faults, 6),
        (&sound.silent_samples, 1024),
        (&mux.gaps, 7),
    ] {
        counter.fetch_add(n, Relaxed);
    }
    status.source.repeats.add(2);
    assert_eq!(status.missing(), ["a"]);
    let json = serde_json::to_value(status.snapshot()).expect("JSON");
    let (v, a) = (&json["tracks"][0], &json["tracks"][1]);
    assert_eq!(v["quality"]["defects"]["repeats"], serde_json::json!({ "segments": 2, "count": 4 }));
    assert_eq!(
        (v["quality"]["score"].as_u64(), v["quality"]["lowest"].as_u64(), v["quality"]["defects"]["fillers"]["segments"].as_u64()),
        (Some(96), Some(54), Some(1))
    );
    assert!(a["quality"]["score"].is_null() && a["quality"]["defects"].as_object().is_some_and(|defects| defects.is_empty()));
    assert_eq!(json["state"], "running");
    assert_eq!(json["segment_ms"], 2000);
    let source = ["repeats", "units", "shed_gops", "errors", "silent_samples"].map(|name| json["source"][name].as_u64());
    assert_eq!((source, json["published"]["gaps"].as_u64()), ([2, 144, 3, 11, 1024].map(Some), Some(7)));
    assert_eq!((v["kind"].as_str(), v["codec"].as_str(), v["height"].as_u64(), v["rate"].as_str()), (Some("video"), Some("avc"), Some(360), Some("25")));
    assert_eq!((v["last_segment"].as_i64(), v["bitrate"].as_u64(), v["late"].as_u64(), v["failed"].as_u64()), (Some(7), Some(1_000_000), Some(1), Some(2)));
    assert!((3000..4000).contains(&v["lag_ms"].as_i64().expect("live")), "{v}");
    assert_eq!((v["queue"].as_u64(), a["kind"].as_str(), a["queue"].is_null(), a["last_segment"].is_null()), (Some(4), Some("audio"), true, true));
}

/// The age of a rung that is not made any more would be that of the worker.
#[test]
fn a_rung_that_is_disabled_is_not_waited_for() {
    let status = Status::new(&plan(), true);
    let now = Seconds::host_now();
    status.segment_published("v", GopId(7), 1, now - Seconds::whole(90));
    status.segment_published("a", GopId(51), 1, now - Seconds::whole(2));
    let s = status.snapshot();
    assert!(s.age_ms.is_some_and(|age| age > 80_000) && s.lag_ms.is_some_and(|lag| lag > 80_000) && s.tracks.iter().all(|t| t.enabled), "{s:?}");
    status.watch_schedule(Schedule::without("v"));
    let s = status.snapshot();
    assert!(s.age_ms.is_some_and(|age| age < 60_000) && s.lag_ms.is_some_and(|lag| lag < 60_000), "{s:?}");
    assert_eq!(s.tracks.iter().map(|t| t.enabled).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_file_has_no_lag_and_the_first_failure_stays() {
    let status = Status::new(&plan(), false);
    status.segment_published("v", GopId(0), 1, Seconds::whole(2));
    status.fail("disk full");
    status.fail("then this");
    status.set_state(State::Ended);
    let s = status.snapshot();
    assert_eq!((s.tracks[0].lag_ms, s.tracks[0].age_ms, s.state, s.error.as_deref()), (None, None, State::Failed, Some("disk full")));
}

/// A recording that plays the part of a live feed has its own time of day; a clock that is a few minutes off must be seen all the same.
#[test]
fn lag_is_told_only_of_what_goes_by_todays_time() {
    let minutes = |n: i64| Seconds::MINUTE.times(n.into());
    for (behind, told) in [(minutes(9), true), (minutes(-9), true), (minutes(11), false), (minutes(-11), false), (minutes(60 * 24 * 365), false)] {
        let status = Status::new(&plan(), true);
        status.segment_published("v", GopId(7), 1, Seconds::host_now() - behind);
        let s = status.snapshot();
        let (lag, age) = (s.tracks[0].lag_ms, s.tracks[0].age_ms);
        let near = |ms: i64| (ms - behind.nearest_ticks(1000)).abs() < 30_000;
        assert_eq!((lag.is_some(), age.is_some(), s.lag_ms.is_some(), s.age_ms.is_some()), (told, told, told, told), "{behind}");
        assert!(lag.is_none_or(near) && age.is_none_or(near), "{behind}: {lag:?} {age:?}");
    }
}

use super::*;
use crate::plan::{AudioRendition, Rendition, SourceFacts};
use crate::time::{AudioGrid, Grid};

/// A plan of one video track `v` and one audio track `a`, 2 s segments at 25 pictures a second.
pub(crate) fn plan() -> Plan {
    let rate = Rate::new(25, 1).expect("a rate");
    let grid = Grid::new(rate, Seconds::whole(2));
    let source = SourceFacts { width: 640, height: 360, sar: (1, 1), rate, interlaced: false, hdr: false, sample_rate: Some(48_000) };
    let video = Rendition {
        name: "v".into(),
        codec: VideoCodec::Avc,
        width: 640,
        height: 360,
        grid,
        max_bitrate: 1_000_000,
        quality: 23.0,
        point: "veryfast".into(),
        backends: vec!["x264".into()],
        lanes: 2,
    };
    let audio = AudioRendition {
        name: "a".into(),
        codec: AudioCodec::Aac,
        bitrate: 128_000,
        channels: 2,
        grid: AudioGrid { video: grid, sample_rate: 48_000, frame: 1024 },
        language: "und".into(),
    };
    Plan { class: "c1a55".into(), source, grid, video: vec![video], audio: vec![audio], left_out: vec![], warnings: vec![] }
}

#[test]
fn counts_come_out_where_they_belong() {
    let status = Status::new(&plan(), true);
    assert_eq!(status.missing(), ["v", "a"]);
    assert_eq!(status.snapshot().state, State::Starting);
    let end = Seconds::host_now() - Seconds::whole(3);
    status.segment_published("v", GopId(7), 250_000, end);
    status.segment_published("nobody", GopId(7), 1, end);
    let (capture, rung) = (Arc::new(CaptureCounters::default()), Arc::new(queue::Counters::default()));
    status.watch(Watched { capture: capture.clone(), audio: None, rungs: vec![rung.clone()] });
    capture.shed_packets.store(5, Relaxed);
    rung.late.store(1, Relaxed);
    rung.failed.store(1, Relaxed);
    rung.waiting.store(4, Relaxed);
    status.source.repeats.add(2);
    assert_eq!(status.missing(), ["a"]);
    let json = serde_json::to_value(status.snapshot()).expect("JSON");
    let (v, a) = (&json["tracks"][0], &json["tracks"][1]);
    assert_eq!(json["state"], "running");
    assert_eq!(json["segment_ms"], 2000);
    assert_eq!(json["source"]["repeats"], 2);
    assert_eq!((v["kind"].as_str(), v["codec"].as_str(), v["height"].as_u64(), v["rate"].as_str()), (Some("video"), Some("avc"), Some(360), Some("25")));
    assert_eq!((v["last_segment"].as_i64(), v["bitrate"].as_u64(), v["late"].as_u64(), v["failed"].as_u64()), (Some(7), Some(1_000_000), Some(1), Some(1)));
    assert!((3000..4000).contains(&v["lag_ms"].as_i64().expect("live")), "{v}");
    assert_eq!((v["queue"].as_u64(), json["source"]["dropped"].as_u64()), (Some(4), Some(5)));
    assert_eq!((a["kind"].as_str(), a["queue"].as_u64(), a["last_segment"].is_null()), (Some("audio"), Some(0), true));
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

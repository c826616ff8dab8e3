use super::*;
use crate::colour::VideoRange;
use crate::job::{Job, Wishes};
use crate::ladder::BackendWish;

fn sound(language: Option<&str>) -> SoundFacts {
    SoundFacts { sample_rate: Some(44_100), channels: Some(2), language: language.map(str::to_owned), ..SoundFacts::default() }
}

/// A source of 25 progressive SDR pictures a second, with sound.
pub(crate) fn source(width: u32, height: u32, sar: (u32, u32)) -> SourceFacts {
    let rate = Rate::new(25, 1).expect("legal");
    SourceFacts { width, height, sar, rate, interlaced: false, range: VideoRange::Sdr, hdr: Default::default(), video: None, sounds: vec![sound(None)] }
}

/// A job with a built-in ladder, an input file, and more lines of TOML.
pub(crate) fn job(ladder: &str, more: &str) -> Job {
    let input = if more.contains("inputs") { "" } else { "inputs = [\"a.ts\"]\n" };
    let wishes: Wishes = toml::from_str(&format!("{input}outputs = [\"o\"]\nladder = \"{ladder}\"\n{more}")).expect("TOML");
    wishes.check("test").expect("legal")
}

fn with_rungs(rungs: &[(&str, &str, u32, u32)]) -> Job {
    let mut job = job("tiny", "");
    let like = job.ladder.video[0].clone();
    job.ladder.video = rungs
        .iter()
        .map(|(name, codec, width, height)| {
            let codec = serde_json::from_str(&format!("\"{codec}\"")).expect("a codec");
            crate::ladder::VideoRung { name: (*name).to_owned(), codec, width: *width, height: *height, ..like.clone() }
        })
        .collect();
    job
}

fn sizes(plan: &Plan) -> Vec<(&str, u32, u32)> {
    plan.video.iter().map(|r| (r.name.as_str(), r.width, r.height)).collect()
}

#[test]
fn rungs_above_the_source_are_left_out_with_a_line() {
    let plan = resolve(&job("avc-1080p-6", ""), &source(1024, 576, (1, 1))).expect("resolves");
    assert_eq!(sizes(&plan), [("avc-540p", 960, 540), ("avc-432p", 768, 432), ("avc-360p", 640, 360), ("avc-270p", 480, 270)]);
    assert_eq!(plan.left_out_line().as_deref(), Some("left out: avc-1080p, avc-720p: larger than the source, 1024x576"));
}

#[test]
fn anamorphic_and_portrait_sources_keep_their_shape() {
    let plan = resolve(&job("avc-1080p-6", ""), &source(720, 576, (64, 45))).expect("resolves");
    assert_eq!(sizes(&plan).first(), Some(&("avc-540p", 960, 540)));
    assert_eq!(plan.left_out[0], LeftOut { rung: "avc-1080p".into(), why: "larger than the source, 1024x576".into() });
    let plan = resolve(&job("avc-1080p-6", ""), &source(720, 1280, (1, 1))).expect("resolves");
    assert_eq!(sizes(&plan), [("avc-720p", 720, 1280), ("avc-540p", 540, 960), ("avc-432p", 432, 768), ("avc-360p", 360, 640), ("avc-270p", 270, 480)]);
    let plan = resolve(&job("avc-1080p-6", ""), &source(3026, 1386, (1, 1))).expect("resolves");
    assert_eq!(sizes(&plan)[0], ("avc-1080p", 1920, 880));
}

#[test]
fn a_source_below_every_rung_still_gets_the_smallest_at_its_own_size() {
    let plan = resolve(&job("tiny", ""), &source(255, 143, (1, 1))).expect("resolves");
    assert_eq!(sizes(&plan), [("avc-180p", 254, 142)]);
    assert_eq!(plan.left_out_line().as_deref(), Some("left out: avc-270p: larger than the source, 254x142"));
    assert_eq!(plan.warnings, ["avc-180p (320x180) is made at 254x142: the source is no larger"]);
}

#[test]
fn sizes_that_no_encoder_takes_are_refused() {
    for (width, height) in [(8, 8), (0, 0), (15, 1000), (16_386, 100), (u32::MAX, u32::MAX)] {
        let sar = (u32::MAX, u32::MAX - 1);
        let error = resolve(&job("tiny", ""), &source(width, height, sar)).expect_err("refused").to_string();
        assert!(error.contains(&format!("size = {width}x{height}")) && error.contains("16 to 16384"), "{error}");
    }
}

#[test]
fn largest_first_and_two_lanes_where_one_core_is_too_slow() {
    let rungs = with_rungs(&[("small", "avc", 320, 180), ("large", "avc", 1920, 1080), ("middle", "avc", 1280, 720)]);
    let mut source = source(1920, 1080, (1, 1));
    let lanes = |source: &SourceFacts| {
        let plan = resolve(&rungs, source).expect("resolves");
        plan.video.iter().map(|r| (r.name.clone(), r.lanes)).collect::<Vec<_>>()
    };
    assert_eq!(lanes(&source), [("large".to_owned(), 2), ("middle".to_owned(), 1), ("small".to_owned(), 1)]);
    source.rate = Rate::new(50, 1).expect("legal");
    assert_eq!(lanes(&source)[1].1, 1, "1280x720 at 50 is the limit");
    source.rate = Rate::new(60_000, 1001).expect("legal");
    assert_eq!(lanes(&source)[1].1, 2);
}

#[test]
fn the_grid_is_the_sources_rate_capped_to_60_or_the_jobs() {
    let grid = |more: &str, num: u32, den: u32| {
        let mut source = source(1920, 1080, (1, 1));
        source.rate = Rate::new(num, den).expect("legal");
        let plan = resolve(&job("tiny", more), &source).expect("resolves");
        (plan.grid.rate.to_string(), plan.grid.gop_slots)
    };
    assert_eq!(grid("", 30_000, 1001), ("30000/1001".into(), 60));
    assert_eq!(grid("", 120, 1), ("60".into(), 120));
    assert_eq!(grid("", 100, 1), ("50".into(), 100));
    assert_eq!(grid("", 120_000, 1001), ("60000/1001".into(), 120));
    assert_eq!(grid("rate = \"24000/1001\"", 25, 1), ("24000/1001".into(), 48));
    assert_eq!(grid("segment = \"0.5s\"", 2, 1), ("2".into(), 2), "a GOP has two slots at least");
}

#[test]
fn the_ladder_to_4k_is_made_as_far_as_the_source_reaches() {
    let rungs = |plan: &Plan| plan.video.iter().map(|r| (r.name.clone(), r.codec, r.backends.clone())).collect::<Vec<_>>();
    let made = |names: &[&str]| {
        let of = |name: &&str| if name.starts_with("hevc") { (VideoCodec::Hevc, "x265") } else { (VideoCodec::Avc, "x264") };
        names.iter().map(|n| ((*n).to_owned(), of(n).0, vec![of(n).1.to_owned()])).collect::<Vec<_>>()
    };
    let plan = resolve(&job("sd-to-4k", ""), &source(3840, 2160, (1, 1))).expect("resolves");
    assert_eq!(rungs(&plan), made(&["hevc-2160p", "hevc-1440p", "avc-1080p", "avc-720p", "avc-540p", "avc-432p", "avc-360p", "avc-270p"]));
    assert_eq!(plan.audio.iter().map(|a| a.bitrate / 1000).collect::<Vec<_>>(), [192, 128, 96, 64]);
    let plan = resolve(&job("sd-to-4k", ""), &source(1280, 720, (1, 1))).expect("resolves");
    assert_eq!(rungs(&plan), made(&["avc-720p", "avc-540p", "avc-432p", "avc-360p", "avc-270p"]));
    let line = "left out: hevc-2160p, hevc-1440p, avc-1080p: larger than the source, 1280x720";
    assert_eq!(plan.left_out_line().as_deref(), Some(line));
}

#[test]
fn a_rung_gets_the_backends_that_it_asks_for() {
    let mut job = with_rungs(&[("v", "av1", 320, 180)]);
    let mut with = |wish: BackendWish| {
        job.ladder.video[0].backend = wish;
        resolve(&job, &source(640, 360, (1, 1))).map(|plan| plan.video[0].backends.join(" ")).map_err(|e| e.to_string())
    };
    assert_eq!(with(BackendWish::Default).as_deref(), Ok("rav1e"));
    let auto = with(BackendWish::Auto(crate::ladder::Auto::Auto)).expect("resolves");
    assert!(auto.ends_with("rav1e svt-av1"), "{auto}");
    assert_eq!(with(BackendWish::These(vec!["svt-av1".into(), "rav1e".into()])).as_deref(), Ok("svt-av1 rav1e"));
    let twice = with(BackendWish::These(vec!["rav1e".into(), "rav1e".into()])).expect_err("twice");
    assert!(twice.contains("= \"rav1e\"") && twice.contains("rav1e (8 and 10 bits), svt-av1 (8 and 10 bits), each once"), "{twice}");
    assert!(with(BackendWish::These(vec!["x264".into()])).is_err(), "another codec's");
}

#[test]
fn a_backend_that_does_not_exist_is_refused() {
    let mut job = job("tiny", "");
    job.ladder.video[0].backend = BackendWish::These(vec!["x264".into(), "openh264".into()]);
    let error = resolve(&job, &source(1920, 1080, (1, 1))).expect_err("unknown").to_string();
    assert!(error.contains("backend of video rung \"avc-270p\" = \"openh264\"") && error.contains("x264 (8 bits)"), "{error}");
}

#[test]
fn sound_is_made_where_there_is_any() {
    let plan = resolve(&job("tiny", ""), &SourceFacts { sounds: vec![sound(Some("deu"))], ..source(640, 360, (1, 1)) }).expect("resolves");
    let made: Vec<_> = plan.audio.iter().map(|a| (a.name.as_str(), a.bitrate, a.grid.sample_rate, a.grid.frame, a.language.as_str())).collect();
    assert_eq!(made, [("aac-128k", 128_000, 48_000, 1024, "deu"), ("aac-64k", 64_000, 48_000, 1024, "deu")]);
    assert_eq!(plan.audio[0].grid.video, plan.grid);
    let odd = resolve(&job("tiny", ""), &SourceFacts { sounds: vec![sound(Some("D\u{e4}"))], ..source(640, 360, (1, 1)) }).expect("resolves");
    assert_eq!(odd.audio[0].language, "und");
    let silent = SourceFacts { sounds: Vec::new(), ..source(640, 360, (1, 1)) };
    let plan = resolve(&job("tiny", ""), &silent).expect("resolves");
    assert_eq!((plan.audio.len(), plan.left_out_line().as_deref()), (0, Some("left out: aac-128k, aac-64k: the source has no sound")));
    let plan = resolve(&job("tiny", "[select]\nno_audio = true"), &source(640, 360, (1, 1))).expect("resolves");
    assert_eq!(plan.left_out_line().as_deref(), Some("left out: aac-128k, aac-64k: no sound was asked for"));
}

#[test]
fn warnings_say_what_a_user_should_know() {
    let warned = |more: &str, change: fn(&mut SourceFacts)| {
        let mut source = source(640, 360, (1, 1));
        change(&mut source);
        resolve(&job("tiny", more), &source).expect("resolves").warnings.join("; ")
    };
    let udp = "inputs = [\"udp://127.0.0.1:5000\"]\n";
    assert_eq!(warned("", |_| {}), "");
    assert_eq!(warned("inputs = [\"testsrc:\"]\n", |_| {}), "", "its stamps are UTC");
    assert_eq!(warned(udp, |_| {}), "not locked to another worker, unless the feed carries UTC stamps: give --anchor SECONDS=UTC or --clock sei");
    assert_eq!(warned(&format!("{udp}[timeline]\nanchor = \"0=0\""), |_| {}), "");
    assert_eq!(warned(&format!("{udp}[timeline]\nclock = \"sei\""), |_| {}), "");
    assert!(warned(&format!("{udp}[timeline]\nclock = \"arrival\""), |_| {}).starts_with("not locked to another worker: give"));
    assert!(warned("", |s| s.sar = (65_535, 1)).contains("65535:1"));
    assert!(warned("", |s| s.range = VideoRange::Pq).contains("the source is HDR (PQ); all rungs are tone-mapped to SDR"));
    assert!(warned("", |s| s.range = VideoRange::Hlg).contains("(HLG); all rungs are shown as SDR"));
    assert!(warned("", |s| s.rate = Rate::new(120, 1).expect("legal")).contains("120 pictures a second; 60"));
}

#[test]
fn a_constant_rate_is_planned_under_its_cap() {
    let mut job = job("tiny", "");
    let rung = &mut job.ladder.video[0];
    (rung.max_bitrate, rung.bitrate, rung.quality) = (None, Some(crate::ladder::Bitrate(300_000)), None);
    let plan = resolve(&job, &source(1024, 576, (1, 1))).expect("resolves");
    let planned: Vec<_> = plan.video.iter().map(|r| (r.bitrate, r.bitrate.is_none_or(|bits| bits == r.max_bitrate))).collect();
    assert_eq!(planned, [(Some(300_000), true), (None, true)]);
    let kept: Plan = serde_json::from_value(serde_json::to_value(&plan).expect("JSON")).expect("reads back");
    assert_eq!(kept.video, plan.video);
}

//! Real clips: what is found out about each, and that every one is read to its end.

use super::*;
use crate::colour::VideoRange;
use crate::decode::video::{SourcePicture, VideoCounters, VideoDecoder};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A clip of the shared collection, where that is here.
pub(crate) fn clip(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/media")).join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not here", path.display());
        return None;
    }
    ffmpeg::util::log::set_level(ffmpeg::util::log::Level::Quiet);
    Some(path)
}

pub(crate) fn open_path(path: &std::path::Path) -> Result<(Source, Box<dyn Input>), CaptureError> {
    ffmpeg::util::log::set_level(ffmpeg::util::log::Level::Quiet);
    open(path.to_str().expect("test paths are UTF-8"), crate::job::Pace::Live, &Select::default(), &Stop::new())
}

/// Every unit of an input, at most `limit`.
pub(crate) fn read_all(input: &mut dyn Input, limit: usize) -> Vec<Unit> {
    let mut units = Vec::new();
    while units.len() < limit {
        match input.read().expect("a file never breaks") {
            Read::Unit(unit) => units.push(unit),
            Read::Lost(_) => {}
            Read::End => break,
            Read::Stopped => panic!("nobody raised the flag"),
        }
    }
    units
}

/// Reads until `pictures` have come, and says how much sound came with them.
pub(crate) fn read_pictures(input: &mut dyn Input, pictures: usize) -> usize {
    let mut kinds = [0, 0];
    while kinds[0] < pictures {
        match input.read().expect("it goes on") {
            Read::Unit(unit) => kinds[usize::from(unit.kind != Kind::Video)] += 1,
            Read::Lost(_) => {}
            Read::End | Read::Stopped => panic!("it goes on"),
        }
    }
    kinds[1]
}

/// Raises the flag after a while, and says when it did.
pub(crate) fn raised_after(stop: &Stop, millis: u64) -> JoinHandle<Instant> {
    let stop = stop.clone();
    std::thread::spawn(move || {
        stop.wait(Duration::from_millis(millis));
        let at = Instant::now();
        stop.raise();
        at
    })
}

/// (PTS, key, size) of each picture.
type Seen = Vec<(Seconds, bool, (u32, u32))>;

fn decode_all(source: &Source, input: &mut dyn Input) -> (Seen, VideoCounters) {
    let mut decoder = VideoDecoder::open(&source.video, &source.facts, 2).expect("a decoder opens");
    let (mut seen, mut out) = (Vec::new(), Vec::new());
    let take = |out: &mut Vec<SourcePicture>, seen: &mut Vec<_>| seen.extend(out.drain(..).map(|p| (p.pts, p.key, (p.picture.width(), p.picture.height()))));
    loop {
        match input.read().expect("a file never breaks") {
            Read::Unit(unit) if unit.kind == Kind::Video => decoder.push(&unit, &mut out),
            Read::End => break,
            _ => {}
        }
        take(&mut out, &mut seen);
    }
    decoder.flush(&mut out);
    take(&mut out, &mut seen);
    (seen, decoder.counters())
}

fn probed_frames(path: &std::path::Path) -> Option<usize> {
    let out = Command::new("ffprobe")
        .args(["-v", "quiet", "-count_frames", "-select_streams", "v:0", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .ok()?;
    String::from_utf8(out.stdout).ok()?.split([',', '\n']).next()?.trim().parse().ok()
}

/// (file, width, height, sar, rate, interlaced, hdr, sample rate, pictures that may miss against ffprobe: those before the first clean key picture).
type Row = (&'static str, u32, u32, (u32, u32), &'static str, bool, bool, Option<u32>, usize);
const CLIPS: &[Row] = &[
    ("av1_hdr10_720x1280_aac_4s.mp4", 720, 1280, (1, 1), "30000/1001", false, true, Some(48_000), 0),
    ("bbb_1080p60_aac51_2s.mp4", 1920, 1080, (1, 1), "60", false, false, Some(48_000), 0),
    ("cmaf_lowdelay_1080p30_testpic_8s.mp4", 1920, 1080, (1, 1), "30", false, false, None, 0),
    ("d_ts_2160p60_h264_aac_loop8s.ts", 3840, 2160, (1, 1), "60", false, false, Some(48_000), 0),
    ("d_ts_bbb_1080i5994_mpeg2_ac3_df_8s.ts", 1920, 1080, (1, 1), "60000/1001", true, false, Some(48_000), 0),
    ("d_ts_bbb_1080p60_aac51_loop20s.ts", 1920, 1080, (1, 1), "60", false, false, Some(48_000), 0),
    ("d_ts_h264_reschange_848x464_424x232.ts", 848, 464, (1, 1), "30", false, false, None, 0),
    ("d_ts_tos_1080p2997_scte35_injected.ts", 1920, 1080, (1, 1), "30000/1001", false, false, Some(48_000), 0),
    ("flv_h264_aac_360p_19s.flv", 640, 360, (1, 1), "30", false, false, Some(44_100), 0),
    ("fmp4_hevc_cea608.mp4", 416, 234, (1, 1), "30000/1001", false, false, None, 0),
    ("gopro_480p2997_aac_tmcd_gpmf_12s.mp4", 854, 480, (1, 1), "30000/1001", false, false, Some(48_000), 0),
    ("h264_vfr_screenrec_3026x1386.mp4", 3026, 1386, (1, 1), "30", false, false, None, 0),
    ("h264es_flower_720p30_10s.264", 1280, 720, (1, 1), "30", false, false, None, 0),
    ("hevc_hdr10plus_1080p_aac.mp4", 1920, 1080, (1, 1), "30", false, true, Some(48_000), 0),
    ("hevc_hlg_1080p2997_aac_editlist.mp4", 1080, 1920, (1, 1), "30000/1001", false, true, Some(44_100), 0),
    ("hevc_pq_dovi8_sparks_360p5994_6s.mp4", 640, 360, (1, 1), "60000/1001", false, true, None, 0),
    ("mkv_h264_aac_560x320_5s.mkv", 560, 320, (1, 1), "30", false, false, Some(44_100), 0),
    ("svt_testcard_720p50_422p10_8mono_aac_10s.mp4", 1280, 720, (1, 1), "50", false, false, Some(48_000), 0),
    ("tos_1080p2997_aac_8s_ctawave_fmp4.mp4", 1920, 1080, (1, 1), "30000/1001", false, false, Some(48_000), 0),
    ("ts_720p25_aac_teletext_ptswrap_30s.ts", 1280, 720, (1, 1), "25", false, false, Some(48_000), 2),
    ("ts_bbb_720p60_aac_10s.ts", 1280, 720, (1, 1), "60", false, false, Some(44_100), 0),
    ("ts_bbb_cea608_cea708_29s.ts", 256, 192, (1, 1), "24000/1001", false, false, Some(48_000), 0),
    ("ts_bbb_hevc_1080p24_aac51_5s.ts", 1920, 1080, (1, 1), "24", false, false, Some(48_000), 0),
    ("ts_bbb_mpeg2_1080p24_mp2.ts", 1920, 1080, (1, 1), "24", false, false, Some(44_100), 0),
    ("ts_bear_360p_ac3.ts", 640, 360, (1, 1), "30000/1001", false, false, Some(44_100), 0),
    ("ts_bear_360p_ptswrap.ts", 640, 360, (1, 1), "30000/1001", false, false, Some(44_100), 0),
    ("ts_broken_duplicate_audio_dts.ts", 1280, 720, (1, 1), "30", false, false, Some(44_100), 0),
    ("ts_broken_no_initial_keyframe.ts", 640, 352, (44, 45), "30000/1001", false, false, Some(44_100), 0),
    ("ts_cea608_multichannel.ts", 360, 240, (1, 1), "30000/1001", false, false, None, 0),
    ("ts_dolby_720p25_eac3_51_24s.ts", 1280, 720, (1, 1), "25", false, false, Some(48_000), 0),
    ("ts_dvb_1080i5994_h264_mp2_dvbsub.ts", 1920, 1080, (1, 1), "60000/1001", true, false, Some(48_000), 0),
    ("ts_dvb_576i_mpeg2_mp2_dvbsub_bbcnews.ts", 704, 576, (16, 11), "50", true, false, Some(48_000), 4),
    ("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts", 720, 576, (64, 45), "50", true, false, Some(48_000), 4),
    ("ts_dvb_576p25_h264_aac_12s.ts", 1024, 576, (1, 1), "25", false, false, Some(48_000), 0),
    ("ts_scte35_splice_insert_real.ts", 640, 426, (1, 1), "30000/1001", false, false, Some(44_100), 0),
    ("y4m_parkjoy_480x270_50fps_10f.y4m", 480, 270, (1, 1), "50", false, false, None, 0),
];

#[test]
fn every_clip_is_described_and_decoded() {
    let mut wrong = Vec::new();
    for &(name, width, height, sar, rate, interlaced, hdr, sample_rate, may_miss) in CLIPS {
        let Some(path) = clip(name) else { continue };
        let began = Instant::now();
        let (source, mut input) = open_path(&path).expect("it opens");
        let facts = SourceFacts {
            width,
            height,
            sar,
            rate: rate.parse().expect("a rate"),
            interlaced,
            range: match hdr {
                true if name.contains("hlg") => VideoRange::Hlg,
                true => VideoRange::Pq,
                false => VideoRange::Sdr,
            },
            hdr: source.facts.hdr,
            video: source.facts.video,
            sounds: source.facts.sounds.clone(),
        };
        let rates: Vec<Option<u32>> = source.facts.sounds.iter().map(|s| s.sample_rate).collect();
        if source.facts != facts || rates != sample_rate.map(Some).into_iter().collect::<Vec<_>>() {
            wrong.push(format!("{name}: {:?}", source.facts));
        }
        let opening = began.elapsed();
        let (pictures, counters) = decode_all(&source, input.as_mut());
        let probed = probed_frames(&path).unwrap_or(0);
        let expected = if interlaced { 2 * probed } else { probed };
        eprintln!(
            "{name}: opened in {opening:?}, {} pictures of {expected}, {} keys, {counters:?}, {:?}",
            pictures.len(),
            pictures.iter().filter(|p| p.1).count(),
            began.elapsed()
        );
        if pictures.len() > expected || pictures.len() + may_miss < expected {
            wrong.push(format!("{name}: {} pictures, ffprobe {expected}", pictures.len()));
        }
        if !pictures.first().is_some_and(|p| p.1) {
            wrong.push(format!("{name}: does not start with a key picture"));
        }
        if name != "d_ts_h264_reschange_848x464_424x232.ts" && pictures.iter().any(|p| p.2 != (width, height)) {
            wrong.push(format!("{name}: sizes differ from the facts"));
        }
        if let Some(pair) = pictures.windows(2).find(|w| w[1].0 <= w[0].0) {
            wrong.push(format!("{name}: {} after {}", pair[1].0, pair[0].0));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_hdr_clips_say_of_their_light() {
    use crate::colour::{HdrMetadata, LightLevel, Mastering};
    let facts = |name: &str| clip(name).map(|path| open_path(&path).expect("it opens").0.facts);
    // Its primaries are those of P3, white D65.
    let mastering =
        Mastering { primaries: [(34_000, 16_000), (13_250, 34_500), (7500, 3000)], white: (15_635, 16_450), max_luminance: 40_000_000, min_luminance: 50 };
    if let Some(sparks) = facts("hevc_pq_dovi8_sparks_360p5994_6s.mp4") {
        assert_eq!((sparks.range, sparks.hdr), (VideoRange::Pq, HdrMetadata { mastering: Some(mastering), light: None }), "a MaxCLL of 0 says nothing");
    }
    if let Some(phone) = facts("hevc_hdr10plus_1080p_aac.mp4") {
        // Red where blue belongs, and a peak of 0.1 cd/m².
        assert_eq!(phone.hdr, HdrMetadata { mastering: None, light: Some(LightLevel { max_content: 1000, max_average: 200 }) });
    }
    if let Some(hlg) = facts("hevc_hlg_1080p2997_aac_editlist.mp4") {
        assert_eq!((hlg.range, hlg.hdr), (VideoRange::Hlg, HdrMetadata::default()));
    }
}

#[test]
fn malformed_files_are_survived() {
    let Some(pack) = clip("malformed_pack_open.tar.gz") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    assert!(Command::new("tar").arg("-xzf").arg(&pack).arg("-C").arg(dir.path()).status().expect("tar runs").success());
    let mut files: Vec<_> = std::fs::read_dir(dir.path()).expect("it is there").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() > 20);
    for path in files {
        let began = Instant::now();
        match open_path(&path) {
            Err(e) => {
                assert!(matches!(e, CaptureError::Open { .. }));
                eprintln!("{e}");
            }
            Ok((source, mut input)) => {
                let (pictures, counters) = decode_all(&source, input.as_mut());
                let probed = probed_frames(&path);
                eprintln!("{}: {} pictures (ffprobe {probed:?}), {counters:?}, {:?}", path.display(), pictures.len(), source.facts);
            }
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{}", path.display());
    }
}

#[test]
fn errors_say_what_is_wrong_and_what_is_accepted() {
    let why = |url: &str, select: &Select| match open(url, crate::job::Pace::Live, select, &Stop::new()) {
        Err(CaptureError::Open { why, .. }) => why,
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("{url} opened"),
    };
    let any = Select::default();
    assert!(why("/nowhere/at-all.ts", &any).contains("no such file"));
    assert!(why("/tmp", &any).contains("directory"));
    assert!(why("/dev/null", &any).contains("device"));
    assert!(why("a\0b", &any).contains("not a path"));
    assert!(why("", &any).contains("not a path"));
    assert!(why("nonsense://x", &any).to_lowercase().contains("protocol"));
    let text = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(text.path(), "this is not media\n".repeat(1000)).expect("it can be written");
    assert!(why(text.path().to_str().expect("UTF-8"), &any).contains("not a media file"));
    std::fs::write(text.path(), "").expect("it can be written");
    assert!(why(text.path().to_str().expect("UTF-8"), &any).contains("not a media file"));
    let Some(empty) = clip("ts_broken_zero_video_frames.ts") else { return };
    assert!(why(empty.to_str().expect("UTF-8"), &any).contains("no video stream has a picture"));
    let Some(sound) = clip("mp4_aac_stereo_plus_ac3_51_10s.mp4") else { return };
    assert!(why(sound.to_str().expect("UTF-8"), &any).contains("there is no video stream"));
    let Some(eight) = clip("svt_testcard_720p50_422p10_8mono_aac_10s.mp4") else { return };
    let eight = eight.to_str().expect("UTF-8");
    let words = why(eight, &Select { audio: vec!["77".parse().expect("a pick")], ..Select::default() });
    assert!(words.contains("audio 77") && words.contains("0 video h264 1280x720") && words.contains("aac 48000 Hz"), "{words}");
    let (source, _) = open(eight, crate::job::Pace::Live, &Select { audio: vec!["5".parse().expect("a pick")], ..Select::default() }, &Stop::new())
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(source.audio.iter().flatten().map(|a| a.index).collect::<Vec<_>>(), [5]);
    let (source, _) = open(eight, crate::job::Pace::Live, &Select { no_audio: true, ..Select::default() }, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    assert!(source.audio.is_empty() && source.facts.sounds.is_empty());
}

#[test]
fn stamps_run_on_across_the_wrap() {
    for name in ["ts_720p25_aac_teletext_ptswrap_30s.ts", "ts_bear_360p_ptswrap.ts"] {
        let Some(path) = clip(name) else { return };
        let (source, mut input) = open_path(&path).expect("it opens");
        assert_eq!(source.origin, Origin::File);
        let units = read_all(input.as_mut(), usize::MAX);
        for kind in [Kind::Video, Kind::Audio(0)] {
            let dts: Vec<i64> = units.iter().filter(|u| u.kind == kind).filter_map(|u| u.packet.dts()).collect();
            assert!(dts.windows(2).all(|w| w[0] < w[1] && w[1] - w[0] < 90_000), "{name} {kind:?}");
            assert!(dts.first().is_some_and(|&d| d < 1 << 33) && dts.last().is_some_and(|&d| d > 1 << 33), "{name} {kind:?} {:?}", dts.first());
        }
    }
}

#[test]
fn video_that_begins_long_after_the_sound_is_found() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("late.ts");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=r=48000:d=14", "-itsoffset", "9", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=5"])
        .args(["-map", "0", "-map", "1", "-c:a", "mp2", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-max_interleave_delta", "0", "-f", "mpegts"])
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("ffmpeg runs").success());
    let (source, mut input) = open_path(&path).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((source.facts.width, source.facts.rate.to_string().as_str(), source.facts.sounds[0].sample_rate), (320, "25", Some(48_000)));
    assert!(read_pictures(input.as_mut(), 125) > 300);
}

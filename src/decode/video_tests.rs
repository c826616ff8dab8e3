//! Decoded pictures of real clips: alike whatever the threads, the heap and the join point; fields and turns as FFmpeg makes them.

use super::*;
use crate::capture::media_tests::{clip, open_path, read_all};
use crate::capture::{Kind, Source, StreamInfo, Turn};
use crate::sei::st0604_payload;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// (PTS, key, SHA-256 of the samples without padding).
pub(super) type Line = (Seconds, bool, String);

pub(super) fn hash(picture: &Video) -> String {
    let bytes = if picture.format().descriptor().is_some() && format!("{:?}", picture.format()).contains("LE") { 2 } else { 1 };
    let mut sha = Sha256::new();
    for plane in 0..picture.planes() {
        let width = picture.plane_width(plane) as usize * bytes;
        for row in picture.data(plane).chunks(picture.stride(plane)).take(picture.plane_height(plane) as usize) {
            sha.update(&row[..width]);
        }
    }
    sha.finalize().iter().fold(String::new(), |mut text, b| {
        write!(text, "{b:02x}").expect("a String takes everything");
        text
    })
}

pub(super) fn decode(source: &Source, units: &[Unit], threads: usize) -> Vec<SourcePicture> {
    decode_told(source, units, threads).0
}

/// Also says where the decoder itself told of damage: how many pictures had come out by then.
fn decode_told(source: &Source, units: &[Unit], threads: usize) -> (Vec<SourcePicture>, Vec<usize>) {
    let mut decoder = VideoDecoder::open(&source.video, &source.facts, threads).expect("a decoder opens");
    let (mut out, mut told) = (Vec::new(), Vec::new());
    let mut last = 0;
    let mut note = |decoder: &VideoDecoder, out: &[SourcePicture]| {
        let faults = decoder.counters().errors + decoder.counters().damaged;
        if std::mem::replace(&mut last, faults) != faults {
            told.push(out.len());
        }
    };
    for unit in units.iter().filter(|u| u.kind == Kind::Video) {
        decoder.push(unit, &mut out);
        note(&decoder, &out);
    }
    decoder.flush(&mut out);
    note(&decoder, &out);
    (out, told)
}

fn lines(pictures: &[SourcePicture]) -> Vec<Line> {
    pictures.iter().map(|p| (p.pts, p.key, hash(&p.picture))).collect()
}

pub(super) fn opened(path: &Path) -> (Source, Vec<Unit>) {
    let (source, mut input) = open_path(path).expect("it opens");
    let units = read_all(input.as_mut(), usize::MAX);
    (source, units)
}

pub(super) fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Run by `the_heap_alters_nothing` in a process of its own.
#[test]
#[ignore = "a part of the_heap_alters_nothing"]
fn print_lines() {
    crate::ffmpeg::pin_cpu();
    let path = std::env::var("MEZZO_TEST_CLIP").expect("set by the caller");
    let (source, units) = opened(Path::new(&path));
    for (pts, key, hash) in lines(&decode(&source, &units, 3)) {
        println!("line {pts:?} {key} {hash}");
    }
}

fn in_other_heap(path: &Path, perturb: &str) -> Vec<String> {
    let out = Command::new(std::env::current_exe().expect("it runs"))
        .args(["decode::video::tests::print_lines", "--exact", "--ignored", "--nocapture"])
        .env("MEZZO_TEST_CLIP", path)
        .env("MALLOC_PERTURB_", perturb)
        .output()
        .expect("this very program runs");
    assert!(out.status.success());
    String::from_utf8_lossy(&out.stdout).lines().filter_map(|l| l.split_once("line ")).map(|(_, l)| l.to_owned()).collect()
}

/// From the second random-access point of a run that joined late, its pictures are those of the whole run.
fn same_from_second_key(whole: &[Line], joined: &[Line], what: &str) {
    let keys: Vec<Seconds> = joined.iter().filter(|l| l.1).map(|l| l.0).collect();
    let from = *keys.get(1).unwrap_or_else(|| panic!("{what}: {} keys of {} pictures", keys.len(), joined.len()));
    let tail = |lines: &[Line]| lines.iter().filter(|l| l.0 >= from).cloned().collect::<Vec<_>>();
    let (whole, joined) = (tail(whole), tail(joined));
    assert!(!joined.is_empty() && whole.len() == joined.len(), "{what}: {} and {}", whole.len(), joined.len());
    let wrong = whole.iter().zip(&joined).filter(|(a, b)| a != b).count();
    assert_eq!(wrong, 0, "{what}: of {} pictures", whole.len());
}

/// Pictures around a place where damage was told of which no equality is asked: those that refer to the damaged one, or share a field with it.
const AROUND: usize = 8;

/// `hurt`: how many pictures of the clip are that near to damage, and no more.
fn check(path: &Path, joins: bool, hurt: usize) {
    let name = path.display();
    crate::ffmpeg::pin_cpu();
    let (source, mut units) = opened(path);
    let (pictures, told) = decode_told(&source, &units, 1);
    let whole = lines(&pictures);
    // What libav conceals depends on its threads. How far a clip's own damage is said to reach has no part in this, or all that follows it would go unseen.
    let near = |n: usize| told.iter().any(|&at| (at.saturating_sub(AROUND)..at + AROUND).contains(&n));
    let compared = (0..whole.len()).filter(|&n| !near(n)).count();
    assert!(compared > 15 && whole.len() - compared <= hurt, "{name}: {compared} of {} are compared", whole.len());
    let threaded = lines(&decode(&source, &units, 4));
    let wrong: Vec<usize> = whole.iter().zip(&threaded).enumerate().filter(|(n, (a, b))| a != b && !near(*n)).map(|(n, _)| n).collect();
    assert!(wrong.is_empty() && whole.len() == threaded.len(), "{name}: threads alter the pictures {wrong:?} of {} and {}", whole.len(), threaded.len());
    let printed: Vec<String> = whole.iter().map(|(pts, key, hash)| format!("{pts:?} {key} {hash}")).collect();
    let other = in_other_heap(path, "165");
    let wrong: Vec<usize> = printed.iter().zip(&other).enumerate().filter(|(n, (a, b))| a != b && !near(*n)).map(|(n, _)| n).collect();
    assert!(wrong.is_empty() && printed.len() == other.len(), "{name}: the heap alters the pictures {wrong:?} of {} and {}", printed.len(), other.len());
    if !joins {
        return;
    }
    let second = units.iter().enumerate().filter(|(_, u)| u.kind == Kind::Video && u.packet.is_key()).nth(1).expect("several GOPs").0;
    units.drain(..second);
    same_from_second_key(&whole, &lines(&decode(&source, &units, 2)), &format!("{name} from its second key packet"));
    if path.extension().is_some_and(|e| e == "ts") {
        let bytes = std::fs::read(path).expect("it is there");
        let cut = tempfile::Builder::new().suffix(".ts").tempfile().expect("a file");
        std::fs::write(cut.path(), &bytes[bytes.len() / 3 / 188 * 188..]).expect("it can be written");
        let (source, units) = opened(cut.path());
        same_from_second_key(&whole, &lines(&decode(&source, &units, 2)), &format!("{name} from a third in"));
    }
}

#[test]
fn avc_is_pure() {
    for name in ["d_ts_tos_1080p2997_scte35_injected.ts", "ts_bbb_cea608_cea708_29s.ts"] {
        clip(name).iter().for_each(|path| check(path, true, 0));
    }
}

#[test]
fn hevc_is_pure() {
    clip("hevc_pq_dovi8_sparks_360p5994_6s.mp4").iter().for_each(|path| check(path, true, 0));
    clip("ts_bbb_hevc_1080p24_aac51_5s.ts").iter().for_each(|path| check(path, false, 0));
    // Open GOPs: a CRA picture with pictures that lead it.
    let Some(path) = clip("ts_bbb_hevc_1080p24_aac51_5s.ts") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let open_gops = dir.path().join("open.ts");
    let x265 = "keyint=24:min-keyint=24:open-gop=1:bframes=3:scenecut=0:log-level=none";
    let (from, to) = (path.to_str().expect("UTF-8"), open_gops.to_str().expect("UTF-8"));
    run("ffmpeg", &["-v", "error", "-i", from, "-an", "-vf", "scale=480:-2", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265, to]);
    check(&open_gops, true, 0);
}

#[test]
fn interlaced_mpeg2_is_pure() {
    for (name, hurt) in [("ts_dvb_576i_mpeg2_mp2_dvbsub_bbcnews.ts", 8), ("d_ts_bbb_1080i5994_mpeg2_ac3_df_8s.ts", 0)] {
        clip(name).iter().for_each(|path| check(path, true, hurt));
    }
}

#[test]
fn interlaced_avc_and_portrait_av1_are_pure() {
    for (name, hurt) in [("ts_dvb_1080i5994_h264_mp2_dvbsub.ts", 14), ("av1_hdr10_720x1280_aac_4s.mp4", 0)] {
        clip(name).iter().for_each(|path| check(path, false, hurt));
    }
}

fn framehash(args: &[&str]) -> Vec<String> {
    let text = run("ffmpeg", &[&["-v", "error"], args, &["-fps_mode", "passthrough", "-f", "framehash", "-hash", "sha256", "-"]].concat());
    text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.rsplit(',').next()).map(|h| h.trim().to_owned()).collect()
}

#[test]
fn fields_are_what_ffmpeg_makes_of_them_and_half_a_picture_apart() {
    let Some(path) = clip("d_ts_bbb_1080i5994_mpeg2_ac3_df_8s.ts") else { return };
    let (source, units) = opened(&path);
    let ours = lines(&decode(&source, &units, 2));
    let theirs = framehash(&["-i", path.to_str().expect("UTF-8"), "-map", "0:v:0", "-vf", "bwdif=mode=send_field:parity=auto:deint=interlaced"]);
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(ours.iter().zip(&theirs).filter(|(o, t)| o.2 != **t).count(), 0, "of {} pictures", ours.len());
    let field = Seconds::new(1001, 60_000);
    for pair in ours.windows(2) {
        assert_eq!(pair[1].0 - pair[0].0, field, "at {}", pair[0].0);
    }
    assert!(ours.iter().step_by(2).any(|l| l.1) && !ours.iter().skip(1).step_by(2).any(|l| l.1), "a second field is a key picture");
}

#[test]
fn a_jump_of_the_source_does_not_bend_a_field() {
    let Some(path) = clip("d_ts_bbb_1080i5994_mpeg2_ac3_df_8s.ts") else { return };
    let (source, mut units) = opened(&path);
    let mut keys = 0;
    for unit in units.iter_mut().filter(|u| u.kind == Kind::Video) {
        keys += u32::from(unit.packet.is_key());
        if keys > 2 {
            let pts = unit.packet.pts().expect("stamped");
            unit.packet.set_pts(Some(pts + 90_000_000));
        }
    }
    let pictures = decode(&source, &units, 1);
    let steps: Vec<Seconds> = pictures.windows(2).map(|w| w[1].pts - w[0].pts).collect();
    let odd: Vec<&Seconds> = steps.iter().filter(|&&s| s != Seconds::new(1001, 60_000)).collect();
    // Open GOPs: pictures that lead the key picture jump with it or without it; never a field of one picture away from its first.
    assert!(!odd.is_empty() && odd.iter().all(|s| s.abs() > Seconds::whole(900)), "{odd:?}");
}

#[test]
fn progressive_pictures_pass_the_deinterlacer_untouched() {
    let Some(path) = clip("ts_bear_360p_ac3.ts") else { return };
    let (mut source, units) = opened(&path);
    let plain = lines(&decode(&source, &units, 1));
    source.facts.interlaced = true;
    assert_eq!(plain, lines(&decode(&source, &units, 1)));
}

#[test]
fn turned_pictures_are_what_ffmpeg_makes_of_them() {
    let Some(path) = clip("ts_bear_360p_ac3.ts") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    for (rotate, turn) in [("90", Turn::Right), ("180", Turn::Half), ("270", Turn::Left)] {
        let turned = dir.path().join(format!("{rotate}.mp4"));
        let (from, to) = (path.to_str().expect("UTF-8"), turned.to_str().expect("UTF-8"));
        run("ffmpeg", &["-v", "error", "-i", from, "-map", "0:v:0", "-c", "copy", "-metadata:s:v:0", &format!("rotate={rotate}"), to]);
        let (source, units) = opened(&turned);
        assert!(source.video.turn != Turn::None && source.video.turn.swaps() == turn.swaps(), "{rotate}: {:?}", source.video.turn);
        let size = if turn.swaps() { (360, 640) } else { (640, 360) };
        assert_eq!((source.facts.width, source.facts.height), size);
        let ours = decode(&source, &units, 1);
        let theirs = framehash(&["-i", to]);
        assert_eq!(lines(&ours).into_iter().map(|l| l.2).collect::<Vec<_>>(), theirs, "{rotate}");
    }
}

#[test]
fn a_new_size_in_mid_stream_rebuilds_the_graph() {
    let Some(path) = clip("d_ts_h264_reschange_848x464_424x232.ts") else { return };
    let (mut source, units) = opened(&path);
    let video = &source.video;
    source.video = Arc::new(StreamInfo { turn: Turn::Right, ..StreamInfo::new(video.index, (*video.parameters).clone(), video.time_base) });
    source.facts.interlaced = true;
    let pictures = decode(&source, &units, 2);
    let sizes: Vec<(u32, u32)> = pictures.iter().map(|p| (p.picture.width(), p.picture.height())).collect();
    assert_eq!(sizes.len(), 96);
    assert!(sizes[..49].iter().all(|&s| s == (464, 848)) && sizes[49..].iter().all(|&s| s == (232, 424)), "{sizes:?}");
    assert!(pictures.windows(2).all(|w| w[1].pts - w[0].pts == Seconds::new(1, 30)));
}

#[test]
fn pictures_of_streams_without_pts_are_timed() {
    let Some(elementary) = clip("h264es_flower_720p30_10s.264") else { return };
    let (source, units) = opened(&elementary);
    let times: Vec<Seconds> = decode(&source, &units, 2).iter().map(|p| p.pts).collect();
    assert_eq!(times, (0..300).map(|n| Seconds::new(n, 30)).collect::<Vec<_>>());
    let Some(path) = clip("ts_bear_360p_ac3.ts") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let avi = dir.path().join("b.avi");
    run("ffmpeg", &["-v", "error", "-i", path.to_str().expect("UTF-8"), "-an", "-c:v", "libx264", "-bf", "3", "-g", "24", avi.to_str().expect("UTF-8")]);
    let (source, units) = opened(&avi);
    let pictures = decode(&source, &units, 2);
    assert_eq!(pictures.len(), 82);
    assert!(pictures.windows(2).all(|w| w[1].pts - w[0].pts == Seconds::new(1001, 30_000)));
}

/// Puts an SEI with a stamp before each access unit.
fn stamped(units: Vec<Unit>, base: u64) -> Vec<Unit> {
    let put = |unit: Unit| {
        if unit.kind != Kind::Video {
            return unit;
        }
        let pts = unit.packet.pts().expect("a transport stream");
        let micros = base + u64::try_from(pts).expect("positive") * 100 / 9;
        let mut data = vec![0, 0, 0, 1, 6, 5, 28];
        data.extend(st0604_payload(micros));
        data.push(0x80);
        data.extend(unit.packet.data().expect("not empty"));
        let mut packet = Packet::copy(&data);
        packet.set_pts(unit.packet.pts());
        packet.set_dts(unit.packet.dts());
        packet.set_flags(unit.packet.flags());
        packet.set_duration(unit.packet.duration());
        Unit { packet, ..unit }
    };
    units.into_iter().map(put).collect()
}

#[test]
fn stamps_stay_with_their_pictures() {
    for (name, fields) in [("ts_bear_360p_ac3.ts", false), ("ts_dvb_1080i5994_h264_mp2_dvbsub.ts", true)] {
        let Some(path) = clip(name) else { return };
        let (source, units) = opened(&path);
        let base = 1_790_000_000_000_000;
        let pictures = decode(&source, &stamped(units, base), 3);
        assert!(pictures.len() > 40, "{name}: {}", pictures.len());
        for (n, picture) in pictures.iter().enumerate() {
            let micros = i128::from(base) + (picture.pts.times(90_000).fraction().0) * 100 / 9;
            let expected = (!fields || n % 2 == 0).then(|| Seconds::new(micros, 1_000_000));
            assert_eq!(picture.stamp, expected, "{name}, picture {n}");
        }
    }
}

use super::*;
use crate::pattern::Size;
use crate::pattern::picture::Pattern;
use crate::pattern::tone::Tone;
use crate::sei::parse_st0604;
use crate::time::{Rate, Slot};
use ffmpeg::{codec, frame, media};
use ffmpeg_next as ffmpeg;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub(super) const START: &str = "2026-11-21T20:15:30Z";
pub(super) const START_SECONDS: i64 = 1_795_292_130;
pub(super) const WRAP: i64 = 1 << 33;

/// A decoded picture of a feed.
pub(super) struct Seen {
    pub pts: i64,
    pub micros: Option<u64>,
    pub luma: Vec<u8>,
    pub size: (u32, u32),
    pub interlaced: bool,
}

/// What libav decodes from a transport stream: pictures, and sound as (90 kHz PTS, left samples) per frame.
pub(super) struct Decoded {
    pub video: &'static str,
    pub pictures: Vec<Seen>,
    pub sound: Vec<(i64, Vec<f32>)>,
    pub damaged: usize,
}

pub(super) fn decode(path: &Path) -> Decoded {
    let mut input = ffmpeg::format::input(path).expect("a transport stream");
    let video = input.streams().best(media::Type::Video).map(|s| (s.index(), s.parameters())).expect("it has video");
    let audio = input.streams().best(media::Type::Audio).map(|s| (s.index(), s.parameters()));
    let name = video.1.id().name();
    let mut decoder = codec::Context::from_parameters(video.1).expect("parameters").decoder().video().expect("a decoder");
    let mut sound_decoder = audio.as_ref().map(|a| codec::Context::from_parameters(a.1.clone()).expect("parameters").decoder().audio().expect("a decoder"));
    let mut out = Decoded { video: name, pictures: Vec::new(), sound: Vec::new(), damaged: 0 };
    let mut picture = frame::Video::empty();
    let mut take = |decoder: &mut codec::decoder::Video, out: &mut Decoded| {
        while decoder.receive_frame(&mut picture).is_ok() {
            let micros = picture
                .side_data(frame::side_data::Type::SEI_UNREGISTERED)
                .and_then(|side| parse_st0604(side.data()))
                .map(|at| at.nearest_ticks(1_000_000) as u64);
            let mut luma = Vec::new();
            for row in picture.data(0).chunks(picture.stride(0)) {
                luma.extend_from_slice(&row[..picture.width() as usize]);
            }
            let size = (picture.width(), picture.height());
            out.pictures.push(Seen { pts: picture.pts().expect("stamped"), micros, luma, size, interlaced: picture.is_interlaced() });
        }
    };
    let packets: Vec<(usize, ffmpeg::Packet)> = input.packets().map(|(s, p)| (s.index(), p)).collect();
    for (index, packet) in packets {
        if index == video.0 {
            out.damaged += usize::from(decoder.send_packet(&packet).is_err());
            take(&mut decoder, &mut out);
        } else if let (Some((_, decoder)), true) = (audio.as_ref().zip(sound_decoder.as_mut()), audio.as_ref().is_some_and(|a| a.0 == index)) {
            out.damaged += usize::from(decoder.send_packet(&packet).is_err());
            let mut samples = frame::Audio::empty();
            while decoder.receive_frame(&mut samples).is_ok() {
                out.sound.push((samples.pts().expect("stamped"), samples.plane::<f32>(0).to_vec()));
            }
        }
    }
    decoder.send_eof().expect("drains");
    take(&mut decoder, &mut out);
    out
}

pub(super) fn options(fields: &[(&'static str, &str)]) -> FeedOptions {
    ffmpeg::log::set_level(ffmpeg::log::Level::Error);
    let mut options = FeedOptions::default();
    for (field, value) in fields {
        options.set(field, value).expect("legal");
    }
    options
}

/// A small pattern feed to a file, as fast as possible, from [`START`].
pub(super) fn pattern_file(path: &Path, fields: &[(&'static str, &str)]) -> FeedReport {
    let mut options = options(&[("size", "320x180"), ("bitrate", "1M"), ("start", START), ("duration", "3s"), ("gop", "1s")]);
    for (field, value) in fields {
        options.set(field, value).expect("legal");
    }
    options.outputs = vec![FeedOutput::File(path.to_owned())];
    options.fast = true;
    run(&options, &Stop::new()).expect("runs")
}

/// Every picture of the feed is there once, in order, with the PTS, the stamp and the content of its slot.
fn assert_pattern(seen: &Decoded, rate: Rate, first: i64, count: usize) {
    assert_eq!((seen.pictures.len(), seen.damaged), (count, 0));
    let (num, den) = (i64::from(rate.num()), i64::from(rate.den()));
    let pattern = Pattern::new(Size::new(320, 180).expect("legal"), rate);
    let mut want = vec![0; pattern.size().bytes()];
    for (slot, picture) in (first..).zip(&seen.pictures) {
        let nearest = |clock: i64| (2 * i128::from(slot * den) * i128::from(clock) + i128::from(num)).div_euclid(2 * i128::from(num)) as i64;
        assert_eq!(picture.pts.rem_euclid(WRAP), nearest(90_000).rem_euclid(WRAP), "PTS of slot {slot}");
        assert_eq!(picture.micros, u64::try_from(nearest(1_000_000)).ok(), "stamp of slot {slot}");
        pattern.draw(Slot(slot), &mut want);
        assert_eq!(pattern.read_slot(&picture.luma, 320), Some(Slot(slot)), "the burnt-in number");
        let error: u64 = picture.luma.iter().zip(&want).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(error / (320 * 180) < 8, "picture of slot {slot} is off by {} a pixel", error / (320 * 180));
        // The flash patch tells this picture from its neighbours.
        let area = pattern.flash_area();
        let at = (area.top + area.bottom) / 2 * 320 + (area.left + area.right) / 2;
        assert!(picture.luma[at].abs_diff(want[at]) < 40, "flash of slot {slot}");
    }
}

#[test]
fn every_picture_carries_its_exact_utc() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("feed.ts");
    for (num, den, bframes, codec, name) in
        [(25, 1, "0", "h264", "h264"), (30_000, 1001, "0", "h264", "h264"), (30_000, 1001, "2", "h264", "h264"), (25, 1, "2", "hevc", "hevc")]
    {
        let rate = Rate::new(num, den).expect("legal");
        let report = pattern_file(&path, &[("rate", &rate.to_string()), ("bframes", bframes), ("codec", codec)]);
        let first = (START_SECONDS * i64::from(num) + i64::from(den) - 1) / i64::from(den);
        let seen = decode(&path);
        assert_eq!(seen.video, name);
        assert_pattern(&seen, rate, first, if den == 1 { 75 } else { 90 });
        assert_eq!((report.pictures, report.unstamped, report.skipped), (seen.pictures.len() as u64, 0, 0));
        assert_eq!(report.bytes, std::fs::metadata(&path).expect("it is there").len());
    }
}

#[test]
fn another_reader_agrees() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("feed.ts");
    pattern_file(&path, &[]);
    let probe = |entries: &str, stream: &str| {
        let out = Command::new("ffprobe").args(["-v", "error", "-select_streams", stream, "-show_entries", entries, "-of", "csv=p=0"]).arg(&path).output();
        let out = out.expect("ffprobe runs");
        assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        // A stream of a program is listed twice; packets are not.
        String::from_utf8(out.stdout).expect("text").lines().map(|l| l.trim_end_matches(',').to_owned()).filter(|l| !l.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(probe("stream=codec_name,width,height,color_range,color_space,r_frame_rate", "v:0")[0], "h264,320,180,tv,bt709,25/1");
    assert_eq!(probe("stream=codec_name,sample_rate,channels", "a:0")[0], "aac,48000,2");
    let packets = probe("packet=pts,flags", "v:0");
    let pts: Vec<i64> = packets.iter().map(|l| l.split(',').next().and_then(|p| p.parse().ok()).expect("a number")).collect();
    assert_eq!(pts.len(), 75);
    assert!(pts.windows(2).all(|p| p[1] - p[0] == 3600));
    assert_eq!(pts[0].rem_euclid(WRAP), (START_SECONDS * 90_000).rem_euclid(WRAP));
    let keys: Vec<usize> = packets.iter().enumerate().filter(|(_, l)| l.contains('K')).map(|(i, _)| i).collect();
    assert_eq!(keys, [0, 25, 50], "key pictures at multiples of the GOP");
}

#[test]
fn beep_and_flash_are_together() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("feed.ts");
    pattern_file(&path, &[]);
    let seen = decode(&path);
    let start = (START_SECONDS * 90_000).rem_euclid(WRAP);
    let mut loud: Vec<i64> = Vec::new();
    for (pts, samples) in &seen.sound {
        for (i, sample) in samples.iter().enumerate() {
            if sample.abs() > 0.2 {
                // In 48 kHz samples since the start.
                loud.push((pts.rem_euclid(WRAP) - start) * 48 / 90 + i as i64);
            }
        }
    }
    let onsets: Vec<i64> = loud.iter().copied().enumerate().filter(|&(i, n)| i == 0 || n - loud[i - 1] > 4800).map(|(_, n)| n).collect();
    // The last frame of sound ends after the last picture, so a fourth beep may begin in it.
    assert!((3..=4).contains(&onsets.len()), "{onsets:?}");
    for (second, onset) in onsets.iter().enumerate() {
        assert!((onset - second as i64 * 48_000).abs() < 48, "the beep of second {second} is a millisecond off: {onsets:?}");
    }
    let tone = Tone::new();
    assert!(f64::from(tone.sample(START_SECONDS * 48_000 + 12)[0]) > 6553.0, "the threshold is passed within a quarter of a period");
}

#[test]
fn same_options_same_bytes() {
    let dir = tempfile::tempdir().expect("a directory");
    let (one, two) = (dir.path().join("one.ts"), dir.path().join("two.ts"));
    let bytes = |path: &Path, start: &str| {
        pattern_file(path, &[("start", start), ("bframes", "1")]);
        std::fs::read(path).expect("it is there")
    };
    let first = bytes(&one, START);
    assert!(first == bytes(&two, START), "two runs differ");
    assert!(first != bytes(&two, "2026-11-21T20:15:31Z"), "the start makes no difference");
}

#[test]
fn udp_feed_joins_the_clock_and_keeps_to_it() {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a port");
    receiver.set_read_timeout(Some(Duration::from_secs(5))).expect("legal");
    let to = format!("udp://{}", receiver.local_addr().expect("bound"));
    let options = options(&[("output", &to), ("size", "320x180"), ("bitrate", "1M"), ("gop", "10"), ("duration", "2s")]);
    let (begun, clock) = (Seconds::host_now(), Instant::now());
    let feed = std::thread::spawn(move || run(&options, &Stop::new()));
    let (mut bytes, mut datagram) = (Vec::new(), [0; 2048]);
    while !feed.is_finished() || bytes.is_empty() {
        receiver.set_read_timeout(Some(Duration::from_millis(200))).expect("legal");
        if let Ok(size) = receiver.recv(&mut datagram) {
            assert!(size <= 1316 && size % 188 == 0, "a datagram of {size}");
            bytes.extend_from_slice(&datagram[..size]);
        }
        assert!(clock.elapsed() < Duration::from_secs(30), "it does not end");
    }
    let report = feed.join().expect("no panic").expect("runs");
    assert_eq!(report.bytes, bytes.len() as u64);
    assert!(clock.elapsed() > Duration::from_millis(1900), "faster than real time");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("received.ts");
    std::fs::write(&path, &bytes).expect("writable");
    let seen = decode(&path);
    assert_eq!(seen.pictures.len() as u64 + report.skipped, 50);
    let first = seen.pictures[0].micros.expect("stamped");
    let late = Seconds::new(i128::from(first), 1_000_000) - begun;
    assert!(late > Seconds::ZERO && late < Seconds::whole(2), "the first picture is {late} after the start");
    assert_eq!(first % 40_000, 0, "not on the grid");
    if report.skipped == 0 {
        assert_pattern(&seen, Rate::new(25, 1).expect("legal"), first as i64 / 40_000, 50);
    }
}

#[test]
fn stop_ends_a_live_feed_well() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("feed.ts");
    let mut options = options(&[("size", "320x180"), ("bitrate", "1M")]);
    options.outputs = vec![FeedOutput::File(path.clone())];
    let stop = Stop::new();
    let feed = std::thread::spawn({
        let stop = stop.clone();
        move || run(&options, &stop)
    });
    assert!(!stop.wait(Duration::from_millis(700)));
    let raised = Instant::now();
    stop.raise();
    let report = feed.join().expect("no panic").expect("runs");
    assert!(raised.elapsed() < Duration::from_millis(500));
    let seen = decode(&path);
    assert_eq!((seen.pictures.len() as u64, seen.damaged), (report.pictures, 0));
}

#[test]
fn outputs_and_inputs_that_cannot_be_used() {
    let dir = tempfile::tempdir().expect("a directory");
    let nowhere = dir.path().join("missing/feed.ts");
    let text = dir.path().join("text.ts");
    std::fs::write(&text, "not a transport stream").expect("writable");
    let mut bad = options(&[("duration", "1s"), ("size", "256x144")]);
    assert!(matches!(run(&bad, &Stop::new()), Err(FeedError::Option { field: "output", .. })));
    bad.outputs = vec![FeedOutput::File(nowhere.clone())];
    let error = run(&bad, &Stop::new()).expect_err("no such directory");
    assert!(error.is_usage() && error.to_string().contains(&nowhere.display().to_string()), "{error}");
    bad.outputs = vec![FeedOutput::Udp { to: "127.0.0.1:9".parse().expect("an address"), ttl: 1 }];
    bad.fast = true;
    assert!(matches!(run(&bad, &Stop::new()), Err(FeedError::Option { field: "fast", .. })));
    bad.fast = false;
    for path in [dir.path().join("missing.mp4"), text] {
        bad.input = FeedInput::File(path.clone());
        let error = run(&bad, &Stop::new()).expect_err("no media");
        assert!(error.is_usage() && error.to_string().contains(&path.display().to_string()) && error.to_string().contains("accepted"), "{error}");
    }
    // The system refuses a broadcast to a socket that did not ask for it: the sending thread's error comes out.
    let mut void = options(&[("output", "udp://255.255.255.255:9"), ("duration", "1s"), ("size", "256x144")]);
    void.bitrate = 1_000_000;
    let error = run(&void, &Stop::new()).expect_err("broadcast is not permitted");
    assert!(!error.is_usage() && error.to_string().contains("udp://255.255.255.255:9"), "{error}");
}

#[test]
fn a_scripted_gap_is_a_gap() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("feed.ts");
    // From one key picture to another, so that what is left decodes.
    let report = pattern_file(&path, &[("fault", "gap@1+1"), ("audio", "off")]);
    assert!(report.lost > 0 && report.pictures == 75, "{report:?}");
    let slots: Vec<i64> = decode(&path).pictures.iter().filter_map(|p| p.micros).map(|m| m as i64 / 40_000 - START_SECONDS * 25).collect();
    assert_eq!(slots, (0..25).chain(50..75).collect::<Vec<_>>());
}

fn clip(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

#[test]
fn files_are_played_in_a_loop_with_stamps_that_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("looped.ts");
    for (name, duration, step) in [
        ("ts_dvb_576p25_h264_aac_12s.ts", 14, 40_000.0),
        ("tos_1080p2997_aac_8s_ctawave_fmp4.mp4", 10, 33_366.7),
        ("ts_bbb_hevc_1080p24_aac51_5s.ts", 7, 41_666.7),
        ("mkv_h264_aac_560x320_5s.mkv", 13, 33_333.3),
    ] {
        let Some(path) = clip(name) else { continue };
        let mut options = options(&[("start", START), ("duration", &duration.to_string())]);
        options.outputs = vec![FeedOutput::File(out.clone())];
        options.input = FeedInput::File(path);
        options.fast = true;
        let report = run(&options, &Stop::new()).expect("runs");
        assert!(report.loops >= 1 && report.unstamped == 0, "{name}: {report:?}");
        let bytes = std::fs::read(&out).expect("it is there");
        assert_eq!(run(&options, &Stop::new()).expect("runs"), report);
        assert!(bytes == std::fs::read(&out).expect("it is there"), "{name}: two runs differ");
        let seen = decode(&out);
        assert_eq!(seen.damaged, 0, "{name}");
        assert_eq!(seen.pictures.len() as u64, report.pictures, "{name}");
        let micros: Vec<u64> = seen.pictures.iter().map(|p| p.micros.expect("stamped")).collect();
        assert_eq!(micros[0], START_SECONDS as u64 * 1_000_000, "{name}");
        for (picture, micros) in seen.pictures.iter().zip(&micros) {
            let pts = (picture.pts - START_SECONDS * 90_000).rem_euclid(WRAP) * 100 / 9;
            assert!((pts - (micros % 1_000_000_000_000_000) as i64 + START_SECONDS % 1_000_000_000 * 1_000_000).abs() <= 12, "{name}: PTS is not the stamp");
        }
        for pair in micros.windows(2) {
            let gap = pair[1] as f64 - pair[0] as f64;
            assert!((gap - step).abs() < 1100.0, "{name}: {gap} from {} on", pair[0]);
        }
        assert!((micros[micros.len() - 1] - micros[0]).abs_diff(duration * 1_000_000) < 200_000, "{name}");
        // Sound: never an overlap, and gaps only at the joins.
        let steps: Vec<i64> = seen.sound.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert!(steps.iter().all(|step| (1900..45_000).contains(step)), "{name}: {steps:?}");
        assert!(steps.iter().filter(|step| **step > 2800).count() as u64 <= report.loops, "{name}: {steps:?}");
    }
}

#[test]
fn a_file_whose_pictures_cannot_be_stamped_is_refused() {
    let Some(path) = clip("ts_bbb_mpeg2_1080p24_mp2.ts") else { return };
    let mut options = options(&[("output", "udp://127.0.0.1:9")]);
    options.input = FeedInput::File(path);
    let error = run(&options, &Stop::new()).expect_err("MPEG-2");
    assert!(error.is_usage() && error.to_string().contains("mpeg2video") && error.to_string().contains("H.264 or HEVC"), "{error}");
}

//! What is shown where the feed is away: the job's own picture, in every rung, the same on two workers.

use crate::support::{assert_interchangeable, finish, mezzo, numbers, succeed};
use ffmpeg_next as ffmpeg;
use std::path::Path;
use std::process::Command;

/// Two rungs of one shape, so that the picture is fitted into both, and sound.
const LADDER: &str = r#"
name = "two"
[[video]]
name = "large"
codec = "avc"
width = 640
height = 360
max_bitrate = "2M"
point = "ultrafast"
[[video]]
name = "small"
codec = "avc"
width = 320
height = 180
max_bitrate = "1M"
point = "ultrafast"
[[audio]]
name = "aac"
codec = "aac"
bitrate = "64k"
"#;

/// A 4:3 picture, red.
fn slate(path: &Path) {
    let args = ["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "color=red:size=400x300,format=rgb24", "-frames:v", "1"];
    assert!(Command::new("ffmpeg").args(args).arg(path).status().expect("ffmpeg runs").success());
}

/// 14 s of feed, away from 5 to 11 s, of another size behind it.
fn feed(path: &Path) {
    let args = ["feed", "--output", &path.to_string_lossy(), "--size", "640x360", "--rate", "25", "--duration", "14s", "--start", "2026-11-22T00:00:00Z"];
    let faults = ["--fault", "gap@5+6", "--fault", "size=480x480@11"];
    succeed(mezzo(&[&args[..], &faults].concat()), 60);
}

fn run(dir: &Path, out: &str, ladder: &str, filler: &str) {
    let mut command = mezzo(&["run", "-i", "feed.ts", "-o", out, "-l", ladder, "--anchor", "0=2026-11-22T00:00:00Z", "--filler", filler, "--segment", "1s"]);
    command.current_dir(dir);
    succeed(command, 120);
}

/// The luma of a few places of the first picture of a segment, and whether the segment says that it is filler.
fn seen(out: &Path, track: &str, number: i64) -> (Vec<u8>, bool) {
    let segment = std::fs::read(out.join(format!("{track}/{number}.m4s"))).expect("a segment");
    let slat = segment.windows(4).take(64).any(|four| four == b"slat");
    let path = out.join("one.mp4");
    std::fs::write(&path, [std::fs::read(out.join(track).join("init.mp4")).expect("an init"), segment].concat()).expect("written");
    ffmpeg::init().expect("libav");
    let mut input = ffmpeg::format::input(&path).expect("opens");
    let stream = input.streams().best(ffmpeg::media::Type::Video).expect("has pictures");
    let mut decoder = ffmpeg::codec::Context::from_parameters(stream.parameters()).expect("known").decoder().video().expect("opens");
    let mut picture = ffmpeg::frame::Video::empty();
    for (_, packet) in input.packets() {
        decoder.send_packet(&packet).expect("decodes");
        if decoder.receive_frame(&mut picture).is_ok() {
            break;
        }
    }
    if picture.width() == 0 {
        decoder.send_eof().expect("ends");
        decoder.receive_frame(&mut picture).expect("a picture");
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let at = |x: usize, y: usize| picture.data(0)[y * picture.stride(0) + x];
    (vec![at(4, height / 2), at(width / 2, height / 2), at(width - 5, height / 2)], slat)
}

#[test]
fn the_jobs_own_picture_fills_the_gap_in_every_rung_on_every_worker() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    std::fs::write(at.join("two.toml"), LADDER).expect("written");
    slate(&at.join("slate.png"));
    feed(&at.join("feed.ts"));
    run(at, "one", "two.toml", "slate.png");
    run(at, "other", "two.toml", "slate.png");
    assert_interchangeable("two workers with one picture", &at.join("one"), &at.join("other"), 30);

    let all = numbers(&at.join("one"), "large");
    assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "{all:?}");
    let mut filled = 0;
    for (track, number) in ["large", "small"].into_iter().flat_map(|track| all.iter().map(move |number| (track, *number))) {
        let (luma, slat) = seen(&at.join("one"), track, number);
        let [left, middle, right] = luma[..] else { panic!("three places") };
        // 63 is red; 16 is the black beside a picture of 4:3.
        if slat && left.abs_diff(16) <= 2 && right.abs_diff(16) <= 2 && middle.abs_diff(63) <= 3 {
            filled += 1;
        }
    }
    assert!(filled >= 8, "only {filled} segments begin with the picture");
    let checked = finish(mezzo(&["check", &at.join("one").to_string_lossy()]), 60);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));

    // Another filler is another class.
    run(at, "black", "two.toml", "black");
    let class = |out: &str| {
        let text = std::fs::read_to_string(at.join(out).join("resolution.json")).expect("kept");
        text.lines().find(|line| line.contains("\"class\"")).expect("a class").to_owned()
    };
    assert!(class("one") == class("other") && class("one") != class("black"));
}

#[test]
fn in_hdr_its_white_is_graphics_white() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "quiet", "-y", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=3", "-c:v", "libx265", "-preset", "ultrafast", "-g", "25"])
        .args(["-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc", "-f", "mpegts"])
        .arg(at.join("part.ts"))
        .status();
    assert!(made.expect("ffmpeg runs").success());
    let args = ["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "color=white:size=640x360,format=rgb24", "-frames:v", "1"];
    assert!(Command::new("ffmpeg").args(args).arg(at.join("white.png")).status().expect("ffmpeg runs").success());
    // The same again, five seconds later.
    let part = at.join("part.ts");
    let late = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-i"])
        .arg(&part)
        .args(["-c", "copy", "-output_ts_offset", "8"])
        .arg(at.join("late.ts"))
        .status();
    assert!(late.expect("ffmpeg runs").success());
    std::fs::write(at.join("feed.ts"), [std::fs::read(&part).expect("read"), std::fs::read(at.join("late.ts")).expect("read")].concat()).expect("written");
    let ladder = LADDER.replace("codec = \"avc\"\nwidth = 640", "codec = \"hevc\"\nwidth = 640");
    std::fs::write(at.join("hdr.toml"), ladder).expect("written");
    let mut command = mezzo(&["run", "-i", "feed.ts", "-o", "out", "-l", "hdr.toml", "--filler", "white.png", "--segment", "1s", "--no-audio"]);
    command.current_dir(at);
    succeed(command, 120);
    let bright: Vec<u8> =
        numbers(&at.join("out"), "small").into_iter().map(|n| seen(&at.join("out"), "small", n)).filter(|(_, slat)| *slat).map(|(l, _)| l[1]).collect();
    assert!(bright.iter().any(|luma| *luma >= 230), "white is white in the SDR rung: {bright:?}");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(joined(&at.join("out"), "large")).args(["-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-"]);
    let pictures = ffmpeg.output().expect("ffmpeg runs").stdout;
    let (size, middle) = (640 * 360 * 3, (180 * 640 + 320) * 2);
    let luma: Vec<u16> = pictures.chunks_exact(size).map(|p| u16::from_le_bytes([p[middle], p[middle + 1]])).collect();
    // 203 cd/m² in PQ is 0.581: 64 + 876 x 0.581 = 573 in limited range.
    assert!(luma.iter().filter(|l| l.abs_diff(573) <= 6).count() >= 50, "{luma:?}");
}

/// A track as one file.
fn joined(out: &Path, track: &str) -> std::path::PathBuf {
    let mut bytes = std::fs::read(out.join(track).join("init.mp4")).expect("an init");
    numbers(out, track).into_iter().for_each(|n| bytes.extend(std::fs::read(out.join(format!("{track}/{n}.m4s"))).expect("a segment")));
    let path = out.join("all.mp4");
    std::fs::write(&path, bytes).map(|()| path).expect("written")
}

#[test]
fn a_picture_that_cannot_be_shown_is_a_wrong_job() {
    let dir = tempfile::tempdir().expect("a folder");
    let (absent, job) = (dir.path().join("absent.png"), dir.path().join("job.toml"));
    for command in ["run", "plan"] {
        let refused =
            finish(mezzo(&[command, "-i", "testsrc:duration=2", "-o", &dir.path().join("out").to_string_lossy(), "--filler", &absent.to_string_lossy()]), 20);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(2) && said.contains("absent.png: there is no such file; accepted: black"), "{said}");
    }
    // A relative path starts at the job file.
    std::fs::write(&job, "inputs = [\"testsrc:duration=2\"]\n[timeline]\nfiller = \"beside.png\"\n").expect("written");
    let refused = finish(mezzo(&["plan", &job.to_string_lossy()]), 20);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains(&dir.path().join("beside.png").display().to_string()), "{said}");
    slate(&dir.path().join("beside.png"));
    succeed(mezzo(&["plan", &job.to_string_lossy()]), 20);
    assert!(!dir.path().join("out").exists());
}

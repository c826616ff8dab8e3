//! Feeds whose video and sound become something else in mid-event: the tracks go on, and a worker that starts behind the change makes the same segments.

use crate::support::{assert_interchangeable, mezzo, numbers, succeed};
use std::path::Path;
use std::process::Command;

/// What a part of the feed is, as ffmpeg is told it.
struct Part {
    picture: &'static str,
    video: &'static [&'static str],
    sound: &'static [&'static str],
}

const PARTS: [Part; 4] = [
    Part {
        picture: "testsrc2=s=640x360:r=25",
        video: &["-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p"],
        sound: &["-c:a", "aac", "-ac", "2"],
    },
    Part {
        picture: "testsrc2=s=720x576:r=50,setsar=64/45,interlace",
        video: &["-c:v", "mpeg2video", "-b:v", "4M", "-flags", "+ildct+ilme", "-pix_fmt", "yuv420p"],
        sound: &["-c:a", "mp2", "-ar", "44100", "-ac", "1"],
    },
    Part {
        picture: "testsrc2=s=480x480:r=50",
        video: &[
            "-c:v",
            "libx265",
            "-preset",
            "superfast",
            "-x265-params",
            "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
            "-pix_fmt",
            "yuv420p10le",
        ],
        sound: &["-an"],
    },
    Part {
        picture: "testsrc2=s=320x180:r=25",
        video: &["-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv422p"],
        sound: &["-c:a", "ac3", "-ac", "6"],
    },
];
/// Seconds of each.
const LONG: u32 = 10;

fn encoded(dir: &Path, number: u32, part: &Part) -> Vec<u8> {
    let path = dir.join("part.ts");
    let made = Command::new("ffmpeg")
        .args(["-v", "quiet", "-y", "-f", "lavfi", "-i", part.picture, "-f", "lavfi", "-i", "sine=r=48000", "-t", &LONG.to_string(), "-g", "25"])
        .args(part.video)
        .args(part.sound)
        .args(["-output_ts_offset", &(10 + number * LONG).to_string(), "-f", "mpegts"])
        .arg(&path)
        .status();
    assert!(made.expect("ffmpeg runs").success());
    std::fs::read(path).expect("written")
}

/// Runs in a folder of its own, so that both workers have the same job.
fn run(dir: &Path, feed: &[u8]) {
    std::fs::create_dir_all(dir).expect("a folder");
    std::fs::write(dir.join("feed.ts"), feed).expect("written");
    let mut command = mezzo(&["run", "--input", "feed.ts", "--ladder", "tiny", "--anchor", "10=2026-11-22T00:00:00Z", "--output", "out"]);
    command.current_dir(dir);
    let run = succeed(command, 240);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(!said.contains("not followed"), "{said}");
}

#[test]
fn tracks_outlive_every_change_and_depend_on_nothing_before_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let parts: Vec<Vec<u8>> = (0..).zip(&PARTS).map(|(number, part)| encoded(dir.path(), number, part)).collect();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    run(&first, &parts.concat());
    let out = first.join("out");
    for track in ["avc-180p", "aac-64k"] {
        let numbers = numbers(&out, track);
        // Forty seconds in segments of two, less the run-up.
        assert!(numbers.len() >= 17 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{track}: {numbers:?}");
    }
    succeed(mezzo(&["check", &out.to_string_lossy()]), 120);

    // A worker that starts in the second part, with what the first has found out about the source.
    let cut = parts[1].len() / 188 / 4 * 188;
    std::fs::create_dir_all(second.join("out")).expect("a folder");
    std::fs::copy(out.join("resolution.json"), second.join("out/resolution.json")).expect("it is there");
    run(&second, &[&parts[1][cut..], &parts[2], &parts[3]].concat());
    assert_interchangeable("behind the change", &out, &second.join("out"), 18);
}

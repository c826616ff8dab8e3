//! A programme that moves to other PIDs in mid-feed.

use crate::capture::media_tests::open_path;
use crate::capture::{Kind, Lost, Read};
use std::path::Path;
use std::process::{Command, Stdio};

/// A transport stream of a few seconds, its programme on PIDs from `pid` on, its time from `offset` on.
fn made(dir: &Path, name: &str, codec: &str, pid: u32, version: u32, offset: u32) -> Vec<u8> {
    let path = dir.join(name);
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=3", "-f", "lavfi", "-i", "sine=r=48000:d=3"])
        .args(["-c:v", codec, "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "mp2", "-output_ts_offset", &offset.to_string()])
        .args(["-mpegts_start_pid", &pid.to_string(), "-mpegts_pmt_start_pid", "4096", "-tables_version", &version.to_string(), "-f", "mpegts"])
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("ffmpeg runs").success());
    std::fs::read(path).expect("written")
}

#[test]
fn a_programme_that_moves_to_other_pids_is_followed() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut feed = made(dir.path(), "a.ts", "libx264", 256, 0, 10);
    feed.extend(made(dir.path(), "b.ts", "libx264", 512, 1, 13));
    let path = dir.path().join("feed.ts");
    std::fs::write(&path, feed).expect("written");
    let (_, mut input) = open_path(&path).unwrap_or_else(|e| panic!("{e}"));
    let (mut kinds, mut moves, mut strays) = ([0, 0], 0, 0);
    loop {
        match input.read().expect("a file") {
            Read::Unit(unit) => kinds[usize::from(unit.kind != Kind::Video)] += 1,
            Read::Lost(Lost::Moved) => moves += 1,
            Read::Lost(_) => strays += 1,
            Read::End => break,
            Read::Stopped => panic!("nobody asked for it"),
        }
    }
    // The last two pictures before the move are not complete for libav before more comes on their PID, or the end.
    assert!((148..=150).contains(&kinds[0]) && moves == 2, "{} pictures, {moves} moves", kinds[0]);
    // 24 ms a packet.
    assert!((248..=252).contains(&kinds[1]) && strays == 0, "sound {}, strays {strays}", kinds[1]);
}

#[test]
fn another_codec_in_the_videos_place_is_an_error_and_no_silent_loss() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut feed = made(dir.path(), "a.ts", "libx264", 256, 0, 10);
    feed.extend(made(dir.path(), "b.ts", "mpeg2video", 512, 1, 13));
    let path = dir.path().join("feed.ts");
    std::fs::write(&path, feed).expect("written");
    let (_, mut input) = open_path(&path).unwrap_or_else(|e| panic!("{e}"));
    let mut pictures = 0;
    let error = loop {
        match input.read() {
            Ok(Read::Unit(unit)) => pictures += usize::from(unit.kind == Kind::Video),
            Ok(Read::End | Read::Stopped) => panic!("the rest was lost silently"),
            Ok(Read::Lost(_)) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(pictures >= 73 && error.contains("from h264 to mpeg2video"), "{pictures} pictures, {error}");
}

//! A programme that moves to other PIDs in mid-feed.

use crate::capture::media_tests::open_path;
use crate::capture::{Kind, Lost, Read, open};
use crate::job::{Pace, Select};
use crate::stop::Stop;
use ffmpeg_next::codec::Id;
use std::path::Path;
use std::process::{Command, Stdio};

/// A transport stream of a few seconds, its programme on PIDs from `pid` on, its time from `offset` on.
fn made(dir: &Path, name: &str, codec: &str, pid: u32, version: u32, offset: u32) -> Vec<u8> {
    let path = dir.join(name);
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=3", "-f", "lavfi", "-i", "sine=r=48000:d=3"])
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

/// Reads a file and says how many pictures and packets of sound of each codec came, in order of appearance.
fn codecs(path: &Path, select: &Select) -> Vec<(Kind, Id, usize)> {
    let (_, mut input) = open(path.to_str().expect("UTF-8"), Pace::Live, select, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    let mut seen: Vec<(Kind, Id, usize)> = Vec::new();
    loop {
        match input.read().expect("a file") {
            Read::Unit(unit) => {
                let what = (unit.kind, unit.stream.parameters.id());
                match seen.iter_mut().find(|(kind, id, _)| (*kind, *id) == what) {
                    Some((.., count)) => *count += 1,
                    None => seen.push((what.0, what.1, 1)),
                }
            }
            Read::Lost(_) => {}
            Read::End => return seen,
            Read::Stopped => panic!("nobody asked for it"),
        }
    }
}

/// The same PIDs or others: what stands in the video's place is the video, and libav's own view of the PID is no matter.
#[test]
fn another_codec_in_the_videos_place_is_followed() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("feed.ts");
    for (codec, id, pid) in [("mpeg2video", Id::MPEG2VIDEO, 512), ("mpeg2video", Id::MPEG2VIDEO, 256), ("libx265", Id::HEVC, 256)] {
        let mut feed = made(dir.path(), "a.ts", "libx264", 256, 0, 10);
        feed.extend(made(dir.path(), "b.ts", codec, pid, 1, 13));
        std::fs::write(&path, feed).expect("written");
        let seen = codecs(&path, &Select::default());
        let count = |kind: Kind, id: Id| seen.iter().filter(|(k, i, _)| (*k, *i) == (kind, id)).map(|(.., n)| *n).sum::<usize>();
        assert!((73..=75).contains(&count(Kind::Video, Id::H264)) && (74..=75).contains(&count(Kind::Video, id)), "{codec} {pid}: {seen:?}");
        assert!(count(Kind::Audio(0), Id::MP2) >= 248, "{codec} {pid}: {seen:?}");
    }
}

#[test]
fn sound_that_comes_later_or_becomes_something_else_is_taken() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("feed.ts");
    let one = |name: &str, sound: &[&str], offset: u32| {
        let to = dir.path().join(name);
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=6", "-f", "lavfi", "-i", "sine=r=48000:d=6"])
            .args(["-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p"])
            .args(sound)
            .args(["-output_ts_offset", &offset.to_string(), "-f", "mpegts"])
            .arg(&to)
            .stdin(Stdio::null())
            .status();
        assert!(made.expect("ffmpeg runs").success());
        std::fs::read(to).expect("written")
    };
    let mut feed = one("a.ts", &["-an"], 10);
    feed.extend(one("b.ts", &["-c:a", "aac"], 16));
    feed.extend(one("c.ts", &["-c:a", "ac3"], 22));
    std::fs::write(&path, feed).expect("written");
    let select = Select { audio: vec!["auto?".parse().expect("legal")], ..Select::default() };
    let sound: Vec<(Id, usize)> = codecs(&path, &select).into_iter().filter(|(kind, ..)| *kind == Kind::Audio(0)).map(|(_, id, n)| (id, n)).collect();
    assert!(matches!(sound[..], [(Id::AAC, 275..=285), (Id::AC3, 180..=190)]), "{sound:?}");
}

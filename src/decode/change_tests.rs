//! Feeds that become something else in mid-feed, made of the encodes of several coders, one behind the other.

use super::*;
use crate::capture::media_tests::open_path;
use crate::capture::{Kind, Read};
use crate::time::Seconds;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::{Command, Stdio};

/// Six seconds of a moving picture as MPEG-TS, its time from `offset` on.
fn encoded(dir: &Path, offset: u32, picture: &str, coder: &[&str]) -> Vec<u8> {
    let path = dir.join("part.ts");
    let made = Command::new("ffmpeg")
        .args(["-v", "quiet", "-y", "-f", "lavfi", "-i", picture, "-t", "6", "-g", "25"])
        .args(coder)
        .args(["-output_ts_offset", &offset.to_string(), "-f", "mpegts"])
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("ffmpeg runs").success());
    std::fs::read(path).expect("written")
}

/// By time: the picture's size, whether it has fields, whether it is a key picture, and a digest of its samples.
type Seen = BTreeMap<Seconds, ((u32, u32), bool, bool, u64)>;

/// Decodes a file as a source of these facts, its own where none are given.
fn decode(path: &Path, facts: Option<&SourceFacts>) -> (Seen, SourceFacts) {
    let (source, mut input) = open_path(path).unwrap_or_else(|e| panic!("{e}"));
    let facts = facts.cloned().unwrap_or(source.facts);
    let mut decoding = Decoding::open(&source.video, &facts, 2).expect("a decoder");
    let mut pictures = Vec::new();
    loop {
        match input.read().expect("a file") {
            Read::Unit(unit) if unit.kind == Kind::Video => decoding.push(&unit, &mut pictures),
            Read::End => break,
            _ => {}
        }
    }
    decoding.flush(&mut pictures);
    let seen = pictures.into_iter().map(|p| {
        let mut hash = DefaultHasher::new();
        for plane in 0..p.picture.planes() {
            let (stride, width) = (p.picture.stride(plane), p.picture.plane_width(plane) as usize);
            p.picture.data(plane).chunks(stride).for_each(|row| row[..width.min(row.len())].hash(&mut hash));
        }
        (p.pts, ((p.picture.width(), p.picture.height()), p.picture.is_interlaced(), p.key, hash.finish()))
    });
    (seen.collect(), facts)
}

/// What a change is to, the picture, its coder, and its size.
type Change = (&'static str, &'static str, &'static [&'static str], (u32, u32));

const H264: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"];
const SMALL: &str = "testsrc2=s=320x180:r=25";

#[test]
fn after_a_change_the_pictures_are_those_of_a_worker_that_starts_behind_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("feed.ts");
    let changes: &[Change] = &[
        ("another codec", SMALL, &["-c:v", "mpeg2video", "-b:v", "2M", "-bf", "2", "-pix_fmt", "yuv420p"], (320, 180)),
        (
            "another codec, size and depth",
            "testsrc2=s=480x360:r=25",
            &["-c:v", "libx265", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le"],
            (480, 360),
        ),
        ("another size", "testsrc2=s=424x240:r=25", H264, (424, 240)),
        (
            "fields",
            "testsrc2=s=352x288:r=50,interlace",
            &["-c:v", "mpeg2video", "-b:v", "3M", "-flags", "+ildct+ilme", "-top", "1", "-pix_fmt", "yuv420p"],
            (352, 288),
        ),
        (
            "fields of the same codec",
            "testsrc2=s=320x192:r=50,interlace",
            &["-c:v", "libx264", "-flags", "+ildct+ilme", "-x264-params", "tff=1", "-pix_fmt", "yuv420p"],
            (320, 192),
        ),
        ("another rate", "testsrc2=s=320x180:r=50", &["-c:v", "mpeg2video", "-b:v", "2M", "-pix_fmt", "yuv420p"], (320, 180)),
    ];
    let first = encoded(dir.path(), 10, SMALL, H264);
    for (what, picture, coder, size) in changes {
        let second = encoded(dir.path(), 16, picture, coder);
        std::fs::write(&path, [first.as_slice(), &second].concat()).expect("written");
        let (whole, facts) = decode(&path, None);
        assert!(!facts.interlaced, "{what}");
        // What is coded behind the last complete picture of the old stream may be lost.
        let start = *whole.keys().next().expect("pictures");
        let old = whole.range(..start + Seconds::whole(6)).filter(|(_, (seen, ..))| *seen == (320, 180)).count();
        assert!(old >= 147, "{what}: {old} pictures before the change");
        // From early in the second part on.
        let cut = second.len() / 188 / 8 * 188;
        std::fs::write(&path, &second[cut..]).expect("written");
        let (joined, _) = decode(&path, Some(&facts));
        let trusted = joined.iter().filter(|(_, (_, _, key, _))| *key).nth(1).map(|(pts, _)| *pts).expect("a second key picture");
        let common: Vec<_> = joined.range(trusted..).collect();
        assert!(common.len() >= 45, "{what}: {} pictures", common.len());
        for (pts, picture) in common {
            assert_eq!(whole.get(pts), Some(picture), "{what}: at {pts:?}");
            assert_eq!((picture.0, picture.1), (*size, false), "{what}: at {pts:?}");
        }
    }
}

/// What cannot be decoded is counted, and what comes after it is decoded again.
#[test]
fn a_stream_that_nothing_decodes_is_survived() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("feed.ts");
    std::fs::write(&path, encoded(dir.path(), 10, SMALL, H264)).expect("written");
    let (source, mut input) = open_path(&path).unwrap_or_else(|e| panic!("{e}"));
    let mut decoding = Decoding::open(&source.video, &source.facts, 1).expect("a decoder");
    let (unknown, again) = (Arc::new(StreamInfo::new(7, ffmpeg_next::codec::Parameters::new(), (1, 90_000))), Arc::clone(&source.video));
    let (mut pictures, mut number) = (Vec::new(), 0);
    while let Read::Unit(unit) = input.read().expect("a file") {
        number += 1;
        let stream = Arc::clone(if (50..60).contains(&number) { &unknown } else { &again });
        decoding.push(&Unit { stream, ..unit }, &mut pictures);
    }
    decoding.flush(&mut pictures);
    let counters = decoding.counters();
    assert_eq!(counters.errors, 10, "{counters:?}");
    // From the key picture behind it on: 76.
    assert!((49 + 70..=49 + 76).contains(&pictures.len()), "{} pictures", pictures.len());
    assert!(pictures.iter().all(|p| !p.renewed), "its time goes on");
}

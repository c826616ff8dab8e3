//! Real coded pictures and sound through the muxer, read back by ffprobe and ffmpeg.

use super::run_tests::{Out, publish, settings};
use super::test_kit::{Clip, audio, demux, encode, ffmpeg, grid, rendition, video};
use super::*;
use crate::encode::{Packet, Stats};
use crate::frame::End;
use ffmpeg_next::media::Type;
use std::path::Path;

const FIRST: i64 = 850_000_000;

/// What the encoders would send for one track.
pub fn messages(track: &TrackSpec, clip: &Clip, first: GopId) -> Vec<ToMux> {
    let id = track.id;
    let mut out = Vec::new();
    let mut gop = first;
    let mut start = 0;
    while start < clip.units.len() {
        let count = (track.units(gop) as usize).min(clip.units.len() - start);
        let units = &clip.units[start..start + count];
        let base = units.iter().map(|u| u.0).min().expect("not empty");
        let ticks = units.iter().map(|u| u.0 - base).filter(|d| *d > 0).min().unwrap_or(1);
        for (i, (pts, key, data)) in units.iter().enumerate() {
            let place = if track.name == "a" { i as i64 } else { (pts - base) / ticks };
            let packet = Packet { time: track.first_unit(gop) + place, idr: *key, data: data.clone() };
            out.push(ToMux::Packet { track: id, gop, attempt: 0, packet });
        }
        start += count;
        let stats = Stats { units: count as u32, last: start == clip.units.len(), ..Stats::default() };
        out.push(ToMux::Done { track: id, gop, attempt: 0, stats });
        gop = gop.next();
    }
    out.push(ToMux::End { track: id, end: End::Ended });
    out
}

fn write(out: &Out, dir: &Path) {
    for (path, bytes) in &out.files {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().expect("has one")).expect("can be made");
        std::fs::write(path, bytes).expect("can be written");
    }
}

/// Muxes 200 pictures (three GOPs and a short one) and their sound; the folder, and the number of sound frames.
fn published(rate: &str, chunk_slots: Option<u32>, first: GopId) -> (tempfile::TempDir, usize) {
    let dir = tempfile::tempdir().expect("a folder");
    let source = dir.path().join("source.mp4");
    encode(&source, rate, 60, 200);
    let (num, den) = rate.split_once('/').map_or((rate, "1"), |r| r);
    let grid = grid(num.parse().expect("number"), den.parse().expect("number"), 60);
    let (pictures, sound) = (demux(&source, Type::Video), demux(&source, Type::Audio));
    let tracks = vec![video(0, rendition("v", 320, 180, 1_000_000, grid), pictures.config.clone()), audio(1, "a", 96_000, grid, "eng", sound.config.clone())];
    let mut input = messages(&tracks[0], &pictures, first);
    input.extend(messages(&tracks[1], &sound, first));
    let frames = sound.units.len();
    let out = publish(tracks, Settings { chunking: chunk_slots.map(|slots| Chunking { slots, prft: true }), ..settings() }, input).expect("muxes");
    assert_eq!(out.counts("findings undecodable gaps over_cap stale"), [0; 5]);
    write(&out, dir.path());
    (dir, frames)
}

fn concatenated(dir: &Path, track: &str) -> String {
    let mut names: Vec<_> = std::fs::read_dir(dir.join(track))
        .expect("a folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "m4s"))
        .collect();
    names.sort();
    let mut bytes = std::fs::read(dir.join(track).join("init.mp4")).expect("an init");
    names.iter().for_each(|p| bytes.extend(std::fs::read(p).expect("a segment")));
    let path = dir.join(format!("{track}.mp4"));
    std::fs::write(&path, bytes).expect("can be written");
    path.to_str().expect("UTF-8").to_owned()
}

fn pictures(path: &str) -> Vec<String> {
    hashes(&ffmpeg(&["ffmpeg", "-v", "error", "-xerror", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"]))
}

fn hashes(text: &str) -> Vec<String> {
    text.lines().filter(|l| !l.starts_with('#')).map(|l| l.rsplit(',').next().expect("a hash").trim().to_owned()).collect()
}

#[test]
fn ffmpeg_reads_the_same_pictures_at_the_times_of_the_grid() {
    for (rate, chunk, timescale, ticks) in [("30000/1001", None, 30_000, 1001), ("25", Some(10), 25_000, 1000)] {
        let (dir, frames) = published(rate, chunk, GopId(FIRST));
        let (v, a) = (concatenated(dir.path(), "v"), concatenated(dir.path(), "a"));
        assert_eq!(pictures(&v), pictures(dir.path().join("source.mp4").to_str().expect("UTF-8")), "{rate}");
        let pts = ffmpeg(&["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts", "-of", "csv=p=0", &v]);
        let pts: Vec<i64> = pts.lines().filter(|l| !l.is_empty()).map(|l| l.trim_end_matches(',').parse().expect("a number")).collect();
        // libav's MP4 reader adds the largest negative composition offset that it has seen to every PTS (`dts_shift`); without an edit list it never takes it off.
        let init = crate::inspect::init(&std::fs::read(dir.path().join("v/init.mp4")).expect("an init")).expect("reads");
        let segment = std::fs::read(dir.path().join(format!("v/{FIRST}.m4s"))).expect("a segment");
        let facts = crate::inspect::segment(&segment, Some(&init)).expect("reads");
        let shift = facts.samples().map(|s| -s.cts).max().expect("samples");
        assert!(shift > 0, "the clip has no B pictures");
        assert_eq!(pts, (0..200).map(|n| (FIRST * 60 + n) * ticks + shift).collect::<Vec<_>>());
        let stream = "stream=codec_tag_string,profile,width,height,time_base,color_space,color_range,sample_aspect_ratio,start_pts";
        let text = ffmpeg(&["ffprobe", "-v", "error", "-show_entries", stream, "-of", "default=nk=0:nw=1", &v]);
        for line in ["codec_tag_string=avc1", "width=320", "color_space=bt709", "sample_aspect_ratio=1:1", &format!("time_base=1/{timescale}")] {
            assert!(text.lines().any(|l| l == line), "{line} is not in {text}");
        }
        let text = ffmpeg(&["ffprobe", "-v", "error", "-show_entries", "packet=pts", "-of", "csv=p=0", &a]);
        let first = (i128::from(FIRST) * 60 * 48_000 * i128::from(ticks) + i128::from(timescale) * 1024 - 1) / (i128::from(timescale) * 1024);
        let expected = (0..frames as i128).map(|n| ((first + n) * 1024).to_string()).collect::<Vec<_>>();
        assert_eq!(text.lines().map(|l| l.trim_end_matches(',').to_owned()).collect::<Vec<_>>(), expected);
        assert_eq!(ffmpeg(&["ffmpeg", "-v", "error", "-xerror", "-i", &a, "-f", "null", "-"]), "");
    }
}

#[test]
fn ffmpeg_plays_the_playlists() {
    let (dir, frames) = published("30000/1001", None, GopId(FIRST));
    let main = dir.path().join("main.m3u8");
    let main = main.to_str().expect("UTF-8");
    let count = |path: &str, what: &str| {
        let select = what.to_owned() + ":0";
        let text =
            ffmpeg(&["ffprobe", "-v", "error", "-select_streams", &select, "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", path]);
        text.lines().next().expect("a line").trim_end_matches(',').parse::<usize>().expect("a number")
    };
    assert_eq!((count(main, "v"), count(main, "a")), (200, frames));
}

/// A file that was not anchored begins at the epoch; libav plays its manifest, which is static, from the start.
#[test]
fn ffmpeg_plays_the_manifest_of_a_file() {
    let (dir, _) = published("25", None, GopId(0));
    let manifest = dir.path().join("manifest.mpd");
    let text = std::fs::read_to_string(&manifest).expect("is there");
    assert!(text.contains("type=\"static\"") && text.contains("mediaPresentationDuration=\"PT8S\""), "{text}");
    let dash = std::process::Command::new("ffmpeg").args(["-v", "error", "-demuxers"]).output().expect("runs");
    if !String::from_utf8_lossy(&dash.stdout).contains(" dash ") {
        return eprintln!("skipped: this ffmpeg has no DASH demuxer");
    }
    // libav asks for one number too many at the end of every static template, and says so: only what it decoded counts.
    let all = ["-v", "quiet", "-i", manifest.to_str().expect("UTF-8"), "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let out = std::process::Command::new("ffmpeg").args(all).output().expect("runs");
    assert_eq!(hashes(&String::from_utf8(out.stdout).expect("text")), pictures(dir.path().join("source.mp4").to_str().expect("UTF-8")));
}

//! What is not marked is what it would have been without damage, wherever and however packets are damaged.

use super::super::tests::{Line, decode, hash, opened, run};
use super::*;
use crate::capture::media_tests::clip;
use crate::capture::{Kind, Unit};
use ffmpeg_next::packet::Flags;
use std::collections::HashMap;

/// Numbers from a seed: xorshift.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// A lost datagram: what it held is missing, and where that had the head of the next access unit, the two are one packet.
fn damaged(units: &[Unit], chance: &mut Chance) -> Vec<Unit> {
    let (mut out, mut at, mut next) = (Vec::new(), 0, 30 + chance.below(EVERY));
    while let Some(unit) = units.get(at) {
        let data = unit.packet.data().expect("not empty");
        at += 1;
        if at <= next {
            out.push(Unit { packet: share_packet(&unit.packet).expect("memory"), stream: unit.stream.clone(), ..*unit });
            continue;
        }
        next = at + 10 + chance.below(EVERY);
        let cut = chance.below(data.len());
        let mut bytes = data[..cut].to_vec();
        match units.get(at).filter(|_| chance.below(2) == 0) {
            Some(following) => {
                let tail = following.packet.data().expect("not empty");
                bytes.extend(&tail[chance.below(tail.len()).min(1200)..]);
                at += 1;
            }
            None => bytes.extend(&data[(cut + 1300).min(data.len())..]),
        }
        let mut packet = Packet::copy(&bytes);
        packet.set_pts(unit.packet.pts());
        packet.set_dts(unit.packet.dts());
        packet.set_duration(unit.packet.duration());
        packet.set_flags(unit.packet.flags() | Flags::CORRUPT);
        out.push(Unit { packet, hurt: true, stream: unit.stream.clone(), ..*unit });
    }
    out
}

/// Rounds of each clip; with sixty of them nothing else was found.
const SEEDS: u64 = 3;
/// Packets between two damaged ones, at most, beyond the first ten.
const EVERY: usize = 60;
/// Hundredths of the pictures that are without a mark, at least: about two GOPs of five are damaged.
const KEPT: usize = 30;

/// And of a feed without key pictures, where a mark lasts for three periods of 24 pictures, and there are ten.
const KEPT_OF_REFRESHED: usize = 5;

fn check(path: &std::path::Path, kept: usize) {
    let name = path.display();
    crate::ffmpeg::pin_cpu();
    let (source, mut units) = opened(path);
    units.retain(|unit| unit.kind == Kind::Video);
    let whole: HashMap<Seconds, Line> = decode(&source, &units, 1).iter().map(|p| (p.pts, (p.pts, p.key, hash(&p.picture)))).collect();
    for seed in 1..=SEEDS {
        let threads = 1 + seed as usize % 3;
        let hurt = damaged(&units, &mut Chance(seed));
        let count = hurt.iter().filter(|unit| unit.hurt).count();
        let mut decoder = VideoDecoder::open(&source.video, &source.facts, threads).expect("a decoder opens");
        let mut pictures = Vec::new();
        hurt.iter().for_each(|unit| decoder.push(unit, &mut pictures));
        decoder.flush(&mut pictures);
        let clean: Vec<Line> = pictures.iter().filter(|p| !p.damaged).map(|p| (p.pts, p.key, hash(&p.picture))).collect();
        let wrong: Vec<Seconds> = clean.iter().filter(|line| whole.get(&line.0) != Some(line)).map(|line| line.0).collect();
        assert_eq!(wrong, [], "{name}, {seed}, {threads} threads: {count} damaged packets, and not marked are these that differ, of {}", clean.len());
        assert!(clean.windows(2).all(|two| two[0].0 < two[1].0), "{name}, {seed}: in order");
        let share = clean.len() * 100 / whole.len();
        assert!(share >= kept, "{name}, {seed}: {share} % are without a mark");
        // libav shows none of a GOP of HEVC whose key picture has lost its head.
        assert!(pictures.len() + 3 * count + 24 >= whole.len(), "{name}, {seed}: {} of {}", pictures.len(), whole.len());
    }
}

/// Four seconds of film, small, as `options` encode it.
fn made(dir: &std::path::Path, name: &str, options: &[&str]) -> Option<std::path::PathBuf> {
    let film = clip("d_ts_tos_1080p2997_scte35_injected.ts")?;
    let to = dir.join(format!("{name}.ts"));
    let mut args = vec!["-v", "error", "-i", film.to_str().expect("UTF-8"), "-an", "-vf", "scale=640:-2"];
    args.extend(options);
    args.push(to.to_str().expect("UTF-8"));
    run("ffmpeg", &args);
    Some(to)
}

#[test]
fn what_is_not_marked_is_as_without_damage() {
    let dir = tempfile::tempdir().expect("a directory");
    let gop = "keyint=24:min-keyint=24:scenecut=0";
    let x264 = |name: &str, preset: &str, params: &str| {
        made(dir.path(), name, &["-c:v", "libx264", "-preset", preset, "-crf", "24", "-x264-params", &format!("{gop}{params}")])
    };
    let x265 = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=24:min-keyint=24:open-gop=1:bframes=3:scenecut=0:log-level=none"];
    let mpeg2 = ["-c:v", "mpeg2video", "-b:v", "4M", "-g", "12", "-bf", "2", "-flags", "+ildct+ilme"];
    let clips = [
        x264("cavlc", "ultrafast", ""),
        x264("b", "veryfast", ":bframes=3:b-adapt=0"),
        x264("open", "veryfast", ":bframes=3:b-adapt=0:open-gop=1"),
        x264("fields", "veryfast", ":bframes=2:tff=1"),
        made(dir.path(), "hevc", &x265),
        made(dir.path(), "mpeg2", &mpeg2),
    ];
    clips.iter().flatten().for_each(|path| check(path, KEPT));
    let refreshed = x264("refreshed", "veryfast", ":intra-refresh=1");
    refreshed.iter().for_each(|path| check(path, KEPT_OF_REFRESHED));
}

/// What a decoder shows of a clip of which some packets lost all but `left` bytes: of every picture its time, whether it is marked, and whether it is as in the whole clip.
fn shown_without(path: &std::path::Path, lost: &[usize], left: usize, threads: usize) -> (usize, Vec<(Seconds, bool, bool)>, u64) {
    crate::ffmpeg::pin_cpu();
    let (source, mut units) = opened(path);
    units.retain(|unit| unit.kind == Kind::Video);
    let whole: HashMap<Seconds, String> = decode(&source, &units, 1).iter().map(|p| (p.pts, hash(&p.picture))).collect();
    for n in lost {
        let unit = &mut units[*n];
        let mut packet = Packet::copy(&unit.packet.data().expect("not empty")[..left]);
        packet.set_pts(unit.packet.pts());
        packet.set_dts(unit.packet.dts());
        packet.set_duration(unit.packet.duration());
        (unit.packet, unit.hurt) = (packet, true);
    }
    let mut decoder = VideoDecoder::open(&source.video, &source.facts, threads).expect("a decoder opens");
    let mut pictures = Vec::new();
    units.iter().for_each(|unit| decoder.push(unit, &mut pictures));
    decoder.flush(&mut pictures);
    let lines = pictures.iter().map(|p| (p.pts, p.damaged, whole.get(&p.pts) == Some(&hash(&p.picture)))).collect();
    (whole.len(), lines, decoder.counters().renewed)
}

/// A packet without a picture in it just before a key picture is an error that libav tells when it is told of the end.
#[test]
fn what_the_old_decoder_holds_is_shown() {
    let dir = tempfile::tempdir().expect("a directory");
    let gop = "keyint=24:min-keyint=24:scenecut=0";
    let Some(path) = made(dir.path(), "plain", &["-c:v", "libx264", "-preset", "ultrafast", "-x264-params", gop]) else { return };
    for lost in 44..48 {
        // An access unit delimiter.
        let (whole, lines, renewed) = shown_without(&path, &[lost], 6, 4);
        assert_eq!((lines.len(), renewed), (whole - 1, 1), "packet {lost}");
        let wrong = lines.iter().filter(|(_, marked, same)| !marked && !same).count();
        let marked = lines.iter().filter(|(_, marked, _)| *marked).count();
        assert!(wrong == 0 && marked < 8, "packet {lost}: {wrong} differ without a mark, {marked} are marked");
    }
}

/// A worker that joins where pictures are refreshed bit by bit marks those that may not be as they should.
#[test]
fn who_joins_at_a_recovery_point_shows_nothing_else_without_a_mark() {
    crate::ffmpeg::pin_cpu();
    let dir = tempfile::tempdir().expect("a directory");
    for frames in ["bframes=0", "bframes=3"] {
        let refresh = format!("keyint=24:min-keyint=24:scenecut=0:intra-refresh=1:{frames}");
        let Some(path) = made(dir.path(), frames, &["-c:v", "libx264", "-preset", "veryfast", "-x264-params", &refresh]) else { return };
        let (source, mut units) = opened(&path);
        units.retain(|unit| unit.kind == Kind::Video);
        let whole: HashMap<Seconds, String> = decode(&source, &units, 1).iter().map(|p| (p.pts, hash(&p.picture))).collect();
        let mut differ = 0;
        for from in (1..units.len() / 2).filter(|n| units[*n].packet.is_key()) {
            let joined = decode(&source, &units[from..], 2);
            let wrong: Vec<_> = joined.iter().filter(|p| whole.get(&p.pts) != Some(&hash(&p.picture))).collect();
            differ += wrong.len();
            assert!(wrong.iter().all(|p| p.damaged), "{frames}, from {from}: {} differ", wrong.len());
            assert!(joined.last().is_some_and(|p| !p.damaged), "{frames}, from {from}: the mark ends");
        }
        assert!(frames != "bframes=0" || differ > 0, "x264's recovery points are exact: the second refresh need not be waited for");
    }
}

/// Without key pictures, the old decoder goes on until all of the picture has been refreshed behind damage.
#[test]
fn where_pictures_are_refreshed_bit_by_bit_none_is_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let refresh = "keyint=24:min-keyint=24:scenecut=0:intra-refresh=1";
    let Some(path) = made(dir.path(), "refreshed", &["-c:v", "libx264", "-preset", "veryfast", "-x264-params", refresh]) else { return };
    for threads in [1, 4] {
        let (whole, lines, renewed) = shown_without(&path, &[40], 200, threads);
        assert_eq!((lines.len(), renewed), (whole, 1), "{threads} threads: all are shown");
        assert!(lines.windows(2).all(|two| two[0].0 < two[1].0), "in order");
        let wrong = lines.iter().filter(|(_, marked, same)| !marked && !same).count();
        let marked = lines.iter().filter(|(_, marked, _)| *marked).count();
        assert!(wrong == 0 && (8..=130).contains(&marked), "{threads} threads: {wrong} differ without a mark, {marked} are marked");
        assert!(lines.last().is_some_and(|(_, marked, same)| !marked && *same));
        // A loss in every period: it never heals, and all goes on being shown.
        let every: Vec<usize> = (40..whole - 10).step_by(20).collect();
        let (whole, lines, _) = shown_without(&path, &every, 200, threads);
        assert_eq!(lines.len(), whole);
        assert!(lines.iter().all(|(_, marked, same)| *marked || *same));
    }
}

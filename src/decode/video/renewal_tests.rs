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

fn check(path: &std::path::Path) {
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
        assert!(share >= KEPT, "{name}, {seed}: {share} % are without a mark");
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
    clips.iter().flatten().for_each(|path| check(path));
}

//! Lip sync: the pattern flashes in the first picture of every UTC second and beeps exactly on it. What is published keeps the relation that sound and picture have
//! in the feed within 5 ms, whatever places the feed on the grid and whatever its sound is coded in. Times are those of `tfdt`, samples those that libav decodes.

use crate::support::{mezzo, numbers, succeed};
use ffmpeg_next as ffmpeg;
use mezzo::inspect;
use mezzo::pattern::Size;
use mezzo::pattern::picture::{Area, Pattern};
use mezzo::pattern::tone;
use mezzo::time::{Rate, Seconds};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// When every feed begins; between two whole seconds, and on no slot of a fractional rate.
const START: &str = "2026-11-21T20:15:30.5Z";
/// Where the anchors put the first picture: on no slot of any grid here.
const AWAY: &str = "2026-11-22T08:00:00.0137Z";
const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;

fn most() -> Seconds {
    Seconds::new(5, 1000)
}

/// When the flashes and the beeps of something are, in its own time.
#[derive(Debug)]
pub struct Seen {
    pub flashes: Vec<Seconds>,
    beeps: Vec<Seconds>,
    /// Of the first picture.
    first: Seconds,
}

fn nearest(times: &[Seconds], to: Seconds) -> Seconds {
    *times.iter().min_by_key(|t| (**t - to).abs()).expect("some")
}

impl Seen {
    /// How far the flash at `flash` is behind its beep; nothing where no beep is near.
    pub fn skew(&self, flash: Seconds) -> Option<Seconds> {
        let skew = flash - nearest(&self.beeps, flash);
        (skew.abs() < Seconds::HALF).then_some(skew)
    }
}

/// The middle of the pattern's flash, in pictures of this size.
fn flash_area(rate: Rate, width: u32, height: u32) -> Area {
    // To paint a pattern takes longer than to decode a picture.
    static AREA: OnceLock<Area> = OnceLock::new();
    let area = AREA.get_or_init(|| Pattern::new(Size::new(WIDTH, HEIGHT).expect("legal"), rate).flash_area());
    let (x, y) = (|n: usize| n * width as usize / WIDTH as usize, |n: usize| n * height as usize / HEIGHT as usize);
    let (inset_x, inset_y) = ((area.right - area.left) / 4, (area.bottom - area.top) / 4);
    Area { left: x(area.left + inset_x), right: x(area.right - inset_x), top: y(area.top + inset_y), bottom: y(area.bottom - inset_y) }
}

/// Whether the flash is lit in a picture.
fn lit(picture: &ffmpeg::frame::Video, rate: Rate) -> bool {
    let area = flash_area(rate, picture.width(), picture.height());
    let rows = (area.top..area.bottom).map(|row| &picture.data(0)[row * picture.stride(0)..][area.left..area.right]);
    let sum: usize = rows.flatten().map(|luma| usize::from(*luma)).sum();
    sum / ((area.right - area.left) * (area.bottom - area.top)) > 126
}

fn stamp(pts: Option<i64>, base: ffmpeg::Rational) -> Option<Seconds> {
    Seconds::from_ticks(pts?, base.numerator(), base.denominator())
}

/// Every picture of a file in order: its time as the container has it, and whether it is a flash.
fn pictures(path: &Path, rate: Rate) -> Vec<(Option<Seconds>, bool)> {
    let mut input = ffmpeg::format::input(path).expect("opens");
    let stream = input.streams().best(ffmpeg::media::Type::Video).expect("has pictures");
    let (index, base) = (stream.index(), stream.time_base());
    let mut decoder = ffmpeg::codec::Context::from_parameters(stream.parameters()).expect("known").decoder().video().expect("opens");
    let (mut seen, mut picture) = (Vec::new(), ffmpeg::frame::Video::empty());
    let mut drain = |decoder: &mut ffmpeg::decoder::Video, seen: &mut Vec<_>| {
        while decoder.receive_frame(&mut picture).is_ok() {
            seen.push((stamp(picture.timestamp(), base), lit(&picture, rate)));
        }
    };
    for (stream, packet) in input.packets() {
        if stream.index() == index {
            decoder.send_packet(&packet).expect("decodes");
            drain(&mut decoder, &mut seen);
        }
    }
    decoder.send_eof().expect("ends");
    drain(&mut decoder, &mut seen);
    seen
}

/// A frame of sound: its time as the container has it, and its samples.
type Piece = (Option<Seconds>, Vec<f32>);

/// The left channel of a file, and its rate.
fn sound(path: &Path) -> (u32, Vec<Piece>) {
    let mut input = ffmpeg::format::input(path).expect("opens");
    let stream = input.streams().best(ffmpeg::media::Type::Audio).expect("has sound");
    let (index, base) = (stream.index(), stream.time_base());
    let mut decoder = ffmpeg::codec::Context::from_parameters(stream.parameters()).expect("known").decoder().audio().expect("opens");
    let (mut frames, mut frame) = (Vec::new(), ffmpeg::frame::Audio::empty());
    for (stream, packet) in input.packets() {
        if stream.index() != index {
            continue;
        }
        // A feed's first packet may be half of one.
        let _ = decoder.send_packet(&packet);
        while decoder.receive_frame(&mut frame).is_ok() {
            use ffmpeg::format::Sample::{F32, I16};
            let left = match frame.format() {
                F32(ffmpeg::format::sample::Type::Planar) => frame.plane::<f32>(0).to_vec(),
                I16(ffmpeg::format::sample::Type::Planar) => frame.plane::<i16>(0).iter().map(|s| f32::from(*s) / 32_768.0).collect(),
                other => panic!("{other:?}"),
            };
            frames.push((stamp(frame.timestamp(), base), left));
        }
    }
    (decoder.rate(), frames)
}

/// Where beeps begin, to the sample: the place where 40 ms of 1 kHz fit best.
fn beeps(samples: &[f32], rate: u32) -> Vec<usize> {
    let length = tone::BEEP_SAMPLES as usize * rate as usize / tone::SAMPLE_RATE as usize;
    let burst: Vec<f32> = (0..length).map(|n| (n as f32 * 1000.0 * std::f32::consts::TAU / rate as f32).sin()).collect();
    let fit = |at: usize| burst.iter().zip(&samples[at..]).map(|(a, b)| a * b).sum::<f32>();
    let mut found = Vec::new();
    let mut at = length;
    while at + 2 * length < samples.len() {
        if samples[at].abs() < 0.2 {
            at += 1;
            continue;
        }
        found.push((at - length / 2..at + length / 2).max_by(|a, b| fit(*a).total_cmp(&fit(*b))).expect("not empty"));
        at += rate as usize / 2;
    }
    found
}

/// A feed, by the times of its container.
fn feed(path: &Path, rate: Rate) -> Seen {
    let pictures = pictures(path, rate);
    let flashes = pictures.iter().filter(|p| p.1).map(|p| p.0.expect("a feed's pictures have times")).collect();
    let (hertz, frames) = sound(path);
    let starts: Vec<(usize, Seconds)> =
        frames.iter().scan(0, |at, (time, samples)| Some((std::mem::replace(at, *at + samples.len()), time.expect("a feed's sound has times")))).collect();
    let samples: Vec<f32> = frames.into_iter().flat_map(|f| f.1).collect();
    let time = |n: usize| {
        let (start, time) = starts[starts.partition_point(|(start, _)| *start <= n) - 1];
        time + Seconds::new((n - start) as i128, i128::from(hertz))
    };
    Seen { flashes, beeps: beeps(&samples, hertz).into_iter().map(time).collect(), first: pictures[0].0.expect("a feed's pictures have times") }
}

/// One track of what was published as one file, the times of its samples in the order in which they are shown, and their duration.
fn track(root: &Path, name: &str) -> (PathBuf, Vec<Seconds>) {
    let mut bytes = std::fs::read(root.join(name).join("init.mp4")).expect("an init");
    let init = inspect::init(&bytes).expect("reads");
    let mut times = Vec::new();
    for number in numbers(root, name) {
        let segment = std::fs::read(root.join(name).join(format!("{number}.m4s"))).expect("a segment");
        let facts = inspect::segment(&segment, Some(&init)).expect("reads");
        let mut at = i128::from(facts.tfdt());
        for sample in facts.samples() {
            times.push(Seconds::new(at + i128::from(sample.cts), i128::from(init.timescale)));
            at += i128::from(sample.duration);
        }
        bytes.extend(segment);
    }
    times.sort();
    let path = root.join(format!("{name}.mp4"));
    std::fs::write(&path, bytes).expect("written");
    (path, times)
}

pub fn published(root: &Path, rate: Rate) -> Seen {
    let (path, times) = track(root, "avc-270p");
    let pictures = pictures(&path, rate);
    assert_eq!(pictures.len(), times.len(), "every sample is a picture");
    let flashes = pictures.iter().zip(&times).filter(|(p, _)| p.1).map(|(_, time)| *time).collect();
    let (path, starts) = track(root, "aac-128k");
    let (hertz, frames) = sound(&path);
    assert_eq!((hertz, frames.len()), (48_000, starts.len()), "every sample is a frame");
    let samples: Vec<f32> = frames.into_iter().flat_map(|f| f.1).collect();
    assert_eq!(samples.len(), starts.len() * 1024);
    let time = |n: usize| starts[n / 1024] + Seconds::new((n % 1024) as i128, 48_000);
    Seen { flashes, beeps: beeps(&samples, hertz).into_iter().map(time).collect(), first: times[0] }
}

struct Rig {
    dir: tempfile::TempDir,
    rate: Rate,
}

impl Rig {
    fn new(rate: &str, more: &[&str]) -> (Rig, PathBuf) {
        ffmpeg::init().expect("libav starts");
        ffmpeg::log::set_level(ffmpeg::log::Level::Fatal);
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("feed.ts");
        let (output, size) = (path.to_string_lossy().into_owned(), format!("{WIDTH}x{HEIGHT}"));
        let made = ["feed", "--output", &output, "--fast", "--duration", "10s", "--start", START, "--size", &size, "--rate", rate];
        succeed(mezzo(&[&made, more].concat()), 120);
        (Rig { dir, rate: rate.parse().expect("a rate") }, path)
    }

    /// The feed with other codecs, made by FFmpeg; nothing where there is none.
    fn remake(&self, from: &Path, name: &str, codecs: &[&str]) -> Option<PathBuf> {
        let to = self.dir.path().join(format!("{name}.ts"));
        let made = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-i"]).arg(from).args(codecs).arg(&to).status();
        match made {
            Ok(status) => assert!(status.success(), "{name}"),
            Err(_) => eprintln!("skipped: no ffmpeg here for {name}"),
        }
        made.is_ok().then_some(to)
    }

    /// Runs the feed with `args` and compares; `utc` is when the feed's first picture is published.
    fn check(&self, name: &str, input: &Path, utc: Seconds, args: &[&str]) -> Seen {
        let root = self.dir.path().join(name);
        let (input_text, output) = (input.to_string_lossy().into_owned(), root.to_string_lossy().into_owned());
        succeed(mezzo(&[&["run", "--input", &input_text, "--ladder", "tiny", "--output", &output], args].concat()), 120);
        let (source, out) = (feed(input, self.rate), published(&root, self.rate));
        let offset = utc - source.first;
        let moved = |flash: &Seconds| {
            let before = nearest(&source.flashes, *flash - offset);
            let snap = *flash - offset - before;
            assert!(snap.abs() <= self.rate.period().over(2) + Seconds::new(1, 1000), "{name}: a flash is {snap} s from where it belongs");
            Some(((out.skew(*flash)? - source.skew(before)?).abs(), snap))
        };
        let measured: Vec<(Seconds, Seconds)> = out.flashes.iter().filter_map(moved).collect();
        assert!(measured.len() >= 5, "{name}: only {measured:?} of {out:?}");
        let worst = measured.iter().map(|m| m.0).max().expect("not empty");
        let snap = measured.iter().map(|m| m.1.abs()).max().expect("not empty");
        eprintln!(
            "{name}: {} seconds, sound against picture {:.3} ms at worst; the grid moved both by {:.3} ms",
            measured.len(),
            worst.as_f64() * 1e3,
            snap.as_f64() * 1e3
        );
        assert!(worst < most(), "{name}: sound and picture moved by {worst} s against each other\n{measured:?}\n{source:?}\n{out:?}");
        out
    }

    /// The first slot of the grid at or after `time`.
    fn slot_at(&self, time: Seconds) -> Seconds {
        let period = self.rate.period();
        let rest = time.modulo(period);
        if rest == Seconds::ZERO { time } else { time + period - rest }
    }

    /// By the stamps: both are where the pattern has them, the flash in the first slot of its second, the beep on it.
    fn stamped(&self, name: &str, input: &Path) {
        let start = self.slot_at(START.parse().expect("an instant"));
        let out = self.check(&format!("{name}-sei"), input, start, &["--clock", "sei"]);
        for flash in &out.flashes {
            assert_eq!(*flash, self.slot_at(Seconds::whole(flash.floor_ticks(1))), "{name}");
        }
        for beep in &out.beeps {
            let off = *beep - Seconds::whole(beep.nearest_ticks(1));
            assert!(off.abs() < Seconds::new(1, 1000), "{name}: a beep is {off} s from its second");
        }
    }

    /// By an anchor that puts the pictures between two slots.
    fn anchored(&self, name: &str, input: &Path) {
        let micros = feed(input, self.rate).first.nearest_ticks(1_000_000);
        let anchor = format!("{}.{:06}={AWAY}", micros / 1_000_000, micros % 1_000_000);
        let away = AWAY.parse().expect("an instant");
        self.check(&format!("{name}-anchor"), input, away, &["--clock", "pts", "--anchor", &anchor]);
    }
}

#[test]
fn sound_and_picture_stay_together_at_25() {
    let (rig, feed) = Rig::new("25", &["--bframes", "2"]);
    rig.stamped("25", &feed);
    rig.anchored("25", &feed);
}

#[test]
fn sound_and_picture_stay_together_at_59_94() {
    let (rig, feed) = Rig::new("60000/1001", &[]);
    rig.stamped("59.94", &feed);
    rig.anchored("59.94", &feed);
}

#[test]
fn sound_and_picture_stay_together_at_29_97_whatever_the_sound_is_coded_in() {
    let (rig, feed) = Rig::new("30000/1001", &[]);
    rig.stamped("29.97", &feed);
    rig.anchored("29.97", &feed);
    let copy = |name, sound: &[&str]| rig.remake(&feed, name, &[&["-c:v", "copy", "-c:a"], sound].concat());
    let Some(remade) = copy("aac-44.1k", &["aac", "-ar", "44100"]) else { return };
    rig.stamped("aac-44.1k", &remade);
    for (name, sound) in [("mp2-32k", &["mp2", "-ar", "32000"][..]), ("ac3", &["ac3"])] {
        let Some(remade) = copy(name, sound) else { return };
        rig.anchored(name, &remade);
    }
    let both = ["-c:v", "mpeg2video", "-b:v", "6M", "-bf", "2", "-c:a", "mp2", "-ar", "44100"];
    let Some(remade) = rig.remake(&feed, "mpeg2", &both) else { return };
    rig.anchored("mpeg2", &remade);
}

/// Source time jumps while the pictures' own UTC goes on: sound goes on beside its pictures, and is silent for no longer than its packets take to follow.
#[test]
fn sound_follows_the_clock_of_its_pictures() {
    let rate = Rate::new(25, 1).expect("legal");
    let jump = "jump5s@8.3";
    let dir = tempfile::tempdir().expect("a folder");
    let (clip, out) = (dir.path().join("feed.ts"), dir.path().join("out"));
    let [clip_text, out_text] = [&clip, &out].map(|path| path.to_string_lossy().into_owned());
    succeed(mezzo(&["feed", "--output", &clip_text, "--fast", "--duration", "16s", "--start", START, "--size", "640x360", "--fault", jump]), 120);
    let run = succeed(mezzo(&["run", "--input", &clip_text, "--ladder", "tiny", "--clock", "sei", "--output", &out_text]), 120);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    let silent = said.split("silent_samples=").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).expect("it is counted");
    let seen = published(&out, rate);
    let skews: Vec<Option<Seconds>> = seen.flashes.iter().map(|flash| seen.skew(*flash)).collect();
    eprintln!("{jump}: {} ms silent; flash after beep {skews:?}", silent / 48);
    assert!(skews.len() >= 8, "{jump}: {seen:?}");
    let apart = skews.iter().flatten().filter(|skew| skew.abs() > most()).count();
    assert_eq!(apart, 0, "{jump}: {skews:?}\n{said}");
    assert!(silent <= 48 * 120, "{jump}: {} ms are silent", silent / 48);
}

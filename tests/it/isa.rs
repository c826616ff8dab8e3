//! The determinism harness, instruction set: the same program on other processors, by user-mode QEMU. Whatever processors of one class publish
//! must be the same bytes; a processor of another class must say so, and work.
//!
//! QEMU's approximate reciprocals (`rcpps`) are exact, unlike any processor's, as those of AMD and Intel are unlike each other: what uses them shows here, too. x264's macroblock
//! tree does, so that a ladder with it makes another class of this machine and of QEMU's; bytes are then compared among QEMU's.
//! A feed of AV1 is left out: QEMU 7.2 is wrong about something in dav1d's AVX2 code (the same code gives the right pictures on a real processor). Nothing of it is run where `qemu-x86_64` (Debian: qemu-user) is not installed, or where this machine is below x86-64-v3 itself.
#![cfg(target_arch = "x86_64")]

use crate::support::{media, mezzo, published, succeed};
use std::path::Path;
use std::process::{Command, Stdio};

/// Processors of class x86-64-v3 without AVX-512, of two makers.
const HASWELL: &str = "Haswell-noTSX";
const MILAN: &str = "EPYC-Milan";
/// Without AVX.
const NEHALEM: &str = "Nehalem";
/// No more than every x86-64 has.
const LEAST: &str = "qemu64,-sse3,-svm";

/// An operating point without approximations, and the usual one.
const EXACT: &str = "superfast";
const USUAL: &str = "veryfast";

/// A rung whose cap binds, so that rate control decides, and both ways of libav's AAC encoder.
const LADDER: &str = r#"
name = "isa"
[[video]]
name = "avc-180p"
codec = "avc"
width = 320
height = 180
max_bitrate = "120k"
quality = 20.0
point = "POINT"
[[audio]]
name = "aac-128k"
codec = "aac"
bitrate = "128k"
[[audio]]
name = "aac-64k"
codec = "aac"
bitrate = "64k"
"#;

/// HEVC of 8 bits with its cap binding and of 10 bits with every analysis, AV1 by SVT-AV1.
const CODED: &str = r#"
name = "isa"
[[video]]
name = "hevc-180p"
codec = "hevc"
width = 320
height = 180
max_bitrate = "120k"
quality = 20.0
point = "POINT"
[[video]]
name = "hevc-90p"
codec = "hevc"
width = 160
height = 90
max_bitrate = "60k"
depth = 10
point = "medium"
[[video]]
name = "av1-90p"
codec = "av1"
width = 160
height = 90
max_bitrate = "60k"
quality = 30.0
point = "POINT"
backend = ["svt-av1"]
"#;

/// Whether the emulator is here; says so where not.
fn qemu() -> bool {
    let there = Command::new("qemu-x86_64").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !there {
        eprintln!("skipped: no qemu-x86_64 here (Debian: qemu-user)");
    }
    there
}

/// Runs on `processor` (this machine's own where `None`) and gives the class; the output is a folder of that name under `dir`.
fn run(processor: Option<&str>, input: &Path, duration: &str, (rungs, point): (&str, &str), dir: &Path) -> String {
    let ladder = dir.join("ladder.toml");
    std::fs::write(&ladder, rungs.replace("POINT", point)).expect("written");
    let output = dir.join(processor.unwrap_or("native"));
    let args = ["run", "--input", &input.to_string_lossy(), "--output", &output.to_string_lossy(), "--ladder", &ladder.to_string_lossy()].map(str::to_owned);
    let args: Vec<&str> = args.iter().map(String::as_str).chain(["--duration", duration]).collect();
    let native = mezzo(&args);
    let command = match processor {
        None => native,
        Some(processor) => {
            let mut command = Command::new("qemu-x86_64");
            command.args(["-cpu", processor]).arg(native.get_program()).args(native.get_args());
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            native.get_envs().filter(|(_, value)| value.is_none()).for_each(|(name, _)| {
                command.env_remove(name);
            });
            command
        }
    };
    succeed(command, 300);
    let text = std::fs::read_to_string(output.join("resolution.json")).expect("a resolution");
    let kept: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    kept["class"].as_str().expect("a class").to_owned()
}

/// This machine (`None`) and others of its class: the same files, byte for byte.
fn publish_the_same(clip: &str, duration: &str, ladder: (&str, &str), processors: &[Option<&str>]) {
    let Some(source) = media(clip).filter(|_| qemu()) else { return };
    if !std::arch::is_x86_feature_detected!("avx2") {
        eprintln!("skipped: this machine is below x86-64-v3");
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let make = |processor: Option<&str>| {
        let class = run(processor, &source, duration, ladder, dir.path());
        (class, published(&dir.path().join(processor.unwrap_or("native"))))
    };
    let (class, first) = make(processors[0]);
    assert!(first.keys().any(|name| name.contains("-180p/") && name.ends_with(".m4s")), "{clip}: {:?}", first.keys());
    for processor in &processors[1..] {
        let (its_class, other) = make(*processor);
        assert_eq!(its_class, class, "{clip}: the class on {processor:?}");
        assert_eq!(first.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{clip}: on {processor:?}");
        let differing: Vec<&String> = first.keys().filter(|name| first[*name] != other[*name]).collect();
        assert!(differing.is_empty(), "{clip}: of {} files these differ on {processor:?}: {differing:?}", first.len());
    }
}

/// MPEG-2, fields to pictures, the colour of standard definition, MP2.
#[test]
fn interlaced_mpeg2() {
    publish_the_same("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts", "2s", (LADDER, EXACT), &[None, Some(HASWELL), Some(MILAN)]);
}

/// AVC, AC-3 (float) at 44.1 kHz: resampling.
#[test]
fn avc_and_ac3_at_44100() {
    publish_the_same("ts_bear_360p_ac3.ts", "2s", (LADDER, EXACT), &[None, Some(HASWELL)]);
}

/// AVC in a broadcast, AAC (float).
#[test]
fn avc_and_aac() {
    publish_the_same("ts_dvb_576p25_h264_aac_12s.ts", "2s", (LADDER, EXACT), &[None, Some(HASWELL)]);
}

/// HEVC of 10 bits in PQ: tone mapping in float.
#[test]
fn hevc_in_high_dynamic_range() {
    publish_the_same("hevc_pq_dovi8_sparks_360p5994_6s.mp4", "0.5s", (LADDER, EXACT), &[None, Some(HASWELL)]);
}

/// x265 with its lookahead and tree, SVT-AV1: neither takes approximate reciprocals, so the maker does not matter either.
#[test]
fn hevc_and_av1() {
    publish_the_same("ts_bear_360p_ac3.ts", "0.5s", (CODED, USUAL), &[None, Some(HASWELL), Some(MILAN)]);
}

/// With lookahead and macroblock tree.
#[test]
fn the_usual_point() {
    publish_the_same("svt_testcard_720p50_422p10_8mono_aac_10s.mp4", "0.5s", (LADDER, USUAL), &[Some(HASWELL), Some(MILAN)]);
}

/// A rung that depends on approximate reciprocals is of the class of the processor that has them.
#[test]
fn other_approximations_are_another_class() {
    let Some(source) = media("ts_bear_360p_ac3.ts").filter(|_| qemu()) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let class = |processor| run(processor, &source, "0.2s", (LADDER, USUAL), dir.path());
    assert_ne!(class(None), class(Some(HASWELL)));
}

/// Processors of lesser classes run all the same: another class for each, and a tree that conforms.
#[test]
fn lesser_processors_work_and_say_so() {
    let Some(source) = media("ts_bear_360p_ac3.ts").filter(|_| qemu()) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let mut classes = vec![run(Some(HASWELL), &source, "0.2s", (LADDER, EXACT), dir.path())];
    for processor in [NEHALEM, LEAST] {
        let class = run(Some(processor), &source, "2s", (LADDER, EXACT), dir.path());
        assert!(!classes.contains(&class), "{processor}: class {class} is taken");
        classes.push(class);
        let output = dir.path().join(processor);
        succeed(mezzo(&["check", &output.to_string_lossy()]), 60);
        let segments = published(&output).into_keys().filter(|name| name.ends_with(".m4s")).count();
        assert_eq!(segments, 3, "{processor}");
    }
}

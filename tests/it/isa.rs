//! The determinism harness, instruction set: the same program on other processors, by user-mode QEMU. Whatever processors of one class publish
//! must be the same bytes; a processor of another class must say so, and work.
//!
//! QEMU computes approximations (`rcpps`, `rsqrtps`) exactly, where AMD and Intel differ from each other: code that used them would show here, too.
//! Nothing of it is run where `qemu-x86_64` (Debian: qemu-user) is not installed, or where this machine is below x86-64-v3 itself.
#![cfg(target_arch = "x86_64")]

use crate::support::{media, mezzo, published, succeed};
use std::path::Path;
use std::process::{Command, Stdio};

/// Processors of class x86-64-v3 without AVX-512, of two makers.
const V3: [&str; 2] = ["Haswell-noTSX", "EPYC-Milan"];
/// The last of its maker without AVX.
const V2: &str = "Nehalem";
/// No more than every x86-64 has.
const V1: &str = "qemu64,-sse3,-svm";

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
[[audio]]
name = "aac-128k"
codec = "aac"
bitrate = "128k"
[[audio]]
name = "aac-64k"
codec = "aac"
bitrate = "64k"
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
fn run(processor: Option<&str>, input: &Path, duration: &str, dir: &Path) -> String {
    let ladder = dir.join("ladder.toml");
    std::fs::write(&ladder, LADDER).expect("written");
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

/// This machine and others of its class: the same files, byte for byte.
fn publish_the_same(clip: &str, duration: &str, processors: &[&str]) {
    let Some(source) = media(clip).filter(|_| qemu()) else { return };
    if !std::arch::is_x86_feature_detected!("avx2") {
        eprintln!("skipped: this machine is below x86-64-v3");
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let class = run(None, &source, duration, dir.path());
    let native = published(&dir.path().join("native"));
    assert!(native.keys().filter(|name| name.ends_with(".m4s")).count() >= 1, "{clip}: {:?}", native.keys());
    for processor in processors {
        assert_eq!(run(Some(processor), &source, duration, dir.path()), class, "{clip}: the class on {processor}");
        let other = published(&dir.path().join(processor));
        assert_eq!(native.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{clip}: on {processor}");
        let differing: Vec<&String> = native.keys().filter(|name| native[*name] != other[*name]).collect();
        assert!(differing.is_empty(), "{clip}: of {} files these differ on {processor}: {differing:?}", native.len());
    }
}

/// MPEG-2, fields to pictures, the colour of standard definition, MP2.
#[test]
fn interlaced_mpeg2() {
    publish_the_same("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts", "2s", &V3);
}

/// AVC, AC-3 (float) at 44.1 kHz: resampling.
#[test]
fn avc_and_ac3_at_44100() {
    publish_the_same("ts_bear_360p_ac3.ts", "2s", &V3[..1]);
}

/// AVC in a broadcast, AAC (float).
#[test]
fn avc_and_aac() {
    publish_the_same("ts_dvb_576p25_h264_aac_12s.ts", "2s", &V3[..1]);
}

/// HEVC of 10 bits in PQ: tone mapping in float.
#[test]
fn hevc_in_high_dynamic_range() {
    publish_the_same("hevc_pq_dovi8_sparks_360p5994_6s.mp4", "1s", &V3[..1]);
}

/// Processors of lesser classes run all the same: another class for each, and a tree that conforms.
#[test]
fn lesser_processors_work_and_say_so() {
    let Some(source) = media("ts_bear_360p_ac3.ts").filter(|_| qemu()) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let mut classes = vec![run(Some(V3[0]), &source, "2s", dir.path())];
    for processor in [V2, V1] {
        let class = run(Some(processor), &source, "2s", dir.path());
        assert!(!classes.contains(&class), "{processor}: class {class} is taken");
        classes.push(class);
        let output = dir.path().join(processor);
        succeed(mezzo(&["check", &output.to_string_lossy()]), 60);
        let segments = published(&output).into_keys().filter(|name| name.ends_with(".m4s")).count();
        assert_eq!(segments, 3, "{processor}");
    }
}

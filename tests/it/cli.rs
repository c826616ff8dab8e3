//! The program as a script sees it: exit codes, what it says and where, and that a refused job leaves no trace.

use crate::support::{cut_ts, media};
use std::path::Path;
use std::process::{Command, Output};

/// The commands that take a job; each must refuse a wrong one in the same way.
const JOB_COMMANDS: &[&str] = &["plan", "run"];

fn mezzo(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mezzo"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MEZZO_")) {
        command.env_remove(name);
    }
    command.current_dir(dir).args(args).output().expect("the program starts")
}

fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("listed").flatten() {
        found.push(entry.path().display().to_string());
        if entry.path().is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    found.sort();
    found
}

/// Asserts that every job command refuses `args` with exit code 2, an error with all of `said`, and no file made or changed.
fn refused(dir: &Path, args: &str, said: &[&str]) {
    for command in JOB_COMMANDS {
        let args: Vec<&str> = std::iter::once(*command).chain(args.split_whitespace()).collect();
        let before = tree(dir);
        let output = mezzo(dir, &args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        for part in said {
            assert!(error.contains(part), "{args:?}: no {part:?} in {error}");
        }
        assert!(!error.contains("panicked"), "{error}");
        assert!(output.stdout.is_empty(), "{args:?}: stdout carries only what was asked for");
        assert_eq!(tree(dir), before, "{args:?}: something was made");
    }
}

/// A folder with an input that is a file but not media, and two ladders that are wrong.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let rung = "name = \"l\"\n[[video]]\nname = \"a\"\ncodec = \"avc\"\nwidth = 640\nheight = 360\nmax_bitrate = \"1M\"\n";
    for (name, text) in [
        ("noise.ts", "this is no media\n".repeat(500)),
        ("key.toml", rung.replace("width", "wdith")),
        ("odd.toml", rung.replace("640", "641")),
        ("rate.toml", rung.replace("1M", "6 M")),
        ("twice.toml", format!("{rung}{}", rung.replace("name = \"l\"\n", ""))),
        ("job.toml", "inputs = [\"noise.ts\"]\noutputs = [\"out\"]\nspeed = 2\n".into()),
        ("broken.toml", "inputs = [\"noise.ts\"\n".into()),
        ("hevc.toml", format!("{}backend = [\"x264\"]\n", rung.replace("avc", "hevc"))),
        ("main.m3u8", "#EXTM3U\n".into()),
    ] {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    dir
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_made() {
    let dir = folder();
    for (args, said) in [
        ("", &["inputs = none", "--input"][..]),
        ("-i noise.ts -o out --speed 2", &["--speed"]),
        ("-i noise.ts -o out --duration soon", &["--duration", "\"soon\"", "30s"]),
        ("-i noise.ts -o out --duration 0", &["duration = 0 s", "0.001 s"]),
        ("-i noise.ts -o out --duration -5s", &["duration = -5 s", "0.001 s"]),
        ("-i noise.ts -o out --window -1", &["window = -1 s", "6 s"]),
        ("-i noise.ts -o out --rate -25", &["\"-25\"", "30000/1001"]),
        ("-i noise.ts -o out -o ./out", &["output ./out", "the directory out again"]),
        ("-i main.m3u8 -o .", &["output .", "the input main.m3u8 lies in it", "another directory"]),
        ("-i udp://127.0.0.1 -o out", &["input udp://127.0.0.1", "no port", "1 to 65535"]),
        ("-i udp://127.0.0.1:99999 -o out", &["no port", "1 to 65535"]),
        ("-i nothing://there -o out", &["input nothing://there", "no such protocol", "udp://"]),
        ("-i noise.ts -o out --pace slow", &["slow", "auto, live, fast"]),
        ("-i noise.ts -o out --rate 300", &["\"300\"", "30000/1001"]),
        ("-i noise.ts -o out --rate 100", &["rate = 100", "1 to 60"]),
        ("-i noise.ts -o out --anchor today", &["\"today\"", "SECONDS=UTC"]),
        ("-i noise.ts -o out --segment 100ms", &["segment = 0.1 s", "0.2 s to 30 s"]),
        ("-i noise.ts -o out --listen 8080", &["\"8080\"", "127.0.0.1:8080"]),
        ("-i noise.ts -i b.ts -i c.ts -o out", &["inputs = 3 of them", "or two paths of one feed"]),
        ("-i none.ts -o out", &["input none.ts", "No such file", "udp://"]),
        ("-i . -o out", &["input .", "directory", "a media file"]),
        ("-i noise.ts -o noise.ts", &["output noise.ts", "not a directory"]),
        ("-i noise.ts -o noise.ts/out", &["output noise.ts/out", "not a directory"]),
        ("-i noise.ts -o /proc/version/out", &["output /proc/version/out", "/proc/version is not a directory"]),
        ("-i noise.ts -o out --ladder huge", &["ladder huge", "avc-1080p-6, demo, hevc-1080p-6, sd-to-4k, three-codecs, tiny"]),
        ("-i noise.ts -o out --ladder none.toml", &["ladder none.toml", "No such file"]),
        ("-i noise.ts -o out --ladder key.toml", &["key.toml, line 5", "unknown field `wdith`", "`width`"]),
        ("-i noise.ts -o out --ladder odd.toml", &["odd.toml", "width of video rung \"a\" = 641", "even number from 16 to 8192"]),
        ("-i noise.ts -o out --ladder rate.toml", &["rate.toml, line 7", "\"6 M\"", "\"3.5M\""]),
        ("-i noise.ts -o out --ladder twice.toml", &["twice.toml", "video rung 2 = \"a\"", "a name of its own"]),
        ("none.toml", &["job none.toml", "No such file"]),
        ("job.toml", &["job job.toml, line 3 (`speed = 2`)", "unknown field `speed`", "`inputs`"]),
        ("broken.toml", &["job broken.toml, line"]),
        ("-i testsrc: --pace fast -o out", &["duration = none", "testsrc:"]),
    ] {
        refused(dir.path(), args, said);
    }
}

#[test]
fn a_port_that_is_taken_is_refused_before_anything_is_made() {
    let dir = folder();
    let taken = std::net::UdpSocket::bind("0.0.0.0:0").expect("a port");
    let url = format!("udp://127.0.0.1:{}", taken.local_addr().expect("bound").port());
    refused(dir.path(), &format!("-i {url} -o out"), &["input", &url, "cannot be listened on", "a port that is free"]);
}

#[test]
fn a_probe_says_what_is_ready() {
    let dir = folder();
    let output = mezzo(dir.path(), &["probe", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let state = |backend: &str| report["backends"].as_array().and_then(|all| all.iter().find(|b| b["backend"] == backend)).map(|b| b["state"].clone());
    assert_eq!((state("aac"), state("rav1e")), (Some("ready".into()), Some("ready".into())));
    let text = String::from_utf8_lossy(&mezzo(dir.path(), &["probe"]).stdout).into_owned();
    for part in ["processor", "libavcodec", "encoders\n", "decoders\n", "devices\n", "nvenc"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let dir = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let script = mezzo(dir.path(), &["completions", shell]);
        assert!(script.status.success() && script.stderr.is_empty() && script.stdout.len() > 1000, "{shell}");
        std::fs::write(dir.path().join(shell), script.stdout).expect("written");
    }
    let completed = |words: &str| {
        let count = words.split(' ').count();
        let script = format!(
            "set -eu; source ./bash; COMP_WORDS=({words} ''); COMP_CWORD={count}; _mezzo mezzo '' {}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.split(' ').next_back().expect("a word")
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).current_dir(dir.path()).output().expect("bash runs");
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let commands = completed("mezzo");
    for command in ["run", "plan", "probe", "feed", "check", "completions", "man"] {
        assert!(commands.iter().any(|c| c == command), "no {command} in {commands:?}");
    }
    assert_eq!(completed("mezzo run --pace"), ["auto", "live", "fast"]);
    assert!(completed("mezzo run").iter().any(|flag| flag == "--publish-delay"));
}

#[test]
fn a_ladder_to_4k_is_planned_as_far_as_the_source_reaches() {
    let dir = folder();
    let args = ["-i", "testsrc:size=640x360", "--ladder", "sd-to-4k"];
    let output = mezzo(dir.path(), &[&["plan"], &args[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = |name: &str| text.lines().find(|l| l.starts_with(name)).map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!(row("hevc-2160p").as_deref(), Some("hevc-2160p hevc 3840x2160 16M larger than the source, 640x360"), "{text}");
    assert_eq!(row("avc-1080p").as_deref(), Some("avc-1080p avc 1920x1080 6M larger than the source, 640x360"), "{text}");
    assert_eq!(row("avc-360p").as_deref(), Some("avc-360p avc 640x360 8 bit SDR 730k 23 brisk x264 1"), "{text}");
    // And run makes the rest, and says in one line what it leaves out.
    let output = mezzo(dir.path(), &[&["run", "--pace", "fast", "--duration", "2s", "-o", "out"], &args[..]].concat());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    let told: Vec<&str> = error.lines().filter(|l| l.contains("left out")).collect();
    assert!(told.len() == 1 && told[0].contains("hevc-2160p, hevc-1440p, avc-1080p") && told[0].contains("avc-540p, avc-432p: larger than"), "{told:?}");
    for track in ["avc-360p", "avc-270p", "aac-192k", "aac-64k"] {
        assert!(dir.path().join("out").join(track).join("init.mp4").is_file(), "{track}");
    }
    assert!(!dir.path().join("out/hevc-2160p").exists());
}

#[test]
fn a_run_needs_an_output_and_a_plan_does_not() {
    let dir = folder();
    let output = mezzo(dir.path(), &["run", "-i", "noise.ts"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains("outputs = none") && error.contains("--listen"), "{error}");
    let output = mezzo(dir.path(), &["plan", "-i", "testsrc:", "--ladder", "tiny"]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("avc-180p"), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_no_media_is_refused_before_anything_is_made() {
    let dir = folder();
    refused(dir.path(), "-i noise.ts -o out", &["input noise.ts", "accepted"]);
}

#[test]
fn an_output_that_may_not_be_written_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder();
    let shut = dir.path().join("shut");
    std::fs::create_dir(&shut).expect("made");
    std::fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o555)).expect("shut");
    if std::fs::File::create(shut.join("probe")).is_ok() {
        std::fs::remove_file(shut.join("probe")).expect("removed");
        eprintln!("skipped: this user may write anywhere");
        return;
    }
    refused(dir.path(), "-i noise.ts -o shut/out", &["output shut/out", "shut cannot be written to", "a directory that can be written to"]);
}

#[test]
fn a_variable_does_what_its_flag_does() {
    let dir = folder();
    for (name, value, said) in [
        ("MEZZO_SEGMENT", "31", "segment = 31 s"),
        ("MEZZO_NO_AUDIO", "1", "input noise.ts"),
        ("MEZZO_NO_AUDIO", "perhaps", "perhaps"),
        ("MEZZO_JOB", "job.toml", "unknown field `speed`"),
        ("MEZZO_INPUT", "b.ts", "input noise.ts"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mezzo"));
        let output = command.current_dir(dir.path()).args(["plan", "-i", "noise.ts", "-o", "out"]).env(name, value).output().expect("the program starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {error}");
        assert!(error.contains(said), "{name}: no {said:?} in {error}");
    }
}

#[test]
fn a_failure_is_json_where_json_is_asked_for() {
    let dir = folder();
    let output = mezzo(dir.path(), &["--log-format", "json", "plan", "-i", "none.ts", "-o", "out"]);
    assert_eq!(output.status.code(), Some(2));
    let line: serde_json::Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
    assert_eq!(line["fields"]["exit"], 2);
    assert!(line["fields"]["message"].as_str().is_some_and(|m| m.contains("none.ts")), "{line}");
}

#[test]
fn nothing_at_all_shows_the_help() {
    let dir = folder();
    let output = mezzo(dir.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: mezzo"));
    let help = mezzo(dir.path(), &["plan", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("Examples:"));
}

#[test]
fn a_plan_of_a_real_source() {
    let Some(media) = media("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let dir = folder();
    let input = media.display().to_string();
    let before = tree(dir.path());
    let output = mezzo(dir.path(), &["plan", "--json", "-i", &input, "-o", "out"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(error.is_empty(), "{error}");
    assert_eq!(tree(dir.path()), before, "a plan makes nothing");
    let plan: mezzo::plan::Plan = serde_json::from_slice(&output.stdout).expect("a plan");
    let sizes: Vec<_> = plan.video.iter().map(|r| (r.name.as_str(), r.width, r.height)).collect();
    assert_eq!(sizes, [("avc-540p", 960, 540), ("avc-432p", 768, 432), ("avc-360p", 640, 360), ("avc-270p", 480, 270)]);
    assert_eq!(plan.left_out_line().as_deref(), Some("left out: avc-1080p, avc-720p: larger than the source, 1024x576"));
    assert_eq!((plan.grid.gop_slots, plan.audio.len(), plan.class.len()), (50, 1, 12));

    let table = mezzo(dir.path(), &["plan", "-i", &input, "-o", "out"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    for part in [plan.class.as_str(), "1024x576", "960x540", "aac-128k", "larger than the source, 1024x576"] {
        assert!(table.contains(part), "no {part} in {table}");
    }
    let again: mezzo::plan::Plan = serde_json::from_slice(&mezzo(dir.path(), &["plan", "--json", "-i", &input, "-o", "elsewhere"]).stdout).expect("a plan");
    assert_eq!(again, plan, "where it goes does not change what is made");

    refused(
        dir.path(),
        &format!("-i {input} -o out --ladder hevc.toml"),
        &["backend of video rung \"a\" = \"x264\"", "accepted: \"auto\"", "x265 (8 and 10 bits)"],
    );
}

/// What the channels of this sound are is told in its first packet and never again: its track is there all the same.
#[test]
fn sound_that_cannot_be_decoded_is_told() {
    let Some(media) = media("d_ts_bbb_1080p60_aac51_loop20s.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    cut_ts(&media, 33, &dir.path().join("cut.ts"));
    let output = mezzo(dir.path(), &["plan", "-i", "cut.ts", "-o", "out"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(error.contains("nothing has come of the sound yet") && error.contains("1 pid 0x101 audio aac"), "{error}");
}

#[test]
fn an_output_of_another_job_is_refused() {
    let Some(media) = media("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let dir = folder();
    let input = media.display().to_string();
    let planned = mezzo(dir.path(), &["plan", "--json", "-i", &input, "-o", "out"]);
    let plan: mezzo::plan::Plan = serde_json::from_slice(&planned.stdout).expect("a plan");
    let wishes = mezzo::job::Wishes { inputs: Some(vec![input.clone()]), outputs: Some(vec![dir.path().join("out")]), ..Default::default() };
    let job = wishes.check("test").expect("legal");
    let source = mezzo::plan::SourceFacts { width: 640, height: 360, ..plan.source };
    mezzo::resolution::Resolution::new(&job, source, None, "of-another".into()).store(&job).expect("stored");

    refused(
        dir.path(),
        &format!("-i {input} -o out --segment 4"),
        &["output out", "resolution.json is of another job", "another --output", "remove the directory"],
    );
    let kept = mezzo(dir.path(), &["plan", "--json", "-i", &input, "-o", "out"]);
    let kept: mezzo::plan::Plan = serde_json::from_slice(&kept.stdout).expect("a plan");
    assert_eq!((kept.source.width, kept.video[0].width), (640, 640), "a restart does not resolve anew");
    assert!(kept.warnings.iter().any(|w| w.contains("class of-another")), "{:?}", kept.warnings);
}

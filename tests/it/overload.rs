//! A machine that is too small: what is lowered, what stays, and how soon all is back. Each worker is given one processor.

use crate::common::ask;
use crate::support::network::free_port;
use crate::support::{Running, alone, finish, mezzo, numbers, signal, until, wait, within};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// The first processor that this test may use.
fn processor() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("of this process");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("there");
    list.trim().split(['-', ',']).next().expect("one").to_owned()
}

fn ladder(rungs: &[(&str, u32, u32, &str)]) -> String {
    let rung = |(name, width, height, more): &(&str, u32, u32, &str)| {
        format!("[[video]]\nname = \"{name}\"\ncodec = \"avc\"\nwidth = {width}\nheight = {height}\nmax_bitrate = \"2M\"\n{more}\n")
    };
    let head = "name = \"overload\"\n".to_owned();
    [head].into_iter().chain(rungs.iter().map(rung)).chain(["[[audio]]\nname = \"aac\"\ncodec = \"aac\"\nbitrate = \"64k\"\n".to_owned()]).collect()
}

/// A worker on one processor that keeps all it publishes.
fn start(dir: &Path, ladder: &str, source: &str, address: &str, more: &[&str]) -> Running {
    start_with(dir, ladder, source, address, &[&["--window", "whole"], more].concat())
}

/// A worker on one processor.
fn start_with(dir: &Path, ladder: &str, source: &str, address: &str, more: &[&str]) -> Running {
    let (path, out, log) = (dir.join("ladder.toml"), dir.join("out"), dir.join("log"));
    std::fs::write(&path, ladder).expect("written");
    let log = std::fs::File::create(log).expect("a log");
    let [path, out] = [&path, &out].map(|path| path.to_string_lossy().into_owned());
    let args = ["run", "--input", source, "--ladder", &path, "--segment", "1", "--pace", "live", "--listen", address, "--output", &out];
    let worker = mezzo(&[&args[..], more].concat());
    let mut bound = Command::new("taskset");
    bound.args(["-c", &processor()]).arg(worker.get_program()).args(worker.get_args()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    for (name, value) in worker.get_envs() {
        match value {
            Some(value) => bound.env(name, value),
            None => bound.env_remove(name),
        };
    }
    bound.env_remove("MEZZO_OVERLOAD");
    Running::start(&mut bound)
}

/// What the kernel says of a process, in kB.
fn kernel_says(pid: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    status.lines().find_map(|line| line.strip_prefix(what)?.split_whitespace().next()?.parse().ok()).expect("it says so")
}

fn status(address: &str) -> serde_json::Value {
    let to: SocketAddr = address.parse().expect("an address");
    serde_json::from_slice(&ask(to, "GET", "/v1/status", &[]).body).unwrap_or_default()
}

/// What the governor makes of each rung.
fn steps(address: &str) -> Vec<String> {
    let status = status(address);
    let tracks = status["tracks"].as_array().cloned().unwrap_or_default();
    tracks.iter().filter_map(|track| track["overload"].as_str().map(str::to_owned)).collect()
}

fn assert_unbroken(out: &Path, tracks: &[&str], said: &str) {
    for track in tracks {
        let numbers = numbers(out, track);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{track} has a hole: {numbers:?}\n{said}");
    }
    let checked = finish(mezzo(&["check", &out.to_string_lossy()]), 60);
    let report = String::from_utf8_lossy(&checked.stdout).into_owned();
    // A rung that has not made a single segment is not there, and that is said; it must be all that is.
    let absent = |line: &str| ["avc-720p", "avc-360p", "slow"].iter().any(|rung| line.contains(rung) && numbers(out, rung).is_empty());
    let errors: Vec<&str> = report.lines().map(str::trim).filter(|line| line.starts_with("error [")).filter(|line| !absent(line)).collect();
    assert!(report.contains("layout of the tree") && errors.is_empty(), "{report}");
}

/// Three rungs that take two processors and more.
#[test]
fn a_ladder_that_is_too_large_is_lowered_from_the_top() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let heavy = "point = \"medium\"";
    let ladder = ladder(&[("avc-720p", 1280, 720, heavy), ("avc-360p", 640, 360, heavy), ("avc-180p", 320, 180, "")]);
    let address = format!("127.0.0.1:{}", free_port());
    let mut worker = start(dir.path(), &ladder, "testsrc:size=1280x720,rate=50", &address, &[]);
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let out = dir.path().join("out");
    until("it listens", 60, || std::net::TcpStream::connect(&address).is_ok());
    until("steps are taken", 60, || steps(&address).first().is_some_and(|step| step != "full"));
    let at = numbers(&out, "avc-180p").len();
    until("the smallest goes on", 60, || numbers(&out, "avc-180p").len() >= at + 12);
    let now = status(&address);
    let smallest = &now["tracks"][2];
    assert_ne!(smallest["overload"], "paused", "{now}");
    assert!(smallest["lag_ms"].as_i64().is_some_and(|lag| lag <= 2000), "more than two segments behind: {smallest}");
    assert!(now["tracks"][0]["hurried"].as_u64().zip(now["tracks"][0]["paused"].as_u64()).is_some_and(|(hurried, paused)| hurried + paused > 0), "{now}");
    let (metrics, events) = (ask(address.parse().expect("an address"), "GET", "/metrics", &[]).text(), said());
    assert!(metrics.contains("mezzo_rung_overload_step{track=\"avc-720p\"}"), "{metrics}");
    assert!(events.contains("overload: a step down"), "{events}");
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 10).success(), "{}", said());
    assert_unbroken(&out, &["avc-180p", "aac"], &said());
}

/// Something else wants the processor for a while.
#[test]
fn the_whole_ladder_is_back_ten_seconds_after_a_hog() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let ladder = ladder(&[("avc-540p", 960, 540, ""), ("avc-360p", 640, 360, ""), ("avc-180p", 320, 180, "")]);
    let address = format!("127.0.0.1:{}", free_port());
    let mut worker = start(dir.path(), &ladder, "testsrc:size=960x540,rate=50", &address, &[]);
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let out = dir.path().join("out");
    let whole = || steps(&address).iter().filter(|step| *step == "full").count() == 3;
    until("it runs", 60, || numbers(&out, "avc-540p").len() >= 4 && whole());
    let spin = || Running::start(Command::new("taskset").args(["-c", &processor(), "sh", "-c", "while :; do :; done"]).stdout(Stdio::null()));
    // As many as it takes: what one of them leaves is enough for all rungs on a fast machine, and for none on a slow one.
    let mut hogs = Vec::new();
    while steps(&address).first().is_none_or(|step| step == "full") {
        assert!(hogs.len() < 8, "no step is taken, whatever else wants the processor: {}", said());
        hogs.push(spin());
        within(6, || steps(&address).first().is_some_and(|step| step != "full"));
    }
    let at = numbers(&out, "avc-180p").len();
    until("the smallest goes on", 40, || numbers(&out, "avc-180p").len() >= at + 6);
    drop(hogs);
    until("the whole ladder is back", 10, whole);
    let at = numbers(&out, "avc-540p").len();
    until("and is published", 20, || numbers(&out, "avc-540p").len() >= at + 4);
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 10).success(), "{}", said());
    assert_unbroken(&out, &["avc-180p", "aac"], &said());
}

/// An encoder that takes ten times as long as it has costs its own segments, and nobody else a frame.
#[test]
fn a_slow_encoder_costs_nobody_else_a_frame() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let ladder = ladder(&[("slow", 640, 360, "backend = [\"rehearsal-slow\"]"), ("avc-180p", 320, 180, "")]);
    let address = format!("127.0.0.1:{}", free_port());
    let mut worker = start(dir.path(), &ladder, "testsrc:size=640x360,rate=25", &address, &[]);
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let out = dir.path().join("out");
    until("it runs", 90, || numbers(&out, "avc-180p").len() >= 24);
    let now = status(&address);
    let (slow, other) = (&now["tracks"][0], &now["tracks"][1]);
    assert!(slow["late"].as_u64().is_some_and(|late| late >= 8), "{slow}");
    assert_eq!((other["late"].as_u64(), other["overload"].as_str(), other["hurried"].as_u64()), (Some(0), Some("full"), Some(0)), "{other}");
    assert!(other["lag_ms"].as_i64().is_some_and(|lag| lag < 1000), "{other}");
    assert_eq!(other["quality"]["lowest"].as_u64(), Some(100), "nothing of it is repeated or missing: {other}");
    signal(&worker, "TERM");
    wait(&mut worker, 15);
    assert_unbroken(&out, &["avc-180p", "aac"], &said());
}

/// A processor that is full for ten minutes (`SOAK_SECONDS`): what is published goes on, as late as at the beginning, and nothing grows.
#[test]
#[ignore = "takes ten minutes"]
fn ten_minutes_at_full_load() {
    let _alone = alone();
    let length = std::env::var("SOAK_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(600);
    let dir = tempfile::tempdir().expect("a folder");
    let heavy = "point = \"medium\"";
    let ladder = ladder(&[("avc-720p", 1280, 720, heavy), ("avc-360p", 640, 360, heavy), ("avc-180p", 320, 180, "")]);
    let address = format!("127.0.0.1:{}", free_port());
    let mut worker = start_with(dir.path(), &ladder, "testsrc:size=1280x720,rate=50", &address, &["--window", "30s"]);
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let out = dir.path().join("out");
    let newest = || numbers(&out, "avc-180p").last().copied();
    until("the window is full", 90, || numbers(&out, "avc-180p").len() >= 30);
    let (mut memory, mut lags, begun) = (Vec::new(), Vec::new(), std::time::Instant::now());
    while begun.elapsed().as_secs() < length {
        let before = newest();
        until("the smallest goes on", 5, || newest() > before);
        assert_eq!(newest().zip(before).map(|(now, before)| now - before), Some(1), "the smallest is whole");
        memory.push(kernel_says(worker.id(), "VmRSS:"));
        lags.push(status(&address)["tracks"][2]["lag_ms"].as_i64().unwrap_or(i64::MAX));
    }
    let now = status(&address);
    let middle = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let quarters: Vec<u64> = memory.chunks(memory.len().div_ceil(4)).map(middle).collect();
    eprintln!("{} segments; middle of each quarter {quarters:?} kB, lag at most {:?} ms; {}", lags.len(), lags.iter().max(), now["tracks"]);
    assert!(lags.iter().all(|lag| *lag <= 2000), "never two segments behind: {lags:?}");
    assert!(now["tracks"][0]["overload"] != "full", "it is full all the time: {now}");
    assert!(quarters[3] * 100 <= quarters[0] * 105, "memory grew: {memory:?}");
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 10).success(), "{}", said());
    assert_unbroken(&out, &["avc-180p", "aac"], &said());
}

#[test]
fn a_worker_that_is_to_fail_under_overload_does() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let ladder = ladder(&[("slow", 640, 360, "backend = [\"rehearsal-slow\"]"), ("avc-180p", 320, 180, "")]);
    let address = format!("127.0.0.1:{}", free_port());
    let mut worker = start(dir.path(), &ladder, "testsrc:size=640x360,rate=25", &address, &["--overload", "fail"]);
    let status = wait(&mut worker, 60);
    let said = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("overload: slow is late at segment"), "{said}");
}

/// A worker that is far behind keeps within what it may take, and makes the smallest rung all the same.
#[test]
fn memory_is_bounded_where_a_rung_is_late() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let heavy = "point = \"medium\"";
    let ladder = ladder(&[("avc-720p", 1280, 720, heavy), ("avc-360p", 640, 360, heavy), ("avc-180p", 320, 180, "")]);
    let (address, source) = (format!("127.0.0.1:{}", free_port()), "testsrc:size=1280x720,rate=50");
    let mut worker = start(dir.path(), &ladder, source, &address, &["--overload", "hold", "--memory", "420", "--serve-memory", "16"]);
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let out = dir.path().join("out");
    until("there is no memory for what waits", 90, || said().contains("there is no memory for what waits"));
    let at = numbers(&out, "avc-180p").len();
    until("the smallest goes on", 60, || numbers(&out, "avc-180p").len() >= at + 10);
    let most = kernel_says(worker.id(), "VmHWM:");
    let now = status(&address);
    let (memory, smallest) = (&now["memory"], &now["tracks"][2]);
    assert_eq!(smallest["late"].as_u64(), Some(0), "it has its own share: {smallest}");
    assert!(most <= 420 << 10, "{most} kB at most, and 420 MiB were allowed: {memory}");
    assert!(memory["held"].as_u64() <= memory["pictures"].as_u64() && memory["limit"] == 420 << 20, "{memory}");
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 10).success(), "{}", said());
    assert_unbroken(&out, &["aac"], &said());
}

#[test]
fn a_plan_that_needs_more_memory_than_it_may_take_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    for command in ["run", "plan"] {
        let mut args = vec![command, "--input", "testsrc:size=1280x720,rate=50", "--ladder", "avc-1080p-6", "--memory", "100"];
        let out = out.to_string_lossy();
        args.extend((command == "run").then_some(["--output", &out]).into_iter().flatten());
        let refused = finish(mezzo(&args), 60);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("limits.memory = 100 MiB; accepted: ") && said.contains("for codecs"), "{said}");
    }
    assert!(!out.exists(), "nothing was written");
}

//! Ten minutes in real time: memory, lag and lip sync at the end are what they were at the beginning. `SOAK_SECONDS` makes it shorter or longer.

use crate::lipsync::published;
use crate::support::{alone, finish, mezzo, numbers, signal, succeed, until, wait};
use mezzo::time::{Rate, Seconds};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Resident memory of a process, in kB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process of ours");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number")
}

/// How long after the end of its slot the newest segment of a track came, as soon as there is a new one.
fn lag(output: &Path, track: &str, segment: Seconds) -> Seconds {
    let newest = || numbers(output, track).last().copied();
    let before = newest();
    until("the next segment", 20, || newest() > before);
    let number = newest().expect("a segment");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    Seconds::from_nanos(now as i128) - segment.times(i128::from(number) + 1)
}

/// How far flashes are behind their beeps in what is published now: the middle, and the farthest either way (where the loop begins again, its sound is spliced).
fn skew(output: &Path, rate: Rate, copy: &Path) -> (Seconds, Seconds) {
    for track in ["avc-270p", "aac-128k"] {
        std::fs::create_dir_all(copy.join(track)).expect("made");
        std::fs::copy(output.join(track).join("init.mp4"), copy.join(track).join("init.mp4")).expect("copied");
        let numbers = numbers(output, track);
        for number in &numbers[numbers.len() - 6..numbers.len() - 1] {
            let name = format!("{track}/{number}.m4s");
            std::fs::copy(output.join(&name), copy.join(&name)).expect("copied");
        }
    }
    let seen = published(copy, rate);
    let mut skews: Vec<Seconds> = seen.flashes.iter().filter_map(|flash| seen.skew(*flash)).collect();
    assert!(skews.len() >= 5, "{seen:?}");
    skews.sort_unstable();
    (skews[skews.len() / 2], skews.iter().map(|skew| skew.abs()).max().expect("some"))
}

#[test]
#[ignore = "takes ten minutes"]
fn a_looped_feed_in_real_time_neither_grows_nor_drifts_nor_falls_behind() {
    let _alone = alone();
    let length = Duration::from_secs(std::env::var("SOAK_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(600));
    let dir = tempfile::tempdir().expect("a folder");
    let (clip, output) = (dir.path().join("feed.ts"), dir.path().join("out"));
    let (clip_text, output_text) = (clip.to_string_lossy().into_owned(), output.to_string_lossy().into_owned());
    // Whole frames of sound, so that nothing overlaps where the clip begins again; and no beep there, where one frame is of two passes.
    succeed(mezzo(&["feed", "--output", &clip_text, "--fast", "--duration", "16s", "--start", "2026-11-21T20:15:30.5Z", "--size", "640x360"]), 120);
    let port = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address").port();
    let url = format!("udp://127.0.0.1:{port}");
    let quiet = |args: &[&str]| mezzo(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut feed = quiet(&["feed", "--input", &clip_text, "--output", &url]);
    let mut worker = quiet(&["run", "--input", &url, "--ladder", "tiny", "--output", &output_text, "--window", "1m"]);
    until("the first segments", 60, || numbers(&output, "avc-270p").len() >= 8);
    let (rate, segment) = (Rate::new(25, 1).expect("legal"), Seconds::TWO);
    let first = skew(&output, rate, &dir.path().join("first"));
    let begun = Instant::now();
    let (mut memory, mut lags) = (Vec::new(), Vec::new());
    while begun.elapsed() < length {
        lags.push(lag(&output, "avc-270p", segment));
        memory.push(resident(worker.id()));
    }
    let last = skew(&output, rate, &dir.path().join("last"));
    let clean = finish(mezzo(&["check", &output_text]), 120);
    for child in [&mut worker, &mut feed] {
        signal(child, "TERM");
        assert!(wait(child, 5).success());
    }
    let most = *lags.iter().max().expect("samples");
    assert!(most < Seconds::TWO, "a segment came {most} s after its slot: this machine is too busy to say more");
    let tenth = lags.len() / 10;
    let middle = |part: &[Seconds]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let (early, late) = (middle(&lags[..tenth.max(3)]), middle(&lags[lags.len() - tenth.max(3)..]));
    let quarter = memory.len() / 4;
    let (small, large) = (memory[..quarter].iter().max().expect("samples"), memory[3 * quarter..].iter().max().expect("samples"));
    eprintln!("{} segments; lag {early} s, then {late} s, at most {most} s", lags.len());
    eprintln!("memory {small} kB in the first quarter, {large} kB in the last; flash after beep (middle, farthest) {first:?}, then {last:?}");
    assert!(clean.status.success(), "{}", String::from_utf8_lossy(&clean.stdout));
    assert!((late - early).abs() < Seconds::new(1, 4), "lag went from {early} s to {late} s: {lags:?}");
    assert!(large * 100 <= small * 105, "memory grew: {memory:?}");
    let moved = (last.0 - first.0).abs();
    assert!(moved < Seconds::new(1, 1000), "sound and picture moved by {moved} s: {first:?}, then {last:?}");
    let most = first.1.max(last.1);
    assert!(most < Seconds::new(5, 1000), "a flash is {most} s from its beep");
}

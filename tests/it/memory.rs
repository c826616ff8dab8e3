//! Memory over an hour of a feed with a fault every ten seconds or so, at full speed. `FAULTY_SECONDS` makes it shorter or longer.

use crate::support::{alone, mezzo, numbers, succeed};
use std::process::Stdio;
use std::time::Duration;

/// Resident memory of a process, in kB; nothing once it has ended.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find(|line| line.starts_with("VmRSS:"))?.split_whitespace().nth(1)?.parse().ok()
}

#[test]
#[ignore = "takes ten minutes"]
fn an_hour_of_faults_does_not_grow() {
    let _alone = alone();
    let seconds: u64 = std::env::var("FAULTY_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(3600);
    let dir = tempfile::tempdir().expect("a folder");
    let (feed, out) = (dir.path().join("feed.ts"), dir.path().join("out"));
    let [feed_text, out_text] = [&feed, &out].map(|path| path.to_string_lossy().into_owned());
    let length = format!("{seconds}s");
    let kinds = ["gap~70+2", "loss5%~70+2", "bits1%~70+2", "audio:vanish~70+2", "size=320x180~70+3", "jump5s~70", "restart~70+1"];
    let mut args =
        vec!["feed", "--output", &feed_text, "--fast", "--duration", &length, "--start", "2026-11-22T00:00:00Z", "--size", "256x144", "--rate", "25"];
    kinds.iter().for_each(|kind| args.extend(["--fault", kind]));
    succeed(mezzo(&args), 1800);
    let run = ["run", "--input", &feed_text, "--ladder", "tiny", "--clock", "sei", "--window", "1m", "--output", &out_text];
    let mut worker = mezzo(&run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut memory = Vec::new();
    let status = loop {
        if let Some(status) = worker.try_wait().expect("a child of ours") {
            break status;
        }
        memory.extend(resident(worker.id()));
        std::thread::sleep(Duration::from_millis(250));
    };
    assert!(status.success(), "{status}");
    assert!(numbers(&out, "avc-180p").len() >= 3);
    // What is reserved once is reserved at the beginning.
    let settled = &memory[memory.len() / 10..];
    let quarter = settled.len() / 4;
    let middle = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let quarters: Vec<u64> = settled.chunks(quarter.max(1)).take(4).map(middle).collect();
    eprintln!("{seconds} s of feed; middle of memory in each quarter {quarters:?} kB, at most {:?} kB of {} readings", settled.iter().max(), settled.len());
    let (first, last) = (quarters[0], quarters[3]);
    assert!(last * 100 <= first * 105, "memory grew from {first} to {last} kB: {quarters:?}");
}

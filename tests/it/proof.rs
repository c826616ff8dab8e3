//! The proof: two workers on one live feed, the second started later and behind two paths that each lose packets, the first killed and started again.
//! What both published is the same, what was hurt says so, and a stream put together of either's segments plays as one.

use crate::support::burnt::{LADDER, burnt_in};
use crate::support::{alone, finish, mezzo, numbers, signal, until, wait};
use mezzo::inspect;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

fn worker(dir: &Path, inputs: &[&str], output: &Path) -> Child {
    let (ladder, output) = (dir.join("one.toml").to_string_lossy().into_owned(), output.to_string_lossy().into_owned());
    let inputs = inputs.iter().flat_map(|input| ["--input", input]);
    let args: Vec<&str> = ["run", "--ladder", &ladder, "--clock", "sei", "--window", "whole", "--output", &output].into_iter().chain(inputs).collect();
    mezzo(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a worker")
}

/// Whether a segment says that it shows damage.
fn is_hurt(segment: &[u8]) -> bool {
    inspect::segment(segment, None).expect("reads").marks.is_some_and(|marks| marks.damaged > 0)
}

/// Takes each segment from one or the other, without a pattern but the same in every run; from the other where it is hurt.
fn either(outputs: &[PathBuf; 2], track: &str, number: i64) -> Vec<u8> {
    let first = (number.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63) as usize;
    let both = [first, 1 - first].map(|n| std::fs::read(outputs[n].join(track).join(format!("{number}.m4s"))).ok());
    let there = || both.iter().flatten();
    there().find(|segment| !is_hurt(segment)).or_else(|| there().next()).cloned().expect("one of them has it")
}

#[test]
fn two_workers_are_one() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("one.toml"), LADDER).expect("written");
    let outputs = [dir.path().join("a"), dir.path().join("b")];
    let sockets = [(); 3].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
    let urls = sockets.map(|s| format!("udp://127.0.0.1:{}", s.local_addr().expect("an address").port()));
    let [own, left, right] = urls.each_ref().map(String::as_str);
    let args = ["feed", "--size", "640x360", "--rate", "25", "--bitrate", "3M", "--seed", "7", "--output", own, "--output", left, "--output", right];
    let faults = ["--fault", "2:loss1%", "--fault", "3:loss1%"];
    let mut feed = mezzo(&[&args[..], &faults[..]].concat()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the feed starts");
    let mut first = worker(dir.path(), &[own], &outputs[0]);
    let count = |n: usize| numbers(&outputs[n], "avc").len();
    until("the first worker publishes", 60, || count(0) >= 3);
    let mut second = worker(dir.path(), &[left, right], &outputs[1]);
    until("the second one, too", 60, || count(1) >= 3);
    signal(&first, "KILL");
    wait(&mut first, 10);
    let killed = count(0);
    let mut again = worker(dir.path(), &[own], &outputs[0]);
    until("the first goes on", 60, || count(0) >= killed + 6);
    for child in [&mut again, &mut second, &mut feed] {
        signal(child, "TERM");
        wait(child, 15);
    }
    let [a, b] = outputs.each_ref().map(|path| path.to_string_lossy().into_owned());
    let report = finish(mezzo(&["check", &a, "--against", &b, "--json"]), 60);
    let said: serde_json::Value = serde_json::from_slice(&report.stdout).expect("JSON");
    let against = |name: &str| said["against"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {said}"));
    println!("{} segments identical, {} excused", against("identical"), against("excused"));
    assert!(report.status.success(), "{:#}\n{:#}", said["findings"], said["against"]);
    assert!(against("identical") >= 8, "{said}");
    // The first missed what went by while it was not there, and so the numbers are the second one's.
    let shown = burnt_in(&outputs[1], "avc", |number| either(&outputs, "avc", number));
    let hurt: Vec<bool> = numbers(&outputs[1], "avc").into_iter().map(|number| is_hurt(&either(&outputs, "avc", number))).collect();
    println!("{} of {} segments are hurt on all sides", hurt.iter().filter(|hurt| **hurt).count(), hurt.len());
    assert_eq!(shown.len(), hurt.len() * 50, "a picture for each slot");
    let whole = |at: usize| !hurt[at / 50] && !hurt[(at + 1) / 50];
    let odd: Vec<(usize, &[i64])> = shown.windows(2).enumerate().filter(|(at, pair)| whole(*at) && pair[1] != pair[0] + 1).collect();
    assert!(odd.is_empty(), "not in order: {odd:?}");
    assert!(hurt.iter().filter(|hurt| !**hurt).count() >= 8, "{hurt:?}");
}

//! Live workers on one stamped UDP feed with nothing between them: interchangeable, whatever the network does to either.

use crate::support::network::Splitter;
use crate::support::{alone, assert_interchangeable, finish, mezzo, numbers, signal, until, wait};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

fn feed(splitter: &Splitter) -> Child {
    let url = format!("udp://127.0.0.1:{}", splitter.port);
    let args = ["feed", "--output", &url, "--size", "640x360", "--rate", "30000/1001"];
    mezzo(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the feed starts")
}

fn worker(splitter: &Splitter, way: usize, output: &Path) -> Child {
    let (input, output) = (splitter.url(way), output.to_string_lossy().into_owned());
    mezzo(&["run", "--input", &input, "--ladder", "tiny", "--output", &output]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a worker")
}

fn stop(children: [&mut Child; 3]) {
    for child in children {
        signal(child, "TERM");
        assert!(wait(child, 5).success());
    }
}

fn outputs(dir: &Path) -> [PathBuf; 2] {
    [dir.join("a"), dir.join("b")]
}

fn both_have(outputs: &[PathBuf; 2], least: usize) {
    until("both have segments of their own", 60, || {
        let (a, b) = (numbers(&outputs[0], "aac-64k"), numbers(&outputs[1], "aac-64k"));
        a.iter().filter(|n| b.contains(n)).count() >= least
    });
}

/// How `check --against` counts the segments in both: identical, excused by a mark.
fn compared(outputs: &[PathBuf; 2]) -> (u64, u64) {
    let [a, b] = outputs.each_ref().map(|o| o.to_string_lossy().into_owned());
    let output = finish(mezzo(&["check", &a, "--against", &b, "--json"]), 60);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success(), "{:#}\n{:#}", report["findings"], report["against"]);
    let count = |name: &str| report["against"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}"));
    (count("identical"), count("excused"))
}

#[test]
fn twins_on_a_stamped_feed_publish_the_same_bytes() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let outputs = outputs(dir.path());
    let splitter = Splitter::new(&[0, 0]);
    let mut feed = feed(&splitter);
    let mut a = worker(&splitter, 0, &outputs[0]);
    until("the first worker publishes", 40, || numbers(&outputs[0], "avc-180p").len() >= 2);
    let mut b = worker(&splitter, 1, &outputs[1]);
    both_have(&outputs, 4);
    stop([&mut a, &mut b, &mut feed]);
    let first = numbers(&outputs[0], "avc-180p")[0];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let slot = now * 30000.0 / 1001.0 / 60.0;
    assert!((slot - first as f64) < 60.0 && (first as f64) < slot, "the number {first} is the time of day, {slot} now");
    assert_interchangeable("twins", &outputs[0], &outputs[1], 12);
}

/// What loss does to a segment is said in it, so that an origin takes the other one.
#[test]
fn a_twin_that_loses_packets_says_where() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let outputs = outputs(dir.path());
    let splitter = Splitter::new(&[0, 397]);
    let mut feed = feed(&splitter);
    let (mut a, mut b) = (worker(&splitter, 0, &outputs[0]), worker(&splitter, 1, &outputs[1]));
    both_have(&outputs, 6);
    stop([&mut a, &mut b, &mut feed]);
    let (identical, excused) = compared(&outputs);
    assert!(excused >= 2, "loss hurt nothing: {identical} identical, {excused} excused");
}

/// While a feed is away its slots are filled as they pass; its twin, which had it, stands in. Afterwards both are the same again.
#[test]
fn a_feed_that_goes_away_leaves_no_hole_and_comes_back_in_place() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let outputs = outputs(dir.path());
    let splitter = Splitter::new(&[0, 0]);
    let mut feed = feed(&splitter);
    let (mut a, mut b) = (worker(&splitter, 0, &outputs[0]), worker(&splitter, 1, &outputs[1]));
    both_have(&outputs, 2);
    let newest = |output: &Path, track: &str| numbers(output, track).last().copied().expect("segments");
    let before = newest(&outputs[1], "avc-180p");
    splitter.cut(1, true);
    until("three segments while the feed is away", 20, || newest(&outputs[1], "avc-180p") >= before + 4 && newest(&outputs[1], "aac-64k") >= before + 3);
    let ahead = newest(&outputs[0], "avc-180p") - newest(&outputs[1], "avc-180p");
    assert!((0..=1).contains(&ahead), "the worker without a feed is {ahead} segments behind the other");
    splitter.cut(1, false);
    let back = newest(&outputs[1], "avc-180p");
    until("both go on", 30, || outputs.iter().all(|o| newest(o, "avc-180p") >= back + 4 && newest(o, "aac-64k") >= back + 4));
    stop([&mut a, &mut b, &mut feed]);
    for track in ["avc-180p", "aac-64k"] {
        let numbers = numbers(&outputs[1], track);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{track} has a hole: {numbers:?}");
    }
    let (identical, excused) = compared(&outputs);
    assert!(identical >= 8 && excused >= 4, "{identical} identical, {excused} excused");
    let clean = finish(mezzo(&["check", &outputs[1].to_string_lossy()]), 60);
    assert!(clean.status.success(), "{}", String::from_utf8_lossy(&clean.stdout));
}

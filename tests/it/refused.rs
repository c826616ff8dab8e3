//! Callers with another passphrase: told of, counted, and no harm.

use crate::support::network::free_port;
use crate::support::{alone, mezzo, numbers, signal, until, wait};
use std::process::Stdio;

#[test]
fn a_wrong_passphrase_is_logged_and_ignored() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (out, port) = (dir.path().join("out"), free_port());
    let log = std::fs::File::create(dir.path().join("log")).expect("a log");
    let url = format!("srt://127.0.0.1:{port}?mode=listener&passphrase=the-right-one");
    let run = ["run", "--input", &url, "--ladder", "tiny", "--segment", "1s", "--output", &out.to_string_lossy()];
    let mut worker = mezzo(&run).stdout(Stdio::null()).stderr(log).spawn().expect("a worker");
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    until("it listens", 20, || said().contains("waiting for somebody"));
    let feed = |passphrase: &str| {
        let url = format!("srt://127.0.0.1:{port}{passphrase}");
        let args = ["feed", "--output", &url, "--size", "256x144", "--rate", "25"];
        mezzo(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the feed starts")
    };
    let mut wrong = feed("?passphrase=not-the-right-one");
    until("the wrong one is told of", 20, || said().contains("an SRT caller was refused: Incorrect passphrase"));
    let mut none = feed("");
    until("the one without is told of", 20, || said().contains("an SRT caller was refused: Password required"));
    let mut right = feed("?passphrase=the-right-one");
    until("segments", 40, || numbers(&out, "avc-180p").len() >= 2);
    assert!(!said().contains("the-right-one"), "{}", said());
    for child in [&mut worker, &mut wrong, &mut none, &mut right] {
        signal(child, "TERM");
        wait(child, 10);
    }
}

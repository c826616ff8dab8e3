//! Connections that are lost in mid-event.

use crate::common::ask;
use crate::support::{alone, media, mezzo, numbers, signal, succeed, until, until_said, wait};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Calls until it is taken, sends a clip at its own rate again and again, and ends with the test.
struct Sender(Child);

impl Sender {
    fn new(clip: &Path, url: &str) -> Sender {
        let script = "for n in 1 2 3 4 5 6 7 8 9 10; do ffmpeg -v quiet -re -stream_loop -1 -i \"$0\" -c copy -f mpegts \"$1\" && exit; sleep 0.5; done";
        Sender(Command::new("setsid").args(["sh", "-c", script]).arg(clip).arg(url).stdin(Stdio::null()).spawn().expect("sh runs"))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // The group of its own: the shell and what it runs.
        let _ = Command::new("sh").args(["-c", &format!("kill -KILL -{}", self.0.id())]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

fn source(address: std::net::SocketAddr, name: &str) -> u64 {
    let status: serde_json::Value = serde_json::from_slice(&ask(address, "GET", "/v1/status", &[]).body).expect("JSON");
    status["source"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {status}"))
}

#[test]
fn a_caller_that_goes_and_comes_back_leaves_no_hole() {
    let Some(clip) = media("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let _alone = alone();
    for scheme in ["tcp", "srt"] {
        let dir = tempfile::tempdir().expect("a folder");
        let url = format!("{scheme}://127.0.0.1:{}", free_port());
        let listen = format!("{url}?{}", if scheme == "tcp" { "listen=1" } else { "mode=listener" });
        let output = dir.path().join("out");
        let mut child = mezzo(&["run", "--input", &listen, "--ladder", "tiny", "--listen", "127.0.0.1:0", "--output", &output.to_string_lossy()])
            .spawn()
            .expect("the program starts");
        let first = Sender::new(&clip, &url);
        let page = until_said(&mut child, "the page is at ", 40);
        let address = page.split("http://").nth(1).and_then(|url| url.trim_end().trim_end_matches('/').parse().ok()).expect("an address");
        let newest = || numbers(&output, "avc-180p").last().copied().unwrap_or(0);
        until("it publishes", 40, || numbers(&output, "avc-180p").len() >= 2);
        drop(first);
        until("the loss is seen", 20, || source(address, "disconnects") == 1);
        let lost = newest();
        until("its slots are filled", 20, || newest() >= lost + 2);
        let _second = Sender::new(&clip, &url);
        until("it is back", 40, || source(address, "reconnects") == 1);
        let (back, pictures) = (newest(), source(address, "pictures"));
        until("it goes on", 40, || newest() >= back + 4 && source(address, "pictures") > pictures + 100);
        signal(&child, "TERM");
        assert!(wait(&mut child, 10).success());
        for track in ["avc-180p", "aac-64k"] {
            let numbers = numbers(&output, track);
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{scheme}: {track} has a hole: {numbers:?}");
        }
        succeed(mezzo(&["check", &output.to_string_lossy()]), 60);
    }
}

#[test]
fn a_feed_that_stays_away_ends_the_run_where_that_was_asked() {
    let Some(clip) = media("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    // Nobody is there: waited for, and then exit code 1.
    let url = format!("tcp://127.0.0.1:{}", free_port());
    let output = dir.path().join("never").to_string_lossy().into_owned();
    let mut child = mezzo(&["run", "--input", &url, "--input-timeout", "2s", "--ladder", "tiny", "--output", &output]).spawn().expect("the program starts");
    until_said(&mut child, "nothing came for 2 s", 20);
    assert_eq!(wait(&mut child, 10).code(), Some(1));
    assert!(!dir.path().join("never").exists());
    // Somebody was there.
    let url = format!("tcp://127.0.0.1:{}", free_port());
    let output = dir.path().join("out");
    let listen = format!("{url}?listen=1");
    let mut child = mezzo(&["run", "--input", &listen, "--input-timeout", "8s", "--ladder", "tiny", "--output", &output.to_string_lossy()])
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let sender = Sender::new(&clip, &url);
    until("it publishes", 40, || !numbers(&output, "avc-180p").is_empty());
    drop(sender);
    assert_eq!(wait(&mut child, 30).code(), Some(1));
}

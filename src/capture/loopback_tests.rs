//! What tests over the loopback share: ports, senders, and what a stop may take.

use crate::capture::apart::Settled;
use crate::capture::media_tests::raised_after;
use crate::capture::{Input, Opened, Read, open};
use crate::job::{Pace, Select};
use crate::stop::Stop;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What a stop may take.
const AT_ONCE: Duration = Duration::from_millis(100);

pub(super) fn try_open(url: &str, stop: &Stop) -> Opened {
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Quiet);
    open(url, Pace::Live, &Select::default(), stop)
}

/// Opens what never comes, raises the flag meanwhile, and asserts that this ends it at once.
pub(super) fn assert_opening_stops(url: &str) {
    let _settled = Settled;
    let stop = Stop::new();
    let stopper = raised_after(&stop, 400);
    let opened = try_open(url, &stop);
    let late = stopper.join().expect("no panic").elapsed();
    let error = opened.err().expect("it does not open").to_string();
    assert!(error.contains("stopped") && late < AT_ONCE, "{url}: {late:?}, {error}");
}

/// Reads on, raises the flag after `millis`, and asserts that this ends the reading at once.
pub(super) fn assert_reading_stops(input: &mut dyn Input, stop: &Stop, millis: u64) {
    let stopper = raised_after(stop, millis);
    while !matches!(input.read().expect("it is connected"), Read::Stopped) {}
    let late = stopper.join().expect("no panic").elapsed();
    assert!(late < AT_ONCE, "{late:?}");
}

pub(super) fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port()
}

pub(super) fn free_tcp_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port()
}

/// A sender that ends with the test.
pub(super) struct Sender(pub(super) Child);

impl Sender {
    pub(super) fn new(clip: &Path, output: &[&str]) -> Sender {
        let input = ["-v", "quiet", "-re", "-stream_loop", "-1", "-i"];
        let mut command = Command::new("ffmpeg");
        command.args(input).arg(clip).args(["-c", "copy"]).args(output).stdin(Stdio::null());
        Sender(command.spawn().expect("ffmpeg runs"))
    }

    pub(super) fn signal(&self, name: &str) {
        let done = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.0.id())]).status().expect("sh runs");
        assert!(done.success());
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Gone already where the test ended it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

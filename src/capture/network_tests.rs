//! Connections over the loopback, fed by libav's own tools, and stopped while they are silent.

use super::loopback::{Sender, assert_opening_stops, assert_reading_stops, free_tcp_port, free_udp_port, try_open};
use crate::capture::apart::Settled;
use crate::capture::media_tests::{clip, raised_after, read_pictures};
use crate::capture::{CaptureError, Input, Kind, Lost, Origin, Read, Source};
use crate::stop::Stop;
use std::net::TcpStream;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A call is tried until somebody listens.
fn until_open(url: &str, stop: &Stop) -> (Source, Box<dyn Input>) {
    let began = Instant::now();
    loop {
        match try_open(url, stop) {
            Ok(opened) => return opened,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
        }
        std::thread::yield_now();
    }
}

/// A sender is refused until the listener is there, and is taken when that has opened.
pub(super) fn until_taken<T>(clip: &Path, output: &[&str], listener: &JoinHandle<T>) -> Sender {
    let began = Instant::now();
    loop {
        let mut sender = Sender::new(clip, output);
        while sender.0.try_wait().expect("a child of ours").is_none() {
            if listener.is_finished() {
                return sender;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "it is not taken");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Reads on until this is lost, which must come.
fn until_lost(input: &mut dyn Input, wanted: Lost) {
    let began = Instant::now();
    loop {
        match input.read().expect("it goes on") {
            Read::Lost(lost) if lost == wanted => return,
            Read::Lost(_) | Read::Unit(_) => assert!(began.elapsed() < Duration::from_secs(40), "no {wanted:?}"),
            Read::End | Read::Stopped => panic!("a lost connection is no end"),
        }
    }
}

/// Waits until somebody listens at a TCP port, without calling there.
fn until_listening(port: u16) {
    let began = Instant::now();
    // proc(5): local and remote address, and the state, 0A for one that listens.
    let listens = |line: &str| line.contains(&format!(":{port:04X} 00000000:0000 0A "));
    while !std::fs::read_to_string("/proc/net/tcp").expect("Linux has it").lines().any(listens) {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody listens at {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_port_scan_does_not_discourage_a_tcp_or_rtmp_listener() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    for (scheme, name, format) in [("tcp", "", "mpegts"), ("rtmp", "/live/x", "flv")] {
        let port = free_tcp_port();
        let url = format!("{scheme}://127.0.0.1:{port}{name}");
        let stop = Stop::new();
        let (listen, quit) = (format!("{url}?listen=1"), stop.clone());
        let listener = std::thread::spawn(move || try_open(&listen, &quit));
        until_listening(port);
        for _ in 0..3 {
            until_listening(port);
            drop(TcpStream::connect(("127.0.0.1", port)));
        }
        let _sender = until_taken(&path, &["-f", format, &url], &listener);
        let (source, mut input) = listener.join().expect("no panic").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(source.facts.width, 1024, "{scheme}");
        read_pictures(input.as_mut(), 25);
    }
}

#[test]
fn a_caller_without_media_does_not_discourage_an_srt_listener() {
    let _settled = Settled;
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let url = format!("srt://127.0.0.1:{}", free_udp_port());
    let stop = Stop::new();
    let (listen, quit) = (format!("{url}?mode=listener"), stop.clone());
    let listener = std::thread::spawn(move || try_open(&listen, &quit));
    // Connects, brings nothing, and leaves.
    let mute = Stop::new();
    let leaves = raised_after(&mute, 1500);
    while !mute.is_raised() {
        assert!(try_open(&url, &mute).is_err());
    }
    leaves.join().expect("no panic");
    let _sender = until_taken(&path, &["-f", "mpegts", &format!("{url}?connect_timeout=15000")], &listener);
    let (_, mut input) = listener.join().expect("no panic").unwrap_or_else(|e| panic!("{e}"));
    read_pictures(input.as_mut(), 25);
}

#[test]
fn srt_calls_and_is_called_and_stops_at_once() {
    let _settled = Settled;
    assert_opening_stops(&format!("srt://127.0.0.1:{}", free_udp_port()));
    assert_opening_stops(&format!("srt://127.0.0.1:{}?mode=listener", free_udp_port()));
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };

    // We call. Then the sender stands still: SRT takes five seconds to find out.
    let url = format!("srt://127.0.0.1:{}", free_udp_port());
    let sender = Sender::new(&path, &["-f", "mpegts", &format!("{url}?mode=listener")]);
    let stop = Stop::new();
    let (source, mut input) = until_open(&url, &stop);
    assert_eq!((source.facts.width, source.facts.height, source.facts.sounds[0].sample_rate), (1024, 576, Some(48_000)));
    assert!(matches!(source.origin, Origin::Live { wrap: Some(_) }));
    assert!(read_pictures(input.as_mut(), 50) > 10);
    sender.signal("STOP");
    assert_reading_stops(input.as_mut(), &stop, 1500);
    drop((input, sender));

    // We are called; then the caller goes, which is told in words.
    let url = format!("srt://127.0.0.1:{}", free_udp_port());
    let stop = Stop::new();
    let (listen, quit) = (format!("{url}?mode=listener"), stop.clone());
    let listener = std::thread::spawn(move || try_open(&listen, &quit));
    let sender = Sender::new(&path, &["-f", "mpegts", &format!("{url}?connect_timeout=15000")]);
    let (_, mut input) = listener.join().expect("no panic").unwrap_or_else(|e| panic!("{e}"));
    assert!(read_pictures(input.as_mut(), 50) > 10);
    sender.signal("TERM");
    until_lost(input.as_mut(), Lost::Connection);
    let _next = Sender::new(&path, &["-f", "mpegts", &format!("{url}?connect_timeout=15000")]);
    until_lost(input.as_mut(), Lost::Outage);
    assert!(read_pictures(input.as_mut(), 50) > 10);
}

#[test]
fn rtmp_is_published_to_us_and_is_dated_by_its_arrival() {
    assert_opening_stops(&format!("rtmp://127.0.0.1:{}/live/x?listen=1", free_tcp_port()));
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let url = format!("rtmp://127.0.0.1:{}/live/x", free_tcp_port());
    let stop = Stop::new();
    let (listen, quit) = (format!("{url}?listen=1"), stop.clone());
    let listener = std::thread::spawn(move || try_open(&listen, &quit));
    let sender = until_taken(&path, &["-f", "flv", &url], &listener);
    let (source, mut input) = listener.join().expect("no panic").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((source.facts.width, source.facts.height, source.facts.rate.to_string().as_str()), (1024, 576, "25"));
    assert_eq!(source.origin, Origin::Session);
    // What came while it was being opened is dated as it came: stamps and arrivals run alike.
    let mut offsets = Vec::new();
    while offsets.len() < 75 {
        if let Read::Unit(unit) = input.read().expect("it goes on")
            && unit.kind == Kind::Video
        {
            let dts = crate::time::Seconds::new(i128::from(unit.packet.dts().expect("FLV has it")), 1000);
            offsets.push(unit.arrival - dts);
        }
    }
    let (least, most) = (offsets.iter().min().expect("some"), offsets.iter().max().expect("some"));
    assert!((*most - *least).to_duration() < Duration::from_millis(500), "{least} to {most}");
    sender.signal("STOP");
    assert_reading_stops(input.as_mut(), &stop, 800);
}

#[test]
fn what_cannot_be_connected_to_says_why_and_what_is_accepted() {
    let tcp = free_tcp_port();
    for (url, said, away) in [
        ("srt://127.0.0.1".to_owned(), "no port in it; srt://HOST:PORT", false),
        (format!("srt://127.0.0.1:{tcp}?passphrase=short"), "its passphrase has 5 characters", false),
        (format!("srt://no.such.host.invalid:{tcp}"), "leads nowhere", true),
        (format!("srt://127.0.0.1:{}", free_udp_port()), "nobody listens there", true),
        (format!("http://127.0.0.1:{tcp}/x"), "connection refused", true),
        (format!("rtmp://127.0.0.1:{tcp}/live/x"), "rtmp://HOST[:PORT]/APP/STREAM", true),
        ("quic://127.0.0.1:1".to_owned(), "srt://, rist://", false),
    ] {
        let error = try_open(&url, &Stop::new()).err().expect("nothing is there");
        // Nobody there is no fault of the job's.
        assert_eq!(matches!(error, CaptureError::Away { .. }), away, "{url}: {error:?}");
        let error = error.to_string();
        assert!(error.contains(said) && !error.contains("short"), "{url}: {error}");
    }
}

/// Both sides call, each from a loopback address of its own.
#[cfg(feature = "gstreamer")]
#[test]
fn srt_in_rendezvous_goes_through_gstreamer() {
    let _settled = Settled;
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let port = free_udp_port();
    let place = |host: u8, local: u8| format!("srt://127.0.0.{host}:{port}?mode=rendezvous&localaddress=127.0.0.{local}&localport={port}");
    let mut peer = std::process::Command::new("gst-launch-1.0")
        .args(["-q", "filesrc", &format!("location={}", path.display()), "!", "tsparse", "set-timestamps=true", "!", "identity", "sync=true", "!"])
        .args(["srtsink", &format!("uri={}", place(2, 1)), "passphrase=0123456789"])
        .spawn()
        .expect("gst-launch-1.0 runs");
    let url = format!("srt://127.0.0.1:{port}?mode=rendezvous&localaddr=127.0.0.2&latency=200000&passphrase=0123456789");
    let opened = try_open(&url, &Stop::new());
    let (source, mut input) = opened.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(source.facts.width, 1024);
    read_pictures(input.as_mut(), 25);
    peer.kill().expect("a child of ours");
    peer.wait().expect("it ends");
}

/// libsrt refuses a caller with another passphrase by itself; the next one is taken.
#[test]
fn a_wrong_passphrase_does_not_discourage_an_srt_listener() {
    let _settled = Settled;
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let url = format!("srt://127.0.0.1:{}", free_udp_port());
    let (listen, stop) = (format!("{url}?mode=listener&passphrase=right-passphrase"), Stop::new());
    let quit = stop.clone();
    let listener = std::thread::spawn(move || try_open(&listen, &quit));
    for wrong in ["?passphrase=wrong-passphrase", ""] {
        let mut sender = Sender::new(&path, &["-f", "mpegts", &format!("{url}{wrong}")]);
        assert!(!sender.0.wait().expect("a child of ours").success(), "{wrong}");
        assert!(!listener.is_finished(), "{wrong}");
    }
    // Datagrams that are none of SRT's.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let place = url.trim_start_matches("srt://").to_owned();
    for n in 0..200 {
        socket.send_to(&[n; 100], &place).expect("sent");
    }
    let _sender =
        until_taken(&path, &["-f", "mpegts", &format!("{url}?passphrase=right-passphrase&streamid=one&latency=150000&connect_timeout=15000")], &listener);
    let (_, mut input) = listener.join().expect("no panic").unwrap_or_else(|e| panic!("{e}"));
    read_pictures(input.as_mut(), 25);
}

#[test]
fn rist_receives() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    // A port of an even number, and the one above it, which its feedback takes.
    let port = (0..50).map(|_| free_udp_port()).find(|port| port % 2 == 0).expect("half of them are");
    let stop = Stop::new();
    let quit = stop.clone();
    let listener = std::thread::spawn(move || try_open(&format!("rist://@127.0.0.1:{port}"), &quit));
    let _sender = until_taken(&path, &["-f", "mpegts", &format!("rist://127.0.0.1:{port}")], &listener);
    let (source, mut input) = listener.join().expect("no panic").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(source.facts.width, 1024);
    read_pictures(input.as_mut(), 25);
    assert_reading_stops(input.as_mut(), &stop, 300);
}

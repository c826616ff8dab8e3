//! Connections over the loopback, fed by libav's own tools, and stopped while they are silent.

use super::AT_ONCE;
use super::loopback::{Sender, assert_opening_stops, assert_reading_stops, free_tcp_port, free_udp_port, try_open};
use crate::capture::media_tests::{clip, raised_after, read_pictures};
use crate::capture::{CaptureError, Input, Kind, Origin, Read, Source};
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
fn until_taken<T>(clip: &Path, output: &[&str], listener: &JoinHandle<T>) -> Sender {
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
        // What fails sooner is taken for a port that cannot be listened on.
        stop.wait(AT_ONCE * 2);
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
    let error = loop {
        match input.read() {
            Ok(Read::End | Read::Stopped) => panic!("a lost connection is no end"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CaptureError::Broken { .. }) && error.to_string().contains("other side closed"), "{error}");
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
    for (url, said) in [
        ("srt://127.0.0.1".to_owned(), "no port in it; srt://HOST:PORT"),
        (format!("srt://127.0.0.1:{tcp}?passphrase=short"), "its passphrase has 5 characters"),
        (format!("srt://no.such.host.invalid:{tcp}"), "leads nowhere"),
        (format!("srt://127.0.0.1:{}", free_udp_port()), "nobody listens there"),
        (format!("http://127.0.0.1:{tcp}/x"), "connection refused"),
        (format!("rtmp://127.0.0.1:{tcp}/live/x"), "rtmp://HOST[:PORT]/APP/STREAM"),
        ("quic://127.0.0.1:1".to_owned(), "srt://, rist://"),
    ] {
        let error = try_open(&url, &Stop::new()).err().expect("nothing is there");
        assert!(matches!(error, CaptureError::Open { .. }));
        let error = error.to_string();
        assert!(error.contains(said) && !error.contains("short"), "{url}: {error}");
    }
}

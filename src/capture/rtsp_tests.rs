//! RTSP over the loopback, from a small server that sends a transport stream in RTP over the connection of its session.

use super::connections::until_taken;
use super::loopback::{assert_opening_stops, assert_reading_stops, free_tcp_port, try_open};
use super::open_patiently;
use crate::capture::media_tests::{clip, read_pictures};
use crate::capture::{Lost, Origin, Read};
use crate::job::Select;
use crate::stop::Stop;
use std::io::{BufRead, BufReader, ErrorKind, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\nc=IN IP4 0.0.0.0\r\na=control:track\r\n";

/// Answers one client, and from PLAY on sends `clip` again and again at `rate` bytes a second, `bytes` in all; then it hangs up.
fn serve(stream: TcpStream, clip: &[u8], rate: usize, bytes: usize) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let method = head.first().and_then(|line| line.split(' ').next()).unwrap_or_default().to_owned();
        let sequence = head.iter().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("0").to_owned();
        let (more, body) = match method.as_str() {
            "OPTIONS" => ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n".to_owned(), ""),
            "DESCRIBE" => (format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", SDP.len()), SDP),
            "SETUP" => ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n".to_owned(), ""),
            _ => ("Session: 1\r\n".to_owned(), ""),
        };
        write!(writer, "RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{more}\r\n{body}")?;
        if method == "PLAY" {
            break;
        }
    }
    let began = Instant::now();
    for (n, packets) in clip.chunks(7 * 188).cycle().take(bytes / (7 * 188)).enumerate() {
        let due = Duration::from_secs_f64((n * 7 * 188) as f64 / rate as f64);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let stamp = (due.as_secs_f64() * 90_000.0) as u32;
        let mut framed = vec![b'$', 0];
        framed.extend(((12 + packets.len()) as u16).to_be_bytes());
        framed.extend([0x80, 33]);
        framed.extend((n as u16).to_be_bytes());
        framed.extend(stamp.to_be_bytes());
        framed.extend(7u32.to_be_bytes());
        framed.extend_from_slice(packets);
        writer.write_all(&framed)?;
    }
    Ok(())
}

#[test]
fn rtsp_is_played_and_called_again_and_stops_at_once() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let bytes = std::fs::read(path).expect("a clip");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let rate = bytes.len() / 12;
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().flatten().enumerate() {
            let length = if n == 0 { bytes.len() / 2 } else { bytes.len() * 20 };
            // Whoever was served hangs up.
            let _ = serve(stream, &bytes, rate, length);
        }
    });
    let (url, stop) = (format!("rtsp://127.0.0.1:{port}/1"), Stop::new());
    let (source, mut input) = try_open(&url, &stop).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((source.facts.width, source.facts.height, source.origin), (1024, 576, Origin::Session));
    let first = source.video.session;
    assert!(read_pictures(input.as_mut(), 50) > 10);
    let began = Instant::now();
    while !matches!(input.read().expect("it is called again"), Read::Lost(Lost::Outage)) {
        assert!(began.elapsed() < Duration::from_secs(40));
    }
    let again = loop {
        if let Read::Unit(unit) = input.read().expect("it goes on") {
            break unit.stream.session;
        }
    };
    assert!(first != 0 && again != first, "stamps begin anew with each connection");
    assert_reading_stops(input.as_mut(), &stop, 500);
    // A server that accepts and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    assert_opening_stops(&format!("rtsp://127.0.0.1:{}/1", mute.local_addr().expect("bound").port()));
}

/// Somebody connects and says nothing: is hung up on, and the next one is taken.
#[test]
fn a_silent_caller_does_not_keep_others_from_a_listener() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Quiet);
    let port = free_tcp_port();
    let url = format!("rtsp://127.0.0.1:{port}/live");
    let (stop, listen) = (Stop::new(), format!("{url}?listen=1"));
    let quit = stop.clone();
    let listener = std::thread::spawn(move || open_patiently(&listen, &Select::default(), &quit, Duration::from_secs(6)));
    let began = Instant::now();
    let mut silent = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(silent) => break silent,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    silent.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    let said = silent.read(&mut [0; 64]);
    assert!(matches!(&said, Ok(0)) || said.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset), "{said:?}");
    let _sender = until_taken(&path, &["-an", "-f", "rtsp", "-rtsp_transport", "tcp", &url], &listener);
    let (source, mut input) = listener.join().expect("no panic").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((source.facts.width, source.origin), (1024, Origin::Session));
    read_pictures(input.as_mut(), 50);
    assert_reading_stops(input.as_mut(), &stop, 300);
}

//! Inputs over the loopback: fed by libav's own tools and by a small server, stopped while they are silent.

use crate::capture::media_tests::clip;
use crate::capture::{CaptureError, Input, Kind, Lost, Opened, Origin, Read, open};
use crate::job::{Pace, Select};
use crate::stop::Stop;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a stop may take.
const AT_ONCE: Duration = Duration::from_millis(100);

fn try_open(url: &str, stop: &Stop) -> Opened {
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Quiet);
    open(url, Pace::Live, &Select::default(), stop)
}

fn raised_after(stop: &Stop, millis: u64) -> JoinHandle<Instant> {
    let stop = stop.clone();
    std::thread::spawn(move || {
        stop.wait(Duration::from_millis(millis));
        let at = Instant::now();
        stop.raise();
        at
    })
}

/// Opens what never comes, raises the flag meanwhile, and asserts that this ends it at once.
fn assert_opening_stops(url: &str) {
    let stop = Stop::new();
    let stopper = raised_after(&stop, 400);
    let opened = try_open(url, &stop);
    let late = stopper.join().expect("no panic").elapsed();
    let error = opened.err().expect("it does not open").to_string();
    assert!(error.contains("stopped") && late < AT_ONCE, "{url}: {late:?}, {error}");
    // libsrt does not bear that the process ends while a thread is still inside it, and libav looks up ten times a second.
    std::thread::sleep(Duration::from_millis(300));
}

/// Reads on, raises the flag after `millis`, and asserts that this ends the reading at once.
fn assert_reading_stops(input: &mut dyn Input, stop: &Stop, millis: u64) {
    let stopper = raised_after(stop, millis);
    while !matches!(input.read().expect("it is connected"), Read::Stopped) {}
    let late = stopper.join().expect("no panic").elapsed();
    assert!(late < AT_ONCE, "{late:?}");
}

/// Reads until `pictures` have come, and says how much sound came with them.
fn read_pictures(input: &mut dyn Input, pictures: usize) -> usize {
    let mut kinds = [0, 0];
    while kinds[0] < pictures {
        match input.read().expect("it goes on") {
            Read::Unit(unit) => kinds[usize::from(unit.kind == Kind::Audio)] += 1,
            Read::Lost(_) => {}
            Read::End | Read::Stopped => panic!("it goes on"),
        }
    }
    kinds[1]
}

fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port()
}

fn free_tcp_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port()
}

/// A sender that ends with the test.
struct Sender(Child);

impl Sender {
    fn new(clip: &Path, output: &[&str]) -> Sender {
        let input = ["-v", "quiet", "-re", "-stream_loop", "-1", "-i"];
        let mut command = Command::new("ffmpeg");
        command.args(input).arg(clip).args(["-c", "copy"]).args(output).stdin(Stdio::null());
        Sender(command.spawn().expect("ffmpeg runs"))
    }

    fn signal(&self, name: &str) {
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

/// A call is tried until somebody listens.
fn until_open(url: &str, stop: &Stop) -> (crate::capture::Source, Box<dyn Input>) {
    let began = Instant::now();
    loop {
        match try_open(url, stop) {
            Ok(opened) => return opened,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
        }
        std::thread::yield_now();
    }
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
    assert_eq!((source.facts.width, source.facts.height, source.facts.sample_rate), (1024, 576, Some(48_000)));
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
    let sender = loop {
        // Refused until the listener is there.
        let mut sender = Sender::new(&path, &["-f", "flv", &url]);
        stop.wait(Duration::from_millis(700));
        if sender.0.try_wait().expect("a child of ours").is_none() {
            break sender;
        }
    };
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

/// What the server says to a path.
#[derive(Clone)]
enum Answer {
    /// The whole of it.
    Whole(Vec<u8>),
    /// This, and then nothing, with the connection open.
    Stalled(Vec<u8>),
}

/// A small HTTP server.
struct Http {
    address: SocketAddr,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Stop,
}

impl Http {
    fn new() -> Http {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = Http { address, answers: Arc::default(), asked: Arc::default(), stop: Stop::new() };
        let (answers, asked, stop) = (server.answers.clone(), server.asked.clone(), server.stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.is_raised() {
                    return;
                }
                let (answers, asked, stop) = (answers.clone(), asked.clone(), stop.clone());
                std::thread::spawn(move || answer(stream, &answers, &asked, &stop));
            }
        });
        server
    }

    fn put(&self, path: &str, answer: Answer) -> String {
        self.answers.lock().expect("unpoisoned").insert(path.to_owned(), answer);
        format!("http://{}{path}", self.address)
    }

    /// Takes no more calls.
    fn close(&self) {
        self.stop.raise();
        // Wakes the thread that accepts, which then lets its socket go.
        let _ = TcpStream::connect(self.address);
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.close();
    }
}

fn answer(mut stream: TcpStream, answers: &Mutex<HashMap<String, Answer>>, asked: &Mutex<Vec<String>>, stop: &Stop) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let found = answers.lock().expect("unpoisoned").get(&path).cloned();
    asked.lock().expect("unpoisoned").push(path);
    // Errors are of clients that have gone.
    let _ = match found {
        None => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Some(Answer::Whole(body)) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).and_then(|()| stream.write_all(&body))
        }
        Some(Answer::Stalled(body)) => {
            let done = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").and_then(|()| stream.write_all(&body));
            stop.wait(Duration::from_secs(30));
            done
        }
    };
}

#[test]
fn http_brings_a_transport_stream_and_stops_at_once() {
    let server = Http::new();
    let error = try_open(&format!("http://{}/none.ts", server.address), &Stop::new()).err().expect("not there").to_string();
    assert!(error.contains("/none.ts") && error.contains("404") && error.contains("http:// and https:// are accepted"), "{error}");
    let text = server.put("/text", Answer::Whole(b"this is no media\n".repeat(500)));
    let error = try_open(&text, &Stop::new()).err().expect("no media").to_string();
    assert!(error.contains("not media") && error.contains("HLS, MPEG-TS"), "{error}");
    assert_opening_stops(&server.put("/mute.ts", Answer::Stalled(Vec::new())));
    let Some(path) = clip("ts_bear_360p_ptswrap.ts") else { return };
    let bytes = std::fs::read(path).expect("a clip");
    let (_, mut input) = try_open(&server.put("/all.ts", Answer::Whole(bytes.clone())), &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    assert!(read_pictures(input.as_mut(), 80) > 100);
    while !matches!(input.read().expect("it is complete"), Read::End) {}
    let stop = Stop::new();
    let (_, mut input) = try_open(&server.put("/half.ts", Answer::Stalled(bytes)), &stop).unwrap_or_else(|e| panic!("{e}"));
    assert_reading_stops(input.as_mut(), &stop, 500);
}

fn playlist(segments: &[&str], end: bool) -> Vec<u8> {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:7\n".to_owned();
    segments.iter().for_each(|segment| text.push_str(&format!("#EXTINF:2.7,\n{segment}\n")));
    if end {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text.into_bytes()
}

#[test]
fn hls_ends_where_its_playlist_says_so_and_breaks_where_it_is_gone() {
    let Some(path) = clip("ts_bear_360p_ac3.ts") else { return };
    let server = Http::new();
    server.put("/a.ts", Answer::Whole(std::fs::read(path).expect("a clip")));
    let url = server.put("/whole.m3u8", Answer::Whole(playlist(&["a.ts"], true)));
    let (_, mut input) = try_open(&url, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    assert!(read_pictures(input.as_mut(), 80) > 50);
    while !matches!(input.read().expect("it is complete"), Read::End) {}

    let url = server.put("/live.m3u8", Answer::Whole(playlist(&["a.ts"], false)));
    let stop = Stop::new();
    let (_, mut input) = try_open(&url, &stop).unwrap_or_else(|e| panic!("{e}"));
    read_pictures(input.as_mut(), 80);
    assert_reading_stops(input.as_mut(), &stop, 1500);

    let (_, mut input) = try_open(&url, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    read_pictures(input.as_mut(), 80);
    server.close();
    let began = Instant::now();
    let error = loop {
        match input.read() {
            Ok(Read::End | Read::Stopped) => panic!("nobody said that it is at its end"),
            Ok(_) => assert!(began.elapsed() < Duration::from_secs(40)),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("live.m3u8") && error.contains("EXT-X-ENDLIST"), "{error}");
}

#[test]
fn a_hostile_playlist_opens_no_files() {
    let Some(path) = clip("ts_bear_360p_ac3.ts") else { return };
    let server = Http::new();
    let secret = path.canonicalize().expect("it is there");
    for place in
        [format!("file://{}", secret.display()), secret.display().to_string(), format!("concat:{}", secret.display()), format!("subfile:{}", secret.display())]
    {
        let url = server.put("/hostile.m3u8", Answer::Whole(playlist(&[&place], true)));
        let error = try_open(&url, &Stop::new()).err().unwrap_or_else(|| panic!("{place} was opened")).to_string();
        assert!(error.contains("hostile.m3u8"), "{error}");
    }
    // Nor does what comes through a pipe, where nothing but media is accepted.
    let dir = tempfile::tempdir().expect("a folder");
    server.put("/a.ts", Answer::Whole(std::fs::read(&path).expect("a clip")));
    let fifo = dir.path().join("feed");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let (list, into) = (playlist(&[&format!("http://{}/a.ts", server.address), &format!("file://{}", secret.display())], true), fifo.clone());
    let writer = std::thread::spawn(move || std::fs::write(into, list));
    assert!(try_open(fifo.to_str().expect("UTF-8"), &Stop::new()).is_err());
    // It may have been let go before it was written.
    let _ = writer.join().expect("no panic");
    assert!(!server.asked.lock().expect("unpoisoned").iter().any(|path| path == "/a.ts"));
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

/// A transport stream of a few seconds, its programme on PIDs from `pid` on, its time from `offset` on.
fn made(dir: &Path, name: &str, codec: &str, pid: u32, version: u32, offset: u32) -> Vec<u8> {
    let path = dir.join(name);
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=3", "-f", "lavfi", "-i", "sine=r=48000:d=3"])
        .args(["-c:v", codec, "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "mp2", "-output_ts_offset", &offset.to_string()])
        .args(["-mpegts_start_pid", &pid.to_string(), "-mpegts_pmt_start_pid", "4096", "-tables_version", &version.to_string(), "-f", "mpegts"])
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("ffmpeg runs").success());
    std::fs::read(path).expect("written")
}

#[test]
fn a_programme_that_moves_to_other_pids_is_followed() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut feed = made(dir.path(), "a.ts", "libx264", 256, 0, 10);
    feed.extend(made(dir.path(), "b.ts", "libx264", 512, 1, 13));
    let path = dir.path().join("feed.ts");
    std::fs::write(&path, feed).expect("written");
    let (_, mut input) = try_open(path.to_str().expect("UTF-8"), &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    let (mut kinds, mut moves, mut strays) = ([0, 0], 0, 0);
    loop {
        match input.read().expect("a file") {
            Read::Unit(unit) => kinds[usize::from(unit.kind == Kind::Audio)] += 1,
            Read::Lost(Lost::Moved) => moves += 1,
            Read::Lost(_) => strays += 1,
            Read::End => break,
            Read::Stopped => panic!("nobody asked for it"),
        }
    }
    // The last two pictures before the move are not complete for libav before more comes on their PID, or the end.
    assert!((148..=150).contains(&kinds[0]) && moves == 2, "{} pictures, {moves} moves", kinds[0]);
    // 24 ms a packet.
    assert!((248..=252).contains(&kinds[1]) && strays == 0, "sound {}, strays {strays}", kinds[1]);
}

#[test]
fn another_codec_in_the_videos_place_is_an_error_and_no_silent_loss() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut feed = made(dir.path(), "a.ts", "libx264", 256, 0, 10);
    feed.extend(made(dir.path(), "b.ts", "mpeg2video", 512, 1, 13));
    let path = dir.path().join("feed.ts");
    std::fs::write(&path, feed).expect("written");
    let (_, mut input) = try_open(path.to_str().expect("UTF-8"), &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    let mut pictures = 0;
    let error = loop {
        match input.read() {
            Ok(Read::Unit(unit)) => pictures += usize::from(unit.kind == Kind::Video),
            Ok(Read::End | Read::Stopped) => panic!("the rest was lost silently"),
            Ok(Read::Lost(_)) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(pictures >= 73 && error.contains("from h264 to mpeg2video"), "{pictures} pictures, {error}");
}

#[test]
fn video_that_begins_long_after_the_sound_is_found() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("late.ts");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=r=48000:d=14", "-itsoffset", "9", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=5"])
        .args(["-map", "0", "-map", "1", "-c:a", "mp2", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-max_interleave_delta", "0", "-f", "mpegts"])
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("ffmpeg runs").success());
    let (source, mut input) = try_open(path.to_str().expect("UTF-8"), &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((source.facts.width, source.facts.rate.to_string().as_str(), source.facts.sample_rate), (320, "25", Some(48_000)));
    assert!(read_pictures(input.as_mut(), 125) > 300);
}

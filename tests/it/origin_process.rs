//! `mezzo origin` as its own process, and two workers that push to it: whatever happens to either, players see every number, once, and nothing that is listed is absent.

use crate::common::{Answer, answer, ask};
use crate::support::burnt::LADDER;
use crate::support::{alone, finish, mezzo, numbers, signal, until, until_said, wait};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const TRACKS: [&str; 2] = ["avc", "aac"];

/// Starts an origin; where it listens.
fn origin(listen: &str, output: &Path, more: &[&str]) -> (Child, SocketAddr) {
    let output = output.to_string_lossy().into_owned();
    let args = [&["origin", "--listen", listen, "--output", &output, "--window", "10m"], more].concat();
    let mut child = mezzo(&args).stdout(Stdio::null()).spawn().expect("the origin starts");
    let line = until_said(&mut child, "pushes are taken at", 30);
    let at = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).and_then(|at| at.parse().ok());
    (child, at.unwrap_or_else(|| panic!("no address in {line}")))
}

/// One of two workers, which keeps nothing and pushes everything.
fn worker(dir: &Path, input: &str, to: SocketAddr, pipeline: &str) -> Child {
    let (ladder, output) = (dir.join("one.toml").to_string_lossy().into_owned(), format!("http://{to}/ingest/{pipeline}"));
    let args = ["run", "--input", input, "--ladder", &ladder, "--clock", "sei", "--output", &output];
    let log = std::fs::File::create(dir.join(format!("{pipeline}.log"))).expect("a log");
    mezzo(&args).stdout(Stdio::null()).stderr(log).spawn().expect("a worker")
}

/// A request with a body that is sent as it is, head and all; `connection: close` must be in it. Its answer, if there is one.
fn send(to: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    // A server may answer before it has read everything.
    let _ = stream.write_all(request);
    let mut raw = Vec::new();
    let _ = stream.read_to_end(&mut raw);
    (!raw.is_empty()).then(|| answer(&raw))
}

fn get(to: SocketAddr, path: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).ok()?;
    raw.windows(4).any(|w| w == b"\r\n\r\n").then(|| answer(&raw))
}

fn put(to: SocketAddr, path: &str, headers: &[&str], body: &[u8]) -> u16 {
    let lines: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    let head = format!("PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{lines}\r\n", body.len());
    send(to, &[head.as_bytes(), body].concat()).map_or(0, |answer| answer.code)
}

/// `/v1/status`, or nothing while there is nobody.
fn status(to: SocketAddr) -> serde_json::Value {
    get(to, "/v1/status").and_then(|answer| serde_json::from_slice(&answer.body).ok()).unwrap_or_default()
}

/// A count of a pipeline on all tracks, or of the tracks themselves.
fn count(status: &serde_json::Value, pipeline: Option<&str>, name: &str) -> i64 {
    let tracks = status["tracks"].as_array().cloned().unwrap_or_default();
    let of = |track: &serde_json::Value| match pipeline {
        None => track[name].as_i64(),
        Some(pipeline) => track["pipelines"].as_array().into_iter().flatten().find(|p| p["pipeline"] == pipeline).and_then(|p| p[name].as_i64()),
    };
    tracks.iter().filter_map(of).sum()
}

/// The newest number that every track has.
fn newest(to: SocketAddr) -> i64 {
    let tracks = status(to)["tracks"].as_array().cloned().unwrap_or_default();
    if tracks.len() < TRACKS.len() { 0 } else { tracks.iter().map(|t| t["last"].as_i64().unwrap_or(0)).min().unwrap_or(0) }
}

fn goes_on(what: &str, to: SocketAddr, numbers: i64) {
    let before = newest(to);
    until(what, 60, || newest(to) >= before + numbers);
}

/// Passes datagrams on, as late as it is told, in their order.
struct Late {
    port: u16,
    milliseconds: Arc<AtomicU64>,
}

impl Late {
    fn new(to: u16) -> Late {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let port = socket.local_addr().expect("an address").port();
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a timeout");
        let milliseconds: Arc<AtomicU64> = Arc::default();
        let late = milliseconds.clone();
        std::thread::spawn(move || {
            let mut held: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
            let mut buffer = [0; 2048];
            loop {
                if let Ok(size) = socket.recv(&mut buffer) {
                    held.push_back((Instant::now() + Duration::from_millis(late.load(Relaxed)), buffer[..size].to_vec()));
                }
                while held.front().is_some_and(|(due, _)| *due <= Instant::now()) {
                    // Nobody listens while the worker is not there.
                    let _ = held.pop_front().map(|(_, data)| socket.send_to(&data, ("127.0.0.1", to)));
                }
            }
        });
        Late { port, milliseconds }
    }
}

/// A player that asks for everything that is listed, once, and keeps it.
struct Viewer {
    over: Arc<AtomicBool>,
    /// The origin is being restarted: that nobody answers is no fault.
    away: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Viewer {
    fn start(to: SocketAddr, mirror: PathBuf) -> Viewer {
        let (over, away): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
        let flags = (over.clone(), away.clone());
        let thread = std::thread::spawn(move || {
            let mut faults = Vec::new();
            let mut first: BTreeMap<&str, i64> = BTreeMap::new();
            loop {
                let last = flags.0.load(Relaxed);
                for track in TRACKS {
                    watch(to, track, &mirror, &mut first, &flags.1, &mut faults);
                }
                for shared in ["main.m3u8", "manifest.mpd", "avc/iframes.m3u8"] {
                    let text = get(to, &format!("/live/{shared}")).filter(|a| a.code == 200);
                    text.into_iter().for_each(|a| std::fs::write(mirror.join(shared), a.body).expect("written"));
                }
                if last {
                    return faults;
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Viewer { over, away, thread }
    }

    /// Looks once more, and tells what was wrong.
    fn faults(self) -> Vec<String> {
        self.over.store(true, Relaxed);
        self.thread.join().expect("it watches to the end")
    }
}

fn watch<'a>(to: SocketAddr, track: &'a str, mirror: &Path, first: &mut BTreeMap<&'a str, i64>, away: &AtomicBool, faults: &mut Vec<String>) {
    let folder = mirror.join(track);
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut fetch = |path: String| match get(to, &path) {
        Some(answer) if answer.code == 200 => Some(answer.body),
        None if away.load(Relaxed) => None,
        answer => {
            faults.push(format!("{path}: {:?}", answer.map(|a| (a.code, a.text()))));
            None
        }
    };
    if first.is_empty() && get(to, &format!("/live/{track}/media.m3u8")).is_none_or(|a| a.code == 404) {
        return;
    }
    let Some(text) = fetch(format!("/live/{track}/media.m3u8")) else { return };
    let text = String::from_utf8(text).expect("text");
    let init = folder.join("init.mp4");
    if !init.exists() {
        fetch(format!("/live/{track}/init.mp4")).into_iter().for_each(|bytes| std::fs::write(&init, bytes).expect("written"));
    }
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.ends_with(".m4s")) {
        let file = folder.join(line);
        if lines[at - 2] != "#EXT-X-GAP" && !file.exists() {
            fetch(format!("/live/{track}/{line}")).into_iter().for_each(|bytes| std::fs::write(&file, bytes).expect("written"));
        }
    }
    let sequence = lines.iter().find_map(|l| l.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")?.parse().ok()).unwrap_or(0);
    if *first.entry(track).or_insert(sequence) > sequence {
        faults.push(format!("{track}: the playlist begins at {sequence}, before {}", first[track]));
    }
    if let Some(shown) = lines.iter().find(|l| l.starts_with("#EXT-X-ENDLIST") || l.starts_with("#EXT-X-GAP")) {
        faults.push(format!("{track}: {shown} in\n{text}"));
    }
    std::fs::write(folder.join("media.m3u8"), text).expect("written");
}

/// Sends as `pipeline`, for the number that is next, what is no segment of it.
fn sabotage(to: SocketAddr, pipeline: &str, mirror: &Path) {
    let last = *numbers(mirror, "avc").last().expect("segments");
    let good = std::fs::read(mirror.join(format!("avc/{last}.m4s"))).expect("a segment");
    let path = |number: i64| format!("/ingest/{pipeline}/avc/{number}.m4s");
    let next = newest(to) + 2;
    let mut flipped = good.clone();
    flipped[80..good.len().min(400)].iter_mut().for_each(|b| *b ^= 0x5a);
    for (what, body) in
        [("another number", &good[..]), ("cut short", &good[..good.len() / 2]), ("flipped", &flipped[..]), ("nothing", b""), ("noise", b"noise")]
    {
        assert_eq!(put(to, &path(next), &[], body), 422, "{what}");
    }
    assert_eq!(put(to, &path(next + 1_000_000), &[], &good), 422, "far ahead");
    assert_eq!(put(to, &path(next), &["repr-digest: sha-256=:AK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"], &good), 422, "other bytes than were sent");
    // A body that breaks off.
    let head = format!("PUT {} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", path(next), good.len());
    let mut stream = TcpStream::connect(to).expect("connects");
    stream.write_all(&[head.as_bytes(), &good[..good.len() / 3]].concat()).expect("sent");
    drop(stream);
}

#[test]
fn players_see_nothing_of_what_happens_to_two_workers() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("one.toml"), LADDER).expect("written");
    let (kept, mirror) = (dir.path().join("kept"), dir.path().join("mirror"));
    std::fs::create_dir(&mirror).expect("a folder");
    let (mut server, to) = origin("127.0.0.1:0", &kept, &[]);
    let viewer = Viewer::start(to, mirror.clone());

    let [own, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address").port());
    let late = Late::new(other);
    let inputs = [own, other].map(|port| format!("udp://127.0.0.1:{port}"));
    let outputs = [format!("udp://127.0.0.1:{own}"), format!("udp://127.0.0.1:{}", late.port)];
    let args = ["feed", "--size", "640x360", "--rate", "25", "--bitrate", "3M", "--output", &outputs[0], "--output", &outputs[1]];
    let mut feed = mezzo(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the feed starts");
    let mut a = worker(dir.path(), &inputs[0], to, "A");
    until("the first pipeline is published", 60, || newest(to) > 0);
    let mut b = worker(dir.path(), &inputs[1], to, "B");
    until("the second sends the same", 60, || count(&status(to), Some("A"), "identical") + count(&status(to), Some("B"), "identical") >= 4);

    signal(&a, "KILL");
    wait(&mut a, 10);
    goes_on("one is killed, the other goes on", to, 3);
    let mut a = worker(dir.path(), &inputs[0], to, "A");
    let before = count(&status(to), Some("A"), "received");
    until("the first is back", 60, || count(&status(to), Some("A"), "received") >= before + 4);

    late.milliseconds.store(3000, Relaxed);
    goes_on("one is late by 3 s", to, 4);
    late.milliseconds.store(0, Relaxed);

    sabotage(to, "B", &mirror);
    sabotage(to, "A", &mirror);
    goes_on("broken segments", to, 2);
    let said = status(to);
    for pipeline in ["A", "B"] {
        assert!(count(&said, Some(pipeline), "broken") >= 6, "{said:#}");
        assert!(count(&said, Some(pipeline), "broken_off") >= 2, "{said:#}");
    }
    println!("before the origin is killed: {said:#}");

    viewer.away.store(true, Relaxed);
    signal(&server, "KILL");
    wait(&mut server, 10);
    let (mut server, again) = origin(&to.to_string(), &kept, &[]);
    assert_eq!(again, to);
    viewer.away.store(false, Relaxed);
    goes_on("the origin is killed and started again", to, 3);

    signal(&a, "TERM");
    wait(&mut a, 15);
    goes_on("one leaves", to, 3);
    signal(&b, "TERM");
    wait(&mut b, 15);
    let said = status(to);
    println!("at the end: {said:#}");
    let faults = viewer.faults();
    for child in [&mut feed, &mut server] {
        signal(child, "TERM");
        assert!(wait(child, 15).success());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!((count(&said, None, "gaps"), said["unwritten"].as_i64()), (0, Some(0)), "{said:#}");
    for track in TRACKS {
        let seen = numbers(&mirror, track);
        assert!(seen.len() >= 18 && seen.windows(2).all(|w| w[1] == w[0] + 1), "{track}: {seen:?}");
        assert_eq!(seen, numbers(&kept, track), "{track}: what was served is what was kept");
    }
    for tree in [&mirror, &kept] {
        let report = finish(mezzo(&["check", &tree.to_string_lossy()]), 120);
        assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stdout));
    }
}

#[test]
fn who_has_no_token_pushes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let tokens = dir.path().join("tokens");
    std::fs::write(&tokens, "sesame-open\nworker:long-password\n").expect("written");
    let (mut server, to) = origin("127.0.0.1:0", &dir.path().join("kept"), &["--token-file", &tokens.to_string_lossy()]);
    let path = "/ingest/A/v/init.mp4";
    let basic = "authorization: Basic d29ya2VyOmxvbmctcGFzc3dvcmQ=";
    assert_eq!(put(to, path, &[], b"x"), 401);
    assert_eq!(put(to, path, &["authorization: Bearer sesame"], b"x"), 401);
    assert_eq!(put(to, path, &["authorization: Bearer sesame-open"], b"x"), 422, "it is no initialisation segment");
    assert_eq!(put(to, path, &[basic], b"x"), 422);
    for (path, code) in [
        ("/ingest/C/v/init.mp4", 403),
        ("/ingest/A/v/1.m4s", 412),
        ("/ingest/A/main.m3u8", 200),
        ("/ingest/A/v/x.m4s", 404),
        ("/ingest/A/../../etc/1.m4s", 404),
    ] {
        assert_eq!(put(to, path, &[basic], b"x"), code, "{path}");
    }
    let large = format!("PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{basic}\r\ncontent-length: 999999999\r\n\r\n");
    assert_eq!(send(to, large.as_bytes()).map(|a| a.code), Some(413));
    assert_eq!(ask(to, "DELETE", path, &[basic]).code, 200);
    assert_eq!(ask(to, "GET", path, &[basic]).code, 404);
    assert_eq!(ask(to, "PATCH", path, &[basic]).code, 405);
    assert_eq!(ask(to, "GET", "/v1/mask", &[]).code, 401);
    let mask = |body: &str| {
        let head = format!("POST /v1/mask HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{basic}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        send(to, head.as_bytes()).map(|a| (a.code, a.text().trim().to_owned())).expect("an answer")
    };
    assert_eq!(mask(r#"{"mask": "A:5-9"}"#), (200, r#"{"masks":["A:5-9"]}"#.to_owned()));
    assert_eq!(mask(r#"{"mask": "C:5-9"}"#).0, 422);
    assert_eq!(mask(r#"{"unmask": "A:5-9"}"#), (200, r#"{"masks":[]}"#.to_owned()));
    assert_eq!(mask(r#"{"mask": "B:7-"}"#), (200, r#"{"masks":["B:7-"]}"#.to_owned()));
    assert_eq!(ask(to, "GET", "/readyz", &[]).code, 503);
    signal(&server, "TERM");
    assert!(wait(&mut server, 15).success());
    let (mut server, to) = origin("127.0.0.1:0", &dir.path().join("kept"), &["--token-file", &tokens.to_string_lossy(), "--mask", "A:1-2"]);
    assert_eq!(ask(to, "GET", "/v1/mask", &[basic]).text().trim(), r#"{"masks":["A:1-2","B:7-"]}"#, "those of an earlier life are there again");
    signal(&server, "TERM");
    assert!(wait(&mut server, 15).success());
}

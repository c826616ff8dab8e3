//! The embedded origin over real connections.

use crate::common::{TRACKS, Waiting, answer, ask, has, plan, published, segment, stream};
use crate::support::{alone, until};
use mezzo::serve::{Limits, Server, Setup};
use mezzo::sink::store::Store;
use mezzo::sink::{Publish, Sink};
use mezzo::status::Status;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ANY: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// A server on a free port, with its store.
fn start(limits: Limits) -> (Server, Store, Arc<Status>) {
    let store = Store::new(64 << 20, [TRACKS[2].to_owned()]);
    let status = Arc::new(Status::new(&plan(), true));
    let server = Server::start_with(SocketAddr::from(ANY), store.clone(), status.clone(), Setup { limits, ..Setup::default() }).expect("started");
    (server, store, status)
}

fn publish(store: &mut Store, status: &Status, items: Vec<Publish>) {
    for item in items {
        store.publish(&item).expect("memory takes everything");
        if let Publish::Segment { track, number, bytes, slot_end, .. } = &item {
            status.segment_published(track, *number, bytes.len() as u64, *slot_end);
        }
    }
}

#[test]
fn libav_plays_all_of_a_stream_from_it() {
    if !has("ffmpeg") || !has("ffprobe") {
        return;
    }
    let dir = tempfile::tempdir().expect("temporary folder");
    assert!(stream(dir.path(), 4, false).and_then(|mut c| c.wait()).expect("ffmpeg").success());
    let (server, mut store, status) = start(Limits::default());
    assert_eq!(ask(server.address(), "GET", "/readyz", &[]).code, 503);
    publish(&mut store, &status, published(dir.path()));
    let ready = ask(server.address(), "GET", "/readyz", &[]);
    assert_eq!((ready.code, ready.text().as_str()), (200, "ready\n"));

    let url = format!("{}live/main.m3u8", server.url());
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_entries", "stream=codec_name,width,nb_read_frames", "-of", "csv=p=0", &url])
        .output()
        .expect("ffprobe");
    let (out, err) = (String::from_utf8_lossy(&probe.stdout), String::from_utf8_lossy(&probe.stderr));
    assert!(err.is_empty(), "{err}");
    for stream in ["h264,640,100", "h264,320,100"] {
        assert!(out.lines().any(|l| l == stream), "{stream} is not in {out}");
    }
    assert!(out.lines().any(|l| l.starts_with("aac,")), "no sound in {out}");

    let types = [
        ("main.m3u8", "application/vnd.apple.mpegurl"),
        ("aac/init.mp4", "audio/mp4"),
        ("aac/0.m4s", "audio/mp4"),
        ("avc-360p/init.mp4", "video/mp4"),
        ("avc-360p/3.m4s", "video/mp4"),
    ];
    for (path, content_type) in types {
        let got = ask(server.address(), "GET", &format!("/live/{path}"), &[]);
        assert_eq!((got.code, got.header("content-type")), (200, content_type), "{path}");
        if !path.ends_with("init.mp4") && !path.ends_with(".m3u8") {
            assert_eq!(got.body, std::fs::read(dir.path().join(path)).expect("read"), "{path}");
        }
        assert_eq!(got.header("access-control-allow-origin"), "*");
        assert_eq!(got.header("cache-control").contains("immutable"), !path.ends_with(".m3u8"), "{path}");
    }
    let json: serde_json::Value = serde_json::from_slice(&ask(server.address(), "GET", "/v1/status", &[]).body).expect("JSON");
    assert_eq!(
        (&json["ready"], &json["state"], &json["tracks"][0]["last_segment"], &json["store"]["segments"]),
        (&true.into(), &"running".into(), &3.into(), &13.into())
    );
}

#[test]
fn answers_as_http_has_it() {
    let (server, mut store, status) = start(Limits::default());
    let to = server.address();
    let items = (3..=6).map(|n| segment("avc-360p", n, format!("segment {n}").as_bytes())).collect();
    publish(&mut store, &status, items);
    publish(&mut store, &status, vec![Publish::Remove { path: "avc-360p/3.m4s".into() }]);
    let path = "/live/avc-360p/5.m4s";

    let whole = ask(to, "GET", path, &[]);
    let etag = whole.header("etag").to_owned();
    assert_eq!((whole.code, whole.text().as_str(), whole.header("accept-ranges"), etag.len()), (200, "segment 5", "bytes", 34));
    let head = ask(to, "HEAD", path, &[]);
    assert_eq!((head.code, head.header("content-length"), head.header("etag"), head.body.len()), (200, "9", etag.as_str(), 0));
    for tags in [etag.clone(), format!("\"x\", W/{etag}"), "*".into()] {
        let same = ask(to, "GET", path, &[&format!("if-none-match: {tags}")]);
        assert_eq!((same.code, same.body.len(), same.header("etag")), (304, 0, etag.as_str()), "{tags}");
        assert!(same.header("cache-control").contains("immutable"));
    }
    assert_eq!(ask(to, "GET", path, &["if-none-match: \"other\""]).code, 200);

    let part = ask(to, "GET", path, &["range: bytes=2-4"]);
    assert_eq!((part.code, part.text().as_str(), part.header("content-range"), part.header("content-length")), (206, "gme", "bytes 2-4/9", "3"));
    assert_eq!(ask(to, "GET", path, &["range: bytes=-2"]).text(), " 5");
    let beyond = ask(to, "GET", path, &["range: bytes=9-"]);
    assert_eq!((beyond.code, beyond.header("content-range")), (416, "bytes */9"));
    assert_eq!(ask(to, "GET", path, &["range: bytes=0-1", "if-range: \"old\""]).code, 200);
    assert_eq!(ask(to, "GET", path, &["range: bytes=0-1", &format!("if-range: {etag}")]).code, 206);
    assert_eq!(ask(to, "HEAD", path, &["range: bytes=0-1"]).code, 200);

    assert_eq!(ask(to, "GET", "/live/avc-360p/3.m4s", &[]).code, 410);
    assert_eq!(ask(to, "GET", "/live/avc-360p/1.m4s", &[]).code, 410);
    assert_eq!(ask(to, "GET", "/live/avc-360p/7.m4s", &[]).code, 404);
    for outside in [
        "/live/../page.js",
        "/live/%2e%2e/page.js",
        "/live/avc-360p/../avc-360p/5.m4s",
        "/live//avc-360p/5.m4s",
        "/live/",
        "/live",
        "/etc/passwd",
        "/live/avc-360p/%35.m4s",
        "//live/main.m3u8",
    ] {
        assert_eq!(ask(to, "GET", outside, &[]).code, 404, "{outside}");
    }

    let options = ask(to, "OPTIONS", path, &["origin: http://elsewhere", "access-control-request-method: GET", "access-control-request-headers: range"]);
    assert_eq!((options.code, options.header("access-control-allow-origin"), options.body.len()), (204, "*", 0));
    assert!(options.header("access-control-allow-headers").contains("range"));
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let refused = ask(to, method, path, &["content-length: 0"]);
        assert_eq!((refused.code, refused.header("allow")), (405, "GET,HEAD"), "{method}");
    }

    assert_eq!(ask(to, "GET", "/healthz", &[]).code, 200);
    let missing = ask(to, "GET", "/readyz", &[]);
    assert_eq!((missing.code, missing.text().as_str()), (503, "no segment yet: avc-180p, aac\n"));
    let time: mezzo::time::Seconds = ask(to, "GET", "/v1/time", &[]).text().parse().expect("an RFC 3339 date");
    assert!((mezzo::time::Seconds::host_now() - time).abs() < mezzo::time::Seconds::whole(5));
    for (path, content_type) in [("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")] {
        let page = ask(to, "GET", path, &[]);
        assert!(
            page.code == 200 && page.header("content-type").starts_with(content_type) && page.header("content-security-policy").contains("default-src 'none'")
        );
    }
}

#[test]
fn what_is_not_there_is_told_as_an_origin_should() {
    let _alone = alone();
    let (server, mut store, status) = start(Limits::default());
    let to = server.address();
    let put = |store: &mut Store, numbers: &[i64]| publish(store, &status, numbers.iter().map(|n| segment("avc-360p", *n, b"x")).collect());
    let about = |path: &str| {
        let answer = ask(to, "GET", path, &[]);
        (answer.code, answer.header("cache-control").to_owned())
    };
    let second = || "public, max-age=1".to_owned();
    assert_eq!(about("/live/avc-360p/5.m4s"), (404, second()), "nothing is known of this track");
    put(&mut store, &[5, 6, 8]);
    // Segments of 1 s: 11 comes at least two after the next one.
    assert_eq!(about("/live/avc-360p/11.m4s"), (404, second()));
    assert_eq!(about("/live/avc-360p/20.m4s"), (404, "public, max-age=10".into()), "not before another 11 s, and a second to spare");
    assert_eq!(about("/live/avc-360p/9000000000.m4s"), (404, "public, max-age=3600".into()));
    for never in [4, 7] {
        assert_eq!(about(&format!("/live/avc-360p/{never}.m4s")), (410, "public, max-age=3600".into()), "{never}");
    }

    // The very next one is waited for, and so is its HEAD; another track's arrival does not count.
    let waiting = ["GET", "HEAD"].map(|method| Waiting::ask(to, method, "/live/avc-360p/9.m4s"));
    publish(&mut store, &status, vec![segment("avc-180p", 9, b"other")]);
    waiting.iter().for_each(Waiting::assert_waits);
    put(&mut store, &[9]);
    for answer in waiting.map(Waiting::answer) {
        assert_eq!((answer.code, answer.header("content-length")), (200, "1"));
    }
    // One that is overtaken was left out; one that does not come is waited for a segment and a half.
    let overtaken = Waiting::ask(to, "GET", "/live/avc-360p/10.m4s");
    put(&mut store, &[11]);
    assert_eq!(overtaken.answer().code, 410);
    let begun = Instant::now();
    assert_eq!(about("/live/avc-360p/12.m4s"), (404, second()));
    assert!((1400..5000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    status.set_state(mezzo::status::State::Ended);
    let begun = Instant::now();
    assert_eq!(about("/live/avc-360p/12.m4s").0, 404);
    assert!(begun.elapsed() < Duration::from_secs(1), "nothing comes after the end");
}

#[test]
fn a_taken_port_is_an_error_with_the_address() {
    let (server, store, status) = start(Limits::default());
    let error = Server::start(server.address(), store, status).err().expect("taken").to_string();
    assert_eq!(
        error,
        format!("listen {}: Address already in use (os error 98); accepted: an address of this machine with a port that is free", server.address())
    );
}

#[test]
fn who_connects_and_says_nothing_is_let_go() {
    let (server, _store, _status) = start(Limits { head_time: Duration::from_millis(300), ..Limits::default() });
    // Nothing at all, and the beginning of what might become HTTP/2.
    for said in [&b""[..], b"PRI * HT"] {
        let mut mute = TcpStream::connect(server.address()).expect("connect");
        mute.write_all(said).expect("sent");
        mute.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let ended = mute.read_to_end(&mut Vec::new());
        assert!(ended.is_ok(), "{:?}: {ended:?}", String::from_utf8_lossy(said));
    }
}

#[test]
fn slow_and_hostile_clients_are_let_go() {
    let _alone = alone();
    let limits = Limits { connections: 2, head_time: Duration::from_millis(300), stall: Duration::from_millis(300), ..Limits::default() };
    let (server, mut store, status) = start(limits);
    let to = server.address();
    publish(&mut store, &status, vec![segment("avc-360p", 1, &vec![7; 32 << 20])]);

    // Two that never finish their request take both places. Health is told all the same, a player is told to come back, and is served once they are cut off.
    let begun = Instant::now();
    let mut slow: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(to).expect("connect")).collect();
    for s in &mut slow {
        s.write_all(b"GET / HTTP/1.1\r\nx: ").expect("sent");
    }
    assert_eq!(ask(to, "GET", "/healthz", &[]).code, 200);
    let dripping = std::thread::spawn(move || {
        while slow.iter_mut().all(|s| s.write_all(b"y").is_ok()) && begun.elapsed() < Duration::from_secs(8) {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    until("a player is served", 5, || ask(to, "GET", "/page.js", &[]).code == 200);
    dripping.join().expect("joined");

    // One that asks for much and takes nothing loses its connection; what it gets later is cut short.
    let mut deaf = TcpStream::connect(to).expect("connect");
    deaf.write_all(b"GET /live/avc-360p/1.m4s HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    // proc(5): local and remote address, and the state, 01 for one that is established.
    let served = format!(":{:04X} 0100007F:{:04X} 01 ", to.port(), deaf.local_addr().expect("connected").port());
    until("the server lets it go", 10, || !std::fs::read_to_string("/proc/net/tcp").expect("Linux has it").contains(&served));
    let mut got = Vec::new();
    deaf.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let ended = deaf.read_to_end(&mut got);
    assert!(got.len() < 32 << 20, "{} bytes, {ended:?}", got.len());

    // A head without end, and a method with a body that nobody reads.
    assert_eq!(ask(to, "GET", "/", &[&format!("x: {}", "y".repeat(20_000))]).code, 431);
    let many: Vec<String> = (0..100).map(|n| format!("x{n}: y")).collect();
    assert_eq!(ask(to, "GET", "/", &many.iter().map(String::as_str).collect::<Vec<_>>()).code, 431);
    let mut posting = TcpStream::connect(to).expect("connect");
    posting.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n").expect("sent");
    let mut raw = Vec::new();
    posting.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let _ = posting.read_to_end(&mut raw);
    assert_eq!(answer(&raw).code, 405);
    assert_eq!(ask(to, "GET", "/healthz", &[]).code, 200);
}

/// As many players as there are places, which all ask for much and take nothing: who asks how the worker is must not wait for them.
#[test]
fn stalled_players_leave_room_for_health() {
    let _alone = alone();
    let limits = Limits { connections: 40, reserve: 2, reserve_time: Duration::from_millis(500), stall: Duration::from_secs(20), ..Limits::default() };
    let (server, mut store, status) = start(limits);
    let to = server.address();
    publish(&mut store, &status, vec![segment("avc-360p", 1, &vec![7; 32 << 20])]);
    let mut players: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(to).expect("connect")).collect();
    for player in &mut players {
        player.write_all(b"GET /live/avc-360p/1.m4s HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
        // Its answer has begun: it has a place.
        player.read_exact(&mut [0; 12]).expect("an answer");
    }
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(ask(to, "GET", "/healthz", &[]).code, 200);
        assert_eq!(ask(to, "GET", "/v1/status", &[]).code, 200);
        let late = ask(to, "GET", "/live/avc-360p/1.m4s", &["connection: keep-alive"]);
        assert_eq!((late.code, late.header("retry-after"), late.header("connection")), (503, "1", "close"));
        assert!(late.header("cache-control").contains("max-age=1") && late.header("access-control-allow-origin") == "*");
    }
    // Those that take the reserve and say nothing lose it soon.
    let mut mute: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(to).expect("connect")).collect();
    assert_eq!(ask(to, "GET", "/healthz", &[]).code, 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for s in &mut mute {
        s.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        assert!(s.read_to_end(&mut Vec::new()).is_ok(), "closed");
    }
    drop(players.pop());
    until("a player is served where another has left", 5, || ask(to, "GET", "/page.js", &[]).code == 200);
}

#[test]
fn an_old_connection_is_closed_after_its_answer() {
    let _alone = alone();
    let (server, _store, _status) = start(Limits { age: Duration::from_millis(300), ..Limits::default() });
    let begun = Instant::now();
    let mut stream = TcpStream::connect(server.address()).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).expect("closed in order");
    assert_eq!(answer(&raw).code, 200);
    assert!(begun.elapsed() >= Duration::from_millis(250) && begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn stops_at_once_whatever_clients_do() {
    let _alone = alone();
    let (server, mut store, status) = start(Limits::default());
    let to = server.address();
    publish(&mut store, &status, vec![segment("avc-360p", 1, &vec![7; 32 << 20])]);
    let idle = TcpStream::connect(to).expect("connect");
    let mut deaf = TcpStream::connect(to).expect("connect");
    deaf.write_all(b"GET /live/avc-360p/1.m4s HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    assert_eq!(ask(to, "GET", "/healthz", &[]).code, 200);
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(to).is_err(), "the port is free again");
    drop((idle, deaf));
}

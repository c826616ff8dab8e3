//! What low latency asks of the embedded origin, over real connections: playlists and parts that are waited for, and segments in the making.

use crate::common::{Answer, Waiting, answer, ask, plan, segment};
use crate::support::alone;
use bytes::Bytes;
use flate2::read::GzDecoder;
use mezzo::serve::{Limits, Server, Setup};
use mezzo::sink::store::Store;
use mezzo::sink::{Edge, Publish, Readers, Sink};
use mezzo::status::{State, Status};
use mezzo::time::{GopId, Seconds};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TRACK: &str = "avc-360p";
const PLAYLIST: &str = "/live/avc-360p/media.m3u8";

/// A server that runs, with its store; segments last 1 s.
pub fn start(limits: Limits) -> (Server, Store) {
    let store = Store::new(64 << 20, []);
    let status = Arc::new(Status::new(&plan(), true));
    status.set_state(State::Running);
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::start_with(address, store.clone(), status, Setup { limits, ..Setup::default() }).expect("started");
    (server, store)
}

pub fn chunk(number: i64, index: u32, bytes: &[u8]) -> Publish {
    Publish::Chunk {
        track: TRACK.into(),
        number: GopId(number),
        index,
        path: format!("{TRACK}/{number}.m4s"),
        bytes: Bytes::copy_from_slice(bytes),
        start: Seconds::ZERO,
        duration: Seconds::new(1, 5),
        independent: index == 0,
    }
}

fn abort(number: i64) -> Publish {
    Publish::Abort { track: TRACK.into(), number: GopId(number), path: format!("{TRACK}/{number}.m4s") }
}

/// A playlist that reaches so far, in chunks of 200 ms.
pub fn playlist(next: i64, parts: u32, end: &str) -> Publish {
    let text = format!("#EXTM3U\n#EXT-X-PART-INF:PART-TARGET=0.2\n# {next}.{parts}\n{end}");
    Publish::Text { path: format!("{TRACK}/media.m3u8"), bytes: Bytes::from(text), readers: Readers::Chunked, edge: Some(Edge { next: GopId(next), parts }) }
}

pub fn publish(store: &mut Store, items: impl IntoIterator<Item = Publish>) {
    items.into_iter().for_each(|item| store.publish(&item).expect("memory takes everything"));
}

fn reaches(answer: &Answer, edge: &str) {
    assert!(answer.code == 200 && answer.text().contains(&format!("# {edge}\n")), "{} {}", answer.code, answer.text());
}

#[test]
fn a_playlist_is_held_until_it_has_what_is_asked_for() {
    let _alone = alone();
    let (server, mut store) = start(Limits::default());
    let to = server.address();
    publish(&mut store, [segment(TRACK, 9, b"nine"), chunk(10, 0, b"a"), chunk(10, 1, b"b"), playlist(10, 2, "")]);
    // What it has already is answered at once, and so is who does not wait.
    for query in ["", "?_HLS_msn=9", "?_HLS_msn=10&_HLS_part=1", "?_HLS_msn=3&_HLS_part=70", "?_HLS_skip=YES&x=_HLS_msn"] {
        reaches(&ask(to, "GET", &format!("{PLAYLIST}{query}"), &[]), "10.2");
    }
    assert_eq!(ask(to, "GET", PLAYLIST, &[]).header("cache-control"), "public, max-age=1");

    let waiting = ["_HLS_msn=10&_HLS_part=2", "_HLS_part=2&_HLS_msn=10&b=c"].map(|q| Waiting::ask(to, "GET", &format!("{PLAYLIST}?{q}")));
    let head = Waiting::ask(to, "HEAD", &format!("{PLAYLIST}?_HLS_msn=10&_HLS_part=2"));
    let whole = Waiting::ask(to, "GET", &format!("{PLAYLIST}?_HLS_msn=10"));
    let beyond = Waiting::ask(to, "GET", &format!("{PLAYLIST}?_HLS_msn=10&_HLS_part=5"));
    let next = Waiting::ask(to, "GET", &format!("{PLAYLIST}?_HLS_msn=11&_HLS_part=0"));
    // The part itself is not yet the playlist that names it.
    publish(&mut store, [chunk(10, 2, b"c")]);
    waiting.iter().chain([&head, &whole, &beyond, &next]).for_each(Waiting::assert_waits);
    publish(&mut store, [playlist(10, 3, "")]);
    for answer in waiting.map(Waiting::answer) {
        reaches(&answer, "10.3");
        assert_eq!(answer.header("cache-control"), "public, max-age=6", "nobody asks for it again, but many do at once");
    }
    let head = head.answer();
    assert!(head.code == 200 && head.body.is_empty());
    // A segment without a part is waited for until it is whole; its sixth of three parts is the first of the next one.
    whole.assert_waits();
    publish(&mut store, [segment(TRACK, 10, b"abc"), playlist(11, 0, "")]);
    reaches(&whole.answer(), "11.0");
    [&beyond, &next].into_iter().for_each(Waiting::assert_waits);
    publish(&mut store, [chunk(11, 0, b"d"), playlist(11, 1, "")]);
    reaches(&beyond.answer(), "11.1");
    reaches(&next.answer(), "11.1");

    // At the end there is nothing to wait for.
    let last = Waiting::ask(to, "GET", &format!("{PLAYLIST}?_HLS_msn=11&_HLS_part=1"));
    publish(&mut store, [playlist(11, 1, "#EXT-X-ENDLIST\n")]);
    reaches(&last.answer(), "11.1");
    reaches(&ask(to, "GET", &format!("{PLAYLIST}?_HLS_msn=900"), &[]), "11.1");
}

#[test]
fn wishes_that_cannot_be_met_are_refused() {
    let _alone = alone();
    let (server, mut store) = start(Limits::default());
    let to = server.address();
    publish(&mut store, [segment(TRACK, 9, b"nine"), playlist(10, 2, "")]);
    let code = |query: &str| {
        let answer = ask(to, "GET", &format!("{PLAYLIST}?{query}"), &[]);
        assert!(answer.code == 200 || answer.header("cache-control") == "public, max-age=1", "{query}");
        (answer.code, answer.text())
    };
    for far in
        ["_HLS_msn=12", "_HLS_msn=9223372036854775807", "_HLS_msn=99999999999999999999999999", "_HLS_msn=10&_HLS_part=17", "_HLS_msn=11&_HLS_part=4294967297"]
    {
        let (code, text) = code(far);
        assert!(code == 400 && text.contains("too far ahead"), "{far}: {code} {text}");
    }
    for bad in ["_HLS_msn=", "_HLS_msn=-1", "_HLS_msn=x", "_HLS_part=1", "_HLS_msn=9&_HLS_msn=9", "_HLS_msn=9&_HLS_part=0x1"] {
        let (code, text) = code(bad);
        assert!(code == 400 && text.contains("accepted: "), "{bad}: {code} {text}");
    }
    // One that is late is told so after three target durations.
    let begun = Instant::now();
    assert_eq!(code("_HLS_msn=10&_HLS_part=2").0, 503);
    assert!((2900..8000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    // Directives are for media playlists.
    publish(&mut store, [Publish::Text { path: "main.m3u8".into(), bytes: Bytes::from_static(b"#EXTM3U\n"), readers: Readers::All, edge: None }]);
    assert_eq!(ask(to, "GET", "/live/main.m3u8?_HLS_msn=x", &[]).code, 200);
}

#[test]
fn parts_are_waited_for_and_answered_as_anything_else() {
    let _alone = alone();
    let (server, mut store) = start(Limits::default());
    let to = server.address();
    publish(&mut store, [segment(TRACK, 9, b"nine"), chunk(10, 0, b"first part")]);
    let path = |number: i64, part: u32| format!("/live/{TRACK}/{number}.{part}.m4s");
    let part = ask(to, "GET", &path(10, 0), &[]);
    let tag = part.header("etag").to_owned();
    assert_eq!((part.code, part.text().as_str(), part.header("content-type"), tag.len()), (200, "first part", "video/mp4", 34));
    assert!(part.header("cache-control").contains("immutable") && part.header("access-control-allow-origin") == "*");
    let head = ask(to, "HEAD", &path(10, 0), &[]);
    assert_eq!((head.code, head.header("content-length"), head.header("etag"), head.body.len()), (200, "10", tag.as_str(), 0));
    let range = ask(to, "GET", &path(10, 0), &["range: bytes=6-"]);
    assert_eq!((range.code, range.text().as_str(), range.header("content-range")), (206, "part", "bytes 6-9/10"));
    assert_eq!(ask(to, "GET", &path(10, 0), &[&format!("if-none-match: {tag}")]).code, 304);

    let waiting = [path(10, 1), path(11, 0)].map(|path| Waiting::ask(to, "GET", &path));
    for never in [path(10, 2), path(11, 1), path(9, 0), path(10, u32::MAX), format!("/live/{TRACK}/10.01.m4s")] {
        let begun = Instant::now();
        let answer = ask(to, "GET", &never, &[]);
        assert!(matches!(answer.code, 404 | 410) && begun.elapsed() < Duration::from_millis(900), "{never}: {}", answer.code);
    }
    let [next, first] = waiting;
    publish(&mut store, [chunk(10, 1, b" and more")]);
    let next = next.answer();
    assert_eq!((next.code, next.text().as_str(), next.header("content-length")), (200, " and more", "9"));
    // What the segment turns out not to have is not waited for any longer; what it has stays.
    let none = Waiting::ask(to, "GET", &path(10, 2));
    publish(&mut store, [segment(TRACK, 10, b"first part and more")]);
    assert_eq!(none.answer().code, 410);
    assert_eq!(ask(to, "GET", &path(10, 0), &[]).header("etag"), tag);
    first.assert_waits();
    publish(&mut store, [abort(11)]);
    assert_eq!(first.answer().code, 410);
}

/// Reads until `text` has come.
fn read_until(stream: &mut TcpStream, got: &mut Vec<u8>, text: &str) {
    let mut block = [0; 4096];
    while !got.windows(text.len()).any(|w| w == text.as_bytes()) {
        let n = stream.read(&mut block).expect("an answer");
        assert!(n > 0, "ended before {text:?}: {}", String::from_utf8_lossy(got));
        got.extend_from_slice(&block[..n]);
    }
}

#[test]
fn a_segment_in_the_making_is_handed_out_as_it_comes() {
    let _alone = alone();
    let (server, mut store) = start(Limits::default());
    let to = server.address();
    publish(&mut store, [segment(TRACK, 9, b"nine"), chunk(10, 0, b"CHUNK-0")]);
    let open = |number: i64| {
        let mut stream = TcpStream::connect(to).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        stream.write_all(format!("GET /live/{TRACK}/{number}.m4s HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).expect("sent");
        stream
    };
    let (mut stream, mut got) = (open(10), Vec::new());
    read_until(&mut stream, &mut got, "CHUNK-0\r\n");
    let head = answer(&got);
    assert_eq!((head.code, head.header("transfer-encoding"), head.header("content-length"), head.header("content-type")), (200, "chunked", "", "video/mp4"));
    assert!(head.header("cache-control").contains("immutable") && head.header("access-control-allow-origin") == "*");
    let asked = ask(to, "HEAD", &format!("/live/{TRACK}/10.m4s"), &[]);
    assert_eq!((asked.code, asked.header("content-length"), asked.body.len()), (200, "", 0));
    publish(&mut store, [chunk(10, 1, b"CHUNK-1")]);
    read_until(&mut stream, &mut got, "CHUNK-1\r\n");
    publish(&mut store, [segment(TRACK, 10, b"CHUNK-0CHUNK-1")]);
    read_until(&mut stream, &mut got, "\r\n0\r\n\r\n");
    let whole = ask(to, "GET", &format!("/live/{TRACK}/10.m4s"), &[]);
    assert_eq!((whole.text().as_str(), whole.header("content-length")), ("CHUNK-0CHUNK-1", "14"));

    // The very next one is held until its first chunk. Then it is given up: the answer must not look whole.
    let (mut stream, mut got) = (open(11), Vec::new());
    Waiting(stream.try_clone().expect("a socket")).assert_waits();
    publish(&mut store, [chunk(11, 0, b"CHUNK-0")]);
    read_until(&mut stream, &mut got, "CHUNK-0\r\n");
    publish(&mut store, [abort(11)]);
    // Cut off: an end or a reset, but no last chunk.
    let _ = stream.read_to_end(&mut got);
    assert!(!got.ends_with(b"0\r\n\r\n") && got.ends_with(b"CHUNK-0\r\n"), "{}", String::from_utf8_lossy(&got));
    assert_eq!(ask(to, "GET", &format!("/live/{TRACK}/11.m4s"), &[]).code, 410);
}

#[test]
fn texts_are_compressed_for_those_who_take_it() {
    let (server, mut store) = start(Limits::default());
    let to = server.address();
    for size in [2000, 200_000] {
        let plain = "#EXTINF:2.00000,\n1234567.m4s\n".repeat(size / 29);
        publish(&mut store, [Publish::Text { path: "manifest.mpd".into(), bytes: Bytes::from(plain.clone()), readers: Readers::All, edge: None }]);
        let identity = ask(to, "GET", "/live/manifest.mpd", &[]);
        assert_eq!((identity.text(), identity.header("vary"), identity.header("content-encoding")), (plain.clone(), "accept-encoding", ""));
        let packed = ask(to, "GET", "/live/manifest.mpd", &["accept-encoding: br, gzip"]);
        assert_eq!((packed.code, packed.header("content-encoding"), packed.header("vary")), (200, "gzip", "accept-encoding"));
        let mut text = String::new();
        GzDecoder::new(&packed.body[..]).read_to_string(&mut text).expect("gzip");
        assert!(text == plain && packed.body.len() * 4 < plain.len(), "{} of {}", packed.body.len(), plain.len());
        // They are two representations (RFC 9110, 8.8.3.3), each with its own tag.
        let (one, other) = (identity.header("etag"), packed.header("etag"));
        assert_ne!(one, other);
        for (tag, coding, code) in [(other, "gzip", 304), (one, "gzip", 200), (one, "identity", 304), (other, "identity", 200)] {
            let headers = [format!("if-none-match: {tag}"), format!("accept-encoding: {coding}")];
            assert_eq!(ask(to, "GET", "/live/manifest.mpd", &[&headers[0], &headers[1]]).code, code, "{tag} {coding}");
        }
        // A part of one version with the rest of the next would be neither.
        let part = ask(to, "GET", "/live/manifest.mpd", &["accept-encoding: identity", "range: bytes=0-6"]);
        assert_eq!((part.code, part.text() == plain, part.header("accept-ranges")), (200, true, "none"));
    }
    // Media is what it is.
    publish(&mut store, [segment(TRACK, 1, b"media")]);
    let media = ask(to, "GET", "/live/avc-360p/1.m4s", &["accept-encoding: gzip"]);
    assert_eq!((media.header("content-encoding"), media.text().as_str()), ("", "media"));
}

/// Readers that take nothing of what they asked for must not delay one that does, nor the publisher.
#[test]
fn slow_readers_cost_nobody_else_anything() {
    let _alone = alone();
    let (server, mut store) = start(Limits { stall: Duration::from_secs(30), ..Limits::default() });
    let to = server.address();
    publish(&mut store, [segment(TRACK, 9, &vec![9; 8 << 20]), chunk(10, 0, &vec![1; 4 << 20])]);
    let deaf: Vec<TcpStream> = (0..100)
        .map(|n| {
            let mut stream = TcpStream::connect(to).expect("connect");
            stream.write_all(format!("GET /live/{TRACK}/{}.m4s HTTP/1.1\r\nhost: x\r\n\r\n", 9 + n % 2).as_bytes()).expect("sent");
            stream
        })
        .collect();
    let (mut publishing, mut waiting) = (Vec::new(), Vec::new());
    for index in 1..20 {
        let reader = Waiting::ask(to, "GET", &format!("/live/{TRACK}/10.{index}.m4s"));
        let begun = Instant::now();
        publish(&mut store, [chunk(10, index, &vec![1; 100_000])]);
        publishing.push(begun.elapsed());
        let answer = reader.answer();
        waiting.push(begun.elapsed());
        assert_eq!((answer.code, answer.body.len()), (200, 100_000));
    }
    publishing.sort();
    waiting.sort();
    assert!(publishing[9] < Duration::from_millis(50) && waiting[9] < Duration::from_millis(200), "{publishing:?} {waiting:?}");
    drop(deaf);
}

#[test]
fn where_places_run_out_the_live_edge_goes_first() {
    let _alone = alone();
    let limits = Limits { connections: 32, head_time: Duration::from_secs(30), ..Limits::default() };
    let (server, mut store) = start(limits);
    let to = server.address();
    publish(&mut store, (0..10).map(|n| segment(TRACK, n, b"x")));
    let code = |number: i64| {
        let answer = ask(to, "GET", &format!("/live/{TRACK}/{number}.m4s"), &[]);
        assert!(answer.code == 200 || answer.header("cache-control") == "public, max-age=1" && answer.header("retry-after") == "1");
        answer.code
    };
    assert_eq!([code(2), code(9)], [200, 200]);
    let others: Vec<TcpStream> = (0..29).map(|_| TcpStream::connect(to).expect("connect")).collect();
    assert_eq!([code(2), code(5), code(6), code(9)], [503, 503, 200, 200]);
    drop(others);
    crate::support::until("there is room again", 5, || code(2) == 200);
}

//! The control API against workers that run: what an edit changes and what it does not, who may make one, and what hostile clients get.

use crate::support::network::free_port;
use crate::support::{alone, assert_interchangeable, finish, mezzo, numbers, published, signal, succeed, until, wait};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SOURCE: &str = "testsrc:size=480x270,rate=25";

/// An answer: its status, its head, and its body.
struct Answer {
    code: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// Asks, with a body of JSON where there is one.
fn ask(address: &str, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let kind = if body.is_empty() { String::new() } else { format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()) };
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    send(address, format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{kind}{more}\r\n{body}").as_bytes())
}

fn send(address: &str, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    // One that is refused in the middle need not be taken to its end.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    Answer { code, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn put(address: &str, path: &str, body: &Value) -> Answer {
    ask(address, "PUT", path, &[], &body.to_string())
}

fn worker(output: &Path, address: &str, more: &[&str]) -> Child {
    let output = output.to_string_lossy();
    let args = [&["run", "--input", SOURCE, "--ladder", "tiny", "--listen", address, "--output", &output], more].concat();
    let mut child = mezzo(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a worker");
    until("it listens", 30, || TcpStream::connect(address).is_ok() || child.try_wait().expect("a child").is_some());
    child
}

fn here() -> String {
    format!("127.0.0.1:{}", free_port())
}

fn stop(mut worker: Child) {
    let told = Instant::now();
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 3).success());
    assert!(told.elapsed() < Duration::from_secs(3));
}

/// A file of twelve segments, 500 to 511, with these edits.
fn edited(dir: &Path, name: &str, edits: &Value) -> std::path::PathBuf {
    let (output, file) = (dir.join(name), dir.join(format!("{name}.json")));
    std::fs::write(&file, json!({ "version": 1, "edits": edits }).to_string()).expect("written");
    let input = format!("{SOURCE},start=1000");
    let args = [
        "run",
        "--input",
        &input,
        "--ladder",
        "tiny",
        "--pace",
        "fast",
        "--duration",
        "24s",
        "--output",
        &output.to_string_lossy(),
        "--edits",
        &file.to_string_lossy(),
    ];
    succeed(mezzo(&args), 120);
    let checked = finish(mezzo(&["check", &output.to_string_lossy()]), 60);
    assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stdout));
    output
}

/// The numbers of the segments of a track that two trees have with different bytes, or only one of them has.
fn different(one: &Path, other: &Path, track: &str) -> Vec<i64> {
    let (a, b) = (published(one), published(other));
    let mut all = [numbers(one, track), numbers(other, track)].concat();
    all.sort_unstable();
    all.dedup();
    let of = |number: &i64| format!("{track}/{number}.m4s");
    all.into_iter().filter(|number| a.get(&of(number)) != b.get(&of(number))).collect()
}

fn key_pictures(output: &Path, track: &str, number: i64) -> Vec<usize> {
    let mut bytes = std::fs::read(output.join(track).join("init.mp4")).expect("an init");
    bytes.extend(std::fs::read(output.join(track).join(format!("{number}.m4s"))).expect("a segment"));
    let whole = output.join("whole.mp4.part");
    std::fs::write(&whole, bytes).expect("written");
    let probe =
        Command::new("ffprobe").args(["-v", "error", "-show_entries", "frame=pict_type,key_frame", "-of", "csv=p=0"]).arg(&whole).output().expect("ffprobe");
    std::fs::remove_file(&whole).expect("removed");
    let text = String::from_utf8_lossy(&probe.stdout);
    text.lines().enumerate().filter(|(_, line)| line.starts_with("1,I")).map(|(place, _)| place).collect()
}

#[test]
fn an_edit_changes_what_it_names_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let plain = edited(dir.path(), "plain", &json!([]));
    let cap = |from: i64, max_bitrate: u64| json!({ "from": from, "what": "cap", "rung": "avc-270p", "max_bitrate": max_bitrate });
    let quality = |from: i64, quality: f32| json!({ "from": from, "what": "quality", "rung": "avc-270p", "quality": quality });
    let enabled = |from: i64, enabled: bool| json!({ "from": from, "what": "enabled", "rung": "avc-180p", "enabled": enabled });
    let rungs = edited(
        dir.path(),
        "rungs",
        &json!([cap(502, 100_000), cap(504, 365_000), quality(506, 40.0), quality(507, 23.0), enabled(503, false), enabled(506, true)]),
    );
    assert_eq!(different(&plain, &rungs, "avc-270p"), [502, 503, 506]);
    assert_eq!(different(&plain, &rungs, "avc-180p"), [503, 504, 505], "it is not there, and is the same again");
    assert_eq!(numbers(&rungs, "avc-180p"), [500, 501, 502, 506, 507, 508, 509, 510, 511]);
    for track in ["aac-64k", "aac-128k"] {
        assert_eq!(different(&plain, &rungs, track), [0i64; 0]);
    }
    let size = |output: &Path, number: i64| std::fs::metadata(output.join(format!("avc-270p/{number}.m4s"))).expect("a segment").len();
    assert!(size(&rungs, 502) * 8 <= 100_000 * 2 * 11 / 10, "within its new cap: {} bytes", size(&rungs, 502));
    assert!(size(&rungs, 506) < size(&plain, 506));
    let playlist = std::fs::read_to_string(rungs.join("avc-180p/media.m3u8")).expect("a playlist");
    assert_eq!(playlist.matches("#EXT-X-GAP").count(), 3, "{playlist}");
    assert_eq!(std::fs::read_to_string(rungs.join("main.m3u8")).expect("read"), std::fs::read_to_string(plain.join("main.m3u8")).expect("read"));

    let slate = |from: i64, on: bool| json!({ "from": from, "what": "slate", "on": on });
    let idr = json!({ "from": 509, "what": "idr", "slot": 509 * 50 + 20 });
    let cue = json!({ "from": 507, "what": "cue", "cue": "ad-1", "time": "1970-01-01T00:16:54Z", "duration_ms": 4000 });
    let show = edited(dir.path(), "show", &json!([slate(503, true), slate(505, false), idr, cue]));
    for track in ["avc-270p", "avc-180p"] {
        assert_eq!(different(&plain, &show, track), [503, 504, 509]);
        assert_eq!(key_pictures(&show, track, 509), [0, 20]);
        assert_eq!(key_pictures(&show, track, 508), [0]);
        let playlist = std::fs::read_to_string(show.join(track).join("media.m3u8")).expect("a playlist");
        assert!(playlist.contains("#EXT-X-DATERANGE:ID=\"ad-1\",START-DATE=\"1970-01-01T00:16:54.000Z\",DURATION=4"), "{playlist}");
    }
    // Sound overlaps by its run-up: the neighbours may differ, nothing beyond.
    let heard = different(&plain, &show, "aac-64k");
    assert!(heard.contains(&503) && heard.contains(&504) && heard.iter().all(|n| (502..=505).contains(n)), "{heard:?}");
    let report = finish(mezzo(&["check", &show.to_string_lossy(), "--against", &plain.to_string_lossy(), "--json"]), 60);
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert!(report["against"]["excused"].as_u64().is_some_and(|n| n >= 6), "slates are marked: {:#}", report["against"]);
}

#[test]
fn edits_that_are_not_of_the_job_are_refused_at_the_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("edits.json");
    let [output, edits] = [&dir.path().join("out"), &file].map(|path| path.to_string_lossy().into_owned());
    let args = ["run", "--input", SOURCE, "--ladder", "tiny", "--pace", "fast", "--duration", "4s", "--output", &output, "--edits", &edits];
    for (edits, why) in [
        (json!({ "version": 2, "edits": [] }), "version = 2"),
        (json!({ "version": 1, "edits": [{ "from": 1, "what": "enabled", "rung": "avc-999p", "enabled": false }] }), "avc-270p, avc-180p"),
        (json!({ "version": 1, "edits": [{ "from": 1, "what": "cap", "rung": "avc-270p", "max_bitrate": 400_000 }] }), "10000 to 365000"),
        (json!({ "version": 1, "edits": [{ "from": 1, "what": "idr", "slot": 99 }] }), "neither of its first two nor its last"),
    ] {
        std::fs::write(&file, edits.to_string()).expect("written");
        let output = finish(mezzo(&args), 60);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(why) && said.contains("edits.json"), "{edits}: {said}");
    }
    assert!(!dir.path().join("out").exists(), "nothing was written");
}

#[test]
fn twins_with_the_same_edits_stay_twins() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let outputs = [dir.path().join("a"), dir.path().join("b")];
    let addresses = [here(), here()];
    let [a, b] = [0, 1].map(|n| worker(&outputs[n], &addresses[n], &["--window", "whole", "--segment", "1"]));
    until("both publish", 40, || outputs.iter().all(|output| numbers(output, "avc-180p").len() >= 2));
    // The first is asked without a segment, the second with the one that the first chose.
    let mut last = 0;
    for (path, asked) in
        [("/v1/rungs/avc-270p", json!({ "max_bitrate": 120_000 })), ("/v1/rungs/avc-180p", json!({ "enabled": false })), ("/v1/slate", json!({ "on": true }))]
    {
        let first = put(&addresses[0], path, &asked);
        assert_eq!(first.code, 200, "{}", first.body);
        let taken = first.json();
        assert_eq!((&taken["changed"], &taken["kept"]), (&json!(true), &json!(true)));
        let again = put(&addresses[0], path, &asked);
        assert_eq!((again.code, &again.json()["changed"]), (200, &json!(false)), "{}", again.body);
        last = taken["edits"][0]["from"].as_i64().expect("a segment");
        let mut asked = asked.clone();
        asked["from"] = json!(last);
        let second = put(&addresses[1], path, &asked);
        assert_eq!((second.code, &second.json()["edits"]), (200, &taken["edits"]), "{}", second.body);
    }
    // All at once, as an orchestrator would.
    let mine = put(&addresses[0], "/v1/slate", &json!({ "on": false, "from": last + 2 }));
    assert_eq!(mine.code, 200, "{}", mine.body);
    let mine = put(&addresses[0], "/v1/rungs/avc-180p", &json!({ "enabled": true, "from": last + 3 }));
    assert_eq!(mine.code, 200, "{}", mine.body);
    let edits = ask(&addresses[0], "GET", "/v1/edits", &[], "").json();
    let twin = ask(&addresses[1], "POST", "/v1/edits", &[], &json!({ "edits": edits["edits"] }).to_string());
    assert_eq!((twin.code, &twin.json()["changed"]), (200, &json!(true)), "{}", twin.body);
    let kept = |output: &Path| serde_json::from_str::<Value>(&std::fs::read_to_string(output.join("edits.json")).expect("kept")).expect("JSON");
    assert_eq!((&kept(&outputs[0])["edits"], &kept(&outputs[1])["edits"]), (&edits["edits"], &edits["edits"]));
    until("what comes behind the edits", 30, || outputs.iter().all(|output| numbers(output, "avc-180p").last().is_some_and(|n| *n >= last + 5)));
    stop(a);
    stop(b);
    assert_interchangeable("twins with edits", &outputs[0], &outputs[1], 30);
    let missing: Vec<i64> = (last..last + 3).filter(|n| numbers(&outputs[0], "avc-180p").contains(n)).collect();
    assert!(missing.is_empty(), "disabled, and made: {missing:?}");

    // A run of the same slots offline, given the edits, is another twin.
    let offline = dir.path().join("offline");
    let all = numbers(&outputs[0], "avc-270p");
    let (from, until) = (all[0] - 2, all.last().expect("some") + 2);
    let (input, duration) = (format!("{SOURCE},start={from}"), format!("{}s", until - from));
    let file = outputs[0].join("edits.json");
    let args =
        ["run", "--input", &input, "--ladder", "tiny", "--segment", "1", "--pace", "fast", "--duration", &duration, "--output", &offline.to_string_lossy()];
    succeed(mezzo(&[&args[..], &["--edits", &file.to_string_lossy()]].concat()), 120);
    assert_interchangeable("live and offline with edits", &outputs[0], &offline, 30);
}

#[test]
fn what_cannot_be_kept_is_refused_with_a_reason() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (output, address) = (dir.path().join("out"), here());
    let worker = worker(&output, &address, &[]);
    until("it publishes", 40, || numbers(&output, "avc-180p").len() >= 2);
    let newest = numbers(&output, "avc-180p").last().copied().expect("some");
    let far = newest + 1000;
    for (method, path, body, code, why) in [
        ("PUT", "/v1/rungs/avc-270p", json!({ "max_bitrate": 200_000, "from": newest }), 409, "is settled"),
        ("PUT", "/v1/rungs/avc-270p", json!({ "max_bitrate": 365_001 }), 422, "10000 to 365000"),
        ("PUT", "/v1/rungs/avc-270p", json!({ "max_bitrate": 9_999 }), 422, "10000 to 365000"),
        ("PUT", "/v1/rungs/avc-270p", json!({ "quality": 52 }), 422, "1 to 51"),
        ("PUT", "/v1/rungs/avc-270p", json!({ "quality": 30, "from": -1 }), 422, "from = -1"),
        ("PUT", "/v1/rungs/avc-270p", json!({}), 422, "nothing to change"),
        ("PUT", "/v1/rungs/avc-270p", json!({ "cap": 1 }), 422, "unknown field `cap`"),
        ("PUT", "/v1/rungs/aac-64k", json!({ "enabled": false }), 404, "avc-270p, avc-180p"),
        ("PUT", "/v1/slate", json!({ "on": true, "from": far, "until": far }), 422, "one past the last segment"),
        ("PUT", "/v1/slate", json!({ "on": false, "until": far }), 422, "until goes with"),
        ("POST", "/v1/idr", json!({ "slot": far * 50 }), 422, "neither of its first two nor its last"),
        ("POST", "/v1/idr", json!({ "slot": far * 50 + 49 }), 422, "neither of its first two nor its last"),
        ("POST", "/v1/idr", json!({ "slot": newest * 50 + 10 }), 409, "is settled"),
        ("POST", "/v1/idr", json!({ "time": "yesterday" }), 422, "accepted"),
        ("POST", "/v1/idr", json!({}), 422, "one of slot and time"),
        ("PUT", "/v1/cues/a", json!({ "time": "2026-11-21" }), 422, "a date and time"),
        ("PUT", "/v1/cues/a%22b", json!({ "time": "2026-11-21T20:15:30Z" }), 422, "without quotes"),
        ("POST", "/v1/edits", json!({ "edits": [] }), 422, "1 to 100"),
        ("POST", "/v1/input", json!({ "feed": "second" }), 409, "no standby"),
        ("POST", "/v1/stop", json!({ "mode": "later" }), 422, "unknown variant `later`"),
    ] {
        let answer = ask(&address, method, path, &[], &body.to_string());
        assert!(
            answer.code == code && answer.json()["error"].as_str().is_some_and(|said| said.contains(why)),
            "{path} {body}: {} {}",
            answer.code,
            answer.body
        );
    }
    // All but one may go.
    assert_eq!(put(&address, "/v1/rungs/avc-270p", &json!({ "enabled": false, "from": far })).code, 200);
    let last = put(&address, "/v1/rungs/avc-180p", &json!({ "enabled": false, "from": far + 1 }));
    assert!(last.code == 409 && last.body.contains("the last video rung"), "{}", last.body);
    // What was asked with a key is done once.
    let key = ["Idempotency-Key: one-of-a-kind"];
    let asked = json!({ "max_bitrate": 300_000 }).to_string();
    let once = ask(&address, "PUT", "/v1/rungs/avc-270p", &key, &asked);
    let twice = ask(&address, "PUT", "/v1/rungs/avc-270p", &key, &asked);
    assert!(once.code == 200 && once.body == twice.body && twice.head.contains("idempotency-replayed: true"), "{} {}", once.body, twice.head);
    assert_eq!(ask(&address, "PUT", "/v1/rungs/avc-270p", &key, &json!({ "max_bitrate": 300_001 }).to_string()).code, 422);
    stop(worker);
}

#[test]
fn all_edits_of_a_twin_are_taken_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let (output, address) = (dir.path().join("out"), here());
    let worker = worker(&output, &address, &[]);
    let far = 9_000_000_000i64;
    let cue = |n: i64| json!({ "from": 0, "what": "cue", "cue": format!("{n}-{}", "ü".repeat(150)), "time": "1970-01-01T00:00:00Z", "text": "ü".repeat(200) });
    let slate = |n: i64| json!({ "from": far + n, "what": "slate", "on": n % 2 == 0 });
    let listed: Vec<Value> = (0..1000).map(|n| if n < 500 { cue(n) } else { slate(n) }).collect();
    let key = ["Idempotency-Key: a-thousand"];
    let taken = ask(&address, "POST", "/v1/edits", &key, &json!({ "edits": listed }).to_string());
    assert_eq!((taken.code, &taken.json()["changed"]), (200, &json!(true)), "{}", taken.body.chars().take(300).collect::<String>());
    let told = ask(&address, "GET", "/v1/edits", &[], "");
    assert_eq!(told.json()["edits"].as_array().map(Vec::len), Some(1000));
    let again = ask(&address, "POST", "/v1/edits", &[], &told.body);
    assert_eq!((again.code, &again.json()["changed"]), (200, &json!(false)), "as it was listed");
    let more = [listed, vec![slate(1000)]].concat();
    let more = ask(&address, "POST", "/v1/edits", &[], &json!({ "edits": more }).to_string());
    assert!(more.code == 422 && more.body.contains("1 to 1000"), "{}", more.body);
    assert_eq!(ask(&address, "POST", "/v1/edits", &key, &"[".repeat(5 << 20)).code, 413, "there is a limit still");
    stop(worker);
}

/// As many readers as there are places: who steers the worker must not wait for them.
#[test]
fn control_is_reached_though_all_connections_are_taken() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (output, address) = (dir.path().join("out"), here());
    let whole = mezzo(&["run", "--input", SOURCE, "--ladder", "tiny", "--listen", &address, "--output", &output.to_string_lossy()]);
    // So few descriptors that it takes 16 connections.
    let mut worker = Command::new("sh");
    worker.args(["-c", "ulimit -n 336; exec \"$0\" \"$@\""]).arg(whole.get_program()).args(whole.get_args());
    let mut worker = worker.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a worker");
    until("it listens", 30, || TcpStream::connect(&address).is_ok() || worker.try_wait().expect("a child").is_some());
    until("it publishes", 40, || numbers(&output, "avc-180p").len() >= 2);
    let readers: Vec<TcpStream> = (0..16)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).expect("it listens");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
            stream.write_all(format!("GET /v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).expect("sent");
            stream.read_exact(&mut [0; 12]).expect("an answer");
            stream
        })
        .collect();
    assert_eq!(ask(&address, "GET", "/page.js", &[], "").code, 503, "all places are taken");
    assert_eq!(ask(&address, "GET", "/v1/rungs", &[], "").code, 200);
    assert_eq!(put(&address, "/v1/slate", &json!({ "on": true })).code, 200);
    assert_eq!(ask(&address, "POST", "/v1/stop", &["Origin: https://evil.example"], "{}").code, 403, "with the same door");
    assert_eq!(ask(&address, "POST", "/v1/stop", &[], "{}").code, 202);
    assert!(wait(&mut worker, 5).success());
    drop(readers);
}

#[test]
fn hostile_clients_get_their_answers_and_nothing_else() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (output, address) = (dir.path().join("out"), here());
    let worker = worker(&output, &address, &[]);
    let raw = |head: &str, body: &[u8]| send(&address, &[format!("{head}\r\nHost: {address}\r\nConnection: close\r\n").as_bytes(), body].concat());
    let json = "Content-Type: application/json\r\n";
    let huge = vec![b'x'; 4 << 20];
    let sized = |body: &[u8]| [format!("{json}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    assert_eq!(raw("PUT /v1/slate HTTP/1.1", &sized(&huge)).code, 413);
    let chunked = [format!("{json}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", huge.len()).as_bytes(), &huge, b"\r\n0\r\n\r\n"].concat();
    assert_eq!(raw("PUT /v1/slate HTTP/1.1", &chunked).code, 413);
    assert_eq!(ask(&address, "PUT", "/v1/slate", &["Idempotency-Key: k"], &"[".repeat(100_000)).code, 413);
    for wrong in ["{\"on\": tru", "{", "nonsense", "\u{0}"] {
        assert_eq!(raw("PUT /v1/slate HTTP/1.1", &sized(wrong.as_bytes())).code, 400, "{wrong}");
    }
    assert_eq!(raw("PUT /v1/slate HTTP/1.1", &sized("[".repeat(60_000).as_bytes())).code / 100, 4, "nested too deeply");
    assert_eq!(raw("PUT /v1/slate HTTP/1.1", &sized(b"{\"on\": \"\xff\"}")).code, 400);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(raw("POST /v1/stop HTTP/1.1", format!("Content-Type: {kind}\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes()).code, 415, "{kind}");
    }
    for (method, path) in
        [("GET", "/v1/stop"), ("DELETE", "/v1/slate"), ("PATCH", "/v1/rungs/avc-270p"), ("POST", "/v1/rungs"), ("OPTIONS", "/v1/stop"), ("PUT", "/v1/events")]
    {
        let answer = ask(&address, method, path, &[], "");
        assert!(answer.code == 405 && !answer.head.contains("access-control"), "{method} {path}: {} {}", answer.code, answer.head);
    }
    for header in ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
        assert_eq!(ask(&address, "POST", "/v1/stop", &[header], "{}").code, 403, "{header}");
    }
    let rebound = format!("POST /v1/stop HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n{json}Content-Length: 2\r\n\r\n{{}}");
    assert_eq!(send(&address, rebound.as_bytes()).code, 403);
    // A body that never comes.
    let mut slow = TcpStream::connect(&address).expect("it listens");
    slow.set_read_timeout(Some(Duration::from_secs(15))).expect("a timeout");
    slow.write_all(format!("PUT /v1/slate HTTP/1.1\r\nHost: {address}\r\n{json}Content-Length: 20\r\n\r\n{{\"on\"").as_bytes()).expect("sent");
    let mut head = [0; 12];
    slow.read_exact(&mut head).expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 408");
    until("it publishes all along", 40, || numbers(&output, "avc-180p").len() >= 2);
    stop(worker);
}

#[test]
fn with_a_token_only_who_has_it_changes_anything() {
    let dir = tempfile::tempdir().expect("a folder");
    let (output, address) = (dir.path().join("out"), here());
    let secret = dir.path().join("token");
    std::fs::write(&secret, "open-sesame-open-sesame\n").expect("written");
    let mut worker = worker(&output, &address, &["--api-token", &format!("file:{}", secret.display())]);
    for wrong in
        [&[][..], &["Authorization: Bearer open-sesame"], &["Authorization: Basic open-sesame-open-sesame"], &["Authorization: Bearer open-sesame-open-sesamE"]]
    {
        let answer = ask(&address, "POST", "/v1/stop", wrong, "{}");
        assert!(answer.code == 401 && answer.head.contains("www-authenticate: bearer"), "{wrong:?}: {}", answer.head);
    }
    for path in ["/v1/status", "/v1/rungs", "/v1/edits", "/v1/openapi.json", "/v1/events?end=true"] {
        assert_eq!(ask(&address, "GET", path, &[], "").code, 200, "{path}: who looks needs none");
    }
    until("it publishes", 40, || numbers(&output, "avc-180p").len() >= 2);
    let ended = ask(&address, "POST", "/v1/stop", &["Authorization: Bearer open-sesame-open-sesame"], "{\"end\": true}");
    assert_eq!((ended.code, ended.json()), (202, json!({ "mode": "drain", "end": true })), "{}", ended.body);
    assert!(wait(&mut worker, 5).success());
    for track in ["avc-270p", "avc-180p", "aac-64k", "aac-128k"] {
        let text = std::fs::read_to_string(output.join(track).join("media.m3u8")).expect("a playlist");
        assert!(text.contains("#EXT-X-ENDLIST"), "{track}: the event has ended\n{text}");
    }
    assert!(std::fs::read_to_string(output.join("manifest.mpd")).expect("an MPD").contains("mediaPresentationDuration"));
    let refused = finish(mezzo(&["run", "--input", SOURCE, "--listen", &address, "--api-token", "open-sesame-open-sesame"]), 20);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("serve.api_token") && !said.contains("open-sesame"), "{said}");
}

#[test]
fn events_are_told_as_they_happen() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (output, address) = (dir.path().join("out"), here());
    let mut worker = worker(&output, &address, &[]);
    until("it publishes", 40, || numbers(&output, "avc-180p").len() >= 2);
    let kinds = |text: &str| text.lines().filter_map(|line| line.strip_prefix("event: ").map(str::to_owned)).collect::<Vec<_>>();
    let all = ask(&address, "GET", "/v1/events?end=true", &[], "");
    assert!(all.code == 200 && all.head.contains("content-type: text/event-stream"), "{}", all.head);
    for kind in ["state", "input_up", "clock_locked"] {
        assert!(kinds(&all.body).contains(&kind.to_owned()), "no {kind} in {}", all.body);
    }
    let last = all.body.lines().rev().find_map(|line| line.strip_prefix("id: ")).expect("an id").to_owned();
    // Readers that stay, until the worker goes.
    let follow = |n: usize| {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream.write_all(format!("GET /v1/events?n={n} HTTP/1.1\r\nHost: {address}\r\nLast-Event-ID: {last}\r\n\r\n").as_bytes()).expect("sent");
        let mut head = [0; 12];
        stream.read_exact(&mut head).expect("an answer");
        (stream, String::from_utf8_lossy(&head).into_owned())
    };
    let mut readers: Vec<TcpStream> = (0..16).map(|n| follow(n).0).collect();
    assert_eq!(follow(16).1, "HTTP/1.1 503", "all places are taken");
    assert_eq!(put(&address, "/v1/rungs/avc-180p", &json!({ "quality": 30 })).code, 200);
    assert_eq!(ask(&address, "PUT", "/v1/cues/ad-1", &[], "{\"time\": \"2026-11-21T20:15:30Z\"}").code, 200);
    let told = Instant::now();
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 3).success(), "readers hold it up");
    assert!(told.elapsed() < Duration::from_secs(3));
    let mut text = String::new();
    let _ = readers[15].read_to_string(&mut text);
    let heard = kinds(&text);
    for kind in ["edited", "cue", "state"] {
        assert!(heard.contains(&kind.to_owned()), "no {kind} in {text}");
    }
    assert!(!heard.contains(&"input_up".to_owned()), "what was seen is not told again: {text}");
    assert!(text.contains("\"text\":\"leaving\"") && text.contains("\"text\":\"ended\""), "{text}");
}

/// 1,000 calls a second beside a live run: what it costs the media path is printed.
#[test]
#[ignore = "a measurement of half a minute: run it alone, on a machine that does nothing else"]
fn a_thousand_calls_a_second_cost_the_media_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (output, address) = (dir.path().join("out"), here());
    let worker = worker(&output, &address, &["--segment", "1"]);
    until("it publishes", 40, || numbers(&output, "avc-180p").len() >= 4);
    let lag = || ask(&address, "GET", "/v1/status", &[], "").json()["lag_ms"].as_i64().expect("a lag");
    let watch = |seconds: u64| {
        let begun = Instant::now();
        let mut lags = Vec::new();
        while begun.elapsed() < Duration::from_secs(seconds) {
            lags.push(lag());
            std::thread::sleep(Duration::from_millis(250));
        }
        lags.sort_unstable();
        (lags[lags.len() / 2], *lags.last().expect("some"))
    };
    let quiet = watch(10);
    let (asking, calls) = (std::sync::atomic::AtomicBool::new(true), std::sync::atomic::AtomicU64::new(0));
    let busy = std::thread::scope(|scope| {
        for n in 0..4 {
            let (asking, calls, address) = (&asking, &calls, &address);
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).expect("it listens");
                let body = "{\"quality\": 23.0, \"from\": 9000000000}";
                let paths = [("GET", "/v1/status", ""), ("GET", "/v1/edits", ""), ("PUT", "/v1/rungs/avc-180p", body), ("GET", "/v1/rungs", "")];
                let (begun, mut done, mut buffer) = (Instant::now(), 0u32, vec![0; 64 << 10]);
                while asking.load(std::sync::atomic::Ordering::Relaxed) {
                    let (method, path, body) = paths[(done as usize + n) % 4];
                    let kind = if body.is_empty() { String::new() } else { format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()) };
                    stream.write_all(format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{kind}\r\n{body}").as_bytes()).expect("sent");
                    let mut got = stream.read(&mut buffer).expect("an answer");
                    let text = |got: usize, buffer: &[u8]| String::from_utf8_lossy(&buffer[..got]).into_owned();
                    let whole = |text: &str| {
                        let (head, body) = text.split_once("\r\n\r\n")?;
                        let length: usize = head.to_ascii_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok())?;
                        (body.len() >= length).then_some(())
                    };
                    while whole(&text(got, &buffer)).is_none() {
                        got += stream.read(&mut buffer[got..]).expect("the rest");
                    }
                    assert!(text(got, &buffer).starts_with("HTTP/1.1 200"), "{}", text(got, &buffer));
                    done += 1;
                    calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    // 250 a second each.
                    std::thread::sleep((Duration::from_millis(4) * done).saturating_sub(begun.elapsed()));
                }
            });
        }
        let busy = watch(10);
        asking.store(false, std::sync::atomic::Ordering::Relaxed);
        busy
    });
    let calls = calls.into_inner();
    stop(worker);
    eprintln!("lag, median and most, in ms: {quiet:?} without calls, {busy:?} with {} a second", calls / 10);
    assert!(calls >= 9_000, "{calls} in ten seconds: too few to say anything");
    assert!(busy.0 <= quiet.0 + 100, "{quiet:?} without, {busy:?} with calls");
}

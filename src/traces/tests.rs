use super::span::trace_id;
use super::*;
use crate::time::{GopId, Grid, Rate, Seconds, Slot};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Takes one request from a connection; its target and body.
fn request(from: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut first, mut length) = (String::new(), 0);
    from.read_line(&mut first).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some((first.split(' ').nth(1)?.to_owned(), body))
}

fn run_segments(probes: &Probes, numbers: std::ops::Range<i64>) {
    for gop in numbers {
        for slot in (gop * 50..gop * 50 + 50).map(Slot) {
            probes.placed(slot, Some(Seconds::host_now()));
            probes.scaled(slot);
        }
        probes.done(0, GopId(gop));
        probes.muxed(0, GopId(gop));
        probes.published(0, GopId(gop), 1000);
    }
}

fn probes() -> Probes {
    Probes::new(Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO), 1)
}

#[test]
fn a_collector_gets_every_segment_with_its_stages() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = endpoint(&format!("http://{}", listener.local_addr().expect("bound"))).expect("legal");
    let collector = std::thread::spawn(move || {
        let (mut spans, mut targets) = (Vec::new(), Vec::new());
        let (stream, _) = listener.accept().expect("a connection");
        let mut from = BufReader::new(stream);
        while let Some((target, body)) = request(&mut from) {
            targets.push(target);
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(body["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "mezzo");
            spans.extend(body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans").clone());
            from.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}").expect("answered");
        }
        (spans, targets)
    });
    let (probes, counts) = (probes(), Arc::new(Counts::default()));
    let tracer = Tracer::start(&url, &probes, vec!["v".into()], "c1a55", Arc::clone(&counts)).expect("it starts");
    run_segments(&probes, 10..13);
    drop(tracer);
    let (spans, targets) = collector.join().expect("no panic");
    assert!(targets.iter().all(|target| target == "/v1/traces"), "{targets:?}");
    assert_eq!((counts.sent.load(Relaxed), counts.dropped.load(Relaxed)), (3, 0));
    let names: Vec<&str> = spans.iter().filter_map(|span| span["name"].as_str()).take(7).collect();
    assert_eq!(names, ["segment", "capture", "decode", "downscale", "encode", "mux", "publish"]);
    let mut ids: Vec<&str> = spans.iter().filter_map(|span| span["spanId"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((spans.len(), ids.len()), (21, 21));
    let root = &spans[0];
    let nanos = |span: &Value, key: &str| span[key].as_str().and_then(|n| n.parse::<i64>().ok()).expect("a number");
    for span in &spans[1..7] {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&root["traceId"], &root["spanId"]));
        assert!(
            nanos(span, "startTimeUnixNano") >= nanos(root, "startTimeUnixNano") && nanos(span, "endTimeUnixNano") <= nanos(root, "endTimeUnixNano"),
            "{span}"
        );
    }
    assert_eq!(root["attributes"][1]["value"]["intValue"], "10");
    assert_eq!(root["traceId"], trace_id("c1a55", "v", 10), "twins and shards have the same");
    assert_ne!(root["traceId"], trace_id("another", "v", 10), "another event's segment is another matter");
    let lengths = ["traceId", "spanId"].map(|key| root[key].as_str().map_or(0, str::len));
    assert_eq!((lengths, root.get("parentSpanId")), ([32, 16], None));
}

#[test]
fn a_collector_that_is_not_there_costs_nothing_but_traces() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let (probes, counts) = (probes(), Arc::new(Counts::default()));
    let url = endpoint(&format!("http://{gone}")).expect("legal");
    let tracer = Tracer::start(&url, &probes, vec!["v".into()], "c", Arc::clone(&counts)).expect("it starts");
    let started = Instant::now();
    run_segments(&probes, 0..i64::try_from(QUEUE * 3).expect("small"));
    assert!(started.elapsed() < Duration::from_secs(2), "whoever publishes waits for nobody");
    drop(tracer);
    assert_eq!((counts.sent.load(Relaxed), counts.dropped.load(Relaxed)), (0, QUEUE as u64 * 3));
}

/// SIGTERM to exit must not wait for a collector.
#[test]
fn a_collector_that_says_nothing_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = endpoint(&format!("http://{}", listener.local_addr().expect("bound"))).expect("legal");
    let (probes, counts) = (probes(), Arc::new(Counts::default()));
    let tracer = Tracer::start(&url, &probes, vec!["v".into()], "c", Arc::clone(&counts)).expect("it starts");
    let segments = i64::try_from(BATCH).expect("small") * 3;
    run_segments(&probes, 0..1);
    // The first is under way, and others wait behind it.
    let mut silent = BufReader::new(listener.accept().expect("a connection").0);
    assert!(request(&mut silent).is_some());
    run_segments(&probes, 1..segments);
    let leaves = std::time::Instant::now();
    drop(tracer);
    assert!(leaves.elapsed() < Duration::from_secs(1), "{:?}", leaves.elapsed());
    assert_eq!((counts.sent.load(Relaxed), counts.dropped.load(Relaxed)), (0, segments as u64));
}

#[test]
fn an_endpoint_is_a_url() {
    let path = |url: &str| endpoint(url).map(|url| url.to_string()).map_err(|e| e.to_string());
    assert_eq!(path("http://h:4318").as_deref(), Ok("http://h:4318/v1/traces"));
    assert_eq!(path("https://h/otlp/").as_deref(), Ok("https://h/otlp/v1/traces"));
    assert_eq!(path("http://h/v1/traces?key=1").as_deref(), Ok("http://h/v1/traces?key=1"));
    assert!(path("h:4318").is_err() && path("grpc://h").is_err() && path("").is_err_and(|why| why.contains("accepted")));
}

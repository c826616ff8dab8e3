//! A real Prometheus scrapes a live worker and an origin: what they say is in its formats, and every query of the dashboard and every alert has data.

use crate::common::{answer, ask, has};
use crate::support::{alone, mezzo, signal, until, wait};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What this worker has none of: no keys, no second feed, and not the label of an event, which Kubernetes gives.
const ABSENT: [&str; 3] = ["mezzo_keys_failed_total", "mezzo_feed_shown", "mezzo_event"];

/// What a child logs, line by line.
fn log(child: &mut Child) -> Receiver<String> {
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let (say, said) = channel();
    // Nobody listens once the test is over.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(say.send(line))));
    said
}

/// Ends a child of ours, whatever comes.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// Where a child says that it listens.
fn listens(log: &Receiver<String>, said: &str) -> SocketAddr {
    let deadline = Instant::now() + Duration::from_secs(60);
    let next = || log.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap_or_else(|e| panic!("{said:?} is not said: {e}"));
    let line = std::iter::repeat_with(next).find(|line| line.contains(said)).expect("it goes on for ever");
    let at = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).and_then(|at| at.parse().ok());
    at.unwrap_or_else(|| panic!("no address in {line}"))
}

/// Runs promtool, with `input` on its stdin; it must be content.
fn promtool(args: &[&str], input: &[u8]) {
    let mut child = Command::new("promtool").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("promtool");
    child.stdin.take().expect("piped").write_all(input).expect("it reads");
    let out = child.wait_with_output().expect("it ends");
    assert!(out.status.success(), "promtool {args:?}: {}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

/// The alerts: names and expressions.
fn alerts() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(deploy("prometheus/alerts.yml")).expect("the rules");
    let of =
        |key: &str| text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key).map(|v| v.trim().to_owned())).collect::<Vec<_>>();
    let (names, expressions) = (of("alert:"), of("expr:"));
    assert!(names.len() == expressions.len() && names.len() > 20);
    names.into_iter().zip(expressions).collect()
}

/// Every query of the dashboard, its variables filled in.
fn queries() -> Vec<String> {
    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
                Value::String(query) if name == "expr" => into.push(query.clone()),
                value => collect(value, into),
            }),
            Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
    let board: Value = serde_json::from_slice(&std::fs::read(deploy("grafana/mezzo.json")).expect("the dashboard")).expect("JSON");
    let mut found = Vec::new();
    collect(&board["panels"], &mut found);
    found.into_iter().map(|q| q.replace("$job", ".+").replace("$instance", ".+").replace("$__rate_interval", "30s")).collect()
}

/// Names of our metrics in a query.
fn metrics(query: &str) -> BTreeSet<String> {
    query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("mezzo_")).map(str::to_owned).collect()
}

/// What Prometheus answers: asked in HTTP/1.0, whole and not in chunks.
fn api(prometheus: SocketAddr, path: &str) -> Value {
    let mut stream = TcpStream::connect(prometheus).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: x\r\n\r\n").as_bytes()).expect("sent");
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).expect("an answer");
    serde_json::from_slice(&answer(&raw).body).expect("JSON")
}

/// How many series a query has now.
fn series(prometheus: SocketAddr, query: &str) -> usize {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let answer = api(prometheus, &format!("/api/v1/query?query={query}"));
    assert_eq!(answer["status"], "success", "{query}: {answer}");
    answer["data"]["result"].as_array().map_or(0, Vec::len)
}

#[test]
fn every_alert_is_explained() {
    let told = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/alarms.md")).expect("docs/alarms.md");
    let rules = std::fs::read_to_string(deploy("prometheus/alerts.yml")).expect("the rules");
    for (name, expression) in alerts() {
        assert!(told.contains(&format!("\n## {name}\n")), "{name} is not in docs/alarms.md");
        assert!(told.contains(&format!("`{expression}`")), "{name}: docs/alarms.md has another expression");
        assert!(rules.contains(&format!("runbook_url: docs/alarms.md#{}\n", name.to_lowercase())), "{name} does not say where it is explained");
    }
    let headings = told.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(headings, alerts().len(), "docs/alarms.md explains alerts that there are not");
}

#[test]
fn the_rules_fire_when_they_should() {
    if has("promtool") {
        promtool(&["test", "rules", &deploy("prometheus/tests.yml").to_string_lossy()], b"");
    }
}

#[test]
fn a_real_prometheus_scrapes_a_live_worker() {
    if !has("prometheus") || !has("promtool") {
        return;
    }
    let _alone = alone();
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut origin = Ended(mezzo(&["origin", "--listen", "127.0.0.1:0"]).stdout(Stdio::null()).spawn().expect("an origin"));
    let origin_at = listens(&log(&mut origin.0), "pushes are taken at");
    let ports = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port());
    let inputs = ports.map(|port| format!("udp://127.0.0.1:{port}"));
    let push = format!("http://{origin_at}/ingest/A");
    let args = ["run", "--input", &inputs[0], "--input", &inputs[1], "--ladder", "tiny", "--segment", "1s", "--pace", "live"];
    let args = [&args[..], &["--output", &push, "--listen", "127.0.0.1:0", "--heartbeat", "1s"]].concat();
    let mut worker = Ended(mezzo(&args).stdout(Stdio::null()).spawn().expect("a worker"));
    let log = log(&mut worker.0);
    let feed = ["feed", "--output", &inputs[0], "--output", &inputs[1], "--size", "640x360", "--bitrate", "2M"];
    let _feed = Ended(mezzo(&feed).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a feed"));
    let worker_at = listens(&log, "the page is at");
    let started = Instant::now();
    until("the worker is ready", 60, || ask(worker_at, "GET", "/readyz", &[]).code == 200);

    // In both formats, as promtool and Prometheus want them.
    let text = ask(worker_at, "GET", "/metrics", &[]);
    assert_eq!((text.code, text.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    promtool(&["check", "metrics"], &text.body);
    let open = ask(worker_at, "GET", "/metrics", &["accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5"]);
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.text().ends_with("\n# EOF\n"));
    promtool(&["check", "metrics"], &ask(origin_at, "GET", "/metrics", &[]).body);
    promtool(&["check", "rules", &deploy("prometheus/alerts.yml").to_string_lossy()], b"");

    let at = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let config = dir.path().join("prometheus.yml");
    let rules = deploy("prometheus/alerts.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n  - job_name: mezzo\n    static_configs: [{{targets: ['{worker_at}', '{origin_at}']}}]\n",
        rules.display()
    );
    std::fs::write(&config, text).expect("written");
    let mut prometheus = Command::new("prometheus");
    prometheus.arg(format!("--config.file={}", config.display())).arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
    prometheus.arg(format!("--web.listen-address={at}")).args(["--log.level=error"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut prometheus = Ended(prometheus.spawn().expect("prometheus"));
    let ready = || TcpStream::connect(at).is_ok() && ask(at, "GET", "/-/ready", &[]).code == 200;
    until("Prometheus is ready", 60, ready);
    until("both are scraped", 60, || series(at, "up == 1") == 2);

    let mut missing: Vec<String> = queries();
    assert!(missing.len() > 50, "{}", missing.len());
    for (_, expression) in alerts() {
        missing.extend(metrics(&expression).into_iter().filter(|name| !ABSENT.contains(&name.as_str())));
    }
    let begun = Instant::now();
    while !missing.is_empty() {
        missing.retain(|query| series(at, query) == 0);
        assert!(begun.elapsed().as_secs() < 90, "these have no data: {missing:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let rules = api(at, "/api/v1/rules");
    let all = rules["data"]["groups"][0]["rules"].as_array().expect("rules");
    assert!(all.len() == alerts().len() && all.iter().all(|rule| rule["health"] == "ok"), "{rules:#}");

    // A worker that leaves is told of by its absence.
    signal(&worker.0, "TERM");
    assert!(wait(&mut worker.0, 30).success());
    // A line a second, and nothing of it is left out.
    let (lived, beats) = (started.elapsed().as_secs(), log.iter().filter(|line| line.contains("rungs=")).count());
    assert!(beats as u64 * 4 >= lived * 3, "{beats} beats in {lived} s");
    until("the alert is pending or fires", 60, || series(at, "ALERTS{alertname=\"MezzoDown\"}") == 1);
    signal(&prometheus.0, "TERM");
    wait(&mut prometheus.0, 30);
}

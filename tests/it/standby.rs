//! Two encodes of one programme: where the first is in trouble the second is shown, picture by picture, and nobody sees where.

use crate::common::ask;
use crate::support::burnt::{LADDER, burnt_in};
use crate::support::network::{Splitter, free_port};
use crate::support::{Running, alone, finish, media, mezzo, numbers, signal, until, wait};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

fn feed(splitter: &Splitter, more: &[&str]) -> Running {
    let url = format!("udp://127.0.0.1:{}", splitter.port);
    let args = [&["feed", "--output", &url, "--size", "640x360", "--rate", "25"], more].concat();
    Running::start(mezzo(&args).stdout(Stdio::null()).stderr(Stdio::null()))
}

#[test]
fn a_second_encode_stands_in_and_steps_back() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (ladder, out, job) = (dir.path().join("one.toml"), dir.path().join("out"), dir.path().join("job.toml"));
    std::fs::write(&ladder, LADDER).expect("written");
    let ways = [Splitter::new(&[0]), Splitter::new(&[0])];
    let [first, second] = [ways[0].url(0), ways[1].url(0)];
    std::fs::write(&job, format!("inputs = [\"{first}\"]\nladder = \"one.toml\"\nwindow = \"whole\"\n[standby]\ninput = \"{second}\"\nback = \"4s\"\n"))
        .expect("written");
    let mut feeds = [feed(&ways[0], &[]), feed(&ways[1], &["--codec", "hevc", "--bitrate", "1500000", "--bframes", "0"])];
    let log = std::fs::File::create(dir.path().join("log")).expect("a log");
    let [job, output] = [&job, &out].map(|path| path.to_string_lossy().into_owned());
    let mut worker = Running::start(mezzo(&["run", &job, "--output", &output]).stdout(Stdio::null()).stderr(log));
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let newest = || numbers(&out, "avc").last().copied().unwrap_or_default();
    until("segments", 60, || numbers(&out, "avc").len() >= 3);
    ways[0].cut(0, true);
    until("the second is shown", 10, || said().contains("switched to input 2"));
    let at = newest();
    until("its segments", 30, || newest() >= at + 3);
    ways[0].cut(0, false);
    until("the first is shown again", 40, || said().contains("switched back to input 1"));
    let back = newest();
    until("and goes on", 30, || newest() >= back + 3 && numbers(&out, "aac").last().is_some_and(|n| *n >= back + 2));
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 10).success(), "{}", said());
    for feed in &mut feeds {
        signal(feed, "TERM");
        wait(feed, 10);
    }
    for track in ["avc", "aac"] {
        let numbers = numbers(&out, track);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{track} has a hole: {numbers:?}");
    }
    let seen = burnt_in(&out, "avc", |number| std::fs::read(out.join(format!("avc/{number}.m4s"))).expect("a segment"));
    let odd: Vec<(usize, &[i64])> = seen.windows(2).enumerate().filter(|(_, pair)| pair[1] != pair[0] + 1).collect();
    assert!(
        odd.len() <= 2 && odd.iter().all(|(_, pair)| pair[1] == pair[0] || pair[1] == pair[0] + 2),
        "at most one picture twice at a switch: {odd:?}\n{}",
        said()
    );
    let checked = finish(mezzo(&["check", &output]), 60);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// Asks a worker for a feed: the status and all of its answer.
fn post(address: &str, kind: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request =
        format!("POST /v1/input HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, answer)
}

/// The event begins with the standby where the first is not there, and goes on with the first when it is.
#[test]
fn a_standby_begins_where_the_first_is_absent() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (ladder, out, job) = (dir.path().join("one.toml"), dir.path().join("out"), dir.path().join("job.toml"));
    std::fs::write(&ladder, LADDER).expect("written");
    let port = free_port();
    let way = Splitter::new(&[0]);
    let text = format!(
        "inputs = [\"srt://127.0.0.1:{port}\"]\nladder = \"one.toml\"\nwindow = \"whole\"\nsegment = 1\n[standby]\ninput = \"{}\"\nback = \"2s\"\n",
        way.url(0)
    );
    std::fs::write(&job, text).expect("written");
    let mut second = feed(&way, &["--codec", "hevc", "--bitrate", "1500000", "--bframes", "0"]);
    let log = std::fs::File::create(dir.path().join("log")).expect("a log");
    let [job, output] = [&job, &out].map(|path| path.to_string_lossy().into_owned());
    let mut worker = Running::start(mezzo(&["run", &job, "--output", &output]).stdout(Stdio::null()).stderr(log));
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    until("segments of the second", 60, || numbers(&out, "avc").len() >= 4);
    assert!(said().contains("the event begins with its standby"), "{}", said());
    let url = format!("srt://127.0.0.1:{port}?mode=listener");
    let args = ["feed", "--output", &url, "--size", "640x360", "--rate", "25"];
    let mut first = Running::start(mezzo(&args).stdout(Stdio::null()).stderr(Stdio::null()));
    until("the first is shown", 60, || said().contains("switched back to input 1"));
    let back = numbers(&out, "avc").len();
    until("and goes on", 30, || numbers(&out, "avc").len() >= back + 4);
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 10).success(), "{}", said());
    for feed in [&mut first, &mut second] {
        signal(feed, "TERM");
        wait(feed, 10);
    }
    for track in ["avc", "aac"] {
        let numbers = numbers(&out, track);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{track} has a hole: {numbers:?}");
    }
    let seen = burnt_in(&out, "avc", |number| std::fs::read(out.join(format!("avc/{number}.m4s"))).expect("a segment"));
    let odd: Vec<&[i64]> = seen.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    assert!(odd.len() <= 1 && seen[0] >= 0, "at most one picture twice at the switch: {odd:?}\n{}", said());
}

/// Two inputs that are not one feed, and a switch by hand.
#[test]
fn two_inputs_that_differ_are_a_feed_and_its_standby() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (ladder, out) = (dir.path().join("one.toml"), dir.path().join("out"));
    std::fs::write(&ladder, LADDER).expect("written");
    let ways = [Splitter::new(&[0]), Splitter::new(&[0])];
    let mut feeds = [feed(&ways[0], &[]), feed(&ways[1], &["--codec", "hevc", "--bitrate", "1500000", "--bframes", "0"])];
    let [first, second] = [ways[0].url(0), ways[1].url(0)];
    // A plan knows of a second feed what it has sent by then.
    until("both feeds send", 30, || ways.iter().all(|way| way.came() > 200));
    let planned = finish(mezzo(&["plan", "--input", &first, "--input", &second, "--ladder", &ladder.to_string_lossy()]), 60);
    let plan = String::from_utf8_lossy(&planned.stdout);
    assert!(planned.status.success() && plan.contains("decoding costs twice"), "{plan}\n{}", String::from_utf8_lossy(&planned.stderr));

    let address = format!("127.0.0.1:{}", free_port());
    let log = std::fs::File::create(dir.path().join("log")).expect("a log");
    let args = ["run", "--input", &first, "--input", &second, "--ladder", &ladder.to_string_lossy(), "--segment", "1", "--listen", &address];
    let mut worker = Running::start(mezzo(&[&args[..], &["--window", "whole", "--output", &out.to_string_lossy()]].concat()).stderr(log));
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    until("segments", 60, || numbers(&out, "avc").len() >= 3);
    assert!(said().contains("the second is taken as a standby"), "{}", said());
    assert_eq!(post(&address, "text/plain", "{\"feed\": \"second\"}").0, 415);
    assert_eq!(post(&address, "application/json", "{\"feed\": \"third\"}").0, 422);
    let (status, answer) = post(&address, "application/json", "{\"feed\": \"second\"}");
    assert!(status == 202 && answer.ends_with("{\"feed\":\"second\"}"), "{answer}");
    until("the second", 20, || said().contains("switched back to input 2"));
    // It stays, though the first is well.
    let at = numbers(&out, "avc").len();
    until("segments of the second", 30, || numbers(&out, "avc").len() >= at + 3);
    assert!(!said().contains("switched back to input 1"), "{}", said());
    assert_eq!(post(&address, "application/json", "{\"feed\": \"first\"}").0, 202);
    until("the first", 20, || said().contains("switched back to input 1"));
    assert_eq!(post(&address, "application/json", "{\"feed\": \"auto\"}").0, 202);
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 10).success(), "{}", said());
    for feed in &mut feeds {
        signal(feed, "TERM");
        wait(feed, 10);
    }
}

/// What `input_timeout` ends is a feed, and the event only where there is no other: one that comes again is shown again.
#[test]
fn a_feed_that_failed_for_good_comes_again() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (ladder, out, job) = (dir.path().join("one.toml"), dir.path().join("out"), dir.path().join("job.toml"));
    std::fs::write(&ladder, LADDER).expect("written");
    let ways = [Splitter::new(&[0]), Splitter::new(&[0])];
    let [first, second] = [ways[0].url(0), ways[1].url(0)];
    let text = format!(
        "inputs = [\"{first}\"]\ninput_timeout = \"4s\"\nladder = \"one.toml\"\nwindow = \"whole\"\nsegment = 1\n[standby]\ninput = \"{second}\"\nback = \"3s\"\n"
    );
    std::fs::write(&job, text).expect("written");
    let _feeds = [feed(&ways[0], &[]), feed(&ways[1], &["--codec", "hevc", "--bitrate", "1500000", "--bframes", "0"])];
    let log = std::fs::File::create(dir.path().join("log")).expect("a log");
    let address = format!("127.0.0.1:{}", free_port());
    let [job, output] = [&job, &out].map(|path| path.to_string_lossy().into_owned());
    let mut worker = Running::start(mezzo(&["run", &job, "--listen", &address, "--output", &output]).stdout(Stdio::null()).stderr(log));
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let newest = || numbers(&out, "avc").last().copied().unwrap_or_default();
    until("both are there", 60, || numbers(&out, "avc").len() >= 3 && said().contains("the standby is there"));
    let paths = || status(&address)["inputs"]["paths"][0]["packets"].as_u64();
    ways[0].cut(0, true);
    until("the first fails", 30, || said().contains("the first feed is gone: ") && said().contains("nothing came for 4 s"));
    let at = newest();
    until("the event goes on", 40, || newest() >= at + 5);
    assert!(said().contains("switched to input 2") && worker.try_wait().expect("a child").is_none(), "{}", said());
    let before = paths();
    ways[0].cut(0, false);
    until("the first is shown again", 60, || said().contains("switched back to input 1"));
    let back = newest();
    until("and goes on", 30, || newest() >= back + 3 && numbers(&out, "aac").last().is_some_and(|n| *n >= back + 2));
    assert!(before.is_some() && paths() != before, "its packets are counted again: {before:?}");
    // And where there is neither, it ends as a worker with one feed does.
    ways.iter().for_each(|way| way.cut(0, true));
    assert_eq!(wait(&mut worker, 40).code(), Some(1), "{}", said());
    for track in ["avc", "aac"] {
        let numbers = numbers(&out, track);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{track} has a hole: {numbers:?}\n{}", said());
    }
    let checked = finish(mezzo(&["check", &output]), 60);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

fn status(address: &str) -> serde_json::Value {
    serde_json::from_slice(&ask(address.parse().expect("an address"), "GET", "/v1/status", &[]).body).expect("JSON")
}

/// The event is over with its feed where its standby never came.
#[test]
fn a_file_whose_standby_never_comes_ends_at_its_end() {
    let Some(clip) = media("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let (output, url) = (dir.path().join("out"), format!("tcp://127.0.0.1:{}", free_port()));
    let args = ["run", "--input", &clip.to_string_lossy(), "--pace", "live", "--standby", &url, "--ladder", "tiny", "--window", "whole"];
    let ran = finish(mezzo(&[&args[..], &["--output", &output.to_string_lossy()]].concat()), 60);
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{}\n{said}", ran.status);
    assert_eq!(said.matches("the standby is not there").count(), 1, "{said}");
    let [video, sound] = ["avc-180p", "aac-64k"].map(|track| numbers(&output, track));
    assert!(video.len() >= 6 && video == sound, "{video:?} {sound:?}\n{said}");
    let checked = finish(mezzo(&["check", &output.to_string_lossy()]), 60);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn a_job_with_one_feed_has_nothing_to_switch_to() {
    let address = format!("127.0.0.1:{}", free_port());
    let mut worker = Running::start(mezzo(&["run", "--input", "testsrc:size=256x144", "--ladder", "tiny", "--listen", &address]).stderr(Stdio::null()));
    until("it listens", 30, || TcpStream::connect(&address).is_ok());
    let (status, answer) = post(&address, "application/json", "{\"feed\": \"second\"}");
    signal(&worker, "TERM");
    wait(&mut worker, 10);
    assert!(status == 409 && answer.contains("no standby to switch to"), "{answer}");
}

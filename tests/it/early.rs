//! Events that begin before their feed: filler and silence from the first second on, and the feed's own pictures when they come.

use crate::support::burnt::{LADDER, burnt_in};
use crate::support::network::free_port;
use crate::support::{alone, finish, mezzo, numbers, signal, until, wait};
use std::path::Path;
use std::process::Stdio;

const SOURCE: &str = "[timeline]\nstart = \"now\"\n[source]\nsize = \"640x360\"\nrate = \"25\"\n";

fn job(dir: &Path, inputs: &[&str], more: &str) -> String {
    std::fs::write(dir.join("one.toml"), LADDER).expect("written");
    let text = format!("inputs = {inputs:?}\nladder = \"one.toml\"\nsegment = 1\nwindow = \"whole\"\n{more}");
    let path = dir.join("job.toml");
    std::fs::write(&path, text).expect("written");
    path.to_string_lossy().into_owned()
}

fn is_filler(out: &Path, track: &str, number: i64) -> bool {
    let bytes = std::fs::read(out.join(format!("{track}/{number}.m4s"))).expect("a segment");
    bytes.windows(4).take(64).any(|four| four == b"slat")
}

#[test]
fn filler_comes_first_and_the_feed_goes_on_from_it() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let url = format!("udp://127.0.0.1:{}", free_port());
    let job = job(dir.path(), &[&url], SOURCE);
    let log = std::fs::File::create(dir.path().join("log")).expect("a log");
    let mut worker = mezzo(&["run", &job, "--output", &out.to_string_lossy()]).stdout(Stdio::null()).stderr(log).spawn().expect("a worker");
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    until("filler", 30, || ["avc", "aac"].iter().all(|track| numbers(&out, track).len() >= 4));
    assert!(is_filler(&out, "avc", numbers(&out, "avc")[0]) && is_filler(&out, "aac", numbers(&out, "aac")[0]), "{}", said());
    let feed = ["feed", "--output", &url, "--size", "640x360", "--rate", "25", "--duration", "14s"];
    let mut feed = mezzo(&feed).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the feed starts");
    let shows = |track: &str| numbers(&out, track).iter().filter(|n| !is_filler(&out, track, **n)).count();
    until("the feed", 30, || shows("avc") >= 5 && shows("aac") >= 5);
    wait(&mut feed, 30);
    let at = numbers(&out, "avc").len();
    until("filler again", 30, || numbers(&out, "avc").len() >= at + 4);
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 10).success(), "{}", said());

    for track in ["avc", "aac"] {
        let numbers = numbers(&out, track);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{track} has a hole: {numbers:?}\n{}", said());
    }
    let seen = burnt_in(&out, "avc", |number| std::fs::read(out.join(format!("avc/{number}.m4s"))).expect("a segment"));
    let first = seen.iter().position(|n| *n >= 0).expect("the feed is shown");
    assert!(first >= 75 && first.is_multiple_of(25), "it begins with a segment of its own: {first}");
    // Slot after slot, each in its place of the grid, until the feed is away again.
    let shown: Vec<i64> = seen[first..].iter().copied().take_while(|n| *n >= 0).collect();
    let number = numbers(&out, "avc")[0] * 25;
    assert!(shown.len() >= 125 && shown[..125].iter().enumerate().all(|(at, n)| *n == number + (first + at) as i64), "{number} {first}: {shown:?}");
    let checked = finish(mezzo(&["check", &out.to_string_lossy()]), 60);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn a_feed_that_never_comes_is_filler_until_the_timeout() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let url = format!("srt://127.0.0.1:{}", free_port());
    let job = job(dir.path(), &[&url], SOURCE);
    let ended = finish(mezzo(&["run", &job, "--output", &out.to_string_lossy(), "--input-timeout", "7s"]), 30);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && said.contains("input_timeout"), "{:?} {said}", ended.status);
    assert!(numbers(&out, "avc").len() >= 3 && numbers(&out, "aac").len() >= 3, "{said}");
}

#[test]
fn an_event_of_filler_alone_has_its_duration() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let [one, other] = [free_port(), free_port()].map(|port| format!("udp://127.0.0.1:{port}"));
    let job = job(dir.path(), &[&one, &other], SOURCE);
    let ended = finish(mezzo(&["run", &job, "--output", &out.to_string_lossy(), "--duration", "3500ms"]), 30);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!((numbers(&out, "avc").len(), numbers(&out, "aac").len()), (4, 4));
    let checked = finish(mezzo(&["check", &out.to_string_lossy()]), 60);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn what_is_not_known_beforehand_cannot_begin_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused = |inputs: &[&str], more: &str, why: &str| {
        let job = job(dir.path(), inputs, more);
        for command in ["run", "plan"] {
            let ended = finish(mezzo(&[command, &job, "--output", &dir.path().join("out").to_string_lossy()]), 20);
            let said = String::from_utf8_lossy(&ended.stderr);
            assert!(ended.status.code() == Some(2) && said.contains(why), "{said}");
        }
    };
    refused(&["udp://127.0.0.1:9"], "[timeline]\nstart = \"now\"\n", "nothing is known of the feed; accepted: with [source]");
    refused(&["testsrc:"], SOURCE, "timeline.start = \"now\" with input \"testsrc:\"");
    refused(&["udp://127.0.0.1:9"], &SOURCE.replace("rate = \"25\"\n", ""), "source.rate = none");
    refused(&["udp://127.0.0.1:9"], &SOURCE.replace("640x360", "640x"), "is not a size");
    let planned = finish(mezzo(&["plan", &job(dir.path(), &["udp://127.0.0.1:9"], SOURCE)]), 20);
    assert!(planned.status.success() && String::from_utf8_lossy(&planned.stdout).contains("640x360"), "nothing is opened for it");
}

//! Two encodes of one programme: where the first is in trouble the second is shown, picture by picture, and nobody sees where.

use crate::support::burnt::{LADDER, burnt_in};
use crate::support::network::Splitter;
use crate::support::{alone, finish, mezzo, numbers, signal, until, wait};
use std::process::{Child, Stdio};

fn feed(splitter: &Splitter, more: &[&str]) -> Child {
    let url = format!("udp://127.0.0.1:{}", splitter.port);
    let args = [&["feed", "--output", &url, "--size", "640x360", "--rate", "25"], more].concat();
    mezzo(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the feed starts")
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
    let mut worker = mezzo(&["run", &job, "--output", &output]).stdout(Stdio::null()).stderr(log).spawn().expect("a worker");
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

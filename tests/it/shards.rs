//! Several workers that share a plan, each its own process, nothing between them: together they publish what one publishes that makes everything, byte for byte.

use crate::support::network::Splitter;
use crate::support::{alone, finish, mezzo, numbers, published, signal, succeed, until, until_said, wait};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

const ANCHOR: &str = "0=2026-11-21T20:15:30Z";

/// Two rungs of which one is nearly all of the work, so that its segments are dealt out among any number of shards, and sound.
const LADDER: &str = r#"
name = "split"
video = [
    { name = "large", codec = "avc", width = 320, height = 180, max_bitrate = "600k", point = "superfast" },
    { name = "small", codec = "avc", width = 64, height = 36, max_bitrate = "60k", point = "superfast" },
]
audio = [{ name = "sound", codec = "aac", bitrate = "64k", channels = 2 }]
"#;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A feed of a few seconds that ends in mid-segment.
fn feed(dir: &Path, seconds: &str) -> String {
    let file = text(&dir.join("feed.ts"));
    succeed(mezzo(&["feed", "--output", &file, "--size", "320x180", "--rate", "25", "--duration", seconds, "--fast", "--start", "2026-11-22T00:00:00Z"]), 120);
    file
}

fn run(feed: &str, ladder: &str, output: &Path, more: &[&str]) {
    let output = text(output);
    let args = ["run", "--input", feed, "--ladder", ladder, "--anchor", ANCHOR, "--clock", "pts", "--segment", "1s", "--output", &output];
    succeed(mezzo(&[&args[..], more].concat()), 240);
}

/// Copies what `shards` published together, as a user would: no file of one may differ from another's.
fn together(shards: &[PathBuf], to: &Path) {
    for shard in shards {
        let mut files = published(shard);
        for shared in ["main.m3u8", "manifest.mpd"] {
            files.insert(shared.to_owned(), std::fs::read(shard.join(shared)).unwrap_or_else(|e| panic!("{shared} of {}: {e}", shard.display())));
        }
        for (name, bytes) in files {
            let path = to.join(&name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            let before = std::fs::read(&path).ok();
            assert!(before.is_none_or(|before| before == bytes), "{name} of {} differs from another shard's", shard.display());
            std::fs::write(path, bytes).expect("written");
        }
    }
}

/// That the union of `shards` is `whole`: the same files, and each segment by one shard alone.
fn assert_union(what: &str, shards: &[PathBuf], whole: &Path) {
    let (wanted, each): (BTreeMap<_, _>, Vec<_>) = (published(whole), shards.iter().map(|shard| published(shard)).collect());
    for (name, bytes) in &wanted {
        let makers: Vec<usize> = (0..each.len()).filter(|n| each[*n].contains_key(name)).collect();
        let expected = if name.ends_with("init.mp4") { each.len() } else { 1 };
        assert_eq!(makers.len(), expected, "{what}: {name} is made by {makers:?}");
        assert!(makers.iter().all(|n| &each[*n][name] == bytes), "{what}: {name} differs from what one worker makes");
    }
    assert!(each.iter().flat_map(BTreeMap::keys).all(|name| wanted.contains_key(name)), "{what}: there are more");
    for shard in shards {
        for shared in ["main.m3u8", "manifest.mpd"] {
            let read = |root: &Path| std::fs::read_to_string(root.join(shared)).unwrap_or_else(|e| panic!("{what}: {shared} of {}: {e}", root.display()));
            assert_eq!(read(shard), read(whole), "{what}: {shared}");
        }
        let lists = |track: &str| shard.join(track).join("media.m3u8").exists();
        assert!(!["large", "small", "sound", "avc-270p", "avc-180p"].iter().any(|track| lists(track)), "{what}: a shard lists segments");
    }
}

fn check(what: &str, union: &Path, whole: &Path) {
    for more in [vec![], vec!["--against".to_owned(), text(whole)]] {
        let union = text(union);
        let mut args = vec!["check", union.as_str(), "--no-playlists", "--json"];
        args.extend(more.iter().map(String::as_str));
        let output = finish(mezzo(&args), 120);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(output.status.success(), "{what} {more:?}: {:#}", report["findings"]);
        if !more.is_empty() {
            assert!(report["against"]["identical"] == report["against"]["common"] && report["against"]["only_other"] == 0, "{what}: {:#}", report["against"]);
        }
    }
}

#[test]
fn shards_of_a_file_make_together_what_one_worker_makes() {
    let dir = tempfile::tempdir().expect("a folder");
    let split = dir.path().join("split.toml");
    std::fs::write(&split, LADDER).expect("written");
    let feed = feed(dir.path(), "9.5s");
    for (name, ladder, counts) in [("split", text(&split), &[2, 3, 5][..]), ("tiny", "tiny".to_owned(), &[2])] {
        let whole = dir.path().join(name);
        run(&feed, &ladder, &whole, &[]);
        for &count in counts {
            let what = format!("{name}, {count} shards");
            let shards: Vec<PathBuf> = (0..count).map(|index| dir.path().join(format!("{name}-{index}-of-{count}"))).collect();
            for (index, shard) in shards.iter().enumerate() {
                run(&feed, &ladder, shard, &["--shard", &format!("{index}/{count}")]);
            }
            assert_union(&what, &shards, &whole);
            if name == "split" {
                let makers = shards.iter().filter(|shard| !numbers(shard, "large").is_empty()).count();
                assert!(makers > 1, "{what}: the large rung is not dealt out");
            }
            let union = dir.path().join(format!("{name}-of-{count}"));
            together(&shards, &union);
            check(&what, &union, &whole);
        }
    }
}

/// What is cut into chunks, at twice the rate of the source: every picture comes twice.
#[test]
fn shards_with_chunks_make_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let ladder = dir.path().join("split.toml");
    std::fs::write(&ladder, LADDER).expect("written");
    let feed = feed(dir.path(), "6s");
    let (ladder, whole) = (text(&ladder), dir.path().join("whole"));
    let more = ["--chunk", "200ms", "--rate", "50"];
    run(&feed, &ladder, &whole, &more);
    let shards: Vec<PathBuf> = (0..2).map(|index| dir.path().join(format!("shard-{index}"))).collect();
    for (index, shard) in shards.iter().enumerate() {
        run(&feed, &ladder, shard, &[&more[..], &["--shard", &format!("{index}/2")]].concat());
    }
    assert_union("chunks", &shards, &whole);
}

#[test]
fn a_shard_that_is_none_is_refused_and_plan_says_what_each_takes() {
    for wrong in ["3/3", "1", "a/2", "0/0"] {
        let output = finish(mezzo(&["plan", "--input", "testsrc:", "--ladder", "tiny", "--shard", wrong]), 20);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(wrong) && said.contains("I/N") && said.contains("0/3, 1/3 or 2/3"), "{said}");
    }
    let class = |shard: &str| {
        let output = succeed(mezzo(&["plan", "--input", "testsrc:", "--ladder", "tiny", "--shard", shard, "--json"]), 60);
        let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (plan["class"].as_str().expect("a class").to_owned(), plan["shard"]["permille"].as_u64())
    };
    let (whole, first, second) = (class("0/1"), class("0/2"), class("1/2"));
    assert_eq!((&whole.0, whole.1), (&first.0, None), "the class is that of the whole plan");
    assert_eq!(first.0, second.0);
    let sum = first.1.expect("a share") + second.1.expect("a share");
    assert!((999..=1000).contains(&sum), "{sum}");
}

fn start(args: &[&str], log: &Path) -> Child {
    let log = std::fs::File::create(log).expect("a log");
    mezzo(args).stdout(Stdio::null()).stderr(log).spawn().expect("it starts")
}

/// Two shards on one stamped live feed push to one origin, and a third worker makes everything into a directory.
#[test]
fn shards_of_a_live_feed_push_to_one_origin_which_has_everything() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let ladder = dir.path().join("split.toml");
    std::fs::write(&ladder, LADDER).expect("written");
    let (ladder, kept, whole) = (text(&ladder), dir.path().join("origin"), dir.path().join("whole"));
    let mut origin =
        mezzo(&["origin", "--listen", "127.0.0.1:0", "--output", &text(&kept), "--window", "10m"]).stdout(Stdio::null()).spawn().expect("an origin");
    let line = until_said(&mut origin, "pushes are taken at", 30);
    let at = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
    let splitter = Splitter::new(&[0, 0, 0]);
    let push = format!("http://{at}/ingest/A");
    let common = ["--ladder", ladder.as_str(), "--clock", "sei", "--segment", "1s"];
    let mut workers: Vec<Child> = (0..2)
        .map(|index| {
            let (input, shard) = (splitter.url(index), format!("{index}/2"));
            let args = [&["run", "--input", input.as_str(), "--shard", shard.as_str(), "--output", push.as_str()], &common[..]].concat();
            start(&args, &dir.path().join(format!("shard-{index}.log")))
        })
        .collect();
    let (input, output) = (splitter.url(2), text(&whole));
    workers.push(start(
        &[&["run", "--input", input.as_str(), "--output", output.as_str(), "--window", "10m"], &common[..]].concat(),
        &dir.path().join("whole.log"),
    ));
    let url = format!("udp://127.0.0.1:{}", splitter.port);
    let mut feed = mezzo(&["feed", "--output", &url, "--size", "320x180", "--rate", "25"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a feed");
    let tracks = ["large", "small", "sound"];
    until("eight segments of each track are at both", 90, || {
        tracks.iter().all(|track| {
            let (ours, theirs) = (numbers(&kept, track), numbers(&whole, track));
            ours.iter().filter(|n| theirs.contains(n)).count() >= 8
        })
    });
    // Their twin makes all of them; whoever began first may have one more at either end.
    for child in workers.iter_mut().chain([&mut feed]) {
        signal(child, "TERM");
        assert!(wait(child, 10).success());
    }
    let (ours, theirs) = (published(&kept), published(&whole));
    let common: Vec<&String> = ours.keys().filter(|name| theirs.contains_key(*name)).collect();
    let differing: Vec<&&String> = common.iter().filter(|name| ours[**name] != theirs[**name]).collect();
    assert!(common.len() >= 27 && differing.is_empty(), "{} common, {differing:?} differ", common.len());
    for track in tracks {
        let numbers = numbers(&kept, track);
        // Whoever came last may have missed the beginning.
        let numbers = &numbers[numbers.len().saturating_sub(6)..];
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{track} has a hole: {numbers:?}");
    }
    signal(&origin, "TERM");
    assert!(wait(&mut origin, 10).success());
    let clean = finish(mezzo(&["check", &text(&kept)]), 120);
    assert!(clean.status.success(), "{}", String::from_utf8_lossy(&clean.stdout));
    let log = std::fs::read_to_string(dir.path().join("shard-0.log")).expect("a log");
    assert!(log.contains("shard 0/2 makes ") && !log.contains("segments left out"), "{log}");
}

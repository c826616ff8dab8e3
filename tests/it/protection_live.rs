//! Protection while an event runs: a key server that dies and comes back, chunks on their way to players, a worker that starts again.

use crate::common::ask;
use crate::protection::{KID, ONE_CODEC, assert_silent, everything, forms, job, key_server, run, served, unlocked};
use crate::support::network::free_port;
use crate::support::{alone, finish, mezzo, numbers, published, signal, succeed, until, wait};
use mezzo::inspect;
use mezzo::protect::cipher::Scheme;
use mezzo::protect::key::{KeyId, TrackClass};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::Ordering;

/// The parts that the last playlist of a track names, each with its bytes, and that playlist.
fn parts(to: SocketAddr, track: &str) -> (String, BTreeMap<String, Vec<u8>>) {
    let text = ask(to, "GET", &format!("/live/{track}/media.m3u8"), &[]).text();
    let names = text.lines().filter(|line| line.starts_with("#EXT-X-PART:")).filter_map(|line| line.split("URI=\"").nth(1)?.split('"').next());
    let fetch = |name: &str| (name.to_owned(), ask(to, "GET", &format!("/live/{track}/{name}"), &[]));
    let found = names.map(fetch).filter(|(_, answer)| answer.code == 200).map(|(name, answer)| (name, answer.body)).collect();
    (text, found)
}

/// Samples of a clear segment, chunk by chunk.
fn clear_samples(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let facts = inspect::segment(bytes, None).expect("reads");
    let samples = |chunk: &inspect::Chunk| chunk.samples.iter().map(|s| bytes[s.offset..s.offset + s.size as usize].to_vec()).collect();
    facts.chunks.iter().map(samples).collect()
}

fn init(tree: &Path, track: &str) -> inspect::InitFacts {
    inspect::init(&std::fs::read(tree.join(track).join("init.mp4")).expect("an init")).expect("reads")
}

#[test]
fn a_key_server_that_dies_costs_encrypted_segments_and_nothing_goes_out_clear() {
    let _alone = alone();
    // The keys of now, and of the next ten seconds; then nothing.
    let server = key_server(0, 2);
    let dir = tempfile::tempdir().expect("a folder");
    let (clear, locked) = (dir.path().join("clear"), dir.path().join("locked"));
    let to = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let text = format!(
        "inputs = [\"testsrc:size=320x180,rate=25\"]\npace = \"live\"\nsegment = 1\nchunk = \"200ms\"\nlatency = \"low\"\nwindow = \"whole\"\nlisten = \"{to}\"\noutputs = [{clear:?}, {locked:?}]\n{ONE_CODEC}\n[protection]\nscheme = \"cbcs\"\noutputs = [{locked:?}, \"listen\"]\ncontent = \"channel-4\"\nrotate = \"10s\"\ncpix = \"{}\"\nheaders = {{ Authorization = \"Bearer ${{TEST_TOKEN}}\" }}\nsystems = [\"widevine\"]\n",
        server.url
    );
    let path = dir.path().join("job.toml");
    std::fs::write(&path, text).expect("written");
    let log = std::fs::File::create(dir.path().join("log")).expect("a log");
    let mut worker = run(&path).stdout(Stdio::null()).stderr(log).spawn().expect("a worker");
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    until("encrypted segments", 60, || ["avc", "aac"].iter().all(|track| numbers(&locked, track).len() >= 2));

    // What players get before a segment is complete.
    let mut seen: Vec<(&str, BTreeMap<String, Vec<u8>>)> = Vec::new();
    for track in ["avc", "aac"] {
        let (text, found) = parts(to, track);
        assert!(found.len() >= 5, "{text}");
        let first = |tag: &str| text.lines().position(|line| line.starts_with(tag));
        assert!(first("#EXT-X-KEY:") < first("#EXT-X-PART:") && first("#EXT-X-KEY:").is_some(), "{text}");
        seen.push((track, found));
    }
    let gaps = |track: &str| std::fs::read_to_string(locked.join(track).join("media.m3u8")).is_ok_and(|text| text.contains("#EXT-X-GAP"));
    until("a gap", 60, || gaps("avc") && gaps("aac"));
    let last = *numbers(&locked, "avc").last().expect("a segment");
    server.left.store(u32::MAX, Ordering::SeqCst);
    until("encrypted segments again", 90, || ["avc", "aac"].iter().all(|track| numbers(&locked, track).last().is_some_and(|n| *n > last + 2)));
    let status = ask(to, "GET", "/v1/status", &[]).text();
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 30).success(), "{}", said());

    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let counts = &status["protection"][0];
    assert!(counts["scheme"] == "cbcs" && ["fetched", "failed", "missing"].iter().all(|count| counts[count].as_u64() > Some(0)), "{counts}");
    let id = |number: i64| KeyId::derived("channel-4", Scheme::Cbcs, TrackClass::All, u64::try_from(number / 10).ok());
    let mut keys = BTreeSet::new();
    for track in ["avc", "aac"] {
        let (init, there, all) = (init(&locked, track), numbers(&locked, track), numbers(&clear, track));
        assert!(there.len() + 2 <= all.len() && there.iter().all(|n| all.contains(n)), "{track}: {there:?} of {all:?}");
        for number in &there {
            let read = |tree: &Path| std::fs::read(tree.join(track).join(format!("{number}.m4s"))).expect("a segment");
            let (ids, samples) = unlocked(&read(&locked), &init, track == "avc", served);
            assert_eq!(ids, BTreeSet::from([id(*number)]), "{track} {number}");
            assert!(samples == clear_samples(&read(&clear)).concat(), "{track} {number} does not decrypt to the clear one");
            keys.insert(served(id(*number)).bytes().to_owned());
        }
        let text = std::fs::read_to_string(locked.join(track).join("media.m3u8")).expect("a playlist");
        for number in (there[0]..*there.last().expect("a segment")).filter(|n| !there.contains(n)) {
            let gap = text.split(&format!("\n{number}.m4s")).next().and_then(|before| before.rsplit("#EXT-X-PROGRAM-DATE-TIME").next());
            assert!(gap.is_some_and(|entry| entry.contains("#EXT-X-GAP")), "{number} is no gap: {text}");
        }
        assert!(!std::fs::read_to_string(clear.join(track).join("media.m3u8")).expect("a playlist").contains("#EXT-X-KEY"));
    }
    // Each part alone is what it is within its segment.
    for (track, found) in &seen {
        let init = init(&locked, track);
        for (name, bytes) in found {
            let (number, index) = name.strip_suffix(".m4s").and_then(|name| name.split_once('.')).expect("number and index");
            let (_, samples) = unlocked(bytes, &init, *track == "avc", served);
            let whole = std::fs::read(clear.join(track).join(format!("{number}.m4s"))).expect("the clear one");
            assert!(samples == clear_samples(&whole)[index.parse::<usize>().expect("a number")], "{track}/{name}");
        }
    }
    let mut secrets: Vec<Vec<u8>> = keys.iter().flat_map(forms).collect();
    secrets.extend([b"token-that-nobody-may-see".to_vec(), b"hidden-in-the-address".to_vec()]);
    std::fs::write(dir.path().join("status.json"), status.to_string()).expect("written");
    std::fs::remove_file(path).expect("removed");
    assert!(said().contains("asked again"), "{}", said());
    assert_silent(dir.path(), &[], &secrets);
}

#[test]
fn a_worker_that_starts_again_goes_on_in_every_form() {
    let dir = tempfile::tempdir().expect("a folder");
    let keys = format!("keys = [{{ id = \"{KID}\", key = \"${{TEST_KEY}}\" }}]");
    let text = format!(
        "thumbnails = true\n{ONE_CODEC}\n[[protection]]\nscheme = \"cbcs\"\noutputs = [\"@/cbcs\"]\n{keys}\n[[protection]]\nscheme = \"cenc\"\noutputs = [\"@/cenc\"]\n{keys}\n"
    );
    let job = job(dir.path(), &["clear", "cbcs", "cenc"], 24, &text);
    succeed(run(&job), 120);
    let trees = ["clear", "cbcs", "cenc"].map(|tree| dir.path().join(tree));
    let whole = trees.each_ref().map(|tree| everything(tree));
    assert!(whole.iter().all(|files| files.keys().any(|name| name.ends_with(".jpg"))), "every form has thumbnails");
    // Each was stopped somewhere else, the clear one with the least.
    for (tree, kept) in trees.iter().zip([3, 7, 5]) {
        for track in ["avc", "aac"] {
            let late = numbers(tree, track).into_iter().filter(|number| *number >= kept);
            late.for_each(|number| std::fs::remove_file(tree.join(track).join(format!("{number}.m4s"))).expect("removed"));
        }
        std::fs::remove_file(tree.join("avc/iframes.m3u8")).expect("removed");
    }
    succeed(run(&job), 120);
    for (tree, before) in trees.iter().zip(&whole) {
        let after = everything(tree);
        let differ: Vec<&String> = before.iter().filter(|(name, bytes)| after.get(*name) != Some(bytes)).map(|(name, _)| name).collect();
        assert_eq!(differ, Vec::<&String>::new(), "{}", tree.display());
    }
    // What is clear is not gone on with encrypted, nor the other way round.
    let path = dir.path().join("other.toml");
    let one = std::fs::read_to_string(&job).expect("a job").replace(&format!("outputs = [{:?}]", trees[1]), &format!("outputs = [{:?}]", trees[0]));
    std::fs::write(&path, one).expect("written");
    let output = finish(run(&path), 60);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        published(&trees[0]),
        whole[0].iter().filter(|(name, _)| name.ends_with(".m4s") || name.ends_with("init.mp4")).map(|(n, b)| (n.clone(), b.clone())).collect()
    );
}

#[test]
fn a_plan_says_who_is_told_and_shows_no_key() {
    let server = key_server(0, 0);
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!(
        "listen = \"127.0.0.1:0\"\n{ONE_CODEC}\n[[protection]]\nscheme = \"cbcs\"\noutputs = [\"@/locked\", \"listen\"]\ncontent = \"channel-5\"\nrotate = \"1m\"\ncpix = \"{}\"\nheaders = {{ Authorization = \"Bearer ${{TEST_TOKEN}}\" }}\nsystems = [\"widevine\", \"fairplay\"]\n",
        server.url
    );
    let job = job(dir.path(), &["clear", "locked"], 3, &text);
    let plan = |json: &[&str]| {
        let mut plan = mezzo(&[&["plan", job.to_str().expect("UTF-8")], json].concat());
        plan.env("TEST_TOKEN", "token-that-nobody-may-see").env("TEST_ADDRESS", "hidden-in-the-address");
        succeed(plan, 60)
    };
    let (words, json) = (plan(&[]), plan(&["--json"]));
    let shown = String::from_utf8_lossy(&words.stdout).into_owned();
    assert!(shown.contains("locked, listen: cbcs for widevine, fairplay, keys from http://127.0.0.1") && shown.contains("new ones every 60 s"), "{shown}");
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&value["protection"][0]["scheme"], &value["protection"][0]["content"]), (&"cbcs".into(), &"channel-5".into()));
    assert_eq!(server.asked.load(Ordering::SeqCst), 0, "a plan asks nobody for keys");
    std::fs::remove_file(job).expect("removed");
    assert_silent(dir.path(), &[&words, &json], &[b"token-that-nobody-may-see".to_vec(), b"hidden-in-the-address".to_vec()]);
}

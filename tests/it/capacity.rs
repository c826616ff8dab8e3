//! `mezzo plan` as a planner of capacity: what it measures, keeps and concludes, beside what encoding really takes.

use crate::support::{alone, finish, mezzo, succeed};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn with_cache(args: &[&str], cache: &Path) -> Command {
    let mut command = mezzo(args);
    command.env("XDG_CACHE_HOME", cache);
    command
}

fn plan(more: &[&str], cache: &Path) -> Value {
    let args = [&["plan", "--input", "testsrc:size=640x360,rate=25", "--ladder", "tiny", "--json"], more].concat();
    serde_json::from_slice(&succeed(with_cache(&args, cache), 120).stdout).expect("JSON")
}

/// The file that the cache has.
fn kept(cache: &Path) -> std::path::PathBuf {
    let mut files = std::fs::read_dir(cache.join("mezzo")).expect("a folder").flatten().map(|entry| entry.path());
    let file = files.next().expect("a file");
    assert!(files.next().is_none(), "one file");
    file
}

#[test]
fn what_is_measured_is_kept_and_decides_at_the_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let (cache, out) = (dir.path().join("cache"), dir.path().join("out"));
    assert!(plan(&[], &cache)["capacity"].is_null(), "nothing is measured unless it is asked for");
    let measured = plan(&["--measure"], &cache)["capacity"].clone();
    let percent = |what: &Value, name: &str| what[name].as_u64().unwrap_or_else(|| panic!("no {name} in {what:#}"));
    let rungs = measured["rungs"].as_array().expect("rungs");
    let sum: u64 = rungs.iter().map(|rung| percent(rung, "percent")).sum();
    assert!(rungs.len() == 2 && rungs.iter().all(|rung| percent(rung, "percent") > 0), "{measured:#}");
    let parts = ["decode_percent", "scale_percent", "other_percent"].iter().map(|name| percent(&measured, name)).sum::<u64>();
    assert_eq!(percent(&measured, "percent"), sum + parts);
    assert_eq!(plan(&[], &cache)["capacity"], measured, "what is kept is what was measured");

    // A machine a thousand times slower.
    let file = kept(&cache);
    let mut slow: Value = serde_json::from_slice(&std::fs::read(&file).expect("read")).expect("JSON");
    for rung in slow["rungs"].as_array_mut().expect("rungs") {
        rung["encode"] = (rung["encode"].as_u64().expect("a time") * 1000).into();
    }
    std::fs::write(&file, slow.to_string()).expect("written");
    let capacity = plan(&[], &cache)["capacity"].clone();
    assert_eq!((&capacity["fits"], capacity["rungs"][0]["held"].as_bool()), (&Value::Bool(false), Some(false)), "{capacity:#}");
    let output = out.to_string_lossy().into_owned();
    let args = ["run", "--input", "testsrc:size=640x360,rate=25", "--ladder", "tiny", "--output", &output, "--duration", "1s", "--pace", "live"];
    let refused = finish(with_cache(&[&args[..], &["--require-capacity"]].concat(), &cache), 60);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("limits.require_capacity") && said.contains("processors in real time") && !out.exists(), "{said}");
    let warned = succeed(with_cache(&args, &cache), 60);
    let said = String::from_utf8_lossy(&warned.stderr).into_owned();
    assert!(said.contains("this machine will not keep up"), "{said}");
    // At full speed nothing is late.
    let fast = [&args[..9], &["--pace", "fast", "--require-capacity"]].concat();
    succeed(with_cache(&fast, &cache), 60);
}

/// Prints both, and holds them together as far as a test may on a machine that has other things to do.
#[test]
fn what_is_predicted_is_about_what_it_takes() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let feed = dir.path().join("feed.ts").to_string_lossy().into_owned();
    succeed(mezzo(&["feed", "--output", &feed, "--size", "640x360", "--rate", "25", "--duration", "20s", "--fast"]), 120);
    let args = ["plan", "--input", &feed, "--ladder", "tiny", "--measure", "--json"];
    let plan: Value = serde_json::from_slice(&succeed(with_cache(&args, dir.path()), 120).stdout).expect("JSON");
    let predicted = plan["capacity"]["percent"].as_u64().expect("a number") as f64 / 100.0;
    let out = dir.path().join("out").to_string_lossy().into_owned();
    // What the children of a shell took is on the second line of `times`.
    let script = format!("'{}' run --input '{feed}' --ladder tiny --output '{out}' >/dev/null 2>&1; times", env!("CARGO_BIN_EXE_mezzo"));
    let said = String::from_utf8(Command::new("sh").args(["-c", &script]).output().expect("sh runs").stdout).expect("text");
    let seconds = |text: &str| text.split_once('m').and_then(|(m, s)| Some(m.parse::<f64>().ok()? * 60.0 + s.trim_end_matches('s').parse::<f64>().ok()?));
    let took: f64 = said.lines().nth(1).expect("two lines").split_whitespace().filter_map(seconds).sum();
    let real = took / 20.0;
    eprintln!("predicted {predicted:.2} processors in real time, {real:.2} taken");
    assert!((0.4..2.5).contains(&(predicted / real)), "predicted {predicted:.2} processors, {real:.2} taken");
}

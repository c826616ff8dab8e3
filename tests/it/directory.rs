//! What a directory keeps, and what it syncs to the disk.

use crate::support::show::{FIRST, Show, outputs, same, segment, tree};
use mezzo::job::Pace;
use mezzo::sink::Publish;
use std::time::Instant;

#[test]
fn a_directory_has_the_same_whatever_is_synced() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for policy in ["never", "segment", "all"] {
        let root = dir.path().join(policy);
        let mut show = Show::begin(&outputs(&format!("[[output]]\nurl = {:?}\nfsync = \"{policy}\"\n", root.display().to_string())), Pace::Fast);
        let began = Instant::now();
        for number in FIRST..FIRST + 60 {
            show.publish(segment("v", number, 500_000));
            show.lists("v", number);
        }
        eprintln!("fsync = \"{policy}\": {} microseconds for a segment of 500 kB and its playlist", began.elapsed().as_micros() / 60);
        show.end();
        same(policy, &tree(&root), &show.made);
    }
}

#[test]
fn a_directory_may_keep_more_than_the_window_of_the_job() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let root = |name: &str| dir.path().join(name);
    let table = |name: &str, more: &str| format!("[[output]]\nurl = {:?}\n{more}", root(name).display().to_string());
    let lines = format!("window = \"6s\"\n{}{}{}", table("window", ""), table("event", "window = \"event\"\n"), table("span", "window = \"8s\"\n"));
    let mut show = Show::begin(&outputs(&lines), Pace::Live);
    for number in FIRST..FIRST + 40 {
        show.publish(segment("v", number, 1000));
        // As the muxer: what left the window, some time ago.
        show.publish(Publish::Remove { path: format!("v/{}.m4s", number - 10) });
    }
    let count = |name: &str| tree(&root(name)).keys().filter(|path| path.ends_with(".m4s")).count();
    // 8 s are 20 segments of 400 ms before the newest.
    assert_eq!((count("window"), count("event"), count("span")), (10, 40, 21));
    assert!(root("span").join(format!("v/{}.m4s", FIRST + 19)).exists());
}

use super::*;
use crate::sink::Readers;
use crate::status::tests::plan;
use crate::time::{GopId, Seconds};
use bytes::Bytes;
use std::process::Command;

fn open(root: &Path) -> Result<Directory, SinkError> {
    Directory::open(root, &["v".to_owned()], Arc::new(Status::new(&plan(), true)))
}

fn init(bytes: &[u8]) -> Publish {
    Publish::Init { path: "v/init.mp4".into(), bytes: Bytes::copy_from_slice(bytes) }
}

fn segment(number: i64, bytes: &[u8]) -> Publish {
    Publish::Segment {
        track: "v".into(),
        number: GopId(number),
        path: format!("v/{number}.m4s"),
        bytes: Bytes::copy_from_slice(bytes),
        slot_end: Seconds::ZERO,
        verdict: Arc::default(),
    }
}

fn text(bytes: &[u8]) -> Publish {
    Publish::Text { path: "main.m3u8".into(), bytes: Bytes::copy_from_slice(bytes), readers: Readers::All, edge: None }
}

/// Every file under `root` with its size, by relative path, temporary ones included.
fn tree(root: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry")) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let relative = entry.path().strip_prefix(root).expect("below").display().to_string();
                found.push((relative, entry.metadata().expect("metadata").len()));
            }
        }
    }
    found.sort();
    found
}

fn names(root: &Path) -> Vec<String> {
    tree(root).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn publishes_replaces_and_removes() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let root = dir.path().join("deep/er");
    let mut sink = open(&root).expect("open");
    for item in [
        init(b"i"),
        segment(1, b"one"),
        text(b"1"),
        segment(2, b"two"),
        text(b"1 2"),
        Publish::Remove { path: "v/1.m4s".into() },
        Publish::Remove { path: "v/1.m4s".into() },
    ] {
        sink.publish(&item).expect("published");
    }
    assert_eq!(names(&root), ["main.m3u8", "v/2.m4s", "v/init.mp4"]);
    assert_eq!(fs::read(root.join("main.m3u8")).expect("read"), b"1 2");
    assert_eq!(fs::read(root.join("v/2.m4s")).expect("read"), b"two");
}

#[test]
fn a_restart_keeps_what_is_published_and_clears_what_is_half_written() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut first = open(dir.path()).expect("open");
    first.publish(&init(b"i")).expect("published");
    first.publish(&segment(1, b"one")).expect("published");
    for (path, bytes) in [
        ("v/.2.m4s.tmp", "half"),
        ("v/.init.mp4.tmp", "half"),
        (".main.m3u8.tmp", "half"),
        (".manifest.mpd.tmp", "half"),
        ("v/3.m4s", ""),
        ("v/.mine.tmp", "no business of ours"),
        ("v/x.m4s.tmp", "nor this"),
    ] {
        fs::write(dir.path().join(path), bytes).expect("written");
    }
    drop(first);
    let mut sink = open(dir.path()).expect("open");
    assert_eq!(names(dir.path()), ["v/.mine.tmp", "v/1.m4s", "v/3.m4s", "v/init.mp4", "v/x.m4s.tmp"]);
    sink.publish(&init(b"i")).expect("the same init again");
    sink.publish(&segment(1, b"one")).expect("the same segment again");
    assert_eq!(sink.status.as_ref().expect("given").snapshot().conflicts, 0);
    sink.publish(&segment(1, b"other")).expect("kept");
    sink.publish(&segment(3, b"three")).expect("an empty file is no segment");
    assert_eq!(sink.status.as_ref().expect("given").snapshot().conflicts, 1);
    assert_eq!(fs::read(dir.path().join("v/1.m4s")).expect("read"), b"one");
    assert_eq!(fs::read(dir.path().join("v/3.m4s")).expect("read"), b"three");
    let error = sink.publish(&init(b"another")).expect_err("a second init");
    assert_eq!(error.path, dir.path().join("v/init.mp4").display().to_string());
    assert_eq!(fs::read(dir.path().join("v/init.mp4")).expect("read"), b"i");
}

#[test]
fn a_reader_never_sees_half_of_a_playlist() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut sink = open(dir.path()).expect("open");
    sink.publish(&text(&[b'a'; 100_000])).expect("published");
    let path = dir.path().join("main.m3u8");
    std::thread::scope(|s| {
        let writer = s.spawn(move || {
            for n in 0..300u32 {
                sink.publish(&text(&vec![b'a' + (n % 20) as u8; 100_000 + n as usize])).expect("published");
            }
        });
        while !writer.is_finished() {
            let seen = fs::read(&path).expect("always there");
            assert!(seen.len() >= 100_000 && seen.iter().all(|b| *b == seen[0]), "a mixture, or cut short at {}", seen.len());
        }
    });
}

#[test]
fn refuses_what_leads_outside() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let root = dir.path().join("out");
    let mut sink = open(&root).expect("open");
    for path in ["../x.mpd", "/tmp/x.mpd", "v/../../x.mpd", "", "."] {
        let item = Publish::Text { path: path.into(), bytes: Bytes::from_static(b"x"), readers: Readers::All, edge: None };
        assert!(sink.publish(&item).is_err(), "{path:?}");
    }
    assert_eq!(names(dir.path()), Vec::<String>::new());
    assert!(Directory::open(&root, &["../v".into()], Arc::new(Status::new(&plan(), true))).is_err());
}

#[test]
fn unusable_places_are_named() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let file = dir.path().join("file");
    fs::write(&file, b"x").expect("written");
    for place in [file.clone(), file.join("below"), file.join("far/below")] {
        let error = super::check(&place).expect_err("a file is in the way");
        assert!(error.path == place.display().to_string() && error.why.contains(&file.display().to_string()), "{error}");
        assert_eq!(open(&place).err().map(|e| e.to_string()), Some(error.to_string()));
    }
    super::check(&dir.path().join("new/er")).expect("can be made");
    assert_eq!(names(dir.path()), ["file"], "a check writes nothing");
    // In the midst of an event: a file in the place of a track's folder, a folder in the place of a segment, the folder gone.
    let mut sink = open(dir.path()).expect("open");
    fs::write(dir.path().join("v"), b"x").expect("written");
    assert!(sink.publish(&init(b"i")).is_err());
    fs::remove_file(dir.path().join("v")).expect("removed");
    sink.publish(&init(b"i")).expect("published");
    fs::create_dir(dir.path().join("v/4.m4s")).expect("created");
    let error = sink.publish(&segment(4, b"x")).expect_err("a folder is there");
    assert_eq!(error.path, dir.path().join("v/4.m4s").display().to_string());
    fs::remove_dir_all(dir.path().join("v")).expect("removed");
    let error = sink.publish(&segment(5, b"x")).expect_err("the folder is gone");
    assert_eq!(error.to_string(), format!("{}: No such file or directory (os error 2)", dir.path().join("v/5.m4s").display()));
    assert_eq!(names(dir.path()), ["file"]);
}

#[test]
fn a_full_disk_leaves_everything_before_it_intact() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(dir.path()).output();
    if !mounted.is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: no small file system can be mounted here");
        return;
    }
    let _unmount = Unmount(dir.path().to_owned());
    let mut sink = open(dir.path()).expect("open");
    sink.publish(&init(b"i")).expect("published");
    for number in 0..3 {
        sink.publish(&segment(number, &[7; 10_000])).expect("there is room");
    }
    sink.publish(&text(b"0 1 2")).expect("there is room");
    let before = tree(dir.path());
    let error = sink.publish(&segment(3, &[7; 100_000])).expect_err("the disk is full");
    assert_eq!(error.path, dir.path().join("v/3.m4s").display().to_string());
    assert!(error.why.contains("No space left on device"), "{error}");
    assert_eq!(tree(dir.path()), before, "nothing half-written is left, nothing before it is touched");
    assert_eq!(fs::read(dir.path().join("v/2.m4s")).expect("read"), vec![7; 10_000]);
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_directory_has_one_worker() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let first = open(dir.path()).expect("open");
    let error = open(dir.path()).err().expect("taken").to_string();
    assert!(error.contains(&dir.path().display().to_string()) && error.contains("another worker"), "{error}");
    drop(first);
    open(dir.path()).expect("free again");
    assert_eq!(names(dir.path()), Vec::<String>::new(), "a lock leaves no file");
}

#[test]
fn what_is_no_file_is_not_read() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut sink = open(dir.path()).expect("open");
    fs::create_dir(dir.path().join("v")).expect("made");
    for name in ["v/init.mp4", "v/1.m4s"] {
        assert!(Command::new("mkfifo").arg(dir.path().join(name)).status().expect("mkfifo runs").success());
    }
    for item in [init(b"i"), segment(1, b"one")] {
        let error = sink.publish(&item).expect_err("a FIFO").to_string();
        assert!(error.contains("not a file"), "{error}");
    }
}

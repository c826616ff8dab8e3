//! Leaving, dying and coming back: what was published stays whole, numbers go on.

use crate::support::{alone, assert_interchangeable, finish, media, mezzo, numbers, published, signal, succeed, until, wait};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const SOURCE: &str = "testsrc:size=480x270,rate=25";

fn start(output: &Path) -> Child {
    let mut command = mezzo(&["run", "--input", SOURCE, "--ladder", "tiny", "--output", &output.to_string_lossy()]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

fn playlist(output: &Path) -> String {
    std::fs::read_to_string(output.join("avc-180p/media.m3u8")).unwrap_or_default()
}

/// The whole file decodes in libav: as many pictures as it has slots, no word of an error.
fn assert_decodes(output: &Path, track: &str, number: i64) {
    let mut bytes = std::fs::read(output.join(track).join("init.mp4")).expect("an init");
    bytes.extend(std::fs::read(output.join(track).join(format!("{number}.m4s"))).expect("a segment"));
    let whole = output.join("whole.mp4.part");
    std::fs::write(&whole, bytes).expect("written");
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
        .arg(&whole)
        .output()
        .expect("ffprobe runs");
    std::fs::remove_file(&whole).expect("removed");
    assert_eq!(String::from_utf8_lossy(&probe.stderr), "", "{track}/{number}");
    assert_eq!(String::from_utf8_lossy(&probe.stdout).trim(), "50", "{track}/{number}");
}

#[test]
fn killed_and_restarted_it_carries_on() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let output = dir.path().join("out");
    let mut first = start(&output);
    until("three segments", 30, || numbers(&output, "avc-180p").len() >= 3);
    first.kill().expect("SIGKILL");
    wait(&mut first, 5);
    let before = published(&output);
    for number in numbers(&output, "avc-180p") {
        assert_decodes(&output, "avc-180p", number);
    }
    let last = *numbers(&output, "avc-180p").last().expect("some");

    let mut second = start(&output);
    until("numbers beyond the hole", 40, || numbers(&output, "avc-180p").last().is_some_and(|n| *n > last + 4));
    let listed = playlist(&output);
    signal(&second, "TERM");
    assert!(wait(&mut second, 3).success());
    let after = published(&output);
    for (name, bytes) in &before {
        assert_eq!(after.get(name), Some(bytes), "{name} was published before the kill");
    }
    // The numbering is the time: what both lives published is what a run over the same slots makes offline.
    let now = numbers(&output, "avc-180p");
    assert!(listed.contains(&format!("#EXT-X-MEDIA-SEQUENCE:{}\n", now[0])), "{listed}");
    let missing = (now[0]..*now.last().expect("some")).filter(|n| !now.contains(n)).count();
    assert!(listed.matches("#EXT-X-GAP").count() >= missing, "{missing} are missing\n{listed}");
    let offline = dir.path().join("offline");
    let (from, to) = (now[0] * 2 - 4, now.last().expect("some") * 2 + 4);
    let source = format!("{SOURCE},start={from}");
    let duration = format!("{}s", to - from);
    let live = after.keys().filter(|name| name.ends_with(".m4s")).count();
    let args = ["run", "--input", &source, "--ladder", "tiny", "--output", &offline.to_string_lossy(), "--pace", "fast", "--duration", &duration];
    succeed(mezzo(&args), 120);
    assert_interchangeable("a killed live worker and an offline run", &output, &offline, live);
}

#[test]
fn told_to_leave_it_leaves() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let output = dir.path().join("out");
    let mut child = start(&output);
    until("two segments", 30, || numbers(&output, "avc-270p").len() >= 2);
    let told = Instant::now();
    signal(&child, "TERM");
    assert!(wait(&mut child, 3).success(), "exit code 0");
    assert!(told.elapsed().as_secs_f32() < 3.0);
    for number in numbers(&output, "avc-270p") {
        assert_decodes(&output, "avc-270p", number);
    }
    for track in ["avc-270p", "avc-180p", "aac-64k", "aac-128k"] {
        let text = std::fs::read_to_string(output.join(track).join("media.m3u8")).expect("a playlist");
        assert!(!text.contains("ENDLIST"), "{text}");
        let listed = text.lines().filter(|l| l.ends_with(".m4s")).count();
        assert_eq!(listed, numbers(&output, track).len(), "every stored segment is listed\n{text}");
    }
    assert!(!published(&output).iter().any(|(name, bytes)| name.ends_with(".m4s") && bytes.windows(4).any(|w| w == b"lmsg")));
    assert!(!std::fs::read_to_string(output.join("manifest.mpd")).expect("an MPD").contains("mediaPresentationDuration"));
}

#[test]
fn a_full_disk_keeps_what_was_published() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).expect("made");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"]).arg(&disk).output();
    if !mounted.is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: no right to mount a small disk");
        return;
    }
    let output = disk.join("out");
    let args = ["run", "--input", SOURCE, "--ladder", "tiny", "--output", &output.to_string_lossy(), "--pace", "fast", "--duration", "60s"];
    let done = finish(mezzo(&args), 60);
    let text = String::from_utf8_lossy(&done.stderr).into_owned();
    let files = published(&output);
    let numbers = numbers(&output, "avc-180p");
    for number in &numbers {
        assert_decodes_from(&files, "avc-180p", *number, dir.path());
    }
    let leftovers =
        std::fs::read_dir(output.join("avc-180p")).expect("a folder").flatten().filter(|e| e.file_name().to_string_lossy().ends_with(".tmp")).count();
    let unmounted = Command::new("umount").arg(&disk).status().expect("umount runs");
    assert!(unmounted.success());
    assert_eq!(done.status.code(), Some(1), "{text}");
    assert!(text.contains(&output.to_string_lossy().into_owned()) && text.contains("No space left"), "{text}");
    assert!(!numbers.is_empty(), "something was published before the disk was full");
    assert_eq!(leftovers, 0);
}

fn assert_decodes_from(files: &std::collections::BTreeMap<String, Vec<u8>>, track: &str, number: i64, scratch: &Path) {
    let whole = scratch.join("copy");
    std::fs::create_dir_all(whole.join(track)).expect("made");
    for name in [format!("{track}/init.mp4"), format!("{track}/{number}.m4s")] {
        std::fs::write(whole.join(&name), &files[&name]).expect("written");
    }
    assert_decodes(&whole, track, number);
}

#[test]
fn told_to_leave_before_the_feed_came_it_leaves_without_a_trace() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = dir.path().join("out");
    let fifo = dir.path().join("feed");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let args = ["run", "--input", &fifo.to_string_lossy(), "--ladder", "tiny", "--output", &output.to_string_lossy()];
    let mut child = mezzo(&args).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program starts");
    // Opening it returns once the worker reads, which it does with the signal handlers in place.
    let writer = std::fs::File::options().write(true).open(&fifo).expect("a reader");
    signal(&child, "TERM");
    assert_eq!(wait(&mut child, 3).code(), Some(0));
    drop(writer);
    assert!(!output.exists());
}

/// The source is at its end and its sound is published, while pictures are still being encoded: the first signal is no second one.
#[test]
fn told_to_stop_when_the_feed_is_over_it_finishes_the_event() {
    let Some(clip) = media("bbb_1080p60_aac51_2s.mp4") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let output = dir.path().join("out");
    let args = ["run", "--input", &clip.to_string_lossy(), "--ladder", "avc-1080p-6", "--output", &output.to_string_lossy()];
    let mut child = mezzo(&args).stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("the program starts");
    until("sound", 60, || !numbers(&output, "aac-128k").is_empty());
    signal(&child, "TERM");
    assert_eq!(wait(&mut child, 60).code(), Some(0));
    let playlist = std::fs::read_to_string(output.join("avc-1080p/media.m3u8")).expect("a playlist");
    assert!(playlist.contains("#EXT-X-ENDLIST"), "{playlist}");
}

#[test]
fn a_second_worker_in_one_directory_is_refused_and_harms_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let output = dir.path().join("out");
    let mut first = start(&output);
    until("a segment", 30, || !numbers(&output, "avc-180p").is_empty());
    let args = ["run", "--input", SOURCE, "--ladder", "tiny", "--output", &output.to_string_lossy()];
    let refused = mezzo(&args).output().expect("the program starts");
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && error.contains("another worker"), "{error}");
    let last = numbers(&output, "avc-180p").last().copied();
    until("the first one goes on", 30, || numbers(&output, "avc-180p").last().copied() > last);
    signal(&first, "TERM");
    assert!(wait(&mut first, 3).success());
}

#[test]
fn an_event_made_again_is_the_same_event() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = dir.path().join("out");
    let made = || {
        let source = format!("{SOURCE},start=1763000000,duration=5");
        succeed(mezzo(&["run", "--input", &source, "--pace", "fast", "--ladder", "tiny", "--output", &output.to_string_lossy()]), 60);
        let lists = ["main.m3u8", "manifest.mpd", "avc-180p/media.m3u8", "aac-64k/media.m3u8"];
        (published(&output), lists.map(|list| std::fs::read_to_string(output.join(list)).expect("a list")))
    };
    let first = made();
    assert!(first.1[2].contains("#EXTINF:1") && first.1[2].contains("#EXT-X-ENDLIST"), "its last segment is a short one: {}", first.1[2]);
    assert!(made() == first, "the second time it differs");
}

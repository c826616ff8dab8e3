//! Inputs as a user has them: standard input that carries what it may, stops at once, and is refused in time.

use crate::common::ask;
use crate::support::{cut_ts, finish, media, mezzo, numbers, signal, succeed, until, until_said, wait};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Copies a clip into another container, without coding it anew.
fn remuxed(clip: &Path, to: &Path, args: &[&str]) {
    let done = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(clip).args(["-map", "0:v:0", "-map", "0:a:0", "-c", "copy"]).args(args).arg(to).status();
    assert!(done.expect("ffmpeg runs").success());
}

#[test]
fn standard_input_carries_ts_fragmented_mp4_and_matroska() {
    // Long enough for a whole segment behind the run-up, wherever the host's clock puts the feed on the grid.
    let Some(clip) = media("mkv_h264_aac_560x320_5s.mkv") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    for (name, args) in
        [("a.ts", &["-f", "mpegts"][..]), ("a.mp4", &["-f", "mp4", "-movflags", "frag_keyframe+empty_moov+delay_moov"]), ("a.mkv", &["-f", "matroska"])]
    {
        let (feed, output) = (dir.path().join(name), dir.path().join(format!("{name}.out")));
        remuxed(&clip, &feed, args);
        let mut command = mezzo(&["run", "--input", "-", "--ladder", "tiny", "--pace", "fast", "--segment", "1s", "--output", &output.to_string_lossy()]);
        command.stdin(File::open(&feed).expect("made above"));
        succeed(command, 60);
        assert!(!numbers(&output, "avc-180p").is_empty(), "{name}: nothing was published");
        succeed(mezzo(&["check", &output.to_string_lossy()]), 60);
    }
}

/// A pipe whose writer says something and then nothing more.
fn stalled(clip: Option<&Path>) -> Child {
    let text = clip.map_or_else(|| "exec sleep 60".to_owned(), |clip| format!("cat '{}'; exec sleep 60", clip.display()));
    Command::new("sh").args(["-c", &text]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("sh runs")
}

/// Until all that a stalled writer had to say is in the pipe, or through it.
fn until_written(writer: &Child) {
    until("the feed is written", 30, || std::fs::read_to_string(format!("/proc/{}/comm", writer.id())).is_ok_and(|name| name.trim_end() == "sleep"));
}

/// Until the main thread of a program waits. proc(5): field 3 of stat is the state.
fn until_it_waits(child: &Child) {
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?.rsplit_once(") ")?.1.chars().next();
    until("it waits", 30, || state() == Some('S'));
}

/// The stop of a program whose input is such a pipe: it must end by itself, in good order and at once, its draining included.
fn assert_left_at_once(child: &mut Child, writer: &mut Child) {
    signal(child, "TERM");
    let began = Instant::now();
    assert!(wait(child, 5).success());
    let late = began.elapsed();
    assert!(late < Duration::from_millis(500), "{late:?}");
    writer.kill().expect("a child of ours");
    writer.wait().expect("it ends");
}

#[test]
fn a_pipe_that_brings_nothing_is_left_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut writer = stalled(None);
    let mut command = mezzo(&["run", "--input", "-", "--ladder", "tiny", "--output", &dir.path().join("out").to_string_lossy()]);
    let mut child = command.stdin(writer.stdout.take().expect("piped")).spawn().expect("the program starts");
    until_said(&mut child, "opening -", 30);
    until_it_waits(&child);
    assert_left_at_once(&mut child, &mut writer);
}

#[test]
fn a_pipe_that_stalls_is_left_at_once() {
    let Some(clip) = media("ts_bear_360p_ac3.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let mut writer = stalled(Some(&clip));
    let mut command = mezzo(&["run", "--input", "-", "--ladder", "tiny", "--listen", "127.0.0.1:0", "--output", &dir.path().join("out").to_string_lossy()]);
    let mut child = command.stdin(writer.stdout.take().expect("piped")).spawn().expect("the program starts");
    let page = until_said(&mut child, "the page is at ", 30);
    let address = page.split("http://").nth(1).and_then(|url| url.trim_end().trim_end_matches('/').parse().ok()).expect("an address");
    // 82 pictures and 80 packets of sound, of which libav holds the last three until something follows.
    until("all of it is read", 30, || {
        let status: serde_json::Value = serde_json::from_slice(&ask(address, "GET", "/v1/status", &[]).body).expect("JSON");
        status["source"]["units"].as_u64() >= Some(159)
    });
    assert_left_at_once(&mut child, &mut writer);
}

/// While it looks for the first key picture, to see whether that is stamped, nothing has been written, and a stop leaves it so.
#[test]
fn a_stop_while_stamps_are_looked_for_writes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (whole, feed, output, job) = (dir.path().join("whole.ts"), dir.path().join("feed.ts"), dir.path().join("out"), dir.path().join("job.toml"));
    // Parameter sets beside every picture, so that it opens, and no key picture but the first, which is cut off.
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=30", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-flags", "+global_header"])
        .args(["-x264-params", "keyint=infinite:scenecut=0", "-bsf:v", "dump_extra=freq=all", "-f", "mpegts"])
        .arg(&whole)
        .status();
    assert!(made.expect("ffmpeg runs").success());
    cut_ts(&whole, 20, &feed);
    let text = format!("inputs = [\"-\"]\noutputs = [{:?}]\nladder = \"tiny\"\n[timeline]\nclock = \"sei\"\n", output.to_string_lossy());
    std::fs::write(&job, text).expect("written");
    let mut writer = stalled(Some(&feed));
    let mut child =
        mezzo(&["run", &job.to_string_lossy()]).stdin(writer.stdout.take().expect("piped")).stderr(Stdio::null()).spawn().expect("the program starts");
    // Opening takes 5 s of it; what does not fit the pipe is read by whoever looks for stamps.
    until_written(&writer);
    until_it_waits(&child);
    assert_left_at_once(&mut child, &mut writer);
    assert!(!output.exists(), "{:?}", std::fs::read_dir(&output).map(|dir| dir.flatten().map(|e| e.path()).collect::<Vec<_>>()));
}

#[test]
fn a_feed_without_the_stamps_that_are_insisted_on_is_refused_before_anything_is_written() {
    let Some(clip) = media("ts_bear_360p_ac3.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let output = dir.path().join("out");
    let job = dir.path().join("job.toml");
    let text = format!("inputs = [{:?}]\noutputs = [{:?}]\nladder = \"tiny\"\n[timeline]\nclock = \"sei\"\n", clip.to_string_lossy(), output.to_string_lossy());
    std::fs::write(&job, text).expect("written");
    let run = finish(mezzo(&["run", &job.to_string_lossy()]), 60);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("ST 0604") && !output.exists(), "{said}");

    // A stamped one runs, from its first picture on.
    let stamped = dir.path().join("stamped.ts");
    succeed(mezzo(&["feed", "--duration", "5s", "--output", &stamped.to_string_lossy()]), 60);
    let text = std::fs::read_to_string(&job).expect("written above").replace(&*clip.to_string_lossy(), &stamped.to_string_lossy());
    std::fs::write(&job, text).expect("written");
    succeed(mezzo(&["run", &job.to_string_lossy()]), 60);
    assert!(!numbers(&output, "avc-180p").is_empty());
}

#[test]
fn a_clean_clip_has_no_errors() {
    let Some(clip) = media("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let run = succeed(mezzo(&["run", "--input", &clip.to_string_lossy(), "--ladder", "tiny", "--output", &dir.path().join("out").to_string_lossy()]), 60);
    // Every PES packet of it says a length that is a byte short, which libav flags as damage; every continuity counter is right.
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(said.contains("errors=0") && said.contains("pictures=300"), "{said}");
}

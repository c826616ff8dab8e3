//! Inputs as a user has them: standard input that carries what it may, stops at once, and is refused in time.

use crate::support::{finish, media, mezzo, numbers, signal, succeed, until, wait};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
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
fn stalled(clip: Option<&Path>) -> std::process::Child {
    let text = clip.map_or_else(|| "exec sleep 60".to_owned(), |clip| format!("cat '{}'; exec sleep 60", clip.display()));
    Command::new("sh").args(["-c", &text]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("sh runs")
}

#[test]
fn a_stalled_pipe_is_left_at_once() {
    let Some(clip) = media("ts_bear_360p_ac3.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    for clip in [None, Some(clip.as_path())] {
        let mut writer = stalled(clip);
        let output = dir.path().join(if clip.is_some() { "fed" } else { "empty" });
        let mut command = mezzo(&["run", "--input", "-", "--ladder", "tiny", "--listen", "127.0.0.1:0", "--output", &output.to_string_lossy()]);
        command.stdin(writer.stdout.take().expect("piped")).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        if clip.is_some() {
            until("something was written", 30, || output.join("avc-180p/init.mp4").exists());
        }
        // Until it waits for the pipe.
        std::thread::sleep(Duration::from_millis(1000));
        signal(&child, "TERM");
        let began = Instant::now();
        assert!(wait(&mut child, 5).success());
        let late = began.elapsed();
        // The whole process, its draining included.
        assert!(late < Duration::from_millis(500), "{late:?}");
        writer.kill().expect("a child of ours");
        writer.wait().expect("it ends");
    }
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

//! Programmes and tracks: what is chosen of a feed with several, and what becomes of it.

use crate::support::{cut_ts, finish, mezzo, numbers, published, succeed};
use mezzo::check::{Options, Severity};
use std::f64::consts::FRAC_1_SQRT_2;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs ffmpeg; it must have nothing to complain about.
pub fn ffmpeg(args: &[&str]) {
    let made = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(args).stdin(Stdio::null()).output().expect("ffmpeg is installed");
    assert!(made.status.success(), "{args:?}: {}", String::from_utf8_lossy(&made.stderr));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Five seconds of two programmes. 7, "First One": 320x180; English in MP2 (440 Hz), French in AC-3 5.1 (its six channels 200 to 700 Hz), English description in AAC (880 Hz).
/// 9, "Second": 160x90, German in MP2 (1760 Hz).
fn two_programmes(dir: &Path) -> PathBuf {
    let path = dir.join("two.ts");
    let six: Vec<String> = (2..=7).map(|n| format!("sin({}00*2*PI*t)/4", n)).collect();
    let six = format!("aevalsrc={}:c=5.1:s=48000:d=5", six.join("|"));
    #[rustfmt::skip]
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=5", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=5",
        "-f", "lavfi", "-i", "sine=f=440:r=48000:d=5", "-f", "lavfi", "-i", &six, "-f", "lavfi", "-i", "sine=f=880:r=48000:d=5", "-f", "lavfi", "-i", "sine=f=1760:r=48000:d=5",
        "-map", "1:v", "-map", "0:v", "-map", "2:a", "-map", "3:a", "-map", "4:a", "-map", "5:a",
        "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a:0", "mp2", "-ac:a:0", "2", "-c:a:1", "ac3", "-c:a:2", "aac", "-c:a:3", "mp2",
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", "-metadata:s:a:2", "language=eng", "-disposition:a:2", "visual_impaired", "-metadata:s:a:3", "language=deu",
        "-streamid", "0:512", "-streamid", "1:256", "-streamid", "2:257", "-streamid", "3:258", "-streamid", "4:259", "-streamid", "5:513",
        "-program", "program_num=9:title=Second:st=0:st=5", "-program", "program_num=7:title=First One:st=1:st=2:st=3:st=4", "-f", "mpegts", text(&path)]);
    path
}

const LADDER: &str = r#"
name = "sounds"
video = [{ name = "v", codec = "avc", width = 160, height = 90, max_bitrate = "300k", point = "ultrafast" }]
audio = [{ name = "aac", codec = "aac", bitrate = "96k" }, { name = "low", codec = "aac", bitrate = "48k" }, { name = "surround", codec = "aac", bitrate = "256k", channels = 6 }]
"#;

fn ladder(dir: &Path) -> PathBuf {
    let path = dir.join("ladder.toml");
    std::fs::write(&path, LADDER).expect("written");
    path
}

/// Plans as JSON.
fn planned(input: &Path, more: &[&str]) -> serde_json::Value {
    let dir = input.parent().expect("in a folder");
    let ladder = ladder(dir);
    let args = ["plan", "--json", "-i", text(input), "-l", text(&ladder)];
    let output = succeed(mezzo(&[&args[..], more].concat()), 60);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn names(plan: &serde_json::Value) -> Vec<String> {
    plan["audio"].as_array().expect("a list").iter().map(|a| a["name"].as_str().expect("a name").to_owned()).collect()
}

/// What is wrong with a tree.
fn faults(out: &Path) -> Vec<String> {
    let report = mezzo::check::run(out, None, Options::default()).expect("a tree");
    report.findings.iter().filter(|f| f.severity == Severity::Error).map(ToString::to_string).collect()
}

/// Decoded samples of a published track, `channels` interleaved, through software that mezzo did not write.
fn decoded(out: &Path, track: &str, channels: usize) -> Vec<Vec<f32>> {
    let mut whole = std::fs::read(out.join(track).join("init.mp4")).expect("there");
    let mut segments: Vec<PathBuf> =
        std::fs::read_dir(out.join(track)).expect("there").flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "m4s")).collect();
    segments.sort_by_key(|p| p.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<u64>().ok()));
    segments.iter().for_each(|p| whole.extend(std::fs::read(p).expect("read")));
    let joined = out.join(format!("{track}.mp4"));
    std::fs::write(&joined, whole).expect("written");
    let raw = out.join(format!("{track}.raw"));
    ffmpeg(&["-i", text(&joined), "-map", "0:a", "-f", "f32le", text(&raw)]);
    let samples: Vec<f32> = std::fs::read(&raw).expect("read").chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    (0..channels).map(|c| samples.iter().skip(c).step_by(channels).copied().collect()).collect()
}

/// How much of `hertz` there is in the samples at 48 kHz, as the amplitude of a sine (Goertzel), between two seconds.
fn level(samples: &[f32], hertz: f64, seconds: std::ops::Range<f64>) -> f64 {
    let part = &samples[(seconds.start * 48_000.0) as usize..((seconds.end * 48_000.0) as usize).min(samples.len())];
    let step = std::f64::consts::TAU * hertz / 48_000.0;
    let (re, im) = part.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, s)| {
        let phase = step * n as f64;
        (re + f64::from(*s) * phase.cos(), im + f64::from(*s) * phase.sin())
    });
    2.0 * re.hypot(im) / part.len() as f64
}

#[test]
fn the_best_programme_is_taken_and_another_one_where_it_is_asked_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let feed = two_programmes(dir.path());
    let best = planned(&feed, &[]);
    assert_eq!((best["source"]["width"].as_u64(), names(&best)), (Some(320), vec!["aac".into(), "low".into()]));
    assert_eq!((&best["source"]["sounds"][0]["stream"]["pid"], &best["audio"][0]["language"]), (&257.into(), &"eng".into()));
    let programs: Vec<(i64, &str)> = best["offer"]["programs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|p| (p["number"].as_i64().expect("a number"), p["name"].as_str().expect("a name")))
        .collect();
    assert_eq!(programs, [(7, "First One"), (9, "Second")]);
    for program in ["9", "second"] {
        let second = planned(&feed, &["--program", program]);
        assert_eq!((second["source"]["width"].as_u64(), &second["audio"][0]["language"]), (Some(160), &"deu".into()), "{program}");
    }
    let by_video = planned(&feed, &["--video", "pid:0x200", "--audio", "deu"]);
    assert_eq!((by_video["source"]["width"].as_u64(), &by_video["audio"][0]["language"]), (Some(160), &"deu".into()));
    let table = succeed(mezzo(&["plan", "-i", text(&feed), "-l", text(&ladder(dir.path())), "--audio", "fra", "--audio", "eng,role=description"]), 60);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    for words in ["7 \"First One\"", "0x102  audio", "sound \"fr\", main", "sound \"en description\", description", "surround"] {
        assert!(table.contains(words), "no {words:?} in\n{table}");
    }
}

#[test]
fn a_wrong_programme_pid_or_language_lists_what_the_feed_has() {
    let dir = tempfile::tempdir().expect("a folder");
    let feed = two_programmes(dir.path());
    let out = dir.path().join("out");
    for wrong in [["--program", "8"], ["--program", "Third"], ["--audio", "swe"], ["--audio", "pid:0x300"], ["--audio", "17"], ["--video", "pid:0x101"]] {
        let output = finish(mezzo(&[&["run", "-i", text(&feed), "-o", text(&out), "-l", "tiny"], &wrong[..]].concat()), 60);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {said}");
        for words in [
            wrong[1].trim_start_matches("--"),
            "programme 7 \"First One\": ",
            "pid 0x100 video h264 320x180",
            "pid 0x102 audio ac3 48000 Hz 6 ch fra",
            "eng description",
            "programme 9 \"Second\"",
        ] {
            assert!(said.contains(words), "{wrong:?}: no {words:?} in {said}");
        }
        assert!(!out.exists(), "nothing was written");
    }
}

#[test]
fn every_sound_is_a_track_of_its_own_in_every_rung() {
    let dir = tempfile::tempdir().expect("a folder");
    let feed = two_programmes(dir.path());
    let (out, ladder) = (dir.path().join("out"), ladder(dir.path()));
    let args = [
        "run",
        "-i",
        text(&feed),
        "-o",
        text(&out),
        "-l",
        text(&ladder),
        "--audio",
        "fra,label=Fran\u{e7}ais",
        "--audio",
        "eng",
        "--audio",
        "eng,role=description",
    ];
    succeed(mezzo(&args), 120);
    assert_eq!(faults(&out), Vec::<String>::new());

    let main = std::fs::read_to_string(out.join("main.m3u8")).expect("there");
    let media: Vec<&str> = main.lines().filter(|l| l.starts_with("#EXT-X-MEDIA")).collect();
    assert_eq!(media.len(), 9, "{main}");
    let of = |group: &str, name: &str| {
        media.iter().find(|l| l.contains(&format!("GROUP-ID=\"{group}\",NAME=\"{name}\""))).unwrap_or_else(|| panic!("no {name} in {group}: {main}"))
    };
    assert!(of("surround", "Fran\u{e7}ais").contains("LANGUAGE=\"fr\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"6\",URI=\"surround/media.m3u8\""));
    assert!(of("surround", "en").contains("DEFAULT=NO,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"aac-eng/media.m3u8\""), "{main}");
    let description = "CHARACTERISTICS=\"public.accessibility.describes-video\",CHANNELS=\"2\",URI=\"low-eng-description/media.m3u8\"";
    assert!(of("low", "en description").contains(description), "{main}");
    assert_eq!(main.matches("#EXT-X-STREAM-INF").count(), 3, "once for stereo, once for 5.1, and once of sound alone");

    let mpd = std::fs::read_to_string(out.join("manifest.mpd")).expect("there");
    for words in ["<Label>Fran\u{e7}ais</Label>", "AudioPurposeCS:2007\" value=\"1\"", "value=\"description\"", "ChannelConfiguration\" value=\"6\""] {
        assert!(mpd.contains(words), "no {words} in {mpd}");
    }
    let probed = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_type,channels:stream_tags=language,comment", "-of", "compact", text(&out.join("main.m3u8"))])
        .output();
    let probed = String::from_utf8(probed.expect("ffprobe runs").stdout).expect("text");
    assert!(probed.lines().filter(|l| l.contains("codec_type=audio")).count() >= 7 && probed.contains("channels=6"), "{probed}");

    // Each where it belongs: the levels of ITU-R BS.775 in stereo, each channel alone in 5.1.
    let stereo = decoded(&out, "aac", 2);
    // L 200, R 300, C 400, LFE 500, Ls 600, Rs 700 Hz, a quarter of full scale each.
    for (side, expected) in [(0, [1.0, 0.0, FRAC_1_SQRT_2, 0.0, FRAC_1_SQRT_2, 0.0]), (1, [0.0, 1.0, FRAC_1_SQRT_2, 0.0, 0.0, FRAC_1_SQRT_2])] {
        for (n, want) in expected.into_iter().enumerate() {
            let have = level(&stereo[side], 200.0 + 100.0 * n as f64, 1.0..4.0) * 4.0;
            assert!((have - want).abs() < 0.05, "side {side}, {} Hz: {have}, not {want}", 200 + 100 * n);
        }
    }
    let six = decoded(&out, "surround", 6);
    for (channel, samples) in six.iter().enumerate() {
        for other in 0..6usize {
            let have = level(samples, 200.0 + 100.0 * other as f64, 1.0..4.0) * 4.0;
            // The low-frequency channel is coded up to some 120 Hz only by some, and quieter.
            let want = f64::from(u8::from(channel == other));
            assert!((have - want).abs() < 0.1 || (channel == 3 && other == 3), "channel {channel}, {} Hz: {have}", 200 + 100 * other);
        }
    }
    let english = decoded(&out, "aac-eng", 2);
    let described = decoded(&out, "low-eng-description", 2);
    assert!(level(&english[0], 440.0, 1.0..4.0) > 0.05 && level(&english[0], 880.0, 1.0..4.0) < 0.005);
    assert!(level(&described[0], 880.0, 1.0..4.0) > 0.05 && level(&described[0], 440.0, 1.0..4.0) < 0.005);
}

/// Feeds with languages that come and go, put one behind the other: what a multiplexer does when it is configured anew.
fn sections(dir: &Path, all: &[&[(&str, u32, u32)]]) -> PathBuf {
    let mut feed = Vec::new();
    for (n, sounds) in all.iter().enumerate() {
        let path = dir.join(format!("{n}.ts"));
        let (offset, version) = ((10 + 6 * n).to_string(), n.to_string());
        let mut args: Vec<String> = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=6"].map(str::to_owned).to_vec();
        for (_, hertz, _) in *sounds {
            args.extend(["-f", "lavfi", "-i", &format!("sine=f={hertz}:r=48000:d=6")].map(str::to_owned));
        }
        args.extend(["-map", "0:v", "-streamid", "0:256"].map(str::to_owned));
        for (k, (language, _, pid)) in sounds.iter().enumerate() {
            args.extend(
                ["-map", &format!("{}:a", k + 1), &format!("-metadata:s:a:{k}"), &format!("language={language}"), "-streamid", &format!("{}:{pid}", k + 1)]
                    .map(str::to_owned),
            );
        }
        args.extend(
            ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "mp2", "-output_ts_offset", &offset].map(str::to_owned),
        );
        args.extend(["-tables_version", &version, "-f", "mpegts", text(&path)].map(str::to_owned));
        ffmpeg(&args.iter().map(String::as_str).collect::<Vec<_>>());
        feed.extend(std::fs::read(&path).expect("written"));
    }
    let path = dir.join("sections.ts");
    std::fs::write(&path, feed).expect("written");
    path
}

/// Where source time 0 is.
const ANCHOR: [&str; 2] = ["--anchor", "0=1000000000"];

/// Runs over such a feed; the folder.
fn run_sections(dir: &Path, feed: &Path, name: &str, sounds: &[&str], more: &[&str]) -> PathBuf {
    let out = dir.join(name);
    let ladder = ladder(dir);
    let mut args = vec!["run", "-i", text(feed), "-o", text(&out), "-l", text(&ladder)];
    args.extend(more);
    sounds.iter().for_each(|sound| args.extend(["--audio", sound]));
    succeed(mezzo(&args), 120);
    assert_eq!(faults(&out), Vec::<String>::new());
    out
}

#[test]
fn a_track_keeps_its_output_while_its_sound_comes_and_goes() {
    let dir = tempfile::tempdir().expect("a folder");
    // English all along; French from 6 s to 12 s only; Spanish from 12 s on, at a PID that is new.
    let feed = sections(dir.path(), &[&[("eng", 440, 257)], &[("eng", 440, 257), ("fra", 880, 258)], &[("eng", 440, 257), ("spa", 1760, 300)]]);
    let out = run_sections(dir.path(), &feed, "out", &["eng", "fra?", "spa?,role=dub"], &[]);
    let sounds = [("aac", 440.0, [true, true, true]), ("aac-fra", 880.0, [false, true, false]), ("aac-spa-dub", 1760.0, [false, false, true])];
    let count = |track: &str| std::fs::read_dir(out.join(track)).expect("there").flatten().filter(|e| e.path().extension().is_some_and(|x| x == "m4s")).count();
    for (track, hertz, heard) in sounds {
        assert_eq!(count(track), count("v"), "{track} has a hole");
        let samples = decoded(&out, track, 2);
        // A file begins with its first picture.
        for (n, heard) in heard.into_iter().enumerate() {
            let middle = 6.0 * n as f64;
            let (start, end) = (middle + 1.0, middle + 5.0);
            let loud = level(&samples[0], hertz, start..end);
            let peak = samples[0][(start * 48_000.0) as usize..(end * 48_000.0) as usize].iter().fold(0.0f32, |a, b| a.max(b.abs()));
            assert_eq!(loud > 0.05, heard, "{track} in section {n}: {loud}");
            assert!(heard || peak < 1e-4, "{track} in section {n} is not silent: {peak}");
        }
    }
}

#[test]
fn a_worker_that_joins_while_a_sound_is_away_makes_the_same_segments() {
    let dir = tempfile::tempdir().expect("a folder");
    let (eng, fra) = (("eng", 440, 257), ("fra", 880, 258));
    // It is away for long enough that a worker at full speed no longer waits for it (10 s).
    let feed = sections(dir.path(), &[&[eng, fra], &[eng], &[eng], &[eng], &[eng], &[eng, fra]]);
    let whole = std::fs::read(&feed).expect("there");
    let first = std::fs::metadata(dir.path().join("0.ts")).expect("there").len() as usize;
    let second = std::fs::metadata(dir.path().join("1.ts")).expect("there").len() as usize;
    let late = dir.path().join("late.ts");
    let from = (first + second / 3).next_multiple_of(188);
    std::fs::write(&late, &whole[from..]).expect("written");
    let run = |feed: &Path, name: &str| run_sections(dir.path(), feed, name, &["eng", "fra?"], &ANCHOR);
    let (stayed, joined) = (run(&feed, "stayed"), run(&late, "joined"));
    let mut same = 0;
    for track in ["aac", "aac-fra", "v"] {
        let mut numbers: Vec<String> = std::fs::read_dir(joined.join(track))
            .expect("there")
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| n.ends_with(".m4s"))
            .collect();
        numbers.sort();
        // The file begins with it: its first GOP has no run-up.
        for number in numbers.iter().skip(2) {
            let (a, b) = (std::fs::read(stayed.join(track).join(number)).expect("there"), std::fs::read(joined.join(track).join(number)).expect("there"));
            assert!(a == b, "{track}/{number} differs");
            same += 1;
        }
        assert_eq!(std::fs::read(stayed.join(track).join("init.mp4")).expect("there"), std::fs::read(joined.join(track).join("init.mp4")).expect("there"));
    }
    assert!(same >= 15, "only {same} were compared");
}

#[test]
fn a_restart_keeps_the_tracks_though_a_sound_is_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let with = sections(dir.path(), &[&[("eng", 440, 257), ("fra", 880, 258)]]);
    let both = std::fs::read(&with).expect("there");
    let feed = dir.path().join("feed.ts");
    std::fs::write(&feed, &both).expect("written");
    let sounds = ["eng", "fra"];
    let out = run_sections(dir.path(), &feed, "out", &sounds, &ANCHOR);
    let init = std::fs::read(out.join("aac-fra/init.mp4")).expect("there");
    let without = sections(dir.path(), &[&[("eng", 440, 257)]]);
    std::fs::copy(&without, &feed).expect("copied");
    let ladder = ladder(dir.path());
    let anchored = ["run", "-i", text(&feed), "-o", text(&out), "-l", text(&ladder), ANCHOR[0], ANCHOR[1], "--audio", "eng", "--audio", "fra"];
    let said = succeed(mezzo(&anchored), 60);
    assert!(String::from_utf8_lossy(&said.stderr).contains("audio fra is not there"), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(std::fs::read(out.join("aac-fra/init.mp4")).expect("there"), init);
}

/// FFmpeg writes an AAC layout of its own into the first packet alone: who comes later has the same sound all the same.
#[test]
#[ignore = "FFmpeg's own layout of 5.1 has its elements in another order than any channel configuration: not solved"]
fn a_layout_that_was_said_once_is_known_to_a_later_worker() {
    let dir = tempfile::tempdir().expect("a folder");
    let feed = dir.path().join("feed.ts");
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=16"])
        .args([
            "-f",
            "lavfi",
            "-i",
            "aevalsrc=sin(440*2*PI*t)|sin(550*2*PI*t)|0.5*sin(660*2*PI*t)|0.2*sin(60*2*PI*t)|0.3*sin(770*2*PI*t)|0.3*sin(880*2*PI*t):c=5.1(side):d=16",
        ])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "384k", "-f", "mpegts"])
        .arg(&feed)
        .status();
    assert!(made.expect("ffmpeg runs").success());
    let outs = ["whole", "late"].map(|name| {
        let place = dir.path().join(name);
        std::fs::create_dir(&place).expect("a folder");
        match name {
            "whole" => std::fs::copy(&feed, place.join("feed.ts")).map(drop).expect("copied"),
            _ => cut_ts(&feed, 30, &place.join("feed.ts")),
        }
        let mut command = mezzo(&["run", "--input", "feed.ts", "--ladder", "tiny", "--anchor", "0=2026-11-22T00:00:00Z", "--output", "out"]);
        command.current_dir(&place);
        let said = succeed(command, 120);
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.contains("was said before this worker came"), name == "late", "{said}");
        place.join("out")
    });
    let loud = |out: &Path| {
        let sound = numbers(out, "aac-64k");
        assert!(sound.len() >= 3, "{sound:?}");
        sound.iter().map(|n| std::fs::metadata(out.join(format!("aac-64k/{n}.m4s"))).expect("a segment").len()).min()
    };
    assert!(loud(&outs[1]) > Some(9_000), "it is not silent: {:?}", loud(&outs[1]));
    let sound = |out: &Path| published(out).into_iter().filter(|(name, _)| name.starts_with("aac")).collect::<std::collections::BTreeMap<_, _>>();
    let (whole, late) = (sound(&outs[0]), sound(&outs[1]));
    let common: Vec<&String> = late.keys().filter(|name| name.ends_with(".m4s") && whole.contains_key(*name)).collect();
    assert!(common.len() >= 3 && common.iter().all(|name| whole[*name] == late[*name]), "{common:?}");
}

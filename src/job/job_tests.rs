use super::wishes::Wishes;
use super::*;
use crate::config;
use std::path::Path;

/// A legal job file with one line more.
fn job(line: &str) -> Result<Job, String> {
    let base = "inputs = [\"in.ts\"]\noutputs = [\"out\"]\nladder = \"tiny\"\n";
    let keep: Vec<&str> = base.lines().filter(|l| l.split(' ').next() != line.split(' ').next()).collect();
    let wishes: Wishes = config::parse("job", "j.toml", &format!("{}\n{line}\n", keep.join("\n"))).map_err(|e| e.to_string())?;
    wishes.check("j.toml").map_err(|e| e.to_string())
}

#[test]
fn defaults_follow_the_pace() {
    let file = job("").expect("legal");
    assert_eq!((file.pace, file.window, file.duration, file.listen, file.rate, file.chunk), (Pace::Fast, Window::Whole, None, None, None, None));
    assert_eq!((file.segment, file.publish_delay), (Seconds::whole(2), Seconds::whole(6)));
    assert_eq!((file.timeline.hold, file.timeline.max_gap), (Seconds::whole(1), Seconds::whole(60)));
    assert_eq!((file.timeline.clock, file.timeline.anchor, file.timeline.phase), (ClockKind::Auto, None, Seconds::ZERO));
    for input in ["udp://239.1.1.1:5000", "-", "testsrc:", "gst:videotestsrc", "http://h/x.ts"] {
        let live = job(&format!("inputs = [\"{input}\"]")).expect(input);
        assert_eq!((live.pace, live.window), (Pace::Live, Window::Last(Seconds::whole(120))), "{input}");
    }
    assert_eq!(job("pace = \"live\"").expect("legal").pace, Pace::Live);
    assert_eq!(job("segment = 30\npace = \"live\"").expect("legal").window, Window::Last(Seconds::whole(120)));
}

#[test]
fn every_field_is_read_exactly() {
    let text = "listen = \":8080\"\nduration = \"1.5s\"\nsegment = \"1920/1001\"\nchunk = \"500ms\"\nwindow = 60\npublish_delay = \"4s\"\nrate = \"30000/1001\"\n\
        [timeline]\nclock = \"pts\"\nanchor = \"1.5=2026-11-21T20:15:30Z\"\nphase = \"-20ms\"\nstamp_offset = 37\nhold = \"2s\"\nmax_gap = \"1m\"\n\
        [select]\nvideo = 0\naudio = 3\n";
    let job = job(text).expect("legal");
    assert_eq!(job.listen.map(|l| l.to_string()), Some("0.0.0.0:8080".into()));
    assert_eq!((job.duration, job.segment, job.chunk), (Some(Seconds::new(3, 2)), Seconds::new(1920, 1001), Some(Seconds::new(1, 2))));
    assert_eq!((job.window, job.publish_delay, job.rate), (Window::Last(Seconds::whole(60)), Seconds::whole(4), Rate::new(30_000, 1001)));
    let anchor = Anchor { source: Seconds::new(3, 2), utc: Seconds::whole(1_795_292_130) };
    let expected = Timeline {
        clock: ClockKind::Pts,
        anchor: Some(anchor),
        phase: Seconds::new(-1, 50),
        stamp_offset: Seconds::whole(37),
        hold: Seconds::whole(2),
        max_gap: Seconds::whole(60),
        filler: Filler::Black,
        start: Start::FirstPicture,
    };
    assert_eq!(job.timeline, expected);
    assert_eq!(job.select, Select { video: Some(Pick::Index(0)), audio: vec![AudioPick::of(Pick::Index(3))], ..Select::default() });
}

#[test]
fn every_wrong_field_is_named_with_its_value_and_what_is_accepted() {
    for (line, value, accepted) in [
        ("inputs = []", "inputs = none", "udp://"),
        ("inputs = [\"a\", \"b\", \"c\"]", "inputs = 3 of them", "two paths of one feed"),
        ("inputs = [\"a\", \"a\"]", "inputs = \"a\" twice", "two paths"),
        ("inputs = [\"udp://127.0.0.1:5000\", \"http://h/x\"]", "\"http://h/x\" as one of two", "udp, rtp, srt"),
        ("inputs = [\" \"]", "inputs = \" \"", "one: a file"),
        ("inputs = \"a\"", "line 3 (`inputs = \"a\"`)", "expected a sequence"),
        ("outputs = []", "outputs = none", "--output"),
        ("outputs = [\"ftp://host/x\"]", "outputs = \"ftp://host/x\"", "path of a directory"),
        ("outputs = [\"o\", \"o\"]", "outputs = \"o\" twice", "each directory once"),
        ("ladder = \"huge\"", "ladder huge", "avc-1080p-6, demo, hevc-1080p-6, sd-to-4k, three-codecs, tiny"),
        ("ladder = 3", "line 3 (`ladder = 3`)", "built-in ladder"),
        ("listen = \"8080x\"", "\"8080x\"", "127.0.0.1:8080"),
        ("pace = \"slow\"", "`slow`", "`auto`, `live`, `fast`"),
        ("duration = \"0\"", "duration = 0 s", "0.001 s to"),
        ("duration = 1.5", "1.5 without quotes", "(\"1.5\")"),
        ("duration = \"long\"", "\"long\"", "30s, 2m"),
        ("segment = \"100ms\"", "segment = 0.1 s", "0.2 s to 30 s"),
        ("segment = 31", "segment = 31 s", "0.2 s to 30 s"),
        ("chunk = 3", "chunk = 3 s", "0.016 s to 2 s"),
        ("window = 5", "window = 5 s", "6 s to"),
        ("window = \"all\"", "\"all\"", "whole"),
        ("publish_delay = -1", "publish_delay = -1 s", "0 s to 3600 s"),
        ("rate = 61", "rate = 61", "1 to 60"),
        ("rate = \"fast\"", "\"fast\"", "30000/1001"),
        ("timeline.clock = \"ntp\"", "`ntp`", "`auto`, `sei`, `pts`, `arrival`"),
        ("timeline.anchor = \"0\"", "\"0\"", "SECONDS=UTC"),
        ("timeline.anchor = \"0=-1\"", "timeline.anchor = 0=-1", "1970 to 3000"),
        ("timeline = { anchor = \"0=5\", clock = \"arrival\" }", "timeline.anchor = 0=5", "none beside"),
        ("timeline.phase = \"2s\"", "timeline.phase = 2 s", "-1 s to 1 s"),
        ("timeline.stamp_offset = \"25h\"", "timeline.stamp_offset = 90000 s", "-86400 s to 86400 s"),
        ("timeline.phase = \"1/9223372036854775807\"", "timeline.phase = 1/9223372036854775807 s", "up to 1000000"),
        ("timeline.anchor = \"0.000000000001=0\"", "timeline.anchor = 1/1000000000000s=0/1s", "whole nanoseconds"),
        ("timeline = { anchor = \"1/999983=1/999979\" }", "timeline.anchor = 1/999983s=1/999979s", "whole nanoseconds"),
        ("timeline.hold = \"2m\"", "timeline.hold = 120 s", "timeline.max_gap (60 s)"),
        ("timeline.max_gap = \"2000h\"", "timeline.max_gap = 7200000 s", "0 s to 86400 s"),
        ("timeline.holt = 1", "unknown field `holt`", "`hold`"),
        ("select.video = -1", "\"-1\" is not a video stream", "pid:PID"),
        ("select.program = 65536", "\"65536\" is not a programme", "0 to 65535"),
        ("select.audio = [\"pid:256\", \"pid:0x100\"]", "pid:0x100 twice", "each stream once"),
        ("select.audio = [\"eng,label=A\", \"fra,label=A\"]", "label \"A\" twice", "a label of its own"),
        ("select = { audio = 1, no_audio = true }", "select.audio = 1", "no_audio"),
        ("input = \"a\"", "unknown field `input`", "`inputs`"),
    ] {
        let message = job(line).expect_err(line);
        assert!(message.contains(value), "{line}: no {value:?} in {message}");
        assert!(message.contains(accepted), "{line}: no {accepted:?} in {message}");
        assert!(message.contains("j.toml") || message.starts_with("ladder huge"), "{line}: {message}");
    }
}

#[test]
fn fine_times_are_fine() {
    for line in
        ["timeline = { anchor = \"0.123456789=1795292130.123456789\", phase = \"-0.02\" }", "timeline = { anchor = \"1001/90000=0\", phase = \"1001/60000\" }"]
    {
        job(line).expect(line);
    }
}

#[test]
fn an_anchor_is_of_one_feed() {
    let both = "pace = \"live\"\ntimeline.anchor = \"0=1795292130\"\nstandby.input = \"udp://127.0.0.1:5\"";
    let message = job(both).expect_err("the standby has a clock of its own");
    assert!(message.contains("timeline.anchor") && message.contains("with a standby") && message.contains("standby.anchor"), "{message}");
    let job = job(&format!("{both}\nstandby.anchor = \"7=1795292130\"")).expect("each has its own");
    assert_ne!(job.standby.and_then(|standby| standby.anchor), job.timeline.anchor);
}

#[test]
fn an_endless_pattern_at_full_speed_needs_a_duration() {
    let message = job("inputs = [\"testsrc:\"]\npace = \"fast\"").expect_err("endless");
    assert!(message.contains("duration = none") && message.contains("30s"), "{message}");
    assert!(job("inputs = [\"testsrc:\"]\npace = \"fast\"\nduration = 4").is_ok());
}

#[test]
fn listening_alone_is_an_output() {
    let job = job("outputs = []\nlisten = \"127.0.0.1:0\"").expect("legal");
    assert!(job.outputs.is_empty() && job.listen.is_some());
}

#[test]
fn a_ladder_may_be_inline_and_is_checked_there() {
    let inline = |width: u32| {
        format!("[ladder]\nname = \"mine\"\n[[ladder.video]]\nname = \"v\"\ncodec = \"avc\"\nwidth = {width}\nheight = 360\nmax_bitrate = \"1M\"\n")
    };
    let read = |text: &str| {
        let wishes: Wishes = config::parse("job", "j.toml", &format!("inputs = [\"a\"]\noutputs = [\"o\"]\n{text}")).map_err(|e| e.to_string())?;
        wishes.check("j.toml").map_err(|e| e.to_string())
    };
    assert_eq!(read(&inline(640)).expect("legal").ladder.name, "mine");
    let message = read(&inline(641)).expect_err("odd");
    assert!(message.contains("j.toml") && message.contains("width of video rung \"v\" = 641"), "{message}");
    let message = read(&inline(640).replace("width", "wide")).expect_err("unknown");
    assert!(message.contains("line 8 (`wide = 640`): unknown field `wide`"), "{message}");
}

#[test]
fn flags_win_over_the_file() {
    let file: Wishes =
        toml::from_str("inputs = [\"a\"]\nsegment = 4\nduration = 9\n[timeline]\nhold = 2\n[select]\nno_audio = true\nvideo = 1").expect("legal");
    let flags: Wishes = toml::from_str("inputs = [\"b\"]\nsegment = 1\n[timeline]\nphase = \"1ms\"\n[select]\naudio = 2").expect("legal");
    let both = flags.over(file);
    let expected: Wishes =
        toml::from_str("inputs = [\"b\"]\nsegment = 1\nduration = 9\n[timeline]\nhold = 2\nphase = \"1ms\"\n[select]\naudio = 2\nvideo = 1").expect("legal");
    assert_eq!(both, expected);
}

#[test]
fn a_ladder_path_starts_at_the_job_file() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("job.toml");
    std::fs::write(&path, "inputs = [\"a\"]\noutputs = [\"o\"]\nladder = \"l.toml\"").expect("written");
    std::fs::write(dir.path().join("l.toml"), include_str!("../../ladders/tiny.toml")).expect("written");
    let job = Wishes::read(&path).expect("read").check("job.toml").expect("legal");
    assert_eq!(job.ladder.name, "tiny");
}

#[test]
fn places_are_looked_at_and_left_alone() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(dir.path().join("in.ts"), b"x").expect("written");
    std::os::unix::fs::symlink(dir.path().join("gone"), dir.path().join("link")).expect("linked");
    let check = |input: String, output: String| {
        let wishes = Wishes { inputs: Some(vec![input]), outputs: Some(vec![output.into()]), ..Wishes::default() };
        wishes.check("arguments").expect("legal").check_places().map_err(|e| e.to_string())
    };
    assert_eq!(check(at("in.ts"), at("out/deep/deeper")), Ok(()));
    assert_eq!(check("-".into(), at("out")), Ok(()));
    for (input, output, value, accepted) in [
        (at("none.ts"), at("out"), "none.ts: No such file", "udp://"),
        (at("."), at("out"), "it is a directory", "a media file"),
        (at("in.ts"), at("in.ts"), "in.ts is not a directory", "a directory that can be written to"),
        (at("in.ts"), at("in.ts/out"), "in.ts is not a directory", "a directory that can be written to"),
        (at("in.ts"), at("link"), "link is a link to nowhere", "a directory that can be written to"),
    ] {
        let message = check(input, output).expect_err(value);
        assert!(message.contains(value) && message.contains(accepted), "{message}");
    }
    for (input, output) in [("out/main.m3u8", "out"), ("out/v/media.m3u8", "out"), ("out/v/7.m4s", "out/../out")] {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(root.path().join("out/v")).expect("made");
        let at = |name: &str| root.path().join(name).display().to_string();
        std::fs::write(at(input), b"x").expect("written");
        let message = check(at(input), at(output)).expect_err(input);
        assert!(message.contains(input) && message.contains("under a name that is published"), "{message}");
        std::fs::write(at("out/source.ts"), b"x").expect("written");
        assert_eq!(check(at("out/source.ts"), at(output)), Ok(()), "beside what is published it is safe");
    }
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("listed").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "nothing was made: {left:?}");
    assert!(!Path::new(&at("out")).exists());
}

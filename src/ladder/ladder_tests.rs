use super::*;

fn rung(change: &str) -> String {
    let mut fields =
        vec![("name", "\"a\"".to_owned()), ("codec", "\"avc\"".into()), ("width", "1280".into()), ("height", "720".into()), ("max_bitrate", "\"3M\"".into())];
    if let Some((name, value)) = change.split_once(" = ") {
        fields.retain(|(n, _)| *n != name);
        fields.push((name, value.to_owned()));
    }
    let lines: Vec<String> = fields.iter().map(|(n, v)| format!("{n} = {v}")).collect();
    format!("name = \"l\"\n[[video]]\n{}\n", lines.join("\n"))
}

fn error(text: &str) -> String {
    Ladder::parse("my.toml", text).expect_err(text).to_string()
}

#[test]
fn the_built_in_ladders_are_legal() {
    for (name, _) in BUILT_IN {
        let ladder = Ladder::load(name, Path::new("/nonexistent")).expect(name);
        assert_eq!(&ladder.name, name);
    }
}

#[test]
fn the_six_rungs_are_those_of_the_peers() {
    let ladder = Ladder::load("avc-1080p-6", Path::new(".")).expect("built in");
    let rungs: Vec<_> = ladder.video.iter().map(|r| (r.name.as_str(), r.codec, r.width, r.height, r.cap().0, r.point.as_str())).collect();
    let avc = VideoCodec::Avc;
    let expected = [
        ("avc-1080p", avc, 1920, 1080, 6_000_000, "auto"),
        ("avc-720p", avc, 1280, 720, 3_500_000, "auto"),
        ("avc-540p", avc, 960, 540, 2_000_000, "auto"),
        ("avc-432p", avc, 768, 432, 1_100_000, "auto"),
        ("avc-360p", avc, 640, 360, 730_000, "auto"),
        ("avc-270p", avc, 480, 270, 365_000, "auto"),
    ];
    assert_eq!(rungs, expected);
    assert_eq!(ladder.audio, [AudioRung { name: "aac-128k".into(), codec: AudioCodec::Aac, bitrate: Bitrate(128_000), channels: 2 }]);
}

#[test]
fn every_wrong_field_is_named_with_its_value_and_what_is_accepted() {
    for (change, value, accepted) in [
        ("name = \"\"", "name of video rung 1 = \"\"", "1 to 64 characters of a-z"),
        ("name = \"A\"", "name of video rung 1 = \"A\"", "1 to 64 characters of a-z"),
        ("name = \"a/b\"", "= \"a/b\"", "a-z, 0-9"),
        ("name = \"..\"", "= \"..\"", "not starting with a dot"),
        ("name = \"live\"", "= \"live\"", "none of live, main.m3u8"),
        ("name = \"main.m3u8\"", "= \"main.m3u8\"", "none of live, main.m3u8"),
        ("name = \"x.tmp\"", "= \"x.tmp\"", "not ending in .tmp"),
        ("width = 1281", "width of video rung \"a\" = 1281", "an even number from 16 to 8192"),
        ("width = 14", "width of video rung \"a\" = 14", "16 to 8192"),
        ("height = 8194", "height of video rung \"a\" = 8194", "16 to 8192"),
        ("height = 0", "height of video rung \"a\" = 0", "16 to 8192"),
        ("width = -2", "line 7 (`width = -2`)", "expected an even number from 16 to 8192"),
        ("width = \"wide\"", "line 7 (`width = \"wide\"`)", "expected an even number from 16 to 8192"),
        ("max_bitrate = \"6 M\"", "line 7 (`max_bitrate = \"6 M\"`): \"6 M\"", "\"3.5M\""),
        ("max_bitrate = 6.5", "max_bitrate = 6.5", "\"3.5M\""),
        ("max_bitrate = -1", "-1", "\"3.5M\""),
        ("max_bitrate = \"15k\"", "max_bitrate of video rung \"a\" = 15k", "16k to 200M"),
        ("max_bitrate = \"201M\"", "max_bitrate of video rung \"a\" = 201M", "16k to 200M"),
        ("quality = 0.5", "quality of video rung \"a\" = 0.5", "1 (best) to 51 for avc"),
        ("quality = 52", "quality of video rung \"a\" = 52", "1 (best) to 51 for avc"),
        ("quality = nan", "quality of video rung \"a\" = NaN", "1 (best) to 51 for avc"),
        ("depth = 10", "depth of video rung \"a\" = 10", "accepted: 8 for avc"),
        ("hdr = true", "hdr of video rung \"a\" = true", "HDR needs hevc or av1 of 10"),
        ("backend = []", "backend of video rung \"a\" = []", "at least one backend"),
        ("backend = \"x264\"", "backend = \"x264\"", "\"auto\", or a list of backends such as"),
        ("point = \"turbo\"", "point of video rung \"a\" = \"turbo\"", "auto, ultrafast, superfast, swift"),
        ("codec = \"h264\"", "`h264`", "expected one of `avc`, `hevc`, `av1`"),
        ("wdith = 1280", "line 8 (`wdith = 1280`): unknown field `wdith`", "expected one of `name`, `codec`, `width`"),
    ] {
        let message = error(&rung(change));
        assert!(message.starts_with("ladder my.toml"), "{change}: {message}");
        assert!(message.contains(value), "{change}: no {value:?} in {message}");
        assert!(message.contains(accepted), "{change}: no {accepted:?} in {message}");
    }
    assert!(Ladder::parse("my.toml", &rung("")).is_ok(), "the base of these changes is legal");
    assert!(Ladder::parse("my.toml", &rung("codec = \"hevc\"")).is_ok(), "codecs without a backend are for the plan to say");
}

#[test]
fn a_rate_is_a_quality_under_a_cap_or_constant() {
    let with = |lines: &str| rung("").replace("max_bitrate = \"3M\"", lines);
    let rates = |lines: &str| {
        let rung = Ladder::parse("my.toml", &with(lines)).expect(lines).video.remove(0);
        (rung.cap().0, rung.bitrate.map(|b| b.0))
    };
    assert_eq!(rates("bitrate = \"3M\""), (3_000_000, Some(3_000_000)));
    assert_eq!(rates("bitrate = \"3M\"\nmax_bitrate = \"4M\""), (4_000_000, Some(3_000_000)));
    assert_eq!(rates("max_bitrate = \"4M\"\nquality = 30"), (4_000_000, None));
    for (lines, value, accepted) in [
        ("quality = 30", "max_bitrate of video rung \"a\" = nothing", "or a constant bitrate in its place"),
        ("bitrate = \"3M\"\nquality = 30", "quality of video rung \"a\" = 30", "none beside bitrate = 3M; or quality with max_bitrate, and no bitrate"),
        ("bitrate = \"3M\"\nmax_bitrate = \"2M\"", "max_bitrate of video rung \"a\" = 2M", "at least the constant bitrate, 3M"),
        ("bitrate = \"15k\"", "bitrate of video rung \"a\" = 15k", "16k to 200M"),
        ("bitrate = \"fast\"", "\"fast\"", "\"3.5M\""),
    ] {
        let message = error(&with(lines));
        assert!(message.contains(value) && message.contains(accepted), "{lines}: {message}");
    }
}

#[test]
fn audio_rungs_are_checked_too() {
    let with = |audio: &str| format!("{}[[audio]]\nname = \"s\"\ncodec = \"aac\"\n{audio}\n", rung(""));
    for (audio, value, accepted) in [
        ("bitrate = \"15k\"", "bitrate of audio rung \"s\" = 15k", "16k to 512k"),
        ("bitrate = \"513k\"", "bitrate of audio rung \"s\" = 513k", "16k to 512k"),
        ("bitrate = \"300k\"\nchannels = 1", "bitrate of audio rung \"s\" = 300k", "16k to 256k with 1 channel"),
        ("bitrate = \"64k\"\nchannels = 3", "channels of audio rung \"s\" = 3", "1, 2 or 6"),
        ("bitrate = \"47k\"\nchannels = 6", "bitrate of audio rung \"s\" = 47k", "48k to 512k with 6 channel"),
        ("channels = 2", "missing field `bitrate`", "line 8"),
    ] {
        let message = error(&with(audio));
        assert!(message.contains(value) && message.contains(accepted), "{audio}: {message}");
    }
}

#[test]
fn names_are_told_apart_across_video_and_audio() {
    let twice = format!("{}[[audio]]\nname = \"a\"\ncodec = \"aac\"\nbitrate = \"64k\"\n", rung(""));
    let message = error(&twice);
    assert!(message.contains("name of audio rung 1 = \"a\"") && message.contains("video rung 1 has this one"), "{message}");
    let message = error(&format!("{}{}", rung(""), rung("").replace("name = \"l\"\n", "")));
    assert!(message.contains("name of video rung 2 = \"a\""), "{message}");
}

#[test]
fn a_ladder_needs_a_video_rung() {
    let message = error("name = \"l\"\n[[audio]]\nname = \"s\"\ncodec = \"aac\"\nbitrate = \"64k\"\n");
    assert!(message.contains("video = 0 rungs") && message.contains("1 to 32"), "{message}");
}

#[test]
fn an_unknown_ladder_lists_those_that_exist() {
    let message = Ladder::load("avc-1080p-7", Path::new(".")).expect_err("none").to_string();
    for part in ["avc-1080p-7", "avc-1080p-6, demo, hevc-1080p-6, sd-to-4k, three-codecs, tiny", "path of a TOML file"] {
        assert!(message.contains(part), "no {part} in {message}");
    }
    let message = Ladder::load("./nowhere.toml", Path::new(".")).expect_err("none").to_string();
    assert!(message.contains("./nowhere.toml") && message.contains("No such file"), "{message}");
}

#[test]
fn an_endless_file_is_refused() {
    let message = Ladder::load("/dev/zero", Path::new(".")).expect_err("endless").to_string();
    assert!(message.contains("1048576"), "{message}");
}

#[test]
fn a_relative_path_starts_at_the_base() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("mine.toml"), rung("")).expect("written");
    assert_eq!(Ladder::load("mine.toml", dir.path()).expect("found").name, "l");
}

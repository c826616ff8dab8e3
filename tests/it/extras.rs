//! What players find beside the variants: I-frame playlists, thumbnails, session data, sound alone; and what travels beside a segment.

use crate::common::ask;
use crate::support::{alone, finish, media, mezzo, signal, succeed, until, until_said, wait};
use mezzo::verdict::cmsd;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

const JOB: &str = "ladder = \"tiny\"\nthumbnails = true\n[session_data]\n\"com.example.title\" = [{ value = \"The Match\", language = \"en\" }]\n\"com.example.more\" = { uri = \"more.json\" }\n";

fn run(dir: &Path, output: &Path, more: &[&str]) {
    let job = dir.join("job.toml");
    std::fs::write(&job, JOB).expect("written");
    let (job, output) = (job.to_string_lossy().into_owned(), output.to_string_lossy().into_owned());
    succeed(mezzo(&[&["run", &job, "--output", &output], more].concat()), 180);
}

/// Every file but those that begin with a dot: tracks, texts and thumbnails.
fn everything(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
            match path.is_dir() {
                true => folders.push(path),
                false if !name.starts_with('.') => drop(files.insert(name, std::fs::read(&path).expect("a file"))),
                false => {}
            }
        }
    }
    files
}

fn clean(output: &Path) {
    let report = finish(mezzo(&["check", &output.to_string_lossy(), "--json"]), 120);
    let text = String::from_utf8_lossy(&report.stdout);
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(report["clean"] == true, "{:#}", report["findings"]);
}

/// The first picture that libav finds in `bytes`, as a hash.
fn first_picture(dir: &Path, bytes: &[u8]) -> String {
    let path = dir.join("picture.mp4");
    std::fs::write(&path, bytes).expect("written");
    let out =
        Command::new("ffmpeg").args(["-v", "quiet", "-i"]).arg(&path).args(["-map", "0:v", "-frames:v", "1", "-f", "framemd5", "-"]).output().expect("ffmpeg");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find(|l| !l.starts_with('#')).unwrap_or_else(|| panic!("no picture in {} bytes", bytes.len()));
    line.rsplit(',').next().expect("a hash").trim().to_owned()
}

/// Number, offset and length of each entry.
fn ranges(playlist: &str) -> Vec<(String, usize, usize)> {
    let mut range = (0, 0);
    let mut found = Vec::new();
    for line in playlist.lines() {
        if let Some((length, offset)) = line.strip_prefix("#EXT-X-BYTERANGE:").and_then(|r| r.split_once('@')) {
            range = (offset.parse().expect("a number"), length.parse().expect("a number"));
        } else if !line.starts_with('#') {
            found.push((line.to_owned(), range.0, range.1));
        }
    }
    found
}

#[test]
fn a_file_has_them_all_and_a_restart_knows_them_again() {
    let Some(source) = media("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let (one, two, source) = (dir.path().join("one"), dir.path().join("two"), source.to_string_lossy().into_owned());
    let args = ["--input", &source];
    run(dir.path(), &one, &args);
    run(dir.path(), &two, &args);
    let (first, twin) = (everything(&one), everything(&two));
    assert!(first == twin, "a twin makes the same");
    clean(&one);

    let main = std::fs::read_to_string(one.join("main.m3u8")).expect("is there");
    for line in [
        "#EXT-X-SESSION-DATA:DATA-ID=\"com.example.title\",VALUE=\"The Match\",LANGUAGE=\"en\"",
        "#EXT-X-SESSION-DATA:DATA-ID=\"com.example.more\",URI=\"more.json\"",
        "CODECS=\"mp4a.40.2\",AUDIO=\"aac-128k\"\naac-128k/media.m3u8",
        "URI=\"thumbnails/images.m3u8\"",
    ] {
        assert!(main.contains(line), "{line} is not in {main}");
    }
    let tracks: Vec<&str> =
        main.lines().filter(|l| l.starts_with("#EXT-X-I-FRAME-STREAM-INF")).filter_map(|l| l.split("URI=\"").nth(1)?.strip_suffix("/iframes.m3u8\"")).collect();
    assert!(!tracks.is_empty(), "{main}");
    for track in &tracks {
        let read = |name: &str| std::fs::read(one.join(track).join(name)).expect("is there");
        let (init, playlist) = (read("init.mp4"), String::from_utf8(read("iframes.m3u8")).expect("text"));
        let ranges = ranges(&playlist);
        assert!(ranges.len() >= 5 && playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
        for (name, offset, length) in ranges {
            let segment = read(&name);
            let (range, whole) = ([&init, &segment[offset..offset + length]].concat(), [&init[..], &segment].concat());
            assert!(length < segment.len() && first_picture(dir.path(), &range) == first_picture(dir.path(), &whole), "{track}/{name}");
        }
    }
    // The event begins with sheet 0 (20 s), and ends in it.
    let sheets: Vec<&String> = first.keys().filter(|name| name.ends_with(".jpg")).collect();
    assert_eq!(sheets, ["thumbnails/0.jpg"]);
    let probe =
        Command::new("ffprobe").args(["-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0"]).arg(one.join(sheets[0])).output();
    assert_eq!(String::from_utf8_lossy(&probe.expect("ffprobe").stdout).trim(), "mjpeg,1280,288");
    assert!(std::fs::read_to_string(one.join("manifest.mpd")).expect("is there").contains("http://dashif.org/guidelines/thumbnail_tile"));

    // The same again, where all is there already: what it did not make, it reads.
    let before: Vec<(String, Vec<u8>)> = tracks.iter().map(|track| format!("{track}/iframes.m3u8")).map(|path| (path.clone(), first[&path].clone())).collect();
    before.iter().for_each(|(path, _)| std::fs::remove_file(one.join(path)).expect("removed"));
    run(dir.path(), &one, &args);
    let again = everything(&one);
    for (path, text) in before {
        assert!(again[&path] == text, "{path}:\n{}\n{}", String::from_utf8_lossy(&text), String::from_utf8_lossy(&again[&path]));
    }
    clean(&one);
}

#[test]
fn check_tells_of_a_wrong_range() {
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    run(dir.path(), &out, &["--input", "testsrc:", "--pace", "fast", "--duration", "5s"]);
    clean(&out);
    let track = "avc-180p";
    let path = out.join(track).join("iframes.m3u8");
    let good = std::fs::read_to_string(&path).expect("is there");
    let (_, offset, length) = ranges(&good)[1].clone();
    let entry = format!("{length}@{offset}");
    for wrong in [format!("{}@{offset}", length + 1), format!("{length}@{}", offset + 8), format!("{length}"), "0@0".to_owned()] {
        std::fs::write(&path, good.replacen(&entry, &wrong, 1)).expect("written");
        let report = finish(mezzo(&["check", &out.to_string_lossy()]), 60);
        let text = String::from_utf8_lossy(&report.stdout).into_owned();
        assert!(!report.status.success() && text.contains("EXT-X-BYTERANGE"), "{wrong}: {text}");
    }
}

/// A black and silent feed: published, and told so in a header of each segment and in the status.
#[test]
fn what_is_wrong_travels_beside_the_segment() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let feed = dir.path().join("black.ts");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "color=black:size=320x180:rate=25", "-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-t", "30"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .arg(&feed)
        .status();
    assert!(made.is_ok_and(|status| status.success()), "ffmpeg makes the feed");
    let feed = feed.to_string_lossy().into_owned();
    let args = ["run", "--input", &feed, "--pace", "live", "--ladder", "tiny", "--listen", "127.0.0.1:0", "--log-format", "json"];
    let mut worker = mezzo(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a worker");
    let line = until_said(&mut worker, "the page is at", 30);
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").parse().expect("an address");
    let status = || serde_json::from_slice::<serde_json::Value>(&ask(address, "GET", "/v1/status", &[]).body).expect("JSON");
    until("segments", 40, || status()["tracks"].as_array().is_some_and(|tracks| tracks.iter().all(|t| t["segments"].as_u64() >= Some(2))));
    let status = status();
    for track in status["tracks"].as_array().expect("a list") {
        let (name, number) = (track["name"].as_str().expect("a name"), track["last_segment"].as_i64().expect("a number"));
        let sound = track["kind"] == "audio";
        let answer = ask(address, "GET", &format!("/live/{name}/{number}.m4s"), &[]);
        let verdict = cmsd::read(answer.header("cmsd-static")).expect("is a dictionary").expect("is ours");
        assert_eq!(verdict.hash_text(), sha256(&answer.body), "{name}");
        assert_eq!((verdict.shown.sound, verdict.marks.class.as_str()), (sound, status["class"].as_str().expect("a class")), "{name}");
        let quality = &track["quality"];
        if sound {
            assert!(verdict.shown.silent > 80 && verdict.score() == 100 - 15, "{name}: {verdict:?}");
            assert!(quality["defects"]["silent"]["segments"].as_u64() >= Some(2), "{name}: {quality}");
        } else {
            assert_eq!((verdict.shown.black, verdict.shown.frozen, verdict.shown.units), (50, 37, 50), "{name}");
            assert_eq!((quality["score"].as_u64(), quality["lowest"].as_u64()), (Some(100 - 20 - 12), Some(100 - 20 - 12)), "{name}");
        }
    }
    signal(&worker, "TERM");
    assert!(wait(&mut worker, 20).success());
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

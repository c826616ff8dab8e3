//! Protection from end to end: one encode, clear and encrypted beside each other; libav decrypts; keys rotate, come from a server, fail to come, and never show.

use crate::support::{finish, mezzo, published, succeed};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mezzo::check::Options;
use mezzo::inspect;
use mezzo::protect::cipher::{self, ONE_IN_TEN, Scheme, Vector};
use mezzo::protect::key::{KeyId, Seed, TrackClass};
use mezzo::protect::{Key, iv};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the tests hide, and look for everywhere.
pub const KEY: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
pub const KID: &str = "5f0c7a10-9c11-4c8e-8a44-7d3b6a5f0e21";
const SEED: &str = "XVBovsmzhP9gRIZxWfFta3VVRPzVEWmJsazEJ46I";

const THREE_CODECS: &str = r#"
[ladder]
name = "protected"
video = [
    { name = "avc", codec = "avc", width = 320, height = 180, max_bitrate = "300k", point = "ultrafast" },
    { name = "hevc", codec = "hevc", width = 160, height = 90, max_bitrate = "200k" },
    { name = "av1", codec = "av1", width = 160, height = 90, max_bitrate = "200k" },
]
audio = [{ name = "aac", codec = "aac", bitrate = "96k" }]
"#;

pub const ONE_CODEC: &str = r#"
[ladder]
name = "protected"
video = [{ name = "avc", codec = "avc", width = 320, height = 180, max_bitrate = "300k", point = "ultrafast" }]
audio = [{ name = "aac", codec = "aac", bitrate = "96k" }]
"#;

/// A job that publishes into folders of `dir`.
pub fn job(dir: &Path, outputs: &[&str], seconds: u32, rest: &str) -> PathBuf {
    let places: Vec<String> = outputs.iter().map(|o| format!("{:?}", dir.join(o))).collect();
    let text = format!("inputs = [\"testsrc:size=320x180,rate=25,duration={seconds}\"]\npace = \"fast\"\noutputs = [{}]\n{rest}", places.join(", "));
    let path = dir.join("job.toml");
    std::fs::write(&path, text.replace("@", dir.to_str().expect("UTF-8"))).expect("written");
    path
}

pub fn run(job: &Path) -> Command {
    let mut command = mezzo(&["run", job.to_str().expect("UTF-8")]);
    command.env("TEST_KEY", KEY).env("TEST_SEED", SEED).env("TEST_TOKEN", "token-that-nobody-may-see").env("TEST_ADDRESS", "hidden-in-the-address");
    command
}

/// A digest of each sample as libav hands it out, decrypted where there is a key. Fragment by fragment: of a file with several, libav 5.1 decrypts the first only.
fn samples(tree: &Path, track: &str, key: Option<&str>) -> Vec<String> {
    let init = std::fs::read(tree.join(track).join("init.mp4")).expect("an init");
    let mut digests = Vec::new();
    for number in crate::support::numbers(tree, track) {
        let bytes = std::fs::read(tree.join(track).join(format!("{number}.m4s"))).expect("a segment");
        let mut begin = 0;
        for chunk in inspect::segment(&bytes, None).expect("reads").chunks {
            let file = tempfile::NamedTempFile::with_suffix(".mp4").expect("a file");
            std::fs::write(file.path(), [&init, &bytes[begin..chunk.mdat.end]].concat()).expect("written");
            begin = chunk.mdat.end;
            let mut command = Command::new("ffmpeg");
            command.args(["-nostdin", "-v", "error"]);
            if let Some(key) = key {
                command.args(["-decryption_key", key]);
            }
            command.arg("-i").arg(file.path()).args(["-map", "0", "-c", "copy", "-copyinkf", "-f", "framemd5", "-"]);
            let text = String::from_utf8(command.output().expect("ffmpeg is installed").stdout).expect("text");
            // Stream, two times, duration, size, digest; and of side data, such as those of `pssh`, more.
            digests.extend(text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split(',').nth(5).expect("a digest").trim().to_owned()));
        }
    }
    digests
}

/// Bytes of each sample.
fn sizes(tree: &Path, track: &str) -> Vec<usize> {
    let of = |number: i64| {
        let bytes = std::fs::read(tree.join(track).join(format!("{number}.m4s"))).expect("a segment");
        inspect::segment(&bytes, None).expect("reads").samples().map(|s| s.size as usize).collect::<Vec<_>>()
    };
    crate::support::numbers(tree, track).into_iter().flat_map(of).collect()
}

/// Nothing that was written or said holds a secret, in any form that it could have.
pub fn assert_silent(dir: &Path, said: &[&Output], secrets: &[Vec<u8>]) {
    let mut texts: Vec<(String, Vec<u8>)> = everything(dir).into_iter().filter(|(path, _)| !path.ends_with("job.toml")).collect();
    for output in said {
        texts.push(("stdout".into(), output.stdout.clone()));
        texts.push(("stderr".into(), output.stderr.clone()));
    }
    for (place, bytes) in &texts {
        for secret in secrets {
            assert!(!bytes.windows(secret.len()).any(|w| w.eq_ignore_ascii_case(secret)), "{place} shows a secret");
        }
    }
}

/// Every file under `dir`, by its path there.
pub fn everything(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            found.extend(everything(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            found.insert(name, std::fs::read(path).expect("a file"));
        }
    }
    found
}

/// The forms of a key: bytes, hexadecimal, base64.
pub fn forms(key: &[u8; 16]) -> Vec<Vec<u8>> {
    let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
    vec![key.to_vec(), hex.into_bytes(), STANDARD.encode(key).into_bytes()]
}

#[test]
fn clear_and_encrypted_come_of_one_encode_and_libav_decrypts_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let keys = format!("systems = [\"widevine\", \"playready\", \"fairplay\", \"clearkey\"]\nkeys = [{{ id = \"{KID}\", key = \"${{TEST_KEY}}\" }}]");
    let text = format!(
        "chunk = \"1s\"\n{THREE_CODECS}\n[[protection]]\nscheme = \"cbcs\"\noutputs = [\"@/cbcs\"]\n{keys}\n[[protection]]\nscheme = \"cenc\"\noutputs = [\"@/cenc\"]\n{keys}\n"
    );
    let job = job(dir.path(), &["clear", "cbcs", "cenc"], 3, &text);
    let output = succeed(run(&job), 180);
    let clear = dir.path().join("clear");
    for form in ["cbcs", "cenc"] {
        let tree = dir.path().join(form);
        for track in ["avc", "hevc", "av1", "aac"] {
            assert_eq!(crate::support::numbers(&tree, track), crate::support::numbers(&clear, track));
            let wanted = samples(&clear, track, None);
            assert!(wanted.len() >= 75, "{track}: {} samples", wanted.len());
            assert_eq!(samples(&tree, track, Some(KEY)), wanted, "{form}: {track}");
            let without = samples(&tree, track, None);
            // A picture of a few bytes (of AV1: one that only shows another) has no whole block.
            let sizes = sizes(&clear, track);
            assert_eq!((without.len(), sizes.len()), (wanted.len(), wanted.len()));
            let plain: Vec<usize> = without.iter().zip(&wanted).zip(sizes).filter(|((a, b), size)| a == b && *size >= 64).map(|(_, size)| size).collect();
            assert!(plain.is_empty(), "{form}: {track}: samples of so many bytes are clear: {plain:?}");
            assert!(without.iter().zip(&wanted).filter(|(a, b)| a != b).count() >= 25, "{form}: {track}");
        }
        let report = mezzo::check::run(&tree, None, Options::default()).expect("checked");
        assert!(report.clean, "{form}: {:#?}", report.findings);
        assert!(report.lines.iter().any(|l| l.line == 11 && l.checked > 0), "line 11 was not looked at");
        let key_tags = std::fs::read_to_string(tree.join("avc/media.m3u8")).expect("a playlist").matches("#EXT-X-KEY:").count();
        assert_eq!(key_tags, if form == "cbcs" { 4 } else { 3 });
        let manifest = std::fs::read_to_string(tree.join("manifest.mpd")).expect("a manifest");
        assert!(manifest.contains(&format!("cenc:default_KID=\"{KID}\"")) && manifest.contains("mspr:pro"), "{manifest}");
        roxmltree::Document::parse(&manifest).expect("well-formed, every prefix declared");
    }
    assert!(!std::fs::read_to_string(clear.join("avc/media.m3u8")).expect("a playlist").contains("EXT-X-KEY"));
    let key = Key::read(KEY).expect("a key");
    let plan = finish(
        {
            let mut plan = mezzo(&["plan", "--json", job.to_str().expect("UTF-8")]);
            plan.env("TEST_KEY", KEY);
            plan
        },
        60,
    );
    assert!(plan.status.success());
    assert_silent(dir.path(), &[&output, &plan], &forms(key.bytes()));
}

/// Decrypts a segment by what it says itself: group, vectors, subsamples. The digest of its samples would not do: keys change within the track.
pub fn unlocked(segment: &[u8], init: &inspect::InitFacts, video: bool, key: impl Fn(KeyId) -> Key) -> (BTreeSet<KeyId>, Vec<Vec<u8>>) {
    let facts = inspect::segment(segment, Some(init)).expect("reads");
    assert_eq!(facts.findings.iter().filter(|f| f.code == inspect::Code::Encryption).collect::<Vec<_>>(), Vec::<&inspect::Finding>::new());
    let (mut ids, mut out) = (BTreeSet::new(), Vec::new());
    for chunk in &facts.chunks {
        let id = KeyId(chunk.encryption.group.expect("a group").0);
        ids.insert(id);
        assert!(!chunk.encryption.systems.is_empty(), "no pssh in a moof of a track whose keys rotate");
        let (flags, _, data) = chunk.encryption.senc.clone().expect("senc");
        let mut senc = &segment[data];
        for sample in &chunk.samples {
            let mut bytes = segment[sample.offset..sample.offset + sample.size as usize].to_vec();
            let mut ranges = Vec::new();
            if flags & 2 != 0 {
                let count = u16::from_be_bytes([senc[0], senc[1]]);
                senc = &senc[2..];
                for _ in 0..count {
                    ranges.push((u16::from_be_bytes([senc[0], senc[1]]), u32::from_be_bytes([senc[2], senc[3], senc[4], senc[5]])));
                    senc = &senc[6..];
                }
            }
            let ranges: Vec<_> = ranges.into_iter().map(|(clear, protected)| mezzo::protect::Subsample { clear, protected }).collect();
            cipher::decrypt(&key(id), Vector::Constant(iv::constant(id), if video { ONE_IN_TEN } else { (0, 0) }), &mut bytes, &ranges);
            out.push(bytes);
        }
    }
    (ids, out)
}

#[test]
fn keys_rotate_at_segment_edges_and_two_workers_publish_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!(
        "{ONE_CODEC}\n[protection]\nscheme = \"cbcs\"\noutputs = [\"@/locked\", \"@/twin\"]\ncontent = \"channel-1\"\nrotate = \"10s\"\neach = [\"audio\", \"video\"]\nseed = \"${{TEST_SEED}}\"\nsystems = [\"widevine\", \"clearkey\"]\n"
    );
    let output = succeed(run(&job(dir.path(), &["clear", "locked"], 24, &text.replace(", \"@/twin\"", ""))), 120);
    let (clear, locked) = (dir.path().join("clear"), dir.path().join("locked"));
    let seed = Seed::read(SEED).expect("a seed");
    for (track, class) in [("avc", TrackClass::Video), ("aac", TrackClass::Audio)] {
        let init = inspect::init(&std::fs::read(locked.join(track).join("init.mp4")).expect("an init")).expect("reads");
        let protected = init.protected.clone().expect("protected");
        assert_eq!(KeyId(protected.id), KeyId::derived("channel-1", Scheme::Cbcs, class, None), "a key id that no segment has");
        let open = inspect::init(&std::fs::read(clear.join(track).join("init.mp4")).expect("an init")).expect("reads");
        for number in crate::support::numbers(&locked, track) {
            let read = |tree: &Path| std::fs::read(tree.join(track).join(format!("{number}.m4s"))).expect("a segment");
            let (segment, original) = (read(&locked), read(&clear));
            let (ids, bytes) = unlocked(&segment, &init, track == "avc", |id| seed.key(id));
            let period = u64::try_from(number).expect("not negative") / 5;
            assert_eq!(ids, BTreeSet::from([KeyId::derived("channel-1", Scheme::Cbcs, class, Some(period))]), "{track} {number}");
            let facts = inspect::segment(&original, Some(&open)).expect("reads");
            let wanted: Vec<Vec<u8>> = facts.samples().map(|s| original[s.offset..s.offset + s.size as usize].to_vec()).collect();
            assert!(bytes == wanted, "{track} {number} does not decrypt to the clear one");
        }
        let playlist = std::fs::read_to_string(locked.join(track).join("media.m3u8")).expect("a playlist");
        let lines: Vec<&str> = playlist.lines().collect();
        // A key before segments 0, 5 and 10; a line for each system.
        let edges: Vec<&str> = lines.windows(4).filter(|w| w[0].starts_with("#EXT-X-KEY:") && w[1].starts_with("#EXT-X-PROGRAM")).map(|w| w[3]).collect();
        assert_eq!(edges, ["0.m4s", "5.m4s", "10.m4s"], "{playlist}");
        assert_eq!(lines.iter().filter(|l| l.starts_with("#EXT-X-KEY:")).count(), 6);
    }
    let report = mezzo::check::run(&locked, None, Options::default()).expect("checked");
    assert!(report.clean, "{:#?}", report.findings);
    // Another worker, which knows nothing of the first.
    let first: Vec<_> = published(&locked).into_iter().collect();
    std::fs::remove_dir_all(&locked).expect("removed");
    std::fs::remove_dir_all(&clear).expect("removed");
    succeed(run(&dir.path().join("job.toml")), 120);
    assert!(published(&locked).into_iter().collect::<Vec<_>>() == first, "another run wrote other bytes");
    assert_silent(
        dir.path(),
        &[&output],
        &[SEED.as_bytes().to_vec(), forms(seed.key(KeyId::derived("channel-1", Scheme::Cbcs, TrackClass::Video, Some(0))).bytes()).concat()],
    );
}

/// A key server on loopback: it gives each key id a key that follows from it.
pub struct KeyServer {
    /// Where, with a secret in it.
    pub url: String,
    /// How often it was asked.
    pub asked: Arc<AtomicU32>,
    /// Answers that are left; from then on it says nothing and closes.
    pub left: Arc<AtomicU32>,
}

/// One that refuses the first `refuse` requests and answers `left` others.
pub fn key_server(refuse: u32, left: u32) -> KeyServer {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/cpix?token=${{TEST_ADDRESS}}", listener.local_addr().expect("bound"));
    let (asked, left) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(left)));
    let server = KeyServer { url, asked: Arc::clone(&asked), left: Arc::clone(&left) };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
            let (mut length, mut token) = (0, false);
            for line in reader.by_ref().lines().map_while(Result::ok).take_while(|l| !l.is_empty()) {
                let lower = line.to_ascii_lowercase();
                length = lower.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().expect("a number"));
                token |= lower == "authorization: bearer token-that-nobody-may-see";
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let text = String::from_utf8(body).expect("text");
            let first = asked.fetch_add(1, Ordering::SeqCst) < refuse;
            if !first && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
                continue;
            }
            let answer = if first {
                "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
            } else if !token {
                "HTTP/1.1 401 Who\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
            } else {
                let mut filled = text.clone();
                let scheme = if text.contains("commonEncryptionScheme=\"cbcs\"") { "cbcs" } else { "cenc" };
                for kid in text.split("<cpix:ContentKey kid=\"").skip(1).map(|rest| &rest[..36]) {
                    let value = STANDARD.encode(served(KeyId::read(kid).expect("a UUID")).bytes());
                    let from = format!("<cpix:ContentKey kid=\"{kid}\" commonEncryptionScheme=\"{scheme}\"/>");
                    let data = format!("<cpix:Data><pskc:Secret><pskc:PlainValue>{value}</pskc:PlainValue></pskc:Secret></cpix:Data>");
                    filled = filled.replace(&from, &format!("<cpix:ContentKey kid=\"{kid}\" commonEncryptionScheme=\"{scheme}\">{data}</cpix:ContentKey>"));
                }
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{filled}", filled.len())
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    server
}

/// The key that the server gives.
pub fn served(id: KeyId) -> Key {
    Key::new(id.0.map(|b| b ^ 0x5a))
}

#[test]
fn a_key_server_is_asked_until_it_answers_and_its_secrets_stay_hidden() {
    let KeyServer { url, asked, .. } = key_server(1, u32::MAX);
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!(
        "{ONE_CODEC}\n[protection]\nscheme = \"cenc\"\noutputs = [\"@/locked\"]\ncontent = \"channel-2\"\ncpix = \"{url}\"\nheaders = {{ Authorization = \"Bearer ${{TEST_TOKEN}}\" }}\nsystems = [\"widevine\"]\n"
    );
    let output = succeed(run(&job(dir.path(), &["clear", "locked"], 3, &text)), 120);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "refused once, then answered; without rotation nothing more is asked");
    let id = KeyId::derived("channel-2", Scheme::Cenc, TrackClass::All, Some(0));
    let key = served(id);
    let hex: String = key.bytes().iter().map(|b| format!("{b:02x}")).collect();
    for track in ["avc", "aac"] {
        assert_eq!(samples(&dir.path().join("locked"), track, Some(&hex)), samples(&dir.path().join("clear"), track, None));
    }
    let mut secrets = forms(key.bytes());
    secrets.extend([b"token-that-nobody-may-see".to_vec(), b"hidden-in-the-address".to_vec()]);
    let said = [&output];
    std::fs::remove_file(dir.path().join("job.toml")).expect("removed");
    assert_silent(dir.path(), &said, &secrets);
}

#[test]
fn without_keys_nothing_is_written_and_the_error_shows_no_secret() {
    let KeyServer { url, .. } = key_server(0, u32::MAX);
    let dir = tempfile::tempdir().expect("a folder");
    for (rest, why) in [
        (format!("content = \"c\"\ncpix = \"{url}\""), "401"),
        ("keys = [{ id = \"00000000-0000-0000-0000-000000000001\", key = \"00112233445566778899aabbccddeeff\" }]".to_owned(), "${NAME}"),
        ("keys = [{ id = \"00000000-0000-0000-0000-000000000001\", key = \"${TEST_TOKEN}\" }]".to_owned(), "16 bytes"),
        (format!("keys = [{{ for = \"video\", id = \"{KID}\", key = \"${{TEST_KEY}}\" }}]"), "no key for audio"),
        ("content = \"c\"\ncpix = \"http://keys.example/\"".to_owned(), "https"),
        ("seed = \"${TEST_SEED}\"".to_owned(), "protection.content"),
        (String::new(), "one of keys, seed and cpix"),
    ] {
        let text = format!("{ONE_CODEC}\n[protection]\nscheme = \"cbcs\"\n{rest}\n");
        let output = finish(run(&job(dir.path(), &["out"], 3, &text)), 60);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
        for secret in [KEY, SEED, "token-that-nobody-may-see", "00112233445566778899aabbccddeeff", "hidden-in-the-address"] {
            assert!(!said.contains(secret), "{said}");
        }
        assert!(!dir.path().join("out").join("main.m3u8").exists());
    }
}

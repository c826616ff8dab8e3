//! Trees that mean harm: never a panic, never a wait, never without bounds.

use super::test_kit::*;
use super::*;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn targets_that_are_no_tree_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused = |path: &Path| run(path, None, Options::default()).expect_err("is no tree").to_string();
    assert!(refused(Path::new("https://example.com/live/main.m3u8")).contains("is a URL; only a directory"));
    assert!(refused(&dir.path().join("nowhere")).contains("No such file"));
    assert!(refused(dir.path()).contains("neither a manifest nor a track"));
    fs::write(dir.path().join("x.m3u8"), "").expect("writes");
    assert!(refused(&dir.path().join("x.m3u8")).contains("not a directory"));
    assert!(run(dir.path(), Some(dir.path()), Options::default()).is_err());
}

#[test]
fn links_pipes_and_folders_are_not_followed() {
    let dir = write(&good(&Recipe::default()));
    let at = |path: &str| dir.path().join(path);
    let segment = |n: i64| at(&format!("avc-180p/{}.m4s", FIRST + n));
    for n in 0..3 {
        fs::remove_file(segment(n)).expect("removes");
    }
    symlink("/etc/passwd", segment(0)).expect("links");
    fs::create_dir(segment(1)).expect("makes");
    let fifo = std::ffi::CString::new(segment(2).to_str().expect("UTF-8")).expect("no NUL");
    assert_eq!(std::process::Command::new("mkfifo").arg(fifo.to_str().expect("UTF-8")).status().expect("runs").code(), Some(0));
    fs::remove_file(at("manifest.mpd")).expect("removes");
    symlink("/dev/zero", at("manifest.mpd")).expect("links");
    symlink("/", at("avc-0p")).expect("links");
    let report = checked(dir.path());
    for n in 0..3 {
        let found = report.findings.iter().any(|f| f.line == LAYOUT && f.place.segment == Some(FIRST + n) && f.text.contains("not a regular file"));
        assert!(found, "{n}\n{report}");
    }
    assert!(report.findings.iter().any(|f| f.place.to_string() == "manifest.mpd" && f.text.contains("not a regular file")), "{report}");
    assert!(report.findings.iter().any(|f| f.place.to_string() == "avc-0p" && f.text.contains("symbolic link")), "{report}");
}

#[test]
fn huge_files_are_refused_by_their_size() {
    let dir = write(&good(&Recipe::default()));
    let grow = |path: &str| fs::OpenOptions::new().write(true).open(dir.path().join(path)).and_then(|f| f.set_len(1 << 40)).expect("grows");
    grow("main.m3u8");
    grow("aac-2/init.mp4");
    grow(&format!("avc-90p/{FIRST}.m4s"));
    let report = checked(dir.path());
    assert_eq!(report.findings.iter().filter(|f| f.text.contains("more than") && f.text.contains("bytes; that much is accepted")).count(), 3, "{report}");
}

#[test]
fn very_many_names_are_bounded_and_counted() {
    let dir = write(&good(&Recipe::default()));
    for n in 0..20_000 {
        fs::File::create(dir.path().join(format!("avc-90p/{n}.m4s"))).expect("creates");
    }
    fs::write(dir.path().join("avc-90p/1099511627776.m4s"), "").expect("writes");
    fs::write(dir.path().join("avc-90p/00.m4s"), "").expect("writes");
    let report = checked(dir.path());
    let garbage = report.lines.iter().find(|l| l.line == 3).expect("was looked at");
    assert_eq!(garbage.errors, 20_000);
    assert!(report.findings.len() < 2000, "{}", report.findings.len());
    assert!(report.findings.iter().any(|f| f.line == LAYOUT && f.text.starts_with("2 names are neither")), "{report}");
}

#[test]
fn nonsense_in_texts_is_survived() {
    let clean = good(&Recipe::default());
    let texts = [
        "",
        "#EXTM3U",
        "#EXTM3U\n#EXT-X-TARGETDURATION:18446744073709551615\n#EXT-X-MEDIA-SEQUENCE:9223372036854775807\n#EXTINF:9999999999999.999999999999,\n0.m4s\n#EXTINF:-1,\n1.m4s\n",
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:1099511627775\n#EXT-X-PROGRAM-DATE-TIME:9999-99-99T99:99:99Z\n#EXTINF:1e9,\n1099511627775.m4s\n#EXTINF:,\n\u{1f4a9}.m4s\n",
        "#EXTM3U\n#EXT-X-MAP:URI=\"\n#EXT-X-STREAM-INF:=,,==\"\",BANDWIDTH=99999999999999999999\n\n\nx\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"\n",
        "<MPD><Period start=\"P9999999999999999999Y\"/></MPD>",
        "<MPD minBufferTime=\"P99999999999W\" type=\"dynamic\" availabilityStartTime=\"1970-01-01T00:00:00.9999999999999+99:99\"><Period/></MPD>",
        "<MPD><Period><AdaptationSet><SegmentTemplate duration=\"1e308\" timescale=\"18446744073709551615\" media=\"$Number$\"/><Representation id=\"\"/></AdaptationSet></Period></MPD>",
    ];
    for text in texts {
        for path in ["main.m3u8", "manifest.mpd", "avc-180p/media.m3u8"] {
            let mut files = clean.clone();
            files.insert(path.into(), text.as_bytes().to_vec());
            let dir = write(&files);
            let report = run(dir.path(), None, Options { decode: false, ..Options::default() }).expect("is a tree");
            assert!(!report.clean, "{path}: {text}\n{report}");
        }
    }
}

#[test]
fn nothing_from_outside_reaches_the_terminal_raw() {
    let mut files = good(&Recipe::default());
    edit(&mut files, "main.m3u8", "avc-90p/media.m3u8", "\u{1b}[31mred/media.m3u8");
    edit(&mut files, "avc-180p/media.m3u8", "892000001.m4s", "\u{1b}]0;title\u{7}.m4s");
    let dir = write(&files);
    fs::rename(dir.path().join("avc-90p"), dir.path().join("a\u{1b}[2J\nb")).expect("renames");
    let report = run(dir.path(), None, Options { decode: false, ..Options::default() }).expect("is a tree");
    assert!(!report.to_string().contains(|c: char| c.is_control() && c != '\n'), "{report}");
    assert!(report.findings.iter().any(|f| f.line == LAYOUT && f.text.starts_with("the name is")), "{report}");
}

#[derive(Clone, Debug)]
pub enum Harm {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Word(usize, u32),
}

pub fn harm() -> impl Strategy<Value = Harm> {
    let extreme = prop_oneof![Just(0u32), Just(1), Just(u32::MAX), Just(0x7fff_ffff), Just(0x8000_0000), any::<u32>()];
    prop_oneof![
        (any::<usize>(), 1u8..=255).prop_map(|(at, mask)| Harm::Flip(at, mask)),
        any::<usize>().prop_map(Harm::Cut),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        (any::<usize>(), extreme).prop_map(|(at, word)| Harm::Word(at, word)),
    ]
}

pub fn apply(bytes: &mut Vec<u8>, harm: &Harm) {
    // Mostly the front, where the structure is.
    let place = |at: usize, len: usize| if at.is_multiple_of(4) { at / 4 % len.max(1) } else { at / 4 % len.clamp(1, 1200) };
    match harm {
        Harm::Flip(at, mask) => {
            let at = place(*at, bytes.len());
            bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= mask);
        }
        Harm::Cut(at) => bytes.truncate(place(*at, bytes.len())),
        Harm::Insert(at, new) => {
            let at = place(*at, bytes.len());
            bytes.splice(at..at, new.iter().copied());
        }
        Harm::Word(at, word) => {
            let at = place(*at, bytes.len());
            bytes.iter_mut().skip(at).zip(word.to_be_bytes()).for_each(|(b, w)| *b = w);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to any file: a report, never a panic; and what a mutation of structure breaks is not clean for both twins.
    #[test]
    fn no_harm_to_any_file_panics(harms in prop::collection::vec((any::<prop::sample::Index>(), harm()), 1..6), decode in prop::bool::weighted(0.2)) {
        let clean = good(&Recipe::default());
        let mut files = clean.clone();
        let paths: Vec<String> = files.keys().cloned().collect();
        for (which, harm) in &harms {
            apply(files.get_mut(which.get(&paths)).expect("is there"), harm);
        }
        let (dir, twin) = (write(&files), write(&clean));
        let report = run(dir.path(), Some(twin.path()), Options { decode, ..Options::default() }).expect("still a tree");
        prop_assert_eq!(report.clean, report.errors() == 0);
        let _ = (report.to_string(), report.to_json());
        // Segments and initialisation segments that changed are always noticed by the comparison.
        let touched = files.iter().any(|(path, bytes)| !path.ends_with(".m3u8") && !path.ends_with(".mpd") && clean[path] != *bytes);
        if touched {
            prop_assert!(!report.clean || report.against.is_some_and(|t| t.excused > 0));
            let mirrored = run(twin.path(), Some(dir.path()), Options { decode: false, ..Options::default() }).expect("still a tree").against;
            prop_assert!(mirrored.is_some_and(|t| !t.interchangeable || t.excused > 0));
        }
    }
}

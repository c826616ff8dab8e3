//! Good trees of HEVC and AV1 are clean; wrong bytes in them are found, on their line, at their place.

use super::report::{Report, Severity};
use super::test_kit::*;
use super::*;
use crate::encode::hevc;
use crate::inspect::{self, Media};
use crate::ladder::VideoCodec;
use proptest::prelude::*;
use std::sync::LazyLock;

const H8: &str = "hevc-8/init.mp4";
const H10: &str = "hevc-10/init.mp4";
const A8: &str = "av1-8/init.mp4";

fn clean() -> Files {
    static CLEAN: LazyLock<Files> = LazyLock::new(|| coded(&Recipe::default()));
    CLEAN.clone()
}

fn segment(track: &str, n: i64) -> String {
    format!("{track}/{}.m4s", FIRST + n)
}

#[test]
fn trees_of_both_are_clean() {
    let report = report(&clean());
    assert!(report.clean, "{report}");
    assert_eq!(report.tracks.len(), 3);
    assert!(report.tracks.iter().all(|t| t.segments == 3), "{report}");
    let notes = report.findings.iter().filter(|f| f.severity == Severity::Note && matches!(f.line, 7..=9)).count();
    assert_eq!(notes, 1, "only that PQ has no mdcv\n{report}");
}

/// Where the headers of the NAL units of a segment with one `mdat` are.
fn nals(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut out) = (find(bytes, b"mdat") + 8, Vec::new());
    while at + 4 < bytes.len() {
        out.push(at + 4);
        at += 4 + u32::from_be_bytes(*bytes[at..].first_chunk().expect("4 bytes")) as usize;
    }
    out
}

/// Makes each NAL unit of a type that `from` accepts one of type `to`; at least one must be there.
fn retype(files: &mut Files, path: &str, from: fn(u8) -> bool, most: usize, to: u8) {
    let bytes = files.get_mut(path).expect("is there");
    let wrong: Vec<usize> = nals(bytes).into_iter().filter(|at| from(bytes[*at] >> 1 & 0x3f)).take(most).collect();
    assert!(!wrong.is_empty(), "no such unit in {path}");
    wrong.into_iter().for_each(|at| bytes[at] = to << 1);
}

/// The size of the first sample says `by` more than it is.
fn lie(files: &mut Files, path: &str, by: u32) {
    let init = inspect::init(&files[&path.replace(&path[path.find('/').expect("a folder")..], "/init.mp4")]).expect("reads");
    let bytes = files.get_mut(path).expect("is there");
    let size = inspect::segment(bytes, Some(&init)).expect("reads").samples().next().expect("has one").size;
    let trun = find(bytes, b"trun");
    let at = trun + find(&bytes[trun..], &size.to_be_bytes()) + 4;
    bytes[at..at + 4].copy_from_slice(&(size + by).to_be_bytes());
}

/// A fault, its track, the line it breaks, and words of the finding.
type Fault = (fn(&mut Files), &'static str, u8, &'static str);

const FAULTS: &[Fault] = &[
    // Profile, level and tier of the record; constraint flags, which only the codec string has.
    (|f| patch(f, H8, b"hvcC", 9, &[2]), "hevc-8", 8, "the codec string of the record is"),
    (|f| patch(f, H8, b"hvcC", 9, &[2]), "hevc-8", 8, "profile, tier and level of the record is"),
    (|f| patch(f, H8, b"hvcC", 9, &[0x21]), "hevc-8", 8, "the codec string of the record is 1.6.H60.90; 1.6.L60.90"),
    (|f| patch(f, H8, b"hvcC", 20, &[30]), "hevc-8", 8, "profile, tier and level of the record is"),
    (|f| patch(f, H8, b"hvcC", 20, &[186]), "hevc-8", 8, "the codec string of the record is 1.6.L186"),
    (|f| patch(f, H8, b"hvcC", 15, &[0x77]), "hevc-8", 8, "the codec string of the record is"),
    (|f| patch(f, H8, b"hvcC", 20, &[186]), "", 15, "CODECS is"),
    (|f| patch(f, A8, b"av1C", 9, &[0x0c]), "av1-8", 8, "the codec string of the record is 0.12M.08"),
    (|f| patch(f, A8, b"av1C", 9, &[0x20]), "av1-8", 8, "profile, tier and level of the record is 1."),
    (|f| patch(f, A8, b"av1C", 10, &[0x4c]), "av1-8", 8, "the depth is 8; 10"),
    (|f| patch(f, A8, b"av1C", 10, &[0x4c]), "av1-8", 8, "that of the stream,"),
    (|f| edit(f, "main.m3u8", "hvc1.1.6.L", "hvc1.1.6.H"), "", 15, "CODECS is hvc1.1.6.H"),
    (|f| edit(f, "main.m3u8", "hvc1.2.4.L", "hvc1.1.6.L"), "", 15, "CODECS is hvc1.1.6.L"),
    (|f| edit(f, "main.m3u8", "av01.0.", "av01.1."), "", 15, "CODECS is av01.1."),
    (|f| edit(f, "manifest.mpd", "hvc1.2.4.L", "hvc1.2.4.H"), "hevc-10", 24, "@codecs is hvc1.2.4.H"),
    (|f| edit(f, "manifest.mpd", "av01.0.", "av01.1."), "av1-8", 24, "@codecs is av01.1."),
    // CRA, BLA and trailing pictures where an IDR belongs; an IDR where none does.
    (|f| retype(f, &segment("hevc-8", 1), |k| matches!(k, 19 | 20), 1, 21), "hevc-8", 1, "the first sample holds NAL units [21]; an IDR slice"),
    (|f| retype(f, &segment("hevc-8", 1), |k| matches!(k, 19 | 20), 1, 1), "hevc-8", 1, "the first sample holds NAL units [1]"),
    (|f| retype(f, &segment("hevc-10", 1), |k| matches!(k, 19 | 20), 1, 16), "hevc-10", 1, "an open GOP"),
    (|f| retype(f, &segment("hevc-8", 1), |k| k == 0, 3, 8), "hevc-8", 1, "an open GOP; no pictures that lean on one before the segment"),
    (|f| retype(f, &segment("hevc-8", 1), |k| k == 1, 1, 20), "hevc-8", 1, "sync flag is false, NAL units are [20]"),
    (|f| retype(f, &segment("hevc-8", 1), |k| k == 1, 1, 20), "hevc-8", 1, "sync flag is false"),
    // A key frame that is not shown, or none.
    (|f| key(f, 0x00), "av1-8", 1, "a sequence header (1) and a key frame that is shown"),
    (|f| key(f, 0x30), "av1-8", 1, "the first sample holds NAL units"),
    // Parameter sets: none at all, no PPS, in band, of another stream.
    (|f| patch(f, H8, b"hvcC", 30, &[0]), "hevc-8", 9, "hvcC is 0 VPS, 0 SPS and 0 PPS"),
    (|f| set(f, H8, [0x44, 1], [0x4e, 1]), "hevc-8", 9, "hvcC is 1 VPS, 1 SPS and 0 PPS"),
    (|f| set(f, H8, [0x44, 1], [0x4e, 1]), "hevc-8", 9, "a slice refers to picture parameter set 0"),
    (|f| set(f, H8, [0x42, 1], [0x4e, 1]), "hevc-8", 9, "a sequence parameter set or header that can be parsed is missing"),
    (|f| retype(f, &segment("hevc-8", 1), |k| k == 1, 1, 34), "hevc-8", 9, "with hvc1 they are in the initialisation segment only"),
    (|f| retype(f, &segment("hevc-8", 1), |k| k == 1, 1, 34), "hevc-8", 2, "shows 0 pictures"),
    (|f| other(f, "hevc-10", "hevc-8"), "hevc-8", 8, "the depth is 10; 8"),
    (|f| header(f, &[0x0a], &[0x2a]), "av1-8", 1, "the first sample holds NAL units [5"),
    // Colour: of the box against the stream, of the playlist against the box.
    (|f| patch(f, H8, b"colr", 12, &[0, 9]), "hevc-8", 8, "the colour is 1/1/1 limited; 9/1/1 limited (colr)"),
    (|f| patch(f, H10, b"colr", 14, &[0, 18]), "hevc-10", 8, "the colour is 9/16/9 limited; 9/18/9"),
    (|f| patch(f, H10, b"colr", 14, &[0, 18]), "", 15, "VIDEO-RANGE is PQ; HLG"),
    (|f| patch(f, H10, b"colr", 18, &[0x80]), "hevc-10", 8, "9/16/9 full (colr)"),
    (|f| patch(f, A8, b"colr", 12, &[0, 9]), "av1-8", 8, "the colour is 1/1/1 limited; 9/1/1 limited (colr)"),
    (|f| edit(f, "main.m3u8", "VIDEO-RANGE=PQ", "VIDEO-RANGE=SDR"), "", 15, "VIDEO-RANGE is SDR; PQ"),
    // Lengths of units, sizes of samples and pictures.
    (|f| patch(f, &segment("hevc-8", 0), b"mdat", 8, &[0x7f, 0xff, 0xff, 0xff]), "hevc-8", 1, "NAL unit of 2147483647 bytes"),
    (|f| patch(f, &segment("hevc-8", 0), b"mdat", 8, &[0, 0, 0, 1]), "hevc-8", 1, "NAL unit of 1 bytes"),
    (|f| patch(f, &segment("av1-8", 0), b"mdat", 9, &[0xff, 0xff, 0xff, 0x7f]), "av1-8", 1, "OBU of 268435455 bytes"),
    (|f| patch(f, &segment("av1-8", 0), b"mdat", 8, &[0x08]), "av1-8", 1, "there is no size"),
    (|f| patch(f, &segment("av1-8", 0), b"mdat", 8, &[0x8a]), "av1-8", 1, "the forbidden bit is set"),
    (|f| lie(f, &segment("hevc-8", 0), 3), "hevc-8", 3, "samples fill bytes"),
    (|f| lie(f, &segment("av1-8", 0), 3), "av1-8", 3, "samples fill bytes"),
    (|f| patch(f, H8, b"hvc1", 32, &[2, 0]), "hevc-8", 8, "the picture is 320x180; 512x180"),
    (|f| patch(f, A8, b"stsd", 16 + 32, &[2, 0]), "av1-8", 8, "the picture is 320x180; 512x180"),
    // The cap, brands.
    (|f| patch(f, H8, b"btrt", 12, &[0, 0, 0x40, 0, 0, 0, 0x40, 0]), "hevc-8", 15, "its bit rate is"),
    (|f| patch(f, A8, b"btrt", 12, &[0, 0, 0x40, 0, 0, 0, 0x40, 0]), "av1-8", 15, "its bit rate is"),
    (|f| patch(f, H8, b"chhd", 4, b"chd1"), "hevc-8", 7, "the media profile is chd1; chhd or cud8"),
    (|f| patch(f, H10, b"chd1", 4, b"chh1"), "hevc-10", 7, "the media profile is chh1; chd1"),
    (|f| patch(f, A8, b"av01", 4, b"xxxx"), "av1-8", 7, "the brand av01 is absent"),
    (|f| patch(f, &segment("av1-8", 1), b"styp", 8, b"xxxx\0\0\0\0xxxxxxxxxxxx"), "av1-8", 7, "brands"),
];

/// The first byte of the first frame of AV1 segment 1.
fn key(files: &mut Files, first: u8) {
    let bytes = files.get_mut(&segment("av1-8", 1)).expect("is there");
    let mut at = find(bytes, b"mdat") + 8;
    // A sequence header of less than 128 bytes, perhaps metadata, then the frame.
    while bytes[at] >> 3 & 0xf != 6 {
        at += 2 + usize::from(bytes[at + 1]);
    }
    let size = bytes[at + 1..].iter().take_while(|b| **b & 0x80 != 0).count() + 1;
    bytes[at + 1 + size] = first;
}

fn header(files: &mut Files, from: &[u8], to: &[u8]) {
    let bytes = files.get_mut(&segment("av1-8", 1)).expect("is there");
    let at = find(bytes, b"mdat") + 8;
    assert_eq!(&bytes[at..at + from.len()], from);
    bytes[at..at + to.len()].copy_from_slice(to);
}

/// The header of a parameter set in `hvcC`.
fn set(files: &mut Files, path: &str, from: [u8; 2], to: [u8; 2]) {
    let bytes = files.get_mut(path).expect("is there");
    let at = find(bytes, b"hvcC");
    let at = at + find(&bytes[at..], &from) + 4;
    bytes[at..at + 2].copy_from_slice(&to);
}

/// `hev1`, whose parameter sets another track's initialisation segment has: its sets stand where this one's first slice was.
fn other(files: &mut Files, from: &str, to: &str) {
    let Media::Video { parameter_sets, .. } = inspect::init(&files[&format!("{from}/init.mp4")]).expect("reads").media else { panic!("video") };
    let sps = parameter_sets.iter().find(|s| hevc::kind(s) == hevc::nal::SPS).expect("has one").clone();
    let bytes = files.get_mut(&segment(to, 1)).expect("is there");
    let at = *nals(bytes).iter().find(|at| bytes.len() > **at + sps.len() && bytes[**at] >> 1 & 0x3f == 1).expect("a slice");
    bytes[at..at + sps.len()].copy_from_slice(&sps);
}

#[test]
fn every_fault_is_found_on_its_line_at_its_place() {
    let clean = clean();
    let mut missed = Vec::new();
    for (i, (fault, track, line, words)) in FAULTS.iter().enumerate() {
        let mut files = clean.clone();
        fault(&mut files);
        let report = report(&files);
        let here = |f: &&Finding| f.line == *line && f.severity == Severity::Error && f.text.contains(words);
        let found = report.findings.iter().filter(here).any(|f| f.place.to_string().contains(if track.is_empty() { "main.m3u8" } else { track }));
        if !found || report.clean {
            missed.push(format!(
                "fault {i} ({track}, line {line}, \"{words}\"):\n{}",
                report.findings.iter().filter(|f| f.severity == Severity::Error).map(|f| format!("  {f}\n")).collect::<String>()
            ));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

fn errors(report: &Report) -> String {
    report.findings.iter().filter(|f| f.severity == Severity::Error).map(|f| format!("{f}\n")).collect()
}

/// One sample of AV1 has what no sample may have, or is of another encoder.
#[test]
fn units_that_no_sample_may_have_and_headers_of_another_stream_are_found() {
    let with = |change: fn(usize, &mut Vec<u8>)| report(&changed(|clip| clip.units.iter_mut().enumerate().for_each(|(i, unit)| change(i, &mut unit.2))));
    let delimited = with(|_, data| drop(data.splice(..0, [0x12, 0])));
    assert!(
        errors(&delimited).contains("temporal delimiters (2), repeated frame headers (7), tile lists (8) and padding (15) are not accepted"),
        "{delimited}"
    );
    let padded = with(|i, data| {
        if i == 3 {
            data.extend([0x7a, 1, 0x80])
        }
    });
    assert!(errors(&padded).contains("sample 3 holds OBUs"), "{padded}");
    // Ten bits under a record of eight.
    let deep = encoded(&rung("av1-10", VideoCodec::Av1, 10, "svt-av1"), 110);
    let mixed = report(&changed(|clip| clip.units = deep.units.clone()));
    let told = errors(&mixed);
    assert!(told.contains("av1-8/892000001.m4s sequence header") && told.contains("the depth is 10; 8"), "{mixed}");
    assert!(told.contains("the colour is 9/16/9 limited; 1/1/1 limited (colr)"), "{mixed}");
}

/// Encoders of AV1 take turns under one record: what it says, both must say.
#[test]
fn encoders_that_take_turns_say_the_same() {
    let small = |backend: &str| crate::plan::Rendition {
        width: 96,
        height: 64,
        grid: crate::mux::test_kit::grid(25, 1, 4),
        ..rung("av1-8", VideoCodec::Av1, 8, backend)
    };
    let (svt, rav1e) = (encoded(&small("svt-av1"), 4), encoded(&small("rav1e"), 4));
    let track = crate::mux::test_kit::video(0, small("svt-av1"), svt.config);
    let init = inspect::init(&crate::mux::init(&track, "c").expect("muxes")).expect("reads");
    let first = track.first_unit(crate::time::GopId(7));
    let packets: Vec<_> = rav1e.units.into_iter().map(|(time, idr, data)| crate::encode::Packet { time: first + time, idr, data }).collect();
    let bytes = crate::mux::segment(&track, crate::time::GopId(7), &packets, &Default::default(), false, None).expect("muxes");
    let facts = inspect::segment(&bytes, Some(&init)).expect("reads");
    assert!(facts.findings.is_empty() && facts.sets.len() == 1, "{:?}", facts.findings);
    let mut ledger = Ledger::default();
    assert!(coded::segment(&Place::track("av1-8").segment(7), &init, &facts, &mut ledger), "it may be decoded");
    let (_, findings) = ledger.finish();
    assert_eq!(findings, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to the bytes of a segment or an initialisation segment: read in bounds, never a panic.
    #[test]
    fn no_harm_to_bytes_panics(which in any::<prop::sample::Index>(), harms in prop::collection::vec(hostile_tests::harm(), 1..6)) {
        let files = clean();
        let media: Vec<&String> = files.keys().filter(|p| p.ends_with(".mp4") || p.ends_with(".m4s")).collect();
        let path = (*which.get(&media)).clone();
        let mut bytes = files[&path].clone();
        harms.iter().for_each(|harm| hostile_tests::apply(&mut bytes, harm));
        let track = path.split('/').next().unwrap_or_default();
        let own = inspect::init(&files[&format!("{track}/init.mp4")]).expect("reads");
        let mut ledger = Ledger::default();
        if let Ok(init) = inspect::init(&bytes) {
            coded::check(&Place::track(track), &init, &mut ledger);
            if let Ok(facts) = inspect::segment(&files[&segment(track, 0)], Some(&init)) {
                coded::segment(&Place::track(track), &init, &facts, &mut ledger);
            }
        }
        if let Ok(facts) = inspect::segment(&bytes, Some(&own)) {
            prop_assert!(facts.sets.len() <= 64 && facts.findings.len() <= 65);
            coded::segment(&Place::track(track), &own, &facts, &mut ledger);
        }
        prop_assert!(ledger.finish().1.len() <= 1000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens to any file of the tree: a report, never a panic.
    #[test]
    fn no_harm_to_any_file_panics(harms in prop::collection::vec((any::<prop::sample::Index>(), hostile_tests::harm()), 1..6), decode in prop::bool::weighted(0.3)) {
        let mut files = clean();
        let paths: Vec<String> = files.keys().cloned().collect();
        for (which, harm) in &harms {
            hostile_tests::apply(files.get_mut(which.get(&paths)).expect("is there"), harm);
        }
        let report = run(write(&files).path(), None, Options { decode, ..Options::default() }).expect("still a tree");
        prop_assert_eq!(report.clean, report.errors() == 0);
        let _ = (report.to_string(), report.to_json());
    }
}

//! Twins: equal, overlapping, marked, and not twins at all.

use super::test_kit::*;
use super::*;
use crate::frame::End;

fn compare(a: &Files, b: &Files) -> Report {
    let (a, b) = (write(a), write(b));
    run(a.path(), Some(b.path()), Options { decode: false, ..Options::default() }).expect("are trees")
}

fn twin(report: &Report) -> &TwinReport {
    report.against.as_ref().expect("was asked for")
}

#[test]
fn a_late_joiner_that_leaves_early_is_interchangeable() {
    let all = good(&Recipe::default());
    let some = good(&Recipe { skip: 1, end: End::Leaving, ..Recipe::default() });
    let report = compare(&all, &some);
    let twin = twin(&report);
    assert!(report.clean && twin.interchangeable, "{report}");
    // Two whole slots of three tracks are in both; the first, and the short last, are in one.
    assert_eq!((twin.common, twin.identical, twin.only_target, twin.only_other), (6, 6, 6, 0));
}

#[test]
fn other_bytes_are_found_with_their_box() {
    let a = good(&Recipe::default());
    let mut b = a.clone();
    let path = format!("avc-90p/{}.m4s", FIRST + 2);
    let bytes = b.get_mut(&path).expect("is there");
    let at = find(bytes, b"mdat") + 8 + 100;
    bytes[at] ^= 1;
    let report = compare(&a, &b);
    assert!(!twin(&report).interchangeable && !report.clean);
    assert_eq!(twin(&report).first_difference.as_deref(), Some(format!("{path} mdat byte 100 (byte {at})").as_str()));
}

#[test]
fn a_mark_excuses_bytes_but_never_times() {
    let a = good(&Recipe::default());
    let marked = good(&Recipe { marked: vec![FIRST + 1], ..Recipe::default() });
    let report = compare(&a, &marked);
    assert!(twin(&report).interchangeable && report.clean, "{report}");
    assert_eq!((twin(&report).identical, twin(&report).excused), (9, 3));

    let mut late = marked.clone();
    let path = format!("avc-90p/{}.m4s", FIRST + 1);
    let bytes = late.get_mut(&path).expect("is there");
    let at = find(bytes, b"tfdt") + 19;
    bytes[at] ^= 0x10;
    let report = compare(&a, &late);
    assert!(!twin(&report).interchangeable);
    assert!(report.findings.iter().any(|f| f.line == TWIN && f.text.starts_with("tfdt is ")), "{report}");
    assert!(report.findings.iter().any(|f| f.line == TWIN && f.text.contains("where that one ends")), "{report}");
}

#[test]
fn another_class_init_or_track_is_no_twin() {
    let a = good(&Recipe::default());
    let other = compare(&a, &good(&Recipe { class: "ffff0000", ..Recipe::default() }));
    assert!(!twin(&other).interchangeable);
    assert!(twin(&other).verdict.contains("the classes differ"), "{}", twin(&other).verdict);

    let mut b = a.clone();
    let bytes = b.get_mut("aac-2/init.mp4").expect("is there");
    let at = find(bytes, b"mdhd") + 29;
    bytes[at] ^= 1;
    let init = compare(&a, &b);
    let first = twin(&init).first_difference.clone().unwrap_or_default();
    assert_eq!(first, format!("aac-2/init.mp4 moov/trak/mdia/mdhd byte 21 (byte {at})"));

    let mut fewer = a.clone();
    fewer.retain(|path, _| !path.starts_with("avc-90p/"));
    assert!(!twin(&compare(&a, &fewer)).interchangeable);
}

#[test]
fn a_shifted_grid_is_no_twin() {
    let report = compare(&good(&Recipe::default()), &good(&Recipe { first: FIRST + 1, ..Recipe::default() }));
    assert!(!twin(&report).interchangeable, "the same pictures a slot later are other segments");
}

#[test]
fn a_broken_file_on_either_side_is_a_difference() {
    let a = good(&Recipe::default());
    let mut b = a.clone();
    b.get_mut(&format!("avc-90p/{}.m4s", FIRST + 1)).expect("is there").truncate(3000);
    for (report, side) in [(compare(&a, &b), "other tree"), (compare(&b, &a), "target")] {
        assert!(!twin(&report).interchangeable, "{report}");
        assert!(report.findings.iter().any(|f| f.line == TWIN && f.text.starts_with(&format!("the boxes in the {side} cannot be read"))), "{report}");
    }
}

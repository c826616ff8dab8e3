//! Every kind of damage to a segment is either told, or makes it unreadable; and nothing panics.

use super::*;
use crate::mux::Chunking;
use crate::mux::marks::Marks;
use crate::mux::test_kit::{ASC, audio, avcc, gop, grid, plain, rendition, video};
use crate::mux::{init as write_init, segment as write_segment};
use crate::time::GopId;
use std::ops::Range;

const NUMBER: GopId = GopId(850_000_000);

/// A segment of pictures (in coding order) or of sound, sound in itself, with the facts of its initialisation segment.
fn written(pictures: bool, chunk: Option<u32>) -> (Vec<u8>, InitFacts) {
    let grid = grid(25, 1, 12);
    let track = if pictures { video(0, rendition("v", 640, 360, 2_000_000, grid), avcc()) } else { audio(0, "a", 128_000, grid, "eng", ASC.to_vec()) };
    let packets = if pictures { gop(&track, NUMBER, &[0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 11, 10], &[50, 20]) } else { plain(&track, NUMBER) };
    let bytes = write_segment(&track, NUMBER, &packets, &Marks::default(), false, chunk.map(|slots| Chunking { slots, prft: false })).expect("is sound");
    let init = init(&write_init(&track, "c").expect("is sound")).expect("is sound");
    assert_eq!(segment(&bytes, Some(&init)).expect("is sound").findings, []);
    (bytes, init)
}

/// Whether anything is told of `bytes`.
fn told(bytes: &[u8], init: &InitFacts) -> bool {
    segment(bytes, Some(init)).map_or(true, |facts| !facts.findings.is_empty())
}

/// Where damage cannot be told by reading one segment, and why.
fn silent_places(bytes: &[u8]) -> Vec<(Range<usize>, &'static str)> {
    let mut places = vec![];
    // The first styp has three brands, that of a further chunk one; without it, a chunk is one all the same.
    const STYP: usize = 4 + 4 + 4 + 4 * 3;
    let later = bytes.windows(4).enumerate().filter(|(_, w)| w == b"styp").skip(1).map(|(at, _)| at..at + 4 + 4 + 4 + 4);
    let later: Vec<_> = later.map(|range| (range, "a chunk's brands")).collect();
    let mut each = |kind: &[u8; 4], range: Range<usize>, why: &'static str| {
        for (at, _) in bytes.windows(4).enumerate().filter(|(at, w)| w == kind && !later.iter().any(|(range, _)| range.start == *at)) {
            places.push((at + range.start..at + range.end, why));
        }
    };
    each(b"styp", 4..STYP, "brands: one that is allowed, or unknown, may take another's place; the minor version means nothing");
    each(b"uuid", 0..39, "the marks: what they say cannot be known otherwise, and a box that is no longer theirs is skipped");
    each(b"prft", 8..12, "the track that it refers to");
    each(b"mfhd", 4..12, "version and flags; the number of a lone chunk, or one that grows by more than one");
    each(b"tfhd", 4..7, "version, and flags that say that there are no samples or are reserved: which fields there are is in the last byte");
    each(b"tfhd", 8..12, "the track's id");
    each(b"tfhd", 16..20, "flags of samples, all but the one of sync samples: hints");
    each(b"tfdt", 5..8, "flags that are reserved");
    each(b"trun", 5..6, "flags that are reserved");
    each(b"trun", 16..20, "flags of the first sample, all but the one of sync samples: hints");
    places.extend(later);
    places
}

/// Each byte of every box, with each bit turned: told, or listed above.
#[test]
fn no_byte_of_a_box_changes_untold() {
    for (pictures, chunk) in [(true, None), (true, Some(6)), (false, None)] {
        let (bytes, init) = written(pictures, chunk);
        let facts = segment(&bytes, Some(&init)).expect("is sound");
        let inside = |at: usize| facts.chunks.iter().any(|chunk| chunk.mdat.contains(&at));
        let mut silent = silent_places(&bytes);
        if !pictures {
            let at = |kind: &[u8; 4]| bytes.windows(4).position(|w| w == kind).expect("is there");
            silent.push((at(b"tfhd") + 12..at(b"tfhd") + 16, "how long a frame of sound is: the muxer knows, and compares"));
            silent.push((at(b"tfhd") + 7..at(b"tfhd") + 8, "which defaults there are: without flags, all samples are of sync as well"));
            silent.push((at(b"trun") + 4..at(b"trun") + 5, "the version, which says how offsets are read: there are none"));
        }
        let mut untold = Vec::new();
        for at in (0..bytes.len()).filter(|at| !inside(*at) && !silent.iter().any(|(range, _)| range.contains(at))) {
            for bit in 0..8 {
                let mut hit = bytes.clone();
                hit[at] ^= 1 << bit;
                if !told(&hit, &init) && !reserved(&bytes, at, 1 << bit) {
                    untold.push((at, bit));
                }
            }
        }
        let names: Vec<String> =
            untold.iter().map(|(at, bit)| format!("byte {at} bit {bit}, {} after {:?}", at - box_at(&bytes, *at).0, box_at(&bytes, *at).1)).collect();
        assert!(names.is_empty(), "pictures {pictures}, chunk {chunk:?}:\n{}", names.join("\n"));
    }
}

/// Flags that nothing is defined for, beside those that are, in the same byte.
fn reserved(bytes: &[u8], at: usize, bit: u8) -> bool {
    let (place, kind) = box_at(bytes, at);
    match (kind.as_str(), at - place) {
        ("tfhd", 7) => bit & 0x3b == 0,
        ("trun", 6) => bit & 0x0f == 0,
        ("trun", 7) => bit & 0x05 == 0,
        _ => false,
    }
}

/// The box type that is last before `at`.
fn box_at(bytes: &[u8], at: usize) -> (usize, String) {
    let kinds: [&[u8; 4]; 9] = [b"styp", b"uuid", b"prft", b"moof", b"mfhd", b"traf", b"tfhd", b"tfdt", b"trun"];
    let found = (0..=at).rev().find(|i| bytes.get(*i..i + 4).is_some_and(|w| kinds.iter().any(|k| w == *k)));
    found.map_or((0, String::new()), |i| (i, String::from_utf8_lossy(&bytes[i..i + 4]).into_owned()))
}

/// The bit that the list above leaves out with its neighbours.
#[test]
fn the_flag_of_sync_samples_is_told() {
    for (pictures, kind, n) in [(true, b"trun", 17), (true, b"tfhd", 17), (false, b"tfhd", 17)] {
        let (mut bytes, init) = written(pictures, None);
        let at = bytes.windows(4).position(|w| w == kind).expect("is there") + n;
        bytes[at] ^= 1;
        assert!(told(&bytes, &init), "pictures {pictures}, {}", String::from_utf8_lossy(kind));
    }
}

/// Cut off anywhere, a byte too many or too few anywhere, halves in the wrong order: told.
#[test]
fn what_is_lost_added_or_moved_is_told() {
    for (pictures, chunk) in [(true, None), (true, Some(6)), (false, None)] {
        let (bytes, init) = written(pictures, chunk);
        // Behind a whole chunk a segment may end: how many there are to be is the muxer's to know.
        let facts = segment(&bytes, Some(&init)).expect("is sound");
        let ends: Vec<usize> = facts.chunks.iter().map(|c| c.mdat.end).collect();
        for at in 0..bytes.len() {
            let cut = &bytes[..at];
            assert!(ends.contains(&at) || at > ends[0] && is_box_edge(&bytes, at) || told(cut, &init), "cut at {at} of {}", bytes.len());
            let inside = |at: usize| facts.samples().any(|s| at > s.offset && at < s.offset + s.size as usize);
            let mut more = bytes.clone();
            more.insert(at, 0x55);
            let mut less = bytes.clone();
            less.remove(at);
            assert!(told(&more, &init), "a byte more at {at}");
            assert!(told(&less, &init), "a byte less at {at}{}", if inside(at) { ", in a sample" } else { "" });
        }
        assert!(told(&[&bytes[..], &bytes[..]].concat(), &init), "twice");
    }
}

/// Whether a box begins at `at`, right behind a chunk.
fn is_box_edge(bytes: &[u8], at: usize) -> bool {
    [b"styp", b"prft", b"moof"].iter().any(|kind| bytes.get(at + 4..at + 8) == Some(&kind[..]))
}

/// What is in `mdat` is the codec's; the structure of its samples is told, and their first picture's kind.
#[test]
fn damage_to_the_frame_of_a_picture_is_told() {
    let (bytes, init) = written(true, None);
    let facts = segment(&bytes, Some(&init)).expect("is sound");
    for sample in facts.samples() {
        for at in sample.offset..sample.offset + 4 {
            for bit in 0..8 {
                let mut hit = bytes.clone();
                hit[at] ^= 1 << bit;
                assert!(told(&hit, &init), "the length of a unit, byte {at} bit {bit}");
            }
        }
    }
    let first = facts.samples().next().expect("there is one").offset + 4;
    for kind in (0..32).filter(|kind| *kind != 5) {
        let mut hit = bytes.clone();
        hit[first] = hit[first] & 0xe0 | kind;
        assert!(segment(&hit, Some(&init)).map_or(true, |facts| facts.findings.iter().any(|f| f.undecodable())), "a first unit of type {kind}");
    }
}

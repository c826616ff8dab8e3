use super::*;
use crate::mux::marks::Marks;
use crate::mux::test_kit::{ASC, audio, avcc, gop, grid, plain, rendition, video};
use crate::mux::{TrackSpec, init as write_init, segment as write_segment};
use crate::time::GopId;
use proptest::prelude::*;

fn tracks() -> [TrackSpec; 2] {
    let grid = grid(25, 1, 12);
    [video(0, rendition("v", 640, 360, 2_000_000, grid), avcc()), audio(0, "a", 128_000, grid, "eng", ASC.to_vec())]
}

fn written(chunk: Option<u32>) -> (Vec<u8>, InitFacts) {
    let track = &tracks()[0];
    let order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 11, 10];
    let bytes = write_segment(
        track,
        GopId(850_000_000),
        &gop(track, GopId(850_000_000), &order, &[50, 20]),
        &Marks::default(),
        false,
        chunk.map(|slots| crate::mux::Chunking { slots, prft: true }),
    )
    .expect("is sound");
    (bytes, init(&write_init(track, "c").expect("is sound")).expect("is sound"))
}

fn position(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|w| w == what).expect("is there")
}

/// Every rule finds what breaks it: a sound segment, with one thing changed.
#[test]
fn each_rule_fires() {
    let codes = |change: &dyn Fn(&mut Vec<u8>)| {
        let (mut bytes, init) = written(Some(6));
        change(&mut bytes);
        let mut codes: Vec<Code> = segment(&bytes, Some(&init)).expect("is sound").findings.into_iter().map(|f| f.code).collect();
        codes.dedup();
        codes
    };
    // Place of a byte, counted from the type of the first box of this kind.
    let at = |bytes: &[u8], kind: &[u8], n: usize| position(bytes, kind) + n;
    assert!(codes(&|_| ()).is_empty());
    // Brands: major at 8, the compatible ones from 16 on.
    assert_eq!(codes(&|b| [8, 20, 24].into_iter().for_each(|i| b[i] = b'x')), [Code::Brands]);
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"tfdt", 15);
            b[i] ^= 1
        }),
        [Code::Prft, Code::TfdtBreak]
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"tfdt", 8);
            b[i] = 0x20
        })[..1],
        [Code::TfdtRange]
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"prft", 7);
            b[i] = 0
        }),
        [Code::Prft]
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"prft", 19);
            b[i] ^= 1
        }),
        [Code::Prft]
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"prft", 0);
            b[i] = b'x'
        }),
        [Code::Prft]
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"mfhd", 11);
            b[i] += 2
        }),
        [Code::Sequence]
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"tfhd", 5);
            b[i] = 0
        }),
        [Code::BaseIsMoof]
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"trun", 4);
            b[i] = 0
        })[..1],
        [Code::Offsets]
    );
    assert!(
        codes(&|b| {
            let i = at(b, b"trun", 15);
            b[i] -= 1
        })
        .contains(&Code::MdatLayout)
    );
    // First sample flags; the size of the first sample; the composition offset of the second.
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"trun", 17);
            b[i] = 1
        }),
        [Code::NotIdrFirst, Code::SyncFlag]
    );
    assert!(
        codes(&|b| {
            let i = at(b, b"trun", 23);
            b[i] -= 1
        })
        .contains(&Code::MdatLayout)
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"trun", 35);
            b[i] ^= 1
        }),
        [Code::Samples]
    );
    // NAL unit: its length, its type (not an IDR; a parameter set).
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"mdat", 7);
            b[i] += 1
        })[..1],
        [Code::NalLengths]
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"mdat", 8);
            b[i] = 0x41
        }),
        [Code::NotIdrFirst, Code::SyncFlag]
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"mdat", 8 + 54);
            b[i] = 0x65
        }),
        [Code::IdrInside, Code::SyncFlag]
    );
    assert_eq!(
        codes(&|b| {
            let i = at(b, b"mdat", 8 + 54);
            b[i] = 0x67
        }),
        [Code::InBand]
    );
}

#[test]
fn rules_of_the_initialisation_segment_fire() {
    let codes = |track: usize, kind: &[u8], n: usize, value: u8| {
        let mut bytes = write_init(&tracks()[track], "c").expect("is sound");
        let at = position(&bytes, kind) + n;
        bytes[at] = value;
        init(&bytes).map(|facts| facts.findings.into_iter().map(|f| f.code).collect::<Vec<_>>()).map_err(|e| e.to_string())
    };
    assert_eq!(codes(0, b"colr", 0, b'x'), Ok(vec![Code::SampleEntry]));
    assert_eq!(codes(0, b"pasp", 0, b'x'), Ok(vec![Code::SampleEntry]));
    assert_eq!(codes(0, b"btrt", 0, b'x'), Ok(vec![Code::SampleEntry]));
    assert_eq!(codes(1, b"mdhd", 25, 1), Ok(vec![Code::Timescale]));
    assert!(codes(0, b"mvex", 0, b'x').is_err_and(|e| e.ends_with("mvex is missing in moov")));
    assert!(codes(1, b"esds", 8, 9).is_err_and(|e| e.ends_with("descriptor tag is 9; 3, then 4, then 5 is accepted")));
}

#[test]
fn what_is_no_segment_says_where() {
    let (bytes, facts) = written(None);
    let error = |bytes: &[u8]| segment(bytes, Some(&facts)).expect_err("is refused").to_string();
    assert_eq!(error(&[]), "byte 0: moof is missing in the segment");
    assert_eq!(
        error(&bytes[..bytes.len() - 1]),
        format!("byte {}: box mdat says {} bytes, {} are left", position(&bytes, b"mdat") - 4, 12 * 4 + 6 * 70 + 8, 12 * 4 + 6 * 70 + 7)
    );
    let mut many = bytes.clone();
    let at = position(&bytes, b"trun") + 8;
    many[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(error(&many), format!("byte {at}: too many samples; at most 65536 are accepted"));
    assert_eq!(init(&bytes).expect_err("is refused").to_string(), "byte 0: ftyp is missing in the segment");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Bytes that were hit anywhere, by anything, are read or refused; never a panic.
    #[test]
    fn hostile_bytes(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(0xff)]), 1..12),
        cut in proptest::option::of(any::<prop::sample::Index>()), track in 0usize..2, chunk in proptest::option::of(1u32..6)
    ) {
        let track = &tracks()[track];
        let header = write_init(track, "c").expect("is sound");
        let sound = init(&header).expect("is sound");
        let body = write_segment(track, GopId(7), &plain(track, GopId(7)), &Marks::default(), false, chunk.map(|slots| crate::mux::Chunking { slots, prft: true })).expect("is sound");
        for mut bytes in [header, body] {
            for (place, value) in &hits {
                let i = place.index(bytes.len());
                bytes[i] = *value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let facts = init(&bytes).unwrap_or_else(|_| sound.clone());
            if let Ok(read) = segment(&bytes, Some(&facts)) {
                // What is read lies within what was given.
                prop_assert!(read.samples().all(|s| s.nals.is_empty() || s.offset + s.size as usize <= bytes.len()));
                let _ = (read.duration(), read.idrs());
            }
        }
    }

    #[test]
    fn noise(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (init(&bytes), segment(&bytes, None));
    }
}

//! Fragments, from packets made up: what is added, that a chunk alone is the same as within its segment, and that nothing goes out clear.

use super::boxes::Defaults;
use super::cipher::{self, ONE_IN_TEN, Scheme, Vector};
use super::key::{Key, KeyId};
use super::ranges::Ranges;
use super::segment::{Lock, protect};
use super::{init, iv};
use crate::inspect::{self, Code, InitFacts};
use crate::mux::test_kit::{ASC, audio, grid, plain};
use crate::mux::{self, Chunking, Marks, TrackSpec};
use crate::time::GopId;
use proptest::prelude::*;

const GOP: GopId = GopId(850_000_000);
const CUT: Chunking = Chunking { slots: 10, prft: true };

fn sound() -> TrackSpec {
    audio(3, "a", 96_000, grid(25, 1, 50), "eng", ASC.to_vec())
}

fn defaults(scheme: Scheme) -> Defaults {
    let id = KeyId([0x42; 16]);
    Defaults { scheme, pattern: (0, 0), id, constant: iv::constant(id) }
}

fn lock<'a>(scheme: Scheme, key: &'a Key, rotates: bool, pssh: &'a [u8]) -> Lock<'a> {
    Lock { track: "a", place: 3, unit_ticks: 1024, key, defaults: defaults(scheme), rotates, pssh }
}

/// The encrypted initialisation segment of a track, and it read back.
fn locked_init(track: &TrackSpec, scheme: Scheme) -> InitFacts {
    let clear = mux::init(track, "0123abcd").expect("an init");
    let bytes = init::protect("a", &clear, false, &defaults(scheme), &super::boxes::pssh([9; 16], &[], b"data")).expect("protected");
    let facts = inspect::init(&bytes).expect("reads");
    let open = inspect::init(&clear).expect("reads");
    assert_eq!((facts.entry, &facts.codecs, &facts.media), (open.entry, &open.codecs, &open.media), "what it would be without is all there");
    let protected = facts.protected.clone().expect("protected");
    assert_eq!((protected.scheme, protected.id, protected.systems), (scheme.kind(), [0x42; 16], vec![[9; 16]]));
    facts
}

#[test]
fn a_segment_is_encrypted_whole_and_says_how() {
    let (track, key) = (sound(), Key::new([0x77; 16]));
    let packets = plain(&track, GOP);
    let clear = mux::segment(&track, GOP, &packets, &Marks::default(), false, Some(CUT)).expect("a segment");
    for (scheme, rotates) in [(Scheme::Cbcs, false), (Scheme::Cenc, false), (Scheme::Cbcs, true), (Scheme::Cenc, true)] {
        let init = locked_init(&track, scheme);
        let made = protect(&lock(scheme, &key, rotates, if rotates { &[0, 0, 0, 8, b'f', b'r', b'e', b'e'] } else { &[] }), &clear, &mut Ranges::Whole)
            .expect("protected");
        let (facts, open) = (inspect::segment(&made, Some(&init)).expect("reads"), inspect::segment(&clear, None).expect("reads"));
        assert_eq!(facts.findings, [], "{scheme:?}");
        assert_eq!(facts.chunks.iter().map(|c| c.encryption.group.is_some()).collect::<Vec<_>>(), vec![rotates; open.chunks.len()]);
        let first = u64::try_from(track.first_unit(GOP)).expect("not negative");
        for (i, (sample, was)) in facts.samples().zip(open.samples()).enumerate() {
            let was = &clear[was.offset..was.offset + was.size as usize];
            let mut bytes = made[sample.offset..sample.offset + sample.size as usize].to_vec();
            assert!(was.len() < 16 || bytes != was, "sample {i} is clear");
            let vector = match scheme {
                Scheme::Cenc => Vector::Counter(iv::counter(&key, 3, first + i as u64, was).expect("in range")),
                Scheme::Cbcs => Vector::Constant(iv::constant(KeyId([0x42; 16])), (0, 0)),
            };
            cipher::decrypt(&key, vector, &mut bytes, &[]);
            assert_eq!(bytes, was);
        }
    }
}

/// Where each chunk of a segment begins: the first with it, the others at their `styp`.
fn chunks(segment: &[u8]) -> Vec<&[u8]> {
    let facts = inspect::segment(segment, None).expect("reads");
    let mut begin = 0;
    let ends = facts.chunks.iter().map(|c| c.mdat.end);
    ends.map(|end| &segment[std::mem::replace(&mut begin, end)..end]).collect()
}

#[test]
fn a_chunk_alone_is_the_same_as_within_its_segment() {
    let (track, key) = (sound(), Key::new([0x77; 16]));
    let clear = mux::segment(&track, GOP, &plain(&track, GOP), &Marks::default(), false, Some(CUT)).expect("a segment");
    for scheme in [Scheme::Cbcs, Scheme::Cenc] {
        let whole = protect(&lock(scheme, &key, true, &[]), &clear, &mut Ranges::Whole).expect("protected");
        let parts: Vec<u8> =
            chunks(&clear).into_iter().flat_map(|chunk| protect(&lock(scheme, &key, true, &[]), chunk, &mut Ranges::Whole).expect("protected")).collect();
        assert!(parts == whole);
    }
}

#[test]
fn what_says_less_than_the_samples_need_is_found() {
    let (track, key) = (sound(), Key::new([0x77; 16]));
    let clear = mux::segment(&track, GOP, &plain(&track, GOP), &Marks::default(), false, None).expect("a segment");
    let init = locked_init(&track, Scheme::Cenc);
    let good = protect(&lock(Scheme::Cenc, &key, false, &[]), &clear, &mut Ranges::Whole).expect("protected");
    let at = |kind: &[u8; 4]| good.windows(4).position(|w| w == kind).expect("is there");
    let broken = |place: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[place..place + with.len()].copy_from_slice(with);
        let findings = inspect::segment(&bytes, Some(&init)).expect("reads").findings;
        findings.into_iter().filter(|f| f.code == Code::Encryption).count()
    };
    assert_eq!(broken(0, &[]), 0);
    assert_eq!(broken(at(b"senc"), b"free"), 1, "no senc");
    assert_eq!(broken(at(b"saio") + 12, &7u32.to_be_bytes()), 1, "saio elsewhere");
    assert_eq!(broken(at(b"saiz") + 8, &[9]), 1, "another size");
    // Encrypted as it is, the clear initialisation segment does not go with it; nor a clear segment with the encrypted one.
    let open = inspect::init(&mux::init(&track, "0123abcd").expect("an init")).expect("reads");
    let count =
        |bytes: &[u8], init: &InitFacts| inspect::segment(bytes, Some(init)).expect("reads").findings.iter().filter(|f| f.code == Code::Encryption).count();
    assert_eq!((count(&good, &open), count(&clear, &init)), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No reader of slices, frames and fragments panics, or hands out what it did not understand.
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), sets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..3)) {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let mut all = vec![Ranges::Av1(Box::default())];
        all.extend(super::nal::Avc::new(&sets).ok().map(Ranges::Avc));
        all.extend(super::nal::Hevc::new(&sets).ok().map(Ranges::Hevc));
        for mut ranges in all {
            for scheme in [Scheme::Cbcs, Scheme::Cenc] {
                if let Ok(map) = ranges.of(&bytes, scheme) {
                    let sum: u64 = map.iter().map(|r| u64::from(r.clear) + u64::from(r.protected)).sum();
                    prop_assert_eq!(sum, bytes.len() as u64);
                }
            }
        }
        std::panic::set_hook(hook);
        let key = Key::new([1; 16]);
        let mut lock = lock(Scheme::Cbcs, &key, false, &[]);
        lock.defaults.pattern = ONE_IN_TEN;
        prop_assert!(protect(&lock, &bytes, &mut Ranges::Whole).is_err());
    }
}

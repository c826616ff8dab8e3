use super::test_kit::{ASC, audio, avcc, gop, grid, plain, rendition, video};
use super::*;
use crate::encode::Packet;
use crate::inspect::{self, Code, Media};
use crate::time::{Grid, Rate};
use proptest::prelude::*;

const RATES: [(u32, u32); 8] = [(24_000, 1001), (24, 1), (25, 1), (30_000, 1001), (30, 1), (50, 1), (60_000, 1001), (60, 1)];

fn marks() -> Marks {
    Marks { class: "0123abcd".into(), repeats: 3, fillers: 0, damaged: 2, fallback: 1, path: 255 }
}

/// Every other size of a chunk says its time.
fn chunking(slots: Option<u32>) -> Option<Chunking> {
    slots.map(|slots| Chunking { slots, prft: slots % 2 == 1 })
}

fn any_grid() -> impl Strategy<Value = Grid> {
    (0..RATES.len(), 2u32..130).prop_map(|(i, gop_slots)| grid(RATES[i].0, RATES[i].1, gop_slots))
}

/// A coding order: the IDR, then groups of pictures each led by its last one.
fn any_order(slots: u32) -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(1u32..6, 1..slots as usize + 1).prop_map(move |groups| {
        let (mut order, mut at) = (vec![0], 1);
        for group in groups.into_iter().cycle() {
            if at >= slots {
                break;
            }
            let end = (at + group).min(slots);
            order.push(end - 1);
            order.extend(at..end - 1);
            at = end;
        }
        order
    })
}

fn any_gop() -> impl Strategy<Value = (Grid, Vec<u32>, Vec<usize>)> {
    any_grid().prop_flat_map(|grid| (Just(grid), any_order(grid.gop_slots), proptest::collection::vec(1usize..3000, 1..20)))
}

proptest! {
    /// What is written is what is read, and breaks no rule: any structure, any rate, any size, chunked or not, whole or cut short.
    #[test]
    fn video_reads_back(
        (grid, mut order, sizes) in any_gop(), k in 0i64..1_000_000_000, chunk in proptest::option::of(1u32..140), cut in 0usize..3, last: bool, fillers in 0u32..2
    ) {
        // The end of an event cuts in presentation order: leave out the last slots.
        let whole = order.len();
        order.retain(|slot| (*slot as usize) < whole - cut.min(whole - 1));
        let track = video(0, rendition("v", 640, 360, 2_000_000, grid), avcc());
        let packets = gop(&track, GopId(k), &order, &sizes);
        let init = inspect::init(&init(&track, "c").expect("is sound")).expect("is sound");
        let bytes = segment(&track, GopId(k), &packets, &Marks { fillers, ..marks() }, last, chunking(chunk)).expect("is sound");
        let facts = inspect::segment(&bytes, Some(&init)).expect("is sound");
        prop_assert_eq!(&facts.findings, &vec![]);
        prop_assert_eq!(facts.marks.clone(), Some(Marks { fillers, ..marks() }));
        // Of marks that are known at the end only, the last chunk speaks.
        let behind = |brand| facts.chunks.iter().map(|c| c.brands.contains(brand)).collect::<Vec<_>>();
        let at_end = |is: bool| (0..facts.chunks.len()).map(|i| is && i + 1 == facts.chunks.len()).collect::<Vec<_>>();
        prop_assert_eq!(behind(b"lmsg"), at_end(last));
        prop_assert_eq!(behind(b"slat"), at_end(fillers > 0));
        prop_assert_eq!(facts.chunks.iter().skip(1).all(|c| c.prft.is_some()), facts.chunks.len() == 1 || chunk.is_some_and(|n| n % 2 == 1));
        let ticks = i64::from(grid.slot_ticks());
        prop_assert_eq!(facts.tfdt() as i64, k * i64::from(grid.gop_slots) * ticks);
        prop_assert_eq!(facts.duration() as i64, packets.len() as i64 * ticks);
        let mut decode = facts.tfdt() as i64;
        let read: Vec<Packet> = facts.samples().map(|s| {
            let time = (decode + s.cts) / ticks;
            decode += i64::from(s.duration);
            Packet { time, idr: s.sync(), data: bytes[s.offset..s.offset + s.size as usize].to_vec() }
        }).collect();
        prop_assert_eq!(read, packets);
        let chunks = chunk.map_or(1, |n| order.len().div_ceil(n as usize));
        prop_assert_eq!(facts.chunks.len(), chunks);
        prop_assert_eq!(facts.chunks.iter().map(|c| c.brands.contains(b"cmfl")).collect::<Vec<_>>(), (0..chunks).map(|i| i > 0).collect::<Vec<_>>());
        let payload: usize = order.iter().enumerate().map(|(i, _)| 4 + sizes[i % sizes.len()]).sum();
        prop_assert!((bytes.len() - payload) as u64 <= fragment::overhead(&track, chunking(chunk)));
    }

    /// The same for audio.
    #[test]
    fn audio_reads_back(grid in any_grid(), k in 0i64..1_000_000_000, chunk in proptest::option::of(1u32..140), sizes in proptest::collection::vec(1usize..900, 1..20)) {
        let track = audio(0, "a", 128_000, grid, "eng", ASC.to_vec());
        let id = GopId(k);
        prop_assume!(track.units(id) > 0);
        let packets = gop(&track, id, &(0..track.units(id)).collect::<Vec<_>>(), &sizes);
        let init = inspect::init(&init(&track, "c").expect("is sound")).expect("is sound");
        let bytes = segment(&track, id, &packets, &marks(), false, chunking(chunk)).expect("is sound");
        let facts = inspect::segment(&bytes, Some(&init)).expect("is sound");
        prop_assert_eq!(&facts.findings, &vec![]);
        prop_assert_eq!(facts.tfdt(), track.first_unit(id) as u64 * 1024);
        let read: Vec<Vec<u8>> = facts.samples().map(|s| bytes[s.offset..s.offset + s.size as usize].to_vec()).collect();
        prop_assert_eq!(read, packets.iter().map(|p| p.data.clone()).collect::<Vec<_>>());
        let payload: usize = packets.iter().map(|p| p.data.len()).sum();
        prop_assert!((bytes.len() - payload) as u64 <= fragment::overhead(&track, chunking(chunk)));
    }

    /// Every segment begins where the one before it ended, audio and video, at the size of epoch numbers.
    #[test]
    fn segments_follow_one_another(grid in any_grid(), k in 0i64..1_000_000_000) {
        for track in [video(0, rendition("v", 640, 360, 2_000_000, grid), avcc()), audio(0, "a", 128_000, grid, "und", ASC.to_vec())] {
            let mut next = None;
            for k in k..k + 20 {
                prop_assume!(track.units(GopId(k)) > 0);
                let bytes = segment(&track, GopId(k), &plain(&track, GopId(k)), &marks(), false, None).expect("is sound");
                let facts = inspect::segment(&bytes, None).expect("is sound");
                prop_assert!(next.is_none_or(|next| next == facts.tfdt()), "{next:?} {}", facts.tfdt());
                next = Some(facts.tfdt() + facts.duration());
            }
        }
    }
}

/// Conformance 32: over 24 hours every boundary is within one frame of k x d, and nothing accumulates; read from the bytes.
#[test]
fn a_day_without_drift() {
    for (num, slots) in [(30_000, 60), (60_000, 120)] {
        let grid = grid(num, 1001, slots);
        let sound = audio(0, "a", 128_000, grid, "und", ASC.to_vec());
        let picture = video(0, rendition("v", 64, 36, 100_000, grid), avcc());
        let start = 850_000_000i64;
        let day = 86_400 * 1000 / 2002 + 1;
        let mut next = [None, None];
        for k in (start..start + day).map(GopId) {
            for (track, next) in [&picture, &sound].into_iter().zip(&mut next) {
                let bytes = segment(track, k, &plain(track, k), &marks(), false, None).expect("is sound");
                let facts = inspect::segment(&bytes, None).expect("is sound");
                assert!(next.is_none_or(|next| next == facts.tfdt()));
                *next = Some(facts.tfdt() + facts.duration());
                // Exact: tfdt - k x d, in units of 1 / (timescale x 1000).
                let off = i128::from(facts.tfdt()) * 1000 - i128::from(k.0) * 2002 * i128::from(track.timescale());
                let frame = if track.name == "a" { 1024 * 1000 } else { 1 };
                assert!((0..frame).contains(&off), "{} {k}: {off}", track.name);
            }
        }
    }
}

#[test]
fn init_reads_back() {
    let grid = grid(30_000, 1001, 60);
    let track = video(0, rendition("v", 1280, 720, 3_000_000, grid), avcc());
    let facts = inspect::init(&init(&track, "0123abcd").expect("is sound")).expect("is sound");
    assert_eq!(facts.findings, vec![]);
    assert_eq!(
        (facts.timescale, facts.codecs.as_str(), &facts.entry, facts.btrt, facts.edit_list),
        (30_000, "avc1.64001f", b"avc1", Some((3_000_000, 3_300_000)), false)
    );
    assert_eq!(facts.class.as_deref(), Some("0123abcd"));
    assert_eq!(facts.brands, [b"cmfc", b"iso6", b"cmfc", b"cmf2", b"cfhd"].map(|b| *b));
    let colour = Some(inspect::Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false });
    let Media::Video { width, height, colour: read, pasp, nal_length, parameter_sets, .. } = facts.media else { panic!("not video") };
    assert_eq!((width, height, read, pasp, nal_length, parameter_sets.len()), (1280, 720, colour, Some((1, 1)), Some(4), 2));

    let track = audio(0, "a", 128_000, grid, "deu", ASC.to_vec());
    let facts = inspect::init(&init(&track, "0123abcd").expect("is sound")).expect("is sound");
    assert_eq!(facts.findings, vec![]);
    assert_eq!((facts.timescale, facts.codecs.as_str(), facts.language.as_str(), facts.btrt), (48_000, "mp4a.40.2", "deu", Some((128_000, 140_800))));
    assert_eq!(facts.media, Media::Audio { channels: 2, sample_rate: 48_000, config: ASC.to_vec() });
}

#[test]
fn a_splice_is_a_sync_sample() {
    let track = video(0, rendition("v", 640, 360, 2_000_000, grid(25, 1, 50)), avcc());
    let mut packets = plain(&track, GopId(7));
    packets[20].idr = true;
    packets[20].data[4] = 0x65;
    let init = inspect::init(&init(&track, "c").expect("is sound")).expect("is sound");
    for chunk in [None, Some(10)] {
        let facts = inspect::segment(&segment(&track, GopId(7), &packets, &marks(), false, chunking(chunk)).expect("is sound"), Some(&init)).expect("is sound");
        assert_eq!(facts.idrs(), [0, 20]);
        assert_eq!(facts.findings.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::IdrInside]);
    }
}

#[test]
fn wrong_packets_are_refused_with_a_reason() {
    let track = video(0, rendition("v", 640, 360, 2_000_000, grid(25, 1, 50)), avcc());
    let (good, k) = (plain(&track, GopId(10)), GopId(10));
    let refusal = |change: &dyn Fn(&mut Vec<Packet>)| {
        let mut packets = good.clone();
        change(&mut packets);
        segment(&track, k, &packets, &marks(), false, None).expect_err("is refused").to_string()
    };
    assert_eq!(refusal(&|p| p.clear()), "v: segment 10: 0 packets; 1 to 50 are accepted");
    assert_eq!(refusal(&|p| p[0].idr = false), "v: segment 10: it starts with slot 500, no IDR; an IDR at slot 500 is accepted");
    assert_eq!(refusal(&|p| p.swap(0, 1)), "v: segment 10: it starts with slot 501, no IDR; an IDR at slot 500 is accepted");
    assert_eq!(refusal(&|p| p[3].time = 501), "v: segment 10: packet 3 is slot 501 a second time");
    assert_eq!(refusal(&|p| p[3].time = i64::MIN), format!("v: segment 10: packet 3 is slot {}; 500 to 549 are accepted", i64::MIN));
    assert_eq!(refusal(&|p| drop(p.remove(3))), "v: segment 10: packet 48 is slot 549; 500 to 548 are accepted");
    assert_eq!(refusal(&|p| p.push(p[1].clone())), "v: segment 10: 51 packets; 1 to 50 are accepted");
    assert_eq!(refusal(&|p| p[9].data.clear()), "v: segment 10: packet 9 is empty");
    for k in [-1, i64::MAX, i64::MIN, 1 << 52] {
        let error = segment(&track, GopId(k), &good, &marks(), false, None).expect_err("out of range");
        assert!(matches!(error, MuxError::Number { .. }), "{error}");
    }
    let sound = audio(0, "a", 128_000, grid(25, 1, 50), "und", ASC.to_vec());
    let mut packets = plain(&sound, k);
    packets[4].time += 1;
    let error = segment(&sound, k, &packets, &marks(), false, None).expect_err("is refused").to_string();
    assert_eq!(error, format!("a: segment 10: packet 4 is audio frame {}; {} is accepted", packets[4].time, packets[4].time - 1));
}

#[test]
fn what_no_entry_can_carry_is_refused() {
    let grid = grid(25, 1, 50);
    let refusal = |track: &TrackSpec| init(track, "c").expect_err("is refused").to_string();
    let mut trailing = avcc();
    trailing.push(0);
    assert!(refusal(&video(0, rendition("v", 640, 360, 1, grid), trailing)).starts_with("v: avcC of"));
    assert!(refusal(&video(0, rendition("v", 640, 360, 1, grid), vec![1, 2])).starts_with("v: avcC of 2 bytes"));
    assert_eq!(refusal(&video(0, rendition("v", 70_000, 360, 1, grid), avcc())), "v: width 70000: at most 65535");
    assert_eq!(
        refusal(&audio(0, "a", 1, grid, "english", ASC.to_vec())),
        "a: language \"english\": three lower-case letters of ISO 639-2 are accepted, und where unknown"
    );
    assert_eq!(refusal(&audio(0, "a", 1, grid, "eng", vec![])), "a: AudioSpecificConfig of 0 bytes: 2 to 64 are accepted");
    let error = init(&audio(0, "a", 1, grid, "eng", ASC.to_vec()), &"x".repeat(65)).expect_err("is refused").to_string();
    assert_eq!(error, "the class has 65 bytes; at most 64 are accepted");
}

#[test]
fn ntp_is_exact() {
    // 2026-01-01T00:00:00Z is NTP second 3,976,214,400; half a second is 2^31.
    assert_eq!(ntp("2026-01-01T00:00:00.5Z".parse().expect("is sound")), (3_976_214_400 << 32) | (1 << 31));
    // Era 1 begins at 2036-02-07T06:28:16Z.
    assert_eq!(ntp("2036-02-07T06:28:16Z".parse().expect("is sound")), 0);
    assert_eq!(ntp(Rate::new(30_000, 1001).expect("is sound").period()), (2_208_988_800 << 32) | ((1001u64 << 32) / 30_000));
}

/// The bytes of one small segment, so that a change of layout is a decision.
#[test]
fn golden_segment() {
    use sha2::{Digest, Sha256};
    let track = video(0, rendition("v", 640, 360, 2_000_000, grid(30_000, 1001, 60)), avcc());
    let order: Vec<u32> = std::iter::once(0).chain((0..59).map(|i| if i % 2 == 0 { i + 2 } else { i })).map(|s: u32| s.min(59)).collect();
    let packets = gop(&track, GopId(850_000_000), &order, &[100, 20, 30]);
    let bytes = segment(&track, GopId(850_000_000), &packets, &marks(), false, chunking(Some(15))).expect("is sound");
    let hash = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!((bytes.len(), hash.as_str()), (4458, "a52da8b996eaecb558c4505be693e525f6b97444ff4dd006a34d39886b71e3de"));
}

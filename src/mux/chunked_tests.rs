//! Chunks that leave before their segment is complete, as a sink that takes chunks sees them.

use super::run_tests::{Out, outcome, publish, settings};
use super::test_kit::{ASC, audio, avcc, gop, grid, plain, rendition, video};
use super::*;
use crate::encode::{Packet, Stats, Told, Why};
use crate::frame::End;
use crate::inspect;
use crate::plan::Rendition;
use crate::sink::{Edge, Readers};
use std::time::Duration;

const CUT: Chunking = Chunking { slots: 10, prft: false };

fn tracks() -> Vec<TrackSpec> {
    let grid = grid(25, 1, 50);
    // One lane: what is open is next.
    let rung = Rendition { lanes: 1, ..rendition("v", 640, 360, 2_000_000, grid) };
    vec![video(0, rung, avcc()), audio(1, "a", 128_000, grid, "eng", ASC.to_vec())]
}

fn cut() -> Settings {
    Settings { chunking: Some(CUT), ..settings() }
}

fn sent(track: &TrackSpec, number: i64, attempt: u32, packets: Vec<Packet>) -> Vec<ToMux> {
    packets.into_iter().map(|packet| ToMux::Packet { track: track.id, gop: GopId(number), attempt, packet }).collect()
}

fn all(track: &TrackSpec, number: i64) -> Vec<ToMux> {
    sent(track, number, 0, plain(track, GopId(number)))
}

fn done(track: &TrackSpec, number: i64, attempt: u32, stats: Stats) -> ToMux {
    ToMux::Done { track: track.id, gop: GopId(number), attempt, stats }
}

fn ends() -> Vec<ToMux> {
    tracks().iter().map(|t| ToMux::End { track: t.id, end: End::Leaving }).collect()
}

/// The chunks of a segment of track `name`, one behind the other, and what became of it: its bytes, or an abort.
fn chunks(out: &Out, name: &str, of: i64) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let (mut chunks, mut whole) = (Vec::new(), None);
    for item in &out.items {
        match item {
            Publish::Chunk { track, number, index, bytes, .. } if track == name && number.0 == of => {
                assert_eq!(*index as usize, chunks.len());
                chunks.push(bytes.to_vec());
            }
            Publish::Segment { track, number, bytes, .. } if track == name && number.0 == of => whole = Some(bytes.to_vec()),
            Publish::Abort { track, number, .. } if track == name && number.0 == of => assert!(whole.is_none()),
            _ => {}
        }
    }
    (chunks, whole)
}

/// What is published while the encoders are still at work.
#[test]
fn a_chunk_is_out_as_soon_as_its_packets_are_there() {
    let t = tracks();
    let (to_mux, rx) = crossbeam::channel::unbounded();
    let (tx, published) = crossbeam::channel::unbounded();
    let mux = std::thread::spawn(move || run(tracks(), cut(), rx, tx));
    let next = || loop {
        match published.recv_timeout(Duration::from_secs(20)).expect("something is published") {
            Publish::Chunk { track, index, start, duration, independent, .. } => return (track, index, start, duration, independent),
            Publish::Segment { .. } | Publish::Abort { .. } => panic!("only chunks are complete"),
            _ => {}
        }
    };
    let time = |slots: i128| Seconds::new(500 + slots, 25);
    for (n, message) in all(&t[0], 10).into_iter().enumerate().take(30) {
        to_mux.send(message).expect("open");
        if n % 10 == 9 {
            let index = n as u32 / 10;
            assert_eq!(next(), ("v".to_owned(), index, time(i128::from(index) * 10), Seconds::new(10, 25), index == 0));
        }
    }
    // 19 frames of 1024 samples begin within 0.4 s of 20 s.
    all(&t[1], 10).into_iter().take(19).for_each(|message| to_mux.send(message).expect("open"));
    assert_eq!(next(), ("a".to_owned(), 0, Seconds::new(938 * 1024, 48_000), Seconds::new(19 * 1024, 48_000), true));
    assert!(published.is_empty());
    // The encoders break: what is out is given up.
    drop(to_mux);
    assert!(matches!(mux.join().expect("no panic"), Err(MuxError::Broke(_))));
    let aborted: Vec<String> = published.iter().filter_map(|i| if let Publish::Abort { path, .. } = i { Some(path) } else { None }).collect();
    assert_eq!(aborted, ["v/10.m4s", "a/10.m4s"]);
}

/// With B pictures, told facts and without, in one lane and in two (where the first segment is not handed out before it is decided).
#[test]
fn a_segment_is_its_chunks() {
    let order: Vec<u32> = std::iter::once(0).chain((0..49).map(|i| if i % 2 == 0 { i + 2 } else { i })).map(|s: u32| s.min(49)).collect();
    for lanes in [1, 2] {
        let mut t = tracks();
        if let TrackKind::Video { rendition, .. } = &mut t[0].kind {
            rendition.lanes = lanes;
        }
        let packets = gop(&t[0], GopId(10), &order, &[100, 20, 30]);
        let stats = Stats { units: 50, repeats: 2, filler: 3, ..Stats::default() };
        let told = |unit: i64, told: Told| ToMux::Told { track: t[0].id, gop: GopId(11), unit: 550 + unit, told };
        let repeat = Told { repeats: 1, ..Told::default() };
        let filler = Told { fillers: 1, ..Told::default() };
        let second =
            [vec![told(4, repeat), told(5, repeat)], (30..33).map(|n| told(n, filler)).collect(), all(&t[0], 11), vec![done(&t[0], 11, 0, stats)]].concat();
        let input = [sent(&t[0], 10, 0, packets.clone()), vec![done(&t[0], 10, 0, Stats { units: 50, ..Stats::default() })], second, ends()].concat();
        let out = publish(t.clone(), cut(), input).expect("muxes");
        let (parts, whole) = chunks(&out, "v", 10);
        let whole = whole.expect("it is published");
        assert_eq!((parts.len(), parts.concat() == whole), (5, true));
        let marks = Marks { class: "0123abcd".into(), ..Marks::default() };
        assert_eq!(whole, segment(&t[0], GopId(10), &packets, &marks, false, Some(CUT)).expect("is sound"), "one function makes the bytes");
        let (parts, whole) = chunks(&out, "v", 11);
        assert_eq!((parts.len(), Some(parts.concat()) == whole), (5, true));
        let facts: Vec<inspect::SegmentFacts> = parts.iter().map(|part| inspect::segment(part, None).expect("reads")).collect();
        let marks: Vec<Option<(u32, u32)>> = facts.iter().map(|f| f.marks.as_ref().map(|m| (m.repeats, m.fillers))).collect();
        assert_eq!(marks, [Some((2, 0)), None, None, Some((2, 3)), None]);
        assert_eq!(facts.iter().map(|f| f.brands.contains(b"slat")).collect::<Vec<_>>(), [false, false, false, true, false]);
        assert_eq!(facts.iter().map(|f| f.chunks[0].prft.is_some()).collect::<Vec<_>>(), [true, false, false, false, false]);
        let read = inspect::segment(&whole.expect("it is published"), None).expect("reads");
        assert_eq!(read.marks.map(|m| (m.repeats, m.fillers)), Some((2, 3)), "the last ones hold");
        assert_eq!(out.counts("findings undecodable gaps stale segments"), [0, 0, 0, 0, 2]);
    }
}

/// What is out is out; what is not can be made anew.
#[test]
fn an_attempt_that_fails_costs_what_is_out() {
    let t = tracks();
    let void = |number: i64, attempt: u32| ToMux::Void { track: t[0].id, gop: GopId(number), attempt };
    let input = [
        // Nothing is out yet: another attempt is as good.
        all(&t[0], 10)[..9].to_vec(),
        vec![void(10, 0)],
        sent(&t[0], 10, 1, plain(&t[0], GopId(10))),
        vec![done(&t[0], 10, 1, Stats::default())],
        // Two chunks are out; the encoder takes them back, and another attempt cannot mend that.
        all(&t[0], 11)[..25].to_vec(),
        vec![void(11, 0)],
        sent(&t[0], 11, 1, plain(&t[0], GopId(11))),
        vec![done(&t[0], 11, 1, Stats::default())],
        // It goes on behind 23 packets, of 25.
        all(&t[0], 12)[..25].to_vec(),
        vec![ToMux::Continue { track: t[0].id, gop: GopId(12), attempt: 1, from: 23 }, ToMux::Backend { track: t[0].id, gop: GopId(12), fallback: 1 }],
        sent(&t[0], 12, 1, plain(&t[0], GopId(12))[23..].to_vec()),
        vec![done(&t[0], 12, 1, Stats { fallback: 1, ..Stats::default() })],
        // It breaks off.
        all(&t[0], 13)[..12].to_vec(),
        vec![void(13, 0), ToMux::Skipped { track: t[0].id, gop: GopId(13), why: Why::Failed }],
        all(&t[0], 14),
        vec![done(&t[0], 14, 0, Stats::default())],
        ends(),
    ]
    .concat();
    let (result, out) = outcome(tracks(), cut(), input);
    result.expect("muxes");
    let became = |number: i64| {
        let (parts, whole) = chunks(&out, "v", number);
        (parts.len(), whole.is_some_and(|whole| whole == parts.concat()))
    };
    assert_eq!([10, 11, 12, 13, 14].map(became), [(5, true), (2, false), (5, true), (1, false), (5, true)]);
    let twelve = inspect::segment(&out.files["v/12.m4s"], None).expect("reads");
    assert_eq!((twelve.samples().count(), twelve.marks.map(|m| m.fallback)), (50, Some(1)));
    let listed: Vec<String> = out.text("v/media.m3u8").lines().filter(|l| *l == "#EXT-X-GAP" || l.ends_with("m4s")).map(str::to_owned).collect();
    assert_eq!(listed, ["10.m4s", "#EXT-X-GAP", "11.m4s", "12.m4s", "#EXT-X-GAP", "13.m4s", "14.m4s"]);
    let aborts = out.items.iter().filter(|i| matches!(i, Publish::Abort { .. })).count();
    assert_eq!((aborts, out.counts("gaps segments")), (2, [2, 3]));
}

/// A chunk that cannot be decoded does not leave, and takes the rest with it.
#[test]
fn a_bad_chunk_is_not_published() {
    let t = tracks();
    let mut broken = plain(&t[0], GopId(10));
    // A length that points beyond the picture.
    broken[25].data[3] = 200;
    let mut first = plain(&t[0], GopId(11));
    first[4].data[3] = 200;
    let of = |number, packets| [sent(&t[0], number, 0, packets), vec![done(&t[0], number, 0, Stats::default())]].concat();
    let input = [of(10, broken), of(11, first), of(12, plain(&t[0], GopId(12))), ends()].concat();
    let out = publish(tracks(), cut(), input).expect("muxes");
    let became = |number: i64| {
        let (parts, whole) = chunks(&out, "v", number);
        (parts.len(), whole.is_some())
    };
    assert_eq!([10, 11, 12].map(became), [(2, false), (0, false), (5, true)]);
    let aborts = out.items.iter().filter(|i| matches!(i, Publish::Abort { .. })).count();
    assert_eq!((aborts, out.counts("undecodable segments")), (1, [2, 1]));
}

/// The event ends within a GOP, at the end of a chunk and elsewhere.
#[test]
fn a_short_gop_ends_with_its_mark() {
    for (slots, pieces) in [(20, 2), (23, 3), (7, 1)] {
        let t = tracks();
        let told = ToMux::Told { track: t[0].id, gop: GopId(10), unit: 500 + slots as i64 - 1, told: Told { last: true, ..Told::default() } };
        let stats = Stats { last: true, ..Stats::default() };
        let packets = all(&t[0], 10)[..slots].to_vec();
        let end = tracks().iter().map(|t| ToMux::End { track: t.id, end: End::Ended }).collect();
        let input = [packets[..slots - 1].to_vec(), vec![told], packets[slots - 1..].to_vec(), vec![done(&t[0], 10, 0, stats)], end].concat();
        let out = publish(tracks(), cut(), input).expect("muxes");
        let (parts, whole) = chunks(&out, "v", 10);
        assert_eq!((parts.len(), Some(parts.concat())), (pieces, whole), "{slots}");
        let last = inspect::segment(parts.last().expect("one"), None).expect("reads");
        assert!(last.brands.contains(b"lmsg") && last.samples().count() == (slots - 1) % 10 + 1, "{slots}");
    }
}

/// The text that was published last for `path` before item `before`, for these readers.
fn text(out: &Out, path: &str, readers: Readers, before: usize) -> (String, Option<Edge>) {
    let found = out.items.iter().take(before).rev().find_map(|item| match item {
        Publish::Text { path: p, bytes, readers: r, edge } if p == path && *r == readers => Some((String::from_utf8_lossy(bytes).into_owned(), *edge)),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no {path} for {readers:?}"))
}

/// Parts of the last segments and of the one that comes, hints that come true, and how far the others are.
#[test]
fn playlists_list_parts_as_they_come() {
    let t = tracks();
    let whole = |number: i64| {
        [all(&t[0], number), vec![done(&t[0], number, 0, Stats::default())], all(&t[1], number), vec![done(&t[1], number, 0, Stats::default())]].concat()
    };
    let input = [(10..16).flat_map(whole).collect(), all(&t[0], 16)[..25].to_vec()].concat();
    let (_, out) = outcome(tracks(), cut(), input);
    // The encoders broke off behind two chunks of 16: as it was before that.
    let abort = out.items.iter().position(|i| matches!(i, Publish::Abort { .. })).expect("it is given up");
    let (list, edge) = text(&out, "v/media.m3u8", Readers::Chunked, abort);
    assert_eq!(edge, Some(Edge { next: GopId(16), parts: 2 }));
    let head = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:10
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=7.000,PART-HOLD-BACK=1.215999999
#EXT-X-PART-INF:PART-TARGET=0.405333333
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init.mp4\"
";
    assert!(list.starts_with(head), "{list}");
    let tail = "#EXT-X-PART:DURATION=0.400,URI=\"15.4.m4s\"
#EXTINF:2.000,
15.m4s
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:32.000Z
#EXT-X-PART:DURATION=0.400,URI=\"16.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.400,URI=\"16.1.m4s\"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"16.2.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"../a/media.m3u8\",LAST-MSN=15,LAST-PART=4
";
    assert!(list.ends_with(tail), "{list}");
    // Three target durations: 13, 14 and 15 are within 6 s of the end.
    let first = list.lines().find(|l| l.starts_with("#EXT-X-PART:")).expect("a part");
    assert!(first.contains("\"13.0.m4s\"") || first.contains("\"12.0.m4s\""), "{first}");
    // As many parts as the pictures have, of 18 or 19 AAC frames; the longest of them is the target.
    let (sound, _) = text(&out, "a/media.m3u8", Readers::Chunked, abort);
    assert!(sound.contains("#EXT-X-PART:DURATION=0.384,URI=\"15.0.m4s\",INDEPENDENT=YES"), "{sound}");
    // What was given up: the rest never comes, and nothing is promised.
    let (list, edge) = text(&out, "v/media.m3u8", Readers::Chunked, usize::MAX);
    assert_eq!(edge, Some(Edge { next: GopId(16), parts: 5 }));
    assert!(list.contains("\"16.2.m4s\",GAP=YES") && !list.contains("PRELOAD-HINT"), "{list}");
    // Every hint came true, or was given up.
    let mut promised: Option<String> = None;
    for item in &out.items[..abort] {
        match item {
            Publish::Chunk { track, number, index, .. } if track == "v" => {
                let name = format!("{}.{index}.m4s", number.0);
                assert!(promised.take().is_none_or(|hint| hint == name), "{name}");
            }
            Publish::Text { path, bytes, readers: Readers::Chunked, .. } if path == "v/media.m3u8" => {
                let text = String::from_utf8_lossy(bytes);
                promised = text.lines().find_map(|l| l.strip_prefix("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"")).map(|l| l.trim_end_matches('"').to_owned());
            }
            _ => {}
        }
    }
    // Readers of whole segments see none of it.
    let (plain, edge) = text(&out, "v/media.m3u8", Readers::Whole, usize::MAX);
    assert!(!plain.contains("PART") && plain.ends_with("15.m4s\n") && edge == Some(Edge { next: GopId(16), parts: 0 }), "{plain}");
    let (low, _) = text(&out, "manifest.mpd", Readers::Chunked, usize::MAX);
    assert!(low.contains("availabilityTimeOffset=\"1.595\"") && low.contains("availabilityTimeComplete=\"false\"") && low.contains("<PlaybackRate"), "{low}");
    assert!(low.contains("target=\"4216\""), "3 s, and three chunks: {low}");
    let (plain, _) = text(&out, "manifest.mpd", Readers::Whole, usize::MAX);
    assert!(!plain.contains("availabilityTime") && plain.contains("target=\"9000\""), "{plain}");
}

/// At one picture of 60 a second an AAC frame is longer than a chunk by more than parts may differ.
#[test]
fn parts_are_left_out_where_they_could_not_keep_to_the_rules() {
    let of = |num: u32, slots: u32, sound: bool| {
        let grid = grid(num, 1, 2 * num);
        let mut tracks = vec![video(0, rendition("v", 640, 360, 2_000_000, grid), avcc())];
        tracks.extend(sound.then(|| audio(1, "a", 128_000, grid, "eng", ASC.to_vec())));
        parts::target(&tracks, Some(Chunking { slots, prft: false }))
    };
    assert_eq!(of(60, 1, true), None);
    assert_eq!(of(60, 1, false), Some(Seconds::new(1, 60)));
    assert_eq!(of(50, 1, true), Some(Seconds::new(1024, 48_000)), "0.94 of an AAC frame");
    assert_eq!(of(30, 1, true), Some(Seconds::new(1, 30)));
    assert_eq!(of(30, 6, true), Some(Seconds::new(10 * 1024, 48_000)), "ten AAC frames begin in some of them");
}

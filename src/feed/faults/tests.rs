use super::packet::{PACKET, move_pcr, pid, read_stamps};
use super::parse::PMT_PID;
use super::*;
use crate::feed::options::FeedOptions;
use proptest::prelude::*;

fn fault(text: &str) -> Fault {
    Fault::parse(text).unwrap_or_else(|e| panic!("{e}"))
}

fn options(faults: &[&str]) -> FeedOptions {
    FeedOptions { faults: faults.iter().map(|text| fault(text)).collect(), ..FeedOptions::default() }
}

/// A feed of `seconds` s in moments of 40 ms with 14 packets each; packet n holds n in its payload. As sent on the way to output `place`.
fn sent(options: &FeedOptions, place: usize, seconds: i64) -> (Vec<Outgoing>, LaneCounts) {
    let mut lane = Lane::new(options, place, Seconds::ZERO);
    let mut out = Vec::new();
    let mut moment = Moment { elapsed: Seconds::ZERO, due: None, span: Seconds::new(1, 25) };
    for tick in 0..seconds * 25 {
        moment = Moment { elapsed: Seconds::new(tick.into(), 25), due: Some(Seconds::whole(1000) + Seconds::new(tick.into(), 25)), ..moment };
        lane.push(&(0..14).flat_map(|n| packet(tick as u32 * 14 + n)).collect::<Vec<u8>>(), moment, &mut out);
    }
    lane.finish(moment, &mut out);
    (out, lane.counts())
}

/// Every 14th packet begins a PES packet of video with a PTS of its number, and every 14th of sound.
fn packet(n: u32) -> Vec<u8> {
    let mut packet = vec![0xa5; PACKET];
    let (pid, id) = if n.is_multiple_of(2) { (0x100u16, 0xe0) } else { (0x101, 0xc0) };
    packet[..4].copy_from_slice(&[0x47, (pid >> 8) as u8, pid as u8, 0x10 | n as u8 & 15]);
    if n % 14 < 2 {
        packet[1] |= 0x40;
        let pts = u64::from(n);
        let stamp = [0x21, (pts >> 22) as u8, (pts >> 14) as u8 | 1, (pts >> 7) as u8, (pts << 1) as u8 | 1];
        packet[4..13].copy_from_slice(&[0, 0, 1, id, 0, 0, 0x80, 0x80, 5]);
        packet[13..18].copy_from_slice(&stamp);
    }
    packet[180..184].copy_from_slice(&n.to_be_bytes());
    packet
}

fn numbers(out: &[Outgoing]) -> Vec<u32> {
    let number = |p: &[u8]| u32::from_be_bytes([p[180], p[181], p[182], p[183]]);
    out.iter().flat_map(|o| o.bytes.chunks_exact(PACKET).map(number).collect::<Vec<_>>()).collect()
}

fn bytes(out: &[Outgoing]) -> Vec<u8> {
    out.iter().flat_map(|o| o.bytes.clone()).collect()
}

#[test]
fn grammar() {
    let at = |at: i64, span: Option<Seconds>| When::At { at: Seconds::whole(at), span };
    for (text, output, stream, kind, when) in [
        ("gap@10+2", None, None, FaultKind::Gap, at(10, Some(Seconds::TWO))),
        ("loss5@10+2.5", None, None, FaultKind::Loss(Share(50_000)), at(10, Some(Seconds::new(5, 2)))),
        ("2:drop0.01%", Some(1), None, FaultKind::Drop(Share(100)), When::Always),
        ("2:audio:gap@1", Some(1), Some(Stream(0x101)), FaultKind::Gap, at(1, None)),
        ("0x1fff:bits=100%", None, Some(Stream(0x1fff)), FaultKind::Bits(Share(1_000_000)), When::Always),
        ("jump-5s@10", None, None, FaultKind::Jump(Seconds::whole(-5)), at(10, None)),
        ("jump+500ms~60", None, None, FaultKind::Jump(Seconds::HALF), When::Random { every: Seconds::MINUTE, span: Seconds::ONE }),
        ("burst500ms~30s+2s", None, None, FaultKind::Burst(Seconds::HALF), When::Random { every: Seconds::whole(30), span: Seconds::TWO }),
        ("rate30000/1001@3", None, None, FaultKind::Rate(Rate::new(30_000, 1001).expect("legal")), at(3, None)),
        ("size=640x360@3+1", None, None, FaultKind::Size(Size::new(640, 360).expect("legal")), at(3, Some(Seconds::ONE))),
        ("codec=hevc@3", None, None, FaultKind::Codec(StampCodec::Hevc), at(3, None)),
    ] {
        assert_eq!(fault(text), Fault { output, stream, kind, when }, "{text}");
    }
}

#[test]
fn errors_name_the_place_and_what_may_stand_there() {
    for (text, place, accepted) in [
        ("", "", "freeze, black"),
        ("flood@1+1", "\"flood\"", "gap, loss"),
        ("left:gap@1", "\"left\"", "video, audio"),
        ("0:gap@1", "\"0\"", "an output (1, 2"),
        ("0x2000:gap@1", "\"0x2000\"", "0x1fff"),
        ("loss@1+1", "\"loss@1+1\"", "percentage"),
        ("loss0@1+1", "\"0\"", "0.0001% to 100%"),
        ("loss101%", "\"101%\"", "100%"),
        ("gap5@1+1", "\"5\"", "nothing behind gap"),
        ("gap", "\"gap\"", "@AT, @AT+FOR or ~EVERY"),
        ("gap@1+0", "\"@1+0\"", "@AT+FOR"),
        ("gap@-1+1", "\"@-1+1\"", "@AT+FOR"),
        ("gap@a+b", "\"@a+b\"", "@AT+FOR"),
        ("gap~0", "\"~0\"", "~EVERY"),
        ("wrap@1+1", "\"@1+1\"", "@AT behind wrap"),
        ("restart@1", "\"@1\"", "@AT+FOR or"),
        ("jump0@1", "\"0\"", "95000s"),
        ("burst11s", "\"11s\"", "10s"),
        ("rate0@1", "\"0\"", "from 1 to 120"),
        ("size=641x360@1", "\"=641x360\"", "even"),
        ("codecvp9@1", "\"codecvp\"", "codec"),
        ("audio:drop1%", "\"audio:drop1%\"", "without a stream"),
        ("gap@2026-11-21T20:15:30Z", "\"gap@2026-11-21T20\"", "colon"),
    ] {
        let error = match Fault::parse(text) {
            Err(FeedError::Option { field: "fault", value, accepted }) => (value, accepted),
            other => panic!("{text}: {other:?}"),
        };
        assert!(error.0 == text && error.1.contains(accepted) && (text == place.trim_matches('"') || error.1.contains(place)), "{text}: {error:?}");
    }
}

use crate::feed::FeedError;

#[test]
fn every_kind_has_an_example_that_is_one_of_it_and_is_documented() {
    let documentation = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md")).expect("docs/faults.md");
    for row in KINDS {
        assert_eq!(fault(row.example).row().name, row.name);
        let line = format!("| `{}` | {} | {} |", row.example, row.layer.name(), row.help);
        assert!(documentation.contains(&line), "docs/faults.md lacks the line\n{line}");
        assert!(table().contains(row.example));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9:@~+%=./x-]{0,24}") {
        if let Ok(fault) = Fault::parse(&text) {
            prop_assert!(text.contains(fault.row().name));
        }
    }

    #[test]
    fn any_packet_is_survived(mut packet in proptest::collection::vec(any::<u8>(), PACKET), ticks: i64) {
        packet[0] = 0x47;
        super::packet::move_stamps(&mut packet, ticks);
        super::packet::remove_stamps(&mut packet);
        move_pcr(&mut packet, ticks);
        super::pmt::rewrite(&mut packet, &[0x101], 1);
        prop_assert_eq!(packet.len(), PACKET);
    }
}

#[test]
fn same_seed_same_bytes() {
    let mut options =
        options(&["loss5%", "bits2%", "garbage1%", "drop1%", "duplicate1%", "reorder5%", "noise1%", "gap~2+0.2", "backward5%", "jitter20ms", "restart~3+0.2"]);
    let first = sent(&options, 0, 20);
    assert_eq!(first, sent(&options, 0, 20));
    assert_ne!(first.0, sent(&options, 1, 20).0, "two outputs have the same luck");
    options.seed = 1;
    assert_ne!(first.0, sent(&options, 0, 20).0, "the seed makes no difference");
}

#[test]
fn without_faults_nothing_happens() {
    let (out, counts) = sent(&options(&[]), 0, 2);
    assert_eq!(numbers(&out), (0..700).collect::<Vec<u32>>());
    assert_eq!(counts, LaneCounts::default());
    assert!(out.iter().zip(0..).all(|(o, n)| o.number == Some(n) && o.bytes.len() == 7 * PACKET && o.connected));
    assert!(out.windows(2).all(|pair| pair[1].due > pair[0].due));
}

#[test]
fn losses() {
    let (out, counts) = sent(&options(&["gap@1+1"]), 0, 3);
    assert_eq!(numbers(&out), (0..350).chain(700..1050).collect::<Vec<u32>>());
    assert_eq!(counts.lost, 350);
    let (out, counts) = sent(&options(&["loss10%@1+10"]), 0, 12);
    assert!((280..420).contains(&counts.lost), "{counts:?}");
    assert_eq!(numbers(&out).len() as u64, 12 * 350 - counts.lost);
    let (out, _) = sent(&options(&["audio:gap@1+1"]), 0, 3);
    assert!(numbers(&out).into_iter().all(|n| n % 2 == 0 || !(350..700).contains(&n)));
    // A datagram is lost whole, and its number with it.
    let (out, counts) = sent(&options(&["drop10%"]), 0, 40);
    assert!(out.iter().all(|o| o.bytes.len() == 7 * PACKET) && counts.lost == (2000 - out.len() as u64) * 7);
    assert!((1740..1860).contains(&out.len()) && out.windows(2).any(|pair| pair[1].number > pair[0].number.map(|n| n + 1)));
}

#[test]
fn two_paths_lose_apart() {
    let options = options(&["drop10%"]);
    let lost = |place| {
        let there: Vec<u64> = sent(&options, place, 100).0.iter().filter_map(|o| o.number).collect();
        (0..5000).filter(|n| there.binary_search(n).is_err()).collect::<Vec<u64>>()
    };
    let (one, two) = (lost(0), lost(1));
    let both = one.iter().filter(|n| two.contains(n)).count();
    // One in a hundred of 5000, within four standard deviations.
    assert!((22..78).contains(&both), "{both}");
    // A fault of one output is not that of the other.
    let mut only = options.clone();
    only.faults[0].output = Some(1);
    assert_eq!(sent(&only, 0, 10).1.lost, 0);
    assert_eq!(sent(&only, 1, 10), sent(&options, 1, 10), "naming an output changes its luck");
}

#[test]
fn alterations() {
    let clean = bytes(&sent(&options(&[]), 0, 10).0);
    let (out, counts) = sent(&options(&["bits10%"]), 0, 10);
    let flipped: Vec<u32> =
        bytes(&out).chunks(PACKET).zip(clean.chunks(PACKET)).map(|(a, b)| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()).collect();
    assert!(flipped.iter().all(|n| *n <= 8));
    let hit = flipped.iter().filter(|n| **n > 0).count() as u64;
    // Two flips of one bit undo each other now and then.
    assert!((270..430).contains(&counts.altered) && counts.altered - hit < 10, "{hit} {counts:?}");
    let (out, _) = sent(&options(&["video:garbage100%@1+1"]), 0, 3);
    for (n, (a, b)) in bytes(&out).chunks(PACKET).zip(clean.chunks(PACKET)).enumerate() {
        assert_eq!(a[..4], b[..4]);
        assert_eq!(a == b, n % 2 == 1 || !(350..700).contains(&n), "packet {n}");
    }
}

#[test]
fn order() {
    let (out, counts) = sent(&options(&["duplicate20%@0+2", "reorder20%@2+2", "noise20%@4+2"]), 0, 6);
    let there: Vec<u64> = out.iter().filter_map(|o| o.number).collect();
    let mut sorted = there.clone();
    sorted.sort_unstable();
    assert_eq!(sorted.len() as u64, 300 + counts.duplicated);
    sorted.dedup();
    assert_eq!(sorted, (0..300).collect::<Vec<u64>>(), "none is missing");
    assert!(counts.duplicated > 5 && counts.reordered > 5 && counts.noise > 5, "{counts:?}");
    for (at, number) in there.iter().enumerate().skip(100 + counts.duplicated as usize) {
        assert!((at as i64 - counts.duplicated as i64 - *number as i64).abs() <= 8, "{number} stands at {at}");
    }
    assert_eq!(out.iter().filter(|o| o.number.is_none()).count() as u64, counts.noise);
    assert!(out.windows(2).all(|pair| pair[1].due >= pair[0].due));
}

#[test]
fn delays() {
    let late = |faults: &[&str]| -> Vec<(Seconds, Seconds)> {
        let clean = sent(&options(&[]), 0, 20).0;
        let out = sent(&options(faults), 0, 20).0;
        assert_eq!(numbers(&out), numbers(&clean));
        out.iter().zip(clean).map(|(a, b)| (a.elapsed, a.due.expect("live") - b.due.expect("live"))).collect()
    };
    let slow = late(&["slow10%@5+10"]);
    assert!(slow.iter().all(|(at, late)| *at > Seconds::whole(5) || *late == Seconds::ZERO));
    assert!(slow.iter().filter(|(at, _)| *at > Seconds::whole(15)).all(|(_, late)| *late == Seconds::ONE), "it stays late");
    let burst = late(&["burst500ms@5+5"]);
    assert!(
        burst
            .iter()
            .filter(|(at, _)| *at > Seconds::whole(5) + Seconds::TENTH && *at <= Seconds::whole(10))
            .all(|(at, late)| (*at + *late).modulo(Seconds::HALF) == Seconds::ZERO)
    );
    let jitter = late(&["jitter100ms"]);
    assert!(jitter.iter().all(|(_, late)| *late < Seconds::TENTH + Seconds::new(1, 25)) && jitter.iter().any(|(_, late)| *late > Seconds::new(1, 20)));
}

#[test]
fn stamps() {
    let pts = |faults: &[&str]| -> Vec<Vec<u64>> {
        let out = bytes(&sent(&options(faults), 0, 4).0);
        out.chunks(PACKET).filter(|p| p[1] & 0x40 != 0).map(read_stamps).collect()
    };
    let clean = pts(&[]);
    assert!(clean.len() == 200 && clean.iter().zip(0..).all(|(p, n)| *p == [n / 2 * 14 + n % 2]), "{clean:?}");
    const TURN: u64 = 1 << 33;
    for (n, (jumped, was)) in pts(&["jump-5s@1+2"]).into_iter().zip(&clean).enumerate() {
        let by = if (50..150).contains(&n) { TURN - 450_000 } else { 0 };
        assert_eq!(jumped, [(was[0] + by) % TURN], "{n}");
    }
    for (wrapped, was) in pts(&["wrap@2"]).into_iter().zip(&clean) {
        assert_eq!(wrapped, [(was[0] + TURN - 180_000) % TURN]);
    }
    let gone = pts(&["audio:unstamped100%@1+1"]);
    assert!(gone.iter().enumerate().all(|(n, p)| p.is_empty() == (n % 2 == 1 && (50..100).contains(&n))));
    let back = pts(&["backward100%@1+1"]);
    for (n, (back, was)) in back.into_iter().zip(&clean).enumerate() {
        let by = (was[0] + TURN - back[0]) % TURN;
        assert!(if (50..100).contains(&n) { (1..=90_000).contains(&by) } else { by == 0 }, "{n}: {by}");
    }
    let again = pts(&["restart@1+1"]);
    let by = (again[50][0] + TURN - clean[100][0]) % TURN;
    assert!(again.len() == 150 && by != 0);
    assert!(again.iter().skip(50).zip(&clean[100..]).all(|(a, b)| a[0] == (b[0] + by) % TURN), "one clock after it");
}

#[test]
fn a_pcr_is_moved() {
    let mut packet = vec![0x47, 1, 0, 0x20, 183, 0x10];
    // 2^33 - 1, extension 299.
    packet.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x2b]);
    packet.resize(PACKET, 0xff);
    move_pcr(&mut packet, 2);
    assert_eq!(packet[6..12], [0, 0, 0, 0, 0xff, 0x2b]);
    move_pcr(&mut packet, -2);
    assert_eq!(packet[6..12], [0xff, 0xff, 0xff, 0xff, 0xff, 0x2b]);
}

#[test]
fn a_stream_leaves_the_programme_map() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("feed.ts");
    let mut options = options(&["audio:vanish@1+1"]);
    for (field, value) in [("size", "256x144"), ("bitrate", "500k"), ("start", "2026-11-21T20:15:30Z"), ("duration", "3s"), ("gop", "1s")] {
        options.set(field, value).expect("legal");
    }
    options.outputs = vec![crate::feed::FeedOutput::File(path.clone())];
    options.fast = true;
    crate::feed::run(&options, &crate::stop::Stop::new()).expect("runs");
    let bytes = std::fs::read(&path).expect("it is there");
    let mut seen: Vec<(u8, bool)> = Vec::new();
    for packet in bytes.chunks(PACKET).filter(|p| pid(p) == Some(PMT_PID)) {
        let section = &packet[5..];
        let size = 3 + (usize::from(section[1] & 15) << 8 | usize::from(section[2]));
        assert_eq!(super::pmt::crc(&section[..size]), 0, "its checksum");
        let audio = section[12..size - 4].windows(2).any(|pid| pid == [0xe1, 0x01]);
        let state = (section[5] >> 1 & 31, audio);
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    assert_eq!(seen, [(0, true), (1, false), (2, true)], "version, and whether sound is listed");
}

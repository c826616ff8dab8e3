//! What two bad paths make of one feed: everything that either brought, in order, in time.

mod beyond;

use super::*;
use crate::capture::paths::counts::{MergeCounts, PathCounts};
use crate::capture::paths::packets::{Head, NULL, Packet, SIZE, SYNC, packets};
use proptest::prelude::*;

/// Datagrams of this many packets, one each millisecond: 10.5 Mb/s.
const EACH: usize = 7;
const PERIOD: Duration = Duration::from_millis(1);
const WINDOW: Duration = Duration::from_millis(80);

/// Numbers without a pattern (Vigna's splitmix64).
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True so many times in ten thousand.
    fn hits(&mut self, chance: u64) -> bool {
        self.next() % 10_000 < chance
    }
}

/// A multiplex: pictures, sound, tables, packets of stuffing that are all alike, and null packets.
fn multiplex(count: usize, seed: u64) -> Vec<Packet> {
    let mut dice = Dice(seed);
    let mut counters = [0u8; 3];
    let mut stuffing = 0;
    let mut all = Vec::with_capacity(count);
    for n in 0..count {
        if stuffing == 0 && dice.hits(30) {
            stuffing = 40;
        }
        let kind = if stuffing > 0 { 3 } else { dice.next() % 40 };
        stuffing -= usize::from(stuffing > 0);
        let (pid, which, alike) = match kind {
            0 | 1 => (NULL, None, true),
            2 => (0, Some(0), true),
            3 => (256, Some(1), true),
            4..7 => (257, Some(2), false),
            _ => (256, Some(1), false),
        };
        let counter = which.map_or(0, |which: usize| {
            counters[which] = (counters[which] + 1) & 0x0f;
            counters[which]
        });
        let mut packet = [0xff; SIZE];
        packet[..4].copy_from_slice(&[SYNC, (pid >> 8) as u8, pid as u8, 0x10 | counter]);
        if !alike {
            // A PES packet begins in each twentieth.
            packet[1] |= if n % 20 == 0 { 0x40 } else { 0 };
            packet[4..7].copy_from_slice(&[0, 0, 1]);
            packet[7..15].copy_from_slice(&(n as u64 ^ seed << 32).to_be_bytes());
        }
        all.push(packet);
    }
    all
}

/// What a path does. Chances of ten thousand.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    loss: u64,
    burst: u64,
    twice: u64,
    swap: u64,
    delay: u64,
    jitter: u64,
}

/// The datagrams as they arrive: (time, path, index of the datagram).
fn arrivals(datagrams: usize, weather: [Weather; 2], seed: u64, quiet: usize) -> Vec<(Duration, usize, usize)> {
    let mut all = Vec::new();
    for (path, w) in weather.into_iter().enumerate() {
        let (mut dice, mut lost, mut late) = (Dice(seed ^ (path as u64 + 1) << 40), 0, Duration::ZERO);
        for n in 0..datagrams {
            if n >= quiet && dice.hits(w.burst) {
                lost = 1 + dice.next() % 30;
            }
            let hit = dice.hits(w.loss);
            if n >= quiet && n + 100 < datagrams && (hit || lost > 0) {
                lost = lost.saturating_sub(1);
                continue;
            }
            let jitter = Duration::from_micros(dice.next() % (w.jitter * 1000 + 1));
            let sent = PERIOD * n as u32 + Duration::from_millis(w.delay);
            // Jitter alone does not change the order.
            late = late.max(sent + jitter);
            let swapped = if n >= quiet && dice.hits(w.swap) { PERIOD * 3 + PERIOD / 2 } else { Duration::ZERO };
            all.push((late + swapped, path, n));
            if dice.hits(w.twice) {
                all.push((late + swapped + PERIOD / 3, path, n));
            }
        }
    }
    all.sort();
    all
}

struct Ran {
    packets: Vec<Packet>,
    longest: Duration,
    counts: Arc<Counts>,
    events: Vec<Event>,
}

pub fn counted(paths: usize) -> Arc<Counts> {
    Arc::new(Counts { paths: (0..paths).map(|n| Arc::new(PathCounts::new(&format!("path {n}")))).collect(), merge: MergeCounts::default() })
}

/// Runs the arrivals through a merge, by its own clock.
fn run(blocks: impl IntoIterator<Item = (usize, Block)>, paths: usize, window: Duration) -> Ran {
    let counts = counted(paths);
    let mut merge = Merge::new(window, &counts);
    let (mut packets_out, mut longest, mut events) = (Vec::new(), Duration::ZERO, Vec::new());
    let mut collect = |merge: &mut Merge| {
        while let Some(out) = merge.take() {
            longest = longest.max(out.waited);
            packets_out.extend(packets(&out.packets).copied());
        }
        events.extend(std::iter::from_fn(|| merge.event()));
    };
    for (path, block) in blocks {
        // What is due before passes at its own time.
        while let Some(due) = merge.due().filter(|due| *due < block.at) {
            let before = due;
            merge.advance(due);
            collect(&mut merge);
            if merge.due() == Some(before) {
                break;
            }
        }
        let at = block.at;
        merge.push(path, block);
        merge.advance(at);
        collect(&mut merge);
    }
    merge.finish();
    collect(&mut merge);
    Ran { packets: packets_out, longest, counts, events }
}

fn blocks(feed: &[Packet], arrivals: &[(Duration, usize, usize)], numbered: [bool; 2], offset: usize) -> Vec<(usize, Block)> {
    let block = |(at, path, n): &(Duration, usize, usize)| {
        // The second path may be cut into datagrams elsewhere.
        let from = if *path == 1 { offset } else { 0 };
        let piece = &feed[n * EACH + from..(n + 1) * EACH + from];
        let number = numbered[*path].then_some(Number { source: 7, sequence: (*n as u16).wrapping_add(65_000) });
        (*path, Block { packets: piece.concat(), number, at: *at })
    };
    arrivals.iter().map(block).collect()
}

/// What comes out if everything goes as it should: what either path brought.
fn ideal(feed: &[Packet], arrivals: &[(Duration, usize, usize)], offset: usize, nulls: bool) -> Vec<Packet> {
    let mut there = vec![false; feed.len()];
    for (_, path, n) in arrivals {
        let from = if *path == 1 { offset } else { 0 };
        there[n * EACH + from..(n + 1) * EACH + from].fill(true);
    }
    let wanted = |packet: &Packet| nulls || Head::of(packet).pid != NULL;
    feed.iter().zip(there).filter(|(packet, there)| *there && wanted(packet)).map(|(packet, _)| *packet).collect()
}

fn assert_same(got: &[Packet], wanted: &[Packet]) {
    let at = got.iter().zip(wanted).position(|(a, b)| a != b);
    assert!(got.len() == wanted.len() && at.is_none(), "{} packets of {}, the first other one is number {at:?}", got.len(), wanted.len());
}

/// How many packets do not follow the one before of their PID.
fn breaks(all: &[Packet]) -> usize {
    let mut counters = crate::capture::paths::packets::Counters::default();
    all.iter()
        .map(Head::of)
        .filter(|head| {
            let jumps = counters.distance(*head) != 1;
            counters.note(*head);
            jumps
        })
        .count()
}

fn weather(loss: u64, twice: u64, swap: u64, delays: u64, jitters: u64) -> impl Strategy<Value = Weather> {
    (0..=loss, 0..=twice, 0..=swap, 0..=delays, 0..=jitters).prop_map(|(loss, twice, swap, delay, jitter)| Weather {
        loss,
        burst: loss / 50,
        twice,
        swap,
        delay,
        jitter,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Numbered alike: exactly what either path brought, in order, whatever is lost, repeated, out of order, and however far they are apart within the window.
    #[test]
    fn by_number_nothing_is_missing_that_either_brought(a in weather(500, 300, 300, 60, 5), b in weather(500, 300, 300, 60, 5), seed: u64) {
        let feed = multiplex(2000 * EACH, seed);
        let arrivals = arrivals(2000, [a, b], seed, 100);
        let ran = run(blocks(&feed, &arrivals, [true; 2], 0), 2, WINDOW);
        assert_same(&ran.packets, &ideal(&feed, &arrivals, 0, true));
        prop_assert!(ran.longest <= WINDOW, "{:?}", ran.longest);
    }

    /// By content likewise (null packets aside), also where the two are cut into datagrams unlike, or one of them is numbered.
    #[test]
    fn by_content_nothing_is_missing_that_either_brought(a in weather(600, 300, 0, 60, 5), b in weather(600, 300, 0, 60, 5), offset in 0usize..EACH, mixed: bool, seed: u64) {
        let feed = multiplex(2002 * EACH, seed);
        let arrivals = arrivals(2000, [a, b], seed, 150);
        let ran = run(blocks(&feed, &arrivals, [mixed, false], offset), 2, WINDOW);
        let wanted = ideal(&feed, &arrivals, offset, false);
        // Stuffing and tables, which are alike, may be one more or less where both lost something in one place.
        let told = |all: &[Packet]| all.iter().filter(|packet| lane::is_telling(packet)).copied().collect::<Vec<_>>();
        let (got, wanted_told) = (told(&ran.packets), told(&wanted));
        // What one path alone has at the very beginning may come too late.
        let missing = wanted_told.len().saturating_sub(got.len());
        prop_assert!(missing <= offset + wanted.len() / 300, "{} of {}", got.len(), wanted_told.len());
        let (mut sorted, mut all) = (got.clone(), wanted_told.clone());
        sorted.sort_unstable();
        all.sort_unstable();
        prop_assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]), "something is there twice");
        prop_assert!(sorted.iter().all(|packet| all.binary_search(packet).is_ok()), "something is there that nobody brought");
        let last = |packet: &Packet| u64::from_be_bytes(packet[7..15].try_into().expect("eight bytes")) ^ seed << 32;
        let turned = got.windows(2).filter(|pair| last(&pair[1]) < last(&pair[0])).count();
        prop_assert!(turned * 200 <= wanted.len(), "{turned} packets of {} are out of place", wanted.len());
        prop_assert!(breaks(&ran.packets) <= breaks(&wanted) + 2 + wanted.len() / 1000, "{} and {} breaks", breaks(&ran.packets), breaks(&wanted));
        prop_assert!(ran.longest <= WINDOW + Duration::from_millis(20), "{:?}", ran.longest);
        prop_assert!(ran.events.contains(&Event::Merged(Mode::Content)));
    }

    /// Whatever comes, in whatever order: no panic, nothing twice as much as came, nothing kept for ever.
    #[test]
    fn anything_is_borne(pieces in prop::collection::vec((0usize..2, any::<bool>(), any::<u16>(), 0u32..3, prop::collection::vec(any::<u8>(), 1..4), 0u64..200), 0..300)) {
        let mut at = Duration::ZERO;
        let came: usize = pieces.iter().map(|piece| piece.4.len()).sum();
        let all: Vec<(usize, Block)> = pieces.into_iter().map(|(path, numbered, sequence, source, kinds, step)| {
            at += Duration::from_millis(step);
            let packet = |kind: u8| { let mut packet = [kind; SIZE]; packet[0] = SYNC; packet };
            let number = numbered.then_some(Number { source, sequence });
            (path, Block { packets: kinds.into_iter().map(packet).collect::<Vec<_>>().concat(), number, at })
        }).collect();
        let ran = run(all, 2, WINDOW);
        prop_assert!(ran.packets.len() <= came);
    }
}

/// One path out of order, the other not: most of it is put in order. (Where counters come round, or tables and stuffing are alike, some is not, and the decoder sees a hole there.)
#[test]
fn by_content_most_is_put_in_order() {
    for (swapped, later) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (mut alone, mut merged, mut missing) = (0, 0, 0);
        for seed in 0..8 {
            let mut weather = [Weather::default(); 2];
            weather[swapped].swap = 200;
            weather[later].delay = 12;
            let feed = multiplex(1000 * EACH, seed);
            let arrivals = arrivals(1000, weather, seed, 150);
            let only: Vec<_> = arrivals.iter().filter(|(_, path, _)| *path == swapped).map(|(at, _, n)| (*at, 0, *n)).collect();
            alone += breaks(&run(blocks(&feed, &only, [false; 2], 0), 1, WINDOW).packets);
            let ran = run(blocks(&feed, &arrivals, [false; 2], 0), 2, WINDOW);
            merged += breaks(&ran.packets);
            missing += ideal(&feed, &arrivals, 0, false).len().abs_diff(ran.packets.len());
        }
        eprintln!("path {swapped} out of order, path {later} later: {alone} breaks alone, {merged} merged, {missing} packets");
        assert!(merged * 2 <= alone, "path {swapped} out of order, path {later} later: {alone} breaks alone, {merged} merged, {missing} packets");
    }
}

/// One alone: what comes passes at once; with numbers it is put in order.
#[test]
fn one_path_passes_at_once() {
    let feed = multiplex(300 * EACH, 1);
    let all = |swap| arrivals(300, [Weather { swap, loss: 100, ..Weather::default() }, Weather { loss: 10_000, ..Weather::default() }], 5, 0);
    let alone = |swap| all(swap).into_iter().filter(|(_, path, _)| *path == 0).collect::<Vec<_>>();
    let ran = run(blocks(&feed, &alone(0), [false; 2], 0), 1, WINDOW);
    assert_same(&ran.packets, &ideal(&feed, &alone(0), 0, true));
    assert_eq!(ran.longest, Duration::ZERO);
    let ran = run(blocks(&feed, &alone(500), [true; 2], 0), 1, WINDOW);
    assert_same(&ran.packets, &ideal(&feed, &alone(500), 0, true));
    assert!(ran.longest <= sequence::REORDER, "{:?}", ran.longest);
}

/// A path goes and comes back, then the other; nothing is missing, and the one that is left is held up no longer than the window.
#[test]
fn paths_come_and_go() {
    let feed = multiplex(9000 * EACH, 3);
    for (numbered, delay) in [(true, 0), (true, 40), (false, 0), (false, 40)] {
        let weather = [Weather::default(), Weather { delay, ..Weather::default() }];
        let away = |path: usize, n: usize| match path {
            0 => (2000..4000).contains(&n),
            _ => (6000..8000).contains(&n) || n < 500,
        };
        let arrivals: Vec<_> = arrivals(9000, weather, 4, 0).into_iter().filter(|(_, path, n)| !away(*path, *n)).collect();
        let ran = run(blocks(&feed, &arrivals, [numbered; 2], 0), 2, WINDOW);
        let wanted = ideal(&feed, &arrivals, 0, numbered);
        assert_eq!(breaks(&ran.packets), 0, "{numbered} {delay}");
        assert_same(&ran.packets, &wanted);
        assert!(ran.longest <= WINDOW.max(Duration::from_millis(100)) + PERIOD * 2, "{numbered} {delay}: {:?}", ran.longest);
    }
}

/// The sender begins anew: other numbers, other counters.
#[test]
fn a_sender_that_begins_anew_is_followed() {
    let (first, second) = (multiplex(2000 * EACH, 1), multiplex(2000 * EACH, 2));
    let weather = [Weather { loss: 200, ..Weather::default() }, Weather { loss: 200, delay: 30, ..Weather::default() }];
    let feed = [first, second].concat();
    for numbered in [true, false] {
        let arrivals = arrivals(4000, weather, 9, 150);
        let mut all = blocks(&feed, &arrivals, [numbered; 2], 0);
        for ((_, block), (_, _, n)) in all.iter_mut().zip(&arrivals) {
            if let Some(number) = block.number.as_mut().filter(|_| *n >= 2000) {
                *number = Number { source: 99, sequence: number.sequence.wrapping_add(20_000) };
            }
        }
        let ran = run(all, 2, WINDOW);
        let wanted = ideal(&feed, &arrivals, 0, numbered);
        let missing = wanted.len() - ran.packets.len();
        assert!(missing <= 40 * EACH, "{numbered}: {missing} packets are missing");
        assert!(breaks(&ran.packets) <= breaks(&wanted) + 6, "{numbered}");
    }
}

/// Two encodes of one programme have nothing in common but tables: that is said once, one passes, and the other where that brings nothing.
#[test]
fn what_never_matches_is_said_and_one_passes() {
    let (one, other) = (multiplex(9000 * EACH, 1), multiplex(9000 * EACH, 2));
    let arrivals: Vec<_> = arrivals(9000, [Weather::default(); 2], 4, 0).into_iter().filter(|(_, path, n)| *path == 1 || *n < 7000).collect();
    let all = arrivals.iter().map(|(at, path, n)| {
        let feed = if *path == 0 { &one } else { &other };
        (*path, Block { packets: feed[n * EACH..(n + 1) * EACH].concat(), number: None, at: *at })
    });
    let ran = run(all, 2, WINDOW);
    assert_eq!(ran.events, [Event::Mismatch, Event::Switched(1)]);
    let own = |feed: &[Packet], from: usize, to: usize| feed[from * EACH..to * EACH].iter().filter(|p| Head::of(p).pid != NULL).copied().collect::<Vec<_>>();
    let first = own(&one, 0, 7000);
    assert_same(&ran.packets[..first.len()], &first);
    let rest = &ran.packets[first.len()..];
    let second = own(&other, 7000, 9000);
    assert_same(rest, &second);
    assert!(ran.longest < Duration::from_millis(150), "{:?}", ran.longest);
}

/// Other numbers for the same content: content is what aligns them.
#[test]
fn numbered_apart_they_are_merged_by_content() {
    let feed = multiplex(6000 * EACH, 3);
    let weather = [Weather { loss: 200, ..Weather::default() }, Weather { loss: 200, delay: 10, ..Weather::default() }];
    let arrivals = arrivals(6000, weather, 9, 2000);
    let mut all = blocks(&feed, &arrivals, [true; 2], 0);
    for (path, block) in &mut all {
        if let Some(number) = block.number.as_mut().filter(|_| *path == 1) {
            number.source = 8;
        }
    }
    let ran = run(all, 2, WINDOW);
    assert!(ran.events.contains(&Event::Merged(Mode::Content)), "{:?}", ran.events);
    let wanted = ideal(&feed, &arrivals, 0, true);
    let nulls = wanted.iter().filter(|p| Head::of(p).pid == NULL).count();
    assert!(wanted.len() - ran.packets.len() <= nulls);
    assert_eq!(breaks(&ran.packets), breaks(&ideal(&feed, &arrivals, 0, false)));
}

/// What is filled is counted for the path that lost it, once.
#[test]
fn what_is_filled_is_counted() {
    let feed = multiplex(4000 * EACH, 3);
    let weather = [Weather { loss: 300, ..Weather::default() }, Weather { loss: 100, delay: 7, ..Weather::default() }];
    let arrivals = arrivals(4000, weather, 11, 150);
    let lost = |path: usize| {
        let mut there = vec![false; 4000];
        arrivals.iter().filter(|(_, p, _)| *p == path).for_each(|(_, _, n)| there[*n] = true);
        there
    };
    let (a, b) = (lost(0), lost(1));
    let only = |x: &[bool], y: &[bool]| x.iter().zip(y).filter(|(x, y)| !**x && **y).count() as u64;
    let ran = run(blocks(&feed, &arrivals, [true; 2], 0), 2, WINDOW);
    let filled = |ran: &Ran, path: usize| ran.counts.paths[path].filled.load(Relaxed);
    assert_eq!((filled(&ran, 0), filled(&ran, 1)), (only(&a, &b), only(&b, &a)));
    assert_eq!(ran.counts.merge.snapshot().delay_us, 7000);
    let ran = run(blocks(&feed, &arrivals, [false; 2], 0), 2, WINDOW);
    let nulls = |x: &[bool], y: &[bool]| {
        let gone = x.iter().zip(y).enumerate().filter(|(_, (x, y))| !**x && **y);
        gone.flat_map(|(n, _)| &feed[n * EACH..(n + 1) * EACH]).filter(|p| Head::of(p).pid != NULL).count() as u64
    };
    assert_eq!((filled(&ran, 0), filled(&ran, 1)), (nulls(&a, &b), nulls(&b, &a)));
}

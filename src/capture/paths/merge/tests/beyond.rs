//! Beyond what is remembered: long holes, more than there is room for, and senders that begin anew.

use super::*;
use crate::capture::paths::merge::sequence::Sequence;

/// The sender is started again with the source it had, and numbers behind those of before, while datagrams are lost and come out of order.
#[test]
fn a_sender_that_begins_anew_with_its_source_is_followed_through_loss() {
    let feed = [multiplex(2000 * EACH, 1), multiplex(4000 * EACH, 2)].concat();
    let weather = [Weather { loss: 300, swap: 100, ..Weather::default() }, Weather { loss: 300, delay: 30, ..Weather::default() }];
    for (paths, back) in [(1, 20_000), (2, 20_000), (1, 1500)] {
        let arrivals: Vec<_> = arrivals(6000, weather, 9, 0).into_iter().filter(|(_, path, _)| *path < paths).collect();
        let mut all = blocks(&feed, &arrivals, [true; 2], 0);
        for ((_, block), (_, _, n)) in all.iter_mut().zip(&arrivals) {
            if let Some(number) = block.number.as_mut().filter(|_| *n >= 2000) {
                number.sequence = number.sequence.wrapping_sub(back);
            }
        }
        let ran = run(all, paths, WINDOW);
        let wanted = ideal(&feed, &arrivals, 0, true);
        let missing = wanted.len().saturating_sub(ran.packets.len());
        assert!(missing <= 300 * EACH, "{paths} paths, {back} back: {missing} packets of {} are missing", wanted.len());
        let end = &wanted[wanted.len() - 3000 * EACH..];
        assert!(ran.packets.ends_with(end), "{paths} paths, {back} back");
    }
}

/// A path that is later, and loses some, brings old numbers all the time; a datagram that the other one repeats is no reason to follow it.
#[test]
fn a_later_path_has_not_begun_anew() {
    let feed = multiplex(4000 * EACH, 1);
    let weather = [Weather { twice: 500, ..Weather::default() }, Weather { loss: 100, delay: 30, jitter: 2, ..Weather::default() }];
    let arrivals = arrivals(4000, weather, 3, 0);
    let ran = run(blocks(&feed, &arrivals, [true; 2], 0), 2, WINDOW);
    assert_same(&ran.packets, &feed);
}

/// Has some packets say what one long before said, with the same counter, as repeated pictures do.
fn repeat_some(feed: &mut [Packet]) {
    let like = |a: &Packet, b: &Packet| a[..4] == b[..4] && a[1] & 0x40 == 0 && lane::is_telling(a) && lane::is_telling(b);
    for n in (40_000..feed.len()).step_by(101) {
        if let Some(before) = (n - 40_000..n - 39_000).find(|before| like(&feed[*before], &feed[n])) {
            feed[n] = feed[before];
        }
    }
}

/// Two files, one of which lacks more than is remembered of a path: everything that the other one has passes, in order, whichever comes first.
#[test]
fn a_hole_longer_than_the_memory_is_filled() {
    let (before, hole, after) = (1000, lane::WAITING as usize / EACH + 1500, 2500);
    for (holed, behind) in [(0, after + 9000), (1, after + 9000), (0, after), (1, after)] {
        let mut feed = multiplex((before + hole + behind) * EACH, 5);
        repeat_some(&mut feed);
        let mut arrivals = Vec::new();
        for i in 0..before + hole + behind {
            for path in 0..2 {
                let n = if path == holed && i >= before { i + hole } else { i };
                if n < before + hole + behind {
                    arrivals.push((PERIOD * i as u32, path, n));
                }
            }
        }
        let ran = run(blocks(&feed, &arrivals, [false; 2], 0), 2, Duration::from_secs(1 << 20));
        assert_same(&ran.packets, &ideal(&feed, &arrivals, 0, false));
        assert_eq!(ran.counts.paths[1 - holed].overruns.load(Relaxed), 0);
    }
}

/// One path is later by less than the window; then there is more in that time than is remembered.
#[test]
fn what_there_is_no_room_for_passes_before_its_time() {
    let (thin, thick) = (40, 60);
    let feed = multiplex(3000 * thin + 2500 * thick, 6);
    let mut all = Vec::new();
    let mut from = 0;
    for n in 0..5500u32 {
        let to = from + if n < 3000 { thin } else { thick };
        for (path, delay) in [(0, 0), (1, 1500)] {
            all.push((path, Block { packets: feed[from..to].concat(), number: None, at: PERIOD * (n + delay) }));
        }
        from = to;
    }
    all.sort_by_key(|(_, block)| block.at);
    let ran = run(all, 2, Duration::from_secs(2));
    assert!(ran.events.contains(&Event::Merged(Mode::Content)), "{:?}", ran.events);
    let wanted: Vec<Packet> = feed.iter().filter(|packet| Head::of(packet).pid != NULL).copied().collect();
    assert!(ran.packets.len() >= wanted.len(), "{} of {}", ran.packets.len(), wanted.len());
    assert_same(&ran.packets[..wanted.len()], &wanted);
    assert!(ran.longest <= Duration::from_secs(2), "{:?}", ran.longest);
}

/// A hole is given up where what waits behind it takes too much room, however long it may wait.
#[test]
fn what_waits_is_bounded_by_bytes() {
    let long = multiplex(348, 7).concat();
    let mut sequence = Sequence::new(0, 2, Duration::from_secs(2), &counted(2));
    let (at, mut out, mut most, mut passed) = (Duration::from_secs(1), VecDeque::new(), 0, 0);
    let mut pushed = 0;
    for n in 0..2000u16 {
        if n != 1 {
            pushed += 1;
            sequence.push(0, Block { packets: long.clone(), number: Some(Number { source: 7, sequence: n }), at });
        }
        sequence.release(at, &mut out);
        passed += out.drain(..).count();
        most = most.max(pushed - passed);
    }
    assert!(most * long.len() <= (64 << 20) + 2 * long.len(), "{most} of {} bytes", long.len());
    assert!(most > 500, "nothing was waited for");
}

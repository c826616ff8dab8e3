//! Transport streams made by hand, packet by packet.

use super::*;
use proptest::prelude::*;

/// A packet of `pid` with this payload behind its header, stuffed with 0xFF.
fn packet(pid: u16, starts: bool, payload: &[u8]) -> Vec<u8> {
    let [high, low] = pid.to_be_bytes();
    let mut packet = vec![SYNC, high | if starts { 0x40 } else { 0 }, low, 0x10];
    packet.extend_from_slice(payload);
    packet.resize(PACKET, 0xFF);
    packet
}

/// A section with its length and checksum.
fn sealed(table: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() + 4;
    let mut section = vec![table, 0xB0 | (length >> 8) as u8, length as u8];
    section.extend_from_slice(body);
    let sum = psi::crc(&section);
    section.extend(sum.to_be_bytes());
    section
}

/// A programme map of streams with descriptors, with `padding` bytes of a private descriptor before them.
fn map_of(programme: u8, streams: &[(u16, u8, &[u8])], padding: usize) -> Vec<u8> {
    versioned(0, programme, streams, padding)
}

fn versioned(version: u8, programme: u8, streams: &[(u16, u8, &[u8])], padding: usize) -> Vec<u8> {
    let mut body = vec![0, programme, 0xC1 | version << 1, 0, 0, 0xE0 | (streams[0].0 >> 8) as u8, streams[0].0 as u8];
    body.extend_from_slice(&[0xF0 | (padding >> 8) as u8, padding as u8]);
    body.extend(std::iter::repeat_n(0, padding));
    for (pid, kind, descriptors) in streams {
        body.extend_from_slice(&[*kind, 0xE0 | (pid >> 8) as u8, *pid as u8, 0xF0, descriptors.len() as u8]);
        body.extend_from_slice(descriptors);
    }
    sealed(2, &body)
}

fn map(streams: &[(u16, u8)], padding: usize) -> Vec<u8> {
    map_of(1, &streams.iter().map(|(pid, kind)| (*pid, *kind, &[][..])).collect::<Vec<_>>(), padding)
}

/// The packet that says which programmes there are, each with its map on PID 0x1000 and up.
fn programmes(numbers: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1, 0xC1, 0, 0];
    numbers.iter().for_each(|number| body.extend([0, *number, 0xF0, *number - 1]));
    section_on(0, &sealed(0, &body))
}

/// The packets of a section on PID 0x1000.
fn section(section: &[u8]) -> Vec<u8> {
    section_on(0x1000, section)
}

fn section_on(pid: u16, section: &[u8]) -> Vec<u8> {
    let mut payload = vec![0];
    payload.extend_from_slice(section);
    payload.chunks(PACKET - 4).enumerate().flat_map(|(n, part)| packet(pid, n == 0, part)).collect()
}

fn through(bytes: &[u8], block: usize) -> Vec<u8> {
    let (mut ids, mut out) = (Renumber::new(), Vec::new());
    bytes.chunks(block).for_each(|block| ids.push(block, &mut out));
    ids.finish(&mut out);
    out
}

fn pids(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks(PACKET).map(|p| u16::from_be_bytes([p[1], p[2]]) & 0x1FFF).collect()
}

const MPEG2: u8 = 0x02;
const H264: u8 = 0x1B;

#[test]
fn a_pid_that_carries_something_else_gets_another_number_and_its_old_one_back() {
    for padding in [0, 400] {
        let mut feed = Vec::new();
        for (version, kind) in [MPEG2, H264, MPEG2, H264].into_iter().enumerate() {
            feed.extend(section(&versioned(version as u8, 1, &[(0x100, kind, &[]), (0x101, 3, &[])], padding)));
            feed.extend(packet(0x100, true, &[0, 0, 1, 0xE0]));
            feed.extend(packet(0x101, true, &[0, 0, 1, 0xC0]));
        }
        let out = through(&feed, 1000);
        let pids = pids(&out);
        let of = |n: usize| pids.iter().filter(|pid| **pid != 0x1000).skip(2 * n).take(2).copied().collect::<Vec<_>>();
        assert_eq!((of(0), of(2)), (vec![0x100, 0x101], vec![0x100, 0x101]));
        let other = of(1)[0];
        assert!(other != 0x100 && of(1) == of(3) && of(1)[1] == 0x101, "{pids:x?}");
        // The map says so, with a checksum that is right.
        let packets: Vec<usize> = (0..out.len()).step_by(PACKET).collect();
        let at =
            packets.iter().position(|&at| pids[at / PACKET] == other).expect("it is there") - section(&map(&[(0x100, 2), (0x101, 3)], padding)).len() / PACKET;
        let read = psi::Section::gather(&out, &packets[at..]).expect("complete");
        assert!(read.is_intact() && read.clock().map(|(_, pid)| pid) == Some(other));
        assert_eq!(read.streams().iter().map(|stream| stream.pid).collect::<Vec<_>>(), [other, 0x101]);
    }
}

#[test]
fn a_map_with_a_wrong_checksum_says_nothing() {
    let mut broken = map(&[(0x100, H264)], 0);
    broken[12] ^= 1;
    let mut feed = section(&map(&[(0x100, MPEG2)], 0));
    feed.extend(section(&broken));
    feed.extend(packet(0x100, true, &[0, 0, 1, 0xE0]));
    assert_eq!(through(&feed, 188), feed);
}

/// AC-3, as DVB and as ATSC have it.
const PRIVATE: u8 = 0x06;
const ATSC: u8 = 0x81;

/// Two programmes share a sound, and say unlike things of it, or the same in another order.
#[test]
fn a_pid_of_two_programmes_is_left_alone() {
    let (ac3, named) = ([0x6A, 1, 0], [0x05, 4, b'A', b'C', b'-', b'3']);
    let (one, other) = ([&ac3[..], &named].concat(), [&named[..], &ac3].concat());
    for (a, b) in [((PRIVATE, &one), (ATSC, &one)), ((PRIVATE, &one), (PRIVATE, &other))] {
        let mut feed = Vec::new();
        for _ in 0..4 {
            feed.extend(programmes(&[1, 2]));
            feed.extend(section(&map_of(1, &[(0x100, H264, &[]), (0x101, a.0, a.1)], 0)));
            feed.extend(packet(0x101, true, &[0, 0, 1, 0xBD]));
            feed.extend(section_on(0x1001, &map_of(2, &[(0x200, H264, &[]), (0x101, b.0, b.1)], 0)));
            feed.extend(packet(0x101, true, &[0, 0, 1, 0xBD]));
        }
        assert!(through(&feed, 1000) == feed);
    }
}

/// What another programme said of a PID is over with it.
#[test]
fn a_programme_that_is_gone_claims_nothing() {
    let feed_of = |programme: u8, kind: u8| {
        let map = section_on(0x1000 + u16::from(programme) - 1, &map_of(programme, &[(0x100, kind, &[])], 0));
        [programmes(&[programme]), map, packet(0x100, true, &[0, 0, 1, 0xE0])].concat()
    };
    let out = through(&[feed_of(1, MPEG2), feed_of(2, H264)].concat(), 188);
    let pids = pids(&out);
    assert!(pids[2] == 0x100 && pids[5] != 0x100, "{pids:x?}");
}

/// The bytes that have come out after each packet that went in, in packets.
fn delays(feed: &[u8]) -> Vec<usize> {
    let (mut ids, mut out) = (Renumber::new(), Vec::new());
    let held = |(n, packet): (usize, &[u8])| {
        ids.push(packet, &mut out);
        n + 1 - out.len() / PACKET
    };
    feed.chunks(PACKET).enumerate().map(held).collect()
}

/// A stream of a programme whose map takes several packets, of which some are lost.
#[test]
fn a_map_that_is_known_holds_nothing_up() {
    let picture = || packet(0x100, true, &[0, 0, 1, 0xE0]);
    let whole = section(&map(&[(0x100, H264)], 400));
    let mut feed = Vec::new();
    for n in 0..4 {
        feed.extend_from_slice(if n == 2 { &whole[..PACKET] } else { &whole });
        (0..50).for_each(|_| feed.extend(picture()));
    }
    let delays = delays(&feed);
    // Three packets tell a transport stream, and are the first map.
    assert!(delays[..2].iter().all(|held| *held > 0) && delays[2..].iter().all(|held| *held == 0), "{delays:?}");
    assert!(through(&feed, 188) == feed);
}

/// A map that begins as before and says something new in its second packet, without a new version, is read the next time.
#[test]
fn a_map_that_begins_as_before_is_not_taken_for_it() {
    let of = |kind: u8| [section(&map(&[(0x100, kind), (0x101, 3)], 300)), packet(0x100, true, &[0, 0, 1, 0xE0])].concat();
    let out = through(&[of(MPEG2), of(MPEG2), of(H264), of(H264)].concat(), 188);
    let pictures: Vec<u16> = pids(&out).into_iter().filter(|pid| *pid != 0x1000).collect();
    assert!(pictures[..2] == [0x100; 2] && pictures[3] != 0x100, "{pictures:x?}");
}

/// A new map that never is complete holds up no more than so much for each of its packets.
#[test]
fn a_new_map_that_is_lost_is_not_waited_for_long() {
    let mut feed = section(&map(&[(0x100, MPEG2)], 300));
    feed.extend_from_slice(&section(&map(&[(0x100, H264)], 300))[..PACKET]);
    (0..1000).for_each(|_| feed.extend(packet(0x100, true, &[0, 0, 1, 0xE0])));
    let most = delays(&feed).into_iter().max();
    assert!(most.is_some_and(|most| most <= 2 * HELD_EACH + 2), "{most:?}");
}

/// What is scrambled may look like anything, and what is damaged is nothing.
#[test]
fn a_scrambled_or_damaged_packet_is_no_map() {
    let start = section(&map(&[(0x100, H264)], 400));
    for (byte, bits) in [(3, 0x80), (3, 0xC0), (1, 0x80)] {
        let mut feed =
            [packet(0x100, true, &[0, 0, 1, 0xE0]), packet(0x101, true, &[0, 0, 1, 0xC0]), packet(0x100, false, &[9]), start[..PACKET].to_vec()].concat();
        feed[3 * PACKET + byte] |= bits;
        (0..100).for_each(|_| feed.extend(packet(0x100, true, &[0, 0, 1, 0xE0])));
        let delays = delays(&feed);
        assert!(delays[3..].iter().all(|held| *held == 0), "{delays:?}");
    }
}

proptest! {
    /// What never changes, or is no transport stream, passes byte for byte, however it is cut; and nothing panics.
    #[test]
    fn what_does_not_change_passes(start in prop::collection::vec(any::<u8>(), 0..400), count in 0usize..12, block in 1usize..700, noise in prop::collection::vec(any::<u8>(), 0..900)) {
        let mut feed = start;
        for _ in 0..count {
            feed.extend(section(&map(&[(0x100, H264)], 300)));
            feed.extend(packet(0x100, true, &[0, 0, 1, 0xE0]));
        }
        feed.extend(noise);
        prop_assert_eq!(through(&feed, block), feed);
    }

    /// Bits that flip anywhere alter no length, and no other packet's place.
    #[test]
    fn flipped_bits_do_no_harm(flips in prop::collection::vec((0usize..188 * 12, 0u8..8), 0..40), block in 1usize..700) {
        let mut feed = Vec::new();
        for kind in [MPEG2, H264, MPEG2] {
            feed.extend(section(&map(&[(0x100, kind)], 200)));
            feed.extend(packet(0x100, true, &[0, 0, 1, 0xE0]));
        }
        for (at, bit) in flips {
            if let Some(byte) = feed.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        prop_assert_eq!(through(&feed, block).len(), feed.len());
    }
}

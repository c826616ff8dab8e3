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

/// A programme map, with `padding` bytes of a private descriptor before its streams.
fn map(streams: &[(u16, u8)], padding: usize) -> Vec<u8> {
    let mut body = vec![0, 1, 0xC1, 0, 0, 0xE0 | (streams[0].0 >> 8) as u8, streams[0].0 as u8];
    body.extend_from_slice(&[0xF0 | (padding >> 8) as u8, padding as u8]);
    body.extend(std::iter::repeat_n(0, padding));
    for (pid, kind) in streams {
        body.extend_from_slice(&[*kind, 0xE0 | (pid >> 8) as u8, *pid as u8, 0xF0, 0]);
    }
    let length = body.len() + 4;
    let mut section = vec![2, 0xB0 | (length >> 8) as u8, length as u8];
    section.extend(body);
    let sum = psi::crc(&section);
    section.extend(sum.to_be_bytes());
    section
}

/// The packets of a section on PID 0x1000.
fn section(section: &[u8]) -> Vec<u8> {
    let mut payload = vec![0];
    payload.extend_from_slice(section);
    payload.chunks(PACKET - 4).enumerate().flat_map(|(n, part)| packet(0x1000, n == 0, part)).collect()
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
        for kind in [MPEG2, H264, MPEG2, H264] {
            feed.extend(section(&map(&[(0x100, kind), (0x101, 3)], padding)));
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
        assert_eq!(read.streams().iter().map(|(_, pid, _)| *pid).collect::<Vec<_>>(), [other, 0x101]);
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

//! A transport packet (ISO/IEC 13818-1, 2.4.3), and what can be done to the stamps in it.

use std::ops::Range;

/// Bytes of a transport packet.
pub(super) const PACKET: usize = 188;

/// The PID of whole transport packets; `None` where there is no sync byte.
pub(super) fn pid(packet: &[u8]) -> Option<u16> {
    match packet {
        [0x47, high, low, ..] => Some(u16::from(high & 0x1f) << 8 | u16::from(*low)),
        _ => None,
    }
}

/// Adds `by` to the continuity counter of a packet with a payload.
pub(super) fn turn_counter(packet: &mut [u8], by: u8) {
    if let Some(byte) = packet.get_mut(3).filter(|byte| **byte & 0x10 != 0) {
        *byte = *byte & 0xf0 | byte.wrapping_add(by) & 0x0f;
    }
}

/// Where the payload begins, if there is one.
pub(super) fn payload(packet: &[u8]) -> Option<usize> {
    let flags = *packet.get(3)?;
    let start = if flags & 0x20 != 0 { 5 + usize::from(*packet.get(4)?) } else { 4 };
    (flags & 0x10 != 0 && start < packet.len()).then_some(start)
}

/// Moves a PCR by `ticks` of 90 kHz.
pub(super) fn move_pcr(packet: &mut [u8], ticks: i64) {
    let has = packet.len() >= 12 && packet[3] & 0x20 != 0 && packet[4] >= 7 && packet[5] & 0x10 != 0;
    if has {
        let base = packet[6..10].iter().fold(0u64, |n, b| n << 8 | u64::from(*b)) << 1 | u64::from(packet[10] >> 7);
        let base = turned(base, ticks);
        packet[6..10].copy_from_slice(&((base >> 1) as u32).to_be_bytes());
        packet[10] = packet[10] & 0x7f | ((base & 1) as u8) << 7;
    }
}

/// Where a PES header's flags and stamps are, in a packet that begins a PES packet of video or sound.
struct Stamps {
    flags: usize,
    stamps: Vec<Range<usize>>,
}

fn stamps(packet: &[u8]) -> Option<Stamps> {
    if packet.get(1)? & 0x40 == 0 {
        return None;
    }
    let at = payload(packet)?;
    let head = packet.get(at..at + 9)?;
    // Streams with the optional header: private_stream_1, audio and video (2.4.3.7).
    if !matches!(head, [0, 0, 1, 0xbd | 0xc0..=0xef, ..]) {
        return None;
    }
    let count = match head[7] >> 6 {
        2 => 1,
        3 => 2,
        _ => 0,
    };
    let end = at + 9 + 5 * count;
    (end <= packet.len()).then(|| Stamps { flags: at + 7, stamps: (0..count).map(|n| at + 9 + 5 * n..at + 14 + 5 * n).collect() })
}

/// The stamps of the PES packet that begins here: PTS, then DTS where there is one.
#[cfg(test)]
pub(super) fn read_stamps(packet: &[u8]) -> Vec<u64> {
    stamps(packet).map(|found| found.stamps.into_iter().map(|at| read(&packet[at])).collect()).unwrap_or_default()
}

/// Whether a PES packet with stamps begins here.
pub(super) fn is_stamped(packet: &[u8]) -> bool {
    stamps(packet).is_some_and(|found| !found.stamps.is_empty())
}

/// Moves PTS and DTS by `ticks` of 90 kHz.
pub(super) fn move_stamps(packet: &mut [u8], ticks: i64) {
    for at in stamps(packet).map(|found| found.stamps).unwrap_or_default() {
        let moved = turned(read(&packet[at.clone()]), ticks);
        write(&mut packet[at], moved);
    }
}

/// Takes PTS and DTS away; their place becomes stuffing.
pub(super) fn remove_stamps(packet: &mut [u8]) {
    if let Some(found) = stamps(packet) {
        packet[found.flags] &= 0x3f;
        for at in found.stamps {
            packet[at].fill(0xff);
        }
    }
}

/// A 33-bit count moved by `ticks`.
fn turned(count: u64, ticks: i64) -> u64 {
    count.wrapping_add_signed(ticks) & ((1 << 33) - 1)
}

fn read(at: &[u8]) -> u64 {
    let part = |byte: u8| u64::from(byte >> 1);
    (part(at[0]) & 7) << 30 | u64::from(at[1]) << 22 | part(at[2]) << 15 | u64::from(at[3]) << 7 | part(at[4])
}

fn write(at: &mut [u8], count: u64) {
    at[0] = at[0] & 0xf1 | ((count >> 29) as u8 & 0x0e);
    at[1] = (count >> 22) as u8;
    at[2] = (count >> 14) as u8 & 0xfe | 1;
    at[3] = (count >> 7) as u8;
    at[4] = (count << 1) as u8 | 1;
}

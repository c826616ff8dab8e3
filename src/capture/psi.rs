//! The map of a programme in a transport stream (ISO/IEC 13818-1, 2.4.4.8): what each PID carries.

use super::renumber::PACKET;
use std::ops::Range;

/// Table id of a programme map.
const MAP: u8 = 0x02;
/// Descriptors that say what a private stream is: registration, VBI and teletext, subtitles, AC-3, E-AC-3, DTS, AAC, extension (AC-4, Opus and others), AC-3 as ATSC has it.
const TELLING: [u8; 10] = [0x05, 0x46, 0x56, 0x59, 0x6A, 0x7A, 0x7B, 0x7C, 0x7F, 0x81];

/// What a PID carries, as far as a decoder depends on it: the stream's type, and of its descriptors those that name a codec.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Coding {
    kind: u8,
    said: Vec<u8>,
}

/// Whether a packet holds the beginning of a programme map.
pub fn begins_map(packet: &[u8]) -> bool {
    let starts = packet.get(1).is_some_and(|byte| byte & 0x40 != 0);
    let payload = payload(packet);
    let table = payload.start + 1 + usize::from(packet.get(payload.start).copied().unwrap_or(u8::MAX));
    // Section syntax, and the two bits that are fixed: a PES packet begins otherwise.
    starts && table + 2 < payload.end && packet[table] == MAP && packet[table + 1] & 0xC0 == 0x80
}

/// Where a packet's payload is; empty where there is none.
fn payload(packet: &[u8]) -> Range<usize> {
    match packet.get(3).map_or(0, |byte| byte >> 4 & 3) {
        1 => 4..PACKET,
        3 => (5 + usize::from(packet.get(4).copied().unwrap_or(0))).min(PACKET)..PACKET,
        _ => PACKET..PACKET,
    }
}

/// A section and where each of its bytes is.
pub struct Section {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Section {
    /// Puts together the section that begins in the first of `packets` (where each begins in `data`); nothing while it is not complete.
    pub fn gather(data: &[u8], packets: &[usize]) -> Option<Section> {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for (n, &at) in packets.iter().enumerate() {
            let packet = data.get(at..at + PACKET)?;
            let mut payload = payload(packet);
            if packet[1] & 0x40 != 0 {
                let before = payload.start + 1..(payload.start + 1 + usize::from(*packet.get(payload.start)?)).min(PACKET);
                // What lies before the beginning of another section is the rest of this one.
                payload = if n == 0 { before.end..PACKET } else { before };
            }
            bytes.extend_from_slice(&packet[payload.clone()]);
            places.extend(payload.map(|byte| at + byte));
        }
        let length = 3 + (usize::from(*bytes.get(1)? & 0x0F) << 8 | usize::from(*bytes.get(2)?));
        (bytes.len() >= length).then(|| {
            bytes.truncate(length);
            places.truncate(length);
            Section { bytes, places }
        })
    }

    /// Whether its checksum is right, and it is a map that holds now.
    pub fn is_intact(&self) -> bool {
        self.bytes.len() >= 16 && self.bytes[0] == MAP && self.bytes[5] & 1 == 1 && crc(&self.bytes) == 0
    }

    fn pid(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]) & 0x1FFF
    }

    /// Where the PID of the programme's clock is, and which it is.
    pub fn clock(&self) -> Option<(usize, u16)> {
        Some((8, self.pid(8))).filter(|(_, pid)| *pid != 0x1FFF)
    }

    /// Where each stream's PID is, which it is, and what it carries.
    pub fn streams(&self) -> Vec<(usize, u16, Coding)> {
        let end = self.bytes.len() - 4;
        let length = |at: usize| usize::from(self.bytes[at] & 0x0F) << 8 | usize::from(self.bytes[at + 1]);
        let (mut at, mut found) = (12 + length(10), Vec::new());
        while at + 5 <= end {
            let descriptors = (at + 5).min(end)..(at + 5 + length(at + 3)).min(end);
            found.push((at + 1, self.pid(at + 1), Coding { kind: self.bytes[at], said: telling(&self.bytes[descriptors.clone()]) }));
            at = descriptors.end;
        }
        found
    }

    /// Writes a PID, found by [`Section::clock`] or [`Section::streams`].
    pub fn set_pid(&mut self, at: usize, pid: u16) {
        let [high, low] = pid.to_be_bytes();
        self.bytes[at] = self.bytes[at] & 0xE0 | high;
        self.bytes[at + 1] = low;
    }

    /// Makes the checksum right.
    pub fn seal(&mut self) {
        let end = self.bytes.len() - 4;
        let sum = crc(&self.bytes[..end]);
        self.bytes[end..].copy_from_slice(&sum.to_be_bytes());
    }

    /// Puts its bytes back where they came from.
    pub fn scatter(&self, data: &mut [u8]) {
        self.places.iter().zip(&self.bytes).for_each(|(&at, &byte)| data[at] = byte);
    }
}

/// Of descriptors, the tags of those that name a codec, and the whole of a registration.
fn telling(mut descriptors: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    while let [tag, length, rest @ ..] = descriptors {
        let (body, after) = rest.split_at(usize::from(*length).min(rest.len()));
        if TELLING.contains(tag) {
            said.push(*tag);
            match tag {
                0x05 => said.extend_from_slice(&body[..body.len().min(4)]),
                0x7F => said.extend(body.first()),
                _ => {}
            }
        }
        descriptors = after;
    }
    said
}

/// CRC-32 of a section (ISO/IEC 13818-1, annex A); zero over one whose own is right.
pub fn crc(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(u32::MAX, |sum, &byte| (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| if sum & 1 << 31 != 0 { sum << 1 ^ 0x04C1_1DB7 } else { sum << 1 }))
}

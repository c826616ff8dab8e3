//! The tables of a transport stream (ISO/IEC 13818-1, 2.4.4): which programmes there are, and the map of each, which says what each PID carries.

use super::renumber::PACKET;
use std::ops::Range;

/// Table id of the programmes, and of the map of one.
const PROGRAMMES: u8 = 0x00;
const MAP: u8 = 0x02;
/// Descriptors that say what a private stream is: registration, VBI and teletext, subtitles, AC-3, E-AC-3, DTS, AAC, extension (AC-4, Opus and others), AC-3 as ATSC has it.
const TELLING: [u8; 10] = [0x05, 0x46, 0x56, 0x59, 0x6A, 0x7A, 0x7B, 0x7C, 0x7F, 0x81];

/// What a PID carries, as far as a decoder depends on it: the stream's type, and of its descriptors those that name a codec.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Coding {
    kind: u8,
    said: Vec<u8>,
}

/// A stream of a map.
pub struct Stream {
    /// Where its PID is in the section.
    pub at: usize,
    /// That.
    pub pid: u16,
    /// What it carries.
    pub coding: Coding,
}

/// Whether a section begins in a packet that is neither scrambled nor damaged.
fn starts(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|byte| byte & 0xC0 == 0x40) && packet.get(3).is_some_and(|byte| byte & 0xC0 == 0)
}

/// Of the section that begins in a packet, what that packet has of it.
pub fn beginning(packet: &[u8]) -> &[u8] {
    let payload = payload(packet);
    let table = payload.start + 1 + usize::from(packet.get(payload.start).copied().unwrap_or(u8::MAX));
    packet.get(table..payload.end).unwrap_or_default()
}

/// Whether a packet holds the beginning of a programme map.
pub fn begins_map(packet: &[u8]) -> bool {
    let table = beginning(packet);
    // Section syntax, and the two bits that are fixed: a PES packet begins otherwise.
    starts(packet) && table.len() > 2 && table[0] == MAP && table[1] & 0xC0 == 0x80
}

/// How many packets the section takes that begins in this one, where they are full.
pub fn packets(packet: &[u8]) -> usize {
    let table = beginning(packet);
    let [_, high, low, ..] = table else { return 1 };
    let length = 3 + (usize::from(high & 0x0F) << 8 | usize::from(*low));
    1 + length.saturating_sub(table.len()).div_ceil(PACKET - 4)
}

/// The programmes that there are, where one packet says all of them. (Where it takes several, they are not looked at.)
pub fn programmes(packet: &[u8]) -> Option<Vec<u16>> {
    let Section { bytes, .. } = Section::gather(packet, &[0]).filter(|_| starts(packet))?;
    let whole = bytes.len() >= 12 && bytes[0] == PROGRAMMES && bytes[5] & 1 == 1 && bytes[7] == 0 && crc(&bytes) == 0;
    whole.then(|| bytes[8..bytes.len() - 4].chunks_exact(4).map(|entry| u16::from_be_bytes([entry[0], entry[1]])).collect())
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

    /// The number of its programme.
    pub fn programme(&self) -> u16 {
        u16::from_be_bytes([self.bytes[3], self.bytes[4]])
    }

    /// Where the PID of the programme's clock is, and which it is.
    pub fn clock(&self) -> Option<(usize, u16)> {
        Some((8, self.pid(8))).filter(|(_, pid)| *pid != 0x1FFF)
    }

    /// Its streams.
    pub fn streams(&self) -> Vec<Stream> {
        let end = self.bytes.len() - 4;
        let length = |at: usize| usize::from(self.bytes[at] & 0x0F) << 8 | usize::from(self.bytes[at + 1]);
        let (mut at, mut found) = (12 + length(10), Vec::new());
        while at + 5 <= end {
            let descriptors = (at + 5).min(end)..(at + 5 + length(at + 3)).min(end);
            let coding = Coding { kind: self.bytes[at], said: telling(&self.bytes[descriptors.clone()]) };
            found.push(Stream { at: at + 1, pid: self.pid(at + 1), coding });
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

    /// Puts its bytes back: each packet that they came from is at the place of `packets` now.
    pub fn scatter(&self, data: &mut [u8], packets: &[usize]) {
        self.places.iter().zip(&self.bytes).for_each(|(&at, &byte)| data[packets[at / PACKET] + at % PACKET] = byte);
    }
}

/// Of descriptors, the tags of those that name a codec, and the whole of a registration, in an order of our own.
fn telling(mut descriptors: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    while let [tag, length, rest @ ..] = descriptors {
        let (body, after) = rest.split_at(usize::from(*length).min(rest.len()));
        let more = match tag {
            0x05 => 4,
            0x7F => 1,
            _ => 0,
        };
        if TELLING.contains(tag) {
            said.push([&[*tag], &body[..body.len().min(more)]].concat());
        }
        descriptors = after;
    }
    said.sort();
    said.concat()
}

/// CRC-32 of a section (ISO/IEC 13818-1, annex A); zero over one whose own is right.
pub fn crc(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(u32::MAX, |sum, &byte| (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| if sum & 1 << 31 != 0 { sum << 1 ^ 0x04C1_1DB7 } else { sum << 1 }))
}

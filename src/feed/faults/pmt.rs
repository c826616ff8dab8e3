//! The programme map without one of its streams (ISO/IEC 13818-1, 2.4.4.8).

use super::packet::payload;

/// Rewrites the map in `packet`, a section within one packet, as libav writes it: without the streams whose PIDs are `gone`, and `turn` versions later.
pub(super) fn rewrite(packet: &mut [u8], gone: &[u16], turn: u8) {
    let Some(section) = section(packet) else { return };
    let mut map = packet[section.clone()].to_vec();
    map[5] = map[5] & 0xc1 | (map[5] >> 1).wrapping_add(turn) << 1 & 0x3e;
    let mut at = 12 + length(&map, 10);
    let body = map.len() - 4;
    let mut kept = map[..at.min(body)].to_vec();
    while at + 5 <= body {
        let end = (at + 5 + length(&map, at + 3)).min(body);
        let pid = u16::from(map[at + 1] & 0x1f) << 8 | u16::from(map[at + 2]);
        if !gone.contains(&pid) {
            kept.extend_from_slice(&map[at..end]);
        }
        at = end;
    }
    let size = kept.len() + 4 - 3;
    kept[1] = kept[1] & 0xf0 | (size >> 8) as u8;
    kept[2] = size as u8;
    kept.extend_from_slice(&crc(&kept).to_be_bytes());
    let whole = &mut packet[section];
    let (new, rest) = whole.split_at_mut(kept.len());
    new.copy_from_slice(&kept);
    rest.fill(0xff);
}

/// Where the section is, from table_id to its CRC.
fn section(packet: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = payload(packet).filter(|_| packet[1] & 0x40 != 0)?;
    let from = start + 1 + usize::from(*packet.get(start)?);
    let head = packet.get(from..from + 12).filter(|head| head[0] == 2)?;
    let to = from + 3 + length(head, 1);
    (to <= packet.len() && to >= from + 16).then_some(from..to)
}

/// A length in the low 12 bits of two bytes.
fn length(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes[at] & 0x0f) << 8 | usize::from(bytes[at + 1])
}

/// CRC-32/MPEG-2 (annex A): over a whole section with its CRC it is 0.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 }))
}

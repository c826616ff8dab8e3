//! AAC whose channel layout is told once: ADTS with channel configuration 0 and a program config element, which some encoders write only into
//! the first packet. A decoder opened later needs that packet before any other.

use ffmpeg_next::Packet;

/// Bits of `id_syn_ele` that say program config element (ISO/IEC 14496-3, table 4.85), in the three highest bits of a byte.
const PCE: u8 = 0b101 << 5;

/// Whether an ADTS frame (ISO/IEC 14496-3, 1.A.3) leaves its channel layout to a program config element, and begins with one.
pub fn begins_with_layout(packet: &Packet) -> bool {
    let Some(&[0xFF, b1, b2, b3, ..]) = packet.data().and_then(|data| data.first_chunk::<7>()) else { return false };
    let channels = (b2 & 1) << 2 | b3 >> 6;
    let header = if b1 & 1 == 1 { 7 } else { 9 };
    let first = packet.data().and_then(|data| data.get(header));
    b1 & 0xF6 == 0xF0 && channels == 0 && first.is_some_and(|byte| byte & (0b111 << 5) == PCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_layout_of_its_own_counts() {
        let adts = |b1: u8, channels: u8, first: u8| Packet::copy(&[0xFF, b1, 0x4C | channels >> 2, channels << 6, 0, 0, 0xFC, first, first, first]);
        assert!(begins_with_layout(&adts(0xF1, 0, 0b1010_0000)));
        assert!(!begins_with_layout(&adts(0xF1, 6, 0b1010_0000)), "the header says the layout");
        assert!(!begins_with_layout(&adts(0xF1, 0, 0b0010_0000)), "a channel pair comes first");
        assert!(!begins_with_layout(&adts(0x01, 0, 0b1010_0000)), "not ADTS");
        assert!(!begins_with_layout(&Packet::copy(&[0xFF, 0xF1])));
    }
}

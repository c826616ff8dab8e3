//! AAC whose channel layout is told once: ADTS with channel configuration 0 and a program config element, which some encoders write only into
//! the first packet (FFmpeg's own muxers do). A decoder opened later needs that packet before any other. Where nobody here has seen it, the layout is that of the smallest
//! channel configuration whose elements the packets have, if they have those of any.

use ffmpeg_next::Packet;

/// Bits of `id_syn_ele` that say program config element (ISO/IEC 14496-3, table 4.85), in the three highest bits of a byte.
const PCE: u8 = 0b101 << 5;

/// Packets by which a layout is judged, and the channel configurations that may be meant (ISO/IEC 14496-3, table 1.19).
pub const JUDGED: usize = 16;
const CONFIGURATIONS: std::ops::RangeInclusive<u8> = 1..=7;

/// Bytes of an ADTS header up to the channel configuration.
const HEAD: usize = 4;

/// Whether an ADTS frame leaves its channel layout to another, and says none itself.
pub fn lacks_layout(packet: &Packet) -> bool {
    let head = packet.data().and_then(|data| data.first_chunk::<HEAD>());
    head.is_some_and(|[b0, b1, b2, b3]| *b0 == 0xFF && b1 & 0xF6 == 0xF0 && b2 & 1 == 0 && b3 >> 6 == 0) && !begins_with_layout(packet)
}

/// The packet with this channel configuration in its header, where it has none; its samples and stamps are those of `packet`.
pub fn with_configuration(packet: &Packet, configuration: u8) -> Option<Packet> {
    if !lacks_layout(packet) {
        return None;
    }
    let mut changed = Packet::copy(packet.data()?);
    let [_, _, b2, b3] = changed.data_mut()?.first_chunk_mut::<HEAD>()?;
    (*b2, *b3) = (*b2 & !1 | configuration >> 2 & 1, *b3 & 0x3F | configuration << 6);
    changed.set_pts(packet.pts());
    changed.set_dts(packet.dts());
    changed.set_duration(packet.duration());
    Some(changed)
}

/// The first channel configuration with which `decodes` finds nothing wrong in the packets.
pub fn assumed(packets: &[Packet], decodes: impl Fn(&[Packet]) -> bool) -> Option<u8> {
    CONFIGURATIONS.into_iter().find(|configuration| {
        let changed: Option<Vec<Packet>> = packets.iter().map(|packet| with_configuration(packet, *configuration)).collect();
        changed.is_some_and(|changed| !changed.is_empty() && decodes(&changed))
    })
}

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

    #[test]
    fn a_layout_that_was_said_before_is_the_smallest_that_fits() {
        let silent = Packet::copy(&[0xFF, 0xF1, 0x4C, 0x3F, 7, 8, 9, 10, 11]);
        assert!(lacks_layout(&silent));
        let mut seen = std::cell::RefCell::new(Vec::new());
        let found = assumed(std::slice::from_ref(&silent), |packets| {
            let head = packets[0].data().expect("bytes");
            assert_eq!(&head[4..], [7, 8, 9, 10, 11]);
            let configuration = (head[2] & 1) << 2 | head[3] >> 6;
            seen.borrow_mut().push(configuration);
            assert_eq!((head[2] & !1, head[3] & 0x3F), (0x4C, 0x3F), "nothing else is touched");
            configuration == 6
        });
        assert_eq!((found, seen.get_mut().as_slice()), (Some(6), &[1, 2, 3, 4, 5, 6][..]));
        assert_eq!(assumed(&[], |_| true), None);
        let said = Packet::copy(&[0xFF, 0xF1, 0x4C, 0x80, 0, 0, 0xFC, 0]);
        assert!(with_configuration(&said, 6).is_none(), "it says one");
    }
}

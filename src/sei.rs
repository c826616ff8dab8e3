//! UTC in pictures: MISB ST 0604 precision time stamps in user_data_unregistered SEI (payload type 5).
//!
//! A payload is 28 bytes: an identifier of 16, a status byte, then 64 bits big-endian, two bytes at a time with 0xFF between the pairs, so that no start code can appear.

use crate::time::Seconds;

/// ST 0604 identifier of microseconds in AVC (and MPEG-2): ASCII.
const AVC_MICROS: [u8; 16] = *b"MISPmicrosectime";
/// ST 0604 identifier of microseconds in HEVC: a8687dd4-d759-3758-a5ce-f0338b6545f1.
const HEVC_MICROS: [u8; 16] = [0xa8, 0x68, 0x7d, 0xd4, 0xd7, 0x59, 0x37, 0x58, 0xa5, 0xce, 0xf0, 0x33, 0x8b, 0x65, 0x45, 0xf1];
/// ST 0604 identifier of nanoseconds: cf848278-ee23-306c-9265-e8fef22fb8b8.
const NANOS: [u8; 16] = [0xcf, 0x84, 0x82, 0x78, 0xee, 0x23, 0x30, 0x6c, 0x92, 0x65, 0xe8, 0xfe, 0xf2, 0x2f, 0xb8, 0xb8];

/// Stamps from this second on (the year 2242) are none.
const LATEST: i64 = 1 << 33;

/// Status byte (ST 0603): locked to a reference, time runs on without a step; reserved bits set.
const LOCKED: u8 = 0x1f;

/// The instant in a user_data_unregistered payload (identifier first, emulation prevention already undone), or `None` where it is not an ST 0604 stamp.
/// The status byte is not judged: a stamp from an encoder without lock is a stamp.
pub fn parse_st0604(payload: &[u8]) -> Option<Seconds> {
    let (identifier, rest) = payload.split_first_chunk::<16>()?;
    let (&[_status, a, b, x, c, d, y, e, f, z, g, h], _) = rest.split_first_chunk::<12>()?;
    if (x, y, z) != (0xff, 0xff, 0xff) {
        return None;
    }
    let count = i128::from(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
    let stamp = match *identifier {
        AVC_MICROS | HEVC_MICROS => Seconds::new(count, 1_000_000),
        NANOS => Seconds::from_nanos(count),
        _ => return None,
    };
    (stamp < Seconds::whole(LATEST)).then_some(stamp)
}

/// Whether a user_data_unregistered payload begins like a stamp.
pub fn is_st0604(payload: &[u8]) -> bool {
    [AVC_MICROS, HEVC_MICROS, NANOS].iter().any(|identifier| payload.starts_with(identifier))
}

/// Whether coded data holds a stamp, wherever it may be: no identifier holds bytes that emulation prevention alters.
pub fn holds_st0604(data: &[u8]) -> bool {
    let identifiers = [AVC_MICROS, HEVC_MICROS, NANOS];
    data.windows(16).any(|window| identifiers.iter().any(|identifier| window == identifier))
}

/// A user_data_unregistered payload that says `micros` microseconds since 1970-01-01T00:00:00Z, for AVC.
/// Two bytes of the count may still be zero: emulation prevention is the NAL writer's part, and never needed within this payload.
pub fn st0604_payload(micros: u64) -> [u8; 28] {
    let [a, b, c, d, e, f, g, h] = micros.to_be_bytes();
    let mut payload = [0; 28];
    payload[..16].copy_from_slice(&AVC_MICROS);
    payload[16..].copy_from_slice(&[LOCKED, a, b, 0xff, c, d, 0xff, e, f, 0xff, g, h]);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn written_is_read(micros in prop_oneof![0..u64::MAX, 0..10_000_000_000_000_000u64]) {
            let payload = st0604_payload(micros);
            let stamp = Seconds::new(i128::from(micros), 1_000_000);
            prop_assert_eq!(parse_st0604(&payload), (stamp < Seconds::whole(LATEST)).then_some(stamp));
            prop_assert!(!payload.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] <= 3));
        }

        #[test]
        fn any_bytes_are_survived(payload: Vec<u8>) {
            let _ = parse_st0604(&payload);
        }

        #[test]
        fn a_cut_payload_is_none(micros: u64, len in 0usize..28) {
            prop_assert_eq!(parse_st0604(&st0604_payload(micros)[..len]), None);
        }
    }

    #[test]
    fn known_stamps() {
        // 2021-01-01T00:00:00Z = 1609459200 s = 0x0005B7D0FED32000 microseconds.
        let mut payload = *b"MISPmicrosectime\x1f\x00\x05\xff\xb7\xd0\xff\xfe\xd3\xff\x20\x00";
        let micros = i128::from(0x0005_b7d0_fed3_2000u64);
        assert_eq!(parse_st0604(&payload), Some(Seconds::new(micros, 1_000_000)));
        payload[..16].copy_from_slice(&HEVC_MICROS);
        assert_eq!(parse_st0604(&payload), Some(Seconds::new(micros, 1_000_000)));
        payload[..16].copy_from_slice(&NANOS);
        assert_eq!(parse_st0604(&payload), Some(Seconds::from_nanos(micros)));
        payload[0] = 0;
        assert_eq!(parse_st0604(&payload), None);
        let mut broken = st0604_payload(1);
        broken[19] = 0xfe;
        assert_eq!(parse_st0604(&broken), None);
    }
}

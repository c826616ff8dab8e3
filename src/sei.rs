//! UTC in a picture: the MISB ST 0604 user_data_unregistered SEI message.

/// `uuid_iso_iec_11578` of a microsecond time stamp (MISB ST 0604, "MISPmicrosectime").
pub const ST0604_UUID: [u8; 16] = *b"MISPmicrosectime";

/// Time status (MISB ST 0603): locked, no discontinuity; the five reserved bits are 1.
const STATUS_LOCKED: u8 = 0x1F;

/// Bytes of a whole payload: identifier, status, eight bytes of time with an 0xFF after the first three pairs.
const LEN: usize = 28;

/// The payload of the SEI message for `micros` microseconds since 1970 (UTC): 28 bytes, identifier included, without the SEI header and without emulation prevention.
pub fn st0604_payload(micros: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(LEN);
    out.extend_from_slice(&ST0604_UUID);
    out.push(STATUS_LOCKED);
    for (i, pair) in micros.to_be_bytes().chunks(2).enumerate() {
        if i > 0 {
            out.push(0xFF);
        }
        out.extend_from_slice(pair);
    }
    out
}

/// Microseconds since 1970 (UTC) from such a payload; `None` where it is another message, or too short, or lacks the 0xFF between pairs.
pub fn parse_st0604(payload: &[u8]) -> Option<u64> {
    let stamp = payload.strip_prefix(&ST0604_UUID)?.get(1..LEN - 16)?;
    let mut micros = 0u64;
    for (i, &byte) in stamp.iter().enumerate() {
        if i % 3 == 2 {
            if byte != 0xFF {
                return None;
            }
        } else {
            micros = micros << 8 | u64::from(byte);
        }
    }
    Some(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_of_the_standard() {
        let payload = st0604_payload(0x0102_0304_0506_0708);
        assert_eq!(payload[..16], *b"MISPmicrosectime");
        assert_eq!(payload[16..], [0x1F, 1, 2, 0xFF, 3, 4, 0xFF, 5, 6, 0xFF, 7, 8]);
        assert_eq!(parse_st0604(&payload), Some(0x0102_0304_0506_0708));
        assert_eq!(parse_st0604(&payload[..27]), None);
        let mut broken = payload.clone();
        broken[19] = 0xFE;
        assert_eq!(parse_st0604(&broken), None);
        assert_eq!(parse_st0604(b"another"), None);
    }
}

//! Where two files first differ, in the words of their boxes.

use mp4_atom::{Atom, Decode, Header};
use mp4_atom::{Avc1, Dinf, Mdia, Minf, Moof, Moov, Mp4a, Mvex, Stbl, Stsd, Traf, Trak};

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 10;
/// Most boxes of one level that are passed.
const MAX_BOXES: usize = 65_536;

/// The first byte at which two differ, if any; the length of the shorter where it is a prefix of the other.
pub fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let differ = a.iter().zip(b).position(|(x, y)| x != y);
    differ.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

/// Bytes of a box's body before its children; nothing for a box without any that are followed.
fn children(kind: [u8; 4]) -> Option<usize> {
    let is = |kinds: &[mp4_atom::FourCC]| kinds.iter().any(|k| <[u8; 4]>::from(*k) == kind);
    match () {
        () if is(&[Moov::KIND, Trak::KIND, Mdia::KIND, Minf::KIND, Dinf::KIND, Stbl::KIND, Mvex::KIND, Moof::KIND, Traf::KIND]) => Some(0),
        () if is(&[Stsd::KIND]) => Some(8),
        () if is(&[Avc1::KIND]) => Some(78),
        () if is(&[Mp4a::KIND]) => Some(28),
        () => None,
    }
}

/// `moof/traf/trun byte 12` for a byte of a file: the boxes around it, and how far into the last one's body it is.
pub fn path(bytes: &[u8], offset: usize) -> String {
    let mut names: Vec<String> = Vec::new();
    let (mut start, mut end) = (0, bytes.len());
    'deeper: for _ in 0..MAX_DEPTH {
        let mut at = start;
        for _ in 0..MAX_BOXES {
            let Some(mut rest) = bytes.get(at..end).filter(|r| !r.is_empty()) else { break 'deeper };
            let Ok(header) = Header::decode(&mut rest) else { break 'deeper };
            let body = end - rest.len();
            let Some(next) = header.size.map_or(Some(end), |size| body.checked_add(size)).filter(|next| *next <= end) else { break 'deeper };
            if offset >= next {
                at = next;
                continue;
            }
            let kind = <[u8; 4]>::from(header.kind);
            names.push(kind.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '?' }).collect());
            match children(kind).and_then(|skip| body.checked_add(skip)).filter(|inner| *inner <= offset) {
                Some(inner) => (start, end) = (inner, next),
                None if offset < body => return format!("{} header (byte {offset})", names.join("/")),
                None => return format!("{} byte {} (byte {offset})", names.join("/"), offset - body),
            }
            continue 'deeper;
        }
        break;
    }
    if names.is_empty() { format!("byte {offset}") } else { format!("{} (byte {offset})", names.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_box_of_a_byte() {
        // moof(8) > traf(8) > tfdt(8 + 12); then mdat with 4 bytes.
        let mut bytes = Vec::new();
        for (size, kind) in [(36u32, b"moof"), (28, b"traf"), (20, b"tfdt")] {
            bytes.extend_from_slice(&size.to_be_bytes());
            bytes.extend_from_slice(kind);
        }
        bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        bytes.extend_from_slice(&[0, 0, 0, 12, b'm', b'd', b'a', b't', 1, 2, 3, 4]);
        assert_eq!(path(&bytes, 35), "moof/traf/tfdt byte 11 (byte 35)");
        assert_eq!(path(&bytes, 9), "moof/traf header (byte 9)");
        assert_eq!(path(&bytes, 46), "mdat byte 2 (byte 46)");
        assert_eq!(path(&bytes, 48), "byte 48");
        let mut other = bytes.clone();
        other[35] = 8;
        assert_eq!(first_difference(&bytes, &other), Some(35));
        assert_eq!(first_difference(&bytes, &bytes[..10]), Some(10));
        assert_eq!(first_difference(&bytes, &bytes), None);
    }
}

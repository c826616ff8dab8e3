//! A clear initialisation segment to that of an encrypted track.

use super::ProtectError;
use super::boxes::Defaults;
use crate::mux::nested::{grow, inside};

/// Makes the sample entry of `clear` an encrypted one, and puts `pssh` (whole boxes) at the end of its `moov`.
pub fn protect(track: &str, clear: &[u8], video: bool, defaults: &Defaults, pssh: &[u8]) -> Result<Vec<u8>, ProtectError> {
    let mut out = clear.to_vec();
    within(&mut out, video, defaults, pssh)
        .map(|()| out)
        .ok_or_else(|| ProtectError::Layout { track: track.to_owned(), why: "its initialisation segment has no sample entry; one is accepted".to_owned() })
}

fn within(out: &mut Vec<u8>, video: bool, defaults: &Defaults, pssh: &[u8]) -> Option<()> {
    let ftyp = u32::from_be_bytes(*out.first_chunk()?) as usize;
    let mut around = inside(out, ftyp, &[b"trak", b"mdia", b"minf", b"stbl", b"stsd"])?;
    // Behind version, flags and the number of entries.
    let entry = around.last()? + 16;
    let original: [u8; 4] = out.get(entry + 4..entry + 8)?.try_into().ok()?;
    out.get_mut(entry + 4..entry + 8)?.copy_from_slice(if video { b"encv" } else { b"enca" });
    around.push(entry);
    grow(out, &around, &defaults.sinf(original))?;
    grow(out, &[ftyp], pssh)
}

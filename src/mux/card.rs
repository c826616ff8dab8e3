//! What playlists call a track, inside its initialisation segment: a `uuid` box of mezzo's own at the end. An origin that has nothing but what was pushed to it
//! writes the same playlists as a worker that makes every track.
//!
//! Content, all big endian: version (8 bits, 1), flags (24 bits, 0), place (16), sound (16), length of the rung (16), rung (UTF-8), length of the label (16), label (UTF-8).

use super::{TrackKind, TrackSpec};

/// Extended type of the box. Drawn at random once; never changes.
pub const UUID: [u8; 16] = [0x3d, 0x0b, 0xe9, 0x57, 0x6e, 0x2f, 0x4c, 0x1d, 0xb4, 0x8a, 0x51, 0xc7, 0x20, 0x9d, 0xf6, 0x48];

/// Version of the content.
pub const VERSION: u8 = 1;

/// A track, as the plan has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Its place among all tracks of the plan, from 0.
    pub place: u16,
    /// Which of the chosen sounds it is, from 0; 0 of video.
    pub sound: u16,
    /// Name of its rung in the ladder.
    pub rung: String,
    /// What its sound is called; empty of video.
    pub label: String,
}

impl Card {
    /// That of `track`.
    pub fn of(track: &TrackSpec) -> Card {
        let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let place = short(track.id.0);
        match &track.kind {
            TrackKind::Video { .. } => Card { place, rung: track.name.clone(), ..Card::default() },
            TrackKind::Audio { rendition, .. } => Card { place, sound: short(rendition.sound), rung: rendition.rung.clone(), label: rendition.label.clone() },
        }
    }

    /// Appends the box. Texts longer than 65535 bytes are left out.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut body = [&UUID[..], &[VERSION, 0, 0, 0], &self.place.to_be_bytes(), &self.sound.to_be_bytes()].concat();
        for text in [&self.rung, &self.label] {
            let length = u16::try_from(text.len()).unwrap_or(0);
            body.extend_from_slice(&length.to_be_bytes());
            body.extend(text.bytes().take(usize::from(length)));
        }
        // At most 8 + 24 + 2 x 65537 bytes.
        out.extend_from_slice(&(body.len() as u32 + 8).to_be_bytes());
        out.extend_from_slice(b"uuid");
        out.extend_from_slice(&body);
    }
}

//! Key ids and keys. A key is never shown: not by `Debug`, not in an error.

use super::cipher::Scheme;
use crate::mux::{TrackKind, TrackSpec};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// A content key: 16 bytes, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<[u8; 16]>);

impl Key {
    /// From its bytes.
    pub fn new(bytes: [u8; 16]) -> Key {
        Key(Zeroizing::new(bytes))
    }

    /// From what a person or a server wrote: 32 hexadecimal digits, or base64 of 16 bytes. `None` where it is neither.
    pub fn read(text: &str) -> Option<Key> {
        sixteen(text).map(Key::new)
    }

    /// The bytes, for a cipher.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Thirty-two hexadecimal digits (with or without the dashes of a UUID), or base64 of 16 bytes.
pub fn sixteen(text: &str) -> Option<[u8; 16]> {
    use base64::Engine;
    let text = text.trim();
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes());
    }
    base64::engine::general_purpose::STANDARD.decode(text).ok()?.try_into().ok()
}

/// The id of a key. It is public.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// From a UUID, 32 hexadecimal digits or base64.
    pub fn read(text: &str) -> Option<KeyId> {
        sixteen(text).map(KeyId)
    }

    /// The key id that mezzo itself gives to the `class` of tracks of a content in a crypto period; `None` stands for none of them, what `tenc` names where keys
    /// rotate. The first 16 bytes of SHA-256 over a prefix and these, with the bits of a name-based UUID (RFC 9562, version 8): every worker has the same.
    pub fn derived(content: &str, scheme: Scheme, class: TrackClass, period: Option<u64>) -> KeyId {
        let mut hash = Sha256::new();
        hash.update(b"mezzo key id\0");
        hash.update((content.len() as u64).to_be_bytes());
        hash.update(content.as_bytes());
        hash.update(scheme.kind());
        hash.update(class.name().as_bytes());
        hash.update([0, u8::from(period.is_some())]);
        hash.update(period.unwrap_or(0).to_be_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        KeyId(id)
    }

    /// In the order of bytes that Microsoft's GUID has: the first three groups the other way round.
    pub fn guid(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        let [i, j, k, l, m, n, o, p] = rest;
        [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
    }

    /// Thirty-two hexadecimal digits.
    pub fn hex(self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = self.hex();
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which tracks share a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrackClass {
    /// Every track that no other key is for.
    All,
    /// Sound.
    Audio,
    /// Pictures of any size.
    Video,
    /// Pictures of at most 1024x576 pixels (589,824).
    Sd,
    /// Pictures of at most 1920x1080 pixels.
    Hd,
    /// Larger pictures.
    Uhd,
}

impl TrackClass {
    /// Every class, the most particular first.
    pub const EACH: [TrackClass; 6] = [TrackClass::Audio, TrackClass::Sd, TrackClass::Hd, TrackClass::Uhd, TrackClass::Video, TrackClass::All];

    /// The most particular class of a track.
    pub fn of(track: &TrackSpec) -> TrackClass {
        let TrackKind::Video { rendition, .. } = &track.kind else { return TrackClass::Audio };
        match u64::from(rendition.width) * u64::from(rendition.height) {
            0..=589_824 => TrackClass::Sd,
            589_825..=2_073_600 => TrackClass::Hd,
            _ => TrackClass::Uhd,
        }
    }

    /// Whether a key for this class is for tracks of the most particular class `track`.
    pub fn holds(self, track: TrackClass) -> bool {
        self == track || self == TrackClass::All || (self == TrackClass::Video && track != TrackClass::Audio)
    }

    /// As it is written in a job.
    pub fn name(self) -> &'static str {
        match self {
            TrackClass::All => "all",
            TrackClass::Audio => "audio",
            TrackClass::Video => "video",
            TrackClass::Sd => "sd",
            TrackClass::Hd => "hd",
            TrackClass::Uhd => "uhd",
        }
    }

    /// `intendedTrackType` of CPIX as SPEKE 2 has it, and back.
    pub fn intended(self) -> &'static str {
        match self {
            TrackClass::All => "ALL",
            TrackClass::Audio => "AUDIO",
            TrackClass::Video => "VIDEO",
            TrackClass::Sd => "SD",
            TrackClass::Hd => "HD",
            TrackClass::Uhd => "UHD",
        }
    }
}

/// A secret of 30 bytes or more from which the key of any key id follows, as PlayReady's licence servers derive it: its first 30 bytes and the GUID of the key id
/// through SHA-256 three times, folded (Microsoft PlayReady Header Specification, "Key seed algorithm").
#[derive(Clone)]
pub struct Seed(Zeroizing<[u8; 30]>);

impl Seed {
    /// From base64 of at least 30 bytes; of more the first 30 count.
    pub fn read(text: &str) -> Option<Seed> {
        use base64::Engine;
        let bytes = Zeroizing::new(base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()?);
        let mut seed = Zeroizing::new([0; 30]);
        seed.copy_from_slice(bytes.get(..30)?);
        Some(Seed(seed))
    }

    /// The key of `id`.
    pub fn key(&self, id: KeyId) -> Key {
        let (seed, guid) = (&self.0[..], &id.guid()[..]);
        let hash = |parts: &[&[u8]]| parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize();
        let [a, b, c] = [hash(&[seed, guid]), hash(&[seed, guid, seed]), hash(&[seed, guid, seed, guid])];
        let mut key = [0; 16];
        for (i, byte) in key.iter_mut().enumerate() {
            *byte = [&a, &b, &c].iter().fold(0, |x, h| x ^ h[i] ^ h[i + 16]);
        }
        Key::new(key)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// What a document or a job says of one key.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentKey {
    /// Which tracks it is for.
    pub class: TrackClass,
    /// Its id.
    pub id: KeyId,
    /// The key.
    pub key: Key,
    /// The constant initialisation vector of `cbcs` where a key server, or the job, sets it.
    pub iv: Option<[u8; 16]>,
    /// What the key server says of DRM systems.
    pub told: Vec<super::systems::Told>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_and_never_shown() {
        let key = Key::read("00112233445566778899AABBCCDDEEFF").expect("hexadecimal");
        assert_eq!(Key::read("ABEiM0RVZneImaq7zN3u/w=="), Some(key.clone()));
        assert_eq!(format!("{key:?} {:?}", Seed::read("XVBovsmzhP9gRIZxWfFta3VVRPzVEWmJsazEJ46I").expect("30 bytes")), "Key(…) Seed(…)");
        assert_eq!([Key::read("00112233"), Key::read(""), Key::read("zz112233445566778899AABBCCDDEEFF")], [None, None, None]);
    }

    #[test]
    fn ids_are_written_as_uuids_and_guids() {
        let id = KeyId::read("01020304-0506-0708-090a-0b0c0d0e0f10").expect("a UUID");
        assert_eq!(id.to_string(), "01020304-0506-0708-090a-0b0c0d0e0f10");
        assert_eq!(id.guid(), [4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16]);
    }

    /// The seed of Microsoft's test server; a key and a checksum (see `playready`) that others derive.
    #[test]
    fn a_seed_gives_the_keys_of_playready() {
        let seed = Seed::read("XVBovsmzhP9gRIZxWfFta3VVRPzVEWmJsazEJ46I").expect("a seed");
        let id = KeyId::read("8ba94ade-6eb9-449d-b44f-a5beefaf43b0").expect("a UUID");
        assert!(seed.key(id) == Key::read("DBFD6922C321C4BB486F4A1C44097ED6").expect("a key"));
    }

    #[test]
    fn derived_ids_differ_in_everything() {
        let mut ids: Vec<KeyId> = Vec::new();
        for content in ["a", "b"] {
            for scheme in [Scheme::Cenc, Scheme::Cbcs] {
                for class in TrackClass::EACH {
                    ids.extend([None, Some(0), Some(1)].map(|period| KeyId::derived(content, scheme, class, period)));
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2 * 2 * 6 * 3);
    }
}

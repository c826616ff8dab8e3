//! Initialisation vectors: formulas, so that every worker writes the same bytes, and yet no vector of `cenc` is ever used for two samples.
//!
//! `cenc` (AES-CTR) is broken by the same key and counter block twice. The 8 bytes of a sample's vector, from the most significant bit on:
//!
//! | bits | what |
//! |---|---|
//! | 6 | the track: its place in the plan, which two workers, shards and restarts have in common |
//! | 42 | the sample: its unit (slot, or audio frame) counted from the epoch. At 100 units a second that lasts until the year 3363 |
//! | 16 | a digest of key, track, unit and the clear sample |
//!
//! The other 8 bytes of the counter block count blocks of the sample from 0, and a sample has fewer than 2^28 of them. So two counter blocks under one key are equal
//! only where track and unit are: within a job never for two samples. The digest is for what a job cannot see: a twin that had other input for a slot (it lost a
//! packet, it showed filler) encrypts other bytes for the same unit. Equal bytes get the equal vector, and the same result; of others, 65,535 in 65,536 another one.
//!
//! `cbcs` has a constant vector for each key, as its definition has it: the key server's, or the first 16 bytes of SHA-256 over the key id.

use super::key::{Key, KeyId};
use sha2::{Digest, Sha256};

/// Tracks of a job that vectors tell apart.
pub const MAX_TRACKS: usize = 1 << 6;

/// Units of a track that vectors tell apart.
pub const MAX_UNITS: u64 = 1 << 42;

/// The vector of a sample under `cenc`. `None` where `track` or `unit` is out of range.
pub fn counter(key: &Key, track: usize, unit: u64, sample: &[u8]) -> Option<[u8; 8]> {
    if track >= MAX_TRACKS || unit >= MAX_UNITS {
        return None;
    }
    let place = (track as u64) << 42 | unit;
    let hash = Sha256::new().chain_update(b"mezzo cenc iv\0").chain_update(key.bytes()).chain_update(place.to_be_bytes()).chain_update(sample).finalize();
    Some((place << 16 | u64::from(u16::from_be_bytes([hash[0], hash[1]]))).to_be_bytes())
}

/// The constant vector of a key under `cbcs`, where nobody else sets it.
pub fn constant(id: KeyId) -> [u8; 16] {
    let mut iv = [0; 16];
    iv.copy_from_slice(&Sha256::new().chain_update(b"mezzo cbcs iv\0").chain_update(id.0).finalize()[..16]);
    iv
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_two_samples_share_a_vector(a in (0..MAX_TRACKS, 0..MAX_UNITS), b in (0..MAX_TRACKS, 0..MAX_UNITS), near in 0u64..3, one: Vec<u8>, other: Vec<u8>) {
            let key = Key::new([1; 16]);
            let vector = |(track, unit), bytes: &[u8]| counter(&key, track, unit, bytes).expect("in range");
            if a != b {
                prop_assert_ne!(vector(a, &one), vector(b, &other));
            }
            // Neighbours, the same content, and the same place in another track.
            let next = (a.0, (a.1 + 1 + near) % MAX_UNITS);
            prop_assert_ne!(vector(a, &one), vector(next, &one));
            prop_assert_ne!(vector(a, &one), vector(((a.0 + 1) % MAX_TRACKS, a.1), &one));
            prop_assert_eq!(vector(a, &one), vector(a, &one));
        }
    }

    #[test]
    fn other_bytes_in_the_same_place_have_another_vector() {
        let key = Key::new([1; 16]);
        let vectors: std::collections::BTreeSet<_> = (0..32u8).map(|n| counter(&key, 3, 99, &[n])).collect();
        assert_eq!(vectors.len(), 32);
        assert_eq!([counter(&key, MAX_TRACKS, 0, &[]), counter(&key, 0, MAX_UNITS, &[])], [None, None]);
        assert_ne!(constant(KeyId([0; 16])), constant(KeyId([1; 16])));
    }
}

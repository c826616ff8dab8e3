//! The two schemes (ISO/IEC 23001-7, 10.1 and 10.4), over the protected ranges of one sample.

use super::key::Key;
use super::ranges::Subsample;
use aes::Aes128;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, StreamCipher};
use serde::Deserialize;

/// Bytes of a cipher block.
pub const BLOCK: usize = 16;

/// How samples are encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// AES-CTR, an initialisation vector of 8 bytes for each sample.
    Cenc,
    /// AES-CBC with a constant initialisation vector; of pictures one block in ten.
    Cbcs,
}

impl Scheme {
    /// The four characters of `schm`.
    pub fn kind(self) -> [u8; 4] {
        match self {
            Scheme::Cenc => *b"cenc",
            Scheme::Cbcs => *b"cbcs",
        }
    }

    /// The same as text.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Cenc => "cenc",
            Scheme::Cbcs => "cbcs",
        }
    }
}

/// Blocks encrypted and blocks left clear in turn; (0, 0) encrypts every whole block.
pub type Pattern = (u8, u8);

/// One block in ten.
pub const ONE_IN_TEN: Pattern = (1, 9);

/// How one sample is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vector {
    /// `cenc`: the first 8 bytes of the counter block; the other 8 count blocks from 0.
    Counter([u8; 8]),
    /// `cbcs`: constant, begun anew in every range.
    Constant([u8; BLOCK], Pattern),
}

/// Encrypts the protected ranges of a sample in place; all of it where there are none.
pub fn encrypt(key: &Key, vector: Vector, sample: &mut [u8], ranges: &[Subsample]) {
    apply(key, vector, sample, ranges, Way::There);
}

/// The way back.
pub fn decrypt(key: &Key, vector: Vector, sample: &mut [u8], ranges: &[Subsample]) {
    apply(key, vector, sample, ranges, Way::Back);
}

#[derive(Clone, Copy)]
enum Way {
    There,
    Back,
}

fn apply(key: &Key, vector: Vector, sample: &mut [u8], ranges: &[Subsample], way: Way) {
    let mut stream = match vector {
        Vector::Counter(iv) => {
            let mut block = [0; BLOCK];
            block[..8].copy_from_slice(&iv);
            Some(ctr::Ctr64BE::<Aes128>::new(key.bytes().into(), &block.into()))
        }
        Vector::Constant(..) => None,
    };
    let mut range = |bytes: &mut [u8]| match (&mut stream, vector) {
        (Some(stream), _) => stream.apply_keystream(bytes),
        (None, Vector::Constant(iv, pattern)) => chain(key, iv, pattern, bytes, way),
        (None, Vector::Counter(_)) => {}
    };
    if ranges.is_empty() {
        return range(sample);
    }
    let mut rest = sample;
    for Subsample { clear, protected } in ranges {
        let begin = usize::from(*clear).min(rest.len());
        let end = begin.saturating_add(*protected as usize).min(rest.len());
        let (now, later) = rest.split_at_mut(end);
        range(&mut now[begin..]);
        rest = later;
    }
}

/// Cipher block chaining over the blocks that the pattern encrypts. A part of a block at the end stays clear.
fn chain(key: &Key, iv: [u8; BLOCK], (crypt, skip): Pattern, bytes: &mut [u8], way: Way) {
    let step = if crypt == 0 { 1 } else { usize::from(crypt) + usize::from(skip) };
    let blocks = bytes.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate();
    let blocks = blocks.filter(|(i, _)| crypt == 0 || i % step < usize::from(crypt)).map(|(_, block)| block);
    match way {
        Way::There => {
            let mut mode = cbc::Encryptor::<Aes128>::new(key.bytes().into(), &iv.into());
            blocks.for_each(|block| mode.encrypt_block(block.into()));
        }
        Way::Back => {
            let mut mode = cbc::Decryptor::<Aes128>::new(key.bytes().into(), &iv.into());
            blocks.for_each(|block| mode.decrypt_block(block.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("digits")).collect()
    }

    /// NIST SP 800-38A, F.2.1 (CBC) and F.5.1 (CTR, whose counter begins with f0…f7 but counts from f8…ff: here from 0, by hand from F.1.1's key).
    #[test]
    fn cbc_is_that_of_the_standard_and_the_pattern_takes_one_block_in_ten() {
        let key = Key::read("2b7e151628aed2a6abf7158809cf4f3c").expect("a key");
        let iv: [u8; 16] = std::array::from_fn(|i| i as u8);
        let clear = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411");
        let mut all = clear.clone();
        encrypt(&key, Vector::Constant(iv, (0, 0)), &mut all, &[]);
        // The last 8 bytes are no block.
        assert_eq!(all, hex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b230c81c46a35ce411"));
        let mut long = clear[..16].repeat(11);
        long.extend([7; 5]);
        encrypt(&key, Vector::Constant(iv, ONE_IN_TEN), &mut long, &[]);
        assert_eq!(long[..16], all[..16]);
        assert_eq!(long[16..160], clear[..16].repeat(9));
        assert_ne!(long[160..176], clear[..16]);
        assert_eq!(long[176..], [7; 5]);
    }

    proptest! {
        #[test]
        fn what_is_encrypted_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..2000), cuts in proptest::collection::vec((0u16..300, 0u32..600), 0..6), counter: bool) {
            let key = Key::new([9; 16]);
            let vector = if counter { Vector::Counter([3; 8]) } else { Vector::Constant([5; 16], ONE_IN_TEN) };
            let ranges: Vec<Subsample> = cuts.into_iter().map(|(clear, protected)| Subsample { clear, protected }).collect();
            let mut sample = bytes.clone();
            encrypt(&key, vector, &mut sample, &ranges);
            let mut at = 0;
            for range in &ranges {
                let end = (at + usize::from(range.clear)).min(bytes.len());
                prop_assert_eq!(&sample[at.min(end)..end], &bytes[at.min(end)..end], "clear bytes stay");
                at = end + range.protected as usize;
            }
            decrypt(&key, vector, &mut sample, &ranges);
            prop_assert_eq!(sample, bytes);
        }
    }
}

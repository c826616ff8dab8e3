//! The boxes of common encryption (ISO/IEC 23001-7, 8 and 12), as bytes.

use super::cipher::{Pattern, Scheme};
use super::key::KeyId;
use super::ranges::Subsample;

/// A box.
pub fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + body.len());
    // What is made here is far below 4 GiB: the largest, `senc`, is in proportion to the samples of a chunk.
    out.extend_from_slice(&u32::try_from(8 + body.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(kind);
    out.extend_from_slice(body);
    out
}

/// A box with version and flags.
pub fn full(kind: &[u8; 4], version: u8, flags: u32, body: &[u8]) -> Vec<u8> {
    let mut with = (u32::from(version) << 24 | flags & 0x00ff_ffff).to_be_bytes().to_vec();
    with.extend_from_slice(body);
    boxed(kind, &with)
}

/// What `tenc` and a `seig` entry say of a key: its pattern, its id, and its vector where that is constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Scheme.
    pub scheme: Scheme,
    /// Of `cbcs`; (0, 0) where every block is encrypted.
    pub pattern: Pattern,
    /// Key id.
    pub id: KeyId,
    /// The constant vector of `cbcs`.
    pub constant: [u8; 16],
}

impl Defaults {
    /// From the pattern on: what both boxes have in common.
    fn body(&self) -> Vec<u8> {
        let (crypt, skip) = self.pattern;
        let mut body = vec![0, crypt << 4 | skip & 0x0f, 1];
        match self.scheme {
            Scheme::Cenc => {
                body.push(8);
                body.extend_from_slice(&self.id.0);
            }
            Scheme::Cbcs => {
                body.push(0);
                body.extend_from_slice(&self.id.0);
                body.push(16);
                body.extend_from_slice(&self.constant);
            }
        }
        body
    }

    /// TrackEncryptionBox: version 1 where there may be a pattern.
    fn tenc(&self) -> Vec<u8> {
        full(b"tenc", u8::from(self.scheme == Scheme::Cbcs), 0, &self.body())
    }

    /// ProtectionSchemeInfoBox of a sample entry that was of the kind `original`.
    pub fn sinf(&self, original: [u8; 4]) -> Vec<u8> {
        let mut schm = self.scheme.kind().to_vec();
        schm.extend_from_slice(&0x0001_0000u32.to_be_bytes());
        let mut body = boxed(b"frma", &original);
        body.extend(full(b"schm", 0, 0, &schm));
        body.extend(boxed(b"schi", &self.tenc()));
        boxed(b"sinf", &body)
    }

    /// `sgpd` and `sbgp` in a fragment: all its `samples` are encrypted with this key.
    pub fn group(&self, samples: u32) -> Vec<u8> {
        let entry = self.body();
        let mut sgpd = b"seig".to_vec();
        sgpd.extend_from_slice(&u32::try_from(entry.len()).unwrap_or(u32::MAX).to_be_bytes());
        sgpd.extend_from_slice(&1u32.to_be_bytes());
        sgpd.extend_from_slice(&entry);
        let mut out = full(b"sgpd", 1, 0, &sgpd);
        let mut sbgp = b"seig".to_vec();
        sbgp.extend_from_slice(&1u32.to_be_bytes());
        sbgp.extend_from_slice(&samples.to_be_bytes());
        // The first description of the fragment itself (ISO/IEC 14496-12, 8.9.4.3).
        sbgp.extend_from_slice(&0x0001_0001u32.to_be_bytes());
        out.extend(full(b"sbgp", 0, 0, &sbgp));
        out
    }
}

/// What is said of one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auxiliary {
    /// The vector of `cenc`.
    pub vector: Option<[u8; 8]>,
    /// Its ranges; none where all of it is protected.
    pub ranges: Vec<Subsample>,
}

impl Auxiliary {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), String> {
        out.extend_from_slice(self.vector.as_ref().map_or(&[], |v| &v[..]));
        if !self.ranges.is_empty() {
            let count = u16::try_from(self.ranges.len()).map_err(|_| format!("{} subsamples; at most 65535 are accepted", self.ranges.len()))?;
            out.extend_from_slice(&count.to_be_bytes());
            for range in &self.ranges {
                out.extend_from_slice(&range.clear.to_be_bytes());
                out.extend_from_slice(&range.protected.to_be_bytes());
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.vector.map_or(0, |v| v.len()) + if self.ranges.is_empty() { 0 } else { 2 + 6 * self.ranges.len() }
    }
}

/// `saiz`, `saio` and `senc` of a fragment, in which they begin `at` bytes from the start of `moof`.
pub fn auxiliary(samples: &[Auxiliary], at: usize) -> Result<Vec<u8>, String> {
    let count = u32::try_from(samples.len()).map_err(|_| format!("{} samples", samples.len()))?.to_be_bytes();
    let sizes = samples.iter().map(|s| u8::try_from(s.size()).map_err(|_| format!("{} subsamples; at most 40 are accepted", s.ranges.len())));
    let sizes = sizes.collect::<Result<Vec<u8>, String>>()?;
    let same = sizes.first().copied().filter(|first| *first > 0 && sizes.iter().all(|size| size == first));
    let mut saiz = vec![same.unwrap_or(0)];
    saiz.extend_from_slice(&count);
    if same.is_none() {
        saiz.extend_from_slice(&sizes);
    }
    let mut out = full(b"saiz", 0, 0, &saiz);
    // `saio` has 20 bytes; the data begins behind version, flags and count of `senc`.
    let begin = u32::try_from(at + out.len() + 20 + 16).map_err(|_| "a fragment header of more than 4 GiB".to_owned())?;
    let mut saio = 1u32.to_be_bytes().to_vec();
    saio.extend_from_slice(&begin.to_be_bytes());
    out.extend(full(b"saio", 0, 0, &saio));
    let mut senc = count.to_vec();
    samples.iter().try_for_each(|sample| sample.write(&mut senc))?;
    let subsamples = samples.iter().any(|s| !s.ranges.is_empty());
    out.extend(full(b"senc", 0, if subsamples { 2 } else { 0 }, &senc));
    Ok(out)
}

/// ProtectionSystemSpecificHeaderBox. With key ids it is of version 1.
pub fn pssh(system: [u8; 16], ids: &[KeyId], data: &[u8]) -> Vec<u8> {
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let mut body = system.to_vec();
    if !ids.is_empty() {
        body.extend_from_slice(&length(ids.len()));
        ids.iter().for_each(|id| body.extend_from_slice(&id.0));
    }
    body.extend_from_slice(&length(data.len()));
    body.extend_from_slice(data);
    full(b"pssh", u8::from(!ids.is_empty()), 0, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mp4_atom::{Decode, Encode, Saio, Saiz, Sbgp, Sgpd};

    fn again<A: Decode + Encode>(bytes: &[u8]) -> A {
        let mut left = bytes;
        let atom = A::decode(&mut left).expect("it reads");
        assert!(left.is_empty());
        let mut out = Vec::new();
        atom.encode(&mut out).expect("it writes");
        assert_eq!(out, bytes);
        atom
    }

    #[test]
    fn the_boxes_are_those_of_another_writer() {
        let defaults = Defaults { scheme: Scheme::Cbcs, pattern: (1, 9), id: KeyId([7; 16]), constant: [9; 16] };
        let group = defaults.group(50);
        let (sgpd, sbgp) = group.split_at(u32::from_be_bytes(group[..4].try_into().expect("four")) as usize);
        again::<Sgpd>(sgpd);
        again::<Sbgp>(sbgp);
        let ranges = vec![Subsample { clear: 20, protected: 300 }, Subsample { clear: 9, protected: 0 }];
        let samples = [Auxiliary { vector: Some([1; 8]), ranges }, Auxiliary { vector: Some([2; 8]), ranges: vec![Subsample { clear: 1, protected: 16 }] }];
        let made = auxiliary(&samples, 100).expect("they fit");
        let (saiz, rest) = made.split_at(8 + 4 + 1 + 4 + 2);
        let (saio, senc) = rest.split_at(20);
        assert_eq!(again::<Saiz>(saiz).default_sample_info_size, 0);
        assert_eq!(again::<Saio>(saio).offsets, [100 + 19 + 20 + 16]);
        assert_eq!(senc[4..16], [b"senc".as_slice(), &[0, 0, 0, 2, 0, 0, 0, 2]].concat());
        assert_eq!(senc.len(), 16 + (8 + 2 + 12) + (8 + 2 + 6));
    }
}

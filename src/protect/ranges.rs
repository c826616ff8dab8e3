//! Which bytes of a sample are encrypted: whole audio frames; of pictures all that is neither a length nor a header (ISO/IEC 23001-7, 10.6 and 11; AV1-ISOBMFF, 4).

use super::av1::Av1;
use super::cipher::{BLOCK, Scheme};
use super::nal::{Avc, Hevc};
use crate::inspect::{InitFacts, Media};

/// A clear range and the protected one behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsample {
    /// BytesOfClearData.
    pub clear: u16,
    /// BytesOfProtectedData.
    pub protected: u32,
}

/// What knows the ranges of one track's samples, which it is shown in decoding order.
pub enum Ranges {
    /// Whole samples.
    Whole,
    /// AVC.
    Avc(Avc),
    /// HEVC.
    Hevc(Hevc),
    /// AV1.
    Av1(Box<Av1>),
}

impl Ranges {
    /// Of a track, by its clear initialisation segment. The reason where its codec is not known here.
    pub fn new(init: &InitFacts) -> Result<Ranges, String> {
        match (&init.entry, &init.media) {
            (_, Media::Audio { .. }) => Ok(Ranges::Whole),
            (b"avc1" | b"avc3", Media::Video { parameter_sets, .. }) => Avc::new(parameter_sets).map(Ranges::Avc),
            (b"hvc1" | b"hev1", Media::Video { parameter_sets, .. }) => Hevc::new(parameter_sets).map(Ranges::Hevc),
            (b"av01", _) => Ok(Ranges::Av1(Box::default())),
            (entry, _) => Err(format!("sample entry {}; avc1, hvc1, hev1, av01 and sound are accepted", crate::inspect::name(entry))),
        }
    }

    /// The first sample of a segment comes next.
    pub fn begin(&mut self) {
        if let Ranges::Av1(av1) = self {
            **av1 = Av1::default();
        }
    }

    /// The ranges of the next sample; none where all of it is protected.
    pub fn of(&mut self, sample: &[u8], scheme: Scheme) -> Result<Vec<Subsample>, String> {
        let mut map = Map::default();
        match self {
            Ranges::Whole => return Ok(Vec::new()),
            Ranges::Avc(avc) => avc.map(sample, scheme, &mut map)?,
            Ranges::Hevc(hevc) => hevc.map(sample, scheme, &mut map)?,
            Ranges::Av1(av1) => av1.map(sample, &mut map)?,
        }
        Ok(map.finish())
    }
}

/// Ranges in the making.
#[derive(Default)]
pub struct Map {
    done: Vec<Subsample>,
    clear: usize,
}

impl Map {
    /// So many bytes are clear.
    pub fn clear(&mut self, bytes: usize) {
        self.clear += bytes;
    }

    /// So many bytes may be protected. `whole`: whole blocks are, up to the last byte; what is left over at the front is clear.
    pub fn protect(&mut self, bytes: usize, whole: bool) {
        let left = if whole { bytes % BLOCK } else { 0 };
        self.clear += left;
        if bytes - left < BLOCK {
            self.clear += bytes - left;
            return;
        }
        self.flush();
        let clear = self.clear as u16;
        self.clear = 0;
        // A sample is below 4 GiB.
        self.done.push(Subsample { clear, protected: (bytes - left) as u32 });
    }

    /// Leaves at most what BytesOfClearData holds.
    fn flush(&mut self) {
        while self.clear > usize::from(u16::MAX) {
            self.done.push(Subsample { clear: u16::MAX, protected: 0 });
            self.clear -= usize::from(u16::MAX);
        }
    }

    /// The ranges, which are all of the sample, at least one.
    pub fn finish(mut self) -> Vec<Subsample> {
        self.flush();
        if self.clear > 0 || self.done.is_empty() {
            self.done.push(Subsample { clear: self.clear as u16, protected: 0 });
        }
        self.done
    }
}

/// Runs a parser of others: its panic is an error here.
pub fn guarded<T>(parse: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(parse)).unwrap_or_else(|_| Err("its syntax is not understood".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_clear_ranges_are_divided_and_short_protected_ones_stay_clear() {
        let sub = |clear, protected| Subsample { clear, protected };
        let mut map = Map::default();
        map.clear(70_000);
        map.protect(100, true);
        map.clear(5);
        map.protect(15, false);
        map.protect(33, false);
        map.clear(9);
        assert_eq!(map.finish(), [sub(u16::MAX, 0), sub(4469, 96), sub(20, 33), sub(9, 0)]);
        assert_eq!(Map::default().finish(), [sub(0, 0)]);
    }
}

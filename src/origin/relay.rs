//! A segment in the making, handed to players as it comes. What is out is out: the segment that is published in the end begins with it.

use super::judge::Candidate;
use crate::inspect::{self, InitFacts};
use crate::mux::describe::Described;
use crate::time::{GopId, Seconds};
use bytes::Bytes;
use std::ops::Range;

/// Finds the chunks of a body that grows: all that leads up to an `mdat`, and that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// Where the next box begins.
    at: usize,
    /// Where the next chunk does.
    start: usize,
}

impl Scan {
    /// The next chunk that is complete in `all`, the body so far. Nothing ever again where a box makes no sense.
    pub fn next(&mut self, all: &[u8]) -> Option<Range<usize>> {
        loop {
            let header = all.get(self.at..).filter(|rest| rest.len() >= 8)?;
            let small = u32::from_be_bytes(*header.first_chunk()?);
            let size = match small {
                1 => usize::try_from(u64::from_be_bytes(*header.get(8..)?.first_chunk()?)).unwrap_or(usize::MAX),
                small => small as usize,
            };
            // A size of 0 says "to the end", which is not known here.
            let end = self.at.checked_add(size).filter(|_| size >= 8)?;
            if end > all.len() {
                return None;
            }
            let last = header.get(4..8) == Some(b"mdat");
            self.at = end;
            if last {
                return Some(std::mem::replace(&mut self.start, end)..end);
            }
        }
    }
}

/// All chunks of a whole segment.
pub fn chunks(bytes: &Bytes) -> Vec<Bytes> {
    let mut scan = Scan::default();
    std::iter::from_fn(|| scan.next(bytes)).map(|range| bytes.slice(range)).collect()
}

/// A chunk that can be handed out.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its place in the segment, from 0.
    pub index: u32,
    /// Its bytes.
    pub bytes: Bytes,
    /// When it starts (UTC).
    pub start: Seconds,
    /// How long it lasts.
    pub duration: Seconds,
    /// It can be decoded alone.
    pub independent: bool,
}

/// What is out of the segment that comes.
#[derive(Debug)]
pub struct Relay {
    /// Its number.
    pub number: GopId,
    /// Whose it is.
    pub pipeline: usize,
    /// Nothing more comes of that one.
    pub orphan: bool,
    out: Vec<Bytes>,
    /// Where the next chunk starts.
    next: Seconds,
}

impl Relay {
    /// Nothing of `number` yet.
    pub fn new(track: &Described, number: GopId, pipeline: usize) -> Relay {
        Relay { number, pipeline, orphan: false, out: Vec::new(), next: track.spec.time(track.spec.first_unit(number)) }
    }

    /// How many chunks are out.
    pub fn out(&self) -> u32 {
        self.out.len() as u32
    }

    /// Reads the next chunk. In words where it cannot be handed out.
    pub fn take(&mut self, init: &InitFacts, bytes: Bytes) -> Result<Piece, String> {
        let first = self.out.is_empty();
        let facts = inspect::chunk(&bytes, Some(init), first).map_err(|e| e.to_string())?;
        if let Some(worst) = facts.findings.iter().find(|f| f.undecodable()) {
            return Err(worst.text.clone());
        }
        if let (true, Some(marks), Some(class)) = (first, &facts.marks, &init.class)
            && (marks.class != *class || marks.fillers > 0)
        {
            return Err("it is of another class, or filler".to_owned());
        }
        let ticks = |ticks: u64| Seconds::new(ticks.into(), init.timescale.max(1).into());
        let (start, duration) = (ticks(facts.tfdt()), ticks(facts.duration()));
        if start != self.next || duration <= Seconds::ZERO {
            return Err(format!("it starts at {start}; {} is accepted", self.next));
        }
        let independent = facts.samples().next().is_some_and(inspect::Sample::sync);
        let piece = Piece { index: self.out(), bytes: bytes.clone(), start, duration, independent };
        self.next = start + duration;
        self.out.push(bytes);
        Ok(piece)
    }

    /// Whether a whole segment begins with what is out.
    pub fn is_begun_by(&self, candidate: &Candidate) -> bool {
        let mut rest = &candidate.bytes[..];
        self.out.iter().all(|chunk| match rest.strip_prefix(&chunk[..]) {
            Some(left) => {
                rest = left;
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(kind: &[u8; 4], size: usize) -> Vec<u8> {
        let mut bytes = ((size + 8) as u32).to_be_bytes().to_vec();
        bytes.extend(kind);
        bytes.resize(size + 8, 7);
        bytes
    }

    proptest! {
        /// However the body is cut on its way, its chunks are those of the whole.
        #[test]
        fn chunks_are_found_as_they_come(sizes in proptest::collection::vec((0usize..40, 0usize..90), 1..6), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..9), tail in 0usize..12) {
            let mut body: Vec<u8> = Vec::new();
            let mut ends = Vec::new();
            for (head, data) in sizes {
                body.extend(part(b"moof", head));
                body.extend(part(b"mdat", data));
                ends.push(body.len());
            }
            body.extend(part(b"free", 20).into_iter().take(tail));
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).chain([body.len()]).collect();
            places.sort_unstable();
            let mut scan = Scan::default();
            let mut found = Vec::new();
            for place in places {
                while let Some(range) = scan.next(&body[..place]) {
                    prop_assert!(range.end <= place);
                    found.push(range);
                }
            }
            prop_assert_eq!(found.iter().map(|r| r.end).collect::<Vec<_>>(), ends);
            prop_assert!(found.windows(2).all(|w| w[0].end == w[1].start) && found[0].start == 0);
        }

        #[test]
        fn noise_is_no_chunk_for_ever(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut scan = Scan::default();
            let mut last = 0;
            while let Some(range) = scan.next(&noise) {
                prop_assert!(range.start == last && range.end > range.start && range.end <= noise.len());
                last = range.end;
            }
        }
    }
}

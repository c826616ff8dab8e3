//! Reading boxes from bytes that nobody vouches for: every read is checked, nothing recurses, nothing allocates by a number that was read.

use super::InspectError;
use std::ops::Range;

/// A four-character code.
pub type Kind = [u8; 4];

/// Most boxes that one level may have.
const MAX_BOXES: usize = 65_536;

/// Where a box is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxAt {
    /// Its type.
    pub kind: Kind,
    /// First byte of its header.
    pub start: usize,
    /// What follows the header.
    pub body: Range<usize>,
}

impl BoxAt {
    /// Header and body.
    pub fn whole(&self) -> Range<usize> {
        self.start..self.body.end
    }
}

/// A place in the bytes, with an end that it does not pass.
#[derive(Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    /// Over `range` of `bytes`; a range beyond them is cut.
    pub fn new(bytes: &'a [u8], range: Range<usize>) -> Cursor<'a> {
        let end = range.end.min(bytes.len());
        Cursor { bytes, at: range.start.min(end), end }
    }

    /// Bytes left.
    pub fn left(&self) -> usize {
        self.end - self.at
    }

    /// Where it is.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], InspectError> {
        if n > self.left() {
            return Err(InspectError::Short { at: self.at, what, need: n, left: self.left() });
        }
        let taken = &self.bytes[self.at..self.at + n];
        self.at += n;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], InspectError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    /// Eight bits.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, InspectError> {
        Ok(self.array::<1>(what)?[0])
    }

    /// Sixteen bits.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, InspectError> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    /// Thirty-two bits.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, InspectError> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// Sixty-four bits.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, InspectError> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    /// Version and flags of a full box.
    pub fn full(&mut self, what: &'static str) -> Result<(u8, u32), InspectError> {
        let word = self.u32(what)?;
        Ok(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    /// Every four-character code that is left.
    pub fn kinds(&mut self) -> Vec<Kind> {
        let mut kinds = Vec::new();
        while let Ok(kind) = self.array("brand") {
            kinds.push(kind);
        }
        kinds
    }

    /// The boxes from here to the end. Error where one does not fit.
    pub fn boxes(mut self) -> Result<Vec<BoxAt>, InspectError> {
        let mut boxes = Vec::new();
        while self.left() > 0 {
            if boxes.len() == MAX_BOXES {
                return Err(InspectError::Many { at: self.at, what: "boxes", most: MAX_BOXES });
            }
            let start = self.at;
            let small = self.u32("box size")?;
            let kind = self.array("box type")?;
            let size = match small {
                0 => (self.end - start) as u64,
                1 => self.u64("large box size")?,
                n => u64::from(n),
            };
            let header = (self.at - start) as u64;
            let body = size.checked_sub(header).and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= self.left());
            let Some(body) = body else { return Err(InspectError::Size { at: start, kind: name(&kind), size, left: self.end - start }) };
            boxes.push(BoxAt { kind, start, body: self.at..self.at + body });
            self.at += body;
        }
        Ok(boxes)
    }
}

/// A code as text, other than printable ASCII replaced.
pub fn name(kind: &Kind) -> String {
    kind.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '?' }).collect()
}

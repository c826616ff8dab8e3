//! Looks for UTC stamps in a feed's first picture before anything is written, for a job that insists on them.

use super::{CaptureError, Delivery, Input, Kind, Read, Unit};
use crate::sei::holds_st0604;
use std::collections::VecDeque;

/// How far the first key picture is looked for. Beyond it the feed is taken as it is.
const UNITS: usize = 4096;
const BYTES: usize = 64 << 20;

/// What the first key picture of a feed carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stamps {
    /// A UTC stamp.
    Present,
    /// None. Its PTS, in ticks, where it has one.
    Absent(Option<i64>),
    /// No key picture came within the bounds, before the end, or before a stop.
    Unknown,
}

/// An input of which a part has been read already.
struct Again {
    read: VecDeque<Read>,
    input: Box<dyn Input>,
}

/// Reads up to the first key picture and says what it carries. The input that is handed back brings everything again.
///
/// # Errors
/// As [`Input::read`].
pub fn look(mut input: Box<dyn Input>) -> Result<(Stamps, Box<dyn Input>), CaptureError> {
    let (mut read, mut bytes, mut stamps) = (VecDeque::new(), 0, Stamps::Unknown);
    while read.len() < UNITS && bytes < BYTES && stamps == Stamps::Unknown {
        let next = input.read()?;
        let over = matches!(next, Read::End | Read::Stopped);
        if let Read::Unit(unit) = &next {
            bytes += unit.packet.size();
            stamps = of(unit);
        }
        read.push_back(next);
        if over {
            break;
        }
    }
    Ok((stamps, again(read, input)))
}

/// An input that brings once more what was read of it.
pub(super) fn again(read: VecDeque<Read>, input: Box<dyn Input>) -> Box<dyn Input> {
    Box::new(Again { read, input })
}

fn of(unit: &Unit) -> Stamps {
    match unit.kind {
        Kind::Video if unit.packet.is_key() && unit.packet.data().is_some_and(holds_st0604) => Stamps::Present,
        Kind::Video if unit.packet.is_key() => Stamps::Absent(unit.packet.pts()),
        _ => Stamps::Unknown,
    }
}

impl Input for Again {
    fn read(&mut self) -> Result<Read, CaptureError> {
        match self.read.pop_front() {
            Some(read) => Ok(read),
            None => self.input.read(),
        }
    }

    fn delivery(&self) -> Delivery {
        self.input.delivery()
    }
}

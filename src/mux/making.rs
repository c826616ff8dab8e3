//! A segment in the making: packets go in as they come, chunks come out as soon as they are complete. A whole segment is one that is cut nowhere.

use super::chunking::{Chunking, Cuts};
use super::fragment::{self, Head};
use super::{Marks, MuxError, TrackSpec};
use crate::encode::{Packet, Told};
use crate::time::GopId;
use std::collections::BTreeMap;
use std::ops::Range;

/// A segment in the making.
#[derive(Debug)]
pub struct Making {
    /// Its number.
    pub gop: GopId,
    cuts: Cuts,
    /// In decoding order.
    packets: Vec<Packet>,
    /// What was said of units, by their numbers.
    told: BTreeMap<i64, Told>,
    class: String,
    fallback: u8,
    /// Chunks that are written.
    written: Vec<Piece>,
    /// The marks that were written last.
    said: Option<Marks>,
    bytes: Vec<u8>,
}

/// A chunk that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its place in the segment, from 0.
    pub index: u32,
    /// Its packets, in decoding order.
    pub packets: Range<usize>,
    /// Its bytes in the segment.
    pub bytes: Range<usize>,
    /// Its first packet is an IDR.
    pub independent: bool,
}

impl Making {
    /// Nothing of `gop` yet; `class` goes into its marks.
    pub fn new(track: &TrackSpec, gop: GopId, class: &str, chunking: Option<Chunking>) -> Making {
        let (cuts, class) = (Cuts::of(track, chunking), class.to_owned());
        Making { gop, cuts, packets: Vec::new(), told: BTreeMap::new(), class, fallback: 0, written: Vec::new(), said: None, bytes: Vec::new() }
    }

    /// The bytes so far: all chunks, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The packets so far.
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// The chunks so far.
    pub fn pieces(&self) -> &[Piece] {
        &self.written
    }

    /// The next packets in decoding order.
    pub fn push(&mut self, packets: impl IntoIterator<Item = Packet>) {
        self.packets.extend(packets);
    }

    /// What is known of units that are still to come.
    pub fn tell(&mut self, told: impl IntoIterator<Item = (i64, Told)>) {
        self.told.extend(told);
    }

    /// Another backend makes what is to come.
    pub fn made_by(&mut self, fallback: u8) {
        self.fallback = self.fallback.max(fallback);
    }

    /// Drops the packets behind the first `from`. False: some of them are in chunks that are written.
    pub fn truncate(&mut self, from: usize) -> bool {
        self.packets.truncate(from);
        self.out() <= from
    }

    /// Packets in chunks that are written.
    fn out(&self) -> usize {
        self.written.last().map_or(0, |piece| piece.packets.end)
    }

    /// Writes the next chunk, if all of its packets are there. The last one of a whole GOP is not written before [`Making::finish`], which knows all marks.
    ///
    /// # Errors
    /// The packets are not the beginning of this GOP: [`MuxError::Packets`].
    pub fn next(&mut self, track: &TrackSpec) -> Result<Option<Piece>, MuxError> {
        let index = self.written.len() as u32;
        let range = self.cuts.range(self.gop, index);
        if range.end > self.packets.len() {
            return Ok(None);
        }
        fragment::validate(track, self.gop, &self.packets, false)?;
        if range.end >= track.units(self.gop) as usize {
            return Ok(None);
        }
        let (marks, last) = self.until(track, range.end);
        self.write(track, range, &marks, last).map(Some)
    }

    /// Writes all that is left: the segment is complete, and has these marks. `last`: it is that of the event.
    ///
    /// # Errors
    /// The packets are not one GOP of the grid: [`MuxError::Packets`] with the reason.
    pub fn finish(&mut self, track: &TrackSpec, marks: &Marks, last: bool) -> Result<(), MuxError> {
        fragment::validate(track, self.gop, &self.packets, true)?;
        while self.out() < self.packets.len() {
            let range = self.cuts.range(self.gop, self.written.len() as u32);
            if range.end < self.packets.len() {
                let (marks, last) = self.until(track, range.end);
                self.write(track, range, &marks, last)?;
            } else {
                self.write(track, range.start..self.packets.len(), marks, last)?;
            }
        }
        Ok(())
    }

    /// The marks of the first `units` units by what was told of them, and whether the last unit of the event is among them.
    fn until(&self, track: &TrackSpec, units: usize) -> (Marks, bool) {
        let first = track.first_unit(self.gop);
        let told = || self.told.range(first..first + units as i64).map(|(_, told)| told);
        let sum = |of: fn(&Told) -> u32| told().map(of).fold(0, u32::saturating_add);
        let other = told().filter(|t| t.path > 0).count();
        let path = match told().find(|t| t.path > 0).map(|t| t.path) {
            None => 0,
            Some(path) if other == units && told().all(|t| t.path == path) => path,
            Some(_) => u8::MAX,
        };
        let (repeats, fillers, damaged) = (sum(|t| t.repeats), sum(|t| t.fillers), sum(|t| t.damaged));
        (Marks { class: self.class.clone(), repeats, fillers, damaged, fallback: self.fallback, path }, told().any(|t| t.last))
    }

    fn write(&mut self, track: &TrackSpec, range: Range<usize>, marks: &Marks, last: bool) -> Result<Piece, MuxError> {
        let index = self.written.len() as u32;
        let filler = marks.fillers > self.said.as_ref().map_or(0, |said| said.fillers);
        let head = Head {
            index,
            marks: (self.said.as_ref() != Some(marks)).then_some(marks),
            last,
            filler,
            prft: index == 0 || self.cuts.prft,
            sequence: fragment::sequence(self.gop, self.cuts.step, index),
        };
        let start = self.bytes.len();
        let packets = self.packets.get(range.clone()).unwrap_or_default();
        fragment::chunk(track, track.first_unit(self.gop) + range.start as i64, packets, &head, &mut self.bytes)?;
        let piece = Piece { index, independent: packets.first().is_some_and(|p| p.idr), packets: range, bytes: start..self.bytes.len() };
        self.said = Some(marks.clone());
        self.written.push(piece.clone());
        Ok(piece)
    }

    /// Chunks from `index` on were not let out.
    pub fn take_back(&mut self, index: u32) {
        self.written.truncate(index as usize);
        self.bytes.truncate(self.written.last().map_or(0, |piece| piece.bytes.end));
    }

    /// All bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

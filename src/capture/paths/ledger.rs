//! What is missing in the bytes that the demuxer gets, by the places of its PES packets.
//!
//! libav flags damage one picture off: its parser hands out a picture when the next one begins, with the flags of that one. Here it is known exactly.

use super::counts::{MergeCounts, one};
use super::packets::{Counters, Head, NULL, SIZE, packets};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering::Relaxed;

/// PES packets that are remembered: many seconds of them, where the demuxer is at most seconds behind.
const MEMORY: usize = 8192;
/// Datagrams hold seven transport packets; so many lost ones may hide sixteen of one PID, after which its counter says nothing.
const HIDES: u64 = 3;

/// The PES packets of a stream of bytes, and which of them have holes.
pub struct Ledger {
    counters: Counters,
    /// Bytes so far.
    length: u64,
    /// Where PES packets begin, rising, each with whether it has a hole.
    opened: VecDeque<(u64, bool)>,
    /// How many of those have been forgotten.
    forgotten: u64,
    /// The place among all of the last one of each PID, and the number of the hole that its PID has seen last.
    open: HashMap<u16, (u64, u64)>,
    /// Holes so long that counters cannot be believed.
    holes: u64,
}

impl Ledger {
    /// Nothing has come.
    pub fn new() -> Ledger {
        Ledger { counters: Counters::default(), length: 0, opened: VecDeque::new(), forgotten: 0, open: HashMap::new(), holes: 0 }
    }

    /// So many datagrams are missing here.
    pub fn lost(&mut self, datagrams: u64) {
        self.holes += u64::from(datagrams >= HIDES);
    }

    /// Whole packets that the demuxer gets next.
    pub fn add(&mut self, bytes: &[u8], counts: &MergeCounts) {
        for packet in packets(bytes) {
            self.packet(Head::of(packet), counts);
            self.length += SIZE as u64;
        }
    }

    fn packet(&mut self, head: Head, counts: &MergeCounts) {
        if head.pid == NULL {
            return;
        }
        let jumped = self.counters.distance(head) != 1;
        self.counters.note(head);
        if jumped {
            one(&counts.continuity);
        }
        let holes = self.holes;
        if let Some((place, seen)) = self.open.get_mut(&head.pid) {
            let hidden = std::mem::replace(seen, holes) != holes;
            let entry = place.checked_sub(self.forgotten).and_then(|at| self.opened.get_mut(at as usize));
            if (jumped || hidden || (head.damaged && !head.opens))
                && let Some((_, hurt)) = entry
                && !std::mem::replace(hurt, true)
            {
                one(&counts.hurt);
            }
        }
        if head.opens {
            self.open.insert(head.pid, (self.forgotten + self.opened.len() as u64, holes));
            self.opened.push_back((self.length, head.damaged));
            counts.hurt.fetch_add(u64::from(head.damaged), Relaxed);
            if self.opened.len() > MEMORY {
                self.opened.pop_front();
                self.forgotten += 1;
            }
        }
    }

    /// Whether the PES packet that begins at `place` has a hole; `None` where none begins there, or it is forgotten.
    pub fn hurt(&self, place: u64) -> Option<bool> {
        let at = self.opened.binary_search_by_key(&place, |(at, _)| *at).ok()?;
        self.opened.get(at).map(|(_, hurt)| *hurt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, counter: u8, opens: bool) -> [u8; SIZE] {
        let mut packet = [0; SIZE];
        packet[..4].copy_from_slice(&[0x47, (pid >> 8) as u8 | if opens { 0x40 } else { 0 }, pid as u8, 0x10 | counter]);
        packet
    }

    fn hurt(packets: &[(u16, u8, bool)]) -> Vec<(u64, bool)> {
        let mut ledger = Ledger::new();
        let counts = MergeCounts::default();
        packets.iter().for_each(|(pid, counter, opens)| ledger.add(&packet(*pid, *counter, *opens), &counts));
        let found: Vec<(u64, bool)> = (0..packets.len() as u64).filter_map(|n| Some((n, ledger.hurt(n * SIZE as u64)?))).collect();
        assert_eq!(counts.hurt.load(Relaxed), found.iter().filter(|(_, hurt)| *hurt).count() as u64);
        found
    }

    #[test]
    fn a_hole_hurts_the_packet_that_it_is_in() {
        let whole = [(256, 0, true), (256, 1, false), (257, 9, true), (256, 2, true), (257, 10, true), (256, 3, false)];
        assert_eq!(hurt(&whole), [(0, false), (2, false), (3, false), (4, false)]);
        // In the middle; and at the end, which shows when the next one opens.
        assert_eq!(hurt(&[(256, 0, true), (257, 9, true), (256, 2, false), (256, 3, true)]), [(0, true), (1, false), (3, false)]);
        assert_eq!(hurt(&[(256, 0, true), (257, 9, true), (256, 2, true), (257, 10, false)]), [(0, true), (1, false), (2, false)]);
    }

    #[test]
    fn a_long_hole_hurts_whatever_counters_say() {
        let mut ledger = Ledger::new();
        let counts = MergeCounts::default();
        ledger.add(&packet(256, 0, true), &counts);
        ledger.lost(16);
        ledger.add(&packet(256, 1, false), &counts);
        ledger.add(&packet(256, 2, true), &counts);
        ledger.add(&packet(256, 3, false), &counts);
        assert_eq!((ledger.hurt(0), ledger.hurt(2 * 188), ledger.hurt(188)), (Some(true), Some(false), None));
    }

    #[test]
    fn memory_is_bounded() {
        let mut ledger = Ledger::new();
        let counts = MergeCounts::default();
        for n in 0..3 * MEMORY {
            ledger.add(&packet(256, (n % 16) as u8, true), &counts);
        }
        assert_eq!((ledger.opened.len(), ledger.hurt(0), ledger.hurt((3 * MEMORY as u64 - 1) * 188)), (MEMORY, None, Some(false)));
        assert_eq!(counts.continuity.load(Relaxed), 0);
    }
}

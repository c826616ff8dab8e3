//! The transport packets of one path, as far as they are remembered, and which of them the other path has, too.

use crate::capture::paths::packets::{Counters, Head, NULL, Packet, packets};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Packets that may wait: a second of 98 Mb/s.
pub const WAITING: u64 = 1 << 16;
/// Packets that are remembered at most, those included.
const MOST: usize = 1 << 17;
/// How far back a packet may be that came out of order.
const NEAR: u64 = 256;
/// Packets by which it is known whether a path goes on where another stopped: so many that tables and sound are among them, too.
const FRONT: usize = 4096;
/// How many blocks back one may be that came again. (A few more, and blocks of stuffing would be taken for one another: their counters come round after sixteen packets.)
const BLOCKS: usize = 8;

/// A packet.
pub struct Entry {
    /// Its bytes.
    pub packet: Packet,
    /// [`super::content::digest`] of it.
    pub digest: u64,
    /// When it came.
    pub at: Duration,
    /// Whether it followed the one before of its PID.
    follows: bool,
    /// The same one of the other path.
    pub twin: Option<u64>,
    /// It, or its twin, has passed, or been given up.
    pub used: bool,
}

/// Whether a packet says anything: stuffing is the same byte all through.
pub fn is_telling(packet: &Packet) -> bool {
    packet[4..].iter().any(|byte| *byte != packet[4])
}

/// What a path brought lately. Places count from its first packet and never change, but for packets that are put in order.
pub struct Lane {
    log: VecDeque<Entry>,
    /// Place of the first that is remembered.
    base: u64,
    /// Place of the first that has not passed or been given up.
    pub next: u64,
    /// One past the last that the other path has, too: the other one has passed everything before.
    pub passed: u64,
    /// How many of each digest are remembered.
    present: HashMap<u64, u32>,
    counters: Counters,
    /// [`super::content::digest`] of the last blocks.
    blocks: VecDeque<u64>,
    /// Where the one is that came behind the last one that was put in order.
    moved: Option<u64>,
    /// When the last came.
    pub last: Option<Duration>,
}

impl Lane {
    /// Nothing has come.
    pub fn new() -> Lane {
        Lane {
            log: VecDeque::new(),
            base: 0,
            next: 0,
            passed: 0,
            present: HashMap::new(),
            counters: Counters::default(),
            blocks: VecDeque::new(),
            moved: None,
            last: None,
        }
    }

    /// One past the last place.
    pub fn end(&self) -> u64 {
        self.base + self.log.len() as u64
    }

    /// Whether no more may wait.
    pub fn is_full(&self) -> bool {
        self.end() - self.next.max(self.base) >= WAITING
    }

    /// Where what has not passed yet goes on, by these counters: of how many PIDs the first packet, of the next [`FRONT`], follows, and of how many it does not.
    pub fn goes_on(&self, counters: &Counters) -> (usize, usize) {
        let (mut pids, mut follow): (Vec<u16>, usize) = Default::default();
        let from = self.next.saturating_sub(self.base) as usize;
        for head in self.log.iter().skip(from).take(FRONT).filter(|entry| !entry.used).map(|entry| Head::of(&entry.packet)) {
            if !pids.contains(&head.pid) {
                follow += usize::from(counters.distance(head) == 1);
                pids.push(head.pid);
            }
        }
        (follow, pids.len() - follow)
    }

    /// What is at a place, where it is remembered.
    pub fn get(&self, place: u64) -> Option<&Entry> {
        self.log.get(place.checked_sub(self.base)? as usize)
    }

    /// Likewise, to be changed.
    pub fn get_mut(&mut self, place: u64) -> Option<&mut Entry> {
        self.log.get_mut(place.checked_sub(self.base)? as usize)
    }

    /// Whether a block came just now already. Blocks of stuffing may be the same and not be meant; then the first packet follows.
    pub fn again(&mut self, block: &[u8], digest: u64) -> bool {
        let first = packets(block).map(Head::of).find(|head| head.pid != NULL);
        let follows = first.is_none_or(|head| self.counters.distance(head) == 1);
        if self.blocks.contains(&digest) && (!follows || packets(block).any(is_telling)) {
            return true;
        }
        if self.blocks.len() == BLOCKS {
            self.blocks.pop_front();
        }
        self.blocks.push_back(digest);
        false
    }

    /// Appends a packet that came; its place, and whether it follows the one before of its PID.
    pub fn append(&mut self, packet: &Packet, digest: u64, at: Duration) -> (u64, bool) {
        self.last = Some(at);
        let head = Head::of(packet);
        let follows = self.counters.distance(head) == 1;
        self.counters.note(head);
        if self.log.len() == MOST {
            self.forget();
        }
        *self.present.entry(digest).or_default() += 1;
        self.log.push_back(Entry { packet: *packet, digest, at, follows, twin: None, used: false });
        (self.end() - 1, follows)
    }

    /// The place of a packet of the other path here: the first that has no twin yet, not before those that are passed. `true` where it lies there;
    /// `false` where it lies a little before, because one of the two came out of order. Packets that are alike (stuffing, tables) are found only in step:
    /// where the ones before, on both paths, are the same one. Else nobody can tell which is meant; counters do, between those that are found.
    pub fn find(&self, packet: &Packet, digest: u64, in_step: bool) -> Option<(u64, bool)> {
        let count = *self.present.get(&digest)?;
        let is = |place: &u64| self.get(*place).is_some_and(|e| e.twin.is_none() && e.digest == digest && e.packet == *packet);
        let passed = self.passed.max(self.base);
        if in_step && is(&passed) {
            return Some((passed, true));
        }
        if count > 1 || !is_telling(packet) {
            return None;
        }
        let ahead = (passed..self.end()).find(is).map(|place| (place, true));
        ahead.or_else(|| (passed.saturating_sub(NEAR).max(self.base)..passed).rev().find(is).map(|place| (place, false)))
    }

    /// Moves the packet at `place` to where the other path has it, before those from `passed` on that have not passed yet, where one of these did not follow here:
    /// then it is this path that is out of order, and not the other one that lost them. What came behind it moves along. Its place from then on.
    pub fn order(&mut self, place: u64) -> u64 {
        let from = self.passed.max(self.next).max(self.base);
        let jumped = from < place && (self.moved == Some(place) || (from..place).any(|p| self.get(p).is_some_and(|e| !e.follows)));
        let free = (from..place).all(|p| self.get(p).is_some_and(|e| e.twin.is_none()));
        if !jumped || !free {
            return place;
        }
        if let Some(entry) = self.log.remove((place - self.base) as usize) {
            self.log.insert((from - self.base) as usize, entry);
            self.moved = Some(place + 1);
        }
        from
    }

    /// Forgets what came before `since` and has passed.
    pub fn forget_before(&mut self, since: Duration) {
        while self.base < self.next && self.log.front().is_some_and(|e| e.at < since) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        let Some(entry) = self.log.pop_front() else { return };
        self.base += 1;
        self.next = self.next.max(self.base);
        if let Some(count) = self.present.get_mut(&entry.digest) {
            *count -= 1;
            if *count == 0 {
                self.present.remove(&entry.digest);
            }
        }
    }
}

//! The transport packets of one path, as far as they are remembered, and which of them the other path has, too.

use crate::capture::paths::packets::{Counters, Head, Packet};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Packets that are remembered at most: a second of 80 Mb/s.
const MOST: usize = 1 << 16;
/// How far back a packet may be that came out of order, or again.
const NEAR: usize = 256;

/// A packet.
pub struct Entry {
    /// Its bytes.
    pub packet: Packet,
    /// What its head says.
    pub head: Head,
    /// [`super::content::digest`] of it.
    pub digest: u64,
    /// When it came.
    pub at: Duration,
    /// The same one of the other path.
    pub twin: Option<u64>,
    /// It, or its twin, has passed, or been given up.
    pub used: bool,
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
    /// When the last came.
    pub last: Option<Duration>,
}

impl Lane {
    /// Nothing has come.
    pub fn new() -> Lane {
        Lane { log: VecDeque::new(), base: 0, next: 0, passed: 0, present: HashMap::new(), counters: Counters::new(), last: None }
    }

    /// One past the last place.
    pub fn end(&self) -> u64 {
        self.base + self.log.len() as u64
    }

    /// What is at a place, where it is remembered.
    pub fn get(&self, place: u64) -> Option<&Entry> {
        self.log.get(place.checked_sub(self.base)? as usize)
    }

    /// Likewise, to be changed.
    pub fn get_mut(&mut self, place: u64) -> Option<&mut Entry> {
        self.log.get_mut(place.checked_sub(self.base)? as usize)
    }

    /// Appends a packet that came; its place, and whether it follows the one before of its PID. `None`: it came a second time.
    pub fn append(&mut self, packet: &Packet, digest: u64, at: Duration) -> Option<(u64, bool)> {
        self.last = Some(at);
        let head = Head::of(packet);
        let follows = self.counters.distance(head) == 1;
        if !follows && self.has_near(packet, digest) {
            return None;
        }
        self.counters.note(head);
        if self.log.len() == MOST {
            self.forget();
        }
        *self.present.entry(digest).or_default() += 1;
        self.log.push_back(Entry { packet: *packet, head, digest, at, twin: None, used: false });
        Some((self.end() - 1, follows))
    }

    fn has_near(&self, packet: &Packet, digest: u64) -> bool {
        self.present.contains_key(&digest) && self.log.iter().rev().take(NEAR).any(|e| e.digest == digest && e.packet == *packet)
    }

    /// The place of a packet of the other path here: the first that has no twin yet, not before those that are passed. `true` where it lies there;
    /// `false` where it lies a little before, because one of the two came out of order.
    pub fn find(&self, packet: &Packet, digest: u64) -> Option<(u64, bool)> {
        if !self.present.contains_key(&digest) {
            return None;
        }
        let is = |place: &u64| self.get(*place).is_some_and(|e| e.twin.is_none() && e.digest == digest && e.packet == *packet);
        let passed = self.passed.max(self.base);
        let ahead = (passed..self.end()).find(is).map(|place| (place, true));
        ahead.or_else(|| (passed.saturating_sub(NEAR as u64).max(self.base)..passed).rev().find(is).map(|place| (place, false)))
    }

    /// Moves the packet at `place` to where the other path has it: before those from `passed` on that have not passed yet, where there is one of its own PID among them,
    /// for on the other path it followed without a hole. Its place from then on.
    pub fn order(&mut self, place: u64) -> u64 {
        let from = self.passed.max(self.next).max(self.base);
        let Some(pid) = self.get(place).map(|e| e.head.pid) else { return place };
        let jumped = (from..place).any(|p| self.get(p).is_some_and(|e| e.head.pid == pid && e.twin.is_none()));
        let free = (from..place).all(|p| self.get(p).is_some_and(|e| e.twin.is_none()));
        if !jumped || !free {
            return place;
        }
        if let Some(entry) = self.log.remove((place - self.base) as usize) {
            self.log.insert((from - self.base) as usize, entry);
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

//! Makes a transport stream's changes visible to libav: its demuxer keeps what a PID was first said to carry, and reads whatever comes later as that.
//!
//! A PID whose map comes to say something else of it (H.264 where MPEG-2 was) gets another number from there on, in the map and in its packets.
//! Bytes of a stream that never changes pass as they are. What is not a transport stream passes, too.

use super::psi::{self, Coding};
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes of a packet of a transport stream.
pub const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// Bytes looked at to find out whether it is a transport stream.
const LOOK: usize = 4 * PACKET;
/// Numbers that may be given anew. Beyond them, what changes is left as libav takes it.
const NUMBERS: usize = 512;
/// Packets that may be held until a map is complete; the longest takes six of its own.
const HELD: usize = 1024;
const PIDS: usize = 1 << 13;
/// Null packets.
const NULL: u16 = 0x1FFF;

/// What is known of a stream of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Nature {
    /// Not enough has come.
    Unknown,
    Transport,
    Other,
}

/// Gives PIDs new numbers. Pure: bytes in, as many out.
pub struct Renumber {
    nature: Nature,
    /// Bytes that have come and are not decided yet.
    pending: Vec<u8>,
    /// How many of `pending` have been looked at.
    seen: usize,
    /// The map being put together: its PID and where its packets begin in `pending`.
    map: Option<(u16, Vec<usize>)>,
    /// What each PID carries now, where a map has said so.
    carried: HashMap<u16, Coding>,
    /// The number of what each PID carries, or carried.
    numbers: HashMap<(u16, Coding), u16>,
    /// By PID: its number now; itself where nothing changed.
    now: Vec<u16>,
    used: Vec<bool>,
}

impl Renumber {
    /// Before the first byte.
    pub fn new() -> Renumber {
        Renumber {
            nature: Nature::Unknown,
            pending: Vec::new(),
            seen: 0,
            map: None,
            carried: HashMap::new(),
            numbers: HashMap::new(),
            now: (0..PIDS as u16).collect(),
            used: vec![false; PIDS],
        }
    }

    /// Takes bytes in and appends to `out` those that are decided.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.nature == Nature::Other {
            return out.extend_from_slice(bytes);
        }
        self.pending.extend_from_slice(bytes);
        if self.nature == Nature::Unknown && !self.recognise() {
            return;
        }
        if self.nature == Nature::Transport {
            while self.pending.len() - self.seen >= PACKET {
                self.look();
            }
        } else {
            self.seen = self.pending.len();
        }
        if self.map.is_none() {
            out.extend(self.pending.drain(..self.seen));
            self.seen = 0;
        }
    }

    /// The end: everything still held is appended to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.pending);
        self.seen = 0;
        self.map = None;
    }

    /// Forgets where it was, but not which number stands for what: reading goes on somewhere else.
    pub fn moved(&mut self) {
        self.pending.clear();
        self.seen = 0;
        self.map = None;
        self.carried.clear();
        self.now = (0..PIDS as u16).collect();
    }

    /// Finds out whether this is a transport stream; false where more bytes are needed for it.
    fn recognise(&mut self) -> bool {
        let synced = |from: &usize| (0..3).all(|n| self.pending.get(from + n * PACKET) == Some(&SYNC));
        if let Some(from) = (0..PACKET).find(synced) {
            (self.nature, self.seen) = (Nature::Transport, from);
        } else if self.pending.len() >= LOOK {
            self.nature = Nature::Other;
        }
        self.nature != Nature::Unknown
    }

    /// Looks at the next packet, or looks for one.
    fn look(&mut self) {
        let at = self.seen;
        if self.pending[at] != SYNC {
            self.seen = self.pending[at..].iter().position(|&byte| byte == SYNC).map_or(self.pending.len(), |skip| at + skip);
            return;
        }
        self.seen = at + PACKET;
        let packet = &self.pending[at..at + PACKET];
        let pid = u16::from_be_bytes([packet[1], packet[2]]) & NULL;
        self.used[usize::from(pid)] = true;
        let number = self.now[usize::from(pid)];
        let (begins, starts) = (psi::begins_map(packet), packet[1] & 0x40 != 0);
        match &mut self.map {
            Some((map, packets)) if *map == pid => {
                packets.push(at);
                self.complete();
                // What is not complete by then never is.
                if starts {
                    self.map = begins.then(|| (pid, vec![at]));
                    self.complete();
                }
            }
            None if begins => {
                self.map = Some((pid, vec![at]));
                self.complete();
            }
            _ if number != pid => self.rename(at, number),
            _ => {}
        }
        if self.map.as_ref().is_some_and(|(_, packets)| at - packets[0] > HELD * PACKET) {
            self.map = None;
        }
    }

    /// Reads the map where all of it is there.
    fn complete(&mut self) {
        if let Some((_, packets)) = &self.map
            && let Some(mut section) = psi::Section::gather(&self.pending, packets)
        {
            self.map = None;
            self.read(&mut section);
        }
    }

    fn rename(&mut self, at: usize, number: u16) {
        let [high, low] = number.to_be_bytes();
        self.pending[at + 1] = self.pending[at + 1] & 0xE0 | high;
        self.pending[at + 2] = low;
    }

    /// Takes a complete map to heart, and writes its new numbers into it.
    fn read(&mut self, section: &mut psi::Section) {
        if !section.is_intact() {
            return;
        }
        let streams = section.streams();
        for (_, pid, coding) in &streams {
            self.used[usize::from(*pid)] = true;
            if self.carried.insert(*pid, coding.clone()).is_none_or(|before| before != *coding) {
                self.now[usize::from(*pid)] = self.number(*pid, coding);
            }
        }
        let clock = section.clock();
        let mut changed = false;
        for (at, pid) in streams.iter().map(|(at, pid, _)| (*at, *pid)).chain(clock) {
            let number = self.now[usize::from(pid)];
            if number != pid {
                section.set_pid(at, number);
                changed = true;
            }
        }
        if changed {
            section.seal();
            section.scatter(&mut self.pending);
        }
    }

    /// The number for what a PID carries: its own for the first, a free one for each other.
    fn number(&mut self, pid: u16, coding: &Coding) -> u16 {
        let first = !self.numbers.keys().any(|(known, _)| *known == pid);
        if let Some(number) = self.numbers.get(&(pid, coding.clone())) {
            return *number;
        }
        let free = if first || self.numbers.len() >= NUMBERS { None } else { (0x20..NULL).rev().find(|number| !self.used[usize::from(*number)]) };
        let number = free.unwrap_or(pid);
        self.used[usize::from(number)] = true;
        if self.numbers.len() < NUMBERS {
            self.numbers.insert((pid, coding.clone()), number);
        }
        if !first {
            tracing::warn!(pid, number, "the feed's map says something else of a PID than before: what it carries is taken for another stream");
        }
        number
    }
}

/// Bytes read at once.
const BLOCK: usize = 32 << 10;

/// A reader whose transport stream is renumbered.
pub struct Renumbered<R> {
    inner: R,
    ids: Renumber,
    block: Vec<u8>,
    ready: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl<R> Renumbered<R> {
    /// Around a reader of bytes.
    pub fn new(inner: R) -> Renumbered<R> {
        Renumbered { inner, ids: Renumber::new(), block: vec![0; BLOCK], ready: Vec::new(), taken: 0, ended: false }
    }
}

impl<R: Read> Read for Renumbered<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            if self.ended {
                return Ok(0);
            }
            self.ready.clear();
            self.taken = 0;
            match self.inner.read(&mut self.block)? {
                0 => {
                    self.ended = true;
                    self.ids.finish(&mut self.ready);
                }
                read => self.ids.push(&self.block[..read], &mut self.ready),
            }
        }
        let ready = &self.ready[self.taken..];
        let size = ready.len().min(out.len());
        out[..size].copy_from_slice(&ready[..size]);
        self.taken += size;
        Ok(size)
    }
}

impl<R: Read + Seek> Seek for Renumbered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.inner.seek(to)?;
        self.ids.moved();
        self.ready.clear();
        (self.taken, self.ended) = (0, false);
        Ok(at)
    }
}

#[cfg(test)]
#[path = "renumber_tests.rs"]
mod tests;

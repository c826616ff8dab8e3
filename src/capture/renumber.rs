//! Makes a transport stream's changes visible to libav: its demuxer keeps what a PID was first said to carry, and reads whatever comes later as that.
//!
//! A PID whose map comes to say something else of it (H.264 where MPEG-2 was) gets another number from there on, in the map and in its packets.
//! Bytes of a stream that never changes pass as they are, and at once; of one that changes, what comes waits until its new map is complete, and not long.
//! What is not a transport stream passes, too.

use super::numbers::Numbers;
use super::psi;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes of a packet of a transport stream.
pub const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// Bytes looked at to find out whether it is a transport stream.
const LOOK: usize = 4 * PACKET;
/// Packets that may be held until a map is complete, for each that it takes itself (the longest takes six), and at most.
const HELD_EACH: usize = 170;
const HELD: usize = 1024;
/// Bytes of packets that a map may take; a section has 4098 at most.
const LONGEST: usize = 64 * PACKET;
/// Maps whose beginnings are remembered.
const MAPS: usize = 256;
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
    /// The map being put together.
    map: Option<Partial>,
    /// Of each map that needs no other numbers, by its PID and programme, what its first packet has of it. One that begins alike is not waited for.
    known: HashMap<(u16, u16), Vec<u8>>,
    numbers: Numbers,
}

/// A map that has begun.
struct Partial {
    pid: u16,
    /// Its packets, one behind the other.
    packets: Vec<u8>,
    /// Where they are in what is held until it is complete; none: that passes.
    held: Option<Vec<usize>>,
    /// Packets that may be held for it.
    most: usize,
}

impl Renumber {
    /// Before the first byte.
    pub fn new() -> Renumber {
        Renumber { nature: Nature::Unknown, pending: Vec::new(), seen: 0, map: None, known: HashMap::new(), numbers: Numbers::new() }
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
        if self.map.as_ref().is_none_or(|map| map.held.is_none()) {
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
        self.known.clear();
        self.numbers.moved();
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
        let mut packet = [0; PACKET];
        packet.copy_from_slice(&self.pending[at..at + PACKET]);
        let pid = u16::from_be_bytes([packet[1], packet[2]]) & NULL;
        let number = self.numbers.of(pid);
        if pid == 0
            && let Some(programmes) = psi::programmes(&packet)
        {
            self.numbers.keep(&programmes);
        }
        let (begins, starts) = (psi::begins_map(&packet), packet[1] & 0x40 != 0);
        match self.map.take() {
            Some(mut map) if map.pid == pid => {
                map.packets.extend_from_slice(&packet);
                map.held.iter_mut().for_each(|held| held.push(at));
                // What is not complete where another one starts never is.
                self.map = self.complete(map).filter(|_| !starts);
                if begins {
                    self.begin(pid, &packet, at);
                }
            }
            before if begins && before.as_ref().is_none_or(|map| map.held.is_none()) => self.begin(pid, &packet, at),
            before => {
                self.map = before;
                if number != pid {
                    self.rename(at, number);
                }
            }
        }
        self.map.take_if(|map| map.packets.len() > LONGEST);
        if let Some(map) = &mut self.map {
            let most = map.most * PACKET;
            map.held.take_if(|held| at - held[0] > most);
        }
    }

    /// A map begins in the packet at `at`.
    fn begin(&mut self, pid: u16, packet: &[u8], at: usize) {
        let beginning = psi::beginning(packet);
        let known = programme(beginning).and_then(|programme| self.known.get(&(pid, programme)));
        let held = known.is_none_or(|known| known != beginning).then(|| vec![at]);
        let most = (HELD_EACH * psi::packets(packet)).min(HELD);
        self.map = self.complete(Partial { pid, packets: packet.to_vec(), held, most });
    }

    /// Reads a map where all of it is there; else gives it back.
    fn complete(&mut self, map: Partial) -> Option<Partial> {
        let places: Vec<usize> = (0..map.packets.len()).step_by(PACKET).collect();
        let Some(section) = psi::Section::gather(&map.packets, &places) else { return Some(map) };
        self.read(section, &map);
        None
    }

    fn rename(&mut self, at: usize, number: u16) {
        let [high, low] = number.to_be_bytes();
        self.pending[at + 1] = self.pending[at + 1] & 0xE0 | high;
        self.pending[at + 2] = low;
    }

    /// Takes a complete map to heart, and writes its new numbers into it. Where it has passed meanwhile and says anything new, it is left to the next one.
    fn read(&mut self, mut section: psi::Section, map: &Partial) {
        if !section.is_intact() {
            return;
        }
        let (programme, streams, clock) = (section.programme(), section.streams(), section.clock());
        let key = (map.pid, programme);
        if self.numbers.are_own(programme, &streams, clock.map(|(_, pid)| pid)) {
            self.numbers.read(programme, &streams);
            if self.known.len() < MAPS || self.known.contains_key(&key) {
                self.known.insert(key, psi::beginning(&map.packets[..PACKET]).to_vec());
            }
            return;
        }
        self.known.remove(&key);
        let Some(held) = &map.held else { return };
        if self.numbers.read(programme, &streams) {
            self.known.clear();
        }
        let mut changed = false;
        for (at, pid) in streams.iter().map(|stream| (stream.at, stream.pid)).chain(clock) {
            let number = self.numbers.of(pid);
            if number != pid {
                section.set_pid(at, number);
                changed = true;
            }
        }
        if changed {
            section.seal();
            section.scatter(&mut self.pending, held);
        }
    }
}

/// The number of the programme whose map begins so.
fn programme(beginning: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*beginning.get(3)?, *beginning.get(4)?]))
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

//! By which number each PID of a transport stream goes: its own, until a map says something else of it.

use super::psi::{Coding, Stream};
use std::collections::HashMap;

/// Numbers that may be given anew. Beyond them, what changes is left as libav takes it.
const NUMBERS: usize = 512;
/// Programmes whose maps are remembered.
const PROGRAMMES: usize = 256;
const PIDS: usize = 1 << 13;
/// Null packets.
const NULL: u16 = 0x1FFF;

/// What each PID carries, and its number.
pub struct Numbers {
    /// What the last map of each programme says of its PIDs.
    maps: HashMap<u16, HashMap<u16, Coding>>,
    /// The number of what each PID carries, or carried.
    known: HashMap<(u16, Coding), u16>,
    /// By PID: its number now; itself where nothing changed.
    now: Vec<u16>,
    used: Vec<bool>,
}

impl Numbers {
    /// Before the first packet.
    pub fn new() -> Numbers {
        Numbers { maps: HashMap::new(), known: HashMap::new(), now: (0..PIDS as u16).collect(), used: vec![false; PIDS] }
    }

    /// A packet of this PID came; its number.
    pub fn of(&mut self, pid: u16) -> u16 {
        self.used[usize::from(pid & NULL)] = true;
        self.now[usize::from(pid & NULL)]
    }

    /// There are these programmes, and no others.
    pub fn keep(&mut self, programmes: &[u16]) {
        self.maps.retain(|programme, _| programmes.contains(programme));
    }

    /// Forgets what the maps said, but not which number stands for what.
    pub fn moved(&mut self) {
        self.maps.clear();
        self.now = (0..PIDS as u16).collect();
    }

    /// Whether a map leaves everything as it is, and every PID its own number.
    pub fn are_own(&self, programme: u16, streams: &[Stream], clock: Option<u16>) -> bool {
        let own = |pid: u16| self.now[usize::from(pid & NULL)] == pid;
        let stays = |stream: &Stream| {
            let known = self.known.get(&(stream.pid, stream.coding.clone()));
            self.is_disputed(programme, stream, streams) || known.map_or_else(|| self.is_first(stream.pid), |number| *number == stream.pid)
        };
        clock.is_none_or(own) && streams.iter().all(|stream| own(stream.pid) && stays(stream))
    }

    /// Takes a map to heart; whether any number changed.
    pub fn read(&mut self, programme: u16, streams: &[Stream]) -> bool {
        if self.maps.len() < PROGRAMMES || self.maps.contains_key(&programme) {
            self.maps.insert(programme, streams.iter().map(|stream| (stream.pid, stream.coding.clone())).collect());
        }
        let mut changed = false;
        for stream in streams {
            self.used[usize::from(stream.pid & NULL)] = true;
            if !self.is_disputed(programme, stream, streams) {
                let number = self.number(stream);
                changed |= std::mem::replace(&mut self.now[usize::from(stream.pid & NULL)], number) != number;
            }
        }
        changed
    }

    /// Whether another programme's map, or this one, says something else of a PID, too: a number of its own for either would change from map to map.
    fn is_disputed(&self, programme: u16, stream: &Stream, streams: &[Stream]) -> bool {
        let says = |said: &HashMap<u16, Coding>| said.get(&stream.pid).is_some_and(|coding| *coding != stream.coding);
        self.maps.iter().any(|(other, said)| *other != programme && says(said)) || streams.iter().any(|s| s.pid == stream.pid && s.coding != stream.coding)
    }

    fn is_first(&self, pid: u16) -> bool {
        !self.known.keys().any(|(known, _)| *known == pid)
    }

    /// The number for what a PID carries: its own for the first, a free one for each other.
    fn number(&mut self, stream: &Stream) -> u16 {
        let (pid, key) = (stream.pid, (stream.pid, stream.coding.clone()));
        if let Some(number) = self.known.get(&key) {
            return *number;
        }
        let first = self.is_first(pid);
        let free = if first || self.known.len() >= NUMBERS { None } else { (0x20..NULL).rev().find(|number| !self.used[usize::from(*number)]) };
        let number = free.unwrap_or(pid);
        self.used[usize::from(number)] = true;
        if self.known.len() < NUMBERS {
            self.known.insert(key, number);
        }
        if !first {
            tracing::warn!(pid, number, "the feed's map says something else of a PID than before: what it carries is taken for another stream");
        }
        number
    }
}

//! Paths whose datagrams are numbered alike (SMPTE ST 2022-7), or one numbered path: put in order by number, each number once.
//!
//! What is next by number passes at once. What is not waits: for the window after it came, or, where every path that is alive has passed the hole already,
//! for as long as a path may reorder. So latency is added only where something is missing.

use super::{Block, Out};
use crate::capture::paths::counts::{Counts, less, one};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How far out of order one path may be.
pub const REORDER: Duration = Duration::from_millis(20);
/// Numbers ahead of the newest that are believed at once; beyond, a second one must follow the first.
const LEAP: u64 = 4096;
/// Datagrams that may wait, and their bytes. Full: the first hole is given up.
const WAITING: usize = 16_384;
const WAITING_BYTES: usize = 64 << 20;
/// Numbers whose paths are remembered.
const MEMORY: usize = 16_384;
/// How long numbers that belong to nothing may come before they are followed, or the paths count as numbered apart.
const STALE: Duration = Duration::from_millis(200);
/// How far numbers that belong to nothing may be apart to be those of one sender, which loses some, too.
const STRAYING: u64 = 1024;
/// Datagrams of another source that are kept for that, and their bytes.
const FOREIGN: usize = 4096;
const FOREIGN_BYTES: usize = 16 << 20;
/// How long one path may number as nobody else does before they count as numbered apart.
const APART: Duration = Duration::from_secs(1);
/// Numbers in a row that both paths bring with unlike content before they count as numbered apart.
const UNLIKE: u32 = 16;

struct Held {
    packets: Vec<u8>,
    at: Duration,
}

/// What is remembered of a number.
#[derive(Clone, Copy, Default)]
struct Seen {
    number: u64,
    /// One bit for each path that brought it.
    from: u8,
    digest: u64,
    at: Duration,
}

#[derive(Default)]
struct Path {
    newest: Option<u64>,
    last: Option<Duration>,
    /// When it passed the hole that is waited for.
    passed: Option<Duration>,
    /// A number far ahead that waits to be followed.
    leap: Option<(u64, Block)>,
    /// Numbers that were too old, where there are no others.
    stale: Option<Stale>,
    /// Since when it numbers as nobody else does.
    foreign: Option<Duration>,
}

/// Numbers of a path that belong to nothing, one behind the other.
#[derive(Clone, Copy)]
struct Stale {
    first: u64,
    newest: u64,
    since: Duration,
}

/// Puts datagrams in order.
pub struct Sequence {
    paths: Vec<Path>,
    window: Duration,
    source: Option<u32>,
    /// The number that passes next.
    next: u64,
    newest: u64,
    waiting: BTreeMap<u64, Held>,
    /// Of what waits.
    bytes: usize,
    seen: Vec<Seen>,
    foreign: VecDeque<(usize, Block)>,
    foreign_bytes: usize,
    unlike: u32,
    common: bool,
    apart: bool,
    counts: Arc<Counts>,
    /// The path that the first of these is, in `counts`.
    first: usize,
    now: Duration,
}

impl Sequence {
    /// For `paths` paths, the first of which is number `first` of `counts`. One alone waits for as long as it may reorder.
    pub fn new(first: usize, paths: usize, window: Duration, counts: &Arc<Counts>) -> Sequence {
        let window = if paths == 1 { window.min(REORDER) } else { window };
        Sequence {
            paths: (0..paths).map(|_| Path::default()).collect(),
            window,
            source: None,
            next: 0,
            newest: 0,
            waiting: BTreeMap::new(),
            bytes: 0,
            seen: vec![Seen::default(); MEMORY],
            foreign: VecDeque::new(),
            foreign_bytes: 0,
            unlike: 0,
            common: false,
            apart: false,
            counts: Arc::clone(counts),
            first,
            now: Duration::ZERO,
        }
    }

    /// Goes on for one of its paths, when everything that waited has passed.
    pub fn alone(mut self, path: usize) -> Sequence {
        let own = self.paths.get_mut(path).map(std::mem::take).unwrap_or_default();
        self.seen.iter_mut().for_each(|seen| seen.from = seen.from >> path & 1);
        Sequence {
            paths: vec![own],
            first: self.first + path,
            window: self.window.min(REORDER),
            foreign: VecDeque::new(),
            foreign_bytes: 0,
            unlike: 0,
            now: Duration::ZERO,
            ..self
        }
    }

    /// Whether the paths turned out to be numbered apart.
    pub fn is_apart(&self) -> bool {
        self.apart
    }

    /// Whether both paths have brought the same under the same number.
    pub fn is_common(&self) -> bool {
        self.common
    }

    /// The path that brought something last, and when. Of one that numbers apart, what it brought was left out.
    pub fn newest_path(&self) -> Option<(usize, Duration)> {
        self.paths.iter().enumerate().filter_map(|(path, p)| Some((path, p.last?))).max_by_key(|(_, last)| *last)
    }

    /// A numbered block of a path.
    pub fn push(&mut self, path: usize, block: Block) {
        let Some(number) = block.number else { return };
        if self.source.is_none() {
            self.begin(&block);
        }
        if self.source != Some(number.source) {
            return self.stranger(path, block);
        }
        let step = number.sequence.wrapping_sub(self.newest as u16) as i16;
        let extended = self.newest.wrapping_add_signed(i64::from(step));
        self.paths[path].foreign = None;
        if extended < self.next {
            if self.is_of_other(path, extended, &block) {
                self.paths[path].stale = None;
            } else if self.stale(path, extended, block.at) {
                self.begin(&block);
                return self.push(path, block);
            }
        }
        if extended > self.newest + LEAP {
            let follows = self.paths[path].leap.as_ref().is_some_and(|(before, _)| before + 1 == extended);
            let before = self.paths[path].leap.replace((extended, block.clone()));
            let Some((number, first)) = before.filter(|_| follows) else { return };
            self.paths[path].leap = None;
            self.take(path, number, first);
        }
        self.take(path, extended, block);
    }

    /// Numbers begin anew with this block; what waits is due.
    fn begin(&mut self, block: &Block) {
        let Some(number) = block.number else { return };
        for held in self.waiting.values_mut() {
            held.at = Duration::ZERO;
        }
        // What is left of the old numbers is released before the new ones: these lie beyond all of them.
        let base = (self.newest | 0xffff) + 1 + (1 << 20);
        self.newest = base + u64::from(number.sequence);
        if self.waiting.is_empty() {
            self.next = self.newest;
        }
        self.source = Some(number.source);
        self.unlike = 0;
        for path in &mut self.paths {
            path.newest = None;
            path.passed = None;
            path.leap = None;
            path.stale = None;
        }
    }

    /// Whether the other path has brought this number already, and the same under it: then a path is later, and has not begun anew.
    fn is_of_other(&self, path: usize, number: u64, block: &Block) -> bool {
        let seen = self.seen[(number % MEMORY as u64) as usize];
        self.paths.len() > 1 && seen.number == number && seen.from == 1u8 << (1 - path.min(1)) && seen.digest == super::content::digest(&block.packets)
    }

    /// Whether a number that is too old is one of many that go on from each other, of a path that began anew. Whatever is not too old ends them.
    fn stale(&mut self, path: usize, number: u64, at: Duration) -> bool {
        let p = &mut self.paths[path];
        let before = p.stale.filter(|stale| stale.newest.abs_diff(number) <= STRAYING);
        let mut stale = before.unwrap_or(Stale { first: number, newest: number, since: at });
        stale.newest = stale.newest.max(number);
        p.stale = Some(stale);
        let others = self.paths.iter().enumerate().any(|(other, p)| other != path && p.stale.is_none() && p.last.is_some_and(|last| last + STALE > at));
        at.saturating_sub(stale.since) > STALE && stale.newest > stale.first && !others
    }

    /// A block of another source. It is followed as soon as nothing of the known one comes any more.
    fn stranger(&mut self, path: usize, block: Block) {
        let (at, source) = (block.at, block.number.map(|number| number.source));
        let since = *self.paths[path].foreign.get_or_insert(at);
        self.keep(path, block);
        let alive = |p: &Path| p.foreign.is_none() && p.last.is_some_and(|last| last + STALE > at);
        if self.paths.iter().any(alive) {
            self.apart |= at.saturating_sub(since) > APART;
            return;
        }
        self.foreign_bytes = 0;
        let together: Vec<(usize, Block)> = self.foreign.drain(..).filter(|(_, b)| b.number.map(|number| number.source) == source).collect();
        // One datagram may be anybody's.
        if together.len() < 2 {
            together.into_iter().for_each(|(path, block)| self.keep(path, block));
            return;
        }
        if let Some((_, first)) = together.first() {
            self.begin(first);
        }
        for (path, block) in together {
            self.push(path, block);
        }
    }

    /// Keeps a block of another source, in the place of the oldest where there is no room.
    fn keep(&mut self, path: usize, block: Block) {
        self.foreign_bytes += block.packets.len();
        self.foreign.push_back((path, block));
        while self.foreign.len() > FOREIGN || self.foreign_bytes > FOREIGN_BYTES {
            let Some((_, oldest)) = self.foreign.pop_front() else { break };
            self.foreign_bytes -= oldest.packets.len();
        }
    }

    fn take(&mut self, path: usize, number: u64, block: Block) {
        let bit = 1u8 << path;
        self.newest = self.newest.max(number);
        let digest = super::content::digest(&block.packets);
        let slot = (number % MEMORY as u64) as usize;
        if self.seen[slot].number != number {
            self.seen[slot] = Seen { number, from: 0, digest, at: block.at };
        }
        let seen = &mut self.seen[slot];
        let (before, known, first) = (seen.from, seen.digest, seen.at);
        seen.from |= bit;
        self.fill_counts(path, number, before);
        let p = &mut self.paths[path];
        p.last = Some(block.at);
        p.newest = Some(p.newest.map_or(number, |newest| newest.max(number)));
        if number > self.next {
            p.passed.get_or_insert(block.at);
        }
        if number >= self.next {
            p.stale = None;
        }
        if before & !bit != 0 {
            if path == 1 || before & 2 != 0 {
                let later = block.at.as_micros() as i64 - first.as_micros() as i64;
                self.counts.merge.delay.store(if path == 1 { later } else { -later }, Relaxed);
            }
            self.unlike = if known == digest { 0 } else { self.unlike + 1 };
            self.common |= known == digest;
            self.apart |= self.unlike >= UNLIKE;
        }
        if before != 0 {
            return;
        }
        if number < self.next {
            return one(&self.counts.paths[self.first + path].late);
        }
        self.bytes += block.packets.len();
        if let Some(twice) = self.waiting.insert(number, Held { packets: block.packets, at: block.at }) {
            self.bytes -= twice.packets.len();
        }
    }

    /// What this path, or the other, had lost and is there after all.
    fn fill_counts(&mut self, path: usize, number: u64, before: u8) {
        if self.paths.len() < 2 {
            return;
        }
        let bit = 1u8 << path;
        let newest = self.paths[path].newest;
        if let Some(newest) = newest.filter(|newest| number > *newest && number - newest < LEAP) {
            let missing = (newest + 1..number).filter(|n| {
                let seen = self.seen[(n % MEMORY as u64) as usize];
                seen.number == *n && seen.from & !bit != 0
            });
            self.counts.paths[path].filled.fetch_add(missing.count() as u64, Relaxed);
        } else if newest.is_some() && before != 0 && before & bit == 0 {
            less(&self.counts.paths[path].filled);
        }
        for (other, p) in self.paths.iter().enumerate().filter(|(other, _)| *other != path) {
            if p.newest.is_some_and(|newest| newest > number) && before == 0 {
                one(&self.counts.paths[other].filled);
            }
        }
    }

    /// Releases what need not wait any more; everything that came until `now` has been pushed.
    pub fn release(&mut self, now: Duration, out: &mut VecDeque<Out>) {
        self.now = self.now.max(now);
        let mut lost = 0;
        while let Some((&number, held)) = self.waiting.first_key_value() {
            if number != self.next {
                if self.waiting.len() <= WAITING && self.bytes <= WAITING_BYTES && self.deadline(held.at) > self.now {
                    break;
                }
                // A new numbering is no loss.
                let missing = number - self.next;
                lost += if missing < 1 << 16 { missing } else { 0 };
            }
            let Some((_, held)) = self.waiting.pop_first() else { break };
            self.bytes -= held.packets.len();
            self.next = number + 1;
            let waited = self.now.saturating_sub(held.at);
            let waited = if held.at.is_zero() { Duration::ZERO } else { waited };
            out.push_back(Out { packets: held.packets, lost: std::mem::take(&mut lost), waited, at: held.at });
            self.passed_anew();
        }
    }

    /// When a hole is given up, before which something has waited since `since`.
    fn deadline(&self, since: Duration) -> Duration {
        let latest = since + self.window;
        let alive = |p: &&Path| p.last.is_some_and(|last| last + self.window > self.now);
        let mut passed = Duration::ZERO;
        for path in self.paths.iter().filter(alive) {
            match path.passed {
                Some(at) => passed = passed.max(at),
                None => return latest,
            }
        }
        latest.min(passed.max(since) + REORDER)
    }

    /// Another hole is waited for, if any: which paths have passed it is known from what waits behind it.
    fn passed_anew(&mut self) {
        if self.waiting.first_key_value().is_none_or(|(number, _)| *number == self.next) {
            return self.paths.iter_mut().for_each(|p| p.passed = None);
        }
        for (path, p) in self.paths.iter_mut().enumerate() {
            let bit = 1u8 << path;
            let behind = self.waiting.iter().find(|(number, _)| self.seen[(**number % MEMORY as u64) as usize].from & bit != 0);
            p.passed = behind.map(|(_, held)| held.at);
        }
    }

    /// When something is to be released next, if nothing comes.
    pub fn due(&self) -> Option<Duration> {
        let (number, held) = self.waiting.first_key_value()?;
        Some(if *number == self.next { Duration::ZERO } else { self.deadline(held.at) })
    }

    /// Everything that waits, in order; nothing more is pushed.
    pub fn finish(&mut self, out: &mut VecDeque<Out>) {
        for held in self.waiting.values_mut() {
            held.at = Duration::ZERO;
        }
        self.now = Duration::MAX;
        self.release(Duration::MAX, out);
    }
}

//! When things were published, when they were received, and what that took.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A part: number of the segment, and index.
pub type Part = (i64, u32);

/// When each part, and the playlist that lists it, was published on each track.
pub struct Delays(Vec<Mutex<Published>>);

#[derive(Default)]
struct Published {
    chunks: BTreeMap<Part, Instant>,
    lists: BTreeMap<Part, Instant>,
}

/// Parts that are remembered: more than any player is behind.
const KEPT: usize = 200;

impl Delays {
    pub fn new(tracks: usize) -> Delays {
        Delays((0..tracks).map(|_| Mutex::default()).collect())
    }

    /// It is about to be published; `list`: the playlist with it.
    pub fn published(&self, track: usize, part: Part, list: bool) {
        let mut published = self.0[track].lock().expect("a lock");
        let at = if list { &mut published.lists } else { &mut published.chunks };
        at.insert(part, Instant::now());
        if at.len() > KEPT {
            at.pop_first();
        }
    }

    /// How long ago it was.
    pub fn since(&self, track: usize, part: Part, list: bool) -> Option<Duration> {
        let published = self.0[track].lock().expect("a lock");
        let at = if list { &published.lists } else { &published.chunks };
        at.get(&part).map(Instant::elapsed)
    }

    /// The newest part of which the playlist is out.
    pub fn newest(&self, track: usize) -> Option<Part> {
        self.0[track].lock().expect("a lock").lists.last_key_value().map(|(part, _)| *part)
    }
}

/// What players received.
#[derive(Default)]
pub struct Received {
    pub parts: Vec<Duration>,
    pub lists: Vec<Duration>,
    pub bytes: u64,
    /// Answers that were not what was asked for.
    pub wrong: u64,
    /// Parts that all players together should have.
    pub due: usize,
    /// What threads took of the processors, before and after.
    pub threads: (Threads, Threads),
}

/// Of threads by name: nanoseconds that they ran, and that they were ready to run but had no processor.
pub type Threads = BTreeMap<String, (u64, u64)>;

impl Received {
    pub fn add(&mut self, other: Received) {
        self.parts.extend(other.parts);
        self.lists.extend(other.lists);
        self.bytes += other.bytes;
        self.wrong += other.wrong;
        self.due += other.due;
    }

    /// Whether every player had everything.
    pub fn is_complete(&self) -> bool {
        self.wrong == 0 && self.parts.len() >= self.due
    }

    pub fn print(&self) {
        println!("{} of {} parts and {} playlists, {} MB; {} wrong answers", self.parts.len(), self.due, self.lists.len(), self.bytes / 1_000_000, self.wrong);
        for (name, delays) in [("part", &self.parts), ("playlist", &self.lists)] {
            let mut sorted = delays.clone();
            sorted.sort_unstable();
            let at = |thousandths: usize| {
                sorted.get((sorted.len() * thousandths / 1000).min(sorted.len().saturating_sub(1))).map_or(f64::NAN, |d| d.as_secs_f64() * 1e3)
            };
            println!("{name:8} p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms", at(500), at(900), at(990), at(999), at(1000));
        }
    }
}

/// Of each thread of this process (proc(5), schedstat).
pub fn processor_time() -> Threads {
    let mut found = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let numbers: Vec<u64> = read("schedstat").split_whitespace().filter_map(|n| n.parse().ok()).collect();
        if let [ran, waited, ..] = numbers[..] {
            let sum: &mut (u64, u64) = found.entry(read("comm").trim().to_owned()).or_default();
            *sum = (sum.0 + ran, sum.1 + waited);
        }
    }
    found
}

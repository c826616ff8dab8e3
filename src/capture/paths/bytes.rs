//! What the demuxer reads: the blocks of all paths, merged.

use super::counts::{Counts, Mode};
use super::ledger::Ledger;
use super::merge::{Block, Event, Merge};
use super::queue::Outlet;
use super::receive::Drained;
use crossbeam::channel::{Select, TryRecvError};
use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one wait lasts before libav looks at the stop flag.
const SLICE: Duration = Duration::from_millis(50);
/// A path that cannot be emptied is not waited for longer than this.
const BEHIND: Duration = Duration::from_millis(500);
/// Blocks that are taken before what passes is looked at.
const AT_ONCE: usize = 64;
/// Where the clock of the paths says that something is due, but a path has not been looked into since: how long until it is looked at again.
const AGAIN: Duration = Duration::from_millis(2);

/// How long one file is waited for: until it has its end.
const FILES: Duration = Duration::from_secs(1 << 20);

/// One path's end of the queue.
pub struct Tap {
    /// What came.
    pub queue: Outlet,
    /// How far it has been emptied.
    pub drained: Arc<Drained>,
}

struct Line {
    path: usize,
    tap: Tap,
    head: Option<Block>,
    /// Bytes that the merge was given.
    given: usize,
}

/// The bytes that pass, for libav to read.
pub struct Bytes {
    lines: Vec<Line>,
    merge: Merge,
    ledger: Arc<Mutex<Ledger>>,
    counts: Arc<Counts>,
    clock: Instant,
    ready: Vec<u8>,
    from: usize,
    finished: bool,
    /// Files have no time of arrival: both are read alike, and the one waits for the other.
    files: bool,
    /// Whatever ends when this is dropped.
    _threads: Box<dyn Send>,
}

impl Bytes {
    /// For the paths of `counts`; `clock` began when the time of all paths did; `threads` is dropped with it. No `window`: these are files.
    pub fn new(
        taps: Vec<Tap>,
        window: Option<Duration>,
        ledger: &Arc<Mutex<Ledger>>,
        counts: &Arc<Counts>,
        clock: Instant,
        threads: impl Send + 'static,
    ) -> Bytes {
        let lines = taps.into_iter().enumerate().map(|(path, tap)| Line { path, tap, head: None, given: 0 }).collect();
        Bytes {
            lines,
            merge: Merge::new(window.unwrap_or(FILES), counts),
            ledger: Arc::clone(ledger),
            counts: Arc::clone(counts),
            clock,
            ready: Vec::new(),
            from: 0,
            finished: false,
            files: window.is_none(),
            _threads: Box::new(threads),
        }
    }

    /// Gives the merge what has come, the earliest first, and makes ready what passes.
    fn gather(&mut self) {
        let now = self.clock.elapsed();
        // Looked up before the queues are emptied: what came until then is in them.
        let drained = self.lines.iter().map(|line| line.tap.drained.get()).min().unwrap_or(now).min(now);
        let horizon = drained.max(now.saturating_sub(BEHIND));
        let mut taken = 0;
        let emptied = loop {
            let merge = &mut self.merge;
            self.lines.retain_mut(|line| {
                if line.head.is_some() {
                    return true;
                }
                match line.tap.queue.take() {
                    Ok(block) => line.head = Some(block),
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => {
                        merge.ended(line.path);
                        return false;
                    }
                }
                true
            });
            if self.files && self.lines.iter().any(|line| line.head.is_none()) {
                break true;
            }
            let wanted = if self.files { self.merge.wanted() } else { None };
            let alike = |line: &Line| if self.files { line.given } else { 0 };
            let next = |line: &&mut Line| (Some(line.path) != wanted, alike(line), line.head.as_ref().map(|block| block.at));
            let Some(line) = self.lines.iter_mut().filter(|line| line.head.is_some()).min_by_key(next) else { break true };
            let Some(block) = line.head.take() else { break true };
            line.given += block.packets.len();
            self.merge.push(line.path, block);
            taken += 1;
            if taken == AT_ONCE {
                break false;
            }
        };
        // What still waits in a queue may be what is missing.
        self.merge.advance(if emptied { horizon } else { Duration::ZERO });
        if self.lines.is_empty() && !std::mem::replace(&mut self.finished, true) {
            self.merge.finish();
        }
        self.ready.clear();
        self.from = 0;
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(out) = self.merge.take() {
            ledger.lost(out.lost);
            ledger.add(&out.packets, &self.counts.merge);
            self.ready.extend_from_slice(&out.packets);
            self.counts.merge.waited(self.clock.elapsed().saturating_sub(out.at));
        }
        drop(ledger);
        while let Some(event) = self.merge.event() {
            self.tell(event);
        }
    }

    fn tell(&self, event: Event) {
        let name = |path: usize| self.counts.paths.get(path).map_or("", |path| path.input.as_str());
        let (one, other) = (name(0), name(1));
        match event {
            Event::Merged(Mode::Number) => tracing::info!("inputs {one} and {other}: merged by RTP sequence number"),
            Event::Merged(_) => tracing::info!("inputs {one} and {other}: merged by the content of their packets"),
            Event::Mismatch => tracing::warn!(
                "inputs {one} and {other}: their packets never match, so they are different encodes or were multiplexed apart; the first is used, the other one where that brings nothing"
            ),
            Event::Apart(by) => {
                tracing::warn!(
                    "inputs {one} and {other}: {} ms apart, more than is waited for; what the earlier one loses is missing (path_window)",
                    by.as_millis()
                );
            }
            Event::Switched(path) => tracing::warn!("input {} brings nothing; {} is used", name(1 - path.min(1)), name(path)),
        }
    }

    /// Waits until something comes, or is due, at most a slice.
    fn wait(&self, until: Instant) {
        let now = self.clock.elapsed();
        let due = self.merge.due().map_or(SLICE, |due| due.saturating_sub(now).max(AGAIN));
        let span = due.min(until.saturating_duration_since(Instant::now()));
        let mut select = Select::new();
        for line in &self.lines {
            line.tap.queue.watch(&mut select);
        }
        // Whether something came or not is seen by who looks next.
        let _ = select.ready_timeout(span);
    }
}

impl Read for Bytes {
    /// `Interrupted` whenever a slice passes without data.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let until = Instant::now() + SLICE;
        loop {
            let rest = self.ready.get(self.from..).unwrap_or_default();
            let length = rest.len().min(out.len());
            if length > 0 {
                out[..length].copy_from_slice(&rest[..length]);
                self.from += length;
                return Ok(length);
            }
            self.gather();
            if !self.ready.is_empty() {
                continue;
            }
            if self.finished {
                return Ok(0);
            }
            if Instant::now() >= until {
                return Err(ErrorKind::Interrupted.into());
            }
            self.wait(until);
        }
    }
}

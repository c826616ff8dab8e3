//! One or two paths of one feed become one stream of transport packets. Pure: blocks with their times of arrival in, packets in order out.
//!
//! - numbered alike (RTP, as SMPTE ST 2022-7): by number, [`sequence::Sequence`];
//! - else by content: equal transport packets are aligned, [`content::Content`].
//!
//! Which of the two is found out from what comes, and may change once, from numbers to content.

mod bundle;
pub mod content;
mod lane;
pub mod sequence;
#[cfg(test)]
mod tests;
mod zip;

use super::counts::{Counts, Mode};
use super::rtp::Number;
use content::Content;
use sequence::Sequence;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What a path brought at once.
#[derive(Clone, Debug)]
pub struct Block {
    /// Whole transport packets.
    pub packets: Vec<u8>,
    /// Its number, where it came in RTP.
    pub number: Option<Number>,
    /// When it came, on a clock that all paths share.
    pub at: Duration,
}

/// What passes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Out {
    /// Whole transport packets.
    pub packets: Vec<u8>,
    /// Datagrams that are missing before it, as far as that is known.
    pub lost: u64,
    /// How long it has waited since it came first.
    pub waited: Duration,
    /// When that was.
    pub at: Duration,
}

/// What is worth a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The paths carry the same packets, and are merged from here on.
    Merged(Mode),
    /// Nothing of one path is in the other: another encode, or another multiplexer. One alone passes, the other when that one brings nothing.
    Mismatch,
    /// One path is later than the other by more than the window, and cannot be waited for.
    Apart(Duration),
    /// The path that passes from here on, since the one before brings nothing.
    Switched(usize),
}

enum Engine {
    /// One path without numbers: everything passes.
    Plain(VecDeque<Out>),
    /// By number.
    Sequence(Box<Sequence>),
    /// By content. Numbered paths are put in order first, each for itself.
    Content(Box<Content>, Vec<Option<Sequence>>),
}

/// Merges.
pub struct Merge {
    paths: usize,
    window: Duration,
    engine: Engine,
    out: VecDeque<Out>,
    events: VecDeque<Event>,
    told: bool,
    told_apart: bool,
    counts: Arc<Counts>,
}

impl Merge {
    /// For as many paths as `counts` has, one or two. Nothing waits longer than `window` for the other path.
    pub fn new(window: Duration, counts: &Arc<Counts>) -> Merge {
        let paths = counts.paths.len();
        let engine = Engine::Plain(VecDeque::new());
        Merge { paths, window, engine, out: VecDeque::new(), events: VecDeque::new(), told: false, told_apart: false, counts: Arc::clone(counts) }
    }

    /// What a path brought. Of several, the earliest first.
    pub fn push(&mut self, path: usize, block: Block) {
        if path >= self.paths || block.packets.is_empty() {
            return;
        }
        match &mut self.engine {
            Engine::Plain(passing) if block.number.is_none() && self.paths == 1 => {
                passing.push_back(Out { packets: block.packets, lost: 0, waited: Duration::ZERO, at: block.at });
            }
            Engine::Plain(_) if block.number.is_some() => {
                self.engine = Engine::Sequence(Box::new(Sequence::new(0, self.paths, self.window, &self.counts)));
                self.push(path, block);
            }
            Engine::Sequence(sequence) if block.number.is_some() && !sequence.is_apart() => sequence.push(path, block),
            Engine::Sequence(_) if self.paths == 1 => {
                // The sender leaves RTP out from here on.
                self.drain();
                self.engine = Engine::Plain(VecDeque::new());
                self.push(path, block);
            }
            Engine::Plain(_) | Engine::Sequence(_) => {
                self.drain();
                let mut ports: Vec<Option<Sequence>> = (0..self.paths).map(|_| None).collect();
                let mut content = Box::new(Content::new(self.window, &self.counts));
                if let Engine::Sequence(sequence) = std::mem::replace(&mut self.engine, Engine::Plain(VecDeque::new()))
                    && let Some((passed, at)) = sequence.newest_path()
                {
                    // What has passed by number does not pass once more where it comes again.
                    content.follow(passed, at);
                    ports[passed] = Some(sequence.alone(passed));
                }
                self.engine = Engine::Content(content, ports);
                self.push(path, block);
            }
            Engine::Content(content, ports) => match (&mut ports[path], block.number) {
                (None, None) => content.push(path, &block.packets, block.at),
                (port, Some(_)) => port.get_or_insert_with(|| Sequence::new(path, 1, self.window, &self.counts)).push(0, block),
                (port @ Some(_), None) => {
                    if let Some(mut sequence) = port.take() {
                        let mut rest = VecDeque::new();
                        sequence.finish(&mut rest);
                        rest.iter().for_each(|out| content.push(path, &out.packets, block.at));
                    }
                    content.push(path, &block.packets, block.at);
                }
            },
        }
    }

    /// Everything that came until `now` has been pushed: what need not wait any more passes.
    pub fn advance(&mut self, now: Duration) {
        match &mut self.engine {
            Engine::Plain(passing) => self.out.append(passing),
            Engine::Sequence(sequence) => {
                sequence.release(now, &mut self.out);
                let late = Duration::from_micros(self.counts.merge.delay.load(Relaxed).unsigned_abs());
                if sequence.is_common() && !std::mem::replace(&mut self.told, true) {
                    self.counts.merge.set_mode(Mode::Number);
                    self.events.push_back(Event::Merged(Mode::Number));
                }
                if late > self.window && !std::mem::replace(&mut self.told_apart, true) {
                    self.events.push_back(Event::Apart(late));
                }
            }
            Engine::Content(content, ports) => {
                for (path, sequence) in ports.iter_mut().enumerate().filter_map(|(path, port)| Some((path, port.as_mut()?))) {
                    let mut ordered = VecDeque::new();
                    sequence.release(now, &mut ordered);
                    // What waited for its place has come when it is there.
                    ordered.iter().for_each(|out| content.push(path, &out.packets, out.at.max(now.min(out.at + out.waited))));
                }
                content.release(now, &mut self.out, &mut self.events);
            }
        }
    }

    /// Which path is to be read, where that may be chosen, and it makes a difference.
    pub fn wanted(&mut self) -> Option<usize> {
        if let Engine::Content(content, _) = &mut self.engine { content.wanted() } else { None }
    }

    /// Nothing more comes on one path: it is not waited for.
    pub fn ended(&mut self, path: usize) {
        if let Engine::Content(content, _) = &mut self.engine {
            content.ended(path);
        }
    }

    /// Nothing more comes on any path: everything that waits passes.
    pub fn finish(&mut self) {
        self.drain();
    }

    fn drain(&mut self) {
        match &mut self.engine {
            Engine::Plain(passing) => self.out.append(passing),
            Engine::Sequence(sequence) => sequence.finish(&mut self.out),
            Engine::Content(content, ports) => {
                let mut rest = VecDeque::new();
                for (path, sequence) in ports.iter_mut().enumerate().filter_map(|(path, port)| Some((path, port.as_mut()?))) {
                    sequence.finish(&mut rest);
                    rest.drain(..).for_each(|out| content.push(path, &out.packets, out.at));
                }
                content.finish(&mut self.out);
            }
        }
    }

    /// What passes next.
    pub fn take(&mut self) -> Option<Out> {
        let out = self.out.pop_front()?;
        self.counts.merge.lost.fetch_add(out.lost, Relaxed);
        Some(out)
    }

    /// What is worth a word.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Merge::advance`] has something to do, if nothing comes before.
    pub fn due(&self) -> Option<Duration> {
        match &self.engine {
            Engine::Plain(_) => None,
            Engine::Sequence(sequence) => sequence.due(),
            Engine::Content(content, ports) => ports.iter().flatten().filter_map(Sequence::due).chain(content.due()).min(),
        }
    }
}

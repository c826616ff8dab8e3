//! Paths that no common number puts in order: the transport packets of one pass, those of the other are aligned with them by content and fill what is missing.
//!
//! A packet waits until the other path has passed its place, and no longer than the window; where the other path is gone, unlike, or later than the window, not at all.
//! So what both paths bring passes when the later one has it, and whatever either lost is known by then. Null packets are left out.
//! Where more waits than is remembered, it is waited for no longer: what comes first passes.

use super::bundle::Bundle;
use super::lane::Lane;
use super::zip::{Next, Single, zip};
use super::{Event, Mode, Out};
use crate::capture::paths::counts::{Counts, less, one};
use crate::capture::paths::packets::{Counters, Head, NULL, packets};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

mod align;
mod share;

use align::Run;
use share::Share;

/// How long packets are remembered, at least.
const MEMORY: Duration = Duration::from_secs(1);
/// Packets in a row that both paths have before they count as alike. Tables may be the same in another encode, and so may its sound, but not all that lies between.
const ALIKE: u32 = 64;
/// So many in a row still speak for it.
const SURE: u32 = 8;
/// How long both may bring what the other does not before they count as unlike.
pub const UNLIKE: Duration = Duration::from_secs(5);
/// How long after the last packet that both had the other path is still waited for, beyond the window.
const SLACK: Duration = Duration::from_millis(100);

/// How long the path that passes is silent at least before the other takes its place.
const QUIET: Duration = Duration::from_millis(30);

/// A number for a content; the same content gives the same number, and equal numbers are followed by a comparison.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Whether the paths carry the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Likeness {
    Unknown,
    Alike,
    Unlike,
}

/// Aligns two paths, or passes one.
pub struct Content {
    lanes: [Lane; 2],
    paths: usize,
    /// The path that passes.
    main: usize,
    window: Duration,
    passed: Counters,
    likeness: Likeness,
    /// Packets in a row that both had.
    streak: u32,
    /// How much of it both had.
    share: Share,
    /// When a packet came last that both have.
    matched: Option<Duration>,
    /// Since when both bring something, and nothing of it matches.
    unlike_since: Option<Duration>,
    /// How much later the second path is, microseconds.
    delay: i64,
    told_apart: bool,
    /// Something passed before its time, or was given up, and no packet has come since that both have.
    blind: bool,
    /// By path: equal packets far ahead, which may be the same.
    runs: [Option<Run>; 2],
    /// What had to pass before its time.
    early: VecDeque<Out>,
    /// Which paths are at their end.
    ended: [bool; 2],
    now: Duration,
    counts: Arc<Counts>,
}

impl Content {
    /// For the paths of `counts`.
    pub fn new(window: Duration, counts: &Arc<Counts>) -> Content {
        Content {
            lanes: [Lane::new(), Lane::new()],
            paths: counts.paths.len().min(2),
            main: 0,
            window,
            passed: Counters::default(),
            likeness: Likeness::Unknown,
            streak: 0,
            share: Share::default(),
            matched: None,
            unlike_since: None,
            delay: 0,
            told_apart: false,
            blind: false,
            runs: [None; 2],
            early: VecDeque::new(),
            ended: [false; 2],
            now: Duration::ZERO,
            counts: Arc::clone(counts),
        }
    }

    /// Until `at`, this path has passed.
    pub fn follow(&mut self, path: usize, at: Duration) {
        self.main = path.min(1);
        self.lanes[self.main].last = Some(at);
    }

    /// Whole packets that a path brought at `at`.
    pub fn push(&mut self, path: usize, bytes: &[u8], at: Duration) {
        if path >= self.paths {
            return;
        }
        let silent = |lane: &Lane| lane.last.is_none();
        if silent(&self.lanes[0]) && silent(&self.lanes[1]) {
            self.main = path;
        }
        if self.lanes[path].again(bytes, digest(bytes)) {
            return one(&self.counts.paths[path].duplicate);
        }
        for packet in packets(bytes).filter(|packet| Head::of(packet).pid != NULL) {
            self.packet(path, packet, at);
        }
    }

    /// As much waits on a path as may: the first of it waits no longer.
    fn make_room(&mut self, path: usize) {
        let mut early = std::mem::take(&mut self.early);
        let mut bundle = Bundle { out: &mut early, now: self.now };
        self.pass(&mut bundle, 0);
        self.settle();
        if path == self.main && self.lanes[path].is_full() {
            self.pass(&mut bundle, self.lanes[path].next + 1);
        }
        self.early = early;
        if self.lanes[path].is_full() {
            self.lanes[path].next += 1;
            if self.likeness == Likeness::Alike {
                one(&self.counts.paths[path].overruns);
            }
        }
    }

    /// More has to wait than may: from here on the path that goes on passes, until a packet comes that both have.
    fn settle(&mut self) {
        if !std::mem::replace(&mut self.blind, true) && self.other_goes_on() {
            self.main = 1 - self.main;
        }
    }

    /// Which path is to be read where neither needs to be read now: the one of which less waits than may, else the one that passes. So a hole may be as long as it likes.
    pub fn wanted(&mut self) -> Option<usize> {
        match [0, 1].map(|path| self.lanes[path].is_full()) {
            [false, false] => None,
            [true, true] => {
                self.settle();
                Some(self.main)
            }
            [full, _] => Some(usize::from(full)),
        }
    }

    /// Whether the path that helps goes on where what has passed ends, and the one that passes does not, or less: then it is this one that has a hole.
    /// Of a single PID counters are right by chance once in sixteen times.
    fn other_goes_on(&self) -> bool {
        let [(follow, break_off), (theirs, their_breaks)] = [self.main, 1 - self.main].map(|path| self.lanes[path].goes_on(&self.passed));
        self.likeness == Likeness::Alike && theirs > their_breaks && (follow + break_off == 0 || break_off > their_breaks)
    }

    /// How much later the path that helps is than the one that passes; zero where it is earlier.
    fn lag(&self) -> Duration {
        Duration::from_micros((if self.main == 0 { self.delay } else { -self.delay }).max(0) as u64)
    }

    /// Whether the other path may still bring what is missing.
    fn waits(&self) -> bool {
        let recent = self.matched.is_some_and(|at| at + self.window + SLACK > self.now);
        self.likeness == Likeness::Alike && recent && self.lag() <= self.window && !self.ended[1 - self.main]
    }

    /// Passes what need not wait any more; everything that came until `now` has been pushed.
    pub fn release(&mut self, now: Duration, out: &mut VecDeque<Out>, events: &mut VecDeque<Event>) {
        self.now = self.now.max(now);
        self.judge(events);
        out.append(&mut self.early);
        let mut bundle = Bundle { out, now: self.now };
        self.pass(&mut bundle, 0);
        if self.is_gone() {
            if !self.other_goes_on() {
                self.pass(&mut bundle, u64::MAX);
                self.skip_what_was_shown();
            }
            self.main = 1 - self.main;
            if self.likeness != Likeness::Alike {
                events.push_back(Event::Switched(self.main));
            }
            self.pass(&mut bundle, 0);
        }
        let since = self.now.saturating_sub(MEMORY.max(self.window * 2));
        let help = 1 - self.main;
        // What nobody asked for in time is given up.
        while self.lanes[help].get(self.lanes[help].next).is_some_and(|e| e.at < since) {
            self.lanes[help].next += 1;
        }
        self.lanes.iter_mut().for_each(|lane| lane.forget_before(since));
    }

    /// Nothing more comes on a path.
    pub fn ended(&mut self, path: usize) {
        if let Some(ended) = self.ended.get_mut(path) {
            *ended = true;
        }
    }

    /// Whether the path that passes brings nothing, and the other one does.
    fn is_gone(&self) -> bool {
        let (main, help) = (&self.lanes[self.main], &self.lanes[1 - self.main]);
        let Some(front) = help.get(help.next).filter(|_| self.ended[self.main] || help.last > main.last) else { return false };
        self.ended[self.main] || self.gone_at(front.at) < self.now
    }

    /// When the path that passes counts as gone, where the other has had something since `front` that nobody has asked for.
    fn gone_at(&self, front: Duration) -> Duration {
        let last = self.lanes[self.main].last.unwrap_or_default();
        if self.likeness == Likeness::Alike { (last + QUIET).max(front + self.window) } else { last + self.window.max(SLACK) }
    }

    /// Of another encode, what came while this one still did shows what has been shown.
    fn skip_what_was_shown(&mut self) {
        let (last, help) = (self.lanes[self.main].last, 1 - self.main);
        let lane = &mut self.lanes[help];
        while self.likeness != Likeness::Alike && lane.get(lane.next).is_some_and(|e| Some(e.at) <= last) {
            lane.next += 1;
        }
    }

    fn judge(&mut self, events: &mut VecDeque<Event>) {
        if self.streak >= ALIKE && self.share.is_most() && self.likeness != Likeness::Alike {
            self.likeness = Likeness::Alike;
            self.counts.merge.set_mode(Mode::Content);
            events.push_back(Event::Merged(Mode::Content));
        }
        let alive = |lane: &Lane| lane.last.is_some_and(|last| last + MEMORY > self.now);
        if !self.lanes.iter().all(alive) {
            self.unlike_since = None;
            self.streak = 0;
            self.share.restart(self.now);
            return;
        }
        if (self.share.is_most() || self.share.is_open()) && self.streak >= SURE {
            self.unlike_since = None;
        }
        self.share.age(self.now);
        let since = *self.unlike_since.get_or_insert(self.now);
        // Of files, whose window is without end, time says nothing: a hole may take as long as it takes to read.
        let patience = if self.likeness == Likeness::Alike { UNLIKE.max(self.window) } else { UNLIKE };
        if self.likeness != Likeness::Unlike && self.now.saturating_sub(since) > patience {
            self.likeness = Likeness::Unlike;
            self.streak = 0;
            self.counts.merge.set_mode(Mode::Mismatch);
            events.push_back(Event::Mismatch);
        }
        let lag = Duration::from_micros(self.delay.unsigned_abs());
        if self.likeness == Likeness::Alike && lag > self.window && !std::mem::replace(&mut self.told_apart, true) {
            events.push_back(Event::Apart(lag));
        }
    }

    /// Passes what is resolved, and what lies before `until` in any case.
    fn pass(&mut self, bundle: &mut Bundle<'_>, until: u64) {
        let (main, help) = (self.main, 1 - self.main);
        while self.lanes[main].next < self.lanes[main].end() {
            let from = self.lanes[main].next;
            if from < self.lanes[main].passed
                && let Some((then, twin)) = self.anchor(from)
            {
                self.resolve(from, then, twin, bundle);
                continue;
            }
            let Some(front) = self.lanes[main].get(from) else { return };
            if from >= until && !front.used && self.waits() && front.at + self.window > self.now {
                return;
            }
            let (packet, used, at) = (front.packet, front.used, front.at);
            if !used {
                self.passed.note(Head::of(&packet));
                bundle.add(&packet, at);
            }
            self.lanes[main].next = from + 1;
            if let Some(entry) = self.lanes[main].get_mut(from) {
                entry.used = true;
            }
            if let Some(twin) = self.lanes[main].get(from).and_then(|e| e.twin)
                && let Some(entry) = self.lanes[help].get_mut(twin)
            {
                entry.used = true;
            }
        }
    }

    /// The next packet of the path that passes, from `from` on, that the other has, too, and not before what has been looked at there.
    fn anchor(&self, from: u64) -> Option<(u64, u64)> {
        let (main, help) = (&self.lanes[self.main], &self.lanes[1 - self.main]);
        (from..main.passed).find_map(|place| main.get(place)?.twin.filter(|twin| *twin >= help.next).map(|twin| (place, twin)))
    }

    /// Passes everything up to the packet at `then`, which is at `twin` of the other path.
    fn resolve(&mut self, from: u64, then: u64, twin: u64, bundle: &mut Bundle<'_>) {
        let (main, help) = (self.main, 1 - self.main);
        let (Some(last), counts) = (self.lanes[main].get(then), Arc::clone(&self.counts)) else { return };
        let (packet, used, at) = (last.packet, last.used, last.at);
        if from < then || self.lanes[help].next < twin {
            let single = |lane: &Lane, place: u64| lane.get(place).filter(|e| !e.used).map(|e| Single::new(place, &e.packet));
            let own = (from..then).filter_map(|place| single(&self.lanes[main], place)).collect();
            let unmatched = |place: &u64| self.lanes[help].get(*place).is_some_and(|e| e.twin.is_none());
            let other = (self.lanes[help].next..twin).filter(unmatched).filter_map(|place| single(&self.lanes[help], place)).collect();
            let lanes = &self.lanes;
            let came = |path: usize, place: u64| lanes[path].get(place).map_or(at, |e| e.at);
            zip(own, other, Head::of(&packet), &mut self.passed, |next| match next {
                Next::Own(single) => {
                    one(&counts.paths[help].filled);
                    bundle.add(&single.packet, came(main, single.place));
                }
                Next::Fill(single) => {
                    one(&counts.paths[main].filled);
                    bundle.add(&single.packet, came(help, single.place));
                }
                // Both had it, and it could not be told from others that are alike.
                Next::Drop => less(&counts.paths[help].filled),
            });
        }
        if !used {
            self.passed.note(Head::of(&packet));
            bundle.add(&packet, at);
        }
        let done = [(main, from, then), (help, self.lanes[help].next, twin)];
        for (path, first, last) in done {
            (first..=last).for_each(|place| {
                if let Some(entry) = self.lanes[path].get_mut(place) {
                    entry.used = true;
                }
            });
            self.lanes[path].next = last + 1;
        }
    }

    /// When something passes next, if nothing comes.
    pub fn due(&self) -> Option<Duration> {
        let main = &self.lanes[self.main];
        let help = &self.lanes[1 - self.main];
        let gone = help.get(help.next).filter(|_| help.last > main.last).map(|front| self.gone_at(front.at));
        main.get(main.next).map(|front| front.at + self.window).into_iter().chain(gone).min()
    }

    /// Everything that waits; nothing more is pushed.
    pub fn finish(&mut self, out: &mut VecDeque<Out>) {
        out.append(&mut self.early);
        let mut bundle = Bundle { out, now: self.now };
        self.pass(&mut bundle, 0);
        self.pass(&mut bundle, u64::MAX);
        self.main = 1 - self.main;
        self.pass(&mut bundle, u64::MAX);
    }
}

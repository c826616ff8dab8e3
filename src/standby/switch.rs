//! Which of two feeds of one programme each slot is taken from. Both are on the grid already; nothing here reads a clock.

use super::health::{Conditions, Health, Seen, Trouble};
use super::look::Look;
use crate::frame::{Frame, Length, Origin};
use crate::time::{GopId, Grid, Seconds, Slot};
use std::collections::VecDeque;

/// Slots of a feed that wait, at most, in seconds: those of the standby until they are wanted, beyond it the oldest go; those of a feed in trouble for the standby's, beyond it they are shown.
const KEPT: Seconds = Seconds::ONE;
/// Feeds that are more seconds apart than this do not stand in for each other: going from one to the other would repeat a picture for as long, or wait for as long.
const APART: i64 = 5;
/// How long the first feed may keep the event waiting when the second is there already.
const HEAD_START: Seconds = Seconds::HALF;

/// What came of a slot.
#[derive(Clone)]
pub enum Out {
    /// It is shown. Its [`Frame::path`] says where it is from.
    Frame(Frame),
    /// A GOP is complete, and its sound is that of this feed.
    Sound(GopId, usize),
    /// From this slot on, this feed is shown.
    Switched {
        /// Where.
        at: Slot,
        /// To which.
        to: usize,
        /// What is wrong with the other one; nothing, where this one is healthy again or was asked for.
        why: Option<Trouble>,
    },
}

/// One feed.
struct Path {
    frames: VecDeque<Frame>,
    newest: Option<Slot>,
    health: Health,
    /// Nothing comes of it: it is not there yet, or at its end, and may come again.
    away: bool,
    /// It is open, whether it has brought anything yet or not.
    open: bool,
    silent_since: Option<Seconds>,
}

impl Path {
    /// Whether nothing comes of it, and nothing is about to.
    fn is_gone(&self) -> bool {
        self.away && !self.open
    }
}

/// The switch. Feeds are numbered 0 (the first choice) and 1.
pub struct Switch {
    grid: Grid,
    conditions: Conditions,
    paths: [Path; 2],
    active: usize,
    wanted: Option<usize>,
    /// It was asked for and has not been shown since: one that is asked for need not have been well for long.
    asked: bool,
    /// The feeds are further apart than [`APART`], and it has been said.
    apart: bool,
    /// The event has so many slots.
    duration: Option<u64>,
    /// One past its last one, once it has begun.
    end: Option<Slot>,
    /// Neither feed is there: the event is over, and the last GOP's sound is asked for.
    closed: bool,
    /// What was shown last.
    last: Option<Frame>,
    /// The next slot to show; `None` before the first.
    next: Option<Slot>,
    /// Slots that came when others had been shown for them already.
    pub late: u64,
}

impl Switch {
    /// Nothing has come yet. `duration`: how many slots the event has.
    pub fn new(grid: Grid, conditions: Conditions, duration: Option<u64>) -> Switch {
        // The first is there or comes, or the event would not have begun; the second is, once it brings something.
        let path = |away| Path { frames: VecDeque::new(), newest: None, health: Health::new(conditions), away, open: false, silent_since: None };
        Switch {
            grid,
            conditions,
            paths: [path(false), path(true)],
            active: 0,
            wanted: None,
            asked: false,
            apart: false,
            duration,
            end: None,
            closed: false,
            last: None,
            next: None,
            late: 0,
        }
    }

    /// The feed that is shown.
    pub fn active(&self) -> usize {
        self.active
    }

    /// What is wrong with a feed.
    pub fn trouble(&self, path: usize) -> Option<Trouble> {
        self.paths.get(path).and_then(|path| path.health.trouble())
    }

    /// Takes `path` from the next GOP on, if it has something to show then, and stays there while it has.
    pub fn want(&mut self, path: usize) {
        self.wanted = (path < self.paths.len()).then_some(path);
        self.asked = self.wanted.is_some_and(|wanted| wanted != self.active);
    }

    /// The sound of `path` has been silent since then.
    pub fn silent(&mut self, path: usize, since: Option<Seconds>) {
        if let Some(path) = self.paths.get_mut(path) {
            path.silent_since = since;
        }
    }

    /// Whether `path` is open. One that is may bring nothing yet, and the event is not over while it may.
    pub fn open(&mut self, path: usize, open: bool) {
        if let Some(path) = self.paths.get_mut(path) {
            path.open = open;
        }
    }

    /// The next slot of `path`, in order, and every slot that is decided by it.
    pub fn push(&mut self, path: usize, frame: Frame, out: &mut Vec<Out>) {
        let most = self.kept();
        let look = self.look(&frame);
        let Some(of) = self.paths.get_mut(path).filter(|_| !self.closed) else { return };
        of.away = false;
        let seen = Seen { missed: frame.missed, damaged: frame.damaged, look: look.as_ref(), silent_since: of.silent_since };
        of.newest = Some(frame.slot);
        of.health.see(self.grid.time(frame.slot), &seen);
        if self.next.is_some_and(|next| frame.slot < next) {
            self.late += u64::from(path == self.active);
            return;
        }
        of.frames.push_back(frame);
        if path != self.active && of.frames.len() > most {
            of.frames.pop_front();
        }
        self.decide(out);
    }

    /// Nothing more comes of `path`, unless it comes again. Where neither is open any more, the event is over.
    pub fn end(&mut self, path: usize, out: &mut Vec<Out>) {
        if let Some(path) = self.paths.get_mut(path) {
            path.away = true;
            // What it was says nothing of what it will be.
            path.health = Health::new(self.conditions);
            path.newest = None;
        }
        self.decide(out);
        if self.paths.iter().any(|path| !path.is_gone()) {
            return;
        }
        self.paths.iter_mut().for_each(|path| path.frames.clear());
        // The one that was shown had said that it is over when the other was not yet: what it left open is complete.
        let open = self.last.as_ref().filter(|last| !last.last && self.grid.index(last.slot) + 1 < self.grid.gop_slots);
        if let Some(last) = open.filter(|_| !self.closed) {
            out.push(Out::Sound(last.gop, self.active));
        }
        self.closed = true;
    }

    /// Whether the event has all slots of its duration; nothing more is shown.
    pub fn has_all(&self) -> bool {
        self.next.zip(self.end).is_some_and(|(next, end)| next >= end)
    }

    /// Whether nothing more is shown: it has all its slots, or neither feed is there any more.
    pub fn is_over(&self) -> bool {
        self.closed || self.has_all()
    }

    /// Whether nothing comes of a feed.
    pub fn is_away(&self, path: usize) -> bool {
        self.paths.get(path).is_none_or(|path| path.away)
    }

    fn look(&self, frame: &Frame) -> Option<Look> {
        let wanted = (self.conditions.black.is_some() || self.conditions.frozen.is_some()) && frame.origin == Origin::Input;
        // One that a device does not give is the encoders' to tell of.
        wanted.then(|| frame.picture.host().ok().map(|picture| Look::of(picture))).flatten()
    }

    fn decide(&mut self, out: &mut Vec<Out>) {
        while let Some(next) = self.next.or_else(|| self.start()) {
            if self.next.replace(next).is_none() {
                self.end = self.duration.and_then(|slots| i64::try_from(slots).ok()).map(|slots| Slot(next.0.saturating_add(slots)));
            }
            if self.is_over() {
                self.paths.iter_mut().for_each(|path| path.frames.clear());
                return;
            }
            self.paths.iter_mut().for_each(|path| while path.frames.pop_front_if(|frame| frame.slot < next).is_some() {});
            let other = 1 - self.active;
            if self.grid.index(next) == 0 && self.returns() {
                match self.front(other) {
                    Some(frame) if frame.slot == next && !frame.missed => self.switch(next, None, out),
                    // It brings every slot: this one will come.
                    None if self.is_near(next) => return,
                    _ => {}
                }
            }
            let front = self.front(self.active).map(|frame| (frame.slot, frame.missed));
            let behind = front.is_some_and(|(slot, missed)| missed || slot > next);
            let ended = front.is_none() && self.paths[self.active].away && self.front(other).is_some();
            if let Some(trouble) = self.trouble(self.active).or((behind || ended).then_some(Trouble::Loss)) {
                // One that is right behind what is shown may have a picture for the next slot, too.
                let right_behind = front.is_none() && self.paths[self.active].newest.is_some_and(|newest| newest.0 + 1 == next.0);
                if self.is_better(next) && !right_behind {
                    self.switch(next, Some(trouble), out);
                    continue;
                }
                if self.is_coming(next) {
                    return;
                }
                if self.is_ahead(next) {
                    self.repeat(next, out);
                    continue;
                }
                if ended {
                    self.switch(next, Some(trouble), out);
                    continue;
                }
            }
            match front {
                None => return,
                // Whole GOPs may be left out, a part of one may not.
                Some((slot, _)) if slot > next => match self.grid.first(self.grid.gop(slot)) {
                    resumed if self.grid.index(next) == 0 && resumed > next => self.next = Some(resumed),
                    _ => self.repeat(next, out),
                },
                Some(_) => self.show(out),
            }
        }
    }

    /// Whether the other feed is well, and so far ahead that its pictures for `slot` are gone: it is caught up with, or would be missed for ever. One that is
    /// [`APART`] is not: its clock is another, and the event would be in the future.
    fn is_ahead(&mut self, slot: Slot) -> bool {
        let other = 1 - self.active;
        let ahead =
            self.front(other).filter(|frame| frame.slot > slot && frame.origin == Origin::Input).map(|frame| self.grid.time(frame.slot) - self.grid.time(slot));
        let apart = ahead.is_some_and(|ahead| ahead > Seconds::whole(APART));
        if apart && !std::mem::replace(&mut self.apart, apart) {
            tracing::warn!(
                segment = self.grid.gop(slot).0,
                "input {} is more than 5 s ahead of input {}, and cannot stand in for it: do both say the same time?",
                other + 1,
                self.active + 1
            );
        }
        self.apart = apart;
        ahead.is_some() && !apart && self.trouble(other).is_none()
    }

    /// Whether the other feed is so little behind that its picture for `slot` may be waited for: no longer than there is room for what is shown meanwhile.
    fn is_near(&self, slot: Slot) -> bool {
        let other = &self.paths[1 - self.active];
        let behind = other.newest.is_some_and(|newest| self.grid.time(slot) - self.grid.time(newest) < KEPT);
        behind && !other.away && self.paths[self.active].frames.len() < self.kept()
    }

    /// Shows the last picture once more, for `slot`.
    fn repeat(&mut self, slot: Slot, out: &mut Vec<Out>) {
        let Some(last) = &self.last else { return self.show(out) };
        let (gop, opens_gop) = (self.grid.gop(slot), self.grid.index(slot) == 0);
        let frame = Frame { slot, gop, opens_gop, origin: Origin::Repeat, missed: true, last: false, ..last.clone() };
        self.paths[self.active].frames.push_front(frame);
        self.show(out);
    }

    /// Whether the other feed, which is behind, is going to have a picture for `slot` soon enough to wait for it.
    fn is_coming(&self, slot: Slot) -> bool {
        let other = &self.paths[1 - self.active];
        let behind = other.newest.is_some_and(|newest| newest < slot && self.grid.time(slot) - self.grid.time(newest) < KEPT);
        behind && other.health.trouble().is_none() && !other.away && self.paths[self.active].frames.len() < self.kept()
    }

    fn kept(&self) -> usize {
        usize::try_from(self.grid.slots_in(KEPT)).unwrap_or(usize::MAX).max(1)
    }

    /// Where the event begins: with the first feed, or with the second where the first is not there in time.
    fn start(&mut self) -> Option<Slot> {
        let slots = self.grid.slots_in(HEAD_START);
        if let Some(frame) = self.front(0) {
            return Some(frame.slot);
        }
        let second = &self.paths[1].frames;
        let waited = second.len() as u64 >= slots || self.paths[0].away;
        let slot = second.front().filter(|_| waited).map(|frame| frame.slot)?;
        self.active = 1;
        Some(slot)
    }

    fn front(&self, path: usize) -> Option<&Frame> {
        self.paths.get(path).and_then(|path| path.frames.front())
    }

    /// Whether the other feed is to be taken at a GOP's edge.
    fn returns(&self) -> bool {
        let other = 1 - self.active;
        let well = |span: Seconds| self.paths[other].health.is_well_for(span) && !self.paths[other].away;
        match self.wanted {
            Some(wanted) if self.asked => wanted == other && well(Seconds::ZERO),
            wanted => other == wanted.unwrap_or(0) && self.conditions.back.is_some_and(well),
        }
    }

    /// Whether the other feed has a picture for `slot`, and nothing wrong with it.
    fn is_better(&self, slot: Slot) -> bool {
        let other = 1 - self.active;
        self.front(other).is_some_and(|frame| frame.slot == slot && frame.origin == Origin::Input) && self.trouble(other).is_none()
    }

    fn switch(&mut self, at: Slot, why: Option<Trouble>, out: &mut Vec<Out>) {
        self.active = 1 - self.active;
        self.asked &= self.wanted != Some(self.active);
        out.push(Out::Switched { at, to: self.active, why });
    }

    /// Shows the first slot of the active feed.
    fn show(&mut self, out: &mut Vec<Out>) {
        let over = self.paths[1 - self.active].is_gone();
        let Some(mut frame) = self.paths[self.active].frames.pop_front() else { return };
        frame.path = self.active as u8;
        // One feed's end is not the event's, unless the other is not there.
        frame.last &= over;
        self.closed |= frame.last;
        if let Some(end) = self.end {
            let last = Slot(end.0 - 1);
            let short = self.grid.gop(last) == frame.gop && self.grid.index(last) + 1 < self.grid.gop_slots;
            frame.length = if short { Length::Short(self.grid.index(last) + 1) } else { frame.length };
            frame.last |= frame.slot == last;
        }
        let (gop, whole) = (frame.gop, frame.last || self.grid.index(frame.slot) + 1 == self.grid.gop_slots);
        self.next = Some(Slot(frame.slot.0 + 1));
        self.last = Some(frame.clone());
        out.push(Out::Frame(frame));
        if whole {
            out.push(Out::Sound(gop, self.active));
        }
    }
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;

//! Frame sync: every slot of the grid gets exactly one picture.
//!
//! This is the border of purity: behind it there are only slots. Among the pictures that fall into one slot the nearest
//! wins, the others are dropped; a gap repeats the last picture for `hold`, then shows filler; a gap longer than `max_gap`
//! leaves whole GOPs out. Nothing is emitted before the first GOP whose slots are all known from trusted pictures.

pub use super::absence::LATENESS;

use super::absence::Absence;
use super::early::Early;
use super::offsets::{Offset, Offsets};
use crate::clock::{Clock, Event, Placement, Tick};
use crate::frame::{AudioCue, End, Frame, Length, Origin, Picture, SideData};
use crate::time::{GopId, Grid, Seconds, Slot};
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

/// The run-up of a GOP's sound, in its decoder and its encoder, begins no earlier than this before it.
const REACH: Seconds = Seconds::TWO;

/// A picture from the decoder.
#[derive(Clone)]
pub struct Timed {
    /// When it is.
    pub tick: Tick,
    /// What it shows.
    pub picture: Picture,
    /// It shows damage, of its own or inherited.
    pub damaged: bool,
}

/// What frame sync hands on.
#[derive(Clone)]
pub enum Emit {
    /// One slot.
    Frame(Frame),
    /// A GOP is complete, or a part of it: its sound may be made.
    Cue(AudioCue),
}

/// How many pictures met which end. All counts since the start.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Pictures in their slots.
    pub placed: u64,
    /// Slots that repeat the picture before.
    pub repeats: u64,
    /// Slots that show filler.
    pub filler: u64,
    /// Pictures for which another was nearer to the slot.
    pub dropped: u64,
    /// Pictures for slots that were gone already.
    pub late: u64,
    /// Pictures before the first whole, trusted GOP.
    pub joining: u64,
    /// Slots left out because a gap was longer than `max_gap`.
    pub skipped: u64,
    /// Slots filled by the host's clock, because a live feed was away. They are repeats or filler, too.
    pub absent: u64,
    /// Times source time jumped and stamps kept the lock.
    pub jumps: u64,
    /// Times the lock was lost.
    pub locks_lost: u64,
    /// Times the `arrival` clock moved the feed.
    pub moves: u64,
}

/// The settings that frame sync goes by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A gap repeats the last picture for this long.
    pub hold: Seconds,
    /// A gap longer than this is left out.
    pub max_gap: Seconds,
    /// The event has so many slots.
    pub duration: Option<u64>,
    /// How long the feed is said to be, from its first picture. Goes for nothing where its end is seen coming.
    pub expected: Option<Seconds>,
    /// Nothing is emitted before this long after the first picture: what sound needs of the past.
    pub run_up: Seconds,
    /// The feed is known from its beginning: its first picture may open the event.
    pub whole: bool,
    /// Sound may be made whenever so many more slots of a GOP are there, and not only once it is complete.
    pub sound_step: Option<u32>,
    /// A picture of a live feed that comes this much later than any lately is too late; [`LATENESS`] unless another feed stands by.
    pub lateness: Seconds,
}

/// What is known of the end of the feed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// It is seen coming, and is not in sight.
    Clear,
    /// Its last picture is at this time, in its own clock, or soon where its pictures have no times.
    Ends(Option<Seconds>),
    /// It is not seen coming.
    Blind,
}

/// Makes the filler picture that fits the pictures of the feed.
pub type MakeFiller = Box<dyn Fn(&Picture) -> Picture + Send>;

/// The box that re-times a feed to house clock.
pub struct FrameSync {
    grid: Grid,
    clock: Clock,
    settings: Settings,
    make_filler: MakeFiller,
    /// The next slot to emit; `None` while joining.
    next: Option<Slot>,
    /// One past the last slot of the event.
    end: Option<Slot>,
    /// What is known of the feed's end.
    sight: Sight,
    /// The slot of the feed's last picture, once that is known.
    last: Option<Slot>,
    /// About where a container says that the end is.
    expected: Option<Slot>,
    /// The picture that holds the latest slot so far, not emitted yet: a nearer one may come, and it may be the last.
    pending: Option<(Placement, Timed)>,
    /// The last picture emitted (or seen while joining), and its slot.
    shown: Option<(Slot, Timed)>,
    filler: Option<Picture>,
    offsets: Offsets,
    /// Slots are being filled because no picture came for them in time.
    missing: bool,
    /// The last slot for which there was no picture.
    absent: Option<Slot>,
    /// When the first picture was, by the grid.
    joined: Option<Seconds>,
    absence: Absence,
    /// What fills the slots of an event that began before its feed, until that is joined.
    early: Option<Early>,
    /// How far behind that the first picture was.
    behind: Option<Seconds>,
    ended: bool,
    counts: Counts,
}

impl FrameSync {
    /// A frame sync that has seen nothing.
    pub fn new(grid: Grid, clock: Clock, settings: Settings, make_filler: MakeFiller) -> FrameSync {
        FrameSync {
            grid,
            clock,
            settings,
            make_filler,
            next: None,
            end: None,
            sight: Sight::Blind,
            last: None,
            expected: None,
            pending: None,
            shown: None,
            filler: None,
            offsets: Offsets::default(),
            missing: false,
            absent: None,
            joined: None,
            absence: Absence::new(settings.lateness),
            early: None,
            behind: None,
            ended: false,
            counts: Counts::default(),
        }
    }

    /// The event has begun without its feed: its slots go on behind those.
    pub fn behind(self, early: Early) -> FrameSync {
        let counts = Counts { filler: early.filled(), ..self.counts };
        FrameSync { early: Some(early), counts, ..self }
    }

    /// How far behind the filler of such an event its feed was when it was joined.
    pub fn behind_filler(&self) -> Option<Seconds> {
        self.behind
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What places its pictures.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether the event has all slots that `duration` gave it; nothing more is emitted.
    pub fn is_over(&self) -> bool {
        self.ended
    }

    /// The next picture's source time says nothing of those before: it is of another connection, whose stamps begin anew.
    pub fn renew(&mut self) {
        self.clock.renew();
    }

    /// Takes the next picture in presentation order and appends every slot that is decided now.
    pub fn push(&mut self, timed: Timed, out: &mut Vec<Emit>) {
        if !self.ended {
            self.place(timed, out);
        }
    }

    /// The same for a live feed. `now`: the host's time, on any clock that only runs forward.
    pub fn push_live(&mut self, timed: Timed, now: Duration, out: &mut Vec<Emit>) {
        if !self.ended {
            let late = self.counts.late;
            let slot = self.place(timed, out);
            self.absence.seen(now, slot, self.counts.late == late, self.grid);
        }
    }

    /// When, on that clock, the next slot counts as missing if no picture has come for it.
    pub fn due(&self) -> Option<Duration> {
        if let (None, Some(early), false) = (self.next, &self.early, self.ended) {
            return early.due();
        }
        let next = self.next.filter(|_| !self.ended)?;
        // What is pending is in time, and decided when its successor is. Before the first GOP it is not wanted at all.
        let undecided = self.pending.as_ref().map_or(next, |(placement, _)| next.max(Slot(placement.slot.0 + 1)));
        self.absence.due(undecided, self.grid)
    }

    /// Fills the slots that are due by now: a live feed that is away leaves no hole.
    pub fn fill_due(&mut self, now: Duration, out: &mut Vec<Emit>) {
        if let Some(early) = &mut self.early {
            early.fill_due(now, out);
            self.counts.filler = early.filled();
            self.ended |= early.is_over();
        }
        while self.due().is_some_and(|due| due <= now) {
            self.emit_pending(false, out);
            let (Some(next), Some((shown_at, shown)), false) = (self.next, self.shown.clone(), self.ended) else { return };
            self.counts.absent += 1;
            self.missing = true;
            self.emit_missing(next, shown_at, &shown, out);
            self.missing = false;
            self.clock.filled(next);
        }
    }

    fn place(&mut self, timed: Timed, out: &mut Vec<Emit>) -> Slot {
        let placement = self.clock.place(timed.tick);
        match placement.event {
            Some(Event::Jumped) => self.counts.jumps += 1,
            Some(Event::LockLost) => self.counts.locks_lost += 1,
            Some(Event::Moved) => self.counts.moves += 1,
            None => {}
        }
        let newest = self.pending.as_ref().map(|(p, _)| p.slot).or(self.next.map(|n| Slot(n.0 - 1)));
        match newest {
            // While joining, it may be the one before that was placed by a wrong stamp. The first picture of a whole feed opens the event.
            Some(newest) if placement.slot < newest && (self.next.is_some() || self.settings.whole && newest.0 >= 0) => self.counts.late += 1,
            Some(newest) if placement.slot == newest => self.compete(placement, timed),
            _ => {
                self.emit_pending(false, out);
                self.pending = Some((placement, timed));
            }
        }
        placement.slot
    }

    /// Closes the feed. `Ended` emits the last picture and the cue of a short GOP; `Leaving` emits nothing: the open GOP is discarded.
    pub fn finish(&mut self, end: End, out: &mut Vec<Emit>) {
        if end == End::Ended && !self.ended {
            self.emit_pending(true, out);
            self.early.iter_mut().for_each(|early| early.finish(out));
        }
        self.ended = true;
    }

    /// Two pictures in one slot: the nearer one stays; as near, the later one.
    fn compete(&mut self, placement: Placement, timed: Timed) {
        self.counts.dropped += 1;
        let distance = |p: &Placement| (p.snapped - p.offset).abs();
        match &mut self.pending {
            Some((held, _)) if distance(held) < distance(&placement) => {}
            Some(held) => *held = (placement, timed),
            None => self.counts.late += 1,
        }
    }

    fn emit_pending(&mut self, last: bool, out: &mut Vec<Emit>) {
        let Some((placement, timed)) = self.pending.take() else { return };
        let slot = placement.slot;
        if self.next.is_none() {
            self.join(&placement, out);
        }
        if let Sight::Ends(Some(ends)) = self.sight {
            self.last = Some(Slot(slot.0 + self.grid.nearest(ends - timed.tick.pts).0));
        }
        match self.next {
            Some(next) if slot >= next => {
                self.fill(slot, out);
                if self.ended {
                    return;
                }
                self.offsets.add(placement);
                self.counts.placed += 1;
                self.emit(slot, &timed, Origin::Input, last, out);
            }
            _ => self.counts.joining += 1,
        }
        self.shown = Some((slot, timed));
        // The next filler is made like this picture, whatever the feed was before it.
        self.filler = None;
    }

    /// Decides where the event starts: at the first GOP whose first slot is this one or later, once pictures can be trusted.
    fn join(&mut self, placement: &Placement, out: &mut Vec<Emit>) {
        let at = self.grid.time(placement.slot);
        let joined = self.joined.map_or(at, |joined| joined.min(at));
        self.joined = Some(joined);
        let since = at - joined;
        if !(self.settings.whole || placement.trusted && since >= self.settings.run_up) || placement.slot.0 < 0 {
            return;
        }
        let opens = self.grid.index(placement.slot) == 0;
        let gop = self.grid.gop(placement.slot);
        let first = self.grid.first(if opens { gop } else { gop.next() });
        self.next = Some(first);
        (self.offsets.before, self.offsets.moved) = (Some(placement.offset), Some(placement.snapped));
        self.end = self.settings.duration.and_then(|slots| i64::try_from(slots).ok()).map(|slots| Slot(first.0.saturating_add(slots)));
        if let Some(mut early) = self.early.take() {
            self.behind = Some(self.grid.time(early.next()) - self.grid.time(first));
            self.counts.skipped += early.fill_to(first, self.settings.max_gap, out);
            self.counts.filler = early.filled();
            (self.next, self.end) = (Some(first.max(early.next())), early.end());
            self.ended |= early.is_over();
        }
        self.expected = self.settings.expected.map(|span| self.grid.nearest(self.grid.time(placement.slot) + span));
    }

    /// What is known of the feed's end before the next picture is pushed.
    pub fn look_ahead(&mut self, sight: Sight) {
        self.sight = sight;
    }

    /// How long `gop` is going to be.
    fn length(&self, gop: GopId) -> Length {
        let of_event = self.end.map_or(Length::Whole, |end| self.until(gop, Slot(end.0 - 1)));
        let of_feed = match (self.sight, self.last, self.expected) {
            (Sight::Ends(Some(_)), Some(last), _) => self.until(gop, last),
            (Sight::Ends(_), ..) => Length::Unsure,
            // A container's word is good to a second or two.
            (Sight::Blind, _, Some(expected)) if gop.next() >= self.grid.gop(expected) => Length::Unsure,
            (Sight::Blind | Sight::Clear, ..) => Length::Whole,
        };
        match (of_event, of_feed) {
            (Length::Short(a), Length::Short(b)) => Length::Short(a.min(b)),
            (Length::Whole, other) | (other @ Length::Short(_), Length::Whole) => other,
            _ => Length::Unsure,
        }
    }

    /// How long `gop` is where `last` is the last slot.
    fn until(&self, gop: GopId, last: Slot) -> Length {
        let slots = self.grid.index(last) + 1;
        match gop.cmp(&self.grid.gop(last)) {
            Ordering::Less => Length::Whole,
            Ordering::Equal if slots == self.grid.gop_slots => Length::Whole,
            Ordering::Equal => Length::Short(slots),
            // There is more than was said.
            Ordering::Greater => Length::Unsure,
        }
    }

    /// Fills the slots up to `slot`, not included.
    fn fill(&mut self, slot: Slot, out: &mut Vec<Emit>) {
        let Some(mut next) = self.next else { return };
        let Some((shown_at, shown)) = self.shown.clone() else { return };
        let gap = self.grid.time(slot) - self.grid.time(next);
        if gap > self.settings.max_gap {
            // The open GOP is closed with what there is, whole GOPs are left out, the one that `slot` is in begins with filler.
            let close = self.grid.first(self.grid.gop(Slot(next.0 - 1)).next());
            let resume = self.grid.first(self.grid.gop(slot));
            while next < close && !self.ended {
                self.emit_missing(next, shown_at, &shown, out);
                next = Slot(next.0 + 1);
            }
            if self.ended {
                return;
            }
            self.counts.skipped += u64::try_from(resume.0 - next.0).unwrap_or(0);
            next = resume.max(next);
            self.next = Some(next);
            self.ended |= self.end.is_some_and(|end| next >= end);
        }
        while next < slot && !self.ended {
            self.emit_missing(next, shown_at, &shown, out);
            next = Slot(next.0 + 1);
        }
    }

    fn emit_missing(&mut self, slot: Slot, shown_at: Slot, shown: &Timed, out: &mut Vec<Emit>) {
        self.absent = Some(slot);
        let since = self.grid.time(slot) - self.grid.time(shown_at);
        if since <= self.settings.hold {
            self.counts.repeats += 1;
            self.emit(slot, shown, Origin::Repeat, false, out);
        } else {
            self.counts.filler += 1;
            let picture = self.filler.get_or_insert_with(|| (self.make_filler)(&shown.picture)).clone();
            self.emit(slot, &Timed { picture, damaged: false, ..shown.clone() }, Origin::Filler, false, out);
        }
    }

    /// Whether pictures were missing where the run-up of a GOP's sound is, or in the GOP.
    fn was_away(&self, gop: GopId) -> bool {
        self.absent.is_some_and(|slot| self.grid.time(slot) + REACH >= self.grid.gop_time(gop))
    }

    fn emit(&mut self, slot: Slot, timed: &Timed, origin: Origin, last: bool, out: &mut Vec<Emit>) {
        let ends = self.end.is_some_and(|end| slot.0 + 1 >= end.0);
        let last = last || ends;
        let (gop, index) = (self.grid.gop(slot), self.grid.index(slot));
        let own = origin == Origin::Input;
        let side = SideData { source_pts: own.then_some(timed.tick.pts), stamp: timed.tick.stamp, arrival: own.then_some(timed.tick.arrival) };
        out.push(Emit::Frame(Frame {
            slot,
            gop,
            opens_gop: index == 0,
            force_idr: false,
            length: self.length(gop),
            last,
            picture: timed.picture.clone(),
            origin,
            damaged: timed.damaged,
            missed: self.missing,
            path: 0,
            sight: Default::default(),
            side: Arc::new(side),
        }));
        self.next = Some(Slot(slot.0 + 1));
        let (slots, whole) = (index + 1, self.settings.whole);
        if last || slots == self.grid.gop_slots {
            let Offset { offset, moved } = self.offsets.close(gop, self.grid);
            out.push(Emit::Cue(AudioCue { gop, slots, more: false, offset, moved, whole, away: self.was_away(gop), last }));
        } else if self.settings.sound_step.is_some_and(|step| slots.is_multiple_of(step.max(1))) {
            out.push(Emit::Cue(AudioCue {
                gop,
                slots,
                more: true,
                offset: self.offsets.so_far(gop, self.grid),
                moved: None,
                whole,
                away: self.was_away(gop),
                last,
            }));
        }
        self.ended |= ends;
    }
}

#[cfg(test)]
#[path = "framesync_tests.rs"]
mod tests;

//! The clock: the pure function (stamp, PTS, anchor, phase) → slot.
//!
//! A feed's pictures arrive with a PTS in the source's own time and, from some encoders, a UTC stamp. The clock decides
//! once per **random-access period** how source time becomes UTC, places the period's first picture on the grid, and
//! counts PTS from there. What it decides for a period depends on nothing before the period ahead of it, so two workers
//! that joined at different times agree from their second period on. Nothing here reads the host's clock.

use crate::job::Anchor;
use crate::time::{Grid, Seconds, Slot};
use std::fmt;

/// A source time that goes back by more than this, or forward by more than the largest gap, is a jump and not jitter.
pub const BACKWARD_JUMP: Seconds = Seconds::ONE;

/// Stamps beyond this distance from the period's median are errors and do not count.
const STAMP_OUTLIER: Seconds = Seconds::TENTH;

/// How far the `arrival` clock lets the host's clock and the source drift apart before it moves the feed on the grid.
const ARRIVAL_TOLERANCE: Seconds = Seconds::HALF;

/// How far the stamp of a new connection and the host's clock may differ in how long the feed was away: what encoders and networks hold.
const RENEWAL_TOLERANCE: Seconds = Seconds::TEN;

/// How many stamps of a period are looked at, at most.
const STAMPS: usize = 1024;

/// What the clock goes by.
#[derive(Clone, Debug, PartialEq)]
pub enum Reference {
    /// UTC stamps in the pictures (`sei`).
    Stamps,
    /// The host's clock at each picture's arrival (`arrival`), with half a second of tolerance.
    Arrival,
    /// A fixed relation between source time and UTC (`pts` with an anchor, kept or given).
    Anchor {
        /// The relation.
        anchor: Anchor,
        /// Roughly what UTC it is when the first picture comes: which turn of the wrap we are in. Any value within half a turn of the truth gives the same slots.
        about: Option<Seconds>,
    },
    /// The first picture is slot 0 (a file).
    First,
    /// Source time is UTC (`testsrc:`).
    Utc,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Stamps => write!(f, "the UTC stamps in its pictures"),
            Reference::Arrival => write!(f, "the host's clock as it arrives"),
            Reference::Anchor { anchor, .. } => write!(f, "its own clock, {} s of which is {}", anchor.source, anchor.utc.to_rfc3339()),
            Reference::First => write!(f, "its first picture, which opens segment 0"),
            Reference::Utc => write!(f, "its own clock, which is UTC"),
        }
    }
}

/// One picture as the clock sees it, in presentation order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tick {
    /// Unwrapped source time.
    pub pts: Seconds,
    /// The first picture of a random-access period.
    pub key: bool,
    /// UTC stamp of the source.
    pub stamp: Option<Seconds>,
    /// Host's clock when it arrived.
    pub arrival: Seconds,
}

/// Something that happened to the lock between source time and UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Source time jumped; stamps say where it is now, the lock holds.
    Jumped,
    /// Source time jumped and nothing says where it is now: it carries on behind the last slot, no longer locked to a twin.
    LockLost,
    /// The `arrival` clock moved the feed on the grid.
    Moved,
}

/// Whether another worker on the same feed puts it where this one does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lock {
    /// It does: by stamps, by an anchor that both were given, or by the beginning of a file.
    Locked,
    /// It need not: the anchor is this worker's own, or its host's clock. Segments are continuous, after a restart too.
    Own,
    /// It did, until source time jumped.
    Lost,
}

impl Lock {
    /// As `/v1/status` and metrics write it.
    pub fn name(self) -> &'static str {
        match self {
            Lock::Locked => "locked",
            Lock::Own => "own",
            Lock::Lost => "lost",
        }
    }
}

/// Where a picture belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placement {
    /// The slot.
    pub slot: Slot,
    /// UTC minus source time as the slots have it: `grid.time(slot) - pts`.
    pub snapped: Seconds,
    /// UTC minus source time as the reference has it, phase included.
    pub offset: Seconds,
    /// False in the first period after a join: a worker that joined earlier may know better.
    pub trusted: bool,
    /// What happened just before this picture.
    pub event: Option<Event>,
}

/// The state of one feed's clock: what the last period said, and where this one is.
pub struct Clock {
    grid: Grid,
    phase: Seconds,
    max_gap: Seconds,
    reference: Reference,
    /// The span after which source stamps repeat.
    wrap: Option<Seconds>,
    /// Whether the first period can be trusted (a file from its beginning).
    whole: bool,
    period: Option<Period>,
    /// Periods known to have been seen from their first picture to their last.
    complete: u64,
    /// Periods that ended.
    closed: u64,
    last: Option<(Tick, Slot)>,
    /// The last slot that was filled because the feed was away.
    filled: Option<Slot>,
    /// Nothing has said where source time is since it jumped last.
    lost: bool,
    /// The next picture's source time has nothing to do with the one before.
    renewed: bool,
}

/// A random-access period under way.
struct Period {
    /// Source time and slot of its first picture.
    pts: Seconds,
    slot: Slot,
    /// UTC minus source time, phase included.
    offset: Seconds,
    /// stamp - pts of its pictures, in nanoseconds; the first [`STAMPS`] of them.
    stamps: Vec<i128>,
    /// More than one key in it: a joiner cannot know whether it saw the first.
    merged: bool,
}

impl Clock {
    /// A clock that has seen nothing. `whole`: the first picture is the beginning of the feed, not a join.
    pub fn new(grid: Grid, reference: Reference, wrap: Option<Seconds>, phase: Seconds, max_gap: Seconds, whole: bool) -> Clock {
        Clock { grid, phase, max_gap, reference, wrap, whole, period: None, complete: 0, closed: 0, last: None, filled: None, lost: false, renewed: false }
    }

    /// What it goes by.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Whether source time jumped, and nothing has said since where it is.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// How much later the slots of the period under way are than its pictures; half a slot at most, either way.
    pub fn away(&self) -> Option<Seconds> {
        self.period.as_ref().map(|period| self.grid.time(period.slot) - period.pts - period.offset)
    }

    /// How far its pictures are from where the next slot, or the one before, would have them instead; half a slot at most.
    pub fn margin(&self) -> Option<Seconds> {
        self.away().map(|away| self.grid.rate.period().over(2) - away.abs())
    }

    /// The job's phase with which its pictures would stand in the middle of their slots, where they are within a tenth of a slot of the next one.
    pub fn better_phase(&self) -> Option<Seconds> {
        let near = self.reference == Reference::Stamps && self.complete > 0 && self.margin()? < self.grid.rate.period().over(10);
        near.then(|| self.away()).flatten().map(|away| self.phase + away)
    }

    /// The feed is away, and slots up to `slot` have been filled: nothing goes before them any more.
    pub fn filled(&mut self, slot: Slot) {
        self.filled = Some(slot);
    }

    /// Source time begins anew with the next picture, whatever it says: the connection is another one.
    pub fn renew(&mut self) {
        self.renewed = true;
    }

    /// Places the next picture.
    pub fn place(&mut self, tick: Tick) -> Placement {
        let renewed = std::mem::take(&mut self.renewed);
        let jump = self.last.is_some_and(|(last, _)| renewed || self.jumped(last, tick));
        let mut event = None;
        let mut period = match self.period.take() {
            Some(period) if !jump && !self.starts_period(&period, tick) => Period { merged: period.merged || tick.key, ..period },
            before => {
                let settled = self.whole || self.complete > 0 || self.reference != Reference::Stamps;
                if let Some(closed) = &before {
                    let whole = self.closed > 0 || self.reference != Reference::Stamps || self.begins_second(closed, tick);
                    self.complete += u64::from(whole);
                    self.closed += 1;
                }
                let (period, what) = self.open_period(tick, before, jump, renewed, settled);
                event = what;
                self.lost = event == Some(Event::LockLost) || self.lost && !(self.reference == Reference::Stamps && tick.stamp.is_some());
                period
            }
        };
        let reading = if self.reference == Reference::Arrival { Some(tick.arrival) } else { tick.stamp };
        if let Some(reading) = reading
            && period.stamps.len() < STAMPS
        {
            period.stamps.push(nanos(reading - tick.pts));
        }
        let slot = Slot(period.slot.0 + self.grid.nearest(tick.pts - period.pts).0);
        let (snapped, offset) = (self.grid.time(slot) - tick.pts, period.offset);
        self.period = Some(period);
        self.last = Some((tick, slot));
        Placement { slot, snapped, offset, trusted: self.whole || self.complete > 0, event }
    }

    /// A key opens a period, unless the one under way began in the same second of source time (intra-only feeds).
    /// By the seconds of source time, not by the time since the last period, so that every joiner cuts alike.
    fn starts_period(&self, period: &Period, tick: Tick) -> bool {
        let second = |time: Seconds| self.wrap.map_or(time, |wrap| time.modulo(wrap)).floor_ticks(1);
        tick.key && second(tick.pts) != second(period.pts)
    }

    /// Whether the period with which we joined, and which `next` follows, is one that all others know: of several keys in one second, the first may have been
    /// before we came, and so may one as far before the first that we saw as the next is behind it.
    fn begins_second(&self, period: &Period, next: Tick) -> bool {
        let pts = self.wrap.map_or(period.pts, |wrap| period.pts.modulo(wrap));
        !period.merged && pts - Seconds::whole(pts.floor_ticks(1)) < next.pts - period.pts
    }

    /// Whether source time is broken between two pictures, so that counting cannot go on.
    fn jumped(&self, last: Tick, tick: Tick) -> bool {
        let step = tick.pts - last.pts;
        if step < -BACKWARD_JUMP {
            return true;
        }
        match self.reference {
            Reference::Utc => false,
            // A gap or a jump: the stamp knows.
            Reference::Stamps | Reference::Arrival => step > BACKWARD_JUMP,
            // The feed was away as long as its clock says: a gap, however long.
            Reference::Anchor { about: Some(_), .. } => step > self.max_gap && ((tick.arrival - last.arrival) - step).abs() > Seconds::ONE + step.over(10),
            Reference::Anchor { .. } | Reference::First => step > self.max_gap,
        }
    }

    /// `settled`: the slots so far were decided by a whole period. Before that nothing is published, and one wrong stamp may have decided them.
    fn open_period(&self, tick: Tick, before: Option<Period>, jump: bool, renewed: bool, settled: bool) -> (Period, Option<Event>) {
        let known = before.as_ref().map(|period| period.offset);
        let (offset, event) = self.offset(tick, before, jump);
        let slot = self.grid.nearest(tick.pts + offset);
        let behind = |last: Slot| self.grid.time(last) - self.grid.time(slot) > self.max_gap;
        // One stamp that does not go with the source's own time moves nothing far: where it is right, the next period, which goes by the mean of this one's, says so too.
        // A connection that begins anew goes by no other time, and its stamp is believed where the host's clock says alike.
        let elapsed =
            |(before, last): (Tick, Slot)| ((self.grid.time(slot) - self.grid.time(last)) - (tick.arrival - before.arrival)).abs() <= RENEWAL_TOLERANCE;
        let believed = renewed && self.last.is_some_and(elapsed);
        let odd = jump && !believed && self.reference == Reference::Stamps && known.is_some_and(|known| (offset - known).abs() > Seconds::ONE);
        let far = |last: Slot| odd && (self.grid.time(slot) - self.grid.time(last)).abs() > self.max_gap;
        let lost = settled && (event == Some(Event::LockLost) || self.last.is_some_and(|(_, last)| behind(last) || far(last)));
        let period = |slot: Slot, offset: Seconds| Period { pts: tick.pts, slot, offset, stamps: Vec::new(), merged: false };
        match self.last {
            Some((before, last)) if lost => {
                let next = self.carry_on(before, last, tick);
                (period(next, self.grid.time(next) - tick.pts), Some(Event::LockLost))
            }
            _ => (period(slot, offset), event),
        }
    }

    /// Where a feed goes on that nothing places any more: behind the last slot; after slots that were filled, by how long it was away.
    fn carry_on(&self, before: Tick, last: Slot, tick: Tick) -> Slot {
        match self.filled {
            Some(filled) if filled > last => self.grid.nearest(self.grid.time(last) + (tick.arrival - before.arrival)).max(Slot(filled.0 + 1)),
            _ => Slot(last.0 + 1),
        }
    }

    /// UTC minus source time for the period that begins with `tick`.
    fn offset(&self, tick: Tick, before: Option<Period>, jump: bool) -> (Seconds, Option<Event>) {
        let own = match self.reference {
            Reference::Stamps => tick.stamp,
            Reference::Arrival => Some(tick.arrival),
            _ => None,
        };
        let own = own.map(|stamp| stamp - tick.pts + self.phase);
        match (&self.reference, before) {
            (Reference::Utc, _) => (self.phase, None),
            (Reference::Anchor { anchor, about }, None) => (first_turn(*anchor, self.wrap, *about, tick.pts) + self.phase, None),
            (Reference::First, None) => (-tick.pts, None),
            (Reference::Anchor { .. } | Reference::First, Some(before)) => (before.offset, jump.then_some(Event::LockLost)),
            (_, None) => (own.unwrap_or(-tick.pts), None),
            (_, Some(before)) if jump => own.map_or((before.offset, Some(Event::LockLost)), |own| (own, Some(Event::Jumped))),
            (Reference::Stamps, Some(before)) => (average(&before.stamps).map_or(before.offset, |mean| mean + self.phase), None),
            (Reference::Arrival, Some(before)) => match average(&before.stamps).map(|mean| mean + self.phase) {
                Some(mean) if (mean - before.offset).abs() > ARRIVAL_TOLERANCE => (mean, Some(Event::Moved)),
                _ => (before.offset, None),
            },
        }
    }
}

/// The anchor's offset in the turn of the wrap that puts `pts` nearest to `about` (or to the anchor itself).
fn first_turn(anchor: Anchor, wrap: Option<Seconds>, about: Option<Seconds>, pts: Seconds) -> Seconds {
    let offset = anchor.utc - anchor.source;
    let Some(wrap) = wrap else { return offset };
    let away = about.unwrap_or(anchor.utc) - (pts + offset);
    offset + wrap.times(i128::from(away.ratio_nearest(wrap)))
}

/// The mean of the readings near their median, `None` where there are none.
fn average(readings: &[i128]) -> Option<Seconds> {
    let mut sorted = readings.to_vec();
    sorted.sort_unstable();
    let median = *sorted.get(sorted.len() / 2)?;
    let near: Vec<i128> = sorted.into_iter().filter(|r| (r - median).abs() <= nanos(STAMP_OUTLIER)).collect();
    Some(Seconds::from_nanos(near.iter().sum::<i128>().div_euclid(near.len() as i128)))
}

fn nanos(span: Seconds) -> i128 {
    let (num, den) = span.fraction();
    (num * 1_000_000_000).div_euclid(den)
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;

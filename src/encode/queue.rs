//! The queues into a rung: which lane gets a GOP, and what happens when the rung is late.

use super::breaker::Breakers;
use super::counters::Counters;
use super::hardware::first_device;
use super::runner::Lane;
use super::served::Served;
use super::{ToMux, TrackId, Why};
use crate::budget::{FrameBudget, Permit};
use crate::colour::Target;
use crate::frame::{End, Frame};
use crate::govern::{Governed, Step};
use crate::job::Pace;
use crate::plan::{Rendition, speed};
use crate::schedule::Schedule;
use crate::shard::Part;
use crate::time::GopId;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use hwaccel::device::Name;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The receiving end is gone: its thread failed, and says why itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone {
    /// Rung name.
    pub rung: String,
}

/// What a lane is told, in order.
pub(super) enum ToLane {
    /// The next frame of its GOP, and its part of the budget while it waits.
    Frame(Frame, Option<Permit>),
    /// This GOP is left out.
    Skip(GopId, Why),
    /// Nothing follows.
    End(End),
}

/// The sending side of a rung. The k-th of the GOPs that are made here goes to lane k mod n, whole or not at all. Of those that another shard makes only the number goes on
/// ([`RungQueue::pass`]), behind the GOPs before it.
///
/// `Pace::Fast`: a lane's queue holds a few frames (a GOP where there are several lanes, so that they work at once), and sending waits for room.
/// `Pace::Live`: it holds two GOPs; a GOP that opens while more than one is still waiting is left out and counted. Sending then never waits.
pub struct RungQueue {
    rung: String,
    target: Target,
    device: Option<Name>,
    track: TrackId,
    gop_slots: usize,
    pace: Pace,
    lanes: Vec<Sender<ToLane>>,
    /// A lane has taken something.
    taken: Receiver<()>,
    /// The GOP that frames are let through for, and its lane.
    open: Option<(GopId, usize)>,
    /// What of the rung is made here.
    part: Part,
    /// The GOP of another shard that passes, and how many slots of it have.
    passing: Option<(GopId, u32)>,
    /// The GOP that follows what came last.
    next: Option<GopId>,
    /// The lane that was given something last.
    lane: usize,
    tx: Sender<ToMux>,
    counters: Arc<Counters>,
    budget: Arc<FrameBudget>,
    /// Bytes of a picture.
    picture: u64,
    /// There was no memory for what waits, of the GOP that opened last.
    crowded: bool,
}

/// How many lanes a rung of the ladder `all` runs, of each of which `part` is made here: as planned (of a rung dealt out by number, too: how fast this machine is, nobody knows yet);
/// but at `Pace::Fast`, where each further lane keeps a GOP of frames in memory, only one where it has no more to do than one of the `processors`, by its share of all work, and no more
/// than there are processors. The number alters no byte.
pub fn lanes(rendition: &Rendition, all: &[Rendition], part: impl Fn(&str) -> Part, pace: Pace, processors: usize) -> u32 {
    let work = |r: &Rendition| part(&r.name).of(speed::work(r));
    let (own, total) = (work(rendition), all.iter().map(work).sum::<u64>());
    let planned = if part(&rendition.name).is_none() { 1 } else { rendition.lanes };
    match pace {
        Pace::Fast if own.saturating_mul(processors as u64) <= total => 1,
        Pace::Fast => planned.min(u32::try_from(processors).unwrap_or(u32::MAX)).max(1),
        Pace::Live => planned,
    }
}

/// Frames that wait for a lane of a rung with one lane at `Pace::Fast`.
const FAST_FRAMES: usize = 2;

impl RungQueue {
    /// The queue of a rung, of which `part` is made here, and its lanes, `rendition.lanes` of them, each to be run on a thread of its own.
    pub fn open(
        served: &Served,
        track: TrackId,
        part: Part,
        pace: Pace,
        tx: &Sender<ToMux>,
        schedule: &Arc<Schedule>,
        budget: &Arc<FrameBudget>,
    ) -> (RungQueue, Vec<Lane>, Arc<Counters>) {
        let rendition = &served.rendition;
        let breakers = Arc::new(Breakers::new(rendition.backends.len()));
        let count = (rendition.lanes.max(1) as usize).min(16);
        let gop_slots = rendition.grid.gop_slots as usize;
        let counters = Arc::new(Counters::default());
        counters.measured.split(part.clone());
        let running = Arc::new(AtomicUsize::new(count));
        let capacity = match pace {
            // And the end, a few words of GOPs left out, and those of other shards' GOPs in between, so that they never wait either.
            Pace::Live => gop_slots.saturating_add(part.modulus() as usize).saturating_mul(2).saturating_add(16),
            Pace::Fast if count > 1 => gop_slots,
            Pace::Fast => FAST_FRAMES,
        };
        let (taken_tx, taken) = bounded(1);
        let (lanes, runners) = (0..count)
            .map(|_| {
                let (lane_tx, rx) = bounded(capacity);
                let lane = Lane {
                    rendition: rendition.clone(),
                    track,
                    configs: served.configs.clone(),
                    in_band: served.in_band(),
                    breakers: Arc::clone(&breakers),
                    budget: Arc::clone(budget),
                    kept: None,
                    rx,
                    taken: taken_tx.clone(),
                    tx: tx.clone(),
                    schedule: Arc::clone(schedule),
                    counters: Arc::clone(&counters),
                    running: Arc::clone(&running),
                };
                (lane_tx, lane)
            })
            .unzip();
        let queue = RungQueue {
            rung: rendition.name.clone(),
            target: rendition.target(),
            device: first_device(rendition),
            track,
            gop_slots,
            pace,
            lanes,
            taken,
            open: None,
            part,
            passing: None,
            next: None,
            lane: 0,
            tx: tx.clone(),
            counters: Arc::clone(&counters),
            budget: Arc::clone(budget),
            picture: rendition.picture_bytes(),
            crowded: false,
        };
        (queue, runners, counters)
    }

    /// What this rung's pictures are.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The device that its first backend encodes on; `None` where that is software.
    pub fn device(&self) -> Option<&Name> {
        self.device.as_ref()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.rung
    }

    /// What the overload governor and its lanes tell each other.
    pub fn governed(&self) -> &Governed {
        &self.counters.governed
    }

    /// How the newest GOP was made, once, and the thousandths of a processor that such GOPs take here.
    pub fn newest(&self) -> Option<(Step, u64)> {
        self.counters.governed.newest().map(|(step, took)| (step, self.part.of(took)))
    }

    /// How many lanes take turns at it.
    pub fn lanes(&self) -> u32 {
        self.lanes.len() as u32
    }

    /// What waits for the lane that gets `gop`, and for all lanes, in thousandths of a GOP.
    pub fn waits(&self, gop: GopId) -> (u64, u64) {
        if !self.wants(gop) {
            return (0, 0);
        }
        // What other shards' GOPs left in a lane is a word each.
        let words = self.part.modulus().saturating_sub(1) as usize;
        let waiting = |lane: &Sender<ToLane>| lane.len().saturating_sub(words) as u64 * 1000 / self.gop_slots.max(1) as u64;
        // What found no room would wait as well.
        let least = if self.crowded { 1000 } else { 0 };
        (waiting(&self.lanes[self.lane_of(gop)]).max(least), self.lanes.iter().map(waiting).sum::<u64>().max(least))
    }

    fn lane_of(&self, gop: GopId) -> usize {
        self.part.place(gop).rem_euclid(self.lanes.len() as i64) as usize
    }

    /// Whether `gop` would be left out if it opened now, for what waits before it; or the one before was, for want of memory.
    pub fn loses(&self, gop: GopId) -> bool {
        self.wants(gop) && (self.crowded || self.is_late(gop))
    }

    fn is_late(&self, gop: GopId) -> bool {
        self.pace == Pace::Live && self.lanes[self.lane_of(gop)].len() >= self.gop_slots.saturating_add(self.part.modulus() as usize)
    }

    /// Waits for room for `gop`; false where there is none by `until`.
    pub fn await_room(&self, gop: GopId, until: Instant) -> bool {
        let mut open = self.wants(gop) && self.counters.governed.step() != Step::Paused;
        while open && self.is_late(gop) {
            match self.taken.recv_deadline(until) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return false,
                // Its lanes are gone, as the first frame will tell.
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
        }
        true
    }

    /// How many frames it may hold at once: those of a GOP that is encoded, and of those that wait, as many as another would have before it is late.
    pub fn room(&self) -> usize {
        self.gop_slots.saturating_mul(2)
    }

    /// Whether `gop` is made here. Frames of one that is not are for [`RungQueue::pass`].
    pub fn wants(&self, gop: GopId) -> bool {
        self.part.has(gop)
    }

    /// Whether any is.
    pub fn is_idle(&self) -> bool {
        self.part.is_none()
    }

    /// Takes note of a frame of a GOP that another shard makes, whatever its picture is. Once all of them have come, the muxer is told.
    pub fn pass(&mut self, frame: &Frame) -> Result<(), Gone> {
        if frame.opens_gop {
            self.passed()?;
            self.opens(frame.gop)?;
            self.passing = Some((frame.gop, 0));
        }
        let Some((_, units)) = self.passing.as_mut().filter(|(gop, _)| *gop == frame.gop) else { return Ok(()) };
        *units += 1;
        if frame.last || *units as usize >= self.gop_slots { self.passed() } else { Ok(()) }
    }

    /// What the rung begins with, and what the feed left out, is told: of several lanes, the one that has the first GOP may be done after another, and nobody waits for what is not there.
    fn opens(&mut self, gop: GopId) -> Result<(), Gone> {
        let track = self.track;
        let message = match self.next.replace(gop.next()) {
            None => ToMux::First { track, gop },
            Some(from) if from < gop => ToMux::Absent { track, from, to: gop },
            Some(_) => return Ok(()),
        };
        self.tx.send(message).map_err(|_| self.gone())
    }

    fn passed(&mut self) -> Result<(), Gone> {
        match self.passing.take() {
            Some((gop, units)) => self.skip(self.lane, gop, Why::OtherShard { units }),
            None => Ok(()),
        }
    }

    /// Hands a frame to its lane, or leaves its GOP out. Frames of a GOP whose first frame never came are dropped (a join in mid-GOP).
    pub fn send(&mut self, frame: Frame) -> Result<(), Gone> {
        let waiting: usize = self.lanes.iter().map(Sender::len).sum();
        self.counters.waiting.store(waiting as u64, Ordering::Relaxed);
        self.counters.measured.given(frame.slot);
        if frame.opens_gop {
            self.passed()?;
            self.opens(frame.gop)?;
            let (lane, late) = (self.lane_of(frame.gop), self.is_late(frame.gop));
            self.lane = lane;
            self.crowded = false;
            let paused = self.counters.governed.step() == Step::Paused;
            self.open = (!late && !paused).then_some((frame.gop, lane));
            if paused {
                self.counters.governed.left_out();
                return self.skip(lane, frame.gop, Why::Overload);
            }
            if late {
                self.counters.late.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(rung = self.rung, segment = frame.gop.0, "left out: the rung is late");
                return self.skip(lane, frame.gop, Why::Late);
            }
        }
        match self.open {
            Some((gop, lane)) if gop == frame.gop => {
                // At full speed sending waits for room, and a few pictures are all there are.
                let permit = self.budget.take(self.picture);
                if permit.is_none() && self.pace == Pace::Live {
                    return self.crowded_out(lane, gop);
                }
                self.lanes[lane].send(ToLane::Frame(frame, permit)).map_err(|_| self.gone())
            }
            _ => Ok(()),
        }
    }

    /// There is no memory for another picture: its GOP is left out, what of it waits already included.
    fn crowded_out(&mut self, lane: usize, gop: GopId) -> Result<(), Gone> {
        self.open = None;
        self.crowded = true;
        self.counters.late.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(rung = self.rung, segment = gop.0, "left out: the rung is late, and there is no memory for what waits (limits.memory)");
        self.skip(lane, gop, Why::Late)
    }

    /// Tells every lane that nothing follows.
    pub fn end(&mut self, end: End) -> Result<(), Gone> {
        if end == End::Ended {
            self.passed()?;
        }
        self.counters.ended.store(true, Ordering::Relaxed);
        self.lanes.iter().try_for_each(|lane| lane.send(ToLane::End(end)).map_err(|_| self.gone()))
    }

    /// Leaves a GOP out: told behind the GOPs that wait before it, so that the muxer hears in order. In real time, a lane that is so far behind that even this finds no
    /// room is overtaken.
    fn skip(&self, lane: usize, gop: GopId, why: Why) -> Result<(), Gone> {
        if self.pace == Pace::Fast {
            return self.lanes[lane].send(ToLane::Skip(gop, why)).map_err(|_| self.gone());
        }
        match self.lanes[lane].try_send(ToLane::Skip(gop, why)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => self.tx.send(ToMux::Skipped { track: self.track, gop, why }).map_err(|_| self.gone()),
            Err(TrySendError::Disconnected(_)) => Err(self.gone()),
        }
    }

    fn gone(&self) -> Gone {
        Gone { rung: self.rung.clone() }
    }
}

//! The queues into a rung: which lane gets a GOP, and what happens when the rung is late.

use super::breaker::Breakers;
use super::hardware::first_device;
use super::measured::Measured;
use super::runner::Lane;
use super::served::Served;
use super::{ToMux, TrackId, Why};
use crate::budget::FrameBudget;
use crate::colour::Target;
use crate::frame::{End, Frame};
use crate::job::Pace;
use crate::plan::{Rendition, speed};
use crate::schedule::Schedule;
use crate::shard::Part;
use crate::time::GopId;
use crossbeam::channel::{Sender, TrySendError, bounded};
use hwaccel::device::Name;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What a rung counts, for status and metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// GOPs left out because the rung was late.
    pub late: AtomicU64,
    /// GOPs that every backend failed on, or that broke off.
    pub failed: AtomicU64,
    /// Attempts beyond the first.
    pub retried: AtomicU64,
    /// GOPs that another backend made than the plan puts first.
    pub fallbacks: AtomicU64,
    /// GOPs whose frames were not held for another try, because the frame budget was spent.
    pub unheld: AtomicU64,
    /// GOPs sent on although they exceed 1.10 x cap.
    pub over_cap: AtomicU64,
    /// Pictures that an encoder was given, each once, however often its GOP is tried.
    pub encoded: AtomicU64,
    /// Pictures that wait for its lanes, give or take the one on its way.
    pub waiting: AtomicU64,
    /// Its lanes were told that nothing follows.
    pub ended: AtomicBool,
    /// What is measured of it.
    pub measured: Measured,
}

/// The receiving end is gone: its thread failed, and says why itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone {
    /// Rung name.
    pub rung: String,
}

/// What a lane is told, in order.
pub(super) enum ToLane {
    /// The next frame of its GOP.
    Frame(Frame),
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
    /// The GOP that frames are let through for, and its lane.
    open: Option<(GopId, usize)>,
    /// What of the rung is made here.
    part: Part,
    /// The GOP of another shard that passes, and how many slots of it have.
    passing: Option<(GopId, u32)>,
    /// The lane that was given something last.
    lane: usize,
    tx: Sender<ToMux>,
    counters: Arc<Counters>,
}

/// How many lanes a rung of the ladder `all` runs, of each of which `part` is made here: as planned, or as few as its part needs; but at `Pace::Fast`, where each further lane keeps a
/// GOP of frames in memory, only one where it has no more to do than one of the `processors`, by its share of all work, and no more than there are processors. The number alters no byte.
pub fn lanes(rendition: &Rendition, all: &[Rendition], part: impl Fn(&str) -> Part, pace: Pace, processors: usize) -> u32 {
    let work = |r: &Rendition| part(&r.name).of(speed::work(r));
    let (own, total) = (work(rendition), all.iter().map(work).sum::<u64>());
    let planned = match part(&rendition.name).is_all() {
        true => rendition.lanes,
        false => rendition.lanes.min(u32::try_from(own.div_ceil(100)).unwrap_or(u32::MAX)).max(1),
    };
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
        let running = Arc::new(AtomicUsize::new(count));
        let capacity = match pace {
            // And the end, a few words of GOPs left out, and those of other shards' GOPs in between, so that they never wait either.
            Pace::Live => gop_slots.saturating_add(part.modulus() as usize).saturating_mul(2).saturating_add(16),
            Pace::Fast if count > 1 => gop_slots,
            Pace::Fast => FAST_FRAMES,
        };
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
            open: None,
            part,
            passing: None,
            lane: 0,
            tx: tx.clone(),
            counters: Arc::clone(&counters),
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
            self.passing = Some((frame.gop, 0));
        }
        let Some((_, units)) = self.passing.as_mut().filter(|(gop, _)| *gop == frame.gop) else { return Ok(()) };
        *units += 1;
        if frame.last || *units as usize >= self.gop_slots { self.passed() } else { Ok(()) }
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
            let lane = self.part.place(frame.gop).rem_euclid(self.lanes.len() as i64) as usize;
            self.lane = lane;
            // What other shards' GOPs left in it is a word each.
            let late = self.pace == Pace::Live && self.lanes[lane].len() >= self.gop_slots.saturating_add(self.part.modulus() as usize);
            self.open = (!late).then_some((frame.gop, lane));
            if late {
                self.counters.late.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(rung = self.rung, segment = frame.gop.0, "left out: the rung is late");
                return self.skip(lane, frame.gop, Why::Late);
            }
        }
        match self.open {
            Some((gop, lane)) if gop == frame.gop => self.lanes[lane].send(ToLane::Frame(frame)).map_err(|_| self.gone()),
            _ => Ok(()),
        }
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

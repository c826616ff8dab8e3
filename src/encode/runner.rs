//! The per-GOP runner: one thread per lane of a rung. Opens a fresh encoder for each GOP, feeds it frame by frame, tries again where the plan lists a further
//! backend, and tells the muxer when the GOP is complete.

use super::attempt::{Gop, Held, Kept};
use super::breaker::Breakers;
use super::constant::Tries;
use super::counters::Counters;
use super::queue::ToLane;
use super::watch::{Watch, forces_idr};
use super::{Cap, Order, Recipe, Stats, ToMux, Told, TrackId, Why, find};
use crate::budget::FrameBudget;
use crate::frame::{End, Frame, Length, Origin};
use crate::govern::Step;
use crate::plan::Rendition;
use crate::plan::capacity::cpu::Running;
use crate::schedule::Schedule;
use crate::time::GopId;
use crossbeam::channel::{Receiver, Sender};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Why a lane stopped early.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RunError {
    /// The muxer's queue is closed.
    #[error("{0}: the muxer takes no more packets")]
    MuxGone(String),
    /// Frames stopped without an end.
    #[error("{0}: frames stopped coming without an end")]
    Upstream(String),
}

/// A lane of a rung, ready to run.
pub struct Lane {
    pub(super) rendition: Rendition,
    pub(super) track: TrackId,
    /// Of each backend, the decoder configuration that the init segment has.
    pub(super) configs: Vec<Vec<u8>>,
    /// Of each backend, what its IDR pictures carry in front, where the init segment cannot hold it.
    pub(super) in_band: Vec<Vec<u8>>,
    pub(super) breakers: Arc<Breakers>,
    pub(super) budget: Arc<FrameBudget>,
    /// An encoder that goes on from GOP to GOP.
    pub(super) kept: Option<Kept>,
    pub(super) rx: Receiver<ToLane>,
    /// Told that something was taken: who waits for room looks again.
    pub(super) taken: Sender<()>,
    pub(super) tx: Sender<ToMux>,
    pub(super) schedule: Arc<Schedule>,
    pub(super) counters: Arc<Counters>,
    /// Lanes of this rung that have not seen the end.
    pub(super) running: Arc<AtomicUsize>,
}

/// How often a GOP over its cap is encoded again, each time this much coarser.
const CAP_TRIES: u32 = 6;
const CAP_STEP: f32 = 2.0;
/// And for each time that it is twice too large, this much more: half the bytes cost about 6 of x264's CRF.
const CAP_HALF: f32 = 6.0;
/// A GOP is tiny where it has at most one slot in so many of a whole one.
const TINY: u32 = 4;

impl Lane {
    /// Runs until the end of the flow. With several lanes, the last one to get there tells the muxer.
    pub fn run(mut self) -> Result<(), RunError> {
        let mut open: Option<Gop> = None;
        loop {
            let told = self.rx.recv();
            // Full: it is told already.
            let _ = self.taken.try_send(());
            if let Ok(ToLane::Frame(..)) = &told {
                // The sending side says how many there are with each that comes; the last ones are counted down here.
                let _ = self.counters.waiting.try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            }
            match told {
                Ok(ToLane::Frame(..)) if self.schedule.is_over() => {
                    if let Some(gop) = open.take() {
                        self.void(&gop)?;
                    }
                }
                Ok(ToLane::Frame(frame, permit)) => {
                    // It waits no more; whether it is held is another question.
                    drop(permit);
                    if frame.opens_gop {
                        if let Some(broken) = open.take() {
                            self.give_up(broken, "its frames broke off")?;
                        }
                        open = self.begin(&frame)?;
                    }
                    // Frames of a GOP that is not open: skipped, failed, or joined in the middle.
                    let Some(mut gop) = open.take().filter(|g| g.id == frame.gop) else { continue };
                    let index = self.rendition.grid.index(frame.slot);
                    if index != gop.stats.units {
                        self.give_up(gop, "a frame is missing")?;
                        continue;
                    }
                    let closes = index + 1 == self.rendition.grid.gop_slots || frame.last;
                    if !self.feed(&mut gop, frame)? {
                        continue;
                    }
                    if closes { self.close(gop)? } else { open = Some(gop) }
                }
                Ok(ToLane::Skip(gop, why)) => {
                    match open.take() {
                        // It had begun when there was no room for more of it.
                        Some(begun) if begun.id == gop => self.void(&begun)?,
                        Some(broken) => self.give_up(broken, "its frames broke off")?,
                        None => {}
                    }
                    self.send(ToMux::Skipped { track: self.track, gop, why })?;
                }
                Ok(ToLane::End(end)) => {
                    match (open.take(), end) {
                        (Some(gop), End::Ended) => self.close(gop)?,
                        (Some(gop), End::Leaving) => self.void(&gop)?,
                        (None, _) => {}
                    }
                    if self.running.fetch_sub(1, Ordering::AcqRel) == 1 {
                        self.send(ToMux::End { track: self.track, end })?;
                    }
                    return Ok(());
                }
                Err(_) => {
                    if let Some(gop) = open.take() {
                        self.void(&gop)?;
                    }
                    return Err(RunError::Upstream(self.rendition.name.clone()));
                }
            }
        }
    }

    /// Decides about the GOP that `first` opens.
    fn begin(&self, first: &Frame) -> Result<Option<Gop>, RunError> {
        let recipe = match self.schedule.order(&self.rendition, first.gop) {
            Order::Encode(recipe) => recipe,
            Order::Skip(why) => {
                self.send(ToMux::Skipped { track: self.track, gop: first.gop, why })?;
                return Ok(None);
            }
        };
        let mut recipe = recipe;
        recipe.step = self.counters.governed.step();
        if recipe.step == Step::Paused {
            self.counters.governed.left_out();
            self.send(ToMux::Skipped { track: self.track, gop: first.gop, why: Why::Overload })?;
            return Ok(None);
        }
        let slots = self.rendition.grid.gop_slots;
        let (count, whole) = (self.rendition.backends.len(), self.rendition.chunk.is_none());
        let mut again = self.rendition.bitrate.is_some() || (0..count).any(|index| self.is_checked(index));
        again |= match first.length {
            Length::Whole => false,
            Length::Short(n) => {
                recipe.slots = n;
                self.is_tiny(n)
            }
            Length::Unsure => true,
        };
        // What is out cannot be made smaller: only another backend may need the frames then.
        let hold = count > 1 || again && whole;
        let held = hold.then(|| self.hold(first.gop)).flatten();
        let unheld = hold && held.is_none();
        let (first, id) = (first.slot.0, first.gop);
        let (watch, stats) = (Watch::new(first, slots), Stats::default());
        let backend = self.breakers.choose(0, id).unwrap_or(0);
        let (tries, sent) = (Tries::default(), Vec::new());
        let (running, encoder) = (Running::start(), None);
        let gop = Gop {
            id,
            first,
            recipe,
            backend,
            attempt: 0,
            cap_tries: 0,
            tries,
            encoder,
            watch,
            held,
            unheld,
            stats,
            bytes: 0,
            sent,
            quantizers: None,
            running,
            spent: Duration::ZERO,
            shown: None,
        };
        self.tell_backend(&gop)?;
        Ok(Some(gop))
    }

    /// Room for the frames of a GOP, where the budget has it.
    fn hold(&self, gop: GopId) -> Option<Held> {
        let r = &self.rendition;
        let permit = self.budget.take(r.picture_bytes() * u64::from(r.grid.gop_slots));
        if permit.is_none() {
            self.counters.unheld.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(rung = r.name, segment = gop.0, "the frame budget is spent: this segment cannot be encoded again");
        }
        Some(Held::new(r.grid.gop_slots, permit?))
    }

    /// Encodes one frame. False: the GOP is lost, and the muxer knows.
    fn feed(&mut self, gop: &mut Gop, mut frame: Frame) -> Result<bool, RunError> {
        let index = gop.stats.units;
        halve(gop, &mut frame, index);
        frame.force_idr = forces_idr(&gop.recipe, frame.force_idr, index, self.rendition.grid.gop_slots);
        gop.stats.path = if index == 0 || gop.stats.path == frame.path { frame.path } else { u8::MAX };
        gop.stats.units += 1;
        self.counters.encoded.fetch_add(1, Ordering::Relaxed);
        gop.stats.last |= frame.last;
        match frame.origin {
            Origin::Input => {}
            Origin::Repeat => gop.stats.repeats += 1,
            Origin::Filler => gop.stats.filler += 1,
        }
        gop.stats.damaged += u32::from(frame.damaged);
        self.tell(gop, &frame)?;
        gop.stats.black += u32::from(frame.sight.black);
        gop.stats.frozen += u32::from(frame.sight.frozen);
        if let Some(held) = &mut gop.held {
            held.frames.push(frame.clone());
        }
        match self.encode(gop, &frame)? {
            Ok(()) => Ok(true),
            Err(error) => self.retry(gop, error),
        }
    }

    /// Says what is known of a slot before its packet, where chunks leave before the GOP is complete.
    fn tell(&self, gop: &Gop, frame: &Frame) -> Result<(), RunError> {
        let (repeat, filler) = (frame.origin == Origin::Repeat, frame.origin == Origin::Filler);
        let damaged = u32::from(frame.damaged);
        let told = Told { repeats: repeat.into(), fillers: filler.into(), damaged, path: frame.path, last: frame.last };
        if self.rendition.chunk.is_none() || told == Told::default() {
            return Ok(());
        }
        self.send(ToMux::Told { track: self.track, gop: gop.id, unit: frame.slot.0, told })
    }

    /// Drains the encoder, checks the cap, and closes the segment.
    fn close(&mut self, mut gop: Gop) -> Result<(), RunError> {
        let (mut deviates, whole) = (false, self.rendition.chunk.is_none());
        loop {
            if whole && gop.held.is_some() && gop.recipe.slots != gop.stats.units {
                // Its bytes are those of a GOP of this length, whether that was known when it opened or not.
                gop.recipe.slots = gop.stats.units;
                self.next_attempt(&mut gop)?;
                if let Err(error) = self.encode_held(&mut gop, 0)?
                    && !self.retry(&mut gop, error)?
                {
                    return Ok(());
                }
            }
            if let Err(error) = self.finish(&mut gop)? {
                if !self.retry(&mut gop, error)? {
                    return Ok(());
                }
                continue;
            }
            if let Some(nearer) = self.nearer(&mut gop).filter(|_| whole) {
                deviates = gop.unheld;
                if gop.held.is_some() {
                    gop.recipe = nearer;
                    self.next_attempt(&mut gop)?;
                    if let Err(error) = self.encode_held(&mut gop, 0)?
                        && !self.retry(&mut gop, error)?
                    {
                        return Ok(());
                    }
                    continue;
                }
            }
            let Some(percent) = self.over_cap(&gop) else { break };
            // Where the plan or the length says so, not where frames happen to be held: that would be another segment on another worker.
            let again = whole
                && self.rendition.bitrate.is_none()
                && (self.rendition.backends.len() > 1 || self.is_checked(gop.backend) || self.is_tiny(gop.stats.units));
            let coarsest = *self.rendition.codec.qualities().end();
            if again && gop.held.is_some() && gop.cap_tries < CAP_TRIES && gop.recipe.quality < coarsest {
                gop.cap_tries += 1;
                gop.recipe.quality = (gop.recipe.quality + self.coarser(&gop, percent)).min(coarsest);
                self.next_attempt(&mut gop)?;
                if let Err(error) = self.encode_held(&mut gop, 0)?
                    && !self.retry(&mut gop, error)?
                {
                    return Ok(());
                }
                continue;
            }
            // A worker with room for its frames encodes it again.
            deviates |= again && gop.unheld;
            self.counters.over_cap.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(rung = self.rendition.name, segment = gop.id.0, bytes = gop.bytes, cap = gop.recipe.cap, "segment exceeds 1.10 x cap");
            break;
        }
        self.breakers.succeeded(gop.backend);
        gop.stats.fallback = gop.fallback(deviates);
        // Of an encoder with threads of its own: how long it was waited for, which is less where they work side by side, and more where they wait for a processor.
        let own = find(self.backend_name(gop.backend)).filter(|backend| backend.own_thread).and_then(|_| gop.running.own());
        self.counters.governed.took(gop.recipe.step, own.unwrap_or(gop.spent), self.rendition.grid.rate, gop.stats.units);
        self.counters.fallbacks.fetch_add(u64::from(gop.backend > 0), Ordering::Relaxed);
        self.counters.measured.closed(&self.rendition, gop.id, &gop.stats);
        gop.quantizers.iter().filter_map(|seen| seen.mean()).for_each(|mean| self.counters.measured.coded(mean));
        self.send(ToMux::Done { track: self.track, gop: gop.id, attempt: gop.attempt, stats: gop.stats })
    }

    /// Whether GOPs of a backend may exceed their cap.
    fn is_checked(&self, backend: usize) -> bool {
        find(self.backend_name(backend)).is_some_and(|b| matches!(b.cap, Cap::Checked(_)))
    }

    /// How a GOP of constant rate that is not there is encoded next.
    fn nearer(&self, gop: &mut Gop) -> Option<Recipe> {
        let permille = self.permille(gop, self.rendition.bitrate?);
        let kind = find(self.backend_name(gop.backend))?.constant;
        let next = gop.tries.next(kind, &gop.recipe, permille, self.rendition.codec.qualities());
        tracing::debug!(rung = self.rendition.name, segment = gop.id.0, permille, again = next.is_some(), "constant bitrate");
        next
    }

    /// How much coarser a GOP of this many percent of its cap is tried next.
    fn coarser(&self, gop: &Gop, percent: u32) -> f32 {
        match find(self.backend_name(gop.backend)).map_or(Cap::Kept, |backend| backend.cap) {
            Cap::Kept => CAP_STEP + CAP_HALF * (percent / 110).max(1).ilog2() as f32,
            Cap::Checked(step) => step(percent),
        }
    }

    /// Whether a GOP of so many slots is so short that its first picture may break the cap, whatever the bucket.
    fn is_tiny(&self, slots: u32) -> bool {
        slots.saturating_mul(TINY) <= self.rendition.grid.gop_slots
    }

    fn give_up(&self, gop: Gop, why: &str) -> Result<(), RunError> {
        tracing::warn!(rung = self.rendition.name, segment = gop.id.0, why, "segment given up");
        self.void(&gop)?;
        self.skipped(&gop)
    }

    pub(super) fn skipped(&self, gop: &Gop) -> Result<(), RunError> {
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        self.send(ToMux::Skipped { track: self.track, gop: gop.id, why: Why::Failed })
    }

    pub(super) fn void(&self, gop: &Gop) -> Result<(), RunError> {
        self.send(ToMux::Void { track: self.track, gop: gop.id, attempt: gop.attempt })
    }

    pub(super) fn send(&self, item: ToMux) -> Result<(), RunError> {
        self.tx.send(item).map_err(|_| RunError::MuxGone(self.rendition.name.clone()))
    }
}

/// Every second picture is shown twice, where the governor halves the rate: the same picture again costs an encoder next to nothing.
fn halve(gop: &mut Gop, frame: &mut Frame, index: u32) {
    if gop.recipe.step < Step::Halved {
        return;
    }
    match &gop.shown {
        Some(shown) if index % 2 == 1 => {
            frame.picture = shown.clone();
            frame.origin = if frame.origin == Origin::Input { Origin::Repeat } else { frame.origin };
        }
        _ => gop.shown = Some(frame.picture.clone()),
    }
}

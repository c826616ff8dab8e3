//! The per-GOP runner: one thread per lane of a rung. Opens a fresh encoder for each GOP, feeds it frame by frame, tries again where the plan lists a further
//! backend, and tells the muxer when the GOP is complete.

use super::queue::Counters;
use super::queue::ToLane;
use super::{Cap, EncodeError, Encoder, Order, Packet, Recipe, Stats, ToMux, TrackId, Why, container_bytes, find};
use crate::frame::{End, Frame, Origin};
use crate::plan::Rendition;
use crate::schedule::Schedule;
use crate::time::GopId;
use crossbeam::channel::{Receiver, Sender};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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

/// What the track's init segment must say: the configuration of the rung's first backend, opened once and closed. A bad setting fails here, at the start.
pub fn config(rendition: &Rendition, recipe: &Recipe) -> Result<Vec<u8>, EncodeError> {
    let name = rendition.backends.first().map_or("", String::as_str);
    Ok((backend(rendition, name)?.open)(rendition, recipe)?.config)
}

fn backend(rendition: &Rendition, name: &str) -> Result<&'static super::Candidate, EncodeError> {
    let unknown = || EncodeError::Open { rung: rendition.name.clone(), backend: "none", why: format!("there is no backend \"{name}\"") };
    find(name).filter(|b| b.codecs.contains(&rendition.codec)).ok_or_else(unknown)
}

/// A lane of a rung, ready to run.
pub struct Lane {
    pub(super) rendition: Rendition,
    pub(super) track: TrackId,
    pub(super) config: Vec<u8>,
    pub(super) rx: Receiver<ToLane>,
    pub(super) tx: Sender<ToMux>,
    pub(super) schedule: Arc<Schedule>,
    pub(super) counters: Arc<Counters>,
    /// Lanes of this rung that have not seen the end.
    pub(super) running: Arc<AtomicUsize>,
}

/// A segment may exceed its cap by a tenth.
const OVER_CAP: (u128, u128) = (11, 10);
/// How often a GOP over its cap is encoded again, each time this much coarser.
const CAP_TRIES: u32 = 6;
const CAP_STEP: f32 = 2.0;
/// And for each time that it is twice too large, this much more: half the bytes cost about 6 of x264's CRF.
const CAP_HALF: f32 = 6.0;

/// A GOP being encoded.
struct Gop {
    id: GopId,
    recipe: Recipe,
    /// Index into the rendition's backends.
    backend: usize,
    attempt: u32,
    cap_tries: u32,
    encoder: Option<Box<dyn Encoder>>,
    /// Its frames so far, where they may be needed again: for another backend, or where the GOP may end short, which VBV does not allow for.
    held: Option<Vec<Frame>>,
    stats: Stats,
    packets: u32,
    bytes: u64,
}

impl Lane {
    /// Runs until the end of the flow. With several lanes, the last one to get there tells the muxer.
    pub fn run(self) -> Result<(), RunError> {
        let mut open: Option<Gop> = None;
        loop {
            let told = self.rx.recv();
            if let Ok(ToLane::Frame(_)) = &told {
                // The sending side says how many there are with each that comes; the last ones are counted down here.
                let _ = self.counters.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            }
            match told {
                Ok(ToLane::Frame(_)) if self.schedule.is_over() => {
                    if let Some(gop) = open.take() {
                        self.void(&gop)?;
                    }
                }
                Ok(ToLane::Frame(frame)) => {
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
                    if let Some(broken) = open.take() {
                        self.give_up(broken, "its frames broke off")?;
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
        let slots = self.rendition.grid.gop_slots;
        let exceeds = |name: &String| find(name).is_some_and(|backend| matches!(backend.cap, Cap::Checked(_)));
        let held =
            (self.rendition.backends.len() > 1 || self.rendition.backends.iter().any(exceeds) || first.near_end).then(|| Vec::with_capacity(slots as usize));
        Ok(Some(Gop { id: first.gop, recipe, backend: 0, attempt: 0, cap_tries: 0, encoder: None, held, stats: Stats::default(), packets: 0, bytes: 0 }))
    }

    /// Encodes one frame. False: the GOP is lost, and the muxer knows.
    fn feed(&self, gop: &mut Gop, mut frame: Frame) -> Result<bool, RunError> {
        let index = gop.stats.units;
        // Two IDRs in a row would need different idr_pic_id, and the next GOP begins with one.
        frame.force_idr = (frame.force_idr || gop.recipe.idr_at.contains(&index)) && index > 0 && index + 1 < self.rendition.grid.gop_slots;
        gop.stats.units += 1;
        self.counters.encoded.fetch_add(1, Ordering::Relaxed);
        gop.stats.last |= frame.last;
        match frame.origin {
            Origin::Input => {}
            Origin::Repeat => gop.stats.repeats += 1,
            Origin::Filler => gop.stats.filler += 1,
        }
        gop.stats.damaged += u32::from(frame.damaged);
        if let Some(held) = &mut gop.held {
            held.push(frame.clone());
        }
        match self.encode(gop, &frame)? {
            Ok(()) => Ok(true),
            Err(error) => self.retry(gop, error),
        }
    }

    /// Drains the encoder, checks the cap, and closes the segment.
    fn close(&self, mut gop: Gop) -> Result<(), RunError> {
        loop {
            if let Err(error) = self.finish(&mut gop)? {
                if !self.retry(&mut gop, error)? {
                    return Ok(());
                }
                continue;
            }
            let Some(percent) = self.over_cap(&gop) else { break };
            let coarsest = *self.rendition.codec.qualities().end();
            if gop.held.is_some() && gop.cap_tries < CAP_TRIES && gop.recipe.quality < coarsest {
                gop.cap_tries += 1;
                gop.recipe.quality = (gop.recipe.quality + self.coarser(&gop, percent)).min(coarsest);
                self.next_attempt(&mut gop)?;
                if let Err(error) = self.encode_held(&mut gop)?
                    && !self.retry(&mut gop, error)?
                {
                    return Ok(());
                }
                continue;
            }
            self.counters.over_cap.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(rung = self.rendition.name, segment = gop.id.0, bytes = gop.bytes, cap = gop.recipe.cap, "segment exceeds 1.10 x cap");
            break;
        }
        self.send(ToMux::Done { track: self.track, gop: gop.id, attempt: gop.attempt, stats: gop.stats })
    }

    /// After a failure: the next backend with the frames held so far, and so on until one gets through them. False: there is none, and the muxer knows.
    fn retry(&self, gop: &mut Gop, mut error: EncodeError) -> Result<bool, RunError> {
        loop {
            tracing::warn!(rung = self.rendition.name, segment = gop.id.0, attempt = gop.attempt, %error, "encoding failed");
            gop.encoder = None;
            gop.backend += 1;
            if gop.held.is_none() || gop.backend >= self.rendition.backends.len() {
                self.void(gop)?;
                self.skipped(gop)?;
                return Ok(false);
            }
            self.next_attempt(gop)?;
            match self.encode_held(gop)? {
                Ok(()) => return Ok(true),
                Err(next) => error = next,
            }
        }
    }

    /// Takes back what was sent of this attempt.
    fn next_attempt(&self, gop: &mut Gop) -> Result<(), RunError> {
        self.void(gop)?;
        self.counters.retried.fetch_add(1, Ordering::Relaxed);
        (gop.attempt, gop.packets, gop.bytes, gop.encoder) = (gop.attempt + 1, 0, 0, None);
        Ok(())
    }

    fn encode_held(&self, gop: &mut Gop) -> Result<Result<(), EncodeError>, RunError> {
        let held = gop.held.take().unwrap_or_default();
        let mut result = Ok(());
        for frame in &held {
            result = self.encode(gop, frame)?;
            if result.is_err() {
                break;
            }
        }
        gop.held = Some(held);
        Ok(result)
    }

    /// The outer error is the muxer's, the inner one the encoder's.
    fn encode(&self, gop: &mut Gop, frame: &Frame) -> Result<Result<(), EncodeError>, RunError> {
        let (start, mut out) = (Instant::now(), Vec::new());
        let result = match &mut gop.encoder {
            Some(encoder) => encoder.encode(frame, &mut out),
            None => self.open(gop).and_then(|encoder| gop.encoder.insert(encoder).encode(frame, &mut out)),
        };
        self.forward(gop, out, start.elapsed())?;
        Ok(result)
    }

    fn finish(&self, gop: &mut Gop) -> Result<Result<(), EncodeError>, RunError> {
        let (start, mut out) = (Instant::now(), Vec::new());
        let result = gop.encoder.take().map_or(Ok(()), |encoder| encoder.finish(&mut out));
        self.forward(gop, out, start.elapsed())?;
        Ok(result.and_then(|()| {
            let lost = || self.failed(gop, format!("{} packets for {} pictures", gop.packets, gop.stats.units));
            (gop.packets == gop.stats.units).then_some(()).ok_or_else(lost)
        }))
    }

    fn open(&self, gop: &Gop) -> Result<Box<dyn Encoder>, EncodeError> {
        let name = self.rendition.backends.get(gop.backend).map_or("", String::as_str);
        let opened = (backend(&self.rendition, name)?.open)(&self.rendition, &gop.recipe)?;
        if opened.config != self.config {
            return Err(self.failed(gop, "its decoder configuration is not that of the init segment".to_owned()));
        }
        Ok(opened.encoder)
    }

    fn failed(&self, gop: &Gop, why: String) -> EncodeError {
        let name = self.rendition.backends.get(gop.backend).and_then(|name| find(name)).map_or("none", |b| b.name);
        EncodeError::Failed { rung: self.rendition.name.clone(), backend: name, gop: gop.id, why }
    }

    fn forward(&self, gop: &mut Gop, out: Vec<Packet>, busy: Duration) -> Result<(), RunError> {
        gop.stats.busy += busy;
        for packet in out {
            gop.packets += 1;
            gop.bytes += packet.data.len() as u64;
            self.send(ToMux::Packet { track: self.track, gop: gop.id, attempt: gop.attempt, packet })?;
        }
        Ok(())
    }

    /// How much coarser a GOP of this many percent of its cap is tried next.
    fn coarser(&self, gop: &Gop, percent: u32) -> f32 {
        match self.rendition.backends.get(gop.backend).and_then(|name| find(name)).map_or(Cap::Kept, |backend| backend.cap) {
            Cap::Kept => CAP_STEP + CAP_HALF * (percent / 110).max(1).ilog2() as f32,
            Cap::Checked(step) => step(percent),
        }
    }

    /// How many percent of its cap the GOP has; `None` where it is within a tenth of it.
    fn over_cap(&self, gop: &Gop) -> Option<u32> {
        let rate = self.rendition.grid.rate;
        let bits = u128::from(gop.bytes + container_bytes(gop.stats.units)) * 8 * u128::from(rate.num());
        let allowed = u128::from(gop.recipe.cap) * u128::from(gop.stats.units) * u128::from(rate.den());
        (bits * OVER_CAP.1 > allowed * OVER_CAP.0).then(|| u32::try_from(bits * 100 / allowed.max(1)).unwrap_or(u32::MAX))
    }

    fn give_up(&self, gop: Gop, why: &str) -> Result<(), RunError> {
        tracing::warn!(rung = self.rendition.name, segment = gop.id.0, why, "segment given up");
        self.void(&gop)?;
        self.skipped(&gop)
    }

    fn skipped(&self, gop: &Gop) -> Result<(), RunError> {
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        self.send(ToMux::Skipped { track: self.track, gop: gop.id, why: Why::Failed })
    }

    fn void(&self, gop: &Gop) -> Result<(), RunError> {
        self.send(ToMux::Void { track: self.track, gop: gop.id, attempt: gop.attempt })
    }

    fn send(&self, item: ToMux) -> Result<(), RunError> {
        self.tx.send(item).map_err(|_| RunError::MuxGone(self.rendition.name.clone()))
    }
}

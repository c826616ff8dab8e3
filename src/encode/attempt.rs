//! One attempt after another at a GOP: by the backend the breakers choose, and where that fails by the next, with the frames that are held.

use super::constant::Tries;
use super::measured::Quantizers;
use super::runner::{Lane, RunError};
use super::watch::Watch;
use super::{EncodeError, Encoder, HURRIED, Lifetime, Packet, Recipe, Stats, ToMux, backend, container_bytes, find, resume};
use crate::budget::Permit;
use crate::frame::{Frame, Picture};
use crate::govern::Step;
use crate::plan::capacity::cpu::Running;
use crate::time::{GopId, Slot};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A segment may exceed its cap by a tenth.
const OVER_CAP: (u128, u128) = (11, 10);

/// A GOP being encoded.
pub(super) struct Gop {
    pub id: GopId,
    /// Its first slot.
    pub first: i64,
    pub recipe: Recipe,
    /// Index into the rendition's backends.
    pub backend: usize,
    pub attempt: u32,
    pub cap_tries: u32,
    /// Where the rate is constant: how it was aimed at.
    pub tries: Tries,
    pub encoder: Option<Box<dyn Encoder>>,
    pub watch: Watch,
    /// Its frames so far, where they may be needed again: for another backend, for the cap, or where the GOP may end short, or is tiny.
    pub held: Option<Held>,
    /// They were to be held, and the frame budget was spent.
    pub unheld: bool,
    pub stats: Stats,
    pub bytes: u64,
    /// Of each packet that was sent and holds, in decoding order: its slot, from 0 in the GOP, and its bytes.
    pub sent: Vec<(u32, u64)>,
    /// Of the attempt that goes on, where its encoder says them.
    pub quantizers: Option<Arc<Quantizers>>,
    /// What the attempt that goes on has taken of processors, and how long its encoder was waited for.
    pub running: Running,
    pub spent: Duration,
    /// The picture that was shown last, where only every second one is.
    pub shown: Option<Picture>,
}

impl Gop {
    /// As [`Stats::fallback`].
    pub fn fallback(&self, deviates: bool) -> u8 {
        match u8::try_from(self.backend) {
            _ if deviates => u8::MAX,
            Ok(0) if self.recipe.step > Step::Full => HURRIED,
            Ok(backend) => backend.min(HURRIED - 1),
            Err(_) => HURRIED - 1,
        }
    }
}

/// Frames that are held, and their part of the budget.
pub(super) struct Held {
    pub frames: Vec<Frame>,
    /// Gives the part back when the frames go.
    _permit: Permit,
}

impl Held {
    /// Room for `slots` frames that `permit` allows.
    pub fn new(slots: u32, permit: Permit) -> Held {
        Held { frames: Vec::with_capacity(slots as usize), _permit: permit }
    }
}

/// An encoder that goes on from GOP to GOP.
pub(super) struct Kept {
    backend: usize,
    recipe: Recipe,
    encoder: Box<dyn Encoder>,
}

impl Lane {
    /// After a failure: the next backend with the frames held so far, and so on until one gets through them. False: there is none, and the muxer knows.
    pub(super) fn retry(&mut self, gop: &mut Gop, mut error: EncodeError) -> Result<bool, RunError> {
        loop {
            tracing::warn!(rung = self.rendition.name, segment = gop.id.0, attempt = gop.attempt, %error, "encoding failed");
            gop.encoder = None;
            if self.breakers.failed(gop.backend, gop.id) {
                tracing::warn!(rung = self.rendition.name, backend = self.backend_name(gop.backend), "it keeps failing: it is left alone for a while");
            }
            let next = self.breakers.choose(gop.backend + 1, gop.id).filter(|_| gop.held.is_some());
            // What is out is out: another encoder goes on behind it, or the segment is given up.
            let place = match self.rendition.chunk {
                None => Some(0),
                Some(chunk) => resume::place(gop.sent.iter().map(|(slot, _)| *slot), chunk, self.rendition.grid.gop_slots),
            };
            let (Some(next), Some(place)) = (next, place) else {
                self.void(gop)?;
                self.skipped(gop)?;
                return Ok(false);
            };
            gop.backend = next;
            if gop.recipe.bitrate.is_some() {
                (gop.recipe.bitrate, gop.recipe.quality, gop.tries) = (self.rendition.bitrate, self.rendition.quality, Tries::default());
            }
            if place == 0 {
                self.next_attempt(gop)?
            } else {
                self.go_on(gop, place)?
            }
            self.tell_backend(gop)?;
            match self.encode_held(gop, place)? {
                Ok(()) => return Ok(true),
                Err(next) => error = next,
            }
        }
    }

    /// Takes back what was sent of this attempt.
    pub(super) fn next_attempt(&self, gop: &mut Gop) -> Result<(), RunError> {
        self.void(gop)?;
        self.counters.retried.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (gop.attempt, gop.bytes, gop.encoder) = (gop.attempt + 1, 0, None);
        gop.watch = Watch::new(gop.first, self.rendition.grid.gop_slots);
        (gop.running, gop.spent) = (Running::start(), Duration::ZERO);
        gop.sent.clear();
        Ok(())
    }

    /// Leaves the first `place` packets as they are, which show the first `place` slots: the next attempt goes on behind them.
    fn go_on(&self, gop: &mut Gop, place: u32) -> Result<(), RunError> {
        self.counters.retried.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        gop.sent.truncate(place as usize);
        (gop.attempt, gop.bytes, gop.encoder) = (gop.attempt + 1, gop.sent.iter().map(|(_, bytes)| bytes).sum(), None);
        gop.watch = Watch::behind(gop.first, self.rendition.grid.gop_slots, place);
        tracing::info!(rung = self.rendition.name, segment = gop.id.0, from = place, backend = self.backend_name(gop.backend), "it goes on with an IDR");
        self.send(ToMux::Continue { track: self.track, gop: gop.id, attempt: gop.attempt, from: place })
    }

    /// Says which backend makes what follows, where chunks leave before the GOP is complete, and it is not the first.
    pub(super) fn tell_backend(&self, gop: &Gop) -> Result<(), RunError> {
        let fallback = gop.fallback(false);
        if self.rendition.chunk.is_none() || fallback == 0 {
            return Ok(());
        }
        self.send(ToMux::Backend { track: self.track, gop: gop.id, fallback })
    }

    /// Encodes the frames that are held, from the one of slot `from` of the GOP on, which is an IDR.
    pub(super) fn encode_held(&mut self, gop: &mut Gop, from: u32) -> Result<Result<(), EncodeError>, RunError> {
        let Some(held) = gop.held.take() else { return Ok(Ok(())) };
        let mut result = Ok(());
        for (index, frame) in held.frames.iter().enumerate().skip(from as usize) {
            let first = from > 0 && index == from as usize;
            result = self.encode(gop, &Frame { force_idr: frame.force_idr || first, ..frame.clone() })?;
            if result.is_err() {
                break;
            }
        }
        gop.held = Some(held);
        Ok(result)
    }

    /// The outer error is the muxer's, the inner one the encoder's.
    pub(super) fn encode(&mut self, gop: &mut Gop, frame: &Frame) -> Result<Result<(), EncodeError>, RunError> {
        let (start, mut out) = (Instant::now(), Vec::new());
        gop.watch.fed(frame.force_idr);
        let result = match &mut gop.encoder {
            Some(encoder) => encoder.encode(frame, &mut out),
            None => self.open(gop).and_then(|encoder| {
                gop.quantizers = encoder.quantizers();
                gop.encoder.insert(encoder).encode(frame, &mut out)
            }),
        };
        let sent = self.forward(gop, out, start.elapsed())?;
        Ok(result.and(sent))
    }

    pub(super) fn finish(&mut self, gop: &mut Gop) -> Result<Result<(), EncodeError>, RunError> {
        let (start, mut out) = (Instant::now(), Vec::new());
        let result = match gop.encoder.take() {
            Some(mut encoder) if self.lives_on(gop.backend) => {
                let flushed = encoder.flush(&mut out);
                if flushed.is_ok() {
                    self.kept = Some(Kept { backend: gop.backend, recipe: gop.recipe.clone(), encoder });
                }
                flushed
            }
            Some(encoder) => encoder.finish(&mut out),
            None => Ok(()),
        };
        let sent = self.forward(gop, out, start.elapsed())?;
        Ok(result.and(sent).and_then(|()| {
            let lost = || self.failed(gop, format!("{} packets for {} pictures", gop.watch.packets(), gop.stats.units));
            (gop.watch.packets() == gop.stats.units).then_some(()).ok_or_else(lost)
        }))
    }

    fn open(&mut self, gop: &Gop) -> Result<Box<dyn Encoder>, EncodeError> {
        if let Some(kept) = self.kept.take() {
            let same = |a: &Recipe, b: &Recipe| a.point == b.point && a.quality == b.quality && a.cap == b.cap && a.bitrate == b.bitrate && a.step == b.step;
            if kept.backend == gop.backend && same(&kept.recipe, &gop.recipe) {
                return Ok(kept.encoder);
            }
        }
        let opened = backend(&self.rendition, self.backend_name(gop.backend))?.open(&self.rendition, &gop.recipe)?;
        if Some(&opened.config) != self.configs.get(gop.backend) {
            return Err(self.failed(gop, "its decoder configuration is not that of the init segment".to_owned()));
        }
        Ok(opened.encoder)
    }

    fn lives_on(&self, index: usize) -> bool {
        find(self.backend_name(index)).is_some_and(|b| b.lifetime == Lifetime::Event)
    }

    pub(super) fn backend_name(&self, index: usize) -> &str {
        self.rendition.backends.get(index).map_or("", String::as_str)
    }

    fn failed(&self, gop: &Gop, why: String) -> EncodeError {
        let name = find(self.backend_name(gop.backend)).map_or("none", |b| b.name);
        EncodeError::Failed { rung: self.rendition.name.clone(), backend: name, gop: gop.id, why }
    }

    /// Sends what the encoder handed out, as far as it is what was asked for.
    fn forward(&self, gop: &mut Gop, out: Vec<Packet>, busy: Duration) -> Result<Result<(), EncodeError>, RunError> {
        gop.stats.busy += busy;
        gop.spent += busy;
        for mut packet in out {
            if let Err(why) = gop.watch.take(&packet) {
                return Ok(Err(self.failed(gop, why)));
            }
            if let Some(sets) = self.in_band.get(gop.backend).filter(|sets| packet.idr && !sets.is_empty()) {
                packet.data.splice(..0, sets.iter().copied());
            }
            let bytes = packet.data.len() as u64;
            gop.bytes += bytes;
            self.counters.measured.made(Slot(packet.time));
            gop.sent.push((u32::try_from(packet.time - gop.first).unwrap_or(u32::MAX), bytes));
            self.send(ToMux::Packet { track: self.track, gop: gop.id, attempt: gop.attempt, packet })?;
        }
        Ok(Ok(()))
    }

    /// How many thousandths of the bits of so many a second the GOP has.
    pub(super) fn permille(&self, gop: &Gop, bitrate: u64) -> u64 {
        let rate = self.rendition.grid.rate;
        let bits = u128::from(gop.bytes + container_bytes(gop.stats.units)) * 8 * u128::from(rate.num());
        let due = u128::from(bitrate) * u128::from(gop.stats.units) * u128::from(rate.den());
        u64::try_from(bits * 1000 / due.max(1)).unwrap_or(u64::MAX)
    }

    /// How many percent of its cap the GOP has; `None` where it is within a tenth of it.
    pub(super) fn over_cap(&self, gop: &Gop) -> Option<u32> {
        let rate = self.rendition.grid.rate;
        let bits = u128::from(gop.bytes + container_bytes(gop.stats.units)) * 8 * u128::from(rate.num());
        let allowed = u128::from(gop.recipe.cap) * u128::from(gop.stats.units) * u128::from(rate.den());
        (bits * OVER_CAP.1 > allowed * OVER_CAP.0).then(|| u32::try_from(bits * 100 / allowed.max(1)).unwrap_or(u32::MAX))
    }
}

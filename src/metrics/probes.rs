//! Wall-clock marks along the way of pictures and segments, kept in two rings of atomics: nothing is locked, nothing grows, and no stage ever reads them back.
//!
//! A slot that is marked again before it was looked at only costs its measurement.

use super::histogram::{Histogram, Spans};
use crate::time::{GopId, Grid, Seconds, Slot};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Slots that are remembered: a minute at 60 pictures a second. What takes longer is not measured.
const SLOTS: usize = 4096;
/// Segments of a track that are remembered.
const SEGMENTS: usize = 16;

/// When something happened to a picture, in microseconds since the start; 0: not yet, or nobody knows.
#[derive(Debug)]
struct SlotMarks {
    slot: AtomicI64,
    came: AtomicU64,
    placed: AtomicU64,
    scaled: AtomicU64,
}

/// The same of a segment of a track.
#[derive(Debug)]
struct SegmentMarks {
    gop: AtomicI64,
    done: AtomicU64,
    muxed: AtomicU64,
}

/// The life of a segment, as far as it was measured. Instants of the host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Which track, an index into the plan.
    pub track: usize,
    /// Which segment.
    pub gop: GopId,
    /// Its bytes.
    pub bytes: u64,
    /// When its first picture came, was on the grid, and was given to the encoders.
    pub first: [Option<Seconds>; 3],
    /// The same of its last one.
    pub last: [Option<Seconds>; 3],
    /// When its encoder was done with it.
    pub done: Option<Seconds>,
    /// When it was muxed.
    pub muxed: Option<Seconds>,
    /// When every destination that is waited for had it.
    pub published: Seconds,
}

/// Who is told of each segment that is published. Must not block.
pub type Tell = Box<dyn Fn(Life) + Send + Sync>;

/// The marks, and what came of them.
pub struct Probes {
    grid: Grid,
    began: Instant,
    began_utc: Seconds,
    slots: Vec<SlotMarks>,
    /// [`SEGMENTS`] for each track.
    segments: Vec<SegmentMarks>,
    tell: OnceLock<Tell>,
    /// From the arrival of a picture to its place on the grid.
    pub decode: Histogram<Spans>,
    /// From there to the rungs.
    pub downscale: Histogram<Spans>,
    /// From there to its packet, each rung's.
    pub encode: Histogram<Spans>,
    /// From the last packet of a segment to the segment.
    pub mux: Histogram<Spans>,
    /// From the segment to every destination that is waited for.
    pub publish: Histogram<Spans>,
    /// From the arrival of a segment's last picture to its publication.
    pub total: Histogram<Spans>,
    /// How much later than its slot the newest picture came, in microseconds of the host's clock.
    offset: AtomicI64,
    /// What waits in queues: see [`Queue`].
    queues: [AtomicU64; 4],
}

/// A queue that all tracks share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Queue {
    /// Access units that wait for the decoder.
    Units,
    /// Pictures that wait for the downscaler.
    Pictures,
    /// What encoders have told the muxer.
    Packets,
    /// What is published and not stored yet.
    Publications,
}

/// Every queue, and its name in metrics.
pub const QUEUES: [(Queue, &str); 4] =
    [(Queue::Units, "units"), (Queue::Pictures, "pictures"), (Queue::Packets, "packets"), (Queue::Publications, "publications")];

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probes").field("grid", &self.grid).finish_non_exhaustive()
    }
}

impl Probes {
    /// Nothing was seen yet.
    pub fn new(grid: Grid, tracks: usize) -> Probes {
        let slot = || SlotMarks { slot: AtomicI64::new(i64::MIN), came: AtomicU64::new(0), placed: AtomicU64::new(0), scaled: AtomicU64::new(0) };
        let segment = || SegmentMarks { gop: AtomicI64::new(i64::MIN), done: AtomicU64::new(0), muxed: AtomicU64::new(0) };
        Probes {
            grid,
            began: Instant::now(),
            began_utc: Seconds::host_now(),
            slots: std::iter::repeat_with(slot).take(SLOTS).collect(),
            segments: std::iter::repeat_with(segment).take(SEGMENTS * tracks).collect(),
            tell: OnceLock::new(),
            decode: Histogram::default(),
            downscale: Histogram::default(),
            encode: Histogram::default(),
            mux: Histogram::default(),
            publish: Histogram::default(),
            total: Histogram::default(),
            offset: AtomicI64::new(0),
            queues: Default::default(),
        }
    }

    /// `tell` hears of each segment that is published from now on. The first one stays.
    pub fn tell(&self, tell: Tell) {
        let _ = self.tell.set(tell);
    }

    /// So many wait in a queue.
    pub fn waiting(&self, queue: Queue, length: usize) {
        if let Some(gauge) = self.queues.get(queue as usize) {
            gauge.store(length as u64, Relaxed);
        }
    }

    /// How many wait in a queue.
    pub fn queued(&self, queue: Queue) -> u64 {
        self.queues.get(queue as usize).map_or(0, |gauge| gauge.load(Relaxed))
    }

    /// A slot has its picture; `arrival` (host's clock) where that came for it.
    pub fn placed(&self, slot: Slot, arrival: Option<Seconds>) {
        let now = self.now();
        let came = arrival.map(|arrival| (arrival - self.began_utc).floor_ticks(1_000_000).max(1).unsigned_abs());
        let marks = self.of_slot(slot);
        marks.slot.store(slot.0, Relaxed);
        marks.came.store(came.unwrap_or(0), Relaxed);
        marks.placed.store(now, Relaxed);
        marks.scaled.store(0, Relaxed);
        if let (Some(came), Some(arrival)) = (came, arrival) {
            self.decode.observe(now.saturating_sub(came));
            self.offset.store(micros(arrival - self.grid.time(slot)), Relaxed);
        }
    }

    /// A slot's pictures are there for the rungs; the first word counts.
    pub fn scaled(&self, slot: Slot) {
        let marks = self.of_slot(slot);
        let placed = marks.placed.load(Relaxed);
        if marks.slot.load(Relaxed) != slot.0 || placed == 0 {
            return;
        }
        let now = self.now();
        if marks.scaled.compare_exchange(0, now, Relaxed, Relaxed).is_ok() {
            self.downscale.observe(now.saturating_sub(placed));
        }
    }

    /// The encoder of a rung gave the packet of a slot.
    pub fn encoded(&self, slot: Slot) {
        let marks = self.of_slot(slot);
        let scaled = marks.scaled.load(Relaxed);
        if marks.slot.load(Relaxed) == slot.0 && scaled > 0 {
            self.encode.observe(self.now().saturating_sub(scaled));
        }
    }

    /// The encoder of a track is done with a segment.
    pub fn done(&self, track: usize, gop: GopId) {
        let Some(marks) = self.of_segment(track, gop) else { return };
        marks.gop.store(gop.0, Relaxed);
        marks.muxed.store(0, Relaxed);
        marks.done.store(self.now(), Relaxed);
    }

    /// A segment is muxed.
    pub fn muxed(&self, track: usize, gop: GopId) {
        let Some(marks) = self.of_segment(track, gop) else { return };
        let now = self.now();
        if marks.gop.swap(gop.0, Relaxed) == gop.0 {
            self.mux.observe(now.saturating_sub(marks.done.load(Relaxed)));
        } else {
            marks.done.store(0, Relaxed);
        }
        marks.muxed.store(now, Relaxed);
    }

    /// A segment is where it should be.
    pub fn published(&self, track: usize, gop: GopId, bytes: u64) {
        let now = self.now();
        let marks = self.of_segment(track, gop).filter(|marks| marks.gop.load(Relaxed) == gop.0);
        let at = |mark: Option<u64>| mark.filter(|mark| *mark > 0);
        let muxed = at(marks.map(|marks| marks.muxed.load(Relaxed)));
        if let Some(muxed) = muxed {
            self.publish.observe(now.saturating_sub(muxed));
        }
        let (first, last) = (self.marks(self.grid.first(gop)), self.marks(Slot(self.grid.first(gop.next()).0 - 1)));
        if let Some(came) = at(Some(last[0])) {
            self.total.observe(now.saturating_sub(came));
        }
        let Some(tell) = self.tell.get() else { return };
        let utc = |mark: u64| (mark > 0).then(|| self.utc(mark));
        let done = at(marks.map(|marks| marks.done.load(Relaxed)));
        tell(Life {
            track,
            gop,
            bytes,
            first: first.map(utc),
            last: last.map(utc),
            done: done.map(|mark| self.utc(mark)),
            muxed: muxed.map(|mark| self.utc(mark)),
            published: self.utc(now),
        });
    }

    /// How much later than the instant of its slot the newest picture came, by the host's clock; microseconds.
    pub fn offset_us(&self) -> i64 {
        self.offset.load(Relaxed)
    }

    fn marks(&self, slot: Slot) -> [u64; 3] {
        let marks = self.of_slot(slot);
        if marks.slot.load(Relaxed) == slot.0 { [&marks.came, &marks.placed, &marks.scaled].map(|mark| mark.load(Relaxed)) } else { [0; 3] }
    }

    fn of_slot(&self, slot: Slot) -> &SlotMarks {
        &self.slots[slot.0.rem_euclid(SLOTS as i64) as usize]
    }

    fn of_segment(&self, track: usize, gop: GopId) -> Option<&SegmentMarks> {
        self.segments.get(track * SEGMENTS + gop.0.rem_euclid(SEGMENTS as i64) as usize)
    }

    fn now(&self) -> u64 {
        (self.began.elapsed().as_micros() as u64).max(1)
    }

    fn utc(&self, mark: u64) -> Seconds {
        self.began_utc + Seconds::from_nanos(Duration::from_micros(mark).as_nanos() as i128)
    }
}

fn micros(span: Seconds) -> i64 {
    span.nearest_ticks(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Rate;
    use std::sync::{Arc, Mutex};

    fn probes() -> Probes {
        Probes::new(Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO), 2)
    }

    #[test]
    fn a_segment_is_followed_from_its_first_picture_to_its_publication() {
        let (probes, lives) = (probes(), Arc::new(Mutex::new(Vec::new())));
        let told = Arc::clone(&lives);
        probes.tell(Box::new(move |life| told.lock().expect("not poisoned").push(life)));
        let first = Seconds::host_now().floor_ticks(1) / 2 * 50;
        for slot in (first..first + 50).map(Slot) {
            probes.placed(slot, Some(Seconds::host_now()));
            probes.scaled(slot);
            probes.scaled(slot);
            probes.encoded(slot);
        }
        let gop = GopId(first / 50);
        probes.done(1, gop);
        probes.muxed(1, gop);
        probes.published(1, gop, 7);
        let counts = [&probes.decode, &probes.downscale, &probes.encode, &probes.mux, &probes.publish, &probes.total].map(|h| h.snapshot().count());
        assert_eq!(counts, [50, 50, 50, 1, 1, 1]);
        let lives = lives.lock().expect("not poisoned");
        let [life] = lives.as_slice() else { panic!("{lives:?}") };
        let steps = [life.first[0], life.last[0], life.last[1], life.last[2], life.done, life.muxed, Some(life.published)];
        assert!(steps.iter().all(Option::is_some) && steps.is_sorted(), "{life:?}");
    }

    /// Another slot, or another segment, is in the place of the one that is asked for.
    #[test]
    fn what_was_overwritten_is_not_measured() {
        let probes = probes();
        probes.placed(Slot(5), None);
        probes.scaled(Slot(5 + SLOTS as i64));
        probes.encoded(Slot(5));
        probes.done(0, GopId(3));
        probes.muxed(0, GopId(3 + SEGMENTS as i64));
        probes.published(0, GopId(3), 1);
        probes.done(9, GopId(3));
        let counts = [&probes.decode, &probes.downscale, &probes.encode, &probes.mux, &probes.publish, &probes.total].map(|h| h.snapshot().count());
        assert_eq!(counts, [0; 6]);
    }
}

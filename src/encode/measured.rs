//! What is measured of a rung, for metrics and the page. Nothing locks, and no stage reads it back.

use super::{Stats, TrackId};
use crate::metrics::{Histogram, Probes, Ratios};
use crate::plan::Rendition;
use crate::shard::Part;
use crate::time::{GopId, Slot};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Of one rung.
#[derive(Debug, Default)]
pub struct Measured {
    /// Time in the encoder of each GOP, against what there is for it: its duration times the rung's lanes and, of a rung that is split by number, from one of its own to the next.
    /// Above 1 it is slower than real time.
    pub effort: Histogram<Ratios>,
    /// The newest of those, in thousandths.
    newest: AtomicU64,
    /// Mean quantizer of the newest GOP in hundredths; 0: nobody says.
    quantizer: AtomicU64,
    /// Which of its numbers are made here; all where nobody says.
    part: OnceLock<Part>,
    /// Where its pictures and segments are marked, and as which track.
    probes: OnceLock<(Arc<Probes>, TrackId)>,
}

impl Measured {
    /// Marks it there from now on, as this track.
    pub fn mark(&self, probes: Arc<Probes>, track: TrackId) {
        // A rung is of one job: nothing is ever replaced.
        let _ = self.probes.set((probes, track));
    }

    /// Only these numbers are made here: there is more time for each.
    pub fn split(&self, part: Part) {
        let _ = self.part.set(part);
    }

    /// A slot's picture is given to it.
    pub fn given(&self, slot: Slot) {
        self.probes.get().into_iter().for_each(|(probes, _)| probes.scaled(slot));
    }

    /// Its encoder made the packet of a slot.
    pub fn made(&self, slot: Slot) {
        self.probes.get().into_iter().for_each(|(probes, _)| probes.encoded(slot));
    }

    /// A GOP is complete.
    pub fn closed(&self, rendition: &Rendition, gop: GopId, stats: &Stats) {
        let allowed = rendition.grid.rate.period().times(i128::from(stats.units.max(1)) * i128::from(rendition.lanes.max(1))).to_duration();
        let allowed = self.part.get().map_or(allowed, |part| part.spread(allowed));
        let millionths = stats.busy.as_nanos() * 1_000_000 / allowed.as_nanos().max(1);
        let millionths = u64::try_from(millionths).unwrap_or(u64::MAX).min(1_000_000_000);
        self.effort.observe(millionths);
        self.newest.store(millionths / 1000, Relaxed);
        self.probes.get().into_iter().for_each(|(probes, track)| probes.done(track.0, gop));
    }

    /// The newest GOP has this mean quantizer, in hundredths.
    pub fn coded(&self, hundredths: u64) {
        self.quantizer.store(hundredths, Relaxed);
    }

    /// Mean quantizer of the newest GOP, in thousandths, where its encoder says it.
    pub fn quantizer(&self) -> Option<u64> {
        Some(self.quantizer.load(Relaxed) * 10).filter(|q| *q > 0)
    }

    /// Thousandths of the time that the newest GOP may take in which it was encoded; nothing before the first.
    pub fn newest(&self) -> Option<u64> {
        (self.effort.snapshot().count() > 0).then(|| self.newest.load(Relaxed))
    }
}

/// The quantizers of a GOP's pictures, as libav's encoders say them.
#[derive(Debug, Default)]
pub struct Quantizers {
    /// In libav's units, [`LAMBDA`] of which are one.
    sum: AtomicU64,
    pictures: AtomicU64,
}

/// libavutil's `FF_QP2LAMBDA`.
const LAMBDA: u64 = 118;

impl Quantizers {
    /// Of one packet: `AV_PKT_DATA_QUALITY_STATS`, of which the first four bytes are the quality, little endian.
    pub fn take(&self, stats: &[u8]) {
        let Some(quality) = stats.first_chunk::<4>() else { return };
        self.sum.fetch_add(u32::from_le_bytes(*quality).into(), Relaxed);
        self.pictures.fetch_add(1, Relaxed);
    }

    /// Their mean in hundredths, where there are any.
    pub fn mean(&self) -> Option<u64> {
        (self.sum.load(Relaxed) * 100).checked_div(self.pictures.load(Relaxed) * LAMBDA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_gop_is_held_against_its_time_on_all_lanes() {
        let rendition = crate::status::tests::plan().video.remove(0);
        assert_eq!((rendition.lanes, rendition.grid.gop_slots), (2, 50));
        let measured = Measured::default();
        assert_eq!(measured.newest(), None);
        measured.closed(&rendition, GopId(1), &Stats { units: 50, busy: Duration::from_secs(1), ..Stats::default() });
        assert_eq!(measured.newest(), Some(250));
        // One of three numbers, or two: as much more time for each.
        for (remainders, thousandths) in [(&[1][..], 250), (&[0, 2], 500), (&[0, 1, 2], 750)] {
            let shard = Measured::default();
            shard.split(Part::dealt(3, remainders));
            shard.closed(&rendition, GopId(1), &Stats { units: 50, busy: Duration::from_secs(3), ..Stats::default() });
            assert_eq!(shard.newest(), Some(thousandths), "{remainders:?} of 3");
        }
        measured.closed(&rendition, GopId(2), &Stats { units: 25, busy: Duration::from_secs(3), ..Stats::default() });
        assert_eq!((measured.quantizer(), Quantizers::default().mean()), (None, None));
        let quantizers = Quantizers::default();
        [&[236, 0, 0, 0, 1][..], &[98, 1, 0, 0], &[1]].iter().for_each(|stats| quantizers.take(stats));
        assert_eq!(quantizers.mean(), Some(250), "2 and 3; the last is none");
        assert_eq!((measured.newest(), measured.effort.snapshot().count(), measured.effort.snapshot().cumulative[10]), (Some(1500), 2, 1));
    }
}

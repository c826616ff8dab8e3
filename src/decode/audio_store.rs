//! The bounded store of compressed sound, from which each segment takes the packets around its slot.

use super::samples::Samples;
use ffmpeg_next::Packet;
use std::collections::VecDeque;
use std::sync::Arc;

/// A backward step of the stamps by more than this many seconds is a jump of the feed, not a packet out of order.
pub const JUMP_SECONDS: i64 = 1;

/// What lies before a hole of more than this many seconds is no run-up of what lies behind it: a worker that joined meanwhile does not have it.
const HOLE_SECONDS: i64 = 1;

/// How much the store holds; what is beyond is dropped, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Seconds of media; of a hole, one at most.
    pub seconds: i64,
    /// Bytes of packets.
    pub bytes: usize,
    /// Number of packets.
    pub packets: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { seconds: 60, bytes: 64 << 20, packets: 1 << 16 }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// Kept.
    Kept,
    /// It has no stamp; without one it has no place.
    Unstamped,
    /// It is stamped at or before its predecessor; left out.
    Overlap,
    /// Kept; its predecessor's stamp was a lone stray far ahead, and that one was left out.
    Stray,
}

/// Compressed packets in order of their stamps.
pub struct Store {
    limits: Limits,
    /// (numerator, denominator), both positive.
    time_base: (i64, i64),
    /// Stretches of rising stamps. A jump back in the feed opens a new one.
    stretches: VecDeque<Stretch>,
    bytes: usize,
    packets: usize,
    /// Whatever the feed has from this stamp on was heard.
    heard_from: Option<i64>,
    /// The next packet's stamps have nothing to do with those before.
    renewed: bool,
}

struct Stretch {
    packets: VecDeque<Stored>,
    /// Nothing of it was missed: the feed jumped here and we saw it.
    whole: bool,
    /// Stamp of its first packet.
    begun: i64,
    /// Ticks from its first packet to its last, holes aside: where the stamps jump forward, what is before the jump is not old.
    run: i64,
}

struct Stored {
    pts: i64,
    packet: Packet,
    /// How it is decoded.
    samples: Option<Arc<Samples>>,
}

/// Packets in a row that one decoder takes. Absent: nothing decodes them.
pub type Part<'a> = (Option<&'a Arc<Samples>>, Vec<&'a Packet>);

/// The packets of one segment.
#[derive(Default)]
pub struct Selection<'a> {
    /// Run-up first; more than one part where the sound became something else.
    pub parts: Vec<Part<'a>>,
    /// The run-up is all there.
    pub clean: bool,
    /// It is shorter than elsewhere, because there is a hole in it.
    pub behind_hole: bool,
}

impl Store {
    /// An empty store for stamps in `time_base` (numerator, denominator) seconds.
    pub fn new(time_base: (i32, i32), limits: Limits) -> Store {
        let time_base = (i64::from(time_base.0.max(1)), i64::from(time_base.1.max(1)));
        Store { limits, time_base, stretches: VecDeque::new(), bytes: 0, packets: 0, heard_from: None, renewed: false }
    }

    /// What the feed has from `stamp` on was heard: where nothing is here, it has nothing.
    pub fn heard_from(&mut self, stamp: i64) {
        self.heard_from = Some(self.heard_from.map_or(stamp, |before| before.min(stamp)));
    }

    /// What comes next is of another connection, whose stamps begin anew.
    pub fn renew(&mut self) {
        self.renewed = !self.stretches.is_empty();
        self.heard_from = None;
    }

    /// Takes a packet in, which `samples` decodes. Also says how many old ones were dropped for it.
    pub fn push(&mut self, packet: Packet, samples: Option<Arc<Samples>>) -> (Pushed, u64) {
        let Some(pts) = packet.pts() else { return (Pushed::Unstamped, 0) };
        let mut newest = self.stretches.back().map(|s| s.packets.iter().rev().map(|p| p.pts)).into_iter().flatten();
        let (last, before) = (newest.next(), newest.next());
        let mut pushed = Pushed::Kept;
        match last {
            Some(_) if std::mem::take(&mut self.renewed) => self.stretches.push_back(Stretch::new(false, pts)),
            Some(last) if pts > last => {}
            Some(last) if last.saturating_sub(pts) <= self.ticks(JUMP_SECONDS) => return (Pushed::Overlap, 0),
            Some(_) if before.is_some_and(|before| before < pts) => {
                self.forget_newest();
                pushed = Pushed::Stray;
            }
            _ => self.stretches.push_back(Stretch::new(last.is_some(), pts)),
        }
        self.bytes = self.bytes.saturating_add(packet.size());
        self.packets += 1;
        let hole = self.ticks(HOLE_SECONDS);
        if let Some(stretch) = self.stretches.back_mut() {
            stretch.run = stretch.run.saturating_add(stretch.packets.back().map_or(0, |last| pts.saturating_sub(last.pts).min(hole)));
            stretch.packets.push_back(Stored { pts, packet, samples });
        }
        (pushed, self.shrink())
    }

    fn forget_newest(&mut self) {
        let hole = self.ticks(HOLE_SECONDS);
        if let Some(stray) = self.stretches.back_mut().and_then(|s| s.pop_back(hole)) {
            self.bytes = self.bytes.saturating_sub(stray.packet.size());
            self.packets = self.packets.saturating_sub(1);
        }
    }

    fn ticks(&self, seconds: i64) -> i64 {
        seconds.saturating_mul(self.time_base.1) / self.time_base.0
    }

    fn shrink(&mut self) -> u64 {
        let mut dropped = 0;
        let span = self.ticks(self.limits.seconds);
        while self.bytes > self.limits.bytes || self.packets > self.limits.packets || self.stretches.back().is_some_and(|s| s.run > span) {
            // Where only the span is too long, older stretches go first: they are further back.
            if !self.pop() {
                break;
            }
            dropped += 1;
        }
        dropped
    }

    fn pop(&mut self) -> bool {
        let hole = self.ticks(HOLE_SECONDS);
        while let Some(stretch) = self.stretches.front_mut() {
            if let Some(old) = stretch.pop_front(hole) {
                stretch.whole = false;
                self.bytes = self.bytes.saturating_sub(old.packet.size());
                self.packets = self.packets.saturating_sub(1);
                return true;
            }
            self.stretches.pop_front();
        }
        false
    }

    /// Whether every packet of `start..end` (ticks) that the feed has is here, as far as stamps can tell: two lie beyond, because one may be a stray.
    /// `turned`: source time turns back in between, and what was before counts no more.
    pub fn complete(&self, start: i64, end: i64, turned: bool) -> bool {
        let newest = self.stretches.len().saturating_sub(1);
        match self.find(start, end) {
            Some(index) if index < newest && !(turned && index == 0) => true,
            _ => self.stretches.back().and_then(|s| s.packets.iter().nth_back(1)).is_some_and(|p| p.pts >= end),
        }
    }

    /// The stretch that has sound in `start..end`: the oldest, because what was served is freed.
    fn find(&self, start: i64, end: i64) -> Option<usize> {
        self.stretches.iter().position(|s| {
            let at = s.packets.partition_point(|p| p.pts < start);
            s.packets.get(at).is_some_and(|p| p.pts < end)
        })
    }

    /// The packets that cover `start..end` (ticks), with exactly as many before the one that covers `start` as its decoder needs, or `run_up` where it has none.
    pub fn select(&self, start: i64, end: i64, run_up: usize) -> Selection<'_> {
        let Some(stretch) = self.find(start, end).and_then(|i| self.stretches.get(i)) else {
            // A hole of the feed, where we were listening before it.
            let listening =
                self.heard_from.is_some_and(|heard| heard <= start) || self.stretches.iter().any(|s| s.packets.front().is_some_and(|p| p.pts < start));
            return Selection { parts: Vec::new(), clean: listening, behind_hole: false };
        };
        let after = stretch.packets.partition_point(|p| p.pts <= start);
        let stop = stretch.packets.partition_point(|p| p.pts < end);
        let covering = stretch.packets.get(after.saturating_sub(1)).and_then(|p| p.samples.as_ref());
        let first = after.checked_sub(1 + covering.map_or(run_up, |samples| samples.run_up()));
        let begin = first.unwrap_or(0);
        let hole = self.ticks(HOLE_SECONDS);
        // At most up to `start`: what reaches into the segment is no run-up.
        let stamp = |at: usize| stretch.packets.get(at).map_or(start, |p| p.pts.min(start));
        let behind_hole = (begin + 1..=after.min(stop)).rev().find(|&at| stamp(at).saturating_sub(stamp(at - 1)) > hole);
        let mut parts: Vec<Part<'_>> = Vec::new();
        for stored in stretch.packets.range(behind_hole.unwrap_or(begin)..stop) {
            match parts.last_mut().filter(|(samples, _)| samples.map(Arc::as_ptr) == stored.samples.as_ref().map(Arc::as_ptr)) {
                Some((_, packets)) => packets.push(&stored.packet),
                None => parts.push((stored.samples.as_ref(), vec![&stored.packet])),
            }
        }
        let begins = stretch.packets.front().is_some_and(|p| p.pts == stretch.begun);
        let behind_silence = begins && self.heard_from.is_some_and(|heard| stretch.begun.saturating_sub(heard) > hole);
        let behind = behind_hole.is_some();
        Selection { parts, behind_hole: behind, clean: first.is_some() || behind_hole.is_some() || behind_silence || stretch.whole }
    }

    /// Source time turns back here: where it was before, the sound of what is served from here on is not to be found, though stamps say so.
    pub fn turn_back(&mut self) {
        if self.stretches.len() > 1 {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(stretch) = self.stretches.pop_front() {
            self.packets = self.packets.saturating_sub(stretch.packets.len());
            self.bytes = stretch.packets.iter().fold(self.bytes, |sum, p| sum.saturating_sub(p.packet.size()));
        }
    }

    /// Frees what no later segment can need, once the one whose first sample is at `start` (ticks) is made: all but `keep` packets before it.
    pub fn free_before(&mut self, start: i64, end: i64, keep: usize) {
        let Some(index) = self.find(start, end) else { return };
        (0..index).for_each(|_| self.drop_oldest());
        let Some(stretch) = self.stretches.front() else { return };
        let spare = stretch.packets.partition_point(|p| p.pts <= start).saturating_sub(1 + keep);
        for _ in 0..spare {
            self.pop();
        }
    }
}

impl Stretch {
    fn new(whole: bool, begun: i64) -> Stretch {
        Stretch { packets: VecDeque::new(), whole, begun, run: 0 }
    }

    fn pop_front(&mut self, hole: i64) -> Option<Stored> {
        let first = self.packets.pop_front()?;
        let step = self.packets.front().map_or(self.run, |next| next.pts.saturating_sub(first.pts).min(hole));
        self.run -= step;
        Some(first)
    }

    fn pop_back(&mut self, hole: i64) -> Option<Stored> {
        let last = self.packets.pop_back()?;
        let step = self.packets.back().map_or(self.run, |before| last.pts.saturating_sub(before.pts).min(hole));
        self.run -= step;
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pts: i64) -> Packet {
        let mut packet = Packet::copy(&[0; 10]);
        packet.set_pts(Some(pts));
        packet
    }

    fn stamps(selection: &Selection<'_>) -> Vec<i64> {
        selection.parts.iter().flat_map(|(_, packets)| packets).filter_map(|p| p.pts()).collect()
    }

    #[test]
    fn takes_exactly_the_run_up_wherever_it_joined() {
        for joined in [0, 3, 5] {
            let mut store = Store::new((1, 1000), Limits::default());
            for n in joined..30 {
                assert_eq!(store.push(packet(n * 20), None), (Pushed::Kept, 0));
            }
            let selection = store.select(210, 290, 4);
            assert_eq!(stamps(&selection), (6..15).map(|n| n * 20).collect::<Vec<_>>());
            assert!(selection.clean);
            assert_eq!(store.select(120, 140, 4).clean, joined <= 2, "joined at {joined}");
        }
    }

    #[test]
    fn a_jump_back_opens_a_stretch() {
        let mut store = Store::new((1, 1000), Limits::default());
        for pts in [5000, 5020, 5040, 60, 80, 70, 100, 120] {
            store.push(packet(pts), None);
        }
        assert!(store.complete(60, 100, false));
        assert!(!store.complete(60, 120, false));
        let selection = store.select(60, 110, 4);
        assert_eq!(stamps(&selection), [60, 80, 100]);
        assert!(selection.clean, "nothing of the stretch was missed");
    }

    #[test]
    fn where_source_time_turns_back_the_same_stamps_are_another_sound() {
        let mut store = Store::new((1, 1000), Limits::default());
        for n in (0..200).chain(100..130) {
            store.push(packet(n * 20), None);
        }
        assert!(store.complete(2000, 2800, false) && !store.complete(2000, 2800, true), "it is still coming");
        for n in 130..150 {
            store.push(packet(n * 20), None);
        }
        assert!(store.complete(2000, 2800, true));
        assert_eq!((store.select(1000, 1100, 4).parts.len(), store.packets), (1, 250));
        store.turn_back();
        assert_eq!((store.select(1000, 1100, 4).parts.len(), store.packets, store.bytes), (0, 50, 500));
        store.turn_back();
        assert_eq!(store.packets, 50, "there is nothing else");
    }

    #[test]
    fn a_stray_stamp_costs_its_own_packet() {
        let mut store = Store::new((1, 1000), Limits::default());
        let pushed: Vec<Pushed> = [0, 20, 40, 9_000_000, 80, 100].into_iter().map(|pts| store.push(packet(pts), None).0).collect();
        assert_eq!(pushed[4], Pushed::Stray);
        assert!(!store.complete(40, 100, false));
        assert_eq!(stamps(&store.select(40, 100, 1)), [20, 40, 80]);
        assert_eq!((store.packets, store.bytes), (5, 50));
    }

    #[test]
    fn silence_is_clean_only_in_a_hole_that_we_saw_begin() {
        let mut store = Store::new((1, 1000), Limits::default());
        for pts in [1000, 1020, 1040, 5000, 5020] {
            store.push(packet(pts), None);
        }
        let found = [(0, 900), (2000, 4000)]
            .map(|(start, end)| (store.complete(start, end, false), stamps(&store.select(start, end, 1)).len(), store.select(start, end, 1).clean));
        assert_eq!(found, [(true, 0, false), (true, 0, true)]);
    }

    #[test]
    fn what_lies_before_a_hole_is_no_run_up_of_what_lies_behind_it() {
        let (mut stayed, mut joined) = (Store::new((1, 1000), Limits::default()), Store::new((1, 1000), Limits::default()));
        for n in 0..10 {
            stayed.push(packet(n * 20), None);
        }
        for n in 300..330 {
            stayed.push(packet(n * 20), None);
            joined.push(packet(n * 20), None);
        }
        assert!(!joined.select(6000, 6100, 4).clean && !joined.select(2000, 2100, 4).clean, "it may have missed something");
        joined.heard_from(1900);
        for (start, end) in [(5900, 6100), (6000, 6100), (6010, 6100), (6100, 6200), (2000, 2100)] {
            let (a, b) = (stayed.select(start, end, 4), joined.select(start, end, 4));
            assert_eq!((stamps(&a), a.clean), (stamps(&b), b.clean), "{start}");
            assert!(a.clean && stamps(&a).iter().all(|&pts| pts >= 6000), "{start}");
        }
    }

    #[test]
    fn drops_the_oldest_beyond_its_limits() {
        let mut store = Store::new((1, 1000), Limits { seconds: 1, bytes: 1 << 20, packets: 1000 });
        let dropped: u64 = (0..100).map(|n| store.push(packet(n * 20), None).1).sum();
        assert_eq!(dropped, 49);
        let mut store = Store::new((1, 1000), Limits { seconds: 60, bytes: 100, packets: 1000 });
        let dropped: u64 = (0..100).map(|n| store.push(packet(n * 20), None).1).sum();
        assert_eq!(dropped, 90);
    }

    #[test]
    fn a_jump_forward_makes_nothing_old() {
        let mut store = Store::new((1, 1000), Limits { seconds: 2, ..Limits::default() });
        let dropped: u64 = (0..20).chain(180_000..180_010).map(|n| store.push(packet(n * 20), None).1).sum();
        assert_eq!(dropped, 0);
        assert_eq!(stamps(&store.select(0, 400, 0)), (0..20).map(|n| n * 20).collect::<Vec<_>>());
        // A second of it is the hole: what was before goes with time.
        let dropped: u64 = (180_010..180_051).map(|n| store.push(packet(n * 20), None).1).sum();
        assert_eq!(dropped, 19);
    }

    #[test]
    fn frees_what_was_served() {
        let mut store = Store::new((1, 1000), Limits::default());
        for n in 0..100 {
            store.push(packet(n * 20), None);
        }
        store.free_before(1000, 1200, 8);
        assert_eq!((store.packets, store.bytes), (58, 580));
        assert!(store.select(1000, 1200, 8).clean);
        assert!(!store.select(1000, 1200, 9).clean);
    }
}

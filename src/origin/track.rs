//! One track: what came for each number and is not decided yet, what was decided, and what is listed.

use super::choose::{Decision, decide};
use super::counts::{Counts, TrackCounts};
use super::judge::Candidate;
use super::relay::{Piece, Relay};
use crate::inspect::InitFacts;
use crate::mux::describe::Described;
use crate::mux::iframes::{IFrames, Place};
use crate::mux::listing::{Entry, Listing};
use crate::mux::parts::Parts;
use crate::time::{GopId, Grid, Seconds};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Numbers whose hash is remembered, to tell what comes again from what is other.
const REMEMBERED: usize = 256;
/// Most numbers that wait on a track. They wait for one before them at most as long as the patience is.
pub const MAX_WAITING: usize = 64;
/// A pipeline that sent nothing for so many segments is not waited for.
const ALIVE: i128 = 3;

/// A track.
#[derive(Debug)]
pub struct Track {
    /// Its name.
    pub name: String,
    /// Its initialisation segment …
    pub init: Bytes,
    /// … and what that says.
    pub facts: InitFacts,
    /// As playlists describe it, from its first segment on.
    pub shown: Option<Shown>,
    /// What each pipeline did, by its place in the order.
    pub senders: Vec<Sender>,
    /// Counts.
    pub counts: TrackCounts,
    /// The number that the event ends with here.
    pub ended: Option<GopId>,
    waiting: BTreeMap<GopId, Waiting>,
    /// What is out of the segment that comes.
    pub relay: Option<Relay>,
    /// The hash of what was published; none of a gap.
    decided: BTreeMap<GopId, Option<[u8; 32]>>,
    /// When the last number was decided.
    at: Option<Seconds>,
}

/// What playlists need.
#[derive(Debug)]
pub struct Shown {
    /// The description.
    pub described: Described,
    /// Numbers.
    pub listing: Listing,
    /// Parts of the last segments, where the event has any.
    pub parts: Parts,
    /// The first picture of each segment of AVC or HEVC that is listed.
    pub iframes: IFrames,
}

/// A pipeline on a track.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// Counts.
    pub counts: Counts,
    /// Its initialisation segment is another one.
    pub other_init: bool,
    /// When something of it came last.
    pub heard: Option<Seconds>,
    /// The last whole segment of it had neither filler nor defects: its next one may be handed out before it is whole.
    pub sound: bool,
}

#[derive(Debug)]
struct Waiting {
    candidates: Vec<Candidate>,
    /// Pipelines that have sent theirs, be it as good as any or not.
    sent: Vec<usize>,
    first: Seconds,
}

/// What is to be done next on a track.
#[derive(Debug)]
pub enum Step {
    /// This one is published. The instant is when that became possible.
    Publish(GopId, Box<Candidate>, Seconds),
    /// Numbers from the first up to before the second will not come.
    Gap(GopId, GopId),
    /// Nothing before this instant, if there is one.
    Wait(Option<Seconds>),
}

/// What a track goes by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The grid.
    pub grid: Grid,
    /// Number k is due at the end of its slot plus this.
    pub publish_delay: Seconds,
    /// How long a number is waited for after it was due and overtaken.
    pub patience: Seconds,
}

impl Rules {
    /// When `number` is due.
    pub fn due(&self, number: GopId) -> Seconds {
        self.grid.gop_time(number.next()) + self.publish_delay
    }
}

impl Track {
    /// One of which nothing but the initialisation segment is here.
    pub fn new(name: &str, init: Bytes, facts: InitFacts, pipelines: usize) -> Track {
        Track {
            name: name.to_owned(),
            init,
            facts,
            shown: None,
            senders: vec![Sender::default(); pipelines],
            counts: TrackCounts::default(),
            ended: None,
            waiting: BTreeMap::new(),
            relay: None,
            decided: BTreeMap::new(),
            at: None,
        }
    }

    /// What was decided of a number: nothing yet, a gap, or the hash of what is published.
    pub fn verdict(&self, number: GopId) -> Option<Option<[u8; 32]>> {
        self.decided.get(&number).copied()
    }

    /// The last number that is listed.
    pub fn last(&self) -> Option<GopId> {
        self.shown.as_ref().and_then(|shown| shown.listing.last())
    }

    /// The newest number that is here, listed or not.
    pub fn newest(&self) -> Option<GopId> {
        self.waiting.last_key_value().map(|(number, _)| *number).max(self.last())
    }

    /// Numbers that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the pipeline sent something of late.
    pub fn is_alive(&self, pipeline: usize, segment: Seconds, now: Seconds) -> bool {
        self.senders.get(pipeline).and_then(|s| s.heard).is_some_and(|heard| now <= heard + segment.times(ALIVE))
    }

    /// Takes a candidate for a number that is not decided. Whether its bytes wait here already.
    pub fn add(&mut self, number: GopId, candidate: Candidate, now: Seconds) -> bool {
        self.senders[candidate.merit.pipeline].sound = candidate.merit.is_clean();
        let waiting = self.waiting.entry(number).or_insert_with(|| Waiting { candidates: Vec::new(), sent: Vec::new(), first: now });
        waiting.sent.push(candidate.merit.pipeline);
        let same = waiting.candidates.iter_mut().find(|c| c.verdict.hash == candidate.verdict.hash);
        if let Some(same) = same {
            if candidate.merit < same.merit {
                same.merit = candidate.merit;
            }
            return true;
        }
        // One of a pipeline, the last: it sends the same again, or knows better.
        waiting.candidates.retain(|c| c.merit.pipeline != candidate.merit.pipeline);
        waiting.candidates.push(candidate);
        false
    }

    /// Forgets what waits of a pipeline for the numbers that `hidden` names. How many.
    pub fn hide(&mut self, pipeline: usize, hidden: impl Fn(GopId) -> bool) -> u64 {
        let mut count = 0;
        for (number, waiting) in &mut self.waiting {
            if hidden(*number) {
                let before = waiting.candidates.len();
                waiting.candidates.retain(|c| c.merit.pipeline != pipeline);
                count += (before - waiting.candidates.len()) as u64;
            }
        }
        self.waiting.retain(|_, waiting| !waiting.candidates.is_empty());
        count
    }

    /// What is to be done at `now`. `overtaken` says since when a number is behind what came on any track; `expected` whether a pipeline may still send its own of a number.
    pub fn step(&mut self, rules: &Rules, now: Seconds, overtaken: impl Fn(GopId) -> Option<Seconds>, expected: impl Fn(usize, GopId) -> bool) -> Step {
        let segment = rules.grid.gop_duration();
        let Some(next) = self.last().map(GopId::next).or_else(|| self.waiting.first_key_value().map(|(n, _)| *n)) else { return Step::Wait(None) };
        // Numbers that were given up while they waited for others.
        self.waiting = self.waiting.split_off(&next);
        self.relay = self.relay.take().filter(|relay| relay.number >= next);
        if self.relay.as_ref().is_some_and(|relay| relay.number == next && relay.out() > 0) {
            return self.relayed(next, rules, now, overtaken(next), expected);
        }
        let Some(waiting) = self.waiting.get(&next) else { return self.missing(next, rules, now, overtaken(next)) };
        let merits: Vec<_> = waiting.candidates.iter().map(|c| c.merit).collect();
        let others = (0..self.senders.len()).any(|p| !waiting.sent.contains(&p) && self.is_alive(p, segment, now) && expected(p, next));
        match decide(&merits, others, waiting.first, rules.due(next), segment, now) {
            Decision::Wait(until) => Step::Wait(Some(until)),
            Decision::Take(place) => {
                let Some(mut waiting) = self.waiting.remove(&next) else { return Step::Wait(None) };
                let chosen = waiting.candidates.swap_remove(place);
                for other in waiting.candidates {
                    let counts = &mut self.senders[other.merit.pipeline].counts;
                    if other.merit.is_clean() { counts.differing += 1 } else { counts.passed_over += 1 }
                }
                // What it waited for on purpose does not count as time that publishing took.
                let waited = if chosen.merit.is_clean() || now < waiting.first + segment.over(4) { chosen.received } else { now };
                let ready = self.at.map_or(waited, |at| at.max(waited));
                Step::Publish(next, Box::new(chosen), ready)
            }
        }
    }

    /// Of a segment that is out in part, only what begins with that can be published.
    fn relayed(&mut self, next: GopId, rules: &Rules, now: Seconds, overtaken: Option<Seconds>, expected: impl Fn(usize, GopId) -> bool) -> Step {
        let Some(relay) = &self.relay else { return Step::Wait(None) };
        let candidates = self.waiting.get(&next).map_or(&[][..], |w| &w.candidates);
        let fits = (0..candidates.len()).filter(|&place| relay.is_begun_by(&candidates[place])).min_by_key(|&place| candidates[place].merit);
        if let (Some(place), Some(mut waiting)) = (fits, fits.and_then(|_| self.waiting.remove(&next))) {
            let chosen = waiting.candidates.swap_remove(place);
            waiting.candidates.iter().for_each(|other| self.senders[other.merit.pipeline].counts.differing += 1);
            let ready = self.at.map_or(chosen.received, |at| at.max(chosen.received));
            return Step::Publish(next, Box::new(chosen), ready);
        }
        let waiting = self.waiting.get(&next);
        let segment = rules.grid.gop_duration();
        let sent = |pipeline: usize| waiting.is_some_and(|w| w.sent.contains(&pipeline)) || (relay.orphan && relay.pipeline == pipeline);
        let others = (0..self.senders.len()).any(|p| !sent(p) && self.is_alive(p, segment, now) && expected(p, next));
        if relay.orphan && !others { Step::Gap(next, next.next()) } else { self.missing(next, rules, now, overtaken) }
    }

    /// A chunk of a segment that is not whole yet came. What of it can be handed out now.
    pub fn grow(&mut self, pipeline: usize, number: GopId, index: u32, bytes: Bytes) -> Option<Piece> {
        let shown = self.shown.as_ref()?;
        let sender = self.senders.get(pipeline)?;
        if shown.listing.last()?.next() != number || sender.other_init || self.waiting.contains_key(&number) {
            return None;
        }
        if index == 0 && sender.sound && self.relay.as_ref().is_none_or(|relay| relay.number != number || relay.out() == 0) {
            self.relay = Some(Relay::new(&shown.described, number, pipeline));
        }
        let relay = self.relay.as_mut().filter(|r| r.number == number && r.pipeline == pipeline && !r.orphan && r.out() == index)?;
        match relay.take(&self.facts, bytes) {
            Ok(piece) => Some(piece),
            Err(why) => {
                tracing::warn!(track = self.name, segment = number.0, chunk = index, "a chunk is not handed out: {why}");
                self.give_up(pipeline, number);
                None
            }
        }
    }

    /// No more chunks of this segment come from that pipeline.
    pub fn give_up(&mut self, pipeline: usize, number: GopId) {
        if let Some(relay) = self.relay.as_mut().filter(|r| r.number == number && r.pipeline == pipeline) {
            relay.orphan = true;
        }
    }

    fn missing(&self, next: GopId, rules: &Rules, now: Seconds, overtaken: Option<Seconds>) -> Step {
        let Some(overtaken) = overtaken else { return Step::Wait(None) };
        let lost = rules.due(next).max(overtaken) + rules.patience;
        let here = self.waiting.first_key_value().map(|(number, _)| *number);
        if now < lost && self.waiting.len() <= MAX_WAITING {
            return Step::Wait(Some(lost));
        }
        // Of a long hole all but its end at once; the rest one by one, as each is due.
        let far = here.map_or(0, |here| here.0 - next.0 - MAX_WAITING as i64).max(1);
        Step::Gap(next, GopId(next.0 + far))
    }

    /// Takes note that this is published. Numbers that leave.
    pub fn published(&mut self, number: GopId, candidate: &Candidate, now: Seconds) -> Vec<GopId> {
        let Some(shown) = &mut self.shown else { return Vec::new() };
        let leave = shown.listing.push(Entry { number, start: candidate.start, duration: candidate.duration, gap: false });
        shown.iframes.keep_from(shown.listing.entries().front().map(|entry| entry.number));
        shown.iframes.insert(number, Place::read(&candidate.bytes));
        self.counts.published += 1;
        self.counts.bytes += candidate.bytes.len() as u64;
        self.counts.marked += u64::from(!candidate.merit.is_clean());
        self.senders[candidate.merit.pipeline].counts.chosen += 1;
        self.ended = candidate.last.then_some(number);
        self.decide(number, Some(candidate.verdict.hash), now);
        leave
    }

    /// Takes note that these will not come. Numbers that leave.
    pub fn gap(&mut self, from: GopId, to: GopId, now: Seconds) -> Vec<GopId> {
        let Some(shown) = &mut self.shown else { return Vec::new() };
        let spec = shown.described.spec.clone();
        let entry = |number: GopId| Entry { number, start: spec.time(spec.first_unit(number)), duration: spec.span(spec.units(number)), gap: true };
        let leave = shown.listing.gap(from, to, entry);
        // A hole too long to be listed leaves an empty list: the next number is the first one again.
        self.counts.gaps += from.0.abs_diff(to.0);
        for number in to.0.saturating_sub(REMEMBERED as i64).max(from.0)..to.0 {
            self.decide(GopId(number), None, now);
        }
        leave
    }

    fn decide(&mut self, number: GopId, hash: Option<[u8; 32]>, now: Seconds) {
        self.decided.insert(number, hash);
        while self.decided.len() > REMEMBERED {
            self.decided.pop_first();
        }
        self.at = Some(now);
        self.counts.last = Some(number.0);
    }
}

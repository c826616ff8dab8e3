//! The audio thread: stores compressed sound and cuts one segment of samples for each GOP that frame sync reports.
//!
//! It always takes packets as they come, so that capture never waits for it while it waits for a cue. A segment depends only on the packets around its slot and on its cue, never on when they came.

use crate::capture::{StreamInfo, Unit};
use crate::decode::audio_store::{JUMP_SECONDS, Limits, Pushed, Selection, Store};
use crate::decode::place::offset_ticks;
use crate::decode::samples::{self, AudioError, Rendered, Samples, Window};
use crate::frame::{AudioCue, End, Flow, PcmSegment, Sounding};
use crate::plan::SAMPLE_RATE;
use crate::stop::Stop;
use crate::time::{AudioGrid, GopId, Seconds, Slot};
use crossbeam::channel::{Receiver, Sender, after, never, select};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Video may be this many seconds of media ahead of the sound before what is missing counts as silence.
const PATIENCE: i64 = 10;
/// The same of a live feed, whose players wait.
const LIVE_PATIENCE: i64 = 4;

/// Audio frames beyond the last wanted sample that must be there too: resampling looks ahead.
const AHEAD: i64 = 1;

/// Packets before those whose sound counts, where nothing says how many their decoder needs.
const RUN_UP: usize = 16;

/// Packets kept before the run-up of the segment just made, should the next cue's offset be a little less.
const KEEP: usize = 16;

/// How segments are cut; the same for every rung.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// The grid.
    pub grid: AudioGrid,
    /// Audio frames before the first published one.
    pub lead: u32,
    /// Audio frames after the last published one.
    pub tail: u32,
    /// The same of a part that another follows: as far as encoders look ahead.
    pub ahead: u32,
}

/// Raises the stop flag once no sound needs the source any more. Clones share it.
#[derive(Clone)]
pub struct Over {
    left: Arc<AtomicUsize>,
    stop: Stop,
}

impl Over {
    /// For so many sounds.
    pub fn new(sounds: usize, stop: &Stop) -> Over {
        Over { left: Arc::new(AtomicUsize::new(sounds)), stop: stop.clone() }
    }

    /// One of them has all that it needs. To be said once by each.
    pub fn done(&self) {
        if self.left.fetch_sub(1, Relaxed) <= 1 {
            self.stop.raise();
        }
    }
}

/// The queue of one audio rung.
#[derive(Clone)]
pub struct Rung {
    /// Channels that it wants: 1, 2 or 6.
    pub channels: u32,
    /// Bounded. When full the audio thread waits, and with it, in the end, capture: nothing is lost here.
    pub tx: Sender<Flow<PcmSegment>>,
}

/// What happened so far. Counters only rise.
#[derive(Debug, Default)]
pub struct Counts {
    /// Packets taken in.
    pub packets: AtomicU64,
    /// Packets without a stamp, not used.
    pub unstamped: AtomicU64,
    /// Packets stamped at or before their predecessor, or alone far ahead, not used.
    pub overlapping: AtomicU64,
    /// Packets that the full store dropped before any segment used them.
    pub dropped: AtomicU64,
    /// Packets or frames that did not decode, or are out of bounds.
    pub faults: AtomicU64,
    /// Segments made.
    pub segments: AtomicU64,
    /// Segments without the whole run-up.
    pub unclean: AtomicU64,
    /// Segments made before their sound was complete, because video was too far ahead.
    pub impatient: AtomicU64,
    /// Published samples that the feed did not have.
    pub silent_samples: AtomicU64,
}

/// The audio stage of one stream.
pub struct Audio {
    /// What the sound is now; absent before the first packet.
    stream: Option<Arc<StreamInfo>>,
    /// What decodes it; absent where nothing does, or until its stream has come.
    samples: Option<Arc<Samples>>,
    cut: Cut,
    patience: Seconds,
    time_base: (i32, i32),
    store: Store,
    waiting: VecDeque<AudioCue>,
    /// The first cue comes long enough after the first packet of the feed that all sound of its segment was heard, if there is any.
    hears: bool,
    /// A segment with its whole run-up was made: we are no joiner any more.
    joined: bool,
    /// Packets say for sure whether parts of them are missing, and not only by the demuxer's flag.
    exact: bool,
    /// The event is over, and the rest of its sound did not come in time.
    gave_up: bool,
    /// The segment of which parts are handed on.
    begun: Option<Begun>,
    /// What was added to source times last.
    offset: Option<Seconds>,
    counts: Arc<Counts>,
}

/// A segment of which parts are handed on.
#[derive(Clone, Copy)]
struct Begun {
    gop: GopId,
    /// Frames handed on, run-up included.
    handed: u32,
    /// Published frames among those that count as heard or silent already.
    frames: u32,
    silent_samples: u64,
    damaged: u32,
    clean: bool,
    joined: bool,
    /// Stamps from here on move nothing.
    settled: Option<i64>,
}

/// A part of a segment's sound that is moved alike, and the packets that it is made of; or one that is silent, where source time was moved.
struct Stretch {
    window: Window,
    ticks: Option<Range<i64>>,
    silent: bool,
}

/// Where a segment's sound is.
struct Span {
    first_frame: i64,
    frames: u32,
    window: Window,
    /// Packets that are needed, in ticks of source time, run-up aside. Absent where the offset puts them beyond all stamps: silence.
    ticks: Option<Range<i64>>,
}

impl Audio {
    /// Opens a decoder once, to see that it works. Call it before the thread starts.
    pub fn open(stream: &StreamInfo, cut: Cut, counts: Arc<Counts>) -> Result<Audio, AudioError> {
        Ok(Audio { samples: Some(Arc::new(Samples::open(stream)?)), ..Audio::awaiting(stream.time_base, cut, counts) })
    }

    /// For a sound whose stream is not there yet: silence until it comes. Its stamps are counted in `time_base`.
    pub fn awaiting(time_base: (i32, i32), cut: Cut, counts: Arc<Counts>) -> Audio {
        let limits = Limits::default();
        let gops = cut.grid.video.gop_duration().times(2).ceil_ticks(1);
        let store = Store::new(time_base, Limits { seconds: limits.seconds.saturating_add(gops), ..limits });
        Audio {
            stream: None,
            samples: None,
            cut,
            patience: Seconds::whole(PATIENCE),
            time_base,
            store,
            waiting: VecDeque::new(),
            hears: false,
            joined: false,
            exact: false,
            gave_up: false,
            begun: None,
            offset: None,
            counts,
        }
    }

    /// The first cue is at least a run-up after the first picture: what has not come by then, and is not stamped later, the feed does not have. A sound that is away then is
    /// silence from the first segment on, as it is in a worker that was there before; without this, its track would begin where it comes back.
    pub fn behind_run_up(self) -> Audio {
        Audio { hears: true, ..self }
    }

    /// Runs until both flows have ended. Sends every rung one segment a cue, in order, and the end that the cues came to; a rung that is gone is left out.
    ///
    /// Where the event ends before its source does (`--duration`), this stage is the last to need the source: it says so to `over` when it has what it needs,
    /// or `grace` after the event was over, which a live feed has, and which makes it less patient with missing sound.
    pub fn run(
        mut self,
        packets: Receiver<Flow<Unit>>,
        cues: Receiver<Flow<AudioCue>>,
        mut rungs: Vec<Rung>,
        over: &Over,
        grace: Option<Duration>,
    ) -> Result<(), AudioError> {
        if grace.is_some() {
            self.patience = Seconds::whole(LIVE_PATIENCE);
        }
        let (mut packets_end, mut cues_end) = (None::<End>, None::<End>);
        // When what is still missing will not be waited for any more.
        let mut patience = never();
        let (idle_packets, idle_cues) = (never(), never());
        let mut told = false;
        loop {
            while let Some(cue) = self.ready(if self.gave_up { Some(End::Ended) } else { packets_end }) {
                let segments = self.serve(&cue, &rungs, packets_end == Some(End::Ended));
                send(&mut rungs, segments);
            }
            if let Some(end) = cues_end
                && self.waiting.is_empty()
            {
                rungs.retain(|rung| rung.tx.send(Flow::End(end)).is_ok());
                rungs.clear();
                if !std::mem::replace(&mut told, true) {
                    over.done();
                }
                if packets_end.is_some() {
                    return Ok(());
                }
            }
            select! {
                recv(if packets_end.is_none() { &packets } else { &idle_packets }) -> item => packets_end = match item {
                    // Nobody needs them any more.
                    Err(_) if cues_end.is_some() && self.waiting.is_empty() => cues_end,
                    item => self.store(item.ok())?,
                },
                recv(if cues_end.is_none() { &cues } else { &idle_cues }) -> item => {
                    // Everything before this cue in the container is in the queue by now: take it all, so that what is missing is missing in the feed.
                    while packets_end.is_none() && let Ok(item) = packets.try_recv() {
                        packets_end = self.store(Some(item))?;
                    }
                    match item {
                        Ok(Flow::Item(cue)) => self.waiting.push_back(cue),
                        Ok(Flow::End(end)) => {
                            cues_end = Some(end);
                            patience = grace.map_or_else(never, after);
                        }
                        Err(_) => return Err(AudioError::Upstream("audio cues")),
                    }
                }
                recv(patience) -> _ => {
                    self.gave_up = true;
                    patience = never();
                }
            }
        }
    }

    /// Takes in one item; says which, at the end of the packets.
    fn store(&mut self, item: Option<Flow<Unit>>) -> Result<Option<End>, AudioError> {
        let unit = match item {
            Some(Flow::Item(unit)) => unit,
            Some(Flow::End(end)) => return Ok(Some(end)),
            None => return Err(AudioError::Upstream("audio packets")),
        };
        self.counts.packets.fetch_add(1, Relaxed);
        if !self.stream.as_ref().is_some_and(|stream| Arc::ptr_eq(stream, &unit.stream)) {
            self.follow(&unit.stream);
        }
        self.samples.iter().for_each(|samples| samples.learn(&unit.packet));
        let mut packet = unit.packet;
        if unit.stream.time_base != self.time_base {
            packet.rescale_ts(unit.stream.time_base, self.time_base);
        }
        self.exact |= unit.hurt;
        let (pushed, dropped) = self.store.push(packet, self.samples.clone());
        self.counts.unstamped.fetch_add(u64::from(pushed == Pushed::Unstamped), Relaxed);
        self.counts.overlapping.fetch_add(u64::from(matches!(pushed, Pushed::Overlap | Pushed::Stray)), Relaxed);
        self.counts.dropped.fetch_add(dropped, Relaxed);
        Ok(None)
    }

    /// The sound is of another stream from here on, which may be coded like the one before.
    fn follow(&mut self, stream: &Arc<StreamInfo>) {
        if self.stream.replace(Arc::clone(stream)).is_some_and(|before| before.session != stream.session) {
            self.store.renew();
        }
        if self.samples.as_ref().is_some_and(|samples| samples.fit(stream)) {
            return;
        }
        let opened = Samples::open(stream);
        self.samples = opened.map(Arc::new).map_err(|error| tracing::error!("{error}; it is silent until the feed brings something else")).ok();
    }

    /// The next cue, once its sound is complete or will not come. A worker that leaves makes no segment whose sound it does not have: its twin does.
    fn ready(&mut self, packets_end: Option<End>) -> Option<AudioCue> {
        let (front, newest) = (self.waiting.front()?, self.waiting.back()?);
        let complete = self.span(front).and_then(|span| span.ticks).is_none_or(|ticks| self.store.complete(ticks.start, ticks.end, self.turns(front)));
        match packets_end {
            _ if complete => {}
            Some(End::Ended) => {}
            Some(End::Leaving) => {
                self.waiting.clear();
                return None;
            }
            None => {
                let video = &self.cut.grid.video;
                if video.gop_time(newest.gop) - video.gop_time(front.gop) < self.patience {
                    return None;
                }
                self.counts.impatient.fetch_add(1, Relaxed);
            }
        }
        self.waiting.pop_front()
    }

    /// Whether source time turns back before the last sound of `cue`, by so much that the store has it in another stretch.
    fn turns(&self, cue: &AudioCue) -> bool {
        let last = cue.moved.iter().flatten().map(|part| part.offset).chain([cue.offset]);
        last.scan(self.offset, |before, offset| Some(turned(before.replace(offset), offset))).any(|turned| turned)
    }

    fn span(&self, cue: &AudioCue) -> Option<Span> {
        let Cut { grid, lead, tail, ahead } = self.cut;
        let tail = if cue.more { ahead } else { tail };
        let end = grid.video.gop_time(cue.gop) + grid.video.rate.period().times(i128::from(cue.slots));
        let first_frame = grid.first(cue.gop);
        let whole = cue.slots >= grid.video.gop_slots || cue.more;
        // The end of an event may leave less than one audio frame of its last GOP.
        let frames = (grid.frame_at_or_after(end) - first_frame).max(if whole { 0 } else { 1 });
        let frame = i64::from(grid.frame);
        let first = (first_frame - i64::from(lead)) * frame;
        let total = (i64::from(lead) + frames + i64::from(tail)) * frame;
        Some(Span {
            first_frame,
            frames: u32::try_from(frames).ok()?,
            window: Window { first, samples: usize::try_from(total).ok()?, offset: cue.offset, settled: None },
            ticks: self.ticks(first, cue.offset).zip(self.ticks(first + total + AHEAD * frame, cue.offset)).map(|(a, b)| a..b.saturating_add(1)),
        })
    }

    /// The last tick of source time that is not after output sample `sample`.
    fn ticks(&self, sample: i64, offset: Seconds) -> Option<i64> {
        let (num, den) = (i128::from(self.time_base.0.max(1)), i128::from(self.time_base.1.max(1)));
        let in_source = i128::from(sample) - offset_ticks(offset, u64::from(SAMPLE_RATE))?;
        i64::try_from((in_source * den).div_euclid(i128::from(SAMPLE_RATE) * num)).ok()
    }

    /// The window in one piece, or in those that are heard where source time was moved within it, each with what is added there, and the silence between them.
    fn stretches(&self, cue: &AudioCue, span: &Span) -> Vec<Stretch> {
        let Window { first, samples, settled, .. } = span.window;
        let end = first + samples as i64;
        let Some(moved) = &cue.moved else { return vec![Stretch { window: span.window, ticks: span.ticks.clone(), silent: false }] };
        let grid = &self.cut.grid.video;
        let (opens, ends) = (grid.first(cue.gop), Slot(grid.first(cue.gop).0 + i64::from(cue.slots)));
        let window = |first: i64, end: i64, offset: Seconds| Window { first, samples: usize::try_from(end - first).unwrap_or(0), offset, settled };
        let silence = |first: i64, end: i64| Stretch { window: window(first, end, span.window.offset), ticks: None, silent: true };
        let (mut at, mut stretches) = (first, Vec::new());
        for Sounding { from, until, offset } in moved {
            let sample = |slot: Slot| grid.time(slot).ceil_ticks(SAMPLE_RATE).clamp(at, end);
            // Run-up and what follows the segment are moved like its edges.
            let from = if *from <= opens { at } else { sample(*from) };
            let until = if *until >= ends { end } else { sample(*until).max(from) };
            let after = until + AHEAD * i64::from(self.cut.grid.frame);
            let ticks = self.ticks(from, *offset).zip(self.ticks(after, *offset)).map(|(a, b)| a..b.saturating_add(1));
            stretches.extend((at < from).then(|| silence(at, from)));
            stretches.extend((from < until).then(|| Stretch { window: window(from, until, *offset), ticks, silent: false }));
            at = until;
        }
        stretches.extend((at < end).then(|| silence(at, end)));
        stretches
    }

    /// Makes the segment of `cue`, or the next part of it, once for each channel count among the rungs. `over`: the feed has ended.
    fn serve(&mut self, cue: &AudioCue, rungs: &[Rung], over: bool) -> Vec<(u32, PcmSegment)> {
        let Some(mut span) = self.span(cue) else { return Vec::new() };
        let begun = self.begun.take().filter(|begun| begun.gop == cue.gop);
        // What is handed on is handed on: a part's stamps decide where the sound of the whole segment is.
        let settled = begun.map_or_else(|| span.ticks.as_ref().filter(|_| cue.more).map(|ticks| ticks.end), |begun| begun.settled);
        span.window.settled = settled;
        let mut channels: Vec<u32> = rungs.iter().map(|rung| rung.channels).collect();
        channels.sort_unstable();
        channels.dedup();
        if let Some(ticks) = span.ticks.as_ref().filter(|_| self.hears && !cue.whole && begun.is_none()) {
            self.store.heard_from(ticks.start);
        }
        let stretches = self.stretches(cue, &span);
        let mut rendered: Option<Rendered> = None;
        let (mut clean, mut cold, mut corrupt, mut run_up) = (true, false, 0, None);
        for Stretch { window, ticks, silent } in &stretches {
            if !silent && ticks.is_some() && turned(self.offset.replace(window.offset), window.offset) {
                self.store.turn_back();
            }
            let Selection { parts, clean: whole, behind_hole } = match ticks {
                Some(ticks) => self.store.select(ticks.start, ticks.end, RUN_UP),
                None => Selection { clean: *silent, ..Selection::default() },
            };
            clean &= whole;
            // A hole that all workers see leaves all of them the same; one that only this one has is where its pictures were missing as well.
            cold |= behind_hole && cue.away;
            // Where half of them are flagged, the multiplexer is meant (see `damage.rs`).
            let packets = || parts.iter().flat_map(|(_, packets)| packets);
            let flagged = packets().filter(|packet| packet.is_corrupt()).count();
            corrupt += if self.exact || flagged * 2 < packets().count() { flagged as u64 } else { 0 };
            let made = samples::render(&parts, self.time_base, window, &channels);
            rendered = Some(match rendered {
                Some(before) => before.followed_by(made, window.first),
                None => made,
            });
            run_up = parts.iter().filter_map(|(samples, _)| samples.map(|samples| samples.run_up())).max().max(run_up);
        }
        let Some(rendered) = rendered else { return Vec::new() };
        let clean = begun.map_or(clean, |begun| begun.clean);
        self.joined |= begun.is_none() && (clean || cue.whole);
        let joined = begun.map_or(self.joined, |begun| begun.joined);
        if let Some(ticks) = stretches.iter().rev().find_map(|stretch| stretch.ticks.as_ref()).filter(|_| !cue.more) {
            self.store.free_before(ticks.start, ticks.end, run_up.unwrap_or(RUN_UP) + KEEP);
        }

        let frame = i64::from(self.cut.grid.frame);
        let (handed, counted, before) = begun.map_or((0, 0, 0), |begun| (begun.handed, begun.frames, begun.silent_samples));
        let published = (span.first_frame + i64::from(counted)) * frame..(span.first_frame + i64::from(span.frames)) * frame;
        let heard: i64 = rendered.covered.iter().map(|c| (c.end.min(published.end) - c.start.max(published.start)).max(0)).sum();
        let silent = (published.end - published.start - heard).unsigned_abs();
        let silent_samples = before + silent;
        self.counts.silent_samples.fetch_add(silent, Relaxed);
        if !cue.more {
            self.counts.segments.fetch_add(1, Relaxed);
            self.counts.unclean.fetch_add(u64::from(!clean), Relaxed);
            self.counts.faults.fetch_add(rendered.faults, Relaxed);
        }
        // What is missing before and after the published samples alters them, too; but not where the feed itself begins or ends.
        let window = span.window.first..span.window.first + span.window.samples as i64;
        let hole = has_hole(&rendered.covered, (clean || !cue.whole).then_some(window.start), (!over).then_some(window.end));
        // So does a decoder that was run up with less than elsewhere.
        cold |= !clean && joined && !cue.whole;
        let damaged = u32::try_from(rendered.faults + corrupt + u64::from((hole || cold) && silent_samples == 0)).unwrap_or(u32::MAX);
        let damaged = begun.map_or(damaged, |begun| begun.damaged.max(damaged));
        let tail = if cue.more { self.cut.ahead } else { self.cut.tail };
        let skipped = handed as usize * self.cut.grid.frame as usize;
        let segment = |planes: Vec<Vec<f32>>| PcmSegment {
            gop: cue.gop,
            first_frame: span.first_frame,
            frames: span.frames,
            from: handed,
            more: cue.more,
            lead: self.cut.lead,
            tail,
            planes: Arc::new(planes.into_iter().map(|mut plane| plane.split_off(skipped.min(plane.len()))).collect()),
            silent_samples,
            damaged,
            clean,
            joined,
            path: 0,
            last: cue.last,
        };
        if cue.more {
            let handed = self.cut.lead + span.frames + tail;
            self.begun = Some(Begun { gop: cue.gop, handed, frames: span.frames, silent_samples, damaged, clean, joined, settled });
        }
        channels.into_iter().zip(rendered.mixes).map(|(count, planes)| (count, segment(planes))).collect()
    }
}

/// Whether source time went back where `offset` is added to it after `before` was.
fn turned(before: Option<Seconds>, offset: Seconds) -> bool {
    before.is_some_and(|before| offset - before > Seconds::whole(JUMP_SECONDS))
}

/// Whether anything is missing between the samples that are there, or before them from `from` on, or after them up to `to`.
fn has_hole(covered: &[Range<i64>], from: Option<i64>, to: Option<i64>) -> bool {
    let (Some(first), Some(last)) = (covered.first(), covered.last()) else { return from.is_some() || to.is_some() };
    from.is_some_and(|from| first.start > from) || to.is_some_and(|to| last.end < to) || covered.windows(2).any(|pair| pair[0].end < pair[1].start)
}

fn send(rungs: &mut Vec<Rung>, segments: Vec<(u32, PcmSegment)>) {
    rungs.retain(|rung| {
        let segment = segments.iter().find(|(channels, _)| *channels == rung.channels);
        segment.is_none_or(|(_, segment)| rung.tx.send(Flow::Item(segment.clone())).is_ok())
    });
}

#[cfg(test)]
mod tests {
    use super::has_hole;

    #[test]
    fn a_hole_is_one_wherever_samples_are_wanted() {
        let whole = [0..100, 100..200];
        assert!(!has_hole(&whole, Some(0), Some(200)));
        assert!(has_hole(&whole, Some(-1), Some(200)) && has_hole(&whole, Some(0), Some(201)));
        assert!(!has_hole(&whole, None, None), "the feed begins and ends here");
        assert!(has_hole(&[0..100, 101..200], None, None));
        assert!(has_hole(&[], Some(0), None) && !has_hole(&[], None, None));
    }
}

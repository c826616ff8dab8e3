//! The capture thread: reads an input and fills the decoders' queues.

use super::{CaptureError, Input, Kind, Leading, Lost, Pacer, Read, Source, Unit};
use crate::frame::{End, Flow};
use crate::job::Pace;
use crate::stop::Stop;
use crossbeam::channel::{Sender, TrySendError, after, never, select};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What capture counts. Shared with the status page.
#[derive(Debug, Default)]
pub struct CaptureCounters {
    /// Video packets read.
    pub video: AtomicU64,
    /// Audio packets read.
    pub audio: AtomicU64,
    /// Bytes of both.
    pub bytes: AtomicU64,
    /// Packets that the demuxer flags as damaged (handed on all the same).
    pub corrupt: AtomicU64,
    /// Steps of a stream's DTS backwards, or forwards by more than two seconds.
    pub jumps: AtomicU64,
    /// Reads that failed.
    pub failed_reads: AtomicU64,
    /// Packets dropped because their stamps were beyond every sane range.
    pub bad_stamps: AtomicU64,
    /// Times that a chosen stream moved to another PID and was followed.
    pub moves: AtomicU64,
    /// Packets of streams that came in a chosen one's place and could not be used.
    pub strays: AtomicU64,
    /// What did not fit an input's own queue.
    pub overruns: AtomicU64,
    /// Connections lost.
    pub disconnects: AtomicU64,
    /// Connections opened again after a loss.
    pub reconnects: AtomicU64,
    /// Callers of a listening input that brought no media.
    pub callers: AtomicU64,
    /// Times that a chosen stream became something else: another codec, in the same place or on another PID.
    pub formats: AtomicU64,
    /// GOPs left out, whole or from some packet on, because the decoder was outrun (`live` only).
    pub shed_gops: AtomicU64,
    /// The video packets of those.
    pub shed_packets: AtomicU64,
    /// Audio packets left out because nobody took them (`live`; in `fast` only where audio lies thousands of packets ahead of video).
    pub shed_audio: AtomicU64,
}

impl CaptureCounters {
    fn lose(&self, lost: Lost) {
        let counter = match lost {
            Lost::Read => &self.failed_reads,
            Lost::Stamp => &self.bad_stamps,
            Lost::Moved => &self.moves,
            Lost::Stray => &self.strays,
            Lost::Overrun => &self.overruns,
            Lost::Connection => &self.disconnects,
            Lost::Outage => &self.reconnects,
            Lost::Callers(_) => &self.callers,
            Lost::Format => &self.formats,
        };
        counter.fetch_add(if let Lost::Callers(number) = lost { u64::from(number) } else { 1 }, Ordering::Relaxed);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// An opened input and how it is consumed.
pub struct Feed {
    input: Box<dyn Input>,
    /// Where packets are held back to their own rate.
    pacer: Option<Pacer>,
    /// Whether lateness sheds.
    sheds: bool,
    /// How many streams there are.
    streams: usize,
}

impl Feed {
    /// `live`: shedding, and paced unless the input delivers by its own clock. `fast`: neither.
    pub fn new(input: Box<dyn Input>, source: &Source, pace: Pace) -> Feed {
        let live = pace == Pace::Live;
        let pacer = if live { Pacer::new(source, input.delivery()) } else { None };
        Feed { input, pacer, sheds: live, streams: 1 + source.audio.len() }
    }
}

/// How long a full video queue holds up a `live` input inside a GOP before the rest of that GOP is left out.
const PATIENCE: Duration = Duration::from_millis(500);
/// Audio packets kept here while the audio queue is full, so that video never waits for audio (whose decoder waits for video).
const AUDIO_BACKLOG: usize = 8192;

/// How often audio gets its turn while video waits.
const AUDIO_TURN: Duration = Duration::from_millis(20);
/// How long a file whose audio lies that far ahead of its video holds up: then audio is dropped, since its reader may be waiting for the video behind it.
const AUDIO_PATIENCE: Duration = Duration::from_secs(10);

/// Reads until the end, a stop or a fatal error, and says which. [`Flow::End`] then lies in all queues, except after an error or where a queue's reader has gone.
///
/// In `fast` a full queue holds up the reading. In `live` whole GOPs of the source are left out: one that starts while the video queue is more than half full is not
/// sent at all; one during which the queue stays full for half a second loses its tail. The pictures that lead the next key picture go with it, since they refer to what is gone.
///
/// # Errors
/// [`CaptureError::Broken`] where nothing can follow.
pub fn run(feed: Feed, video: Sender<Flow<Unit>>, audio: Vec<Sender<Flow<Unit>>>, stop: &Stop, counters: &CaptureCounters) -> Result<End, CaptureError> {
    let Feed { mut input, mut pacer, sheds, streams } = feed;
    let sounds = audio.into_iter().map(|sender| Sound { sender: Some(sender), backlog: VecDeque::new() }).collect();
    let mut queues = Queues { video, sounds, sheds, shed: Shed::No, stop, counters };
    let mut jumps: Vec<Jump> = (0..streams).map(|_| Jump::default()).collect();
    let end = loop {
        let unit = match input.read()? {
            Read::Unit(unit) => unit,
            Read::Lost(lost) => {
                counters.lose(lost);
                continue;
            }
            Read::End => break End::Ended,
            Read::Stopped => break stop.how(),
        };
        count(if unit.kind == Kind::Video { &counters.video } else { &counters.audio });
        counters.bytes.fetch_add(unit.packet.size() as u64, Ordering::Relaxed);
        if unit.packet.is_corrupt() {
            count(&counters.corrupt);
        }
        let place = if let Kind::Audio(n) = unit.kind { n + 1 } else { 0 };
        if jumps.get_mut(place).is_some_and(|jump| jump.seen(&unit)) {
            count(&counters.jumps);
        }
        let unit = match &mut pacer {
            None => unit,
            Some(pacer) => {
                let now = Instant::now();
                let due = pacer.due(unit.kind, &unit.packet, now);
                if stop.wait(due.saturating_duration_since(now)) {
                    break stop.how();
                }
                Unit { arrival: crate::time::Seconds::host_now(), ..unit }
            }
        };
        match queues.put(unit) {
            Sent::Yes => {}
            Sent::Stopped => break stop.how(),
            Sent::NobodyThere => break End::Leaving,
        }
    };
    Ok(queues.close(end))
}

/// Watches one stream's DTS.
#[derive(Default)]
struct Jump {
    last: Option<i64>,
}

impl Jump {
    fn seen(&mut self, unit: &Unit) -> bool {
        let Some(dts) = unit.packet.dts() else { return false };
        let Some(last) = self.last.replace(dts) else { return false };
        let step = i128::from(dts) - i128::from(last);
        let (num, den) = unit.stream.time_base;
        step < 0 || step * i128::from(num) > 2 * i128::from(den)
    }
}

/// What is left out at the moment.
enum Shed {
    No,
    /// Everything until the next key packet.
    Gop,
    /// The packets that lead the key packet that ended it.
    Leading(Leading),
}

enum Sent {
    Yes,
    Stopped,
    NobodyThere,
}

/// The queue of one sound.
struct Sound {
    /// Absent once its reader has gone.
    sender: Option<Sender<Flow<Unit>>>,
    backlog: VecDeque<Unit>,
}

struct Queues<'a> {
    video: Sender<Flow<Unit>>,
    sounds: Vec<Sound>,
    sheds: bool,
    shed: Shed,
    stop: &'a Stop,
    counters: &'a CaptureCounters,
}

impl Queues<'_> {
    fn put(&mut self, unit: Unit) -> Sent {
        match unit.kind {
            Kind::Audio(n) => self.put_audio(n, unit),
            Kind::Video => self.put_video(unit),
        }
    }

    fn put_video(&mut self, unit: Unit) -> Sent {
        self.flush_audio();
        if self.sheds && self.is_shed(&unit) {
            count(&self.counters.shed_packets);
            return Sent::Yes;
        }
        match self.video.try_send(Flow::Item(unit)) {
            Ok(()) => Sent::Yes,
            Err(TrySendError::Disconnected(_)) => Sent::NobodyThere,
            Err(TrySendError::Full(item)) => self.wait_video(item),
        }
    }

    /// Waits for room, moving audio on meanwhile.
    fn wait_video(&mut self, item: Flow<Unit>) -> Sent {
        let patience = if self.sheds { after(PATIENCE) } else { never() };
        loop {
            let audio_turn = if self.sounds.iter().all(|sound| sound.backlog.is_empty()) { never() } else { after(AUDIO_TURN) };
            select! {
                send(self.video, item) -> sent => return if sent.is_ok() { Sent::Yes } else { Sent::NobodyThere },
                recv(self.stop.bell()) -> _ => return Sent::Stopped,
                recv(audio_turn) -> _ => self.flush_audio(),
                recv(patience) -> _ => {
                    self.shed = Shed::Gop;
                    count(&self.counters.shed_gops);
                    count(&self.counters.shed_packets);
                    return Sent::Yes;
                }
            }
        }
    }

    fn is_shed(&mut self, unit: &Unit) -> bool {
        let full = self.video.capacity().is_some_and(|c| self.video.len() > c / 2);
        if unit.packet.is_key() {
            if full {
                count(&self.counters.shed_gops);
                self.shed = Shed::Gop;
                return true;
            }
            self.shed = if matches!(self.shed, Shed::Gop) { Shed::Leading(Leading::of(&unit.packet, unit.stream.time_base)) } else { Shed::No };
            return false;
        }
        match &mut self.shed {
            Shed::No => false,
            Shed::Gop => true,
            Shed::Leading(leading) => leading.has(&unit.packet),
        }
    }

    fn put_audio(&mut self, n: usize, unit: Unit) -> Sent {
        let Some(sound) = self.sounds.get_mut(n).filter(|sound| sound.sender.is_some()) else { return Sent::Yes };
        sound.backlog.push_back(unit);
        sound.flush();
        if sound.backlog.len() <= AUDIO_BACKLOG {
            return Sent::Yes;
        }
        let (Some(sender), Some(unit)) = (&sound.sender, sound.backlog.pop_front()) else { return Sent::Yes };
        let patience = if self.sheds { Duration::ZERO } else { AUDIO_PATIENCE };
        select! {
            send(sender, Flow::Item(unit)) -> sent => if sent.is_err() { sound.sender = None },
            recv(self.stop.bell()) -> _ => return Sent::Stopped,
            recv(after(patience)) -> _ => count(&self.counters.shed_audio),
        }
        Sent::Yes
    }

    fn flush_audio(&mut self) {
        self.sounds.iter_mut().for_each(Sound::flush);
    }

    /// Ends all flows. Waits for the readers, who drain whatever comes; video first, since audio may wait for it.
    fn close(self, mut end: End) -> End {
        if self.video.send(Flow::End(end)).is_err() {
            end = End::Leaving;
        }
        for sound in self.sounds {
            sound.close(end, self.stop);
        }
        end
    }
}

impl Sound {
    /// Hands on as much of the backlog as fits. A reader that has gone is forgotten: the rest goes on.
    fn flush(&mut self) {
        while let (Some(sender), Some(unit)) = (&self.sender, self.backlog.pop_front()) {
            match sender.try_send(Flow::Item(unit)) {
                Ok(()) => {}
                Err(TrySendError::Full(Flow::Item(unit))) => return self.backlog.push_front(unit),
                Err(_) => {
                    self.sender = None;
                    self.backlog.clear();
                }
            }
        }
    }

    /// Every sound has a reader of its own, who waits for no other.
    fn close(self, end: End, stop: &Stop) {
        let Some(sender) = &self.sender else { return };
        for unit in self.backlog {
            if end == End::Leaving {
                break;
            }
            select! {
                send(sender, Flow::Item(unit)) -> sent => if sent.is_err() { return },
                recv(stop.bell()) -> _ => break,
            }
        }
        // A reader that has gone needs no end.
        let _ = sender.send(Flow::End(end));
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;

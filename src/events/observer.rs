//! What two looks at the status tell: a thread of its own looks four times a second, so that no stage has to tell of what it counts.

use super::{Kind, Note};
use crate::clock::Lock;
use crate::govern::Step;
use crate::status::{Snapshot, Status};
use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use std::convert::Infallible;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// So many looks without another one (ten seconds), and a spell of losses is over …
const QUIET: u32 = 40;

/// … or more, where segments are long: what befalls each GOP is counted once in one.
fn patience(now: &Snapshot) -> u32 {
    let look = i64::try_from(LOOK.as_millis()).unwrap_or(i64::MAX);
    u32::try_from(2 * now.segment_ms / look + 1).unwrap_or(QUIET).max(QUIET)
}

/// The thread. It ends, with a last look, when this is dropped.
pub struct Observer {
    running: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Looks at `status`, and tells its events.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn start(status: Arc<Status>) -> std::io::Result<Observer> {
        let (running, dropped) = bounded::<Infallible>(0);
        let watch = move || {
            let mut seen = Seen::default();
            loop {
                let over = matches!(dropped.recv_timeout(LOOK), Err(RecvTimeoutError::Disconnected));
                seen.look(&status.snapshot()).into_iter().for_each(|note| status.events.emit(note));
                if over {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("events".to_owned()).spawn(watch)?;
        Ok(Observer { running: Some(running), thread: Some(thread) })
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.running = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that watches for events panicked");
        }
    }
}

/// A count of faults that rises now and then: told when it begins to, and when it has not for a while, in which something went well.
#[derive(Debug, Default)]
struct Spell {
    count: u64,
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    /// What the count was before.
    before: u64,
    /// What had gone well when it last rose.
    well: u64,
    /// Looks since then.
    quiet: u32,
}

/// What a look at a count tells.
#[derive(PartialEq, Eq, Debug)]
enum Told {
    Nothing,
    /// So many so far.
    Begun(u64),
    /// So many in all.
    Ended(u64),
}

impl Spell {
    /// What a look tells. `well`: a count of what goes well where this does not; `patience`: looks.
    fn look(&mut self, count: u64, well: u64, patience: u32) -> Told {
        let more = count.saturating_sub(self.count);
        self.count = count;
        match &mut self.under_way {
            None if more > 0 => {
                self.under_way = Some(UnderWay { before: count - more, well, quiet: 0 });
                Told::Begun(more)
            }
            None => Told::Nothing,
            Some(spell) if more > 0 => {
                (spell.well, spell.quiet) = (well, 0);
                Told::Nothing
            }
            Some(spell) => {
                spell.quiet = spell.quiet.saturating_add(1);
                if spell.quiet < patience || spell.well == well {
                    return Told::Nothing;
                }
                let all = count.saturating_sub(spell.before);
                self.under_way = None;
                Told::Ended(all)
            }
        }
    }

    fn goes_on(&self) -> bool {
        self.under_way.is_some()
    }
}

/// What was seen of a rung.
#[derive(Debug, Default)]
struct Rung {
    late: Spell,
    retried: Spell,
    failed: Spell,
    unheld: Spell,
    /// GOPs that were made by another backend and that failed, before either began to be.
    before: (u64, u64),
    /// What the overload governor made of it.
    stepped: Step,
}

/// What was seen of the keys of a form.
#[derive(Debug, Default)]
struct Keys {
    missing: Spell,
    /// They are, or cannot be fetched.
    trouble: bool,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    last: Option<Snapshot>,
    shed: Spell,
    gaps: Spell,
    tracks: Vec<Rung>,
    conflicts: Spell,
    /// Of each output: given up.
    dropped: Vec<Spell>,
    keys: Vec<Keys>,
}

impl Seen {
    /// What is new since the last look.
    fn look(&mut self, now: &Snapshot) -> Vec<Note> {
        let mut notes = Vec::new();
        self.clock(now, &mut notes);
        self.input(now, &mut notes);
        self.rungs(now, &mut notes);
        self.outputs(now, &mut notes);
        self.last = Some(now.clone());
        notes
    }

    fn clock(&mut self, now: &Snapshot, notes: &mut Vec<Note>) {
        let lock = |s: &Snapshot| s.clock.as_ref().map(|clock| clock.lock);
        if let (Some(clock), true) = (&now.clock, lock(now) != self.last.as_ref().and_then(lock)) {
            let (kind, how) = match clock.lock {
                Lock::Locked => (Kind::ClockLocked, "locked"),
                Lock::Own => (Kind::ClockOwn, "this worker's own"),
                Lock::Lost => (Kind::ClockLost, "lost"),
            };
            notes.push(Note::new(kind, format!("{}: {how}", clock.reference)));
        }
        let anchors = |s: &Snapshot| s.source.anchors;
        // The first is that of the first picture.
        if self.last.as_ref().is_some_and(|last| anchors(last) > 0 && anchors(now) > anchors(last)) {
            notes.push(Note::new(Kind::ClockAnchored, format!("the feed's clock was tied to the grid anew, {} times in all", anchors(now) - 1)));
        }
    }

    fn input(&mut self, now: &Snapshot, notes: &mut Vec<Note>) {
        let last = self.last.as_ref();
        let (units, down) = (|s: &Snapshot| s.source.units > 0, |s: &Snapshot| s.source.disconnects > s.source.reconnects);
        if units(now) && !last.is_some_and(units) {
            notes.push(Note::new(Kind::InputUp, "the feed is there"));
        }
        let more = |of: fn(&Snapshot) -> u64| last.is_some_and(|last| of(now) > of(last));
        if more(|s| s.source.disconnects) {
            notes.push(Note::new(Kind::InputDown, format!("the connection is lost, {} times in all", now.source.disconnects)));
        }
        if more(|s| s.source.reconnects) && !down(now) {
            notes.push(Note::new(Kind::InputUp, format!("connected again, {} times in all", now.source.reconnects)));
        }
        if more(|s| s.source.changes) {
            notes.push(Note::new(Kind::InputChanged, "the video or the sound moved to another PID, or became something else"));
        }
        let paths = |s: &Snapshot| s.inputs.as_ref().map(|inputs| inputs.paths.iter().map(|path| (path.up, path.input.clone())).collect::<Vec<_>>());
        let (was, is) = (last.and_then(paths).unwrap_or_default(), paths(now).unwrap_or_default());
        for (place, (up, input)) in is.iter().enumerate() {
            match (was.get(place).map(|(up, _)| *up).unwrap_or(false), *up) {
                (false, true) => notes.push(Note::new(Kind::PathUp, format!("{input} brings the feed")).input(place)),
                (true, false) => notes.push(Note::new(Kind::PathDown, format!("{input} has brought nothing for a second")).input(place)),
                _ => {}
            }
        }
        if let Some(standby) = &now.standby {
            let before = last.and_then(|last| last.standby.as_ref()).map(|standby| &standby.switch);
            let active = before.map_or(0, |before| before.active);
            if standby.switch.active != active {
                notes.push(Note::new(Kind::FeedSwitched, format!("feed {} is shown", standby.switch.active + 1)).input(standby.switch.active.into()));
            }
            for (place, trouble) in standby.switch.trouble.iter().enumerate() {
                match (before.and_then(|before| before.trouble[place]), trouble) {
                    (was, Some(trouble)) if was != Some(*trouble) => {
                        notes.push(Note::new(Kind::FeedTroubled, format!("feed {}: {trouble:?}", place + 1).to_lowercase()).input(place));
                    }
                    (Some(_), None) => notes.push(Note::new(Kind::FeedWell, format!("feed {} is well", place + 1)).input(place)),
                    _ => {}
                }
            }
        }
        match self.shed.look(now.source.shed_gops, now.source.pictures, patience(now)) {
            Told::Begun(n) => notes.push(Note::new(Kind::GopsDropped, format!("decoding is late: {n} GOPs of the feed left out before it"))),
            Told::Ended(n) => notes.push(Note::new(Kind::GopsKept, format!("no more GOPs of the feed are left out; {n} were"))),
            Told::Nothing => {}
        }
    }

    fn rungs(&mut self, now: &Snapshot, notes: &mut Vec<Note>) {
        self.tracks.resize_with(now.tracks.len(), Default::default);
        let patience = patience(now);
        for (track, Rung { late, retried, failed, unheld, before, stepped }) in now.tracks.iter().zip(&mut self.tracks) {
            let name = track.facts.name.as_str();
            let mut tell = |kind: Kind, text: String| notes.push(Note::new(kind, text).track(name));
            let look = |spell: &mut Spell, count: u64| spell.look(count, track.segments, patience);
            match look(late, track.late) {
                Told::Begun(n) => tell(Kind::GopsDropped, format!("the rung is late: {n} GOPs left out")),
                Told::Ended(n) => tell(Kind::GopsKept, format!("the rung is in time; {n} GOPs were left out")),
                Told::Nothing => {}
            }
            // What another backend made counts as such; what is encoded again for its cap is no fault.
            let trouble = retried.goes_on() || failed.goes_on();
            if !trouble {
                *before = (retried.count, failed.count);
            }
            if let Told::Begun(n) = look(retried, track.fallbacks) {
                tell(Kind::RungRetried, format!("{n} GOPs made by another backend than the first"));
            }
            if let Told::Begun(n) = look(failed, track.failed) {
                tell(Kind::RungFailed, format!("{n} GOPs could not be encoded"));
            }
            if trouble && !retried.goes_on() && !failed.goes_on() {
                let (others, lost) = (track.fallbacks.saturating_sub(before.0), track.failed.saturating_sub(before.1));
                tell(Kind::RungRecovered, format!("the first backend makes all GOPs again; {others} were made by another one, and {lost} were lost"));
            }
            let step = track.overload.unwrap_or_default();
            match std::mem::replace(stepped, step) {
                before if before < step => tell(Kind::OverloadStep, format!("from {} to {}", before.name(), step.name())),
                before if before > step => tell(Kind::OverloadEased, format!("from {} to {}", before.name(), step.name())),
                _ => {}
            }
            if let Told::Begun(_) = look(unheld, track.unheld) {
                tell(Kind::FramesUnheld, "the frame budget is spent: GOPs cannot be encoded again".to_owned());
            }
        }
        if let Told::Begun(n) = self.gaps.look(now.published.gaps, now.published.segments, patience) {
            notes.push(Note::new(Kind::SegmentGap, format!("{n} segments will never come, and are listed as a gap")));
        }
    }

    fn outputs(&mut self, now: &Snapshot, notes: &mut Vec<Note>) {
        let (published, patience) = (now.published.segments, patience(now));
        self.dropped.resize_with(now.outputs.len(), Default::default);
        for (place, (output, dropped)) in now.outputs.iter().zip(&mut self.dropped).enumerate() {
            let before = self.last.as_ref().and_then(|last| last.outputs.get(place)).map_or("well", |before| before.state);
            if output.state != before {
                let error = output.last_error.as_deref().unwrap_or_default();
                notes.push(match output.state {
                    "well" => Note::new(Kind::OutputRecovered, format!("{} takes what it is given again", output.url)).output(place),
                    state => Note::new(Kind::OutputFailing, format!("{}: {state}: {error}", output.url)).output(place),
                });
            }
            if let Told::Begun(n) = dropped.look(output.dropped, published, patience) {
                notes.push(Note::new(Kind::OutputDropped, format!("{}: {n} segments given up", output.url)).output(place));
            }
        }
        if let Told::Begun(n) = self.conflicts.look(now.conflicts, published, patience) {
            notes.push(Note::new(Kind::OutputConflict, format!("{n} segments are there already with other bytes, and are kept")));
        }
        self.keys.resize_with(now.protection.len(), Default::default);
        for (keys, counts) in self.keys.iter_mut().zip(&now.protection) {
            keys.missing.look(counts.missing, published, patience);
            let trouble = counts.failing || keys.missing.goes_on();
            match (std::mem::replace(&mut keys.trouble, trouble), trouble) {
                (false, true) => notes.push(Note::new(
                    Kind::KeysFailing,
                    format!("{}: {} requests to the key server failed, {} segments have no key", counts.scheme, counts.failed, counts.missing),
                )),
                (true, false) => notes.push(Note::new(Kind::KeysRecovered, format!("{}: keys are there again", counts.scheme))),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
#[path = "observer_tests.rs"]
mod tests;

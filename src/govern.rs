//! The overload governor: what each rung may cost, GOP by GOP. A pure function of what waits at a GOP's edge, of what GOPs took, and of the processor time that nobody wanted.
//! What it decides deviates from the plan, and is marked on the segment.
//!
//! Where processors are short all rungs are late together, and steps are taken in one order for the whole ladder ([`Governor::order`]): faster operating points, the largest
//! rung first; half the pictures, where the ladder allows it; then the largest rungs are left out. Never the smallest, and never sound. Steps are taken back in reverse order,
//! as soon as the idle time of processors has room for what they cost. A rung that is late while processors are idle is late by itself, and is hurried alone.
//!
//! - `ladder`: the governor at work; `machine`: the processor time that is left; `rung`: what a rung's lanes and the governor tell each other

pub mod ladder;
pub mod machine;
mod rung;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use rung::Governed;

/// A lane that has so many thousandths of a GOP waiting when its next one opens is late: well before the GOP that would be left out.
const LATE: u64 = 350;
/// What waits for all lanes of a rung that needs just the time that it has: so many thousandths of a GOP more for each lane but one.
const BESIDE: u64 = 500;
/// And with no more than so many, all is well.
const CALM: u64 = 100;
/// Processors count as short where less than this part of them is idle: thousandths.
const SHORT: u64 = 100;
/// Of the time that is idle, this part may be filled again: thousandths.
const ROOM: u64 = 850;
/// What a hurried GOP costs of a planned one, and one with half its pictures of a hurried one, until it has been seen: thousandths.
const HURRIED: u64 = 600;
const HALVED: u64 = 650;
/// A rung never counts for more: thousandths of a processor.
const MOST: u64 = 1_000_000;
/// Of what a dearer step was seen to take, one part in so many is forgotten with every calm GOP: half of it in 180.
const FORGOTTEN: u64 = 256;
/// GOPs that a rung stays hurried that is late alone; twice as long each time it comes to nothing, up to the most.
const ALONE: u32 = 2;
const ALONE_MOST: u32 = 64;

/// What a rung is allowed to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// As planned.
    #[default]
    Full,
    /// At the fastest settings that its parameter sets allow.
    Hurried,
    /// Hurried, and every second picture is shown twice.
    Halved,
    /// Left out: its numbers are gaps.
    Paused,
}

impl Step {
    /// All of them, the dearest first.
    pub const ALL: [Step; 4] = [Step::Full, Step::Hurried, Step::Halved, Step::Paused];

    /// As the status and metrics say it.
    pub fn name(self) -> &'static str {
        ["full", "hurried", "halved", "paused"][self as usize]
    }
}

/// What the governor knows of a rung from the start.
#[derive(Clone, Copy, Debug)]
pub struct Rung {
    /// Its encoder has faster settings with the same parameter sets.
    pub may_hurry: bool,
    /// The ladder allows half its pictures.
    pub may_halve: bool,
    /// Thousandths of a processor that it takes as planned, as far as anybody knows.
    pub cost: u64,
    /// Pixels of its pictures.
    pub pixels: u64,
}

/// How a rung stands when a GOP opens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// What waits for the lane that gets the GOP, in thousandths of a GOP.
    pub waiting: u64,
    /// And for all lanes.
    pub backlog: u64,
    /// How many those are.
    pub lanes: u32,
    /// It is not made: disabled, or another shard's.
    pub idle: bool,
    /// This GOP of it is another shard's: how it stands is seen when its own open.
    pub elsewhere: bool,
    /// Of the newest GOP: how it was made, and the processor time that it took, in thousandths of its duration.
    pub took: Option<(Step, u64)>,
}

impl Load {
    /// What waits for all lanes where none is late.
    fn beside(&self) -> u64 {
        BESIDE * u64::from(self.lanes.saturating_sub(1))
    }
}

/// The state of all rungs.
#[derive(Debug)]
pub struct Governor {
    rungs: Vec<Known>,
    order: Vec<(usize, Step)>,
    /// Steps of `order` that are taken.
    depth: usize,
    /// Some were taken at the edge before: GOPs that had opened by then are still being made as they were.
    settling: bool,
    /// Thousandths of one processor that there are in all.
    processors: u64,
    /// The rung that is never left out: the smallest that is made.
    keeps: usize,
}

#[derive(Debug)]
struct Known {
    may_hurry: bool,
    /// Thousandths of a processor, by [`Step`].
    costs: [Option<u64>; 4],
    guess: u64,
    pixels: u64,
    /// What waited for the lane that got the GOP before, and for all.
    waited: u64,
    backlog: u64,
    /// It is not made.
    idle: bool,
    /// It was late while processors were idle, and is still: what it lacks is not their time.
    own: bool,
    /// Hurried for itself: for so many GOPs more.
    alone: Option<u32>,
    /// How long the next time.
    patience: u32,
}

impl Known {
    /// For the lane that is next, or soon for all lanes. What becomes less is being worked off.
    fn is_late(&self, load: &Load) -> bool {
        load.waiting >= LATE && load.waiting >= self.waited || load.backlog >= LATE + load.beside() && load.backlog > self.backlog
    }

    /// Thousandths of a processor that it takes so.
    fn cost(&self, step: Step) -> u64 {
        if self.idle {
            return 0;
        }
        let seen = self.costs[step as usize];
        seen.unwrap_or_else(|| match step {
            // From what has been seen hurried, where it has never been seen otherwise.
            Step::Full => self.costs[Step::Hurried as usize].map_or(self.guess, |hurried| self.guess.max(hurried * 1000 / HURRIED)),
            Step::Hurried => self.cost(Step::Full) * HURRIED / 1000,
            Step::Halved => self.cost(Step::Hurried) * HALVED / 1000,
            Step::Paused => 0,
        })
    }
}

impl Governor {
    /// For these rungs, the largest first, on so many processors. Nothing is stepped down.
    pub fn new(rungs: &[Rung], processors: u32) -> Governor {
        let hurry = rungs.iter().enumerate().filter(|(_, rung)| rung.may_hurry).map(|(place, _)| (place, Step::Hurried));
        let halve = rungs.iter().enumerate().filter(|(_, rung)| rung.may_halve).map(|(place, _)| (place, Step::Halved));
        let keeps = smallest(rungs.iter().map(|rung| rung.pixels).enumerate());
        let pause = (0..rungs.len()).filter(|place| *place != keeps).map(|place| (place, Step::Paused));
        let known = |rung: &Rung| Known {
            may_hurry: rung.may_hurry,
            costs: [None; 4],
            guess: rung.cost,
            pixels: rung.pixels,
            waited: 0,
            backlog: 0,
            idle: false,
            own: false,
            alone: None,
            patience: ALONE,
        };
        Governor {
            order: hurry.chain(halve).chain(pause).collect(),
            rungs: rungs.iter().map(known).collect(),
            depth: 0,
            settling: false,
            processors: u64::from(processors.max(1)) * 1000,
            keeps,
        }
    }

    /// The steps, in the order in which they are taken: a rung (its place) and what it becomes.
    pub fn order(&self) -> &[(usize, Step)] {
        &self.order
    }

    /// What a rung is now.
    pub fn step(&self, place: usize) -> Step {
        let shared = match self.of_order(place, self.depth) {
            // The smallest of all is disabled, and this one is what is left.
            Step::Paused if place == self.keeps => {
                self.order.iter().filter(|(of, step)| *of == place && *step < Step::Paused).map(|(_, step)| *step).max().unwrap_or_default()
            }
            shared => shared,
        };
        let alone = self.rungs.get(place).is_some_and(|rung| rung.alone.is_some());
        if alone { shared.max(Step::Hurried) } else { shared }
    }

    /// A GOP opens. `idle`: thousandths of a processor that nobody wanted since the one before; nothing where that is not known. `early`: the one before opened less than its duration ago,
    /// so that what waits came at once (a feed that begins, or comes in bursts) and says nothing of what rungs can do.
    pub fn edge(&mut self, loads: &[Load], idle: Option<u64>, early: bool) {
        for (rung, load) in self.rungs.iter_mut().zip(loads) {
            rung.idle = load.idle;
            if let Some((step, took)) = load.took {
                // At least what was seen last, else halfway there: contents change.
                let cost = &mut rung.costs[step as usize];
                let took = took.min(MOST);
                *cost = Some(cost.map_or(took, |before| took.max(before.midpoint(took))));
            }
        }
        let left = self.rungs.iter().enumerate().filter(|(_, rung)| !rung.idle).map(|(place, rung)| (place, rung.pixels));
        self.keeps = smallest(left);
        if loads.iter().all(|load| load.elsewhere || load.idle) {
            return;
        }
        let counts = |place: &usize| self.step(*place) != Step::Paused && !self.rungs[*place].own && !self.rungs[*place].idle;
        let made = || (0..self.rungs.len()).zip(loads).filter(|(place, load)| counts(place) && !load.elsewhere).map(|(place, load)| (&self.rungs[place], load));
        let late = !early && made().any(|(rung, load)| rung.is_late(load));
        let calm = made().all(|(_, load)| load.waiting <= CALM && load.backlog <= CALM + load.beside());
        let short = idle.is_none_or(|idle| idle.saturating_mul(1000) < self.processors * SHORT);
        let settling = std::mem::take(&mut self.settling);
        if late && short && !settling {
            self.down(loads);
            self.settling = true;
        } else if calm && !early {
            self.forget();
            self.up(idle.unwrap_or(0));
        }
        if !early {
            self.each_alone(loads, short);
        }
        for (rung, load) in self.rungs.iter_mut().zip(loads).filter(|(_, load)| !load.elsewhere) {
            (rung.waited, rung.backlog) = (load.waiting, load.backlog);
        }
    }

    /// As many steps as save what was lacking since the last edge; one at least.
    fn down(&mut self, loads: &[Load]) {
        let lacking: u64 = (0..self.rungs.len())
            .zip(loads)
            .filter(|(place, load)| !self.rungs[*place].own && !load.elsewhere)
            .map(|(place, load)| {
                let rung = &self.rungs[place];
                let grown = load.backlog.saturating_sub(rung.backlog).max(load.waiting / 2).min(1000);
                rung.cost(self.step(place)) * grown / 1000
            })
            .sum();
        let mut saved = 0;
        while let Some((place, step)) = self.order.get(self.depth).copied() {
            saved += self.rungs[place].cost(self.of_order(place, self.depth)).saturating_sub(self.rungs[place].cost(step));
            self.depth += 1;
            if saved >= lacking {
                return;
            }
        }
    }

    /// What dearer steps took was of other pictures: it counts for less and less, until it is tried.
    fn forget(&mut self) {
        for place in 0..self.rungs.len() {
            let now = self.step(place) as usize;
            self.rungs[place].costs[..now].iter_mut().flatten().for_each(|cost| *cost -= *cost / FORGOTTEN);
        }
    }

    /// As many steps back as the idle time has room for.
    fn up(&mut self, idle: u64) {
        let mut room = idle.min(MOST) * ROOM / 1000;
        while let Some((place, step)) = self.depth.checked_sub(1).and_then(|last| self.order.get(last)).copied() {
            let before = self.of_order(place, self.depth - 1);
            let more = self.rungs[place].cost(before).saturating_sub(self.rungs[place].cost(step));
            if more > room {
                return;
            }
            room -= more;
            self.depth -= 1;
        }
    }

    /// Rungs that are late by themselves.
    fn each_alone(&mut self, loads: &[Load], short: bool) {
        for (rung, load) in self.rungs.iter_mut().zip(loads).filter(|(_, load)| !load.elsewhere) {
            rung.own = load.waiting > CALM && (rung.own || !short && load.waiting >= LATE.max(rung.waited));
            rung.alone = match rung.alone {
                None if !short && load.waiting >= LATE.max(rung.waited) && rung.may_hurry => {
                    let patience = rung.patience;
                    rung.patience = (patience * 2).min(ALONE_MOST);
                    Some(patience)
                }
                None => {
                    if load.waiting <= CALM {
                        rung.patience = rung.patience.saturating_sub(1).max(ALONE);
                    }
                    None
                }
                Some(_) if load.waiting > CALM => Some(rung.patience),
                Some(left) => left.checked_sub(1).filter(|left| *left > 0),
            };
        }
    }

    /// What the first `depth` steps make of a rung.
    fn of_order(&self, place: usize, depth: usize) -> Step {
        self.order.iter().take(depth).filter(|(of, _)| *of == place).map(|(_, step)| *step).max().unwrap_or_default()
    }
}

/// The first of the rungs with the fewest pixels.
fn smallest(rungs: impl Iterator<Item = (usize, u64)>) -> usize {
    rungs.min_by_key(|(place, pixels)| (*pixels, *place)).map_or(0, |(place, _)| place)
}

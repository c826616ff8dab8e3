//! The governor against a machine of so many processors, with hogs that come and go.

use super::*;
use proptest::prelude::*;

/// A ladder of six rungs: thousandths of a processor of each.
const LADDER: [u64; 6] = [750, 380, 210, 150, 110, 80];

fn rung(cost: u64) -> Rung {
    Rung { may_hurry: true, may_halve: false, cost, pixels: cost }
}

/// So much waits, for one lane.
fn waits(waiting: u64) -> Load {
    Load { waiting, backlog: waiting, lanes: 1, ..Load::default() }
}

/// A worker that shares a machine: what it takes is what there is, the smallest rung first, as the lanes' priorities have it.
struct Machine {
    governor: Governor,
    true_costs: Vec<u64>,
    processors: u32,
    /// Thousandths of a GOP that wait for each rung.
    waiting: Vec<u64>,
    /// GOPs that each rung left out because it was late.
    lost: Vec<u32>,
}

impl Machine {
    fn new(costs: &[u64], processors: u32) -> Machine {
        // The guess is off.
        let rungs: Vec<Rung> = costs.iter().map(|cost| rung(cost * 7 / 10)).collect();
        Machine {
            governor: Governor::new(&rungs, processors),
            true_costs: costs.to_vec(),
            processors,
            waiting: vec![0; costs.len()],
            lost: vec![0; costs.len()],
        }
    }

    fn cost(&self, place: usize, step: Step) -> u64 {
        self.true_costs[place] * [1000, 550, 400, 0][step as usize] / 1000
    }

    /// One GOP, with a hog that takes so many thousandths of a processor.
    fn gop(&mut self, hog: u64) {
        let mut left = (u64::from(self.processors) * 1000).saturating_sub(hog);
        let mut loads = vec![Load::default(); self.true_costs.len()];
        for place in (0..self.true_costs.len()).rev() {
            let step = self.governor.step(place);
            let cost = self.cost(place, step);
            if step == Step::Paused {
                self.waiting[place] = 0;
                continue;
            }
            // Late: what waits is more than a GOP.
            let fresh = if self.waiting[place] >= 1000 { 0 } else { 1000 };
            self.lost[place] += u32::from(fresh == 0);
            let wanted = (self.waiting[place] + fresh) * cost / 1000;
            let given = wanted.min(left);
            left -= given;
            let done = (given * 1000).checked_div(cost).unwrap_or(u64::MAX);
            self.waiting[place] = (self.waiting[place] + fresh).saturating_sub(done);
            loads[place] = Load { took: (given > 0).then_some((step, cost)), ..waits(self.waiting[place]) };
        }
        self.governor.edge(&loads, Some(left), false);
    }

    fn steps(&self) -> Vec<Step> {
        (0..self.true_costs.len()).map(|place| self.governor.step(place)).collect()
    }
}

#[test]
fn steps_are_taken_from_the_top_and_the_smallest_is_never_left_out() {
    let rungs = [Rung { may_halve: true, ..rung(900) }, rung(400), Rung { may_hurry: false, ..rung(100) }];
    let governor = Governor::new(&rungs, 2);
    use Step::{Halved, Hurried, Paused};
    assert_eq!(governor.order(), [(0, Hurried), (1, Hurried), (0, Halved), (0, Paused), (1, Paused)]);
    assert_eq!(Governor::new(&[rung(100)], 1).order(), [(0, Hurried)]);
    assert_eq!(Governor::new(&[], 1).order(), []);
}

#[test]
fn a_machine_that_holds_its_ladder_is_left_alone() {
    let mut machine = Machine::new(&LADDER, 3);
    (0..100).for_each(|_| machine.gop(0));
    assert!(machine.steps().iter().all(|step| *step == Step::Full) && machine.lost.iter().all(|lost| *lost == 0));
}

#[test]
fn a_hog_costs_steps_and_they_come_back_within_five_gops() {
    for hog in [700, 1000, 1300] {
        let mut machine = Machine::new(&LADDER, 2);
        (0..5).for_each(|_| machine.gop(0));
        assert_eq!(machine.lost.iter().sum::<u32>(), 0);
        (0..20).for_each(|_| machine.gop(hog));
        let steps = machine.steps();
        assert!(steps[0] > Step::Full && steps[5] < Step::Paused, "{hog}: {steps:?}");
        let kept: u32 = steps.iter().zip(&machine.lost).filter(|(step, _)| **step < Step::Paused).map(|(_, lost)| lost).sum();
        assert!(kept <= 1, "{hog}: the rungs that stay lose nothing: {steps:?} {:?}", machine.lost);
        let before = machine.lost.clone();
        (0..5).for_each(|_| machine.gop(0));
        assert!(machine.steps().iter().all(|step| *step == Step::Full), "{hog}: {:?}", machine.steps());
        assert_eq!(machine.lost, before);
    }
}

#[test]
fn a_ladder_twice_too_large_settles() {
    let costs = LADDER.map(|cost| cost * 2);
    let mut machine = Machine::new(&costs, 2);
    (0..10).for_each(|_| machine.gop(0));
    let (steps, lost) = (machine.steps(), machine.lost.clone());
    let mut changes = 0;
    for _ in 0..100 {
        let before = machine.steps();
        machine.gop(0);
        changes += u32::from(machine.steps() != before);
    }
    assert!(changes <= 4, "it settles: {changes} changes from {steps:?} to {:?}", machine.steps());
    assert_eq!(machine.lost, lost, "and nothing more is lost");
    assert!(machine.steps()[5] < Step::Paused);
}

#[test]
fn a_rung_that_is_slow_by_itself_costs_nobody_else_anything() {
    let mut governor = Governor::new(&LADDER.map(rung), 4);
    let mut loads = [Load::default(); 6];
    let mut hurried = 0;
    for _ in 0..50 {
        loads[2] = waits(1200);
        governor.edge(&loads, Some(2000), false);
        hurried += u32::from(governor.step(2) == Step::Hurried);
        assert!((0..6).filter(|place| *place != 2).all(|place| governor.step(place) == Step::Full));
    }
    assert_eq!(hurried, 50);
    loads[2] = waits(0);
    (0..ALONE_MOST).for_each(|_| governor.edge(&loads, Some(2000), false));
    assert_eq!(governor.step(2), Step::Full);
}

/// What it lacks is not processors' time: it neither takes the others down, nor keeps them there.
#[test]
fn a_slow_rung_does_not_hold_the_others_down() {
    for slow in [0, 5] {
        let mut governor = Governor::new(&LADDER.map(rung), 4);
        let loads = |hog: u64| {
            let mut loads = [waits(hog); 6];
            loads[slow] = waits(1200);
            loads
        };
        let others = |governor: &Governor| (0..6).filter(|place| *place != slow).map(|place| governor.step(place)).max();
        (0..5).for_each(|_| governor.edge(&loads(0), Some(2000), false));
        (0..5).for_each(|_| governor.edge(&loads(0), Some(50), false));
        assert_eq!(others(&governor), Some(Step::Full), "busy, and in time");
        (0..5).for_each(|n| governor.edge(&loads(400 + n), Some(50), false));
        assert!(others(&governor) > Some(Step::Full), "a hog");
        (0..5).for_each(|_| governor.edge(&loads(0), Some(3000), false));
        assert_eq!(others(&governor), Some(Step::Full), "and gone");
    }
}

/// A hard scene that was encoded again and again; nobody knows that the next one is easy before it is tried.
#[test]
fn what_a_step_took_is_forgotten() {
    let mut governor = Governor::new(&[rung(700), rung(80)], 1);
    let load = |waiting, step, took| Load { took: Some((step, took)), ..waits(waiting) };
    (0..3).for_each(|n| governor.edge(&[load(500 + n, Step::Full, 1500), load(0, Step::Full, 80)], Some(0), false));
    assert!(governor.step(0) > Step::Full);
    let gops = (0..400).take_while(|_| {
        governor.edge(&[Load::default(); 2], Some(900), false);
        governor.step(0) > Step::Full
    });
    assert!((1..300).contains(&gops.count()));
}

#[test]
fn of_several_codecs_the_smallest_of_the_first_stays_and_a_disabled_rung_costs_nothing() {
    let rungs = [(400, 4), (900, 4), (80, 1), (300, 1)].map(|(cost, pixels)| Rung { pixels, ..rung(cost) });
    let mut governor = Governor::new(&rungs, 1);
    let late = |n: u64, off: bool| {
        let mut loads = [waits(900 + n); 4];
        loads[2].idle = off;
        loads
    };
    (0..9).for_each(|n| governor.edge(&late(n, false), Some(0), false));
    let steps = |governor: &Governor| (0..4).map(|place| governor.step(place)).collect::<Vec<_>>();
    use Step::{Hurried, Paused};
    assert_eq!(steps(&governor), [Paused, Paused, Hurried, Paused]);
    governor.edge(&late(9, true), Some(0), false);
    assert_eq!(governor.step(3), Hurried, "it is the smallest that is left");
}

/// A feed that begins brings what it has at once, and so does one that comes in files: the rungs work it off.
#[test]
fn a_burst_is_no_overload() {
    let mut governor = Governor::new(&LADDER.map(rung), 2);
    for (waiting, early) in [(700, true), (1300, true), (1180, false), (480, false), (0, false), (900, true), (860, false)] {
        governor.edge(&[waits(waiting); 6], Some(20), early);
        assert!((0..6).all(|place| governor.step(place) == Step::Full), "{waiting}");
    }
    governor.edge(&[waits(870); 6], Some(20), false);
    assert_eq!(governor.step(0), Step::Paused, "what becomes more is not worked off");
}

proptest! {
    /// Whatever it is told, the smallest rung stays, and what it says is a step of its order.
    #[test]
    fn whatever_it_is_told(told in proptest::collection::vec((0..4000u64, 0..4usize, any::<u64>(), proptest::option::of(any::<u64>()), any::<bool>()), 1..60)) {
        let mut governor = Governor::new(&LADDER.map(rung), 2);
        for (waiting, step, took, idle, early) in told {
            let load = Load { took: Some((Step::ALL[step], took)), ..waits(waiting) };
            governor.edge(&[load; 6], idle.map(|idle| idle % 5000), early);
            prop_assert!(governor.step(governor.keeps) < Step::Paused);
            prop_assert!(governor.depth <= governor.order.len());
        }
    }
}

/// What waits for a lane that has its turn later is seen when it begins to grow, not a GOP later.
#[test]
fn lanes_that_fall_behind_are_seen_before_their_turn() {
    let seen = |backlogs: [u64; 4]| {
        let mut governor = Governor::new(&LADDER.map(rung), 2);
        for backlog in backlogs {
            let lanes = Load { backlog, lanes: 2, ..Load::default() };
            governor.edge(&[lanes, waits(0), waits(0), waits(0), waits(0), waits(0)], Some(20), false);
        }
        governor.step(0)
    };
    assert_eq!(seen([450, 480, 460, 490]), Step::Full, "two lanes that need the time they have");
    assert_eq!(seen([450, 480, 460, 900]), Step::Hurried);
    assert_eq!(seen([860, 850, 840, 830]), Step::Hurried, "and is worked off");
}

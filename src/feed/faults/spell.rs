//! When a fault is on.

use super::When;
use super::dice::Dice;
use crate::time::Seconds;

/// Where a fault is at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Phase {
    /// Since when it is on, where it is.
    pub on: Option<Seconds>,
    /// How often it has ended.
    pub ended: u64,
    /// For how long it has been on, all in all.
    pub spent: Seconds,
}

/// The spells of one fault, asked for moments that only go forward.
pub(super) struct Spell {
    when: When,
    dice: Dice,
    /// The spell under way or the next one; `None` behind the last.
    now: Option<(Seconds, Option<Seconds>)>,
    /// Spells that are over, and how long they lasted together.
    ended: u64,
    spent: Seconds,
}

impl Spell {
    /// Before the start of the feed.
    pub fn new(when: When, dice: Dice) -> Spell {
        let now = match when {
            When::Always => (Seconds::ZERO, None),
            When::At { at, span } => (at, span.map(|span| at + span)),
            When::Random { every, span } => random(dice, 0, Seconds::ZERO, every, span),
        };
        Spell { when, dice, now: Some(now), ended: 0, spent: Seconds::ZERO }
    }

    /// How it is at `elapsed` since the start.
    pub fn at(&mut self, elapsed: Seconds) -> Phase {
        while let Some((from, Some(to))) = self.now
            && elapsed >= to
        {
            self.ended += 1;
            self.spent = self.spent + (to - from);
            self.now = match self.when {
                When::Random { every, span } => Some(random(self.dice, self.ended, to, every, span)),
                _ => None,
            };
        }
        let on = self.now.map(|(from, _)| from).filter(|from| elapsed >= *from);
        Phase { on, ended: self.ended, spent: on.map_or(self.spent, |from| self.spent + (elapsed - from)) }
    }
}

fn random(dice: Dice, number: u64, after: Seconds, every: Seconds, span: Seconds) -> (Seconds, Option<Seconds>) {
    let from = after + every.over(2) + dice.part(number, every);
    (from, Some(from + span))
}

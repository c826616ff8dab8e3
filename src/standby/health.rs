//! Whether a feed is fit to be shown.

use super::look::Look;
use crate::time::Seconds;
use serde::Serialize;

/// How long something may be wrong with a feed before the other one is taken. Absent: for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conditions {
    /// Nothing comes. Slots are told to be missing when this long over, so that none has to be repeated where the other feed has a picture.
    pub loss: Seconds,
    /// No valid picture: all are damaged.
    pub invalid: Option<Seconds>,
    /// Pictures are black.
    pub black: Option<Seconds>,
    /// Pictures do not change.
    pub frozen: Option<Seconds>,
    /// Sound is silent, or missing.
    pub silence: Option<Seconds>,
    /// The first feed is taken again after it was healthy for this long. Absent: only by hand, or when the second is in trouble.
    pub back: Option<Seconds>,
}

impl Default for Conditions {
    fn default() -> Conditions {
        Conditions { loss: Seconds::new(1, 5), invalid: Some(Seconds::ONE), black: None, frozen: None, silence: None, back: Some(Seconds::TEN) }
    }
}

/// What is wrong with a feed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trouble {
    /// Nothing comes.
    Loss,
    /// All pictures are damaged.
    Invalid,
    /// Pictures are black.
    Black,
    /// Pictures do not change.
    Frozen,
    /// No sound.
    Silence,
}

/// What one slot of a feed brought.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The picture did not come in time.
    pub missed: bool,
    /// It shows damage.
    pub damaged: bool,
    /// What it shows; absent where nobody looks, or for a picture that is there again.
    pub look: Option<&'a Look>,
    /// Its sound has been silent up to here since then.
    pub silent_since: Option<Seconds>,
}

/// A feed as it has been lately.
#[derive(Debug)]
pub struct Health {
    conditions: Conditions,
    /// Since when it is so, by the slots.
    missed: Option<Seconds>,
    damaged: Option<Seconds>,
    black: Option<Seconds>,
    still: Option<Seconds>,
    silent: Option<Seconds>,
    last: Option<Look>,
    /// Since when nothing is wrong.
    well: Option<Seconds>,
    now: Seconds,
}

impl Health {
    /// Of a feed that was not seen yet.
    pub fn new(conditions: Conditions) -> Health {
        Health { conditions, missed: None, damaged: None, black: None, still: None, silent: None, last: None, well: None, now: Seconds::ZERO }
    }

    /// The slot at `at` brought this.
    pub fn see(&mut self, at: Seconds, seen: &Seen<'_>) {
        let since = |holds: bool, before: Option<Seconds>| holds.then(|| before.unwrap_or(at));
        self.now = at;
        self.missed = since(seen.missed, self.missed);
        if !seen.missed {
            self.damaged = since(seen.damaged, self.damaged);
        }
        if let Some(look) = seen.look {
            self.black = since(look.is_black(), self.black);
            self.still = since(self.last.as_ref().is_some_and(|last| look.is_still(last)), self.still);
            self.last = Some(look.clone());
        }
        self.silent = seen.silent_since;
        self.well = since(self.trouble().is_none(), self.well);
    }

    /// What is wrong for longer than it may be; the worst first.
    pub fn trouble(&self) -> Option<Trouble> {
        let long = |since: Option<Seconds>, most: Option<Seconds>| since.zip(most).is_some_and(|(since, most)| self.now - since >= most);
        let c = &self.conditions;
        [
            // The slot is told to be missing only after the time that loss may take.
            (self.missed.is_some(), Trouble::Loss),
            (long(self.damaged, c.invalid), Trouble::Invalid),
            (long(self.black, c.black), Trouble::Black),
            (long(self.still, c.frozen), Trouble::Frozen),
            (long(self.silent, c.silence), Trouble::Silence),
        ]
        .into_iter()
        .find_map(|(is, trouble)| is.then_some(trouble))
    }

    /// Whether nothing has been wrong for `span`.
    pub fn is_well_for(&self, span: Seconds) -> bool {
        self.well.is_some_and(|well| self.now - well >= span)
    }
}

//! A second feed of the same programme, from encoders of its own, as people write it.

use super::Anchor;
use super::value::{Span, Text};
use crate::standby::health::Conditions;
use crate::time::Seconds;
use serde::Deserialize;
use std::str::FromStr;

/// A second feed, decoded all the time, and taken where the first is in trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standby {
    /// Where it comes from.
    pub input: String,
    /// Where its clock stands against UTC. That of the first feed says nothing of it.
    pub anchor: Option<Anchor>,
    /// What counts as trouble.
    pub conditions: Conditions,
}

/// A time, or "never".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait(pub Option<Seconds>);

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Wait, String> {
        match text {
            "never" => Ok(Wait(None)),
            text => Span::from_str(text).map(|span| Wait(Some(span.0))).map_err(|why| format!("{why}, or never")),
        }
    }
}

/// `[standby]` as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandbyWishes {
    /// Where it comes from.
    pub input: Option<String>,
    /// What its clock shows, and UTC then, as of timeline.anchor.
    pub anchor: Option<Text<Anchor>>,
    /// Nothing came for so long.
    pub loss: Option<Text<Span>>,
    /// All pictures were damaged for so long.
    pub invalid: Option<Text<Wait>>,
    /// Pictures were black for so long.
    pub black: Option<Text<Wait>>,
    /// Pictures did not change for so long.
    pub frozen: Option<Text<Wait>>,
    /// There was no sound for so long.
    pub silence: Option<Text<Wait>>,
    /// The first feed is taken again after it was healthy for so long.
    pub back: Option<Text<Wait>>,
}

impl StandbyWishes {
    /// These wishes, and those of `below` where these have none.
    pub fn over(self, below: StandbyWishes) -> StandbyWishes {
        StandbyWishes {
            input: self.input.or(below.input),
            anchor: self.anchor.or(below.anchor),
            loss: self.loss.or(below.loss),
            invalid: self.invalid.or(below.invalid),
            black: self.black.or(below.black),
            frozen: self.frozen.or(below.frozen),
            silence: self.silence.or(below.silence),
            back: self.back.or(below.back),
        }
    }

    /// The conditions, and each with its key.
    pub(super) fn conditions(&self) -> Conditions {
        let wait = |wished: &Option<Text<Wait>>, usual: Option<Seconds>| wished.as_ref().map_or(usual, |text| text.0.0);
        let usual = Conditions::default();
        Conditions {
            loss: self.loss.as_ref().map_or(usual.loss, |text| text.0.0),
            invalid: wait(&self.invalid, usual.invalid),
            black: wait(&self.black, usual.black),
            frozen: wait(&self.frozen, usual.frozen),
            silence: wait(&self.silence, usual.silence),
            back: wait(&self.back, usual.back),
        }
    }
}

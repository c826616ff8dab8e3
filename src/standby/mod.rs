//! Two feeds of one programme that are not the same bytes: both are decoded all the time, and each slot is taken from one of them.

pub mod health;
pub mod look;
pub mod run;
pub mod sound;
pub mod switch;

//! A backend to rehearse faults with: x264 at another operating point, which breaks in three GOPs of eight, each time in another way.
//!
//! `backend = ["rehearsal", "x264"]` shows what a viewer sees of a lost encoder: nothing. `backend = ["rehearsal-slow"]`: what others see of one that is ten times too slow.

use super::{EncodeError, Encoder, Opened, Packet, Recipe, x264};
use crate::frame::Frame;
use crate::plan::Rendition;
use crate::time::GopId;
use std::time::Duration;

const NAME: &str = "rehearsal";
const SLOW: &str = "rehearsal-slow";
/// Its own operating point, so that its parameter sets differ from those of the backend that steps in.
const POINT: &str = "superfast";
/// The picture of a GOP, from 0, at which it breaks.
const AT: u32 = 4;
/// How long it hangs: longer than anybody waits for it.
const HANG: Duration = Duration::from_secs(60);

/// How it breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// It says that it failed.
    Error,
    /// It does not come back.
    Hang,
    /// It takes a picture for another slot's.
    Garbage,
}

/// In GOPs 1, 3 and 5 of every eight.
fn fault(gop: GopId) -> Option<Fault> {
    match gop.0.rem_euclid(8) {
        1 => Some(Fault::Error),
        3 => Some(Fault::Hang),
        5 => Some(Fault::Garbage),
        _ => None,
    }
}

/// Opens one for a GOP.
pub fn open(rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    let recipe = Recipe { point: POINT.to_owned(), ..recipe.clone() };
    let Opened { encoder, config } = x264::open_as(NAME, rendition, &recipe)?;
    Ok(Opened { encoder: Box::new(Rehearsal { encoder, rung: rendition.name.clone(), fed: 0, fault: None }), config })
}

/// Opens one that takes ten times as long as it has: what it costs is its own GOPs, and nobody else a frame.
pub fn open_slow(rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    let Opened { encoder, config } = x264::open_as(SLOW, rendition, recipe)?;
    let each = rendition.grid.rate.period().times(10).to_duration();
    Ok(Opened { encoder: Box::new(Slow { encoder, each }), config })
}

struct Slow {
    encoder: Box<dyn Encoder>,
    each: Duration,
}

impl Encoder for Slow {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        std::thread::sleep(self.each);
        self.encoder.encode(frame, out)
    }

    fn finish(self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.encoder.finish(out)
    }
}

struct Rehearsal {
    encoder: Box<dyn Encoder>,
    rung: String,
    fed: u32,
    fault: Option<Fault>,
}

impl Encoder for Rehearsal {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let due = self.fed == AT;
        self.fed += 1;
        self.fault = fault(frame.gop);
        match self.fault {
            Some(Fault::Error) if due => {
                return Err(EncodeError::Failed { rung: self.rung.clone(), backend: NAME, gop: frame.gop, why: "as rehearsed".to_owned() });
            }
            Some(Fault::Hang) if due => std::thread::sleep(HANG),
            _ => {}
        }
        self.encoder.encode(frame, out)
    }

    fn finish(self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let before = out.len();
        self.encoder.finish(out)?;
        if self.fault == Some(Fault::Garbage)
            && let Some(last) = out.get_mut(before..).and_then(<[Packet]>::last_mut)
        {
            last.time += i64::from(self.fed);
        }
        Ok(())
    }
}

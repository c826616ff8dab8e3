//! Faults of pictures and sound, which the pattern shows.

use super::dice::Dice;
use super::spell::Spell;
use super::{Fault, FaultKind, Layer};
use crate::feed::options::FeedOptions;
use crate::feed::stamp::StampCodec;
use crate::pattern::Size;
use crate::time::{Rate, Seconds};

/// What an encoder of the pattern is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::feed) struct Format {
    pub size: Size,
    pub rate: Rate,
    pub codec: StampCodec,
    /// Two fields of different times in each picture, bottom field first.
    pub interlaced: bool,
}

/// What is shown at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::feed) struct Look {
    pub format: Format,
    pub frozen: bool,
    pub black: bool,
    pub silent: bool,
}

/// What is shown when.
pub(in crate::feed) struct Script {
    base: Format,
    faults: Vec<(FaultKind, Spell)>,
}

impl Script {
    /// What the options ask for.
    pub fn new(options: &FeedOptions) -> Script {
        let base = Format { size: options.size, rate: options.rate, codec: options.codec, interlaced: false };
        let picture = |fault: &&(u64, &Fault)| fault.1.row().layer == Layer::Picture;
        let faults = (0..).zip(&options.faults).collect::<Vec<_>>();
        let faults = faults.iter().filter(picture).map(|(place, fault)| (fault.kind, Spell::new(fault.when, Dice::new(options.seed, 0, *place)))).collect();
        Script { base, faults }
    }

    /// What is shown at `elapsed` since the start, which only goes forward. Of two faults of a kind the later one in the list wins.
    pub fn at(&mut self, elapsed: Seconds) -> Look {
        let mut look = Look { format: self.base, frozen: false, black: false, silent: false };
        for (kind, spell) in &mut self.faults {
            if spell.at(elapsed).on.is_none() {
                continue;
            }
            match *kind {
                FaultKind::Freeze => look.frozen = true,
                FaultKind::Black => look.black = true,
                FaultKind::Silence => look.silent = true,
                FaultKind::Rate(rate) => look.format.rate = rate,
                FaultKind::Size(size) => look.format.size = size,
                FaultKind::Codec(codec) => look.format.codec = codec,
                FaultKind::Interlaced => look.format.interlaced = true,
                _ => {}
            }
        }
        look
    }
}

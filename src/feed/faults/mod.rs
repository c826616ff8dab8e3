//! Scripted faults: what goes wrong with a feed, the same in every run with the same seed.
//!
//! - `parse`: a text such as `2:video:loss5%@10+2` → [`Fault`]
//! - `kinds`: the table of what can go wrong
//! - `spell`: when it does
//! - `show`: faults of pictures and sound, before they are encoded
//! - `lane`: faults of the transport stream on its way to one output; `packet`, `pmt`: what is done to a packet

mod dice;
mod kinds;
mod lane;
mod packet;
mod parse;
mod pmt;
mod show;
mod spell;

pub use kinds::{KINDS, Layer, Row, table};
pub use lane::LaneCounts;
pub(super) use lane::{Lane, Moment, Outgoing};
pub(super) use show::{Format, Look, Script};

use super::stamp::StampCodec;
use crate::pattern::Size;
use crate::time::{Rate, Seconds};

/// What a sender with this seed is told from others by.
pub(super) fn identity(seed: u64) -> u64 {
    dice::Dice::new(seed, 0, u64::MAX).throw(0)
}

/// A share in millionths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share(pub u32);

/// One stream of the feed, by its PID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream(pub u16);

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// The picture stands still; its time stamps go on.
    Freeze,
    /// The picture is black.
    Black,
    /// The sound is silent.
    Silence,
    /// The picture has another rate.
    Rate(Rate),
    /// The picture has another size.
    Size(Size),
    /// The picture has another codec.
    Codec(StampCodec),
    /// The picture is interlaced: two fields of different times, bottom field first.
    Interlaced,
    /// The PTS, DTS and PCR are moved by so much.
    Jump(Seconds),
    /// The 33-bit clock of the whole feed is moved so that it wraps at that time.
    Wrap,
    /// Nothing is sent; what comes then has another clock and other continuity counters, as from an encoder that was restarted.
    Restart,
    /// This share of the PES packets has no time stamps.
    Unstamped(Share),
    /// This share of the PES packets has time stamps that are up to a second too early.
    Backward(Share),
    /// A stream is neither sent nor listed in the programme map.
    Vanish,
    /// Nothing is sent.
    Gap,
    /// This share of the transport packets is lost.
    Loss(Share),
    /// This share of the transport packets has 1 to 8 bits flipped.
    Bits(Share),
    /// This share of the transport packets has random bytes behind its header.
    Garbage(Share),
    /// This share of the datagrams is lost.
    Drop(Share),
    /// This share of the datagrams is sent twice.
    Duplicate(Share),
    /// This share of the datagrams is sent after 1 to 8 of those that follow it.
    Reorder(Share),
    /// Beside this share of the datagrams another one of random bytes is sent.
    Noise(Share),
    /// The feed runs slower by this share of the time, and is late by what has gathered from then on, 30 s at most.
    Slow(Share),
    /// What is due within each of these spans is sent at once, at its end.
    Burst(Seconds),
    /// Each datagram is late by a random part of this span; the order stays.
    Jitter(Seconds),
    /// The connection is closed, and opened again afterwards.
    Disconnect,
}

/// When it goes wrong, since the start of the feed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// All the time.
    Always,
    /// Once, for a while or (without a span) until the end.
    At {
        /// From here on.
        at: Seconds,
        /// For so long.
        span: Option<Seconds>,
    },
    /// Again and again, at random.
    Random {
        /// The mean time between the end of one and the start of the next; each is half to one and a half of it.
        every: Seconds,
        /// How long each lasts.
        span: Seconds,
    },
}

/// Something that goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// On the way to this output alone, counted from 0; to all of them, where absent.
    pub output: Option<usize>,
    /// In this stream alone; in all of them, where absent.
    pub stream: Option<Stream>,
    /// What.
    pub kind: FaultKind,
    /// When.
    pub when: When,
}

impl Fault {
    /// Its line in the table of kinds.
    pub fn row(&self) -> &'static Row {
        kinds::row(self.kind)
    }
}

#[cfg(test)]
mod tests;

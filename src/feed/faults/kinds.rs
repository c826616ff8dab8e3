//! The table of what can go wrong: the parser, the help and the documentation are made of it.

use super::FaultKind;
use super::parse::{codec, rate, share, signed, size, span};
use std::fmt::Write;

/// Where a fault acts, which decides what it can be asked of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
    /// Before the encoder: needs the pattern, and is the same for all outputs.
    Picture,
    /// In the transport stream as it is made: the same for all outputs, unless one is named.
    Stream,
    /// On the way to an output: to each of them on its own.
    Path,
    /// In the time of sending: not to a file, which has none.
    Timing,
    /// In the connection to an output: only where there is one.
    Connection,
}

impl Layer {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Picture => "picture",
            Layer::Stream => "stream",
            Layer::Path => "path",
            Layer::Timing => "timing",
            Layer::Connection => "connection",
        }
    }
}

/// When a kind may be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Times {
    /// All the time, at a time, or at random.
    Any,
    /// At a time, or at random.
    Spells,
    /// At a time, for a while or at random for a while: never to the end.
    Whiles,
    /// At one time.
    Once,
}

impl Times {
    /// What may follow, in words.
    pub fn accepted(self) -> &'static str {
        match self {
            Times::Any => "nothing (all the time), @AT, @AT+FOR or ~EVERY+FOR",
            Times::Spells => "@AT, @AT+FOR or ~EVERY+FOR",
            Times::Whiles => "@AT+FOR or ~EVERY+FOR",
            Times::Once => "@AT",
        }
    }
}

/// A kind of fault.
pub struct Row {
    /// How it is asked for.
    pub name: &'static str,
    /// What follows the name, in words; empty where nothing does.
    pub amount: &'static str,
    /// Where it acts.
    pub layer: Layer,
    /// An example that may be given as it stands.
    pub example: &'static str,
    /// What it does.
    pub help: &'static str,
    /// What may be said of its time.
    pub(super) times: Times,
    /// Whether it can be asked of one stream alone.
    pub(super) streams: bool,
    /// The kind with its amount; `None` where the amount is none of it.
    pub(super) make: fn(&str) -> Option<FaultKind>,
    /// Whether a fault is of this kind.
    pub(super) is: fn(FaultKind) -> bool,
}

const PERCENT: &str = "a percentage from 0.0001% to 100%";
const SPAN: &str = "a time from 1ms to 10s";

/// A line of the table.
macro_rules! row {
    ($name:literal, $amount:expr, $layer:ident, $times:ident, $streams:literal, $example:literal, $help:literal, $pattern:pat, $make:expr) => {
        Row {
            name: $name,
            amount: $amount,
            layer: Layer::$layer,
            example: $example,
            help: $help,
            times: Times::$times,
            streams: $streams,
            make: $make,
            is: |kind| matches!(kind, $pattern),
        }
    };
}

fn none(amount: &str, kind: FaultKind) -> Option<FaultKind> {
    amount.is_empty().then_some(kind)
}

/// What can go wrong, from the picture to the wire.
#[rustfmt::skip]
pub const KINDS: &[Row] = &[
    row!("freeze", "", Picture, Spells, false, "freeze@10+2", "the picture stands still; its time stamps go on", FaultKind::Freeze, |a| none(a, FaultKind::Freeze)),
    row!("black", "", Picture, Spells, false, "black@10+2", "the picture is black", FaultKind::Black, |a| none(a, FaultKind::Black)),
    row!("silence", "", Picture, Spells, false, "silence@10+2", "the sound is silent", FaultKind::Silence, |a| none(a, FaultKind::Silence)),
    row!("rate", "pictures a second, from 1 to 120 (50, 30000/1001)", Picture, Spells, false, "rate50@10+5", "the pictures come at another rate, from a new encoder", FaultKind::Rate(_), |a| rate(a).map(FaultKind::Rate)),
    row!("size", "WIDTHxHEIGHT, both even, 256x144 to 7680x4320", Picture, Spells, false, "size=640x360@10+5", "the pictures have another size, from a new encoder", FaultKind::Size(_), |a| size(a).map(FaultKind::Size)),
    row!("codec", "h264 or hevc", Picture, Spells, false, "codec=hevc@10+5", "the pictures have another codec; the programme map gets a new version", FaultKind::Codec(_), |a| codec(a).map(FaultKind::Codec)),
    row!("interlaced", "", Picture, Spells, false, "interlaced@10+5", "the pictures are two fields each, of different times, bottom field first (H.264, a height that is a multiple of 4)", FaultKind::Interlaced, |a| none(a, FaultKind::Interlaced)),
    row!("jump", "a time from -95000s to 95000s, but 0", Stream, Spells, false, "jump-5s@10", "PTS, DTS and PCR are moved by so much; UTC stamps stay right", FaultKind::Jump(_), |a| signed(a).map(FaultKind::Jump)),
    row!("wrap", "", Stream, Once, false, "wrap@10", "PTS, DTS and PCR of the whole feed are moved so that they wrap from 2^33 to 0 at that time", FaultKind::Wrap, |a| none(a, FaultKind::Wrap)),
    row!("restart", "", Stream, Whiles, false, "restart@10+2", "nothing is sent, and what follows has another clock and other continuity counters, as from a restarted encoder", FaultKind::Restart, |a| none(a, FaultKind::Restart)),
    row!("unstamped", PERCENT, Stream, Any, true, "unstamped10%@10+5", "so many PES packets have neither PTS nor DTS", FaultKind::Unstamped(_), |a| share(a).map(FaultKind::Unstamped)),
    row!("backward", PERCENT, Stream, Any, true, "backward5%@10+5", "so many PES packets have PTS and DTS that are up to a second too early", FaultKind::Backward(_), |a| share(a).map(FaultKind::Backward)),
    row!("vanish", "", Stream, Spells, true, "audio:vanish@10+5", "the stream (audio unless named) is not sent, and not in the programme map, which gets a new version", FaultKind::Vanish, |a| none(a, FaultKind::Vanish)),
    row!("gap", "", Path, Spells, true, "gap@10+2", "nothing is sent", FaultKind::Gap, |a| none(a, FaultKind::Gap)),
    row!("loss", PERCENT, Path, Any, true, "loss5%@10+2", "so many transport packets (188 bytes) are lost", FaultKind::Loss(_), |a| share(a).map(FaultKind::Loss)),
    row!("bits", PERCENT, Path, Any, true, "bits0.5%", "so many transport packets have 1 to 8 bits flipped", FaultKind::Bits(_), |a| share(a).map(FaultKind::Bits)),
    row!("garbage", PERCENT, Path, Any, true, "video:garbage100%@10+2", "so many transport packets have random bytes behind their header", FaultKind::Garbage(_), |a| share(a).map(FaultKind::Garbage)),
    row!("drop", PERCENT, Path, Any, false, "drop1%", "so many datagrams (7 transport packets) are lost", FaultKind::Drop(_), |a| share(a).map(FaultKind::Drop)),
    row!("duplicate", PERCENT, Path, Any, false, "duplicate2%", "so many datagrams are sent twice", FaultKind::Duplicate(_), |a| share(a).map(FaultKind::Duplicate)),
    row!("reorder", PERCENT, Path, Any, false, "reorder2%", "so many datagrams are sent behind 1 to 8 of their successors", FaultKind::Reorder(_), |a| share(a).map(FaultKind::Reorder)),
    row!("noise", PERCENT, Path, Any, false, "noise1%", "beside so many datagrams another one of random bytes is sent", FaultKind::Noise(_), |a| share(a).map(FaultKind::Noise)),
    row!("slow", PERCENT, Timing, Any, false, "slow10%@10+20", "the feed runs slower by so much, and stays as late as it has become (30 s at most)", FaultKind::Slow(_), |a| share(a).map(FaultKind::Slow)),
    row!("burst", SPAN, Timing, Any, false, "burst500ms@10+5", "what is due within each such time is sent at once, at its end", FaultKind::Burst(_), |a| span(a).map(FaultKind::Burst)),
    row!("jitter", SPAN, Timing, Any, false, "jitter50ms", "each datagram is late by a random part of this; the order stays", FaultKind::Jitter(_), |a| span(a).map(FaultKind::Jitter)),
    row!("disconnect", "", Connection, Spells, false, "disconnect@10+2", "the connection (tcp, srt) is closed, and opened again afterwards", FaultKind::Disconnect, |a| none(a, FaultKind::Disconnect)),
];

/// The line of a kind.
pub(super) fn row(kind: FaultKind) -> &'static Row {
    KINDS.iter().find(|row| (row.is)(kind)).expect("every kind has a line: a test makes each")
}

/// The table as text, for a terminal.
pub fn table() -> String {
    let mut text = String::new();
    for row in KINDS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:<24} {}", row.example, row.help);
    }
    text
}

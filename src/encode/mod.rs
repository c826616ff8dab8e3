//! Encoding: the [`Encoder`] trait, the [`BACKENDS`] table, and what leaves for the muxer.

pub mod aac;
pub mod annexb;
mod apart;
mod attempt;
pub mod audio_runner;
pub mod bits;
pub mod breaker;
pub mod constant;
pub mod counters;
pub mod delay;
pub mod hardware;
pub mod hevc;
pub mod level;
pub mod libav;
pub mod measured;
pub mod nvenc;
pub mod obu;
pub mod point;
pub mod probe;
pub mod queue;
pub mod rav1e;
mod rehearsal;
mod renumber;
mod resume;
pub mod runner;
pub mod served;
mod sets;
pub mod svt_av1;
pub mod tier;
pub mod vaapi;
mod vbv;
mod watch;
pub mod x264;
pub mod x265;

#[cfg(test)]
mod cap_tests;
#[cfg(test)]
mod constant_tests;
#[cfg(test)]
mod contract_tests;
#[cfg(test)]
mod determinism_tests;
#[cfg(test)]
mod isa_tests;
#[cfg(test)]
mod latency_tests;
#[cfg(test)]
mod overload_tests;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod runner_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod x264_tests;
#[cfg(test)]
mod x265_tests;

use crate::frame::{End, Frame};
use crate::govern::Step;
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crate::time::GopId;
use constant::Constant;
use measured::Quantizers;
use std::sync::Arc;
use std::time::Duration;

/// One coded picture, or one coded audio frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Presentation time: the slot of a picture, the number of an audio frame, both counted from the epoch.
    pub time: i64,
    /// An IDR (always true for audio).
    pub idr: bool,
    /// The access unit. AVC and HEVC: NAL units each behind a 4-byte big-endian length, without parameter sets; AV1: OBUs with their sizes, without temporal
    /// delimiters and padding, the sequence header kept in key pictures (AV1-ISOBMFF 2.4); AAC: a raw data block.
    pub data: Vec<u8>,
}

/// An encoder for one GOP (or, hardware, for the whole event). Fed slot by slot, in order.
pub trait Encoder: Send {
    /// What it says of the quantizers of the GOP that it makes, where it does: filled while it encodes. For metrics alone.
    fn quantizers(&self) -> Option<Arc<Quantizers>> {
        None
    }
    /// Encodes `frame` and appends what is ready to `out`, in decoding order. An IDR when `frame.opens_gop` or `frame.force_idr`, nowhere else.
    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError>;
    /// Appends everything still held of the GOP, which is complete, and is ready for the next one. Only [`Lifetime::Event`] is asked for it.
    ///
    /// # Errors
    /// As for `encode`; always where it lives for one GOP.
    fn flush(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let _ = out;
        Err(EncodeError::NoFlush)
    }
    /// Appends everything still held. No use after.
    fn finish(self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError>;
}

/// Why an encoder refused.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It could not be opened with these settings.
    #[error("{rung}: {backend} does not open: {why}")]
    Open {
        /// Rung name.
        rung: String,
        /// Backend name.
        backend: &'static str,
        /// libav's or the codec's words.
        why: String,
    },
    /// It lives for one GOP, and was asked to go on.
    #[error("an encoder that lives for one GOP cannot go on to the next")]
    NoFlush,
    /// It failed on a picture.
    #[error("{rung}: {backend} failed in segment {gop}: {why}")]
    Failed {
        /// Rung name.
        rung: String,
        /// Backend name.
        backend: &'static str,
        /// Where.
        gop: GopId,
        /// libav's or the codec's words.
        why: String,
    },
}

/// Everything beside the frames that alters the bytes of one GOP.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Operating point.
    pub point: String,
    /// CRF or its kin.
    pub quality: f32,
    /// Cap in bits per second.
    pub cap: u64,
    /// Where the rate is constant: bits per second that its encoder aims at.
    pub bitrate: Option<u64>,
    /// Slots of the GOP: fewer than the grid's where the event ends inside it.
    pub slots: u32,
    /// Slots inside the GOP (from 0) that are an IDR beside the first.
    pub idr_at: Vec<u32>,
    /// What the overload governor makes of it.
    pub step: Step,
}

impl Recipe {
    /// The recipe of a whole GOP as planned.
    pub fn of(rendition: &Rendition) -> Recipe {
        let (point, quality, cap) = (rendition.point.clone(), rendition.quality, rendition.max_bitrate);
        Recipe { point, quality, cap, bitrate: rendition.bitrate, slots: rendition.grid.gop_slots, idr_at: Vec::new(), step: Step::Full }
    }
}

/// How long one encoder instance lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// Opened for every GOP; pure.
    Gop,
    /// Runs on across GOPs.
    Event,
}

/// An encoder just opened, and the decoder configuration that its packets need.
pub struct Opened {
    /// The encoder.
    pub encoder: Box<dyn Encoder>,
    /// Content of the configuration box: `avcC` (AVCDecoderConfigurationRecord), `hvcC` (HEVCDecoderConfigurationRecord), `av1C` (AV1CodecConfigurationRecord).
    pub config: Vec<u8>,
}

/// When a plan takes a backend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chosen {
    /// For every rung of its codecs that names none, and where a rung says "auto".
    ByDefault,
    /// Where a rung says "auto", or names it.
    ByAuto,
    /// Where a rung names it.
    ByName,
    /// Never: it is for tests.
    Never,
}

/// How a backend's GOPs keep to their caps.
#[derive(Clone, Copy, Debug)]
pub enum Cap {
    /// The encoder sees to it, but for GOPs that end early.
    Kept,
    /// Nothing does: frames are held, and a GOP that is too large is encoded again. How much coarser (in the codec's quality), by percent of what the cap allows.
    Checked(fn(u32) -> f32),
}

/// A backend: a way to make packets of a codec.
pub struct Candidate {
    /// Name in ladders, plans and metrics.
    pub name: &'static str,
    /// Codecs it makes.
    pub codecs: &'static [VideoCodec],
    /// Bits of a sample that it takes.
    pub depths: &'static [u32],
    /// When a plan takes it.
    pub chosen: Chosen,
    /// How long an instance lives.
    pub lifetime: Lifetime,
    /// Calls into it may hang: it gets a thread of its own, which is left behind where one takes longer than half a GOP.
    pub may_hang: bool,
    /// How its GOPs keep to their caps.
    pub cap: Cap,
    /// How its GOPs come to a constant bitrate.
    pub constant: Constant,
    /// It has faster settings with the parameter sets of those that are planned.
    pub hurries: bool,
    /// It works on the thread that calls it, and on no other.
    pub own_thread: bool,
    /// Opens one.
    open: fn(&Rendition, &Recipe) -> Result<Opened, EncodeError>,
}

/// A call into an encoder that may hang counts as stalled after this part of a GOP.
const STALL: (u32, u32) = (1, 2);
const SHORTEST_STALL: Duration = Duration::from_millis(500);
const LONGEST_STALL: Duration = Duration::from_secs(30);

impl Candidate {
    /// Opens one for a GOP, or for the event.
    ///
    /// # Errors
    /// It refuses these settings, or does not come back.
    pub fn open(&self, rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
        if !self.may_hang {
            return (self.open)(rendition, recipe);
        }
        let gop = rendition.grid.gop_duration().to_duration();
        let patience = (gop * STALL.0 / STALL.1).clamp(SHORTEST_STALL, LONGEST_STALL);
        apart::open(rendition, recipe, self.name, self.open, patience)
    }
}

/// What most software encoders are; a line of the table says how one differs.
const SOFTWARE: Candidate = Candidate {
    name: "",
    codecs: &[],
    depths: &[8],
    chosen: Chosen::Never,
    lifetime: Lifetime::Gop,
    may_hang: false,
    cap: Cap::Kept,
    constant: Constant::Aimed,
    hurries: false,
    own_thread: false,
    open: probe::open,
};

const HARDWARE: Candidate = Candidate {
    codecs: &[VideoCodec::Avc, VideoCodec::Hevc, VideoCodec::Av1],
    depths: &[8, 10],
    chosen: Chosen::ByAuto,
    lifetime: Lifetime::Event,
    may_hang: true,
    cap: Cap::Checked(hardware::coarser),
    constant: Constant::Running,
    ..SOFTWARE
};

/// All backends of all video codecs, in the order in which "auto" prefers them. To add one: a file here, a line in this table.
pub const BACKENDS: &[Candidate] = &[
    Candidate { name: "nvenc", open: nvenc::open, ..HARDWARE },
    Candidate { name: "vaapi", open: vaapi::open, ..HARDWARE },
    Candidate { name: "x264", codecs: &[VideoCodec::Avc], chosen: Chosen::ByDefault, hurries: true, own_thread: true, open: x264::open, ..SOFTWARE },
    Candidate { name: "x265", codecs: &[VideoCodec::Hevc], depths: &[8, 10], chosen: Chosen::ByDefault, hurries: true, open: x265::open, ..SOFTWARE },
    Candidate {
        name: "rav1e",
        codecs: &[VideoCodec::Av1],
        depths: &[8, 10],
        chosen: Chosen::ByDefault,
        constant: Constant::Modelled,
        open: rav1e::open,
        ..SOFTWARE
    },
    Candidate {
        name: "svt-av1",
        codecs: &[VideoCodec::Av1],
        depths: &[8, 10],
        chosen: Chosen::ByAuto,
        cap: Cap::Checked(svt_av1::coarser),
        constant: Constant::Searched(svt_av1::HALVES),
        open: svt_av1::open,
        ..SOFTWARE
    },
    Candidate { name: "rehearsal", codecs: &[VideoCodec::Avc], chosen: Chosen::ByName, may_hang: true, open: rehearsal::open, ..SOFTWARE },
    Candidate { name: "rehearsal-slow", codecs: &[VideoCodec::Avc], chosen: Chosen::ByName, open: rehearsal::open_slow, ..SOFTWARE },
    Candidate { name: "probe", codecs: &[VideoCodec::Avc], open: probe::open, ..SOFTWARE },
    #[cfg(test)]
    Candidate { name: "probe-breaks", codecs: &[VideoCodec::Avc], open: probe::open_breaking, ..SOFTWARE },
];

/// The backend called `name` for a rung.
///
/// # Errors
/// There is none that makes its codec.
fn backend(rendition: &Rendition, name: &str) -> Result<&'static Candidate, EncodeError> {
    let unknown = || EncodeError::Open { rung: rendition.name.clone(), backend: "none", why: format!("there is no backend \"{name}\"") };
    find(name).filter(|b| b.codecs.contains(&rendition.codec)).ok_or_else(unknown)
}

/// The backend called `name`.
pub fn find(name: &str) -> Option<&'static Candidate> {
    BACKENDS.iter().find(|b| b.name == name)
}

/// About what the boxes of a segment take beside its pictures: they count against the cap, too.
pub fn container_bytes(pictures: u32) -> u64 {
    320 + 8 * u64::from(pictures)
}

/// What a rung does with a GOP (`schedule.rs` decides).
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Encode it so.
    Encode(Recipe),
    /// Leave it out.
    Skip(Why),
}

/// Why a rung left a GOP out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Why {
    /// The rung was late and its queue full (`--pace live` only).
    Late,
    /// Another shard makes it.
    OtherShard {
        /// How many slots (video) or audio frames the feed has of it.
        units: u32,
    },
    /// This worker joined too late to have what the segment depends on.
    Joining,
    /// Every backend failed on it.
    Failed,
    /// The rung is disabled, by an edit.
    Disabled,
    /// The overload governor left it out, for the sake of smaller rungs.
    Overload,
}

/// Which track, an index into the plan: video renditions first, then audio.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackId(pub usize);

/// What is known of a finished GOP beside its packets. `PartialEq` so that tests can compare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Slots (video) or audio frames.
    pub units: u32,
    /// Slots that repeat the picture before them.
    pub repeats: u32,
    /// Slots that show filler; or silent samples of audio, in audio frames rounded up.
    pub filler: u32,
    /// Slots whose picture shows damage of the feed; or packets of sound that came damaged.
    pub damaged: u32,
    /// How many backends that the plan puts first did not make it; 0: it is as planned, 255: it was to be encoded again for its cap, and the frame budget was spent, 254: it was
    /// hurried under overload ([`HURRIED`]).
    pub fallback: u8,
    /// The feed that it shows: 0 the first, 1 the standby, 255 both.
    pub path: u8,
    /// Slots of black that the feed itself sends.
    pub black: u32,
    /// Slots in which the feed shows what it has shown for half a second.
    pub frozen: u32,
    /// Of sound: audio frames of silence that the feed itself sends.
    pub silent: u32,
    /// The last segment of the event, where that is known in time.
    pub last: bool,
    /// Time the encoder took, for statistics only.
    pub busy: Duration,
}

/// [`Stats::fallback`] of a GOP that the overload governor hurried.
pub const HURRIED: u8 = 254;

/// What is said of a unit (a slot, or an audio frame) before its packet, where there is anything to say. Counts are those of [`Stats`]; all of a GOP's together are its.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// It repeats the picture before it.
    pub repeats: u32,
    /// It is filler; or silent samples, in audio frames rounded up.
    pub fillers: u32,
    /// It shows damage of the feed; or packets of sound that came damaged.
    pub damaged: u32,
    /// The feed that it shows.
    pub path: u8,
    /// The last unit of the event.
    pub last: bool,
}

/// Encoders to muxer. All tracks share one queue of these.
#[derive(Clone, Debug)]
pub enum ToMux {
    /// One packet, in decoding order within (track, gop, attempt).
    Packet {
        /// Track.
        track: TrackId,
        /// GOP.
        gop: GopId,
        /// From 0; a higher one replaces what came before it.
        attempt: u32,
        /// The packet.
        packet: Packet,
    },
    /// What is known of a unit whose packet is still to come. Only where chunks leave before their GOP is complete; for every attempt.
    Told {
        /// Track.
        track: TrackId,
        /// GOP.
        gop: GopId,
        /// The slot, or the audio frame, counted from the epoch.
        unit: i64,
        /// What is known.
        told: Told,
    },
    /// From here on another backend makes the GOP than the plan puts first. Only where chunks leave before their GOP is complete.
    Backend {
        /// Track.
        track: TrackId,
        /// GOP.
        gop: GopId,
        /// As in [`Stats::fallback`].
        fallback: u8,
    },
    /// What of the attempt before may be out stays: the new one goes on behind its first `from` packets, in decoding order. Whatever else it sent is dropped.
    Continue {
        /// Track.
        track: TrackId,
        /// GOP.
        gop: GopId,
        /// The new attempt.
        attempt: u32,
        /// Packets that stay.
        from: u32,
    },
    /// The GOP is complete: its segment can be closed without waiting for the next.
    Done {
        /// Track.
        track: TrackId,
        /// GOP.
        gop: GopId,
        /// The attempt that succeeded.
        attempt: u32,
        /// Counts.
        stats: Stats,
    },
    /// The attempt failed or was discarded; drop its packets.
    Void {
        /// Track.
        track: TrackId,
        /// GOP.
        gop: GopId,
        /// Attempt.
        attempt: u32,
    },
    /// The rung leaves this GOP out for good.
    Skipped {
        /// Track.
        track: TrackId,
        /// GOP.
        gop: GopId,
        /// Why.
        why: Why,
    },
    /// The track begins with this GOP: whichever its lanes are done with first, it is the first to go out. Before everything else of a rung.
    First {
        /// Track.
        track: TrackId,
        /// GOP.
        gop: GopId,
    },
    /// The feed has nothing of these GOPs: what lies before and behind them may still be on its way.
    Absent {
        /// Track.
        track: TrackId,
        /// The first.
        from: GopId,
        /// The one after the last.
        to: GopId,
    },
    /// Nothing follows on this track.
    End {
        /// Track.
        track: TrackId,
        /// How.
        end: End,
    },
}

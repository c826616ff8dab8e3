//! Reading segments back: what is in them, and what they break. Shared by the muxer's self-check and `mezzo check`.
//!
//! The reader shares no code with the writer (only the names in mezzo's own box), so that one does not repeat the other's mistake. Input is hostile until proven otherwise:
//! reading takes time and memory in proportion to the bytes, and never panics.

mod boxes;
mod encryption;
mod init;
#[cfg(test)]
mod mutation_tests;
mod record;
mod rules;
mod segment;
#[cfg(test)]
mod tests;
mod units;

pub use boxes::Kind;
pub(crate) use boxes::name;
pub use encryption::{Encryption, Protected};
pub use init::{Colour, InitFacts, Media, init};
pub use record::{av1_codecs, hevc_codecs};
pub use segment::{Chunk, Prft, Sample, SegmentFacts, chunk, segment};

/// Why bytes cannot be read as what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// The bytes end too early.
    #[error("byte {at}: {what} needs {need} bytes, {left} are left")]
    Short {
        /// Where.
        at: usize,
        /// What was read.
        what: &'static str,
        /// Bytes needed.
        need: usize,
        /// Bytes left.
        left: usize,
    },
    /// A box says a size that cannot be.
    #[error("byte {at}: box {kind} says {size} bytes, {left} are left")]
    Size {
        /// Where.
        at: usize,
        /// Box type.
        kind: String,
        /// Size it says.
        size: u64,
        /// Bytes left.
        left: usize,
    },
    /// More of something than is accepted.
    #[error("byte {at}: too many {what}; at most {most} are accepted")]
    Many {
        /// Where.
        at: usize,
        /// What.
        what: &'static str,
        /// The limit.
        most: usize,
    },
    /// A box that must be there is not.
    #[error("byte {at}: {kind} is missing in {parent}")]
    Missing {
        /// Start of the parent.
        at: usize,
        /// The box.
        kind: &'static str,
        /// Where it should be.
        parent: &'static str,
    },
    /// A value that cannot be.
    #[error("byte {at}: {what} is {value}; {accepted} is accepted")]
    Value {
        /// Where.
        at: usize,
        /// What was read.
        what: &'static str,
        /// The value.
        value: u64,
        /// What would be accepted.
        accepted: &'static str,
    },
}

/// Which rule is broken. The numbers are lines of the project's conformance list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Code {
    /// 1: a video segment does not begin with an IDR.
    NotIdrFirst,
    /// 1: an IDR inside the segment (right where a splice asked for one).
    IdrInside,
    /// 1: a picture of the segment leans, or may lean, on one before it.
    OpenGop,
    /// 1: a sync flag and the NAL units disagree.
    SyncFlag,
    /// 1: NAL unit lengths do not add up to the sample.
    NalLengths,
    /// 2: chunks of the segment do not follow one another in time.
    TfdtBreak,
    /// 2: `tfdt` is not 64 bits wide, or 2^53 or more.
    TfdtRange,
    /// 2: `tfdt` is not where the grid has it.
    TfdtGrid,
    /// 2: `mfhd` does not grow from chunk to chunk.
    Sequence,
    /// 2: sample durations are zero or differ, or pictures are not one to a slot.
    Samples,
    /// 3: samples are not inside the `mdat` of their chunk, or bytes of it belong to no sample.
    MdatLayout,
    /// 3: `default-base-is-moof` is not set.
    BaseIsMoof,
    /// 3: another number of tracks than one.
    OneTrack,
    /// 4: video `trun` is not version 1, or there is an edit list.
    Offsets,
    /// 6: the timescale does not fit the rate.
    Timescale,
    /// 7: brands.
    Brands,
    /// 8: `colr`, `pasp`, `btrt` or the picture size.
    SampleEntry,
    /// 9: parameter sets in band where the entry says that they are not, or nowhere; units that no sample may have.
    InBand,
    /// 10: `prft` is missing, or its time is not that of the grid.
    Prft,
    /// 11: what is said of encrypted samples is not there, or does not add up to them.
    Encryption,
}

/// Every rule, by the name that it has in headers and counts.
pub const RULES: [(Code, &str); 20] = [
    (Code::NotIdrFirst, "not-idr-first"),
    (Code::IdrInside, "idr-inside"),
    (Code::OpenGop, "open-gop"),
    (Code::SyncFlag, "sync-flag"),
    (Code::NalLengths, "nal-lengths"),
    (Code::TfdtBreak, "tfdt-break"),
    (Code::TfdtRange, "tfdt-range"),
    (Code::TfdtGrid, "tfdt-grid"),
    (Code::Sequence, "sequence"),
    (Code::Samples, "samples"),
    (Code::MdatLayout, "mdat-layout"),
    (Code::BaseIsMoof, "base-is-moof"),
    (Code::OneTrack, "one-track"),
    (Code::Offsets, "offsets"),
    (Code::Timescale, "timescale"),
    (Code::Brands, "brands"),
    (Code::SampleEntry, "sample-entry"),
    (Code::InBand, "in-band"),
    (Code::Prft, "prft"),
    (Code::Encryption, "encryption"),
];

/// One rule broken at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub code: Code,
    /// Where, what, and what is accepted.
    pub text: String,
}

impl Finding {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Finding {
        Finding { code, text: text.into() }
    }

    /// Whether a decoder cannot make sense of the segment: its bytes are not where they are said to be.
    pub fn undecodable(&self) -> bool {
        matches!(self.code, Code::NotIdrFirst | Code::NalLengths | Code::MdatLayout | Code::BaseIsMoof | Code::OneTrack)
    }
}

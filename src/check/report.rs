//! What was found, as it is handed out: findings, tracks and lines in numbers, for people and as JSON.

use super::ledger::quote;
use serde::Serialize;
use std::fmt::{self, Display};

/// The line of findings about the layout of the tree, which no conformance line has.
pub const LAYOUT: u8 = 0;
/// The line of findings about two trees.
pub const TWIN: u8 = 31;

/// What each conformance line that can be read from a tree is about.
pub const SUBJECTS: &[(u8, &str)] = &[
    (LAYOUT, "layout of the tree"),
    (1, "segments independently decodable"),
    (2, "time on the epoch grid"),
    (3, "samples in their mdat"),
    (4, "composition offsets, no edit list"),
    (5, "one timescale and entry per set"),
    (6, "timescales"),
    (7, "brands"),
    (8, "colr, pasp, btrt, language"),
    (9, "parameter sets where the entry says"),
    (10, "prft on the grid"),
    (11, "encryption"),
    (12, "playlist tags and dates"),
    (13, "media sequence = segment number"),
    (14, "EXTINF and target duration"),
    (15, "cap, leaky bucket, variant attributes"),
    (16, "progressive, 60 fps, one aspect ratio"),
    (17, "no discontinuity, one init"),
    (18, "low-latency HLS"),
    (19, "EXT-X-DATERANGE"),
    (20, "EXT-X-GAP for holes"),
    (21, "MPD on the wall clock"),
    (22, "exact segment duration in the MPD"),
    (23, "UTCTiming, latency, producer reference"),
    (24, "MPD descriptions"),
    (25, "event streams"),
    (TWIN, "interchangeable with the other tree"),
];

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A conformance line does not hold.
    Error,
    /// Worth knowing; the tree is still clean.
    Note,
}

/// Where in a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Track name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// Segment number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<i64>,
    /// File where it is not a segment, playlist line, or box.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl Place {
    /// The tree as a whole.
    pub fn tree() -> Place {
        Place::default()
    }

    /// A file at the root, or a place in it.
    pub fn file(at: impl Into<String>) -> Place {
        Place { at: Some(quote(at.into())), ..Place::default() }
    }

    /// A track.
    pub fn track(name: &str) -> Place {
        Place { track: Some(quote(name.to_owned())), ..Place::default() }
    }

    /// A segment of it.
    pub fn segment(mut self, number: i64) -> Place {
        self.segment = Some(number);
        self
    }

    /// A file, line or box in it.
    pub fn at(mut self, at: impl Into<String>) -> Place {
        self.at = Some(quote(at.into()));
        self
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.track, self.segment) {
            (Some(track), Some(number)) => write!(f, "{track}/{number}.m4s")?,
            (Some(track), None) => f.write_str(track)?,
            (None, Some(number)) => write!(f, "segment {number}")?,
            (None, None) if self.at.is_none() => f.write_str("tree")?,
            (None, None) => {}
        }
        match &self.at {
            Some(at) if self.track.is_some() || self.segment.is_some() => write!(f, " {at}"),
            Some(at) => f.write_str(at),
            None => Ok(()),
        }
    }
}

/// One thing that is not as it should be, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Number of the conformance line; 0 is the layout of the tree.
    pub line: u8,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// The value found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<String>,
    /// The whole of it, in a sentence.
    pub text: String,
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.severity == Severity::Error { "error" } else { "note" };
        write!(f, "{severity} [{}] {}: {}", self.line, self.place, self.text)
    }
}

/// One conformance line in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineReport {
    /// Its number.
    pub line: u8,
    /// What it is about.
    pub subject: String,
    /// Things looked at.
    pub checked: u64,
    /// Findings that break it, those not listed included.
    pub errors: u64,
    /// Notes, those not listed included.
    pub notes: u64,
    /// Why nothing was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_applicable: Option<String>,
}

/// A track in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrackReport {
    /// Its name.
    pub name: String,
    /// RFC 6381 codec string.
    pub codecs: String,
    /// `1920x1080`, or `2 ch 48000 Hz`.
    pub shape: String,
    /// Pictures, or samples, per second; a fraction where it is one.
    pub rate: String,
    /// Segments on disk.
    pub segments: u64,
    /// First segment number.
    pub first: Option<i64>,
    /// Last segment number.
    pub last: Option<i64>,
    /// Numbers between them without a file.
    pub missing: u64,
    /// Runs of such numbers, first and last of each; the first hundred.
    pub holes: Vec<(i64, i64)>,
    /// Sum of the segments' durations, in seconds.
    pub duration: String,
    /// Largest bit rate of a segment, in bits per second.
    pub peak_bitrate: u64,
    /// Over all segments, in bits per second.
    pub average_bitrate: u64,
    /// Segments marked with repeats, filler or damage.
    pub marked: u64,
}

/// Whether two trees can stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TwinReport {
    /// The other tree.
    pub other: String,
    /// Whether any of their segments may be exchanged.
    pub interchangeable: bool,
    /// The verdict in a sentence.
    pub verdict: String,
    /// Segments that both have.
    pub common: u64,
    /// Of those, with equal bytes.
    pub identical: u64,
    /// Of those, different but excused by a mark of either.
    pub excused: u64,
    /// Segments that only the first has.
    pub only_target: u64,
    /// Segments that only the other has.
    pub only_other: u64,
    /// Where they first differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_difference: Option<String>,
}

/// The whole result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was checked.
    pub target: String,
    /// No errors (notes do not count).
    pub clean: bool,
    /// Classes of the workers that made it, as the initialisation segments and segments say.
    pub classes: Vec<String>,
    /// Duration of a slot in seconds, as a fraction.
    pub slot: Option<String>,
    /// The tracks.
    pub tracks: Vec<TrackReport>,
    /// The conformance lines.
    pub lines: Vec<LineReport>,
    /// Findings, errors first; at most a hundred errors and a hundred notes of each line.
    pub findings: Vec<Finding>,
    /// The comparison, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<TwinReport>,
}

impl Report {
    /// Errors, those not listed included.
    pub fn errors(&self) -> u64 {
        self.lines.iter().map(|l| l.errors).sum()
    }

    /// As JSON, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a report holds only strings, numbers and lists");
        text.push('\n');
        text
    }
}

impl Display for Report {
    /// For people: tracks, lines, findings, verdict.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: slots of {}, class {}", self.target, self.slot.as_deref().unwrap_or("unknown duration"), classes(&self.classes))?;
        let width = self.tracks.iter().map(|t| t.name.len()).max().unwrap_or(0).max(5);
        writeln!(f, "\n{:width$}  {:>8}  {:>23}  {:>7}  {:>10}  {:>9}  {:>9}  what", "track", "segments", "numbers", "missing", "seconds", "peak", "average")?;
        for t in &self.tracks {
            let numbers = t.first.zip(t.last).map_or("none".to_owned(), |(a, b)| format!("{a}..{b}"));
            let (peak, average) = (kilobits(t.peak_bitrate), kilobits(t.average_bitrate));
            let (segments, missing, duration) = (t.segments, t.missing, &t.duration);
            write!(f, "{:width$}  {segments:>8}  {numbers:>23}  {missing:>7}  {duration:>10}  {peak:>9}  {average:>9}", t.name)?;
            writeln!(f, "  {}, {}, {}", t.codecs, t.shape, t.rate)?;
        }
        writeln!(f, "\nline  checked  errors  notes  subject")?;
        for l in &self.lines {
            write!(f, "{:>4}  {:>7}  {:>6}  {:>5}  {}", l.line, l.checked, l.errors, l.notes, l.subject)?;
            writeln!(f, "{}", l.not_applicable.as_ref().map_or(String::new(), |why| format!(" (not applicable: {why})")))?;
        }
        if !self.findings.is_empty() {
            writeln!(f)?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if let Some(twin) = &self.against {
            writeln!(f, "\nagainst {}: {}", twin.other, twin.verdict)?;
            write!(f, "{} segments in both, {} identical, {} different but marked; ", twin.common, twin.identical, twin.excused)?;
            writeln!(f, "{} only here, {} only there", twin.only_target, twin.only_other)?;
        }
        match self.errors() {
            0 => writeln!(f, "\nclean"),
            n => writeln!(f, "\n{n} errors"),
        }
    }
}

fn classes(classes: &[String]) -> String {
    if classes.is_empty() { "unknown".to_owned() } else { classes.join(", ") }
}

fn kilobits(bits: u64) -> String {
    format!("{} kb/s", bits.div_ceil(1000))
}

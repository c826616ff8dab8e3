//! What was checked and what was found: the ledger that every check writes to, and the report that comes of it.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// Findings kept for each conformance line; more are counted only.
const MAX_KEPT: u64 = 100;
/// Longest value quoted in a finding, in characters.
const MAX_QUOTE: usize = 200;
/// Longest finding, in characters.
const MAX_TEXT: usize = 1000;

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

/// How often a line was looked at, and with what result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    checked: u64,
    errors: u64,
    notes: u64,
    not_applicable: Option<String>,
}

/// Collects what every check finds. Bounded: it keeps so many findings of a line, and counts the rest.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    tallies: BTreeMap<u8, Tally>,
    findings: Vec<Finding>,
}

impl Ledger {
    /// `n` more things of `line` were looked at.
    pub fn checked(&mut self, line: u8, n: u64) {
        let tally = self.tallies.entry(line).or_default();
        tally.checked = tally.checked.saturating_add(n);
    }

    /// Looks at one thing: where `ok` is false, `what` is `found` and `required` is required.
    pub fn hold(&mut self, line: u8, ok: bool, place: &Place, what: &str, found: impl Display, required: impl Display) {
        self.checked(line, 1);
        if !ok {
            let (found, required) = (quote(found.to_string()), quote(required.to_string()));
            let text = format!("{what} is {found}; {required} is required");
            self.push(Finding { line, severity: Severity::Error, place: place.clone(), found: Some(found), required: Some(required), text });
        }
    }

    /// Looks at one thing that must equal another.
    pub fn equal<T: PartialEq + Display>(&mut self, line: u8, place: &Place, what: &str, found: T, required: T) {
        let ok = found == required;
        self.hold(line, ok, place, what, found, required);
    }

    /// Something must be there: counts, and returns it.
    pub fn present<T>(&mut self, line: u8, place: &Place, what: &str, value: Option<T>) -> Option<T> {
        self.checked(line, 1);
        if value.is_none() {
            self.error(line, place, format!("{what} is missing"));
        }
        value
    }

    /// A line does not hold. Does not count as looked at: the caller has counted.
    pub fn error(&mut self, line: u8, place: &Place, text: impl Into<String>) {
        self.push(Finding { line, severity: Severity::Error, place: place.clone(), found: None, required: None, text: text.into() });
    }

    /// Worth knowing.
    pub fn note(&mut self, line: u8, place: &Place, text: impl Into<String>) {
        self.push(Finding { line, severity: Severity::Note, place: place.clone(), found: None, required: None, text: text.into() });
    }

    /// Why a line was not looked at; ignored where it was.
    pub fn not_applicable(&mut self, line: u8, why: impl Into<String>) {
        self.tallies.entry(line).or_default().not_applicable.get_or_insert(why.into());
    }

    fn push(&mut self, mut finding: Finding) {
        finding.text = clean(&finding.text, MAX_TEXT);
        let tally = self.tallies.entry(finding.line).or_default();
        let count = if finding.severity == Severity::Error { &mut tally.errors } else { &mut tally.notes };
        *count += 1;
        if *count <= MAX_KEPT {
            self.findings.push(finding);
        }
    }

    /// Adds what another ledger has, in its order.
    pub fn absorb(&mut self, other: Ledger) {
        let mut beyond: BTreeMap<(u8, bool), u64> = BTreeMap::new();
        for (line, tally) in &other.tallies {
            self.checked(*line, tally.checked);
            if let Some(why) = &tally.not_applicable {
                self.not_applicable(*line, why.clone());
            }
            beyond.insert((*line, true), tally.errors);
            beyond.insert((*line, false), tally.notes);
        }
        for finding in other.findings {
            if let Some(left) = beyond.get_mut(&(finding.line, finding.severity == Severity::Error)) {
                *left = left.saturating_sub(1);
            }
            self.push(finding);
        }
        for ((line, error), left) in beyond {
            let tally = self.tallies.entry(line).or_default();
            *(if error { &mut tally.errors } else { &mut tally.notes }) += left;
        }
    }

    /// How many errors there are.
    pub fn errors(&self) -> u64 {
        self.tallies.values().map(|t| t.errors).sum()
    }

    /// Everything, by line.
    pub fn finish(self) -> (Vec<LineReport>, Vec<Finding>) {
        let lines = SUBJECTS.iter().filter_map(|(line, subject)| {
            let tally = self.tallies.get(line)?;
            let not_applicable = tally.not_applicable.clone().filter(|_| tally.checked == 0);
            let (checked, errors, notes) = (tally.checked, tally.errors, tally.notes);
            Some(LineReport { line: *line, subject: (*subject).to_owned(), checked, errors, notes, not_applicable })
        });
        let lines = lines.collect();
        let mut findings = self.findings;
        findings.sort_by_key(|f| (f.severity, f.line));
        (lines, findings)
    }
}

/// A value from outside, shortened and without control characters: it ends up in a terminal.
pub fn quote(text: String) -> String {
    clean(&text, MAX_QUOTE)
}

fn clean(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
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
    /// Segments marked with repeats or filler.
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

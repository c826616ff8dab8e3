//! The ledger that every check writes to: what was looked at, and what was found. Bounded, and safe to print.

use super::report::{Finding, LineReport, Place, SUBJECTS, Severity};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Findings kept for each conformance line; more are counted only.
const MAX_KEPT: u64 = 100;
/// Longest value quoted in a finding, in characters.
const MAX_QUOTE: usize = 200;
/// Longest finding, in characters.
const MAX_TEXT: usize = 1000;

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

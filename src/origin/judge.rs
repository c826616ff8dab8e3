//! A body that was pushed as a segment, read: a candidate, or why it is none. What its sender says of it beside the bytes decides nothing.

use super::choose::Merit;
use crate::inspect::{self, Code, InitFacts, SegmentFacts};
use crate::mux::TrackKind;
use crate::mux::describe::Described;
use crate::time::{GopId, Seconds};
use crate::verdict::{Shown, Verdict};
use bytes::Bytes;
use std::sync::Arc;

/// A body that was pushed, whole.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The bytes.
    pub bytes: Bytes,
    /// When the last of them was here.
    pub received: Seconds,
    /// What its sender says that it shows, where it speaks of these bytes. It is told on, and decides nothing.
    pub said: Option<Shown>,
}

/// A segment that could be published.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What speaks for and against it.
    pub merit: Merit,
    /// The bytes.
    pub bytes: Bytes,
    /// What is known of it.
    pub verdict: Arc<Verdict>,
    /// When its first unit is shown or heard (UTC).
    pub start: Seconds,
    /// How long it lasts.
    pub duration: Seconds,
    /// It says that the event ends with it.
    pub last: bool,
    /// When its last byte was here.
    pub received: Seconds,
}

/// Reads `bytes` as a segment of a track with that initialisation segment. In words where it is none that can be decoded.
pub fn read(init: &InitFacts, bytes: &[u8]) -> Result<SegmentFacts, String> {
    let facts = inspect::segment(bytes, Some(init)).map_err(|e| e.to_string())?;
    if let Some(worst) = facts.findings.iter().find(|f| f.undecodable()) {
        return Err(worst.text.clone());
    }
    if facts.samples().next().is_none() {
        return Err("it has no samples".to_owned());
    }
    match (&facts.marks, &init.class) {
        (Some(marks), Some(class)) if marks.class != *class => {
            Err(format!("it is of class \"{}\"; the class of the initialisation segment, \"{class}\", is accepted", marks.class))
        }
        _ => Ok(facts),
    }
}

/// The candidate that `facts` of `bytes` are for `number` of `track`, from pipeline `pipeline`. In words where it has no place there.
pub fn candidate(
    track: &Described,
    init: &InitFacts,
    number: GopId,
    facts: &SegmentFacts,
    Pushed { bytes, received, said }: Pushed,
    pipeline: usize,
) -> Result<Candidate, String> {
    let spec = &track.spec;
    spec.legal(number).map_err(|e| e.to_string())?;
    let ticks = |ticks: u64| Seconds::new(ticks.into(), init.timescale.max(1).into());
    let (start, duration) = (ticks(facts.tfdt()), ticks(facts.duration()));
    let place = spec.time(spec.first_unit(number));
    // Sound that others cut may begin a frame beside the grid.
    let beside = (start - place).abs();
    let most = if let TrackKind::Audio { .. } = spec.kind { spec.span(1) } else { Seconds::ZERO };
    if beside > most {
        return Err(format!("it starts at {start}; segment {number} is accepted at {place}"));
    }
    let (units, whole) = (facts.samples().count(), spec.units(number) as usize);
    let end = spec.time(spec.first_unit(number.next()));
    if start + duration > end + most {
        return Err(format!("it lasts until {}; the next segment begins at {end}", start + duration));
    }
    let last = has(facts, b"lmsg");
    let marks = facts.marks.clone().unwrap_or_default();
    let (num, den) = duration.fraction();
    let over_cap = bytes.len() as i128 * 8 * den > i128::from(track.peak) * num;
    let broken = facts.findings.iter().filter(|f| matters(f.code)).count() + usize::from(beside > Seconds::ZERO);
    let missing = if last { 0 } else { whole.saturating_sub(units) };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let hurt = marks.damaged.saturating_add(marks.repeats).saturating_add(u32::from(marks.fallback > 0));
    let defects = hurt.saturating_add(count(broken + missing + usize::from(over_cap)));
    let merit = Merit { fillers: marks.fillers.max(u32::from(has(facts, b"slat"))), defects, pipeline };
    let sound = matches!(spec.kind, TrackKind::Audio { .. });
    let millis = u32::try_from(duration.nearest_ticks(1000)).unwrap_or(0);
    let shown = Shown { sound, millis, units: count(units), ..said.unwrap_or_default() };
    let verdict = Arc::new(Verdict::new(marks, &bytes, &facts.findings, over_cap).showing(shown));
    Ok(Candidate { merit, bytes, verdict, start, duration, last, received })
}

/// Whether the segment, or any chunk of it, has that brand: what is known only at its end is said there.
pub fn has(facts: &SegmentFacts, brand: &[u8; 4]) -> bool {
    facts.brands.contains(brand) || facts.chunks.iter().any(|chunk| chunk.brands.contains(brand))
}

/// Whether a rule that is broken is seen or heard. What only a reader of boxes notices is no reason to take another one.
fn matters(code: Code) -> bool {
    matches!(code, Code::OpenGop | Code::SyncFlag | Code::TfdtBreak | Code::TfdtRange | Code::TfdtGrid | Code::Samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::test_kit::{ASC, audio, grid, plain};
    use crate::mux::{self, Marks};

    #[test]
    fn what_a_segment_shows_is_told_on() {
        let spec = audio(0, "aac", 128_000, grid(25, 1, 50), "eng", ASC.to_vec());
        let init = inspect::init(&mux::init(&spec, "class").expect("is sound")).expect("reads");
        let number = GopId(10);
        let bytes: Bytes =
            mux::segment(&spec, number, &plain(&spec, number), &Marks { class: "class".into(), ..Marks::default() }, false, None).expect("is sound").into();
        let facts = read(&init, &bytes).expect("reads");
        let said = Some(Shown { silent: 7, millis: 5, units: 1, sound: false, ..Shown::default() });
        let described = Described::new(&spec, &init, None);
        let candidate = candidate(&described, &init, number, &facts, Pushed { bytes, received: Seconds::ZERO, said }, 0).expect("has its place");
        let Shown { sound, millis, units, silent, black, frozen } = candidate.verdict.shown;
        assert!(sound && (1_970..=2_030).contains(&millis) && units == spec.units(number), "the bytes say so: {millis} {units}");
        assert_eq!((silent, black, frozen), (7, 0, 0), "what they do not say");
        assert!(candidate.merit.is_clean());
    }
}

//! Two trees: may any segment of one stand in for the same number of the other?

use super::ledger::Ledger;
use super::locate;
use super::media::{Track, TrackMedia, times};
use super::report::{Place, TWIN, TwinReport};
use super::tree::{ReadError, Tree};
use crate::inspect;
use crate::mux::Marks;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Segments compared at once: what bounds the memory.
const BATCH: usize = 16;

/// A tree as far as the comparison needs it.
pub struct Side<'a> {
    /// How to call it.
    pub name: String,
    /// Its files.
    pub tree: &'a Tree,
    /// Its tracks.
    pub tracks: &'a [(Track, TrackMedia)],
    /// Classes of the workers that made it.
    pub classes: &'a BTreeSet<String>,
    /// Its multivariant playlist.
    pub main: &'a str,
}

/// How two segments of one number compare.
struct Pair {
    number: i64,
    same: bool,
    marked: bool,
    /// Same `tfdt`, and the same presentation times.
    times: Result<(), String>,
    difference: Option<String>,
}

/// Compares, with findings of line 31. The class first, then what players depend on, then bytes.
pub fn compare(a: &Side, b: &Side, ledger: &mut Ledger) -> TwinReport {
    let before = ledger.errors();
    let mut twin = TwinReport {
        other: b.name.clone(),
        interchangeable: false,
        verdict: String::new(),
        common: 0,
        identical: 0,
        excused: 0,
        only_target: 0,
        only_other: 0,
        first_difference: None,
    };
    let classes = |c: &BTreeSet<String>| if c.is_empty() { "unknown".to_owned() } else { c.iter().cloned().collect::<Vec<_>>().join(", ") };
    let same_class = a.classes == b.classes;
    ledger.hold(TWIN, same_class, &Place::tree(), "the class", classes(a.classes), format!("{}, the class of the other tree,", classes(b.classes)));
    let names = |s: &Side| s.tracks.iter().map(|(t, _)| t.name.clone()).collect::<BTreeSet<_>>();
    let (ours, theirs) = (names(a), names(b));
    for name in ours.symmetric_difference(&theirs) {
        let missing = if ours.contains(name) { &b.name } else { &a.name };
        ledger.error(TWIN, &Place::track(name), format!("the track is missing in {missing}"));
    }
    ledger.checked(TWIN, 1);
    if a.main != b.main {
        let line = a.main.lines().zip(b.main.lines()).take_while(|(x, y)| x == y).count() + 1;
        ledger.error(TWIN, &Place::file("main.m3u8"), format!("the multivariant playlists differ from line {line} on; twins of one plan write the same"));
    }
    for (track, media) in a.tracks {
        if let Some((other, other_media)) = b.tracks.iter().find(|(t, _)| t.name == track.name) {
            init(track, other, &mut twin, ledger);
            segments(a, b, track, other, &mut twin, ledger);
            interleave(&track.name, media, other_media, ledger);
        }
    }
    twin.interchangeable = ledger.errors() == before;
    twin.verdict = verdict(&twin, same_class);
    twin
}

fn verdict(twin: &TwinReport, same_class: bool) -> String {
    match (&twin.first_difference, same_class) {
        _ if twin.interchangeable && twin.common == 0 => "interchangeable as far as can be seen, but no segment is in both".to_owned(),
        _ if twin.interchangeable => "interchangeable: every segment that is in both may be taken from either".to_owned(),
        (Some(first), true) => format!("not interchangeable; first difference: {first}"),
        (Some(first), false) => format!("not interchangeable: the classes differ; first difference: {first}"),
        (None, true) => "not interchangeable: see the findings of line 31".to_owned(),
        (None, false) => "not interchangeable: the classes differ".to_owned(),
    }
}

fn init(a: &Track, b: &Track, twin: &mut TwinReport, ledger: &mut Ledger) {
    ledger.checked(TWIN, 1);
    if let Some(offset) = locate::first_difference(&a.init_bytes, &b.init_bytes) {
        let text = format!("the initialisation segments differ at {}", locate::path(&a.init_bytes, offset));
        twin.first_difference.get_or_insert_with(|| format!("{}/init.mp4 {}", a.name, locate::path(&a.init_bytes, offset)));
        ledger.error(TWIN, &Place::track(&a.name).at("init.mp4"), text);
    }
}

fn segments(a: &Side, b: &Side, track: &Track, other: &Track, twin: &mut TwinReport, ledger: &mut Ledger) {
    // By name, not by what could be read: a file that is broken in one tree is a difference.
    let numbers = |side: &'_ Side, name: &str| side.tree.track(name).map_or(Vec::new(), |dir| dir.numbers.clone());
    let (here, there) = (numbers(a, &track.name), numbers(b, &track.name));
    let common: Vec<i64> = here.iter().copied().filter(|n| there.binary_search(n).is_ok()).collect();
    let (only_ours, only_theirs) = (here.len() - common.len(), there.len() - common.len());
    twin.common += common.len() as u64;
    twin.only_target += only_ours as u64;
    twin.only_other += only_theirs as u64;
    if only_ours + only_theirs > 0 {
        ledger.note(TWIN, &Place::track(&track.name), format!("{only_ours} segments are only in {}, {only_theirs} only in {}", a.name, b.name));
    }
    for batch in common.chunks(BATCH) {
        let pairs: Vec<Option<Pair>> = batch.par_iter().map(|number| pair(a.tree, b.tree, track, other, *number)).collect();
        for pair in pairs.into_iter().flatten() {
            ledger.checked(TWIN, 1);
            judge(&track.name, pair, twin, ledger);
        }
    }
}

fn judge(name: &str, pair: Pair, twin: &mut TwinReport, ledger: &mut Ledger) {
    let place = Place::track(name).segment(pair.number);
    if pair.same {
        twin.identical += 1;
        return;
    }
    // A mark excuses other bytes. It never excuses other times.
    if let Err(text) = pair.times {
        twin.first_difference.get_or_insert_with(|| format!("{place}: {text}"));
        ledger.error(TWIN, &place, text);
        return;
    }
    let difference = pair.difference.unwrap_or_default();
    if pair.marked {
        twin.excused += 1;
        ledger.note(TWIN, &place, format!("the bytes differ at {difference}, excused by a mark (repeats, filler or damage)"));
        return;
    }
    twin.first_difference.get_or_insert_with(|| format!("{place} {difference}"));
    ledger.error(TWIN, &place, format!("the bytes differ at {difference}, and neither segment is marked"));
}

/// Nothing where either has gone since its name was read.
fn pair(a: &Tree, b: &Tree, ours: &Track, theirs: &Track, number: i64) -> Option<Pair> {
    let broken = |why: String| Some(Pair { number, same: false, marked: false, times: Err(why), difference: None });
    let (first, second) = match (a.segment(&ours.name, number), b.segment(&theirs.name, number)) {
        (Ok(first), Ok(second)) => (first, second),
        (Err(ReadError::Missing), _) | (_, Err(ReadError::Missing)) => return None,
        (Err(why), _) => return broken(format!("the file in the target cannot be read: {why}")),
        (_, Err(why)) => return broken(format!("the file in the other tree cannot be read: {why}")),
    };
    let Some(offset) = locate::first_difference(&first, &second) else {
        return Some(Pair { number, same: true, marked: false, times: Ok(()), difference: None });
    };
    let (x, y) = match (inspect::segment(&first, Some(&ours.init)), inspect::segment(&second, Some(&theirs.init))) {
        (Ok(x), Ok(y)) => (x, y),
        (Err(why), _) => return broken(format!("the boxes in the target cannot be read: {why}")),
        (_, Err(why)) => return broken(format!("the boxes in the other tree cannot be read: {why}")),
    };
    let marked = [&x, &y].iter().any(|f| f.marks.as_ref().is_some_and(Marks::excuse));
    let compared = match (times(&x), times(&y)) {
        _ if x.tfdt() != y.tfdt() => Err(format!("tfdt is {} and {}", x.tfdt(), y.tfdt())),
        (p, q) if p.len() != q.len() => Err(format!("there are {} and {} samples", p.len(), q.len())),
        (p, q) => match p.iter().zip(&q).find(|(p, q)| p != q) {
            Some((p, q)) => Err(format!("the sets of presentation times differ: {p} and {q}")),
            None => Ok(()),
        },
    };
    Some(Pair { number, same: false, marked, times: compared, difference: Some(locate::path(&first, offset)) })
}

/// From k of one to k + 1 of the other, both ways: no gap, no overlap.
fn interleave(name: &str, a: &TrackMedia, b: &TrackMedia, ledger: &mut Ledger) {
    for (from, to) in [(a, b), (b, a)] {
        for segment in &from.segments {
            if let Some(next) = segment.number.checked_add(1).and_then(|n| to.get(n)) {
                let end = i128::from(segment.tfdt) + i128::from(segment.ticks);
                let place = Place::track(name).segment(next.number);
                ledger.hold(
                    TWIN,
                    i128::from(next.tfdt) == end,
                    &place,
                    "tfdt after the other tree's segment",
                    next.tfdt,
                    format!("{end}, where that one ends,"),
                );
            }
        }
    }
}

//! What an earlier life of the origin left in its directory: the window is taken up again, and playlists go on.

use super::desk::{Desk, Out};
use super::judge;
use super::received;
use crate::inspect::{Media, SegmentFacts};
use crate::mux::listing::Entry;
use crate::plan::MAX_TRACKS;
use crate::sink::store::Store;
use crate::sink::{Publish, SinkError, stored};
use crate::time::{GopId, Seconds};
use bytes::Bytes;
use std::fs;
use std::path::Path;

/// Largest initialisation segment that is read.
const MAX_INIT: u64 = 1 << 20;

/// Takes up what is in `dir`: initialisation segments, the newest segments, and which of them the playlists list. What cannot be read is left alone.
pub(super) fn restore(dir: &Path, desk: &mut Desk, store: &Store) -> Result<Out, SinkError> {
    let mut out = Out::default();
    for name in folders(dir)? {
        let path = dir.join(&name).join("init.mp4");
        let size = fs::metadata(&path).map(|m| m.len());
        let Ok(1..=MAX_INIT) = size else { continue };
        let bytes = Bytes::from(fs::read(&path).map_err(|e| SinkError::new(&path, e))?);
        match desk.add_track(&name, bytes.clone()) {
            Ok(()) => out.items.push(Publish::Init { path: format!("{name}/init.mp4"), bytes }),
            Err(refusal) => tracing::warn!("{}: {refusal}; it is left alone", path.display()),
        }
    }
    let found: Vec<(String, Vec<GopId>)> =
        desk.tracks.iter().map(|t| Ok((t.name.clone(), stored::numbers(&dir.join(&t.name))?))).collect::<Result<_, SinkError>>()?;
    let newest: Vec<Option<(GopId, SegmentFacts)>> = found.iter().enumerate().map(|(index, (name, numbers))| last(dir, desk, index, name, numbers)).collect();
    let video = |index: usize| matches!(desk.tracks[index].facts.media, Media::Video { .. });
    desk.grid = newest.iter().enumerate().filter(|(index, _)| video(*index)).find_map(|(index, newest)| {
        let (number, facts) = newest.as_ref()?;
        Some((received::grid(&desk.tracks[index].facts, *number, facts).ok()?, received::chunking(facts)))
    });
    let (Some((grid, chunking)), Some(rules)) = (desk.grid, desk.rules()) else { return Ok(out) };
    desk.tracks.iter().filter(|t| desk.is_sound(&t.name)).for_each(|t| store.carries_sound(&t.name));
    store.restore(dir, &found)?;
    for (index, (newest, (name, numbers))) in newest.into_iter().zip(found).enumerate() {
        let Some((number, facts)) = newest else { continue };
        let mut shown = desk.describe(index, grid, chunking, &facts);
        let spec = shown.described.spec.clone();
        let (timescale, over) = (desk.tracks[index].facts.timescale, judge::has(&facts, b"lmsg"));
        let entry = |n: GopId| {
            let whole = spec.span(spec.units(n));
            let duration = if n == number { Seconds::new(facts.duration().into(), timescale.max(1).into()) } else { whole };
            Entry { number: n, start: spec.time(spec.first_unit(n)), duration, gap: false }
        };
        let mut leave = Vec::new();
        for n in numbers.into_iter().filter(|n| *n <= number && spec.legal(*n).is_ok()) {
            if let Some(from) = shown.listing.last().map(GopId::next).filter(|from| *from < n) {
                leave.extend(shown.listing.gap(from, n, entry));
            }
            leave.extend(shown.listing.push(entry(n)));
        }
        let listed: Vec<GopId> = shown.listing.entries().iter().map(|entry| entry.number).collect();
        let places = stored::pictures(dir, &[(name.clone(), listed)], std::slice::from_ref(&name));
        places.into_values().flatten().for_each(|(number, place)| shown.iframes.insert(number, Some(place)));
        desk.tracks[index].shown = Some(shown);
        desk.tracks[index].ended = over.then_some(number);
        desk.tracks[index].counts.last = Some(number.0);
        // Whatever comes next is believed: the event may have gone on for long without this origin.
        desk.edge.note(number, Seconds::ZERO);
        out.items.extend(leave.into_iter().map(|n| Publish::Remove { path: format!("{name}/{n}.m4s") }));
    }
    let mut there = desk.tracks.iter().filter(|t| t.last().is_some()).peekable();
    if there.peek().is_some() {
        desk.over = there.all(|t| t.ended.is_some());
        desk.show(&rules, &mut out);
    }
    Ok(out)
}

/// The newest segment that can be read, of the last few.
fn last(dir: &Path, desk: &Desk, index: usize, name: &str, numbers: &[GopId]) -> Option<(GopId, SegmentFacts)> {
    numbers.iter().rev().take(8).find_map(|number| {
        let bytes = fs::read(dir.join(name).join(format!("{number}.m4s"))).ok()?;
        judge::read(&desk.tracks[index].facts, &bytes).ok().map(|facts| (*number, facts))
    })
}

/// Folders in `dir`, by name, as many as there may be tracks.
pub(super) fn folders(dir: &Path) -> Result<Vec<String>, SinkError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(SinkError::new(dir, e)),
    };
    let mut names: Vec<String> =
        entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names.truncate(MAX_TRACKS);
    Ok(names)
}

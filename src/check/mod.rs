//! `mezzo check`: does a published tree satisfy the conformance list, and may one of two stand in for the other?
//!
//! - `tree`: names and files, bounded; `playlist`: raw lines of a playlist; `ledger`: what was found; `report`: how it is told
//! - `entry`: initialisation segments; `media`: every segment on its own (`decode`: through libav; `bucket`: its rate); `timeline`: across segments
//! - `hls`, `variants`, `dash`: the text around them; `against`, `locate`: two trees
//!
//! Input is hostile until proven otherwise: everything read is bounded, nothing panics, and what cannot be read is a finding.

mod against;
#[cfg(test)]
mod against_tests;
mod bucket;
mod coded;
#[cfg(test)]
mod coded_tests;
mod dash;
mod decode;
mod entry;
mod hls;
#[cfg(test)]
mod hostile_tests;
mod iframes;
mod ledger;
mod locate;
mod media;
mod parts;
mod playlist;
mod profiles;
mod report;
mod sound;
#[cfg(test)]
mod test_kit;
#[cfg(test)]
mod tests;
mod timeline;
mod tree;
mod variants;

pub use report::{Finding, LineReport, Place, Report, Severity, TrackReport, TwinReport};
pub use tree::CheckError;

use crate::inspect::Media;
use crate::time::Seconds;
use against::Side;
use hls::{Listed, Subject};
use ledger::Ledger;
use media::{Track, TrackMedia};
use report::{LAYOUT, TWIN};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tree::{TrackDir, Tree};
use variants::{Known, Rates};

/// Most holes listed of a track.
const MAX_HOLES: usize = 100;

/// What to do beside reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Decode every segment with libav. It takes most of the time.
    pub decode: bool,
    /// Media playlists and I-frame playlists are there, and checked. Where not, as in trees of several shards that were copied together, what is listed is what is there, and a
    /// number between two others that is absent is an error.
    pub playlists: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { decode: true, playlists: true }
    }
}

/// Checks the tree at `target` (a directory, or the path of its `main.m3u8`), and its twin at `against`.
///
/// Errors only where a target cannot be checked at all; whatever is wrong inside one is a finding. With `options.decode`, libav's log is silenced for the process.
pub fn run(target: &Path, against: Option<&Path>, options: Options) -> Result<Report, CheckError> {
    let mut ledger = Ledger::default();
    let checked = check(target, options, &mut ledger)?;
    let twin = match against {
        Some(other) => {
            // The other tree's own conformance is not the question, only that it can be read: its findings are counted in a sentence.
            let mut its_own = Ledger::default();
            let twin = check(other, Options { decode: false, ..options }, &mut its_own)?;
            if its_own.errors() > 0 {
                let text = format!("{} has {} errors of its own; check it for itself", other.display(), its_own.errors());
                ledger.note(TWIN, &Place::tree(), text);
            }
            Some(against::compare(&checked.side(target), &twin.side(other), &mut ledger))
        }
        None => None,
    };
    let errors = ledger.errors();
    let tracks = checked.tracks.iter().map(|known| checked.track_report(known)).collect();
    let slot = checked.slot.map(|s| if s.fraction().1 == 1 { format!("{} s", s.fraction().0) } else { format!("{}/{} s", s.fraction().0, s.fraction().1) });
    let (lines, findings) = ledger.finish();
    Ok(Report {
        target: target.display().to_string(),
        clean: errors == 0,
        classes: checked.classes.into_iter().collect(),
        slot,
        tracks,
        lines,
        findings,
        against: twin,
    })
}

/// A tree, read and checked.
struct Checked {
    tree: Tree,
    tracks: Vec<Known>,
    slot: Option<Seconds>,
    classes: BTreeSet<String>,
    main: Option<String>,
}

/// The whole of it, in order: names, initialisation segments, manifest, segments, time, playlists.
fn check(target: &Path, options: Options, ledger: &mut Ledger) -> Result<Checked, CheckError> {
    if options.decode {
        decode::prepare();
    }
    let tree = Tree::open(target, ledger)?;
    // Playlists before segments: what a playlist lists is there already, and stays for a while after it has left.
    let main = tree.text("main.m3u8", 12, ledger);
    let mpd = tree.text("manifest.mpd", 21, ledger).and_then(|text| dash::read(&text, ledger));
    let listed = &tree.tracks[..if options.playlists { tree.tracks.len() } else { 0 }];
    let text = |dir: &TrackDir| Some((dir.name.clone(), tree.text(&format!("{}/media.m3u8", dir.name), 12, ledger)?));
    let texts: BTreeMap<String, String> = listed.iter().filter_map(text).collect();
    let text = |dir: &TrackDir| Some((dir.name.clone(), tree.there(&format!("{}/iframes.m3u8", dir.name), 12, ledger)?));
    let pictures: BTreeMap<String, String> = listed.iter().filter_map(text).collect();
    // Names again: a live playlist may list what came after the first look.
    let tree = Tree::open(target, &mut Ledger::default())?;

    let inits: Vec<Track> = tree.tracks.iter().filter_map(|dir| entry::read(&tree, &dir.name, ledger)).collect();
    inits.iter().for_each(|track| entry::check(track, ledger));
    let slot = mpd.as_ref().and_then(dash::slot).or_else(|| first_slot(&tree, &inits));
    if slot.is_none() {
        ledger.error(2, &Place::tree(), "neither the manifest nor a video segment says how long a slot is; the grid was not checked");
    }
    let mut tracks: Vec<Known> = Vec::new();
    for track in inits {
        let numbers = tree.track(&track.name).map_or(&[][..], |dir| &dir.numbers);
        if numbers.is_empty() {
            ledger.error(LAYOUT, &Place::track(&track.name), "there are no segments");
        }
        let media = media::measure(&tree, &track, numbers, slot, options.decode, ledger);
        tracks.push((track, media));
    }

    let lists = playlists(&tree, &tracks, &texts, main.as_deref(), slot, ledger);
    if options.playlists {
        trick_play(&tree, &tracks, &pictures, main.as_deref(), ledger);
    } else {
        whole(&tree, ledger);
    }
    let over = !options.playlists && mpd.as_ref().is_some_and(|mpd| mpd.mediaPresentationDuration.is_some());
    let ended = |name: &str| over || lists.iter().any(|(t, list)| t.name == name && list.ended);
    if let Some(slot) = slot {
        tracks.iter().for_each(|(track, media)| timeline::track(track, media, slot, ended(&track.name), ledger));
    }
    timeline::sequences(&tracks, ledger);
    if over || !lists.is_empty() && lists.iter().all(|(_, list)| list.ended) {
        timeline::ends(&tracks, ledger);
    }
    for set in mpd.as_ref().map_or_else(|| by_kind(&tracks), dash::sets) {
        timeline::switching_set(&set, &tracks, ledger);
    }
    let videos: Vec<_> = tracks.iter().filter(|(t, _)| t.video()).map(|(t, m)| (t, timeline::rate(t, m))).collect();
    entry::shapes(&videos, ledger);
    if let Some(mpd) = &mpd {
        let over = (!lists.is_empty()).then(|| lists.iter().all(|(_, list)| list.ended));
        dash::check(mpd, &tracks, slot, over, ledger);
    }
    if !options.decode {
        ledger.note(1, &Place::tree(), "segments were not decoded");
    }
    let mut classes: BTreeSet<String> = tracks.iter().flat_map(|(_, m)| m.classes.iter().cloned()).collect();
    classes.extend(tracks.iter().filter_map(|(t, _)| t.init.class.clone()).filter(|c| !c.is_empty()));
    if classes.len() > 1 {
        ledger.note(TWIN, &Place::tree(), format!("workers of {} classes made this tree; their segments need not be equal", classes.len()));
    }
    Ok(Checked { tree, tracks, slot, classes, main })
}

/// Every media playlist against its track, then against each other, then the multivariant playlist.
fn playlists<'a>(
    tree: &Tree,
    tracks: &'a [Known],
    texts: &BTreeMap<String, String>,
    main: Option<&str>,
    slot: Option<Seconds>,
    ledger: &mut Ledger,
) -> Vec<(&'a Track, Listed)> {
    let independent = main.is_some_and(|text| variants::main(text, tracks, ledger));
    let mut lists = Vec::new();
    for (track, media) in tracks {
        if let (Some(dir), Some(text)) = (tree.track(&track.name), texts.get(&track.name)) {
            lists.push((track, hls::media(text, &Subject { track, media, dir, slot }, independent, ledger)));
        }
    }
    hls::variants(&lists, ledger);
    lists
}

/// Of a tree without playlists: no number is absent, for nothing says why.
fn whole(tree: &Tree, ledger: &mut Ledger) {
    ledger.note(12, &Place::tree(), "media playlists were not checked");
    for dir in &tree.tracks {
        for (from, to) in dir.holes().take(MAX_HOLES) {
            ledger.error(20, &Place::track(&dir.name), format!("segments {from} to {to} are not there, and no playlist has a gap for them"));
        }
    }
}

/// Every I-frame playlist that is there or named.
fn trick_play(tree: &Tree, tracks: &[Known], texts: &BTreeMap<String, String>, main: Option<&str>, ledger: &mut Ledger) {
    let named = main.map(|text| iframes::main(&playlist::main(text), tracks, ledger)).unwrap_or_default();
    for known in tracks {
        let name = &known.0.name;
        match (texts.get(name), named.get(name)) {
            (Some(text), said) => iframes::media(text, tree, known, said.and_then(Option::as_deref), ledger),
            (None, Some(_)) => ledger.error(12, &Place::track(name).at("iframes.m3u8"), "main.m3u8 names it, and it is not there"),
            (None, None) => {}
        }
    }
}

/// Without a manifest: tracks of one media type and sample entry are taken for a switching set.
fn by_kind(tracks: &[Known]) -> Vec<Vec<String>> {
    let mut sets: Vec<(bool, [u8; 4], Vec<String>)> = Vec::new();
    for (track, _) in tracks {
        match sets.iter_mut().find(|(video, entry, _)| *video == track.video() && *entry == track.init.entry) {
            Some((_, _, names)) => names.push(track.name.clone()),
            None => sets.push((track.video(), track.init.entry, vec![track.name.clone()])),
        }
    }
    sets.into_iter().map(|(_, _, names)| names).collect()
}

/// Without a manifest: the first video segment is taken for a whole slot.
fn first_slot(tree: &Tree, tracks: &[Track]) -> Option<Seconds> {
    tracks.iter().filter(|t| t.video()).find_map(|track| {
        let number = *tree.track(&track.name)?.numbers.first()?;
        let facts = crate::inspect::segment(&tree.segment(&track.name, number).ok()?, Some(&track.init)).ok()?;
        timeline::slot(facts.duration(), track.init.timescale.into())
    })
}

impl Checked {
    fn side(&self, target: &Path) -> Side<'_> {
        Side { name: target.display().to_string(), tree: &self.tree, tracks: &self.tracks, classes: &self.classes, main: self.main.as_deref().unwrap_or("") }
    }

    fn track_report(&self, known: &Known) -> TrackReport {
        let (track, media): (&Track, &TrackMedia) = (&known.0, &known.1);
        let rates = Rates::new(track, media);
        let (first, last) = (media.segments.first().map(|s| s.number), media.segments.last().map(|s| s.number));
        let ticks: u128 = media.segments.iter().map(|s| u128::from(s.ticks)).sum();
        let dir = self.tree.track(&track.name);
        let holes: Vec<(i64, i64)> = dir.map_or(Vec::new(), |d| d.holes().take(MAX_HOLES).collect());
        let missing = dir.map_or(0, |d| d.holes().map(|(a, b)| (b - a + 1).unsigned_abs()).sum());
        let (shape, rate) = match &track.init.media {
            Media::Video { width, height, .. } => (format!("{width}x{height}"), timeline::rate(track, media).map_or("?".to_owned(), |r| format!("{r} fps"))),
            Media::Audio { channels, sample_rate, .. } => (format!("{channels} ch"), format!("{sample_rate} Hz")),
        };
        let duration = Seconds::new(i128::try_from(ticks).unwrap_or(i128::MAX >> 32), track.init.timescale.max(1).into());
        TrackReport {
            name: ledger::quote(track.name.clone()),
            codecs: track.init.codecs.clone(),
            shape,
            rate,
            segments: media.segments.len() as u64,
            first,
            last,
            missing,
            holes,
            duration: duration.to_string(),
            peak_bitrate: rates.peak,
            average_bitrate: rates.average,
            marked: media.segments.iter().filter(|s| s.marked).count() as u64,
        }
    }
}

/// Runs a parser of others: nothing where it panics.
fn guarded<T>(parse: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(parse)).ok()
}

//! Playlists and the manifest, of what is published: the same text as a worker that makes every track writes.

use super::received;
use super::track::{Rules, Shown, Track};
use crate::mux::TrackSpec;
use crate::mux::dash::{self, Extent};
use crate::mux::describe::Described;
use crate::mux::hls;
use crate::sink::{Edge, Publish, Readers};
use crate::time::{GopId, Seconds};
use bytes::Bytes;

/// The texts as they were published last.
#[derive(Debug, Default)]
pub struct Texts {
    main: String,
    manifest: String,
}

/// The tracks that have something to show, in the order of the plan.
fn shown(tracks: &[Track]) -> Vec<&Shown> {
    let mut shown: Vec<&Shown> = tracks.iter().filter_map(|t| t.shown.as_ref()).filter(|s| !s.listing.entries().is_empty()).collect();
    shown.sort_by_cached_key(|s| received::order(&s.described.spec));
    shown
}

/// The media playlist of a track, if it lists anything.
pub fn media(tracks: &[Track], index: usize, ended: bool) -> Option<Publish> {
    let Shown { described, listing } = tracks.get(index)?.shown.as_ref()?;
    let last = listing.last()?;
    let specs: Vec<TrackSpec> = tracks.iter().filter_map(|t| t.shown.as_ref()).map(|s| s.described.spec.clone()).collect();
    let text = hls::media(&described.spec, listing, hls::target_duration(&specs), ended);
    Some(Publish::Text {
        path: described.spec.playlist_path(),
        bytes: Bytes::from(text),
        readers: Readers::All,
        edge: Some(Edge { next: last.next(), parts: 0 }),
    })
}

impl Texts {
    /// The multivariant playlist and the manifest, where they have changed.
    pub fn shared(&mut self, tracks: &[Track], rules: &Rules, ended: bool) -> Vec<Publish> {
        let there = shown(tracks);
        let first = there.iter().filter_map(|s| s.listing.entries().front()).map(|e| e.number).max();
        let kept = there.iter().filter_map(|s| s.listing.oldest()).max();
        let last = there.iter().filter_map(|s| s.listing.last()).min();
        let (Some(kept), Some(first), Some(last)) = (kept, first, last) else { return Vec::new() };
        if last < first {
            return Vec::new();
        }
        let described: Vec<Described> = there.iter().map(|s| s.described.clone()).collect();
        let ended = ended.then(|| end(&there)).flatten();
        let main = hls::main(&described);
        let manifest = dash::manifest(&described, rules.grid, rules.publish_delay, Extent { kept, first, last, ended });
        let mut changed = Vec::new();
        for (path, new, old) in [(hls::MAIN, main, &mut self.main), (dash::MANIFEST, manifest, &mut self.manifest)] {
            if new != *old {
                changed.push(Publish::Text { path: path.into(), bytes: Bytes::from(new.clone()), readers: Readers::All, edge: None });
                *old = new;
            }
        }
        changed
    }
}

/// Where the event ended, and its last number. Of the pictures where there are any: sound may end up to a frame later.
fn end(there: &[&Shown]) -> Option<(Seconds, GopId)> {
    let over = |s: &&Shown| s.listing.entries().iter().rev().find(|e| !e.gap).map(|e| e.start + e.duration);
    let (video, audio): (Vec<&Shown>, Vec<&Shown>) = there.iter().copied().partition(|s| s.described.audio().is_none());
    let end = video.iter().filter_map(over).max().or(audio.iter().filter_map(over).max());
    end.zip(there.iter().filter_map(|s| s.listing.last()).max())
}

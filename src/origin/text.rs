//! Playlists and the manifest, of what is published: the same text as a worker that makes every track writes.

use super::received;
use super::track::{Rules, Shown, Track};
use crate::mux::TrackSpec;
use crate::mux::chunking::{Chunking, Cuts};
use crate::mux::dash::{self, Extent};
use crate::mux::describe::Described;
use crate::mux::iframes::{self, IFrames};
use crate::mux::{hls, parts};
use crate::sink::{Edge, Publish, Readers};
use crate::time::{GopId, Seconds};
use bytes::Bytes;

/// The texts as they were published last.
#[derive(Debug, Default)]
pub struct Texts {
    main: String,
    /// For readers of whole segments, and of chunks.
    manifest: [String; 2],
}

/// The tracks that have something to show, in the order of the plan.
fn shown(tracks: &[Track]) -> Vec<&Shown> {
    let mut shown: Vec<&Shown> = tracks.iter().filter_map(|t| t.shown.as_ref()).filter(|s| !s.listing.entries().is_empty()).collect();
    shown.sort_by_cached_key(|s| received::order(&s.described.spec));
    shown
}

fn specs(tracks: &[Track]) -> Vec<TrackSpec> {
    tracks.iter().filter_map(|t| t.shown.as_ref()).map(|s| s.described.spec.clone()).collect()
}

/// The media playlist of a track, if it lists anything: for everybody, or, where there are parts, for readers of whole segments.
pub fn media(tracks: &[Track], index: usize, chunking: Option<Chunking>, hold: Option<hls::Hold>) -> Option<Publish> {
    let Shown { described, listing, .. } = tracks.get(index)?.shown.as_ref()?;
    let (last, specs) = (listing.last()?, specs(tracks));
    let text = hls::media(&described.spec, listing, hls::target_duration(&specs), hold, None, None);
    let readers = if parts::target(&specs, chunking).is_some() { Readers::Whole } else { Readers::All };
    Some(Publish::Text { path: described.spec.playlist_path(), bytes: Bytes::from(text), readers, edge: Some(Edge { next: last.next(), parts: 0 }) })
}

/// The media playlist with parts, where there are any.
pub fn low(tracks: &mut [Track], index: usize, chunking: Option<Chunking>, hold: Option<hls::Hold>) -> Option<Publish> {
    let specs = specs(tracks);
    let (part_target, target) = (parts::target(&specs, chunking)?, hls::target_duration(&specs));
    let Shown { described, listing, parts, .. } = tracks.get_mut(index)?.shown.as_mut()?;
    let next = listing.last()?.next();
    let spec = &described.spec;
    parts.trim(spec, spec.time(spec.first_unit(next)), target);
    let track = &tracks[index];
    let Shown { described, listing, parts, .. } = track.shown.as_ref()?;
    let edge = parts.edge(next);
    let others = tracks.iter().enumerate().filter(|(other, _)| *other != index).filter_map(|(_, other)| {
        let shown = other.shown.as_ref()?;
        let (number, part) = shown.parts.last(shown.listing.last()?.next());
        Some((other.name.as_str(), number, part))
    });
    let more = track.ended.is_none() && track.relay.as_ref().is_none_or(|relay| relay.number != next || !relay.orphan);
    let low = hls::Low { part_target, parts, next: (next, more.then_some(edge.parts)), others: others.collect() };
    let bytes = Bytes::from(hls::media(&described.spec, listing, target, hold, Some(&low), None));
    Some(Publish::Text { path: described.spec.playlist_path(), bytes, readers: Readers::Chunked, edge: Some(edge) })
}

/// The I-frame playlist of a track that has one.
pub fn iframes(tracks: &mut [Track], index: usize, ended: bool) -> Option<Publish> {
    let specs = specs(tracks);
    let target = hls::target_duration(&specs);
    let Shown { described, listing, iframes, .. } = tracks.get_mut(index)?.shown.as_mut()?;
    IFrames::of(&described.spec, &specs).filter(|_| listing.last().is_some())?;
    let bytes = Bytes::from(iframes.playlist(listing, target, ended, None));
    Some(Publish::Text { path: iframes::path(&described.spec), bytes, readers: Readers::All, edge: None })
}

impl Texts {
    /// The multivariant playlist and the manifest, where they have changed.
    pub fn shared(&mut self, tracks: &[Track], rules: &Rules, chunking: Option<Chunking>, ended: bool) -> Vec<Publish> {
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
        let specs = specs(tracks);
        let main = hls::main(&described) + &iframes::streams(described.iter().filter(|d| IFrames::of(&d.spec, &specs).is_some()));
        let extent = Extent { kept, first, last, ended };
        let mut changed = Vec::new();
        let mut put = |path: &str, new: String, old: &mut String, readers: Readers| {
            if new != *old {
                changed.push(Publish::Text { path: path.into(), bytes: Bytes::from(new.clone()), readers, edge: None });
                *old = new;
            }
        };
        put(hls::MAIN, main, &mut self.main, Readers::All);
        let longest = described.iter().map(|d| d.spec.span(Cuts::of(&d.spec, chunking).units)).max();
        let low = chunking.and(longest).map(|chunk| dash::Low { chunk });
        let manifest = |low| dash::manifest(&described, rules.grid, rules.publish_delay, extent, low);
        let [whole, chunked] = &mut self.manifest;
        put(dash::MANIFEST, manifest(None), whole, if low.is_some() { Readers::Whole } else { Readers::All });
        if low.is_some() {
            put(dash::MANIFEST, manifest(low), chunked, Readers::Chunked);
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

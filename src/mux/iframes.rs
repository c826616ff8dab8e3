//! I-frame playlists (RFC 8216bis, 4.4.3.6), for scrubbing and fast play: the first picture of each segment, as a range of its bytes.
//!
//! A range begins with the `moof` of the segment's first chunk and ends with its first sample: what a player appends behind the initialisation segment to show
//! that one picture. (The range must not have the initialisation segment in it, which `EXT-X-MAP` names; `moof` says where the sample lies and how it is to be
//! decrypted. The other samples that it speaks of are not in the range, and nobody shows them.)

use super::describe::Described;
use super::hls::{VERSION, decimal, keys};
use super::listing::{Entry, Listing};
use super::{TrackKind, TrackSpec};
use crate::inspect::{self, SegmentFacts};
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crate::protect::Guard;
use crate::time::GopId;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Most pixels of a rung that has such a playlist: who skips through an event at 16 times its speed fetches many whole pictures a second.
const LARGEST: u64 = 1280 * 720;

/// How much of a stored segment is read to find its first picture: `styp`, marks, `prft`, and a `moof` of 8,000 samples.
pub const HEAD: u64 = 64 << 10;

/// Where the first picture of a segment is, with the `moof` that describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Place {
    /// In a segment that was read.
    pub fn of(facts: &SegmentFacts) -> Option<Place> {
        let chunk = facts.chunks.first()?;
        let sample = chunk.samples.first()?;
        let end = sample.offset.checked_add(sample.size as usize)?;
        let length = end.checked_sub(chunk.moof.start).filter(|_| sample.offset >= chunk.moof.end)?;
        Some(Place { offset: chunk.moof.start as u64, length: length as u64 })
    }

    /// In a segment of which only the beginning is at hand.
    pub fn read(head: &[u8]) -> Option<Place> {
        let mut at = 0usize;
        loop {
            let header: [u8; 8] = head.get(at..at.checked_add(8)?)?.try_into().ok()?;
            let [a, b, c, d, kind @ ..] = header;
            let end = at.checked_add(u32::from_be_bytes([a, b, c, d]) as usize).filter(|end| *end >= at + 8 && *end <= head.len())?;
            if &kind == b"moof" {
                // With nothing in its `mdat` the rest reads as it would of the whole.
                let facts = inspect::segment(&[head.get(..end)?, b"\0\0\0\x08mdat"].concat(), None).ok()?;
                return Place::of(&facts);
            }
            at = end;
        }
    }
}

/// What is known of the segments that an earlier run stored: of each track, by name.
pub type Stored = BTreeMap<String, Vec<(GopId, Place)>>;

/// The pictures of one track.
#[derive(Debug, Default)]
pub struct IFrames(BTreeMap<GopId, Place>);

impl IFrames {
    /// Of a track that has such a playlist: one of AVC or HEVC, of at most 1280 x 720 pixels, or the smallest of its codec.
    pub fn of(spec: &TrackSpec, all: &[TrackSpec]) -> Option<IFrames> {
        let own = video(spec)?;
        let codec = matches!(own.codec, VideoCodec::Avc | VideoCodec::Hevc);
        let smallest = all.iter().filter_map(video).filter(|other| other.codec == own.codec).map(pixels).min()?;
        (codec && (pixels(own) <= LARGEST || pixels(own) == smallest)).then(IFrames::default)
    }

    /// Segments before `first` are not listed any more.
    pub fn keep_from(&mut self, first: Option<GopId>) {
        if let Some(first) = first {
            self.0 = self.0.split_off(&first);
        }
    }

    /// The first picture of a segment is there.
    pub fn insert(&mut self, gop: GopId, place: Option<Place>) {
        self.0.extend(place.map(|place| (gop, place)));
    }

    /// The playlist of a track that `guard` protects, if any; `listing` says which segments there are. One whose picture is not known is a gap, as one that never came.
    pub fn playlist(&mut self, listing: &Listing, target: i64, ended: bool, guard: Option<&Guard>) -> String {
        let entries = listing.entries();
        self.keep_from(entries.front().map(|first| first.number));
        let mut text = String::with_capacity(256 + 128 * entries.len());
        let sequence = entries.front().map_or(0, |e| e.number.0);
        line(&mut text, format_args!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{sequence}"));
        if listing.whole() {
            line(&mut text, format_args!("#EXT-X-PLAYLIST-TYPE:EVENT"));
        }
        line(&mut text, format_args!("#EXT-X-I-FRAMES-ONLY\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init.mp4\""));
        let mut before = None;
        for Entry { number, start, duration, gap } in entries {
            keys(&mut text, guard, *number, &mut before);
            // The span of a picture is that to the next one, which is in the next segment.
            line(&mut text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", start.to_rfc3339()));
            match self.0.get(number).filter(|_| !gap) {
                Some(Place { offset, length }) => {
                    line(&mut text, format_args!("#EXTINF:{},\n#EXT-X-BYTERANGE:{length}@{offset}\n{number}.m4s", decimal(*duration)));
                }
                None => line(&mut text, format_args!("#EXT-X-GAP\n#EXTINF:{},\n{number}.m4s", decimal(*duration))),
            }
        }
        if ended {
            line(&mut text, format_args!("#EXT-X-ENDLIST"));
        }
        text
    }
}

/// The names of those of `tracks` that have such a playlist.
pub fn tracks(tracks: &[TrackSpec]) -> Vec<String> {
    tracks.iter().filter(|spec| IFrames::of(spec, tracks).is_some()).map(|spec| spec.name.clone()).collect()
}

/// `<track>/iframes.m3u8`.
pub fn path(track: &TrackSpec) -> String {
    format!("{}/iframes.m3u8", track.name)
}

/// Their lines in the multivariant playlist. `BANDWIDTH` is an upper bound, that of the whole segments: how large a first picture gets is not known before it is there,
/// and what was measured would differ between two workers.
pub fn streams<'a>(tracks: impl Iterator<Item = &'a Described>) -> String {
    let mut text = String::new();
    for track in tracks {
        let Some(rendition) = video(&track.spec) else { continue };
        let (peak, codecs, range) = (track.peak, &track.codecs, rendition.range.name());
        let (width, height, uri) = (rendition.width, rendition.height, path(&track.spec));
        line(
            &mut text,
            format_args!("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={peak},CODECS=\"{codecs}\",RESOLUTION={width}x{height},VIDEO-RANGE={range},URI=\"{uri}\""),
        );
    }
    text
}

fn video(spec: &TrackSpec) -> Option<&Rendition> {
    if let TrackKind::Video { rendition, .. } = &spec.kind { Some(rendition) } else { None }
}

fn pixels(rendition: &Rendition) -> u64 {
    u64::from(rendition.width) * u64::from(rendition.height)
}

fn line(text: &mut String, args: std::fmt::Arguments<'_>) {
    writeln!(text, "{args}").expect("writing to a String does not fail");
}

#[cfg(test)]
#[path = "iframes_tests.rs"]
mod tests;

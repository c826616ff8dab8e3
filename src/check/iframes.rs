//! What players find beside the variants: I-frame playlists against the segments that their ranges are of, session data (lines 12 to 15; RFC 8216bis, 4.4.3.6, 4.4.6.3, 4.4.6.4).

use super::ledger::Ledger;
use super::media::bitrate;
use super::playlist::{self, Main, attribute};
use super::report::Place;
use super::tree::{Tree, number};
use super::variants::{Known, bandwidth};
use crate::inspect::{self, Media};
use std::collections::{BTreeMap, BTreeSet};

/// The I-frame playlists that `main.m3u8` names, each with its `BANDWIDTH`: by track.
pub fn main(main: &Main<'_>, tracks: &[Known], ledger: &mut Ledger) -> BTreeMap<String, Option<String>> {
    let mut named = BTreeMap::new();
    for (line, list) in &main.iframes {
        let place = Place::file(format!("main.m3u8 line {line}"));
        let Some(uri) = ledger.present(15, &place, "URI", attribute(list, "URI")) else { continue };
        let track = uri.strip_suffix("/iframes.m3u8").and_then(|name| tracks.iter().find(|(t, _)| t.name == name));
        let Some((track, _)) = ledger.present(15, &place, &format!("the track of \"{uri}\""), track) else { continue };
        if let Some(said) = ledger.present(15, &place, "CODECS", attribute(list, "CODECS")) {
            ledger.equal(15, &place, "CODECS", said.to_ascii_lowercase(), track.init.codecs.to_ascii_lowercase());
        }
        match (&track.init.media, attribute(list, "RESOLUTION")) {
            (Media::Video { width, height, .. }, Some(said)) => ledger.equal(15, &place, "RESOLUTION", said.to_owned(), format!("{width}x{height}")),
            (Media::Video { .. }, None) => {}
            (Media::Audio { .. }, _) => ledger.error(15, &place, format!("track {} has no pictures", track.name)),
        }
        ledger.present(15, &place, "BANDWIDTH", attribute(list, "BANDWIDTH"));
        named.insert(track.name.clone(), attribute(list, "BANDWIDTH").map(str::to_owned));
    }
    let mut known = BTreeSet::new();
    for (line, list) in &main.session {
        let place = Place::file(format!("main.m3u8 line {line}"));
        let Some(id) = ledger.present(12, &place, "DATA-ID", attribute(list, "DATA-ID")) else { continue };
        let says = [attribute(list, "VALUE"), attribute(list, "URI")].iter().flatten().count();
        ledger.hold(12, says == 1, &place, "the number of VALUE and URI", says, "1");
        let new = known.insert((id, attribute(list, "LANGUAGE")));
        ledger.hold(12, new, &place, "DATA-ID and LANGUAGE", id, "there once");
    }
    named
}

/// An I-frame playlist: each range is within its segment, begins with its `moof` and ends with its first sample, which is one that decoding may start with.
pub fn media(text: &str, tree: &Tree, (track, measured): &Known, said: Option<&str>, ledger: &mut Ledger) {
    let list = playlist::media(text);
    let place = Place::track(&track.name).at("iframes.m3u8");
    let at = |line: usize| Place::track(&track.name).at(format!("iframes.m3u8 line {line}"));
    list.faults.iter().for_each(|(line, fault)| ledger.error(12, &at(*line), fault.clone()));
    ledger.hold(12, list.iframes_only, &place, "EXT-X-I-FRAMES-ONLY", "absent", "there");
    let version = list.version.and_then(|v| v.trim().parse::<u32>().ok()).unwrap_or(0);
    ledger.hold(12, version >= 4, &place, "EXT-X-VERSION", version, "at least 4, for EXT-X-I-FRAMES-ONLY,");
    let map = list.maps.first();
    ledger.hold(
        12,
        map.is_some_and(|(_, uri, before)| *uri == "init.mp4" && *before == 0),
        &place,
        "EXT-X-MAP",
        map.map_or("absent", |m| m.1),
        "init.mp4, before the first segment,",
    );
    let first = list.sequence.and_then(|n| n.trim().parse::<i64>().ok());
    let mut peak = 0;
    for (index, entry) in list.entries.iter().enumerate() {
        let place = at(entry.line);
        let (due, named) = (first.and_then(|f| f.checked_add(index as i64)), number(entry.uri));
        ledger.hold(13, named.is_some() && named == due, &place, "the segment", entry.uri, due.map_or("a segment number".to_owned(), |n| format!("{n}.m4s")));
        let Some(number) = named.filter(|_| !entry.gap) else { continue };
        let Some(range) = ledger.present(12, &place, "EXT-X-BYTERANGE", entry.range) else { continue };
        let Some((offset, length)) = ledger.present(12, &place, "the offset and length of EXT-X-BYTERANGE", split(range)) else { continue };
        // It may have left the window since the playlist was read; the media playlist's own check tells of those that are missing.
        let Ok(bytes) = tree.segment(&track.name, number) else { continue };
        let Ok(facts) = inspect::segment(&bytes, Some(&track.init)) else { continue };
        let Some((chunk, sample)) = facts.chunks.first().and_then(|chunk| Some((chunk, chunk.samples.first()?))) else { continue };
        let (start, end) = (chunk.moof.start as u64, sample.offset as u64 + u64::from(sample.size));
        let exact = offset == start && offset.checked_add(length) == Some(end);
        ledger.hold(12, exact, &place, "EXT-X-BYTERANGE", range, format!("{}@{start}: from moof to the end of the first sample,", end.saturating_sub(start)));
        ledger.hold(1, sample.sync() && sample.idr(), &place, "its picture", "one that leans on others", "an IDR");
        if let Some(own) = measured.get(number) {
            peak = peak.max(bitrate(length, own.ticks, track.init.timescale));
        }
    }
    if let Some(said) = said {
        bandwidth(Some(said), "BANDWIDTH", "peak of the I-frames", peak, 125, &place, ledger);
    }
}

/// `<length>@<offset>`.
fn split(range: &str) -> Option<(u64, u64)> {
    let (length, offset) = range.split_once('@')?;
    Some((offset.parse().ok()?, length.parse().ok().filter(|n| *n > 0)?))
}

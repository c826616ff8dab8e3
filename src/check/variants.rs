//! The multivariant playlist: are its variants there, complete, and true (line 15)?

use super::ledger::Ledger;
use super::media::{Track, TrackMedia, bitrate};
use super::playlist::{self, Attributes, attribute};
use super::report::Place;
use super::sound;
use super::timeline;
use crate::inspect::Media;
use crate::time::Seconds;
use std::collections::{BTreeMap, BTreeSet};

/// Longest stretch that an average is taken over (Apple's authoring rules: one hour).
const AVERAGE_OVER: i64 = 3600;

/// Fewer segments than this have no average to speak of.
const SOME: usize = 10;

/// Bit rates of a track's published files, container included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// The largest of a segment that lasts at least half as long as the longest, in bits per second.
    pub peak: u64,
    /// The largest over an hour; over everything, where that is less but still [`SOME`] segments; else nothing.
    pub hour: u64,
    /// Over everything.
    pub average: u64,
}

impl Rates {
    /// Of the segments of `track`.
    pub fn new(track: &Track, media: &TrackMedia) -> Rates {
        let timescale = track.init.timescale;
        let longest = media.segments.iter().map(|s| s.ticks).max().unwrap_or(0);
        let whole = media.segments.iter().filter(|s| s.ticks >= longest / 2);
        let peak = whole.map(|s| bitrate(s.bytes, s.ticks, timescale)).max().unwrap_or(0);
        let span = u64::from(timescale).saturating_mul(AVERAGE_OVER.unsigned_abs());
        let (mut bytes, mut ticks, mut start, mut hour, mut all) = (0u64, 0u64, 0usize, 0u64, (0u64, 0u64));
        for segment in &media.segments {
            (bytes, ticks) = (bytes.saturating_add(segment.bytes), ticks.saturating_add(segment.ticks));
            all = (all.0.saturating_add(segment.bytes), all.1.saturating_add(segment.ticks));
            while let Some(first) = media.segments.get(start).filter(|first| ticks.saturating_sub(first.ticks) >= span) {
                (bytes, ticks, start) = (bytes.saturating_sub(first.bytes), ticks.saturating_sub(first.ticks), start + 1);
            }
            if ticks >= span {
                hour = hour.max(bitrate(bytes, ticks, timescale));
            }
        }
        let average = bitrate(all.0, all.1, timescale);
        let some = if media.segments.len() >= SOME { average } else { 0 };
        Rates { peak, hour: if hour == 0 { some } else { hour }, average }
    }
}

/// A track with all that is known of it.
pub type Known = (Track, TrackMedia);

/// The track that a URI in `main.m3u8` names.
fn track_of<'a>(uri: &str, tracks: &'a [Known]) -> Option<&'a Known> {
    let name = uri.strip_suffix("/media.m3u8")?;
    tracks.iter().find(|(t, _)| t.name == name)
}

/// Line 12 and 15 on `main.m3u8`. Whether it says EXT-X-INDEPENDENT-SEGMENTS for all.
pub fn main(text: &str, tracks: &[Known], ledger: &mut Ledger) -> bool {
    let main = playlist::main(text);
    let place = Place::file("main.m3u8");
    let at = |line: usize| Place::file(format!("main.m3u8 line {line}"));
    ledger.hold(12, main.header, &place, "the first line", text.lines().next().unwrap_or("absent"), "#EXTM3U");
    if let Some(version) = ledger.present(12, &place, "EXT-X-VERSION", main.version) {
        ledger.hold(12, version.trim().parse::<u32>().is_ok_and(|v| v >= 6), &place, "EXT-X-VERSION", version, "at least 6");
    }
    match m3u8_rs::parse_master_playlist_res(text.as_bytes()) {
        Ok(parsed) => {
            ledger.equal(12, &place, "the number of variants that m3u8-rs reads", parsed.variants.len(), main.variants.len() + main.iframes.len());
        }
        Err(_) => ledger.error(12, &place, "m3u8-rs cannot read it as a multivariant playlist"),
    }
    ledger.hold(15, !main.variants.is_empty(), &place, "the number of variants", 0, "at least 1");

    let mut named = BTreeSet::new();
    let mut groups: BTreeMap<&str, Vec<&Known>> = BTreeMap::new();
    let mut members: BTreeMap<&str, Vec<sound::Member>> = BTreeMap::new();
    for (line, list) in &main.media {
        if attribute(list, "TYPE") != Some("AUDIO") {
            continue;
        }
        let place = at(*line);
        let group = ledger.present(15, &place, "GROUP-ID", attribute(list, "GROUP-ID"));
        members.entry(group.unwrap_or("")).or_default().push((*line, list));
        ledger.present(15, &place, "NAME", attribute(list, "NAME"));
        let Some(uri) = ledger.present(15, &place, "URI", attribute(list, "URI")) else { continue };
        let Some(known) = ledger.present(15, &place, &format!("the track of \"{uri}\""), track_of(uri, tracks)) else { continue };
        named.insert(known.0.name.clone());
        audio(known, list, &place, ledger);
        groups.entry(group.unwrap_or("")).or_default().push(known);
    }
    sound::groups(&members, ledger);
    for (line, list, uri) in &main.variants {
        let place = at(*line);
        let Some(known) = ledger.present(15, &place, &format!("the track of \"{uri}\""), track_of(uri, tracks)) else { continue };
        named.insert(known.0.name.clone());
        let group = attribute(list, "AUDIO");
        let sound = group.and_then(|g| groups.get(g));
        if let Some(group) = group {
            ledger.hold(15, sound.is_some(), &place, "AUDIO", group, "the GROUP-ID of an EXT-X-MEDIA");
        } else if !groups.is_empty() {
            ledger.error(15, &place, "AUDIO is missing, though there are audio tracks");
        }
        variant(known, sound.map_or(&[][..], Vec::as_slice), list, &place, ledger);
    }
    for (track, _) in tracks.iter().filter(|(t, _)| !named.contains(&t.name)) {
        ledger.error(15, &place, format!("track {} is in no variant and no group", track.name));
    }
    main.independent
}

fn audio((track, _): &Known, list: &Attributes, place: &Place, ledger: &mut Ledger) {
    let Media::Audio { channels, .. } = track.init.media else {
        return ledger.error(15, place, format!("track {} is no audio", track.name));
    };
    if let Some(said) = ledger.present(15, place, "CHANNELS", attribute(list, "CHANNELS")) {
        ledger.equal(15, place, "CHANNELS", said.to_owned(), channels.to_string());
    }
    sound::member(track, list, place, ledger);
}

fn variant((track, media): &Known, sound: &[&Known], list: &Attributes, place: &Place, ledger: &mut Ledger) {
    let mut codecs: BTreeSet<String> = sound.iter().map(|(t, _)| t.init.codecs.to_ascii_lowercase()).collect();
    codecs.insert(track.init.codecs.to_ascii_lowercase());
    if let Some(said) = ledger.present(15, place, "CODECS", attribute(list, "CODECS")) {
        let set: BTreeSet<String> = said.split(',').map(|c| c.trim().to_ascii_lowercase()).collect();
        let required = codecs.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        ledger.hold(15, set == codecs, place, "CODECS", said, format!("{required}, as the initialisation segments say,"));
    }
    // A variant of sound alone has its own playlist in its group.
    let own = if track.video() { Rates::new(track, media) } else { Rates::default() };
    let loudest = |f: fn(&Rates) -> u64| sound.iter().map(|(t, m)| f(&Rates::new(t, m))).max().unwrap_or(0);
    let (peak, hour) = (own.peak.saturating_add(loudest(|r| r.peak)), own.hour.saturating_add(loudest(|r| r.hour)));
    bandwidth(attribute(list, "BANDWIDTH"), "BANDWIDTH", "peak", peak, 125, place, ledger);
    bandwidth(attribute(list, "AVERAGE-BANDWIDTH"), "AVERAGE-BANDWIDTH", "one-hour average", hour, 110, place, ledger);

    let Media::Video { width, height, colour, .. } = &track.init.media else { return };
    if let Some(said) = ledger.present(15, place, "RESOLUTION", attribute(list, "RESOLUTION")) {
        ledger.equal(15, place, "RESOLUTION", said.to_owned(), format!("{width}x{height}"));
    }
    if let (Some(said), Some(rate)) = (ledger.present(15, place, "FRAME-RATE", attribute(list, "FRAME-RATE")), timeline::rate(track, media)) {
        let exact = Seconds::new(rate.num().into(), rate.den().into());
        let ok = said.parse::<Seconds>().is_ok_and(|said| (said - exact).abs() <= Seconds::new(1, 2000));
        ledger.hold(15, ok, place, "FRAME-RATE", said, format!("{rate} with three decimals"));
    }
    if let Some(said) = ledger.present(15, place, "VIDEO-RANGE", attribute(list, "VIDEO-RANGE")) {
        let range = match colour.map(|c| c.transfer) {
            Some(16) => "PQ",
            Some(18) => "HLG",
            _ => "SDR",
        };
        ledger.equal(15, place, "VIDEO-RANGE", said, range);
    }
}

/// A bandwidth must be there, and what was measured within `percent` of it; above it at all is worth a note.
pub fn bandwidth(said: Option<&str>, name: &str, what: &str, measured: u64, percent: u128, place: &Place, ledger: &mut Ledger) {
    let Some(said) = ledger.present(15, place, name, said) else { return };
    let value: u64 = said.trim().parse().unwrap_or(0);
    let within = u128::from(measured) * 100 <= u128::from(value) * percent;
    ledger.hold(15, value > 0 && within, place, name, said, format!("a number that the measured {what}, {measured} b/s, is within {percent} % of,"));
    if value > 0 && within && measured > value {
        ledger.note(15, place, format!("the measured {what}, {measured} b/s, is above {name}={value}"));
    }
}

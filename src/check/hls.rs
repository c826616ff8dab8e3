//! The HLS side of a tree: the multivariant playlist and the media playlists, against the segments themselves (lines 12 to 15, 17 to 20).

use super::ledger::Ledger;
use super::media::{Track, TrackMedia};
use super::parts;
use super::playlist::{self, Entry};
use super::report::Place;
use super::timeline;
use super::tree::{TrackDir, number};
use crate::time::Seconds;
use std::collections::BTreeMap;

/// How far a date may be from its exact value: it has milliseconds.
const DATE_STEP: Seconds = Seconds::TWO_MILLIS;

/// What the other checks need to know of a media playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// `EXT-X-ENDLIST`.
    pub ended: bool,
    /// Target duration, in seconds.
    pub target: u64,
    /// Entries by number: duration, date and gap, for comparison with the other variants.
    pub entries: BTreeMap<i64, (Option<Seconds>, Option<Seconds>, bool)>,
}

/// What a playlist is about: the track, its segments, its folder.
pub struct Subject<'a> {
    /// The track.
    pub track: &'a Track,
    /// Its segments.
    pub media: &'a TrackMedia,
    /// Its names.
    pub dir: &'a TrackDir,
    /// The grid's slot, where it is known.
    pub slot: Option<Seconds>,
}

/// The whole number that a tag must have.
fn whole(ledger: &mut Ledger, line: u8, place: &Place, what: &str, value: Option<&str>) -> Option<u64> {
    let value = ledger.present(line, place, what, value)?;
    let parsed = value.trim().parse().ok();
    ledger.hold(line, parsed.is_some(), place, what, value, "a whole number");
    parsed
}

/// Lines 12 to 14 and 17 to 20 on one media playlist. `independent`: the multivariant playlist says EXT-X-INDEPENDENT-SEGMENTS for all.
pub fn media(text: &str, subject: &Subject, independent: bool, ledger: &mut Ledger) -> Listed {
    let list = playlist::media(text);
    let place = Place::track(&subject.track.name).at("media.m3u8");
    let at = |line: usize| Place::track(&subject.track.name).at(format!("media.m3u8 line {line}"));
    ledger.hold(12, list.header, &place, "the first line", text.lines().next().unwrap_or("absent"), "#EXTM3U");
    for (line, fault) in &list.faults {
        ledger.error(12, &at(*line), fault.clone());
    }
    peer(text, &list, &place, ledger);

    let version = whole(ledger, 12, &place, "EXT-X-VERSION", list.version);
    let needed = if list.entries.iter().any(|e| e.gap) { 8 } else { 6 };
    if let Some(version) = version {
        ledger.hold(12, version >= needed, &place, "EXT-X-VERSION", version, format!("at least {needed}, for the tags in use,"));
    }
    ledger.hold(12, list.independent || independent, &place, "EXT-X-INDEPENDENT-SEGMENTS", "absent", "there, here or in main.m3u8,");
    let map = list.maps.first();
    ledger.hold(
        12,
        map.is_some_and(|(_, uri, before)| *uri == "init.mp4" && *before == 0),
        &place,
        "EXT-X-MAP",
        map.map_or("absent", |m| m.1),
        "init.mp4, before the first segment,",
    );
    ledger.hold(17, list.maps.len() < 2, &place, "the number of EXT-X-MAP", list.maps.len(), "1");
    ledger.checked(17, 1);
    for line in &list.discontinuities {
        ledger.error(17, &at(*line), "there is a discontinuity; none is accepted");
    }
    if let Some(sequence) = list.discontinuity_sequence {
        ledger.equal(17, &place, "EXT-X-DISCONTINUITY-SEQUENCE", sequence, "0");
    }

    let target = whole(ledger, 14, &place, "EXT-X-TARGETDURATION", list.target);
    let first = whole(ledger, 13, &place, "EXT-X-MEDIA-SEQUENCE", list.sequence).and_then(|n| i64::try_from(n).ok()).filter(|n| *n < super::tree::MAX_NUMBER);
    let mut listed = Listed { ended: list.ended, target: target.unwrap_or(0), ..Listed::default() };
    ledger.hold(12, !list.entries.is_empty(), &place, "the number of segments", list.entries.len(), "at least 1");
    ledger.hold(12, list.entries.iter().any(|e| e.date.is_some()), &place, "EXT-X-PROGRAM-DATE-TIME", "absent", "there");
    for (index, entry) in list.entries.iter().enumerate() {
        let place = at(entry.line);
        let due = first.and_then(|f| f.checked_add(index as i64));
        let named = number(entry.uri);
        ledger.hold(
            13,
            named.is_some() && (named == due || due.is_none()),
            &place,
            "the segment",
            entry.uri,
            due.map_or("a segment number".to_owned(), |n| format!("{n}.m4s")),
        );
        let Some(number) = named else { continue };
        listed.entries.insert(number, (entry.duration, entry.date, entry.gap));
        segment(subject, entry, number, target, &place, ledger);
    }
    holes(subject, &listed, &place, ledger);
    parts::hold_back(&list, target, &place, ledger);
    match list.low_latency() {
        true => parts::check(&list, &place, &at, ledger),
        false => ledger.not_applicable(18, "no partial segments are published"),
    }
    match list.date_ranges.is_empty() {
        true => ledger.not_applicable(19, "no cues are published"),
        false => ledger.note(19, &place, format!("{} EXT-X-DATERANGE tags are there; they are not checked yet", list.date_ranges.len())),
    }
    match list.keys.is_empty() {
        true => ledger.not_applicable(11, "nothing is encrypted"),
        false => ledger.note(11, &place, "EXT-X-KEY is there; encryption is not checked yet"),
    }
    listed
}

/// The published parser reads the same: so will software that mezzo did not write.
fn peer(text: &str, list: &playlist::Media, place: &Place, ledger: &mut Ledger) {
    ledger.checked(12, 1);
    match m3u8_rs::parse_media_playlist_res(text.as_bytes()) {
        Ok(parsed) => {
            ledger.equal(12, place, "the number of segments that m3u8-rs reads", parsed.segments.len(), list.entries.len());
            let sequence = list.sequence.and_then(|s| s.parse().ok()).unwrap_or(0);
            ledger.equal(13, place, "the media sequence that m3u8-rs reads", parsed.media_sequence, sequence);
            let differ = parsed.segments.iter().zip(&list.entries).find(|(a, b)| a.uri != b.uri);
            if let Some((a, b)) = differ {
                ledger.hold(12, false, place, "a URI that m3u8-rs reads", &a.uri, b.uri);
            }
        }
        Err(_) => ledger.error(12, place, "m3u8-rs cannot read it as a media playlist"),
    }
}

/// One entry against its segment and the grid.
fn segment(subject: &Subject, entry: &Entry, number: i64, target: Option<u64>, place: &Place, ledger: &mut Ledger) {
    let Subject { track, media, dir, slot } = subject;
    if entry.gap {
        ledger.checked(20, 1);
        if dir.has(number) {
            ledger.note(20, place, format!("segment {number} is a gap, yet there is a file (a restart found it, or it came too late)"));
        }
    } else {
        ledger.hold(14, dir.has(number), place, "the file of this segment", "absent", "there before it is listed");
    }
    let timescale = track.init.timescale;
    let real = media.get(number);
    if let (Some(duration), Some(real)) = (entry.duration, real.filter(|_| !entry.gap)) {
        let lasts = Seconds::new(real.ticks.into(), timescale.into());
        ledger.hold(
            14,
            (duration - lasts).abs() < Seconds::TWO_MILLIS.over(2),
            place,
            "EXTINF",
            duration,
            format!("{lasts}, the real duration to a millisecond,"),
        );
    }
    ledger.checked(14, 1);
    if let (Some(duration), Some(target)) = (entry.duration, target) {
        ledger.hold(
            14,
            duration < Seconds::whole(i64::try_from(target).unwrap_or(i64::MAX >> 24)) + Seconds::HALF,
            place,
            "EXTINF",
            duration,
            format!("less than the target duration, {target}, and half a second"),
        );
    }
    let (Some(date), Some(slot)) = (entry.date, slot) else { return };
    // Video: the number's place on the grid. Audio: that, or the first audio frame at or after it.
    let unit = media.segments.first().map_or(1024, |s| s.unit);
    let grid = slot.times(number.into());
    let own = timeline::start(track.video(), *slot, number, timescale, unit).map_or(grid, |ticks| Seconds::new(ticks, timescale.into()));
    let ok = (date - grid).abs() < DATE_STEP.over(2) || (date - own).abs() < DATE_STEP.over(2);
    ledger.hold(12, ok, place, "EXT-X-PROGRAM-DATE-TIME", date.to_rfc3339(), format!("{}, the grid's time of segment {number},", own.to_rfc3339()));
}

/// Files that no playlist lists are worth a note; numbers without a file inside the list need their gap.
fn holes(subject: &Subject, listed: &Listed, place: &Place, ledger: &mut Ledger) {
    let (Some((first, _)), Some((last, _))) = (listed.entries.first_key_value(), listed.entries.last_key_value()) else { return };
    let count = |f: &dyn Fn(i64) -> bool| subject.dir.numbers.iter().filter(|n| f(**n)).count();
    let (before, after) = (count(&|n| n < *first), count(&|n| n > *last));
    if before + after > 0 {
        ledger.note(
            14,
            place,
            format!("{before} segments before the first listed one ({first}) and {after} after the last ({last}) are stored but not listed"),
        );
    }
    for (from, to) in subject.dir.holes().filter(|(from, to)| from <= last && to >= first) {
        let (from, to) = (from.max(*first), to.min(*last));
        // The list is walked, not the hole: a hole may be as long as it likes.
        let gaps = listed.entries.range(from..=to).filter(|(_, (_, _, gap))| *gap).count() as i64;
        ledger.hold(20, gaps == to - from + 1, place, &format!("the number of EXT-X-GAP for {from} to {to}"), gaps, to - from + 1);
    }
}

/// Line 13 across variants: the same number has the same duration, date and gap; and the same target duration everywhere.
pub fn variants(lists: &[(&Track, Listed)], ledger: &mut Ledger) {
    for video in [true, false] {
        let mut of_kind = lists.iter().filter(|(t, _)| t.video() == video);
        let Some((first, reference)) = of_kind.next() else { continue };
        for (track, list) in of_kind {
            let place = Place::track(&track.name).at("media.m3u8");
            for (number, (duration, date, _)) in &list.entries {
                let Some((other, other_date, _)) = reference.entries.get(number) else { continue };
                let show = |d: &Option<Seconds>, t: &Option<Seconds>| {
                    format!("{} s at {}", d.map_or("?".into(), |d| d.to_string()), t.map_or("?".into(), Seconds::to_rfc3339))
                };
                let ok = duration == other && date == other_date;
                ledger.hold(13, ok, &place, &format!("segment {number}"), show(duration, date), format!("{}, as in {},", show(other, other_date), first.name));
            }
        }
    }
    if let Some(((first, reference), rest)) = lists.split_first() {
        for (track, list) in rest {
            let place = Place::track(&track.name).at("media.m3u8");
            ledger.equal(14, &place, "the target duration", list.target, reference.target);
            let ended = |e| if e { "there" } else { "absent" };
            ledger.hold(
                13,
                list.ended == reference.ended,
                &place,
                "EXT-X-ENDLIST",
                ended(list.ended),
                format!("{}, as in {},", ended(reference.ended), first.name),
            );
        }
    }
}

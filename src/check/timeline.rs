//! Across segments and tracks: the epoch grid, contiguity, `mfhd`, switching sets.

use super::ledger::Ledger;
use super::media::{Measured, Track, TrackMedia};
use super::report::Place;
use crate::time::{Rate, Seconds};

/// Longest slot that is taken for one, in seconds.
const MAX_SLOT: i64 = 3600;

/// `ticks` of `timescale` as the duration of a slot: more than zero, at most an hour.
pub fn slot(ticks: u64, timescale: u64) -> Option<Seconds> {
    let timescale = u32::try_from(timescale).ok().filter(|t| *t > 0)?;
    let slot = Seconds::new(ticks.into(), timescale.into());
    (slot > Seconds::ZERO && slot <= Seconds::whole(MAX_SLOT)).then_some(slot)
}

/// Where segment `number` starts, in ticks, by the grid: video kG, audio F x ceil(k S / F). `None` where a video slot is no whole number of ticks.
///
/// In range: a number has 40 bits, a slot's numerator 44, a timescale and F 32.
pub fn start(video: bool, slot: Seconds, number: i64, timescale: u32, unit: u32) -> Option<i128> {
    let (num, den) = slot.fraction();
    let ticks = i128::from(number) * num * i128::from(timescale);
    if video {
        return (ticks % den == 0).then_some(ticks / den);
    }
    let frame = i128::from(unit.max(1));
    let frames = ticks.div_euclid(den * frame) + i128::from(ticks.rem_euclid(den * frame) != 0);
    Some(frames * frame)
}

/// Pictures per second of a video track, from its timescale and the duration of a sample.
pub fn rate(track: &Track, media: &TrackMedia) -> Option<Rate> {
    let unit = media.segments.first()?.unit;
    Rate::new(track.init.timescale, unit)
}

/// Lines 2 and 6 for one track. `ended`: its playlist says that nothing follows.
pub fn track(track: &Track, media: &TrackMedia, slot: Seconds, ended: bool, ledger: &mut Ledger) {
    let timescale = track.init.timescale;
    let place = Place::track(&track.name);
    let Some(unit) = media.segments.first().map(|s| s.unit) else { return };
    if track.video() {
        let whole = start(true, slot, 1, timescale, unit);
        let pictures = whole.map(|ticks| ticks % i128::from(unit.max(1)) == 0);
        let fits = pictures == Some(true);
        ledger.hold(6, fits, &place, "a slot", format!("{slot} s in pictures of {unit}/{timescale} s"), "a whole number of pictures in whole ticks");
        let rate = Rate::new(timescale, unit);
        ledger.hold(6, rate.is_some(), &place, "the frame rate", format!("{timescale}/{unit}"), "1 to 120 pictures a second");
    }
    let last = media.segments.last().map(|s| s.number);
    for segment in &media.segments {
        let place = place.clone().segment(segment.number);
        ledger.equal(2, &place, "the duration of a sample", segment.unit, unit);
        let (here, next) = (start(track.video(), slot, segment.number, timescale, unit), start(track.video(), slot, segment.number + 1, timescale, unit));
        let (Some(here), Some(next)) = (here, next) else { continue };
        ledger.equal(2, &place, "tfdt", i128::from(segment.tfdt), here);
        ledger.hold(2, next < 1 << 53, &place, "the end of the slot", next, "less than 2^53 ticks");
        let (lasts, whole) = (i128::from(segment.ticks), next - here);
        let short = ended && last == Some(segment.number) && lasts < whole;
        ledger.hold(2, short || lasts == whole, &place, "the duration", lasts, format!("{whole} ticks (a slot of the grid)"));
        if ended && last == Some(segment.number) {
            ledger.hold(7, segment.last, &place, "the brand lmsg", "absent", "there, since the event has ended with this segment");
        } else {
            ledger.hold(7, !segment.last, &place, "the brand lmsg", "there", "absent, since this is not the end of the event");
        }
    }
    for pair in media.segments.windows(2) {
        let [a, b] = pair else { continue };
        if a.number.checked_add(1) == Some(b.number) {
            let end = i128::from(a.tfdt) + i128::from(a.ticks);
            let ok = i128::from(b.tfdt) == end;
            ledger.hold(2, ok, &place.clone().segment(b.number), "tfdt", b.tfdt, format!("{end} (the end of the segment before)"));
        }
    }
    sequence(media, &place, ledger);
}

/// `mfhd` is a formula of the number: from segment to segment it grows by the same amount, at least the number of chunks, modulo 2^32.
fn sequence(media: &TrackMedia, place: &Place, ledger: &mut Ledger) {
    let neighbours = media.segments.windows(2).find(|w| w[1].number - w[0].number == 1);
    let Some([a, b]) = neighbours else { return };
    let step = b.sequence.wrapping_sub(a.sequence);
    ledger.hold(2, step != 0 && step < 1 << 20, &place.clone().segment(b.number), "mfhd", format!("{} after {}", b.sequence, a.sequence), "a larger one");
    for segment in &media.segments {
        let steps = (segment.number - a.number) as u32;
        let formula = a.sequence.wrapping_add(steps.wrapping_mul(step));
        ledger.equal(2, &place.clone().segment(segment.number), "mfhd", segment.sequence, formula);
        ledger.hold(
            2,
            segment.chunks <= step,
            &place.clone().segment(segment.number),
            "the number of chunks",
            segment.chunks,
            format!("at most {step}, by which mfhd grows"),
        );
    }
}

/// Line 2 across tracks: the same number has the same `mfhd` everywhere (where segments have equally many chunks).
pub fn sequences(tracks: &[(Track, TrackMedia)], ledger: &mut Ledger) {
    let Some((first, rest)) = tracks.split_first() else { return };
    for (track, media) in rest {
        for segment in &media.segments {
            if let Some(other) = first.1.get(segment.number) {
                let place = Place::track(&track.name).segment(segment.number);
                ledger.equal(2, &place, "mfhd", segment.sequence, other.sequence);
            }
        }
    }
}

/// Lines 5 and 16 for a switching set: names of tracks that a player may switch between.
pub fn switching_set(names: &[String], tracks: &[(Track, TrackMedia)], ledger: &mut Ledger) {
    let members: Vec<&(Track, TrackMedia)> = tracks.iter().filter(|(t, _)| names.contains(&t.name)).collect();
    let Some(((first, first_media), rest)) = members.split_first().map(|(f, r)| (*f, r)).map(|((t, m), r)| ((t, m), r)) else { return };
    ledger.checked(5, 1);
    for (track, media) in rest {
        let place = Place::track(&track.name);
        ledger.equal(5, &place, "the timescale", track.init.timescale, first.init.timescale);
        let entry = |t: &Track| String::from_utf8_lossy(&t.init.entry).into_owned();
        ledger.equal(5, &place, "the sample entry", entry(track), entry(first));
        ledger.hold(5, track.video() == first.video(), &place, "the media type", kind(track), kind(first));
        for segment in &media.segments {
            if let Some(other) = first_media.get(segment.number) {
                aligned(segment, other, &place, &first.name, ledger);
            }
        }
    }
}

fn aligned(segment: &Measured, other: &Measured, place: &Place, name: &str, ledger: &mut Ledger) {
    let sample = u64::from(segment.unit.max(other.unit));
    let ok = segment.ticks.abs_diff(other.ticks) < sample.max(1);
    let place = place.clone().segment(segment.number);
    ledger.hold(5, ok, &place, "the duration", segment.ticks, format!("{}, as in {name}, to less than a sample,", other.ticks));
}

/// Where tracks of an ended event end more than a tenth of a second apart: a player may stall at the end.
pub fn ends(tracks: &[(Track, TrackMedia)], ledger: &mut Ledger) {
    let end = |(track, media): &(Track, TrackMedia)| {
        media.segments.last().map(|s| Seconds::new(i128::from(s.tfdt) + i128::from(s.ticks), track.init.timescale.into()))
    };
    let Some(last) = tracks.iter().filter_map(end).max() else { return };
    for known in tracks {
        if let Some(end) = end(known).filter(|end| last - *end > Seconds::TENTH) {
            ledger.note(2, &Place::track(&known.0.name), format!("it ends at {end} s, {} s before the longest track", last - end));
        }
    }
}

fn kind(track: &Track) -> &'static str {
    if track.video() { "video" } else { "audio" }
}

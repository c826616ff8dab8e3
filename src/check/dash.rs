//! The DASH side of a tree: the manifest's clock, template and descriptions, against the segments (lines 15, 21 to 25).

use super::ledger::Ledger;
use super::media::{Track, TrackMedia};
use super::report::Place;
use super::sound;
use super::variants::{Known, Rates, bandwidth};
use super::{guarded, timeline};
use crate::inspect::Media;
use crate::time::Seconds;
use dash_mpd_core::{AdaptationSet, MPD, Period, Representation, SegmentTemplate};

/// Longest `publish_delay` that is believed, in seconds.
const MAX_DELAY: i64 = 600;

/// Reads the manifest; nothing, and a finding, where it cannot be read.
pub fn read(text: &str, ledger: &mut Ledger) -> Option<MPD> {
    ledger.checked(21, 1);
    let place = Place::file("manifest.mpd");
    // Somebody else's parser on hostile text: a panic in it is the text's fault.
    match guarded(|| dash_mpd_core::parse(text)) {
        Some(Ok(mpd)) => Some(mpd),
        Some(Err(why)) => {
            ledger.error(21, &place, format!("it cannot be read: {}", why.to_string().chars().take(300).collect::<String>()));
            None
        }
        None => {
            ledger.error(21, &place, "it cannot be read: a number in it is out of all bounds");
            None
        }
    }
}

fn template<'a>(period: &'a Period, set: &'a AdaptationSet, rep: &'a Representation) -> Option<&'a SegmentTemplate> {
    rep.SegmentTemplate.as_ref().or(set.SegmentTemplate.as_ref()).or(period.SegmentTemplate.as_ref())
}

/// A whole number of XML that the parser keeps as a float: exact below 2^53.
fn exact(value: f64) -> Option<u64> {
    (value > 0.0 && value < 9_007_199_254_740_992.0 && value.fract() == 0.0).then_some(value as u64)
}

fn slot_of(template: &SegmentTemplate) -> Option<Seconds> {
    timeline::slot(exact(template.duration?)?, template.timescale.unwrap_or(1))
}

/// The duration of a slot, as the first template that has a plausible one says.
pub fn slot(mpd: &MPD) -> Option<Seconds> {
    let period = mpd.periods.first()?;
    period.adaptations.iter().flat_map(|set| set.representations.iter().filter_map(move |rep| slot_of(template(period, set, rep)?))).next()
}

/// The switching sets: track names of each adaptation set.
pub fn sets(mpd: &MPD) -> Vec<Vec<String>> {
    let of = |period: &Period| -> Vec<Vec<String>> {
        let sets = period.adaptations.iter();
        sets.map(|set| set.representations.iter().filter_map(|rep| track_name(template(period, set, rep)?, rep)).collect()).collect()
    };
    mpd.periods.iter().flat_map(of).collect()
}

/// `$RepresentationID$` put in; the rest stays.
fn expand(pattern: &str, rep: &Representation) -> String {
    pattern.replace("$RepresentationID$", rep.id.as_deref().unwrap_or(""))
}

fn track_name(template: &SegmentTemplate, rep: &Representation) -> Option<String> {
    expand(template.media.as_deref()?, rep).strip_suffix("/$Number$.m4s").map(str::to_owned)
}

/// Everything that the manifest says, against the tracks. `ended`: the HLS playlists say that nothing follows.
pub fn check(mpd: &MPD, tracks: &[Known], slot: Option<Seconds>, ended: Option<bool>, ledger: &mut Ledger) {
    let place = Place::file("manifest.mpd");
    clock(mpd, tracks, ended, &place, ledger);
    ledger.equal(21, &place, "the number of periods", mpd.periods.len(), 1);
    let (mut named, mut told) = (Vec::new(), Vec::new());
    for period in mpd.periods.iter().take(16) {
        ledger.hold(21, period.start.is_some_and(|s| s.is_zero()), &place, "Period@start", period.start.map_or("absent".into(), |s| format!("{s:?}")), "PT0S");
        for (i, set) in period.adaptations.iter().enumerate() {
            let place = Place::file(format!("manifest.mpd AdaptationSet {i}"));
            if set.contentType.as_deref() == Some("image") {
                images(period, set, slot, &place, ledger);
                continue;
            }
            describe(set, &place, ledger);
            let mut members: Vec<&Track> = Vec::new();
            for rep in &set.representations {
                let place = Place::file(format!("manifest.mpd Representation {}", rep.id.as_deref().unwrap_or("?")));
                let Some(template) = ledger.present(21, &place, "SegmentTemplate", template(period, set, rep)) else { continue };
                address(template, rep, slot, &place, ledger);
                let track = track_name(template, rep).and_then(|name| tracks.iter().find(|(t, _)| t.name == name));
                let Some((track, media)) = ledger.present(21, &place, "the track that SegmentTemplate@media names", track) else { continue };
                named.push(track.name.clone());
                representation(set, rep, track, media, &place, ledger);
                members.push(track);
            }
            sound::set(set, &members, &mut told, &place, ledger);
        }
    }
    for (track, _) in tracks.iter().filter(|(t, _)| !named.contains(&t.name)) {
        ledger.error(21, &place, format!("track {} is in no Representation", track.name));
    }
    let events = mpd.periods.iter().any(|p| !p.event_streams.is_empty() || p.adaptations.iter().any(|a| !a.InbandEventStream.is_empty()));
    match events {
        true => ledger.note(25, &place, "event streams are announced; they are not checked yet"),
        false => ledger.not_applicable(25, "no events are published"),
    }
    ledger.note(21, &place, "it was not validated against the DASH schema: no schema is at hand");
}

/// Lines 21 and 23 at the top of the manifest.
fn clock(mpd: &MPD, tracks: &[Known], ended: Option<bool>, place: &Place, ledger: &mut Ledger) {
    let kind = mpd.mpdtype.as_deref().unwrap_or("static");
    let is_static = kind == "static" && mpd.mediaPresentationDuration.is_some();
    ledger.hold(21, kind == "dynamic" || is_static, place, "MPD@type", kind, "dynamic, or static with mediaPresentationDuration,");
    ledger.present(21, place, "MPD@profiles", mpd.profiles.as_deref());
    ledger.present(21, place, "MPD@minBufferTime", mpd.minBufferTime);
    if let Some(start) = ledger.present(21, place, "MPD@availabilityStartTime", mpd.availabilityStartTime) {
        let delay = Seconds::whole(start.timestamp()) + Seconds::from_nanos(i128::from(start.timestamp_subsec_nanos()));
        let ok = delay >= Seconds::ZERO && delay <= Seconds::whole(MAX_DELAY);
        ledger.hold(
            21,
            ok,
            place,
            "MPD@availabilityStartTime",
            delay.to_rfc3339(),
            format!("1970-01-01T00:00:00Z plus the publishing delay, at most {MAX_DELAY} s,"),
        );
    }
    if !is_static {
        for (name, value) in [("timeShiftBufferDepth", mpd.timeShiftBufferDepth), ("minimumUpdatePeriod", mpd.minimumUpdatePeriod)] {
            ledger.present(21, place, &format!("MPD@{name}"), value);
        }
        if mpd.UTCTiming.is_empty() {
            ledger.note(23, place, "there is no UTCTiming: a player trusts its own clock");
        }
    }
    ledger.checked(23, 1);
    if !mpd.ServiceDescription.iter().any(|s| s.Latency.iter().any(|l| l.target.is_some())) {
        ledger.note(23, place, "there is no ServiceDescription with a latency target");
    }
    let over = mpd.mediaPresentationDuration;
    if let Some(ended) = ended {
        let text = |e| if e { "there" } else { "absent" };
        ledger.hold(
            21,
            over.is_some() == ended,
            place,
            "MPD@mediaPresentationDuration",
            text(over.is_some()),
            format!("{}, as EXT-X-ENDLIST is,", text(ended)),
        );
    }
    let end =
        tracks.iter().filter_map(|(t, m)| m.segments.last().map(|s| Seconds::new(i128::from(s.tfdt) + i128::from(s.ticks), t.init.timescale.into()))).max();
    if let (Some(over), Some(end)) = (over, end) {
        let over = Seconds::new(i128::try_from(over.as_nanos()).unwrap_or(0), 1_000_000_000);
        // Audio frames do not end where pictures do: 2048 samples at 44.1 kHz are 46 ms.
        ledger.hold(
            21,
            (over - end).abs() < Seconds::TENTH,
            place,
            "MPD@mediaPresentationDuration",
            over,
            format!("{end} (the end of the last segment), to 0.1 s,"),
        );
    }
}

/// Lines 21 and 22 on a template: number k is at k times the duration, on the wall clock.
fn address(template: &SegmentTemplate, rep: &Representation, slot: Option<Seconds>, place: &Place, ledger: &mut Ledger) {
    let media = template.media.as_deref().map(|m| expand(m, rep)).unwrap_or_default();
    let folder = media.strip_suffix("/$Number$.m4s");
    ledger.hold(21, folder.is_some(), place, "SegmentTemplate@media", &media, "<track>/$Number$.m4s");
    if let Some(folder) = folder {
        let init = template.initialization.as_deref().map(|i| expand(i, rep)).unwrap_or_default();
        ledger.equal(21, place, "SegmentTemplate@initialization", init, format!("{folder}/init.mp4"));
    }
    let number = template.startNumber.map_or("absent".to_owned(), |n| n.to_string());
    ledger.equal(21, place, "SegmentTemplate@startNumber", number, "0".to_owned());
    ledger.hold(21, template.SegmentTimeline.is_none(), place, "SegmentTimeline", "there", "absent");
    ledger.equal(21, place, "SegmentTemplate@presentationTimeOffset", template.presentationTimeOffset.unwrap_or(0), 0);
    let said = template.duration.map_or("absent".to_owned(), |d| format!("{d}/{}", template.timescale.unwrap_or(1)));
    let own = slot_of(template);
    let required = slot.map_or("a whole number over @timescale".to_owned(), |s| format!("{}/{} s, the slot of the segments,", s.fraction().0, s.fraction().1));
    ledger.hold(22, own.is_some() && (slot.is_none() || own == slot), place, "SegmentTemplate@duration", said, required);
}

/// Line 21 on sheets of thumbnails (DASH-IF IOP, 6.2.6): numbers by the clock, from the epoch on, each of whole slots, and the tiles that they have.
fn images(period: &Period, set: &AdaptationSet, slot: Option<Seconds>, place: &Place, ledger: &mut Ledger) {
    for rep in &set.representations {
        let tiles = rep.essential_property.iter().chain(&set.essential_property).find(|p| p.schemeIdUri.ends_with("/thumbnail_tile"));
        let value = tiles.and_then(|p| p.value.as_deref());
        let grid = value.and_then(|v| v.split_once('x')).and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)));
        ledger.hold(21, grid.is_some_and(|(a, b)| a > 0 && b > 0), place, "the thumbnail_tile property", value.unwrap_or("absent"), "columns x rows (5x2)");
        let Some(template) = ledger.present(21, place, "SegmentTemplate", template(period, set, rep)) else { continue };
        ledger.equal(21, place, "SegmentTemplate@startNumber", template.startNumber.unwrap_or(1), 0);
        let own = slot_of(template);
        let whole = own.zip(slot).is_none_or(|(own, slot)| own.times(slot.fraction().1).over(slot.fraction().0.max(1)).fraction().1 == 1);
        ledger.hold(
            22,
            own.is_some() && whole,
            place,
            "SegmentTemplate@duration",
            own.map_or("absent".to_owned(), |s| s.to_string()),
            "a whole number of slots",
        );
    }
}

/// Line 24 on an adaptation set.
fn describe(set: &AdaptationSet, place: &Place, ledger: &mut Ledger) {
    ledger.hold(24, !set.Role.is_empty(), place, "Role", "absent", "there");
    ledger.hold(24, !set.Label.is_empty() || set.representations.iter().all(|r| !r.Label.is_empty()), place, "Label", "absent", "there");
    let mime = set.mimeType.is_some() || set.representations.iter().all(|r| r.mimeType.is_some());
    ledger.hold(24, mime, place, "@mimeType", "absent", "there");
    ledger.hold(24, set.segmentAlignment == Some(true), place, "@segmentAlignment", set.segmentAlignment.map_or("absent".into(), |a| a.to_string()), "true");
    if set.ProducerReferenceTime.is_empty() && set.representations.iter().any(|r| r.ProducerReferenceTime.is_empty()) {
        ledger.note(23, place, "there is no ProducerReferenceTime");
    }
}

/// Line 24 (and 15) on a representation, against its initialisation segment.
fn representation(set: &AdaptationSet, rep: &Representation, track: &Track, media: &TrackMedia, place: &Place, ledger: &mut Ledger) {
    let said = |own: &Option<String>, shared: &Option<String>| own.clone().or(shared.clone());
    if let Some(codecs) = ledger.present(24, place, "@codecs", said(&rep.codecs, &set.codecs)) {
        ledger.hold(24, codecs.eq_ignore_ascii_case(&track.init.codecs), place, "@codecs", &codecs, &track.init.codecs);
    }
    let rates = Rates::new(track, media);
    bandwidth(rep.bandwidth.map(|b| b.to_string()).as_deref(), "@bandwidth", "peak", rates.peak, 125, place, ledger);
    match &track.init.media {
        Media::Video { width, height, colour, pasp, .. } => {
            let size = rep.width.or(set.width).zip(rep.height.or(set.height));
            if let Some((w, h)) = ledger.present(24, place, "@width and @height", size) {
                ledger.equal(24, place, "the size", format!("{w}x{h}"), format!("{width}x{height}"));
            }
            if let (Some(said), Some(rate)) = (ledger.present(24, place, "@frameRate", said(&rep.frameRate, &set.frameRate)), timeline::rate(track, media)) {
                ledger.hold(24, said.parse() == Ok(rate), place, "@frameRate", &said, rate);
            }
            if let (Some(said), Some((h, v))) = (ledger.present(24, place, "@sar", said(&rep.sar, &set.sar)), pasp) {
                let ratio = said.split_once(':').and_then(|(a, b)| a.parse::<u64>().ok().zip(b.parse::<u64>().ok()));
                let ok = ratio.is_some_and(|(a, b)| u128::from(a) * u128::from(*v) == u128::from(b) * u128::from(*h));
                ledger.hold(24, ok, place, "@sar", &said, format!("{h}:{v}"));
            }
            let Some(colour) = colour else { return };
            let codes = [("ColourPrimaries", colour.primaries), ("TransferCharacteristics", colour.transfer), ("MatrixCoefficients", colour.matrix)];
            for (name, code) in codes {
                let scheme = format!("urn:mpeg:mpegB:cicp:{name}");
                let value = property(set, rep, &scheme);
                if let Some(value) = ledger.present(24, place, &format!("a property {scheme}"), value) {
                    ledger.equal(24, place, &scheme, value, code.to_string());
                }
            }
        }
        Media::Audio { channels, sample_rate, .. } => {
            let layouts = rep.AudioChannelConfiguration.first().or(set.AudioChannelConfiguration.first());
            if let Some(layout) = ledger.present(24, place, "AudioChannelConfiguration", layouts) {
                ledger.equal(24, place, "AudioChannelConfiguration", layout.value.clone().unwrap_or_default(), channels.to_string());
            }
            if let Some(rate) = ledger.present(24, place, "@audioSamplingRate", said(&rep.audioSamplingRate, &set.audioSamplingRate)) {
                ledger.equal(24, place, "@audioSamplingRate", rate, sample_rate.to_string());
            }
        }
    }
}

fn property(set: &AdaptationSet, rep: &Representation, scheme: &str) -> Option<String> {
    let supplemental = set.supplemental_property.iter().chain(&rep.supplemental_property).map(|p| (&p.schemeIdUri, &p.value));
    let essential = set.essential_property.iter().chain(&rep.essential_property).map(|p| (&p.schemeIdUri, &p.value));
    supplemental.chain(essential).find(|(s, _)| *s == scheme).and_then(|(_, value)| value.clone())
}

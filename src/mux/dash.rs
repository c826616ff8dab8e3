//! The DASH manifest (ISO/IEC 23009-1), as text: a template in wall-clock time. Number k is due at the end of its slot plus `publish_delay`.

use super::TrackKind;
use super::describe::Described;
use crate::colour::VideoRange;
use crate::plan::Rendition;
use crate::role::{self, Role as Purpose};
use crate::time::{GopId, Grid, Seconds};
use dash_mpd_core::{
    Accessibility, AdaptationSet, AudioChannelConfiguration, EssentialProperty, Label, Latency, MPD, Period, PlaybackRate, ProducerReferenceTime,
    Representation, Role, SegmentTemplate, ServiceDescription, SupplementalProperty, UTCTiming, XsDatetime,
};
use std::time::Duration;

/// Name of the manifest.
pub const MANIFEST: &str = "manifest.mpd";

/// What of the event the manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first number that every track still has; no later than `first`.
    pub kept: GopId,
    /// The first number that every track has listed.
    pub first: GopId,
    /// The last number that every track has listed.
    pub last: GopId,
    /// Where the event ended: time on the grid, and the last number of any track.
    pub ended: Option<(Seconds, GopId)>,
}

/// What the manifest says of chunks that are there before their segments are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Low {
    /// The longest of a track's first chunks.
    pub chunk: Seconds,
}

/// How much faster or slower a player may play, to come back to its latency: viewers notice no more than so little.
const CATCH_UP: (f64, f64) = (0.96, 1.04);

/// The manifest. Everything in it follows from the plan, the grid and `extent`; the host's clock is not asked.
///
/// While the event lasts, and after it, it is dynamic: clients compute numbers from the wall clock, and at the end `mediaPresentationDuration` says where that
/// stops. With `low`, the first bytes of a number are there when its first chunk is. Only an event that began at the epoch itself and is over (a file that was not anchored) is static, for nobody's wall clock will ever be there again
/// (libav would wait for ever). The window and the update period stay in it all the same: scripts count on them.
pub fn manifest(tracks: &[Described], grid: Grid, publish_delay: Seconds, extent: Extent, low: Option<Low>) -> String {
    let segment = grid.gop_duration();
    let low = low.filter(|_| extent.ended.is_none());
    // What a player holds is counted in chunks where it gets them.
    let unit = low.map_or(segment, |low| low.chunk);
    let on_demand = extent.ended.is_some() && extent.first == GopId(0);
    let span = |first: GopId| segment.times(i128::from(extent.last.0 - first.0 + 1));
    // Players count it back from the live edge, which trails what is listed by `publish_delay`: at the start of an event they would ask for numbers before its first.
    let behind = if extent.ended.is_some() { Seconds::ZERO } else { publish_delay };
    let depth = span(extent.first).min((span(extent.kept) - behind).max(segment));
    let longest = tracks.iter().map(|t| t.spec.longest()).max().unwrap_or(segment);
    let milliseconds = |span: Seconds| span.ceil_ticks(1000) as f64;
    let mpd = MPD {
        xmlns: Some("urn:mpeg:dash:schema:mpd:2011".into()),
        profiles: Some("urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019".into()),
        mpdtype: Some(if on_demand { "static" } else { "dynamic" }.into()),
        availabilityStartTime: date(publish_delay),
        publishTime: date(grid.gop_time(extent.last.next()) + publish_delay),
        mediaPresentationDuration: extent.ended.map(|(end, _)| end.to_duration()),
        minimumUpdatePeriod: Some(up(segment)),
        timeShiftBufferDepth: Some(depth.to_duration()),
        suggestedPresentationDelay: Some(low.map_or(up(segment.times(3)), |low| up(publish_delay + low.chunk.times(3)))),
        minBufferTime: Some(up(unit)),
        maxSegmentDuration: Some(up(longest)),
        ServiceDescription: vec![ServiceDescription {
            id: Some("0".into()),
            Latency: vec![Latency {
                referenceId: Some("0".into()),
                min: Some(milliseconds(publish_delay + unit.times(if low.is_some() { 1 } else { 2 }))),
                target: Some(milliseconds(publish_delay + unit.times(3))),
                max: Some(milliseconds(publish_delay + segment.times(6))),
            }],
            PlaybackRate: low.map(|_| PlaybackRate { min: Some(CATCH_UP.0), max: Some(CATCH_UP.1) }).into_iter().collect(),
            ..Default::default()
        }],
        periods: vec![Period { id: Some("0".into()), start: Some(Duration::ZERO), adaptations: adaptations(tracks, grid, extent, low), ..Default::default() }],
        UTCTiming: vec![timing()],
        ..Default::default()
    };
    // Between two elements only: text and attributes have their angle brackets escaped.
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{mpd}\n").replace("><", ">\n<");
    // Licence addresses: the crate's name of the element is of an older draft, and without its namespace.
    if text.contains("<dashif:laurl>") {
        return text.replace("dashif:laurl>", "dashif:Laurl>").replacen("<MPD ", "<MPD xmlns:dashif=\"https://dashif.org/CPS\" ", 1);
    }
    text
}

/// The date of the answer to a HEAD of the manifest itself: it works from any web server, a plain directory included.
fn timing() -> UTCTiming {
    UTCTiming { schemeIdUri: "urn:mpeg:dash:utc:http-head:2014".into(), value: Some(MANIFEST.into()), ..Default::default() }
}

fn date(time: Seconds) -> Option<XsDatetime> {
    time.to_rfc3339().parse().ok()
}

/// To the next millisecond up.
fn up(span: Seconds) -> Duration {
    Duration::from_millis(span.ceil_ticks(1000).unsigned_abs())
}

fn adaptations(tracks: &[Described], grid: Grid, extent: Extent, low: Option<Low>) -> Vec<AdaptationSet> {
    let mut sets: Vec<(String, Vec<&Described>)> = Vec::new();
    for track in tracks {
        // One sample entry, one sound, and one number of channels, to a set that a player may switch within.
        let entry = track.codecs.split('.').next().unwrap_or_default();
        let range = if let TrackKind::Video { rendition, .. } = &track.spec.kind { rendition.range.name() } else { "" };
        let sound = track.audio().map_or((0, 0), |a| (a.sound, a.channels));
        // And one key: what a player may decode and what not differs between sets, not within one (DASH-IF IOP, part 6).
        let id = track.signal.as_ref().map(|signal| signal.id);
        let key = format!("{} {} {sound:?} {range} {id:?}", entry, track.spec.timescale());
        match sets.iter_mut().find(|(k, _)| *k == key) {
            Some((_, set)) => set.push(track),
            None => sets.push((key, vec![track])),
        }
    }
    let mut made: Vec<AdaptationSet> = sets.iter().enumerate().map(|(id, (_, set))| adaptation(id, set, grid, extent, low)).collect();
    switches(&sets, &mut made);
    made
}

/// Sets that differ in their key alone may be switched between all the same (ISO/IEC 23009-1, 5.3.3.5).
fn switches(sets: &[(String, Vec<&Described>)], made: &mut [AdaptationSet]) {
    let kind = |n: usize| sets.get(n).filter(|(_, set)| set.iter().any(|t| t.signal.is_some())).and_then(|(key, _)| key.rsplit_once(' ')).map(|(kind, _)| kind);
    for (n, set) in made.iter_mut().enumerate() {
        let others: Vec<String> =
            (0..sets.len()).filter(|other| *other != n && kind(n).is_some() && kind(*other) == kind(n)).map(|id| id.to_string()).collect();
        if !others.is_empty() {
            set.supplemental_property.push(supplemental("urn:mpeg:dash:adaptation-set-switching:2016", &others.join(",")));
        }
    }
}

fn adaptation(id: usize, tracks: &[&Described], grid: Grid, extent: Extent, low: Option<Low>) -> AdaptationSet {
    let timescale = tracks.first().map_or(1, |t| t.spec.timescale());
    let video: Vec<&Rendition> =
        tracks.iter().filter_map(|t| if let TrackKind::Video { rendition, .. } = &t.spec.kind { Some(rendition) } else { None }).collect();
    let largest = video.iter().max_by_key(|r| u64::from(r.width) * u64::from(r.height));
    let range = largest.map(|r| r.range);
    // A player that does not know a property's scheme leaves out what has it as an essential one: right for HDR, which would look grey (DASH-IF IOP 10.4).
    let colour = range.map_or(Vec::new(), cicp);
    let audio = tracks.iter().find_map(|t| t.audio());
    let tag = audio.and_then(|a| a.language_tag());
    let role = audio.map_or(Purpose::Main, |a| a.role);
    let content = if audio.is_some() { "audio" } else { "video" };
    AdaptationSet {
        id: Some(id.to_string()),
        contentType: Some(content.into()),
        mimeType: Some(format!("{content}/mp4")),
        lang: tag.map(Into::into),
        segmentAlignment: Some(true),
        startWithSAP: Some(1),
        maxWidth: video.iter().map(|r| u64::from(r.width)).max(),
        maxHeight: video.iter().map(|r| u64::from(r.height)).max(),
        par: largest.map(|r| ratio(r.width, r.height)),
        sar: largest.map(|_| "1:1".into()),
        frameRate: largest.map(|r| r.grid.rate.to_string()),
        AudioChannelConfiguration: audio
            .map(|a| AudioChannelConfiguration {
                schemeIdUri: "urn:mpeg:mpegB:cicp:ChannelConfiguration".into(),
                value: Some(a.channels.to_string()),
                ..Default::default()
            })
            .into_iter()
            .collect(),
        supplemental_property: if range == Some(VideoRange::Sdr) {
            colour.iter().map(|(scheme, value)| supplemental(scheme, value)).collect()
        } else {
            Vec::new()
        },
        essential_property: if range == Some(VideoRange::Sdr) { Vec::new() } else { colour.iter().map(|(scheme, value)| essential(scheme, value)).collect() },
        ContentProtection: tracks.first().and_then(|t| t.signal.as_ref()).map_or(Vec::new(), |signal| signal.dash.clone()),
        Label: vec![Label { content: audio.map_or(content, |a| a.label.as_str()).into(), ..Default::default() }],
        // The grid: media time 0 is the epoch. Segments carry the same in `prft`.
        ProducerReferenceTime: vec![ProducerReferenceTime {
            id: Some(id.to_string()),
            inband: Some(true),
            prtType: Some("captured".into()),
            presentationTime: Some(0),
            wallClockTime: date(Seconds::ZERO),
            // It says how the wall-clock time is written; without it Shaka Player takes the date for an NTP number, and every latency is wrong by 70 years.
            UTCTiming: Some(timing()),
        }],
        Role: vec![Role { schemeIdUri: role::SCHEME.into(), value: Some(role.name().into()), ..Default::default() }],
        Accessibility: role.purpose().map(accessibility).into_iter().collect(),
        SegmentTemplate: Some(template(timescale, grid, extent, low)),
        representations: tracks.iter().map(|t| representation(t)).collect(),
        ..Default::default()
    }
}

/// Who it is for that needs it.
fn accessibility(purpose: &str) -> Accessibility {
    Accessibility { schemeIdUri: "urn:tva:metadata:cs:AudioPurposeCS:2007".into(), value: Some(purpose.into()), ..Default::default() }
}

/// Scheme and value of each colour code point (ISO/IEC 23091-2).
fn cicp(range: VideoRange) -> Vec<(String, String)> {
    let (primaries, transfer, matrix) = range.code_points();
    let points = [("ColourPrimaries", primaries), ("TransferCharacteristics", transfer), ("MatrixCoefficients", matrix)];
    points.iter().map(|(name, value)| (format!("urn:mpeg:mpegB:cicp:{name}"), value.to_string())).collect()
}

fn supplemental(scheme: &str, value: &str) -> SupplementalProperty {
    SupplementalProperty { schemeIdUri: scheme.to_owned(), value: Some(value.to_owned()), ..Default::default() }
}

fn essential(scheme: &str, value: &str) -> EssentialProperty {
    EssentialProperty { schemeIdUri: scheme.to_owned(), value: Some(value.to_owned()), ..Default::default() }
}

/// `@duration` over `@timescale` is the GOP's duration, exactly: in the media timescale where it is whole there, else in lowest terms.
fn template(timescale: u32, grid: Grid, extent: Extent, low: Option<Low>) -> SegmentTemplate {
    let (num, den) = grid.gop_duration().fraction();
    let ticks = num * i128::from(timescale);
    let (duration, timescale) = if ticks % den == 0 { (ticks / den, i128::from(timescale)) } else { (num, den) };
    SegmentTemplate {
        media: Some("$RepresentationID$/$Number$.m4s".into()),
        initialization: Some("$RepresentationID$/init.mp4".into()),
        startNumber: Some(0),
        endNumber: extent.ended.and_then(|(_, last)| u64::try_from(last.0).ok()),
        // Below 2^53 (a GOP lasts at most some seconds), so the number is whole and exact.
        duration: Some(duration as f64),
        timescale: u64::try_from(timescale).ok(),
        // So much before the segment is complete its first chunk is (ISO/IEC 23009-1, 5.3.9.5.3); rounded down to the millisecond.
        availabilityTimeOffset: low.map(|low| (grid.gop_duration() - low.chunk).nearest_ticks(1000).max(0) as f64 / 1000.0),
        availabilityTimeComplete: low.map(|_| false),
        ..Default::default()
    }
}

fn representation(track: &Described) -> Representation {
    let mut representation =
        Representation { id: Some(track.spec.name.clone()), bandwidth: Some(track.peak), codecs: Some(track.codecs.clone()), ..Default::default() };
    match &track.spec.kind {
        TrackKind::Video { rendition, .. } => {
            representation.width = Some(rendition.width.into());
            representation.height = Some(rendition.height.into());
        }
        TrackKind::Audio { rendition, .. } => representation.audioSamplingRate = Some(rendition.grid.sample_rate.to_string()),
    }
    representation
}

fn ratio(width: u32, height: u32) -> String {
    let (w, h) = Seconds::new(width.into(), i128::from(height.max(1))).fraction();
    format!("{w}:{h}")
}

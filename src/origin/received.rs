//! What a track is, as far as what arrived says: its initialisation segment and its first segment. Enough for playlists that are those of the worker that made it.

use crate::colour::{HdrMetadata, VideoRange};
use crate::encode::TrackId;
use crate::inspect::{InitFacts, Media, SegmentFacts};
use crate::ladder::{AudioCodec, VideoCodec};
use crate::language;
use crate::mux::chunking::Chunking;
use crate::mux::{TrackKind, TrackSpec};
use crate::plan::{AudioRendition, Rendition};
use crate::time::{AudioGrid, GopId, Grid, Rate};

/// The grid that a segment of pictures with that number shows: its rate from how long a picture lasts, its GOP from where the segment starts, or, of number 0, from how many pictures it has.
/// In words where there is none.
pub fn grid(init: &InitFacts, number: GopId, segment: &SegmentFacts) -> Result<Grid, String> {
    let ticks = segment.samples().next().map_or(0, |s| s.duration);
    let divisor = gcd(init.timescale, ticks).max(1);
    let rate = Rate::new(init.timescale / divisor, ticks / divisor);
    let rate = rate.ok_or_else(|| format!("a picture lasts {ticks}/{} s; a rate of 1 to 120 pictures a second is accepted", init.timescale))?;
    let (tfdt, one) = (segment.tfdt(), u64::from(ticks));
    let count = segment.samples().count() as u64;
    let slots = match u64::try_from(number.0).ok().and_then(|n| n.checked_mul(one)) {
        Some(0) if tfdt == 0 => count,
        Some(each) if each > 0 && tfdt % each == 0 => tfdt / each,
        _ => 0,
    };
    // Up to 30 s at 120 pictures a second.
    match u32::try_from(slots) {
        Ok(gop_slots @ 2..=3600) if count <= slots => Ok(Grid { rate, gop_slots }),
        _ => Err(format!(
            "segment {number} has {count} pictures and starts at {tfdt} of {one} each; accepted is number x pictures of a segment, counted from 1970"
        )),
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How a segment of pictures is cut into chunks, where it has more than one.
pub fn chunking(segment: &SegmentFacts) -> Option<Chunking> {
    let (first, second) = (segment.chunks.first()?, segment.chunks.get(1)?);
    Some(Chunking { slots: u32::try_from(first.samples.len()).ok()?.max(1), prft: second.prft.is_some() })
}

/// The track that is called `name`, on that grid. What only encoders ask for is left empty. Where the initialisation segment has no bitrate, one and a half times that of `first`, a segment of it, is the cap.
pub fn spec(name: &str, init: &InitFacts, grid: Grid, first: &SegmentFacts) -> TrackSpec {
    let card = init.card.as_ref();
    let place = card.map_or(usize::MAX, |card| usize::from(card.place));
    let (average, peak) = init.btrt.filter(|(average, peak)| *average > 0 && *peak > 0).map_or_else(|| measured(init, first), |(a, p)| (a.into(), p.into()));
    let name = name.to_owned();
    let kind = match &init.media {
        Media::Video { width, height, colour, depth, .. } => {
            // `btrt` has 1.10 x the cap, rounded up.
            let cap = peak * 10 / 11;
            TrackKind::Video {
                rendition: Rendition {
                    name: name.clone(),
                    codec: codec(&init.codecs),
                    width: (*width).into(),
                    height: (*height).into(),
                    grid,
                    depth: depth.unwrap_or(8).into(),
                    range: colour.map_or(VideoRange::Sdr, |c| range(c.transfer)),
                    hdr: HdrMetadata::default(),
                    max_bitrate: cap,
                    quality: 0.0,
                    bitrate: (average != cap).then_some(average),
                    point: String::new(),
                    latency: Default::default(),
                    chunk: None,
                    backends: Vec::new(),
                    lanes: 1,
                    half_rate: false,
                    devices: Vec::new(),
                },
                config: Vec::new(),
            }
        }
        Media::Audio { channels, sample_rate, config } => {
            let frame = first.samples().next().map_or(1024, |s| s.duration.max(1));
            let label = language::tag(&init.language).unwrap_or("main");
            TrackKind::Audio {
                rendition: AudioRendition {
                    name: name.clone(),
                    rung: card.map_or_else(|| name.clone(), |card| card.rung.clone()),
                    codec: AudioCodec::Aac,
                    bitrate: average,
                    channels: (*channels).into(),
                    grid: AudioGrid { video: grid, sample_rate: *sample_rate, frame },
                    sound: card.map_or_else(|| unnamed_sound(&init.language), |card| card.sound.into()),
                    language: init.language.clone(),
                    tag: init.tag.clone(),
                    label: card.map_or(label, |card| &card.label).to_owned(),
                    role: init.role.as_deref().and_then(|role| role.parse().ok()).unwrap_or_default(),
                },
                config: config.clone(),
            }
        }
    };
    TrackSpec { id: TrackId(place), name, kind }
}

/// The order in which playlists have tracks: that of the plan; what comes from elsewhere after it, largest first, sound last.
pub fn order(track: &TrackSpec) -> (usize, bool, std::cmp::Reverse<u64>, String) {
    let size = match &track.kind {
        TrackKind::Video { rendition, .. } => {
            (u64::from(rendition.width) * u64::from(rendition.height)).saturating_mul(1 << 32).saturating_add(rendition.max_bitrate)
        }
        TrackKind::Audio { rendition, .. } => rendition.bitrate,
    };
    (track.id.0, matches!(track.kind, TrackKind::Audio { .. }), std::cmp::Reverse(size), track.name.clone())
}

/// Bits per second, average and peak.
fn measured(init: &InitFacts, first: &SegmentFacts) -> (u64, u64) {
    let bytes: u64 = first.samples().map(|s| u64::from(s.size)).sum();
    let rate = bytes.saturating_mul(8).saturating_mul(u64::from(init.timescale)) / first.duration().max(1);
    let cap = (rate / 2 * 3).div_ceil(1000).max(1) * 1000;
    (cap, cap.saturating_mul(11).div_ceil(10))
}

/// Sounds that nobody numbered: told apart, and in the same order in every life of the origin, by their language.
fn unnamed_sound(language: &str) -> usize {
    language.bytes().take(3).fold(0, |n, b| n * 32 + usize::from(b & 31))
}

fn codec(codecs: &str) -> VideoCodec {
    match codecs.get(..2) {
        Some("hv" | "he") => VideoCodec::Hevc,
        Some("av") if codecs.starts_with("av01") => VideoCodec::Av1,
        _ => VideoCodec::Avc,
    }
}

/// By the transfer characteristics (ITU-T H.273).
fn range(transfer: u16) -> VideoRange {
    match transfer {
        16 => VideoRange::Pq,
        18 => VideoRange::Hlg,
        _ => VideoRange::Sdr,
    }
}

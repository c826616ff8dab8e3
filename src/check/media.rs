//! The segments of a track: each read, inspected, weighed and decoded on its own, on all cores; what matters of each is kept in number order.

use super::bucket::Bucket;
use super::coded;
use super::decode::{self, Decoded};
use super::ledger::Ledger;
use super::report::{LAYOUT, Place};
use super::tree::{ReadError, Tree};
use crate::inspect::{self, Code, InitFacts, Media, SegmentFacts};
use crate::mux::Marks;
use crate::time::Seconds;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Segments in flight at once: what bounds the memory.
const BATCH: usize = 32;
/// Most classes remembered of a track; more are as good as these.
const MAX_CLASSES: usize = 16;

/// A track with its initialisation segment, read.
#[derive(Clone, Debug)]
pub struct Track {
    /// Its name.
    pub name: String,
    /// The initialisation segment.
    pub init_bytes: Vec<u8>,
    /// What is in it.
    pub init: InitFacts,
    /// Whether a decoder may be let loose on its segments.
    pub decodable: bool,
}

impl Track {
    /// Whether it is a video track.
    pub fn video(&self) -> bool {
        matches!(self.init.media, Media::Video { .. })
    }
}

/// What is kept of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Its number.
    pub number: i64,
    /// First decoding time, in the timescale.
    pub tfdt: u64,
    /// Sum of the sample durations, in the timescale.
    pub ticks: u64,
    /// Duration of the first sample, in the timescale.
    pub unit: u32,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of its samples.
    pub payload: u64,
    /// `mfhd` of the first chunk.
    pub sequence: u32,
    /// Number of chunks.
    pub chunks: u32,
    /// Marked with repeats, filler or damage.
    pub marked: bool,
    /// Has the brand `lmsg`.
    pub last: bool,
}

/// The segments of a track.
#[derive(Clone, Debug, Default)]
pub struct TrackMedia {
    /// Those that could be read, by number, ascending.
    pub segments: Vec<Measured>,
    /// Classes that their marks name.
    pub classes: BTreeSet<String>,
}

impl TrackMedia {
    /// Segment `number`, if it could be read.
    pub fn get(&self, number: i64) -> Option<&Measured> {
        self.segments.binary_search_by_key(&number, |s| s.number).ok().and_then(|i| self.segments.get(i))
    }
}

/// The conformance line of a rule that a segment or initialisation segment breaks.
pub fn line(code: Code) -> u8 {
    match code {
        Code::NotIdrFirst | Code::IdrInside | Code::OpenGop | Code::SyncFlag | Code::NalLengths => 1,
        Code::TfdtBreak | Code::TfdtRange | Code::TfdtGrid | Code::Sequence | Code::Samples => 2,
        Code::MdatLayout | Code::BaseIsMoof | Code::OneTrack => 3,
        Code::Offsets => 4,
        Code::Timescale => 6,
        Code::Brands => 7,
        Code::SampleEntry => 8,
        Code::InBand => 9,
        Code::Prft => 10,
        Code::Encryption => 11,
    }
}

/// Bits per second of so many bytes in so many ticks, rounded up.
pub fn bitrate(bytes: u64, ticks: u64, timescale: u32) -> u64 {
    let bits = u128::from(bytes) * 8 * u128::from(timescale);
    if ticks == 0 { 0 } else { u64::try_from(bits.div_ceil(u128::from(ticks))).unwrap_or(u64::MAX) }
}

/// Everything that one segment shows.
struct Outcome {
    ledger: Ledger,
    read: Option<Read>,
}

struct Read {
    measured: Measured,
    class: Option<String>,
    /// Bytes and ticks of every sample.
    samples: Vec<(u64, u32)>,
}

/// Reads every segment of `track`. `slot` is how long one lasts, where that is known; `decode` has libav decode each.
pub fn measure(tree: &Tree, track: &Track, numbers: &[i64], slot: Option<Seconds>, decode: bool, ledger: &mut Ledger) -> TrackMedia {
    let mut media = TrackMedia::default();
    let mut bucket: Option<(Bucket, u64)> = None;
    for batch in numbers.chunks(BATCH) {
        let outcomes: Vec<Outcome> = batch.par_iter().map(|number| examine(tree, track, *number, slot, decode && track.decodable)).collect();
        for outcome in outcomes {
            ledger.absorb(outcome.ledger);
            let Some(read) = outcome.read else { continue };
            pour(track, slot, &read, &mut bucket, ledger);
            if media.classes.len() < MAX_CLASSES {
                media.classes.extend(read.class);
            }
            media.segments.push(read.measured);
        }
    }
    media
}

/// The segment's samples go into the bucket; the bucket leaks through holes.
fn pour(track: &Track, slot: Option<Seconds>, read: &Read, bucket: &mut Option<(Bucket, u64)>, ledger: &mut Ledger) {
    let Some((_, rate)) = track.init.btrt.filter(|(_, max)| *max > 0) else { return };
    let Measured { number, tfdt, ticks, .. } = read.measured;
    let slot_ticks = slot.map_or(ticks, |s| u64::try_from(s.floor_ticks(track.init.timescale)).unwrap_or(ticks));
    let (bucket, end) = bucket.get_or_insert_with(|| (Bucket::new(rate.into(), track.init.timescale, slot_ticks), tfdt));
    bucket.idle(tfdt.saturating_sub(*end));
    *end = tfdt.saturating_add(ticks);
    ledger.checked(15, 1);
    let overflows: Vec<_> = read.samples.iter().enumerate().filter_map(|(i, (bytes, ticks))| bucket.sample(*bytes, *ticks).map(|o| (i, o))).collect();
    if let Some((i, first)) = overflows.first() {
        let text = format!(
            "{} samples overflow the leaky bucket, the first is sample {i} by {} bits; a bucket of {} bits (one slot) leaking {rate} b/s holds all",
            overflows.len(),
            first.bits,
            first.capacity
        );
        ledger.error(15, &Place::track(&track.name).segment(number), text);
    }
}

fn examine(tree: &Tree, track: &Track, number: i64, slot: Option<Seconds>, decode: bool) -> Outcome {
    let mut ledger = Ledger::default();
    let place = Place::track(&track.name).segment(number);
    let bytes = match tree.segment(&track.name, number) {
        Ok(bytes) => bytes,
        Err(ReadError::Missing) => {
            ledger.note(LAYOUT, &place, "it was there when the names were read and has gone since: the window has moved on");
            return Outcome { ledger, read: None };
        }
        Err(why) => {
            ledger.error(LAYOUT, &place, why.to_string());
            return Outcome { ledger, read: None };
        }
    };
    let facts = match inspect::segment(&bytes, Some(&track.init)) {
        Ok(facts) => facts,
        Err(why) => {
            ledger.checked(3, 1);
            ledger.error(3, &place, format!("its boxes cannot be read: {why}"));
            return Outcome { ledger, read: None };
        }
    };
    let read = read(number, &bytes, &facts);
    rules(track, &facts, &place, &mut ledger);
    let decode = coded::segment(&place, &track.init, &facts, &mut ledger) && decode;
    weigh(track, &read.measured, slot, &place, &mut ledger);
    if decode {
        judge(decode::segment(&track.init_bytes, &bytes), &facts, &place, &mut ledger);
    }
    Outcome { ledger, read: Some(read) }
}

fn read(number: i64, bytes: &[u8], facts: &SegmentFacts) -> Read {
    let samples: Vec<(u64, u32)> = facts.samples().map(|s| (u64::from(s.size), s.duration)).collect();
    let measured = Measured {
        number,
        tfdt: facts.tfdt(),
        ticks: facts.duration(),
        unit: samples.first().map_or(0, |s| s.1),
        bytes: bytes.len() as u64,
        payload: samples.iter().map(|s| s.0).sum(),
        sequence: facts.chunks.first().map_or(0, |c| c.sequence),
        chunks: u32::try_from(facts.chunks.len()).unwrap_or(u32::MAX),
        marked: facts.marks.as_ref().is_some_and(Marks::excuse),
        last: facts.says(b"lmsg"),
    };
    Read { measured, class: facts.marks.as_ref().map(|m| m.class.clone()).filter(|c| !c.is_empty()), samples }
}

/// What `inspect` has to say, by line, and the brands that need the marks.
fn rules(track: &Track, facts: &SegmentFacts, place: &Place, ledger: &mut Ledger) {
    for line in [1, 2, 3, 4, 7, 9, 10] {
        let video_only = line == 1 || line == 4 || line == 9;
        ledger.checked(line, u64::from(!video_only || track.video()));
    }
    ledger.checked(11, u64::from(track.init.protected.is_some()));
    let produced = facts.chunks.iter().any(|c| c.prft.is_some());
    for finding in &facts.findings {
        if finding.code == Code::Prft && !produced {
            continue;
        }
        if finding.code == Code::IdrInside {
            // Announced, it is a place to splice at; one that is not breaks the sync flag's rule besides.
            ledger.note(line(finding.code), place, finding.text.clone());
            continue;
        }
        ledger.error(line(finding.code), place, finding.text.clone());
    }
    if !produced {
        ledger.note(10, place, "there is no prft; a receiver that it is pushed to needs one");
    }
    let (filler, slat) = (facts.marks.as_ref().map(|m| m.fillers > 0), facts.says(b"slat"));
    if let Some(filler) = filler {
        let (found, required) = (if slat { "there" } else { "absent" }, if filler { "there (it is marked as filler)" } else { "absent (nothing is filler)" });
        ledger.hold(7, filler == slat, place, "the brand slat", found, required);
    }
    let ids = facts.chunks.iter().map(|c| c.track).collect::<BTreeSet<_>>();
    ledger.hold(3, ids.len() == 1, place, "the number of track ids", ids.len(), "1");
}

/// 1.10 x cap x duration, without the container's bytes. `btrt` holds 1.10 x cap. A segment of less than half a slot (the event ended in it) is noted only: one IDR may be larger.
fn weigh(track: &Track, segment: &Measured, slot: Option<Seconds>, place: &Place, ledger: &mut Ledger) {
    let Some((_, max)) = track.init.btrt.filter(|(_, max)| *max > 0) else { return };
    // Boxes of chunks are what they cost, and BANDWIDTH counts them.
    let bytes = if segment.chunks > 1 { segment.payload } else { segment.bytes };
    let rate = bitrate(bytes, segment.ticks, track.init.timescale);
    let lasts = Seconds::new(segment.ticks.into(), track.init.timescale.max(1).into());
    let short = slot.is_some_and(|s| lasts.times(2) < s);
    if short && rate > u64::from(max) {
        ledger.note(15, place, format!("it has {rate} b/s over {lasts} s, more than the {max} b/s of btrt, but it is less than half a slot"));
        return;
    }
    ledger.hold(
        15,
        rate <= u64::from(max),
        place,
        "its bit rate",
        format!("{rate} b/s ({} bytes in {lasts} s)", segment.bytes),
        format!("at most {max} b/s (btrt)"),
    );
}

/// Every unit decodes, at the time that the boxes say.
fn judge(decoded: Result<Decoded, String>, facts: &SegmentFacts, place: &Place, ledger: &mut Ledger) {
    ledger.checked(1, 1);
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(why) => return ledger.error(1, place, why),
    };
    if let Some(complaint) = &decoded.complaint {
        ledger.error(1, place, format!("it does not decode on its own: {complaint}"));
    }
    let samples = facts.samples().count() as u64;
    ledger.equal(1, place, "the number of decoded units", decoded.units, samples);
    ledger.equal(1, place, "the number of corrupt units", decoded.corrupt, 0);
    // libav's MP4 reader adds to every PTS the largest negative composition offset that it has seen so far (`dts_shift`), and never takes it off.
    let shift = facts.samples().map(|s| -i128::from(s.cts)).max().unwrap_or(0).max(0);
    let expected = times(facts);
    let wrong = decoded.times.iter().zip(&expected).find(|(found, due)| !(0..=shift).contains(&(i128::from(**found) - **due)));
    if let Some((found, due)) = wrong {
        ledger.hold(2, false, place, "the time of a decoded unit", found, format!("{due}, or up to {shift} more,"));
    }
    if let Some(pair) = decoded.times.windows(2).find(|w| w[0] >= w[1]) {
        ledger.hold(2, false, place, "the time of a decoded unit", pair[1], format!("more than {}, that of the unit before,", pair[0]));
    }
}

/// Presentation times in ascending order, in the timescale.
pub fn times(facts: &SegmentFacts) -> Vec<i128> {
    let (mut decode, mut times) = (i128::from(facts.tfdt()), Vec::new());
    for sample in facts.samples() {
        times.push(decode + i128::from(sample.cts));
        decode += i128::from(sample.duration);
    }
    times.sort_unstable();
    times
}

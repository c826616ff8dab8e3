//! What a single segment must satisfy (conformance list, lines 1 to 4 and 6 to 10), applied to what was read.

use super::init::{InitFacts, Media};
use super::segment::{Chunk, Sample, SegmentFacts, brand_names};
use super::units::Syntax;
use super::{Code, Finding};

/// From the NTP epoch (1900) to 1970, in seconds.
const NTP_UNIX: u128 = 2_208_988_800;

/// Findings of one kind are listed up to here; more say nothing new.
const MAX_FINDINGS: usize = 64;

/// Appends what `facts` of a whole segment break.
pub(super) fn segment(facts: &mut SegmentFacts, init: Option<&InitFacts>) {
    let mut found = std::mem::take(&mut facts.findings);
    brands(facts, &mut found);
    each(facts, init, true, &mut found);
    if init.is_some_and(|i| matches!(i.media, Media::Video { .. })) {
        order(facts, &mut found);
        pictures(facts, init, true, &mut found);
    }
    found.truncate(MAX_FINDINGS);
    facts.findings = found;
}

/// Appends what `facts` of one chunk break. Pictures of a chunk need not be shown in a row: only all of a segment are.
pub(super) fn chunk(facts: &mut SegmentFacts, init: Option<&InitFacts>, first: bool) {
    let mut found = std::mem::take(&mut facts.findings);
    if facts.chunks.len() != 1 {
        found.push(Finding::new(Code::Sequence, format!("{} fragments in a chunk; 1 is accepted", facts.chunks.len())));
    }
    each(facts, init, first, &mut found);
    if init.is_some_and(|i| matches!(i.media, Media::Video { .. })) {
        pictures(facts, init, first, &mut found);
    }
    found.truncate(MAX_FINDINGS);
    facts.findings = found;
}

/// What each chunk breaks, and its place behind the one before. `begins`: the first one is that of a segment.
fn each(facts: &SegmentFacts, init: Option<&InitFacts>, begins: bool, found: &mut Vec<Finding>) {
    let video = init.map(|i| matches!(i.media, Media::Video { .. }));
    let mut next: Option<(u64, u32)> = None;
    for (i, chunk) in facts.chunks.iter().enumerate() {
        if found.len() > MAX_FINDINGS {
            break;
        }
        layout(i, chunk, found);
        timing(i, chunk, init, begins && i == 0, found);
        if let Some((time, sequence)) = next {
            if chunk.tfdt != time {
                found.push(Finding::new(Code::TfdtBreak, format!("chunk {i}: tfdt {}, the one before ends at {time}", chunk.tfdt)));
            }
            if chunk.sequence.wrapping_sub(sequence) == 0 || chunk.sequence.wrapping_sub(sequence) > u32::MAX / 2 {
                found.push(Finding::new(Code::Sequence, format!("chunk {i}: mfhd {} after {sequence}; a larger one is accepted", chunk.sequence)));
            }
        }
        let duration: u64 = chunk.samples.iter().map(|s| u64::from(s.duration)).sum();
        next = Some((chunk.tfdt.saturating_add(duration), chunk.sequence));
        if video == Some(true) && chunk.trun_version != 1 {
            found.push(Finding::new(Code::Offsets, format!("chunk {i}: trun version {}; 1 is accepted", chunk.trun_version)));
        }
    }
    if video == Some(false) && facts.samples().any(|s| !s.sync()) {
        found.push(Finding::new(Code::SyncFlag, "an audio sample is not a sync sample"));
    }
}

fn brands(facts: &SegmentFacts, found: &mut Vec<Finding>) {
    let has = |list: &[[u8; 4]], brand: &[u8; 4]| list.contains(brand);
    if !has(&facts.brands, b"cmfs") && !has(&facts.brands, b"cmff") {
        found.push(Finding::new(Code::Brands, format!("styp has the brands \"{}\"; cmfs or cmff is accepted", brand_names(&facts.brands))));
    }
    for (i, chunk) in facts.chunks.iter().enumerate().skip(1).take(MAX_FINDINGS) {
        if !chunk.brands.is_empty() && !has(&chunk.brands, b"cmfl") {
            found.push(Finding::new(Code::Brands, format!("chunk {i}: styp has the brands \"{}\"; cmfl is accepted", brand_names(&chunk.brands))));
        }
    }
}

fn layout(i: usize, chunk: &Chunk, found: &mut Vec<Finding>) {
    let moof = chunk.moof.len() as i64;
    if chunk.data_offset < moof + 8 {
        let text = format!("chunk {i}: data offset {}; at least the size of moof and 8, {}, is accepted", chunk.data_offset, moof + 8);
        found.push(Finding::new(Code::MdatLayout, text));
    }
    let start = chunk.samples.first().map_or(chunk.mdat.start, |s| s.offset);
    let end = chunk.samples.last().map_or(chunk.mdat.start, |s| s.offset.saturating_add(s.size as usize));
    if start != chunk.mdat.start || end != chunk.mdat.end {
        let text = format!("chunk {i}: samples fill bytes {start} to {end}, mdat has {} to {}", chunk.mdat.start, chunk.mdat.end);
        found.push(Finding::new(Code::MdatLayout, text));
    }
    if chunk.samples.is_empty() || chunk.samples.iter().any(|s| s.size == 0) {
        found.push(Finding::new(Code::Samples, format!("chunk {i}: it has no samples, or an empty one")));
    }
}

/// `produced`: it must say when it was produced.
fn timing(i: usize, chunk: &Chunk, init: Option<&InitFacts>, produced: bool, found: &mut Vec<Finding>) {
    let first = chunk.samples.first().map_or(0, |s| s.duration);
    if first == 0 || chunk.samples.iter().any(|s| s.duration != first) {
        found.push(Finding::new(Code::Samples, format!("chunk {i}: sample durations are zero or differ; one duration is accepted")));
    }
    let Some(prft) = chunk.prft else {
        if !produced {
            return;
        }
        found.push(Finding::new(Code::Prft, format!("chunk {i}: no prft")));
        return;
    };
    if prft.version > 1 || prft.flags != 24 || prft.media_time != chunk.tfdt {
        let text = format!(
            "chunk {i}: prft version {}, flags {}, media time {}; 0 or 1, 24 and tfdt, {}, are accepted",
            prft.version, prft.flags, prft.media_time, chunk.tfdt
        );
        found.push(Finding::new(Code::Prft, text));
    }
    if let Some(timescale) = init.map(|init| init.timescale).filter(|t| *t > 0) {
        let grid = ntp(chunk.tfdt, timescale);
        if prft.ntp != grid {
            found.push(Finding::new(Code::Prft, format!("chunk {i}: prft says NTP {:#x}; the time of the grid, {grid:#x}, is accepted", prft.ntp)));
        }
    }
}

/// `time` in a timescale that is not 0, counted from 1970, as NTP: 32.32 fixed point, seconds modulo 2^32, rounded down.
fn ntp(time: u64, timescale: u32) -> u64 {
    let scale = u128::from(timescale);
    (((u128::from(time) + NTP_UNIX * scale) << 32) / scale) as u64
}

/// One picture to a slot.
fn order(facts: &SegmentFacts, found: &mut Vec<Finding>) {
    let ticks = facts.samples().next().map_or(0, |s| i128::from(s.duration));
    let start = i128::from(facts.tfdt());
    let mut shown: Vec<i128> = Vec::new();
    let mut decode = start;
    for sample in facts.samples() {
        shown.push(decode + i128::from(sample.cts));
        decode += i128::from(sample.duration);
    }
    shown.sort_unstable();
    if shown.iter().enumerate().any(|(n, time)| *time != start + n as i128 * ticks) {
        found.push(Finding::new(Code::Samples, format!("presentation times are not one picture to a slot of {ticks} from {start} on")));
    }
}

/// Line 1. `begins`: the first picture is that of a segment.
fn pictures(facts: &SegmentFacts, init: Option<&InitFacts>, begins: bool, found: &mut Vec<Finding>) {
    if begins && facts.samples().next().is_some_and(|s| !s.sync()) {
        found.push(Finding::new(Code::NotIdrFirst, "the first sample is not a sync sample"));
    }
    let Some((init, syntax)) = init.and_then(|init| Some((init, Syntax::of(init)?))) else { return };
    // What the entry says is in the initialisation segment only; and what no sample may have: delimiters, padding, tile lists (AV1-ISOBMFF 2.4).
    let (sets, never): (&[u8], &[u8]) = match (&init.entry, syntax) {
        (b"avc1", _) => (&[7, 8], &[]),
        (b"hvc1", _) => (&[32, 33, 34], &[]),
        (_, Syntax::Av1) => (&[], &[2, 7, 8, 15]),
        _ => (&[], &[]),
    };
    let start = if syntax == Syntax::Av1 { "a sequence header (1) and a key frame that is shown (3 or 6)" } else { "an IDR slice (5; of HEVC 19 or 20)" };
    for (i, sample) in facts.samples().enumerate() {
        if found.len() > MAX_FINDINGS {
            break;
        }
        if begins && i == 0 && !sample.idr() {
            found.push(Finding::new(Code::NotIdrFirst, format!("the first sample holds NAL units {:?}; {start} is accepted", sample.nals)));
        }
        if (i > 0 || !begins) && sample.idr() {
            found.push(Finding::new(Code::IdrInside, format!("sample {i} is an IDR")));
        }
        if sample.sync() != sample.idr() {
            let text = format!("sample {i}: sync flag is {}, NAL units are {:?}", sample.sync(), sample.nals);
            found.push(Finding::new(Code::SyncFlag, text));
        }
        if sample.nals.iter().any(|n| sets.contains(n)) {
            let entry = String::from_utf8_lossy(&init.entry);
            found.push(Finding::new(Code::InBand, format!("sample {i} holds parameter sets; with {entry} they are in the initialisation segment only")));
        }
        if sample.nals.iter().any(|n| never.contains(n)) {
            found.push(Finding::new(
                Code::InBand,
                format!(
                    "sample {i} holds OBUs {:?}; temporal delimiters (2), repeated frame headers (7), tile lists (8) and padding (15) are not accepted",
                    sample.nals
                ),
            ));
        }
        whole(i, sample, syntax, found);
    }
}

/// HEVC and AV1: one picture, and none that leans on what was before the segment.
fn whole(i: usize, sample: &Sample, syntax: Syntax, found: &mut Vec<Finding>) {
    if !matches!(syntax, Syntax::Avc(_)) && sample.pictures != 1 {
        let units = if syntax == Syntax::Av1 { "OBUs" } else { "NAL units" };
        found.push(Finding::new(Code::Samples, format!("sample {i} shows {} pictures with {units} {:?}; 1 is accepted", sample.pictures, sample.nals)));
    }
    // Skipped leading pictures, and pictures that open a GOP of them (ITU-T H.265, table 7-1).
    if matches!(syntax, Syntax::Hevc(_)) && sample.nals.iter().any(|n| matches!(n, 8 | 9 | 16..=18 | 21)) {
        let text = format!(
            "sample {i} holds NAL units {:?}: an open GOP; no pictures that lean on one before the segment (8, 9), and none that they may follow (16 to 18, 21), are accepted",
            sample.nals
        );
        found.push(Finding::new(Code::OpenGop, text));
    }
}

/// Appends what an initialisation segment breaks.
pub(super) fn init(facts: &mut InitFacts) {
    let mut found = std::mem::take(&mut facts.findings);
    if !facts.brands.contains(b"cmfc") {
        found.push(Finding::new(Code::Brands, format!("ftyp has the brands \"{}\"; cmfc is accepted", brand_names(&facts.brands))));
    }
    if facts.btrt.is_none() {
        found.push(Finding::new(Code::SampleEntry, "no btrt"));
    }
    if facts.timescale == 0 {
        found.push(Finding::new(Code::Timescale, "the timescale is 0"));
    }
    match &facts.media {
        Media::Video { width, height, colour, pasp, .. } => {
            if facts.edit_list {
                found.push(Finding::new(Code::Offsets, "video has an edit list"));
            }
            if colour.is_none() || pasp.is_none() {
                found.push(Finding::new(Code::SampleEntry, "colr (nclx) or pasp is missing"));
            }
            if *width == 0 || *height == 0 {
                found.push(Finding::new(Code::SampleEntry, format!("the picture is {width}x{height}")));
            }
        }
        Media::Audio { sample_rate, .. } if *sample_rate != facts.timescale => {
            let text = format!("audio timescale {}; the sample rate, {sample_rate}, is accepted", facts.timescale);
            found.push(Finding::new(Code::Timescale, text));
        }
        Media::Audio { .. } => {}
    }
    facts.findings = found;
}

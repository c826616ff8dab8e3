//! A media segment, read back.

use super::boxes::{BoxAt, Cursor, Kind, name};
use super::encryption::{self, Encryption};
use super::init::InitFacts;
use super::units::{self, Syntax};
use super::{Code, Finding, InspectError};
use crate::mux::marks::{self, Marks};
use std::ops::Range;

/// Most samples of a segment.
const MAX_SAMPLES: usize = 65_536;

/// What a media segment holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SegmentFacts {
    /// Brands of the first `styp`, the major one first.
    pub brands: Vec<Kind>,
    /// mezzo's own marks.
    pub marks: Option<Marks>,
    /// Movie fragments, in order.
    pub chunks: Vec<Chunk>,
    /// Parameter sets (HEVC, whole NAL units) and sequence headers (AV1, without header and size) that samples hold, each once, in order.
    pub sets: Vec<Vec<u8>>,
    /// Rules broken, as far as one segment (and its initialisation segment) shows.
    pub findings: Vec<Finding>,
}

/// A movie fragment with its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Brands of the `styp` right before it, if any; the first chunk's are the segment's.
    pub brands: Vec<Kind>,
    /// The `prft` before it.
    pub prft: Option<Prft>,
    /// `mfhd`.
    pub sequence: u32,
    /// `tfhd` track.
    pub track: u32,
    /// `tfdt`, in the timescale.
    pub tfdt: u64,
    /// Version of `trun`.
    pub trun_version: u8,
    /// `trun` data offset, from the first byte of `moof`.
    pub data_offset: i64,
    /// Where `moof` is, header included.
    pub moof: Range<usize>,
    /// Where the body of `mdat` is.
    pub mdat: Range<usize>,
    /// In decoding order.
    pub samples: Vec<Sample>,
    /// What is said of encryption.
    pub encryption: Encryption,
}

/// One sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// First byte, in the segment.
    pub offset: usize,
    /// Bytes.
    pub size: u32,
    /// In the timescale.
    pub duration: u32,
    /// Sample flags (ISO/IEC 14496-12, 8.8.3.1).
    pub flags: u32,
    /// Composition offset, in the timescale.
    pub cts: i64,
    /// Type of every NAL unit (AVC, HEVC) or OBU (AV1). Empty without an initialisation segment of such a codec.
    pub nals: Vec<u8>,
    /// Whether decoding may start here by its own bytes: an IDR slice, or (AV1) a sequence header and then a key frame that is shown.
    pub starts: bool,
    /// HEVC and AV1: pictures that it shows; one is right.
    pub pictures: u32,
}

impl Sample {
    /// Whether its flags say that decoding may start here.
    pub fn sync(&self) -> bool {
        self.flags & 0x0001_0000 == 0
    }

    /// Whether it has an IDR slice, or a key frame that is shown.
    pub fn idr(&self) -> bool {
        self.starts
    }
}

/// A producer reference time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prft {
    /// Version of the box.
    pub version: u8,
    /// Flags; 24 is consistent and real time.
    pub flags: u32,
    /// NTP, 32.32 fixed point.
    pub ntp: u64,
    /// In the timescale.
    pub media_time: u64,
}

impl SegmentFacts {
    /// Whether any chunk has `brand`: of a segment that left in chunks, each says what is true of it, and the last one what is known at the end only.
    pub fn says(&self, brand: &Kind) -> bool {
        self.chunks.iter().any(|chunk| chunk.brands.contains(brand))
    }

    /// First decoding time, in the timescale.
    pub fn tfdt(&self) -> u64 {
        self.chunks.first().map_or(0, |c| c.tfdt)
    }

    /// Every sample, in decoding order.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.chunks.iter().flat_map(|c| &c.samples)
    }

    /// Sum of the sample durations, in the timescale.
    pub fn duration(&self) -> u64 {
        self.samples().map(|s| u64::from(s.duration)).sum()
    }

    /// Places (in decoding order) of the samples that hold an IDR.
    pub fn idrs(&self) -> Vec<usize> {
        self.samples().enumerate().filter(|(_, s)| s.idr()).map(|(i, _)| i).collect()
    }
}

/// Reads a media segment. With its initialisation segment's facts, times and NAL units are checked as well.
pub fn segment(bytes: &[u8], init: Option<&InitFacts>) -> Result<SegmentFacts, InspectError> {
    let mut facts = read(bytes, init)?;
    super::rules::segment(&mut facts, init);
    Ok(facts)
}

/// Reads one chunk of a media segment, `first` or further on: as [`segment()`], but for the rules that only all chunks together can break.
pub fn chunk(bytes: &[u8], init: Option<&InitFacts>, first: bool) -> Result<SegmentFacts, InspectError> {
    let mut facts = read(bytes, init)?;
    super::rules::chunk(&mut facts, init, first);
    Ok(facts)
}

fn read(bytes: &[u8], init: Option<&InitFacts>) -> Result<SegmentFacts, InspectError> {
    let mut facts = SegmentFacts::default();
    let (mut styp, mut prft, mut moof) = (Vec::new(), None, None);
    for at in Cursor::new(bytes, 0..bytes.len()).boxes()? {
        let mut body = Cursor::new(bytes, at.body.clone());
        match &at.kind {
            b"styp" => styp = read_styp(&mut body)?,
            b"prft" => prft = Some(read_prft(&mut body)?),
            b"uuid" => facts.marks = read_marks(&mut body)?.or(facts.marks),
            b"moof" => moof = Some(at),
            b"mdat" => {
                let Some(moof) = moof.take() else { return Err(InspectError::Missing { at: at.start, kind: "moof", parent: "front of mdat" }) };
                let read = facts.chunks.iter().map(|c| c.samples.len()).sum();
                let chunk =
                    Chunk { brands: std::mem::take(&mut styp), prft: prft.take(), mdat: at.body, ..read_moof(bytes, &moof, read, &mut facts.findings)? };
                facts.chunks.push(chunk);
            }
            _ => {}
        }
    }
    if let Some(moof) = moof {
        return Err(InspectError::Missing { at: moof.start, kind: "mdat", parent: "what follows moof" });
    }
    facts.brands = match facts.chunks.first() {
        Some(first) => first.brands.clone(),
        None => return Err(InspectError::Missing { at: 0, kind: "moof", parent: "the segment" }),
    };
    if let Some(init) = init
        && let Some(syntax) = Syntax::of(init)
    {
        units::read(bytes, init, syntax, &mut facts)?;
    }
    if let Some(init) = init {
        encryption::check(bytes, &facts.chunks, init.protected.as_ref(), &mut facts.findings);
    }
    Ok(facts)
}

fn read_styp(body: &mut Cursor) -> Result<Vec<Kind>, InspectError> {
    let mut brands = vec![body.array("major brand")?];
    body.u32("minor version")?;
    brands.extend(body.kinds().into_iter().take(64));
    Ok(brands)
}

fn read_prft(body: &mut Cursor) -> Result<Prft, InspectError> {
    let (version, flags) = body.full("prft")?;
    body.u32("prft track")?;
    let ntp = body.u64("prft NTP time")?;
    let media_time = if version == 0 { u64::from(body.u32("prft media time")?) } else { body.u64("prft media time")? };
    Ok(Prft { version, flags, ntp, media_time })
}

/// mezzo's marks, or nothing where the box is somebody else's or of a version yet unknown.
pub(super) fn read_marks(body: &mut Cursor) -> Result<Option<Marks>, InspectError> {
    if body.array::<16>("uuid")? != marks::UUID || body.full("marks")?.0 != marks::VERSION {
        return Ok(None);
    }
    let (repeats, fillers, damaged) = (body.u32("repeats")?, body.u32("fillers")?, body.u32("damaged")?);
    let (fallback, path) = (body.u8("fallback")?, body.u8("path")?);
    let length = body.u8("class length")?;
    let class = String::from_utf8_lossy(body.take(usize::from(length), "class")?).into_owned();
    Ok(Some(Marks { class, repeats, fillers, damaged, fallback, path }))
}

/// Everything but `mdat`, `brands` and `prft`.
fn read_moof(bytes: &[u8], moof: &BoxAt, already: usize, findings: &mut Vec<Finding>) -> Result<Chunk, InspectError> {
    let children = Cursor::new(bytes, moof.body.clone()).boxes()?;
    let mut mfhd = Cursor::new(bytes, one(&children, b"mfhd", "mfhd", "moof", moof.start)?);
    mfhd.full("mfhd")?;
    let sequence = mfhd.u32("mfhd sequence number")?;
    let tracks = children.iter().filter(|c| &c.kind == b"traf").count();
    if tracks != 1 {
        findings.push(Finding::new(Code::OneTrack, format!("byte {}: moof holds {tracks} tracks; one is accepted", moof.start)));
    }
    let traf = one(&children, b"traf", "traf", "moof", moof.start)?;
    let systems = encryption::systems(bytes, &children)?;
    let children = Cursor::new(bytes, traf.clone()).boxes()?;
    let runs = children.iter().filter(|c| &c.kind == b"trun").count();
    if runs != 1 {
        findings.push(Finding::new(Code::MdatLayout, format!("byte {}: traf holds {runs} runs; one is accepted", traf.start)));
    }
    let defaults = read_tfhd(&mut Cursor::new(bytes, one(&children, b"tfhd", "tfhd", "traf", traf.start)?))?;
    if !defaults.base_is_moof {
        findings.push(Finding::new(Code::BaseIsMoof, format!("byte {}: tfhd does not set default-base-is-moof", traf.start)));
    }
    let mut tfdt = Cursor::new(bytes, one(&children, b"tfdt", "tfdt", "traf", traf.start)?);
    let (version, _) = tfdt.full("tfdt")?;
    let time = if version == 0 { u64::from(tfdt.u32("tfdt")?) } else { tfdt.u64("tfdt")? };
    if version != 1 || time >= 1 << 53 {
        findings.push(Finding::new(Code::TfdtRange, format!("tfdt is {time}, version {version}; version 1 and less than 2^53 are accepted")));
    }
    let run = read_trun(&mut Cursor::new(bytes, one(&children, b"trun", "trun", "traf", traf.start)?), &defaults, moof.start, already)?;
    let track = defaults.track;
    let (trun_version, data_offset, samples) = (run.version, run.data_offset, run.samples);
    let encryption = Encryption { systems, ..encryption::fragment(bytes, &children)? };
    Ok(Chunk { brands: Vec::new(), prft: None, sequence, track, tfdt: time, trun_version, data_offset, moof: moof.whole(), mdat: 0..0, samples, encryption })
}

fn one(boxes: &[BoxAt], kind: &Kind, text: &'static str, parent: &'static str, at: usize) -> Result<Range<usize>, InspectError> {
    let found = boxes.iter().find(|b| &b.kind == kind);
    found.map(|b| b.body.clone()).ok_or(InspectError::Missing { at, kind: text, parent })
}

struct Defaults {
    track: u32,
    duration: u32,
    size: u32,
    flags: u32,
    base_is_moof: bool,
}

fn read_tfhd(body: &mut Cursor) -> Result<Defaults, InspectError> {
    let (_, flags) = body.full("tfhd")?;
    let track = body.u32("tfhd track")?;
    if flags & 1 != 0 {
        body.u64("tfhd base data offset")?;
    }
    let mut optional = |bit: u32, what| if flags & bit == 0 { Ok(0) } else { body.u32(what) };
    optional(2, "tfhd sample description")?;
    let duration = optional(8, "tfhd default duration")?;
    let size = optional(16, "tfhd default size")?;
    let default = optional(32, "tfhd default flags")?;
    Ok(Defaults { track, duration, size, flags: default, base_is_moof: flags & 0x02_0000 != 0 && flags & 1 == 0 })
}

struct Run {
    version: u8,
    data_offset: i64,
    samples: Vec<Sample>,
}

fn read_trun(body: &mut Cursor, defaults: &Defaults, moof: usize, already: usize) -> Result<Run, InspectError> {
    let (version, flags) = body.full("trun")?;
    let at = body.at();
    let count = body.u32("trun sample count")? as usize;
    if count.saturating_add(already) > MAX_SAMPLES {
        return Err(InspectError::Many { at, what: "samples", most: MAX_SAMPLES });
    }
    let data_offset = if flags & 1 == 0 { 0 } else { i64::from(body.u32("trun data offset")? as i32) };
    let first_flags = if flags & 4 == 0 { None } else { Some(body.u32("trun first sample flags")?) };
    let mut offset = usize::try_from((moof as i64).saturating_add(data_offset)).unwrap_or(usize::MAX);
    let mut samples = Vec::with_capacity(count.min(body.left() / 4 + 1));
    for i in 0..count {
        let mut field = |bit: u32, default: u32, what| if flags & bit == 0 { Ok(default) } else { body.u32(what) };
        let duration = field(0x100, defaults.duration, "sample duration")?;
        let size = field(0x200, defaults.size, "sample size")?;
        let default = first_flags.filter(|_| i == 0).unwrap_or(defaults.flags);
        let own = field(0x400, default, "sample flags")?;
        let cts = field(0x800, 0, "sample composition offset")?;
        let cts = if version == 0 { i64::from(cts) } else { i64::from(cts as i32) };
        samples.push(Sample { offset, size, duration, flags: own, cts, nals: Vec::new(), starts: false, pictures: 0 });
        offset = offset.saturating_add(size as usize);
    }
    Ok(Run { version, data_offset, samples })
}

/// Brands as text, for findings.
pub(super) fn brand_names(brands: &[Kind]) -> String {
    brands.iter().map(name).collect::<Vec<_>>().join(" ")
}

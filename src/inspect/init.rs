//! An initialisation segment, read back.

use super::boxes::{BoxAt, Cursor, Kind, name};
use super::encryption::{self, Protected};
use super::record::{av1_codecs, hevc_codecs, hevc_record};
use super::segment::read_marks;
use super::{Code, Finding, InspectError};
use crate::mux::card::{self, Card};
use std::ops::Range;

/// What an initialisation segment holds.
#[derive(Clone, Debug, PartialEq)]
pub struct InitFacts {
    /// Brands of `ftyp`, the major one first.
    pub brands: Vec<Kind>,
    /// `mdhd` timescale.
    pub timescale: u32,
    /// `mdhd` language, ISO 639-2.
    pub language: String,
    /// `elng`, the language as a tag.
    pub tag: Option<String>,
    /// What it is for, as a `kind` box of DASH's scheme says.
    pub role: Option<String>,
    /// Sample entry kind: `avc1`, `mp4a` …
    pub entry: Kind,
    /// RFC 6381 codec string: `avc1.64001f`, `mp4a.40.2`. The entry kind alone where the configuration is of another codec.
    pub codecs: String,
    /// Average and maximum bits per second of `btrt`.
    pub btrt: Option<(u32, u32)>,
    /// Whether there is an edit list.
    pub edit_list: bool,
    /// Sound or picture.
    pub media: Media,
    /// What is said of encryption, where the track is encrypted; [`InitFacts::entry`] and the like are what it would be without.
    pub protected: Option<Protected>,
    /// Class of the worker, from mezzo's marks.
    pub class: Option<String>,
    /// What playlists call the track, from mezzo's own box.
    pub card: Option<Card>,
    /// Rules broken.
    pub findings: Vec<Finding>,
}

/// Sound or picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Media {
    /// Video.
    Video {
        /// Of the sample entry, in pixels.
        width: u16,
        /// Of the sample entry, in lines.
        height: u16,
        /// `colr` of type `nclx`.
        colour: Option<Colour>,
        /// `pasp`, horizontal and vertical.
        pasp: Option<(u32, u32)>,
        /// AVC and HEVC: bytes of a NAL unit length.
        nal_length: Option<u8>,
        /// AVC and HEVC: parameter sets, whole NAL units. AV1: the OBUs of the configuration record.
        parameter_sets: Vec<Vec<u8>>,
        /// Bits of a sample, as the configuration record says; absent where it does not.
        depth: Option<u8>,
        /// HEVC: profile, tier and level of the configuration record, 12 bytes as `hvcC` has them. AV1: profile and level, flags, as `av1C` has them in 2 bytes.
        record: Vec<u8>,
        /// `mdcv` and `clli`, as they are.
        light: (Option<[u8; 24]>, Option<[u8; 4]>),
    },
    /// Audio.
    Audio {
        /// Of the sample entry.
        channels: u16,
        /// Of the sample entry, samples per second.
        sample_rate: u32,
        /// AAC: AudioSpecificConfig.
        config: Vec<u8>,
    },
}

/// `nclx` colour (ISO/IEC 23091-2 codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Primaries; 1 is BT.709.
    pub primaries: u16,
    /// Transfer characteristics.
    pub transfer: u16,
    /// Matrix coefficients.
    pub matrix: u16,
    /// Full range.
    pub full_range: bool,
}

/// Reads an initialisation segment of one track.
pub fn init(bytes: &[u8]) -> Result<InitFacts, InspectError> {
    let top = Cursor::new(bytes, 0..bytes.len()).boxes()?;
    let mut findings = Vec::new();
    let mut ftyp = Cursor::new(bytes, find(&top, b"ftyp", "ftyp", "the segment", 0)?);
    let mut brands = vec![ftyp.array("major brand")?];
    ftyp.u32("minor version")?;
    brands.extend(ftyp.kinds().into_iter().take(64));
    let (mut class, mut card) = (None, None);
    for at in top.iter().filter(|b| &b.kind == b"uuid") {
        class = read_marks(&mut Cursor::new(bytes, at.body.clone()))?.map(|m| m.class).or(class);
        card = read_card(&mut Cursor::new(bytes, at.body.clone()))?.or(card);
    }
    let moov = find(&top, b"moov", "moov", "the segment", 0)?;
    let boxes = Cursor::new(bytes, moov.clone()).boxes()?;
    let tracks = boxes.iter().filter(|b| &b.kind == b"trak").count();
    if tracks != 1 {
        findings.push(Finding::new(Code::OneTrack, format!("moov holds {tracks} tracks; one is accepted")));
    }
    find(&boxes, b"mvex", "mvex", "moov", moov.start)?;
    let trak = find(&boxes, b"trak", "trak", "moov", moov.start)?;
    let in_moov = boxes;
    let boxes = Cursor::new(bytes, trak.clone()).boxes()?;
    let edit_list = boxes.iter().any(|b| &b.kind == b"edts");
    let role = role(bytes, &boxes)?;
    let mdia = find(&boxes, b"mdia", "mdia", "trak", trak.start)?;
    let boxes = Cursor::new(bytes, mdia.clone()).boxes()?;
    let (timescale, language) = mdhd(&mut Cursor::new(bytes, find(&boxes, b"mdhd", "mdhd", "mdia", mdia.start)?))?;
    let tag = match boxes.iter().find(|b| &b.kind == b"elng") {
        Some(at) => {
            let mut body = Cursor::new(bytes, at.body.clone());
            body.full("elng")?;
            Some(text(&mut body, "elng")?)
        }
        None => None,
    };
    let mut hdlr = Cursor::new(bytes, find(&boxes, b"hdlr", "hdlr", "mdia", mdia.start)?);
    hdlr.u64("hdlr")?;
    let handler: Kind = hdlr.array("handler")?;
    let stsd = descend(bytes, find(&boxes, b"minf", "minf", "mdia", mdia.start)?, b"stbl", "stbl", "minf")?;
    let mut stsd = Cursor::new(bytes, descend(bytes, stsd, b"stsd", "stsd", "stbl")?);
    stsd.u64("stsd")?;
    let at = stsd.at();
    let entries = stsd.boxes()?;
    let [entry] = entries.as_slice() else {
        return Err(InspectError::Value { at, what: "number of sample entries", value: entries.len() as u64, accepted: "1" });
    };
    // Bytes of a visual, or audio, sample entry before its boxes.
    let encrypted = encryption::entry(bytes, entry, if &handler == b"vide" { 78 } else { 28 })?;
    let (kind, protected) = encrypted.map_or((entry.kind, None), |(kind, protected)| (kind, Some(protected)));
    let entry = &BoxAt { kind, ..entry.clone() };
    let systems = encryption::systems(bytes, &in_moov)?;
    let protected = protected.map(|protected| Protected { systems, ..protected });
    let parts = match &handler {
        b"vide" => video(bytes, entry)?,
        b"soun" => audio(bytes, entry)?,
        _ => return Err(InspectError::Value { at: mdia.start, what: "handler", value: u64::from(u32::from_be_bytes(handler)), accepted: "vide or soun" }),
    };
    let mut facts = InitFacts {
        brands,
        timescale,
        language,
        tag,
        role,
        entry: entry.kind,
        codecs: parts.codecs,
        btrt: parts.btrt,
        edit_list,
        media: parts.media,
        protected,
        class,
        card,
        findings,
    };
    super::rules::init(&mut facts);
    Ok(facts)
}

fn find(boxes: &[BoxAt], kind: &Kind, text: &'static str, parent: &'static str, at: usize) -> Result<Range<usize>, InspectError> {
    let found = boxes.iter().find(|b| &b.kind == kind);
    found.map(|b| b.body.clone()).ok_or(InspectError::Missing { at, kind: text, parent })
}

fn descend(bytes: &[u8], range: Range<usize>, kind: &Kind, text: &'static str, parent: &'static str) -> Result<Range<usize>, InspectError> {
    let at = range.start;
    find(&Cursor::new(bytes, range).boxes()?, kind, text, parent, at)
}

fn mdhd(body: &mut Cursor) -> Result<(u32, String), InspectError> {
    let (version, _) = body.full("mdhd")?;
    body.take(if version == 1 { 16 } else { 8 }, "mdhd times")?;
    let timescale = body.u32("timescale")?;
    body.take(if version == 1 { 8 } else { 4 }, "mdhd duration")?;
    let code = body.u16("language")?;
    let letter = |shift: u16| char::from(0x60 + (code >> shift & 0x1f) as u8);
    Ok((timescale, [letter(10), letter(5), letter(0)].iter().collect()))
}

/// The value of the first `kind` of DASH's role scheme in `udta`.
fn role(bytes: &[u8], trak: &[BoxAt]) -> Result<Option<String>, InspectError> {
    for udta in trak.iter().filter(|b| &b.kind == b"udta") {
        // It may end in 32 bits of zero (QuickTime).
        let Ok(boxes) = Cursor::new(bytes, udta.body.clone()).boxes() else { continue };
        for at in boxes.iter().filter(|b| &b.kind == b"kind") {
            let mut body = Cursor::new(bytes, at.body.clone());
            body.full("kind")?;
            let (scheme, value) = (text(&mut body, "kind scheme")?, text(&mut body, "kind value")?);
            if scheme == crate::role::SCHEME {
                return Ok(Some(value));
            }
        }
    }
    Ok(None)
}

/// Text up to a zero, of at most 1024 bytes.
fn text(body: &mut Cursor, what: &'static str) -> Result<String, InspectError> {
    let mut read = Vec::new();
    loop {
        match body.u8(what)? {
            0 => return Ok(String::from_utf8_lossy(&read).into_owned()),
            _ if read.len() == 1024 => return Err(InspectError::Many { at: body.at(), what, most: 1024 }),
            byte => read.push(byte),
        }
    }
}

/// mezzo's box about the track; nothing where the box is another one, or of a version that is not known.
fn read_card(body: &mut Cursor) -> Result<Option<Card>, InspectError> {
    if body.left() < 16 || body.array::<16>("uuid")? != card::UUID || body.full("card")?.0 != card::VERSION {
        return Ok(None);
    }
    let (place, sound) = (body.u16("card place")?, body.u16("card sound")?);
    let mut text = |what| {
        let length = body.u16(what)?;
        Ok::<_, InspectError>(String::from_utf8_lossy(body.take(usize::from(length), what)?).into_owned())
    };
    Ok(Some(Card { place, sound, rung: text("card rung")?, label: text("card label")? }))
}

struct Parts {
    codecs: String,
    btrt: Option<(u32, u32)>,
    media: Media,
}

fn btrt(bytes: &[u8], boxes: &[BoxAt]) -> Result<Option<(u32, u32)>, InspectError> {
    let Some(at) = boxes.iter().find(|b| &b.kind == b"btrt") else { return Ok(None) };
    let mut body = Cursor::new(bytes, at.body.clone());
    body.u32("btrt buffer")?;
    let max = body.u32("btrt maximum")?;
    Ok(Some((body.u32("btrt average")?, max)))
}

fn video(bytes: &[u8], entry: &BoxAt) -> Result<Parts, InspectError> {
    let mut body = Cursor::new(bytes, entry.body.clone());
    body.take(24, "visual sample entry")?;
    let (width, height) = (body.u16("width")?, body.u16("height")?);
    body.take(50, "visual sample entry")?;
    let boxes = body.boxes()?;
    let (mut colour, mut pasp, mut nal_length, mut parameter_sets) = (None, None, None, Vec::new());
    let (mut depth, mut light, mut said) = (None, (None, None), Vec::new());
    let mut codecs = name(&entry.kind);
    let mut av1 = None;
    for at in &boxes {
        let mut body = Cursor::new(bytes, at.body.clone());
        match &at.kind {
            b"colr" if body.array::<4>("colr type")? == *b"nclx" => {
                let (primaries, transfer, matrix) = (body.u16("primaries")?, body.u16("transfer")?, body.u16("matrix")?);
                colour = Some(Colour { primaries, transfer, matrix, full_range: body.u8("range")? & 0x80 != 0 });
            }
            b"pasp" => pasp = Some((body.u32("pasp")?, body.u32("pasp")?)),
            b"avcC" => {
                let [_, profile, compatibility, level, length] = body.array("avcC")?;
                codecs = format!("{codecs}.{profile:02x}{compatibility:02x}{level:02x}");
                nal_length = Some((length & 3) + 1);
                for mask in [0x1f, 0xff] {
                    for _ in 0..body.u8("number of parameter sets")? & mask {
                        let size = body.u16("parameter set size")?;
                        parameter_sets.push(body.take(usize::from(size), "parameter set")?.to_vec());
                    }
                }
            }
            b"hvcC" => {
                let record = hevc_record(&mut body)?;
                codecs = format!("{codecs}.{}", hevc_codecs(&record.profile_tier_level));
                (nal_length, parameter_sets, depth) = (Some(record.nal_length), record.parameter_sets, Some(record.depth));
                said = record.profile_tier_level.to_vec();
            }
            b"av1C" => {
                let [_, level, shape, _] = body.array("av1C")?;
                av1 = Some((level, shape));
                said = vec![level, shape];
                depth = Some(8 + 2 * (shape >> 6 & 1) + 2 * (shape >> 5 & 1));
                parameter_sets = vec![body.take(body.left(), "OBUs of av1C")?.to_vec()];
            }
            b"mdcv" => light.0 = Some(body.array("mdcv")?),
            b"clli" => light.1 = Some(body.array("clli")?),
            _ => {}
        }
    }
    if let Some((level, shape)) = av1 {
        codecs = format!("{codecs}.{}", av1_codecs(level, shape, colour));
    }
    let media = Media::Video { width, height, colour, pasp, nal_length, parameter_sets, depth, record: said, light };
    Ok(Parts { codecs, btrt: btrt(bytes, &boxes)?, media })
}

fn audio(bytes: &[u8], entry: &BoxAt) -> Result<Parts, InspectError> {
    let mut body = Cursor::new(bytes, entry.body.clone());
    body.take(16, "audio sample entry")?;
    let channels = body.u16("channels")?;
    body.take(6, "audio sample entry")?;
    let sample_rate = body.u32("sample rate")? >> 16;
    let boxes = body.boxes()?;
    let mut codecs = name(&entry.kind);
    let mut config = Vec::new();
    if let Some(esds) = boxes.iter().find(|b| &b.kind == b"esds") {
        let (object, specific) = esds_config(&mut Cursor::new(bytes, esds.body.clone()))?;
        codecs = format!("{codecs}.{object:x}");
        if let (0x40, Some(kind)) = (object, object_type(specific)) {
            codecs = format!("{codecs}.{kind}");
        }
        config = specific.to_vec();
    }
    Ok(Parts { codecs, btrt: btrt(bytes, &boxes)?, media: Media::Audio { channels, sample_rate, config } })
}

/// Object type indication and decoder specific information: ES descriptor (3) → decoder configuration (4) → specific (5). ISO/IEC 14496-1, 7.2.6.
fn esds_config<'a>(body: &mut Cursor<'a>) -> Result<(u8, &'a [u8]), InspectError> {
    body.full("esds")?;
    descriptor(body, 3)?;
    body.u16("ES id")?;
    let flags = body.u8("ES flags")?;
    body.take(if flags & 0x80 == 0 { 0 } else { 2 }, "ES dependence")?;
    let url = if flags & 0x40 == 0 { 0 } else { body.u8("ES URL length")? };
    body.take(usize::from(url) + if flags & 0x20 == 0 { 0 } else { 2 }, "ES URL and clock")?;
    descriptor(body, 4)?;
    let object = body.u8("object type indication")?;
    body.take(12, "decoder configuration")?;
    let size = descriptor(body, 5)?;
    Ok((object, body.take(size, "decoder specific information")?))
}

/// Enters the descriptor `tag`, which must come next; its size.
fn descriptor(body: &mut Cursor, tag: u8) -> Result<usize, InspectError> {
    let at = body.at();
    let found = body.u8("descriptor tag")?;
    if found != tag {
        return Err(InspectError::Value { at, what: "descriptor tag", value: u64::from(found), accepted: "3, then 4, then 5" });
    }
    let mut size = 0;
    for _ in 0..4 {
        let byte = body.u8("descriptor size")?;
        size = size << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(size)
}

/// Audio object type: five bits, or 32 and the next six where they are all ones (ISO/IEC 14496-3, 1.6.2.1).
fn object_type(config: &[u8]) -> Option<u8> {
    let (first, second) = (*config.first()?, config.get(1).copied().unwrap_or(0));
    Some(if first >> 3 == 31 { 32 + ((first & 7) << 3 | second >> 5) } else { first >> 3 })
}

//! What initialisation segments and fragments say of encryption (ISO/IEC 23001-7), and whether it holds together.

use super::boxes::{BoxAt, Cursor, Kind};
use super::segment::Chunk;
use super::{Code, Finding, InspectError};
use std::ops::Range;

/// Most `pssh` boxes kept.
const MAX_SYSTEMS: usize = 64;
/// Most findings of one segment.
const MAX_FINDINGS: usize = 8;

/// What `sinf` says of a track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protected {
    /// Scheme of `schm`.
    pub scheme: Kind,
    /// Default key id of `tenc`.
    pub id: [u8; 16],
    /// Bytes of each sample's initialisation vector.
    pub iv_size: u8,
    /// The constant one.
    pub constant: Vec<u8>,
    /// Blocks encrypted and left clear in turn.
    pub pattern: (u8, u8),
    /// Systems of the `pssh` boxes in `moov`.
    pub systems: Vec<[u8; 16]>,
}

/// What a fragment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// `senc`: flags, number of samples, and where the first one's data are.
    pub senc: Option<(u32, u32, Range<usize>)>,
    /// `saiz`: the size of each sample's data.
    pub sizes: Option<Vec<u8>>,
    /// `saio`: its offset, from the first byte of `moof`.
    pub offset: Option<u64>,
    /// The key id of a `seig` group, and bytes of each sample's vector.
    pub group: Option<([u8; 16], u8)>,
    /// Systems of its `pssh` boxes.
    pub systems: Vec<[u8; 16]>,
}

/// The original kind of an encrypted sample entry, and what `sinf` says; nothing where it is not encrypted. `fields`: bytes before its boxes.
pub(super) fn entry(bytes: &[u8], entry: &BoxAt, fields: usize) -> Result<Option<(Kind, Protected)>, InspectError> {
    if !matches!(&entry.kind, b"encv" | b"enca") {
        return Ok(None);
    }
    let mut body = Cursor::new(bytes, entry.body.clone());
    body.take(fields, "encrypted sample entry")?;
    let missing = |kind, parent| InspectError::Missing { at: entry.start, kind, parent };
    let find = |range: Range<usize>, kind: &Kind, text, parent| {
        let found = Cursor::new(bytes, range).boxes()?.into_iter().find(|b| &b.kind == kind);
        found.map(|b| b.body).ok_or(missing(text, parent))
    };
    let sinf = find(body.at()..entry.body.end, b"sinf", "sinf", "the encrypted sample entry")?;
    let original = Cursor::new(bytes, find(sinf.clone(), b"frma", "frma", "sinf")?).array("frma")?;
    let mut schm = Cursor::new(bytes, find(sinf.clone(), b"schm", "schm", "sinf")?);
    schm.full("schm")?;
    let scheme = schm.array("scheme")?;
    let schi = find(sinf, b"schi", "schi", "sinf")?;
    let mut tenc = Cursor::new(bytes, find(schi, b"tenc", "tenc", "schi")?);
    tenc.full("tenc")?;
    let (pattern, _, iv_size, id, constant) = key(&mut tenc)?;
    Ok(Some((original, Protected { scheme, id, iv_size, constant, pattern, systems: Vec::new() })))
}

type KeyFacts = ((u8, u8), u8, u8, [u8; 16], Vec<u8>);

/// What `tenc` and `seig` have in common: pattern, is protected, size of vectors, key id, constant vector.
fn key(body: &mut Cursor) -> Result<KeyFacts, InspectError> {
    let [_, pattern, protected, iv_size] = body.array("tenc")?;
    let id = body.array("key id")?;
    let constant = if protected == 1 && iv_size == 0 { usize::from(body.u8("size of the constant vector")?) } else { 0 };
    Ok(((pattern >> 4, pattern & 0x0f), protected, iv_size, id, body.take(constant, "constant vector")?.to_vec()))
}

/// Systems of the `pssh` boxes among `boxes`.
pub(super) fn systems(bytes: &[u8], boxes: &[BoxAt]) -> Result<Vec<[u8; 16]>, InspectError> {
    let each = boxes.iter().filter(|b| &b.kind == b"pssh").take(MAX_SYSTEMS).map(|at| {
        let mut body = Cursor::new(bytes, at.body.clone());
        body.full("pssh")?;
        body.array("pssh system")
    });
    each.collect()
}

/// What the boxes of a `traf` say.
pub(super) fn fragment(bytes: &[u8], traf: &[BoxAt]) -> Result<Encryption, InspectError> {
    let mut found = Encryption::default();
    for at in traf {
        let mut body = Cursor::new(bytes, at.body.clone());
        match &at.kind {
            b"senc" => {
                let (_, flags) = body.full("senc")?;
                let count = body.u32("senc samples")?;
                found.senc = Some((flags, count, body.at()..at.body.end));
            }
            b"saiz" => {
                let (_, flags) = body.full("saiz")?;
                body.take(if flags & 1 == 0 { 0 } else { 8 }, "saiz type")?;
                let same = body.u8("saiz default")?;
                let place = body.at();
                let count = body.u32("saiz samples")? as usize;
                if count > 65_536 {
                    return Err(InspectError::Many { at: place, what: "samples of saiz", most: 65_536 });
                }
                found.sizes = Some(if same == 0 { body.take(count, "saiz sizes")?.to_vec() } else { vec![same; count] });
            }
            b"saio" => {
                let (version, flags) = body.full("saio")?;
                body.take(if flags & 1 == 0 { 0 } else { 8 }, "saio type")?;
                body.u32("saio entries")?;
                found.offset = Some(if version == 0 { body.u32("saio offset")?.into() } else { body.u64("saio offset")? });
            }
            b"sgpd" => {
                let (version, _) = body.full("sgpd")?;
                if body.array::<4>("sgpd grouping")? == *b"seig" {
                    let length = if version == 1 { body.u32("sgpd length")? } else { 0 };
                    body.u32("sgpd entries")?;
                    if version == 1 && length == 0 {
                        body.u32("sgpd entry length")?;
                    }
                    let (_, _, iv_size, id, _) = key(&mut body)?;
                    found.group = Some((id, iv_size));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Appends what a segment of an encrypted track breaks; or of a clear one that says otherwise.
pub(super) fn check(bytes: &[u8], chunks: &[Chunk], protected: Option<&Protected>, findings: &mut Vec<Finding>) {
    let Some(protected) = protected else {
        if chunks.iter().any(|c| c.encryption.senc.is_some()) {
            findings.push(Finding::new(Code::Encryption, "there is senc, and the initialisation segment says that the track is clear"));
        }
        return;
    };
    let said = chunks.iter().enumerate().filter_map(|(i, chunk)| told(bytes, chunk, protected).err().map(|why| format!("chunk {i}: {why}")));
    findings.extend(said.take(MAX_FINDINGS).map(|text| Finding::new(Code::Encryption, text)));
    if chunks.iter().any(|c| c.encryption.group.map(|g| g.0) != chunks.first().and_then(|f| f.encryption.group.map(|g| g.0))) {
        findings.push(Finding::new(Code::Encryption, "its chunks have several keys; one is accepted"));
    }
}

/// Whether what is said of a fragment's samples is complete, and adds up to their sizes.
fn told(bytes: &[u8], chunk: &Chunk, protected: &Protected) -> Result<(), String> {
    let Encryption { senc, sizes, offset, group, .. } = &chunk.encryption;
    let (Some((flags, count, data)), Some(sizes), Some(offset)) = (senc, sizes, offset) else {
        return Err("senc, saiz and saio are accepted in every moof".to_owned());
    };
    let samples = chunk.samples.len();
    if *count as usize != samples || sizes.len() != samples {
        return Err(format!("senc has {count} samples, saiz {}; {samples} are accepted", sizes.len()));
    }
    let begin = (data.start - chunk.moof.start) as u64;
    if *offset != begin {
        return Err(format!("saio says {offset}; {begin}, where the data of senc begin, is accepted"));
    }
    let iv_size = usize::from(group.map_or(protected.iv_size, |(_, size)| size));
    let mut body = Cursor::new(bytes, data.clone());
    for (i, (sample, size)) in chunk.samples.iter().zip(sizes).enumerate() {
        let at = body.at();
        let mut read = || -> Result<u64, InspectError> {
            body.take(iv_size, "initialisation vector")?;
            if flags & 2 == 0 {
                return Ok(sample.size.into());
            }
            let mut sum = 0u64;
            for _ in 0..body.u16("subsamples")? {
                sum += u64::from(body.u16("clear bytes")?) + u64::from(body.u32("protected bytes")?);
            }
            Ok(sum)
        };
        let sum = read().map_err(|e| format!("senc, sample {i}: {e}"))?;
        if sum != u64::from(sample.size) {
            return Err(format!("senc, sample {i}: subsamples of {sum} bytes; {}, as many as the sample has, are accepted", sample.size));
        }
        if body.at() - at != usize::from(*size) {
            return Err(format!("saiz, sample {i}: {size} bytes; {}, as senc has, are accepted", body.at() - at));
        }
    }
    if body.left() > 0 { Err(format!("senc has {} bytes too many", body.left())) } else { Ok(()) }
}

//! The initialisation segment (CMAF header) of a track: `ftyp`, `moov`, and the class of the worker.
//!
//! Nothing in it depends on when or where it was written: no creation time, no duration, no edit list.

use super::card::Card;
use super::nested::{grow, inside};
use super::{MuxError, TrackKind, TrackSpec, entries, marks};
use crate::inspect;
use crate::protect::Form;
use crate::role;
use mp4_atom::{
    Dinf, Dref, DrefEntry, Encode, FourCC, Ftyp, Hdlr, Kind, Mdhd, Mdia, Minf, Moov, Mvex, Mvhd, Smhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Udta, Url, Vmhd,
};
use std::sync::Arc;

/// The one track of every segment.
pub const TRACK_ID: u32 = 1;

/// The initialisation segment of `track`. `class` is the class of the worker, as in the plan.
pub fn init(track: &TrackSpec, class: &str) -> Result<Vec<u8>, MuxError> {
    let entry = entries::sample_entry(track)?;
    let boxes = |e| MuxError::Boxes { track: track.name.clone(), source: e };
    let mut out = Vec::with_capacity(1024);
    // cmf2: no edit list, signed composition offsets, sample defaults repeated in every fragment.
    let mut brands = vec![FourCC::new(b"iso6"), FourCC::new(b"cmfc"), FourCC::new(b"cmf2")];
    brands.extend(entry.profile);
    Ftyp { major_brand: FourCC::new(b"cmfc"), minor_version: 0, compatible_brands: brands }.encode(&mut out).map_err(boxes)?;
    let start = out.len();
    moov(track, entry.codec)?.encode(&mut out).map_err(boxes)?;
    let elng = track.tag().map(elng).unwrap_or_default();
    append(&mut out, start, &entry.light)
        .and_then(|()| append_to_media(&mut out, start, &elng))
        .ok_or_else(|| MuxError::Config { track: track.name.clone(), why: "its sample entry was not found again".to_owned() })?;
    marks::Marks { class: class.to_owned(), ..Default::default() }.write(&mut out)?;
    Card::of(track).write(&mut out);
    Ok(out)
}

/// The same as outputs of this form have it.
pub fn init_in(track: &TrackSpec, class: &str, form: Option<&Arc<Form>>) -> Result<Vec<u8>, MuxError> {
    let clear = init(track, class)?;
    let Some(form) = form else { return Ok(clear) };
    let facts = inspect::init(&clear).map_err(|source| MuxError::Init { track: track.name.clone(), source })?;
    Ok(form.guard(track, &facts)?.init(&clear)?)
}

/// Appends whole boxes to the sample entry of the `moov` that starts at `start`: every box around it grows.
fn append(out: &mut Vec<u8>, start: usize, boxes: &[u8]) -> Option<()> {
    if boxes.is_empty() {
        return Some(());
    }
    let mut around = inside(out, start, &[b"trak", b"mdia", b"minf", b"stbl", b"stsd"])?;
    // `stsd` has version, flags and the number of entries before the one that it holds.
    around.push(around.last()? + 16);
    grow(out, &around, boxes)
}

/// The same to the end of its `mdia`.
fn append_to_media(out: &mut Vec<u8>, start: usize, boxes: &[u8]) -> Option<()> {
    if boxes.is_empty() {
        return Some(());
    }
    let around = inside(out, start, &[b"trak", b"mdia"])?;
    grow(out, &around, boxes)
}

/// The extended language tag (ISO/IEC 14496-12, 8.4.6).
fn elng(tag: &str) -> Vec<u8> {
    let mut made = u32::try_from(13 + tag.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    made.extend(b"elng\0\0\0\0");
    made.extend(tag.bytes());
    made.push(0);
    made
}

fn moov(track: &TrackSpec, codec: mp4_atom::Codec) -> Result<Moov, MuxError> {
    let timescale = track.timescale();
    let mut tkhd = Tkhd { track_id: TRACK_ID, enabled: true, in_movie: true, ..Default::default() };
    let mut minf = Minf {
        dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } },
        stbl: Stbl { stsd: Stsd { codecs: vec![codec] }, stco: Some(Stco::default()), ..Default::default() },
        ..Default::default()
    };
    let (handler, language, udta) = match &track.kind {
        TrackKind::Video { rendition, .. } => {
            let side = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
            (tkhd.width, tkhd.height) = (side(rendition.width).into(), side(rendition.height).into());
            minf.vmhd = Some(Vmhd::default());
            (b"vide", "und", None)
        }
        TrackKind::Audio { rendition, .. } => {
            tkhd.volume = 1.into();
            tkhd.alternate_group = 1;
            minf.smhd = Some(Smhd::default());
            let kind = Kind { scheme_uri: role::SCHEME.into(), value: rendition.role.name().into() };
            (b"soun", rendition.language.as_str(), Some(Udta { kind: vec![kind], ..Default::default() }))
        }
    };
    if language.len() != 3 || !language.bytes().all(|b| b.is_ascii_lowercase()) {
        let why = format!("language \"{language}\": three lower-case letters of ISO 639-2 are accepted, und where unknown");
        return Err(MuxError::Config { track: track.name.clone(), why });
    }
    let name = if handler == b"vide" { "video" } else { "audio" };
    Ok(Moov {
        mvhd: Mvhd { timescale, rate: 1.into(), volume: 1.into(), next_track_id: TRACK_ID + 1, ..Default::default() },
        mvex: Some(Mvex { mehd: None, trex: vec![Trex { track_id: TRACK_ID, default_sample_description_index: 1, ..Default::default() }] }),
        trak: vec![Trak {
            tkhd,
            mdia: Mdia {
                mdhd: Mdhd { timescale, language: language.to_owned(), ..Default::default() },
                hdlr: Hdlr { handler: FourCC::new(handler), name: name.into() },
                minf,
            },
            udta,
            ..Default::default()
        }],
        ..Default::default()
    })
}

//! A media segment: packets of one GOP in, bytes out. Nothing else goes in, so nothing else shows.
//!
//! Layout: `styp`, `uuid` (marks), `prft`, `moof`, `mdat`; then for every further chunk `styp` (cmfl), [`uuid`, where the marks have changed,] (`prft`) `moof`, `mdat`.

use super::chunking::{Chunking, Cuts};
use super::init::TRACK_ID;
use super::making::Making;
use super::marks::{MAX_CLASS, Marks};
use super::{MuxError, TrackKind, TrackSpec};
use crate::encode::Packet;
use crate::time::{GopId, Seconds};
use mp4_atom::{Encode, FourCC, Mfhd, Moof, Styp, Tfdt, Tfhd, Traf, Trun, TrunEntry, TrunSamples};

/// Sample flags of a picture that depends on no other (ISO/IEC 14496-12, 8.8.3.1).
pub const SYNC: u32 = 0x0200_0000;
/// Sample flags of a picture that depends on others.
pub const NON_SYNC: u32 = 0x0101_0000;
/// From the NTP epoch (1900) to 1970, in seconds.
const NTP_UNIX: i128 = 2_208_988_800;

/// The segment of `gop`. `packets` are in decoding order, and may be fewer than a whole GOP where the event ended in it;
/// `last` marks the last segment of the event; `chunking` splits it into chunks (audio follows in time).
///
/// Errors where the packets are not one GOP of the grid: [`MuxError::Packets`] with the reason.
pub fn segment(track: &TrackSpec, gop: GopId, packets: &[Packet], marks: &Marks, last: bool, chunking: Option<Chunking>) -> Result<Vec<u8>, MuxError> {
    let mut making = Making::new(track, gop, &marks.class, chunking);
    making.push(packets.iter().cloned());
    making.finish(track, marks, last)?;
    Ok(making.into_bytes())
}

/// What stands in front of a chunk.
pub(super) struct Head<'a> {
    /// Its place in the segment, from 0.
    pub index: u32,
    /// Marks, where there are any to write.
    pub marks: Option<&'a Marks>,
    /// It holds the end of the event.
    pub last: bool,
    /// It has filler.
    pub filler: bool,
    /// It says its time.
    pub prft: bool,
    /// `mfhd`.
    pub sequence: u32,
}

/// Appends a chunk of the packets `packets`, the first of which is decoded in place of unit `first` (counted from the epoch). All bytes of segments are written here.
pub(super) fn chunk(track: &TrackSpec, first: i64, packets: &[Packet], head: &Head, out: &mut Vec<u8>) -> Result<(), MuxError> {
    let boxes = |e| MuxError::Boxes { track: track.name.clone(), source: e };
    let payload = packets.iter().map(|p| p.data.len()).sum::<usize>();
    out.reserve(payload + 512 + 8 * packets.len());
    let mut brands = if head.index == 0 { vec![*b"msdh", *b"cmfs", *b"cmff"] } else { vec![*b"cmfl"] };
    brands.extend(head.last.then_some(*b"lmsg"));
    // Any filler at all: an origin that has the twin's segment should take that one.
    brands.extend(head.filler.then_some(*b"slat"));
    let major_brand = FourCC::new(if head.index == 0 { b"cmfs" } else { b"cmfl" });
    Styp { major_brand, minor_version: 0, compatible_brands: brands.iter().map(FourCC::new).collect() }.encode(out).map_err(boxes)?;
    if let Some(marks) = head.marks {
        marks.write(out)?;
    }
    if head.prft {
        prft(track, first, out);
    }
    moof(track, head.sequence, first, packets, out).map_err(boxes)?;
    out.extend_from_slice(&u32::try_from(payload + 8).expect("no chunk is larger than its segment, which was checked").to_be_bytes());
    out.extend_from_slice(b"mdat");
    packets.iter().for_each(|p| out.extend_from_slice(&p.data));
    Ok(())
}

/// `mfhd` of chunk `index` (from 0) of segment `gop` where it grows by `step` from segment to segment ([`Cuts::step`]): k x step + index + 1, modulo 2^32.
pub fn sequence(gop: GopId, step: u32, index: u32) -> u32 {
    let number = i128::from(gop.0) * i128::from(step) + i128::from(index) + 1;
    number.rem_euclid(1 << 32) as u32
}

/// NTP time (32.32 fixed point, modulo 2^32 seconds) of an instant, rounded down.
pub fn ntp(time: Seconds) -> u64 {
    let (num, den) = time.fraction();
    (((num + NTP_UNIX * den) << 32).div_euclid(den) & i128::from(u64::MAX)) as u64
}

/// Bytes of a whole segment that are not payload: an upper bound, exact for video without splices but for the marks.
pub fn overhead(track: &TrackSpec, chunking: Option<Chunking>) -> u64 {
    let cuts = Cuts::of(track, chunking);
    let (units, each) = match &track.kind {
        TrackKind::Video { .. } => (u64::from(track.grid().gop_slots), 8),
        TrackKind::Audio { .. } => (track.longest().ceil_ticks(track.timescale()) as u64 / u64::from(track.unit_ticks()).max(1) + 1, 4),
    };
    // styp of five brands, marks; then a chunk's styp, prft, moof (mfhd, traf, tfhd, tfdt, trun) and mdat header.
    let (head, chunk) = (36 + 37 + MAX_CLASS as u64, 20 + 32 + (8 + 16 + 8 + 24 + 20 + 24) + 8);
    // Filler in mid-segment: marks once more, and a brand for every chunk.
    let most = u64::from(cuts.most);
    let later = if most > 1 { 37 + MAX_CLASS as u64 + 8 * most } else { 0 };
    let unsaid = if cuts.prft { 0 } else { 32 * (most - 1) };
    head + later + most * chunk - unsaid + units * each
}

/// Whether `packets` are one GOP of the grid, or, where it is not `complete`, its beginning.
pub(super) fn validate(track: &TrackSpec, gop: GopId, packets: &[Packet], complete: bool) -> Result<(), MuxError> {
    track.legal(gop)?;
    let wrong = |why: String| Err(MuxError::Packets { track: track.name.clone(), gop, why });
    let (first, units) = (track.first_unit(gop), track.units(gop));
    if packets.is_empty() || packets.len() > units as usize {
        return wrong(format!("{} packets; 1 to {units} are accepted", packets.len()));
    }
    if let Some(i) = packets.iter().position(|p| p.data.is_empty()) {
        return wrong(format!("packet {i} is empty"));
    }
    let payload: usize = packets.iter().map(|p| p.data.len()).sum();
    if u32::try_from(payload).map_or(true, |p| p > u32::MAX - 8) {
        return wrong(format!("{payload} bytes; at most 2^32 - 9 fit a segment"));
    }
    if let TrackKind::Audio { .. } = track.kind {
        return match packets.iter().enumerate().find(|(i, p)| p.time != first + *i as i64) {
            Some((i, p)) => wrong(format!("packet {i} is audio frame {}; {} is accepted", p.time, first + i as i64)),
            None => Ok(()),
        };
    }
    let head = &packets[0];
    if !head.idr || head.time != first {
        return wrong(format!("it starts with slot {}{}; an IDR at slot {first} is accepted", head.time, if head.idr { "" } else { ", no IDR" }));
    }
    let most = if complete { packets.len() } else { units as usize };
    let mut seen = vec![false; most];
    for (i, packet) in packets.iter().enumerate() {
        let place = packet.time.checked_sub(first).and_then(|p| usize::try_from(p).ok()).and_then(|p| seen.get_mut(p));
        match place {
            Some(seen) if !*seen => *seen = true,
            Some(_) => return wrong(format!("packet {i} is slot {} a second time", packet.time)),
            None => return wrong(format!("packet {i} is slot {}; {first} to {} are accepted", packet.time, first + most as i64 - 1)),
        }
    }
    Ok(())
}

/// ProducerReferenceTimeBox, version 1, flags 24 (consistent, real time): the grid's time of the chunk's first unit.
/// By hand because mp4-atom picks version 0 while the media time fits 32 bits: the layout would depend on the number.
fn prft(track: &TrackSpec, first: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&32u32.to_be_bytes());
    out.extend_from_slice(b"prft");
    out.extend_from_slice(&[1, 0, 0, 24]);
    out.extend_from_slice(&TRACK_ID.to_be_bytes());
    out.extend_from_slice(&ntp(track.time(first)).to_be_bytes());
    out.extend_from_slice(&media_time(track, first).to_be_bytes());
}

fn media_time(track: &TrackSpec, unit: i64) -> u64 {
    unit.unsigned_abs() * u64::from(track.unit_ticks())
}

fn moof(track: &TrackSpec, sequence_number: u32, first: i64, packets: &[Packet], out: &mut Vec<u8>) -> mp4_atom::Result<()> {
    let ticks = track.unit_ticks();
    let video = matches!(track.kind, TrackKind::Video { .. });
    let size = |p: &Packet| u32::try_from(p.data.len()).ok();
    let entries: Vec<TrunEntry> = if video {
        // One flag for the first sample where it is the only IDR of the chunk; a flag each where a splice asked for more.
        let each = packets.iter().skip(1).any(|p| p.idr);
        let flags = |i: usize, p: &Packet| (each || (i == 0 && p.idr)).then_some(if p.idr { SYNC } else { NON_SYNC });
        let offset = |i: usize, p: &Packet| (p.time - (first + i as i64)) * i64::from(ticks);
        packets.iter().enumerate().map(|(i, p)| TrunEntry { duration: None, size: size(p), flags: flags(i, p), cts: Some(offset(i, p)) }).collect()
    } else {
        packets.iter().map(|p| TrunEntry { size: size(p), ..Default::default() }).collect()
    };
    let mut moof = Moof {
        mfhd: Mfhd { sequence_number },
        traf: vec![Traf {
            tfhd: Tfhd {
                track_id: TRACK_ID,
                default_sample_duration: Some(ticks),
                default_sample_flags: Some(if video { NON_SYNC } else { SYNC }),
                default_base_is_moof: true,
                ..Default::default()
            },
            tfdt: Some(Tfdt { base_media_decode_time: media_time(track, first) }),
            trun: vec![Trun { data_offset: Some(0), samples: TrunSamples::Explicit(entries) }],
            ..Default::default()
        }],
    };
    let start = out.len();
    moof.encode(out)?;
    // The offset is known once the box is: encode again with it, the size is the same.
    let offset = i32::try_from(out.len() - start + 8).map_err(|_| mp4_atom::Error::TooLarge(FourCC::new(b"moof")))?;
    moof.traf[0].trun[0].data_offset = Some(offset);
    out.truncate(start);
    moof.encode(out)
}

//! Initialisation segments: what the sample entry says, and whether the parameter sets say the same (lines 3, 4, 6, 7, 8, 9, 16, 17).

use super::coded;
use super::decode::MAX_PIXELS;
use super::guarded;
use super::ledger::Ledger;
use super::media::{Track, line};
use super::report::Place;
use super::sound;
use super::tree::Tree;
use crate::inspect::{self, Colour, InitFacts, Media};
use crate::time::Rate;
use h264_reader::nal::sps::{FrameMbsFlags, SeqParameterSet};
use h264_reader::rbsp::{BitReader, decode_nal};

/// Reads the initialisation segment of `name`; nothing, and a finding, where it cannot be read.
pub fn read(tree: &Tree, name: &str, ledger: &mut Ledger) -> Option<Track> {
    let place = Place::track(name).at("init.mp4");
    ledger.checked(17, 1);
    let bytes = tree.init(name).map_err(|why| ledger.error(17, &place, why.to_string())).ok()?;
    let init = inspect::init(&bytes).map_err(|why| ledger.error(8, &place, format!("its boxes cannot be read: {why}"))).ok()?;
    if init.timescale == 0 {
        ledger.error(6, &place, "the timescale is 0; at least 1 is required");
        return None;
    }
    let decodable = decodable(&init);
    if !decodable {
        ledger.error(1, &place, format!("no segment was decoded: a sequence parameter set is broken, or asks for more than {MAX_PIXELS} pixels"));
    }
    if init.protected.is_some() {
        ledger.note(11, &place, "it is encrypted: what needs no key was checked, and no segment was decoded");
    }
    let decodable = decodable && init.protected.is_none();
    Some(Track { name: name.to_owned(), init_bytes: bytes, init, decodable })
}

/// Everything that the initialisation segment alone shows.
pub fn check(track: &Track, ledger: &mut Ledger) {
    let place = Place::track(&track.name).at("init.mp4");
    let init = &track.init;
    for line in [3, 4, 6, 7, 8] {
        ledger.checked(line, 1);
    }
    if let Some(protected) = &init.protected {
        let scheme = String::from_utf8_lossy(&protected.scheme).into_owned();
        // 23001-7, 10.1 and 10.4.
        let fits = match &protected.scheme {
            b"cenc" => matches!(protected.iv_size, 8 | 16) && protected.pattern == (0, 0),
            b"cbcs" => protected.iv_size == 0 && matches!(protected.constant.len(), 8 | 16) && (protected.pattern == (1, 9) || !track.video()),
            _ => false,
        };
        let found = format!("{scheme}, vectors of {} bytes, {} constant, pattern {:?}", protected.iv_size, protected.constant.len(), protected.pattern);
        ledger.hold(
            11,
            fits,
            &place,
            "the protection",
            found,
            "cenc with vectors of 8 or 16 bytes, or cbcs with a constant one and of pictures the pattern (1, 9)",
        );
    }
    for finding in &init.findings {
        ledger.error(line(finding.code), &place, finding.text.clone());
    }
    if let Some((average, max)) = init.btrt {
        ledger.hold(8, average > 0 && average <= max, &place, "btrt", format!("average {average}, maximum {max}"), "0 < average ≤ maximum");
    }
    let language = init.language.len() == 3 && init.language.bytes().all(|b| b.is_ascii_lowercase());
    ledger.hold(8, language, &place, "the language", &init.language, "three letters of ISO 639-2");
    sound::init(track, &place, ledger);
    if let Media::Video { width, height, colour, pasp, parameter_sets, .. } = &init.media {
        match &init.entry {
            b"avc1" | b"avc3" => avc(&place, (*width, *height), *colour, *pasp, parameter_sets, ledger),
            b"hvc1" | b"hev1" | b"av01" => coded::check(&place, init, ledger),
            _ => ledger.error(9, &place, "the sample entry is none of avc1, avc3, hvc1, hev1 and av01"),
        }
    }
}

/// A sequence parameter set and the size of its picture. Somebody else's parser on hostile bytes: a panic in it is the bytes' fault, not the end of the check.
fn sps(nal: &[u8]) -> Option<(SeqParameterSet, (u32, u32))> {
    let parse = || {
        let sps = decode_nal(nal).ok().and_then(|rbsp| SeqParameterSet::from_bits(BitReader::new(&*rbsp)).ok())?;
        let size = sps.pixel_dimensions().ok()?;
        Some((sps, size))
    };
    guarded(parse).flatten()
}

/// Whether a decoder may be let loose on it: no parameter set asks for pictures beyond [`MAX_PIXELS`].
fn decodable(init: &InitFacts) -> bool {
    let Media::Video { parameter_sets, .. } = &init.media else { return true };
    if matches!(&init.entry, b"hvc1" | b"hev1" | b"av01") {
        return coded::decodable(init);
    }
    let small = |nal: &Vec<u8>| sps(nal).is_some_and(|(_, (w, h))| u64::from(w) * u64::from(h) <= MAX_PIXELS);
    parameter_sets.iter().filter(|nal| nal.first().is_some_and(|b| b & 0x1f == 7)).all(small)
}

/// The parameter sets of AVC: there, progressive, and saying what the sample entry says.
fn avc(place: &Place, size: (u16, u16), colour: Option<Colour>, pasp: Option<(u32, u32)>, sets: &[Vec<u8>], ledger: &mut Ledger) {
    let of = |kind: u8| sets.iter().filter(move |s| s.first().is_some_and(|b| b & 0x1f == kind));
    ledger.hold(
        9,
        of(7).next().is_some() && of(8).next().is_some(),
        place,
        "avcC",
        format!("{} SPS and {} PPS", of(7).count(), of(8).count()),
        "at least one of each",
    );
    for (i, nal) in of(7).enumerate() {
        let place = place.clone().at(format!("init.mp4 avcC SPS {i}"));
        let Some((sps, (width, height))) = ledger.present(9, &place, "a sequence parameter set that can be parsed", sps(nal)) else { continue };
        ledger.hold(16, sps.frame_mbs_flags == FrameMbsFlags::Frames, &place, "frame_mbs_only_flag", 0, "1 (progressive)");
        ledger.equal(8, &place, "the picture", format!("{width}x{height}"), format!("{}x{}", size.0, size.1));
        let Some(vui) = &sps.vui_parameters else { continue };
        if let (Some((h, v)), Some((w, x))) = (vui.aspect_ratio_info.as_ref().and_then(|a| a.get()), pasp) {
            let same = u64::from(h) * u64::from(x) == u64::from(v) * u64::from(w);
            ledger.hold(8, same, &place, "the sample aspect ratio", format!("{h}:{v}"), format!("{w}:{x} (pasp)"));
        }
        let signal = vui.video_signal_type.as_ref();
        if let (Some((signal, said)), Some(colour)) = (signal.and_then(|s| s.colour_description.as_ref().map(|d| (s, d))), colour) {
            let range = |full| if full { "full" } else { "limited" };
            let (p, t, m) = (said.colour_primaries, said.transfer_characteristics, said.matrix_coefficients);
            let found = format!("{p}/{t}/{m} {}", range(signal.video_full_range_flag));
            let required = format!("{}/{}/{} {}", colour.primaries, colour.transfer, colour.matrix, range(colour.full_range));
            ledger.hold(8, found == required, &place, "the colour", found, format!("{required} (colr)"));
        }
    }
}

/// Line 16 over all video tracks: at most 60 pictures a second, one aspect ratio. Rungs are rounded to even sizes: two pixels either way are allowed.
pub fn shapes(tracks: &[(&Track, Option<Rate>)], ledger: &mut Ledger) {
    let size = |track: &Track| match &track.init.media {
        Media::Video { width, height, pasp, .. } => (i64::from(*width), i64::from(*height), *pasp),
        Media::Audio { .. } => (0, 0, None),
    };
    let area = |track: &Track| size(track).0 * size(track).1;
    if let Some(largest) = tracks.iter().map(|(t, _)| *t).max_by_key(|t| area(t)) {
        let (w, h, pasp) = size(largest);
        for (track, _) in tracks {
            let (width, height, other) = size(track);
            let ok = (width * h - height * w).abs() <= 2 * h.max(w) && pasp == other;
            let required = format!("the shape of {w}x{h} ({}), to two pixels", largest.name);
            ledger.hold(16, ok, &Place::track(&track.name), "the picture", format!("{width}x{height}"), required);
        }
    }
    for (track, rate) in tracks {
        if let Some(rate) = rate {
            let ok = u64::from(rate.num()) <= 60 * u64::from(rate.den());
            ledger.hold(16, ok, &Place::track(&track.name), "the frame rate", rate, "at most 60");
        }
    }
}

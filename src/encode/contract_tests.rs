//! What every backend must do, in one list, asserted on the bitstream and on what decoders make of it.

use super::testing::{decode_with, frames, hash, pattern, pattern10, rendition, under_load};
use super::{BACKENDS, Candidate, Cap, Chosen, EncodeError, Lifetime, Packet, Recipe, annexb, hevc, obu, point};
use crate::colour::{HdrMetadata, LightLevel, Mastering, VideoRange};
use crate::frame::Frame;
use crate::govern::Step;
use crate::job::Latency;
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crate::time::Rate;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Arc, OnceLock};

const SIZE: (u32, u32) = (320, 180);
const GOP: u32 = 24;
/// Set in child processes: what they do.
const CHILD: &str = "MEZZO_CONTRACT_CHILD";

/// Every backend that a plan may take and that opens here, with each of its codecs and depths. Those that need a device are left out where there is none, with a line.
fn all() -> Vec<(&'static Candidate, Rendition)> {
    static THERE: OnceLock<Vec<(&'static str, VideoCodec, u32)>> = OnceLock::new();
    let opens = |(backend, of): &(&Candidate, Rendition)| match (backend.open)(of, &recipe(of)) {
        Err(error) if backend.lifetime == Lifetime::Event => {
            eprintln!("skipped: {} of {} bits: {error}", of.codec.name(), of.depth);
            false
        }
        _ => true,
    };
    let there = THERE.get_or_init(|| every().filter(opens).map(|(backend, of)| (backend.name, of.codec, of.depth)).collect());
    every().filter(|(backend, of)| there.contains(&(backend.name, of.codec, of.depth))).collect()
}

/// Those whose bytes depend on pictures and settings alone.
fn pure() -> Vec<(&'static Candidate, Rendition)> {
    all().into_iter().filter(|(backend, _)| backend.lifetime == Lifetime::Gop).collect()
}

fn every() -> impl Iterator<Item = (&'static Candidate, Rendition)> {
    let backends = BACKENDS.iter().filter(|backend| !matches!(backend.chosen, Chosen::Never) && !backend.name.starts_with("rehearsal"));
    let kinds = backends.flat_map(|backend| backend.codecs.iter().flat_map(move |codec| backend.depths.iter().map(move |depth| (backend, *codec, *depth))));
    kinds.filter(|(_, codec, depth)| codec.depths().contains(depth)).map(|(backend, codec, depth)| (backend, of(backend, codec, depth)))
}

fn of(backend: &Candidate, codec: VideoCodec, depth: u32) -> Rendition {
    let mut of = rendition(SIZE, Rate::new(25, 1).expect("legal"), GOP, 900_000, &[backend.name]);
    (of.name, of.codec, of.depth, of.quality) = (format!("{}-{depth}", backend.name), codec, depth, codec.default_quality());
    of.point = "superfast".to_owned();
    of
}

fn pictures(depth: u32, count: u32) -> Vec<Arc<Video>> {
    (0..count).map(|n| if depth == 10 { pattern10(SIZE.0, SIZE.1, n) } else { pattern(SIZE.0, SIZE.1, n) }).collect()
}

fn recipe(of: &Rendition) -> Recipe {
    Recipe::of(of)
}

struct Made {
    packets: Vec<Packet>,
    config: Vec<u8>,
    /// Packets that were there before the drain.
    early: usize,
}

fn encode(backend: &Candidate, of: &Rendition, recipe: &Recipe, frames: &[Frame]) -> Result<Made, EncodeError> {
    let opened = (backend.open)(of, recipe)?;
    let (mut encoder, mut packets) = (opened.encoder, Vec::new());
    frames.iter().try_for_each(|frame| encoder.encode(frame, &mut packets))?;
    let early = packets.len();
    encoder.finish(&mut packets)?;
    Ok(Made { packets, config: opened.config, early })
}

/// Whether a sample holds a picture that decoding may start at, and whether it holds what must not be in one, by its own bytes.
fn look(codec: VideoCodec, sample: &[u8]) -> (bool, bool) {
    let units: Vec<&[u8]> = annexb::sample_units(sample).collect();
    match codec {
        VideoCodec::Avc => (units.iter().any(|u| u[0] & 0x1f == 5), units.iter().any(|u| matches!(u[0] & 0x1f, 7..=9 | 12))),
        VideoCodec::Hevc => (units.iter().any(|u| hevc::is_idr(u)), units.iter().any(|u| matches!(hevc::kind(u), 21 | 32..=35 | 38))),
        VideoCodec::Av1 => {
            let units: Vec<obu::Obu> = obu::units(sample).map(|u| u.expect("an OBU that fits")).collect();
            let shows_key = |u: &obu::Obu| matches!(u.kind, 3 | 6) && u.payload[0] & 0xf0 == 0x10;
            (units.iter().any(shows_key) && units[0].kind == 1, units.iter().any(|u| matches!(u.kind, 2 | 8 | 15)))
        }
    }
}

#[test]
fn a_gop_is_closed_complete_and_decodes_at_the_times_that_went_in() {
    for (backend, of) in all() {
        let (name, first) = (&of.name, 42_000_000_000i64 / i64::from(GOP) * i64::from(GOP));
        let made = encode(backend, &of, &recipe(&of), &frames(of.grid, first, &pictures(of.depth, GOP))).expect("it encodes");
        let times: BTreeSet<i64> = made.packets.iter().map(|p| p.time).collect();
        assert_eq!((times, made.packets.len()), ((first..first + i64::from(GOP)).collect(), GOP as usize), "{name}: one packet for each slot");
        // Hardware gives each picture before it takes the next.
        assert!(backend.lifetime == Lifetime::Event || made.early < GOP as usize, "{name}: the drain had something to do");
        for (i, packet) in made.packets.iter().enumerate() {
            assert_eq!(look(of.codec, &packet.data), (i == 0, false), "{name}: packet {i}: an IDR first and nowhere else, no sets or delimiters");
            assert_eq!((packet.idr, i == 0 && packet.time != first), (i == 0, false), "{name}: packet {i}");
        }
        let decoded = decode_with(of.codec, &made.config, &made.packets);
        let format = if of.depth == 10 { Pixel::YUV420P10LE } else { Pixel::YUV420P };
        let shown: Vec<(Option<i64>, Pixel, u32, u32)> = decoded.iter().map(|p| (p.timestamp(), p.format(), p.width(), p.height())).collect();
        assert_eq!(shown, (0..i64::from(GOP)).map(|i| (Some(first + i), format, SIZE.0, SIZE.1)).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn an_idr_is_where_it_is_asked_for_and_the_stream_can_be_joined_there() {
    for (backend, of) in all() {
        let mut frames = frames(of.grid, 0, &pictures(of.depth, GOP));
        for at in [7, 15] {
            frames[at].force_idr = true;
        }
        let made = encode(backend, &of, &recipe(&of), &frames).expect("it encodes");
        let idrs = |flag: &dyn Fn(&Packet) -> bool| made.packets.iter().filter(|p| flag(p)).map(|p| p.time).collect::<Vec<_>>();
        assert_eq!(idrs(&|p| look(of.codec, &p.data).0), [0, 7, 15], "{}", of.name);
        assert_eq!(idrs(&|p| p.idr), [0, 7, 15], "{}", of.name);
        for (slot, left) in [(7, 17), (15, 9)] {
            let at = made.packets.iter().position(|p| p.time == slot).expect("there");
            let decoded = decode_with(of.codec, &made.config, &made.packets[at..]);
            assert_eq!(decoded.len(), left, "{}: from slot {slot} on", of.name);
            assert_eq!(decoded[0].timestamp(), Some(slot), "{}: nothing before it is shown after it", of.name);
        }
    }
}

/// What the overload governor makes of a GOP can be decoded with what the init segment says, and keeps to its cap.
#[test]
fn a_hurried_gop_is_as_good_as_any() {
    for (backend, of) in all().into_iter().filter(|(backend, _)| backend.hurries) {
        for latency in [Latency::Normal, Latency::Low] {
            let of = Rendition { latency, ..of.clone() };
            let frames = frames(of.grid, 0, &pictures(of.depth, GOP));
            let hurried = Recipe { step: Step::Hurried, ..recipe(&of) };
            let (made, planned) = [hurried, recipe(&of)].map(|recipe| encode(backend, &of, &recipe, &frames).expect("it encodes")).into();
            assert_eq!(made.config, planned.config, "{}", of.name);
            assert_ne!(made.packets, planned.packets, "{}: hurried it is another one", of.name);
            let bits = |made: &Made| made.packets.iter().map(|p| p.data.len() as u64 * 8).sum::<u64>();
            assert!(bits(&made) * 10 <= of.max_bitrate * u64::from(GOP) * 11 / 25, "{}: {} bits", of.name, bits(&made));
            assert_eq!(decode_with(of.codec, &planned.config, &made.packets).len(), GOP as usize, "{}", of.name);
        }
    }
}

#[test]
fn the_configuration_is_that_of_the_rendition_whatever_the_recipe() {
    for (backend, of) in all() {
        let mut seen = BTreeSet::new();
        for point in point::POINTS {
            let config = |quality: f32, idr_at: Vec<u32>| {
                let recipe = Recipe { point: (*point).to_owned(), quality, idr_at, ..recipe(&of) };
                (backend.open)(&of, &recipe).map(|opened| opened.config).unwrap_or_else(|e| panic!("{point}: {e}"))
            };
            let one = config(of.quality, Vec::new());
            assert_eq!(one, config(*of.codec.qualities().start(), Vec::new()), "{} {point}", of.name);
            assert_eq!(one, config(*of.codec.qualities().end(), vec![7]), "{} {point}", of.name);
            let constant = Recipe { point: (*point).to_owned(), bitrate: Some(700_000), ..recipe(&of) };
            assert_eq!((backend.open)(&of, &constant).map(|opened| opened.config).ok().as_ref(), Some(&one), "{} {point}: constant bitrate", of.name);
            for step in [Step::Hurried, Step::Halved] {
                let hurried = Recipe { point: (*point).to_owned(), step, ..recipe(&of) };
                assert_eq!((backend.open)(&of, &hurried).map(|opened| opened.config).ok().as_ref(), Some(&one), "{} {point}: {step:?}", of.name);
            }
            seen.insert(one);
        }
        let small = Rendition { width: 192, height: 108, ..of.clone() };
        let other = (backend.open)(&small, &recipe(&of)).expect("it opens").config;
        assert!(!seen.contains(&other), "{}: another size, another configuration", of.name);
    }
}

/// Encoders of AV1 that take turns stand under one record: profile, level, tier and colour are the same in a track (AV1-ISOBMFF 3).
#[test]
fn both_encoders_of_av1_say_the_same_of_a_rung() {
    let mut differ = Vec::new();
    for (size, rate, cap) in
        [((320, 180), 25, 300_000), ((640, 360), 30, 700_000), ((1280, 720), 30, 2_500_000), ((1280, 720), 60, 3_500_000), ((1920, 1080), 60, 6_000_000)]
    {
        let said = ["rav1e", "svt-av1"].map(|name| {
            let backend = super::find(name).expect("it is there");
            let of = Rendition { codec: VideoCodec::Av1, quality: 35.0, ..rendition(size, Rate::new(rate, 1).expect("legal"), 50, cap, &[name]) };
            (backend.open)(&of, &recipe(&of)).expect("it opens").config[1..3].to_vec()
        });
        if said[0] != said[1] {
            differ.push(format!("{size:?} at {rate}: {said:02x?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("; "));
}

#[test]
fn a_gop_cut_short_is_whole_and_one_of_nothing_is_nothing() {
    for (backend, of) in all() {
        for count in [0, 1, 2, 5] {
            let made = encode(backend, &of, &recipe(&of), &frames(of.grid, 0, &pictures(of.depth, count))).expect("it encodes");
            assert_eq!(made.packets.len(), count as usize, "{}", of.name);
            assert_eq!(decode_with(of.codec, &made.config, &made.packets).len(), count as usize, "{}", of.name);
        }
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    for (backend, of) in all() {
        let refuses = |change: &dyn Fn(&mut Rendition, &mut Recipe)| {
            let (mut of, mut recipe) = (of.clone(), recipe(&of));
            change(&mut of, &mut recipe);
            match (backend.open)(&of, &recipe) {
                Err(error @ EncodeError::Open { .. }) => error.to_string(),
                Err(error) => panic!("{}: {error}", of.name),
                Ok(_) => panic!("{}: it opens", of.name),
            }
        };
        assert!(refuses(&|_, r| r.point = "placebo".to_owned()).contains("\"placebo\" is none of ultrafast"));
        assert!(refuses(&|_, r| r.quality = f32::NAN).contains("NaN"));
        assert!(refuses(&|_, r| r.quality = 0.0).contains("quality 0 is not "));
        refuses(&|_, r| r.quality = 64.0);
        assert!(refuses(&|of, _| of.depth = 12).contains("12 bits"));
        let wrong = [(&pictures(if of.depth == 8 { 10 } else { 8 }, 1)[0], "the other depth"), (&pattern(64, 64, 0), "another size")]
            .map(|(p, what)| (Arc::clone(p), what));
        for (picture, what) in wrong {
            let error = encode(backend, &of, &recipe(&of), &frames(of.grid, 0, &[picture])).err().map(|e| e.to_string());
            assert!(error.is_some_and(|e| e.contains("picture of")), "{}: {what}", of.name);
        }
    }
}

#[test]
fn hdr_is_signalled_as_the_rendition_says() {
    let mastering =
        Mastering { primaries: [(34_000, 16_000), (13_250, 34_500), (7_500, 3_000)], white: (15_635, 16_450), max_luminance: 10_000_000, min_luminance: 50 };
    let hdr = HdrMetadata { mastering: Some(mastering), light: Some(LightLevel { max_content: 1000, max_average: 400 }) };
    for (backend, sdr) in all().into_iter().filter(|(_, of)| of.depth == 10) {
        for range in [VideoRange::Sdr, VideoRange::Hlg, VideoRange::Pq] {
            let of = Rendition { range, hdr: if range == VideoRange::Pq { hdr } else { HdrMetadata::default() }, ..sdr.clone() };
            let made = encode(backend, &of, &recipe(&of), &frames(of.grid, 0, &pictures(10, 3))).expect("it encodes");
            let decoded = decode_with(of.codec, &made.config, &made.packets);
            use ffmpeg_next::color::{Primaries, Space, TransferCharacteristic as Transfer};
            let want = match range {
                VideoRange::Sdr => (Primaries::BT709, Transfer::BT709, Space::BT709),
                VideoRange::Hlg => (Primaries::BT2020, Transfer::ARIB_STD_B67, Space::BT2020NCL),
                VideoRange::Pq => (Primaries::BT2020, Transfer::SMPTE2084, Space::BT2020NCL),
            };
            let picture = &decoded[0];
            assert_eq!((picture.color_primaries(), picture.color_transfer_characteristic(), picture.color_space()), want, "{} {range:?}", of.name);
            assert_eq!(picture.color_range(), ffmpeg_next::color::Range::MPEG, "{} {range:?}", of.name);
            let sited = match of.codec {
                VideoCodec::Av1 => made.config[2] & 3,
                _ => annexb_sps(&made.config).chroma_location.unwrap_or(9),
            };
            let top_left = 2;
            assert_eq!(sited == top_left, range != VideoRange::Sdr, "{} {range:?}: chroma is at {sited}", of.name);
            use ffmpeg_next::frame::side_data::Type;
            let found = [Type::MasteringDisplayMetadata, Type::ContentLightLevel].map(|kind| picture.side_data(kind).is_some());
            assert_eq!(found, [range == VideoRange::Pq; 2], "{} {range:?}: static metadata", of.name);
            if let Some(data) = picture.side_data(Type::ContentLightLevel) {
                assert_eq!(data.data()[..8], [1000u32.to_le_bytes(), 400u32.to_le_bytes()].concat(), "{}: MaxCLL and MaxFALL", of.name);
            }
        }
    }
}

fn annexb_sps(hvcc: &[u8]) -> hevc::Sps {
    let at = hvcc.windows(2).position(|w| w == [0x42, 1]).expect("an SPS");
    hevc::Sps::read(&hvcc[at..]).expect("reads")
}

/// A pattern at fewer bits than the quality would take, small: it is encoded a hundred times over.
fn hard(of: &Rendition) -> (Rendition, Vec<Arc<Video>>) {
    let (mut of, size) = (of.clone(), (160, 90));
    ((of.width, of.height), of.max_bitrate, of.quality) = (size, 80_000, of.quality / 3.0);
    let one = |n| if of.depth == 10 { pattern10(size.0, size.1, n) } else { pattern(size.0, size.1, n) };
    let pictures = (0..GOP).map(one).collect();
    (of, pictures)
}

/// One hash for each backend and depth, with its cap binding where the encoder sees to the cap itself.
fn hashes() -> Vec<String> {
    let one = |(backend, of): (&'static Candidate, Rendition)| {
        let (of, mut pictures) = hard(&of);
        // It takes seconds for a GOP, and has a harness of its own (`rav1e/tests.rs`).
        let points = ["superfast"];
        pictures.truncate(if backend.name == "rav1e" { 6 } else { usize::MAX });
        let each = points.iter().map(|point| {
            let recipe = Recipe { point: (*point).to_owned(), ..recipe(&of) };
            hash(&encode(backend, &of, &recipe, &frames(of.grid, 48_000, &pictures)).expect("it encodes").packets)
        });
        each.map(|hash| format!("{}={}", of.name, &hash[..16])).collect::<Vec<_>>()
    };
    pure().into_iter().flat_map(one).collect()
}

/// One encoder makes GOP after GOP, each as if it were the only one: complete at its end, and decodable without those before it.
#[test]
fn an_encoder_of_the_event_goes_on_behind_a_flush() {
    for (backend, of) in all().into_iter().filter(|(backend, _)| backend.lifetime == Lifetime::Event) {
        let opened = (backend.open)(&of, &recipe(&of)).expect("it opens");
        let mut encoder = opened.encoder;
        for gop in 0..3i64 {
            let mut packets = Vec::new();
            for frame in frames(of.grid, gop * i64::from(GOP), &pictures(of.depth, GOP)) {
                encoder.encode(&frame, &mut packets).expect("it encodes");
            }
            encoder.flush(&mut packets).expect("it goes on");
            assert_eq!(packets.len(), GOP as usize, "{}: GOP {gop}", of.name);
            assert!(packets.iter().enumerate().all(|(i, packet)| look(of.codec, &packet.data) == (i == 0, false)), "{}: GOP {gop}", of.name);
            assert_eq!(decode_with(of.codec, &opened.config, &packets).len(), GOP as usize, "{}: GOP {gop}", of.name);
        }
    }
}

/// Not a test by itself: what a child process runs.
#[test]
fn child_does_as_it_is_told() {
    match std::env::var(CHILD).as_deref() {
        Ok("hashes") => println!("HASHES {}", hashes().join(" ")),
        Ok("options") => {
            ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Warning);
            for (backend, of) in all() {
                for (point, range) in point::POINTS.iter().flat_map(|p| [VideoRange::Sdr, VideoRange::Pq].map(|range| (p, range))) {
                    let light = HdrMetadata { mastering: None, light: Some(LightLevel { max_content: 1000, max_average: 400 }) };
                    let of = Rendition { range: if of.depth == 10 { range } else { VideoRange::Sdr }, hdr: light, ..of.clone() };
                    let recipe = Recipe { point: (*point).to_owned(), ..recipe(&of) };
                    (backend.open)(&of, &recipe).map(drop).unwrap_or_else(|e| panic!("{e}"));
                    let constant = Recipe { bitrate: Some(700_000), ..recipe };
                    (backend.open)(&of, &constant).map(drop).unwrap_or_else(|e| panic!("{e}"));
                }
            }
            eprintln!("OPENED ALL");
        }
        Ok("typo") => {
            ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Warning);
            for (codec, key) in [("libx264", "x264-params"), ("libx265", "x265-params"), ("libsvtav1", "svtav1-params")] {
                let codec = ffmpeg_next::encoder::find_by_name(codec).expect("it is there");
                let of = of(&BACKENDS[0], VideoCodec::Avc, 8);
                let pictures = super::libav::Pictures::of(&of).expect("8 bits");
                let _ = pictures.open(codec, vec![("err_detect".to_owned(), "explode".to_owned()), (key.to_owned(), "bogus-key=1".to_owned())]);
            }
        }
        _ => {}
    }
}

fn child(what: &str, perturb: &str) -> (String, String) {
    let out = Command::new(std::env::current_exe().expect("this test"))
        .args(["encode::contract_tests::child_does_as_it_is_told", "--exact", "--nocapture", "--test-threads", "1"])
        .env(CHILD, what)
        .env("MALLOC_PERTURB_", perturb)
        .output()
        .expect("the child runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{}", text(&out.stderr));
    (text(&out.stdout), text(&out.stderr))
}

#[test]
fn load_heap_and_history_do_not_alter_bytes() {
    let fresh = hashes();
    for perturb in ["0", "85", "255"] {
        let (out, _) = child("hashes", perturb);
        let told = out.lines().find_map(|line| line.split_once("HASHES ")).map(|(_, hashes)| hashes.trim().to_owned());
        assert_eq!(told, Some(fresh.join(" ")), "MALLOC_PERTURB_={perturb}");
    }
    let two = || std::thread::scope(|scope| [scope.spawn(hashes), scope.spawn(hashes)].map(|run| run.join().unwrap_or_default()));
    let runs: Vec<Vec<String>> = under_load(|| (0..5).flat_map(|_| two()).collect());
    for (n, run) in runs.iter().enumerate() {
        assert_eq!(run, &fresh, "run {n} under load");
    }
}

/// Else the hashes above would say nothing of the rate.
#[test]
fn the_cap_binds_where_bytes_are_compared() {
    for (backend, of) in pure().into_iter().filter(|(backend, _)| matches!(backend.cap, Cap::Kept)) {
        let (of, pictures) = hard(&of);
        let bytes = |cap: u64| -> usize {
            let made = encode(backend, &of, &Recipe { cap, ..recipe(&of) }, &frames(of.grid, 0, &pictures)).expect("it encodes");
            made.packets.iter().map(|packet| packet.data.len()).sum()
        };
        let (bound, free) = (bytes(of.max_bitrate), bytes(100 * of.max_bitrate));
        assert!(bound * 10 < free * 9, "{}: {bound} bytes, {free} without a cap", of.name);
    }
}

#[test]
fn no_option_is_misspelt() {
    let complaints = ["Unknown option", "Error parsing option", "Invalid value", "bogus", "not found"];
    let (_, log) = child("typo", "0");
    assert_eq!(log.matches("bogus-key").count(), 3, "the three libraries do complain of a key that they do not know: {log}");
    let (_, log) = child("options", "0");
    assert!(log.contains("OPENED ALL"), "{log}");
    let complaint = log.lines().find(|line| complaints.iter().any(|words| line.contains(words)));
    assert_eq!(complaint, None);
}

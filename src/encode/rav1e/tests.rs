//! Assertions on what rav1e wrote, and on what dav1d makes of it.

use super::super::testing::{decode_with, frames, hash, pattern, psnr, rendition};
use super::super::{Packet, Recipe, container_bytes, obu, point};
use super::open;
use crate::colour::{HdrMetadata, LightLevel, Mastering, VideoRange};
use crate::ffmpeg as raw;
use crate::frame::Frame;
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crate::time::Rate;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::frame::Video;
use std::process::Command;
use std::sync::Arc;

/// Set in child processes.
const CHILD: &str = "MEZZO_TEST_CHILD";
const FIRST: i64 = 42_000_000_000;

fn av1(size: (u32, u32), gop_slots: u32, cap: u64) -> Rendition {
    let like = rendition(size, Rate::new(25, 1).expect("legal"), gop_slots, cap, &["rav1e"]);
    Rendition { name: "av1-test".to_owned(), codec: VideoCodec::Av1, quality: 35.0, point: "swift".to_owned(), ..like }
}

fn in_10_bits(of: &Rendition, range: VideoRange) -> Rendition {
    Rendition { depth: 10, range, ..of.clone() }
}

fn recipe(of: &Rendition) -> Recipe {
    Recipe::of(of)
}

fn encode(of: &Rendition, frames: &[Frame]) -> (Vec<Packet>, Vec<u8>) {
    let opened = open(of, &recipe(of)).expect("it opens");
    let (mut encoder, mut out) = (opened.encoder, Vec::new());
    frames.iter().for_each(|frame| encoder.encode(frame, &mut out).expect("it takes a picture"));
    encoder.finish(&mut out).expect("it encodes");
    (out, opened.config)
}

/// A picture of 8 or 10 bits with the luma that `value` gives of column and line, in 10 bits.
fn drawn(depth: u32, (width, height): (u32, u32), value: impl Fn(u32, u32) -> u16) -> Arc<Video> {
    let format = if depth == 8 { ffmpeg::format::Pixel::YUV420P } else { ffmpeg::format::Pixel::YUV420P10LE };
    let mut frame = Video::new(format, width, height);
    for plane in 0..3 {
        let stride = frame.stride(plane);
        for (y, row) in frame.data_mut(plane).chunks_mut(stride).enumerate() {
            for x in 0..stride / if depth == 8 { 1 } else { 2 } {
                let sample = if plane == 0 { value(x as u32, y as u32) } else { 512 };
                match depth {
                    8 => row[x] = (sample >> 2) as u8,
                    _ => row[2 * x..2 * x + 2].copy_from_slice(&sample.to_le_bytes()),
                }
            }
        }
    }
    Arc::new(frame)
}

/// Waves under a texture that moves another way.
fn moving(depth: u32, size: (u32, u32), count: u32) -> Vec<Arc<Video>> {
    let wave = |x: u32, y: u32, n: u32| (f64::from(x + 2 * n) / 9.0 + f64::from(y) / 13.0).sin();
    let grain = |x: u32, y: u32| f64::from((x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)).wrapping_mul(3_266_489_917) >> 25);
    (0..count).map(|n| drawn(depth, size, |x, y| (450.0 + 300.0 * wave(x, y, n) + grain(x / 2 + n, (y + n) / 2)) as u16)).collect()
}

fn noise(depth: u32, size: (u32, u32), count: u32) -> Vec<Arc<Video>> {
    let state = std::cell::Cell::new(1u32);
    let next = |_, _| {
        state.set(state.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        64 + (state.get() >> 16) as u16 % 876
    };
    (0..count).map(|_| drawn(depth, size, next)).collect()
}

fn decode(config: &[u8], packets: &[Packet]) -> Vec<Video> {
    decode_with(VideoCodec::Av1, config, packets)
}

/// Mean squared error of the luma in 8-bit steps, of pictures of any depth.
fn psnr_of(a: &Video, b: &Video) -> f64 {
    if a.format() == ffmpeg::format::Pixel::YUV420P {
        return psnr(a, b);
    }
    let (width, height) = (a.width() as usize, a.height() as usize);
    let samples = |f: &Video| -> Vec<i32> {
        let (data, stride) = raw::plane(f, 0, 2 * width, height).expect("a whole plane");
        data.chunks(stride).flat_map(|row| row[..2 * width].chunks_exact(2).map(|s| i32::from(u16::from_le_bytes([s[0], s[1]]))).collect::<Vec<_>>()).collect()
    };
    let sum: i64 = samples(a).iter().zip(samples(b)).map(|(a, b)| i64::from(a - b).pow(2)).sum();
    10.0 * (1023.0f64.powi(2) * (width * height) as f64 / (sum as f64).max(1e-9)).log10()
}

/// Bits of a GOP with its boxes, to what its cap allows.
fn share(of: &Rendition, packets: &[Packet]) -> f64 {
    let bytes = packets.iter().map(|p| p.data.len() as u64).sum::<u64>() + container_bytes(packets.len() as u32);
    let rate = of.grid.rate;
    8.0 * bytes as f64 * f64::from(rate.num()) / (of.max_bitrate as f64 * packets.len() as f64 * f64::from(rate.den()))
}

#[test]
fn a_gop_of_every_point_and_depth_is_closed_complete_and_decodes() {
    let size = (98, 66);
    for depth in [8, 10] {
        let pictures = moving(depth, size, 11);
        for point in point::POINTS {
            let of = Rendition { point: (*point).to_owned(), depth, quality: 20.0, ..av1(size, 11, 4_000_000) };
            let first = FIRST / 11 * 11;
            let (packets, config) = encode(&of, &frames(of.grid, first, &pictures));
            let times: Vec<i64> = packets.iter().map(|p| p.time).collect();
            assert_eq!(times, (first..first + 11).collect::<Vec<_>>(), "{point}: a packet for each slot, in order");
            assert_eq!(packets.iter().map(|p| p.idr).collect::<Vec<_>>(), (0..11).map(|i| i == 0).collect::<Vec<_>>(), "{point}");
            let decoded = decode(&config, &packets);
            assert_eq!(decoded.len(), 11, "{point}");
            for (i, picture) in decoded.iter().enumerate() {
                assert_eq!(picture.timestamp(), Some(first + i as i64), "{point}: presented in order");
                let psnr = psnr_of(picture, &pictures[i]);
                assert!(psnr > 30.0, "{point}, {depth} bits: picture {i} at {psnr:.1} dB");
            }
        }
    }
}

#[test]
fn the_sequence_header_says_what_the_rendition_is() {
    let size = (64, 64);
    let light = HdrMetadata {
        mastering: Some(Mastering {
            primaries: [(35_400, 14_600), (8_500, 39_850), (6_550, 2_300)],
            white: (15_635, 16_450),
            max_luminance: 10_000_000,
            min_luminance: 50,
        }),
        light: Some(LightLevel { max_content: 1000, max_average: 200 }),
    };
    let sdr = av1(size, 2, 1_000_000);
    let hlg = in_10_bits(&sdr, VideoRange::Hlg);
    let pq = Rendition { hdr: light, ..in_10_bits(&sdr, VideoRange::Pq) };
    for (of, colour, position) in [(&sdr, (1, 1, 1), 1), (&in_10_bits(&sdr, VideoRange::Sdr), (1, 1, 1), 1), (&hlg, (9, 18, 9), 2), (&pq, (9, 16, 9), 2)] {
        let (packets, config) = encode(of, &frames(of.grid, FIRST, &moving(of.depth, size, 2)));
        let (unit, header) = obu::sequence_header(&packets[0].data).expect("a key picture has its sequence header");
        assert_eq!((header.depth, header.size, header.profile, header.full_range), (of.depth, size, 0, false));
        assert_eq!((header.colour, header.chroma_position, header.subsampling), (colour, position, (true, true)), "{:?}", of.range);
        assert_eq!((header.level, header.high_tier), (0, false), "2.0");
        assert_eq!(obu::av1c(&packets[0].data).as_deref(), Some(&config[..]), "the configuration is that of the stream");
        assert!(config.ends_with(unit.payload));
        let metadata = |p: &Packet| obu::units(&p.data).flatten().filter(|u| u.kind == obu::kind::METADATA).count();
        assert_eq!(packets.iter().map(metadata).collect::<Vec<_>>(), [if of.range == VideoRange::Pq { 2 } else { 0 }, 0], "light, where it is known");
        assert!(packets.iter().all(|p| obu::units(&p.data).flatten().all(|u| u.kind != obu::kind::TEMPORAL_DELIMITER)));
        // Whatever the recipe, the init segment is the same.
        let other = open(of, &Recipe { quality: 63.0, cap: of.max_bitrate / 2, ..recipe(of) }).expect("it opens");
        assert_eq!(other.config, config);
    }
}

#[test]
fn a_splice_gets_a_key_picture_that_decoding_can_start_at() {
    let (size, of) = ((96, 64), Rendition { quality: 20.0, ..av1((96, 64), 13, 4_000_000) });
    let pictures = moving(8, size, 13);
    let mut input = frames(of.grid, FIRST / 13 * 13, &pictures);
    input[6].force_idr = true;
    let (packets, config) = encode(&of, &input);
    let keys: Vec<usize> = packets.iter().enumerate().filter(|(_, p)| p.idr).map(|(i, _)| i).collect();
    assert_eq!(keys, [0, 6]);
    assert_eq!(decode(&config, &packets).len(), 13);
    let tail = decode(&config, &packets[6..]);
    assert_eq!(tail.len(), 7);
    assert!(tail.iter().zip(&pictures[6..]).all(|(a, b)| psnr(a, b) > 28.0));
}

#[test]
fn short_and_odd_gops_come_out_whole_and_within_their_budget() {
    let size = (80, 48);
    let black = |n: u32| (0..n).map(|_| drawn(8, size, |_, _| 64)).collect::<Vec<_>>();
    let cut = [moving(8, size, 8), noise(8, size, 8)].concat();
    for (what, pictures) in [
        ("one", moving(8, size, 1)),
        ("two", moving(8, size, 2)),
        ("three", moving(8, size, 3)),
        ("black", black(16)),
        ("a cut", cut),
        ("noise", noise(8, size, 16)),
    ] {
        let of = av1(size, 16, 400_000);
        let (packets, config) = encode(&of, &frames(of.grid, FIRST / 16 * 16, &pictures));
        assert_eq!(packets.len(), pictures.len(), "{what}");
        assert_eq!(decode(&config, &packets).len(), pictures.len(), "{what}");
        let share = share(&of, &packets);
        assert!(share < 1.10, "{what}: {share:.3} of the cap");
    }
    let none = open(&av1(size, 16, 400_000), &recipe(&av1(size, 16, 400_000))).expect("it opens").encoder;
    let mut out = Vec::new();
    none.finish(&mut out).expect("nothing is legal, too");
    assert!(out.is_empty());
}

#[test]
fn budgets_are_kept_and_used_unless_the_quality_is_met() {
    let size = (192, 112);
    let patterns: Vec<_> = (0..25).map(|n| pattern(size.0, size.1, n)).collect();
    for (what, pictures) in [("waves", moving(8, size, 25)), ("pattern", patterns), ("noise", noise(8, size, 25))] {
        let of = |cap| av1(size, 25, cap);
        let free = encode(&of(50_000_000), &frames(of(1).grid, FIRST / 25 * 25, &pictures)).0;
        let bits = 8 * free.iter().map(|p| p.data.len() as u64).sum::<u64>();
        // A cap that is nearly met, one that binds, and one that binds hard: the GOP lasts a second.
        for percent in [130, 70, 35] {
            let of = of(bits * percent / 100);
            let (packets, _) = encode(&of, &frames(of.grid, FIRST / 25 * 25, &pictures));
            let share = share(&of, &packets);
            eprintln!("{what} at {percent} %: {share:.3}");
            assert!(share < 1.10, "{what} at {percent} %: {share:.3} of the cap");
            assert!(percent > 100 || share > 0.90, "{what} at {percent} %: {share:.3} of the cap");
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_word() {
    let of = av1((64, 64), 2, 1_000_000);
    let why = |of: &Rendition, recipe: Recipe| open(of, &recipe).err().expect("refused").to_string();
    assert!(why(&of, Recipe { quality: 64.0, ..recipe(&of) }).contains("1 to 63"));
    assert!(why(&of, Recipe { cap: 100, ..recipe(&of) }).contains("10 kb/s to 2 Gb/s"));
    assert!(why(&of, Recipe { point: "placebo".into(), ..recipe(&of) }).contains("ultrafast"));
    assert!(why(&Rendition { depth: 12, ..of.clone() }, recipe(&of)).contains("8 and 10"));
    assert!(why(&Rendition { width: 8, ..of.clone() }, recipe(&of)).contains("16"));
    assert!(why(&Rendition { width: 20_000, height: 20_000, ..of.clone() }, recipe(&of)).contains("level"));
    // Pictures of another size or depth are no panic.
    for picture in [drawn(8, (80, 64), |_, _| 0), drawn(10, (64, 64), |_, _| 0)] {
        let mut encoder = open(&of, &recipe(&of)).expect("it opens").encoder;
        assert!(encoder.encode(&frames(of.grid, FIRST, &[picture])[0], &mut Vec::new()).is_err());
    }
}

/// A hash of a GOP for each depth, with caps that bind whatever the pictures are: the quality asked for is nearly lossless.
fn hashes() -> String {
    let size = (160, 96);
    let of = |depth| Rendition { depth, quality: 5.0, ..av1(size, 16, 150_000) };
    let hashed = |depth: u32| {
        let (packets, _) = encode(&of(depth), &frames(of(depth).grid, FIRST / 16 * 16, &moving(depth, size, 16)));
        assert!(share(&of(depth), &packets) > 0.85, "the cap must bind for this test to mean anything");
        hash(&packets)
    };
    format!("{} {}", hashed(8), hashed(10))
}

/// Not a test by itself: what a child process runs.
#[test]
fn child_prints_hashes() {
    if std::env::var_os(CHILD).is_some() {
        println!("HASHES {}", hashes());
    }
}

#[test]
fn neither_heap_nor_history_nor_instruction_set_alters_bytes() {
    let fresh = hashes();
    assert_eq!(hashes(), fresh, "again");
    for (perturb, target) in [("0", "rust"), ("85", "ssse3"), ("170", "sse4_1"), ("255", "avx2")] {
        let out = Command::new(std::env::current_exe().expect("this test"))
            .args(["encode::rav1e::tests::child_prints_hashes", "--exact", "--nocapture", "--test-threads", "1"])
            .envs([(CHILD, "1"), ("MALLOC_PERTURB_", perturb), ("RAV1E_CPU_TARGET", target)])
            .output()
            .expect("the child runs");
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(text.contains(&format!("HASHES {fresh}")), "{perturb} {target}: {text} {}", String::from_utf8_lossy(&out.stderr));
    }
}

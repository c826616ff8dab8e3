//! x265: its points, and that its bytes do not depend on the instructions it uses.

use super::testing::{decode, decode_with, frames, hash, pattern10, psnr, rendition};
use super::{Recipe, point, x265};
use crate::colour::{Signal, Target, VideoRange};
use crate::downscale::Chain;
use crate::ffmpeg as raw;
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crate::time::Rate;
use ffmpeg_next::frame::Video;
use hwaccel::isa::{Isa, has_cheap_avx512};
use std::process::Command;
use std::sync::Arc;

/// Set in child processes: the instructions to use.
const CHILD: &str = "MEZZO_X265_ASM";
const SIZE: (u32, u32) = (640, 360);

#[test]
fn every_point_of_a_ladder_is_there_and_sets_the_same_things() {
    assert_eq!(x265::POINTS.map(|p| p.name), point::POINTS);
    let keys = |point: &x265::X265Point| point.settings.iter().map(|(key, _)| *key).collect::<Vec<_>>();
    for point in &x265::POINTS {
        assert_eq!(keys(point), keys(&x265::POINTS[0]), "{}", point.name);
        assert!(x265::COMMON.iter().all(|(key, _)| !keys(point).contains(key)), "{}: set twice", point.name);
    }
}

fn rung(depth: u32, point: &str) -> Rendition {
    let like = rendition(SIZE, Rate::new(30, 1).expect("legal"), 30, 400_000, &["x265"]);
    Rendition { codec: VideoCodec::Hevc, quality: 24.0, depth, point: point.to_owned(), ..like }
}

fn film(depth: u32) -> Option<Vec<Arc<Video>>> {
    let sources = decode("tos_1080p2997_aac_8s_ctawave_fmp4.mp4", 60, 30)?;
    let target = Target { signal: Signal { depth, range: VideoRange::Sdr }, ..super::testing::sdr(SIZE) };
    let mut chain = Chain::new(&[target], &crate::colour::HdrMetadata::default()).expect("a chain");
    Some(
        sources
            .iter()
            .map(|source| chain.scale(source).expect("it scales").remove(0))
            .map(|picture| Arc::clone(picture.host().expect("it is in host memory")))
            .collect(),
    )
}

/// A hash for each point at both depths, film at 8 bits where it is there.
fn hashes(asm: &str) -> Vec<String> {
    let deep: Vec<Arc<Video>> = (0..30).map(|n| pattern10(SIZE.0, SIZE.1, n)).collect();
    let kinds: Vec<(u32, Vec<Arc<Video>>)> = film(8).into_iter().map(|film| (8, film)).chain([(10, deep)]).collect();
    let one = |depth: u32, point: &str, pictures: &[Arc<Video>]| {
        let of = rung(depth, point);
        let mut encoder = x265::open_with(asm, &of, &Recipe::of(&of)).expect("it opens").encoder;
        let mut out = Vec::new();
        for frame in frames(of.grid, 6000, pictures) {
            encoder.encode(&frame, &mut out).expect("it encodes");
        }
        encoder.finish(&mut out).expect("it drains");
        hash(&out)
    };
    kinds.iter().flat_map(|(depth, pictures)| point::POINTS.iter().map(|point| one(*depth, point, pictures))).collect()
}

/// Not a test by itself: what a child process runs, since x265 chooses its instructions once in a process.
#[test]
fn child_prints_hashes() {
    let Ok(asm) = std::env::var(CHILD) else { return };
    println!("HASHES {}", hashes(&asm).join(" "));
}

fn in_child(asm: &str, perturb: &str) -> String {
    let out = Command::new(std::env::current_exe().expect("this test"))
        .args(["encode::x265_tests::child_prints_hashes", "--exact", "--nocapture", "--test-threads", "1"])
        .env(CHILD, asm)
        .env("MALLOC_PERTURB_", perturb)
        .output()
        .expect("the child runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let at = text.find("HASHES ").unwrap_or_else(|| panic!("no hashes with {asm}: {text} {}", String::from_utf8_lossy(&out.stderr)));
    text[at + 7..].lines().next().unwrap_or_default().trim().to_owned()
}

/// `Isa::x265` relies on it: AVX-512 is used where it is there, and is no part of the class.
#[test]
fn every_instruction_set_writes_the_bytes_of_avx2_whatever_the_heap_holds() {
    if Isa::pinned() != Isa::Avx2 {
        eprintln!("skipped: this processor has no AVX2");
        return;
    }
    let narrow = in_child("avx2", "0");
    assert!(narrow.split(' ').collect::<std::collections::BTreeSet<_>>().len() > 8, "points differ, so the hashes say something: {narrow}");
    let widest = if has_cheap_avx512() { "avx512" } else { "avx2" };
    for (asm, perturb) in [("sse4.1", "0"), (widest, "0"), (widest, "85"), (widest, "255")] {
        assert_eq!(in_child(asm, perturb), narrow, "{asm}, MALLOC_PERTURB_={perturb}");
    }
}

/// Waves that move and grow lighter: all that they leave to code is of low frequencies.
fn waves(depth: u32) -> Vec<Arc<Video>> {
    let pool = raw::FramePool::new(SIZE.0, SIZE.1, Signal { depth, range: VideoRange::Sdr }).expect("a legal size");
    let one = |number: u32| {
        let mut frame = pool.get().expect("memory");
        for (index, (plane, stride)) in raw::planes_mut(&mut frame).expect("ours alone").into_iter().enumerate() {
            for (y, row) in plane.chunks_mut(stride).enumerate() {
                let light = |x: usize| match index {
                    0 => 110.0 + 2.0 * f64::from(number) + 60.0 * ((x as f64 + 4.0 * f64::from(number)) / 31.0).sin() * (y as f64 / 23.0).cos(),
                    _ => 128.0,
                };
                match depth {
                    8 => row.iter_mut().enumerate().for_each(|(x, sample)| *sample = light(x) as u8),
                    _ => row.chunks_exact_mut(2).enumerate().for_each(|(x, sample)| sample.copy_from_slice(&((4.0 * light(x)) as u16).to_le_bytes())),
                }
            }
        }
        Arc::new(frame)
    };
    (0..30).map(one).collect()
}

/// Bits and mean PSNR at a quality that no cap binds.
fn quality(depth: u32, pictures: &[Arc<Video>]) -> (f64, f64) {
    let of = Rendition { max_bitrate: 8_000_000, ..rung(depth, "brisk") };
    let opened = x265::open(&of, &Recipe::of(&of)).expect("it opens");
    let (mut encoder, mut packets) = (opened.encoder, Vec::new());
    frames(of.grid, 6000, pictures).iter().for_each(|frame| encoder.encode(frame, &mut packets).expect("it encodes"));
    encoder.finish(&mut packets).expect("it drains");
    let decoded = decode_with(VideoCodec::Hevc, &opened.config, &packets);
    assert_eq!(decoded.len(), pictures.len());
    let mean = decoded.iter().zip(pictures).map(|(a, b)| psnr(a, b)).sum::<f64>() / pictures.len() as f64;
    (packets.iter().map(|p| 8.0 * p.data.len() as f64).sum(), mean)
}

/// What x265 settles for a process must suit both depths: with low-pass transforms at 10 bits it loses 4 dB and more.
#[test]
fn ten_bits_are_as_good_as_eight() {
    for (name, kind) in [("waves", (|depth| Some(waves(depth))) as fn(u32) -> Option<_>), ("film", film)] {
        let (Some(eight), Some(ten)) = (kind(8), kind(10)) else { continue };
        let ((bits8, psnr8), (bits10, psnr10)) = (quality(8, &eight), quality(10, &ten));
        assert!(psnr10 > psnr8 - 0.5 && bits10 < bits8 * 1.3, "{name}: {bits8} bits {psnr8:.2} dB in 8 bits, {bits10} bits {psnr10:.2} dB in 10");
    }
}

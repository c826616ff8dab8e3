//! Constant bitrate on real pictures, by what a rung publishes.

use super::testing::{Made, decode, decode_with, hash, noise, pattern, publish, rendition, scaled};
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crate::time::Rate;
use ffmpeg_next::frame::Video;
use std::sync::Arc;

const SIZE: (u32, u32) = (480, 270);
const GOP: u32 = 60;

/// Film, an animation and flowers.
const CLIPS: [(&str, usize); 3] = [("tos_1080p2997_aac_8s_ctawave_fmp4.mp4", 60), ("ts_bbb_720p60_aac_10s.ts", 200), ("h264es_flower_720p30_10s.264", 0)];

fn rung(backend: &str, bitrate: u64) -> Rendition {
    let codec = match backend {
        "x264" => VideoCodec::Avc,
        "x265" => VideoCodec::Hevc,
        _ => VideoCodec::Av1,
    };
    let like = rendition(SIZE, Rate::new(30, 1).expect("legal"), GOP, bitrate, &[backend]);
    Rendition { codec, quality: codec.default_quality(), bitrate: Some(bitrate), point: super::point::for_size(codec, SIZE.0, SIZE.1).to_owned(), ..like }
}

/// Least, mean and most of the shares, and encodes a segment.
fn told(what: &str, of: &Rendition, made: &[Made]) -> [f64; 3] {
    let shares: Vec<f64> = made.iter().map(|m| m.share(of, of.bitrate.expect("constant"))).collect();
    let (count, attempts) = (shares.len() as f64, made.iter().map(|m| f64::from(m.attempts)).sum::<f64>());
    let summary = [shares.iter().copied().fold(f64::MAX, f64::min), shares.iter().sum::<f64>() / count, shares.iter().copied().fold(0.0, f64::max)];
    let [least, mean, most] = summary;
    eprintln!("{} {what} at {} b/s: {least:.3} {mean:.3} {most:.3} of the rate, {:.2} encodes", of.backends[0], of.bitrate.unwrap_or(0), attempts / count);
    summary
}

fn lands(backend: &str, rates: &[u64], gops: u32) {
    for (name, skip) in CLIPS {
        let Some(pictures) = decode(name, skip, (GOP * gops) as usize) else { return };
        let pictures = scaled(&pictures, SIZE);
        for rate in rates {
            let of = rung(backend, *rate);
            let made = publish(&of, &pictures);
            assert_eq!(made.len() as u32, gops, "{name}");
            let [least, _, most] = told(name, &of, &made);
            assert!(least >= 0.90 && most <= 1.10, "{backend} {name} at {rate} b/s: {least:.3} to {most:.3}");
            let one = &made[0];
            assert_eq!(decode_with(of.codec, &one.config, &one.packets).len(), GOP as usize, "it decodes");
        }
    }
}

#[test]
fn every_gop_of_x264_has_its_bits() {
    lands("x264", &[200_000, 800_000], 3);
}

#[test]
fn every_gop_of_x265_has_its_bits() {
    lands("x265", &[150_000, 600_000], 2);
}

#[test]
fn every_gop_of_svt_av1_has_its_bits() {
    // The animation takes no more than 255 kb/s at CRF 1.
    lands("svt-av1", &[150_000, 200_000], 2);
}

#[test]
fn every_gop_of_rav1e_has_its_bits() {
    lands("rav1e", &[300_000], 1);
}

/// Noise, stillness, short GOPs: never above the cap, never without end; and the same bytes again.
#[test]
fn hard_and_easy_pictures_stay_under_the_cap_and_are_the_same_again() {
    let hard: Vec<Arc<Video>> = (0..64).map(|n| noise(SIZE, n)).collect();
    let still: Vec<Arc<Video>> = vec![pattern(SIZE.0, SIZE.1, 0); 64];
    for backend in ["x264", "x265", "svt-av1"] {
        for (what, pictures, rate) in [("noise", &hard, 2_000_000), ("a still picture", &still, 700_000)] {
            let of = rung(backend, rate);
            let made = publish(&of, pictures);
            told(what, &of, &made);
            assert!(
                made.iter().all(|m| m.attempts as usize <= super::constant::SEARCHES + 2),
                "{backend} {what}: {:?}",
                made.iter().map(|m| m.attempts).collect::<Vec<_>>()
            );
            for m in made.iter().filter(|m| m.units > GOP / 4) {
                assert!(m.share(&of, of.max_bitrate) <= 1.10, "{backend} {what}, segment {}: {:.3} x cap", m.gop, m.share(&of, of.max_bitrate));
            }
            let again = publish(&of, pictures);
            let hashes = |made: &[Made]| made.iter().map(|m| hash(&m.packets)).collect::<Vec<_>>();
            assert_eq!(hashes(&again), hashes(&made), "{backend} {what}");
        }
    }
}

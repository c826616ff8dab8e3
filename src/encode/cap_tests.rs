//! Caps on hard pictures: what a rung publishes of HEVC and AV1, whole segments and a short last one (`x264_tests.rs` has AVC).

use super::point;
use super::testing::{Made, decode, noise, publish, publish_and_count, rendition, scaled};
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crate::time::Rate;
use ffmpeg_next::frame::Video;
use std::sync::Arc;

fn rung(backend: &str, size: (u32, u32), gop: u32, cap: u64, at: &str) -> Rendition {
    let codec = if backend == "x265" { VideoCodec::Hevc } else { VideoCodec::Av1 };
    let like = rendition(size, Rate::new(30, 1).expect("legal"), gop, cap, &[backend]);
    Rendition { codec, quality: codec.default_quality() - 6.0, point: at.to_owned(), ..like }
}

/// Every published segment is at most 1.10 x its cap, and a whole one makes use of it.
fn keeps(what: &str, of: &Rendition, pictures: &[Arc<Video>]) {
    let made = publish(of, pictures);
    let shares: Vec<f64> = made.iter().map(|m: &Made| m.share(of, of.max_bitrate)).collect();
    let attempts: Vec<u32> = made.iter().map(|m| m.attempts).collect();
    eprintln!("{} {} {what} at {} b/s: {shares:.3?} x cap, {attempts:?} encodes", of.backends[0], of.point, of.max_bitrate);
    for (m, share) in made.iter().zip(&shares) {
        assert!(*share <= 1.10, "{} {} {what}: segment {} of {} pictures has {share:.3} x cap", of.backends[0], of.point, m.gop, m.units);
        // A step of SVT-AV1's quality may be to far less.
        let used = if of.backends[0] == "svt-av1" { 0.2 } else { 0.45 };
        assert!(m.units < of.grid.gop_slots || *share > used, "{} {} {what}: segment {} has but {share:.3} x cap", of.backends[0], of.point, m.gop);
    }
}

#[test]
fn noise_keeps_to_the_cap_in_hevc() {
    let pictures: Vec<_> = (0..90).map(|n| noise((320, 180), n)).collect();
    for at in point::POINTS {
        keeps("noise", &rung("x265", (320, 180), 60, 300_000, at), &pictures);
    }
}

#[test]
fn short_gops_of_noise_keep_to_the_cap_in_hevc() {
    for short in [3, 16, 52] {
        let pictures: Vec<_> = (7..7 + short).map(|n| noise((320, 180), n)).collect();
        for at in ["ultrafast", "swift", "brisk", "medium"] {
            keeps("short noise", &rung("x265", (320, 180), 60, 600_000, at), &pictures);
        }
    }
}

#[test]
fn noise_keeps_to_the_cap_in_av1() {
    let pictures: Vec<_> = (0..70).map(|n| noise((320, 180), n)).collect();
    for at in ["ultrafast", "brisk"] {
        for cap in [1_000_000, 2_000_000] {
            keeps("noise", &rung("svt-av1", (320, 180), 60, cap, at), &pictures);
        }
    }
}

#[test]
fn hard_clips_keep_to_the_cap() {
    // Film with cuts, flowers in the wind, and a crowd of blades of grass and leaves.
    for (name, skip) in [("tos_1080p2997_aac_8s_ctawave_fmp4.mp4", 60), ("h264es_flower_720p30_10s.264", 0), ("gopro_480p2997_aac_tmcd_gpmf_12s.mp4", 30)] {
        let Some(pictures) = decode(name, skip, 77) else { continue };
        let small = scaled(&pictures, (640, 360));
        for (backend, caps) in [("x265", [120_000, 400_000]), ("svt-av1", [200_000, 400_000])] {
            for cap in caps {
                keeps(name, &rung(backend, (640, 360), 60, cap, "brisk"), &small);
            }
        }
        keeps(name, &rung("rav1e", (320, 180), 30, 150_000, "ultrafast"), &scaled(&pictures[..40], (320, 180)));
    }
}

/// SVT-AV1 has nothing coarser than CRF 63: what is too large even so is published, and counted.
#[test]
fn what_no_quality_brings_under_the_cap_is_counted() {
    let pictures: Vec<_> = (0..60).map(|n| noise((320, 180), n)).collect();
    let of = rung("svt-av1", (320, 180), 60, 200_000, "ultrafast");
    let (made, over) = publish_and_count(&of, &pictures);
    assert!(
        made[0].share(&of, of.max_bitrate) > 1.10 && made[0].attempts > 1,
        "{:.3} x cap in {} encodes",
        made[0].share(&of, of.max_bitrate),
        made[0].attempts
    );
    assert_eq!(over, 1);
}

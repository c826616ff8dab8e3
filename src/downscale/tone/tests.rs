//! The map by its pictures: against the function that it samples, and against libav's filters.

use super::curves::{light_to_pq, pq_to_light};
use super::operator::{Mapping, Operator};
use super::{ToneMap, node};
use crate::colour::{HdrMetadata, LightLevel, Mastering, Signal, Target, VideoRange};
use crate::downscale::Chain;
use crate::encode::testing::{decode, sdr};
use crate::ffmpeg::{self as raw, FramePool};
use ffmpeg_next::filter;
use ffmpeg_next::frame::Video;
use std::sync::Arc;

const PQ: Operator = Operator { range: VideoRange::Pq, peak: 1000 };

fn hdr(width: u32, height: u32, range: VideoRange) -> Target {
    Target { width, height, signal: Signal { depth: 10, range } }
}

/// A picture of 64x64 in squares of 8x8, each of one colour: codes of 10 bits.
fn squares(range: VideoRange, colour: impl Fn(usize) -> [u16; 3]) -> Arc<Video> {
    let mut picture = FramePool::new(64, 64, Signal { depth: 10, range }).and_then(|pool| pool.get()).expect("memory");
    for (component, (plane, stride)) in raw::planes_mut(&mut picture).expect("ours alone").into_iter().enumerate() {
        let side = if component == 0 { 8 } else { 4 };
        for (y, row) in plane.chunks_mut(stride).enumerate() {
            for (x, sample) in row[..16 * side].chunks_mut(2).enumerate() {
                sample.copy_from_slice(&colour(y / side * 8 + x / side)[component].to_le_bytes());
            }
        }
    }
    Arc::new(picture)
}

/// Samples of a plane, 8 or 10 bits.
fn samples(picture: &Video, component: usize) -> Vec<Vec<u16>> {
    let (shift, wide) = (u32::from(component > 0), raw::layout(picture).expect("planar").depth > 8);
    let (width, height) = ((picture.width() >> shift) as usize, (picture.height() >> shift) as usize);
    let bytes = if wide { 2 * width } else { width };
    let (data, stride) = raw::plane(picture, component, bytes, height).expect("a whole plane");
    let row = |row: &[u8]| {
        if wide { row[..bytes].chunks(2).map(|s| u16::from_le_bytes([s[0], s[1]])).collect() } else { row[..width].iter().map(|s| u16::from(*s)).collect() }
    };
    data.chunks(stride).map(row).collect()
}

fn one(targets: &[Target], metadata: &HdrMetadata, source: &Arc<Video>) -> Vec<Arc<Video>> {
    let pictures = Chain::new(targets, metadata).expect("a chain").scale(source).expect("it scales");
    pictures.iter().map(|picture| Arc::clone(picture.host().expect("in host memory"))).collect()
}

/// What libav's filters make of a picture.
fn filtered(source: &Video, filters: &str) -> Video {
    let mut graph = filter::Graph::new();
    let tags = raw::colour(source);
    let arguments = format!("video_size={}x{}:pix_fmt={}:time_base=1/25:pixel_aspect=1/1", source.width(), source.height(), raw::format_number(source));
    graph.add(&filter::find("buffer").expect("libavfilter has it"), "in", &arguments).expect("a source");
    graph.add(&filter::find("buffersink").expect("libavfilter has it"), "out", "").expect("a sink");
    assert!(tags.transfer == 16 || tags.transfer == 18);
    graph.output("in", 0).and_then(|parser| parser.input("out", 0)).and_then(|parser| parser.parse(filters)).expect("the filters");
    graph.validate().expect("the filters fit");
    let mut copy = raw::share_samples(source).expect("memory");
    copy.set_pts(Some(0));
    graph.get("in").expect("added").source().add(&copy).expect("it takes a picture");
    let mut out = Video::empty();
    graph.get("out").expect("added").sink().frame(&mut out).expect("a picture comes out");
    out
}

#[test]
fn the_peak_is_what_the_source_says_where_it_says_so() {
    let display = |max_luminance| Mastering { primaries: [(0, 0); 3], white: (0, 0), max_luminance, min_luminance: 1 };
    let light = |max_content| Some(LightLevel { max_content, max_average: 100 });
    let peak = |mastering, light| Operator::of(VideoRange::Pq, &HdrMetadata { mastering, light }).peak;
    assert_eq!(peak(None, None), 1000);
    assert_eq!(peak(Some(display(40_000_000)), None), 4000);
    assert_eq!(peak(Some(display(40_000_000)), light(1200)), 1200);
    assert_eq!(peak(Some(display(10_000_000)), light(4000)), 1000, "no more than the display showed");
    assert_eq!(peak(Some(display(10_000_000)), light(0)), 1000);
    assert_eq!((peak(None, light(80)), peak(None, light(u16::MAX))), (203, 10_000));
    assert_eq!(Operator::of(VideoRange::Hlg, &HdrMetadata { mastering: None, light: light(4000) }).peak, 1000, "HLG means the same whatever it says");
}

#[test]
fn greys_rise_to_white_and_stay_grey() {
    for peak in [203, 600, 1000, 4000, 10_000] {
        let mapping = Mapping::new(&Operator { range: VideoRange::Pq, peak });
        let mut before = -1.0;
        for n in 0..=1000 {
            let [r, g, b] = mapping.map([f64::from(n) / 1000.0; 3]);
            assert!((r - g).abs() < 1e-3 && (b - g).abs() < 1e-3, "{peak}: {r} {g} {b}");
            assert!(g >= before - 1e-9, "{peak} at {n}");
            before = g;
        }
        assert!((before - 1.0).abs() < 1e-3, "{peak}: {before}");
    }
}

/// What interpolation costs, for colours as cameras see them: within BT.709, the least component a fifth of the greatest or more. (Where a component is next to none, its gamma is so steep
/// that chroma is off by up to 17 codes of 8 bits.)
#[test]
fn the_cubes_are_the_function() {
    let mapping = Mapping::new(&PQ);
    let map = ToneMap::new(PQ);
    let (mut worst, mut sum, mut count) = ([0.0f64; 3], 0.0, 0);
    let mut state = 1u64;
    let mut part = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24)
    };
    for _ in 0..20_000 {
        let light = pq_to_light(0.1 + 0.65 * part());
        // BT.709 to BT.2020 (ITU-R BT.2087).
        let [r, g, b] = [(); 3].map(|()| light * (0.2 + 0.8 * part()));
        let wide = [0.6274 * r + 0.3293 * g + 0.0433 * b, 0.0691 * r + 0.9195 * g + 0.0114 * b, 0.0164 * r + 0.0880 * g + 0.8956 * b];
        let [r, g, b] = wide.map(light_to_pq);
        let y = 0.2627 * r + 0.6780 * g + 0.0593 * b;
        let place = [64.0 + 876.0 * y, 512.0 + 896.0 * (b - y) / 1.8814, 512.0 + 896.0 * (r - y) / 1.4746];
        let (y, cb, cr) = ((2.0 * place[0]).round(), (4.0 * place[1]).round(), (4.0 * place[2]).round());
        let want = node(&mapping, [y / 2.0, cb / 4.0, cr / 4.0]);
        for component in 0..3 {
            let mut got = [0];
            map.cubes[component].lookup(hwaccel::isa::Isa::pinned(), &[y as u16], &[cb as u16], &[cr as u16], &mut got);
            let off = f64::from(got[0].abs_diff(want[component])) / 64.0;
            worst[component] = worst[component].max(off);
            (sum, count) = (sum + off, count + 1);
        }
    }
    eprintln!("off by {:.3} codes of 8 bits on average, at most {worst:.2?}", sum / f64::from(count));
    assert!(sum / f64::from(count) < 0.25 && worst.iter().all(|worst| *worst < 8.0), "{worst:?}");
}

/// Below the knee nothing is rolled off, so libav's chain with its "clip" must give the same picture: light, gamut, gamma.
#[test]
fn patches_below_the_knee_are_those_of_libav() {
    // From 4 to 80 cd/m², and modest colours.
    let patches = squares(VideoRange::Pq, |n| [265 + (n as u16 % 32) * 7, 500 + (n as u16 % 5) * 6, 496 + (n as u16 / 8) * 4]);
    let theirs = filtered(
        &patches,
        "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=clip:desat=0,zscale=t=bt709:m=bt709:r=tv:c=left,format=yuv420p10le",
    );
    let target = Target { width: 64, height: 64, signal: Signal { depth: 10, range: VideoRange::Sdr } };
    let ours = one(&[target], &HdrMetadata::default(), &patches).remove(0);
    let mut worst = [0; 3];
    for (component, side) in [(0, 8), (1, 4), (2, 4)] {
        let (ours, theirs) = (samples(&ours, component), samples(&theirs, component));
        for n in 0..64 {
            let (x, y) = (n % 8 * side + side / 2, n / 8 * side + side / 2);
            worst[component] = worst[component].max(ours[y][x].abs_diff(theirs[y][x]));
        }
    }
    eprintln!("codes of 10 bits apart at most: {worst:?}");
    assert!(worst.iter().all(|worst| *worst <= 8), "{worst:?}");
}

/// Real pictures are about as bright as with libav's Hable: within 16 % of the range on average.
#[test]
fn real_pictures_are_about_as_bright_as_libavs() {
    for (clip, skip) in [("av1_hdr10_720x1280_aac_4s.mp4", 60), ("hevc_hdr10plus_1080p_aac.mp4", 10), ("hevc_pq_dovi8_sparks_360p5994_6s.mp4", 300)] {
        let Some(source) = decode(clip, skip, 1).map(|mut pictures| pictures.remove(0)) else { continue };
        let size = (source.width(), source.height());
        let theirs =
            filtered(&source, "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable,zscale=t=bt709:m=bt709:r=tv,format=yuv420p");
        let ours = one(&[sdr(size)], &HdrMetadata::default(), &source).remove(0);
        let mean = |picture: &Video, component| {
            let rows = samples(picture, component);
            rows.iter().flatten().map(|s| f64::from(*s)).sum::<f64>() / (rows.len() * rows[0].len()) as f64
        };
        let of = |picture: &Video| [0, 1, 2].map(|component| mean(picture, component));
        let (ours, theirs) = (of(&ours), of(&theirs));
        eprintln!("{clip}: {ours:.1?}, libav {theirs:.1?}");
        assert!((ours[0] - theirs[0]).abs() < 35.0 && (1..3).all(|c| (ours[c] - theirs[c]).abs() < 6.0), "{clip}: {ours:?}, libav {theirs:?}");
    }
}

#[test]
fn hdr_that_is_right_passes_and_smaller_sizes_are_scaled_as_they_are() {
    let Some(source) = decode("hevc_pq_dovi8_sparks_360p5994_6s.mp4", 300, 1).map(|mut pictures| pictures.remove(0)) else { return };
    // Sited top left, as BT.2100 has it, it passes untouched.
    let mut right = raw::share_samples(&source).expect("memory");
    raw::tag(&mut right, VideoRange::Pq);
    let right = Arc::new(right);
    let targets = [hdr(640, 360, VideoRange::Pq), hdr(320, 180, VideoRange::Pq), sdr((640, 360)), sdr((320, 180))];
    let made = one(&targets, &HdrMetadata::default(), &right);
    assert!(Arc::ptr_eq(&made[0], &right));
    let tags = raw::colour(&made[1]);
    assert_eq!((tags.transfer, tags.primaries, tags.matrix, tags.chroma_location, tags.range), (16, 9, 9, 3, 1));
    let theirs = filtered(&right, "zscale=w=320:h=180:f=bicubic:param_a=0:param_b=0.6:cin=topleft:c=topleft:d=none");
    for component in 0..3 {
        let (ours, theirs) = (samples(&made[1], component), samples(&theirs, component));
        let most = ours.iter().flatten().zip(theirs.iter().flatten()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most <= Some(1), "plane {component}: {most:?}");
    }
    // SDR comes of the tone mapping, and smaller SDR of that: the same as without HDR beside it.
    let alone = one(&targets[2..], &HdrMetadata::default(), &right);
    for (beside, alone) in made[2..].iter().zip(&alone) {
        assert!((0..3).all(|component| samples(beside, component) == samples(alone, component)));
        assert_eq!(raw::colour(beside).transfer, 1);
    }
    // Nothing but samples reaches an encoder.
    assert!(raw::Light::of_picture(&source).dynamic.contains(&"Dolby Vision"), "the clip has it");
    assert_eq!(raw::Light::of_picture(&right), raw::Light::default());
    assert!(made[1..].iter().all(|picture| raw::Light::of_picture(picture) == raw::Light::default()));
}

#[test]
fn ten_bits_are_not_dithered_and_eight_are() {
    let flat = squares(VideoRange::Pq, |_| [401, 512, 512]);
    let deep = Target { width: 64, height: 64, signal: Signal { depth: 10, range: VideoRange::Sdr } };
    let made = one(&[deep, sdr((64, 64))], &HdrMetadata::default(), &flat);
    let levels = |picture: &Video| samples(picture, 0).concat().into_iter().collect::<std::collections::BTreeSet<u16>>();
    assert_eq!(levels(&made[0]).len(), 1);
    let eight = one(&[sdr((64, 64))], &HdrMetadata::default(), &flat).remove(0);
    let (exact, got) = (samples(&made[0], 0)[0][0], samples(&eight, 0).concat());
    let mean = f64::from(got.iter().map(|s| u32::from(*s)).sum::<u32>()) / got.len() as f64;
    assert!((mean - f64::from(exact) / 4.0).abs() < 0.2, "{mean} for {exact}");
    assert_eq!(levels(&eight).len(), 2);
}

#[test]
fn sdr_among_hdr_is_graphics_white_and_the_other_way_round() {
    let white = |range| squares(range, |_| if range == VideoRange::Sdr { [940, 512, 512] } else { [573, 512, 512] });
    let mut plain = raw::share_samples(&white(VideoRange::Sdr)).expect("memory");
    raw::tag(&mut plain, VideoRange::Sdr);
    let targets = [hdr(64, 64, VideoRange::Pq), sdr((64, 64))];
    let mut chain = Chain::new(&targets, &HdrMetadata::default()).expect("a chain");
    let mut luma = |source: &Arc<Video>| {
        let pictures = chain.scale(source).expect("it scales");
        pictures
            .iter()
            .map(|picture| picture.host().expect("in host memory"))
            .map(|picture| (raw::colour(picture).transfer, samples(picture, 0)[32][32]))
            .collect::<Vec<_>>()
    };
    let (sdr_white, pq) = (Arc::new(plain), white(VideoRange::Pq));
    let [(16, white), (1, 235)] = luma(&sdr_white)[..] else { panic!("SDR white: {:?}", luma(&sdr_white)) };
    assert!(white.abs_diff(573) <= 1, "203 cd/m² is 573, not {white}");
    assert!(matches!(luma(&pq)[..], [(16, 573), (1, 213 | 214)]), "{:?}", luma(&pq));
    assert_eq!(luma(&sdr_white)[1], (1, 235), "and back");
    // 75 % of HLG is 203 cd/m² too.
    let hlg = squares(VideoRange::Hlg, |_| [721, 512, 512]);
    let [(16, white), _] = luma(&hlg)[..] else { panic!("HLG: {:?}", luma(&hlg)) };
    assert!(white.abs_diff(573) <= 3, "203 cd/m² is 573, not {white}");
}

/// How fast it is beside libav's chain: `cargo test --release --lib -- --ignored --nocapture tone_mapping_speed`.
#[test]
#[ignore = "a measurement"]
fn tone_mapping_speed() {
    let Some(source) = decode("hevc_hdr10plus_1080p_aac.mp4", 10, 1).map(|mut pictures| pictures.remove(0)) else { return };
    for (width, height) in [(1920, 1080), (3840, 2160)] {
        let picture = one(&[hdr(width, height, VideoRange::Pq)], &HdrMetadata::default(), &source).remove(0);
        let filters = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable,zscale=t=bt709:m=bt709:r=tv,format=yuv420p";
        let mut chain = Chain::new(&[sdr((width, height))], &HdrMetadata::default()).expect("a chain");
        let mut ours = || {
            let fresh = Arc::new(raw::share_samples(&picture).expect("memory"));
            drop(chain.scale(&fresh).expect("it scales"));
        };
        let times = |work: &mut dyn FnMut()| -> Vec<std::time::Duration> {
            let mut timed = || {
                let began = std::time::Instant::now();
                work();
                began.elapsed()
            };
            (0..9).map(|_| timed()).collect()
        };
        let made = times(&mut ours).into_iter().skip(1).min();
        let theirs = times(&mut || drop(filtered(&picture, filters))).into_iter().min();
        eprintln!("{width}x{height}: {made:?}, libav {theirs:?}");
    }
}

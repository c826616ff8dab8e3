//! The chain on real sources, by its pictures.

use super::{Chain, DownscaleError};
use crate::colour::{HdrMetadata, VideoRange};
use crate::encode::testing::{decode, hash_pictures, pattern, psnr, sdr};
use crate::ffmpeg as raw;
use crate::frame::Picture;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use std::sync::Arc;

fn only(mut pictures: Vec<Picture>) -> Arc<Video> {
    let Picture::Cpu(picture) = pictures.remove(0) else { panic!("on a device") };
    picture
}

fn chain(sizes: &[(u32, u32)]) -> Result<Chain, DownscaleError> {
    Chain::new(&sizes.iter().copied().map(sdr).collect::<Vec<_>>(), &HdrMetadata::default())
}

fn make(source: &Arc<Video>, size: (u32, u32)) -> Arc<Video> {
    only(chain(&[size]).expect("a chain").scale(source).expect("it scales"))
}

/// A picture of one colour in any format of bytes or words, tagged or not.
fn flat(format: Pixel, width: u32, height: u32, values: [u16; 3]) -> Video {
    let mut frame = Video::new(format, width, height);
    let wide = raw::layout(&frame).expect("planar").depth > 8;
    for (plane, value) in values.into_iter().enumerate().take(frame.planes()) {
        let data = frame.data_mut(plane);
        if wide {
            data.chunks_mut(2).for_each(|sample| sample.copy_from_slice(&value.to_ne_bytes()[..sample.len()]));
        } else {
            data.fill(value as u8);
        }
    }
    frame
}

fn centre(picture: &Video) -> [u8; 3] {
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let at = |plane: usize, half: usize| {
        let (data, stride) = raw::plane(picture, plane, w >> half, h >> half).expect("a whole plane");
        data[(h >> half) / 2 * stride + (w >> half) / 2]
    };
    [at(0, 0), at(1, 1), at(2, 1)]
}

#[test]
fn a_picture_that_is_right_passes_uncopied_and_a_repeat_costs_nothing() {
    let source = pattern(1280, 720, 1);
    let mut chain = chain(&[(640, 360), (1280, 720), (320, 180)]).expect("a chain");
    let first = chain.scale(&source).expect("it scales");
    let again = chain.scale(&source).expect("it scales");
    for (a, b) in first.iter().zip(&again) {
        let (Picture::Cpu(a), Picture::Cpu(b)) = (a, b) else { panic!("on a device") };
        assert!(Arc::ptr_eq(a, b));
    }
    let Picture::Cpu(passed) = &first[1] else { panic!("on a device") };
    assert!(Arc::ptr_eq(passed, &source));
    let sizes: Vec<_> = first.iter().map(|p| p.host().expect("in host memory")).map(|p| (p.width(), p.height())).collect();
    assert_eq!(sizes, [(640, 360), (1280, 720), (320, 180)], "in the order of the targets");
}

#[test]
fn sizes_made_at_once_are_the_same() {
    let sizes = [(1280, 720), (640, 360), (960, 540), (320, 180), (854, 480), (426, 240)];
    let (mut alone, mut spread) = (chain(&sizes).expect("legal"), chain(&sizes).expect("legal"));
    spread.spread(true);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().expect("threads");
    for n in 0..8 {
        let source = pattern(1280, 720, n);
        let wanted: Vec<bool> = (0..sizes.len()).map(|size| n < 4 || (size + n as usize).is_multiple_of(3)).collect();
        let [one, other] = [alone.some(&source, &wanted), pool.install(|| spread.some(&source, &wanted))].map(|made| made.expect("it scales"));
        assert!(wanted.iter().zip(&one).all(|(wanted, picture)| *wanted == picture.is_some()));
        let hashes = |made: Vec<Option<Picture>>| hash_pictures(&made.into_iter().flatten().collect::<Vec<_>>());
        assert_eq!(hashes(one), hashes(other), "picture {n}");
    }
}

#[test]
fn history_leaves_no_trace() {
    let (a, b) = (pattern(854, 480, 3), pattern(1920, 1080, 9));
    let targets = [(640, 360), (320, 180)];
    let fresh = hash_pictures(&chain(&targets).expect("a chain").scale(&a).expect("it scales"));
    let mut chain = chain(&targets).expect("a chain");
    chain.scale(&b).expect("it scales");
    for n in 0..5 {
        chain.scale(&pattern(854, 480, n)).expect("it scales");
    }
    assert_eq!(hash_pictures(&chain.scale(&a).expect("it scales")), fresh);
}

/// Known colours through each kind of source, in limited BT.709 (ITU-R BT.709-6, 3.5; BT.601-7; JPEG full range).
#[test]
fn colours_of_every_kind_of_source_come_out_as_bt709() {
    use ffmpeg::color::{Primaries, Range, Space, TransferCharacteristic as Transfer};
    let check = |name: &str, frame: Video, want: [u8; 3], tolerance: u8| {
        let out = make(&Arc::new(frame), (320, 180));
        let got = centre(&out);
        assert!(got.iter().zip(want).all(|(g, w)| g.abs_diff(w) <= tolerance), "{name}: {got:?}, not {want:?}");
        assert_eq!((out.color_range(), out.color_space(), out.format()), (Range::MPEG, Space::BT709, Pixel::YUV420P), "{name}");
    };
    check("limited 709", flat(Pixel::YUV420P, 1280, 720, [180, 100, 90]), [180, 100, 90], 0);
    check("4:2:2 10 bit", flat(Pixel::YUV422P10LE, 1280, 720, [720, 400, 360]), [180, 100, 90], 1);
    check("4:4:4 12 bit", flat(Pixel::YUV444P12LE, 1280, 720, [2880, 1600, 1440]), [180, 100, 90], 1);
    check("4:4:0", flat(Pixel::YUV440P, 1280, 720, [180, 100, 90]), [180, 100, 90], 1);
    check("full range white", flat(Pixel::YUVJ420P, 1280, 720, [255, 128, 128]), [235, 128, 128], 1);
    let mut full = flat(Pixel::YUV420P, 1280, 720, [0, 128, 128]);
    full.set_color_range(Range::JPEG);
    check("full range black by its tag", full, [16, 128, 128], 1);
    check("grey", flat(Pixel::GRAY8, 1280, 720, [126, 0, 0]), [126, 128, 128], 1);
    check("grey, 10 bit", flat(Pixel::GRAY10LE, 1280, 720, [504, 0, 0]), [126, 128, 128], 1);
    // Planes G, B, R. 75 % red in BT.709: Y 51, Cb 109, Cr 212.
    check("RGB red", flat(Pixel::GBRP, 1280, 720, [0, 0, 191]), [51, 109, 212], 1);
    // 75 % red in BT.601: Y 65, Cb 100, Cr 212, matrix alone.
    let mut sd = flat(Pixel::YUV420P, 1280, 720, [65, 100, 212]);
    sd.set_color_space(Space::SMPTE170M);
    sd.set_color_primaries(Primaries::BT709);
    sd.set_color_transfer_characteristic(Transfer::BT709);
    check("BT.601 red", sd, [51, 109, 212], 2);
    // PQ codes of black, 10, 88 (below which nothing is rolled off), 203 (graphics white, BT.2408) and 1000 cd/m²: (L / 203)^(1 / 2.4) up to the knee, and what BT.2390's spline gives above.
    for (code, luma) in [(64, 16), (327, 78), (498, 170), (573, 214), (723, 235), (940, 235)] {
        let mut pq = flat(Pixel::YUV420P10LE, 1280, 720, [code, 512, 512]);
        pq.set_color_space(Space::BT2020NCL);
        pq.set_color_primaries(Primaries::BT2020);
        pq.set_color_transfer_characteristic(Transfer::SMPTE2084);
        check("PQ", pq, [luma, 128, 128], 1);
    }
    let mut hlg = flat(Pixel::YUV420P10LE, 1280, 720, [721, 512, 512]);
    hlg.set_color_transfer_characteristic(Transfer::ARIB_STD_B67);
    check("HLG", hlg, [180, 128, 128], 1);
}

#[test]
fn tags_that_name_no_conversion_are_taken_for_silence() {
    let mut odd = flat(Pixel::YUV420P, 1280, 720, [180, 100, 90]);
    odd.set_color_space(ffmpeg::color::Space::SMPTE2085);
    odd.set_color_primaries(ffmpeg::color::Primaries::SMPTE428);
    assert_eq!(centre(&make(&Arc::new(odd), (320, 180))), [180, 100, 90]);
}

#[test]
fn another_shape_gets_black_around_it() {
    let narrow = Arc::new(flat(Pixel::YUV420P, 960, 720, [180, 100, 90]));
    let out = make(&narrow, (1280, 720));
    assert_eq!(centre(&out), [180, 100, 90]);
    let (luma, _) = raw::plane(&out, 0, 1280, 720).expect("a whole plane");
    assert_eq!((luma[0], luma[158], luma[170], luma[1279]), (16, 16, 180, 16));
    let (cb, _) = raw::plane(&out, 1, 640, 360).expect("a whole plane");
    assert_eq!((cb[0], cb[100]), (128, 100));
}

#[test]
fn odd_cropped_and_packed_sources() {
    let odd = Arc::new(flat(Pixel::YUV420P, 853, 479, [180, 128, 128]));
    assert_eq!(centre(&make(&odd, (426, 240)))[0], 180);
    let packed = Arc::new(Video::new(Pixel::RGB24, 640, 360));
    let error = chain(&[(320, 180)]).expect("a chain").scale(&packed).err().expect("it is refused");
    assert!(error.to_string().contains("rgb24 640x360"), "{error}");
    assert!(matches!(chain(&[(321, 180)]), Err(DownscaleError::Size { width: 321, .. })));
    // A picture whose rows start at an odd address is copied first, and comes out the same.
    let plain = pattern(640, 360, 5);
    let mut shifted = Video::new(Pixel::YUV420P, 642, 360);
    for (plane, half) in [(0, 0), (1, 1), (2, 1)] {
        let (w, h) = (640usize >> half, 360usize >> half);
        let (from, from_stride) = raw::plane(&plain, plane, w, h).expect("a whole plane");
        let stride = shifted.stride(plane);
        let to = shifted.data_mut(plane);
        for y in 0..h {
            to[y * stride + (2 >> half)..][..w].copy_from_slice(&from[y * from_stride..][..w]);
        }
    }
    raw::tag(&mut shifted, VideoRange::Sdr);
    let shifted = raw::testing::cropped_left(&shifted, 2);
    assert_eq!((shifted.width(), shifted.height()), (640, 360));
    assert_eq!(hash_pictures(&[Picture::Cpu(make(&Arc::new(shifted), (320, 180)))]), hash_pictures(&[Picture::Cpu(make(&plain, (320, 180)))]));
}

/// Against libav's own converter, which shares no code with zimg.
#[test]
fn real_sources_look_as_in_swscale() {
    for (clip, size, floor) in [
        ("gopro_480p2997_aac_tmcd_gpmf_12s.mp4", (640, 360), 36.0),
        ("svt_testcard_720p50_422p10_8mono_aac_10s.mp4", (640, 360), 30.0),
        ("h264_vfr_screenrec_3026x1386.mp4", (1280, 586), 30.0),
        ("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts", (1024, 576), 34.0),
        ("tos_1080p2997_aac_8s_ctawave_fmp4.mp4", (640, 360), 36.0),
    ] {
        let Some(source) = decode(clip, 2, 1).map(|mut v| v.remove(0)) else { continue };
        let ours = make(&source, size);
        let theirs = raw::testing::swscale_bt709(&source, size);
        let quality = psnr(&ours, &theirs);
        eprintln!("{clip}: {quality:.2} dB");
        assert!(quality > floor, "{clip}: {quality} dB");
    }
}

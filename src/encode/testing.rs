//! Pictures and renditions for tests: real clips where they are there, and decoding of what was encoded.

use super::{Packet, annexb};
use crate::colour::{HdrMetadata, Signal, Target, VideoRange};
use crate::ffmpeg as raw;
use crate::frame::{Frame, Length, Origin, Picture, SideData};
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crate::time::{Grid, Rate, Slot};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::frame::Video;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A clip of the shared media folder, or `None` with a message where it is not there.
pub fn clip(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/media").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// Up to `count` pictures of a clip, after `skip`, with no picture type left from their source.
pub fn decode(name: &str, skip: usize, count: usize) -> Option<Vec<Arc<Video>>> {
    let path = clip(name)?;
    ffmpeg::log::set_level(ffmpeg::log::Level::Fatal);
    let mut input = ffmpeg::format::input(&path).expect("the clip opens");
    let stream = input.streams().best(ffmpeg::media::Type::Video).expect("it has video");
    let (index, parameters) = (stream.index(), stream.parameters());
    let mut decoder = ffmpeg::codec::Context::from_parameters(parameters).expect("parameters").decoder().video().expect("a decoder");
    let (mut pictures, mut seen) = (Vec::new(), 0);
    let mut take = |decoder: &mut ffmpeg::decoder::Video, pictures: &mut Vec<Arc<Video>>| {
        let mut frame = Video::empty();
        while pictures.len() < count && decoder.receive_frame(&mut frame).is_ok() {
            seen += 1;
            if seen > skip {
                pictures.push(Arc::new(std::mem::replace(&mut frame, Video::empty())));
            }
        }
    };
    for (stream, packet) in input.packets() {
        if stream.index() == index && decoder.send_packet(&packet).is_ok() {
            take(&mut decoder, &mut pictures);
        }
        if pictures.len() == count {
            return Some(pictures);
        }
    }
    let _ = decoder.send_eof();
    take(&mut decoder, &mut pictures);
    Some(pictures)
}

/// A moving pattern, for tests that must run without clips.
pub fn pattern(width: u32, height: u32, number: u32) -> Arc<Video> {
    let pool = raw::FramePool::new(width, height, Signal::SDR).expect("a legal size");
    let mut frame = pool.get().expect("memory");
    for (index, (plane, stride)) in raw::planes_mut(&mut frame).expect("ours alone").into_iter().enumerate() {
        for (y, row) in plane.chunks_mut(stride).enumerate() {
            for (x, sample) in row.iter_mut().enumerate() {
                let wave = (x as u32 + 3 * number) ^ (y as u32 + number);
                *sample = if index == 0 { 16 + (wave * 7 % 219) as u8 } else { 128 + (number % 16) as u8 };
            }
        }
    }
    Arc::new(frame)
}

/// Pictures of 8-bit SDR.
pub fn sdr((width, height): (u32, u32)) -> Target {
    Target { width, height, signal: Signal::SDR }
}

/// The same pattern in 10 bits, with what 8 bits cannot say in the lowest two.
pub fn pattern10(width: u32, height: u32, number: u32) -> Arc<Video> {
    let signal = Signal { depth: 10, range: VideoRange::Sdr };
    let mut frame = raw::FramePool::new(width, height, signal).and_then(|pool| pool.get()).expect("memory");
    for (index, (plane, stride)) in raw::planes_mut(&mut frame).expect("ours alone").into_iter().enumerate() {
        for (y, row) in plane.chunks_mut(stride).enumerate() {
            for (x, sample) in row.chunks_exact_mut(2).enumerate() {
                let wave = (x as u32 + 3 * number) ^ (y as u32 + number);
                let value = if index == 0 { 64 + (wave * 7 % 876) as u16 } else { 512 + (number % 64) as u16 };
                sample.copy_from_slice(&value.to_le_bytes());
            }
        }
    }
    Arc::new(frame)
}

/// An AVC rendition.
pub fn rendition(size: (u32, u32), rate: Rate, gop_slots: u32, max_bitrate: u64, backends: &[&str]) -> Rendition {
    Rendition {
        name: "avc-test".to_owned(),
        codec: VideoCodec::Avc,
        width: size.0,
        height: size.1,
        grid: Grid { rate, gop_slots },
        depth: 8,
        range: VideoRange::Sdr,
        hdr: HdrMetadata::default(),
        max_bitrate,
        quality: 23.0,
        point: "veryfast".to_owned(),
        backends: backends.iter().map(|b| (*b).to_owned()).collect(),
        lanes: 1,
        devices: Vec::new(),
    }
}

/// Pictures on the slots from `first` on.
pub fn frames(grid: Grid, first: i64, pictures: &[Arc<Video>]) -> Vec<Frame> {
    let on = |(i, picture): (usize, &Arc<Video>)| {
        let slot = Slot(first + i as i64);
        Frame {
            slot,
            gop: grid.gop(slot),
            opens_gop: grid.index(slot) == 0,
            force_idr: false,
            last: false,
            length: Length::Whole,
            picture: Picture::Cpu(Arc::clone(picture)),
            origin: Origin::Input,
            damaged: false,
            side: Arc::new(SideData::default()),
        }
    };
    pictures.iter().enumerate().map(on).collect()
}

/// Decodes AVC samples with the parameter sets of `avcc`; the pictures in order of presentation. Panics on any decoder error.
pub fn decode_samples(avcc: &[u8], packets: &[Packet]) -> Vec<Video> {
    decode_with(VideoCodec::Avc, avcc, packets)
}

/// Decodes samples of any codec with its configuration record.
pub fn decode_with(codec: VideoCodec, config: &[u8], packets: &[Packet]) -> Vec<Video> {
    let id = match codec {
        VideoCodec::Avc => ffmpeg::codec::Id::H264,
        VideoCodec::Hevc => ffmpeg::codec::Id::HEVC,
        VideoCodec::Av1 => ffmpeg::codec::Id::AV1,
    };
    let codec = ffmpeg::decoder::find(id).expect("libav decodes it");
    let mut context = ffmpeg::codec::Context::new_with_codec(codec);
    raw::set_extradata(&mut context, config).expect("memory");
    let mut options = ffmpeg::Dictionary::new();
    options.set("err_detect", "explode");
    let mut decoder = context.decoder().open_as_with(codec, options).expect("the decoder takes the avcC").video().expect("video");
    let mut pictures = Vec::new();
    let mut take = |decoder: &mut ffmpeg::decoder::Video| {
        let mut frame = Video::empty();
        while decoder.receive_frame(&mut frame).is_ok() {
            assert!(!frame.is_corrupt() && !frame.has_decode_errors(), "a damaged picture");
            pictures.push(std::mem::replace(&mut frame, Video::empty()));
        }
    };
    for (dts, packet) in packets.iter().enumerate() {
        let mut sample = ffmpeg::Packet::copy(&packet.data);
        sample.set_pts(Some(packet.time));
        sample.set_dts(Some(dts as i64));
        decoder.send_packet(&sample).expect("every sample decodes");
        take(&mut decoder);
    }
    decoder.send_eof().expect("the decoder drains");
    take(&mut decoder);
    pictures
}

/// What `work` gives while two threads keep the processors busy.
pub fn under_load<T>(work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut x = 1u64;
                while !stop.load(Ordering::Relaxed) {
                    x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                }
            });
        }
        let done = work();
        stop.store(true, Ordering::Relaxed);
        done
    })
}

/// NAL unit types of a sample.
pub fn kinds(packet: &Packet) -> Vec<u8> {
    annexb::sample_units(&packet.data).map(annexb::kind).collect()
}

/// A hash over times, flags and bytes of packets.
pub fn hash(packets: &[Packet]) -> String {
    let mut hash = Sha256::new();
    for packet in packets {
        hash.update(packet.time.to_be_bytes());
        hash.update([u8::from(packet.idr)]);
        hash.update((packet.data.len() as u64).to_be_bytes());
        hash.update(&packet.data);
    }
    hex(&hash.finalize())
}

/// A hash over the visible samples of 4:2:0 pictures of 8 or 10 bits.
pub fn hash_pictures(pictures: &[Picture]) -> String {
    let mut hash = Sha256::new();
    for picture in pictures.iter().map(|picture| picture.host().expect("a host copy")) {
        let bytes = if raw::layout(picture).is_some_and(|layout| layout.depth > 8) { 2 } else { 1 };
        for (plane, half) in [(0, 0), (1, 1), (2, 1)] {
            let (width, height) = ((picture.width() >> half) as usize * bytes, (picture.height() >> half) as usize);
            let (data, stride) = raw::plane(picture, plane, width, height).expect("a whole plane");
            data.chunks(stride).for_each(|row| hash.update(&row[..width]));
        }
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// PSNR of the luma of two pictures of one size, in dB.
pub fn psnr(a: &Video, b: &Video) -> f64 {
    let (width, height) = (a.width() as usize, a.height() as usize);
    let of = |f| raw::plane(f, 0, width, height).expect("a whole plane");
    let ((a, a_stride), (b, b_stride)) = (of(a), of(b));
    let mut sum = 0u64;
    for (a, b) in a.chunks(a_stride).zip(b.chunks(b_stride)) {
        sum += a[..width].iter().zip(&b[..width]).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>();
    }
    10.0 * (255.0f64.powi(2) * (width * height) as f64 / (sum as f64).max(1e-9)).log10()
}

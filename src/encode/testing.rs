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
        bitrate: None,
        point: "veryfast".to_owned(),
        backends: backends.iter().map(|b| (*b).to_owned()).collect(),
        lanes: 1,
        half_rate: false,
        chunk: None,
        latency: Default::default(),
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
            missed: false,
            path: 0,
            sight: Default::default(),
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

/// PSNR of the luma of two pictures of one size and depth, in dB.
pub fn psnr(a: &Video, b: &Video) -> f64 {
    assert_eq!(a.format(), b.format());
    let deep = a.format() == ffmpeg::format::Pixel::YUV420P10LE;
    let (width, height) = (a.width() as usize, a.height() as usize);
    let row = if deep { 2 * width } else { width };
    let of = |f| raw::plane(f, 0, row, height).expect("a whole plane");
    let ((a, a_stride), (b, b_stride)) = (of(a), of(b));
    let mut sum = 0u64;
    for (a, b) in a.chunks(a_stride).zip(b.chunks(b_stride)) {
        let (a, b) = (&a[..row], &b[..row]);
        sum += match deep {
            true => a
                .chunks_exact(2)
                .zip(b.chunks_exact(2))
                .map(|(a, b)| u64::from(u16::from_le_bytes([a[0], a[1]]).abs_diff(u16::from_le_bytes([b[0], b[1]]))).pow(2))
                .sum::<u64>(),
            false => a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>(),
        };
    }
    let peak = if deep { 1020.0f64 } else { 255.0 };
    10.0 * (peak.powi(2) * (width * height) as f64 / (sum as f64).max(1e-9)).log10()
}

/// One segment that a rung made: its number, what it holds, and how often it was encoded.
#[derive(Clone, Debug)]
pub struct Made {
    pub gop: i64,
    pub packets: Vec<Packet>,
    pub units: u32,
    pub attempts: u32,
    pub config: Vec<u8>,
}

impl Made {
    /// Its bits, boxes included, to what `bitrate` has for its duration.
    pub fn share(&self, of: &Rendition, bitrate: u64) -> f64 {
        let bytes = self.packets.iter().map(|p| p.data.len() as u64).sum::<u64>() + super::container_bytes(self.units);
        let rate = of.grid.rate;
        8.0 * bytes as f64 * f64::from(rate.num()) / (bitrate as f64 * f64::from(self.units) * f64::from(rate.den()))
    }
}

/// What a rung publishes of pictures, through its queue and its runner, to the end of the event: the last GOP may be short, as the frames of it say beforehand.
pub fn publish(of: &Rendition, pictures: &[Arc<Video>]) -> Vec<Made> {
    publish_and_count(of, pictures).0
}

/// As [`publish`], and how many segments were counted as over their cap.
pub fn publish_and_count(of: &Rendition, pictures: &[Arc<Video>]) -> (Vec<Made>, u64) {
    use super::{Recipe, ToMux, TrackId, find, queue::RungQueue, served::Served};
    let config = find(&of.backends[0]).expect("it is there").open(of, &Recipe::of(of)).expect("it opens").config;
    let served = Served { rendition: of.clone(), configs: vec![config.clone()], config: config.clone() };
    let (tx, rx) = crossbeam::channel::unbounded();
    let (mut queue, lanes, counters) =
        RungQueue::open(&served, TrackId(0), crate::shard::Part::all(), crate::job::Pace::Fast, &tx, &Arc::default(), &Arc::default());
    drop(tx);
    let threads: Vec<_> = lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run())).collect();
    let (whole, short) = (pictures.len() / of.grid.gop_slots as usize * of.grid.gop_slots as usize, pictures.len() as u32 % of.grid.gop_slots);
    for (i, mut frame) in frames(of.grid, 0, pictures).into_iter().enumerate() {
        (frame.length, frame.last) = (if i >= whole { Length::Short(short) } else { Length::Whole }, i + 1 == pictures.len());
        queue.send(frame).expect("the lane takes it");
    }
    queue.end(crate::frame::End::Ended).expect("the lane takes the end");
    drop(queue);
    threads.into_iter().for_each(|t| t.join().expect("no panic").expect("no error"));
    let mut all = std::collections::BTreeMap::<(i64, u32), Vec<Packet>>::new();
    let mut out = Vec::new();
    for message in rx {
        match message {
            ToMux::Packet { gop, attempt, packet, .. } => all.entry((gop.0, attempt)).or_default().push(packet),
            ToMux::Done { gop, attempt, stats, .. } => {
                let packets = all.remove(&(gop.0, attempt)).unwrap_or_default();
                out.push(Made { gop: gop.0, packets, units: stats.units, attempts: attempt + 1, config: config.clone() });
            }
            ToMux::Skipped { gop, why, .. } => panic!("segment {gop} was left out: {why:?}"),
            ToMux::Told { .. } | ToMux::Backend { .. } => {}
            ToMux::Continue { gop, attempt, from, .. } => {
                let kept: Vec<Packet> = all.get(&(gop.0, attempt - 1)).into_iter().flatten().take(from as usize).cloned().collect();
                all.insert((gop.0, attempt), kept);
            }
            ToMux::Void { .. } | ToMux::First { .. } | ToMux::Absent { .. } | ToMux::End { .. } => {}
        }
    }
    (out, counters.over_cap.load(Ordering::Relaxed))
}

/// Pictures in another size.
pub fn scaled(pictures: &[Arc<Video>], size: (u32, u32)) -> Vec<Arc<Video>> {
    let mut chain = crate::downscale::Chain::new(&[sdr(size)], &HdrMetadata::default()).expect("a chain");
    pictures.iter().map(|p| chain.scale(p).expect("it scales").remove(0)).map(|p| Arc::clone(p.host().expect("it is in host memory"))).collect()
}

/// Noise of 8 bits, from a linear congruential generator.
pub fn noise(size: (u32, u32), number: u64) -> Arc<Video> {
    let mut frame = raw::FramePool::new(size.0, size.1, Signal::SDR).and_then(|pool| pool.get()).expect("memory");
    let mut state = number + 1;
    for (plane, _) in raw::planes_mut(&mut frame).expect("ours alone") {
        for sample in plane {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *sample = 16 + (state >> 33) as u8 % 220;
        }
    }
    Arc::new(frame)
}

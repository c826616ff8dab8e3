//! Sizes made on a device: Mesa's Vulkan, which needs no graphics processor. Skipped where it is not installed.

use super::Beside;
use super::device::Sizes;
use super::slate::Slates;
use super::stage::Made;
use super::{Chain, DownscaleError, run};
use crate::colour::{HdrMetadata, Signal, Target, VideoRange};
use crate::decode::filler::Filler;
use crate::encode::queue::RungQueue;
use crate::encode::testing::{decode_samples, frames, psnr, rendition, sdr};
use crate::encode::{Recipe, ToMux, TrackId, served};
use crate::ffmpeg::{self as raw, FramePool};
use crate::frame::{End, Flow, Frame, Picture};
use crate::job::Pace;
use crate::plan::Rendition;
use crate::shard::Part;
use crate::sight::Watcher;
use crate::time::Rate;
use crossbeam::channel::{bounded, unbounded};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use hwaccel::device::{Device, Name};
use hwaccel::frames::Frames;
use hwaccel::semiplanar::from_planar;
use hwaccel::surface::Surface;
use std::sync::Arc;

const NAME: Name = Name::Vulkan(0);
const SIZE: (u32, u32) = (640, 360);

fn device() -> Option<Arc<Device>> {
    Device::shared(&NAME).inspect_err(|error| eprintln!("skipped: {error}")).ok()
}

/// Waves that any scaler keeps, tagged as a rung's pictures are.
fn picture(number: u32) -> Arc<Video> {
    let mut frame = FramePool::new(SIZE.0, SIZE.1, Signal::SDR).and_then(|pool| pool.get()).expect("memory");
    for (index, (plane, stride)) in raw::planes_mut(&mut frame).expect("ours alone").into_iter().enumerate() {
        for (y, row) in plane.chunks_mut(stride).enumerate() {
            for (x, sample) in row.iter_mut().enumerate() {
                let wave = ((x as f32 / 40.0).sin() + ((y as u32 + 3 * number) as f32 / 30.0).cos()) * 50.0;
                *sample = if index == 0 { (126.0 + wave) as u8 } else { (128.0 + wave / 3.0) as u8 };
            }
        }
    }
    Arc::new(frame)
}

/// A pool as a decoder has one.
struct Decoder(Frames);

impl Decoder {
    fn new(device: &Arc<Device>) -> Decoder {
        Decoder(Frames::new(device, SIZE, Pixel::NV12, 8).expect("a pool"))
    }

    fn gives(&self, picture: &Video) -> Arc<Surface> {
        let semi = from_planar(picture).expect("a known format");
        let mut up = self.0.upload(&semi).expect("it goes up");
        raw::copy_properties(picture, &mut up).expect("memory");
        match Picture::of(Arc::new(up)) {
            Picture::Device(surface) => surface,
            Picture::Cpu(_) => panic!("it is on the device"),
        }
    }
}

fn made(targets: &[Target], room: &[usize], copied: &[bool]) -> Made {
    let chain = Chain::new(targets, &HdrMetadata::default()).expect("legal");
    Made { chain, sizes: Sizes::new(targets, room), copied: copied.to_vec(), last: None }
}

fn of(made: &mut Made, source: &Picture) -> Result<Vec<Picture>, DownscaleError> {
    let all = vec![true; made.copied.len()];
    Ok(made.of(source, &all)?.into_iter().flatten().collect())
}

fn surface(picture: &Picture) -> &Arc<Surface> {
    match picture {
        Picture::Device(surface) => surface,
        Picture::Cpu(_) => panic!("in host memory"),
    }
}

#[test]
fn a_device_makes_what_the_host_makes_but_for_its_scaler() {
    let Some(device) = device() else { return };
    let decoder = Decoder::new(&device);
    let deep = Target { width: 320, height: 180, signal: Signal { depth: 10, range: VideoRange::Sdr } };
    let targets = [sdr(SIZE), sdr((320, 180)), sdr((160, 90)), deep, sdr((320, 240))];
    let mut made = made(&targets, &[0; 5], &[true; 5]);
    let mut host = Chain::new(&targets, &HdrMetadata::default()).expect("legal");
    for number in 0..3 {
        let (picture, source) = (picture(number), decoder.gives(&picture(number)));
        let pictures = of(&mut made, &Picture::Device(Arc::clone(&source))).expect("it scales");
        let wanted = host.scale(&picture).expect("it scales");
        let where_made: Vec<bool> = pictures.iter().map(|p| matches!(p, Picture::Device(_))).collect();
        assert_eq!(where_made, [true, true, true, false, false], "another depth, and black above and below, are the host's");
        for (index, (got, wanted)) in pictures.iter().zip(&wanted).enumerate() {
            let (got, wanted) = (got.host().expect("a copy"), wanted.host().expect("in host memory"));
            assert_eq!((got.width(), got.height(), got.format()), (targets[index].width, targets[index].height, wanted.format()));
            let near = if index == 3 { f64::INFINITY } else { psnr(got, wanted) };
            assert!(near > 40.0, "{number}, target {index}: {near} dB");
        }
        assert!(Arc::ptr_eq(surface(&pictures[0]), &source), "the source's own size is not copied on the device for software");
        let again = of(&mut made, &Picture::Device(source)).expect("it is known");
        assert!(Arc::ptr_eq(surface(&again[1]), surface(&pictures[1])), "a repeat costs nothing");
    }
}

#[test]
fn software_rungs_share_one_copy_and_rungs_on_the_device_get_none_until_there_is_no_room() {
    let Some(device) = device() else { return };
    let decoder = Decoder::new(&device);
    let targets = [sdr(SIZE), sdr((320, 180))];
    let mut made = made(&targets, &[2, 0], &[false, true]);
    let mut held = Vec::new();
    for number in 0..4 {
        let source = decoder.gives(&picture(number));
        let pictures = of(&mut made, &Picture::Device(Arc::clone(&source))).expect("it scales");
        let large = made.for_rung(&pictures[0], 0, Some(&NAME));
        let small: Vec<Picture> = (0..2).map(|_| made.for_rung(&pictures[1], 1, None)).collect();
        let copies: Vec<&Arc<Video>> = small.iter().map(|p| p.host().expect("a copy")).collect();
        assert!(matches!(small[0], Picture::Cpu(_)) && Arc::ptr_eq(copies[0], copies[1]), "one copy for both");
        match &large {
            Picture::Device(surface) => {
                assert!(number < 2, "there is room for two");
                assert!(!surface.is_of_the_pool_of(&source) && !surface.is_copied() && !source.is_copied(), "a copy on the device, and none in host memory");
            }
            Picture::Cpu(copy) => assert!(number >= 2 && psnr(copy, &picture(number)) > 40.0, "beyond it the host's copy"),
        }
        // A rung whose encoder is elsewhere.
        assert!(matches!(made.for_rung(&pictures[0], 0, Some(&Name::Cuda(0))), Picture::Cpu(_)));
        held.push(large);
    }
    held.clear();
    let pictures = of(&mut made, &Picture::Device(decoder.gives(&picture(9)))).expect("it scales");
    assert!(matches!(made.for_rung(&pictures[0], 0, Some(&NAME)), Picture::Device(_)), "room that is given back is used again");
}

/// Pictures of a kind that the device does not scale, and that has no copy in host memory: what a device that is lost looks like from here.
#[test]
fn a_picture_that_the_device_does_not_give_up_is_shown_as_the_one_before_it_or_black() {
    let Some(device) = device() else { return };
    let decoder = Decoder::new(&device);
    let odd = Frames::new(&device, SIZE, Pixel::YUV444P, 2).expect("a pool");
    let lost = || {
        let mut host = Video::new(Pixel::YUV444P, SIZE.0, SIZE.1);
        (0..3).for_each(|plane| host.data_mut(plane).fill(90));
        Picture::of(Arc::new(odd.upload(&host).expect("it goes up")))
    };
    let mut made = made(&[sdr((320, 180))], &[0], &[true]);
    let black = of(&mut made, &lost()).expect("black");
    assert!(black[0].host().expect("in host memory").data(0).iter().take(320).all(|sample| *sample == 16));
    let good = of(&mut made, &Picture::Device(decoder.gives(&picture(1)))).expect("it scales");
    let again = of(&mut made, &lost()).expect("the one before");
    assert!(Arc::ptr_eq(good[0].host().expect("a copy"), again[0].host().expect("a copy")));
    let after = of(&mut made, &Picture::Device(decoder.gives(&picture(2)))).expect("made on the host, if not on the device");
    assert!(!Arc::ptr_eq(after[0].host().expect("a copy"), good[0].host().expect("a copy")));
}

/// The stage with software rungs, fed from the device and from the host: the same segments, but for the scaler.
#[test]
fn rungs_in_software_encode_what_was_scaled_on_the_device() {
    let Some(device) = device() else { return };
    let decoder = Decoder::new(&device);
    let rate = Rate::new(25, 1).expect("legal");
    let sizes = [SIZE, (320, 180)];
    let (mux_tx, mux_rx) = unbounded();
    let (tx, rx) = bounded(4);
    let (mut rungs, mut threads, mut configs) = (Vec::new(), Vec::new(), Vec::new());
    for (index, size) in sizes.into_iter().enumerate() {
        // Fine enough that what differs is the scaler.
        let of = Rendition { quality: 10.0, ..rendition(size, rate, 10, 8_000_000, &["x264"]) };
        let served = served::open(&of, &Recipe::of(&of)).expect("x264 opens");
        let (queue, lanes, _) = RungQueue::open(&served, TrackId(index), Part::all(), Pace::Fast, &mux_tx, &Arc::default(), &Arc::default());
        configs.push(served.config.clone());
        rungs.push(queue);
        threads.extend(lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run())));
    }
    drop(mux_tx);
    let watcher = Watcher::new(rendition(SIZE, rate, 10, 1, &[]).grid);
    let stage = std::thread::spawn(move || run(&rx, &sizes.map(sdr), &HdrMetadata::default(), beside(watcher), rungs));
    let pictures: Vec<Arc<Video>> = (0..25).map(picture).collect();
    for (frame, picture) in frames(rendition(SIZE, rate, 10, 1, &[]).grid, 0, &pictures).into_iter().zip(&pictures) {
        tx.send(Flow::Item(Frame { picture: Picture::Device(decoder.gives(picture)), ..frame })).expect("the stage runs");
    }
    tx.send(Flow::End(End::Ended)).expect("the stage runs");
    assert!(matches!(stage.join().expect("no panic"), Ok(())));
    assert!(threads.into_iter().all(|thread| thread.join().expect("no panic").is_ok()));
    let messages: Vec<ToMux> = mux_rx.iter().collect();
    let mut chain = Chain::new(&sizes.map(sdr), &HdrMetadata::default()).expect("legal");
    for (index, config) in configs.iter().enumerate() {
        let packets: Vec<_> = messages
            .iter()
            .filter_map(|message| match message {
                ToMux::Packet { track, packet, .. } if *track == TrackId(index) => Some(packet.clone()),
                _ => None,
            })
            .collect();
        let decoded = decode_samples(config, &packets);
        assert_eq!(decoded.len(), 25);
        for (got, source) in decoded.iter().zip(&pictures) {
            let wanted = chain.scale(source).expect("it scales");
            let near = psnr(got, wanted[index].host().expect("in host memory"));
            assert!(near > 35.0, "rung {index}: {near} dB");
        }
    }
}

#[test]
fn an_error_of_the_host_is_no_error_of_the_device() {
    let Some(device) = device() else { return };
    let decoder = Decoder::new(&device);
    let mut made = made(&[sdr((320, 180))], &[0], &[true]);
    let mut wide = Video::new(Pixel::YUV420P, 1, 1);
    (0..3).for_each(|plane| wide.data_mut(plane).fill(0));
    assert!(matches!(of(&mut made, &Picture::Cpu(Arc::new(wide))), Err(DownscaleError::Pixels { .. })));
    assert!(of(&mut made, &Picture::Device(decoder.gives(&picture(0)))).is_ok());
}

/// None are asked for.
fn beside(watcher: Watcher) -> Beside {
    Beside { slates: Slates::new(Arc::default(), Filler::default()), watcher, tap: None, burst: None, governor: None }
}

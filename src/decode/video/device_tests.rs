//! The way back to the host, with libav's own decoders and callback on a device that decodes nothing: Mesa's Vulkan, which needs no graphics processor.

use super::super::SourcePicture;
use super::*;
use crate::capture::media_tests::{open_path, read_all};
use crate::capture::{Kind, Source};
use crate::time::Seconds;
use hwaccel::device::Name;
use sha2::{Digest, Sha256};
use std::path::Path;

/// AVC, 75 pictures, the second key picture at 50.
const CLIP: &str = "testdata/zoom-360p50.ts";

fn device() -> Option<Arc<Device>> {
    Device::shared(&Name::Vulkan(0)).inspect_err(|error| eprintln!("skipped: {error}")).ok()
}

fn opened(path: &str) -> (Source, Vec<Unit>) {
    let (source, mut input) = open_path(Path::new(path)).expect("it opens");
    let units = read_all(input.as_mut(), usize::MAX).into_iter().filter(|unit| unit.kind == Kind::Video).collect();
    (source, units)
}

fn line(picture: &SourcePicture) -> (Seconds, bool, bool, Vec<u8>) {
    let mut sha = Sha256::new();
    let video = &picture.picture;
    for row in video.data(0).chunks(video.stride(0)).take(video.height() as usize) {
        sha.update(&row[..video.width() as usize]);
    }
    (picture.pts, picture.key, picture.damaged, sha.finalize().to_vec())
}

fn on_host(source: &Source, units: &[Unit]) -> Vec<SourcePicture> {
    let mut decoder = VideoDecoder::open(&source.video, &source.facts, 2).expect("a decoder");
    let mut out = Vec::new();
    units.iter().for_each(|unit| decoder.push(unit, &mut out));
    decoder.flush(&mut out);
    out
}

/// A decoder that was told to work on a device that does not take the stream: libav's callback is asked, and answers with the host's format.
fn on_device(source: &Source, device: &Arc<Device>) -> VideoDecoder {
    let decoder = VideoDecoder::open(&source.video, &source.facts, 2).expect("a decoder");
    let decoder = decoder.on_by(ffmpeg::decoder::find(source.video.parameters.id()), device, &source.video, 2);
    assert!(decoder.device.is_some());
    decoder
}

#[test]
fn a_stream_that_the_device_does_not_take_is_decoded_on_the_host_from_its_first_packet_on() {
    let Some(device) = device() else { return };
    let (source, units) = opened(CLIP);
    for units in [&units[..], &units[..1]] {
        let mut decoder = on_device(&source, &device);
        let mut out = Vec::new();
        units.iter().for_each(|unit| decoder.push(unit, &mut out));
        decoder.flush(&mut out);
        let wanted: Vec<_> = on_host(&source, units).iter().map(line).collect();
        assert_eq!(out.iter().map(line).collect::<Vec<_>>(), wanted, "of {} packets", units.len());
        assert!(decoder.device.is_none() && !wanted.is_empty());
        assert_eq!((decoder.counters().left_device, decoder.counters().errors, decoder.counters().lost), (1, 0, 0));
    }
}

/// As where a device fails in the middle: pictures go on until the next random-access point, and from there on they are the host's.
#[test]
fn a_device_that_fails_later_is_left_at_the_next_key_picture() {
    let Some(device) = device() else { return };
    let (source, units) = opened(CLIP);
    let mut decoder = on_device(&source, &device);
    decoder.device.as_mut().expect("on a device").untried = None;
    let (mut out, mut left_at) = (Vec::new(), None);
    for (at, unit) in units.iter().enumerate() {
        decoder.push(unit, &mut out);
        if decoder.device.is_none() {
            left_at = left_at.or(Some(at));
        }
    }
    decoder.flush(&mut out);
    let keys: Vec<usize> = units.iter().enumerate().filter(|(_, unit)| unit.packet.is_key()).map(|(at, _)| at).collect();
    assert_eq!(left_at, keys.get(1).copied(), "the first key packet after the first picture");
    let wanted: Vec<_> = on_host(&source, &units).iter().map(line).collect();
    assert_eq!(out.iter().map(line).collect::<Vec<_>>(), wanted, "without a hole, and undamaged");
    assert_eq!(decoder.counters().left_device, 1);
}

#[test]
fn a_decoder_is_left_for_its_own_failure_and_not_for_a_few_damaged_packets() {
    let Some(device) = device() else { return };
    let (source, _) = opened(CLIP);
    let fresh = || on_device(&source, &device).device.expect("on a device");
    let mut damaged = fresh();
    (1..REFUSED).for_each(|_| damaged.failed(&ffmpeg::Error::InvalidData));
    assert_eq!(damaged.leaving, None);
    damaged.failed(&ffmpeg::Error::InvalidData);
    assert!(damaged.leaving.is_some_and(|why| why.contains("in a row")));
    let mut broken = fresh();
    broken.failed(&ffmpeg::Error::External);
    assert!(broken.leaving.is_some_and(|why| why.starts_with("it fails: ")));
}

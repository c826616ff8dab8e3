//! Pipelines of GStreamer's own elements as inputs.

use crate::capture::media_tests::{clip, raised_after};
use crate::capture::{CaptureError, Input, Kind, Lost, Opened, Origin, Read, Unit, open};
use crate::decode::video::VideoDecoder;
use crate::job::{Pace, Select};
use crate::stop::Stop;
use crate::time::Seconds;
use gstreamer as gst;
use std::time::Duration;

fn try_open(description: &str, stop: &Stop) -> Opened {
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Quiet);
    open(&format!("gst:{description}"), Pace::Live, &Select::default(), stop)
}

/// Whether the machine has an element; a word where it has not.
fn has(element: &str) -> bool {
    gst::init().expect("GStreamer starts");
    let there = gst::ElementFactory::find(element).is_some();
    if !there {
        eprintln!("skipped: there is no GStreamer element {element}");
    }
    there
}

fn read_to_the_end(input: &mut dyn Input) -> Vec<Unit> {
    let mut units = Vec::new();
    loop {
        match input.read().expect("it does not break") {
            Read::Unit(unit) => units.push(unit),
            Read::Lost(lost) => panic!("{lost:?}"),
            Read::End => return units,
            Read::Stopped => panic!("nobody asked for it"),
        }
    }
}

#[test]
fn raw_pictures_come_without_their_padding() {
    for (format, planes) in [("I420", 3), ("NV12", 3), ("Y42B", 3), ("UYVY", 3), ("P010_10LE", 3), ("I420_10LE", 3)] {
        // A row of 50 pixels is padded to 52 bytes; were padding taken for samples, the picture would lean.
        let description = format!("videotestsrc num-buffers=4 pattern=smpte ! video/x-raw,format={format},width=50,height=38,framerate=30000/1001");
        let (source, mut input) = try_open(&description, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((source.facts.width, source.facts.height, source.facts.rate.to_string().as_str()), (50, 38, "30000/1001"));
        assert_eq!(source.origin, Origin::Live { wrap: None });
        let units = read_to_the_end(input.as_mut());
        assert_eq!(units.iter().map(|u| u.packet.pts().expect("stamped")).collect::<Vec<_>>(), [0, 33_366_666, 66_733_333, 100_100_000], "{format}");
        let mut decoder = VideoDecoder::open(&source.video, &source.facts, 1).expect("it opens");
        let mut pictures = Vec::new();
        units.iter().for_each(|unit| decoder.push(unit, &mut pictures));
        decoder.flush(&mut pictures);
        assert_eq!(pictures.len(), 4, "{format}");
        let picture = &pictures[0].picture;
        assert_eq!(picture.planes(), planes, "{format}");
        // The upper two thirds are seven upright bars: every row there is like the first.
        let bytes = 50 * if format.contains("10") { 2 } else { 1 };
        let row = |n: usize| picture.data(0).get(n * picture.stride(0)..n * picture.stride(0) + bytes).expect("inside");
        assert!((1..24).all(|n| row(n) == row(0)), "{format}: the bars are not upright");
        assert!(row(0)[..bytes / 7] != row(0)[bytes - bytes / 7..], "{format}: there are bars");
    }
}

#[test]
fn appsinks_bring_coded_pictures_and_sound() {
    if !["x264enc", "h264parse", "avenc_aac", "aacparse"].into_iter().all(has) {
        return;
    }
    let description = "videotestsrc num-buffers=50 ! video/x-raw,width=320,height=180,framerate=25/1 ! x264enc key-int-max=25 bframes=2 ! h264parse ! appsink name=v \
                       audiotestsrc num-buffers=95 ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! aacparse ! appsink name=a";
    let (source, mut input) = try_open(description, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((source.facts.width, source.facts.height, source.facts.sounds[0].sample_rate), (320, 180, Some(48_000)));
    let units = read_to_the_end(input.as_mut());
    let of = |kind| units.iter().filter(move |u| u.kind == kind);
    assert_eq!(of(Kind::Video).count(), 50);
    assert_eq!(of(Kind::Video).filter(|u| u.packet.is_key()).count(), 2);
    assert!(of(Kind::Audio(0)).count() >= 90);
    let mut decoder = VideoDecoder::open(&source.video, &source.facts, 1).expect("it opens");
    let mut pictures = Vec::new();
    of(Kind::Video).for_each(|unit| decoder.push(unit, &mut pictures));
    decoder.flush(&mut pictures);
    assert_eq!((pictures.len(), decoder.counters().errors), (50, 0));
    assert!(pictures.windows(2).all(|w| w[1].pts - w[0].pts == Seconds::new(1, 25)));
}

#[test]
fn a_transport_stream_goes_through_the_demuxer() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let description = format!("filesrc location={} ! video/mpegts", path.display());
    let (source, mut input) = try_open(&description, &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((source.facts.width, source.facts.sounds[0].sample_rate), (1024, Some(48_000)));
    assert_eq!(source.origin, Origin::Live { wrap: Some(Seconds::new(1 << 33, 90_000)) });
    let units = read_to_the_end(input.as_mut());
    assert_eq!(units.iter().filter(|u| u.kind == Kind::Video).count(), 300);
}

#[test]
fn what_is_wrong_is_said_with_the_element_and_what_is_accepted() {
    for (description, said) in [
        ("", "the description is empty"),
        ("nosuchelement ! x", "no element \"nosuchelement\""),
        ("videotestsrc ! fakesink", "could not link"),
        ("filesrc location=/nowhere/at/all", "element filesrc"),
        ("videotestsrc ! jpegenc", "image/jpeg"),
        ("videotestsrc ! video/x-raw,format=AYUV64", "AYUV64"),
        ("audiotestsrc", "there is no video"),
        ("videotestsrc num-buffers=0", "ended before anything came"),
    ] {
        let error = try_open(description, &Stop::new()).err().unwrap_or_else(|| panic!("{description} opened"));
        assert!(matches!(error, CaptureError::Open { .. }) && error.to_string().contains(said), "{description}: {error}");
    }
    let (_, mut input) = try_open("videotestsrc ! identity name=troubled error-after=5", &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    let mut units = 0;
    let error = loop {
        match input.read() {
            Ok(Read::Unit(_)) => units += 1,
            Ok(_) => panic!("an element failed"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CaptureError::Broken { .. }) && error.to_string().contains("element troubled"), "{error}");
    assert!(units >= 4, "{units}");
}

#[test]
fn a_stop_ends_opening_and_reading_at_once() {
    for description in ["udpsrc port=0 caps=video/mpegts", "videotestsrc is-live=true ! video/x-raw,framerate=1/5,width=64,height=64"] {
        let stop = Stop::new();
        let stopper = raised_after(&stop, 700);
        match try_open(description, &stop) {
            Ok((source, mut input)) => {
                assert_eq!(source.origin, Origin::Session, "it is live");
                while !matches!(input.read().expect("it runs"), Read::Stopped) {}
            }
            Err(error) => assert!(error.to_string().contains("stopped"), "{error}"),
        }
        let late = stopper.join().expect("no panic").elapsed();
        assert!(late < Duration::from_millis(100), "{description}: {late:?}");
    }
}

#[test]
fn a_live_pipeline_that_is_not_read_loses_what_is_counted() {
    let (_, mut input) =
        try_open("videotestsrc is-live=true ! video/x-raw,format=I420,width=16,height=16,framerate=1000/1", &Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    assert!(matches!(input.read().expect("it runs"), Read::Unit(_)));
    // More than the queue holds.
    Stop::new().wait(Duration::from_millis(1200));
    let (mut lost, mut read) = (0, 0);
    while lost == 0 && read < 2000 {
        match input.read().expect("it runs") {
            Read::Lost(Lost::Overrun) => lost += 1,
            Read::Unit(_) => read += 1,
            _ => panic!("it runs"),
        }
    }
    assert!(lost > 0, "{read} units and nothing lost");
}

use super::*;
use crate::capture::{self, CaptureCounters, Feed};
use crate::frame::Flow;
use std::time::{Duration, Instant};

fn refused(url: &str, fast: bool) -> String {
    match open(url, if fast { Pace::Fast } else { Pace::Live }, &Select::default(), &Stop::new()) {
        Err(error @ CaptureError::Open { .. }) => error.to_string(),
        Err(error) => panic!("{url}: {error}"),
        Ok(_) => panic!("{url} was accepted"),
    }
}

type Pictures = Vec<(i64, ffmpeg::frame::Video)>;
type Sound = Vec<(i64, Vec<i16>)>;

/// Reads to the end, through libav's own decoders: every picture with its stamp, every packet of sound with its stamp and samples.
fn decoded(url: &str) -> (Pictures, Sound) {
    let (source, mut input) = open(url, Pace::Fast, &Select::default(), &Stop::new()).expect("opens");
    let mut video = codec::Context::from_parameters((*source.video.parameters).clone()).expect("parameters").decoder().video().expect("a decoder");
    let decoder = |a: &Arc<StreamInfo>| codec::Context::from_parameters((*a.parameters).clone()).expect("parameters").decoder().audio().expect("a decoder");
    let mut audio = source.audio.iter().flatten().next().map(decoder);
    let (mut pictures, mut sound, mut last) = (Vec::new(), Vec::new(), Seconds::ZERO);
    loop {
        match input.read().expect("never breaks") {
            Read::End => return (pictures, sound),
            Read::Stopped | Read::Lost(_) => panic!("nobody raised it"),
            Read::Unit(Unit { kind: Kind::Video, packet, .. }) => {
                video.send_packet(&packet).expect("decodes");
                let mut frame = ffmpeg::frame::Video::empty();
                video.receive_frame(&mut frame).expect("one picture a packet");
                let (num, den) = source.video.time_base;
                let time = Seconds::from_ticks(packet.pts().expect("stamped"), num, den).expect("in range");
                assert!(time >= last, "units are in the order of time");
                last = time;
                pictures.push((frame.pts().expect("stamped"), frame));
            }
            Read::Unit(Unit { packet, .. }) => {
                let audio = audio.as_mut().expect("described");
                audio.send_packet(&packet).expect("decodes");
                let mut frame = ffmpeg::frame::Audio::empty();
                audio.receive_frame(&mut frame).expect("one frame a packet");
                assert_eq!((frame.rate(), frame.channels()), (48_000, 2));
                let samples = frame.data(0).chunks_exact(2).take(frame.samples() * 2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
                let end = Seconds::new(i128::from(packet.pts().expect("stamped") + frame.samples() as i64), 48_000);
                assert!(end >= last, "units are in the order of time");
                last = end;
                sound.push((packet.pts().expect("stamped"), samples));
            }
        }
    }
}

#[test]
fn errors_name_the_option_the_value_and_what_is_accepted() {
    for (url, fast, parts) in [
        ("testsrc:colour=red", false, &["\"colour\"", "size=1280x720"][..]),
        ("testsrc:size=1281x720", false, &["size", "\"1281x720\"", "even"]),
        ("testsrc:rate=0", false, &["rate", "\"0\"", "1 to 120"]),
        ("testsrc:rate=25,audio=maybe", false, &["audio", "\"maybe\"", "on or off"]),
        ("testsrc:duration=-3", true, &["duration", "\"-3\"", "more than 0"]),
        ("testsrc:duration=ten", true, &["duration", "\"ten\""]),
        ("testsrc:start=1969-12-31T00:00:00Z,duration=1", true, &["start", "before 1970"]),
        ("testsrc:start=5", false, &["start", "fast"]),
        ("testsrc:size", false, &["size", "\"\""]),
        ("testsrc:,", false, &["\"\" is not an option"]),
    ] {
        let message = refused(url, fast);
        assert!(parts.iter().all(|part| message.contains(part)) && message.contains(url), "{message}");
    }
}

#[test]
fn fast_source_decodes_to_the_pattern_with_utc_stamps() {
    let (pictures, sound) = decoded("testsrc:size=320x180,rate=30000/1001,start=2026-11-21T20:15:30Z,duration=2");
    let start = 1_795_292_130i64;
    // The first slot at or after the start, and as many as begin within two seconds.
    let first = (start * 30_000 + 1000) / 1001;
    let last = ((start + 2) * 30_000 + 1000) / 1001;
    assert_eq!(pictures.iter().map(|p| p.0).collect::<Vec<_>>(), (first..last).collect::<Vec<_>>());
    let pattern = Pattern::new(Size::new(320, 180).expect("legal"), Rate::new(30_000, 1001).expect("legal"));
    let mut want = vec![0; pattern.size().bytes()];
    for (slot, frame) in &pictures {
        pattern.draw(Slot(*slot), &mut want);
        let rows = frame.data(0).chunks(frame.stride(0)).take(180).flat_map(|row| &row[..320]);
        assert!(rows.eq(&want[..320 * 180]), "picture of slot {slot}");
    }
    // Sound: whole packets on their own grid, continuous, to exactly the end, and each sample that of its number.
    assert_eq!(sound[0].0, (start - 1) * 48_000 / 1024 * 1024);
    assert!(sound.windows(2).all(|p| p[0].0 + p[0].1.len() as i64 / 2 == p[1].0));
    assert_eq!(sound.last().map(|p| p.0 + p.1.len() as i64 / 2), Some((start + 2) * 48_000));
    let tone = Tone::new();
    for (first, samples) in &sound {
        assert!((*first..).zip(samples.chunks(2)).all(|(n, pair)| tone.sample(n) == pair), "packet at {first}");
    }
}

#[test]
fn without_sound_and_from_the_epoch() {
    let (pictures, sound) = decoded("testsrc:size=256x144,rate=50,duration=1s,audio=off");
    assert_eq!((pictures.len(), pictures[0].0, sound.len()), (50, 0, 0));
}

/// Through the capture thread, which paces what has no clock of its own.
#[test]
fn live_source_bursts_catches_up_and_keeps_to_the_clock() {
    let (stop, before) = (Stop::new(), Seconds::host_now());
    let (source, input) = open("testsrc:size=256x144,rate=25", Pace::Live, &Select::default(), &stop).expect("opens");
    assert_eq!(source.origin, Origin::Utc);
    let feed = Feed::new(input, &source, Pace::Live);
    let (video, units) = crossbeam::channel::bounded(256);
    let begun = Seconds::host_now();
    let capture = std::thread::spawn({
        let stop = stop.clone();
        move || capture::run(feed, video, Vec::new(), &stop, &CaptureCounters::default()).expect("never breaks")
    });
    // When each picture came, and its own time.
    let pictures = units.iter().map(|unit| {
        let Flow::Item(unit) = unit else { panic!("it has no end") };
        (Seconds::host_now(), Seconds::new(i128::from(unit.packet.pts().expect("stamped")), 25))
    });
    let pictures: Vec<(Seconds, Seconds)> = pictures.take(200).collect();
    stop.raise();
    drop(units);
    capture.join().expect("no panic");
    let first = pictures[0].1;
    assert_eq!(first.fraction().0 % 2, 0);
    let back = (before - first, begun - first);
    assert!(back.1 >= Seconds::whole(LIVE_BACK) && back.0 < Seconds::whole(LIVE_BACK + LIVE_GRID), "begins {} to {} back", back.0, back.1);
    assert!(pictures.iter().all(|(came, time)| came >= time), "pictures from the future");
    let (came, time) = pictures[49];
    assert!(came - begun < Seconds::HALF, "the first two seconds took {}, as late as {}", came - begun, came - time);
    // Eight seconds of pictures: six of them a tenth faster than they last, or at their time.
    let (came, time) = pictures[199];
    assert!(came - time < Seconds::HALF || came - begun < Seconds::new(58, 10), "late by {} after {}", came - time, came - begun);
}

#[test]
fn stop_ends_a_wait() {
    let stop = Stop::new();
    let (_, mut input) = open("testsrc:size=256x144,rate=1,audio=off", Pace::Live, &Select::default(), &stop).expect("opens");
    let raiser = std::thread::spawn({
        let stop = stop.clone();
        move || {
            // The burst of at most nine pictures is over long before; the reader is in its wait of up to a second.
            stop.wait(Duration::from_millis(300));
            stop.raise();
            Instant::now()
        }
    });
    while let Read::Unit(_) = input.read().expect("never breaks") {}
    let seen = Instant::now();
    assert!(seen.duration_since(raiser.join().expect("it raised")) < Duration::from_millis(100));
    assert!(matches!(input.read(), Ok(Read::Stopped)));
}

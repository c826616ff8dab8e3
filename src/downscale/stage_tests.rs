//! The stage with its rungs, by what the muxer would see.

use super::Beside;
use super::slate::Slates;
use super::{DownscaleError, run};
use crate::colour::HdrMetadata;
use crate::decode::filler::Filler;
use crate::encode::queue::RungQueue;
use crate::encode::testing::{frames, pattern, rendition, sdr};
use crate::encode::{Recipe, ToMux, TrackId, served};
use crate::frame::{End, Flow};
use crate::job::Pace;
use crate::shard::Part;
use crate::sight::Watcher;
use crate::time::Rate;
use crossbeam::channel::{bounded, unbounded};
use std::sync::Arc;

const SIZES: [(u32, u32); 2] = [(320, 180), (160, 90)];

#[test]
fn every_rung_gets_its_size_and_the_end() {
    let (mux_tx, mux_rx) = unbounded();
    let (tx, rx) = bounded(4);
    let (mut rungs, mut threads) = (Vec::new(), Vec::new());
    let rate = Rate::new(25, 1).expect("legal");
    for (index, size) in SIZES.into_iter().enumerate() {
        let of = rendition(size, rate, 10, 500_000, &["x264"]);
        let served = served::open(&of, &Recipe::of(&of)).expect("x264 opens");
        let (queue, lanes, _) = RungQueue::open(&served, TrackId(index), Part::all(), Pace::Fast, &mux_tx, &Arc::default(), &Arc::default());
        rungs.push(queue);
        threads.extend(lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run())));
    }
    drop(mux_tx);
    let stage =
        std::thread::spawn(move || run(&rx, &SIZES.map(sdr), &HdrMetadata::default(), beside(Watcher::new(rendition(SIZES[0], rate, 10, 1, &[]).grid)), rungs));
    let pictures: Vec<_> = (0..25).map(|n| pattern(640, 360, n)).collect();
    for frame in frames(rendition(SIZES[0], rate, 10, 1, &[]).grid, 0, &pictures) {
        tx.send(Flow::Item(frame)).expect("the stage runs");
    }
    tx.send(Flow::End(End::Ended)).expect("the stage runs");
    assert!(stage.join().expect("no panic").is_ok());
    assert!(threads.into_iter().all(|t| t.join().expect("no panic").is_ok()));
    let messages: Vec<ToMux> = mux_rx.iter().collect();
    for track in [TrackId(0), TrackId(1)] {
        let mut slots = Vec::new();
        let mut done = Vec::new();
        for message in &messages {
            match message {
                ToMux::Packet { track: t, packet, .. } if *t == track => slots.push(packet.time),
                ToMux::Done { track: t, gop, stats, .. } if *t == track => done.push((gop.0, stats.units)),
                _ => {}
            }
        }
        slots.sort_unstable();
        assert_eq!(slots, (0..25).collect::<Vec<i64>>());
        assert_eq!(done, [(0, 10), (1, 10), (2, 5)]);
    }
    assert_eq!(messages.iter().filter(|m| matches!(m, ToMux::End { end: End::Ended, .. })).count(), 2);
}

#[test]
fn a_rung_that_is_gone_and_a_decoder_that_is_gone_stop_the_stage() {
    let of = rendition((64, 36), Rate::new(25, 1).expect("legal"), 10, 500_000, &["probe"]);
    let served = served::open(&of, &Recipe::of(&of)).expect("the probe opens");
    for rung_gone in [true, false] {
        let (mux_tx, _mux_rx) = unbounded();
        let (queue, lanes, _) = RungQueue::open(&served, TrackId(0), Part::all(), Pace::Fast, &mux_tx, &Arc::default(), &Arc::default());
        let (tx, rx) = bounded(4);
        for frame in frames(of.grid, 0, &[pattern(128, 72, 0), pattern(128, 72, 1)]) {
            tx.send(Flow::Item(frame)).expect("there is room");
        }
        if rung_gone {
            drop(lanes);
        } else {
            drop(tx);
        }
        match run(&rx, &[sdr((64, 36))], &HdrMetadata::default(), beside(Watcher::new(of.grid)), vec![queue]) {
            Err(DownscaleError::Gone(rung)) => assert!(rung_gone && rung == "avc-test"),
            Err(DownscaleError::Upstream) => assert!(!rung_gone),
            other => panic!("{other:?}"),
        }
    }
}

/// What a picture shows is seen once, and every rung's segment knows it; its bytes do not.
#[test]
fn black_and_frozen_pictures_are_counted_by_every_rung() {
    let rate = Rate::new(25, 1).expect("legal");
    let of = SIZES.map(|size| rendition(size, rate, 50, 500_000, &["probe"]));
    let mut black = crate::ffmpeg::FramePool::new(640, 360, crate::colour::Signal::SDR).and_then(|pool| pool.get()).expect("memory");
    for (plane, (samples, _)) in crate::ffmpeg::planes_mut(&mut black).expect("its own").into_iter().enumerate() {
        samples.fill(if plane == 0 { 16 } else { 128 });
    }
    let black = Arc::new(black);
    // A second of movement, a second of black; then all of it a picture that stands.
    let pictures: Vec<_> = (0..100)
        .map(|n| {
            if n < 25 {
                pattern(640, 360, n)
            } else if n < 50 {
                Arc::clone(&black)
            } else {
                pattern(640, 360, 7)
            }
        })
        .collect();
    let (mux_tx, mux_rx) = unbounded();
    let (tx, rx) = bounded(4);
    let (mut rungs, mut threads) = (Vec::new(), Vec::new());
    for (index, of) in of.iter().enumerate() {
        let served = served::open(of, &Recipe::of(of)).expect("the probe opens");
        let (queue, lanes, _) = RungQueue::open(&served, TrackId(index), Part::all(), Pace::Fast, &mux_tx, &Arc::default(), &Arc::default());
        rungs.push(queue);
        threads.extend(lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run())));
    }
    drop(mux_tx);
    let watcher = Watcher::new(of[0].grid);
    let stage = std::thread::spawn(move || run(&rx, &SIZES.map(sdr), &HdrMetadata::default(), beside(watcher), rungs));
    let drain = std::thread::spawn(move || mux_rx.iter().collect::<Vec<ToMux>>());
    for frame in frames(of[0].grid, 0, &pictures) {
        tx.send(Flow::Item(frame)).expect("the stage runs");
    }
    tx.send(Flow::End(End::Ended)).expect("the stage runs");
    assert!(stage.join().expect("no panic").is_ok());
    assert!(threads.into_iter().all(|t| t.join().expect("no panic").is_ok()));
    let mut done: Vec<_> = drain
        .join()
        .expect("no panic")
        .into_iter()
        .filter_map(|m| if let ToMux::Done { track, gop, stats, .. } = m { Some((track.0, gop.0, stats.black, stats.frozen)) } else { None })
        .collect();
    done.sort_unstable();
    assert_eq!(done, [(0, 0, 25, 12), (0, 1, 0, 37), (1, 0, 25, 12), (1, 1, 0, 37)]);
}

/// None are asked for.
fn beside(watcher: Watcher) -> Beside {
    Beside { slates: Slates::new(Arc::default(), Filler::default()), watcher, tap: None, burst: None, governor: None }
}

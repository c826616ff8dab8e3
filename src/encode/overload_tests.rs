//! What the overload governor's steps make of a rung, by what the muxer would see.

use super::counters::Counters;
use super::queue::RungQueue;
use super::served::Served;
use super::testing::{frames, pattern, rendition};
use super::{HURRIED, Recipe, Stats, ToMux, TrackId, Why, probe};
use crate::budget::FrameBudget;
use crate::frame::{End, Frame};
use crate::govern::Step;
use crate::job::Pace;
use crate::plan::Rendition;
use crate::shard::Part;
use crate::time::{GopId, Rate};
use crossbeam::channel::unbounded;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const G: u32 = 8;

fn rung() -> Rendition {
    rendition((64, 36), Rate::new(25, 1).expect("legal"), G, 1_000_000, &["probe"])
}

fn served(of: &Rendition) -> Served {
    let config = probe::open(of, &Recipe::of(of)).expect("the probe opens").config;
    Served { rendition: of.clone(), configs: vec![config.clone()], config }
}

/// What comes of `count` frames of a rung that is at `step` from the first GOP on.
fn made(step: Step, count: u32) -> (Vec<Decided>, Arc<Counters>) {
    let of = rung();
    let served = served(&of);
    let (tx, rx) = unbounded();
    let (mut queue, lanes, counters) = RungQueue::open(&served, TrackId(0), Part::all(), Pace::Live, &tx, &Arc::default(), &Arc::default());
    drop(tx);
    queue.governed().set(step);
    let pictures: Vec<_> = (0..count).map(|n| pattern(64, 36, n)).collect();
    let all: Vec<Frame> = frames(of.grid, 0, &pictures);
    // One GOP at a time: nothing is late here.
    let threads: Vec<_> = lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run())).collect();
    let mut out = Vec::new();
    for gop in all.chunks(G as usize) {
        gop.iter().for_each(|frame| queue.send(frame.clone()).expect("taken"));
        out.extend(rx.iter().find_map(decided));
    }
    queue.end(End::Ended).expect("there is room");
    threads.into_iter().for_each(|t| t.join().expect("no panic").expect("no error"));
    (out, counters)
}

type Decided = (GopId, Result<Stats, Why>);

fn decided(message: ToMux) -> Option<Decided> {
    match message {
        ToMux::Done { gop, stats, .. } => Some((gop, Ok(stats))),
        ToMux::Skipped { gop, why, .. } => Some((gop, Err(why))),
        _ => None,
    }
}

#[test]
fn a_step_is_marked_on_the_segment_and_counted() {
    let facts = |step| {
        let (made, counters) = made(step, 2 * G);
        let facts: Vec<_> = made.into_iter().map(|(gop, made)| (gop.0, made.map(|stats| (stats.units, stats.repeats, stats.fallback)))).collect();
        (facts, counters.governed.hurried.load(Relaxed), counters.governed.paused.load(Relaxed))
    };
    assert_eq!(facts(Step::Full), (vec![(0, Ok((G, 0, 0))), (1, Ok((G, 0, 0)))], 0, 0));
    assert_eq!(facts(Step::Hurried), (vec![(0, Ok((G, 0, HURRIED))), (1, Ok((G, 0, HURRIED)))], 2, 0));
    assert_eq!(facts(Step::Halved), (vec![(0, Ok((G, G / 2, HURRIED))), (1, Ok((G, G / 2, HURRIED)))], 2, 0), "every second picture is shown twice");
    assert_eq!(facts(Step::Paused), (vec![(0, Err(Why::Overload)), (1, Err(Why::Overload))], 0, 2));
}

#[test]
fn what_waits_is_told_in_thousandths_of_a_gop() {
    let of = rung();
    let served = served(&of);
    let (tx, _rx) = unbounded();
    let (mut queue, lanes, _) = RungQueue::open(&served, TrackId(0), Part::all(), Pace::Live, &tx, &Arc::default(), &Arc::default());
    let pictures: Vec<_> = (0..6).map(|n| pattern(64, 36, n)).collect();
    frames(of.grid, 0, &pictures).into_iter().for_each(|frame| queue.send(frame).expect("there is room"));
    assert_eq!((queue.waits(GopId(1)), queue.newest()), ((750, 750), None), "nobody has begun");
    // A GOP that waits when its rung is left out is left out, too.
    queue.governed().set(Step::Paused);
    queue.end(End::Leaving).expect("there is room");
    lanes.into_iter().for_each(|lane| lane.run().expect("no error"));
    assert_eq!((queue.waits(GopId(1)), queue.governed().paused.load(Relaxed)), ((0, 0), 1));
}

/// What waits of a GOP goes with it, and the next one finds room.
#[test]
fn a_gop_that_finds_no_memory_is_left_out_once() {
    let of = rung();
    let served = served(&of);
    let (tx, rx) = unbounded();
    let budget = Arc::new(FrameBudget::new(of.picture_bytes() * 12));
    let (mut queue, lanes, counters) = RungQueue::open(&served, TrackId(0), Part::all(), Pace::Live, &tx, &Arc::default(), &budget);
    drop(tx);
    let pictures: Vec<_> = (0..3 * G).map(|n| pattern(64, 36, n)).collect();
    let mut all = frames(of.grid, 0, &pictures).into_iter();
    // Nobody takes anything yet: a GOP and a half wait.
    all.by_ref().take(2 * G as usize).for_each(|frame| queue.send(frame).expect("taken, or left out"));
    assert_eq!((budget.held(), counters.late.load(Relaxed)), (of.picture_bytes() * 12, 1));
    let threads: Vec<_> = lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run())).collect();
    let mut made: Vec<Decided> = std::iter::from_fn(|| rx.iter().find_map(decided)).take(2).collect();
    all.for_each(|frame| queue.send(frame).expect("there is room"));
    queue.end(End::Ended).expect("there is room");
    drop(queue);
    threads.into_iter().for_each(|t| t.join().expect("no panic").expect("no error"));
    made.extend(rx.iter().filter_map(decided));
    let made: Vec<_> = made.into_iter().map(|(gop, made)| (gop.0, made.map(|stats| stats.units))).collect();
    assert_eq!(made, [(0, Ok(G)), (1, Err(Why::Late)), (2, Ok(G))]);
    assert_eq!((budget.held(), counters.late.load(Relaxed), counters.failed.load(Relaxed)), (0, 1, 0));
}

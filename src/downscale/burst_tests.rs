//! A burst of GOPs at a rung, by what is left out.

use super::burst::Burst;
use crate::encode::queue::RungQueue;
use crate::encode::runner::Lane;
use crate::encode::testing::{frames, pattern, rendition};
use crate::encode::{Recipe, ToMux, TrackId, served};
use crate::frame::{End, Frame};
use crate::job::Pace;
use crate::shard::Part;
use crate::time::{GopId, Rate};
use crossbeam::channel::{Receiver, unbounded};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const G: u32 = 8;

/// A rung, and the frames of its first GOPs.
struct Rung {
    queue: RungQueue,
    lanes: Vec<Lane>,
    late: Box<dyn Fn() -> u64>,
    gops: Vec<Vec<Frame>>,
    _mux: Receiver<ToMux>,
}

fn rung() -> Rung {
    let of = rendition((64, 36), Rate::new(25, 1).expect("legal"), G, 500_000, &["probe"]);
    let served = served::open(&of, &Recipe::of(&of)).expect("the probe opens");
    let (tx, mux) = unbounded();
    let (queue, lanes, counters) = RungQueue::open(&served, TrackId(0), Part::all(), Pace::Live, &tx, &Arc::default(), &Arc::default());
    let pictures: Vec<_> = (0..12 * G).map(|n| pattern(64, 36, n)).collect();
    let gops = frames(of.grid, 0, &pictures).chunks(G as usize).map(<[Frame]>::to_vec).collect();
    Rung { queue, lanes, late: Box::new(move || counters.late.load(Relaxed)), gops, _mux: mux }
}

#[test]
fn a_burst_waits_for_a_rung_that_is_fast_enough() {
    let Rung { queue, lanes, late, gops, _mux } = rung();
    let mut queue = [queue];
    // So long that no edge is in its own time.
    let mut burst = Burst::with(Duration::from_secs(60), Duration::from_secs(60));
    let mut threads = Vec::new();
    let mut lanes = Some(lanes);
    for (n, gop) in gops.into_iter().enumerate() {
        if n == 2 {
            // Its queue is full: nobody has taken anything.
            threads = lanes.take().into_iter().flatten().map(|lane| std::thread::spawn(move || lane.run())).collect();
        }
        assert!(burst.edge(gop[0].gop, Instant::now(), &queue), "early");
        gop.into_iter().for_each(|frame| queue[0].send(frame).expect("there is room"));
    }
    queue[0].end(End::Ended).expect("there is room");
    threads.into_iter().for_each(|thread| thread.join().expect("no panic").expect("no error"));
    assert_eq!(late(), 0, "nothing is left out");
}

#[test]
fn a_rung_that_is_slower_than_real_time_is_waited_for_once() {
    let Rung { queue, lanes: _lanes, late, gops, _mux } = rung();
    let mut queue = [queue];
    let (lasts, begun) = (Duration::from_secs(1), Instant::now());
    let mut burst = Burst::with(lasts, Duration::from_secs(60));
    for gop in gops.into_iter().take(8) {
        burst.edge(gop[0].gop, Instant::now(), &queue);
        gop.into_iter().for_each(|frame| queue[0].send(frame).expect("there is room, or it is left out"));
    }
    assert_eq!(late(), 6, "two wait, of the others nobody takes any");
    let took = begun.elapsed();
    assert!(took >= lasts && took < lasts * 5, "waited for once, as long as a GOP lasts, and not six times: {took:?}");
    // The burst is over when a GOP comes in its own time.
    assert!(!burst.edge(GopId(8), Instant::now() + lasts, &queue));
}

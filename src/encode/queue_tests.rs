//! What a rung of a shard takes of the frames that pass.

use super::queue::RungQueue;
use super::served::Served;
use super::testing::{frames, pattern, rendition};
use super::{Recipe, ToMux, TrackId, Why, find};
use crate::frame::{End, Frame};
use crate::job::Pace;
use crate::shard::Part;
use crate::time::{GopId, Rate};
use crossbeam::channel::unbounded;
use std::sync::Arc;

const G: u32 = 8;

/// What the muxer is told of `slots` slots from GOP 0 on, `end` behind them: the packets of each GOP as one.
fn told(part: Part, lanes: u32, pace: Pace, slots: u32, end: End) -> Vec<String> {
    told_of(part, lanes, pace, slots, end, |_| true)
}

/// And where the feed has only some of the GOPs.
fn told_of(part: Part, lanes: u32, pace: Pace, slots: u32, end: End, has: impl Fn(GopId) -> bool) -> Vec<String> {
    let of = crate::plan::Rendition { lanes, ..rendition((64, 36), Rate::new(4, 1).expect("a rate"), G, 100_000, &["probe"]) };
    let config = find("probe").expect("there").open(&of, &Recipe::of(&of)).expect("opens").config;
    let served = Served { rendition: of.clone(), configs: vec![config.clone()], config };
    let (tx, rx) = unbounded();
    let (mut queue, lanes, counters) = RungQueue::open(&served, TrackId(0), part, pace, &tx, &Arc::default(), &Arc::default());
    drop(tx);
    let threads: Vec<_> = lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run())).collect();
    let pictures: Vec<_> = (0..slots).map(|n| pattern(64, 36, n)).collect();
    for (n, frame) in frames(of.grid, 0, &pictures).into_iter().enumerate() {
        if !has(frame.gop) {
            continue;
        }
        let frame = Frame { last: end == End::Ended && n + 1 == pictures.len(), ..frame };
        if queue.wants(frame.gop) { queue.send(frame).expect("taken") } else { queue.pass(&frame).expect("passed") }
    }
    queue.end(end).expect("the end fits");
    drop(queue);
    threads.into_iter().for_each(|t| t.join().expect("no panic").expect("no error"));
    assert_eq!(counters.late.load(std::sync::atomic::Ordering::Relaxed), 0, "what is not made here is not late");
    let mut lines: Vec<String> = rx
        .iter()
        .filter_map(|message| match message {
            ToMux::Done { gop, stats, .. } => Some(format!("{gop} made of {}", stats.units)),
            ToMux::Skipped { gop, why: Why::OtherShard { units }, .. } => Some(format!("{gop} elsewhere of {units}")),
            ToMux::Skipped { gop, why, .. } => Some(format!("{gop} {why:?}")),
            ToMux::Absent { from, to, .. } => Some(format!("{from} to {to} absent")),
            ToMux::End { end, .. } => Some(format!("{end:?}")),
            _ => None,
        })
        .collect();
    if served.rendition.lanes > 1 {
        // Lanes overtake each other.
        lines.sort();
    }
    lines
}

#[test]
fn what_others_make_passes_in_its_place_with_its_length() {
    let even = ["0 made of 8", "1 elsewhere of 8", "2 made of 8", "3 elsewhere of 3", "Ended"];
    assert_eq!(told(Part::dealt(2, &[0]), 1, Pace::Fast, 3 * G + 3, End::Ended), even);
    let none = ["0 elsewhere of 8", "1 elsewhere of 8", "2 elsewhere of 2", "Ended"];
    assert_eq!(told(Part::none(), 1, Pace::Live, 2 * G + 2, End::Ended), none);
    // One that leaves says nothing of a slot that is open.
    assert_eq!(told(Part::none(), 1, Pace::Live, 2 * G + 2, End::Leaving), ["0 elsewhere of 8", "1 elsewhere of 8", "Leaving"]);
}

#[test]
fn what_a_rung_begins_with_is_told_before_all_else() {
    let rendition = crate::plan::Rendition { lanes: 2, ..rendition((64, 36), Rate::new(4, 1).expect("a rate"), G, 100_000, &["probe"]) };
    let config = find("probe").expect("there").open(&rendition, &Recipe::of(&rendition)).expect("opens").config;
    let served = Served { rendition: rendition.clone(), configs: vec![config.clone()], config };
    let (tx, rx) = unbounded();
    let (mut queue, lanes, _) = RungQueue::open(&served, TrackId(0), Part::all(), Pace::Fast, &tx, &Arc::default(), &Arc::default());
    drop(tx);
    let pictures: Vec<_> = (0..2 * G).map(|n| pattern(64, 36, n)).collect();
    // Lanes have not run yet: it is said when the first frame comes, not when it is encoded.
    let mut frames = frames(rendition.grid, i64::from(7 * G), &pictures).into_iter();
    queue.send(frames.next().expect("some")).expect("taken");
    assert!(matches!(rx.try_iter().collect::<Vec<_>>()[..], [ToMux::First { track: TrackId(0), gop: GopId(7) }]));
    let threads: Vec<_> = lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run())).collect();
    frames.for_each(|frame| queue.send(frame).expect("taken"));
    queue.end(End::Leaving).expect("the end fits");
    drop(queue);
    threads.into_iter().for_each(|t| t.join().expect("no panic").expect("no error"));
    assert!(!rx.iter().any(|message| matches!(message, ToMux::First { .. })), "once");
}

#[test]
fn what_the_feed_left_out_is_told() {
    let has = |gop: GopId| !(1..3).contains(&gop.0);
    // Told at once, while what is before it is still being made.
    let (absent, made): (Vec<String>, Vec<String>) =
        told_of(Part::all(), 1, Pace::Fast, 4 * G, End::Ended, has).into_iter().partition(|line| line.ends_with("absent"));
    assert_eq!((absent, made), (vec!["1 to 3 absent".to_owned()], ["0 made of 8", "3 made of 8", "Ended"].map(String::from).to_vec()));
    // By who makes none of it, too.
    assert_eq!(told_of(Part::none(), 1, Pace::Live, 4 * G, End::Ended, has).iter().filter(|line| line.contains("absent")).count(), 1);
}

#[test]
fn lanes_take_turns_at_those_that_are_made_here() {
    let made: Vec<String> = told(Part::dealt(3, &[1]), 2, Pace::Fast, 9 * G, End::Ended);
    let own = |gop: &i64| GopId(*gop).0 % 3 == 1;
    let mut wanted: Vec<String> = (0..9).map(|gop| if own(&gop) { format!("{gop} made of 8") } else { format!("{gop} elsewhere of 8") }).collect();
    wanted.push("Ended".to_owned());
    assert_eq!(made, wanted);
    let part = Part::dealt(3, &[1]);
    assert_eq!([1, 4, 7].map(|gop| part.place(GopId(gop)).rem_euclid(2)), [0, 1, 0]);
}

//! The runner and its queue, by what the muxer would see.

use super::queue::RungQueue;
use super::runner::RunError;
use super::served::{self, Served};
use super::testing::{frames, pattern, rendition};
use super::{Packet, Stats, ToMux, Told, TrackId, Why, probe};
use crate::encode::Recipe;
use crate::frame::{End, Flow, Frame, Length};
use crate::job::Pace;
use crate::plan::Rendition;
use crate::schedule::Schedule;
use crate::shard::Part;
use crate::time::{GopId, Rate};
use crossbeam::channel::{Receiver, bounded, unbounded};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const TRACK: TrackId = TrackId(2);
const G: u32 = 8;

fn rung(backends: &[&str]) -> Rendition {
    rendition((64, 36), Rate::new(25, 1).expect("legal"), G, 1_000_000, backends)
}

fn config(of: &Rendition) -> Vec<u8> {
    let recipe = Recipe::of(of);
    probe::open(of, &recipe).expect("the probe opens").config
}

fn input(of: &Rendition, first: i64, count: u32) -> Vec<Frame> {
    frames(of.grid, first, &(0..count).map(|n| pattern(64, 36, n)).collect::<Vec<_>>())
}

/// The rung with the probe's configuration for each of its backends.
fn served(of: &Rendition) -> Served {
    Served { rendition: of.clone(), configs: vec![config(of); of.backends.len()], config: config(of) }
}

/// Runs a rung over `items` to its end and returns what the muxer got.
fn run(of: &Rendition, items: Vec<Frame>, end: Option<End>) -> (Vec<ToMux>, Vec<Result<(), RunError>>) {
    run_with(&served(of), Pace::Fast, items, end)
}

fn run_with(served: &Served, pace: Pace, items: Vec<Frame>, end: Option<End>) -> (Vec<ToMux>, Vec<Result<(), RunError>>) {
    let (tx, rx) = unbounded();
    let (mut queue, lanes, _) = RungQueue::open(served, TRACK, Part::all(), pace, &tx, &Arc::default(), &Arc::default());
    drop(tx);
    let threads: Vec<_> = lanes.into_iter().map(|lane| std::thread::spawn(move || lane.run())).collect();
    for frame in items {
        queue.send(frame).expect("the lane takes it");
    }
    if let Some(end) = end {
        queue.end(end).expect("the lane takes the end");
    }
    drop(queue);
    let results = threads.into_iter().map(|t| t.join().expect("no panic")).collect();
    (rx.iter().collect(), results)
}

/// One line for each message; packets of one attempt as one.
fn told(messages: &[ToMux]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut count = 0;
    for message in messages {
        let line = match message {
            ToMux::Packet { gop, attempt, .. } => format!("packets {gop}.{attempt}"),
            ToMux::Done { gop, attempt, stats, .. } => format!("done {gop}.{attempt} {}", stats.units),
            ToMux::Void { gop, attempt, .. } => format!("void {gop}.{attempt}"),
            ToMux::First { .. } | ToMux::Told { .. } => continue,
            ToMux::Backend { gop, fallback, .. } => format!("backend {gop} {fallback}"),
            ToMux::Continue { gop, attempt, from, .. } => format!("continue {gop}.{attempt} {from}"),
            ToMux::Skipped { gop, why, .. } => format!("skipped {gop} {why:?}"),
            ToMux::Absent { from, to, .. } => format!("absent {from} to {to}"),
            ToMux::End { end, .. } => format!("end {end:?}"),
        };
        if line.starts_with("packets") && lines.last().is_some_and(|l| l.starts_with(&line)) {
            count += 1;
            *lines.last_mut().expect("just seen") = format!("{line} x{count}");
        } else {
            count = 1;
            lines.push(line);
        }
    }
    lines
}

fn packets(messages: &[ToMux], number: i64, of_attempt: u32) -> Vec<Packet> {
    let of = |m: &ToMux| match m {
        ToMux::Packet { gop, attempt, packet, .. } if gop.0 == number && *attempt == of_attempt => Some(packet.clone()),
        _ => None,
    };
    messages.iter().filter_map(of).collect()
}

#[test]
fn whole_gops_then_a_short_one_at_the_end_of_the_event() {
    let of = rung(&["probe"]);
    let (messages, results) = run(&of, input(&of, 80, 2 * G + 3), Some(End::Ended));
    assert_eq!(results, [Ok(())]);
    let want = ["packets 10.0 x8", "done 10.0 8", "packets 11.0 x8", "done 11.0 8", "packets 12.0 x3", "done 12.0 3", "end Ended"];
    assert_eq!(told(&messages), want);
}

#[test]
fn leaving_discards_the_open_gop() {
    let of = rung(&["probe"]);
    let (messages, _) = run(&of, input(&of, 80, G + 3), Some(End::Leaving));
    assert_eq!(told(&messages), ["packets 10.0 x8", "done 10.0 8", "packets 11.0 x2", "void 11.0", "end Leaving"]);
}

#[test]
fn a_flow_that_breaks_off_publishes_no_partial_gop() {
    let of = rung(&["probe"]);
    let (messages, results) = run(&of, input(&of, 80, 3), None);
    assert_eq!(told(&messages), ["packets 10.0 x2", "void 10.0"]);
    assert_eq!(results, [Err(RunError::Upstream("avc-test".to_owned()))]);
}

#[test]
fn a_join_in_mid_gop_waits_for_the_next_and_counts_are_kept() {
    let of = rung(&["probe"]);
    let mut items = input(&of, 83, 5 + G);
    items[6].origin = crate::frame::Origin::Repeat;
    items[7].origin = crate::frame::Origin::Filler;
    items[8].sight.black = true;
    items[9..11].iter_mut().for_each(|frame| frame.sight.frozen = true);
    items.last_mut().expect("some").last = true;
    let (messages, _) = run(&of, items, Some(End::Ended));
    assert_eq!(told(&messages), ["packets 11.0 x8", "done 11.0 8", "end Ended"]);
    let Some(ToMux::Done { stats, track, .. }) = messages.iter().find(|m| matches!(m, ToMux::Done { .. })).cloned() else { panic!("it is done") };
    assert_eq!(Stats { busy: Default::default(), ..stats }, Stats { units: 8, repeats: 1, filler: 1, black: 1, frozen: 2, last: true, ..Stats::default() });
    assert_eq!(track, TRACK);
}

#[test]
fn a_failing_backend_is_followed_by_the_next_with_all_frames() {
    let of = rung(&["probe-breaks", "probe"]);
    let (messages, _) = run(&of, input(&of, 0, G), Some(End::Ended));
    assert_eq!(told(&messages), ["packets 0.0 x2", "void 0.0", "packets 0.1 x8", "done 0.1 8", "end Ended"]);
    let (clean, _) = run(&rung(&["probe"]), input(&of, 0, G), Some(End::Ended));
    assert_eq!(packets(&messages, 0, 1), packets(&clean, 0, 0), "a retry leaves no trace in the bytes");
}

#[test]
fn when_every_backend_fails_only_that_gop_is_lost() {
    for backends in [&["probe-breaks"][..], &["probe-breaks", "probe-breaks"], &["unheard-of"]] {
        let of = rung(backends);
        let (messages, results) = run(&of, input(&of, 0, 2 * G), Some(End::Ended));
        assert_eq!(results, [Ok(())]);
        let last = backends.len() - 1;
        let skipped: Vec<String> = told(&messages).into_iter().filter(|l| !l.starts_with("packets")).collect();
        let mut want: Vec<String> = Vec::new();
        for gop in 0..2 {
            want.extend((0..=last).map(|attempt| format!("void {gop}.{attempt}")));
            want.push(format!("skipped {gop} Failed"));
        }
        want.push("end Ended".to_owned());
        assert_eq!(skipped, want, "{backends:?}");
    }
}

#[test]
fn a_config_that_is_not_the_inits_is_a_failure() {
    let of = rung(&["x264"]);
    let (messages, _) = run(&of, input(&of, 0, G), Some(End::Ended));
    assert_eq!(told(&messages), ["void 0.0", "skipped 0 Failed", "end Ended"], "the probe's configuration is in the init");
}

#[test]
fn a_segment_over_its_cap_is_encoded_again_where_frames_are_held() {
    let mut of = rung(&["probe", "probe"]);
    // A little too large: small steps, as many as there are tries.
    of.max_bitrate = 10_000;
    let (messages, _) = run(&of, input(&of, 0, G), Some(End::Ended));
    let tries = (0..6).flat_map(|n| [format!("packets 0.{n} x8"), format!("void 0.{n}")]);
    let want: Vec<String> = tries.chain(["packets 0.6 x8", "done 0.6 8", "end Ended"].map(str::to_owned)).collect();
    assert_eq!(told(&messages), want);
    assert_ne!(packets(&messages, 0, 0), packets(&messages, 0, 6), "each attempt is coarser");
    // Much too large: the coarsest at once, and no try beyond it.
    of.max_bitrate = 100;
    let (messages, _) = run(&of, input(&of, 0, G), Some(End::Ended));
    assert_eq!(told(&messages), ["packets 0.0 x8", "void 0.0", "packets 0.1 x8", "done 0.1 8", "end Ended"]);
}

/// Known when it opens, or only when it ends: a short GOP has the same recipe, and the same bytes.
#[test]
fn a_short_gop_is_one_of_its_own_length_whenever_that_is_known() {
    let of = rendition((320, 180), Rate::new(25, 1).expect("legal"), 50, 100_000, &["x264"]);
    let recipe = Recipe::of(&of);
    let served = served::open(&of, &recipe).expect("x264 opens");
    let pictures: Vec<_> = (0..30).map(|n| pattern(320, 180, n)).collect();
    let with = |length: Length| {
        let mut frames = super::testing::frames(of.grid, 0, &pictures);
        frames.iter_mut().for_each(|frame| frame.length = length);
        frames[29].last = true;
        let (messages, _) = run_with(&served, Pace::Fast, frames, Some(End::Ended));
        let done = messages.iter().find_map(|m| if let ToMux::Done { attempt, .. } = m { Some(*attempt) } else { None });
        let attempt = done.expect("it is made");
        (attempt, packets(&messages, 0, attempt))
    };
    let (known, unsure) = (with(Length::Short(30)), with(Length::Unsure));
    assert_eq!((known.0, unsure.0), (0, 1), "encoded again once its length is known");
    assert_eq!(known.1, unsure.1);
    assert_ne!(with(Length::Whole).1, known.1, "the bucket of a whole GOP makes other bytes");
}

#[test]
fn lanes_do_not_alter_bytes_and_end_once() {
    let one = rung(&["probe"]);
    let two = Rendition { lanes: 2, ..one.clone() };
    let (a, _) = run(&one, input(&one, 0, 5 * G), Some(End::Ended));
    let (b, results) = run(&two, input(&one, 0, 5 * G), Some(End::Ended));
    assert_eq!(results.len(), 2);
    for gop in 0..5 {
        assert_eq!(packets(&a, gop, 0).len(), G as usize);
        assert_eq!(packets(&a, gop, 0), packets(&b, gop, 0));
    }
    let ends = b.iter().filter(|m| matches!(m, ToMux::End { .. })).count();
    assert!(ends == 1 && matches!(b.last(), Some(ToMux::End { .. })), "one end, after everything");
}

#[test]
fn a_late_rung_loses_whole_gops_and_never_waits() {
    let of = rung(&["probe"]);
    let (tx, rx) = unbounded();
    let (mut queue, lanes, counters) = RungQueue::open(&served(&of), TRACK, Part::all(), Pace::Live, &tx, &Arc::default(), &Arc::default());
    drop(tx);
    // Nobody takes frames yet: two GOPs are held, the next two are left out, and nothing here blocks.
    for frame in input(&of, 0, 4 * G) {
        queue.send(frame).expect("it never waits");
    }
    assert_eq!(counters.late.load(Ordering::Relaxed), 2);
    let lane = lanes.into_iter().next().expect("one lane");
    queue.end(End::Ended).expect("the end fits too");
    lane.run().expect("it runs");
    drop(queue);
    let messages: Vec<ToMux> = rx.iter().collect();
    assert_eq!(told(&messages), ["packets 0.0 x8", "done 0.0 8", "packets 1.0 x8", "done 1.0 8", "skipped 2 Late", "skipped 3 Late", "end Ended"]);
    let skipped = messages.iter().find(|m| matches!(m, ToMux::Skipped { .. }));
    assert!(matches!(skipped, Some(ToMux::Skipped { gop: GopId(2), why: Why::Late, track: TRACK })), "told behind what it waited for");
}

#[test]
fn a_muxer_that_is_gone_and_a_lane_that_is_gone_are_errors() {
    let of = rung(&["probe"]);
    let (tx, rx): (_, Receiver<ToMux>) = bounded(1);
    let (mut queue, lanes, _) = RungQueue::open(&served(&of), TRACK, Part::all(), Pace::Live, &tx, &Arc::default(), &Arc::default());
    for frame in input(&of, 0, G) {
        queue.send(frame).expect("there is room");
    }
    drop(rx);
    let lane = lanes.into_iter().next().expect("one lane");
    assert_eq!(lane.run(), Err(RunError::MuxGone("avc-test".to_owned())));
    let next = input(&of, i64::from(G), 1).remove(0);
    assert_eq!(queue.send(next).expect_err("its lane is gone").rung, "avc-test");
    assert!(queue.end(End::Ended).is_err());
    let _ = Flow::<Frame>::End(End::Ended);
}

#[test]
fn a_worker_that_left_long_ago_discards_what_waits() {
    let of = rung(&["probe"]);
    let (tx, rx) = unbounded();
    let schedule = Arc::new(Schedule::new());
    let (mut queue, lanes, _) = RungQueue::open(&served(&of), TRACK, Part::all(), Pace::Live, &tx, &schedule, &Arc::default());
    drop(tx);
    for frame in input(&of, 0, 2 * G) {
        queue.send(frame).expect("there is room");
    }
    queue.end(End::Leaving).expect("the end fits too");
    schedule.leave();
    let begun = std::time::Instant::now();
    while !schedule.is_over() {
        assert!(begun.elapsed().as_secs() < 3, "its patience ends before three seconds are over");
        std::thread::yield_now();
    }
    lanes.into_iter().next().expect("one lane").run().expect("it runs");
    drop(queue);
    assert_eq!(told(&rx.iter().collect::<Vec<_>>()), ["end Leaving"]);
}

#[test]
fn at_full_speed_a_rung_gets_a_second_lane_only_where_a_processor_would_idle() {
    let of = |width, height, lanes| Rendition { width, height, lanes, ..rung(&["probe"]) };
    let ladder = [of(1920, 1080, 2), of(1280, 720, 1), of(960, 540, 1), of(768, 432, 1), of(640, 360, 1), of(480, 270, 1)];
    let lanes = |pace, processors| crate::encode::queue::lanes(&ladder[0], &ladder, |_| Part::all(), pace, processors);
    assert_eq!((lanes(Pace::Fast, 2), lanes(Pace::Fast, 4), lanes(Pace::Live, 2)), (1, 2, 2));
}

/// The rehearsal's faults, each in turn, beside a run without them: what x264 makes in a faulty backend's place is what it makes alone, but for the ids of its sets.
#[test]
fn errors_hangs_and_garbage_are_made_good_by_the_next_backend() {
    let mut of = rendition((64, 36), Rate::new(25, 1).expect("legal"), G, 1_000_000, &["rehearsal", "x264"]);
    of.point = "fast".to_owned();
    let served = served::open(&of, &Recipe::of(&of)).expect("both open");
    assert_ne!(served.configs[0], served.configs[1]);
    let (messages, results) = run_with(&served, Pace::Fast, input(&of, 0, 7 * G), Some(End::Ended));
    assert_eq!(results, [Ok(())]);
    let done: Vec<(i64, u32, u32, u8)> = messages
        .iter()
        .filter_map(|m| if let ToMux::Done { gop, attempt, stats, .. } = m { Some((gop.0, *attempt, stats.units, stats.fallback)) } else { None })
        .collect();
    let want = |gop: i64| if gop % 2 == 1 { (gop, 1, G, 1) } else { (gop, 0, G, 0) };
    assert_eq!(done, (0..7).map(want).collect::<Vec<_>>());
    assert!(super::apart::hanging() >= 1, "the thread that hangs is counted");
    let alone = Served { configs: vec![served.configs[1].clone()], ..served.clone() };
    let alone = Served { rendition: Rendition { backends: vec!["x264".to_owned()], ..of.clone() }, ..alone };
    let own = served::open(&alone.rendition, &Recipe::of(&of)).expect("x264 opens");
    let (clean, _) = run_with(&own, Pace::Fast, input(&of, 0, 7 * G), Some(End::Ended));
    for gop in [1, 3, 5] {
        let sizes = |packets: Vec<Packet>| packets.iter().map(|p| (p.time, p.idr, p.data.len())).collect::<Vec<_>>();
        let (made, meant) = (sizes(packets(&messages, gop, 1)), sizes(packets(&clean, gop, 0)));
        assert!(made.iter().zip(&meant).all(|(a, b)| a.0 == b.0 && a.1 == b.1 && a.2.abs_diff(b.2) <= 1), "{made:?} {meant:?}");
    }
    // One init for both: a decoder that was given its sets plays them in turn.
    let all: Vec<Packet> = done.iter().flat_map(|(gop, attempt, ..)| packets(&messages, *gop, *attempt)).collect();
    assert_eq!(super::testing::decode_samples(&served.config, &all).len(), 7 * G as usize);
}

#[test]
fn a_backend_that_keeps_failing_is_left_alone() {
    let of = rung(&["probe-breaks", "probe"]);
    let (messages, _) = run(&of, input(&of, 0, 20 * G), Some(End::Ended));
    let attempts: Vec<u32> = messages.iter().filter_map(|m| if let ToMux::Done { attempt, .. } = m { Some(*attempt) } else { None }).collect();
    let tried: Vec<usize> = attempts.iter().enumerate().filter(|(_, a)| **a > 0).map(|(gop, _)| gop).collect();
    assert_eq!((attempts.len(), tried), (20, vec![0, 1, 2, 18]), "three failures, a rest of fifteen GOPs, one trial");
}

/// What is out is out: the next backend goes on behind it, where that can be.
#[test]
fn with_chunks_out_the_next_backend_goes_on() {
    let of = |chunk, backends: &[&str]| Rendition { chunk: Some(chunk), ..rung(backends) };
    let with = |of: &Rendition| run(of, input(of, 0, G), Some(End::Ended)).0;
    let clean = with(&of(2, &["probe"]));
    assert_eq!(told(&clean), ["packets 0.0 x8", "done 0.0 8", "end Ended"]);
    // It fails on the fourth picture; two packets are out by then, which are a chunk of two.
    let messages = with(&of(2, &["probe-breaks", "probe"]));
    assert_eq!(told(&messages), ["packets 0.0 x2", "continue 0.1 2", "backend 0 1", "packets 0.1 x6", "done 0.1 8", "end Ended"]);
    let (first, rest) = (packets(&messages, 0, 0), packets(&messages, 0, 1));
    assert_eq!(first, packets(&clean, 0, 0)[..2]);
    assert!(rest.iter().map(|p| p.time).eq(2..8) && rest.iter().all(|p| p.idr == (p.time == 2)), "it begins with an IDR");
    assert!(matches!(messages.iter().rev().nth(1), Some(ToMux::Done { stats: Stats { fallback: 1, units: 8, .. }, .. })));
    // With chunks of four nothing is out: it is made anew.
    let messages = with(&of(4, &["probe-breaks", "probe"]));
    assert_eq!(told(&messages), ["packets 0.0 x2", "void 0.0", "backend 0 1", "packets 0.1 x8", "done 0.1 8", "end Ended"]);
    // Behind one picture there would be two IDRs in a row, and where nobody is left, nothing can be done either.
    for lost in [of(2, &["probe-breaks"]), of(2, &["probe-breaks", "probe-breaks"])] {
        let lines = told(&with(&lost));
        assert_eq!(lines.iter().rev().take(2).collect::<Vec<_>>(), ["end Ended", "skipped 0 Failed"], "{lines:?}");
    }
}

/// Nothing is encoded again for its cap, and slots that differ from their feed are told before their packets.
#[test]
fn with_chunks_out_nothing_is_encoded_again_for_its_size() {
    let of = Rendition { chunk: Some(2), max_bitrate: 10_000, ..rung(&["probe", "probe"]) };
    let mut frames = input(&of, 0, G);
    frames[3].origin = crate::frame::Origin::Repeat;
    frames[5].last = true;
    let (messages, _) = run(&of, frames[..6].to_vec(), Some(End::Ended));
    assert_eq!(told(&messages), ["packets 0.0 x6", "done 0.0 6", "end Ended"]);
    let facts: Vec<(i64, Told)> = messages.iter().filter_map(|m| if let ToMux::Told { unit, told, .. } = m { Some((*unit, *told)) } else { None }).collect();
    assert_eq!(facts, [(3, Told { repeats: 1, ..Told::default() }), (5, Told { last: true, ..Told::default() })]);
    let before = |unit: i64| {
        let at = |test: &dyn Fn(&ToMux) -> bool| messages.iter().position(test);
        at(&|m| matches!(m, ToMux::Told { unit: u, .. } if *u == unit)) < at(&|m| matches!(m, ToMux::Packet { packet, .. } if packet.time == unit))
    };
    assert!(before(3) && before(5));
}

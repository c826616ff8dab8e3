use super::*;
use crate::time::Rate;
use proptest::prelude::*;

const DELAY: i64 = 6;

/// What `expects` says is not made here is made by another shard.
fn monitor(tracks: usize, expects: impl Fn(usize, GopId) -> bool + Send + 'static) -> Monitor {
    made_by(tracks, move |track, gop| if expects(track, gop) { Maker::Here } else { Maker::Another })
}

fn made_by(tracks: usize, makers: impl Fn(usize, GopId) -> Maker + Send + 'static) -> Monitor {
    Monitor::new(Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO), Seconds::whole(DELAY), tracks, Box::new(makers))
}

/// So many milliseconds, and a microsecond, after a segment is due, tolerance included.
fn after(monitor: &Monitor, gop: i64, ms: i128) -> Seconds {
    monitor.due(GopId(gop)) + Seconds::new(ms * 1000 + 1, 1_000_000)
}

#[test]
fn a_segment_is_due_at_the_end_of_its_slot_and_the_delay() {
    assert_eq!(monitor(1, |_, _| true).due(GopId(100)), Seconds::whole(202 + DELAY) + TOLERANCE);
}

#[test]
fn a_missing_segment_is_noticed_without_its_arrival_and_told_once() {
    let mut m = monitor(2, |_, _| true);
    assert_eq!((m.wakes(), m.tick(Seconds::whole(1_000_000))), (None, vec![]), "nothing is due before anything is published");
    for track in 0..2 {
        assert_eq!(m.published(track, GopId(100), after(&m, 100, -3000)), []);
    }
    assert_eq!(m.wakes(), Some(m.due(GopId(101))));
    assert_eq!(m.tick(after(&m, 101, -1)), []);
    assert_eq!(m.published(0, GopId(101), after(&m, 101, -1)), []);
    assert_eq!(m.tick(after(&m, 101, 0)), [Event::Overdue { track: 1, gop: GopId(101) }]);
    // The spell goes on: nothing more is said.
    let _ = m.published(0, GopId(102), after(&m, 102, -1000));
    assert_eq!(m.tick(after(&m, 102, 500)), []);
    assert_eq!(m.overdue(1, after(&m, 102, 500)), Some((GopId(101), 2500)));
    assert_eq!(m.of(1, after(&m, 102, 500)), TrackDeadline { misses: 2, late: 0, missing: 0, overdue_ms: 2500 });
    // 101 comes after all, then 102, and 103 in time.
    assert_eq!(m.published(1, GopId(101), after(&m, 102, 600)), []);
    assert_eq!(m.published(1, GopId(102), after(&m, 102, 700)), []);
    assert_eq!(m.published(1, GopId(103), after(&m, 103, -500)), [Event::OnTime { track: 1, gop: GopId(103), missed: 2 }]);
    assert_eq!(m.of(1, after(&m, 103, 0)), TrackDeadline { misses: 2, late: 2, missing: 0, overdue_ms: 0 });
    assert_eq!(m.of(0, after(&m, 102, 0)).misses, 0);
}

#[test]
fn what_was_left_out_is_known_when_the_next_one_comes() {
    let mut m = monitor(1, |_, _| true);
    let _ = m.published(0, GopId(10), after(&m, 10, -3000));
    assert_eq!(m.published(0, GopId(12), after(&m, 12, -3000)), [Event::Overdue { track: 0, gop: GopId(11) }]);
    assert_eq!(m.tick(after(&m, 12, 0)), []);
    assert_eq!(m.published(0, GopId(13), after(&m, 13, -3000)), [Event::OnTime { track: 0, gop: GopId(13), missed: 1 }]);
    assert_eq!(m.of(0, after(&m, 13, 0)), TrackDeadline { misses: 1, late: 0, missing: 1, overdue_ms: 0 });
    // Due, told as overdue, and never made.
    assert_eq!(m.tick(after(&m, 14, 0)), [Event::Overdue { track: 0, gop: GopId(14) }]);
    assert_eq!(m.published(0, GopId(15), after(&m, 15, -1000)), [Event::OnTime { track: 0, gop: GopId(15), missed: 1 }]);
    assert_eq!(m.of(0, after(&m, 15, 0)), TrackDeadline { misses: 2, late: 0, missing: 2, overdue_ms: 0 });
}

#[test]
fn what_others_make_is_not_waited_for() {
    let mut m = monitor(2, |track, gop| track == 0 && gop.0 % 2 == 0);
    let _ = m.published(0, GopId(10), after(&m, 10, -3000));
    assert_eq!(m.tick(after(&m, 11, 0)), []);
    assert_eq!(m.published(0, GopId(12), after(&m, 12, -1)), []);
    assert_eq!(m.tick(after(&m, 14, 0)), [Event::Overdue { track: 0, gop: GopId(14) }]);
    assert_eq!(m.of(1, after(&m, 14, 0)), TrackDeadline::default());
}

/// A rung leaves a segment out, and is disabled for it: no later segment says that it never comes.
#[test]
fn a_rung_that_is_disabled_is_not_overdue_for_ever() {
    let mut m = made_by(1, |_, gop| if (14..20).contains(&gop.0) { Maker::Nobody } else { Maker::Here });
    let _ = m.published(0, GopId(12), after(&m, 12, -3000));
    assert_eq!(m.tick(after(&m, 13, 0)), [Event::Overdue { track: 0, gop: GopId(13) }]);
    // For a while it may still come.
    assert_eq!((m.tick(after(&m, 17, 0)), m.overdue(0, after(&m, 17, 0))), (vec![], Some((GopId(13), 8000))));
    assert_eq!((m.tick(after(&m, 18, 0)), m.overdue(0, after(&m, 18, 0))), (vec![], None));
    assert_eq!(m.of(0, after(&m, 18, 0)), TrackDeadline { misses: 1, late: 0, missing: 1, overdue_ms: 0 });
    // It is enabled again, and on time.
    assert_eq!(m.tick(after(&m, 19, 0)), []);
    assert_eq!(m.published(0, GopId(20), after(&m, 20, -3000)), [Event::OnTime { track: 0, gop: GopId(20), missed: 1 }]);
}

/// A shard that stalls is overdue until it is not: what others make in between says nothing of its own.
#[test]
fn a_shard_that_stalls_stays_overdue() {
    let mut m = monitor(1, |_, gop| gop.0 % 7 == 0);
    let _ = m.published(0, GopId(7), after(&m, 7, -3000));
    let _ = m.tick(after(&m, 20, 0));
    assert_eq!(m.overdue(0, after(&m, 20, 0)), Some((GopId(14), 12_000)));
}

#[test]
fn an_event_that_is_over_owes_nothing() {
    let mut m = monitor(1, |_, _| true);
    let _ = m.published(0, GopId(10), after(&m, 10, -3000));
    m.end();
    assert_eq!((m.wakes(), m.tick(after(&m, 50, 0))), (None, vec![]));
}

#[test]
fn a_leap_of_the_clock_is_bounded() {
    let mut m = monitor(1, |_, _| true);
    let _ = m.published(0, GopId(10), after(&m, 10, -3000));
    assert_eq!(m.tick(after(&m, 1_000_000_000, 0)), [Event::Overdue { track: 0, gop: GopId(11) }]);
    assert!(m.of(0, Seconds::ZERO).misses <= 3);
    assert!(m.wakes().is_some_and(|at| at > after(&m, 1_000_000_000, 0)));
}

proptest! {
    /// Whatever comes when: each segment that is due counts once, as on time, late or missing, and spells begin and end in turn.
    #[test]
    fn every_segment_counts_once(fates in proptest::collection::vec(prop_oneof![Just(None), (-5000i128..9000).prop_map(Some)], 1..40)) {
        let mut m = monitor(1, |_, _| true);
        let _ = m.published(0, GopId(99), after(&m, 99, -1000));
        let mut happens: Vec<(Seconds, Option<GopId>)> = Vec::new();
        let mut latest = Seconds::ZERO;
        for (place, fate) in fates.iter().enumerate() {
            let gop = 100 + place as i64;
            happens.push((after(&m, gop, 0), None));
            if let Some(ms) = fate {
                // In order.
                latest = latest.max(after(&m, gop, *ms));
                happens.push((latest, Some(GopId(gop))));
            }
        }
        happens.sort_by_key(|(at, gop)| (*at, gop.is_none(), *gop));
        let (mut spells, mut on_time) = (0i32, 0u64);
        for (at, gop) in happens {
            let mut events = m.tick(at);
            if let Some(gop) = gop {
                on_time += u64::from(at <= m.due(gop));
                events.extend(m.published(0, gop, at));
            }
            for event in events {
                spells += if matches!(event, Event::Overdue { .. }) { 1 } else { -1 };
                prop_assert!((0..=1).contains(&spells), "{event:?}");
            }
        }
        // Far enough behind that nothing was said of it yet: whatever is before it never comes.
        let (end, more) = (100 + fates.len() as i64 + 6, 6);
        let _ = m.published(0, GopId(end), after(&m, end, -1));
        let seen = m.of(0, after(&m, end, 0));
        let made = fates.iter().flatten().count() as u64;
        prop_assert_eq!(seen.late + on_time, made);
        prop_assert_eq!(seen.missing, fates.len() as u64 - made + more);
        prop_assert_eq!(seen.misses, seen.late + seen.missing);
    }
}

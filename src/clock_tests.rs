//! Properties of the clock over drift, jitter, wraps, jumps, late joiners and a day at fractional rates.

use super::*;
use crate::time::Rate;
use proptest::prelude::*;

const WRAP_TICKS: i64 = 1 << 33;

fn wrap() -> Seconds {
    Seconds::new(WRAP_TICKS.into(), 90_000)
}

fn rates() -> impl Strategy<Value = Rate> {
    prop::sample::select(vec![(24_000, 1001), (24, 1), (25, 1), (30_000, 1001), (30, 1), (50, 1), (60_000, 1001), (60, 1)])
        .prop_map(|(n, d)| Rate::new(n, d).expect("a standard rate"))
}

/// A constant-rate MPEG-TS feed: picture i is taken at `start + i / rate`, stamped with that plus jitter, PTS in 90 kHz ticks rounded down.
#[derive(Clone, Copy, Debug)]
struct Feed {
    rate: Rate,
    /// UTC of picture 0.
    start: Seconds,
    /// PTS of picture 0 in ticks, before any wrap.
    pts: i64,
    /// The source's PTS clock runs fast by so many parts per million.
    drift_ppm: i64,
    jitter_micros: i64,
    gop: usize,
}

impl Feed {
    fn tick(&self, i: usize) -> Tick {
        let elapsed = self.rate.period().times(i as i128);
        let pts = Seconds::new(self.pts.into(), 90_000) + elapsed + elapsed.times(self.drift_ppm.into()).over(1_000_000);
        // A fixed scramble stands in for jitter: the same picture has the same stamp for every joiner.
        let scramble = (i as i64).wrapping_mul(0x9E37_79B9_7F4A_7C15u64 as i64).rem_euclid(2 * self.jitter_micros + 1) - self.jitter_micros;
        let utc = self.start + elapsed;
        Tick {
            pts: Seconds::new(pts.floor_ticks(90_000).into(), 90_000),
            key: i.is_multiple_of(self.gop),
            stamp: Some(utc + Seconds::new(scramble.into(), 1_000_000)),
            arrival: utc + Seconds::HALF,
        }
    }

    /// What a worker that joins at picture `first` sees, its unwrapped PTS starting from the masked value.
    fn joined(&self, first: usize, count: usize) -> Vec<Tick> {
        let base = self.tick(first).pts;
        let shift = base.modulo(wrap()) - base;
        (first..first + count).map(|i| Tick { pts: self.tick(i).pts + shift, ..self.tick(i) }).collect()
    }
}

fn feed() -> impl Strategy<Value = Feed> {
    (rates(), 0..40_000_000i64, 0..WRAP_TICKS, -50..50i64, 0..3_000i64, 12..120usize).prop_map(|(rate, start, pts, drift_ppm, jitter_micros, gop)| Feed {
        rate,
        start: Seconds::new(1_763_000_000_000_000i128 + i128::from(start), 1_000_000),
        pts,
        drift_ppm,
        jitter_micros,
        gop,
    })
}

fn place(clock: &mut Clock, ticks: &[Tick]) -> Vec<Placement> {
    ticks.iter().map(|t| clock.place(*t)).collect()
}

fn clock(feed: &Feed, reference: Reference) -> Clock {
    let grid = Grid::new(feed.rate, Seconds::whole(2));
    Clock::new(grid, reference, Some(wrap()), Seconds::ZERO, Seconds::whole(60), false)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Drift, jitter and a joiner elsewhere: from the second period on, both have every picture in the same slot.
    #[test]
    fn joiners_of_a_stamped_feed_agree(feed in feed(), join in 1..400usize) {
        let count = 600;
        let early = place(&mut clock(&feed, Reference::Stamps), &feed.joined(0, count));
        let key = join.div_ceil(feed.gop) * feed.gop;
        prop_assume!(key + feed.gop < count);
        let late = place(&mut clock(&feed, Reference::Stamps), &feed.joined(key, count - key));
        let mut compared = 0;
        for (i, (e, l)) in early[key..].iter().zip(&late).enumerate() {
            if l.trusted && e.trusted {
                prop_assert_eq!(e.slot, l.slot, "picture {}", key + i);
                compared += 1;
            }
        }
        prop_assert!(compared > 0 || count - key <= 2 * feed.gop + feed.rate.num() as usize);
    }

    /// Every placed picture is within half a slot of its stamp, plus jitter and what drift makes in a period.
    #[test]
    fn slots_follow_the_stamps(feed in feed()) {
        let grid = Grid::new(feed.rate, Seconds::whole(2));
        for (i, p) in place(&mut clock(&feed, Reference::Stamps), &feed.joined(0, 500)).iter().enumerate() {
            let utc = feed.start + feed.rate.period().times(i as i128);
            let bound = feed.rate.period().over(2) + Seconds::new(7, 1000);
            prop_assert!((grid.time(p.slot) - utc).abs() <= bound, "picture {} is {} off", i, (grid.time(p.slot) - utc));
        }
    }

    /// With an anchor, slots do not depend on the join, the wrap, or how far wrong the host's clock is (below half a wrap).
    #[test]
    fn an_anchor_locks_every_joiner(feed in feed(), join in 0..400usize, wrong in -40_000..40_000i64, days in 0..30i64) {
        let feed = Feed { drift_ppm: 0, ..feed };
        let anchor = Anchor { source: Seconds::new(feed.pts.into(), 90_000).modulo(wrap()), utc: feed.start };
        // The same feed, days later: PTS went on and wrapped.
        let skip = (Seconds::whole(days * 86_400).times(feed.rate.num().into()).over(feed.rate.den().into())).floor_ticks(1) as usize;
        let reference = |about| Reference::Anchor { anchor, about: Some(about) };
        let first = (skip + join) / feed.gop * feed.gop;
        let about = feed.tick(first).arrival + Seconds::whole(wrong);
        let grid = Grid::new(feed.rate, Seconds::whole(2));
        let placed = place(&mut clock(&feed, reference(about)), &feed.joined(first, 200));
        for (i, p) in placed.iter().enumerate() {
            let exact = feed.start + feed.rate.period().times((first + i) as i128);
            let distance = (grid.time(p.slot) - exact).abs();
            prop_assert!(distance <= feed.rate.period().over(2) + Seconds::new(2, 90_000), "{} off", distance);
            let begun = i - (first + i) % feed.gop;
            prop_assert_eq!(p.slot.0 - placed[begun].slot.0, (i - begun) as i64, "within a period");
            // PTS are whole ticks: a feed that is within one of the middle between two slots is in the one or the other by how its period's first PTS was rounded.
            let tick = Seconds::new(1, 90_000);
            if (feed.rate.period().over(2) - (grid.time(grid.nearest(feed.start)) - feed.start).abs()).abs() > tick {
                prop_assert_eq!(p.slot.0 - placed[0].slot.0, i as i64);
            }
        }
    }

    /// With an anchor, wherever in its ticks a feed lies between two slots: its periods may be one slot apart, and every joiner has each of them in the same place.
    #[test]
    fn an_anchored_feed_between_two_slots_is_where_every_joiner_has_it(feed in feed(), join in 1..10usize, off in -12_000..12_000i64) {
        let grid = Grid::new(feed.rate, Seconds::whole(2));
        let start = grid.time(grid.nearest(feed.start)) + feed.rate.period().over(2) + Seconds::new(off.into(), 1_000_000_000);
        let feed = Feed { drift_ppm: 0, start, ..feed };
        let anchor = Anchor { source: Seconds::new(feed.pts.into(), 90_000).modulo(wrap()), utc: feed.start };
        let from = |first: usize| {
            let about = Some(feed.tick(first).arrival);
            place(&mut clock(&feed, Reference::Anchor { anchor, about }), &feed.joined(first, 1300 - first))
        };
        let (early, late) = (from(0), from(join * feed.gop));
        for (e, l) in early[join * feed.gop..].iter().zip(&late).filter(|(_, l)| l.trusted) {
            prop_assert_eq!(e.slot, l.slot);
        }
        prop_assert!(late.last().is_some_and(|p| p.trusted));
        for pair in early.windows(2) {
            prop_assert!((0..=2).contains(&(pair[1].slot.0 - pair[0].slot.0)));
        }
    }

    /// A jump of PTS in a stamped feed keeps the lock: the pictures behind it are where their stamps say.
    #[test]
    fn a_jump_keeps_a_stamped_lock(feed in feed(), at in 50..200usize, by in prop_oneof![-90_000_000..-200_000i64, 200_000..90_000_000i64]) {
        let mut ticks = feed.joined(0, 400);
        for tick in &mut ticks[at..] {
            tick.pts = tick.pts + Seconds::new(by.into(), 90_000);
        }
        let grid = Grid::new(feed.rate, Seconds::whole(2));
        let placed = place(&mut clock(&feed, Reference::Stamps), &ticks);
        prop_assert_eq!(placed[at].event, Some(Event::Jumped));
        for (i, p) in placed.iter().enumerate() {
            let utc = feed.start + feed.rate.period().times(i as i128);
            prop_assert!((grid.time(p.slot) - utc).abs() <= feed.rate.period().over(2) + Seconds::new(7, 1000));
        }
    }

    /// A jump without stamps loses the lock, is said, and slots go on without a hole.
    #[test]
    fn a_jump_without_stamps_goes_on(feed in feed(), at in 50..200usize, by in prop_oneof![-90_000_000..-200_000i64, 9_000_000..90_000_000i64]) {
        let mut ticks: Vec<Tick> = feed.joined(0, 400).into_iter().map(|t| Tick { stamp: None, ..t }).collect();
        for tick in &mut ticks[at..] {
            tick.pts = tick.pts + Seconds::new(by.into(), 90_000);
        }
        let placed = place(&mut clock(&feed, Reference::First), &ticks);
        prop_assert_eq!(placed[at].event, Some(Event::LockLost));
        prop_assert_eq!(placed[at].slot.0, placed[at - 1].slot.0 + 1);
        prop_assert_eq!(placed.iter().filter(|p| p.event.is_some()).count(), 1);
        for pair in placed.windows(2) {
            prop_assert!((0..=2).contains(&(pair[1].slot.0 - pair[0].slot.0)));
        }
    }

    /// Hostile stamps and PTS: never a panic, and slots never run backwards by more than the largest gap.
    #[test]
    fn nonsense_is_survived(readings in prop::collection::vec((any::<i64>(), any::<bool>(), prop::option::of(any::<i64>())), 1..100), kind in 0..4) {
        let limit = 1i64 << 39;
        let bounded = |n: i64| Seconds::new((n % (limit * 1000)).into(), 1000);
        let anchor = Anchor { source: Seconds::ZERO, utc: Seconds::whole(1_763_000_000) };
        let reference = match kind {
            0 => Reference::Stamps,
            1 => Reference::Arrival,
            2 => Reference::Anchor { anchor, about: None },
            _ => Reference::First,
        };
        let feed = Feed { rate: Rate::new(25, 1).expect("25"), start: Seconds::ZERO, pts: 0, drift_ppm: 0, jitter_micros: 0, gop: 50 };
        let mut clock = clock(&feed, reference);
        let mut last: Option<Placement> = None;
        for (pts, key, stamp) in readings {
            let p = clock.place(Tick { pts: bounded(pts), key, stamp: stamp.map(bounded), arrival: bounded(pts) });
            // Of a stamped feed, what is not trusted is not published, and a whole period may correct it by any distance.
            if let Some(last) = last.filter(|last| last.trusted || kind != 0) {
                prop_assert!(p.slot.0 >= last.slot.0 - 61 * 25);
            }
            last = Some(p);
        }
    }
}

/// A feed that sits exactly half a slot off the grid, with jitter: decided once per period, it does not flap inside one;
/// moved by a phase, it does not flap at all.
#[test]
fn half_a_slot_off_does_not_flap() {
    let rate = Rate::new(25, 1).expect("25");
    let feed = Feed { rate, start: Seconds::new(1_763_000_000_020, 1000), pts: 0, drift_ppm: 0, jitter_micros: 3000, gop: 50 };
    let grid = Grid::new(rate, Seconds::whole(2));
    let steps = |phase: Seconds| {
        let mut clock = Clock::new(grid, Reference::Stamps, None, phase, Seconds::whole(60), false);
        let placed: Vec<Placement> = (0..25_000).map(|i| clock.place(feed.tick(i))).collect();
        let odd = placed.windows(2).enumerate().filter(|(_, w)| w[1].slot.0 - w[0].slot.0 != 1);
        odd.map(|(i, _)| i + 1).collect::<Vec<_>>()
    };
    let flaps = steps(Seconds::ZERO);
    assert!(flaps.iter().all(|i| i.is_multiple_of(50)), "inside a period: {flaps:?}");
    assert_eq!(steps(Seconds::new(1, 100)), Vec::<usize>::new());
}

/// 24 h at fractional rates: every picture counted, no drift, whatever the rounding of 90 kHz stamps.
#[test]
fn a_day_at_fractional_rates() {
    for (num, den) in [(30_000, 1001), (60_000, 1001), (24_000, 1001)] {
        let rate = Rate::new(num, den).expect("a standard rate");
        let feed = Feed { rate, start: Seconds::whole(1_763_000_000), pts: WRAP_TICKS - 1_000_000, drift_ppm: 0, jitter_micros: 500, gop: 60 };
        let first = clock(&feed, Reference::Stamps).place(feed.tick(0)).slot;
        let mut clock = clock(&feed, Reference::Stamps);
        let day = (86_400 * u64::from(num) / u64::from(den)) as usize;
        let base = feed.tick(0).pts;
        for i in 0..day {
            let tick = feed.tick(i);
            assert!(tick.pts > base || i == 0);
            assert_eq!(clock.place(tick).slot.0, first.0 + i as i64, "{rate}: picture {i}");
        }
    }
}

/// Intra-only: every picture is a key; two joiners cut periods alike.
#[test]
fn intra_only_joiners_agree() {
    let feed =
        Feed { rate: Rate::new(25, 1).expect("25"), start: Seconds::new(1_763_000_000_017, 1000), pts: 123_456, drift_ppm: 40, jitter_micros: 2500, gop: 1 };
    let early = place(&mut clock(&feed, Reference::Stamps), &feed.joined(0, 2000));
    let late = place(&mut clock(&feed, Reference::Stamps), &feed.joined(333, 1667));
    let trusted = late.iter().position(|p| p.trusted).expect("trusted in the end");
    assert!(trusted < 60, "{trusted}");
    assert!(early[333 + trusted..].iter().zip(&late[trusted..]).all(|(e, l)| e.slot == l.slot));
}

/// The margin says how near the next slot is, and the phase that it proposes takes a feed between two slots to the middle of one.
#[test]
fn a_feed_between_two_slots_is_told_the_phase_that_helps() {
    let rate = Rate::new(25, 1).expect("25");
    let feed = Feed { rate, start: Seconds::new(1_763_000_000_019, 1000), pts: 0, drift_ppm: 0, jitter_micros: 500, gop: 50 };
    let run = |phase: Seconds| {
        let mut clock = Clock::new(Grid::new(rate, Seconds::whole(2)), Reference::Stamps, None, phase, Seconds::whole(60), false);
        assert_eq!(clock.margin(), None);
        place(&mut clock, &feed.joined(0, 200));
        clock
    };
    let micros = |span: Seconds| span.nearest_ticks(1_000_000);
    let near = run(Seconds::ZERO);
    assert!((1000 - micros(near.margin().expect("a period"))).abs() < 200, "{:?}", near.margin());
    let phase = near.better_phase().expect("it would help");
    assert!((micros(phase) + 19_000).abs() < 200, "{phase}");
    let centred = run(phase);
    assert!(micros(centred.margin().expect("a period")) > 19_500);
    assert_eq!(centred.better_phase(), None);
}

/// A jump that nothing dates loses the lock; the next stamps bring it back.
#[test]
fn a_lock_is_lost_and_found() {
    let rate = Rate::new(25, 1).expect("25");
    let feed = Feed { rate, start: Seconds::whole(1_763_000_000), pts: 0, drift_ppm: 0, jitter_micros: 0, gop: 25 };
    let mut clock = clock(&feed, Reference::Stamps);
    place(&mut clock, &feed.joined(0, 100));
    assert!(!clock.is_lost());
    let jumped = |i: usize, stamp: bool| Tick { pts: feed.tick(i).pts + Seconds::whole(1000), stamp: feed.tick(i).stamp.filter(|_| stamp), ..feed.tick(i) };
    place(&mut clock, &(100..125).map(|i| jumped(i, false)).collect::<Vec<_>>());
    assert!(clock.is_lost());
    place(&mut clock, &(125..150).map(|i| jumped(i, true)).collect::<Vec<_>>());
    assert!(!clock.is_lost());
}

/// A session whose stamps begin where the one before happened to be is placed by the host's clock all the same; one with stamps by them, however long it was away.
#[test]
fn another_connection_begins_anew() {
    let feed = Feed { rate: Rate::new(25, 1).expect("a rate"), start: Seconds::whole(1_763_000_000), pts: 0, drift_ppm: 0, jitter_micros: 0, gop: 50 };
    for reference in [Reference::Arrival, Reference::Stamps] {
        for away in [20, 300] {
            let mut clock = clock(&feed, reference.clone());
            let before = place(&mut clock, &feed.joined(0, 200));
            let last = before.last().expect("some").slot;
            // The next picture's stamp is 0.2 s after the last one's, and it came so many seconds later.
            let later = |i: usize| Tick { pts: feed.tick(205 + i).pts, key: i == 0, ..feed.tick(200 + i + 25 * away) };
            clock.filled(Slot(last.0 + 25 * away as i64 - 30));
            clock.renew();
            let after: Vec<Placement> = (0..100).map(|i| clock.place(later(i))).collect();
            let slots: Vec<i64> = after.iter().map(|p| p.slot.0 - last.0 - 25 * away as i64).collect();
            assert!(slots.iter().zip(1..).all(|(slot, n)| *slot == n), "{reference:?}, away for {away} s: {slots:?}");
            assert_eq!(after[0].event, Some(Event::Jumped));
        }
    }
}

use super::*;
use crate::frame::{Picture, SideData};
use crate::time::Rate;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use std::sync::Arc;

const GOP: i64 = 50;

fn grid() -> Grid {
    Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO)
}

fn frame(slot: i64, missed: bool) -> Frame {
    let slot = Slot(slot);
    let (gop, opens_gop) = (grid().gop(slot), grid().index(slot) == 0);
    let mut picture = Video::new(Pixel::YUV420P, 64, 64);
    picture.data_mut(0).fill(100 + (slot.0 % 50) as u8);
    Frame {
        slot,
        gop,
        opens_gop,
        force_idr: false,
        last: false,
        length: Length::Whole,
        picture: Picture::Cpu(Arc::new(picture)),
        origin: if missed { Origin::Repeat } else { Origin::Input },
        damaged: false,
        missed,
        path: 0,
        sight: Default::default(),
        side: Arc::new(SideData::default()),
    }
}

fn shown(out: &[Out]) -> Vec<(i64, u8, bool)> {
    out.iter().filter_map(|out| if let Out::Frame(f) = out { Some((f.slot.0, f.path, f.missed)) } else { None }).collect()
}

fn switches(out: &[Out]) -> Vec<(i64, usize, Option<Trouble>)> {
    out.iter().filter_map(|out| if let Out::Switched { at, to, why } = out { Some((at.0, *to, *why)) } else { None }).collect()
}

/// Both bring the slots `0..end`; the first misses `gap`. `lag`: how many slots the second is behind (ahead, where negative).
fn run(end: i64, gap: std::ops::Range<i64>, lag: i64, conditions: Conditions) -> Vec<Out> {
    let (mut switch, mut out) = (Switch::new(grid(), conditions, None), Vec::new());
    // Missed slots are told 5 slots late.
    let mut events: Vec<(i64, usize, i64)> = (0..end).map(|slot| (slot + if gap.contains(&slot) { 5 } else { 0 }, 0, slot)).collect();
    events.sort_by_key(|e| (e.2, e.0));
    let mut when = i64::MIN;
    events.iter_mut().for_each(|e| {
        when = when.max(e.0);
        e.0 = when;
    });
    events.extend((0..end).map(|slot| (slot + lag, 1, slot)));
    events.sort_by_key(|e| e.0);
    for (_, path, slot) in events {
        switch.push(path, frame(slot, path == 0 && gap.contains(&slot)), &mut out);
    }
    out
}

#[test]
fn a_loss_costs_no_slot_and_the_first_feed_comes_back_at_a_gop() {
    for lag in [-3, 0, 3] {
        let out = run(20 * GOP, 130..180, lag, Conditions::default());
        let slots = shown(&out);
        assert!(slots.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "lag {lag}: a hole or an overlap");
        assert_eq!(slots.iter().filter(|slot| slot.2).count(), 0, "lag {lag}: repeated though the other has pictures");
        let switches = switches(&out);
        assert_eq!(switches.first().map(|s| (s.0, s.1, s.2)), Some((130, 1, Some(Trouble::Loss))), "lag {lag}");
        assert_eq!(switches.len(), 2, "lag {lag}: {switches:?}");
        let (at, to, why) = switches[1];
        assert!(at % GOP == 0 && (180 + 250..=180 + 250 + 2 * GOP).contains(&at), "lag {lag}: back at {at}");
        assert_eq!((to, why), (0, None));
        assert!(slots.iter().all(|(slot, path, _)| *path == u8::from((130..at).contains(slot))));
    }
}

#[test]
fn the_sound_of_a_gop_is_that_of_its_last_picture() {
    let out = run(20 * GOP, 130..180, 0, Conditions::default());
    let sound: Vec<(i64, usize)> = out.iter().filter_map(|out| if let Out::Sound(gop, path) = out { Some((gop.0, *path)) } else { None }).collect();
    assert_eq!(sound.len(), 20);
    assert_eq!(sound[..4], [(0, 0), (1, 0), (2, 1), (3, 1)]);
    assert_eq!(sound.last(), Some(&(19, 0)));
}

#[test]
fn where_both_are_away_the_first_repeats() {
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    for slot in 0..3 * GOP {
        let missed = (60..90).contains(&slot);
        switch.push(1, frame(slot, missed), &mut out);
        switch.push(0, frame(slot, missed), &mut out);
    }
    assert_eq!(switches(&out), []);
    assert_eq!(shown(&out).iter().filter(|slot| slot.2).count(), 30);
}

#[test]
fn a_black_or_frozen_feed_is_left_after_its_time_and_not_before() {
    let conditions = Conditions { black: Some(Seconds::TWO), frozen: Some(Seconds::whole(4)), ..Conditions::default() };
    for (value, due) in [(16u8, 150), (90, 200)] {
        let (mut switch, mut out) = (Switch::new(grid(), conditions, None), Vec::new());
        for slot in 0..6 * GOP {
            let mut first = frame(slot, false);
            if slot >= 100 {
                let mut flat = Video::new(Pixel::YUV420P, 64, 64);
                flat.data_mut(0).fill(value);
                first.picture = Picture::Cpu(Arc::new(flat));
            }
            switch.push(0, first, &mut out);
            switch.push(1, frame(slot, false), &mut out);
        }
        let why = if value == 16 { Trouble::Black } else { Trouble::Frozen };
        let switches = switches(&out);
        assert_eq!((switches.len(), switches[0].1, switches[0].2), (1, 1, Some(why)), "{switches:?}");
        assert!((due..=due + 2).contains(&switches[0].0), "{switches:?}");
    }
}

#[test]
fn the_second_begins_where_the_first_is_not_there_and_stays_where_it_is_asked_for() {
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    (0..2 * GOP).for_each(|slot| switch.push(1, frame(slot, false), &mut out));
    assert_eq!((switch.active(), shown(&out).len() as i64), (1, 2 * GOP));
    switch.want(1);
    for slot in 2 * GOP..20 * GOP {
        switch.push(1, frame(slot, false), &mut out);
        switch.push(0, frame(slot, false), &mut out);
    }
    assert_eq!(switches(&out), []);
    switch.want(0);
    for slot in 20 * GOP..22 * GOP {
        switch.push(1, frame(slot, false), &mut out);
        switch.push(0, frame(slot, false), &mut out);
    }
    assert_eq!(switches(&out), [(20 * GOP, 0, None)]);
}

#[test]
fn a_feed_that_ends_hands_over() {
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    for slot in 0..GOP + 10 {
        switch.push(0, frame(slot, false), &mut out);
    }
    for slot in 0..2 * GOP {
        switch.push(1, frame(slot, false), &mut out);
    }
    switch.end(0, &mut out);
    assert!(!switch.is_over());
    switch.end(1, &mut out);
    assert!(switch.is_over());
    let slots = shown(&out);
    // What the second had kept while the first was shown is a second.
    assert!(slots.windows(2).all(|pair| pair[1].0 > pair[0].0));
    assert_eq!(slots.last().map(|s| (s.0, s.1)), Some((2 * GOP - 1, 1)));
}

/// Its decoder is that much faster, or its way that much shorter.
#[test]
fn a_second_feed_that_is_far_ahead_is_caught_up_with() {
    let (mut switch, mut out) = (Switch::new(grid(), Conditions { back: None, ..Conditions::default() }, None), Vec::new());
    for now in 0..10 * GOP {
        // The first misses what is due from slot 130 on, which is told five slots late.
        if !(130..135).contains(&now) {
            let slot = if now < 130 { now } else { now - 5 };
            switch.push(0, frame(slot, slot >= 130), &mut out);
        }
        if now >= 50 {
            switch.push(1, frame(now + 40, false), &mut out);
        }
    }
    let slots = shown(&out);
    assert!(slots.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "a hole or an overlap");
    let repeated = slots.iter().filter(|slot| slot.2).count();
    assert!((1..=22).contains(&repeated), "{repeated} repeated");
    assert_eq!(switches(&out).len(), 1);
    assert!(slots.iter().all(|(slot, path, _)| *path == u8::from(*slot >= 130 + repeated as i64)));
}

/// Pushes each (path, slot), and says how many slots wait at most.
fn feed(switch: &mut Switch, events: impl IntoIterator<Item = (usize, i64, bool)>, out: &mut Vec<Out>) -> usize {
    let most = events.into_iter().map(|(path, slot, missed)| {
        switch.push(path, frame(slot, missed), out);
        switch.paths.iter().map(|path| path.frames.len()).max().unwrap_or(0)
    });
    most.max().unwrap_or(0)
}

#[test]
fn a_first_feed_that_is_far_behind_is_not_waited_for() {
    let late = 20 * 25;
    // The first is 20 s later than the second, fails at its slot 300, and is well again from slot 400 on.
    let events = (0..4000).flat_map(|now| {
        let first = now - late;
        let first = (first >= 0).then_some((0, first, (300..400).contains(&first)));
        first.into_iter().chain([(1, now, false)])
    });
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    let most = feed(&mut switch, events, &mut out);
    assert!(most <= 2 * 25, "{most} slots wait");
    let slots = shown(&out);
    assert!(slots.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "a hole or an overlap");
    assert!(slots.last().is_some_and(|last| last.0 > 3900), "the output stands still at {:?}", slots.last());
}

#[test]
fn a_second_feed_of_another_time_does_not_drag_the_event_into_the_future() {
    let hour = 3600 * 25;
    let events = (0..1000).flat_map(|now| [(0, now, (300..400).contains(&now)), (1, now + hour, false)]);
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    feed(&mut switch, events, &mut out);
    let slots = shown(&out);
    assert!(slots.iter().all(|slot| slot.0 < 1000 && slot.1 == 0), "{:?}", slots.last());
    assert_eq!(slots.len(), slots.last().map_or(0, |last| last.0 as usize + 1));
}

#[test]
fn no_gop_is_left_with_a_hole_where_the_other_begins_later() {
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    feed(&mut switch, (0..130).map(|slot| (0, slot, false)), &mut out);
    // What the second has begins in the midst of the GOP after next, and is no picture of its own.
    feed(&mut switch, (220..300).map(|slot| (1, slot, true)), &mut out);
    switch.end(0, &mut out);
    feed(&mut switch, (300..320).map(|slot| (1, slot, false)), &mut out);
    let slots = shown(&out);
    let holes: Vec<_> = slots.windows(2).filter(|pair| pair[1].0 != pair[0].0 + 1).map(|pair| (pair[0].0, pair[1].0)).collect();
    assert!(holes.iter().all(|(before, after)| (before + 1) % GOP == 0 && after % GOP == 0), "{holes:?}");
}

#[test]
fn the_sound_of_a_short_last_gop_is_asked_for_once() {
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    feed(&mut switch, (0..130).map(|slot| (0, slot, false)), &mut out);
    switch.end(0, &mut out);
    switch.end(1, &mut out);
    let sounds: Vec<i64> = out.iter().filter_map(|out| if let Out::Sound(gop, _) = out { Some(gop.0) } else { None }).collect();
    assert_eq!(sounds, [0, 1, 2]);
}

#[test]
fn a_feed_that_is_asked_for_does_not_flap() {
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    switch.want(1);
    // The second loses a picture every 20: each time the first is shown instead.
    let events = (0..2000).flat_map(|now| [(0, now, false), (1, now, now % 20 == 19)]);
    feed(&mut switch, events, &mut out);
    let switches = switches(&out);
    assert!(switches.len() <= 3, "{switches:?}");
}

#[test]
fn a_first_feed_that_ends_ends_the_event_where_its_standby_never_came() {
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    feed(&mut switch, (0..130).map(|slot| (0, slot, false)), &mut out);
    assert!(!switch.is_over());
    switch.end(0, &mut out);
    assert!(switch.is_over());
    assert_eq!(shown(&out).len(), 130);
}

/// It is open, and joins: its first slot comes seconds after that.
#[test]
fn a_standby_that_is_about_to_begin_is_waited_for() {
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    feed(&mut switch, (0..130).map(|slot| (0, slot, false)), &mut out);
    switch.open(1, true);
    switch.end(0, &mut out);
    assert!(!switch.is_over());
    feed(&mut switch, (150..200).map(|slot| (1, slot, false)), &mut out);
    switch.open(1, false);
    switch.end(1, &mut out);
    assert!(switch.is_over());
    let slots = shown(&out);
    assert!(slots.iter().map(|slot| slot.0).eq(0..200), "a hole or an overlap");
    assert!(slots.iter().all(|slot| (slot.1 == 1) == (slot.0 >= 150)));
}

#[test]
fn a_feed_that_comes_again_is_shown_again_once_it_was_well() {
    let (mut switch, mut out) = (Switch::new(grid(), Conditions::default(), None), Vec::new());
    feed(&mut switch, (0..100).flat_map(|slot| [(0, slot, false), (1, slot, false)]), &mut out);
    switch.end(0, &mut out);
    feed(&mut switch, (100..200).map(|slot| (1, slot, false)), &mut out);
    assert!(!switch.is_over() && switch.is_away(0));
    feed(&mut switch, (200..200 + 8 * GOP).flat_map(|slot| [(0, slot, false), (1, slot, false)]), &mut out);
    let switches = switches(&out);
    assert_eq!((switches.len(), switches[0]), (2, (100, 1, Some(Trouble::Loss))), "{switches:?}");
    // 10 s after it came again, not before.
    assert!(switches[1].0 >= 450 && switches[1].0 % GOP == 0 && switches[1].1 == 0, "{switches:?}");
    let slots = shown(&out);
    assert!(slots.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "a hole or an overlap");
    // And the second may go for good.
    switch.end(1, &mut out);
    assert!(!switch.is_over());
    switch.end(0, &mut out);
    assert!(switch.is_over());
}

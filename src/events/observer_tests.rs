use super::*;
use crate::protect::Counts;
use crate::protect::cipher::Scheme;
use crate::status::tests::plan;

fn kinds(notes: &[Note]) -> Vec<Kind> {
    notes.iter().map(Note::kind).collect()
}

#[test]
fn a_spell_is_told_twice_however_long_it_is() {
    let mut spell = Spell::default();
    // Something goes well all along.
    let mut well = 0..;
    let mut look = |count: u64| spell.look(count, well.next().expect("no end"), QUIET);
    assert_eq!(look(0), Told::Nothing);
    assert_eq!(look(3), Told::Begun(3));
    for count in 4..100 {
        assert_eq!(look(count), Told::Nothing);
    }
    for _ in 1..QUIET {
        assert_eq!(look(99), Told::Nothing);
    }
    assert_eq!(look(99), Told::Ended(99));
    assert_eq!(look(99), Told::Nothing);
    assert_eq!(look(100), Told::Begun(1));
}

#[test]
fn a_spell_in_which_nothing_goes_well_goes_on() {
    let mut spell = Spell::default();
    assert_eq!(spell.look(1, 7, QUIET), Told::Begun(1));
    (0..500).for_each(|_| assert_eq!(spell.look(1, 7, QUIET), Told::Nothing));
    assert_eq!(spell.look(1, 8, QUIET), Told::Ended(1));
}

/// What looks at these snapshots tell, one for each quarter of a second.
fn watch(seen: &mut Seen, now: &mut Snapshot, seconds: usize, mut alter: impl FnMut(usize, &mut Snapshot)) -> Vec<Kind> {
    (0..seconds * 4)
        .flat_map(|look| {
            alter(look, now);
            kinds(&seen.look(now))
        })
        .collect()
}

#[test]
fn long_segments_have_long_spells() {
    let mut now = Status::new(&plan(), true).snapshot();
    now.segment_ms = 30_000;
    let mut seen = Seen::default();
    seen.look(&now);
    // Each GOP of half a minute fails, and another rung's are published.
    let told = watch(&mut seen, &mut now, 300, |look, now| {
        if look % 120 == 0 {
            (now.tracks[0].failed, now.tracks[0].late, now.source.shed_gops, now.published.gaps) =
                (now.tracks[0].failed + 1, now.tracks[0].late + 1, now.source.shed_gops + 1, now.published.gaps + 1);
            (now.tracks[0].segments, now.source.pictures, now.published.segments) = (now.tracks[0].segments + 1, now.source.pictures + 1, 1);
        }
    });
    assert_eq!(told, [Kind::GopsDropped, Kind::GopsDropped, Kind::RungFailed, Kind::SegmentGap]);
    let told = watch(&mut seen, &mut now, 90, |look, now| {
        if look % 120 == 119 {
            (now.tracks[0].segments, now.source.pictures) = (now.tracks[0].segments + 1, now.source.pictures + 1);
        }
    });
    assert_eq!(told, [Kind::GopsKept, Kind::GopsKept, Kind::RungRecovered]);
}

#[test]
fn a_rung_has_recovered_once_nothing_befalls_it() {
    let mut now = Status::new(&plan(), true).snapshot();
    let mut seen = Seen::default();
    seen.look(&now);
    let told = watch(&mut seen, &mut now, 60, |look, now| {
        now.tracks[0].segments += 1;
        // Another backend makes its GOPs, and once that one fails, too.
        now.tracks[0].fallbacks += u64::from(look % 8 == 0 && look < 160);
        now.tracks[0].failed += u64::from(look == 20);
    });
    assert_eq!(told, [Kind::RungRetried, Kind::RungFailed, Kind::RungRecovered]);
    let text = |now: &Snapshot, seen: &mut Seen| seen.look(now).iter().map(|note| note.text.clone()).collect::<String>();
    now.tracks[0].fallbacks += 2;
    assert_eq!(text(&now, &mut seen), "2 GOPs made by another backend than the first");
    now.tracks[0].segments += 1;
    let texts: String = (0..60).map(|_| text(&now, &mut seen)).collect();
    assert_eq!(texts, "the first backend makes all GOPs again; 2 were made by another one, and 0 were lost", "what is only tried again recovers, too");
}

#[test]
fn keys_fail_until_one_comes() {
    let mut now = Status::new(&plan(), true).snapshot();
    now.protection = vec![Counts::default().snapshot(Scheme::Cbcs)];
    let mut seen = Seen::default();
    seen.look(&now);
    // Asked again every half minute, in vain.
    let told = watch(&mut seen, &mut now, 300, |look, now| {
        now.protection[0].failed += u64::from(look % 160 == 0);
        now.protection[0].failing = true;
    });
    assert_eq!(told, [Kind::KeysFailing]);
    now.protection[0].missing += 1;
    assert_eq!(kinds(&seen.look(&now)), []);
    now.protection[0].failing = false;
    assert_eq!(kinds(&seen.look(&now)), [], "a segment of just now has none");
    assert_eq!(watch(&mut seen, &mut now, 60, |_, now| now.published.segments += 1), [Kind::KeysRecovered]);
}

#[test]
fn changes_are_told_and_what_stays_is_not() {
    let status = Status::new(&plan(), true);
    let mut seen = Seen::default();
    let mut now = status.snapshot();
    assert_eq!(kinds(&seen.look(&now)), []);
    now.source.units = 1;
    (now.tracks[0].late, now.published.gaps, now.source.anchors) = (2, 2, 1);
    assert_eq!(kinds(&seen.look(&now)), [Kind::InputUp, Kind::GopsDropped, Kind::SegmentGap]);
    (now.source.disconnects, now.source.anchors) = (1, 2);
    assert_eq!(kinds(&seen.look(&now)), [Kind::ClockAnchored, Kind::InputDown]);
    now.source.reconnects = 1;
    assert_eq!(kinds(&seen.look(&now)), [Kind::InputUp]);
}

#[test]
fn the_last_look_is_at_the_end() {
    let status = Arc::new(Status::new(&plan(), true));
    let observer = Observer::start(Arc::clone(&status)).expect("a thread");
    status.conflicts.add(2);
    drop(observer);
    let told = status.events.after(None, 99).events;
    assert!(told.iter().any(|event| event.kind == Kind::OutputConflict && event.text.starts_with("2 segments")), "{told:?}");
}

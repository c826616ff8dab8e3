//! Every slot exactly once, whatever the feed does.

use super::*;
use crate::clock::Reference;
use crate::job::Anchor;
use crate::time::Rate;
use ffmpeg_next::frame::Video;
use proptest::prelude::*;

fn picture() -> Picture {
    Picture::Cpu(Arc::new(Video::empty()))
}

fn grid(num: u32, den: u32) -> Grid {
    Grid::new(Rate::new(num, den).expect("a rate"), Seconds::whole(2))
}

fn sync(grid: Grid, reference: Reference, settings: Settings) -> FrameSync {
    let clock = Clock::new(grid, reference, None, Seconds::ZERO, settings.max_gap, settings.whole);
    FrameSync::new(grid, clock, settings, Box::new(|_| picture()))
}

fn settings(whole: bool) -> Settings {
    Settings {
        hold: Seconds::ONE,
        max_gap: Seconds::whole(60),
        duration: None,
        expected: None,
        run_up: Seconds::ZERO,
        whole,
        sound_step: None,
        lateness: LATENESS,
    }
}

fn timed(pts: Seconds, key: bool, stamp: Option<Seconds>) -> Timed {
    Timed { tick: Tick { pts, key, stamp, arrival: pts }, picture: picture(), damaged: false }
}

fn run(sync: &mut FrameSync, feed: impl IntoIterator<Item = Timed>, end: End) -> Vec<Emit> {
    let mut out = Vec::new();
    for timed in feed {
        sync.push(timed, &mut out);
    }
    sync.finish(end, &mut out);
    out
}

fn frames(out: &[Emit]) -> Vec<(i64, Origin, bool)> {
    out.iter().filter_map(|e| if let Emit::Frame(f) = e { Some((f.slot.0, f.origin, f.last)) } else { None }).collect()
}

fn cues(out: &[Emit]) -> Vec<AudioCue> {
    out.iter().filter_map(|e| if let Emit::Cue(c) = e { Some(c.clone()) } else { None }).collect()
}

#[test]
fn a_file_is_counted_from_its_first_picture() {
    let grid = grid(25, 1);
    let feed = (0..75).map(|i| timed(Seconds::new(1000 + i * 40, 1000), i % 25 == 0, None));
    let out = run(&mut sync(grid, Reference::First, settings(true)), feed, End::Ended);
    let want: Vec<_> = (0..75).map(|i| (i, Origin::Input, i == 74)).collect();
    assert_eq!(frames(&out), want);
    let offset = Seconds::whole(-1);
    assert_eq!(
        cues(&out),
        vec![
            AudioCue { gop: GopId(0), slots: 50, more: false, offset, moved: None, whole: true, away: false, last: false },
            AudioCue { gop: GopId(1), slots: 25, more: false, offset, moved: None, whole: true, away: false, last: true }
        ]
    );
}

#[test]
fn leaving_discards_the_open_gop() {
    let feed = (0..75).map(|i| timed(Seconds::new(i * 40, 1000), i % 25 == 0, None));
    let out = run(&mut sync(grid(25, 1), Reference::First, settings(true)), feed, End::Leaving);
    assert_eq!(cues(&out).len(), 1);
    assert!(frames(&out).iter().all(|f| !f.2));
}

#[test]
fn a_gap_is_held_then_filled() {
    let kept = (0..200).filter(|i| !(60..120).contains(i));
    let feed = kept.map(|i| timed(Seconds::new(i * 40, 1000), i % 25 == 0, None));
    let mut sync = sync(grid(25, 1), Reference::First, settings(true));
    let out = run(&mut sync, feed, End::Ended);
    let kinds = frames(&out);
    assert_eq!(kinds.iter().map(|f| f.0).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    let of = |origin| kinds.iter().filter(|f| f.1 == origin).map(|f| f.0).collect::<Vec<_>>();
    assert_eq!(of(Origin::Repeat), (60..85).take(25).collect::<Vec<_>>());
    assert_eq!(of(Origin::Filler), (85..120).collect::<Vec<_>>()[..].to_vec());
    assert_eq!((sync.counts().repeats, sync.counts().filler), (25, 35));
}

/// The source is away for five seconds and comes back with another time: on time all the same, and nothing is missing.
#[test]
fn a_live_source_that_restarts_carries_on_where_the_host_clock_is() {
    let grid = grid(25, 1);
    let anchor = Anchor { source: Seconds::ZERO, utc: Seconds::whole(1_763_000_000) };
    let mut sync = sync(grid, Reference::Anchor { anchor, about: Some(anchor.utc) }, settings(false));
    let (mut out, first) = (Vec::new(), 1_763_000_000 * 25);
    let mut play = |sync: &mut FrameSync, from: i64, until: i64, restart: i64| {
        for n in from..until {
            let at = Seconds::new((n * 40).into(), 1000);
            let tick = Tick { pts: at - Seconds::new((restart * 40).into(), 1000), key: n % 25 == 0, stamp: None, arrival: anchor.utc + at + Seconds::TENTH };
            sync.push_live(Timed { tick, picture: picture(), damaged: false }, at.to_duration(), &mut out);
        }
    };
    play(&mut sync, 0, 200, 0);
    let mut filled = Vec::new();
    for now in [8, 9, 10, 11, 12, 13] {
        sync.fill_due(Duration::from_secs(now), &mut filled);
    }
    assert_eq!(frames(&filled).last().map(|f| f.0), Some(first + 300), "a second behind the pictures that would be there now");
    play(&mut sync, 325, 500, 325);
    sync.fill_due(Duration::from_secs(20), &mut out);
    let mut slots: Vec<i64> = frames(&out).iter().chain(&frames(&filled)).map(|f| f.0).collect();
    slots.sort_unstable();
    assert!(slots.windows(2).all(|pair| pair[1] == pair[0] + 1), "{slots:?}");
    let shown: Vec<i64> = frames(&out).iter().filter(|f| f.1 == Origin::Input).map(|f| f.0).collect();
    assert_eq!(shown.last(), Some(&(first + 498)), "the last but one, which is decided: its pictures are where the host's clock puts them");
    assert_eq!((sync.counts().late, sync.counts().locks_lost), (0, 1));
}

#[test]
fn a_gap_beyond_the_limit_leaves_whole_gops_out() {
    let grid = grid(25, 1);
    let mut s = settings(false);
    s.max_gap = Seconds::whole(3);
    let start = Seconds::whole(1_763_000_000);
    let kept = (0..1000i64).filter(|i| !(260..777).contains(i));
    let feed = kept.map(|i| {
        let t = Seconds::new((i * 40).into(), 1000);
        timed(t, i % 25 == 0, Some(start + t))
    });
    let mut sync = sync(grid, Reference::Stamps, s);
    let out = run(&mut sync, feed, End::Ended);
    let slots: Vec<i64> = frames(&out).iter().map(|f| f.0).collect();
    let holes: Vec<_> = slots.windows(2).filter(|w| w[1] != w[0] + 1).map(|w| (grid.index(Slot(w[0])), grid.index(Slot(w[1])))).collect();
    assert_eq!(holes, vec![(49, 0)], "only whole GOPs are missing");
    assert_eq!(sync.counts().skipped, 450);
    assert_eq!(cues(&out).iter().map(|c| i64::from(c.slots)).sum::<i64>(), slots.len() as i64);
}

#[test]
fn a_short_last_gop_is_seen_coming() {
    for (pictures, duration, short) in
        [(200, None, None), (175, None, Some(25)), (300, Some(175), Some(25)), (300, Some(195), Some(45)), (300, Some(200), None), (190, Some(195), Some(40))]
    {
        let mut s = settings(true);
        s.duration = duration;
        let mut sync = sync(grid(25, 1), Reference::First, s);
        let mut out = Vec::new();
        for i in 0..pictures {
            sync.push(timed(Seconds::new(i * 40, 1000), i % 25 == 0, None), &mut out);
            if pictures - i < 100 {
                sync.look_ahead(Sight::Ends(Some(Seconds::new((pictures - 1) * 40, 1000))));
            }
        }
        sync.finish(End::Ended, &mut out);
        let opening = out.iter().filter_map(|e| if let Emit::Frame(f) = e { f.opens_gop.then_some((f.gop.0, f.length)) } else { None });
        let known: Vec<(i64, Length)> = opening.filter(|(_, length)| *length != Length::Whole).collect();
        let want: Vec<(i64, Length)> = short.into_iter().map(|slots| (3, Length::Short(slots))).collect();
        assert_eq!(known, want, "{pictures} pictures, {duration:?}");
    }
}

/// A stamp of another century, on the first picture or just behind a loss, moves nothing.
#[test]
fn one_wrong_stamp_moves_nothing() {
    let (grid, start) = (grid(25, 1), Seconds::whole(1_763_000_000));
    let century = Seconds::whole(3_155_760_000);
    for (wrong, lost) in [(0, 0..0), (275, 230..275), (0, 230..275)] {
        for off in [century, -century.over(2)] {
            let feed = (0..1000i64).filter(|i| !lost.contains(i)).map(|i| {
                let at = Seconds::new((i * 40).into(), 1000);
                timed(at, i % 25 == 0, Some(start + at + if i == wrong { off } else { Seconds::ZERO }))
            });
            let mut sync = sync(grid, Reference::Stamps, settings(false));
            let out = run(&mut sync, feed, End::Ended);
            let base = grid.nearest(start).0;
            let slots: Vec<i64> = frames(&out).iter().map(|f| f.0 - base).collect();
            assert!(slots.len() >= 890 && slots.iter().all(|slot| (0..1000).contains(slot)), "{wrong} {lost:?} {off}: {} {:?}", slots.len(), slots.first());
            assert!(slots.windows(2).all(|pair| pair[1] == pair[0] + 1), "{wrong} {lost:?} {off}");
            let last: Vec<i64> = frames(&out).iter().filter(|f| f.1 == Origin::Input).map(|f| f.0 - base).collect();
            assert_eq!(last.last(), Some(&999), "{wrong} {lost:?} {off}: where it was, in the end");
        }
    }
}

/// Between the join and the first GOP nothing is due, however long the feed pauses.
#[test]
fn nothing_is_filled_before_the_first_gop_is_due() {
    let anchor = Anchor { source: Seconds::ZERO, utc: Seconds::whole(1_763_000_000) };
    let mut sync = sync(grid(25, 1), Reference::Anchor { anchor, about: Some(anchor.utc) }, settings(false));
    let mut out = Vec::new();
    for n in 0..40i64 {
        let at = Seconds::new((n * 40).into(), 1000);
        let tick = Tick { pts: at, key: n % 25 == 0, stamp: None, arrival: anchor.utc + at };
        sync.push_live(Timed { tick, picture: picture(), damaged: false }, at.to_duration(), &mut out);
    }
    sync.fill_due(Duration::from_millis(40 * 40 + 1000), &mut out);
    assert_eq!(frames(&out), []);
    sync.fill_due(Duration::from_millis(50 * 40 + 1000), &mut out);
    assert_eq!(frames(&out).len(), 1);
}

#[test]
fn duration_ends_the_event() {
    let mut s = settings(true);
    s.duration = Some(60);
    let feed = (0..200).map(|i| timed(Seconds::new(i * 40, 1000), i % 25 == 0, None));
    let mut sync = sync(grid(25, 1), Reference::First, s);
    let out = run(&mut sync, feed, End::Ended);
    assert!(sync.is_over());
    let want: Vec<_> = (0..60).map(|i| (i, Origin::Input, i == 59)).collect();
    assert_eq!(frames(&out), want);
    assert_eq!(cues(&out).last().map(|c| (c.slots, c.last)), Some((10, true)));
}

#[test]
fn the_nearest_picture_wins_its_slot() {
    // 50 pictures a second onto 25 slots: those on the grid stay.
    let feed = (0..100).map(|i| timed(Seconds::new(i * 20, 1000), i % 50 == 0, None));
    let mut sync = sync(grid(25, 1), Reference::First, settings(true));
    let mut out = Vec::new();
    feed.for_each(|t| sync.push(t, &mut out));
    sync.finish(End::Ended, &mut out);
    let pts: Vec<Seconds> = out.iter().filter_map(|e| if let Emit::Frame(f) = e { f.side.source_pts } else { None }).collect();
    assert!(pts.iter().take(50).enumerate().all(|(i, p)| *p == Seconds::new(i as i128 * 40, 1000)), "{pts:?}");
    assert_eq!(sync.counts().repeats, 0);
}

/// 90 kHz cannot say 59.94 or 23.976: the offset of sound is the same for every GOP all the same.
#[test]
fn rounding_of_stamps_does_not_move_sound() {
    for (num, den) in [(60_000, 1001), (24_000, 1001), (30_000, 1001)] {
        let grid = grid(num, den);
        let period = grid.rate.period();
        let start = Seconds::new(1_763_000_000_007, 1000);
        let feed = (0..5000i128).map(|i| {
            let t = Seconds::new(7, 90_000) + period.times(i);
            timed(Seconds::new(t.floor_ticks(90_000).into(), 90_000), i % 48 == 0, Some(start + period.times(i)))
        });
        let out = run(&mut sync(grid, Reference::Stamps, settings(false)), feed, End::Leaving);
        let offsets: std::collections::BTreeSet<Seconds> = cues(&out).iter().map(|c| c.offset).collect();
        assert!(cues(&out).len() > 30);
        assert_eq!(offsets.len(), 1, "{num}/{den}: {offsets:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever PTS do, slots come out once each and in order, GOPs open on their first slot, and cues cover what was emitted.
    #[test]
    fn slots_are_contiguous(steps in prop::collection::vec((-3_000..9_000i64, any::<bool>()), 1..300), whole in any::<bool>()) {
        let grid = grid(30_000, 1001);
        let mut pts = 900_000i64;
        let feed: Vec<Timed> = steps.iter().map(|(step, key)| {
            pts += if *step == 8_999 { 90_000 * 200 } else { *step };
            timed(Seconds::new(pts.into(), 90_000), *key, None)
        }).collect();
        let anchor = crate::job::Anchor { source: Seconds::ZERO, utc: Seconds::whole(1_763_000_000) };
        let reference = if whole { Reference::First } else { Reference::Anchor { anchor, about: None } };
        let out = run(&mut sync(grid, reference, settings(whole)), feed, End::Ended);
        let slots = frames(&out);
        for pair in slots.windows(2) {
            prop_assert_eq!(pair[1].0, pair[0].0 + 1);
        }
        if let Some(first) = slots.first() {
            prop_assert_eq!(grid.index(Slot(first.0)), 0);
            prop_assert!(slots.last().is_some_and(|l| l.2));
        }
        prop_assert_eq!(cues(&out).iter().map(|c| c.slots as usize).sum::<usize>(), slots.len());
    }

    /// Joined later with an anchor: the same picture in every slot that both have, and the same cue.
    #[test]
    fn joiners_emit_the_same(join in 1..300usize, phase in 0..40_000i64, drop in 0..5usize) {
        let grid = grid(25, 1);
        let anchor = crate::job::Anchor { source: Seconds::ZERO, utc: Seconds::new(1_763_000_000_000_000 + i128::from(phase), 1_000_000) };
        let reference = Reference::Anchor { anchor, about: None };
        let feed: Vec<Timed> = (0..700).filter(|i| drop == 0 || i % 97 >= drop).map(|i| timed(Seconds::new(i as i128 * 40, 1000), i % 32 == 0, None)).collect();
        let later: Vec<Timed> = feed.iter().filter(|t| t.tick.pts >= Seconds::new(join as i128 * 40, 1000)).cloned().collect();
        let skip = later.iter().position(|t| t.tick.key).unwrap_or(0);
        let early = run(&mut sync(grid, reference.clone(), settings(false)), feed, End::Ended);
        let late = run(&mut sync(grid, reference, settings(false)), later[skip..].to_vec(), End::Ended);
        let shown = |out: &[Emit]| out.iter().filter_map(|e| if let Emit::Frame(f) = e { Some((f.slot, (f.origin, f.side.source_pts))) } else { None }).collect::<std::collections::BTreeMap<_, _>>();
        let (early_frames, late_frames) = (shown(&early), shown(&late));
        prop_assert!(!late_frames.is_empty());
        for (slot, what) in &late_frames {
            prop_assert_eq!(early_frames.get(slot), Some(what));
        }
        // Whether pictures were missing where the run-up of its sound is says each of its own: the first pictures of the later one are filled.
        let alike = |out: &[Emit]| cues(out).into_iter().map(|cue| AudioCue { away: false, ..cue }).collect::<Vec<_>>();
        for cue in alike(&late) {
            prop_assert!(alike(&early).contains(&cue), "{:?}", cue);
        }
    }
}

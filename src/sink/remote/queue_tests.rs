use super::*;
use crate::sink::{Publish, Readers};
use crate::time::Seconds;

const BYTES: usize = 100;

fn limits(live: bool) -> Limits {
    Limits { bytes: 1000, fill: 3, live }
}

fn queue(live: bool) -> Queue {
    Queue::new(limits(live), &["v".to_owned(), "a".to_owned()], Arc::new(Counts::new("x")))
}

fn segment(track: &str, number: i64) -> Publish {
    Publish::Segment {
        track: track.into(),
        number: GopId(number),
        path: format!("{track}/{number}.m4s"),
        bytes: Bytes::from(vec![number as u8; BYTES]),
        slot_end: Seconds::whole(2 * number + 2),
        verdict: Arc::default(),
    }
}

fn chunk(number: i64, index: u32) -> Publish {
    Publish::Chunk {
        track: "v".into(),
        number: GopId(number),
        index,
        path: format!("v/{number}.m4s"),
        bytes: Bytes::from_static(b"x"),
        start: Seconds::ZERO,
        duration: Seconds::ZERO,
        independent: index == 0,
    }
}

fn text(path: &str, text: &str) -> Publish {
    Publish::Text { path: path.into(), bytes: Bytes::from(text.to_owned()), readers: Readers::All, edge: None }
}

fn piece(queue: &mut Queue, lane: usize) -> Option<Arc<Piece>> {
    match queue.take(lane)? {
        Work::Segment(piece) => Some(piece),
        other => panic!("{other:?} is no segment"),
    }
}

fn taken_text(queue: &mut Queue) -> Option<String> {
    let work = queue.take(TEXTS)?;
    queue.texts_busy = false;
    Some(match work {
        Work::Text { path, bytes } => format!("{path}={}", String::from_utf8_lossy(&bytes)),
        Work::Remove { path } => format!("-{path}"),
        other => panic!("{other:?} is no text"),
    })
}

#[test]
fn a_text_waits_for_what_it_lists() {
    let mut q = queue(true);
    for item in
        [segment("v", 1), text("v/media.m3u8", "v1"), text("manifest.mpd", "m1"), segment("a", 1), text("a/media.m3u8", "a1"), text("manifest.mpd", "m2")]
    {
        q.publish(&item);
    }
    assert_eq!(taken_text(&mut q), None, "no segment is there");
    let v = piece(&mut q, 1).expect("v1");
    assert_eq!(taken_text(&mut q), None, "it is under way");
    q.delivered(1, &v);
    assert_eq!(taken_text(&mut q).as_deref(), Some("v/media.m3u8=v1"));
    assert_eq!(taken_text(&mut q).as_deref(), Some("manifest.mpd=m1"), "nothing of the sound came before it");
    assert_eq!(taken_text(&mut q), None);
    let a = piece(&mut q, 2).expect("a1");
    q.delivered(2, &a);
    assert_eq!(taken_text(&mut q).as_deref(), Some("a/media.m3u8=a1"));
    assert_eq!(taken_text(&mut q).as_deref(), Some("manifest.mpd=m2"));
    assert!(q.is_idle());
}

#[test]
fn of_many_texts_of_a_path_the_first_and_the_last_are_kept() {
    let mut q = queue(true);
    (1..=5).for_each(|n| q.publish(&text("main.m3u8", &n.to_string())));
    assert_eq!(taken_text(&mut q).as_deref(), Some("main.m3u8=1"));
    assert_eq!(taken_text(&mut q).as_deref(), Some("main.m3u8=5"));
    assert_eq!(taken_text(&mut q), None);
}

#[test]
fn a_lane_that_fell_behind_goes_on_at_the_live_edge_and_fills_in_later() {
    let mut q = queue(true);
    (1..=4).for_each(|n| q.publish(&segment("v", n)));
    let newest = piece(&mut q, 1).expect("one");
    assert_eq!(newest.number, GopId(3), "two wait at most, and this is the first of them");
    q.delivered(1, &newest);
    let (lane, oldest) = q.take_missing().expect("1 and 2 are missing");
    assert_eq!((lane, oldest.number), (1, GopId(1)));
    q.publish(&text("v/media.m3u8", "#EXTM3U\n#EXTINF:2,\n1.m4s\n#EXTINF:2,\n2.m4s\n"));
    let last = piece(&mut q, 1).expect("4");
    q.delivered(1, &last);
    assert_eq!(taken_text(&mut q).as_deref(), Some("v/media.m3u8=#EXTM3U\n#EXTINF:2,\n#EXT-X-GAP\n1.m4s\n#EXTINF:2,\n#EXT-X-GAP\n2.m4s\n"));
    q.filled(1, &oldest, Filled::There);
    assert_eq!(taken_text(&mut q).as_deref(), Some("v/media.m3u8=#EXTM3U\n#EXTINF:2,\n1.m4s\n#EXTINF:2,\n#EXT-X-GAP\n2.m4s\n"), "what came is told");
    let (_, second) = q.take_missing().expect("2");
    q.filled(1, &second, Filled::Never);
    assert!(q.take_missing().is_none() && q.bytes() == 0);
    assert_eq!((q.counts.filled_in.load(Relaxed), q.counts.dropped.load(Relaxed)), (1, 1));
}

#[test]
fn what_is_too_old_is_not_filled_in() {
    let mut q = queue(true);
    for n in 1..=10 {
        q.publish(&segment("v", n));
        let down = piece(&mut q, 1).expect("one");
        q.deferred(1, &down);
    }
    assert!(q.take_missing().is_none(), "the lane is not well");
    q.publish(&segment("v", 11));
    let back = piece(&mut q, 1).expect("11");
    q.delivered(1, &back);
    let filled: Vec<i64> = std::iter::from_fn(|| {
        let (lane, piece) = q.take_missing()?;
        q.filled(lane, &piece, Filled::There);
        Some(piece.number.0)
    })
    .collect();
    assert_eq!(filled, [8, 9, 10], "three before the newest, 11, which is there");
    assert_eq!(q.counts.dropped.load(Relaxed), 7);
    assert_eq!(q.bytes(), 0);
}

#[test]
fn live_it_is_bounded_in_bytes_and_at_full_speed_it_is_waited_for() {
    let mut q = Queue::new(Limits { fill: 1000, ..limits(true) }, &["v".to_owned()], Arc::new(Counts::new("x")));
    for n in 1..=40 {
        q.publish(&segment("v", n));
        let one = piece(&mut q, 1).expect("one");
        q.deferred(1, &one);
        assert!(q.bytes() <= 1000, "{} after {n}", q.bytes());
    }
    assert_eq!(q.counts.dropped.load(Relaxed), 30, "the oldest went");
    // Nobody takes anything at all.
    let mut q = queue(true);
    (1..=40).for_each(|n| q.publish(&segment("v", n)));
    assert!(q.bytes() <= 1000 && q.counts.dropped.load(Relaxed) == 30);
    let mut q = queue(false);
    (1..=40).for_each(|n| q.publish(&segment("v", n)));
    assert!(!q.has_room() && q.counts.dropped.load(Relaxed) == 0);
    let numbers: Vec<i64> = std::iter::from_fn(|| {
        let one = piece(&mut q, 1)?;
        q.delivered(1, &one);
        Some(one.number.0)
    })
    .collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>(), "in order, none left out");
    assert!(q.has_room() && q.is_idle());
}

#[test]
fn a_segment_in_the_making_is_at_work_before_it_is_whole() {
    let mut q = queue(true);
    q.publish(&chunk(7, 0));
    let making = piece(&mut q, 1).expect("its first chunk is enough");
    assert!(making.body.get().is_none());
    q.publish(&text("v/media.m3u8", "up to 6"));
    assert_eq!(taken_text(&mut q).as_deref(), Some("v/media.m3u8=up to 6"), "it does not list what is being made");
    q.publish(&chunk(7, 1));
    q.publish(&segment("v", 7));
    assert_eq!(making.body.get().map(|(bytes, _)| bytes.len()), Some(BYTES));
    assert!(making.verdict.get().is_some() && q.bytes() == BYTES as u64);
    q.publish(&text("v/media.m3u8", "up to 7"));
    assert_eq!(taken_text(&mut q), None);
    q.delivered(1, &making);
    assert!(taken_text(&mut q).is_some() && q.bytes() == 0);
    // One that is given up is neither sent again nor filled in.
    q.publish(&chunk(8, 0));
    let given_up = piece(&mut q, 1).expect("8");
    q.publish(&Publish::Abort { track: "v".into(), number: GopId(8), path: "v/8.m4s".into() });
    assert!(given_up.body.is_aborted());
    q.deferred(1, &given_up);
    assert!(q.take_missing().is_none() && q.is_idle());
    // And one that waits for its turn is not begun.
    q.publish(&chunk(9, 0));
    q.publish(&Publish::Abort { track: "v".into(), number: GopId(9), path: "v/9.m4s".into() });
    assert!(q.take(1).is_none());
    // Nobody completes what is being made once all is over.
    q.publish(&chunk(10, 0));
    let last = piece(&mut q, 1).expect("10");
    q.close();
    assert!(last.body.is_aborted());
}

#[test]
fn a_missing_segment_that_is_not_whole_waits_for_it() {
    let mut q = queue(true);
    q.publish(&segment("v", 1));
    let one = piece(&mut q, 1).expect("1");
    q.publish(&chunk(2, 0));
    q.delivered(1, &one);
    let torn = piece(&mut q, 1).expect("2");
    q.deferred(1, &torn);
    q.publish(&segment("v", 2));
    assert!(q.take_missing().is_none(), "not well");
    q.publish(&segment("v", 3));
    let three = piece(&mut q, 1).expect("3");
    q.delivered(1, &three);
    let (lane, missing) = q.take_missing().expect("2 is whole by now");
    assert_eq!((missing.number, missing.body.get().map(|(b, _)| b.len())), (GopId(2), Some(BYTES)));
    q.filled(lane, &missing, Filled::Again);
    assert!(!q.is_idle());
    q.give_up();
    assert!(q.is_idle() && q.bytes() == 0);
}

#[test]
fn what_is_deleted_goes_after_the_texts_that_do_not_list_it_any_more() {
    let mut q = queue(true);
    q.publish(&text("v/media.m3u8", "without 1"));
    q.publish(&Publish::Remove { path: "v/1.m4s".into() });
    assert_eq!(taken_text(&mut q).as_deref(), Some("v/media.m3u8=without 1"));
    assert_eq!(taken_text(&mut q).as_deref(), Some("-v/1.m4s"));
}

use super::*;
use crate::sink::{Readers, stored};
use crate::time::Seconds;

fn segment(track: &str, number: i64, bytes: &[u8]) -> Publish {
    Publish::Segment {
        track: track.into(),
        number: GopId(number),
        path: format!("{track}/{number}.m4s"),
        bytes: Bytes::copy_from_slice(bytes),
        slot_end: Seconds::ZERO,
        verdict: Arc::default(),
    }
}

fn publish(store: &mut Store, items: impl IntoIterator<Item = Publish>) {
    for item in items {
        store.publish(&item).expect("memory takes everything");
    }
}

fn body(store: &Store, path: &str) -> Result<Bytes, Absent> {
    store.get(path).map(|e| e.bytes)
}

#[test]
fn serves_what_was_published_under_its_type() {
    let mut store = Store::new(1000, ["a".to_owned()]);
    let text = |path: &str| Publish::Text { path: path.into(), bytes: Bytes::from_static(b"x"), readers: Readers::All, edge: None };
    let init = |path: &str| Publish::Init { path: path.into(), bytes: Bytes::from_static(b"i") };
    publish(
        &mut store,
        [
            init("v/init.mp4"),
            init("a/init.mp4"),
            segment("v", 5, b"five"),
            segment("a", 5, b"sound"),
            text("main.m3u8"),
            text("v/media.m3u8"),
            text("manifest.mpd"),
        ],
    );
    let types: Vec<_> = ["v/init.mp4", "a/init.mp4", "v/5.m4s", "a/5.m4s", "main.m3u8", "v/media.m3u8", "manifest.mpd"]
        .map(|p| store.get(p).map(|e| (e.content_type, e.immutable)).expect(p))
        .to_vec();
    let (hls, dash) = ("application/vnd.apple.mpegurl", "application/dash+xml");
    assert_eq!(types, [("video/mp4", true), ("audio/mp4", true), ("video/mp4", true), ("audio/mp4", true), (hls, false), (hls, false), (dash, false)]);
    // The tag is that of the bytes: `printf five | sha256sum`.
    assert_eq!(store.get("v/5.m4s").expect("there").etag, "\"222b0bd51fcef7e65c2e62db2ed65457\"");
}

#[test]
fn below_the_window_is_gone_and_above_it_is_early() {
    let mut store = Store::new(1000, []);
    publish(&mut store, (3..8).map(|n| segment("v", n, b"x")));
    publish(&mut store, [Publish::Remove { path: "v/3.m4s".into() }, Publish::Remove { path: "v/4.m4s".into() }]);
    assert_eq!(body(&store, "v/4.m4s"), Err(Absent::Gone));
    assert_eq!(body(&store, "v/1.m4s"), Err(Absent::Gone));
    assert_eq!(body(&store, "v/5.m4s"), Ok(Bytes::from_static(b"x")));
    assert_eq!([body(&store, "v/8.m4s"), body(&store, "v/17.m4s")], [Err(Absent::Early(1)), Err(Absent::Early(10))]);
    publish(&mut store, [segment("v", 9, b"x")]);
    assert_eq!(body(&store, "v/8.m4s"), Err(Absent::Gone), "overtaken");
    for path in ["w/1.m4s", "v/../v/5.m4s", "v/05.m4s", "/v/5.m4s", "v//5.m4s", "v/5.m4s/", "", "/", "..", "v/-1.m4s", "v/+5.m4s", "v/5%2Em4s"] {
        assert_eq!(body(&store, path), Err(Absent::Unknown), "{path:?}");
    }
}

#[test]
fn the_oldest_go_first_when_it_is_full() {
    let mut store = Store::new(40, []);
    publish(&mut store, (0..10).flat_map(|n| [segment("v", n, &[0; 8]), segment("w", n, &[1; 2])]));
    let usage = store.usage();
    assert_eq!((usage.segments, usage.bytes, usage.evicted), (8, 40, 12));
    assert_eq!(body(&store, "v/5.m4s"), Err(Absent::Gone));
    assert!(body(&store, "v/6.m4s").is_ok() && body(&store, "w/6.m4s").is_ok());
    // One that is larger than the limit by itself is still served: better than a hole at the live edge.
    publish(&mut store, [segment("v", 10, &[0; 100])]);
    assert_eq!((store.usage().segments, store.usage().bytes), (1, 100));
}

#[test]
fn published_bytes_stay() {
    let mut store = Store::new(100, []);
    publish(&mut store, [segment("v", 1, b"first"), segment("v", 1, b"first"), segment("v", 1, b"other")]);
    assert_eq!(body(&store, "v/1.m4s"), Ok(Bytes::from_static(b"first")));
    assert_eq!((store.usage().conflicts, store.usage().bytes), (1, 5));
}

#[test]
fn a_restart_takes_up_the_newest_that_fit() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let tracks = ["v".to_owned(), "a".to_owned()];
    for track in &tracks {
        std::fs::create_dir(dir.path().join(track)).expect("created");
        for n in 0..5 {
            std::fs::write(dir.path().join(track).join(format!("{n}.m4s")), [n; 10]).expect("written");
        }
    }
    let mut store = Store::new(45, ["a".to_owned()]);
    store.restore(dir.path(), &stored::scan(dir.path(), &tracks).expect("scan")).expect("restore");
    assert_eq!((store.usage().segments, store.usage().evicted), (4, 0));
    assert_eq!(body(&store, "v/4.m4s"), Ok(Bytes::copy_from_slice(&[4; 10])));
    assert_eq!(store.get("a/3.m4s").expect("there").content_type, "audio/mp4");
    assert_eq!(body(&store, "v/2.m4s"), Err(Absent::Gone));
    publish(&mut store, [segment("v", 5, &[5; 10])]);
    assert_eq!((store.usage().segments, store.usage().bytes), (4, 40));
}

fn chunk(track: &str, number: i64, index: u32, bytes: &[u8]) -> Publish {
    Publish::Chunk {
        track: track.into(),
        number: GopId(number),
        index,
        path: format!("{track}/{number}.m4s"),
        bytes: Bytes::copy_from_slice(bytes),
        start: Seconds::ZERO,
        duration: Seconds::ZERO,
        independent: index == 0,
    }
}

fn abort(track: &str, number: i64) -> Publish {
    Publish::Abort { track: track.into(), number: GopId(number), path: format!("{track}/{number}.m4s") }
}

fn growing(store: &Store, path: &str) -> Growing {
    match store.find(path) {
        Ok(Found::Growing(growing)) => growing,
        other => panic!("{path}: {other:?}"),
    }
}

/// Runs what waits for nothing that this thread would have to do.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(std::time::Duration::from_secs(5), future).await.expect("it does not wait") })
}

#[test]
fn a_segment_grows_and_its_chunks_become_parts_of_it() {
    let mut store = Store::new(1000, []);
    publish(&mut store, [segment("v", 6, b"six"), chunk("v", 7, 0, b"se")]);
    let (mut early, path) = (growing(&store, "v/7.m4s"), "v/7.m4s");
    assert_eq!(block_on(early.next()), Ok(Some(Bytes::from_static(b"se"))));
    assert_eq!([body(&store, "v/7.0.m4s"), body(&store, "v/7.1.m4s")], [Ok(Bytes::from_static(b"se")), Err(Absent::Early(1))]);
    // What follows the next part, and the next segment's first one, which is held, and its second, which is not.
    assert_eq!(
        [body(&store, "v/7.2.m4s"), body(&store, "v/8.0.m4s"), body(&store, "v/8.1.m4s")],
        [Err(Absent::Unknown), Err(Absent::Early(1)), Err(Absent::Unknown)]
    );
    assert_eq!([body(&store, "v/9.0.m4s"), body(&store, "v/8.m4s")], [Err(Absent::Early(2)), Err(Absent::Early(1))]);
    publish(&mut store, [chunk("v", 7, 0, b"se"), chunk("v", 7, 1, b"ven")]);
    assert_eq!((store.usage().bytes, store.usage().making, store.usage().mismatches), (8, 1, 0), "the same chunk again is nothing new");
    let mut late = growing(&store, path);
    publish(&mut store, [segment("v", 7, b"seven"), chunk("v", 7, 2, b"x"), segment("v", 7, b"seven")]);
    assert_eq!((store.usage().bytes, store.usage().making, store.usage().conflicts, store.usage().mismatches), (8, 0, 0, 0));
    assert_eq!(
        [body(&store, path), body(&store, "v/7.1.m4s"), body(&store, "v/7.2.m4s")],
        [Ok(Bytes::from_static(b"seven")), Ok(Bytes::from_static(b"ven")), Err(Absent::Gone)]
    );
    assert_eq!(store.parts("v", GopId(7)), Some(2));
    // Readers see all of it, be they early or late.
    assert_eq!([block_on(early.next()), block_on(early.next())], [Ok(Some(Bytes::from_static(b"ven"))), Ok(None)]);
    let mut all = Vec::new();
    while let Some(chunk) = block_on(late.next()).expect("whole") {
        all.extend_from_slice(&chunk);
    }
    assert_eq!(all, b"seven");
    publish(&mut store, [Publish::Remove { path: path.into() }]);
    assert_eq!([body(&store, path), body(&store, "v/7.0.m4s")], [Err(Absent::Gone), Err(Absent::Gone)]);
    assert_eq!(store.usage().bytes, 3);
}

#[test]
fn what_is_given_up_is_gone_but_for_what_is_out() {
    let mut store = Store::new(1000, []);
    publish(&mut store, [chunk("v", 7, 0, b"se")]);
    let mut reader = growing(&store, "v/7.m4s");
    publish(&mut store, [abort("v", 7), chunk("v", 7, 1, b"ven")]);
    assert_eq!(block_on(reader.next()), Err(GivenUp));
    assert_eq!([body(&store, "v/7.m4s"), body(&store, "v/7.1.m4s")], [Err(Absent::Gone), Err(Absent::Gone)]);
    assert_eq!(body(&store, "v/7.0.m4s"), Ok(Bytes::from_static(b"se")));
    // One of which nothing was out is a gap, too.
    publish(&mut store, [abort("v", 8)]);
    assert_eq!([body(&store, "v/8.m4s"), body(&store, "v/9.m4s")], [Err(Absent::Gone), Err(Absent::Early(1))]);
    // What is out is kept for a few segments.
    publish(&mut store, (9..13).flat_map(|n| [chunk("v", n, 0, b"xy"), abort("v", n)]));
    assert_eq!([body(&store, "v/7.0.m4s"), body(&store, "v/9.0.m4s")], [Err(Absent::Gone), Ok(Bytes::from_static(b"xy"))]);
    assert_eq!((store.usage().bytes, store.usage().given_up, store.usage().making), (8, 5, 0));
}

#[test]
fn wrong_chunks_cost_their_segment_its_parts_and_the_whole_one_wins() {
    let mut store = Store::new(1000, []);
    publish(&mut store, [chunk("v", 1, 0, b"on"), chunk("v", 1, 2, b"!")]);
    assert_eq!(store.usage().mismatches, 1, "a chunk is missing");
    publish(&mut store, [segment("v", 1, b"one"), chunk("v", 2, 0, b"tw")]);
    assert_eq!(body(&store, "v/1.m4s"), Ok(Bytes::from_static(b"one")));
    let mut reader = growing(&store, "v/2.m4s");
    // The whole differs from what is out, or is longer.
    publish(&mut store, [segment("v", 2, b"TWO"), chunk("v", 3, 0, b"thre"), segment("v", 3, b"three"), chunk("v", 4, 1, b"x")]);
    assert_eq!(block_on(reader.next()), Err(GivenUp));
    assert_eq!(
        [body(&store, "v/2.m4s"), body(&store, "v/2.0.m4s"), body(&store, "v/3.m4s")],
        [Ok(Bytes::from_static(b"TWO")), Err(Absent::Gone), Ok(Bytes::from_static(b"three"))]
    );
    assert_eq!(store.usage().mismatches, 4);
    // More at once than can be, and more than there is room for.
    publish(&mut store, (10..20).map(|n| chunk("v", n, 0, b"x")));
    assert_eq!(store.usage().making, MAKING);
    publish(&mut store, [chunk("v", 30, 0, &[0; 999]), chunk("v", 30, 1, &[0; 2])]);
    assert!(matches!(body(&store, "v/30.1.m4s"), Err(Absent::Gone)) && store.usage().bytes <= 1020, "{:?}", store.usage());
}

#[test]
fn readers_of_a_playlist_are_told_of_its_own_versions_only() {
    let mut store = Store::new(1000, []);
    let text = |path: &str, next, parts| Publish::Text {
        path: path.into(),
        bytes: Bytes::from(format!("{next}.{parts}")),
        readers: Readers::Chunked,
        edge: Some(Edge { next: GopId(next), parts }),
    };
    publish(&mut store, [text("v/media.m3u8", 1, 0), text("w/media.m3u8", 1, 0)]);
    let mut reader = store.text("v/media.m3u8").expect("there");
    publish(&mut store, [text("w/media.m3u8", 1, 1), chunk("v", 1, 0, b"x")]);
    assert!(!reader.has_changed().expect("it is there"));
    publish(&mut store, [text("v/media.m3u8", 1, 1)]);
    assert!(reader.has_changed().expect("it is there"));
    assert_eq!(reader.borrow_and_update().edge, Some(Edge { next: GopId(1), parts: 1 }));
    publish(&mut store, [Publish::Remove { path: "v/media.m3u8".into() }]);
    assert!(store.text("v/media.m3u8").is_none() && reader.has_changed().is_err());
}

#[test]
fn what_memory_has_no_room_for_is_served_from_the_folder() {
    let dir = tempfile::tempdir().expect("temporary folder");
    std::fs::create_dir(dir.path().join("v")).expect("created");
    let file = |n: u8| dir.path().join(format!("v/{n}.m4s"));
    for n in 0..6 {
        std::fs::write(file(n), [n; 10]).expect("written");
    }
    let mut store = Store::with_folder(25, [], Some(dir.path().to_owned()));
    store.restore(dir.path(), &stored::scan(dir.path(), &["v".to_owned()]).expect("scan")).expect("restore");
    assert_eq!((store.usage().segments, store.usage().filed), (2, 4));
    publish(&mut store, [segment("v", 6, &[6; 10])]);
    assert_eq!((store.usage().segments, store.usage().filed, store.usage().evicted), (2, 5, 1));
    let filed = |path: &str| match store.find(path) {
        Ok(Found::Filed(filed)) => filed.open(),
        other => panic!("{path}: {other:?}"),
    };
    // The tag of what an earlier run wrote is that of its bytes, as if it were in memory.
    let opened = filed("v/0.m4s").expect("a file");
    assert_eq!((opened.size, opened.etag), (10, entry::tag(&[0; 10])));
    store.looked("v/0.m4s", Some(&entry::tag(&[0; 10])));
    assert_eq!(filed("v/4.m4s").expect("a file").etag, entry::tag(&[4; 10]));
    // A file that is gone, or another one, is not served; and once that is known, it is gone.
    std::fs::remove_file(file(1)).expect("removed");
    std::fs::write(file(4), [9; 11]).expect("written");
    assert!(filed("v/1.m4s").is_err() && filed("v/4.m4s").is_err());
    store.looked("v/1.m4s", None);
    assert!(matches!(store.find("v/1.m4s"), Err(Absent::Gone)));
    publish(&mut store, [Publish::Remove { path: "v/0.m4s".into() }, segment("v", 2, &[2; 10])]);
    assert!(matches!(store.find("v/0.m4s"), Err(Absent::Gone)));
    assert!(matches!(store.find("v/2.m4s"), Ok(Found::Filed(_))), "it came again, and is there already");
    assert_eq!((store.usage().filed, store.usage().conflicts), (3, 0));
}

#[test]
fn old_is_what_nobody_at_the_live_edge_asks_for() {
    let mut store = Store::new(1000, []);
    publish(&mut store, (0..10).map(|n| segment("v", n, b"x")).chain([chunk("v", 10, 0, b"x")]));
    let old = |n: i64| store.is_old(&format!("v/{n}.m4s"));
    assert!(old(0) && old(6) && !old(7) && !old(10) && !old(11) && store.is_old("v/5.0.m4s"));
    assert!(!store.is_old("w/0.m4s") && !store.is_old("v/init.mp4") && !store.is_old("x"));
}

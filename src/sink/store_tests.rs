use super::*;
use crate::sink::Readers;
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

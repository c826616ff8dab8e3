//! Publishes chunks and playlists at their time, as a muxer would.

use crate::delays::Delays;
use crate::{CHUNK, Load, PARTS};
use bytes::Bytes;
use mezzo::sink::store::Store;
use mezzo::sink::{Edge, Publish, Readers, Sink};
use mezzo::time::{GopId, Seconds};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Instant;

/// The first segment's number.
const FIRST: i64 = 883_612_800;
/// Segments that are kept and listed.
const WINDOW: i64 = 15;

pub struct Feed {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Feed {
    pub fn start(store: Store, load: Load, delays: Arc<Delays>) -> Feed {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let run = move || publish(store, &load, &delays, &stopped);
        Feed { stop, thread: std::thread::Builder::new().name("feed".into()).spawn(run).expect("a thread") }
    }

    pub fn stop(self) {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("the feed");
    }
}

fn publish(mut store: Store, load: &Load, delays: &Delays, stop: &AtomicBool) {
    let begun = Instant::now();
    let size = load.kilobits * CHUNK.as_millis() as usize / 8;
    let mut put = |item: Publish| store.publish(&item).expect("memory takes everything");
    for tick in 0_u32.. {
        let (number, index) = (FIRST + i64::from(tick / PARTS), tick % PARTS);
        for track in 0..load.tracks {
            let apart = if load.at_once { std::time::Duration::ZERO } else { CHUNK * track as u32 / load.tracks as u32 };
            std::thread::sleep((CHUNK * tick + apart).saturating_sub(begun.elapsed()));
            if stop.load(Relaxed) {
                return;
            }
            let (name, path) = (format!("t{track}"), format!("t{track}/{number}.m4s"));
            // Other bytes in every chunk, as in life.
            let fill = |index: u32| vec![(number * i64::from(PARTS) + i64::from(index)) as u8; size];
            let bytes = Bytes::from(fill(index));
            let start = Seconds::ZERO;
            delays.published(track, (number, index), false);
            put(Publish::Chunk {
                track: name.clone(),
                number: GopId(number),
                index,
                path: path.clone(),
                bytes,
                start,
                duration: start,
                independent: index == 0,
            });
            let edge = if index + 1 == PARTS { Edge { next: GopId(number + 1), parts: 0 } } else { Edge { next: GopId(number), parts: index + 1 } };
            if index + 1 == PARTS {
                let bytes = Bytes::from((0..PARTS).flat_map(fill).collect::<Vec<u8>>());
                put(Publish::Segment { track: name.clone(), number: GopId(number), path, bytes, slot_end: start, verdict: Arc::default() });
                put(Publish::Remove { path: format!("t{track}/{}.m4s", number - WINDOW) });
            }
            let text = playlist(number, index);
            delays.published(track, (number, index), true);
            put(Publish::Text { path: format!("{name}/media.m3u8"), bytes: text.into(), readers: Readers::Chunked, edge: Some(edge) });
        }
    }
}

/// A media playlist that ends with this part: parts of the last three segments, and segments before them.
fn playlist(number: i64, index: u32) -> String {
    let first = (number - WINDOW).max(FIRST);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6\n#EXT-X-PART-INF:PART-TARGET=0.2\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
    );
    for n in first..=number {
        for i in (0..PARTS).take_while(|i| n > number - 3 && (n, *i) <= (number, index)) {
            text += &format!("#EXT-X-PART:DURATION=0.2,URI=\"{n}.{i}.m4s\"{}\n", if i == 0 { ",INDEPENDENT=YES" } else { "" });
        }
        if n < number || index + 1 == PARTS {
            text += &format!("#EXTINF:2.0,\n{n}.m4s\n");
        }
    }
    let (n, i) = if index + 1 == PARTS { (number + 1, 0) } else { (number, index + 1) };
    text + &format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{n}.{i}.m4s\"\n")
}

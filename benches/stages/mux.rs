//! Muxing: packets of a whole ladder to checked segments, playlists and manifest.

use crate::{encode, feed};
use criterion::{BatchSize, Criterion, Throughput};
use crossbeam::channel::{Receiver, unbounded};
use mezzo::encode::{Packet, Stats, ToMux, TrackId};
use mezzo::frame::End;
use mezzo::job::Window;
use mezzo::mux::{self, Settings, TrackKind, TrackSpec};
use mezzo::time::{GopId, Grid, Seconds};
use std::sync::Arc;

/// Segments of each track.
const GOPS: i64 = 10;

pub fn bench(criterion: &mut Criterion) {
    let plan = feed::plan(feed::PROGRESSIVE, "avc-1080p-6");
    let sources = feed::pictures(feed::PROGRESSIVE, plan.grid.gop_slots as usize);
    let (mut tracks, mut packets) = (Vec::new(), Vec::new());
    for (id, rung) in plan.video.iter().enumerate() {
        let (made, config) = encode::encode(rung, &encode::frames(rung, &sources));
        tracks.push(TrackSpec { id: TrackId(id), name: rung.name.clone(), kind: TrackKind::Video { rendition: rung.clone(), config } });
        packets.push(made);
    }
    let settings = Settings {
        schedule: Arc::default(),
        class: plan.class.clone(),
        publish_delay: Seconds::whole(6),
        window: Window::Whole,
        chunking: None,
        not_before: None,
        stored: Vec::new(),
        iframes: Default::default(),
        session: Vec::new(),
        thumbnails: None,
        counts: Arc::default(),
        form: None,
        others: Vec::new(),
        share: None,
    };
    let bytes: usize = packets.iter().flatten().map(|packet| packet.data.len()).sum();
    let mut group = criterion.benchmark_group("mux");
    group.throughput(Throughput::Bytes(bytes as u64 * GOPS as u64));
    group.bench_function(format!("{} tracks, {GOPS} segments each", tracks.len()), |b| {
        b.iter_batched(
            || (tracks.clone(), Settings { counts: Arc::default(), ..settings.clone() }, messages(plan.grid, &packets)),
            |(tracks, settings, messages)| {
                let (publish, published) = unbounded();
                mux::run(tracks, settings, messages, publish).expect("it muxes");
                published
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// What encoders would say: the same GOP on every track again and again, in its next place.
fn messages(grid: Grid, packets: &[Vec<Packet>]) -> Receiver<ToMux> {
    let (tx, rx) = unbounded();
    let send = |message| tx.send(message).expect("the receiver is held here");
    for number in 0..GOPS {
        for (index, packets) in packets.iter().enumerate() {
            let (track, gop) = (TrackId(index), GopId(packets.first().map_or(0, |p| p.time) / i64::from(grid.gop_slots) + number));
            for packet in packets {
                let packet = Packet { time: packet.time + number * i64::from(grid.gop_slots), ..packet.clone() };
                send(ToMux::Packet { track, gop, attempt: 0, packet });
            }
            send(ToMux::Done { track, gop, attempt: 0, stats: Stats { units: grid.gop_slots, ..Stats::default() } });
        }
    }
    (0..packets.len()).for_each(|index| send(ToMux::End { track: TrackId(index), end: End::Ended }));
    rx
}

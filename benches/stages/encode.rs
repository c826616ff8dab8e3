//! Encoding: one GOP, opening and draining included, for rungs of three sizes at the ladder's own points.

use crate::feed;
use criterion::{BatchSize, Criterion, Throughput};
use ffmpeg_next::frame::Video;
use mezzo::downscale::Chain;
use mezzo::encode::{self, Order, Packet};
use mezzo::frame::{Frame, Picture};
use mezzo::plan::Rendition;
use mezzo::schedule::Schedule;
use mezzo::time::GopId;
use std::sync::Arc;

const RUNGS: [&str; 3] = ["avc-1080p", "avc-540p", "avc-270p"];

pub fn bench(criterion: &mut Criterion) {
    let plan = feed::plan(feed::PROGRESSIVE, "avc-1080p-6");
    let sources = feed::pictures(feed::PROGRESSIVE, plan.grid.gop_slots as usize);
    let mut group = criterion.benchmark_group("encode");
    for rung in plan.video.iter().filter(|rung| RUNGS.contains(&rung.name.as_str())) {
        let frames = frames(rung, &sources);
        group.throughput(Throughput::Elements(frames.len() as u64));
        group.bench_function(format!("{} {}", rung.name, rung.point), |b| {
            b.iter_batched(|| (), |()| encode(rung, &frames), BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// The pictures of one GOP in a rung's size.
pub fn frames(rung: &Rendition, sources: &[Arc<Video>]) -> Vec<Frame> {
    let mut chain = Chain::new(&[rung.target()], &Default::default()).expect("a legal size");
    let pictures: Vec<Picture> = sources.iter().flat_map(|source| chain.scale(source).expect("it scales")).collect();
    feed::gop(rung.grid, GopId(900_000_000), &pictures)
}

/// Encodes one GOP as the plan says: its packets, and the decoder configuration.
pub fn encode(rung: &Rendition, frames: &[Frame]) -> (Vec<Packet>, Vec<u8>) {
    let Order::Encode(recipe) = Schedule::new().order(rung, frames[0].gop) else { panic!("no rung is left out") };
    let backend = encode::find(&rung.backends[0]).expect("a backend that the plan names");
    let mut opened = backend.open(rung, &recipe).expect("it opens");
    let mut packets = Vec::new();
    for frame in frames {
        opened.encoder.encode(frame, &mut packets).expect("it encodes");
    }
    opened.encoder.finish(&mut packets).expect("it drains");
    (packets, opened.config)
}

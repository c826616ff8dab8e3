//! Scaling: one picture of the feed to all smaller sizes of a ladder.

use crate::feed;
use criterion::{Criterion, Throughput};
use mezzo::downscale::Chain;
use std::hint::black_box;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("downscale");
    for (name, ladder) in [(feed::PROGRESSIVE, "avc-1080p-6"), (feed::INTERLACED, "tiny")] {
        // Two, in turn: the same one twice costs nothing.
        let pictures = feed::pictures(name, 2);
        let mut chain = {
            let plan = feed::plan(name, ladder);
            Chain::new(&plan.targets(), &plan.source.hdr).expect("legal targets")
        };
        group.throughput(Throughput::Elements(2));
        group.bench_function(format!("{name} to {ladder}"), |b| {
            b.iter(|| pictures.iter().for_each(|picture| drop(black_box(chain.scale(picture).expect("it scales")))));
        });
    }
    group.finish();
}

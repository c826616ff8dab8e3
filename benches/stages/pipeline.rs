//! Everything at once: a sample feed to a published tree.

use crate::feed;
use criterion::{BatchSize, Criterion, Throughput};
use mezzo::pipeline;
use mezzo::stop::Stop;

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipeline");
    for (name, ladder, pictures) in [(feed::PROGRESSIVE, "avc-1080p-6", 100), (feed::INTERLACED, "tiny", 50)] {
        group.throughput(Throughput::Elements(pictures));
        group.bench_function(format!("{name} to {ladder}"), |b| {
            b.iter_batched(
                || tempfile::tempdir().expect("a folder"),
                |folder| {
                    pipeline::run(&feed::job(name, ladder, folder.path()), &Stop::new(), |_, _| ()).expect("it runs");
                    folder
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

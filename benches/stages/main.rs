//! What each stage costs on the sample feeds in `testdata/`: `cargo bench`, or `cargo bench --bench stages -- downscale` for one of them.

mod downscale;
mod encode;
mod feed;
mod mux;
mod pipeline;

use criterion::Criterion;
use std::time::Duration;

fn main() {
    mezzo::ffmpeg::pin_cpu();
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Fatal);
    let criterion = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    let mut criterion = criterion.configure_from_args();
    downscale::bench(&mut criterion);
    encode::bench(&mut criterion);
    mux::bench(&mut criterion);
    pipeline::bench(&mut criterion);
    criterion.final_summary();
}

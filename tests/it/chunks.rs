//! `--chunk`: the same samples in smaller pieces, and nothing else.

use crate::support::{media, mezzo, published, succeed};
use mezzo::inspect;
use std::path::Path;

fn run(input: &Path, output: &Path, more: &[&str]) {
    let (input, output) = (input.to_string_lossy(), output.to_string_lossy());
    succeed(mezzo(&[&["run", "--input", &input, "--ladder", "tiny", "--duration", "5s", "--output", &output], more].concat()), 120);
}

/// A segment's samples, and how many of them each chunk has.
fn samples(bytes: &[u8]) -> (Vec<&[u8]>, Vec<usize>) {
    let facts = inspect::segment(bytes, None).expect("reads");
    let samples = facts.samples().map(|s| &bytes[s.offset..s.offset + s.size as usize]).collect();
    (samples, facts.chunks.iter().map(|chunk| chunk.samples.len()).collect())
}

#[test]
fn chunks_hold_what_whole_segments_hold() {
    let Some(source) = media("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let (whole, chunked, again) = (dir.path().join("whole"), dir.path().join("chunked"), dir.path().join("again"));
    run(&source, &whole, &[]);
    run(&source, &chunked, &["--chunk", "500ms"]);
    run(&source, &again, &["--chunk", "500ms"]);
    assert!(published(&chunked) == published(&again), "chunked twice");
    let (wholes, chunkeds) = (published(&whole), published(&chunked));
    assert_eq!(wholes.keys().collect::<Vec<_>>(), chunkeds.keys().collect::<Vec<_>>());
    for (name, bytes) in chunkeds.iter().filter(|(name, _)| name.ends_with(".m4s")) {
        let ((together, one), (apart, chunks)) = (samples(&wholes[name]), samples(bytes));
        // Of sound, a whole segment that is too large is encoded again; what comes in parts aims lower.
        assert!(if name.starts_with("avc") { together == apart } else { together.len() == apart.len() }, "{name}");
        assert_eq!(one, [together.len()], "{name}");
        let produced: Vec<bool> = inspect::segment(bytes, None).expect("reads").chunks.iter().map(|chunk| chunk.prft.is_some()).collect();
        assert!(produced.iter().enumerate().all(|(n, said)| *said == (n == 0)), "{name}: {produced:?}");
        if name.starts_with("avc") {
            // 13 slots of 40 ms are nearest to 500 ms.
            let want: &[usize] = if name.contains("/2.") { &[13, 12] } else { &[13, 13, 13, 11] };
            assert_eq!(chunks, want, "{name}");
        } else {
            assert_eq!(chunks.len(), if name.contains("/2.") { 2 } else { 4 }, "{name}");
        }
    }
    succeed(mezzo(&["check", &chunked.to_string_lossy()]), 60);
}

/// One picture to a chunk, each with its time, at low latency: as pure as ever, and sound is the same whatever it is cut into.
#[test]
fn low_latency_is_pure() {
    let Some(source) = media("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let (chunked, low, again) = (dir.path().join("chunked"), dir.path().join("low"), dir.path().join("again"));
    run(&source, &chunked, &["--chunk", "500ms"]);
    let args = ["--latency", "low", "--chunk", "40ms", "--prft", "chunk"];
    run(&source, &low, &args);
    run(&source, &again, &args);
    assert!(published(&low) == published(&again));
    let (chunkeds, lows) = (published(&chunked), published(&low));
    for (name, bytes) in lows.iter().filter(|(name, _)| name.ends_with(".m4s")) {
        let facts = inspect::segment(bytes, None).expect("reads");
        assert!(facts.chunks.iter().all(|chunk| chunk.samples.len() == 1 && chunk.prft.is_some()), "{name}");
        if name.starts_with("avc") {
            assert!(facts.samples().all(|sample| sample.cts == 0), "{name}: no picture is held back");
        } else {
            assert_eq!(samples(bytes).0, samples(&chunkeds[name]).0, "{name}");
        }
    }
    succeed(mezzo(&["check", &low.to_string_lossy()]), 60);
}

//! The sample feeds of this repository, so that what needs no real clip is tried everywhere: interlaced, 50 pictures a second without sound, stamped.

use crate::support::{mezzo, numbers, published, succeed};
use std::path::Path;

/// Name, whether there is sound, numbers of the segments.
const SAMPLES: &[(&str, bool, &[i64])] = &[("bars-576i25.ts", true, &[0]), ("zoom-360p50.ts", false, &[0]), ("pattern-1080p25.ts", true, &[0, 1])];

#[test]
fn sample_feeds_conform() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, sound, segments) in SAMPLES {
        let feed = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
        let output = dir.path().join(name);
        succeed(mezzo(&["run", "--input", &feed.to_string_lossy(), "--ladder", "tiny", "--output", &output.to_string_lossy()]), 60);
        succeed(mezzo(&["check", &output.to_string_lossy()]), 60);
        assert_eq!(numbers(&output, "avc-270p"), *segments, "{name}");
        assert_eq!(published(&output).contains_key("aac-128k/init.mp4"), *sound, "{name}");
    }
}

//! The reader takes any bytes without a panic, and what it says it read lies within them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mezzo::inspect;

fuzz_target!(|data: &[u8]| {
    // An initialisation segment and a media segment, split at a byte that the input chooses.
    let (at, data) = data.split_first().map_or((0, data), |(at, rest)| (usize::from(*at) * 8, rest));
    let (first, second) = data.split_at(at.min(data.len()));
    let init = inspect::init(first).ok();
    if let Ok(facts) = inspect::segment(second, init.as_ref()) {
        assert!(facts.samples().all(|s| s.nals.is_empty() || s.offset + s.size as usize <= second.len()));
        let _ = (facts.duration(), facts.idrs(), facts.tfdt());
    }
});

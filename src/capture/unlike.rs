//! Two inputs that turn out not to be one feed: found out at the start, while nothing depends on it yet.

use super::paths::counts::{Counts, Mode};
use super::{CaptureError, Input, Read, stamped};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long is waited for a verdict, while both paths bring something. The merge wants 5 s of packets of both, none of which match.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long both may take to bring something.
const BOTH: Duration = Duration::from_secs(1);
/// What may be read meanwhile.
const UNITS: usize = 16_384;
const BYTES: usize = 128 << 20;

/// Reads until it is known whether both paths carry the same, or one of them brings nothing. Says whether they differ; the input that is handed back brings everything again.
///
/// # Errors
/// As [`Input::read`].
pub fn look(counts: &Counts, mut input: Box<dyn Input>) -> Result<(bool, Box<dyn Input>), CaptureError> {
    let (mut read, mut bytes, began) = (VecDeque::new(), 0, Instant::now());
    let undecided = || counts.merge.mode() == Mode::Alone;
    let both = || began.elapsed() < BOTH || counts.paths.iter().all(|path| path.snapshot().up);
    while undecided() && both() && began.elapsed() < PATIENCE && read.len() < UNITS && bytes < BYTES {
        let next = input.read()?;
        let over = matches!(next, Read::End | Read::Stopped);
        if let Read::Unit(unit) = &next {
            bytes += unit.packet.size();
        }
        read.push_back(next);
        if over {
            break;
        }
    }
    Ok((counts.merge.mode() == Mode::Mismatch, stamped::again(read, input)))
}

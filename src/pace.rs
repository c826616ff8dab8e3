//! Waiting for a time on the host's clock.

use crate::stop::Stop;
use crate::time::Seconds;
use std::time::Duration;

/// The longest wait between two looks at the host's clock, which may be set meanwhile.
const NAP: Duration = Duration::from_millis(500);

/// Waits until the host's clock says `due`; false where `stop` was raised before.
pub fn wait_until(due: Seconds, stop: &Stop) -> bool {
    loop {
        let left = due - Seconds::host_now();
        if left <= Seconds::ZERO {
            return !stop.is_raised();
        }
        // Rounded up, so that the last wait does not end a fraction of a nanosecond early and spin.
        let nap = (left.to_duration() + Duration::from_nanos(1)).min(NAP);
        if stop.wait(nap) {
            return false;
        }
    }
}

//! Signals: the first one asks to stop, the second one ends the process at once.

use mezzo::stop::Stop;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;

/// The exit code of a second signal, as a shell reports it.
const KILLED: i32 = 128;

/// Raises `stop` on SIGTERM or SIGINT; exits on a second one. The thread behind it lasts as long as the process.
///
/// # Errors
/// The system refuses the handlers or the thread.
pub fn raise_on(stop: &Stop) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let stop = stop.clone();
    let watch = move || {
        // Not by `stop`: it is also raised when the event is over, and what is in flight then is finished all the same.
        let mut asked = false;
        for signal in signals.forever() {
            if std::mem::replace(&mut asked, true) {
                mezzo::ffmpeg::leave_at_once(KILLED + signal);
            }
            stop.raise();
            tracing::info!("asked to stop: what is in flight is finished; a second signal ends at once");
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map(drop)
}

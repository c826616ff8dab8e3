//! Time of processors that work took, and what machine this is.

use super::Machine;
use std::num::NonZero;
use std::time::{Duration, Instant};

/// A tick of `/proc/self/stat`: 1/100 s on every Linux.
const TICK: Duration = Duration::from_millis(10);
/// Other threads than this one count from here on: what they take is known to a tick.
const OTHERS: Duration = Duration::from_millis(30);

/// What `work` gives, and how much time of processors it took: of this thread, and of those that it started, where they took a noticeable part.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let (wall, thread, process) = (Instant::now(), thread(), process());
    let done = work();
    let elapsed = wall.elapsed();
    let own = match (thread, self::thread()) {
        (Some(from), Some(to)) => to.saturating_sub(from),
        // A kernel without these counts: with nothing else to do, the clock on the wall says the same.
        _ => elapsed,
    };
    let all = process.zip(self::process()).map_or(own, |(from, to)| to.saturating_sub(from));
    (done, if all > own + OTHERS { all } else { own })
}

/// Work that is going on, by what this thread has run since it began.
pub struct Running {
    wall: Instant,
    from: Option<Duration>,
}

impl Running {
    /// From now on.
    pub fn start() -> Running {
        Running { wall: Instant::now(), from: thread() }
    }

    /// How long ago that is.
    pub fn elapsed(&self) -> Duration {
        self.wall.elapsed()
    }

    /// What this thread has run since; nothing where the kernel does not count it.
    pub fn own(&self) -> Option<Duration> {
        Some(thread()?.saturating_sub(self.from?))
    }

    /// What it took so far. A tenth of the clock on the wall at least, for work that others do.
    pub fn took(&self) -> Duration {
        let elapsed = self.wall.elapsed();
        let own = self.from.zip(thread()).map_or(elapsed, |(from, to)| to.saturating_sub(from));
        own.max(elapsed / 10)
    }
}

/// What this thread has run.
fn thread() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// What all threads of this process have run.
fn process() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name is in brackets, and may hold anything. utime and stime are fields 14 and 15 of all, 12 and 13 behind it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (ticks()? + ticks()?))
}

impl Machine {
    /// This one.
    pub fn here() -> Machine {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let named = text.lines().find_map(|line| line.strip_prefix("model name").or_else(|| line.strip_prefix("Model")));
        let cpu = named.and_then(|line| line.split_once(':')).map_or("unknown", |(_, name)| name.trim());
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Machine { cpu: format!("{cpu} ({})", std::env::consts::ARCH), processors: u32::try_from(processors).unwrap_or(u32::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(rounds: u64) -> u64 {
        (0..rounds).fold(1u64, |x, n| std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n)))
    }

    #[test]
    fn work_counts_and_waiting_does_not() {
        let ((), slept) = timed(|| std::thread::sleep(Duration::from_millis(80)));
        let (_, spun) = timed(|| spin(40_000_000));
        assert!(slept < Duration::from_millis(20), "{slept:?}");
        assert!(spun > slept * 2, "{spun:?}");
    }

    #[test]
    fn threads_of_its_own_count() {
        // Long enough to be told from a tick.
        let rounds = 200_000_000;
        let (_, alone) = timed(|| spin(rounds));
        let (_, apart) = timed(|| std::thread::spawn(move || spin(rounds)).join().expect("no panic"));
        // Other tests of this process may run beside it.
        assert!(apart * 2 > alone, "{apart:?} on a thread, {alone:?} here");
    }
}

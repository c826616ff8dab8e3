//! What is counted of paths and of their merge. Shared with the status page.

use serde::Serialize;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What is counted of one path.
#[derive(Debug)]
pub struct PathCounts {
    /// The input, as it may be shown.
    pub input: String,
    /// Since when.
    pub began: Instant,
    /// Datagrams that brought transport packets (pieces of a stream, where the path has no datagrams).
    pub packets: AtomicU64,
    /// Bytes of transport packets.
    pub bytes: AtomicU64,
    /// What did not come: datagrams by their RTP numbers, else transport packets by their continuity counters (modulo 16, so at least so many).
    pub lost: AtomicU64,
    /// What did not come, or too late, and the other path brought: datagrams where both are numbered alike, else transport packets.
    pub filled: AtomicU64,
    /// What came more than once.
    pub duplicate: AtomicU64,
    /// What came after its successor.
    pub reordered: AtomicU64,
    /// What came too late to be used.
    pub late: AtomicU64,
    /// What is no transport stream.
    pub garbage: AtomicU64,
    /// Transport packets that do not follow the one before of their PID, on a path without RTP.
    pub continuity: AtomicU64,
    /// What did not fit the queue, because nobody took it in time.
    pub overruns: AtomicU64,
    /// Times that a connection was lost.
    pub reconnects: AtomicU64,
    /// When the last came, microseconds since `began`; 0: nothing yet.
    pub last: AtomicU64,
    /// Bits a second over the last whole second, and what that is counted from.
    rate: Rate,
}

#[derive(Debug, Default)]
struct Rate {
    bits: AtomicU64,
    since: AtomicU64,
    bytes: AtomicU64,
}

/// How long nothing may come before a path counts as gone on the status page.
const GONE: Duration = Duration::from_secs(1);

/// Counts one more.
pub fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Takes one back, at most to zero.
pub fn less(counter: &AtomicU64) {
    // Refused at zero, which is as it should be.
    let _ = counter.try_update(Relaxed, Relaxed, |n| n.checked_sub(1));
}

impl PathCounts {
    /// Nothing yet; `input` as it may be shown.
    pub fn new(input: &str) -> PathCounts {
        PathCounts {
            input: input.to_owned(),
            began: Instant::now(),
            packets: AtomicU64::default(),
            bytes: AtomicU64::default(),
            lost: AtomicU64::default(),
            filled: AtomicU64::default(),
            duplicate: AtomicU64::default(),
            reordered: AtomicU64::default(),
            late: AtomicU64::default(),
            garbage: AtomicU64::default(),
            continuity: AtomicU64::default(),
            overruns: AtomicU64::default(),
            reconnects: AtomicU64::default(),
            last: AtomicU64::default(),
            rate: Rate::default(),
        }
    }

    /// A datagram of so many bytes of transport packets has come. Called by one thread alone.
    pub fn came(&self, bytes: usize) {
        one(&self.packets);
        let bytes = self.bytes.fetch_add(bytes as u64, Relaxed) + bytes as u64;
        let now = self.began.elapsed().as_micros() as u64;
        self.last.store(now.max(1), Relaxed);
        let span = now.saturating_sub(self.rate.since.load(Relaxed));
        if span >= 1_000_000 {
            let new = bytes - self.rate.bytes.swap(bytes, Relaxed);
            self.rate.since.store(now, Relaxed);
            self.rate.bits.store((u128::from(new) * 8_000_000 / u128::from(span)) as u64, Relaxed);
        }
    }

    /// Now.
    pub fn snapshot(&self) -> PathSnapshot {
        let last = self.last.load(Relaxed);
        let silent = self.began.elapsed().saturating_sub(Duration::from_micros(last));
        let up = last > 0 && silent < GONE;
        PathSnapshot {
            input: self.input.clone(),
            up,
            silent_ms: (last > 0).then_some(silent.as_millis() as u64),
            packets: self.packets.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            bitrate: if up { self.rate.bits.load(Relaxed) } else { 0 },
            lost: self.lost.load(Relaxed),
            filled: self.filled.load(Relaxed),
            duplicate: self.duplicate.load(Relaxed),
            reordered: self.reordered.load(Relaxed),
            late: self.late.load(Relaxed),
            garbage: self.garbage.load(Relaxed),
            continuity: self.continuity.load(Relaxed),
            overruns: self.overruns.load(Relaxed),
            reconnects: self.reconnects.load(Relaxed),
        }
    }
}

/// One path at one moment: [`PathCounts`].
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct PathSnapshot {
    /// The input, as it may be shown.
    pub input: String,
    /// Whether something came within the last second.
    pub up: bool,
    /// Milliseconds since something came; absent where nothing ever did.
    pub silent_ms: Option<u64>,
    /// See [`PathCounts::packets`].
    pub packets: u64,
    /// See [`PathCounts::bytes`].
    pub bytes: u64,
    /// Bits a second over the last whole second.
    pub bitrate: u64,
    /// See [`PathCounts::lost`].
    pub lost: u64,
    /// See [`PathCounts::filled`].
    pub filled: u64,
    /// See [`PathCounts::duplicate`].
    pub duplicate: u64,
    /// See [`PathCounts::reordered`].
    pub reordered: u64,
    /// See [`PathCounts::late`].
    pub late: u64,
    /// See [`PathCounts::garbage`].
    pub garbage: u64,
    /// See [`PathCounts::continuity`].
    pub continuity: u64,
    /// See [`PathCounts::overruns`].
    pub overruns: u64,
    /// See [`PathCounts::reconnects`].
    pub reconnects: u64,
}

/// What is counted of what the demuxer gets.
#[derive(Debug, Default)]
pub struct MergeCounts {
    /// Datagrams that no path brought, by their RTP numbers.
    pub lost: AtomicU64,
    /// Transport packets that do not follow the one before of their PID: holes that the decoder sees.
    pub continuity: AtomicU64,
    /// PES packets of which transport packets are missing.
    pub hurt: AtomicU64,
    /// The longest that anything waited for its place, microseconds.
    pub longest: AtomicU64,
    /// How long things wait, microseconds, averaged over the last 64 or so.
    pub waits: AtomicU64,
    /// How much later the second path is than the first, microseconds; negative where it is earlier.
    pub delay: AtomicI64,
    /// How the paths are merged: a place in the table of modes.
    pub mode: AtomicU64,
}

/// How paths are merged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// There is one.
    Alone,
    /// By RTP numbers.
    Number,
    /// By the content of transport packets.
    Content,
    /// Not: nothing of one is in the other.
    Mismatch,
}

const MODES: [&str; 4] = ["alone", "number", "content", "mismatch"];

impl MergeCounts {
    /// Something waited this long.
    pub fn waited(&self, span: Duration) {
        let micros = span.as_micros() as u64;
        self.longest.fetch_max(micros, Relaxed);
        let before = self.waits.load(Relaxed);
        self.waits.store(before - before / 64 + micros / 64, Relaxed);
    }

    /// How paths are merged.
    pub fn mode(&self) -> Mode {
        [Mode::Alone, Mode::Number, Mode::Content, Mode::Mismatch].get(self.mode.load(Relaxed) as usize).copied().unwrap_or(Mode::Alone)
    }

    /// How paths are merged from here on.
    pub fn set_mode(&self, mode: Mode) {
        self.mode.store(mode as u64, Relaxed);
    }

    /// Now.
    pub fn snapshot(&self) -> MergeSnapshot {
        MergeSnapshot {
            mode: MODES.get(self.mode.load(Relaxed) as usize).copied().unwrap_or_default(),
            lost: self.lost.load(Relaxed),
            continuity: self.continuity.load(Relaxed),
            hurt: self.hurt.load(Relaxed),
            longest_wait_us: self.longest.load(Relaxed),
            wait_us: self.waits.load(Relaxed),
            delay_us: self.delay.load(Relaxed),
        }
    }
}

/// The merge at one moment: [`MergeCounts`].
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct MergeSnapshot {
    /// `alone`, `number`, `content` or `mismatch`.
    pub mode: &'static str,
    /// See [`MergeCounts::lost`].
    pub lost: u64,
    /// See [`MergeCounts::continuity`].
    pub continuity: u64,
    /// See [`MergeCounts::hurt`].
    pub hurt: u64,
    /// See [`MergeCounts::longest`].
    pub longest_wait_us: u64,
    /// See [`MergeCounts::waits`].
    pub wait_us: u64,
    /// See [`MergeCounts::delay`].
    pub delay_us: i64,
}

/// Everything that is counted of an input of one or two paths.
#[derive(Debug)]
pub struct Counts {
    /// In the order of the inputs.
    pub paths: Vec<std::sync::Arc<PathCounts>>,
    /// Of what the demuxer gets.
    pub merge: MergeCounts,
}

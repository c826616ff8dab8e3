//! Inputs that bring transport packets by themselves, without libav's network code: UDP and RTP; and two paths of one feed, which are merged into one.
//!
//! ```text
//! socket ─► receive ─┐ blocks of whole packets      bytes
//!                    ├──────────────► merge ─► ledger ─► libav's demuxer ─► units
//! socket ─► receive ─┘ (bounded, dated)     what is missing, by place ──────┘ hurt
//! ```

mod address;
mod bytes;
pub mod counts;
mod ledger;
pub mod merge;
pub mod packets;
mod queue;
mod receive;
pub mod rtp;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

use super::describe::describe;
use super::libav::{Nature, options, start_libav};
use super::renumber::Renumbered;
use super::watch::Watch;
use super::{CaptureError, Delivery, Input, Opened, Read, apart};
use crate::job::{Pace, Select};
use crate::secrets::without_secrets;
use crate::stop::Stop;
use address::{ACCEPTED, Address};
use bytes::{Bytes, Tap};
use counts::{Counts, MergeCounts, PathCounts};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::packet::Flags;
use ffmpeg_next::format::context::StreamIo;
use ledger::Ledger;
use merge::sequence::REORDER;
use receive::{Drained, Intake};
use std::net::UdpSocket;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stream::Stream;

/// Whether a URL is one of datagrams that are received here.
pub fn takes(url: &str) -> bool {
    url.starts_with("udp://") || url.starts_with("rtp://")
}

/// Opens one.
pub fn open(url: &str, _: Pace, select: &Select, stop: &Stop) -> Opened {
    open_paths(&[url.to_owned()], Duration::ZERO, select, stop)
}

/// Opens one or two paths of one feed. Nothing waits longer than `window` for the other path; where there is none, as long as one path may be out of order.
///
/// # Errors
/// As [`super::open`].
pub fn open_paths(inputs: &[String], window: Duration, select: &Select, stop: &Stop) -> Opened {
    let window = if inputs.len() > 1 { window } else { REORDER };
    let shown: Vec<String> = inputs.iter().map(|input| without_secrets(input)).collect();
    let merge = MergeCounts::default();
    let counts = Arc::new(Counts { paths: shown.iter().map(|shown| Arc::new(PathCounts::new(shown))).collect(), merge });
    let all = shown.join(" and ");
    let (call, select, inputs) = (Call { shown: all.clone(), counts: Arc::clone(&counts), window }, select.clone(), inputs.to_vec());
    let (mut source, input) = apart::open(&all, None, stop, move |quit| call.open(&inputs, &select, quit))?;
    source.paths = Some(counts);
    Ok((source, input))
}

/// Where one path's bytes come from.
enum Source {
    Socket(UdpSocket, Address),
    Stream(Stream),
}

impl Source {
    fn open(input: &str, shown: &str, stop: &Stop) -> Result<Source, String> {
        if input.contains('\0') {
            return Err(format!("this is not a URL; {ACCEPTED}"));
        }
        match input.split_once("://").filter(|_| takes(input)) {
            Some((_, rest)) => {
                let address = Address::parse(rest).map_err(|why| format!("{why}; {ACCEPTED}"))?;
                Ok(Source::Socket(socket::open(shown, &address)?, address))
            }
            None => Stream::of(input, stop).map(Source::Stream),
        }
    }
}

/// The threads of the paths. They end when it is dropped.
struct Receivers {
    quit: Stop,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.quit.raise();
        for thread in self.threads.drain(..) {
            // A panic has been reported by its hook, and closed the path's queue.
            let _ = thread.join();
        }
    }
}

struct Call {
    shown: String,
    counts: Arc<Counts>,
    window: Duration,
}

impl Call {
    fn open(self, inputs: &[String], select: &Select, stop: &Stop) -> Opened {
        let fail = |why: String| CaptureError::Open { url: self.shown.clone(), why };
        let away = |why: String| CaptureError::Away { url: self.shown.clone(), why };
        start_libav();
        let mut sources = Vec::new();
        for (input, counts) in inputs.iter().zip(&self.counts.paths) {
            sources.push(Source::open(input, &counts.input, stop).map_err(|why| CaptureError::Open { url: counts.input.clone(), why })?);
        }
        let ends = sources.iter().all(|source| matches!(source, Source::Stream(stream) if stream.ends()));
        let files = sources.iter().all(|source| matches!(source, Source::Stream(Stream::File(_))));
        let nature = if ends { Nature::Pipe } else { Nature::Datagrams };
        let ledger = Arc::new(Mutex::new(Ledger::new()));
        let clock = Instant::now();
        let mut receivers = Receivers { quit: Stop::new(), threads: Vec::new() };
        let mut taps = Vec::new();
        for (source, counts) in sources.into_iter().zip(&self.counts.paths) {
            let (inlet, queue) = if matches!(&source, Source::Stream(stream) if stream.waits()) { queue::patient() } else { queue::lossy() };
            let drained = Arc::new(Drained::default());
            taps.push(Tap { queue, drained: Arc::clone(&drained) });
            let (intake, quit, counts) = (Intake::new(counts, inlet, matches!(source, Source::Stream(_))), receivers.quit.clone(), Arc::clone(counts));
            let body = move || match source {
                Source::Socket(socket, address) => receive::datagrams(&socket, |from| address.hears(from), intake, &drained, clock, &quit),
                Source::Stream(stream) => stream::run(stream, intake, &counts.input, &counts.reconnects, &drained, clock, &quit),
            };
            let thread = std::thread::Builder::new().name(format!("path-{}", taps.len())).spawn(body);
            receivers.threads.push(thread.map_err(|e| fail(format!("no thread for it: {e}")))?);
        }
        let bytes = Bytes::new(taps, (!files).then_some(self.window), &ledger, &self.counts, clock, receivers);
        let watch = Watch::new(stop);
        let io = StreamIo::from_read(Renumbered::new(bytes)).map_err(|e| fail(e.to_string()))?;
        let own = options(&[("protocol_whitelist", "pipe"), ("format_whitelist", "mpegts")]);
        let context = ffmpeg::format::input_from_stream_with_interrupt(io, None, Some(own), watch.closure())
            .map_err(|e| away(format!("{}{}", watch.explain(e, "what comes is not MPEG-TS that libav can read"), self.came())))?;
        let (source, input) = describe(&self.shown, context, select, &watch, nature)?;
        Ok((source, Box::new(PathInput { input, ledger })))
    }

    /// What came instead of a feed.
    fn came(&self) -> String {
        let path = |path: &Arc<PathCounts>| match (path.packets.load(Relaxed), path.garbage.load(Relaxed)) {
            (0, 0) => "nothing came".to_owned(),
            (0, garbage) => format!("{garbage} datagrams came, and none of them is MPEG-TS"),
            (packets, garbage) => format!("{packets} datagrams of MPEG-TS came, and {garbage} of something else"),
        };
        self.counts.paths.iter().map(|counts| format!("; {}: {}", counts.input, path(counts))).collect()
    }
}

/// What the demuxer makes of the paths, with the holes where they are.
struct PathInput {
    input: Box<dyn Input>,
    ledger: Arc<Mutex<Ledger>>,
}

impl Input for PathInput {
    fn read(&mut self) -> Result<Read, CaptureError> {
        let mut read = self.input.read()?;
        if let Read::Unit(unit) = &mut read {
            // Where a picture does not begin a PES packet, libav's own flag stays.
            let place = u64::try_from(unit.packet.position()).ok();
            let hurt = place.and_then(|place| self.ledger.lock().unwrap_or_else(PoisonError::into_inner).hurt(place));
            if let Some(hurt) = hurt {
                unit.hurt = hurt;
                let key = if unit.packet.is_key() { Flags::KEY } else { Flags::empty() };
                unit.packet.set_flags(key | if hurt { Flags::CORRUPT } else { Flags::empty() });
            }
        }
        Ok(read)
    }

    fn delivery(&self) -> Delivery {
        self.input.delivery()
    }
}

//! Where the transport stream goes: a file, or a thread that sends datagrams when they are due.

use super::faults::{Lane, LaneCounts, Moment, Outgoing};
use super::options::{FeedOptions, FeedOutput};
use super::wire::{self, Wire};
use super::{FeedError, FeedReport};
use crate::pace::wait_until;
use crate::stop::Stop;
use crate::time::Seconds;
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Datagrams between the muxer and a sender: 86 MB. When full, the muxer waits; for a connection, which may be away, what comes then is left out and counted.
const QUEUE: usize = 65_536;
/// What a connection was not there for is left out when it is late by more than this.
const STALE: Seconds = Seconds::ONE;

/// What was sent to one output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputReport {
    /// Where.
    pub to: String,
    /// Bytes sent, of transport stream unless faults made them something else.
    pub bytes: u64,
    /// Datagrams that could not be sent, for there was no connection.
    pub unsent: u64,
    /// What went wrong on the way, as it was asked for.
    pub faults: LaneCounts,
}

/// All outputs, each with its own faults.
pub(super) struct Outputs {
    ways: Vec<(Lane, Output)>,
    ready: Vec<Outgoing>,
}

impl Outputs {
    /// Opens all outputs of a feed whose first picture is of `start`.
    pub fn open(options: &FeedOptions, start: Seconds, stop: &Stop) -> Result<Outputs, FeedError> {
        let open = |(place, output)| Ok((Lane::new(options, place, start), Output::open(output, options.seed, stop)?));
        Ok(Outputs { ways: options.outputs.iter().enumerate().map(open).collect::<Result<_, FeedError>>()?, ready: Vec::new() })
    }

    /// Sends whole transport packets.
    pub fn send(&mut self, bytes: &[u8], moment: Moment) -> Result<(), FeedError> {
        for (lane, output) in &mut self.ways {
            lane.push(bytes, moment, &mut self.ready);
            self.ready.drain(..).try_for_each(|datagram| output.send(datagram))?;
        }
        Ok(())
    }

    /// Sends what is left, closes, and writes down what came of it. The thread that sends knows better than [`FeedError::SenderGone`] why it ended.
    pub fn close(mut self, sent: Result<(), FeedError>, moment: Moment, report: &mut FeedReport) -> Result<(), FeedError> {
        let rest = sent.and_then(|()| {
            for (lane, output) in &mut self.ways {
                lane.finish(moment, &mut self.ready);
                self.ready.drain(..).try_for_each(|datagram| output.send(datagram))?;
            }
            Ok(())
        });
        let mut closed = Ok(());
        for (lane, output) in self.ways {
            match output.finish() {
                Ok(own) => report.outputs.push(OutputReport { faults: lane.counts(), ..own }),
                Err(error) => closed = closed.and(Err(error)),
            }
        }
        report.bytes = report.outputs.iter().map(|output| output.bytes).sum();
        report.lost = report.outputs.iter().map(|output| output.faults.lost).sum();
        match rest {
            Ok(()) | Err(FeedError::SenderGone) => closed,
            Err(error) => Err(error),
        }
    }
}

/// An opened destination.
enum Output {
    File { file: BufWriter<File>, report: OutputReport },
    Sender { queue: Sender<Outgoing>, thread: JoinHandle<Result<OutputReport, FeedError>>, closing: Arc<AtomicBool>, patient: bool, unsent: u64 },
}

impl Output {
    /// Opens it. For a receiver, the first datagram is the test whether it can be reached.
    fn open(output: &FeedOutput, seed: u64, stop: &Stop) -> Result<Output, FeedError> {
        let report = OutputReport { to: output.to_string(), ..OutputReport::default() };
        if let FeedOutput::File(path) = output {
            let wrong = |why: std::io::Error| FeedError::Option {
                field: "output",
                value: path.display().to_string(),
                accepted: format!("a URL, or a file that can be written; this one: {why}"),
            };
            return Ok(Output::File { file: BufWriter::new(File::create(path).map_err(wrong)?), report });
        }
        let failed = |why: std::io::Error| FeedError::Output { output: output.to_string(), why: why.to_string() };
        let closing = Arc::new(AtomicBool::new(false));
        let wire = wire::open(output, seed, stop, &closing).map_err(failed)?;
        let (queue, datagrams) = bounded(QUEUE);
        let sender = WireSender { wire, report, stop: stop.clone() };
        let thread = std::thread::Builder::new().name("feed-send".into()).spawn(move || sender.run(&datagrams)).map_err(failed)?;
        Ok(Output::Sender { queue, thread, closing, patient: !output.connects(), unsent: 0 })
    }

    fn send(&mut self, datagram: Outgoing) -> Result<(), FeedError> {
        match self {
            Output::File { file, report } => {
                report.bytes += datagram.bytes.len() as u64;
                file.write_all(&datagram.bytes).map_err(|e| FeedError::Output { output: report.to.clone(), why: e.to_string() })
            }
            // The receiver of this queue is gone only after an error, which `finish` brings.
            Output::Sender { queue, patient: true, .. } => queue.send(datagram).map_err(|_| FeedError::SenderGone),
            Output::Sender { queue, unsent, .. } => match queue.try_send(datagram) {
                Ok(()) => Ok(()),
                Err(TrySendError::Full(_)) => {
                    *unsent += 1;
                    Ok(())
                }
                Err(TrySendError::Disconnected(_)) => Err(FeedError::SenderGone),
            },
        }
    }

    /// Sends the rest and closes.
    fn finish(self) -> Result<OutputReport, FeedError> {
        match self {
            Output::File { mut file, report } => {
                file.flush().map_err(|e| FeedError::Output { output: report.to.clone(), why: e.to_string() })?;
                Ok(report)
            }
            Output::Sender { queue, thread, closing, unsent, .. } => {
                closing.store(true, Ordering::Relaxed);
                drop(queue);
                let report = thread.join().unwrap_or(Err(FeedError::SenderGone))?;
                Ok(OutputReport { unsent: report.unsent + unsent, ..report })
            }
        }
    }
}

struct WireSender {
    wire: Box<dyn Wire>,
    report: OutputReport,
    stop: Stop,
}

impl WireSender {
    fn run(mut self, datagrams: &Receiver<Outgoing>) -> Result<OutputReport, FeedError> {
        for datagram in datagrams {
            if let Some(due) = datagram.due {
                // After a stop nothing waits: what is left goes out at once.
                wait_until(due, &self.stop);
            }
            let stale = datagram.due.is_some_and(|due| self.wire.connects() && Seconds::host_now() - due > STALE);
            let sent = if stale { Ok(0) } else { self.wire.send(&datagram) };
            match sent.map_err(|why| FeedError::Output { output: self.report.to.clone(), why: why.to_string() })? {
                0 => self.report.unsent += 1,
                bytes => self.report.bytes += bytes as u64,
            }
        }
        Ok(self.report)
    }
}

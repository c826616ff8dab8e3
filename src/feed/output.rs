//! Where the transport stream goes: a file, or datagrams spread evenly over time.

use super::FeedError;
use super::options::FeedOutput;
use crate::pace::wait_until;
use crate::stop::Stop;
use crate::time::Seconds;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::thread::JoinHandle;

/// Seven transport packets: the most that fits an Ethernet frame.
const DATAGRAM: usize = 7 * 188;
/// Bursts (of a picture each) between the muxer and the sender. When full, the muxer waits.
const QUEUE: usize = 32;

/// Bytes to be sent evenly over `span` from `from` on, by the host's clock; at once where `from` is absent.
pub(super) struct Burst {
    bytes: Vec<u8>,
    from: Option<Seconds>,
    span: Seconds,
}

/// An opened destination.
pub(super) enum Output {
    /// A file.
    File { path: PathBuf, file: BufWriter<File>, bytes: u64 },
    /// The thread that sends datagrams.
    Udp { queue: Sender<Burst>, thread: JoinHandle<Result<u64, FeedError>> },
}

impl Output {
    /// Opens it. For a receiver, the first datagram is the test whether it can be reached.
    pub fn open(output: &FeedOutput, stop: &Stop) -> Result<Output, FeedError> {
        let failed = |why: std::io::Error| FeedError::Output { output: name(output), why: why.to_string() };
        match output {
            FeedOutput::File(path) => {
                let wrong = |why: std::io::Error| FeedError::Option {
                    field: "output",
                    value: path.display().to_string(),
                    accepted: format!("udp://ADDRESS:PORT or a file that can be written; this one: {why}"),
                };
                Ok(Output::File { path: path.clone(), file: BufWriter::new(File::create(path).map_err(wrong)?), bytes: 0 })
            }
            FeedOutput::Udp { to, ttl } => {
                let any: SocketAddr = if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
                let socket = UdpSocket::bind(any).map_err(failed)?;
                if to.is_ipv4() {
                    socket.set_multicast_ttl_v4(*ttl).map_err(failed)?;
                }
                let (queue, bursts) = bounded(QUEUE);
                let sender = UdpSender { socket, to: *to, rest: Vec::with_capacity(DATAGRAM), bytes: 0, name: name(output), stop: stop.clone() };
                let thread = std::thread::Builder::new().name("feed-send".into()).spawn(move || sender.run(&bursts)).map_err(failed)?;
                Ok(Output::Udp { queue, thread })
            }
        }
    }

    /// Sends `bytes` over `span` from `from` on.
    pub fn send(&mut self, bytes: Vec<u8>, from: Option<Seconds>, span: Seconds) -> Result<(), FeedError> {
        if bytes.is_empty() {
            return Ok(());
        }
        match self {
            Output::File { path, file, bytes: count } => {
                *count += bytes.len() as u64;
                file.write_all(&bytes).map_err(|e| FeedError::Output { output: path.display().to_string(), why: e.to_string() })
            }
            // The receiver of this queue is gone only after an error, which `finish` brings.
            Output::Udp { queue, .. } => queue.send(Burst { bytes, from, span }).map_err(|_| FeedError::SenderGone),
        }
    }

    /// Sends the rest and closes; how many bytes went out.
    pub fn finish(self) -> Result<u64, FeedError> {
        match self {
            Output::File { path, mut file, bytes } => {
                file.flush().map_err(|e| FeedError::Output { output: path.display().to_string(), why: e.to_string() })?;
                Ok(bytes)
            }
            Output::Udp { queue, thread } => {
                drop(queue);
                thread.join().unwrap_or(Err(FeedError::SenderGone))
            }
        }
    }
}

fn name(output: &FeedOutput) -> String {
    match output {
        FeedOutput::File(path) => path.display().to_string(),
        FeedOutput::Udp { to, .. } => format!("udp://{to}"),
    }
}

struct UdpSender {
    socket: UdpSocket,
    to: SocketAddr,
    /// Less than a datagram, kept for the next burst.
    rest: Vec<u8>,
    bytes: u64,
    name: String,
    stop: Stop,
}

impl UdpSender {
    fn run(mut self, bursts: &Receiver<Burst>) -> Result<u64, FeedError> {
        for burst in bursts {
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(&burst.bytes);
            let count = (bytes.len() / DATAGRAM).max(1) as i128;
            let mut datagrams = bytes.chunks_exact(DATAGRAM);
            for (i, datagram) in datagrams.by_ref().enumerate() {
                if let Some(from) = burst.from {
                    // After a stop nothing waits: what is left goes out at once.
                    wait_until(from + burst.span.times(i as i128).over(count), &self.stop);
                }
                self.send(datagram)?;
            }
            self.rest = datagrams.remainder().to_vec();
        }
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.send(&rest)?;
        }
        Ok(self.bytes)
    }

    fn send(&mut self, datagram: &[u8]) -> Result<(), FeedError> {
        match self.socket.send_to(datagram, self.to) {
            Ok(sent) => {
                self.bytes += sent as u64;
                Ok(())
            }
            // Nobody listens there yet.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(FeedError::Output { output: self.name.clone(), why: error.to_string() }),
        }
    }
}

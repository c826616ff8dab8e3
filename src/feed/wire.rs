//! What sends datagrams: UDP, RTP, TCP, SRT. A connection that is lost is made anew; the feed goes on meanwhile.

use super::faults::Outgoing;
use super::mux::CLOCK;
use super::options::FeedOutput;
use crate::ffmpeg::Wire as LibavWire;
use crate::stop::Stop;
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long is waited before a connection is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// How long connecting may take, and a receiver may take nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// Payload type of MPEG-TS (RFC 3551, 6).
const PAYLOAD_TYPE: u8 = 33;

/// Sends datagrams in the order of their coming.
pub(super) trait Wire: Send {
    /// Sends it; how many bytes of the feed went out. 0: there is no connection.
    fn send(&mut self, datagram: &Outgoing) -> io::Result<usize>;

    /// Whether there is a connection, which may be away.
    fn connects(&self) -> bool {
        true
    }
}

/// Opens it. A connection is made with the first datagram. `closing`: nothing is waited for any more.
pub(super) fn open(output: &FeedOutput, seed: u64, stop: &Stop, closing: &Arc<AtomicBool>) -> io::Result<Box<dyn Wire>> {
    Ok(match output {
        FeedOutput::Udp { to, ttl } => Box::new(Udp { socket: socket(*to, *ttl)?, to: *to }),
        FeedOutput::Rtp { to, ttl } => {
            let own = super::faults::identity(seed);
            Box::new(Rtp { udp: Udp { socket: socket(*to, *ttl)?, to: *to }, source: own as u32, first: (own >> 32) as u16 })
        }
        FeedOutput::TcpCaller { to } => {
            let to = *to;
            Box::new(Connection::new(move || {
                let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
                prepared(stream).map(Some)
            }))
        }
        FeedOutput::TcpListener { at } => {
            let listener = TcpListener::bind(at)?;
            listener.set_nonblocking(true)?;
            Box::new(Connection::new(move || match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    prepared(stream).map(Some)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(error),
            }))
        }
        FeedOutput::Srt { url } => {
            let (url, stop, closing) = (url.clone(), stop.clone(), Arc::clone(closing));
            Box::new(Connection::new(move || {
                let (stop, closing) = (stop.clone(), Arc::clone(&closing));
                let wire = LibavWire::open(&url, move || stop.is_raised() || closing.load(Ordering::Relaxed)).map_err(|e| io::Error::other(e.to_string()))?;
                Ok(Some(Box::new(wire) as Box<dyn Write + Send>))
            }))
        }
        FeedOutput::File(_) => return Err(io::Error::other("a file is no receiver")),
    })
}

fn prepared(stream: TcpStream) -> io::Result<Box<dyn Write + Send>> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(Box::new(stream))
}

fn socket(to: SocketAddr, ttl: u32) -> io::Result<UdpSocket> {
    let any: SocketAddr = if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any)?;
    if to.is_ipv4() {
        socket.set_multicast_ttl_v4(ttl)?;
    }
    Ok(socket)
}

struct Udp {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Udp {
    /// A receiver that is not there yet has lost nothing that it could have had.
    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        match self.socket.send_to(bytes, self.to) {
            Err(error) if error.kind() != ErrorKind::ConnectionRefused => Err(error),
            _ => Ok(()),
        }
    }
}

impl Wire for Udp {
    fn send(&mut self, datagram: &Outgoing) -> io::Result<usize> {
        self.put(&datagram.bytes).map(|()| datagram.bytes.len())
    }

    fn connects(&self) -> bool {
        false
    }
}

/// MPEG-TS in RTP (RFC 2250, 2). The same datagram has the same header on every path (SMPTE ST 2022-7).
struct Rtp {
    udp: Udp,
    source: u32,
    first: u16,
}

impl Wire for Rtp {
    fn send(&mut self, datagram: &Outgoing) -> io::Result<usize> {
        let Some(number) = datagram.number else { return self.udp.send(datagram) };
        let mut bytes = Vec::with_capacity(12 + datagram.bytes.len());
        bytes.extend_from_slice(&[2 << 6, PAYLOAD_TYPE]);
        bytes.extend_from_slice(&self.first.wrapping_add(number as u16).to_be_bytes());
        bytes.extend_from_slice(&self.source.wrapping_add(datagram.elapsed.nearest_ticks(CLOCK) as u32).to_be_bytes());
        bytes.extend_from_slice(&self.source.to_be_bytes());
        bytes.extend_from_slice(&datagram.bytes);
        self.udp.put(&bytes).map(|()| datagram.bytes.len())
    }

    fn connects(&self) -> bool {
        false
    }
}

/// Makes a connection; `None` where nobody has called yet.
type Connect = Box<dyn FnMut() -> io::Result<Option<Box<dyn Write + Send>>> + Send>;

struct Connection {
    connect: Connect,
    stream: Option<Box<dyn Write + Send>>,
    tried: Option<Instant>,
    /// What was wrong the last time, told once.
    told: String,
}

impl Connection {
    fn new(connect: impl FnMut() -> io::Result<Option<Box<dyn Write + Send>>> + Send + 'static) -> Connection {
        Connection { connect: Box::new(connect), stream: None, tried: None, told: String::new() }
    }

    fn tell(&mut self, what: String) {
        if self.told != what {
            tracing::warn!("the feed's receiver: {what}; it is tried again");
            self.told = what;
        }
    }
}

impl Wire for Connection {
    fn send(&mut self, datagram: &Outgoing) -> io::Result<usize> {
        if !datagram.connected {
            self.stream = None;
            return Ok(0);
        }
        if self.stream.is_none() && self.tried.is_none_or(|tried| tried.elapsed() >= AGAIN) {
            match (self.connect)() {
                Ok(stream) => self.stream = stream,
                Err(error) => self.tell(error.to_string()),
            }
            self.tried = Some(Instant::now());
        }
        let Some(stream) = &mut self.stream else { return Ok(0) };
        match stream.write_all(&datagram.bytes).and_then(|()| stream.flush()) {
            Ok(()) => {
                self.told.clear();
                Ok(datagram.bytes.len())
            }
            Err(error) => {
                self.stream = None;
                self.tell(error.to_string());
                Ok(0)
            }
        }
    }
}

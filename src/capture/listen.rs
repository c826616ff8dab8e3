//! Inputs that wait to be called: their port, and callers that bring nothing.

use super::watch::Connected;
use super::{CaptureError, Delivery, Input, Lost, Read};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

/// How long is waited after a caller that brought no media, so that a scan of all ports takes no processor.
pub const BETWEEN_CALLERS: Duration = Duration::from_millis(100);
/// How often such callers are told of, one by one or together.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// The URL as libav takes it, and whether it waits for somebody to connect.
pub fn listener(url: &str) -> (String, bool) {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let has = |wanted: &[&str]| query.split('&').any(|option| wanted.contains(&option));
    match url.split_once("://").map_or("", |(scheme, _)| scheme) {
        "srt" => (url.to_owned(), has(&["mode=listener"])),
        "tcp" => (url.to_owned(), has(&["listen", "listen=1"])),
        "rist" => (url.to_owned(), place.contains("://@")),
        "rtmp" | "rtsp" if has(&["listen", "listen=1"]) => {
            let rest: Vec<&str> = query.split('&').filter(|option| !["listen", "listen=1"].contains(option)).collect();
            (if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) }, true)
        }
        _ => (url.to_owned(), false),
    }
}

/// Whether the place of a URL can be listened on, tried with a socket of ours that is closed at once. libav's own errors do not tell a port that is taken from a caller that left.
///
/// # Errors
/// In words: the port is taken, the address is none of this machine's, or may not be used.
pub fn try_port(place: &str) -> Result<(), String> {
    let scheme = place.split("://").next().unwrap_or_default();
    let mut last = Err("the host's name leads nowhere".to_owned());
    for address in addresses(place)? {
        let tried = if matches!(scheme, "srt" | "rist") { UdpSocket::bind(address).map(drop) } else { TcpListener::bind(address).map(drop) };
        last = tried.map_err(|e| words(&e));
        if last.is_ok() {
            break;
        }
    }
    last
}

/// What the place of a URL comes to.
fn addresses(place: &str) -> Result<impl Iterator<Item = SocketAddr>, String> {
    let (scheme, rest) = place.split_once("://").unwrap_or(("", place));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let usual = match scheme {
        "rtmp" => "1935",
        "rtsp" => "554",
        _ => "0",
    };
    let (host, port) = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).unwrap_or((authority, usual));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let port: u16 = port.parse().map_err(|_| format!("{port} is no port"))?;
    (host, port).to_socket_addrs().map_err(|e| format!("the host's name leads nowhere ({e})"))
}

/// A TCP port that libav listens on, which it does no longer once somebody has connected.
pub struct Door {
    address: Option<SocketAddr>,
    /// It was listened on.
    open: bool,
}

impl Door {
    /// That of a URL's place.
    pub fn of(place: &str) -> Door {
        Door { address: addresses(place).ok().and_then(|mut all| all.next()), open: false }
    }

    /// Whether somebody has come in. Others may bind to a port that has connections (SO_REUSEADDR, as libav sets it), but to none that is listened on.
    pub fn is_shut(&mut self) -> bool {
        match self.address.map(bind) {
            Some(Err(error)) if error.kind() == ErrorKind::AddrInUse => self.open = true,
            Some(Ok(())) => return self.open,
            _ => {}
        }
        false
    }
}

fn bind(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

fn words(error: &io::Error) -> String {
    let why = match error.kind() {
        ErrorKind::AddrInUse => "the port is taken".to_owned(),
        ErrorKind::AddrNotAvailable => "the address is none of this machine's".to_owned(),
        ErrorKind::PermissionDenied => "this port may not be used without further rights".to_owned(),
        _ => error.to_string(),
    };
    format!("it cannot be listened on: {why}")
}

/// A reader that says when it has its first bytes.
pub struct Heard<R> {
    inner: R,
    first: Option<Connected>,
}

impl<R> Heard<R> {
    /// Around a reader of bytes; `first` is told.
    pub fn new(inner: R, first: Option<Connected>) -> Heard<R> {
        Heard { inner, first }
    }
}

impl<R: io::Read> io::Read for Heard<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.first.take_if(|_| read > 0).iter().for_each(Connected::now);
        Ok(read)
    }
}

/// Callers that brought no media.
#[derive(Default)]
pub struct Callers {
    number: u32,
    untold: u32,
    told: Option<Instant>,
}

impl Callers {
    /// One more, and why it is not taken.
    pub fn turned_away(&mut self, error: &CaptureError) {
        self.number = self.number.saturating_add(1);
        self.untold += 1;
        if self.told.is_some_and(|told| told.elapsed() < TOLD_EVERY) {
            return;
        }
        match std::mem::take(&mut self.untold) {
            1 => tracing::warn!("{error}; waiting for the next one"),
            callers => tracing::warn!(callers, "{error}, the last of them; waiting for the next one"),
        }
        self.told = Some(Instant::now());
    }

    /// Has `input` say first how many there were.
    pub fn before(self, input: Box<dyn Input>) -> Box<dyn Input> {
        if self.number == 0 { input } else { Box::new(After { callers: Some(self.number), input }) }
    }
}

/// An input for which others were turned away.
struct After {
    callers: Option<u32>,
    input: Box<dyn Input>,
}

impl Input for After {
    fn read(&mut self) -> Result<Read, CaptureError> {
        self.callers.take().map_or_else(|| self.input.read(), |callers| Ok(Read::Lost(Lost::Callers(callers))))
    }

    fn delivery(&self) -> Delivery {
        self.input.delivery()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_whom() {
        assert_eq!(listener("rtmp://h/live/x?listen=1"), ("rtmp://h/live/x".to_owned(), true));
        assert_eq!(listener("rtmp://h/live/x?k=v&listen"), ("rtmp://h/live/x?k=v".to_owned(), true));
        assert_eq!(listener("rtmp://h/live/x?k=v"), ("rtmp://h/live/x?k=v".to_owned(), false));
        assert!(listener("srt://:9000?latency=1&mode=listener").1 && !listener("srt://h:9000").1);
    }

    #[test]
    fn a_door_is_shut_when_somebody_is_in() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut door = Door::of(&format!("rtsp://{address}/live"));
        assert!(!door.is_shut() && !door.is_shut());
        let _caller = std::net::TcpStream::connect(address).expect("it listens");
        let _taken = listener.accept().expect("it called");
        assert!(!door.is_shut(), "it listens still");
        drop(listener);
        assert!(door.is_shut());
        // One that was never open.
        assert!(!Door::of(&format!("rtsp://{address}/live")).is_shut());
    }

    #[test]
    fn a_port_that_is_taken_is_told_from_one_that_is_free() {
        let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("bound").port();
        let url = format!("srt://127.0.0.1:{port}?mode=listener");
        assert!(try_port(&url).expect_err("taken").contains("the port is taken"));
        drop(taken);
        assert_eq!(try_port(&url), Ok(()));
        assert!(try_port("tcp://192.0.2.1:9000?listen=1").expect_err("not ours").contains("none of this machine's"));
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        assert!(try_port(&format!("rtmp://127.0.0.1:{}/live/x", taken.local_addr().expect("bound").port())).is_err());
    }
}

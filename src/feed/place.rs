//! Where a feed goes (`--output`).

use super::FeedError;
use crate::secrets::{watch, without_secrets};
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

pub(super) const ACCEPTED: &str = "udp://ADDRESS:PORT, rtp://ADDRESS:PORT, tcp://ADDRESS:PORT, srt://ADDRESS:PORT, or a file whose name ends in .ts";

/// One output of a feed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FeedOutput {
    /// MPEG-TS over UDP, seven packets a datagram.
    Udp {
        /// Unicast or multicast receiver.
        to: SocketAddr,
        /// Hops that a multicast datagram may make.
        ttl: u32,
    },
    /// The same in RTP.
    Rtp {
        /// Unicast or multicast receiver.
        to: SocketAddr,
        /// Hops that a multicast datagram may make.
        ttl: u32,
    },
    /// MPEG-TS over TCP, to who listens there.
    TcpCaller {
        /// The listener.
        to: SocketAddr,
    },
    /// MPEG-TS over TCP, to who calls.
    TcpListener {
        /// Where it waits for a caller; one at a time.
        at: SocketAddr,
    },
    /// MPEG-TS over SRT, through libav.
    Srt {
        /// With libav's options behind a question mark (mode, passphrase, streamid, latency …).
        url: String,
    },
    /// An MPEG-TS file.
    File(PathBuf),
}

impl FeedOutput {
    /// A file has no time, and is written as fast as its pictures are made.
    pub fn is_file(&self) -> bool {
        matches!(self, FeedOutput::File(_))
    }

    /// Whether there is a connection, which can be lost.
    pub fn connects(&self) -> bool {
        matches!(self, FeedOutput::TcpCaller { .. } | FeedOutput::TcpListener { .. } | FeedOutput::Srt { .. })
    }
}

impl fmt::Display for FeedOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FeedOutput::Udp { to, .. } => write!(f, "udp://{to}"),
            FeedOutput::Rtp { to, .. } => write!(f, "rtp://{to}"),
            FeedOutput::TcpCaller { to } => write!(f, "tcp://{to}"),
            FeedOutput::TcpListener { at } => write!(f, "tcp://{at}?listen=1"),
            FeedOutput::Srt { url } => write!(f, "{}", without_secrets(url)),
            FeedOutput::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Parses a URL or a file name.
pub(super) fn parse_output(value: &str) -> Result<FeedOutput, FeedError> {
    let shown = without_secrets(value);
    watch(value);
    let bad = |accepted: &str| FeedError::Option { field: "output", value: shown.clone(), accepted: accepted.to_owned() };
    let Some((scheme, rest)) = value.split_once("://") else {
        return if value.ends_with(".ts") { Ok(FeedOutput::File(value.into())) } else { Err(bad(ACCEPTED)) };
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let address = || {
        let found =
            place.to_socket_addrs().map_err(|e| bad(&format!("{scheme}://ADDRESS:PORT that can be resolved ({scheme}://127.0.0.1:5000); this one: {e}")))?;
        found.into_iter().next().filter(|a| a.port() != 0).ok_or_else(|| bad(&format!("{scheme}://ADDRESS:PORT, port 1 to 65535")))
    };
    let options = || query.split('&').filter(|o| !o.is_empty());
    match scheme {
        "udp" | "rtp" => {
            let to = address()?;
            let mut ttl = 1;
            for option in options() {
                match option.split_once('=') {
                    Some(("pkt_size", "1316")) => {}
                    Some(("ttl", n)) => ttl = n.parse().ok().filter(|n| (1..=255).contains(n)).ok_or_else(|| bad("ttl from 1 to 255"))?,
                    _ => return Err(bad("after ? only ttl=1..255 and pkt_size=1316")),
                }
            }
            Ok(if scheme == "udp" { FeedOutput::Udp { to, ttl } } else { FeedOutput::Rtp { to, ttl } })
        }
        "tcp" => {
            let address = address()?;
            match options().collect::<Vec<_>>()[..] {
                [] => Ok(FeedOutput::TcpCaller { to: address }),
                ["listen=1"] => Ok(FeedOutput::TcpListener { at: address }),
                _ => Err(bad("after ? only listen=1")),
            }
        }
        // libav knows the rest of it; a listener needs no address.
        "srt" => match place.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()) {
            Some(1..) => Ok(FeedOutput::Srt { url: value.to_owned() }),
            _ => {
                Err(bad("srt://ADDRESS:PORT, port 1 to 65535, and libav's options behind a ? (mode=listener, passphrase=…, streamid=…, latency=MICROSECONDS)"))
            }
        },
        _ => Err(bad(ACCEPTED)),
    }
}

//! `udp://` and `rtp://` as they are written: `[SOURCE@]ADDRESS:PORT[?localaddr=…&sources=…]`. The options are named as libav's, where that has them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

/// What is accepted, in words.
pub const ACCEPTED: &str = "udp://ADDRESS:PORT and rtp://ADDRESS:PORT are accepted, with MPEG-TS, an address of this machine or of a multicast group, and a port that is free, from 1 to 65535 \
    (udp://239.1.1.1:5000, udp://SOURCE@232.1.1.1:5000); after the ? localaddr=ADDRESS (of the interface), interface=NAME, sources=ADDRESS,…, block=ADDRESS,…, buffer_size=BYTES, reuse=0 or 1";

/// Options of libav that say how it works inside, or how it sends.
const NO_MATTER: [&str; 10] =
    ["pkt_size", "fifo_size", "overrun_nonfatal", "ttl", "timeout", "bitrate", "burst_bits", "broadcast", "dscp", "reorder_queue_size"];

/// Bytes that the system is asked to keep until they are read: 1.5 s of 40 Mb/s.
const BUFFER: usize = 8 << 20;

/// Where datagrams come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// The group, or an address of this machine, and the port.
    pub to: SocketAddr,
    /// The address of the interface that a group is joined on.
    pub local: Option<IpAddr>,
    /// The name of it.
    pub interface: Option<String>,
    /// Nobody else is listened to; empty: everybody is.
    pub sources: Vec<IpAddr>,
    /// Who is not listened to.
    pub blocked: Vec<IpAddr>,
    /// Bytes that the system is asked to keep.
    pub buffer: usize,
    /// Whether others of this machine may listen, too.
    pub reuse: bool,
}

impl Address {
    /// Whether it is a group.
    pub fn is_multicast(&self) -> bool {
        self.to.ip().is_multicast()
    }

    /// Whether somebody who sends is listened to.
    pub fn hears(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        (self.sources.is_empty() || self.sources.contains(&from)) && !self.blocked.contains(&from)
    }

    /// Reads what follows `udp://`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(rest: &str) -> Result<Address, String> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.split('/').next().unwrap_or_default();
        let (source, place) = place.rsplit_once('@').unwrap_or(("", place));
        let (host, port) = place.rsplit_once(':').ok_or("there is no port in it")?;
        let plain = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port: u16 = Some(port).filter(|_| plain).and_then(|port| port.parse().ok()).filter(|port| *port != 0).ok_or("there is no port in it")?;
        let to = SocketAddr::new(ip(host, true)?, port);
        let mut address = Address {
            to,
            local: None,
            interface: None,
            sources: if source.is_empty() { Vec::new() } else { vec![ip(source, false)?] },
            blocked: Vec::new(),
            buffer: BUFFER,
            reuse: to.ip().is_multicast(),
        };
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, "1"));
            let list = || value.split(',').filter(|part| !part.is_empty()).map(|part| ip(part, false)).collect::<Result<Vec<_>, _>>();
            let wrong = |accepted: &str| format!("{name}={value} is not accepted ({accepted})");
            match name {
                "localaddr" => address.local = Some(ip(value, false)?),
                "interface" | "iface" => address.interface = Some(value.to_owned()).filter(|name| !name.is_empty() && !name.contains(['/', '.'])),
                "sources" => address.sources.extend(list()?),
                "block" => address.blocked.extend(list()?),
                "buffer_size" => address.buffer = value.parse().ok().filter(|n| (1024..=1 << 30).contains(n)).ok_or_else(|| wrong("1024 to 1073741824"))?,
                "reuse" | "reuse_socket" => address.reuse = ["0", "1"].iter().position(|n| *n == value).ok_or_else(|| wrong("0 or 1"))? == 1,
                "localport" if value.parse() == Ok(port) => {}
                _ if NO_MATTER.contains(&name) => {}
                _ => return Err(format!("the option {name} is not known")),
            }
        }
        let families = address.sources.iter().chain(&address.local).any(|other| other.is_ipv4() != address.to.is_ipv4());
        if families {
            return Err("its addresses are of different families (IPv4, IPv6)".to_owned());
        }
        Ok(address)
    }
}

/// The address that a name has; of several, an IPv4 one. Without a name, every address of this machine.
fn ip(name: &str, may_be_any: bool) -> Result<IpAddr, String> {
    if name.is_empty() && may_be_any {
        return Ok(Ipv4Addr::UNSPECIFIED.into());
    }
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<SocketAddr> = (bare, 1).to_socket_addrs().map_err(|why| format!("the host's name {bare:?} leads nowhere ({why})"))?.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.map(|address| address.ip()).ok_or_else(|| format!("the host's name {bare:?} leads nowhere"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_they_are_written() {
        let group = Address::parse("10.0.0.9@232.1.1.1:5000?localaddr=10.0.0.1&sources=10.0.0.8&ttl=4&fifo_size=1").expect("legal");
        assert_eq!((group.to, group.reuse, group.is_multicast()), ("232.1.1.1:5000".parse().expect("an address"), true, true));
        assert_eq!(group.local, Some(Ipv4Addr::new(10, 0, 0, 1).into()));
        let hears = |last: u8| group.hears(Ipv4Addr::new(10, 0, 0, last).into());
        assert!(hears(9) && hears(8) && !hears(7));
        let one = Address::parse("@:5000?block=10.0.0.7&buffer_size=65536").expect("legal");
        assert_eq!((one.to, one.buffer, one.reuse), ("0.0.0.0:5000".parse().expect("an address"), 65536, false));
        assert!(one.hears(Ipv4Addr::new(10, 0, 0, 8).into()) && !one.hears(Ipv4Addr::new(10, 0, 0, 7).into()));
        assert_eq!(Address::parse("[ff02::1]:5000/").expect("legal").to, "[ff02::1]:5000".parse().expect("an address"));
        assert_eq!(Address::parse("127.0.0.1:1").expect("legal").to.port(), 1);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (rest, said) in [
            ("", "no port"),
            ("127.0.0.1", "no port"),
            ("127.0.0.1:", "no port"),
            (":0", "no port"),
            ("127.0.0.1:65536", "no port"),
            ("[ff02::1]", "no port"),
            ("127.0.0.1:+5", "no port"),
            ("127.0.0.1/x:5000", "no port"),
            ("no.such.host.invalid:5000", "leads nowhere"),
            ("127.0.0.1:5?nonsense=1", "nonsense"),
            ("127.0.0.1:5?reuse=2", "0 or 1"),
            ("127.0.0.1:5?buffer_size=7", "1024"),
            ("::1@239.1.1.1:5", "families"),
        ] {
            let error = Address::parse(rest).expect_err(rest);
            assert!(error.contains(said), "{rest}: {error}");
        }
    }
}

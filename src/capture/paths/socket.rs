//! Sockets that datagrams come to.

use super::address::{ACCEPTED, Address};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// Opens a socket for an address, which does not block, and joins the group, where it is one.
///
/// # Errors
/// What is wrong, and what would be accepted, in words.
pub fn open(shown: &str, address: &Address) -> Result<UdpSocket, String> {
    let socket = bound(address).map_err(|error| format!("{}; {ACCEPTED}", words(&error)))?;
    join(&socket, address).map_err(|error| format!("the group cannot be joined ({error}): is there an interface with a route to it? {ACCEPTED}"))?;
    // What is granted is twice what is asked for, half of which the system takes for its own use (socket(7)).
    let granted = socket.recv_buffer_size().unwrap_or_default() / 2;
    if granted < address.buffer {
        let asked = address.buffer;
        tracing::info!("input {shown}: the system keeps {granted} bytes until they are read, and not {asked}: a sysctl net.core.rmem_max={asked} lets it");
    } else {
        tracing::debug!("input {shown}: the system keeps {granted} bytes until they are read");
    }
    Ok(socket.into())
}

fn bound(address: &Address) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address.to), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(address.reuse)?;
    // A smaller buffer than was asked for is no error; what it came to is told.
    let _ = socket.set_recv_buffer_size(address.buffer);
    socket.bind(&SockAddr::from(address.to))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn join(socket: &Socket, address: &Address) -> io::Result<()> {
    if !address.is_multicast() {
        return Ok(());
    }
    let index = address.interface.as_deref().map(index).transpose()?;
    match address.to.ip() {
        IpAddr::V4(group) => {
            let local = match address.local {
                Some(IpAddr::V4(local)) => local,
                _ => Ipv4Addr::UNSPECIFIED,
            };
            let sources = address.sources.iter().filter_map(|source| if let IpAddr::V4(source) = source { Some(source) } else { None });
            let mut joined = 0;
            for source in sources {
                if index.is_some() {
                    return Err(io::Error::new(ErrorKind::InvalidInput, "a source is joined on an address: localaddr=ADDRESS in the place of interface=NAME"));
                }
                socket.join_ssm_v4(source, &group, &local)?;
                joined += 1;
            }
            match (joined, index) {
                (0, Some(index)) => socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
                (0, None) => socket.join_multicast_v4(&group, &local),
                _ => Ok(()),
            }
        }
        IpAddr::V6(group) => {
            let scope = if let std::net::SocketAddr::V6(to) = address.to { to.scope_id() } else { 0 };
            socket.join_multicast_v6(&group, index.unwrap_or(scope))
        }
    }
}

/// The number that the system gives an interface.
fn index(name: &str) -> io::Result<u32> {
    let text = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex"));
    let number = text.ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("there is no interface {name}")))
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => "it cannot be listened on: the port is taken".to_owned(),
        ErrorKind::AddrNotAvailable => "it cannot be listened on: the address is none of this machine's".to_owned(),
        ErrorKind::PermissionDenied => "it cannot be listened on: ports below 1024 need a right to it (permission denied)".to_owned(),
        _ => format!("it cannot be listened on ({error})"),
    }
}

//! Connections to where things are pushed: names resolved anew for each, TLS by rustls, HTTP/1.1 by hyper. Object stores use the same.

pub mod http;
mod tls;

use super::remote::failure::{Failure, Kind};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tls::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::{Host, Url};

/// How long one address of a name may take, where there are more.
const ADDRESS: Duration = Duration::from_secs(2);

/// A byte stream.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Where a connection goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    secure: bool,
    host: Host<String>,
    port: u16,
}

impl Place {
    /// Of an http or https URL.
    pub fn of(url: &Url) -> Option<Place> {
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        Some(Place { secure, host: url.host()?.to_owned(), port: url.port_or_known_default()? })
    }

    /// As the header `Host` has it.
    pub fn authority(&self) -> String {
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual { self.host.to_string() } else { self.to_string() }
    }

    /// Whether it has TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What connects.
#[derive(Debug)]
pub struct Dialer {
    tls: Tls,
}

impl Dialer {
    /// `ca`: certificates that are trusted in the place of the system's; `certificate`: one's own, and its key. All PEM, read when the first connection needs them.
    pub fn new(ca: Option<PathBuf>, certificate: Option<(PathBuf, PathBuf)>) -> Dialer {
        Dialer { tls: Tls::new(ca, certificate) }
    }

    /// Reads the certificates, so that wrong ones are found at the start.
    ///
    /// # Errors
    /// Where they cannot be used.
    pub fn check(&self) -> Result<(), String> {
        self.tls.config().map(|_| ())
    }

    /// A connection, its name resolved now.
    pub async fn dial(&self, to: &Place) -> Result<Box<dyn Io>, Failure> {
        let wrong = |why: &dyn fmt::Display| Failure::new(Kind::Connect, format!("{to}: {why}"));
        let name = match &to.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let addresses: Vec<_> = lookup_host((name.as_str(), to.port)).await.map_err(|e| wrong(&e))?.collect();
        let mut last = wrong(&"the name has no address");
        for address in addresses {
            match timeout(ADDRESS, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Chunks are small and must not wait for each other.
                    stream.set_nodelay(true).map_err(|e| wrong(&e))?;
                    return if to.secure { self.tls.wrap(stream, &name).await.map_err(|e| wrong(&e)) } else { Ok(Box::new(stream)) };
                }
                Ok(Err(e)) => last = wrong(&e),
                Err(_) => last = wrong(&format!("{address} does not answer")),
            }
        }
        Err(last)
    }
}

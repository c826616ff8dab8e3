//! HTTP around the worker: the page, the embedded origin, health and status. The only place with async code, on one thread of its own.
//!
//! | | |
//! |---|---|
//! | `/` | a page that plays the output and shows the rungs |
//! | `/live/<path>` | what is published, from memory and disk ([`crate::sink::store`]) |
//! | `/healthz` | 200 while the process runs |
//! | `/readyz` | 200 while every track is published on time, else 503 with what is not |
//! | `/metrics` | [`crate::metrics`] for Prometheus |
//! | `/v1/status` | [`crate::status::Snapshot`] and the store's usage as JSON |
//! | `/v1/input` | POST, from this machine: which of two feeds is shown |
//! | `/v1/time` | UTC as `xs:dateTime`, for DASH `UTCTiming` (`urn:mpeg:dash:utc:http-xsdate:2014`) |

mod activity;
mod answer;
mod connection;
pub mod control;
mod filed;
mod health;
mod limits;
mod listener;
mod live;
mod metrics;
mod page;
mod patient;
mod publisher;
mod range;
mod reload;
mod status;
mod tls;

use crate::job::Serving;
use crate::sink::store::Store;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
pub use tls::{Tls, TlsError};
use tokio::sync::watch;

use connection::Routers;
pub use limits::Limits;
use limits::Load;
pub use publisher::Publisher;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("listen {address}: {why}; accepted: an address of this machine with a port that is free")]
    Bind {
        /// As given.
        address: SocketAddr,
        /// The system's words.
        why: std::io::Error,
    },
    /// Its thread cannot be started.
    #[error("listen {address}: the server's thread does not start: {why}")]
    Thread {
        /// As given.
        address: SocketAddr,
        /// The system's words.
        why: std::io::Error,
    },
}

/// Threads that wait for the disk, and compress what is large.
const BLOCKING: usize = 4;

/// What handlers see.
#[derive(Clone)]
struct App {
    store: Store,
    publisher: Arc<dyn Publisher>,
    load: Load,
}

/// How it is served.
#[derive(Clone, Default)]
pub struct Setup {
    /// What a client may take.
    pub limits: Limits,
    /// Further routes, beside those of the table above; under the limits that players have.
    pub routes: Router,
    /// More of them, which are answered however many players there are: beyond the limits that those have, on connections of the reserve.
    pub reserved: Router,
    /// Encrypted, with this certificate.
    pub tls: Option<Tls>,
}

impl Setup {
    /// What a job asks for.
    ///
    /// # Errors
    /// Where its certificate or key cannot be used.
    pub fn of(serving: &Serving) -> Result<Setup, TlsError> {
        let tls = serving.tls.as_ref().map(|(certificate, key)| Tls::open(certificate, key)).transpose()?;
        Ok(Setup { tls, ..Setup::default() })
    }
}

/// A running server. Dropping it stops it, too.
pub struct Server {
    address: SocketAddr,
    encrypted: bool,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `address` and serves from a thread of its own. When this returns, the address is taken and connections are accepted; nothing else is needed from the caller.
    pub fn start(address: SocketAddr, store: Store, publisher: Arc<dyn Publisher>) -> Result<Server, ServeError> {
        Server::start_with(address, store, publisher, Setup::default())
    }

    /// As [`Server::start`], with another setup.
    pub fn start_with(address: SocketAddr, store: Store, publisher: Arc<dyn Publisher>, setup: Setup) -> Result<Server, ServeError> {
        let bind = |why| ServeError::Bind { address, why };
        let thread = |why| ServeError::Thread { address, why };
        let listener = listener::bind(address).map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING).build().map_err(thread)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(bind)?
        };
        let Setup { limits, routes, reserved, tls } = setup;
        let limits = limits.within_descriptors();
        let load = Load::new(&limits);
        let (stop, stopped) = watch::channel(false);
        let routers = routers(App { store, publisher, load: load.clone() }, routes, reserved);
        let encrypted = tls.is_some();
        let run = move || runtime.block_on(connection::accept(listener, routers, limits, load, tls, stopped));
        let joined = std::thread::Builder::new().name("serve".to_owned()).spawn(run).map_err(thread)?;
        Ok(Server { address: bound, encrypted, stop, thread: Some(joined) })
    }

    /// Where it listens; the port is the real one where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address of the page that a browser on this machine can open.
    pub fn url(&self) -> String {
        let mut at = self.address;
        if at.ip().is_unspecified() {
            at.set_ip(if at.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        format!("{}://{at}/", if self.encrypted { "https" } else { "http" })
    }

    /// Takes no new connections, lets answers in progress finish ([`Limits::goodbye`]), and joins the thread.
    pub fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        // Nobody listens only where the thread is at its end already.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the server's thread panicked");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.join();
    }
}

fn routers(app: App, routes: Router, reserved: Router) -> Routers {
    let about = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/status", get(status::status))
        .route("/v1/time", get(status::time));
    let all = about
        .clone()
        .route("/", get(page::html))
        .route("/page.css", get(page::css))
        .route("/page.js", get(page::js))
        .route("/live/{*path}", get(live::published))
        .fallback(async || (StatusCode::NOT_FOUND, "not found\n"));
    let finish = |router: Router<App>| router.layer(middleware::from_fn(cross_origin)).with_state(app.clone());
    Routers { all: finish(all).merge(routes).merge(reserved.clone()), reserved: finish(about.fallback(full)).merge(reserved) }
}

/// What players are told when all connections are taken.
async fn full() -> Response {
    let headers = [(header::CACHE_CONTROL, "public, max-age=1"), (header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, "all connections are taken; try again in a second\n").into_response()
}

/// Any page may play this (CORS): only what is public is served, and no cookie is ever looked at.
async fn cross_origin(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        let allow = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "range, if-none-match, if-range, cmcd-object, cmcd-request, cmcd-session, cmcd-status"),
            (header::ACCESS_CONTROL_MAX_AGE, "86400"),
            (header::ALLOW, "GET, HEAD, OPTIONS"),
        ];
        (StatusCode::NO_CONTENT, allow).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers
        .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("age, cmsd-dynamic, cmsd-static, content-length, content-range, date, etag"));
    headers.insert("timing-allow-origin", HeaderValue::from_static("*"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

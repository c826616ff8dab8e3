//! Accepting connections, and the limits that keep slow, many or hostile clients from costing the worker anything.

use super::activity::{Activity, Ceased};
use super::control::Peer;
use super::limits::{Limits, Load};
use super::patient::Patient;
use super::tls::Tls;
use axum::extract::Request;
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// What connections are answered by.
#[derive(Clone)]
pub(super) struct Routers {
    /// Everything.
    pub all: Router,
    /// What is answered however many players there are.
    pub reserved: Router,
}

/// Serves until `stop` turns true, then for at most [`Limits::goodbye`].
pub(super) async fn accept(listener: TcpListener, routers: Routers, limits: Limits, load: Load, tls: Option<Tls>, mut stop: watch::Receiver<bool>) {
    if let Some(tls) = &tls {
        tokio::spawn(tls.clone().follow());
    }
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|s| *s) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let held = tokio::select! {
                    biased;
                    _ = stop.wait_for(|s| *s) => break,
                    place = load.places().acquire_owned() => (place, &routers.all, false),
                    place = load.reserve().acquire_owned() => (place, &routers.reserved, true),
                };
                let (place, router, reserved) = (held.0.expect("the semaphores are never closed"), held.1.clone(), held.2);
                let (limits, stop, tls) = (if reserved { limits.of_reserve() } else { limits.clone() }, stop.clone(), tls.clone());
                tokio::spawn(async move {
                    Connection { router, limits, keep: !reserved, stop }.serve(stream, tls).await;
                    drop(place);
                });
            }
            // Out of descriptors, or the client left before it was accepted. Waiting keeps the first from becoming a busy loop.
            Err(e) => {
                tracing::debug!("accept: {e}");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let free = async |places: &Semaphore, all: usize| drop(places.acquire_many(u32::try_from(all).unwrap_or(u32::MAX)).await);
    let all_free = async {
        free(&load.places(), limits.connections).await;
        free(&load.reserve(), limits.reserve).await;
    };
    if timeout(limits.goodbye, all_free).await.is_err() {
        tracing::debug!("connections were cut off at the stop");
    }
}

impl Limits {
    /// Those of a connection of the reserve.
    fn of_reserve(&self) -> Limits {
        let brief = self.reserve_time;
        Limits { head_time: brief, age: brief, last_answer: brief, ..self.clone() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

struct Connection {
    router: Router,
    limits: Limits,
    /// Whether it goes on after an answer.
    keep: bool,
    stop: watch::Receiver<bool>,
}

impl Connection {
    async fn serve(mut self, stream: TcpStream, tls: Option<Tls>) {
        // Without it small answers wait for the client's acknowledgement; where it cannot be set they are only slower.
        let _ = stream.set_nodelay(true);
        self.router = self.router.clone().layer(Extension(Peer(stream.peer_addr().ok())));
        let mut stream = Patient::new(stream, self.limits.stall);
        let head_time = self.limits.head_time;
        let mut stop = self.stop.clone();
        let greet = async {
            match tls {
                None => {
                    let version = if stream.begins_http2().await? { Version::Two } else { Version::One };
                    Ok::<_, std::io::Error>((Err(stream), version))
                }
                Some(tls) => {
                    let stream = tls.acceptor().accept(stream).await?;
                    let version = if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Version::Two } else { Version::One };
                    Ok((Ok(Box::new(stream)), version))
                }
            }
        };
        let greeted = tokio::select! {
            greeted = timeout(head_time, greet) => greeted,
            _ = stop.wait_for(|s| *s) => return,
        };
        match greeted {
            Ok(Ok((Ok(stream), version))) => self.answer(stream, version).await,
            Ok(Ok((Err(stream), version))) => self.answer(stream, version).await,
            Ok(Err(e)) => tracing::debug!("a connection broke before its first request: {e}"),
            Err(_) => tracing::debug!("a connection said nothing"),
        }
    }

    async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&mut self, stream: S, version: Version) {
        let router = TowerToHyperService::new(self.router.clone());
        match version {
            Version::One => self.run(stream, version, router, pending()).await,
            Version::Two => {
                let activity = Activity::new();
                let counted = {
                    let activity = activity.clone();
                    service_fn(move |request: Request<Incoming>| {
                        let (asking, answer) = (activity.ask(), router.call(request));
                        async move {
                            let Ok(response) = answer.await;
                            Ok::<_, Infallible>(response.map(|body| asking.answered(body)))
                        }
                    })
                };
                let (idle, stall) = (self.limits.head_time, self.limits.stall);
                self.run(stream, version, counted, activity.ceases(idle, stall)).await;
            }
        }
    }

    async fn run<S, A>(&mut self, stream: S, version: Version, answers: A, ceases: impl Future<Output = Ceased>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        A: Service<Request<Incoming>, Response = axum::response::Response, Error = Infallible> + Send + 'static,
        A::Future: Send + 'static,
    {
        let limits = &self.limits;
        let mut builder = Builder::new(TokioExecutor::new());
        let timer = TokioTimer::new();
        if version == Version::One {
            builder = builder.http1_only();
            builder.http1().timer(timer).header_read_timeout(limits.head_time).max_buf_size(limits.head).max_headers(64).keep_alive(self.keep);
        } else {
            builder = builder.http2_only();
            let head = u32::try_from(limits.head).unwrap_or(u32::MAX);
            builder.http2().timer(timer).max_concurrent_streams(limits.streams).max_header_list_size(head).max_send_buf_size(256 << 10);
            builder.http2().keep_alive_interval(limits.head_time).keep_alive_timeout(limits.stall).max_pending_accept_reset_streams(32);
        }
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answers));
        let grace = tokio::select! {
            result = connection.as_mut() => return report(result),
            () = sleep(limits.age) => limits.last_answer,
            _ = self.stop.wait_for(|s| *s) => limits.goodbye,
            ceased = ceases => match ceased {
                Ceased::Idle => limits.goodbye,
                Ceased::Stalled => return tracing::debug!("a connection was cut off: the client takes nothing"),
            },
        };
        connection.as_mut().graceful_shutdown();
        match timeout(grace, connection).await {
            Ok(result) => report(result),
            Err(_) => tracing::debug!("a connection was cut off"),
        }
    }
}

fn report(result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(e) = result {
        tracing::debug!("a connection broke: {e}");
    }
}

//! Accepting connections, and the limits that keep slow, many or hostile clients from costing the worker anything.

use super::control::Peer;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Sleep, sleep, timeout};

/// What a client may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once for everything.
    pub connections: usize,
    /// Connections beyond those, which are asked about the worker's health and status only: players are told to come back. More wait in the system's backlog.
    pub reserve: usize,
    /// Time for a request's head to arrive on a connection of the reserve, which ends after its answer.
    pub reserve_time: Duration,
    /// Bytes of a request's head.
    pub head: usize,
    /// Time for a request's head to arrive, which is also how long an idle connection is kept.
    pub head_time: Duration,
    /// Time in which a client that is being sent to must take at least something.
    pub stall: Duration,
    /// Age at which a connection is closed after the answer in progress …
    pub age: Duration,
    /// … and how long that answer may then still take.
    pub last_answer: Duration,
    /// How long a stop of the server waits for answers in progress.
    pub goodbye: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512,
            reserve: 32,
            reserve_time: Duration::from_secs(2),
            head: 16 << 10,
            head_time: Duration::from_secs(15),
            stall: Duration::from_secs(15),
            age: Duration::from_secs(300),
            last_answer: Duration::from_secs(60),
            goodbye: Duration::from_millis(500),
        }
    }
}

/// What connections are answered by.
#[derive(Clone)]
pub(super) struct Routers {
    /// Everything.
    pub all: Router,
    /// What is answered however many players there are.
    pub reserved: Router,
}

/// Serves until `stop` turns true, then for at most [`Limits::goodbye`].
pub(super) async fn accept(listener: TcpListener, routers: Routers, limits: Limits, mut stop: watch::Receiver<bool>) {
    let (places, reserve) = (Arc::new(Semaphore::new(limits.connections)), Arc::new(Semaphore::new(limits.reserve)));
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
                    place = places.clone().acquire_owned() => (place, &routers.all, false),
                    place = reserve.clone().acquire_owned() => (place, &routers.reserved, true),
                };
                let (place, router, reserved) = (held.0.expect("the semaphores are never closed"), held.1.clone(), held.2);
                let (limits, stop) = (limits.clone(), stop.clone());
                tokio::spawn(async move {
                    serve(stream, router, reserved, &limits, stop).await;
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
        free(&places, limits.connections).await;
        free(&reserve, limits.reserve).await;
    };
    if timeout(limits.goodbye, all_free).await.is_err() {
        tracing::debug!("connections were cut off at the stop");
    }
}

async fn serve(stream: TcpStream, router: Router, reserved: bool, limits: &Limits, mut stop: watch::Receiver<bool>) {
    // Without it small answers wait for the client's acknowledgement; where it cannot be set they are only slower.
    let _ = stream.set_nodelay(true);
    let router = router.layer(Extension(Peer(stream.peer_addr().ok())));
    let (head_time, age, last_answer) =
        if reserved { (limits.reserve_time, limits.reserve_time, limits.reserve_time) } else { (limits.head_time, limits.age, limits.last_answer) };
    // The limits below are HTTP/1's; while it is not known which version a client speaks, there is none.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_time).max_buf_size(limits.head).max_headers(64).keep_alive(!reserved);
    let stream = TokioIo::new(Patient { stream, patience: limits.stall, stalled: None });
    let mut connection = std::pin::pin!(builder.serve_connection(stream, TowerToHyperService::new(router)));
    let grace = tokio::select! {
        result = connection.as_mut() => return report(result),
        () = sleep(age) => last_answer,
        _ = stop.wait_for(|s| *s) => limits.goodbye,
    };
    connection.as_mut().graceful_shutdown();
    match timeout(grace, connection).await {
        Ok(result) => report(result),
        Err(_) => tracing::debug!("a connection was cut off"),
    }
}

fn report(result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(e) = result {
        tracing::debug!("a connection broke: {e}");
    }
}

/// A stream whose peer must keep taking what is sent: a write that makes no progress for `patience` fails.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn judge<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.judge(cx, progress)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.judge(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

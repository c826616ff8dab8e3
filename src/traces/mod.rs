//! The life of each segment, from capture to published, as traces of OpenTelemetry: OTLP over HTTP, in JSON.
//!
//! - `span`: a life becomes spans; here: the thread that hands them over
//!
//! A segment has the same trace id on every worker of a class, so that a collector shows the shards and twins of a segment together; span ids are each worker's own.

mod span;

use crate::metrics::{Life, Probes};
use crate::sink::net::http::{Connection, without_body};
use crate::sink::net::{Dialer, Place};
use crossbeam::channel::{Receiver, Sender, bounded};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use span::Resource;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use url::Url;

/// Segments that wait for the collector. More are dropped, and counted.
const QUEUE: usize = 256;
/// Segments of one request.
const BATCH: usize = 64;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long all that is under way, or waits, may take from when this worker leaves.
const GOODBYE: Duration = Duration::from_millis(500);

/// What becomes of traces. Every segment is counted once.
#[derive(Debug, Default)]
pub struct Counts {
    /// Segments whose traces a collector took.
    pub sent: AtomicU64,
    /// Segments whose traces it did not.
    pub dropped: AtomicU64,
}

/// Why traces are not sent at all.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The URL is none.
    #[error("otlp = \"{0}\"; accepted: the http or https URL of an OTLP collector, like http://127.0.0.1:4318")]
    Url(String),
    /// The system gives no thread.
    #[error("the thread of the traces does not start: {0}")]
    Thread(#[from] std::io::Error),
}

/// Sends traces until it is dropped.
pub struct Tracer {
    stop: Option<Sender<()>>,
    /// Until when the last ones may take, once this worker leaves.
    leaving: watch::Sender<Option<Instant>>,
    thread: Option<JoinHandle<()>>,
}

/// Where traces go: `/v1/traces` below the URL, as OTLP has it, unless it says so already.
///
/// # Errors
/// It is no http or https URL.
pub fn endpoint(url: &str) -> Result<Url, TraceError> {
    let wrong = || TraceError::Url(url.to_owned());
    let mut parsed = Url::parse(url).map_err(|_| wrong())?;
    Place::of(&parsed).ok_or_else(wrong)?;
    let path = parsed.path().trim_end_matches('/');
    let path = if path.ends_with("/v1/traces") { path.to_owned() } else { format!("{path}/v1/traces") };
    parsed.set_path(&path);
    Ok(parsed)
}

impl Tracer {
    /// Sends the segments that `probes` tells of to `to`, with the names of their tracks. `class` is the worker's.
    ///
    /// # Errors
    /// As [`TraceError`] has them.
    pub fn start(to: &Url, probes: &Probes, tracks: Vec<String>, class: &str, counts: Arc<Counts>) -> Result<Tracer, TraceError> {
        let place = Place::of(to).ok_or_else(|| TraceError::Url(to.to_string()))?;
        let (tx, lives) = bounded::<Life>(QUEUE);
        let (stop, stopped) = bounded::<()>(0);
        let (leaving, left) = watch::channel(None);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
        let (resource, dialer) = (Resource::new(class, tracks), Dialer::new(None, None));
        let worker = Worker { to: to.clone(), place, dialer, resource, counts: Arc::clone(&counts), loud: true, left };
        let thread = std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
            worker.run(&runtime, &lives, &stopped);
            // A name server that does not answer is left behind.
            runtime.shutdown_background();
        })?;
        probes.tell(Box::new(move |life| {
            if tx.try_send(life).is_err() {
                counts.dropped.fetch_add(1, Relaxed);
            }
        }));
        Ok(Tracer { stop: Some(stop), leaving, thread: Some(thread) })
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.leaving.send_replace(Some(Instant::now() + GOODBYE));
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the traces panicked");
        }
    }
}

type Line = Option<Connection<Full<Bytes>>>;

/// The thread's own.
struct Worker {
    to: Url,
    place: Place,
    dialer: Dialer,
    resource: Resource,
    counts: Arc<Counts>,
    /// The next failure is told.
    loud: bool,
    /// See [`Tracer::leaving`].
    left: watch::Receiver<Option<Instant>>,
}

impl Worker {
    fn run(mut self, runtime: &tokio::runtime::Runtime, lives: &Receiver<Life>, stopped: &Receiver<()>) {
        let mut line: Line = None;
        loop {
            let first = crossbeam::select! {
                recv(lives) -> life => life.ok(),
                // Nothing is ever sent: the other end goes away.
                recv(stopped) -> _ => None,
            };
            let Some(first) = first else { break };
            let batch: Vec<Life> = std::iter::once(first).chain(lives.try_iter().take(BATCH - 1)).collect();
            runtime.block_on(self.send(&mut line, &batch));
        }
        loop {
            let batch: Vec<Life> = lives.try_iter().take(BATCH).collect();
            let over = self.left.borrow().is_none_or(|until| until <= Instant::now());
            match batch.is_empty() {
                true => break,
                false if over => drop(self.counts.dropped.fetch_add(batch.len() as u64, Relaxed)),
                false => runtime.block_on(self.send(&mut line, &batch)),
            }
        }
    }

    /// One request. What fails is not sent again: a newer one matters more.
    async fn send(&mut self, line: &mut Line, batch: &[Life]) {
        let body = self.resource.body(batch);
        let left = self.left.clone();
        let sent = tokio::select! {
            biased;
            sent = self.post(line, body) => sent,
            () = sleep(PATIENCE) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            () = goodbye(left) => Err("this worker leaves, and it does not answer".to_owned()),
        };
        match sent {
            Ok(()) => {
                self.counts.sent.fetch_add(batch.len() as u64, Relaxed);
                if !std::mem::replace(&mut self.loud, true) {
                    tracing::info!(to = %self.place, "the collector takes traces again");
                }
            }
            Err(why) => {
                *line = None;
                self.counts.dropped.fetch_add(batch.len() as u64, Relaxed);
                if std::mem::take(&mut self.loud) {
                    tracing::warn!(to = %self.place, "the collector does not take traces: {why}");
                }
            }
        }
    }

    async fn post(&self, line: &mut Line, body: Vec<u8>) -> Result<(), String> {
        let open = match line {
            Some(connection) => connection.is_open().await,
            None => false,
        };
        let connection = match line.take().filter(|_| open) {
            Some(connection) => connection,
            None => Connection::open(&self.dialer, &self.place).await.map_err(|failure| failure.why)?,
        };
        let connection = line.insert(connection);
        let target = self.to.query().map_or_else(|| self.to.path().to_owned(), |query| format!("{}?{query}", self.to.path()));
        let request = Request::post(target)
            .header(HOST, self.place.authority())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("mezzo/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| e.to_string())?;
        let (status, _, goes_on) = without_body(connection.send(request).await.map_err(|failure| failure.why)?).await;
        if !goes_on {
            *line = None;
        }
        if (200..300).contains(&status) { Ok(()) } else { Err(format!("{status}")) }
    }
}

/// Ends when this worker has left for so long that nothing is waited for.
async fn goodbye(mut left: watch::Receiver<Option<Instant>>) {
    let until = left.wait_for(Option::is_some).await.map(|until| *until);
    if let Ok(Some(until)) = until {
        sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests;

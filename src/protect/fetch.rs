//! Asking a key server for keys, ahead of time: a thread of its own, which the muxer tells what it wants and never waits for in real time.
//!
//! Bounds: 10 s a request, 4 MiB an answer, no redirects, 64 crypto periods waiting. What fails is asked for again after 1, 2, 4 … 30 s, until its period is over.

use super::cpix::{CpixError, MAX_BYTES, Request};
use super::key::TrackClass;
use super::ring::{KeyRing, KeySet};
use super::systems::System;
use crate::job::protection::Server;
use crate::secrets::without_secrets;
use crate::sink::net::http::{Connection, in_words};
use crate::sink::net::{Dialer, Place};
use bytes::Bytes;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request as Post;
use hyper::header::{CONTENT_TYPE, HOST};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use url::Position;
use zeroize::Zeroizing;

/// The longest that a request may take, body included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause after a failure; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Crypto periods that may wait to be asked for.
const MAX_WAITING: usize = 64;
/// Requests at the start, before it is given up.
const TRIES: u32 = 3;

/// Why a key server gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The request failed.
    #[error("key server {url}: {why}")]
    Request {
        /// Without its secrets.
        url: String,
        /// The client's words.
        why: String,
    },
    /// What it answered is not accepted.
    #[error("key server {url}: {source}")]
    Answer {
        /// Without its secrets.
        url: String,
        /// What is wrong with it.
        source: CpixError,
    },
    /// The certificate file.
    #[error("protection.ca: {0}")]
    Certificates(String),
    /// What requests need.
    #[error("key server {url}: {why}")]
    Client {
        /// Without its secrets.
        url: String,
        /// The system's words.
        why: String,
    },
}

/// Asks a key server.
#[derive(Debug)]
pub struct Fetcher {
    runtime: Runtime,
    dialer: Dialer,
    place: Place,
    server: Server,
    systems: Vec<System>,
    ring: Weak<KeyRing>,
    wanted: Receiver<u64>,
}

/// A period that is waited for.
struct Waiting {
    failures: u32,
    due: Instant,
}

impl Fetcher {
    /// Of a server, for a ring that sends what it wants.
    pub fn new(server: Server, systems: &[System], ring: &Arc<KeyRing>, wanted: Receiver<u64>) -> Result<Fetcher, FetchError> {
        let client = |why: String| FetchError::Client { url: without_secrets(server.url.as_str()), why };
        let place = Place::of(&server.url).ok_or_else(|| client("http:// and https:// are accepted".to_owned()))?;
        let dialer = Dialer::new(server.ca.clone(), None);
        if place.is_secure() {
            dialer.check().map_err(FetchError::Certificates)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| client(e.to_string()))?;
        Ok(Fetcher { runtime, dialer, place, server, systems: systems.to_vec(), ring: Arc::downgrade(ring), wanted })
    }

    /// Fetches one period before anything is published, so that a wrong address or a refusal shows at the start.
    pub fn first(&self, period: u64) -> Result<(), FetchError> {
        let Some(ring) = self.ring.upgrade() else { return Ok(()) };
        let mut tried = 1;
        loop {
            match self.fetch(&ring, period) {
                Ok(set) => {
                    ring.put(period, set);
                    ring.counts.failing.store(false, Relaxed);
                    return Ok(());
                }
                Err(error @ FetchError::Request { .. }) if tried < TRIES => {
                    failed(&ring);
                    tracing::warn!("{error}: once more");
                    // Nothing can be awaited but time: the server refused, and says nothing when it is well again.
                    std::thread::sleep(PAUSE);
                    tried += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Fetches what is wanted, until nobody is left that wants keys.
    pub fn run(self) {
        let mut waiting: BTreeMap<u64, Waiting> = BTreeMap::new();
        let mut newest = 0;
        loop {
            let due = waiting.values().map(|w| w.due).min();
            let wanted = match due {
                Some(due) => self.wanted.recv_deadline(due),
                None => self.wanted.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match wanted {
                Ok(period) => {
                    newest = newest.max(period);
                    if waiting.len() < MAX_WAITING {
                        waiting.entry(period).or_insert(Waiting { failures: 0, due: Instant::now() });
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let Some(ring) = self.ring.upgrade() else { return };
            let now = Instant::now();
            // The muxer asks for a period and the next one: what lies before is over.
            waiting.retain(|period, _| !ring.has(*period) && period.saturating_add(2) > newest);
            let Some((&period, entry)) = waiting.iter_mut().find(|(_, w)| w.due <= now) else { continue };
            match self.fetch(&ring, period) {
                Ok(set) => {
                    ring.put(period, set);
                    waiting.remove(&period);
                    ring.counts.failing.store(waiting.values().any(|other| other.failures > 0), Relaxed);
                }
                Err(error) => {
                    failed(&ring);
                    let pause = PAUSE.saturating_mul(1 << entry.failures.min(5)).min(MAX_PAUSE);
                    *entry = Waiting { failures: entry.failures + 1, due: Instant::now() + pause };
                    tracing::warn!(period, "{error}: asked again in {} s", pause.as_secs());
                }
            }
        }
    }

    fn fetch(&self, ring: &KeyRing, period: u64) -> Result<KeySet, FetchError> {
        let ids: Vec<(TrackClass, super::KeyId)> = ring.ids(period);
        let rotates = ring.rotation().rotates();
        let request = Request { content: ring.content(), scheme: ring.scheme(), ids: &ids, systems: &self.systems, period: rotates.then_some(period) };
        let url = || without_secrets(self.server.url.as_str());
        let answer = self.runtime.block_on(async { timeout(TIMEOUT, self.ask(request.document())).await });
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", TIMEOUT.as_secs())));
        let text = answer.map_err(|why| FetchError::Request { url: url(), why: self.server.scrubbed(&why) })?;
        request.answer(&text).map_err(|source| FetchError::Answer { url: url(), source })
    }

    /// One request on a connection of its own: minutes or hours are between two.
    async fn ask(&self, document: String) -> Result<Zeroizing<String>, String> {
        let target = &self.server.url[Position::BeforePath..Position::AfterQuery];
        let mut post = Post::post(target).header(HOST, self.place.authority()).header(CONTENT_TYPE, "application/xml").header("X-Speke-Version", "2.0");
        for (name, value) in &self.server.headers {
            post = post.header(name, value.text());
        }
        let post = post.body(Full::new(Bytes::from(document))).map_err(|e| e.to_string())?;
        let mut connection = Connection::open(&self.dialer, &self.place).await.map_err(|e| e.to_string())?;
        let response = connection.send(post).await.map_err(|e| e.to_string())?;
        if response.status() != 200 {
            return Err(format!("it answered {}; 200 and a CPIX document are accepted", response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await.map_err(|e| in_words(&*e))?;
        std::str::from_utf8(&body.to_bytes()).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| "its answer is not UTF-8".to_owned())
    }
}

fn failed(ring: &KeyRing) {
    ring.counts.failed.fetch_add(1, Relaxed);
    ring.counts.failing.store(true, Relaxed);
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;

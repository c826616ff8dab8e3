//! Asking a key server for keys, ahead of time: a thread of its own, which the muxer tells what it wants and never waits for in real time.
//!
//! Bounds: 10 s a request, 4 MiB an answer, no redirects, 64 crypto periods waiting. What fails is asked for again after 1, 2, 4 … 30 s, until its period is over.

use super::cpix::{CpixError, MAX_BYTES, Request};
use super::key::TrackClass;
use super::ring::{KeyRing, KeySet};
use super::systems::System;
use crate::job::protection::Server;
use crate::secrets::without_secrets;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use ureq::tls::{Certificate, RootCerts, TlsConfig, parse_pem};

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
    #[error("protection.ca: {0}; a file of certificates in PEM is accepted")]
    Certificates(String),
}

/// Asks a key server.
#[derive(Debug)]
pub struct Fetcher {
    agent: ureq::Agent,
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
        let mut tls = TlsConfig::builder();
        if let Some(pem) = &server.ca {
            let certificates: Vec<Certificate<'static>> = parse_pem(pem.as_bytes())
                .filter_map(|item| match item {
                    Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(FetchError::Certificates("there are none in it".to_owned()));
            }
            tls = tls.root_certs(RootCerts::Specific(Arc::new(certificates)));
        }
        let agent = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).max_redirects(0).tls_config(tls.build()).build().into();
        Ok(Fetcher { agent, server, systems: systems.to_vec(), ring: Arc::downgrade(ring), wanted })
    }

    /// Fetches one period before anything is published, so that a wrong address or a refusal shows at the start.
    pub fn first(&self, period: u64) -> Result<(), FetchError> {
        let Some(ring) = self.ring.upgrade() else { return Ok(()) };
        let mut tried = 1;
        loop {
            match self.fetch(&ring, period) {
                Ok(set) => return Ok(ring.put(period, set)),
                Err(error @ FetchError::Request { .. }) if tried < TRIES => {
                    ring.counts.failed.fetch_add(1, Relaxed);
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
                }
                Err(error) => {
                    ring.counts.failed.fetch_add(1, Relaxed);
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
        let url = || without_secrets(&self.server.url);
        let refused = |error: ureq::Error| {
            let why = match error {
                ureq::Error::StatusCode(code) => format!("it answered {code}; 200 and a CPIX document are accepted"),
                other => other.to_string(),
            };
            FetchError::Request { url: url(), why: self.server.scrubbed(&why) }
        };
        let mut call = self.agent.post(&self.server.url).header("Content-Type", "application/xml").header("X-Speke-Version", "2.0");
        for (name, value) in &self.server.headers {
            call = call.header(name, value.text());
        }
        let mut response = call.send(request.document()).map_err(refused)?;
        let text = zeroize::Zeroizing::new(response.body_mut().with_config().limit(MAX_BYTES).read_to_string().map_err(refused)?);
        request.answer(&text).map_err(|source| FetchError::Answer { url: url(), source })
    }
}

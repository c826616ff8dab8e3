//! Pushing to an HTTP origin, as DASH-IF live media ingest 1.2 has it: a connection a track, one segment a request, init segments first.

mod headers;
mod http;

use super::net::http::{Connection, without_body};
use super::net::{Dialer, Place};
use super::remote::counts::Counts;
use super::remote::{Remote, Rules};
use super::{Context, Sink, SinkError};
use crate::job::output::{Keep, Output, PushOutput};
use bytes::Bytes;
use http::Http;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST};
use std::sync::Arc;
use std::time::Duration;

/// How long a connection attempt may take at least (DASH-IF ingest 1.2, failure behaviours 1: in the order of a segment's duration).
const CONNECT: Duration = Duration::from_secs(2);
/// How long the destination is asked for what it has, at the start.
const ASK: Duration = Duration::from_secs(3);
/// The largest init segment that is looked at.
const MOST_INIT: usize = 1 << 20;

/// Starts pushing. That nobody is there is no error: it is tried again with each segment.
pub(super) fn open(output: &PushOutput, context: &Context) -> Result<Box<dyn Sink>, SinkError> {
    let shown = Output::Push(output.clone()).to_string();
    let counts = Arc::new(Counts::new(&shown));
    let carrier = Http::new(output, Arc::clone(&counts)).map_err(|why| SinkError { path: shown, why })?;
    let rules = Rules { backlog: output.backlog, manifests: output.manifests, delete: output.delete, keep: Keep::Window, connect: CONNECT };
    Ok(Box::new(Remote::start(carrier, rules, "push", counts, context)?))
}

/// Whether the init segments that are there already are these. Asks with GET, a few seconds at most; what cannot be read is not known, and no error.
pub(super) fn agree(output: &PushOutput, inits: &[(String, Vec<u8>)]) -> Result<(), SinkError> {
    let shown = Output::Push(output.clone()).to_string();
    let wrong = |why: String| SinkError { path: shown.clone(), why };
    let http = Http::new(output, Arc::default()).map_err(wrong)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().map_err(|e| wrong(e.to_string()))?;
    let asked = runtime.block_on(async { tokio::time::timeout(ASK, other_init(&http, inits)).await });
    runtime.shutdown_background();
    match asked {
        Ok(Ok(Some(path))) => Err(SinkError { path: format!("{shown}{path}"), why: OTHER_INIT.to_owned() }),
        Ok(Ok(None)) => Ok(()),
        Ok(Err(why)) => {
            tracing::info!(output = shown, "cannot be asked for what it has: {why}");
            Ok(())
        }
        Err(_) => {
            tracing::warn!(output = shown, "does not answer yet: it is tried again with each segment");
            Ok(())
        }
    }
}

/// What is wrong with an init segment that differs.
pub(super) const OTHER_INIT: &str = "there is an init segment of another encoding already, and an event never has a second one; push to an empty place, or with the settings and version of the first run";

/// The path of the first init segment that is there and differs.
async fn other_init(http: &Http, inits: &[(String, Vec<u8>)]) -> Result<Option<String>, String> {
    let place = Place::of(http.url()).ok_or("not an HTTP URL")?;
    let mut connection = None;
    for (path, bytes) in inits {
        let mut open: Connection<Empty<Bytes>> = match connection.take() {
            Some(open) => open,
            None => Connection::open(http.dialer(), &place).await.map_err(|e| e.to_string())?,
        };
        let mut request = Request::get(http.target(path)).header(HOST, place.authority());
        if let Some(login) = http.authorization()? {
            request = request.header(AUTHORIZATION, login);
        }
        let request = request.body(Empty::new()).map_err(|e| e.to_string())?;
        let response = open.send(request).await.map_err(|e| e.to_string())?;
        if response.status().as_u16() != 200 {
            if without_body(response).await.2 {
                connection = Some(open);
            }
            continue;
        }
        let body = Limited::new(response.into_body(), MOST_INIT).collect().await;
        let Ok(found) = body.map(http_body_util::Collected::to_bytes) else { continue };
        // Something else, such as a page that says that there is nothing, is no init segment.
        if found.get(4..8) == Some(b"ftyp") && found != bytes[..] {
            return Ok(Some(path.clone()));
        }
        connection = Some(open);
    }
    Ok(None)
}

/// What connects to this output.
fn dialer(output: &PushOutput) -> Result<Dialer, String> {
    let dialer = Dialer::new(output.ca.clone(), output.certificate.clone());
    if output.url.scheme() == "https" {
        dialer.check()?;
    }
    Ok(dialer)
}

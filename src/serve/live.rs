//! `/live/…`: what is published, straight from memory.

use super::App;
use super::range::{self, Part};
use crate::sink::store::{Absent, Entry};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tokio::time::timeout;

/// Bytes under a segment's number never change; those of a playlist do every segment.
const FOREVER: &str = "public, max-age=31536000, immutable";
const FLEETING: &str = "public, max-age=1";

/// Why a segment that left the window, or was left out, need not be asked for soon again.
const GONE: &str = "public, max-age=3600";
/// The very next segment is waited for as long as one and a half segments, in which it comes where all is well, but no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// No absence is believed for longer.
const LONGEST_ABSENCE: i64 = 3600;

/// The path is looked up as it stands, undecoded: names have nothing to decode, and so nothing can be smuggled. The very next segment of a track is waited for.
pub(super) async fn published(State(app): State<App>, uri: Uri, method: Method, headers: HeaderMap) -> Response {
    let path = uri.path().strip_prefix("/live/").unwrap_or_default();
    let mut arrivals = app.store.arrivals();
    let mut found = app.store.get(path);
    if found.as_ref().is_err_and(|absent| *absent == Absent::Early(1)) && app.publisher.is_running() {
        let coming = async {
            while arrivals.changed().await.is_ok() {
                found = app.store.get(path);
                if !matches!(found, Err(Absent::Early(1))) {
                    break;
                }
            }
        };
        let patience = (app.publisher.segment_duration() * 3 / 2).min(LONGEST_WAIT);
        // Nothing came: `found` says so still.
        let _ = timeout(patience, coming).await;
    }
    match found {
        Ok(entry) => answer(entry, &method, &headers),
        Err(absent) => {
            let (code, cache, why) = match absent {
                Absent::Gone => (StatusCode::GONE, GONE.to_owned(), "this segment has left the window, or was left out\n"),
                Absent::Early(ahead) => (StatusCode::NOT_FOUND, until_due(&app, ahead), "this segment is still to come\n"),
                Absent::Unknown => (StatusCode::NOT_FOUND, FLEETING.to_owned(), "not published, or not yet\n"),
            };
            (code, [(header::CACHE_CONTROL, cache)], why).into_response()
        }
    }
}

/// How long a segment so far ahead will not be there: until just before the one before it may come. Only where segments come in real time.
fn until_due(app: &App, ahead: i64) -> String {
    let segment = i64::try_from(app.publisher.segment_duration().as_millis()).unwrap_or(i64::MAX);
    let seconds = (ahead - 1).saturating_mul(segment) / 1000 - 1;
    if app.publisher.is_live() { format!("public, max-age={}", seconds.clamp(1, LONGEST_ABSENCE)) } else { FLEETING.to_owned() }
}

fn answer(entry: Entry, method: &Method, headers: &HeaderMap) -> Response {
    let seen = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let length = entry.bytes.len();
    let part = match seen(header::RANGE) {
        // RFC 9110 section 14.2: ranges are for GET; 13.1.5: and only of the version that the client has the rest of.
        Some(range) if method == Method::GET && seen(header::IF_RANGE).is_none_or(|tag| tag == entry.etag) => range::parse(range, length),
        _ => Part::Whole,
    };
    let mut response = if seen(header::IF_NONE_MATCH).is_some_and(|tags| matches(tags, &entry.etag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match part {
            Part::Whole => with_type(StatusCode::OK, &entry, entry.bytes.clone()),
            Part::Bytes(range) => {
                let of = format!("bytes {}-{}/{length}", range.start(), range.end());
                let mut response = with_type(StatusCode::PARTIAL_CONTENT, &entry, entry.bytes.slice(range));
                set(&mut response, header::CONTENT_RANGE, &of);
                response
            }
            Part::None => {
                let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
                set(&mut response, header::CONTENT_RANGE, &format!("bytes */{length}"));
                return response;
            }
        }
    };
    set(&mut response, header::ETAG, &entry.etag);
    set(&mut response, header::CACHE_CONTROL, if entry.immutable { FOREVER } else { FLEETING });
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    response
}

fn with_type(code: StatusCode, entry: &Entry, body: bytes::Bytes) -> Response {
    (code, [(header::CONTENT_TYPE, entry.content_type)], body).into_response()
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// RFC 9110 section 13.1.2: a list of tags, compared weakly, or `*`.
fn matches(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

//! `/live/…`: what is published, straight from memory.

use super::App;
use super::range::{self, Part};
use crate::sink::store::{Absent, Entry};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// Bytes under a segment's number never change; those of a playlist do every segment.
const FOREVER: &str = "public, max-age=31536000, immutable";
const FLEETING: &str = "public, max-age=1";

/// The path is looked up as it stands, undecoded: names have nothing to decode, and so nothing can be smuggled.
pub(super) async fn published(State(app): State<App>, uri: Uri, method: Method, headers: HeaderMap) -> Response {
    match app.store.get(uri.path().strip_prefix("/live/").unwrap_or_default()) {
        Ok(entry) => answer(entry, &method, &headers),
        Err(Absent::Unknown) => (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, FLEETING)], "not published, or not yet\n").into_response(),
        Err(Absent::Gone) => (StatusCode::GONE, [(header::CACHE_CONTROL, "public, max-age=3600")], "this segment has left the window\n").into_response(),
    }
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

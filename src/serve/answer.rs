//! From what is stored to an answer: conditions, ranges, compression and the headers that caches go by.

use super::range::{self, Part};
use crate::sink::store::{Entry, Text};
use crate::verdict::{self, Verdict};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::Arc;

/// Bytes under a segment's number never change; those of a playlist do every segment.
pub(super) const FOREVER: &str = "public, max-age=31536000, immutable";
pub(super) const FLEETING: &str = "public, max-age=1";
/// Texts above this size are compressed on another thread; below, that would take longer than compressing.
const SMALL: usize = 32 << 10;

/// What was asked for, beside the path.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
}

impl Asked<'_> {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The part of a body of `length` bytes that is asked for. RFC 9110 section 14.2: ranges are for GET; 13.1.5: and only of the version that the client has the rest of.
    pub fn range(&self, length: usize, etag: &str) -> Part {
        match self.header(header::RANGE) {
            Some(range) if self.method == Method::GET && self.header(header::IF_RANGE).is_none_or(|tag| tag == etag) => range::parse(range, length),
            _ => Part::Whole,
        }
    }

    /// RFC 9110 section 13.1.2: a list of tags, compared weakly, or `*`.
    pub fn has(&self, etag: &str) -> bool {
        let tags = self.header(header::IF_NONE_MATCH);
        tags.is_some_and(|tags| tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag))
    }

    /// RFC 9110 section 12.5.3, as far as gzip goes.
    fn takes_gzip(&self) -> bool {
        let weight = |coding: &str| {
            let all = self.headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
            let mut named = all.map(|c| c.split_once(';').unwrap_or((c, ""))).filter(|(name, _)| name.trim().eq_ignore_ascii_case(coding));
            named.next().map(|(_, q)| !q.trim().strip_prefix("q=").is_some_and(|q| q.bytes().all(|b| matches!(b, b'0' | b'.'))))
        };
        weight("gzip").or_else(|| weight("*")).unwrap_or(false)
    }
}

/// A representation that is as long as it will be.
pub(super) struct Whole<'a> {
    pub content_type: &'static str,
    pub etag: &'a str,
    pub length: usize,
    pub cache: &'a str,
    /// A part of it may be had. Not of what is replaced: a reader that has the beginning of one version and asks for the rest gets that of another.
    pub ranges: bool,
}

/// The answer with `body`'s bytes in the range that is asked for.
pub(super) fn whole(asked: Asked, whole: &Whole, body: impl FnOnce(std::ops::Range<usize>) -> Body) -> Response {
    let Whole { content_type, etag, length, cache, ranges } = *whole;
    let mut response = if asked.has(etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let asked_for = if ranges { asked.range(length, etag) } else { Part::Whole };
        let (code, range) = match asked_for {
            Part::Whole => (StatusCode::OK, 0..length),
            Part::Bytes(range) => (StatusCode::PARTIAL_CONTENT, *range.start()..range.end() + 1),
            Part::None => {
                let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
                set(&mut response, header::CONTENT_RANGE, &format!("bytes */{length}"));
                return response;
            }
        };
        let mut response = (code, [(header::CONTENT_TYPE, content_type)], body(range.clone())).into_response();
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(range.len()));
        if code == StatusCode::PARTIAL_CONTENT {
            set(&mut response, header::CONTENT_RANGE, &format!("bytes {}-{}/{length}", range.start, range.end - 1));
        }
        response
    };
    set(&mut response, header::ETAG, etag);
    set(&mut response, header::CACHE_CONTROL, cache);
    set(&mut response, header::ACCEPT_RANGES, if ranges { "bytes" } else { "none" });
    response
}

/// A thing in memory.
pub(super) fn entry(asked: Asked, entry: &Entry, cache: &str) -> Response {
    let about = Whole { content_type: entry.content_type, etag: &entry.etag, length: entry.bytes.len(), cache, ranges: entry.immutable };
    let mut response = whole(asked, &about, |range| Body::from(entry.bytes.slice(range)));
    if let Some(verdict) = &entry.verdict {
        response.headers_mut().extend(about_segment(verdict));
    }
    response
}

/// Headers that tell what is known of a segment beside its bytes.
pub(super) fn about_segment(verdict: &Verdict) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    let header = |(name, value): (&str, String)| Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(&value).ok()?));
    verdict::headers(verdict).into_iter().filter_map(header)
}

/// A playlist or manifest, whole, compressed where that is welcome.
pub(super) async fn text(asked: Asked<'_>, text: &Arc<Text>, cache: &str) -> Response {
    let packs = !text.entry.content_type.starts_with("image/");
    let mut response = if packs && asked.takes_gzip() {
        let packed = text.packed.get_or_init(|| pack(Arc::clone(text))).await.clone();
        let etag = format!("{}-gzip\"", text.entry.etag.trim_end_matches('"'));
        let about = Whole { content_type: text.entry.content_type, etag: &etag, length: packed.len(), cache, ranges: false };
        let mut response = whole(asked, &about, |_| Body::from(packed));
        if response.status() == StatusCode::OK {
            set(&mut response, header::CONTENT_ENCODING, "gzip");
        }
        response
    } else {
        entry(asked, &text.entry, cache)
    };
    set(&mut response, header::VARY, "accept-encoding");
    response
}

async fn pack(text: Arc<Text>) -> Bytes {
    if text.entry.bytes.len() <= SMALL {
        return gzip(&text.entry.bytes);
    }
    let bytes = text.entry.bytes.clone();
    tokio::task::spawn_blocking(move || gzip(&bytes)).await.unwrap_or_default()
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut out = GzEncoder::new(Vec::with_capacity(bytes.len() / 4 + 64), Compression::fast());
    let packed = out.write_all(bytes).and_then(|()| out.finish());
    packed.expect("memory takes everything").into()
}

pub(super) fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// A refusal that caches may keep for so long.
pub(super) fn refusal(code: StatusCode, cache: &str, why: &'static str) -> Response {
    let mut response = (code, why).into_response();
    set(&mut response, header::CACHE_CONTROL, cache);
    if code == StatusCode::SERVICE_UNAVAILABLE {
        set(&mut response, header::RETRY_AFTER, "1");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_ask() {
        let takes = |values: &[&str]| {
            let headers = values.iter().map(|v| (header::ACCEPT_ENCODING, HeaderValue::from_str(v).expect("a value"))).collect();
            Asked { method: &Method::GET, headers: &headers }.takes_gzip()
        };
        for yes in [&["gzip"][..], &["br, gzip;q=0.5"], &["GZIP"], &["deflate", "gzip ; q=1"], &["*"], &["br;q=1.0, *;q=0.1"]] {
            assert!(takes(yes), "{yes:?}");
        }
        for no in [&[][..], &[""], &["identity"], &["gzip;q=0"], &["gzip; q=0.000, *"], &["*;q=0"], &["gzipped"], &["br"]] {
            assert!(!takes(no), "{no:?}");
        }
    }
}

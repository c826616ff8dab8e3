//! `Idempotency-Key`: what was asked with a key is done once, however often it is asked.

use super::Control;
use super::problem::Problem;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys that are remembered; the oldest goes.
const KEPT: usize = 1000;
/// Bytes of their answers in all, beyond which the oldest go, too: that to all edits of a twin may be megabytes.
const BYTES: usize = 16 << 20;
/// The longest key.
const LONGEST: usize = 200;

/// What was asked with keys, oldest first.
#[derive(Default)]
pub(super) struct Remembered(Mutex<VecDeque<Asked>>);

struct Asked {
    key: String,
    /// Of method, path and body.
    digest: [u8; 32],
    /// Absent while it is being done.
    answer: Option<(StatusCode, Bytes)>,
}

enum Known {
    /// It is new, and is remembered from now on.
    No,
    /// It is being done.
    Busy,
    /// Something else was asked with this key.
    Other,
    Done(StatusCode, Bytes),
}

impl Remembered {
    fn all(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, key: &str, digest: [u8; 32]) -> Known {
        let mut all = self.all();
        match all.iter().find(|asked| asked.key == key) {
            Some(asked) if asked.digest != digest => return Known::Other,
            Some(Asked { answer: Some((status, body)), .. }) => return Known::Done(*status, body.clone()),
            Some(_) => return Known::Busy,
            None => {}
        }
        if all.len() >= KEPT {
            all.pop_front();
        }
        all.push_back(Asked { key: key.to_owned(), digest, answer: None });
        Known::No
    }

    /// What is not done is forgotten, so that it may be asked again.
    fn done(&self, key: &str, answer: Option<(StatusCode, Bytes)>) {
        let mut all = self.all();
        match answer {
            Some(answer) => {
                all.iter_mut().filter(|asked| asked.key == key).for_each(|asked| asked.answer = Some(answer.clone()));
                let size = |asked: &Asked| asked.answer.as_ref().map_or(0, |(_, body)| body.len());
                let mut bytes: usize = all.iter().map(size).sum();
                while bytes > BYTES
                    && let Some(oldest) = all.pop_front()
                {
                    bytes -= size(&oldest);
                }
            }
            None => all.retain(|asked| asked.key != key),
        }
    }
}

/// Forgets a key whose request is given up in the middle (the client left, or time ran out).
struct Doing<'a>(&'a Remembered, &'a str);

impl Drop for Doing<'_> {
    fn drop(&mut self) {
        let mut all = self.0.all();
        all.retain(|asked| asked.key != self.1 || asked.answer.is_some());
    }
}

/// Does what has a key once.
pub(super) async fn once(State(control): State<Control>, request: Request, next: Next) -> Response {
    let Some(key) = request.headers().get("idempotency-key").filter(|_| ![Method::GET, Method::HEAD].contains(request.method())) else {
        return next.run(request).await;
    };
    let Some(key) = key.to_str().ok().filter(|key| (1..=LONGEST).contains(&key.len())).map(str::to_owned) else {
        return Problem::wrong(format!("Idempotency-Key: accepted: 1 to {LONGEST} visible characters of ASCII")).into_response();
    };
    let (parts, body) = request.into_parts();
    let largest = super::largest(parts.uri.path());
    let Ok(body) = to_bytes(body, largest).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body breaks off, or is larger than {} KiB", largest >> 10)).into_response();
    };
    let mut digest = Sha256::new();
    for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), &body] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    match control.remembered.look(&key, digest.finalize().into()) {
        Known::No => {}
        Known::Busy => return Problem::conflict("what was asked with this Idempotency-Key is being done").into_response(),
        Known::Other => return Problem::wrong("Idempotency-Key: something else was asked with it; accepted: a new one for each request").into_response(),
        Known::Done(status, body) => {
            let mut answer = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
            answer.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
            return answer;
        }
    }
    let doing = Doing(&control.remembered, &key);
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    // Answers of this API are small, and whole in memory.
    let (parts, body) = answer.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else { return Problem::internal("the answer broke off").into_response() };
    let keep = parts.status.is_success().then(|| (parts.status, body.clone()));
    control.remembered.done(&key, keep);
    drop(doing);
    Response::from_parts(parts, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_take_no_more_room_than_they_may() {
        let remembered = Remembered::default();
        let answer = Bytes::from(vec![b'x'; 3 << 20]);
        for n in 0..20u8 {
            assert!(matches!(remembered.look(&n.to_string(), [n; 32]), Known::No));
            remembered.done(&n.to_string(), Some((StatusCode::OK, answer.clone())));
        }
        assert!(matches!(remembered.look("19", [19; 32]), Known::Done(StatusCode::OK, _)), "the newest is remembered");
        assert_eq!(remembered.all().len(), BYTES / answer.len());
    }
}

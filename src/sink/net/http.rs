//! One HTTP/1.1 connection: requests one after the other, and the certainty of whether it is still the same one.

use super::{Dialer, Place};
use crate::sink::remote::failure::{Failure, Kind};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, HeaderMap, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::fmt::Write;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Of an answer's body more than this is not waited for: the connection is given up.
const MOST_ANSWER: usize = 64 << 10;

/// A connection. Dropping it closes it, whatever is under way.
#[derive(Debug)]
pub struct Connection<B> {
    sender: SendRequest<B>,
    task: JoinHandle<()>,
}

impl<B> Drop for Connection<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    /// A new one.
    pub async fn open(dialer: &Dialer, to: &Place) -> Result<Connection<B>, Failure> {
        let stream = dialer.dial(to).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| Failure::new(Kind::Connect, format!("{to}: {e}")))?;
        // How it ends is told to whoever waits for an answer.
        let task = tokio::spawn(async { drop(connection.await) });
        Ok(Connection { sender, task })
    }

    /// Whether it takes another request: waits for what is left of the last one.
    pub async fn is_open(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// One request: the head of the answer, its body still to come.
    pub async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, Failure> {
        self.sender.send_request(request).await.map_err(|e| Failure::new(Kind::Lost, in_words(&e)))
    }
}

/// An answer without its body, which is read and thrown away; whether the connection can go on.
pub async fn without_body(response: Response<Incoming>) -> (u16, HeaderMap, bool) {
    let (head, mut body) = response.into_parts();
    let mut left = MOST_ANSWER;
    let mut whole = true;
    while let Some(frame) = body.frame().await {
        let length = frame.as_ref().ok().and_then(|frame| frame.data_ref()).map_or(0, Bytes::len);
        whole = frame.is_ok() && length <= left;
        left = left.saturating_sub(length);
        if !whole {
            break;
        }
    }
    let says_close = head.headers.get_all(CONNECTION).iter().any(|value| value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("close")));
    (head.status.as_u16(), head.headers, whole && !says_close)
}

/// `Retry-After` in seconds (RFC 9110, 10.2.3); a date is left out, for it needs a clock that both have.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// An error with what it is caused by.
pub fn in_words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            let _ = write!(words, ": {cause_words}");
        }
        source = cause.source();
    }
    words
}

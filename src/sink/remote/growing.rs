//! The bytes of a segment on their way: whole, or still being made. One side adds, any number of request bodies read from the beginning.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// The bytes of one segment. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Growing(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Of one in the making: what there is of it.
    chunks: Vec<Bytes>,
    state: State,
    wakers: Vec<Waker>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Making,
    Whole(Bytes, Instant),
    Aborted,
}

/// The segment was given up while it was sent.
#[derive(Debug, thiserror::Error)]
#[error("the segment was given up before it was whole")]
pub struct Torn;

impl Growing {
    /// One that is whole already.
    pub fn whole(bytes: Bytes) -> Growing {
        Growing(Arc::new(Mutex::new(Inner { state: State::Whole(bytes, Instant::now()), ..Inner::default() })))
    }

    /// The next chunk.
    pub fn push(&self, chunk: Bytes) {
        let mut inner = self.lock();
        inner.chunks.push(chunk);
        wake(inner);
    }

    /// It is whole: these bytes, of which the chunks were the beginning.
    pub fn complete(&self, bytes: Bytes) {
        let mut inner = self.lock();
        inner.state = State::Whole(bytes, Instant::now());
        inner.chunks.clear();
        wake(inner);
    }

    /// It will not become whole: bodies break off.
    pub fn abort(&self) {
        let mut inner = self.lock();
        inner.state = State::Aborted;
        inner.chunks.clear();
        wake(inner);
    }

    /// All of it, and since when; `None` while it is being made, and where it was given up.
    pub fn get(&self) -> Option<(Bytes, Instant)> {
        if let State::Whole(bytes, since) = &self.lock().state { Some((bytes.clone(), *since)) } else { None }
    }

    /// Whether it was given up.
    pub fn is_aborted(&self) -> bool {
        matches!(self.lock().state, State::Aborted)
    }

    /// Waits until it is whole (since when), or given up (`None`).
    pub async fn settled(&self) -> Option<Instant> {
        poll_fn(|cx| {
            let mut inner = self.lock();
            match inner.state {
                State::Whole(_, since) => Poll::Ready(Some(since)),
                State::Aborted => Poll::Ready(None),
                State::Making => {
                    inner.wakers.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// A request body: its length is told where it is known.
    pub fn feed(&self) -> Feed {
        let length = self.get().map(|(bytes, _)| bytes.len() as u64);
        Feed { of: self.clone(), at: 0, length, ended: Arc::new(AtomicBool::new(length == Some(0))) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes readers once nothing is locked any more.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let wakers = std::mem::take(&mut inner.wakers);
    drop(inner);
    wakers.into_iter().for_each(Waker::wake);
}

/// A body that gives what there is, and waits for the rest.
#[derive(Debug)]
pub struct Feed {
    of: Growing,
    /// Bytes given.
    at: u64,
    length: Option<u64>,
    ended: Arc<AtomicBool>,
}

impl Feed {
    /// What becomes true once all of it was taken.
    pub fn ended(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ended)
    }
}

impl Inner {
    /// What there is from byte `at` on: a piece of it, nothing yet, or the end.
    fn after(&self, at: u64) -> Result<Option<Bytes>, Torn> {
        match &self.state {
            State::Aborted => Err(Torn),
            State::Whole(bytes, _) => {
                let from = usize::try_from(at).ok().filter(|from| *from <= bytes.len()).ok_or(Torn)?;
                Ok(Some(bytes.slice(from..)))
            }
            State::Making => {
                let mut from = 0;
                for chunk in &self.chunks {
                    if from == at {
                        return Ok(Some(chunk.clone()));
                    }
                    from += chunk.len() as u64;
                }
                Ok(None)
            }
        }
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = Torn;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Torn>>> {
        let next = {
            let mut inner = self.of.lock();
            let next = inner.after(self.at);
            if matches!(next, Ok(None)) {
                inner.wakers.push(cx.waker().clone());
            }
            next
        };
        match next {
            Err(torn) => Poll::Ready(Some(Err(torn))),
            Ok(None) => Poll::Pending,
            Ok(Some(bytes)) if bytes.is_empty() => {
                self.ended.store(true, Relaxed);
                Poll::Ready(None)
            }
            Ok(Some(bytes)) => {
                self.at += bytes.len() as u64;
                if self.length == Some(self.at) {
                    self.ended.store(true, Relaxed);
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length == Some(self.at)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, |length| SizeHint::with_exact(length - self.at.min(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
    }

    #[test]
    fn a_body_gives_the_bytes_of_the_segment_whenever_they_come() {
        runtime().block_on(async {
            let growing = Growing::default();
            growing.push(Bytes::from_static(b"ab"));
            growing.push(Bytes::from_static(b"cde"));
            let (mut early, feeder) = (growing.feed(), growing.clone());
            assert_eq!(early.size_hint().exact(), None);
            let first = early.frame().await.expect("a frame").expect("no error").into_data().expect("data");
            assert_eq!(&first[..], b"ab");
            feeder.complete(Bytes::from_static(b"abcdefg"));
            let rest = early.collect().await.expect("whole").to_bytes();
            assert_eq!(&rest[..], b"cdefg", "what was given is not given again");
            let late = growing.feed();
            assert_eq!(late.size_hint().exact(), Some(7));
            let ended = late.ended();
            assert_eq!(&late.collect().await.expect("whole").to_bytes()[..], b"abcdefg");
            assert!(ended.load(Relaxed));
        });
    }

    #[test]
    fn one_that_is_given_up_breaks_off() {
        runtime().block_on(async {
            let growing = Growing::default();
            growing.push(Bytes::from_static(b"ab"));
            let body = growing.feed();
            let ended = body.ended();
            let collected = tokio::join!(body.collect(), async {
                tokio::task::yield_now().await;
                growing.abort();
            });
            assert!(collected.0.is_err() && growing.is_aborted() && !ended.load(Relaxed));
            assert_eq!(growing.settled().await, None);
        });
    }
}

//! What goes on in a connection of HTTP/2, whose requests come and go side by side: hyper tells neither when none is left nor when a reader takes none of them.

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Shared by a connection and its requests.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests that are being looked after here.
    asked: AtomicUsize,
    /// Answers that are being sent.
    sent: AtomicUsize,
    last: Mutex<Instant>,
}

impl Activity {
    pub fn new() -> Arc<Activity> {
        Arc::new(Activity { asked: AtomicUsize::new(0), sent: AtomicUsize::new(0), last: Mutex::new(Instant::now()) })
    }

    /// A request has come.
    pub fn ask(self: &Arc<Activity>) -> Asking {
        self.asked.fetch_add(1, Relaxed);
        self.touch();
        Asking(Arc::clone(self))
    }

    /// Returns once there was no request for `idle`, or no reader took anything for `stall` though there was something to take.
    pub async fn ceases(&self, idle: Duration, stall: Duration) -> Ceased {
        loop {
            let since = self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            let (asked, sent) = (self.asked.load(Relaxed), self.sent.load(Relaxed));
            let patience = match (asked, sent) {
                (0, 0) if since >= idle => return Ceased::Idle,
                (0, 0) => idle,
                (0, _) if since >= stall => return Ceased::Stalled,
                _ => stall,
            };
            // A request may come meanwhile, whose reader has to be looked after.
            sleep(patience.saturating_sub(since).min(stall).max(Duration::from_millis(100))).await;
        }
    }

    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// How a connection came to be of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ceased {
    Idle,
    Stalled,
}

/// A request that is being looked after.
pub(super) struct Asking(Arc<Activity>);

impl Asking {
    /// Its answer is there, and is sent from now on.
    pub fn answered(self, body: Body) -> Body {
        self.0.sent.fetch_add(1, Relaxed);
        Body::new(Sending { body, rest: Bytes::new(), activity: Arc::clone(&self.0) })
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asked.fetch_sub(1, Relaxed);
        self.0.touch();
    }
}

/// Bytes that are handed over at once. Hyper takes what it is given whole, however little the reader takes of it, and asks for more only when that has left.
const BLOCK: usize = 64 << 10;

struct Sending {
    body: Body,
    /// Of what the body gave last, that which is not handed over.
    rest: Bytes,
    activity: Arc<Activity>,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.activity.touch();
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let take = self.rest.len().min(BLOCK);
        let block = self.rest.split_to(take);
        Poll::Ready(Some(Ok(Frame::data(block))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        let mut all = SizeHint::new();
        all.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            all.set_upper(upper + rest);
        }
        all
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.activity.sent.fetch_sub(1, Relaxed);
        self.activity.touch();
    }
}

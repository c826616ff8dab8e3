//! HTTP for `object_store`: the connections of a push, kept open between requests.

use crate::sink::net::http::{Connection, in_words, retry_after};
use crate::sink::net::{Dialer, Place};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody, HttpService};
use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use url::Url;

/// Connections that are kept open.
const IDLE: usize = 64;
/// The largest answer that is read: a list of objects, an init segment.
const MOST: usize = 8 << 20;

tokio::task_local! {
    /// The status of the last answer to the task, and how long it asks to be left alone: the crate's errors do not tell.
    pub static SEEN: Cell<Option<(u16, Option<Duration>)>>;
}

/// Makes requests. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Service {
    dialer: Arc<Dialer>,
    idle: Arc<Mutex<Vec<Idle>>>,
}

/// A connection that waits for the next request.
type Idle = (Place, Connection<HttpRequestBody>);

impl Service {
    /// Over connections of `dialer`.
    pub fn new(dialer: Dialer) -> Service {
        Service { dialer: Arc::new(dialer), idle: Arc::default() }
    }

    /// Gives all connections up: the next ones are made anew, names resolved again.
    pub fn close(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self, to: &Place) -> Result<Connection<HttpRequestBody>, HttpError> {
        loop {
            let kept = {
                let mut idle = self.idle();
                let at = idle.iter().position(|(place, _)| place == to);
                at.map(|at| idle.swap_remove(at).1)
            };
            match kept {
                Some(mut connection) => {
                    if connection.is_open().await {
                        return Ok(connection);
                    }
                }
                None => return Connection::open(&self.dialer, to).await.map_err(|e| HttpError::new(HttpErrorKind::Connect, e)),
            }
        }
    }
}

impl HttpConnector for Service {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// A request that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Wrong(String);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let wrong = |why: String| HttpError::new(HttpErrorKind::Unknown, Wrong(why));
        let url = Url::parse(&request.uri().to_string()).map_err(|e| wrong(e.to_string()))?;
        let to = Place::of(&url).ok_or_else(|| wrong(format!("{}:// is not spoken here", url.scheme())))?;
        let mut connection = self.connection(&to).await?;
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).parse();
        *request.uri_mut() = target.map_err(|e: hyper::http::uri::InvalidUri| wrong(e.to_string()))?;
        request.headers_mut().insert(HOST, HeaderValue::from_str(&to.authority()).map_err(|e| wrong(e.to_string()))?);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(concat!("mezzo/", env!("CARGO_PKG_VERSION"))));
        let response = connection.send(request).await.map_err(|e| HttpError::new(HttpErrorKind::Request, e))?;
        let (head, body) = response.into_parts();
        let _ = SEEN.try_with(|seen| seen.set(Some((head.status.as_u16(), retry_after(&head.headers)))));
        let bytes: Bytes = match Limited::new(body, MOST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(e) => return Err(HttpError::new(HttpErrorKind::Interrupted, Wrong(in_words(&*e)))),
        };
        let closes = head.headers.get(hyper::header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        let mut idle = self.idle();
        if !closes && idle.len() < IDLE {
            idle.push((to, connection));
        }
        drop(idle);
        Ok(HttpResponse::from_parts(head, HttpResponseBody::from(bytes)))
    }
}

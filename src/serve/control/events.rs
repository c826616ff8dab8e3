//! `/v1/events`: what happens, as it happens (Server-Sent Events).

use super::Control;
use super::problem::Problem;
use crate::events::{Event, News};
use crate::status::Status;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use utoipa::IntoParams;

/// So often something is said, though nothing happens.
const ALIVE: Duration = Duration::from_secs(10);
/// A stream ends before its connection is too old; the reader comes back with the id that it has seen.
const LONGEST: Duration = Duration::from_secs(240);
/// After which time a reader comes back.
const BACK: Duration = Duration::from_secs(1);
/// Events that are taken out of the ring at once.
const BATCH: usize = 64;

/// Where to begin.
#[derive(Debug, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The id of an event: only later ones are told. `Last-Event-ID` goes before it. Absent: all that are kept, the last 1000.
    since: Option<u64>,
    /// End once all that is there is told, instead of waiting for more.
    end: Option<bool>,
}

impl Wanted {
    /// A query; nothing where a value is not legal. What is not known is ignored.
    fn read(query: &str) -> Option<Wanted> {
        let mut wanted = Wanted::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "since" => wanted.since = Some(value.parse().ok()?),
                "end" => wanted.end = Some(value.parse().ok()?),
                _ => {}
            }
        }
        Some(wanted)
    }
}

/// A reader, and how far it is.
struct Reader {
    status: Arc<Status>,
    news: watch::Receiver<News>,
    seen: Option<u64>,
    ready: VecDeque<sse::Event>,
    until: Instant,
    end: bool,
    _place: OwnedSemaphorePermit,
}

/// Tells what happens, as it happens
///
/// Server-Sent Events: `id`, `event` (the kind) and `data` (an object, see the schema Event). A reader that is too slow is told of it by an event `lost` with
/// `{"lost": number}`. At most 16 readers; a stream ends after four minutes, and goes on where it ended for a reader that comes back with `Last-Event-ID`.
#[utoipa::path(get, path = "/v1/events", tag = "state", params(Wanted, ("last-event-id" = Option<u64>, Header, description = "The id of the last event that was seen")),
    responses((status = 200, content_type = "text/event-stream", body = Event, description = "Each event's data"), (status = 400, body = Problem), (status = 405),
        (status = 503, body = Problem, description = "All readers' places are taken")))]
pub(super) async fn events(State(control): State<Control>, headers: HeaderMap, uri: Uri) -> Response {
    let Some(wanted) = Wanted::read(uri.query().unwrap_or_default()) else {
        return Problem::new(StatusCode::BAD_REQUEST, "accepted: since=ID, the number of an event, and end=true or false").into_response();
    };
    let last = match headers.get("last-event-id").map(|value| value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok())) {
        Some(None) => return Problem::new(StatusCode::BAD_REQUEST, "Last-Event-ID: accepted: the number of an event").into_response(),
        Some(last) => last,
        None => None,
    };
    let Ok(place) = Arc::clone(&control.readers).try_acquire_owned() else {
        let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{} readers are there; accepted: fewer", super::READERS));
        return ([(header::RETRY_AFTER, "5")], busy).into_response();
    };
    let reader = Reader {
        news: control.status.events.news(),
        status: control.status,
        seen: last.or(wanted.since),
        ready: VecDeque::from([sse::Event::default().retry(BACK)]),
        until: Instant::now() + LONGEST,
        end: wanted.end.unwrap_or(false),
        _place: place,
    };
    let told = stream::unfold(reader, |mut reader| async move { reader.next().await.map(|event| (Ok::<_, Infallible>(event), reader)) });
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::HeaderName::from_static("x-accel-buffering"), "no")];
    (headers, Sse::new(told).keep_alive(KeepAlive::new().interval(ALIVE))).into_response()
}

impl Reader {
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            // Before the look: what comes between both is news again.
            let news = *self.news.borrow_and_update();
            let behind = self.status.events.after(self.seen, BATCH);
            if behind.lost > 0 {
                self.ready.push_back(sse::Event::default().event("lost").data(format!("{{\"lost\":{}}}", behind.lost)));
            }
            for event in &behind.events {
                self.seen = Some(event.id);
                let kind = serde_json::to_value(event.kind).unwrap_or_default();
                let told = sse::Event::default().id(event.id.to_string()).event(kind.as_str().unwrap_or_default()).json_data(&**event);
                self.ready.extend(told);
            }
            if !self.ready.is_empty() {
                continue;
            }
            if news.over || self.end {
                return None;
            }
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.until) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_begin_is_read() {
        let read = |query: &str| Wanted::read(query).map(|wanted| (wanted.since, wanted.end));
        assert_eq!(read(""), Some((None, None)));
        assert_eq!(read("since=7&end=true&else=x"), Some((Some(7), Some(true))));
        for wrong in ["since=", "since=-1", "since=x", "since=99999999999999999999", "end=1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}

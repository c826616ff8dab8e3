//! `/live/…`: what is published.

use super::answer::{self, Asked, FLEETING, FOREVER, refusal, set};
use super::{App, filed, reload};
use crate::sink::store::{Absent, Found, Growing};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::time::Duration;
use tokio::time::timeout;

/// Why a segment that left the window, or was left out, need not be asked for soon again.
const GONE: &str = "public, max-age=3600";
/// What is due next is waited for as long as one and a half segments, in which it comes where all is well, but no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// No absence is believed for longer.
const LONGEST_ABSENCE: i64 = 3600;

/// The path is looked up as it stands, undecoded: names have nothing to decode, and so nothing can be smuggled.
pub(super) async fn published(State(app): State<App>, uri: Uri, method: Method, headers: HeaderMap) -> Response {
    let asked = Asked { method: &method, headers: &headers };
    let path = uri.path().strip_prefix("/live/").unwrap_or_default();
    if let Some(texts) = app.store.text(path) {
        return reload::text(&app, path, texts, uri.query().unwrap_or_default(), asked).await;
    }
    if app.load.is_high() && app.store.is_old(path) {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, FLEETING, "nearly all connections are taken, and those who watch live go first\n");
    }
    match find(&app, path).await {
        Ok(Found::Whole(entry)) => answer::entry(asked, &entry, FOREVER),
        Ok(Found::Growing(growing)) => grow(growing, &app),
        Ok(Found::Filed(file)) => filed::answer(&app, path, file, asked).await,
        Err(absent) => say(absent, &app),
    }
}

/// Why there is nothing, for as long as that holds.
pub(super) fn say(absent: Absent, app: &App) -> Response {
    match absent {
        Absent::Gone => refusal(StatusCode::GONE, GONE, "this segment has left the window, or was left out\n"),
        Absent::Early(ahead) => refusal(StatusCode::NOT_FOUND, &until_due(app, ahead), "this segment is still to come\n"),
        Absent::Unknown => refusal(StatusCode::NOT_FOUND, FLEETING, "not published, or not yet\n"),
    }
}

/// Looks, and waits for what is due next.
async fn find(app: &App, path: &str) -> Result<Found, Absent> {
    let early = |found: &Result<Found, Absent>| matches!(found, Err(Absent::Early(1)));
    let found = app.store.find(path);
    if !early(&found) || !app.publisher.is_running() {
        return found;
    }
    let Some(mut news) = app.store.news(path) else { return found };
    let patience = (app.publisher.segment_duration() * 3 / 2).min(LONGEST_WAIT);
    let coming = async {
        loop {
            // It may have come between the first look and now.
            let found = app.store.find(path);
            if !early(&found) || news.changed().await.is_err() {
                return found;
            }
        }
    };
    timeout(patience, coming).await.unwrap_or(found)
}

/// How long a segment so far ahead will not be there: until just before the one before it may come. Only where segments come in real time.
fn until_due(app: &App, ahead: i64) -> String {
    let segment = i64::try_from(app.publisher.segment_duration().as_millis()).unwrap_or(i64::MAX);
    let seconds = (ahead - 1).saturating_mul(segment) / 1000 - 1;
    if app.publisher.is_live() { format!("public, max-age={}", seconds.clamp(1, LONGEST_ABSENCE)) } else { FLEETING.to_owned() }
}

/// A segment in the making, as it comes. Its length is not known; where it is given up, the answer is cut off, so that nobody keeps half of it.
fn grow(growing: Growing, app: &App) -> Response {
    // Between two chunks, as long as for a segment that does not begin.
    let patience = (app.publisher.segment_duration() * 3 / 2).min(LONGEST_WAIT);
    let content_type = growing.content_type;
    let chunks = stream::try_unfold(growing, move |mut growing| async move {
        let next = timeout(patience, growing.next()).await;
        let chunk = next.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(chunk.map(|chunk| (chunk, growing)))
    });
    let mut response = ([(header::CONTENT_TYPE, content_type)], Body::from_stream(chunks)).into_response();
    set(&mut response, header::CACHE_CONTROL, FOREVER);
    response
}

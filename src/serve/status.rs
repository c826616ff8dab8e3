//! Status and time.

use super::{App, health};
use crate::sink::store::Usage;
use crate::time::Seconds;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const NEVER_STORED: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// `/v1/status`.
#[derive(Serialize)]
struct Body {
    #[serde(flatten)]
    publisher: serde_json::Value,
    ready: bool,
    store: Usage,
}

pub(super) async fn status(State(app): State<App>) -> Response {
    let body = Body { publisher: app.publisher.snapshot(), ready: health::is_ready(&*app.publisher), store: app.store.usage() };
    (NEVER_STORED, Json(body)).into_response()
}

pub(super) async fn time() -> Response {
    (NEVER_STORED, Seconds::host_now().to_rfc3339()).into_response()
}

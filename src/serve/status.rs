//! Health, status and time.

use super::App;
use crate::sink::store::Usage;
use crate::status::Snapshot;
use crate::time::Seconds;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const NEVER_STORED: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// `/v1/status`.
#[derive(Serialize)]
struct Body {
    #[serde(flatten)]
    worker: Snapshot,
    ready: bool,
    store: Usage,
}

pub(super) async fn healthz() -> Response {
    (NEVER_STORED, "ok\n").into_response()
}

pub(super) async fn readyz(State(app): State<App>) -> Response {
    let missing = app.status.missing();
    if missing.is_empty() {
        return (NEVER_STORED, "ready\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, NEVER_STORED, format!("no segment yet: {}\n", missing.join(", "))).into_response()
}

pub(super) async fn status(State(app): State<App>) -> Response {
    let body = Body { worker: app.status.snapshot(), ready: app.status.missing().is_empty(), store: app.store.usage() };
    (NEVER_STORED, Json(body)).into_response()
}

pub(super) async fn time() -> Response {
    (NEVER_STORED, Seconds::host_now().to_rfc3339()).into_response()
}

//! Status and time.

use super::{App, health};
use crate::sink::store::Usage;
use crate::status::Snapshot;
use crate::time::Seconds;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

const NEVER_STORED: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// `/v1/status` of a worker, as it is described; of an origin it is another.
#[derive(ToSchema)]
#[schema(as = Status)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) struct Described {
    /// What the worker counts.
    #[schema(inline)]
    #[serde(flatten)]
    worker: Snapshot,
    /// Every track has a segment.
    ready: bool,
    /// What is held for players.
    store: Usage,
}

/// `/v1/status`.
#[derive(Serialize)]
struct Body {
    #[serde(flatten)]
    publisher: serde_json::Value,
    ready: bool,
    store: Usage,
}

/// Shows what the worker does, in numbers
#[utoipa::path(get, path = "/v1/status", tag = "state", responses((status = 200, body = Described), (status = 405)))]
pub(super) async fn status(State(app): State<App>) -> Response {
    let body = Body { publisher: app.publisher.snapshot(), ready: health::is_ready(&*app.publisher), store: app.store.usage() };
    (NEVER_STORED, Json(body)).into_response()
}

/// Tells UTC
#[utoipa::path(get, path = "/v1/time", tag = "state", responses((status = 200, content_type = "text/plain", body = String, description = "xs:dateTime"), (status = 405)))]
pub(super) async fn time() -> Response {
    (NEVER_STORED, Seconds::host_now().to_rfc3339()).into_response()
}

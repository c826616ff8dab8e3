//! Health: whether the process runs, and whether it publishes on time.

use super::{App, Publisher};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const NEVER_STORED: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Says that the process runs
#[utoipa::path(get, path = "/healthz", tag = "state", responses((status = 200, content_type = "text/plain", body = String), (status = 405)))]
pub(super) async fn healthz() -> Response {
    (NEVER_STORED, "ok\n").into_response()
}

/// Says whether every track is published, and on time; else a line for each reason
#[utoipa::path(get, path = "/readyz", tag = "state", responses((status = 200, content_type = "text/plain", body = String), (status = 405), (status = 503, content_type = "text/plain", body = String)))]
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let (missing, late) = (app.publisher.missing(), app.publisher.late());
    if missing.is_empty() && late.is_empty() {
        return (NEVER_STORED, "ready\n").into_response();
    }
    let missing = (!missing.is_empty()).then(|| format!("no segment yet: {}\n", missing.join(", ")));
    let reasons: String = missing.into_iter().chain(late.into_iter().map(|line| line + "\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, NEVER_STORED, reasons).into_response()
}

/// Whether nothing keeps it from being ready.
pub(super) fn is_ready(publisher: &dyn Publisher) -> bool {
    publisher.missing().is_empty() && publisher.late().is_empty()
}

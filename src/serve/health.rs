//! Health: whether the process runs, and whether it publishes on time.

use super::{App, Publisher};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const NEVER_STORED: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// `/healthz`: this thread answers.
pub(super) async fn healthz() -> Response {
    (NEVER_STORED, "ok\n").into_response()
}

/// `/readyz`: every track is published, and on time. Else a line for each reason.
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

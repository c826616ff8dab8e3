//! The page: plays the output and shows the rungs. Built in; it loads nothing from anywhere else.

use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self' blob:; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// The parts of the script in their order, one request.
const SCRIPT: &str = concat!(
    include_str!("page/draw.js"),
    include_str!("page/rungs.js"),
    include_str!("page/feed.js"),
    include_str!("page/timeline.js"),
    include_str!("page/player.js"),
    include_str!("page/main.js"),
);

pub(super) async fn html() -> Response {
    file("text/html; charset=utf-8", include_str!("page.html"))
}

pub(super) async fn css() -> Response {
    file("text/css; charset=utf-8", include_str!("page.css"))
}

pub(super) async fn js() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

fn file(content_type: &'static str, body: &'static str) -> Response {
    let headers: [(HeaderName, &str); 3] =
        [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, body).into_response()
}

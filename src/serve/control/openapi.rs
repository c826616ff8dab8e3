//! The description of the API, made from the handlers themselves.

use super::{Control, cues, edits, events, idr, input, rungs, slate, stop};
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(title = "mezzo", description = "Control of, and news from, a live transcoding worker."),
    modifiers(&Token),
    paths(crate::serve::status::status, crate::serve::status::time, crate::serve::health::healthz, crate::serve::health::readyz, description),
    tags(
        (name = "state", description = "What the worker does. For everybody who reaches it."),
        (name = "control", description = "What it is to do. With the worker's token, or, where it has none, from its own machine.")
    )
)]
struct Described;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let scheme =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The token of --api-token. Not needed where the worker has none.")).build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The routes, each with its description.
pub(super) fn router() -> OpenApiRouter<Control> {
    OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(events::events))
        .routes(routes!(rungs::list))
        .routes(routes!(rungs::put))
        .routes(routes!(slate::put))
        .routes(routes!(idr::post))
        .routes(routes!(cues::put))
        .routes(routes!(edits::list, edits::post).layer(DefaultBodyLimit::max(super::EDITS)))
        .routes(routes!(input::input))
        .routes(routes!(stop::stop))
}

/// Describes the API
#[utoipa::path(get, path = "/v1/openapi.json", tag = "state", responses((status = 200, content_type = "application/json", description = "OpenAPI 3.1"), (status = 405)))]
#[expect(dead_code, reason = "only its description is used")]
fn description() {}

/// The document as it is served.
pub(super) fn text(document: Document) -> Bytes {
    document.to_pretty_json().unwrap_or_default().into()
}

pub(super) fn answer(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], document).into_response()
}

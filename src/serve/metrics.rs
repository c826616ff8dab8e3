//! `/metrics`, in whichever of both formats is asked for.

use super::{App, health};
use crate::metrics::{self, Format, Page, table};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

pub(super) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let accepted: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = Format::of(&accepted.join(","));
    let mut page = Page::new(format);
    page.sample(&table::READY, &[], health::is_ready(&*app.publisher));
    app.publisher.metrics(&mut page);
    metrics::store(&app.store.usage(), &mut page);
    let headers = [(header::CONTENT_TYPE, format.content_type()), (header::CACHE_CONTROL, "no-store"), (header::VARY, "accept")];
    (headers, page.finish().0).into_response()
}

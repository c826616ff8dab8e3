//! A slate instead of the feed.

use super::edits::Taken;
use super::problem::{Problem, Refusals};
use super::{Control, body};
use crate::schedule::Change;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::Deserialize;
use utoipa::ToSchema;

/// The body of `PUT /v1/slate`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Whether it is shown.
    on: bool,
    /// The first segment of which this is to be so. Absent: the first that this worker and its twin can still keep.
    #[schema(minimum = 0)]
    from: Option<i64>,
    /// With `on`: one past the last segment. Absent: until it is asked for otherwise.
    #[schema(minimum = 1)]
    until: Option<i64>,
}

/// Shows the job's filler instead of the feed, or the feed again, from a segment on
///
/// Without sound. Its segments are marked as filler. The same twice is the same as once.
#[utoipa::path(put, path = "/v1/slate", tag = "control", request_body = Wanted, responses((status = 200, body = Taken), Refusals), security(("token" = [])))]
pub(super) async fn put(State(control): State<Control>, wanted: Result<Json<Wanted>, JsonRejection>) -> Result<Json<Taken>, Problem> {
    let wanted = body(wanted, "{\"on\": true or false, \"from\": segment, \"until\": segment}, only the first of which must be there")?;
    if wanted.until.is_some() && !wanted.on {
        return Err(Problem::wrong("until goes with \"on\": true; accepted: {\"on\": false, \"from\": segment} to end a slate"));
    }
    let begin = (wanted.from, Change::Slate { on: wanted.on });
    let end = wanted.until.map(|until| (Some(until), Change::Slate { on: false }));
    control.propose([begin].into_iter().chain(end).collect()).await
}

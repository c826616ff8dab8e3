//! An IDR inside a segment.

use super::edits::Taken;
use super::problem::{Problem, Refusals};
use super::{Control, body};
use crate::schedule::Change;
use crate::time::Seconds;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::Deserialize;
use utoipa::ToSchema;

/// The body of `POST /v1/idr`: one of both.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The slot of the grid, counted from 1970: not one of the first two of its segment, nor the last.
    #[schema(minimum = 0)]
    slot: Option<i64>,
    /// When, in UTC: 2026-11-21T20:15:30.5Z; the nearest slot is taken.
    time: Option<String>,
}

/// Makes a picture an IDR, in all rungs
///
/// A place to splice at. Names its segment by itself, so the same twice is the same as once.
#[utoipa::path(post, path = "/v1/idr", tag = "control", request_body = Wanted, responses((status = 200, body = Taken), Refusals), security(("token" = [])))]
pub(super) async fn post(State(control): State<Control>, wanted: Result<Json<Wanted>, JsonRejection>) -> Result<Json<Taken>, Problem> {
    let accepted = "{\"slot\": number} or {\"time\": \"2026-11-21T20:15:30.5Z\"}";
    let wanted = body(wanted, accepted)?;
    let slot = match (wanted.slot, wanted.time) {
        (Some(slot), None) => slot,
        (None, Some(time)) => {
            let shown: String = time.chars().take(100).collect();
            let time: Option<Seconds> = time.contains('T').then(|| time.parse().ok()).flatten();
            let time = time.filter(|time| *time >= Seconds::ZERO).ok_or_else(|| Problem::wrong(format!("time = {shown:?}; accepted: {accepted}")))?;
            control.desk.grid().nearest(time).0
        }
        _ => return Err(Problem::wrong(format!("one of slot and time; accepted: {accepted}"))),
    };
    control.propose(vec![(None, Change::Idr { slot })]).await
}

//! Which of two feeds is shown.

use super::problem::{Problem, Refusals};
use super::{Control, body};
use crate::events::{Kind, Note};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which of two feeds is to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Feed {
    /// The first, as long as it has something to show.
    First,
    /// Likewise the second.
    Second,
    /// Whichever the job's conditions choose.
    Auto,
}

/// The body of `POST /v1/input`, and of its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    feed: Feed,
}

/// Shows one of two feeds, from the next segment on
///
/// A feed in trouble is left all the same. Only for a job with a standby.
#[utoipa::path(post, path = "/v1/input", tag = "control", request_body = Wanted, responses((status = 202, body = Wanted), Refusals), security(("token" = [])))]
pub(super) async fn input(State(control): State<Control>, wanted: Result<Json<Wanted>, JsonRejection>) -> Result<(StatusCode, Json<Wanted>), Problem> {
    let wanted = body(wanted, "{\"feed\": \"first\"}, \"second\" or \"auto\"")?;
    let Some(watch) = control.status.standby() else {
        return Err(Problem::conflict("this job has one feed, and no standby to switch to (--standby, [standby])"));
    };
    match wanted.feed {
        Feed::First => watch.want(0),
        Feed::Second => watch.want(1),
        Feed::Auto => watch.choose_alone(),
    }
    tracing::info!(feed = ?wanted.feed, "asked to show");
    control.status.events.emit(Note::new(Kind::Edited, format!("asked to show feed: {:?}", wanted.feed).to_lowercase()));
    Ok((StatusCode::ACCEPTED, Json(wanted)))
}

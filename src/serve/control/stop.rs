//! Stopping.

use super::problem::{Problem, Refusals};
use super::{Control, body};
use crate::events::{Kind, Note};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What becomes of segments in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Whole ones are finished, as with SIGTERM.
    #[default]
    Drain,
    /// They are discarded.
    Now,
}

/// The body of `POST /v1/stop`, and of its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What becomes of segments in flight.
    #[serde(default)]
    mode: Mode,
    /// The event is over: end marks are written. Otherwise only this worker leaves, and its twin goes on.
    #[serde(default)]
    end: bool,
}

/// Stops the worker
///
/// The process ends with exit code 0. Asked again, it may only become quicker.
#[utoipa::path(post, path = "/v1/stop", tag = "control", request_body = Wanted, responses((status = 202, body = Wanted), Refusals), security(("token" = [])))]
pub(super) async fn stop(State(control): State<Control>, wanted: Result<Json<Wanted>, JsonRejection>) -> Result<(StatusCode, Json<Wanted>), Problem> {
    let wanted = body(wanted, "{\"mode\": \"drain\"} or \"now\", and \"end\": true or false")?;
    if wanted.end && control.stop.is_raised() && !control.stop.ends() {
        return Err(Problem::conflict("this worker leaves already, and the event goes on: its end cannot be written here any more; ask its twin"));
    }
    let new = !control.stop.is_raised();
    if wanted.mode == Mode::Now {
        control.desk.schedule().leave_now();
    }
    if wanted.end {
        control.stop.end()
    } else {
        control.stop.raise()
    }
    if new {
        let what = if wanted.end { "the event ends" } else { "this worker leaves" };
        tracing::info!(mode = ?wanted.mode, "asked to stop: {what}");
        control.status.events.emit(Note::new(Kind::StopAsked, format!("asked to stop ({:?}): {what}", wanted.mode).to_lowercase()));
    }
    Ok((StatusCode::ACCEPTED, Json(wanted)))
}

//! Cues.

use super::edits::Taken;
use super::problem::{Problem, Refusals};
use super::{Control, body};
use crate::schedule::{Change, Cue};
use crate::time::Seconds;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::ToSchema;

/// The body of `PUT /v1/cues/{cue}`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// When it begins, in UTC: 2026-11-21T20:15:30.5Z.
    time: String,
    /// How long it lasts.
    #[schema(maximum = 34560000000_i64)]
    duration_ms: Option<u64>,
    /// What kind it is.
    #[schema(min_length = 1, max_length = 200)]
    class: Option<String>,
    /// Anything to say of it.
    #[schema(min_length = 1, max_length = 200)]
    text: Option<String>,
}

/// Marks a cue, or changes it
///
/// It is listed in the playlists (`EXT-X-DATERANGE`) and among the edits, told as an event, and alters no byte of a segment.
#[utoipa::path(put, path = "/v1/cues/{cue}", tag = "control", params(("cue" = String, Path, description = "What names it")), request_body = Wanted,
    responses((status = 200, body = Taken), Refusals), security(("token" = [])))]
pub(super) async fn put(State(control): State<Control>, Path(cue): Path<String>, wanted: Result<Json<Wanted>, JsonRejection>) -> Result<Json<Taken>, Problem> {
    let Wanted { time, duration_ms, class, text } =
        body(wanted, "{\"time\": \"2026-11-21T20:15:30.5Z\", \"duration_ms\": number, \"class\": text, \"text\": text}")?;
    // As one writes it, a time may be told in many ways.
    let time = if time.contains('T') { time.parse::<Seconds>().map_or(time, Seconds::to_rfc3339) } else { time };
    control.propose(vec![(None, Change::Cue(Cue { cue, time, duration_ms, class, text }))]).await
}

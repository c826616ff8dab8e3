//! Rungs: whether they are made, their cap, and their quality.

use super::edits::Taken;
use super::problem::{Problem, Refusals};
use super::{Control, body, from};
use crate::encode::Order;
use crate::schedule::Change;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A video rung as it is made in one segment.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub(super) struct Rung {
    /// Its name.
    rung: String,
    /// Whether it is made.
    enabled: bool,
    /// Its cap in bits per second.
    max_bitrate: u64,
    /// What it aims at: CRF or its kin.
    quality: f32,
    /// What the plan says.
    plan: Planned,
}

/// A rung as the plan has it.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub(super) struct Planned {
    /// Cap in bits per second, the highest that may be asked for.
    max_bitrate: u64,
    /// CRF or its kin.
    quality: f32,
    /// Where the rate is constant, bits per second; then neither can be changed.
    bitrate: Option<u64>,
    /// Operating point.
    point: String,
    /// Backends in order of preference.
    backends: Vec<String>,
}

/// The rungs in one segment.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub(super) struct Rungs {
    /// The segment: the newest that was begun.
    segment: Option<i64>,
    /// Largest first.
    rungs: Vec<Rung>,
}

/// Lists the video rungs, as the newest segment is made
#[utoipa::path(get, path = "/v1/rungs", tag = "control", responses((status = 200, body = Rungs), (status = 405)))]
pub(super) async fn list(State(control): State<Control>) -> Json<Rungs> {
    let schedule = control.desk.schedule();
    let (reached, first) = schedule.frontier();
    let rungs = control.desk.rungs().map(|rung| {
        let plan =
            Planned { max_bitrate: rung.max_bitrate, quality: rung.quality, bitrate: rung.bitrate, point: rung.point.clone(), backends: rung.backends.clone() };
        let (enabled, max_bitrate, quality) = match schedule.order(rung, reached.unwrap_or(first)) {
            Order::Encode(recipe) => (true, recipe.cap, recipe.quality),
            Order::Skip(_) => (false, rung.max_bitrate, rung.quality),
        };
        Rung { rung: rung.name.clone(), enabled, max_bitrate, quality, plan }
    });
    Json(Rungs { segment: reached.map(|gop| gop.0), rungs: rungs.collect() })
}

/// The body of `PUT /v1/rungs/{rung}`: at least one of the first three.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Whether it is made. Segments that are not are listed as gaps.
    enabled: Option<bool>,
    /// Cap in bits per second: 10000 up to that of the plan.
    #[schema(minimum = 10000)]
    max_bitrate: Option<u64>,
    /// CRF or its kin, less is better.
    #[schema(minimum = 1, maximum = 63)]
    quality: Option<f32>,
    /// The first segment of which this is to be so. Absent: the first that this worker and its twin can still keep.
    #[schema(minimum = 0)]
    from: Option<i64>,
}

/// Enables or disables a rung, or changes its cap or quality, from a segment on
///
/// No other rung's bytes change. The same twice is the same as once. A twin is given the `from` of the answer.
#[utoipa::path(put, path = "/v1/rungs/{rung}", tag = "control", params(("rung" = String, Path, description = "Its name")), request_body = Wanted,
    responses((status = 200, body = Taken), Refusals), security(("token" = [])))]
pub(super) async fn put(State(control): State<Control>, Path(rung): Path<String>, wanted: Result<Json<Wanted>, JsonRejection>) -> Result<Json<Taken>, Problem> {
    let accepted = "{\"enabled\": true or false, \"max_bitrate\": bits per second, \"quality\": number, \"from\": segment}, one of the first three at least";
    let wanted = body(wanted, accepted)?;
    let changes = [
        wanted.enabled.map(|enabled| Change::Enabled { rung: rung.clone(), enabled }),
        wanted.max_bitrate.map(|max_bitrate| Change::Cap { rung: rung.clone(), max_bitrate }),
        wanted.quality.map(|quality| Change::Quality { rung: rung.clone(), quality }),
    ];
    let changes: Vec<Change> = changes.into_iter().flatten().collect();
    if changes.is_empty() {
        return Err(Problem::wrong(format!("there is nothing to change; accepted: {accepted}")));
    }
    control.propose(from(wanted.from, changes)).await
}

//! All edits, as a twin is given them.

use super::problem::{Problem, Refusals};
use super::{Control, body};
use crate::events::{Kind, Note};
use crate::schedule::{Change, Desk, Edit, MOST, Made};
use crate::status::Status;
use crate::time::GopId;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What came of an edit.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub(super) struct Taken {
    /// As they count, each with the segment that it is from: what a twin is to be asked.
    edits: Vec<Edit>,
    /// Whether anything is otherwise than before.
    changed: bool,
    /// Whether it is where a restart finds it.
    kept: bool,
    /// The first segment that an edit may name now.
    first: i64,
}

impl Taken {
    pub fn of(desk: &Desk, made: Made) -> Taken {
        let (_, first) = desk.schedule().frontier();
        Taken { edits: made.edits, changed: !made.new.is_empty(), kept: made.kept.is_ok(), first: first.0 }
    }
}

/// Says what is new, in the log and among the events.
pub(super) fn tell(status: &Status, made: &Made) {
    for edit in &made.new {
        tracing::info!(segment = edit.from, "edit: {edit}");
        let kind = if matches!(edit.change, Change::Cue(_)) { Kind::Cue } else { Kind::Edited };
        let note = Note::new(kind, edit.to_string()).segment(GopId(edit.from));
        status.events.emit(edit.change.rung().map_or(note.clone(), |rung| note.track(rung)));
    }
    if let Err(error) = &made.kept {
        tracing::error!("{error}: a restart will not know of the edit");
        status.events.emit(Note::new(Kind::EditUnkept, error.to_string()));
    }
}

/// All edits.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub(super) struct Edits {
    /// Of this form.
    version: u32,
    /// In the order in which they were made.
    edits: Vec<Edit>,
    /// The newest segment that was begun.
    reached: Option<i64>,
    /// The first segment that an edit may name.
    first: i64,
}

/// Lists all edits, and how far the worker is
///
/// A file with this text is what `--edits` takes.
#[utoipa::path(get, path = "/v1/edits", tag = "control", responses((status = 200, body = Edits), (status = 405)))]
pub(super) async fn list(State(control): State<Control>) -> Json<Edits> {
    let schedule = control.desk.schedule();
    let (reached, first) = schedule.frontier();
    Json(Edits { version: 1, edits: schedule.edits(), reached: reached.map(|gop| gop.0), first: first.0 })
}

/// The body of `POST /v1/edits`.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
pub(super) struct Wanted {
    /// What a twin said.
    #[schema(min_items = 1, max_items = 1000)]
    edits: Vec<Edit>,
}

/// Takes the edits of a twin, all or none
///
/// Those that it has already are no edits.
#[utoipa::path(post, path = "/v1/edits", tag = "control", request_body = Wanted, responses((status = 200, body = Taken), Refusals), security(("token" = [])))]
pub(super) async fn post(State(control): State<Control>, wanted: Result<Json<Wanted>, JsonRejection>) -> Result<Json<Taken>, Problem> {
    let wanted = body(wanted, "{\"edits\": [...]} as GET shows them")?;
    if !(1..=MOST).contains(&wanted.edits.len()) {
        return Err(Problem::wrong(format!("{} edits; accepted: 1 to {MOST} at once", wanted.edits.len())));
    }
    control.propose(wanted.edits.into_iter().map(|edit| (Some(edit.from), edit.change)).collect()).await
}

//! `/v1/…`: what an operator, or an orchestrator, may ask of a worker that runs. One file for each noun; `docs/api.md` for people.
//!
//! Who may: `auth`. The same asked twice is done once: `remembered`. Why not: `problem`.

mod auth;
mod cues;
mod edits;
mod events;
mod idr;
mod input;
mod openapi;
mod problem;
mod remembered;
mod rungs;
mod slate;
mod stop;

use crate::job::Job;
use crate::schedule::{Change, Desk, Proposal, Refused};
use crate::status::Status;
use crate::stop::Stop;
use auth::Door;
pub(super) use auth::Peer;
use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::JsonRejection;
use axum::{Json, Router, middleware};
use problem::Problem;
use remembered::Remembered;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The largest body, in bytes …
const BODY: usize = 64 << 10;
/// … and that of all edits of a twin: a cue has up to 600 characters.
const EDITS: usize = 4 << 20;
/// Readers of the events at once.
const READERS: usize = 16;

/// What the handlers see.
#[derive(Clone)]
pub struct Control {
    status: Arc<Status>,
    desk: Arc<Desk>,
    stop: Stop,
    door: Arc<Door>,
    remembered: Arc<Remembered>,
    readers: Arc<Semaphore>,
    /// One edit at a time: the threads that may wait are needed by players, too.
    turn: Arc<Semaphore>,
}

impl Control {
    /// Of a job: what is shown, where edits are taken, what stops it.
    pub fn new(status: &Arc<Status>, desk: Desk, stop: &Stop, job: &Job) -> Control {
        let door = Door::new(job.serving.api_token.clone());
        door.announce(job.listen);
        Control {
            status: Arc::clone(status),
            desk: Arc::new(desk),
            stop: stop.clone(),
            door: Arc::new(door),
            remembered: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Takes edits on a thread that may wait, and says what came of it.
    async fn propose(&self, asked: Vec<Proposal>) -> Result<Json<edits::Taken>, Problem> {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let (desk, status) = (Arc::clone(&self.desk), Arc::clone(&self.status));
        let taken = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let made = desk.propose(&asked)?;
            edits::tell(&status, &made);
            Ok::<_, Refused>(edits::Taken::of(&desk, made))
        });
        match taken.await {
            Ok(Ok(taken)) => Ok(Json(taken)),
            Ok(Err(refused)) => Err(refused.into()),
            Err(_) => Err(Problem::internal("the edit was not taken")),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let why = refused.to_string();
        match refused {
            Refused::Rung { .. } => Problem::unknown(why),
            Refused::Value { .. } => Problem::wrong(why),
            Refused::Settled { .. } | Refused::Impossible(_) | Refused::LastRung { .. } | Refused::Full => Problem::conflict(why),
        }
    }
}

/// A body that must be JSON. That it must say so keeps pages of other sites from asking in a browser of this machine.
fn body<T>(body: Result<Json<T>, JsonRejection>, accepted: &str) -> Result<T, Problem> {
    match body {
        Ok(Json(wanted)) => Ok(wanted),
        Err(why) => Err(Problem::new(why.status(), format!("{}; accepted: {accepted}, as application/json", why.body_text()))),
    }
}

/// The largest body that is taken there.
fn largest(path: &str) -> usize {
    if path == "/v1/edits" { EDITS } else { BODY }
}

/// The changes of a rung and from when on.
fn from(from: Option<i64>, changes: impl IntoIterator<Item = Change>) -> Vec<Proposal> {
    changes.into_iter().map(|change| (from, change)).collect()
}

/// The routes of a worker, for [`super::Setup::reserved`].
pub fn routes(control: Control) -> Router {
    let (router, document) = openapi::router().split_for_parts();
    let document = openapi::text(document);
    router
        .route("/v1/openapi.json", axum::routing::get(async || openapi::answer(document)))
        .layer(middleware::from_fn_with_state(control.clone(), remembered::once))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn_with_state(control.clone(), auth::guard))
        .with_state(control)
}

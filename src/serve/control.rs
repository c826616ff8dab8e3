//! What an operator may ask of a worker that runs. From this machine only.

use crate::status::Status;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub Option<SocketAddr>);

impl Peer {
    /// Whether it is this machine.
    fn is_here(self) -> bool {
        self.0.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
    }
}

/// Which of two feeds is to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Feed {
    /// The first, as long as it has something to show.
    First,
    /// Likewise the second.
    Second,
    /// Whichever the job's conditions choose.
    Auto,
}

/// The routes of a worker, for [`super::Setup::routes`].
pub fn routes(status: Arc<Status>) -> Router {
    Router::new().route("/v1/input", post(input)).with_state(status)
}

/// The body of `POST /v1/input`, and of its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    feed: Feed,
}

/// `POST /v1/input {"feed": "first"|"second"|"auto"}`: which of two feeds is shown, from the next segment on. A feed in trouble is left all the same.
///
/// Only JSON is taken, so that no page of another site can ask for it in a browser of this machine.
pub(super) async fn input(State(status): State<Arc<Status>>, Extension(peer): Extension<Peer>, wanted: Result<Json<Wanted>, JsonRejection>) -> Response {
    let refuse = |status: StatusCode, why: &str| (status, [(header::CACHE_CONTROL, "no-store")], format!("{why}\n")).into_response();
    if !peer.is_here() {
        return refuse(StatusCode::FORBIDDEN, "this is for who is on this machine: ask 127.0.0.1");
    }
    let Json(wanted) = match wanted {
        Ok(wanted) => wanted,
        Err(why) => {
            return refuse(why.status(), &format!("{}; accepted: {{\"feed\": \"first\"}}, \"second\" or \"auto\", as application/json", why.body_text()));
        }
    };
    let Some(watch) = status.standby() else {
        return refuse(StatusCode::CONFLICT, "this job has one feed, and no standby to switch to (--standby, [standby])");
    };
    match wanted.feed {
        Feed::First => watch.want(0),
        Feed::Second => watch.want(1),
        Feed::Auto => watch.choose_alone(),
    }
    tracing::info!(feed = ?wanted.feed, "asked to show");
    (StatusCode::ACCEPTED, [(header::CACHE_CONTROL, "no-store")], Json(wanted)).into_response()
}

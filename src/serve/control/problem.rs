//! Why something is not done.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// Why something is not done, in words that name the field, its value, and what would be accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The words.
    error: String,
    #[serde(skip)]
    status: StatusCode,
}

impl Problem {
    pub fn new(status: StatusCode, why: impl Into<String>) -> Problem {
        Problem { error: why.into(), status }
    }

    /// There is no such thing.
    pub fn unknown(why: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, why)
    }

    /// It cannot be kept.
    pub fn conflict(why: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, why)
    }

    /// A value that is not legal.
    pub fn wrong(why: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why)
    }

    pub fn internal(why: impl Into<String>) -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, [(header::CACHE_CONTROL, "no-store")], Json(self)).into_response()
    }
}

/// How anything that changes something may be refused.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub enum Refusals {
    /// The body is not JSON.
    #[response(status = 400)]
    Syntax(Problem),
    /// There is a token, and it was not given, or another one.
    #[response(status = 401)]
    Token(Problem),
    /// There is no token, and this was not asked from the machine itself, or by a page of another site.
    #[response(status = 403)]
    Stranger(Problem),
    /// There is no such thing.
    #[response(status = 404)]
    Unknown(Problem),
    /// Another method than those that are documented.
    #[response(status = 405)]
    Method,
    /// The body did not come in time.
    #[response(status = 408)]
    Slow(Problem),
    /// It cannot be kept, and why.
    #[response(status = 409)]
    Conflict(Problem),
    /// The body is larger than 64 KiB, or than 4 MiB of edits.
    #[response(status = 413)]
    Large(Problem),
    /// The body is not said to be `application/json`.
    #[response(status = 415)]
    Kind(Problem),
    /// A field is missing, unknown or not legal; what would be is said.
    #[response(status = 422)]
    Value(Problem),
}

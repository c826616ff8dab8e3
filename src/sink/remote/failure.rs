//! What went wrong with a request, and what that means for the next one.

use std::time::Duration;

/// What kind of failure it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No connection came about: no such name, nobody there, TLS refused.
    Connect,
    /// The connection broke.
    Lost,
    /// It took longer than a request may.
    Slow,
    /// The server says that it is in trouble (5xx).
    Server,
    /// The server asks for patience (408, 425, 429).
    Throttled,
    /// The server does not know the init segment (412).
    Uninitialised,
    /// The server means it (401, 403, 404, 405, 410, 415, …): the same request will fail again until somebody changes something.
    Refused,
}

impl Kind {
    /// As it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Connect => "connect",
            Kind::Lost => "lost",
            Kind::Slow => "slow",
            Kind::Server => "server",
            Kind::Throttled => "throttled",
            Kind::Uninitialised => "uninitialised",
            Kind::Refused => "refused",
        }
    }
}

/// A failed request.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// In words, without secrets.
    pub why: String,
    /// How long the server wants to be left alone.
    pub after: Option<Duration>,
}

impl Failure {
    /// One of this kind.
    pub fn new(kind: Kind, why: impl ToString) -> Failure {
        Failure { kind, why: why.to_string(), after: None }
    }

    /// Of an HTTP status that is no success, with the header `Retry-After` in seconds where there is one.
    pub fn status(code: u16, reason: &str, after: Option<Duration>) -> Failure {
        let kind = match code {
            408 | 425 | 429 => Kind::Throttled,
            412 => Kind::Uninitialised,
            500.. => Kind::Server,
            _ => Kind::Refused,
        };
        Failure { kind, why: format!("{code} {reason}").trim().to_owned(), after }
    }

    /// Whether the connection is of no use any more.
    pub fn closes(&self) -> bool {
        !matches!(self.kind, Kind::Refused | Kind::Throttled | Kind::Uninitialised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_its_meaning() {
        for (codes, kind) in [
            (&[400, 401, 403, 404, 405, 409, 410, 413, 415, 304, 303][..], Kind::Refused),
            (&[408, 425, 429], Kind::Throttled),
            (&[412], Kind::Uninitialised),
            (&[500, 502, 503, 504, 599], Kind::Server),
        ] {
            for code in codes {
                assert_eq!(Failure::status(*code, "", None).kind, kind, "{code}");
            }
        }
        assert!(Failure::status(503, "Busy", None).closes() && !Failure::status(403, "No", None).closes());
    }
}

//! Who may change something.

use super::Control;
use super::problem::Problem;
use crate::job::protection::Secret;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a request may take, its body included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Peer(pub Option<SocketAddr>);

impl Peer {
    /// Whether it is this machine.
    fn is_here(self) -> bool {
        self.0.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
    }
}

/// What opens: a token, or being here.
pub(super) struct Door {
    token: Option<[u8; 32]>,
}

impl Door {
    pub fn new(token: Option<Secret>) -> Door {
        Door { token: token.map(|token| Sha256::digest(token.text()).into()) }
    }

    /// One line where control is for less than who can reach the address.
    pub fn announce(&self, listen: Option<SocketAddr>) {
        if let (None, Some(address)) = (self.token, listen.filter(|address| !address.ip().to_canonical().is_loopback())) {
            tracing::warn!("{address} is reached from other machines: they may watch, and not change anything, for there is no token (--api-token)");
        }
    }

    /// Whether who asks so from there may change something.
    fn opens(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Problem> {
        let header = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let host = header(header::HOST);
        // What a browser says of the page that asks. Others say nothing.
        let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
        let origin = header(header::ORIGIN);
        let other = origin.is_some_and(|origin| origin.split_once("://").map(|(_, host)| host) != host)
            || site.is_some_and(|site| !["same-origin", "none"].contains(&site));
        if other {
            return Err(Problem::new(StatusCode::FORBIDDEN, "a page of another site may not change anything here"));
        }
        let Some(token) = self.token else {
            if !peer.is_here() {
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "there is no token (--api-token): only who is on this machine may change anything; ask 127.0.0.1",
                ));
            }
            // A name that leads here for a browser may be that of another site's page.
            return match host {
                Some(host) if !is_here(host) => {
                    Err(Problem::new(StatusCode::FORBIDDEN, "asked by a name that anybody may give this machine; accepted: 127.0.0.1, [::1] or localhost"))
                }
                _ => Ok(()),
            };
        };
        let given = header(header::AUTHORIZATION).and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, given)) = given else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "this needs the worker's token; accepted: Authorization: Bearer and the token"));
        };
        // Digests of equal length, compared whole: how long that takes says nothing.
        let given: [u8; 32] = Sha256::digest(given.trim()).into();
        let differs = token.iter().zip(given).fold(0, |differs, (a, b)| differs | (a ^ b));
        if std::hint::black_box(differs) == 0 { Ok(()) } else { Err(Problem::new(StatusCode::UNAUTHORIZED, "another token than the worker's")) }
    }
}

/// Whether a `Host` header names this machine as only this machine does.
fn is_here(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(name, _)| name);
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

/// Lets through who only looks, and who may change something; nobody takes longer than [`PATIENCE`].
pub(super) async fn guard(State(control): State<Control>, Extension(peer): Extension<Peer>, request: Request, next: Next) -> Response {
    let looks = [Method::GET, Method::HEAD].contains(request.method());
    let answer = match control.door.opens(peer, request.headers()) {
        Err(problem) if !looks => problem.into_response(),
        _ => {
            let late =
                || Problem::new(StatusCode::REQUEST_TIMEOUT, format!("no answer within {} s; the body must come at once", PATIENCE.as_secs())).into_response();
            tokio::time::timeout(PATIENCE, next.run(request)).await.unwrap_or_else(|_| late())
        }
    };
    marked(answer)
}

fn marked(mut answer: Response) -> Response {
    use axum::http::HeaderValue;
    let unauthorized = answer.status() == StatusCode::UNAUTHORIZED;
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(token: Option<&str>, peer: &str, headers: &[(&'static str, &str)]) -> u16 {
        let door = Door { token: token.map(|token| Sha256::digest(token).into()) };
        let peer = Peer(Some(SocketAddr::new(peer.parse().expect("an address"), 9)));
        let headers = headers.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().expect("a value"))).collect();
        door.opens(peer, &headers).map_or_else(|problem| problem.into_response().status().as_u16(), |()| 200)
    }

    #[test]
    fn without_a_token_only_this_machine_changes_anything() {
        for (peer, host, code) in [
            ("127.0.0.1", "127.0.0.1:8080", 200),
            ("::1", "[::1]:8080", 200),
            ("::ffff:127.0.0.1", "localhost", 200),
            ("127.0.0.1", "LOCALHOST:1", 200),
            ("10.0.0.7", "10.0.0.7:8080", 403),
            ("::ffff:10.0.0.7", "127.0.0.1", 403),
            // A page of evil.example, whose name was made to lead here.
            ("127.0.0.1", "evil.example:8080", 403),
            ("127.0.0.1", "127.0.0.1.evil.example", 403),
        ] {
            assert_eq!(opens(None, peer, &[("host", host)]), code, "{peer} {host}");
        }
        let host = ("host", "127.0.0.1:8080");
        assert_eq!(opens(None, "127.0.0.1", &[host, ("origin", "http://127.0.0.1:8080")]), 200, "the worker's own page");
        for strange in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:9"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(opens(None, "127.0.0.1", &[host, strange]), 403, "{strange:?}");
        }
    }

    #[test]
    fn with_a_token_it_is_needed_everywhere() {
        let token = "sesame-sesame-sesame";
        for peer in ["127.0.0.1", "10.0.0.7"] {
            assert_eq!(opens(Some(token), peer, &[("authorization", "Bearer sesame-sesame-sesame"), ("host", "worker.example")]), 200);
            assert_eq!(opens(Some(token), peer, &[("authorization", "bearer sesame-sesame-sesame")]), 200);
            for wrong in [
                "Bearer sesame",
                "Bearer",
                "Bearer ",
                "sesame-sesame-sesame",
                "Basic sesame-sesame-sesame",
                "Bearer sesame-sesame-sesame2",
                "Bearer SESAME-SESAME-SESAME",
            ] {
                assert_eq!(opens(Some(token), peer, &[("authorization", wrong)]), 401, "{wrong}");
            }
            assert_eq!(opens(Some(token), peer, &[]), 401);
        }
    }
}

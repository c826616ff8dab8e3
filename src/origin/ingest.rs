//! `/ingest/…`: bodies that come, within limits, and what their senders are told. And `/v1/mask`.

use super::answer::{Fate, Refusal};
use super::auth::Secrets;
use super::judge::Pushed;
use super::mask::{Mask, legal_pipeline};
use super::relay::Scan;
use super::runner::Message;
use crate::sink::store::Store;
use crate::sink::stored;
use crate::time::{GopId, Seconds};
use crate::verdict::{Verdict, cmsd};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::{Bytes, BytesMut};
use crossbeam::channel::Sender;
use sha2::{Digest, Sha256};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

/// What somebody who pushes may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of an initialisation segment, or of a manifest that is ignored.
    pub small: usize,
    /// Bytes of a segment.
    pub segment: usize,
    /// Bytes of all bodies that are coming in.
    pub coming: usize,
    /// Bodies at once.
    pub bodies: usize,
    /// Time for a whole body.
    pub body_time: Duration,
    /// Time in which something of a body must come.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { small: 1 << 20, segment: 64 << 20, coming: 512 << 20, bodies: 256, body_time: Duration::from_secs(60), stall: Duration::from_secs(10) }
    }
}

/// Bytes to one permit of what is coming in.
const UNIT: usize = 4096;

/// What handlers need.
#[derive(Clone)]
pub(super) struct Gate {
    desk: Sender<Message>,
    store: Store,
    secrets: Arc<Secrets>,
    limits: Limits,
    room: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

/// Where something is pushed to.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Init { pipeline: &'a str, track: &'a str },
    Segment { pipeline: &'a str, track: &'a str, number: GopId },
    Manifest,
}

/// The routes of the ingest.
pub(super) fn routes(desk: Sender<Message>, store: Store, secrets: Secrets, limits: Limits) -> Router {
    let permits = |bytes: usize| (bytes / UNIT).min(Semaphore::MAX_PERMITS);
    let (room, bodies) = (Arc::new(Semaphore::new(permits(limits.coming))), Arc::new(Semaphore::new(limits.bodies)));
    let gate = Gate { desk, store, secrets: Arc::new(secrets), limits, room, bodies };
    Router::new().route("/ingest/{*path}", any(push)).route("/v1/mask", get(masks).post(mask)).with_state(gate)
}

async fn push(State(gate): State<Gate>, method: Method, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    if !gate.opens(&headers) {
        return refused();
    }
    let path = uri.path().strip_prefix("/ingest/").unwrap_or_default();
    let Some(place) = place(path) else { return told(Err(Refusal::Path(path.chars().take(128).collect()).into())) };
    match method {
        Method::PUT | Method::POST => {}
        // Workers ask for the initialisation segment that is here before they push another one.
        Method::GET | Method::HEAD => return gate.shown(&place),
        // Removing is the window's business.
        Method::DELETE => return told(Ok(Fate::Ignored)),
        _ => {
            return (
                StatusCode::METHOD_NOT_ALLOWED,
                [(header::ALLOW, "PUT, POST, DELETE, GET, HEAD")],
                "only PUT, POST and DELETE, and GET of what is published\n",
            )
                .into_response();
        }
    }
    let digest = match digest(&headers) {
        Ok(digest) => digest,
        Err(trouble) => return told(Err(trouble)),
    };
    let most = if let Place::Segment { .. } = place { gate.limits.segment } else { gate.limits.small };
    // Chunks of a segment are handed on as they come; one that the desk has no room for is the last.
    let (mut index, mut behind) = (0, false);
    let pieces = |bytes: Bytes| {
        if let (Place::Segment { pipeline, track, number }, false) = (&place, behind) {
            let piece = Message::Piece { pipeline: (*pipeline).to_owned(), track: (*track).to_owned(), number: *number, index, bytes };
            behind = gate.desk.try_send(piece).is_err();
            index += 1;
        }
    };
    let read = match gate.bodies.clone().try_acquire_owned() {
        Ok(one) => gate.read(body, most, pieces).await.map(|(bytes, held)| (bytes, (one, held))),
        Err(_) => Err(Trouble::Busy),
    };
    let received = Seconds::host_now();
    let said = said(&headers);
    let read = read.and_then(|(bytes, held)| {
        let hash = (digest.is_some() || said.is_some()).then(|| <[u8; 32]>::from(Sha256::digest(&bytes)));
        let wrong = digest.is_some() && digest != hash;
        if wrong { Err(Trouble::Digest) } else { Ok((bytes, held, said.filter(|said| Some(said.hash) == hash).map(|said| said.shown))) }
    });
    match (read, place) {
        (Err(trouble), Place::Segment { pipeline, track, number }) => {
            // Where the desk has no room for it, what is out is given up once it is overtaken.
            let _ = gate.desk.try_send(Message::BrokenOff { pipeline: pipeline.to_owned(), track: track.to_owned(), number });
            told(Err(trouble))
        }
        (Err(trouble), _) => told(Err(trouble)),
        (Ok(_), Place::Manifest) => told(Ok(Fate::Ignored)),
        (Ok((bytes, _held, _)), Place::Init { pipeline, track }) => {
            told(gate.ask(|reply| Message::Init { pipeline: pipeline.to_owned(), track: track.to_owned(), bytes, reply }).await)
        }
        (Ok((bytes, _held, said)), Place::Segment { pipeline, track, number }) => {
            let pushed = Pushed { bytes, received, said };
            told(gate.ask(|reply| Message::Segment { pipeline: pipeline.to_owned(), track: track.to_owned(), number, pushed, reply }).await)
        }
    }
}

/// Why a body did not come to the desk, or what the desk said.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the body is larger than {0} bytes, which are accepted")]
    Large(usize),
    #[error("the body broke off")]
    BrokenOff,
    #[error("the body came too slowly")]
    Slow,
    #[error("the body is not what Repr-Digest says")]
    Digest,
    #[error("Repr-Digest is not understood; sha-256=:BASE64: is accepted (RFC 9530)")]
    NoDigest,
    #[error("too much is coming in; try again in a second")]
    Busy,
}

impl Gate {
    fn opens(&self, headers: &HeaderMap) -> bool {
        self.secrets.opens(headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()))
    }

    /// A whole body of at most `most` bytes, and the room that it takes.
    async fn read(&self, body: Body, most: usize, pieces: impl FnMut(Bytes)) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Trouble> {
        match timeout(self.limits.body_time, self.read_all(body, most, pieces)).await {
            Ok(read) => read,
            Err(_) => Err(Trouble::Slow),
        }
    }

    async fn read_all(&self, mut body: Body, most: usize, mut pieces: impl FnMut(Bytes)) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Trouble> {
        if body.size_hint().lower() > most as u64 {
            return Err(Trouble::Large(most));
        }
        let mut all = BytesMut::new();
        let mut held: Option<OwnedSemaphorePermit> = None;
        let mut scan = Scan::default();
        loop {
            let next = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            let data = match timeout(self.limits.stall, next).await {
                Err(_) => return Err(Trouble::Slow),
                Ok(None) => return Ok((all.freeze(), held)),
                Ok(Some(Err(_))) => return Err(Trouble::BrokenOff),
                // Trailers say nothing that decides.
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            };
            if all.len() + data.len() > most {
                return Err(Trouble::Large(most));
            }
            let units = (all.len() + data.len()).div_ceil(UNIT) - all.len().div_ceil(UNIT);
            if let Some(units) = u32::try_from(units).ok().filter(|units| *units > 0) {
                let more = self.room.clone().try_acquire_many_owned(units).map_err(|_| Trouble::Busy)?;
                match &mut held {
                    Some(held) => held.merge(more),
                    none => *none = Some(more),
                }
            }
            all.extend_from_slice(&data);
            while let Some(range) = scan.next(&all) {
                pieces(Bytes::copy_from_slice(&all[range]));
            }
        }
    }

    /// What is published at a place of the ingest.
    fn shown(&self, place: &Place) -> Response {
        let path = match place {
            Place::Init { track, .. } => format!("{track}/init.mp4"),
            Place::Segment { track, number, .. } => format!("{track}/{number}.m4s"),
            Place::Manifest => String::new(),
        };
        match self.store.get(&path) {
            Ok(entry) => ([(header::CONTENT_TYPE, entry.content_type), (header::CACHE_CONTROL, "no-store")], entry.bytes).into_response(),
            Err(_) => (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")], "not published\n").into_response(),
        }
    }

    async fn ask(&self, message: impl FnOnce(oneshot::Sender<Result<Fate, Refusal>>) -> Message) -> Result<Fate, Trouble> {
        let (reply, answer) = oneshot::channel();
        self.desk.try_send(message(reply)).map_err(|_| Trouble::Busy)?;
        Ok(answer.await.map_err(|_| Trouble::Busy)??)
    }
}

/// The SHA-256 that a sender says the body has, where it says one.
fn digest(headers: &HeaderMap) -> Result<Option<[u8; 32]>, Trouble> {
    let Some(value) = headers.get("repr-digest") else { return Ok(None) };
    let members = value.to_str().map_err(|_| Trouble::NoDigest)?.split(',').map(str::trim);
    let Some(ours) = members.filter_map(|m| m.strip_prefix("sha-256=")).next() else { return Ok(None) };
    let bytes = ours.strip_prefix(':').and_then(|b| b.strip_suffix(':')).and_then(|b| BASE64_STANDARD.decode(b).ok());
    bytes.and_then(|b| b.try_into().ok()).map(Some).ok_or(Trouble::NoDigest)
}

/// What a sender says of a segment beside its bytes. What cannot be read says nothing: it decides nothing either.
fn said(headers: &HeaderMap) -> Option<Verdict> {
    cmsd::read(headers.get(cmsd::NAME)?.to_str().ok()?).ok()?
}

/// The path below `/ingest/`, as it stands, undecoded.
fn place(path: &str) -> Option<Place<'_>> {
    let mut parts = path.split('/');
    let pipeline = parts.next().filter(|name| legal_pipeline(name))?;
    let (first, second) = (parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let name = second.unwrap_or(first);
    let (stem, extension) = name.rsplit_once('.')?;
    if matches!(extension, "m3u8" | "mpd") {
        return Some(Place::Manifest);
    }
    let track = second.map(|_| first)?;
    match extension {
        "mp4" | "m4s" | "cmfv" | "cmfa" if stem == "init" => Some(Place::Init { pipeline, track }),
        "mp4" | "m4s" | "cmfv" | "cmfa" => stored::number(&format!("{stem}.m4s")).map(|number| Place::Segment { pipeline, track, number }),
        _ => None,
    }
}

fn told(fate: Result<Fate, Trouble>) -> Response {
    let code = |n: u16| StatusCode::from_u16(n).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (code, text) = match fate {
        Ok(fate) => (StatusCode::OK, fate.text().to_owned()),
        Err(trouble) => {
            let code = match &trouble {
                Trouble::Refused(refusal) => code(refusal.code()),
                Trouble::Large(_) => StatusCode::PAYLOAD_TOO_LARGE,
                Trouble::BrokenOff => StatusCode::BAD_REQUEST,
                Trouble::Slow => StatusCode::REQUEST_TIMEOUT,
                Trouble::Digest => StatusCode::UNPROCESSABLE_ENTITY,
                Trouble::NoDigest => StatusCode::BAD_REQUEST,
                Trouble::Busy => StatusCode::SERVICE_UNAVAILABLE,
            };
            (code, trouble.to_string())
        }
    };
    let mut response = (code, [(header::CACHE_CONTROL, "no-store")], text + "\n").into_response();
    if code == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

fn refused() -> Response {
    let scheme = [(header::WWW_AUTHENTICATE, "Bearer realm=\"ingest\", Basic realm=\"ingest\"")];
    (StatusCode::UNAUTHORIZED, scheme, "a token or a password of the origin is accepted\n").into_response()
}

/// The masks that there are.
async fn masks(State(gate): State<Gate>, headers: HeaderMap) -> Response {
    if gate.opens(&headers) { gate.masks(None).await } else { refused() }
}

/// One more, or one less: `{"mask": "A:5-9"}`, `{"unmask": "A:5-9"}`.
async fn mask(State(gate): State<Gate>, headers: HeaderMap, body: Body) -> Response {
    if !gate.opens(&headers) {
        return refused();
    }
    let wanted = match gate.read(body, 4096, drop).await {
        Ok((bytes, _)) => wanted(&bytes),
        Err(trouble) => return told(Err(trouble)),
    };
    match wanted {
        Ok(wanted) => gate.masks(Some(wanted)).await,
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why + "\n").into_response(),
    }
}

fn wanted(body: &[u8]) -> Result<(Mask, bool), String> {
    let wrong = || "accepted: {\"mask\": \"PIPELINE:FROM-TO\"} or {\"unmask\": \"PIPELINE:FROM-TO\"}".to_owned();
    let json: serde_json::Value = serde_json::from_slice(body).map_err(|e| format!("{e}; {}", wrong()))?;
    let of = |name: &str| json.get(name).and_then(|v| v.as_str());
    match (of("mask"), of("unmask")) {
        (Some(mask), None) => Ok((mask.parse()?, true)),
        (None, Some(mask)) => Ok((mask.parse()?, false)),
        _ => Err(wrong()),
    }
}

impl Gate {
    async fn masks(&self, wanted: Option<(Mask, bool)>) -> Response {
        let (reply, answer) = oneshot::channel();
        if self.desk.try_send(Message::Mask { wanted, reply }).is_err() {
            return told(Err(Trouble::Busy));
        }
        match answer.await {
            Ok(Ok(masks)) => axum::Json(serde_json::json!({ "masks": masks })).into_response(),
            Ok(Err(why)) => (StatusCode::UNPROCESSABLE_ENTITY, why + "\n").into_response(),
            Err(_) => told(Err(Trouble::Busy)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_what_they_look_like() {
        let segment = |number| Some(Place::Segment { pipeline: "A", track: "avc-360p", number: GopId(number) });
        assert_eq!(place("A/avc-360p/12.m4s"), segment(12));
        assert_eq!(place("A/avc-360p/0.cmfv"), segment(0));
        assert_eq!(place("A/avc-360p/init.mp4"), Some(Place::Init { pipeline: "A", track: "avc-360p" }));
        for manifest in ["A/main.m3u8", "A/manifest.mpd", "A/avc-360p/media.m3u8"] {
            assert_eq!(place(manifest), Some(Place::Manifest), "{manifest}");
        }
        for nothing in ["", "A", "A/", "A/12.m4s", "A/t/012.m4s", "A/t/-1.m4s", "A/t/x.m4s", "A/t/u/1.m4s", "a b/t/1.m4s", "../t/1.m4s", "A/t/1", "A/t/1.ts"] {
            assert_eq!(place(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_digest_is_that_of_the_body() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("repr-digest", value.parse().expect("a header"));
            digest(&headers).map(|d| d.map(|d| d == <[u8; 32]>::from(Sha256::digest(b"{\"hello\": \"world\"}\n"))))
        };
        // The example of RFC 9530, B.1.
        assert!(matches!(of("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"), Ok(Some(true))));
        assert!(matches!(of("sha-512=:AAAA:, sha-256=:AK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"), Ok(Some(false))));
        assert!(matches!(of("sha-512=:AAAA:"), Ok(None)));
        for wrong in ["sha-256=RK/0", "sha-256=:RK/0:", "sha-256=:?:"] {
            assert!(matches!(of(wrong), Err(Trouble::NoDigest)), "{wrong}");
        }
        assert!(matches!(digest(&HeaderMap::new()), Ok(None)));
    }

    #[test]
    fn what_a_sender_says_is_read_or_left() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(cmsd::NAME, header::HeaderValue::from_static(value));
            said(&headers).map(|said| said.shown.black)
        };
        assert_eq!(of("ot=v,d=2000,com.mezzo-black=12"), Some(12));
        for nothing in ["ot=v", "com.mezzo-black=-1", "=", "\"", ""] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
        assert_eq!(said(&HeaderMap::new()), None);
    }

    #[test]
    fn masks_are_asked_for_in_json() {
        assert_eq!(wanted(br#"{"mask": "A:5-9"}"#).map(|(m, hide)| (m.to_string(), hide)), Ok(("A:5-9".into(), true)));
        assert_eq!(wanted(br#"{"unmask": "B:5-"}"#).map(|(m, hide)| (m.to_string(), hide)), Ok(("B:5-".into(), false)));
        for wrong in ["", "[]", "{}", r#"{"mask": 5}"#, r#"{"mask": "A:1", "unmask": "A:1"}"#, r#"{"mask": "A"}"#] {
            assert!(wanted(wrong.as_bytes()).is_err_and(|e| e.contains("accepted")), "{wrong}");
        }
    }
}

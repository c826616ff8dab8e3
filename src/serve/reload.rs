//! Playlists and manifests, and blocking playlist reload (RFC 8216bis, section 6.2.5.2).

use super::App;
use super::answer::{self, Asked, FLEETING, refusal};
use crate::sink::Edge;
use crate::sink::store::Text;
use crate::time::GopId;
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a reader waits at most, in target durations; the RFC's own figure.
const PATIENCE: u32 = 3;
/// How long a cache may keep what was waited for, in target durations: nobody will ask for that address again, but many do at the same time.
const KEPT: u32 = 6;

/// What a reader wants a playlist to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wish {
    number: GopId,
    part: Option<u32>,
}

/// Why a wish is not one.
const MALFORMED: &str = "accepted: _HLS_msn=NUMBER, and beside it _HLS_part=NUMBER, each at most once\n";
const TOO_FAR: &str = "_HLS_msn or _HLS_part is too far ahead of the playlist; accepted: at most two segments after the last one, and parts of three seconds\n";

/// The text, once it has what the query asks for.
pub(super) async fn text(app: &App, path: &str, mut texts: watch::Receiver<Arc<Text>>, query: &str, asked: Asked<'_>) -> Response {
    let mut now = texts.borrow_and_update().clone();
    let (wish, edge) = match (parse(query), now.edge) {
        (Err(()), Some(_)) => return refusal(StatusCode::BAD_REQUEST, FLEETING, MALFORMED),
        (Ok(Some(wish)), Some(edge)) if !now.ended => (wish, edge),
        _ => return answer::text(asked, &now, FLEETING).await,
    };
    if is_too_far(wish, edge, now.parts_ahead) {
        return refusal(StatusCode::BAD_REQUEST, FLEETING, TOO_FAR);
    }
    let track = path.split('/').next().unwrap_or_default();
    let reached = |text: &Arc<Text>| text.ended || text.edge.is_none_or(|edge| has(edge, wish, || app.store.parts(track, wish.number)));
    let target = app.publisher.segment_duration().max(Duration::from_secs(1));
    if !reached(&now) {
        match timeout(target * PATIENCE, texts.wait_for(reached)).await {
            Ok(Ok(text)) => now = Arc::clone(&text),
            _ => return refusal(StatusCode::SERVICE_UNAVAILABLE, FLEETING, "the playlist does not have it in time\n"),
        }
    }
    let seconds = target.as_secs().saturating_mul(u64::from(KEPT)).clamp(1, 60);
    answer::text(asked, &now, &format!("public, max-age={seconds}")).await
}

/// Reads the directives of a query; others than these are for somebody else.
fn parse(query: &str) -> Result<Option<Wish>, ()> {
    let (mut number, mut part) = (None, None);
    for (name, value) in query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        let place = match name {
            "_HLS_msn" => &mut number,
            "_HLS_part" => &mut part,
            _ => continue,
        };
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) || place.is_some() {
            return Err(());
        }
        // More digits than a number holds are as good as the largest.
        *place = Some(value.parse::<i64>().unwrap_or(i64::MAX));
    }
    match (number, part) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(()),
        (Some(number), part) => Ok(Some(Wish { number: GopId(number), part: part.map(|p| u32::try_from(p).unwrap_or(u32::MAX)) })),
    }
}

/// Further than any reader has a reason to ask for. The last segment of the playlist is the one before `edge.next`.
fn is_too_far(wish: Wish, edge: Edge, parts_ahead: u32) -> bool {
    let ahead = wish.number.0.saturating_sub(edge.next.0);
    let listed = if ahead == 0 { edge.parts } else { 0 };
    ahead > 1 || (ahead >= 0 && wish.part.is_some_and(|part| part >= listed.saturating_add(parts_ahead)))
}

/// Whether a playlist that reaches `edge` has what is wished for. `parts`: how many its segment has, where that is known; one that it does not have stands for the
/// first of the next segment.
fn has(edge: Edge, wish: Wish, parts: impl FnOnce() -> Option<usize>) -> bool {
    let Wish { number, part } = wish;
    let Some(part) = part else { return edge.next > number };
    let next = GopId(number.0.saturating_add(1));
    if edge.next > next || (edge.next == next && edge.parts > 0) {
        return true;
    }
    if edge.next == next {
        return parts().is_none_or(|parts| (part as usize) < parts);
    }
    edge.next == number && edge.parts > part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(number: i64, part: impl Into<Option<u32>>) -> Wish {
        Wish { number: GopId(number), part: part.into() }
    }

    #[test]
    fn reads_directives() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("a=b&_HLS_skip=YES&_HLS_new"), Ok(None));
        assert_eq!(parse("_HLS_msn=12"), Ok(Some(wish(12, None))));
        assert_eq!(parse("x&_HLS_part=3&_HLS_msn=12&y=1"), Ok(Some(wish(12, 3))));
        assert_eq!(parse("_HLS_msn=99999999999999999999999&_HLS_part=99999999999"), Ok(Some(wish(i64::MAX, u32::MAX))));
        for bad in [
            "_HLS_msn",
            "_HLS_msn=",
            "_HLS_msn=-1",
            "_HLS_msn=+1",
            "_HLS_msn=1.5",
            "_HLS_msn=1&_HLS_msn=1",
            "_HLS_part=1",
            "_HLS_msn=1&_HLS_part=x",
            "_HLS_msn=%31",
        ] {
            assert_eq!(parse(bad), Err(()), "{bad}");
        }
    }

    #[test]
    fn too_far_is_as_the_rfc_has_it() {
        // The last whole segment is 9; of 10, two parts are listed.
        let edge = Edge { next: GopId(10), parts: 2 };
        for near in [wish(0, None), wish(9, 500), wish(10, None), wish(10, 16), wish(11, None), wish(11, 14)] {
            assert!(!is_too_far(near, edge, 15), "{near:?}");
        }
        for far in [wish(12, None), wish(10, 17), wish(11, 15), wish(i64::MAX, None), wish(i64::MAX, u32::MAX), wish(10, u32::MAX)] {
            assert!(is_too_far(far, edge, 15), "{far:?}");
        }
    }

    #[test]
    fn a_wish_is_met_by_the_first_playlist_that_has_it() {
        let at = |next, parts| Edge { next: GopId(next), parts };
        let met = |edge, wish, parts: Option<usize>| has(edge, wish, || parts);
        assert!(met(at(10, 0), wish(9, None), None) && !met(at(10, 7), wish(10, None), None));
        assert!(met(at(10, 2), wish(10, 1), None) && !met(at(10, 2), wish(10, 2), None));
        // Segment 9 has five parts: its sixth is the first of segment 10.
        assert!(met(at(10, 0), wish(9, 4), Some(5)) && !met(at(10, 0), wish(9, 5), Some(5)) && met(at(10, 1), wish(9, 5), Some(5)));
        assert!(met(at(10, 0), wish(9, 5), None), "where nothing is known of parts, a whole segment has them all");
        assert!(met(at(11, 0), wish(9, 5), Some(5)) && !met(at(9, 9), wish(10, 0), None));
    }
}

//! Segments from the disk, in blocks that are read off the server's thread.

use super::App;
use super::answer::{self, Asked, FLEETING, FOREVER, Whole, refusal};
use super::live::say;
use crate::sink::store::{Absent, Filed};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

/// Bytes that are read at once.
const BLOCK: usize = 128 << 10;

/// What is being sent of a file. Its place among those that the disk serves at once is taken until it ends.
struct Reading {
    file: Arc<File>,
    rest: Range<usize>,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn answer(app: &App, path: &str, filed: Filed, asked: Asked<'_>) -> Response {
    let Ok(place) = app.load.disk().try_acquire_owned() else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, FLEETING, "the disk is busy with older segments\n");
    };
    let content_type = filed.content_type;
    let opened = match spawn_blocking(move || filed.open()).await.map_err(std::io::Error::other).and_then(|opened| opened) {
        Ok(opened) => opened,
        Err(e) => {
            tracing::warn!(path, "a segment that should be on the disk cannot be served: {e}");
            app.store.looked(path, None);
            return say(Absent::Gone, app);
        }
    };
    app.store.looked(path, Some(&opened.etag));
    let length = usize::try_from(opened.size).unwrap_or(usize::MAX);
    let about = Whole { content_type, etag: &opened.etag, length, cache: FOREVER, ranges: true };
    answer::whole(asked, &about, |rest| {
        let reading = Reading { file: Arc::new(opened.file), rest, _place: place };
        Body::from_stream(stream::try_unfold(reading, read))
    })
}

async fn read(mut reading: Reading) -> std::io::Result<Option<(Bytes, Reading)>> {
    if reading.rest.is_empty() {
        return Ok(None);
    }
    let (file, at, take) = (Arc::clone(&reading.file), reading.rest.start, reading.rest.len().min(BLOCK));
    let block = spawn_blocking(move || {
        let mut block = vec![0; take];
        file.read_exact_at(&mut block, at as u64).map(|()| Bytes::from(block))
    });
    let block = block.await.map_err(std::io::Error::other)??;
    reading.rest.start += take;
    Ok(Some((block, reading)))
}

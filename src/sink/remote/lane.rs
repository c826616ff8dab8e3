//! What runs on the thread of a destination: a task for each track, one for texts, one that fills in.

use super::failure::{Failure, Kind};
use super::queue::{Filled, Queue, TEXTS, Work};
use super::track::Piece;
use super::{Carrier, PATIENCE, Shared, Upload};
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// What a request may take beyond the media's own time; more is counted.
const BUDGET: Duration = Duration::from_secs(2);
/// The first pause before a request is made again; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Until the destination is told to stop.
pub async fn run<C: Carrier>(shared: Arc<Shared<C>>) {
    let mut lanes = 0;
    tokio::task::spawn_local(fill(Arc::clone(&shared)));
    while !shared.stopped.load(Relaxed) {
        let changed = shared.changed.notified();
        let there = shared.queue().lanes.len();
        for index in lanes..there {
            if index == TEXTS {
                tokio::task::spawn_local(texts(Arc::clone(&shared)));
            } else {
                tokio::task::spawn_local(media(Arc::clone(&shared), index));
            }
        }
        lanes = there;
        if !shared.stopped.load(Relaxed) {
            changed.await;
        }
    }
}

/// What `choose` gives, as soon as it gives anything.
async fn next<C, T>(shared: &Shared<C>, mut choose: impl FnMut(&mut Queue) -> Option<T>) -> T
where
    C: Carrier,
{
    loop {
        let changed = shared.changed.notified();
        let found = choose(&mut shared.queue());
        match found {
            Some(found) => return found,
            None => changed.await,
        }
    }
}

/// A connection, and which track's init segment it has seen.
struct Line<C: Carrier> {
    line: C::Line,
    greeted: Option<usize>,
}

impl<C: Carrier> Line<C> {
    fn new() -> Line<C> {
        Line { line: C::Line::default(), greeted: None }
    }

    fn close(&mut self, shared: &Shared<C>) {
        shared.carrier.close(&mut self.line);
        self.greeted = None;
    }

    /// Connected, within the time that a connection may take.
    async fn ready(&mut self, shared: &Shared<C>) -> Result<(), Failure> {
        let limit = shared.segment.max(shared.rules.connect);
        let slow = || Failure::new(Kind::Connect, format!("no connection within {} ms", limit.as_millis()));
        if timeout(limit, shared.carrier.ready(&mut self.line)).await.unwrap_or_else(|_| Err(slow()))? {
            shared.counts.connections.fetch_add(1, Relaxed);
            self.greeted = None;
        }
        Ok(())
    }

    /// The init segment of a track, where this connection has not seen it.
    async fn greet(&mut self, shared: &Shared<C>, lane: usize) -> Result<(), Failure> {
        let init = shared.queue().lanes.get(lane).and_then(|lane| lane.init.clone());
        let Some((path, bytes)) = init.filter(|_| self.greeted != Some(lane)) else { return Ok(()) };
        let content_type = shared.content_type(&path);
        let upload = Upload { path: &path, immutable: true, content_type, body: super::Growing::whole(bytes), verdict: None };
        self.put(shared, &upload).await?;
        self.greeted = Some(lane);
        Ok(())
    }

    /// One request, within its time: the media's own, and then as much as a segment lasts.
    async fn put(&mut self, shared: &Shared<C>, upload: &Upload<'_>) -> Result<(), Failure> {
        let started = Instant::now();
        shared.counts.requests.fetch_add(1, Relaxed);
        let allowed = if shared.live { shared.segment.max(BUDGET) } else { PATIENCE };
        let making = shared.segment.saturating_mul(4) + Duration::from_secs(10);
        let over = async {
            let whole = timeout(making, upload.body.settled()).await.ok().flatten();
            let from = whole.map_or(started, |since| Instant::from_std(since).max(started));
            tokio::time::sleep_until(from + BUDGET).await;
            shared.counts.over_budget.fetch_add(1, Relaxed);
            tokio::time::sleep_until(from + allowed).await;
        };
        let slow = || Failure::new(Kind::Slow, format!("{}: not taken {} ms after it was made", upload.path, allowed.as_millis()));
        let done = tokio::select! {
            done = shared.carrier.put(&mut self.line, upload) => done,
            () = over => Err(slow()),
        };
        if done.is_ok() {
            let length = upload.body.get().map_or(0, |(bytes, _)| bytes.len() as u64);
            shared.counts.bytes.fetch_add(length, Relaxed);
            // An answer that came before the body was whole took no time of it.
            let whole = upload.body.settled().now_or_never().flatten();
            shared.counts.took(whole.map_or(Duration::ZERO, |since| Instant::from_std(since).max(started).elapsed()));
        }
        done
    }

    /// Connection, init segment, segment.
    async fn segment(&mut self, shared: &Shared<C>, lane: usize, piece: &Piece) -> Result<(), Failure> {
        self.ready(shared).await?;
        self.greet(shared, lane).await?;
        let content_type = shared.content_type(&piece.path);
        let upload = Upload { path: &piece.path, immutable: true, content_type, body: piece.body.clone(), verdict: piece.verdict.get().cloned() };
        self.put(shared, &upload).await
    }
}

/// The segments of a track, in order, over one connection.
async fn media<C: Carrier>(shared: Arc<Shared<C>>, lane: usize) {
    let mut line = Line::<C>::new();
    loop {
        match next(&shared, |queue| queue.take(lane)).await {
            Work::Segment(piece) => {
                let there = send(&shared, &mut line, lane, &piece).await;
                let mut queue = shared.queue();
                if there {
                    shared.counts.segments.fetch_add(1, Relaxed);
                    queue.delivered(lane, &piece);
                } else {
                    if piece.body.is_aborted() {
                        shared.counts.torn.fetch_add(1, Relaxed);
                    }
                    queue.deferred(lane, &piece);
                }
            }
            // It shows early whether the address is right; where it fails, the first segment tries again.
            Work::Greet => {
                let greeted = async {
                    line.ready(&shared).await?;
                    line.greet(&shared, lane).await
                };
                match greeted.await {
                    Ok(()) => shared.counts.well(lane),
                    Err(failure) => give_way(&shared, &mut line, lane, &failure),
                }
            }
            Work::Text { .. } | Work::Remove { .. } => {}
        }
        shared.told();
    }
}

/// A request failed: it is counted, and its connection given up where it is of no use.
fn give_way<C: Carrier>(shared: &Shared<C>, line: &mut Line<C>, lane: usize, failure: &Failure) {
    shared.counts.failed(lane, failure);
    if failure.closes() {
        line.close(shared);
    }
    if failure.kind == Kind::Uninitialised {
        line.greeted = None;
    }
}

/// A segment, tried for as long as a segment lasts after it was made. Whether it is there.
async fn send<C: Carrier>(shared: &Shared<C>, line: &mut Line<C>, lane: usize, piece: &Piece) -> bool {
    let started = Instant::now();
    let mut pause = PAUSE;
    let mut greeted_again = false;
    loop {
        let failure = match line.segment(shared, lane, piece).await {
            Ok(()) => {
                shared.counts.well(lane);
                return true;
            }
            Err(failure) => failure,
        };
        if piece.body.is_aborted() {
            line.close(shared);
            return false;
        }
        give_way(shared, line, lane, &failure);
        let wait = match failure.kind {
            Kind::Uninitialised if !greeted_again => Duration::ZERO,
            Kind::Refused | Kind::Uninitialised | Kind::Slow if shared.live => return false,
            Kind::Throttled => failure.after.unwrap_or(pause).min(shared.segment.max(MAX_PAUSE)),
            _ => pause,
        };
        greeted_again |= failure.kind == Kind::Uninitialised;
        pause = (pause * 2).min(MAX_PAUSE);
        let now = Instant::now();
        if shared.live {
            // While it is still being made, the rest of it may find a destination that is back.
            let since = piece.body.get().map_or(now, |(_, whole)| Instant::from_std(whole).max(started));
            if now + wait > since + shared.segment {
                if failure.kind == Kind::Throttled {
                    // It asked for it; the next segment can wait as long.
                    sleep(wait.min(shared.segment)).await;
                }
                return false;
            }
        } else if now > started + PATIENCE {
            let mut broke = shared.broke.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            broke.get_or_insert_with(|| format!("{}: not taken for {} s: {failure}", piece.path, PATIENCE.as_secs()));
            return false;
        }
        shared.counts.retries.fetch_add(1, Relaxed);
        sleep(wait).await;
    }
}

/// Playlists and manifests, and what is to be deleted.
async fn texts<C: Carrier>(shared: Arc<Shared<C>>) {
    let mut line = Line::<C>::new();
    loop {
        let work = next(&shared, |queue| queue.take(TEXTS)).await;
        match &work {
            Work::Text { path, bytes } => text(&shared, &mut line, path, bytes).await,
            Work::Remove { path } => remove(&shared, &mut line, path).await,
            Work::Greet | Work::Segment(_) => {}
        }
        shared.queue().texts_busy = false;
        shared.told();
    }
}

/// A text, until it is there, or a newer one waits, or a segment has gone by; at the end, until it is there.
async fn text<C: Carrier>(shared: &Shared<C>, line: &mut Line<C>, path: &str, bytes: &bytes::Bytes) {
    let started = Instant::now();
    let mut pause = PAUSE;
    loop {
        let content_type = shared.content_type(path);
        let upload = Upload { path, immutable: false, content_type, body: super::Growing::whole(bytes.clone()), verdict: None };
        let sent = async {
            line.ready(shared).await?;
            line.put(shared, &upload).await
        };
        let Err(failure) = sent.await else { return shared.counts.well(TEXTS) };
        give_way(shared, line, TEXTS, &failure);
        let waits = started.elapsed() < shared.segment || shared.closed.load(Relaxed) || !shared.live && started.elapsed() < PATIENCE;
        let means_it = matches!(failure.kind, Kind::Refused | Kind::Uninitialised);
        if shared.queue().has_newer(path) || !waits || means_it {
            shared.counts.texts_dropped.fetch_add(1, Relaxed);
            return;
        }
        shared.counts.retries.fetch_add(1, Relaxed);
        sleep(failure.after.unwrap_or(pause).min(shared.segment)).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Once; what is left behind costs the destination room and nobody else anything.
async fn remove<C: Carrier>(shared: &Shared<C>, line: &mut Line<C>, path: &str) {
    let deleted = async {
        line.ready(shared).await?;
        shared.counts.requests.fetch_add(1, Relaxed);
        let slow = || Failure::new(Kind::Slow, format!("{path}: not deleted within {} ms", BUDGET.as_millis()));
        timeout(BUDGET, shared.carrier.delete(&mut line.line, path)).await.unwrap_or_else(|_| Err(slow()))
    };
    match deleted.await {
        Ok(()) => {
            shared.counts.deleted.fetch_add(1, Relaxed);
            shared.counts.well(TEXTS);
        }
        Err(failure) => give_way(shared, line, TEXTS, &failure),
    }
}

/// What was missed, one after the other over a connection of its own, where its track is well again.
async fn fill<C: Carrier>(shared: Arc<Shared<C>>) {
    let mut line = Line::<C>::new();
    loop {
        let (lane, piece) = next(&shared, Queue::take_missing).await;
        let outcome = match line.segment(&shared, lane, &piece).await {
            Ok(()) => {
                shared.counts.segments.fetch_add(1, Relaxed);
                Filled::There
            }
            Err(failure) => {
                // Counted, but no trouble of the track: that is well.
                shared.counts.missed(&failure);
                line.close(&shared);
                if failure.kind == Kind::Refused { Filled::Never } else { Filled::Again }
            }
        };
        shared.queue().filled(lane, &piece, outcome);
        shared.told();
        if outcome == Filled::Again {
            sleep(shared.segment / 2).await;
        }
    }
}

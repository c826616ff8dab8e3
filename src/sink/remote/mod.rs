//! Destinations behind a network: each has a thread, a queue and failures of its own, and holds nobody up.
//!
//! ```text
//! sink ── publish() ──► queue ──┬─► lane of a track ─► its own connection: init, segments
//!          returns at once      ├─► lane of texts ───► playlists and manifests, each after what it lists; what is to be deleted
//!                               └─► filler ──────────► what was missed, where its track is well again
//! ```

pub mod counts;
pub mod failure;
pub mod growing;
mod lane;
mod queue;
pub mod texts;
mod track;

use super::held::Held;
use super::{Context, Publish, Sink, SinkError};
use crate::job::Pace;
use crate::job::output::{Backlog, Keep};
use crate::time::Seconds;
use crate::verdict::Verdict;
use counts::Counts;
use failure::Failure;
use growing::Growing;
use queue::{Limits, Queue};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A destination at full speed that takes nothing for this long ends the run.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Live, a destination that takes nothing for this long, or two segments, is not waited for at the end.
const DEAD: Duration = Duration::from_secs(4);

/// One thing that is sent.
pub(in crate::sink) struct Upload<'a> {
    /// Relative path.
    pub path: &'a str,
    /// Whether it will never change under this path.
    pub immutable: bool,
    /// Media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Growing,
    /// What is known of it beside them.
    pub verdict: Option<Arc<Verdict>>,
}

/// What makes requests of one kind of destination. Every call is bounded by its caller, which drops it.
pub(in crate::sink) trait Carrier: Send + Sync + 'static {
    /// A connection, of one lane.
    type Line: Default;
    /// Whether bodies may be sent while they are made.
    fn takes_chunks(&self) -> bool;
    /// Connects, where there is no connection. Whether it is a new one, which needs the init segment first.
    async fn ready(&self, line: &mut Self::Line) -> Result<bool, Failure>;
    /// Sends one thing.
    async fn put(&self, line: &mut Self::Line, upload: &Upload<'_>) -> Result<(), Failure>;
    /// Deletes one thing; that it is not there is no failure.
    async fn delete(&self, line: &mut Self::Line, path: &str) -> Result<(), Failure>;
    /// Gives the connection up: the next one is made anew, its name resolved again.
    fn close(&self, line: &mut Self::Line);
}

/// What is done with what is published.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink) struct Rules {
    /// What waits at most.
    pub backlog: Backlog,
    /// Which manifests.
    pub manifests: Manifests,
    /// Whether what leaves the window is deleted.
    pub delete: bool,
    /// Which window that is.
    pub keep: Keep,
    /// The least time that a connection is waited for.
    pub connect: Duration,
}

pub use crate::job::output::Manifests;

/// What the threads share.
pub(in crate::sink) struct Shared<C> {
    carrier: C,
    rules: Rules,
    audio: Vec<String>,
    segment: Duration,
    live: bool,
    queue: Mutex<Queue>,
    /// Something changed: for lanes.
    changed: Notify,
    /// Likewise, for those who publish.
    moved: Condvar,
    closed: AtomicBool,
    stopped: AtomicBool,
    broke: Mutex<Option<String>>,
    counts: Arc<Counts>,
}

/// A destination behind a network.
pub(in crate::sink) struct Remote<C: Carrier> {
    shared: Arc<Shared<C>>,
    thread: Option<JoinHandle<()>>,
    held: Held,
    told_gone: bool,
}

impl<C: Carrier> Remote<C> {
    /// Starts its thread, called `name`. `counts` are shown in the status of `context`.
    pub fn start(carrier: C, rules: Rules, name: &str, counts: Arc<Counts>, context: &Context) -> Result<Remote<C>, SinkError> {
        let live = context.pace == Pace::Live;
        let fill = rules.backlog.fill_in.unwrap_or(context.segment.times(3));
        let (num, den) = context.segment.fraction();
        let fill = if num > 0 { fill.times(den).over(num).ceil_ticks(1) } else { 3 };
        let limits = Limits { bytes: rules.backlog.bytes, fill, live };
        let queue = Queue::new(limits, &context.tracks(), Arc::clone(&counts));
        let shared = Arc::new(Shared {
            carrier,
            rules,
            audio: context.audio.clone(),
            segment: context.segment.max(Seconds::new(1, 5)).to_duration(),
            live,
            queue: Mutex::new(queue),
            changed: Notify::new(),
            moved: Condvar::new(),
            closed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            broke: Mutex::default(),
            counts: Arc::clone(&counts),
        });
        let wrong = |e: std::io::Error| SinkError { path: counts.shown().to_owned(), why: format!("its thread could not be started: {e}") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build().map_err(wrong)?;
        let running = Arc::clone(&shared);
        let run = move || {
            tokio::task::LocalSet::new().block_on(&runtime, lane::run(running));
            // A name server that does not answer is left behind.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(wrong)?;
        context.status.watch_output(counts);
        Ok(Remote { shared, thread: Some(thread), held: Held::new(rules.keep), told_gone: false })
    }

    /// Waits for room, where this destination is waited for.
    fn wait_for_room(&self) -> Result<(), SinkError> {
        let mut queue = self.shared.queue();
        while !queue.has_room() {
            self.shared.unbroken()?;
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return Err(SinkError { path: self.shared.counts.shown().to_owned(), why: "its thread is gone".to_owned() });
            }
            let waited = self.shared.moved.wait_timeout(queue, Duration::from_secs(1));
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.shared.unbroken()
    }
}

impl<C: Carrier> Shared<C> {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the queue was changed, and is free again.
    fn told(&self) {
        self.changed.notify_waiters();
        self.moved.notify_all();
    }

    fn unbroken(&self) -> Result<(), SinkError> {
        let broke = self.broke.lock().unwrap_or_else(PoisonError::into_inner).clone();
        broke.map_or(Ok(()), |why| Err(SinkError { path: self.counts.shown().to_owned(), why }))
    }

    fn content_type(&self, path: &str) -> &'static str {
        let audio = path.split_once('/').is_some_and(|(track, _)| self.audio.iter().any(|name| name == track));
        super::media_type(path, audio)
    }
}

impl<C: Carrier> Sink for Remote<C> {
    /// Chunks, where bodies may be sent while they are made; but texts that speak of whole segments, for nobody can ask here for a part.
    fn wants(&self, item: &Publish) -> bool {
        match item {
            Publish::Chunk { .. } | Publish::Abort { .. } => self.shared.carrier.takes_chunks(),
            Publish::Text { .. } if self.shared.rules.manifests == Manifests::None => false,
            Publish::Remove { .. } => self.shared.rules.delete,
            item => item.concerns(false),
        }
    }

    fn publish(&mut self, item: &Publish) -> Result<(), SinkError> {
        if !self.shared.live {
            self.wait_for_room()?;
        }
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) && !self.told_gone {
            self.told_gone = true;
            tracing::error!(output = self.shared.counts.shown(), "the thread of the output is gone: nothing more is sent there");
        }
        match item {
            Publish::Text { path, bytes, readers, edge } if self.shared.rules.manifests == Manifests::Ingest && path.ends_with(".mpd") => {
                let bytes = texts::ingest_manifest(bytes);
                self.shared.queue().publish(&Publish::Text { path: path.clone(), bytes, readers: *readers, edge: *edge });
            }
            Publish::Remove { path } if !self.held.leaves(path) => {}
            Publish::Segment { number, slot_end, .. } => {
                let old = self.held.shown(*number, *slot_end);
                let mut queue = self.shared.queue();
                queue.publish(item);
                old.into_iter().for_each(|path| queue.publish(&Publish::Remove { path }));
            }
            item => self.shared.queue().publish(item),
        }
        self.shared.told();
        Ok(())
    }

    /// Live: brings out what it can until `deadline`. At full speed: everything, for as long as the destination takes anything.
    fn finish(&mut self, deadline: Instant) -> Result<(), SinkError> {
        self.shared.closed.store(true, Relaxed);
        let began = Instant::now();
        let silence = DEAD.max(self.shared.segment * 2);
        let mut queue = self.shared.queue();
        queue.close();
        self.shared.changed.notify_waiters();
        while !queue.is_idle() && self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            let left = deadline.saturating_duration_since(Instant::now());
            let silent = self.shared.counts.last_well().map_or(began, |last| last.max(began)).elapsed();
            if self.shared.live && (left.is_zero() || silent > silence) || self.shared.unbroken().is_err() {
                break;
            }
            let wait = if self.shared.live { left.min(Duration::from_millis(200)) } else { Duration::from_secs(1) };
            let waited = self.shared.moved.wait_timeout(queue, wait);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.give_up();
        drop(queue);
        self.shared.unbroken()
    }
}

impl<C: Carrier> Drop for Remote<C> {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Relaxed);
        self.shared.told();
        let Some(thread) = self.thread.take() else { return };
        // It never blocks: what it waits for is dropped.
        if thread.join().is_err() {
            tracing::error!(output = self.shared.counts.shown(), "the thread of the output had panicked");
        }
    }
}

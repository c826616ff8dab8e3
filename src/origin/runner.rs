//! The thread that decides: takes what came, in order, and what is due, and publishes. And the one that writes to the disk behind it.

use super::answer::{Fate, Refusal};
use super::counts::Snapshot;
use super::desk::{Desk, Out};
use super::judge::Pushed;
use super::kept::Kept;
use super::mask::Mask;
use crate::metrics::{self, Page};
use crate::serve::Publisher;
use crate::sink::store::Store;
use crate::sink::{Publish, Sink};
use crate::stop::Stop;
use crate::time::{GopId, Seconds};
use bytes::Bytes;
use crossbeam::channel::{Receiver, Sender, select};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::oneshot;

/// Bodies that wait for the desk. More are told to come back.
pub const QUEUE: usize = 256;
/// Things that wait for the disk. More are not written, and counted.
pub const DISK_QUEUE: usize = 1024;
/// The longest that it sleeps: the host's clock may be set.
const NAP: Duration = Duration::from_millis(500);

/// What came.
pub(super) enum Message {
    Init { pipeline: String, track: String, bytes: Bytes, reply: oneshot::Sender<Result<Fate, Refusal>> },
    Segment { pipeline: String, track: String, number: GopId, pushed: Pushed, reply: oneshot::Sender<Result<Fate, Refusal>> },
    Piece { pipeline: String, track: String, number: GopId, index: u32, bytes: Bytes },
    BrokenOff { pipeline: String, track: String, number: GopId },
    Mask { wanted: Option<(Mask, bool)>, reply: oneshot::Sender<Result<Vec<Mask>, String>> },
}

/// What others see of the desk.
#[derive(Default)]
pub struct View {
    shown: RwLock<Shown>,
    /// Things that were not written to the disk.
    unwritten: AtomicU64,
    write_error: Mutex<Option<String>>,
}

#[derive(Default)]
struct Shown {
    running: bool,
    live: bool,
    segment: Duration,
    missing: Vec<String>,
    snapshot: Option<Snapshot>,
}

/// The thread's own.
pub(super) struct Runner {
    pub desk: Desk,
    pub store: Store,
    pub disk: Option<Sender<Publish>>,
    pub kept: Option<Kept>,
    pub view: Arc<View>,
}

impl Runner {
    /// Works until `stop` is raised, then through what has come by then.
    pub fn run(mut self, rx: &Receiver<Message>, stop: &Stop) {
        let mut next: Option<Seconds> = None;
        self.show();
        loop {
            let until = next.map_or(NAP, |at| (at - Seconds::host_now()).max(Seconds::ZERO).to_duration().min(NAP));
            select! {
                recv(rx) -> message => match message {
                    Ok(message) => self.take(message),
                    Err(_) => return,
                },
                recv(stop.bell()) -> _ => {
                    rx.try_iter().for_each(|message| self.take(message));
                    return;
                }
                default(until) => {}
            }
            let mut out = Out::default();
            next = self.desk.advance(Seconds::host_now(), &mut out);
            self.publish(out);
            self.show();
        }
    }

    fn take(&mut self, message: Message) {
        let now = Seconds::host_now();
        let mut out = Out::default();
        // Whoever asked may have left; what came is taken all the same.
        match message {
            Message::Init { pipeline, track, bytes, reply } => {
                let fate = self.desk.pipeline(&pipeline).and_then(|pipeline| self.desk.init(pipeline, &track, bytes, &mut out));
                self.publish(out);
                let _ = reply.send(fate);
            }
            Message::Segment { pipeline, track, number, pushed, reply } => {
                let fate = self.desk.pipeline(&pipeline).and_then(|pipeline| self.desk.segment(pipeline, &track, number, pushed, now, &mut out));
                self.publish(out);
                let _ = reply.send(fate);
            }
            Message::Piece { pipeline, track, number, index, bytes } => {
                if let Ok(pipeline) = self.desk.pipeline(&pipeline) {
                    self.desk.piece(pipeline, &track, number, index, bytes, &mut out);
                    self.publish(out);
                }
            }
            Message::BrokenOff { pipeline, track, number } => {
                if let Ok(pipeline) = self.desk.pipeline(&pipeline) {
                    self.desk.broken_off(pipeline, &track, number);
                }
            }
            Message::Mask { wanted, reply } => {
                let done = wanted.map_or(Ok(()), |(mask, hide)| self.mask(mask, hide));
                let _ = reply.send(done.map(|()| self.desk.masks().to_vec()));
            }
        }
    }

    /// It holds from now on, also where it cannot be kept: whoever asked is told by the log and the status.
    fn mask(&mut self, mask: Mask, hide: bool) -> Result<(), String> {
        tracing::info!("{mask} is {}", if hide { "masked" } else { "no longer masked" });
        self.desk.mask(mask, hide)?;
        if let Some(Err(error)) = self.kept.as_ref().map(|kept| kept.store(self.desk.masks())) {
            self.view.fails(&error.to_string());
        }
        Ok(())
    }

    /// Memory first, where it can be read at once; the disk behind it.
    pub fn publish(&mut self, out: Out) {
        for item in out.items {
            if let Publish::Init { path, .. } = &item {
                path.split('/').next().filter(|track| self.desk.is_sound(track)).into_iter().for_each(|track| self.store.carries_sound(track));
            }
            if item.concerns(true)
                && let Err(error) = self.store.publish(&item)
            {
                tracing::error!("{error}");
            }
            if let Some(disk) = &self.disk
                && item.concerns(false)
                && disk.try_send(item).is_err()
            {
                self.view.fails("it is too slow, or gone");
            }
        }
        self.desk.readable(&out.ready, Seconds::host_now());
    }

    fn show(&self) {
        let now = Seconds::host_now();
        let segment = self.desk.segment_duration();
        let snapshot = Snapshot {
            state: if self.desk.over {
                "ended"
            } else if self.desk.open {
                "running"
            } else {
                "waiting"
            },
            now: now.to_rfc3339(),
            segment_ms: segment.map(|s| s.nearest_ticks(1000)),
            pipelines: self.desk.settings.pipelines.clone(),
            tracks: self.desk.snapshot(now),
            masks: self.desk.masks().to_vec(),
            unwritten: self.view.unwritten.load(Relaxed),
            write_error: self.view.write_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        let mut shown = self.view.shown.write().unwrap_or_else(PoisonError::into_inner);
        *shown = Shown {
            running: segment.is_some() && !self.desk.over,
            live: self.desk.is_live(now),
            segment: segment.unwrap_or(Seconds::TWO).to_duration(),
            missing: self.desk.missing(),
            snapshot: Some(snapshot),
        };
    }
}

/// Writes to the disk until nothing comes any more. What fails is counted, and the rest goes on: players are served from memory.
pub(super) fn write(mut sink: Box<dyn Sink>, rx: &Receiver<Publish>, view: &View) {
    for item in rx {
        if let Err(error) = sink.publish(&item) {
            view.fails(&error.to_string());
        }
    }
}

impl View {
    fn fails(&self, why: &str) {
        if self.unwritten.fetch_add(1, Relaxed).is_multiple_of(100) {
            tracing::error!("the output directory: {why}");
        }
        *self.write_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }

    fn read<T>(&self, what: impl FnOnce(&Shown) -> T) -> T {
        what(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Publisher for View {
    fn is_running(&self) -> bool {
        self.read(|s| s.running)
    }

    fn is_live(&self) -> bool {
        self.read(|s| s.live)
    }

    fn segment_duration(&self) -> Duration {
        self.read(|s| s.segment)
    }

    fn missing(&self) -> Vec<String> {
        self.read(|s| match &s.snapshot {
            Some(snapshot) if !snapshot.tracks.is_empty() => s.missing.clone(),
            _ => vec!["nothing was pushed yet".to_owned()],
        })
    }

    fn metrics(&self, page: &mut Page) {
        self.read(|s| s.snapshot.iter().for_each(|snapshot| metrics::origin(snapshot, page)));
    }

    fn snapshot(&self) -> serde_json::Value {
        self.read(|s| serde_json::to_value(&s.snapshot).unwrap_or_default())
    }
}

//! What happened, for who operates the worker: a bounded ring of events that any stage may add to and any number of readers follow. Nothing here blocks, and nothing is
//! ever read back by a stage. `/v1/events` shows it (`docs/api.md`).
//!
//! - `kind`: what can happen; `content`: what the verdicts on segments tell; `observer`: what two looks at the status tell

mod content;
mod kind;
mod observer;

use crate::time::{GopId, Seconds};
pub use content::Content;
pub use kind::{Kind, Level};
pub use observer::Observer;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use utoipa::ToSchema;

/// Events that are kept. A reader that is further behind loses the oldest, and is told how many.
pub const KEPT: usize = 1000;

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Event {
    /// Rises by one with each event; across restarts, too, for the first is the milliseconds since 1970 at which the process began.
    pub id: u64,
    /// When, by the host's clock, RFC 3339.
    pub time: String,
    /// How bad it is.
    pub level: Level,
    /// What happened.
    pub kind: Kind,
    /// The rung or track that it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// The input, from 1: the first feed or path, or the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u32>,
    /// The output, from 1, as in the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u32>,
    /// Number of the segment that it begins with, or is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<i64>,
    /// It in words.
    pub text: String,
}

/// An event to be, without its id and time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    kind: Kind,
    track: Option<String>,
    input: Option<u32>,
    output: Option<u32>,
    segment: Option<i64>,
    text: String,
}

impl Note {
    /// That `kind` happened, in words.
    pub fn new(kind: Kind, text: impl Into<String>) -> Note {
        Note { kind, track: None, input: None, output: None, segment: None, text: text.into() }
    }

    /// To this track.
    pub fn track(self, track: impl Into<String>) -> Note {
        Note { track: Some(track.into()), ..self }
    }

    /// To this input, from 0.
    pub fn input(self, place: usize) -> Note {
        Note { input: u32::try_from(place + 1).ok(), ..self }
    }

    /// To this output, from 0.
    pub fn output(self, place: usize) -> Note {
        Note { output: u32::try_from(place + 1).ok(), ..self }
    }

    /// At this segment.
    pub fn segment(self, segment: GopId) -> Note {
        Note { segment: Some(segment.0), ..self }
    }

    /// What it is of.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// The ring, and news of it. Shared by `Arc`.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<Ring>,
    /// The id of the newest event; nothing more comes once its sender is told so.
    news: watch::Sender<News>,
}

#[derive(Debug)]
struct Ring {
    /// The id of the first event of this process, and of the next.
    first: u64,
    next: u64,
    kept: VecDeque<Arc<Event>>,
}

/// How far the ring is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct News {
    /// The id of the newest event; 0 where there is none.
    pub newest: u64,
    /// Nothing more comes.
    pub over: bool,
}

/// What a reader has not seen yet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Behind {
    /// Events that are not kept any more, and that it never saw.
    pub lost: u64,
    /// The others, oldest first.
    pub events: Vec<Arc<Event>>,
}

impl Default for Events {
    fn default() -> Events {
        let now = Seconds::host_now().nearest_ticks(1000);
        let next = u64::try_from(now).unwrap_or(0).max(1);
        Events { ring: Mutex::new(Ring { first: next, next, kept: VecDeque::with_capacity(KEPT) }), news: watch::Sender::new(News::default()) }
    }
}

impl Events {
    /// Adds an event. The oldest goes where there is no more room.
    pub fn emit(&self, note: Note) {
        let Note { kind, track, input, output, segment, text } = note;
        let mut ring = self.ring();
        let id = ring.next;
        ring.next += 1;
        let time = Seconds::host_now().to_rfc3339();
        if ring.kept.len() == KEPT {
            ring.kept.pop_front();
        }
        ring.kept.push_back(Arc::new(Event { id, time, level: kind.level(), kind, track, input, output, segment, text }));
        drop(ring);
        self.news.send_modify(|news| news.newest = news.newest.max(id));
    }

    /// Nothing more comes: readers are sent away.
    pub fn close(&self) {
        self.news.send_modify(|news| news.over = true);
    }

    /// What came after event `seen`, at most `most` of it; `None`: from the oldest that is kept on. An id that is still to come counts as none, for it is of another worker.
    pub fn after(&self, seen: Option<u64>, most: usize) -> Behind {
        let ring = self.ring();
        let oldest = ring.kept.front().map_or(ring.next, |event| event.id);
        let from = seen.filter(|seen| *seen < ring.next).map_or(oldest, |seen| seen + 1);
        // What another process of this worker told is not counted: ids say nothing of how much that was.
        let lost = oldest.saturating_sub(from.max(ring.first));
        let skip = usize::try_from(from.saturating_sub(oldest)).unwrap_or(usize::MAX);
        Behind { lost, events: ring.kept.iter().skip(skip).take(most).cloned().collect() }
    }

    /// Tells when there is more.
    pub fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Whoever died while it added one left the others whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(events: &Events, n: u64) {
        (0..n).for_each(|i| events.emit(Note::new(Kind::GopsDropped, format!("{i}")).track("v").segment(GopId(7))));
    }

    #[test]
    fn a_reader_gets_what_it_has_not_seen() {
        let events = Events::default();
        assert_eq!(events.after(None, 9), Behind::default());
        told(&events, 3);
        let all = events.after(None, 9);
        assert_eq!(all.events.iter().map(|e| e.text.as_str()).collect::<Vec<_>>(), ["0", "1", "2"]);
        let ids: Vec<u64> = all.events.iter().map(|e| e.id).collect();
        assert!(ids.windows(2).all(|w| w[1] == w[0] + 1), "{ids:?}");
        assert_eq!(events.after(Some(ids[0]), 1).events[0].text, "1", "at most so many");
        assert_eq!(events.after(Some(ids[2]), 9), Behind::default());
        // An id of another worker, ahead of this one's; one of an earlier process.
        for other in [ids[2] + 1, u64::MAX, ids[0] - 1, ids[0] - 100_000, 0] {
            assert_eq!(events.after(Some(other), 9), all, "{other}");
        }
    }

    #[test]
    fn who_is_too_slow_is_told_how_much_it_missed() {
        let events = Events::default();
        told(&events, 1);
        let first = events.after(None, 1).events[0].id;
        told(&events, KEPT as u64 + 4);
        let behind = events.after(Some(first), 2);
        assert_eq!((behind.lost, behind.events[0].text.as_str()), (4, "4"));
        assert_eq!(events.after(None, usize::MAX).events.len(), KEPT);
        assert_eq!(events.after(None, usize::MAX).lost, 0, "who begins has missed nothing");
    }

    #[test]
    fn news_are_heard_and_end() {
        let events = Events::default();
        let mut news = events.news();
        assert!(!news.has_changed().expect("open"));
        told(&events, 2);
        let newest = events.after(None, 9).events[1].id;
        assert_eq!(*news.borrow_and_update(), News { newest, over: false });
        events.close();
        assert!(news.borrow_and_update().over);
    }

    #[test]
    fn what_does_not_apply_is_not_there() {
        let events = Events::default();
        events.emit(Note::new(Kind::OutputFailing, "it does not answer").output(1));
        let shown = serde_json::to_value(&*events.after(None, 1).events[0]).expect("JSON");
        assert_eq!((&shown["kind"], &shown["level"], &shown["output"]), (&"output_failing".into(), &"error".into(), &2.into()));
        assert!(shown.get("track").is_none() && shown.get("segment").is_none(), "{shown}");
    }
}

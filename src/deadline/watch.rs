//! The monitor at work: told by the thread that publishes, and woken by a thread of its own when something is due.

use super::{Event, Makers, Monitor, TrackDeadline};
use crate::events::{Events, Kind, Note};
use crate::metrics::{Histogram, Spans};
use crate::time::{GopId, Grid, Seconds};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The longest that it sleeps while something is due some time: the host's clock may be set.
const NAP: Duration = Duration::from_millis(500);
/// A slot that ended longer ago than this, or is further ahead, is not of today: a recording that plays the part of a live feed. Nothing is due then.
const TODAY: Seconds = Seconds::MINUTE;
const TODAY_MINUTES: i128 = 10;

/// What is due, shared by those who publish and those who ask.
pub struct Watch {
    grid: Grid,
    delay: Seconds,
    names: Vec<String>,
    state: Mutex<State>,
    changed: Condvar,
    headroom: Vec<Histogram<Spans>>,
    events: Arc<Events>,
}

struct State {
    monitor: Monitor,
    stopped: bool,
}

/// Ends the thread when it is dropped.
pub struct Guard {
    watch: Arc<Watch>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Watch {
    /// Watches the tracks of these names, in the order of the plan. What it sees is told to `events`, too.
    pub fn new(grid: Grid, publish_delay: Seconds, names: Vec<String>, makers: Makers, events: Arc<Events>) -> Arc<Watch> {
        let monitor = Monitor::new(grid, publish_delay, names.len(), makers);
        let headroom = names.iter().map(|_| Histogram::default()).collect();
        Arc::new(Watch { grid, delay: publish_delay, names, state: Mutex::new(State { monitor, stopped: false }), changed: Condvar::new(), headroom, events })
    }

    /// Starts the thread. Until the guard is dropped. Nothing new is due once `ending` says that the event is over, or that this worker leaves.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(self: &Arc<Watch>, ending: impl Fn() -> bool + Send + 'static) -> std::io::Result<Guard> {
        let watch = Arc::clone(self);
        let thread = std::thread::Builder::new().name("deadline".to_owned()).spawn(move || watch.run(&ending))?;
        Ok(Guard { watch: Arc::clone(self), thread: Some(thread) })
    }

    fn run(&self, ending: &dyn Fn() -> bool) {
        let mut state = self.state();
        while !state.stopped {
            if ending() {
                state.monitor.end();
            }
            let now = Seconds::host_now();
            let events = state.monitor.tick(now);
            let wakes = state.monitor.wakes();
            if !events.is_empty() {
                drop(state);
                self.tell(&events, Kind::SegmentMissing);
                state = self.state();
                continue;
            }
            state = match wakes {
                Some(at) => {
                    let span = (at - now).max(Seconds::TWO_MILLIS).to_duration().min(NAP);
                    self.changed.wait_timeout(state, span).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// A segment of a track was published.
    pub fn published(&self, track: usize, gop: GopId, at: Seconds) {
        if (at - self.grid.gop_time(gop.next())).abs() >= TODAY.times(TODAY_MINUTES) {
            return;
        }
        let (events, headroom) = {
            let mut state = self.state();
            (state.monitor.published(track, gop, at), state.monitor.due(gop) - super::TOLERANCE - at)
        };
        self.changed.notify_all();
        if let Some(histogram) = self.headroom.get(track) {
            histogram.observe_span(headroom.to_duration());
        }
        self.tell(&events, Kind::SegmentLate);
    }

    /// When a segment is due, counted from the end of its slot.
    pub fn delay(&self) -> Seconds {
        self.delay
    }

    /// What is known of a track now.
    pub fn of(&self, track: usize) -> TrackDeadline {
        self.state().monitor.of(track, Seconds::host_now())
    }

    /// What keeps a track from being on time, in words.
    pub fn late(&self, track: usize) -> Option<String> {
        let (gop, ms) = self.state().monitor.overdue(track, Seconds::host_now())?;
        let name = self.names.get(track)?;
        Some(format!("{name}: segment {gop} is overdue by {}.{:03} s", ms / 1000, ms % 1000))
    }

    /// How long before they were due the segments of a track were published.
    pub fn headroom(&self, track: usize) -> Option<&Histogram<Spans>> {
        self.headroom.get(track)
    }

    /// One line, and one event, for each spell. `overdue`: what it is when one begins.
    fn tell(&self, events: &[Event], overdue: Kind) {
        let name = |track: usize| self.names.get(track).map_or("", String::as_str);
        for event in events {
            match *event {
                Event::Overdue { track, gop } => {
                    tracing::warn!(rung = name(track), segment = gop.0, "not published on time");
                    self.events.emit(Note::new(overdue, "not published on time").track(name(track)).segment(gop));
                }
                Event::OnTime { track, gop, missed } => {
                    tracing::info!(rung = name(track), segment = gop.0, missed, "published on time again");
                    let text = format!("published on time again; {missed} were not");
                    self.events.emit(Note::new(Kind::SegmentsOnTime, text).track(name(track)).segment(gop));
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.watch.state().stopped = true;
        self.watch.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the deadline thread panicked");
        }
    }
}

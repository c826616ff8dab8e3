//! The switch's thread: slots of both feeds in, one of each out.

use super::health::Trouble;
use super::sound::Silence;
use super::switch::{Out, Switch};
use crate::decode::Gone;
use crate::frame::{End, Flow, Frame};
use crate::stop::Stop;
use crate::time::{GopId, Grid};
use crossbeam::channel::{Receiver, SendError, Sender, never, select};
use serde::Serialize;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// One past a feed that does not exist.
const NEITHER: u8 = 3;

/// What the switch counts and shows.
#[derive(Debug)]
pub struct Watch {
    active: AtomicU8,
    /// One past the feed that was asked for; 0 where nothing was asked.
    wanted: AtomicU8,
    switches: AtomicU64,
    late: AtomicU64,
    trouble: Mutex<[Option<Trouble>; 2]>,
}

/// The switch at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct WatchSnapshot {
    /// The feed that is shown: 0 the first input, 1 the second.
    pub active: u8,
    /// How often it changed.
    pub switches: u64,
    /// Slots of the feed that is shown which came when others had been shown for them.
    pub late: u64,
    /// What is wrong with each.
    pub trouble: [Option<Trouble>; 2],
}

impl Default for Watch {
    fn default() -> Watch {
        let (active, wanted) = (AtomicU8::new(0), AtomicU8::new(0));
        Watch { active, wanted, switches: AtomicU64::new(0), late: AtomicU64::new(0), trouble: Mutex::new([None; 2]) }
    }
}

impl Watch {
    /// Asks for a feed, 0 or 1: from the next GOP on, once it has something to show.
    pub fn want(&self, feed: u8) {
        self.wanted.store(feed.min(1) + 1, Relaxed);
    }

    /// Whichever feed the conditions choose, from now on.
    pub fn choose_alone(&self) {
        self.wanted.store(NEITHER, Relaxed);
    }

    /// How it stands.
    pub fn snapshot(&self) -> WatchSnapshot {
        let trouble = *self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        WatchSnapshot { active: self.active.load(Relaxed), switches: self.switches.load(Relaxed), late: self.late.load(Relaxed), trouble }
    }
}

/// Where chosen slots go.
pub struct Outputs {
    /// Every slot, to the downscaler. When full, the switch waits.
    pub frames: Sender<Flow<Frame>>,
    /// The feed of each GOP's sound, one queue for each rung of sound.
    pub chosen: Vec<Sender<Flow<(GopId, usize)>>>,
    /// Raised where the event is over before its feeds are, and no sound is waited for.
    pub stop: Stop,
}

impl Outputs {
    fn sound(&self, item: &Flow<(GopId, usize)>) {
        // One that is gone has failed, and has said so.
        self.chosen.iter().for_each(|chosen| drop(chosen.send(item.clone())));
    }

    fn end(&self, end: End) -> Result<(), Gone> {
        self.sound(&Flow::End(end));
        self.frames.send(Flow::End(end)).map_err(|SendError(_)| Gone("the switch"))
    }
}

/// Body of the thread. Ends when both feeds have; a feed that closes without an end has failed, and is at its end, too.
///
/// # Errors
/// The stage behind is gone.
pub fn run(mut switch: Switch, grid: Grid, feeds: [Receiver<Flow<Frame>>; 2], outputs: &Outputs, silence: &Silence, watch: &Arc<Watch>) -> Result<(), Gone> {
    let (mut out, mut ends, mut told) = (Vec::new(), [None::<End>; 2], false);
    let idle = [never(), never()];
    while ends.iter().any(Option::is_none) {
        let [first, second] = [0, 1].map(|n| if ends[n].is_some() { &idle[n] } else { &feeds[n] });
        let (path, item) = select! {
            recv(first) -> item => (0, item.ok()),
            recv(second) -> item => (1, item.ok()),
        };
        match watch.wanted.swap(0, Relaxed) {
            0 => {}
            wanted => switch.want(usize::from(wanted - 1)),
        }
        match item {
            Some(Flow::Item(frame)) => {
                switch.silent(path, silence.since(path).map(|gop| grid.gop_time(gop)));
                switch.push(path, frame, &mut out);
            }
            Some(Flow::End(end)) => {
                ends[path] = Some(end);
                switch.end(path, &mut out);
            }
            None => {
                ends[path] = Some(End::Ended);
                switch.end(path, &mut out);
            }
        }
        hand_on(&mut out, outputs, watch)?;
        show(&switch, watch);
        if switch.has_all() && !std::mem::replace(&mut told, true) {
            outputs.end(End::Ended)?;
            if outputs.chosen.is_empty() {
                outputs.stop.raise();
            }
        }
    }
    if told {
        return Ok(());
    }
    // Where this worker leaves, the event goes on.
    let end = if ends.contains(&Some(End::Leaving)) { End::Leaving } else { End::Ended };
    outputs.end(end)
}

fn hand_on(out: &mut Vec<Out>, outputs: &Outputs, watch: &Watch) -> Result<(), Gone> {
    for one in out.drain(..) {
        match one {
            Out::Frame(frame) => outputs.frames.send(Flow::Item(frame)).map_err(|SendError(_)| Gone("the switch"))?,
            Out::Sound(gop, path) => outputs.sound(&Flow::Item((gop, path))),
            Out::Switched { at, to, why } => {
                watch.switches.fetch_add(1, Relaxed);
                match why {
                    Some(why) => tracing::warn!(slot = at.0, ?why, "switched to input {}", to + 1),
                    None => tracing::info!(slot = at.0, "switched back to input {}", to + 1),
                }
            }
        }
    }
    Ok(())
}

fn show(switch: &Switch, watch: &Watch) {
    watch.active.store(switch.active() as u8, Relaxed);
    watch.late.store(switch.late, Relaxed);
    *watch.trouble.lock().unwrap_or_else(PoisonError::into_inner) = [switch.trouble(0), switch.trouble(1)];
}

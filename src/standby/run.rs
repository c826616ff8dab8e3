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
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// One past a feed that does not exist.
const NEITHER: u8 = 3;
/// The event goes on.
const GOES_ON: u8 = 0;

/// What the switch counts and shows.
#[derive(Debug)]
pub struct Watch {
    active: AtomicU8,
    /// One past the feed that was asked for; 0 where nothing was asked.
    wanted: AtomicU8,
    switches: AtomicU64,
    late: AtomicU64,
    /// Once the event is over: one past the feed whose failure was its end, or [`NEITHER`].
    over: AtomicU8,
    /// Which feeds are open.
    open: [AtomicBool; 2],
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
        let (switches, late, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU8::new(GOES_ON));
        Watch { active, wanted, switches, late, over, open: Default::default(), trouble: Mutex::new([None; 2]) }
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

    /// Whether the event broke because this feed failed when the other was not there.
    pub fn is_broken_by(&self, feed: usize) -> bool {
        usize::from(self.over.load(Relaxed)) == feed + 1
    }

    /// Whether the event is over.
    pub fn is_over(&self) -> bool {
        self.over.load(Relaxed) != GOES_ON
    }

    /// Says whether a feed is open. Where one no longer is, its end must be told to the switch after this.
    pub fn open(&self, feed: usize, open: bool) {
        self.open.iter().skip(feed).take(1).for_each(|of| of.store(open, Relaxed));
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
    /// Raised where the event is over, and no sound is waited for.
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

/// Body of the thread. A feed that says that it ends, or closes, is away, and may come again until it closes. Where neither is open, the event is over, as the last one of them ended:
/// [`End::Leaving`], where this worker is not asked to stop, is a failure. Ends when both have closed.
///
/// # Errors
/// The stage behind is gone.
pub fn run(mut switch: Switch, grid: Grid, feeds: [Receiver<Flow<Frame>>; 2], outputs: &Outputs, silence: &Silence, watch: &Arc<Watch>) -> Result<(), Gone> {
    let (mut out, mut closed, mut told) = (Vec::new(), [false; 2], false);
    let idle = [never(), never()];
    while closed.contains(&false) {
        let [first, second] = [0, 1].map(|n| if closed[n] { &idle[n] } else { &feeds[n] });
        let (path, item) = select! {
            recv(first) -> item => (0, item.ok()),
            recv(second) -> item => (1, item.ok()),
        };
        match watch.wanted.swap(0, Relaxed) {
            0 => {}
            wanted => switch.want(usize::from(wanted - 1)),
        }
        closed[path] = item.is_none();
        (0..2).for_each(|n| switch.open(n, !closed[n] && watch.open[n].load(Relaxed)));
        let end = match item {
            Some(Flow::Item(frame)) => {
                switch.silent(path, silence.since(path).map(|gop| grid.gop_time(gop)));
                switch.push(path, frame, &mut out);
                End::Ended
            }
            Some(Flow::End(end)) => {
                switch.end(path, &mut out);
                end
            }
            None => {
                switch.end(path, &mut out);
                End::Leaving
            }
        };
        hand_on(&mut out, outputs, watch)?;
        show(&switch, watch);
        if switch.is_over() && !std::mem::replace(&mut told, true) {
            let end = if switch.has_all() { End::Ended } else { end };
            let broken = end == End::Leaving && !outputs.stop.is_raised();
            watch.over.store(if broken { path as u8 + 1 } else { NEITHER }, Relaxed);
            outputs.end(end)?;
            if outputs.chosen.is_empty() {
                outputs.stop.raise();
            }
        }
    }
    Ok(())
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
    *watch.trouble.lock().unwrap_or_else(PoisonError::into_inner) = [0, 1].map(|n| switch.trouble(n).or(switch.is_away(n).then_some(Trouble::Loss)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standby::health::Conditions;
    use crate::time::{Rate, Seconds};
    use crossbeam::channel::{bounded, unbounded};

    /// What the stage behind is told, and whose failure it was, where the feeds end so, in this order.
    fn ended(ends: [(usize, End); 2]) -> (Option<End>, [bool; 2]) {
        let grid = Grid::new(Rate::new(25, 1).expect("a rate"), Seconds::TWO);
        let (first_tx, first) = bounded(0);
        let (second_tx, second) = bounded(0);
        let (frames, got) = unbounded();
        let outputs = Outputs { frames, chosen: Vec::new(), stop: Stop::new() };
        let (watch, stop) = (Arc::new(Watch::default()), outputs.stop.clone());
        let shown = Arc::clone(&watch);
        let switch = Switch::new(grid, Conditions::default(), None);
        let thread = std::thread::spawn(move || run(switch, grid, [first, second], &outputs, &Silence::default(), &watch));
        let feeds = [first_tx, second_tx];
        ends.into_iter().for_each(|(path, end)| feeds[path].send(Flow::End(end)).expect("it listens"));
        drop(feeds);
        thread.join().expect("no panic").expect("somebody is behind it");
        assert!(stop.is_raised());
        let told = got.try_iter().find_map(|item| if let Flow::End(end) = item { Some(end) } else { None });
        (told, [0, 1].map(|path| shown.is_broken_by(path)))
    }

    #[test]
    fn the_event_ends_as_the_last_of_its_feeds() {
        assert_eq!(ended([(1, End::Leaving), (0, End::Ended)]), (Some(End::Ended), [false, false]));
        assert_eq!(ended([(1, End::Ended), (0, End::Leaving)]), (Some(End::Leaving), [true, false]));
    }
}

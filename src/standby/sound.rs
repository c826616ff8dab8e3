//! The sound of each GOP, from the feed whose pictures it shows.

use crate::decode::audio::Over;
use crate::frame::{End, Flow, PcmSegment};
use crate::time::GopId;
use crossbeam::channel::{Receiver, Sender, never, select};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Segments of each feed that wait to be wanted. Full: the oldest goes, which the other feed is shown for.
const KEPT: usize = 8;
/// Samples below this are silence: -60 dB of full scale.
pub const SILENT: f32 = 0.001;

/// From which GOP on each feed has been silent; shared with the switch.
#[derive(Clone, Debug)]
pub struct Silence(Arc<[AtomicI64; 2]>);

impl Default for Silence {
    fn default() -> Silence {
        Silence(Arc::new([AtomicI64::new(i64::MAX), AtomicI64::new(i64::MAX)]))
    }
}

impl Silence {
    /// The first GOP of the silence under way.
    pub fn since(&self, path: usize) -> Option<GopId> {
        self.0.get(path).map(|since| since.load(Relaxed)).filter(|since| *since != i64::MAX).map(GopId)
    }

    fn heard(&self, path: usize, segment: &PcmSegment) {
        let loud = segment.planes.iter().any(|plane| plane.iter().any(|sample| sample.abs() > SILENT));
        let Some(since) = self.0.get(path) else { return };
        if loud {
            since.store(i64::MAX, Relaxed);
        } else {
            since.fetch_min(segment.gop.0, Relaxed);
        }
    }
}

/// Hands one rung the sound of the feed that each GOP's last picture is from.
pub struct Chooser {
    /// The segments of both feeds, in order.
    pub feeds: [Receiver<Flow<PcmSegment>>; 2],
    /// Which feed each GOP is of, in order.
    pub chosen: Receiver<Flow<(GopId, usize)>>,
    /// The rung. When full, this thread waits, and both feeds' sound with it.
    pub rung: Sender<Flow<PcmSegment>>,
    /// Told of silence by the chooser of the first rung.
    pub silence: Option<Silence>,
}

#[derive(Default)]
struct Feed {
    segments: BTreeMap<GopId, PcmSegment>,
    newest: Option<GopId>,
    /// It is at its end, and may come again.
    away: bool,
    /// It never comes again.
    closed: bool,
}

impl Feed {
    /// Whether the segment of `gop` is not going to come.
    fn is_past(&self, gop: GopId) -> bool {
        self.away || self.newest.is_some_and(|newest| newest > gop)
    }

    /// The same, where it is not the one that is shown: that never brought anything, and is not waited for.
    fn is_past_or_absent(&self, gop: GopId) -> bool {
        self.newest.is_none() || self.is_past(gop)
    }
}

impl Chooser {
    /// Runs until the choices have ended and the rung has all that it gets, which `over` is told, or until the rung is gone. What the feeds bring after that is refused.
    pub fn run(self, over: &Over) {
        let (mut feeds, mut owed): ([Feed; 2], VecDeque<(GopId, usize)>) = Default::default();
        let mut end: Option<End> = None;
        let idle = [never(), never()];
        let none = never();
        loop {
            while let Some(segment) = next(&mut feeds, &mut owed, end.is_some()) {
                if self.rung.send(Flow::Item(segment)).is_err() {
                    return;
                }
            }
            if let Some(end) = end.filter(|_| owed.is_empty()) {
                // A rung that is gone has failed, and has said so.
                let _ = self.rung.send(Flow::End(end));
                over.done();
                return;
            }
            let [first, second] = [0, 1].map(|n| if feeds[n].closed { &idle[n] } else { &self.feeds[n] });
            let (path, item) = select! {
                recv(first) -> item => (0, item.ok()),
                recv(second) -> item => (1, item.ok()),
                recv(if end.is_none() { &self.chosen } else { &none }) -> item => {
                    // What has come by now is not missing.
                    for (path, feed) in feeds.iter_mut().enumerate() {
                        self.feeds[path].try_iter().for_each(|item| self.take(path, feed, Some(item)));
                    }
                    match item {
                        Ok(Flow::Item(choice)) => owed.push_back(choice),
                        Ok(Flow::End(how)) => end = Some(how),
                        // The switch broke, and has said so.
                        Err(_) => return,
                    }
                    continue;
                }
            };
            self.take(path, &mut feeds[path], item);
        }
    }

    fn take(&self, path: usize, feed: &mut Feed, item: Option<Flow<PcmSegment>>) {
        feed.closed = item.is_none();
        let Some(Flow::Item(segment)) = item else {
            feed.away = true;
            return;
        };
        feed.away = false;
        self.silence.iter().for_each(|silence| silence.heard(path, &segment));
        feed.newest = Some(segment.gop);
        feed.segments.insert(segment.gop, segment);
        if feed.segments.len() > KEPT {
            feed.segments.pop_first();
        }
    }
}

/// The next segment that can be handed on. Of a feed that was left for the other one, the sound is not waited for where the other has it. `ended`: no choice follows.
fn next(feeds: &mut [Feed; 2], owed: &mut VecDeque<(GopId, usize)>, ended: bool) -> Option<PcmSegment> {
    while let Some(&(gop, path)) = owed.front() {
        let left = owed.iter().any(|(_, later)| *later != path);
        let other = 1 - path.min(1);
        let own = feeds[path.min(1)].segments.remove(&gop);
        let past = feeds[path.min(1)].is_past(gop);
        let theirs = |feeds: &mut [Feed; 2]| if past || left { feeds[other].segments.remove(&gop) } else { None };
        let found = own.map(|own| (own, path)).or_else(|| theirs(feeds).map(|theirs| (theirs, other)));
        // One that has just come again has pictures before it has sound: what it lacks is given up with the choice that follows.
        let sure = ended || owed.len() > 1 || !feeds[path.min(1)].away;
        if found.is_none() && !(sure && past && feeds[other].is_past_or_absent(gop)) {
            return None;
        }
        owed.pop_front();
        feeds.iter_mut().for_each(|feed| feed.segments = feed.segments.split_off(&gop.next()));
        match found {
            Some((segment, path)) => return Some(PcmSegment { path: path as u8, ..segment }),
            None => tracing::warn!(gop = gop.0, "neither feed has sound for this segment"),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::Stop;
    use crossbeam::channel::{bounded, unbounded};

    fn segment(gop: i64, value: f32) -> Flow<PcmSegment> {
        Flow::Item(PcmSegment {
            gop: GopId(gop),
            from: 0,
            more: false,
            first_frame: 0,
            frames: 1,
            lead: 0,
            tail: 0,
            planes: Arc::new(vec![vec![value; 4]]),
            silent_samples: 0,
            damaged: 0,
            clean: true,
            joined: true,
            path: 0,
            last: false,
        })
    }

    /// What the rung gets: the number of each GOP, and the first sample.
    fn run(first: &[Flow<PcmSegment>], second: &[Flow<PcmSegment>], chosen: &[(i64, usize)], silence: &Silence) -> Vec<(i64, f32)> {
        let ((a, first_rx), (b, second_rx), (c, chosen_rx)) = (unbounded(), unbounded(), unbounded());
        first.iter().for_each(|item| a.send(item.clone()).expect("open"));
        second.iter().for_each(|item| b.send(item.clone()).expect("open"));
        chosen.iter().for_each(|(gop, path)| c.send(Flow::Item((GopId(*gop), *path))).expect("open"));
        [&a, &b].into_iter().for_each(|tx| tx.send(Flow::End(End::Ended)).expect("open"));
        c.send(Flow::End(End::Ended)).expect("open");
        let (rung, got) = bounded(64);
        Chooser { feeds: [first_rx, second_rx], chosen: chosen_rx, rung, silence: Some(silence.clone()) }.run(&Over::new(1, &Stop::new()));
        let mut all: Vec<Flow<PcmSegment>> = got.try_iter().collect();
        assert!(matches!(all.pop(), Some(Flow::End(End::Ended))));
        let seen = |item: Flow<PcmSegment>| if let Flow::Item(s) = item { Some((s.gop.0, s.planes[0][0])) } else { None };
        all.into_iter().filter_map(seen).collect()
    }

    #[test]
    fn each_gop_has_the_sound_of_its_feed() {
        let (first, second): (Vec<_>, Vec<_>) = (0..6).map(|gop| (segment(gop, 0.5), segment(gop, 0.25))).unzip();
        let silence = Silence::default();
        let got = run(&first, &second, &[(0, 0), (1, 0), (2, 1), (3, 1), (4, 0)], &silence);
        assert_eq!(got, [(0, 0.5), (1, 0.5), (2, 0.25), (3, 0.25), (4, 0.5)]);
        assert_eq!((silence.since(0), silence.since(1)), (None, None));
    }

    #[test]
    fn what_a_feed_that_was_left_does_not_have_is_taken_from_the_other() {
        let (first, second): (Vec<_>, Vec<_>) = ((0..2).map(|gop| segment(gop, 0.5)).collect(), (0..4).map(|gop| segment(gop, 0.0)).collect());
        let silence = Silence::default();
        assert_eq!(run(&first, &second, &[(0, 0), (1, 0), (2, 0), (3, 1)], &silence), [(0, 0.5), (1, 0.5), (2, 0.0), (3, 0.0)]);
        assert_eq!((silence.since(0), silence.since(1)), (None, Some(GopId(0))));
    }

    /// The first, whose GOP 1 has no sound, ends and comes again; the second never comes.
    #[test]
    fn nothing_is_waited_for_that_never_came_and_a_feed_that_comes_again_is_heard() {
        let ((first, first_rx), (second, second_rx), (chosen, chosen_rx)) = (unbounded(), unbounded(), unbounded());
        let (rung, got) = bounded(64);
        let chooser = Chooser { feeds: [first_rx, second_rx], chosen: chosen_rx, rung, silence: None };
        let thread = std::thread::spawn(move || chooser.run(&Over::new(1, &Stop::new())));
        let heard = || match got.recv_timeout(std::time::Duration::from_secs(20)) {
            Ok(Flow::Item(segment)) => segment.gop.0,
            other => panic!("no segment: {:?}", other.is_ok()),
        };
        let choose = |gop| chosen.send(Flow::Item((GopId(gop), 0))).expect("open");
        [segment(0, 0.5), segment(2, 0.5), Flow::End(End::Leaving)].into_iter().for_each(|item| first.send(item).expect("open"));
        (0..3).for_each(choose);
        assert_eq!([heard(), heard()], [0, 2]);
        // Its pictures are there before its sound.
        choose(5);
        assert!(got.recv_timeout(std::time::Duration::from_millis(200)).is_err());
        first.send(segment(5, 0.5)).expect("open");
        assert_eq!(heard(), 5);
        chosen.send(Flow::End(End::Ended)).expect("open");
        thread.join().expect("it ends, though the feeds are open");
        drop((first, second));
    }
}

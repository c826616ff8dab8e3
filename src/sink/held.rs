//! What a destination keeps beyond the window of the job: all of the event, or the last so many seconds of it.

use super::stored;
use crate::job::output::Keep;
use crate::time::{GopId, Seconds};
use std::collections::BTreeSet;

/// The most segments whose removal is put off, all tracks together; beyond that the oldest go.
const MOST: usize = 4 * stored::MAX_SEGMENTS;

/// What has left the window of the job, and is not removed yet.
#[derive(Debug)]
pub struct Held {
    keep: Keep,
    /// How long a slot lasts, once a segment has said so.
    slot: Option<Seconds>,
    newest: GopId,
    waiting: BTreeSet<(GopId, String)>,
}

impl Held {
    /// Nothing yet.
    pub fn new(keep: Keep) -> Held {
        Held { keep, slot: None, newest: GopId(0), waiting: BTreeSet::new() }
    }

    /// A segment was published, whose slot ends then (UTC): what is too old by now.
    pub fn shown(&mut self, number: GopId, slot_end: Seconds) -> Vec<String> {
        let Keep::Last(span) = self.keep else { return Vec::new() };
        self.newest = self.newest.max(number);
        // Slot k ends at k + 1 times its length since the epoch.
        let slot = *self.slot.get_or_insert(slot_end.over(i128::from(number.0.max(0)) + 1));
        let mut leave = Vec::new();
        while let Some((oldest, _)) = self.waiting.first() {
            if slot.times(i128::from(self.newest.0 - oldest.0)) <= span && self.waiting.len() <= MOST {
                break;
            }
            leave.extend(self.waiting.pop_first().map(|(_, path)| path));
        }
        leave
    }

    /// This has left the window of the job: whether it goes at once.
    pub fn leaves(&mut self, path: &str) -> bool {
        let number = path.rsplit_once('/').and_then(|(_, name)| stored::number(name));
        match (self.keep, number) {
            (Keep::Window, _) => true,
            (Keep::Event, _) => false,
            (Keep::Last(_), Some(number)) => {
                self.waiting.insert((number, path.to_owned()));
                false
            }
            // Parts of the job's own naming that carry no number go with the window.
            (Keep::Last(_), None) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publishes `0..=last` with a window of the job of four segments; what is there at the end.
    fn kept(keep: Keep, last: i64) -> Vec<i64> {
        let mut held = Held::new(keep);
        let mut there: BTreeSet<String> = BTreeSet::new();
        for n in 1000..=1000 + last {
            there.insert(format!("v/{n}.m4s"));
            for path in held.shown(GopId(n), Seconds::whole(2 * (n + 1))) {
                assert!(there.remove(&path), "{path} was there");
            }
            let old = format!("v/{}.m4s", n - 4);
            if n >= 1004 && held.leaves(&old) {
                there.remove(&old);
            }
        }
        let mut numbers: Vec<i64> = there.iter().filter_map(|path| stored::number(path.strip_prefix("v/")?)).map(|n| n.0 - 1000).collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn an_output_may_keep_more_than_the_window() {
        assert_eq!(kept(Keep::Window, 20), [17, 18, 19, 20]);
        assert_eq!(kept(Keep::Event, 20), (0..=20).collect::<Vec<_>>());
        // 20 s are ten segments before the newest.
        assert_eq!(kept(Keep::Last(Seconds::whole(20)), 20), (10..=20).collect::<Vec<_>>());
    }
}

//! Which packet of the one path is which of the other.

use super::super::lane::is_telling;
use super::{Content, digest};
use crate::capture::paths::counts::one;
use crate::capture::paths::packets::{Head, Packet};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Packets that both have and that lie further ahead on one of them may be the same by chance: content is repeated, and counters come round.
const FAR: u64 = 256;
/// Then they must be of a run of more than so many that say anything.
const TELLING: u64 = 4;

/// Equal packets of both paths, one behind the other, which are not known to be the same yet.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// The last one.
    place: u64,
    /// Where it is on the other path.
    found: u64,
    length: u64,
    /// How many of them say anything.
    telling: u64,
    /// Whether one of them says of what time it is.
    dated: bool,
}

/// Whether a PES packet begins in a packet: with its time, which is never repeated.
fn begins_pes(packet: &Packet) -> bool {
    let payload = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
    Head::of(packet).opens && packet.get(payload..).is_some_and(|payload| payload.starts_with(&[0, 0, 1]))
}

impl Content {
    /// A packet that a path brought.
    pub(super) fn packet(&mut self, path: usize, packet: &Packet, at: Duration) {
        let digest = digest(packet);
        if self.lanes[path].is_full() {
            self.make_room(path);
        }
        let (place, follows) = self.lanes[path].append(packet, digest, at);
        let other = 1 - path;
        let telling = is_telling(packet);
        if telling {
            self.share.came(path);
        }
        let own_step = self.matched.is_some() && self.lanes[path].passed == place;
        let run = self.run_on(path, place, packet).map(|found| (found, true));
        let Some((found, ahead)) = run.or_else(|| self.lanes[other].find(packet, digest, own_step)) else { return };
        if ahead && !self.is_believed(path, place, found, packet) {
            return;
        }
        let mut partner = found;
        if ahead {
            let in_step = found == self.lanes[other].passed;
            self.streak = if in_step { self.streak + u32::from(telling) } else { 0 };
            if follows && own_step {
                partner = self.lanes[other].order(found);
            }
            self.lanes[other].passed = self.lanes[other].passed.max(partner + 1);
            self.lanes[path].passed = self.lanes[path].passed.max(place + 1);
            if self.matched.is_none() || std::mem::take(&mut self.blind) {
                // What lies before the first packet that both have is between nothing, and fills nothing.
                let help = 1 - self.main;
                let first = if path == help { place } else { partner };
                self.lanes[help].next = self.lanes[help].next.max(first);
            }
            self.matched(path, partner, at);
        } else {
            one(&self.counts.paths[path].reordered);
        }
        if telling {
            self.share.both();
        }
        let partner_used = self.pair(path, place, partner);
        if partner_used && ahead {
            // What this path has before it comes too late, whatever it is.
            self.lanes[path].next = self.lanes[path].next.max(place + 1);
        }
    }

    /// Where the run of equal packets goes on that this path is in, if it does.
    fn run_on(&self, path: usize, place: u64, packet: &Packet) -> Option<u64> {
        let run = self.runs[path].filter(|run| run.place + 1 == place)?;
        self.lanes[1 - path].get(run.found + 1).filter(|entry| entry.twin.is_none() && entry.packet == *packet).map(|_| run.found + 1)
    }

    /// Whether two equal packets are one: where either lies far ahead, they must be of a run of equal ones, one of which says of what time it is. All of these are one, then.
    fn is_believed(&mut self, path: usize, place: u64, found: u64, packet: &Packet) -> bool {
        if place.saturating_sub(self.lanes[path].passed).max(found.saturating_sub(self.lanes[1 - path].passed)) <= FAR {
            self.runs[path] = None;
            return true;
        }
        let before = self.runs[path].filter(|run| run.place + 1 == place && run.found + 1 == found);
        let before = before.unwrap_or(Run { place, found, length: 0, telling: 0, dated: false });
        let run =
            Run { place, found, length: before.length + 1, telling: before.telling + u64::from(is_telling(packet)), dated: before.dated || begins_pes(packet) };
        let believed = run.dated && run.telling > TELLING;
        self.runs[path] = Some(run).filter(|_| !believed);
        if believed {
            let equal = |back: &u64| {
                let entry = |path: usize, place: u64| self.lanes[path].get(place - back).filter(|entry| entry.twin.is_none());
                entry(path, place).zip(entry(1 - path, found)).is_some_and(|(one, other)| one.packet == other.packet)
            };
            let length = (1..run.length).take_while(equal).count() as u64;
            for back in 1..=length {
                self.pair(path, place - back, found - back);
            }
        }
        believed
    }

    /// Two packets are one; whether that of the other path has passed.
    fn pair(&mut self, path: usize, place: u64, partner: u64) -> bool {
        let other = 1 - path;
        let (partner_used, partner_at) = self.lanes[other].get(partner).map_or((true, None), |e| (e.used, Some(e.at)));
        if let Some(entry) = self.lanes[other].get_mut(partner) {
            entry.twin = Some(place);
        }
        if let Some(entry) = self.lanes[path].get_mut(place) {
            entry.twin = Some(partner);
            entry.used |= partner_used;
            entry.at = entry.at.min(partner_at.unwrap_or(entry.at));
        }
        partner_used
    }

    /// A packet came that the other path has, at `partner` there.
    fn matched(&mut self, path: usize, partner: u64, at: Duration) {
        self.matched = Some(at);
        let earlier = self.lanes[1 - path].get(partner).map_or(at, |e| e.at);
        let later = at.as_micros() as i64 - earlier.as_micros() as i64;
        self.delay = if path == 1 { later } else { -later };
        self.counts.merge.delay.store(self.delay, Relaxed);
    }
}

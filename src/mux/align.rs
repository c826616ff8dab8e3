//! Puts what the encoders say in order: collects packets per (track, GOP, attempt), and hands out every track's segments by rising number.
//!
//! Encoders of one rung work on several GOPs at once, so GOP k+1 may be done before k: it is held until k is decided, within limits.
//! A number of which nothing was ever heard is a gap in the feed, and its place is a gap in the playlist.
//! Where chunks leave before their GOP is complete, what comes of the GOP that is next on its track is handed out at once.

use super::MuxError;
use crate::encode::{Packet, Stats, ToMux, Told, TrackId, Why};
use crate::frame::End;
use crate::time::GopId;
use std::collections::BTreeMap;

/// What comes next on a track.
#[derive(Clone, Debug, PartialEq)]
pub enum Ready {
    /// A part of the segment that is next, in decoding order.
    Part {
        /// Its number.
        gop: GopId,
        /// What is known of units, by their numbers.
        told: Vec<(i64, Told)>,
        /// The backend that makes it, where that is not the first.
        fallback: Option<u8>,
        /// The packets that follow those before.
        packets: Vec<Packet>,
    },
    /// Of what was handed out of this segment, only the first so many packets hold.
    Cut {
        /// Its number.
        gop: GopId,
        /// Packets that hold.
        from: usize,
    },
    /// A segment can be made.
    Segment {
        /// Its number.
        gop: GopId,
        /// In decoding order, behind those that were handed out already.
        packets: Vec<Packet>,
        /// Counts.
        stats: Stats,
    },
    /// These numbers will never come.
    Gap {
        /// The first.
        from: GopId,
        /// The one after the last.
        to: GopId,
        /// Why, where the encoder said so.
        why: Option<Why>,
    },
    /// The track is over.
    End(End),
}

/// What a track is waiting for.
pub struct Align {
    tracks: Vec<Track>,
    /// Packets and verdicts that came after their number was decided.
    pub stale: u64,
}

struct Track {
    /// The next number to hand out; unknown before anything has come.
    next: Option<GopId>,
    /// Numbers below are not wanted.
    floor: Option<GopId>,
    open: BTreeMap<GopId, Open>,
    decided: BTreeMap<GopId, Decision>,
    end: Option<End>,
    /// The last numbers that the feed left out.
    absent: Option<(GopId, GopId)>,
    /// Later numbers that must be decided before one that was never heard of counts as a gap.
    patience: usize,
    /// Numbers held or open at once.
    most: usize,
    /// Chunks leave before their GOP is complete.
    chunked: bool,
}

/// What is there of a GOP that is not decided.
#[derive(Default)]
struct Open {
    attempt: u32,
    /// Not handed out yet.
    packets: Vec<Packet>,
    told: Vec<(i64, Told)>,
    fallback: Option<u8>,
    /// Packets that are handed out.
    out: usize,
}

enum Decision {
    Done(Open, Stats),
    Skipped(Option<Why>),
}

impl Align {
    /// `lanes`: for every track, how many of its GOPs are encoded at once. Numbers below `first` are dropped; the first to be handed out is the one that
    /// [`ToMux::First`] tells of, or else whichever comes first.
    /// `chunked`: parts are handed out as they come.
    pub fn new(lanes: &[u32], first: &[Option<GopId>], chunked: bool) -> Align {
        let track = |(i, lanes): (usize, &u32)| {
            let lanes = *lanes as usize;
            // One lane works in order: what is behind it never comes. More may overtake each other by about as many as they are.
            let patience = if lanes <= 1 { 0 } else { lanes.saturating_mul(2) };
            let floor = first.get(i).copied().flatten();
            let most = lanes.saturating_mul(4).saturating_add(8);
            Track { next: None, floor, open: BTreeMap::new(), decided: BTreeMap::new(), end: None, absent: None, patience, most, chunked }
        };
        Align { tracks: lanes.iter().enumerate().map(track).collect(), stale: 0 }
    }

    /// Whether every track has ended.
    pub fn over(&self) -> bool {
        self.tracks.iter().all(|t| t.end.is_some())
    }

    /// Indices of the tracks that have not ended.
    pub fn alive(&self) -> Vec<usize> {
        self.tracks.iter().enumerate().filter(|(_, t)| t.end.is_none()).map(|(i, _)| i).collect()
    }

    /// How the event ended: [`End::Ended`] only where every track says so.
    pub fn end(&self) -> End {
        if self.tracks.iter().all(|t| t.end == Some(End::Ended)) { End::Ended } else { End::Leaving }
    }

    /// Takes one message; what is ready because of it, in order, all on the track returned.
    pub fn take(&mut self, message: ToMux) -> Result<(TrackId, Vec<Ready>), MuxError> {
        let (ToMux::Packet { track: id, .. }
        | ToMux::Told { track: id, .. }
        | ToMux::Backend { track: id, .. }
        | ToMux::Continue { track: id, .. }
        | ToMux::Done { track: id, .. }
        | ToMux::Void { track: id, .. }
        | ToMux::Skipped { track: id, .. }
        | ToMux::First { track: id, .. }
        | ToMux::Absent { track: id, .. }
        | ToMux::End { track: id, .. }) = message;
        let track = self.tracks.get_mut(id.0).ok_or(MuxError::Track { id })?;
        let gop = match message {
            ToMux::Packet { gop, .. } | ToMux::Done { gop, .. } | ToMux::Void { gop, .. } | ToMux::Skipped { gop, .. } => Some(gop),
            ToMux::Told { gop, .. } | ToMux::Backend { gop, .. } | ToMux::Continue { gop, .. } => Some(gop),
            ToMux::First { .. } | ToMux::Absent { .. } | ToMux::End { .. } => None,
        };
        if track.end.is_some() || gop.is_some_and(|gop| track.next.max(track.floor).is_some_and(|next| gop < next) || track.decided.contains_key(&gop)) {
            self.stale += 1;
            return Ok((id, Vec::new()));
        }
        let mut cut = None;
        match message {
            ToMux::Packet { gop, attempt, packet, .. } => {
                let (dropped, taken_back) = track.packet(gop, attempt, packet);
                self.stale += dropped;
                cut = taken_back;
            }
            ToMux::Told { gop, unit, told, .. } => track.open.entry(gop).or_default().told.push((unit, told)),
            ToMux::Backend { gop, fallback, .. } => track.open.entry(gop).or_default().fallback = Some(fallback),
            ToMux::Continue { gop, attempt, from, .. } => cut = track.keep(gop, attempt, from as usize),
            ToMux::Void { gop, attempt, .. } => {
                if let Some(open) = track.open.get_mut(&gop).filter(|open| open.attempt == attempt) {
                    open.packets.clear();
                    cut = (std::mem::take(&mut open.out) > 0).then_some(Ready::Cut { gop, from: 0 });
                }
            }
            ToMux::Done { gop, attempt, stats, .. } => {
                let decision = match track.open.remove(&gop) {
                    Some(open) if open.attempt == attempt => Decision::Done(open, stats),
                    _ => Decision::Skipped(Some(Why::Failed)),
                };
                track.decided.insert(gop, decision);
            }
            ToMux::Skipped { gop, why, .. } => {
                track.open.remove(&gop);
                track.decided.insert(gop, Decision::Skipped(Some(why)));
            }
            ToMux::First { gop, .. } => track.next = track.next.or(Some(gop).max(track.floor)),
            ToMux::Absent { from, to, .. } => track.absent = Some((from, to)),
            ToMux::End { end, .. } => track.end = Some(end),
        }
        if track.open.len() > track.most {
            return Err(MuxError::Overrun { id, most: track.most });
        }
        let mut ready: Vec<Ready> = cut.into_iter().collect();
        track.ready(&mut ready);
        if track.chunked {
            track.flow(&mut ready);
        }
        ready.extend(track.end.map(Ready::End));
        Ok((id, ready))
    }
}

impl Track {
    /// How many packets were dropped: those of an attempt that a later one has replaced. What of them was handed out is taken back.
    fn packet(&mut self, gop: GopId, attempt: u32, packet: Packet) -> (u64, Option<Ready>) {
        let open = self.open.entry(gop).or_insert_with(|| Open { attempt, ..Open::default() });
        if attempt < open.attempt {
            return (1, None);
        }
        let mut taken_back = None;
        let mut dropped = 0;
        if attempt > open.attempt {
            dropped = (std::mem::take(&mut open.packets).len() + open.out) as u64;
            taken_back = (std::mem::take(&mut open.out) > 0).then_some(Ready::Cut { gop, from: 0 });
        }
        open.attempt = attempt;
        open.packets.push(packet);
        (dropped, taken_back)
    }

    /// The next attempt goes on behind `from` packets of the one before.
    fn keep(&mut self, gop: GopId, attempt: u32, from: usize) -> Option<Ready> {
        let open = self.open.get_mut(&gop)?;
        open.attempt = attempt;
        open.packets.truncate(from.saturating_sub(open.out));
        let cut = (from < open.out).then_some(Ready::Cut { gop, from });
        open.out = open.out.min(from);
        cut
    }

    /// Hands out what has come of the GOP that is next, if any has.
    fn flow(&mut self, ready: &mut Vec<Ready>) {
        let Some((&gop, open)) = self.open.first_key_value() else { return };
        // One lane works in order: what is open is next. Several may overtake each other.
        let next = self.next.unwrap_or(gop);
        let sure = self.patience == 0 || self.next == Some(gop) || self.is_absent(next, gop);
        if !sure || self.end.is_some() || open.packets.is_empty() && open.told.is_empty() {
            return;
        }
        if next < gop {
            ready.push(Ready::Gap { from: next, to: gop, why: None });
        }
        self.next = Some(gop);
        ready.extend(self.open.get_mut(&gop).and_then(|open| open.part(gop)));
    }

    /// Whether the feed has nothing of `next` and what follows it until `gop`.
    fn is_absent(&self, next: GopId, gop: GopId) -> bool {
        self.absent.is_some_and(|(from, to)| from <= next && gop <= to)
    }

    fn ready(&mut self, ready: &mut Vec<Ready>) {
        while let Some((&known, _)) = self.decided.first_key_value() {
            // All that is still open will never be closed once the track has ended.
            let open = self.open.keys().next().copied().filter(|_| self.end.is_none());
            let forced = self.decided.len() > self.most;
            if open.is_some_and(|open| open < known) && !forced {
                // Something before it is being made. What lies before that may be a gap, but is handed out in its turn.
                break;
            }
            let next = self.next.unwrap_or(known);
            if next < known {
                if !forced && self.end.is_none() && self.decided.len() <= self.patience && !self.is_absent(next, known) {
                    break;
                }
                ready.push(Ready::Gap { from: next, to: known, why: None });
                self.open.retain(|gop, _| *gop >= known);
            }
            if let Some(decision) = self.decided.remove(&known) {
                match decision {
                    Decision::Done(mut open, stats) => {
                        let packets = std::mem::take(&mut open.packets);
                        ready.extend(open.part(known));
                        ready.push(Ready::Segment { gop: known, packets, stats });
                    }
                    Decision::Skipped(why) => ready.push(Ready::Gap { from: known, to: known.next(), why }),
                }
            }
            self.open.retain(|gop, _| *gop > known);
            self.next = Some(known.next());
        }
    }
}

impl Open {
    /// What is not handed out yet, if anything is.
    fn part(&mut self, gop: GopId) -> Option<Ready> {
        let (told, fallback, packets) = (std::mem::take(&mut self.told), self.fallback.take(), std::mem::take(&mut self.packets));
        self.out += packets.len();
        let any = !told.is_empty() || fallback.is_some() || !packets.is_empty();
        any.then_some(Ready::Part { gop, told, fallback, packets })
    }
}

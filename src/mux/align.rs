//! Puts what the encoders say in order: collects packets per (track, GOP, attempt), and hands out every track's segments by rising number.
//!
//! Encoders of one rung work on several GOPs at once, so GOP k+1 may be done before k: it is held until k is decided, within limits.
//! A number of which nothing was ever heard is a gap in the feed, and its place is a gap in the playlist.

use super::MuxError;
use crate::encode::{Packet, Stats, ToMux, TrackId, Why};
use crate::frame::End;
use crate::time::GopId;
use std::collections::BTreeMap;

/// What comes next on a track.
#[derive(Clone, Debug, PartialEq)]
pub enum Ready {
    /// A segment can be made.
    Segment {
        /// Its number.
        gop: GopId,
        /// In decoding order.
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
    /// The next number to hand out; unknown before the first.
    next: Option<GopId>,
    /// Numbers below are not wanted.
    floor: Option<GopId>,
    open: BTreeMap<GopId, (u32, Vec<Packet>)>,
    decided: BTreeMap<GopId, Decision>,
    end: Option<End>,
    /// Later numbers that must be decided before one that was never heard of counts as a gap.
    patience: usize,
    /// Numbers held or open at once.
    most: usize,
}

enum Decision {
    Done(Vec<Packet>, Stats),
    Skipped(Option<Why>),
}

impl Align {
    /// `lanes`: for every track, how many of its GOPs are encoded at once. Numbers below `first` are dropped; the first to be handed out is
    /// whichever comes first.
    pub fn new(lanes: &[u32], first: &[Option<GopId>]) -> Align {
        let track = |(i, lanes): (usize, &u32)| {
            let lanes = *lanes as usize;
            // One lane works in order: what is behind it never comes. More may overtake each other by about as many as they are.
            let patience = if lanes <= 1 { 0 } else { lanes.saturating_mul(2) };
            let floor = first.get(i).copied().flatten();
            Track { next: None, floor, open: BTreeMap::new(), decided: BTreeMap::new(), end: None, patience, most: lanes.saturating_mul(4).saturating_add(8) }
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
        | ToMux::Done { track: id, .. }
        | ToMux::Void { track: id, .. }
        | ToMux::Skipped { track: id, .. }
        | ToMux::End { track: id, .. }) = message;
        let track = self.tracks.get_mut(id.0).ok_or(MuxError::Track { id })?;
        let gop = match message {
            ToMux::Packet { gop, .. } | ToMux::Done { gop, .. } | ToMux::Void { gop, .. } | ToMux::Skipped { gop, .. } => Some(gop),
            ToMux::End { .. } => None,
        };
        if track.end.is_some() || gop.is_some_and(|gop| track.next.max(track.floor).is_some_and(|next| gop < next) || track.decided.contains_key(&gop)) {
            self.stale += 1;
            return Ok((id, Vec::new()));
        }
        match message {
            ToMux::Packet { gop, attempt, packet, .. } => self.stale += track.packet(gop, attempt, packet),
            ToMux::Void { gop, attempt, .. } => {
                if let Some((_, packets)) = track.open.get_mut(&gop).filter(|(current, _)| *current == attempt) {
                    packets.clear();
                }
            }
            ToMux::Done { gop, attempt, stats, .. } => {
                let decision = match track.open.remove(&gop) {
                    Some((current, packets)) if current == attempt => Decision::Done(packets, stats),
                    _ => Decision::Skipped(Some(Why::Failed)),
                };
                track.decided.insert(gop, decision);
            }
            ToMux::Skipped { gop, why, .. } => {
                track.open.remove(&gop);
                track.decided.insert(gop, Decision::Skipped(Some(why)));
            }
            ToMux::End { end, .. } => track.end = Some(end),
        }
        if track.open.len() > track.most {
            return Err(MuxError::Overrun { id, most: track.most });
        }
        Ok((id, track.ready()))
    }
}

impl Track {
    /// How many packets were dropped: those of an attempt that a later one has replaced.
    fn packet(&mut self, gop: GopId, attempt: u32, packet: Packet) -> u64 {
        let (current, packets) = self.open.entry(gop).or_insert_with(|| (attempt, Vec::new()));
        let dropped = match attempt.cmp(current) {
            std::cmp::Ordering::Less => return 1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => std::mem::take(packets).len() as u64,
        };
        *current = attempt;
        packets.push(packet);
        dropped
    }

    fn ready(&mut self) -> Vec<Ready> {
        let mut ready = Vec::new();
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
                if !forced && self.end.is_none() && self.decided.len() <= self.patience {
                    break;
                }
                ready.push(Ready::Gap { from: next, to: known, why: None });
                self.open.retain(|gop, _| *gop >= known);
            }
            if let Some(decision) = self.decided.remove(&known) {
                ready.push(match decision {
                    Decision::Done(packets, stats) => Ready::Segment { gop: known, packets, stats },
                    Decision::Skipped(why) => Ready::Gap { from: known, to: known.next(), why },
                });
            }
            self.open.retain(|gop, _| *gop > known);
            self.next = Some(known.next());
        }
        ready.extend(self.end.map(Ready::End));
        ready
    }
}

//! The way of the transport stream to one output, with what goes wrong on it.

use super::dice::Dice;
use super::packet::{PACKET, is_stamped, move_pcr, move_stamps, pid, remove_stamps, turn_counter};
use super::parse::{AUDIO_PID, PMT_PID};
use super::spell::{Phase, Spell};
use super::{Fault, FaultKind, Layer, Stream, When, pmt};
use crate::feed::mux::CLOCK;
use crate::feed::options::FeedOptions;
use crate::time::Seconds;

/// Transport packets in a datagram: the most that fits an Ethernet frame.
const GROUP: u64 = 7;
/// The most that `slow` makes a feed late.
const LATEST: i64 = 30;
/// How far `reorder` moves a datagram.
const FAR: u64 = 8;

/// When bytes are made, and when they are to be sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::feed) struct Moment {
    /// Since the start of the feed.
    pub elapsed: Seconds,
    /// By the host's clock; at once where absent.
    pub due: Option<Seconds>,
    /// The bytes are sent evenly over so long.
    pub span: Seconds,
}

/// A datagram on its way.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::feed) struct Outgoing {
    /// Its number in the feed, the same on every path; `None` where it is none of the feed's.
    pub number: Option<u64>,
    /// When it was made, since the start of the feed.
    pub elapsed: Seconds,
    /// When it is sent, by the host's clock; at once where absent.
    pub due: Option<Seconds>,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Whether there is a connection to send it over.
    pub connected: bool,
}

/// What went wrong on the way to one output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// Transport packets left out.
    pub lost: u64,
    /// Transport packets altered.
    pub altered: u64,
    /// Datagrams sent twice.
    pub duplicated: u64,
    /// Datagrams sent behind later ones.
    pub reordered: u64,
    /// Datagrams of random bytes.
    pub noise: u64,
}

struct Active {
    kind: FaultKind,
    stream: Option<Stream>,
    dice: Dice,
    spell: Spell,
    phase: Phase,
}

impl Active {
    fn on(&self) -> bool {
        self.phase.on.is_some()
    }

    fn concerns(&self, pid: Option<u16>) -> bool {
        self.stream.is_none_or(|Stream(own)| Some(own) == pid)
    }
}

/// Does to the bytes of a feed what the script says of one output.
pub(in crate::feed) struct Lane {
    faults: Vec<Active>,
    /// The wrap's move of the clock, in ticks.
    wrap: i64,
    /// Transport packets seen.
    packets: u64,
    /// What is left of the datagram in the making.
    group: Vec<u8>,
    /// Datagrams that later ones overtake, with the number of the one that they follow.
    held: Vec<(u64, Outgoing)>,
    /// When the last one was due: time runs forward.
    sent: Option<Seconds>,
    counts: LaneCounts,
}

impl Lane {
    /// The way to output `place`, counted from 0, of a feed whose first picture is of `start`.
    pub fn new(options: &FeedOptions, place: usize, start: Seconds) -> Lane {
        let mine = |fault: &Fault| fault.output.is_none_or(|output| output == place) && fault.row().layer != Layer::Picture;
        let active = |(n, fault): (u64, &Fault)| {
            // What comes from the feed's maker is one for all outputs; what happens on the way is not.
            let common = fault.output.is_none() && fault.row().layer == Layer::Stream;
            let dice = Dice::new(options.seed, if common { 0 } else { place as u64 + 1 }, n);
            let stream = if fault.kind == FaultKind::Vanish { fault.stream.or(Some(Stream(AUDIO_PID))) } else { fault.stream };
            let phase = Phase { on: None, ended: 0, spent: Seconds::ZERO };
            Active { kind: fault.kind, stream, dice, spell: Spell::new(fault.when, dice), phase }
        };
        let faults = (0..).zip(&options.faults).filter(|(_, fault)| mine(fault)).map(active).collect();
        let mut wrap = options.faults.iter().filter(|fault| mine(fault) && fault.kind == FaultKind::Wrap).map(|fault| match fault.when {
            When::At { at, .. } => -(start + at).nearest_ticks(CLOCK),
            _ => 0,
        });
        Lane { faults, wrap: wrap.next_back().unwrap_or(0), packets: 0, group: Vec::new(), held: Vec::new(), sent: None, counts: LaneCounts::default() }
    }

    /// What has gone wrong so far.
    pub fn counts(&self) -> LaneCounts {
        self.counts
    }

    /// Takes whole transport packets and appends the datagrams that are complete. What of the feed is of one moment meets the same faults.
    pub fn push(&mut self, bytes: &[u8], moment: Moment, out: &mut Vec<Outgoing>) {
        for fault in &mut self.faults {
            fault.phase = fault.spell.at(moment.elapsed);
        }
        let count = (bytes.len() / PACKET).max(1) as i128;
        for (i, packet) in (1i128..).zip(bytes.chunks_exact(PACKET)) {
            let number = self.packets;
            self.packets += 1;
            self.treat(number, packet);
            if number % GROUP == GROUP - 1 {
                self.close(number / GROUP, moment, moment.span.times(i).over(count), out);
            }
        }
    }

    /// Appends what is still held.
    pub fn finish(&mut self, moment: Moment, out: &mut Vec<Outgoing>) {
        if !self.packets.is_multiple_of(GROUP) {
            self.close(self.packets / GROUP, moment, Seconds::ZERO, out);
        }
        let due = self.sent;
        out.extend(std::mem::take(&mut self.held).into_iter().map(|(_, held)| Outgoing { due, ..held }));
    }

    /// Does what is to be done to packet `number`, and puts it into the datagram unless it is lost.
    fn treat(&mut self, number: u64, packet: &[u8]) {
        let mut packet = packet.to_vec();
        let pid = pid(&packet);
        let (mut altered, mut ticks, mut counter) = (false, self.wrap, 0u8);
        let (mut gone, mut turn) = (Vec::new(), 0u8);
        for fault in &self.faults {
            let mine = fault.on() && fault.concerns(pid);
            match fault.kind {
                FaultKind::Gap if mine => return self.counts.lost += 1,
                FaultKind::Loss(share) if mine && fault.dice.hits(number, share) => return self.counts.lost += 1,
                FaultKind::Jump(by) if fault.on() => ticks += by.nearest_ticks(CLOCK),
                FaultKind::Restart if fault.on() => return self.counts.lost += 1,
                FaultKind::Restart if fault.phase.ended > 0 => {
                    ticks += fault.dice.below(fault.phase.ended, 1 << 33) as i64;
                    counter = counter.wrapping_add(fault.dice.below(fault.phase.ended ^ u64::from(pid.unwrap_or(0)) << 32, 16) as u8);
                }
                FaultKind::Vanish => {
                    if mine {
                        return self.counts.lost += 1;
                    }
                    gone.extend(fault.stream.filter(|_| fault.on()).map(|Stream(pid)| pid));
                    turn = turn.wrapping_add((2 * fault.phase.ended + u64::from(fault.on())) as u8);
                }
                FaultKind::Unstamped(share) if mine && is_stamped(&packet) && fault.dice.hits(number, share) => {
                    remove_stamps(&mut packet);
                    altered = true;
                }
                FaultKind::Backward(share) if mine && is_stamped(&packet) && fault.dice.hits(number, share) => {
                    move_stamps(&mut packet, -1 - fault.dice.below(!number, u64::from(CLOCK)) as i64);
                    altered = true;
                }
                _ => {}
            }
        }
        if ticks != 0 {
            move_stamps(&mut packet, ticks);
            move_pcr(&mut packet, ticks);
        }
        if counter != 0 {
            turn_counter(&mut packet, counter);
        }
        if turn != 0 && pid == Some(PMT_PID) {
            pmt::rewrite(&mut packet, &gone, turn);
        }
        // What happens on the way comes last.
        for fault in self.faults.iter().filter(|fault| fault.on() && fault.concerns(pid)) {
            match fault.kind {
                FaultKind::Bits(share) if fault.dice.hits(number, share) => {
                    for flip in 0..=fault.dice.below(number ^ 1 << 60, 8) {
                        let bit = fault.dice.below(number ^ (flip + 2) << 60, PACKET as u64 * 8) as usize;
                        packet[bit / 8] ^= 1 << (bit % 8);
                    }
                    altered = true;
                }
                FaultKind::Garbage(share) if fault.dice.hits(number, share) => {
                    fault.dice.fill(number, &mut packet[4..]);
                    altered = true;
                }
                _ => {}
            }
        }
        self.counts.altered += u64::from(altered);
        self.group.extend_from_slice(&packet);
    }

    /// Datagram `number` is complete, `late` after `moment`.
    fn close(&mut self, number: u64, moment: Moment, late: Seconds, out: &mut Vec<Outgoing>) {
        let bytes = std::mem::take(&mut self.group);
        let connected = !self.faults.iter().any(|fault| fault.kind == FaultKind::Disconnect && fault.on());
        let elapsed = moment.elapsed + late;
        let due = moment.due.map(|due| self.delayed(due + late, elapsed, number));
        let packets = (bytes.len() / PACKET) as u64;
        let own = Outgoing { number: Some(number), elapsed, due, bytes, connected };
        let (mut copies, mut behind, mut noise) = (u64::from(packets > 0), None, Vec::new());
        for fault in self.faults.iter().filter(|fault| fault.on()) {
            match fault.kind {
                FaultKind::Drop(share) if copies > 0 && fault.dice.hits(number, share) => {
                    copies = 0;
                    self.counts.lost += packets;
                }
                FaultKind::Duplicate(share) if copies > 0 && fault.dice.hits(number, share) => {
                    copies += 1;
                    self.counts.duplicated += 1;
                }
                FaultKind::Reorder(share) if fault.dice.hits(number, share) => behind = Some(number + 1 + fault.dice.below(!number, FAR)),
                FaultKind::Noise(share) if fault.dice.hits(number, share) => {
                    let mut bytes = vec![0; 1 + fault.dice.below(!number, GROUP * PACKET as u64) as usize];
                    fault.dice.fill(number, &mut bytes);
                    noise.push(Outgoing { number: None, bytes, ..own.clone() });
                    self.counts.noise += 1;
                }
                _ => {}
            }
        }
        match behind {
            Some(behind) if copies > 0 => {
                self.counts.reordered += 1;
                self.held.push((behind, own));
            }
            _ => out.extend(std::iter::repeat_n(own, copies as usize)),
        }
        out.append(&mut noise);
        let mut waiting = Vec::new();
        for (behind, held) in std::mem::take(&mut self.held) {
            match number >= behind {
                true => out.push(Outgoing { due, ..held }),
                false => waiting.push((behind, held)),
            }
        }
        self.held = waiting;
    }

    /// When a datagram is sent that was due at `due`, `elapsed` after the start.
    fn delayed(&mut self, due: Seconds, elapsed: Seconds, number: u64) -> Seconds {
        let mut delay = Seconds::ZERO;
        for fault in &self.faults {
            match (fault.kind, fault.phase.on) {
                (FaultKind::Slow(share), _) => delay = delay + fault.phase.spent.times(i128::from(share.0)).over(1_000_000).min(Seconds::whole(LATEST)),
                (FaultKind::Jitter(span), Some(_)) => delay = delay + fault.dice.part(number, span),
                (FaultKind::Burst(span), Some(since)) => {
                    let within = (elapsed - since).modulo(span);
                    delay = delay + (span - within).modulo(span);
                }
                _ => {}
            }
        }
        let due = self.sent.map_or(due + delay, |sent| sent.max(due + delay));
        self.sent = Some(due);
        due
    }
}

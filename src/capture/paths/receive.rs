//! The thread of one path: takes what comes, finds the transport packets in it, and hands them on with the time of their arrival.

use super::counts::{PathCounts, less, one};
use super::merge::Block;
use super::packets::{Counters, Framer, Head, NULL, packets};
use super::queue::{Inlet, Put};
use super::rtp::{self, Order};
use crate::stop::Stop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Datagrams of another kind (with or without RTP) in a row before a path counts as having changed.
const ANOTHER: u32 = 8;
/// How often garbage is told, at most.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// The payload type of MPEG-TS (RFC 3551).
const MPEG_TS: u8 = 33;

/// Until when a path is known to have handed on everything that had come, on the clock that all paths share.
#[derive(Debug, Default)]
pub struct Drained(AtomicU64);

impl Drained {
    /// Everything that had come by then is in the queue.
    pub fn until(&self, at: Duration) {
        self.0.store(at.as_micros() as u64, Ordering::Release);
    }

    /// Nothing is to be waited for from this path.
    pub fn for_ever(&self) {
        self.0.store(u64::MAX, Ordering::Release);
    }

    /// That time.
    pub fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Acquire))
    }
}

/// What the queue said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handed {
    /// Go on.
    On,
    /// Nobody listens any more.
    Off,
}

/// Takes one path's pieces apart and hands them on.
pub struct Intake {
    counts: Arc<PathCounts>,
    queue: Inlet,
    framer: Framer,
    numbers: rtp::Watch,
    counters: Counters,
    numbered: Option<bool>,
    another: u32,
    told: Option<Instant>,
    told_kind: bool,
    told_full: bool,
}

impl Intake {
    /// For a path of streams, or of datagrams, that is counted in `counts`.
    pub fn new(counts: &Arc<PathCounts>, queue: Inlet, stream: bool) -> Intake {
        Intake {
            counts: Arc::clone(counts),
            queue,
            framer: if stream { Framer::of_stream() } else { Framer::default() },
            numbers: rtp::Watch::default(),
            counters: Counters::default(),
            numbered: None,
            another: 0,
            told: None,
            told_kind: false,
            told_full: false,
        }
    }

    /// A datagram that came at `at`. What is neither RTP nor a transport stream is counted, told now and then, and left out.
    pub fn datagram(&mut self, datagram: &[u8], at: Duration) -> Handed {
        let numbered = rtp::claims(datagram);
        if *self.numbered.get_or_insert(numbered) != numbered {
            self.another += 1;
            if self.another < ANOTHER {
                return self.garbage(datagram);
            }
            self.numbered = None;
            self.framer = Framer::default();
        }
        if !numbered {
            return self.piece(datagram, at);
        }
        let Some(rtp) = rtp::parse(datagram) else { return self.garbage(datagram) };
        let (whole, _) = Framer::default().take(rtp.payload);
        if whole.is_empty() {
            return self.garbage(datagram);
        }
        if rtp.kind != MPEG_TS && !std::mem::replace(&mut self.told_kind, true) {
            tracing::info!("input {}: its RTP says payload type {}, and carries MPEG-TS (33) all the same", self.counts.input, rtp.kind);
        }
        self.another = 0;
        self.counts.came(whole.len());
        match self.numbers.take(rtp.number) {
            Order::After(missing) => {
                self.counts.lost.fetch_add(missing, Ordering::Relaxed);
            }
            Order::Late => {
                one(&self.counts.reordered);
                less(&self.counts.lost);
            }
            Order::Again => {
                one(&self.counts.duplicate);
                return Handed::On;
            }
            Order::First => {}
        }
        self.hand_on(Block { packets: whole, number: Some(rtp.number), at })
    }

    /// A piece of a stream, or a datagram without RTP.
    pub fn piece(&mut self, piece: &[u8], at: Duration) -> Handed {
        let (whole, torn) = self.framer.take(piece);
        if torn {
            self.garbage(piece);
        }
        if whole.is_empty() {
            return Handed::On;
        }
        self.another = 0;
        self.counts.came(whole.len());
        for head in packets(&whole).map(Head::of).filter(|head| head.pid != NULL) {
            let distance = self.counters.distance(head);
            if distance != 1 {
                one(&self.counts.continuity);
                self.counts.lost.fetch_add(u64::from(distance.wrapping_sub(1) & 0x0f) * u64::from(distance != 0), Ordering::Relaxed);
            }
            self.counters.note(head);
        }
        self.hand_on(Block { packets: whole, number: None, at })
    }

    fn hand_on(&mut self, block: Block) -> Handed {
        match self.queue.put(block) {
            Put::Done => Handed::On,
            Put::Off => Handed::Off,
            Put::Full => {
                one(&self.counts.overruns);
                if !std::mem::replace(&mut self.told_full, true) {
                    tracing::warn!("input {}: what comes faster than it is taken is lost (told once)", self.counts.input);
                }
                Handed::On
            }
        }
    }

    fn garbage(&mut self, datagram: &[u8]) -> Handed {
        one(&self.counts.garbage);
        if self.told.is_none_or(|told| told.elapsed() > TOLD_EVERY) {
            self.told = Some(Instant::now());
            let (all, length) = (self.counts.garbage.load(Ordering::Relaxed), datagram.len());
            tracing::warn!("input {}: a datagram of {length} bytes is not MPEG-TS, or not all of it, and is left out ({all} so far)", self.counts.input);
        }
        Handed::On
    }
}

/// How long one wait for a datagram lasts before the flag is looked at.
const SLICE: Duration = Duration::from_millis(10);
/// The longest datagram.
const LONGEST: usize = 1 << 16;

/// Body of the thread of a socket, until `quit` is raised. `clock` began when the time of all paths did.
pub fn datagrams(socket: &std::net::UdpSocket, hears: impl Fn(std::net::IpAddr) -> bool, mut intake: Intake, drained: &Drained, clock: Instant, quit: &Stop) {
    use std::os::fd::AsFd;
    let mut buffer = vec![0; LONGEST];
    while !quit.is_raised() {
        let before = clock.elapsed();
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) if hears(from.ip()) => {
                if intake.datagram(&buffer[..length], clock.elapsed()) == Handed::Off {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                drained.until(before);
                // An error of the wait is met again by the next read.
                if crate::ffmpeg::wait_readable(socket.as_fd(), SLICE).is_err() {
                    quit.wait(SLICE);
                }
            }
            // A sender's port that answered with an error, or a signal: the next one may be good.
            Err(_) => {
                quit.wait(SLICE);
            }
        }
    }
}

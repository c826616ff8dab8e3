//! Access units read ahead of the decoder, so that the end of a file is known before its last GOP opens.

use super::Gone;
use super::framesync::Sight;
use crate::capture::{Kind, Unit};
use crate::frame::{End, Flow};
use crate::time::Seconds;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use std::collections::VecDeque;
use std::time::Instant;

/// Units and bytes held at most, whatever their stamps say.
const UNITS: usize = 1024;
const BYTES: usize = 64 << 20;

/// The queue from capture, with a little of it taken out already.
pub struct Ahead {
    units: Receiver<Flow<Unit>>,
    /// How far to read ahead; zero where units come in their own time.
    span: Seconds,
    held: VecDeque<Flow<Unit>>,
    bytes: usize,
    /// The latest presentation time of a unit handed out (of the first one read, before that), and of one read.
    decoded: Option<Seconds>,
    latest: Option<Seconds>,
    ended: bool,
    /// A limit cut it short of `span`.
    cut: bool,
}

impl Ahead {
    /// Reads `span` ahead in `units`.
    pub fn new(units: Receiver<Flow<Unit>>, span: Seconds) -> Ahead {
        Ahead { units, span, held: VecDeque::new(), bytes: 0, decoded: None, latest: None, ended: false, cut: false }
    }

    /// The next unit or the end; nothing where `due` comes first, which counts only while nothing is read ahead.
    ///
    /// # Errors
    /// The queue closed without an end.
    pub fn next(&mut self, due: Option<Instant>) -> Result<Option<Flow<Unit>>, Gone> {
        while self.wants_more() {
            let received = match due {
                Some(due) => self.units.recv_deadline(due),
                None => self.units.recv().map_err(RecvTimeoutError::from),
            };
            match received {
                Ok(flow) => self.hold(flow),
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(Gone("capture")),
            }
        }
        let next = self.held.pop_front();
        if let Some(Flow::Item(unit)) = &next {
            self.bytes -= unit.packet.size();
            self.decoded = self.time(unit).max(self.decoded);
        }
        next.map(Some).ok_or(Gone("capture"))
    }

    /// How many units wait in the queue.
    pub fn waiting(&self) -> usize {
        self.units.len()
    }

    /// What is known of the end of the feed.
    pub fn sight(&self) -> Sight {
        match self.ended {
            true => Sight::Ends(self.latest),
            false if self.cut || self.span == Seconds::ZERO => Sight::Blind,
            false => Sight::Clear,
        }
    }

    /// Reads on to the end, so that capture never waits for a full queue.
    ///
    /// # Errors
    /// The queue closed without one.
    pub fn drain(self) -> Result<(), Gone> {
        let ends = |flow: &Flow<Unit>| matches!(flow, Flow::End(_));
        if self.held.iter().any(ends) || self.units.iter().any(|flow| ends(&flow)) { Ok(()) } else { Err(Gone("capture")) }
    }

    fn wants_more(&mut self) -> bool {
        let ended = matches!(self.held.back(), Some(Flow::End(_)));
        let far = self.latest.zip(self.decoded).is_some_and(|(latest, decoded)| latest - decoded >= self.span);
        let full = self.held.len() >= UNITS || self.bytes >= BYTES;
        self.cut = full && !far && !ended;
        self.held.is_empty() || !ended && self.span > Seconds::ZERO && !far && !full
    }

    fn hold(&mut self, flow: Flow<Unit>) {
        match &flow {
            Flow::Item(unit) => {
                self.bytes += unit.packet.size();
                let time = self.time(unit);
                self.decoded = self.decoded.or(time);
                self.latest = time.max(self.latest);
            }
            Flow::End(end) => self.ended = *end == End::Ended,
        }
        self.held.push_back(flow);
    }

    fn time(&self, unit: &Unit) -> Option<Seconds> {
        let pts = unit.packet.pts().or(unit.packet.dts()).filter(|_| unit.kind == Kind::Video)?;
        let (num, den) = unit.stream.time_base;
        Seconds::from_ticks(pts, num, den)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::StreamInfo;
    use crossbeam::channel::unbounded;
    use ffmpeg_next::Packet;
    use std::sync::Arc;
    use std::time::Duration;

    fn unit(pts: i64) -> Flow<Unit> {
        let mut packet = Packet::copy(&[0; 8]);
        packet.set_pts(Some(pts));
        let stream = Arc::new(StreamInfo::new(0, ffmpeg_next::codec::Parameters::new(), (1, 1000)));
        Flow::Item(Unit { kind: Kind::Video, stream, packet, arrival: Seconds::ZERO, hurt: false })
    }

    #[test]
    fn the_end_is_known_two_seconds_before_it() {
        let (tx, rx) = unbounded();
        for n in 0..250 {
            // Coded out of the order in which it is shown.
            tx.send(unit([n, n + 2, n, n - 2][n as usize % 4] * 40)).expect("open");
        }
        tx.send(Flow::End(End::Ended)).expect("open");
        let mut ahead = Ahead::new(rx, Seconds::TWO);
        let mut known = None;
        for n in 0..250 {
            assert!(matches!(ahead.next(None), Ok(Some(Flow::Item(_)))));
            if let Sight::Ends(at) = ahead.sight() {
                assert_eq!(at, Some(Seconds::new(251 * 40, 1000)));
                known = known.or(Some(n));
            }
        }
        assert!(known.is_some_and(|n| (195..=205).contains(&n)), "{known:?}");
        assert!(matches!(ahead.next(None), Ok(Some(Flow::End(End::Ended)))));
    }

    #[test]
    fn nothing_is_waited_for_where_units_come_in_their_own_time() {
        let (tx, rx) = unbounded();
        let mut ahead = Ahead::new(rx, Seconds::ZERO);
        tx.send(unit(0)).expect("open");
        assert!(matches!(ahead.next(None), Ok(Some(Flow::Item(_)))));
        assert!(matches!(ahead.next(Some(Instant::now() + Duration::from_millis(1))), Ok(None)));
        drop(tx);
        assert!(ahead.next(None).is_err());
    }

    #[test]
    fn what_is_read_ahead_counts_for_the_drain() {
        let (tx, rx) = unbounded();
        [unit(0), unit(40), Flow::End(End::Ended)].into_iter().for_each(|flow| tx.send(flow).expect("open"));
        drop(tx);
        let mut ahead = Ahead::new(rx, Seconds::TWO);
        assert!(ahead.next(None).is_ok());
        assert!(ahead.drain().is_ok());
    }
}

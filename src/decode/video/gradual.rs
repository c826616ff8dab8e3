//! Where pictures are refreshed bit by bit (H.264's intra refresh: key packets are recovery points from which so many pictures are needed), a new decoder shows nothing until
//! all of a picture has been refreshed. Until then the old one goes on, and what it shows stays marked.
//!
//! ```text
//! packets    P x P K P P P P      x: damaged, K: a recovery point, three pictures on all is fresh
//! old        P x P K P P
//! new              - - - P P
//! ```
//!
//! What a recovery point says is not always so: of ten of x264's, one or two left something of what was before in pictures that should have been as if it had not been, until the next
//! refresh. So what a decoder shows that began at a recovery point is marked until it has seen a second one through.

use super::renewal::{APART, Recipe};
use super::{Join, Sent, SourcePicture, VideoDecoder};
use crate::ffmpeg::open_decoder_after;
use crate::time::Seconds;
use ffmpeg_next::codec::Id;
use ffmpeg_next::codec::decoder::Opened;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Error, Packet};

/// NAL unit types of H.264 (ITU-T H.264, table 7-1).
const SLICE: u8 = 1;
const IDR: u8 = 5;
const SEI: u8 = 6;
/// SEI payload type of a recovery point (ITU-T H.264, D.1.8).
const RECOVERY_POINT: usize = 6;

/// The new decoder, which has not shown anything yet.
pub(super) struct Gradual {
    /// The number of its first packet.
    from: i64,
    decoder: Opened,
}

/// A decoder began at a recovery point, and its pictures stay marked until a second refresh is over.
pub(super) struct Healing {
    /// The number of its first packet.
    from: i64,
    /// From there to its first picture, in packets.
    refresh: Option<i64>,
    /// The next recovery point.
    second: Option<i64>,
}

impl Healing {
    pub fn from(from: i64) -> Healing {
        Healing { from, refresh: None, second: None }
    }

    /// Whether it is over with the picture of packet `number`.
    fn is_over(&mut self, number: i64) -> bool {
        let refresh = *self.refresh.get_or_insert(number.saturating_sub(self.from));
        self.second.is_some_and(|second| number >= second.saturating_add(refresh))
    }
}

/// Where the two decoders have the same pictures, which are shown once.
#[derive(Clone, Copy)]
pub(super) enum Overlap {
    /// The old one shows those before this time.
    Until(Seconds),
    /// The new one shows those after this time, of packets up to this number; and all of later packets.
    After(Seconds, i64),
}

impl Overlap {
    /// Whether the picture at `time`, of packet `number`, is the other decoder's.
    pub fn hides(&self, time: Option<Seconds>, number: i64) -> bool {
        match *self {
            Overlap::Until(until) => time.is_some_and(|time| time >= until),
            Overlap::After(after, newest) => number <= newest && time.is_some_and(|time| time <= after),
        }
    }
}

impl VideoDecoder {
    /// Whether from this key packet on pictures are refreshed bit by bit.
    pub(super) fn is_gradual(&self, packet: &Packet) -> bool {
        self.recipe.is_gradual(packet)
    }

    /// Begins at a recovery point behind damage, and gives the new decoder what the old one gets. Whether it has taken over with this packet, which then is no longer the old one's.
    pub(super) fn refresh(&mut self, packet: &Packet, numbered: &Packet, number: i64, out: &mut Vec<SourcePicture>) -> bool {
        if packet.is_key() {
            self.begin_gradual(packet, number);
        }
        let Some(gradual) = &mut self.gradual else { return false };
        // It lacks what was before: that it says so is no error of the feed, of which the old one tells.
        let _ = gradual.decoder.send_packet(numbered);
        let mut first = Video::empty();
        let shown = gradual.decoder.receive_frame(&mut first).is_ok();
        if shown {
            self.take_over(first, number, out);
        }
        shown
    }

    /// A decoder that begins at a recovery point is marked, as one behind damage is.
    pub(super) fn joined_at(&mut self, packet: &Packet, number: i64) {
        if self.device.is_none() && self.is_gradual(packet) {
            self.damage.at(number.saturating_sub(1));
            self.damage.renewed(number);
            self.healing = Some(Healing::from(number));
        }
    }

    /// Before the picture of packet `number`: whether what was before the recovery point is over, as behind a key picture.
    pub(super) fn heals(&mut self, number: i64) -> bool {
        self.healing.take_if(|healing| healing.is_over(number)).is_some()
    }

    fn begin_gradual(&mut self, packet: &Packet, number: i64) {
        if let Some(healing) = self.healing.as_mut().filter(|healing| healing.second.is_none() && number > healing.from) {
            healing.second = self.recipe.is_gradual(packet).then_some(number);
        }
        let goes_on = self.gradual.as_ref().is_some_and(|gradual| !self.damage.since(gradual.from));
        let due = self.device.is_none() && matches!(self.join, Join::Joined) && packet.pts().is_some() && self.damage.outlives(number, APART);
        if goes_on && self.is_gradual(packet) {
            return;
        }
        self.gradual = None;
        if due && self.is_gradual(packet) {
            match self.reopened() {
                Ok(decoder) => self.gradual = Some(Gradual { from: number, decoder }),
                Err(error) => tracing::error!("after damage: {}: {error}; what is decoded stays marked", super::OPEN),
            }
        }
    }

    /// The new decoder has its first picture: the old one shows what comes before that.
    fn take_over(&mut self, first: Video, newest: i64, out: &mut Vec<SourcePicture>) {
        let Some(Gradual { from, decoder }) = self.gradual.take() else { return };
        let number = first.pts().or(first.timestamp()).unwrap_or(newest);
        let begins = self.sent.iter().rev().find(|sent| sent.number == number).and_then(|sent| self.time_at(sent));
        self.overlap = begins.map(Overlap::Until);
        self.drain(out);
        self.overlap = self.last.map(|last| Overlap::After(last, newest));
        self.decoder = decoder;
        self.counters.renewed += 1;
        self.damage.renewed(from);
        self.healing = Some(Healing::from(from));
        self.fed = newest;
        self.decoded(first);
        self.receive(out);
    }

    /// When the picture of a packet is shown, as the packet says.
    pub(super) fn time_at(&self, sent: &Sent) -> Option<Seconds> {
        sent.pts.and_then(|pts| Seconds::from_ticks(pts, self.time_base.0, self.time_base.1))
    }

    /// A new decoder, as the present one was opened.
    pub(super) fn reopened(&self) -> Result<Opened, Error> {
        let Recipe { parameters, headers, threads } = &self.recipe;
        open_decoder_after(&self.decoder, parameters, headers.as_deref(), self.time_base, *threads)
    }
}

impl Recipe {
    fn is_gradual(&self, packet: &Packet) -> bool {
        self.parameters.id() == Id::H264 && packet.data().is_some_and(|data| is_recovery(data, self.length_size()))
    }
}

/// Whether an access unit of H.264 is a recovery point with pictures to go: no IDR slice, and an SEI with a `recovery_frame_cnt` that is not zero. NAL units have lengths of
/// `length_size` bytes, or start codes where that is absent.
fn is_recovery(data: &[u8], length_size: Option<usize>) -> bool {
    let (mut gradual, mut rest) = (false, data);
    while let Some((unit, behind)) = next_unit(rest, length_size) {
        match unit.split_first().map(|(header, messages)| (header & 31, messages)) {
            Some((SLICE, _)) => return gradual,
            Some((IDR, _)) => return false,
            Some((SEI, messages)) => gradual |= has_gradual_sei(messages),
            _ => {}
        }
        rest = behind;
    }
    false
}

/// The first NAL unit, its header first, and what is behind it. A slice is only its header: nothing behind it is wanted.
fn next_unit(data: &[u8], length_size: Option<usize>) -> Option<(&[u8], &[u8])> {
    if let Some(size) = length_size {
        let (length, rest) = data.split_at_checked(size)?;
        return rest.split_at_checked(length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)));
    }
    let begin = data.windows(3).position(|three| three == [0, 0, 1])? + 3;
    let unit = data.get(begin..)?;
    if unit.first().is_some_and(|header| [SLICE, IDR].contains(&(header & 31))) {
        return Some(unit.split_at(1));
    }
    let end = unit.windows(3).position(|three| three == [0, 0, 1]).unwrap_or(unit.len());
    Some(unit.split_at(end))
}

/// Whether messages of an SEI unit have a recovery point whose count is not zero: an Exp-Golomb code that does not begin with a one.
fn has_gradual_sei(mut messages: &[u8]) -> bool {
    loop {
        let Some((kind, size)) = number(&mut messages).zip(number(&mut messages)) else { return false };
        let Some((payload, behind)) = messages.split_at_checked(size) else { return false };
        if kind == RECOVERY_POINT {
            return payload.first().is_some_and(|first| first & 0x80 == 0);
        }
        messages = behind;
    }
}

/// A payload type or size: 255s, and what is beyond them. (With emulation prevention in the payloads before, a size may be a byte short: then nothing is found.)
fn number(bytes: &mut &[u8]) -> Option<usize> {
    let high = bytes.iter().take_while(|byte| **byte == 255).count();
    let (low, rest) = bytes.get(high..)?.split_first()?;
    *bytes = rest;
    Some(255 * high + usize::from(*low))
}

#[cfg(test)]
#[path = "gradual_tests.rs"]
mod tests;

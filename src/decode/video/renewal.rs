//! A new decoder at the first key picture behind damage: what the old one got wrong may outlive it.
//!
//! libav's H.264 leaves the coefficients of the macroblock at which it failed where they are, and adds them to one of a later picture, be that a key picture; all that
//! refers to it is wrong then, and nothing tells. Only a decoder that has seen no damage is known to keep none.
//!
//! ```text
//! packets    P P x P K b b P P      x: damaged, K: key picture, b: lead it
//! old        P P x P K b b          K is not shown
//! new                K b b P P      b, which refer to what the new one never had, are not shown
//! ```

use super::{Join, SourcePicture, VideoDecoder};
use crate::capture::Leading;
use crate::ffmpeg::{SharedParameters, new_headers, parameters_extradata, share_packet};
use crate::time::Seconds;
use ffmpeg_next::Packet;
use std::ops::Range;

/// Packets between two renewals, so that a feed of key pictures, many of them damaged, does not open decoders all the time. Until then the mark stays.
pub(super) const APART: i64 = 12;

/// What a decoder is opened from again.
pub(super) struct Recipe {
    pub parameters: SharedParameters,
    /// Parameter sets that came in mid-stream, in place of those in `parameters`.
    pub headers: Option<Vec<u8>>,
    pub threads: usize,
}

impl Recipe {
    /// Takes note of new parameter sets beside a packet (FLV's sequence headers).
    pub fn learn(&mut self, packet: &Packet) {
        if let Some(headers) = new_headers(packet) {
            self.headers = Some(headers);
        }
    }

    /// Bytes of the length of a NAL unit of H.264; absent where there are start codes (ISO 14496-15, 5.3.3.1).
    pub fn length_size(&self) -> Option<usize> {
        let headers = self.headers.as_deref().unwrap_or_else(|| parameters_extradata(&self.parameters));
        headers.get(4).filter(|_| headers.first() == Some(&1)).map(|sizes| usize::from(sizes & 3) + 1)
    }
}

/// The key packet and those that lead it, which the old decoder has had and the new one needs.
pub(super) struct Renewal {
    /// The number of the key packet.
    pub from: i64,
    kept: Vec<(i64, Packet)>,
    leading: Leading,
    /// A packet at these times belongs to the key picture: its second field. There is one.
    second_field: Option<Range<Seconds>>,
}

impl Renewal {
    /// Whether this next packet goes to both, and if so whether it leads the key picture.
    fn takes(&mut self, packet: &Packet, time: Option<Seconds>) -> Option<bool> {
        let leads = self.leading.has(packet);
        let second = !packet.is_key() && self.second_field.take_if(|times| time.is_some_and(|time| times.contains(&time))).is_some();
        (leads || second).then_some(leads)
    }

    /// Whether the old decoder shows the picture of this packet.
    pub fn shows(&self, number: i64, carried: bool) -> bool {
        carried || number < self.from
    }
}

impl VideoDecoder {
    /// Before a packet: whether it leads a key picture from which a new decoder takes over, so that the old one shows it. Ends a renewal that is due.
    pub(super) fn carried(&mut self, packet: &Packet, out: &mut Vec<SourcePicture>) -> bool {
        let time = self.time_in(packet);
        let Some(takes) = self.renewal.as_mut().map(|renewal| renewal.takes(packet, time)) else { return false };
        if takes.is_none() {
            self.end_renewal(out);
        }
        takes.unwrap_or(false)
    }

    /// Begins a renewal at a clean key packet behind damage; keeps what belongs to one, as the decoder gets it.
    pub(super) fn keep(&mut self, packet: &Packet, numbered: &Packet, number: i64) {
        let due = packet.is_key() && self.damage.outlives(number, APART) && !self.is_gradual(packet);
        if self.renewal.is_none() && due && self.device.is_none() && matches!(self.join, Join::Joined) {
            self.renewal = Some(Renewal {
                from: number,
                kept: Vec::new(),
                leading: Leading::of(packet, self.time_base),
                second_field: self.time_in(packet).filter(|_| self.fields).map(|time| time..time + self.period.times(3).over(4)),
            });
        }
        if let Some(renewal) = &mut self.renewal {
            match share_packet(numbered) {
                Some(packet) => renewal.kept.push((number, packet)),
                // Short of memory: the old one goes on, and the mark stays.
                None => self.renewal = None,
            }
        }
    }

    /// The old decoder shows what it has, and the new one takes over.
    pub(super) fn end_renewal(&mut self, out: &mut Vec<SourcePicture>) {
        if self.renewal.is_none() {
            return;
        }
        match self.reopened() {
            Ok(decoder) => {
                self.drain(out);
                self.decoder = decoder;
            }
            Err(error) => {
                // It opened when the event began. What it would have decoded is missing until the old one's next picture.
                self.renewal = None;
                return tracing::error!("after damage: {}: {error}; what is decoded stays marked", super::OPEN);
            }
        }
        let Some(renewal) = self.renewal.take() else { return };
        self.counters.renewed += 1;
        self.damage.renewed(renewal.from);
        for (number, packet) in &renewal.kept {
            self.send(packet, *number, out);
        }
    }

    fn time_in(&self, packet: &Packet) -> Option<Seconds> {
        packet.pts().and_then(|pts| Seconds::from_ticks(pts, self.time_base.0, self.time_base.1))
    }
}

#[cfg(test)]
#[path = "renewal_tests.rs"]
mod tests;

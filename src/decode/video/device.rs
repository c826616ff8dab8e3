//! A decoder at work on a device, and its way back to the host.
//!
//! Until the first picture comes out of it, its packets are kept: where it turns out that the device does not take the stream, they are decoded on the host from the
//! first one on, as if no device had been asked. Later, decoding moves to the host at the next random-access point. It does not come back.

use super::{Join, OPEN, VideoDecoder};
use crate::capture::{StreamInfo, Unit};
use crate::decode::damage::Damage;
use crate::decode::device::decoder_for;
use crate::ffmpeg::{cropped, open_decoder, open_decoder_as, share_packet};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::Parameters;
use ffmpeg_next::frame::Video;
use hwaccel::decoder::attach;
use hwaccel::device::Device;
use hwaccel::surface::is_on_device;
use std::sync::Arc;

/// Pictures of the decoder's pool that are on their way to the downscaler: two in the queue, what frame sync and the downscaler hold, and one between. A decoder of NVIDIA's
/// has 32, of which H.264 may need 20.
const HELD: u32 = 8;
/// Packets that are kept until the first picture is out: more than a decoder holds back.
const KEPT: usize = 64;
/// Packets in a row that it refuses as damaged, without a picture between, after which it is the decoder that is taken for broken.
const REFUSED: u32 = 16;

/// What is known of a decoder on a device.
pub(super) struct OnDevice {
    device: Arc<Device>,
    parameters: Parameters,
    threads: usize,
    /// No picture has come out yet, and these packets went in.
    untried: Option<Vec<Unit>>,
    refused: u32,
    /// Why it is to be left.
    leaving: Option<String>,
}

impl OnDevice {
    /// The decoder said no.
    pub fn failed(&mut self, error: &ffmpeg::Error) {
        self.refused += 1;
        if *error != ffmpeg::Error::InvalidData {
            self.leave(format!("it fails: {error}"));
        } else if self.refused >= REFUSED {
            self.leave(format!("it refuses {REFUSED} packets in a row"));
        }
    }

    /// Whether a picture that came out is one to go on with.
    pub fn takes(&mut self, picture: &Video) -> bool {
        self.refused = 0;
        if !is_on_device(picture) {
            self.leave("the device does not take the stream (its size, depth or profile)".to_owned());
        } else if cropped(picture) {
            self.leave("its pictures are cropped at the left or the top, which devices do not do".to_owned());
        }
        if self.leaving.is_none() {
            self.untried = None;
        }
        // What came before the first good picture is decoded again.
        self.untried.is_none()
    }

    fn leave(&mut self, why: String) {
        self.leaving.get_or_insert(why);
    }

    fn keep(&mut self, unit: &Unit) {
        let Some(kept) = &mut self.untried else { return };
        match share_packet(&unit.packet).filter(|_| kept.len() < KEPT) {
            Some(packet) => kept.push(Unit { kind: unit.kind, stream: unit.stream.clone(), packet, arrival: unit.arrival, hurt: unit.hurt }),
            None => self.untried = None,
        }
    }
}

impl VideoDecoder {
    /// The same decoder at work on `device`; as it is where that does not open, with a line. Before anything was pushed.
    pub fn on(self, device: &Arc<Device>, info: &StreamInfo, threads: usize) -> VideoDecoder {
        self.on_by(decoder_for(info.parameters.id(), device.name()), device, info, threads)
    }

    fn on_by(mut self, codec: Option<ffmpeg::Codec>, device: &Arc<Device>, info: &StreamInfo, threads: usize) -> VideoDecoder {
        let attached = |codec| open_decoder_as(codec, &info.parameters, info.time_base, 1, |context| attach(context, device, HELD));
        match codec.ok_or(ffmpeg::Error::DecoderNotFound).and_then(attached) {
            Ok(decoder) => {
                self.decoder = decoder;
                self.damage.on_device();
                self.device = Some(OnDevice {
                    device: Arc::clone(device),
                    parameters: info.parameters.clone(),
                    threads,
                    untried: Some(Vec::new()),
                    refused: 0,
                    leaving: None,
                });
            }
            Err(error) => tracing::warn!("{}: no decoder opens on it: {error}; the source is decoded in software", device.name()),
        }
        self
    }

    /// Before a packet: moves to the host where that is due, else keeps the packet as long as it may be needed again.
    pub(super) fn before(&mut self, unit: &Unit, out: &mut Vec<super::SourcePicture>) {
        let Some(device) = &mut self.device else { return };
        if device.leaving.is_none() {
            return device.keep(unit);
        }
        if !unit.packet.is_key() {
            return;
        }
        self.drain(out);
        self.go_to_host();
    }

    /// After a packet: where the device does not even begin, all is decoded on the host from the first packet on. Whether that is so.
    pub(super) fn after(&mut self, out: &mut Vec<super::SourcePicture>) -> bool {
        let Some(kept) = self.device.as_mut().filter(|device| device.leaving.is_some()).and_then(|device| device.untried.take()) else { return false };
        let threads = self.device.as_ref().map_or(1, |device| device.threads);
        self.go_to_host();
        self.damage = Damage::new(threads);
        self.sent.clear();
        self.keys.clear();
        self.unstamped.clear();
        self.last = None;
        self.filtered.clear();
        for unit in &kept {
            self.decode(unit, out);
        }
        true
    }

    /// From here on a decoder on the host, which begins at the next random-access point.
    fn go_to_host(&mut self) {
        let Some(OnDevice { device, parameters, threads, leaving, .. }) = self.device.take() else { return };
        let why = leaving.unwrap_or_default();
        self.counters.left_device += 1;
        match open_decoder(&parameters, self.time_base, threads) {
            Ok(decoder) => {
                tracing::warn!("decoding on {} is given up: {why}; the source is decoded in software from here on", device.name());
                self.decoder = decoder;
                self.damage.renewed(self.next);
            }
            // It opened when the event began; the old one is at its end, and each packet counts as an error from here on.
            Err(error) => tracing::error!("decoding on {} is given up: {why}; and {OPEN}: {error}", device.name()),
        }
        self.join = Join::Waiting;
    }
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;

//! Low latency: each picture is coded as it comes, at the quantizer of the quality.

use super::coder::{Coder, Spend};
use super::{NAME, pictures};
use crate::encode::{EncodeError, Encoder, Packet, obu};
use crate::frame::Frame;
use crate::plan::Rendition;
use crate::time::GopId;
use ::rav1e::prelude::{EncoderConfig, Pixel};
use std::sync::Arc;

/// An encoder of one GOP that holds next to nothing back.
pub(super) struct Live<T: Pixel> {
    config: EncoderConfig,
    quantizer: u8,
    slots: u32,
    rung: String,
    gop: GopId,
    /// Slot of the next packet.
    next: Option<i64>,
    fed: u64,
    made: u64,
    coder: Option<Coder<'static, T>>,
}

impl<T: Pixel> Live<T> {
    /// One of `config`, at quantizer index `quantizer`.
    pub fn new(rendition: &Rendition, config: EncoderConfig, quantizer: u8) -> Live<T> {
        let (slots, rung) = (rendition.grid.gop_slots, rendition.name.clone());
        Live { config, quantizer, slots, rung, gop: GopId(0), next: None, fed: 0, made: 0, coder: None }
    }

    fn failed(&self, why: String) -> EncodeError {
        EncodeError::Failed { rung: self.rung.clone(), backend: NAME, gop: self.gop, why }
    }

    fn take(&mut self, frame: &Frame) -> Result<Vec<Vec<u8>>, String> {
        let picture = pictures::picture(frame.picture.host()?, (self.config.width, self.config.height), 1)?;
        let key = frame.opens_gop || frame.force_idr || self.fed == 0;
        let coder = match &mut self.coder {
            Some(coder) => coder,
            coder => coder.insert(Coder::open(&self.config, Spend::Quantizer(self.quantizer), self.slots as usize)?),
        };
        coder.send(Arc::new(picture), key)?;
        self.fed += 1;
        Ok(coder.take())
    }

    /// Low latency codes pictures in the order in which they are shown.
    fn hand_out(&mut self, units: Vec<Vec<u8>>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        for unit in units {
            let (data, idr) = obu::to_sample(&unit).ok_or_else(|| self.failed("a temporal unit without a frame, or broken".to_owned()))?;
            let time = self.next.unwrap_or(0);
            self.next = Some(time + 1);
            self.made += 1;
            out.push(Packet { time, idr, data });
        }
        Ok(())
    }
}

impl<T: Pixel> Encoder for Live<T> {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.gop = frame.gop;
        self.next.get_or_insert(frame.slot.0);
        let units = self.take(frame).map_err(|why| self.failed(why))?;
        self.hand_out(units, out)
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let Some(coder) = self.coder.take() else { return Ok(()) };
        let written = coder.finish().map_err(|why| self.failed(why))?;
        self.hand_out(written.units, out)?;
        if self.made == self.fed { Ok(()) } else { Err(self.failed(format!("{} packets for {} pictures", self.made, self.fed))) }
    }
}

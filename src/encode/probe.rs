//! A backend for tests: tiny packets that depend on the pictures, no codec. It holds one frame back, so that a drain that is forgotten shows.

use super::{EncodeError, Encoder, Opened, Packet, Recipe, annexb::nal};
use crate::frame::Frame;
use crate::plan::Rendition;

/// Opens one. Never chosen by a plan on its own.
pub fn open(rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    Ok(Opened { encoder: Box::new(Probe { held: None, quality: recipe.quality, rung: rendition.name.clone(), breaks_at: None }), config: config() })
}

/// Opens one that fails on the fourth frame of a GOP.
#[cfg(test)]
pub fn open_breaking(rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    Ok(Opened { encoder: Box::new(Probe { held: None, quality: recipe.quality, rung: rendition.name.clone(), breaks_at: Some(3) }), config: config() })
}

/// Baseline, level 1.0, one SPS and one PPS.
fn config() -> Vec<u8> {
    vec![1, 66, 0xc0, 10, 0xff, 0xe1, 0, 8, 0x67, 66, 0xc0, 10, 0xd9, 0x1f, 0x88, 0x80, 1, 0, 4, 0x68, 0xcb, 0x83, 0xcb]
}

struct Probe {
    held: Option<Packet>,
    quality: f32,
    rung: String,
    breaks_at: Option<i64>,
}

impl Encoder for Probe {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if let Some(left) = self.breaks_at.as_mut() {
            if *left == 0 {
                return Err(EncodeError::Failed { rung: self.rung.clone(), backend: "probe", gop: frame.gop, why: "it was asked to".to_owned() });
            }
            *left -= 1;
        }
        let failed = |why: String| EncodeError::Failed { rung: self.rung.clone(), backend: "probe", gop: frame.gop, why };
        let picture = frame.picture.host().map_err(failed)?;
        let idr = frame.opens_gop || frame.force_idr;
        // FNV-1a over the first plane.
        let sum = picture.data(0).iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
        let mut unit = vec![if idr { 0x60 | nal::IDR } else { 0x40 | nal::SLICE }];
        unit.extend(sum.to_be_bytes().map(|b| b | 1));
        unit.extend(self.quality.to_be_bytes().map(|b| b | 1));
        let data = [&(unit.len() as u32).to_be_bytes()[..], &unit].concat();
        out.extend(self.held.replace(Packet { time: frame.slot.0, idr, data }));
        Ok(())
    }

    fn finish(self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        out.extend(self.held);
        Ok(())
    }
}

//! AV1 by the rav1e crate: a fresh encoder of one thread for each GOP.
//!
//! The GOP's pictures are held until the last is there, since the quantizers depend on all of them (`rate`): a GOP of references to frames, and the shrunk copies
//! that the scout encodes meanwhile. So a segment is encoded once it is whole, and comes out by how long that takes later. At low latency (`live`) pictures are coded
//! one by one at the quantizer of the quality; nothing then keeps a GOP to its cap.

mod coder;
mod level;
mod live;
mod pictures;
mod rate;
mod settings;
mod stats;
#[cfg(test)]
mod tests;

use super::{EncodeError, Encoder, Opened, Packet, Recipe, container_bytes, obu};
use crate::frame::Frame;
use crate::job::Latency;
use crate::plan::Rendition;
use crate::time::GopId;
use ::rav1e::prelude::{ChromaSampling, EncoderConfig, Frame as Pixels, Pixel};
use coder::{Coder, Spend, Written};
use ffmpeg_next::frame::Video;
use rate::{Budget, Scale};
use std::sync::Arc;

const NAME: &str = "rav1e";

/// The scout's pictures have this part of the width and height, where that leaves enough of them.
const SHRUNK: usize = 3;

/// The quantizer index that a constant rate does not go below: what is finer cannot be seen.
const FINEST: u8 = 8;

/// Caps that are possible, in bits per second.
const CAPS: std::ops::RangeInclusive<u64> = 10_000..=2_000_000_000;

/// Opens an encoder for one GOP. Its sequence header depends on the rendition and the recipe's point alone.
pub fn open(rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    let refused = |why: String| EncodeError::Open { rung: rendition.name.clone(), backend: NAME, why };
    if !rendition.codec.qualities().contains(&recipe.quality) {
        return Err(refused(format!("quality {} is not one from 1 to 63", recipe.quality)));
    }
    if !CAPS.contains(&recipe.cap) {
        return Err(refused(format!("cap {} b/s: 10 kb/s to 2 Gb/s are possible", recipe.cap)));
    }
    let config = settings::settings(rendition, &recipe.point).map_err(refused)?;
    config_of(rendition, recipe, config).map_err(refused)
}

fn config_of(rendition: &Rendition, recipe: &Recipe, config: EncoderConfig) -> Result<Opened, String> {
    if rendition.depth == 8 { opened::<u8>(rendition, recipe, config) } else { opened::<u16>(rendition, recipe, config) }
}

fn opened<T: Pixel>(rendition: &Rendition, recipe: &Recipe, config: EncoderConfig) -> Result<Opened, String> {
    let record = record::<T>(&config)?;
    if rendition.latency == Latency::Low {
        let encoder = live::Live::<T>::new(rendition, config, quantizer(recipe.quality));
        return Ok(Opened { encoder: Box::new(encoder), config: record });
    }
    let size = (config.width, config.height);
    let divisor = pictures::divisor(size, SHRUNK);
    let encoder = Box::new(Rav1e::<T> {
        scout_config: settings::scout(&config, pictures::shrunk(size, divisor)),
        config,
        divisor,
        finest: if recipe.bitrate.is_some() { FINEST } else { quantizer(recipe.quality) },
        scouted: quantizer(recipe.quality),
        bitrate: recipe.bitrate.unwrap_or(recipe.cap),
        rate: (rendition.grid.rate.num(), rendition.grid.rate.den()),
        slots: rendition.grid.gop_slots,
        rung: rendition.name.clone(),
        gop: GopId(0),
        base: 0,
        frames: Vec::new(),
        small: Vec::new(),
        scout: None,
    });
    Ok(Opened { encoder, config: record })
}

/// The quantizer index of a quality of 1 to 63: four steps each, as libaom and SVT-AV1 have it.
fn quantizer(quality: f32) -> u8 {
    (quality * 4.0).round().clamp(1.0, 255.0) as u8
}

/// `av1C`, from the sequence header that rav1e writes before a grey picture: what it says of containers itself has no level.
fn record<T: Pixel>(config: &EncoderConfig) -> Result<Vec<u8>, String> {
    let mut coder = Coder::<T>::open(&settings::headed_alike(config), Spend::Quantizer(255), 1)?;
    let mut grey = Pixels::<T>::new_with_padding(config.width, config.height, ChromaSampling::Cs420, 88);
    for plane in &mut grey.planes {
        plane.data.fill(T::cast_from(1u16 << (config.bit_depth - 1)));
    }
    coder.send(Arc::new(grey), true)?;
    let written = coder.finish()?;
    written.units.first().and_then(|unit| obu::av1c(unit)).ok_or_else(|| "it gave no sequence header".to_owned())
}

struct Rav1e<T: Pixel> {
    config: EncoderConfig,
    scout_config: EncoderConfig,
    divisor: usize,
    finest: u8,
    scouted: u8,
    /// The cap, or the constant rate.
    bitrate: u64,
    rate: (u32, u32),
    slots: u32,
    rung: String,
    gop: GopId,
    /// Slot of the first frame.
    base: i64,
    /// The GOP so far, and where its key frames are.
    frames: Vec<(Arc<Video>, bool)>,
    small: Vec<Arc<Pixels<T>>>,
    scout: Option<Coder<'static, T>>,
}

impl<T: Pixel> Rav1e<T> {
    fn failed(&self, why: String) -> EncodeError {
        EncodeError::Failed { rung: self.rung.clone(), backend: NAME, gop: self.gop, why }
    }

    fn take(&mut self, frame: &Frame) -> Result<(), String> {
        let picture = frame.picture.host()?;
        let key = frame.opens_gop || frame.force_idr || self.frames.is_empty();
        let small = Arc::new(pictures::picture(picture, (self.config.width, self.config.height), self.divisor)?);
        let scout = match &mut self.scout {
            Some(scout) => scout,
            scout => scout.insert(Coder::open(&self.scout_config, Spend::Quantizer(self.scouted), self.slots as usize)?),
        };
        scout.send(Arc::clone(&small), key)?;
        self.small.push(small);
        self.frames.push((Arc::clone(picture), key));
        Ok(())
    }

    fn encode_all(&mut self) -> Result<Written, String> {
        let Some(first) = self.scout.take().map(Coder::finish).transpose()? else { return Ok(Written::default()) };
        let pixels = |config: &EncoderConfig| (config.width * config.height) as u64;
        let scale = Scale {
            pixels_permille: pixels(&self.config) * 1000 / pixels(&self.scout_config).max(1),
            bits_permille: rate::bits_permille(self.divisor, settings::is_fastest(&self.config)),
        };
        let count = self.frames.len();
        let budget = Budget { bits: self.budget(), finest: self.finest, scouted: self.scouted };
        let scout = |q: u8| {
            let mut coder = Coder::<T>::open(&self.scout_config, Spend::Quantizer(q), count)?;
            self.small.iter().zip(&self.frames).try_for_each(|(small, (_, key))| coder.send(Arc::clone(small), *key))?;
            coder.finish()
        };
        let run = |spend: Spend| {
            let mut coder = Coder::<T>::open(&self.config, spend, count)?;
            for (frame, key) in &self.frames {
                let picture = pictures::picture(frame, (self.config.width, self.config.height), 1)?;
                coder.send(Arc::new(picture), *key)?;
            }
            coder.finish()
        };
        let (written, effort) = rate::spend(budget, scale, first, scout, run)?;
        let (bits, of) = (written.bits(), budget.bits);
        tracing::debug!(rung = self.rung, gop = self.gop.0, bits, of, scouts = effort.scouts, runs = effort.runs, expected = effort.expected, "spent");
        if written.units.len() != count {
            return Err(format!("{} temporal units for {count} pictures", written.units.len()));
        }
        Ok(written)
    }

    /// Bits for the pictures held: what the cap or the constant rate allows them, without the segment's boxes; half is left to them whatever those take.
    fn budget(&self) -> u64 {
        let count = self.frames.len() as u64;
        let all = u128::from(self.bitrate) * u128::from(count) * u128::from(self.rate.1) / u128::from(self.rate.0.max(1));
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        all - (container_bytes(count as u32) * 8).min(all / 2)
    }
}

impl<T: Pixel> Encoder for Rav1e<T> {
    fn encode(&mut self, frame: &Frame, _out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if self.frames.is_empty() {
            (self.gop, self.base) = (frame.gop, frame.slot.0);
        }
        if self.frames.len() >= self.slots as usize {
            return Err(self.failed(format!("more than {} pictures", self.slots)));
        }
        self.take(frame).map_err(|why| self.failed(why))
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let written = self.encode_all().map_err(|why| self.failed(why))?;
        for (i, unit) in written.units.iter().enumerate() {
            let (data, idr) = obu::to_sample(unit).ok_or_else(|| self.failed(format!("temporal unit {i} has no frame")))?;
            if idr != self.frames[i].1 {
                return Err(self.failed(format!("picture {i} is {} key frame", if idr { "a" } else { "no" })));
            }
            out.push(Packet { time: self.base + i as i64, idr, data });
        }
        Ok(())
    }
}

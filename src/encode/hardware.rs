//! What the hardware encoders of libav have in common. One lives for the whole event: it is dear to open, and a driver allows only so many. It reorders nothing, so
//! that every GOP ends clean, and each opens with a forced IDR.
//!
//! To add one: a [`Hardware`] in a file beside this one, and a line in the table of backends. docs/hardware.md says what has been run on which device.

mod light;
mod packets;
pub mod refusal;
mod session;
pub mod spread;
#[cfg(test)]
mod tests;

use super::{EncodeError, Opened, Recipe, point};
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use hwaccel::device::{Kind, Name};

/// Options of libav, name and value.
pub type Options = Vec<(&'static str, String)>;

/// A family of hardware encoders.
pub struct Hardware {
    /// Name of the backend.
    pub name: &'static str,
    /// What drives its devices.
    pub kind: Kind,
    /// libav's encoder for each codec.
    pub encoders: &'static [(VideoCodec, &'static str)],
    /// libav's options for a rendition on a device. Pure.
    pub options: fn(&Rendition, &Recipe, Option<&Name>) -> Options,
    /// Options that are tried, one after the other, where it does not open without them.
    pub also: &'static [(&'static str, &'static str)],
    /// The device where none was given to the rung.
    pub first: fn() -> Name,
}

/// The device that the backend which the plan puts first for `rendition` encodes on; `None` where that is software, or no device was given.
pub fn first_device(rendition: &Rendition) -> Option<Name> {
    let first = rendition.backends.first()?;
    spread::FAMILIES.iter().find(|family| family.name == first)?.device(rendition)
}

impl Hardware {
    /// libav's encoder for `codec`.
    pub fn encoder(&self, codec: VideoCodec) -> Option<&'static str> {
        self.encoders.iter().find(|(of, _)| *of == codec).map(|(_, name)| *name)
    }

    /// The device that `rendition` was given; `None` where none was, as before the plan's devices are known.
    pub fn device(&self, rendition: &Rendition) -> Option<Name> {
        rendition.devices.iter().filter_map(|text| Name::parse(text)).find(|name| name.kind() == self.kind)
    }

    /// Opens an encoder for the event.
    ///
    /// # Errors
    /// Settings that it cannot have, before any device is asked; then the device's or the driver's refusal in one line.
    pub fn open(&'static self, rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
        let refused = |why: String| EncodeError::Open { rung: rendition.name.clone(), backend: self.name, why };
        if !point::POINTS.contains(&recipe.point.as_str()) {
            return Err(refused(format!("point \"{}\" is none of {}", recipe.point, point::POINTS.join(", "))));
        }
        let qualities = rendition.codec.qualities();
        if !qualities.contains(&recipe.quality) {
            return Err(refused(format!("quality {} is not a CRF from {} to {}", recipe.quality, qualities.start(), qualities.end())));
        }
        if !rendition.codec.depths().contains(&rendition.depth) {
            let accepted = rendition.codec.depths().iter().map(u32::to_string).collect::<Vec<_>>().join(" and ");
            return Err(refused(format!("{} bits; {accepted} are accepted", rendition.depth)));
        }
        session::open(self, rendition, recipe).map_err(refused)
    }
}

/// How much coarser a GOP is coded again that has this many percent of its cap: a quantizer 6 higher halves the bytes, and a little more is asked for.
pub fn coarser(percent: u32) -> f32 {
    (8.0 * (percent.max(100) as f32 / 100.0).log2()).round().max(1.0)
}

/// A constant rate in libav's words, with the `mode` that asks for it, and a bucket of half a GOP.
pub fn constant(rendition: &Rendition, bitrate: u64, mode: (&'static str, &str)) -> Options {
    let (num, den) = rendition.grid.gop_duration().fraction();
    let bucket = u64::try_from(i128::from(bitrate) * num / den / 2).unwrap_or(u64::MAX).min(i32::MAX as u64);
    vec![(mode.0, mode.1.to_owned()), ("b", bitrate.to_string()), ("maxrate", bitrate.to_string()), ("bufsize", bucket.max(1).to_string())]
}

/// The place of a recipe's operating point, 0 the fastest of eight.
pub fn speed(recipe: &Recipe) -> usize {
    point::POINTS.iter().position(|name| *name == recipe.point).unwrap_or(0)
}

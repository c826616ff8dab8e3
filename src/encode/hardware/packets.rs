//! What a hardware encoder gives, as samples: without sets and delimiters, with what its driver leaves out.

use super::super::{annexb, hevc, obu, renumber};
use super::light;
use crate::colour::VideoRange;
use crate::ladder::VideoCodec;
use crate::plan::Rendition;

/// How packets become samples.
pub struct Packing {
    codec: VideoCodec,
    /// What key pictures carry in front of the picture: HEVC's SEI messages, AV1's metadata.
    heads: Vec<Vec<u8>>,
    /// AV1's sequence header with its size, for drivers that write it into the configuration only.
    sequence: Vec<u8>,
    /// AVC's parameter sets are under this id, where another backend has the driver's.
    id: Option<u32>,
}

/// The id that AVC's parameter sets of backend `name` get: drivers have 0 for all.
pub fn sets_id(name: &str, rendition: &Rendition) -> Option<u32> {
    let place = rendition.backends.iter().position(|backend| backend == name)?;
    renumber::id(place).filter(|_| rendition.codec == VideoCodec::Avc)
}

impl Packing {
    /// For a rendition of which the encoder of backend `name` gave this configuration box.
    pub fn new(name: &str, rendition: &Rendition, config: &[u8]) -> Packing {
        let hdr = if rendition.range == VideoRange::Pq { rendition.hdr } else { Default::default() };
        let (heads, sequence) = match rendition.codec {
            VideoCodec::Avc => (Vec::new(), Vec::new()),
            VideoCodec::Hevc => (light::sei(&hdr), Vec::new()),
            VideoCodec::Av1 => (light::metadata(&hdr), config.get(4..).unwrap_or_default().to_vec()),
        };
        Packing { codec: rendition.codec, heads, sequence, id: sets_id(name, rendition) }
    }

    /// The sample, and whether it is an IDR (AV1: a shown key picture with its sequence header); `None` where the bytes are no access unit.
    pub fn sample(&self, unit: &[u8]) -> Option<(Vec<u8>, bool)> {
        match self.codec {
            VideoCodec::Avc => Some(self.id.map_or_else(|| annexb::to_sample(unit), |id| annexb::to_sample(&renumber::stream(unit, id)))),
            VideoCodec::Hevc => Some(hevc::to_sample(unit, &self.heads)),
            VideoCodec::Av1 => self.temporal_unit(unit),
        }
    }

    fn temporal_unit(&self, unit: &[u8]) -> Option<(Vec<u8>, bool)> {
        let (mut sample, mut key) = obu::to_sample(unit)?;
        if !key {
            let (headed, is_key) = obu::to_sample(&[&self.sequence, unit].concat())?;
            if is_key {
                (sample, key) = (headed, true);
            }
        }
        if key && !self.heads.is_empty() {
            // The sequence header comes first; what is said of the whole sequence follows it.
            let mut headed = Vec::with_capacity(sample.len() + 64);
            for (index, obu) in obu::units(&sample).enumerate() {
                obu?.write(&mut headed);
                if index == 0 {
                    self.heads.iter().for_each(|head| headed.extend_from_slice(head));
                }
            }
            sample = headed;
        }
        Some((sample, key))
    }
}

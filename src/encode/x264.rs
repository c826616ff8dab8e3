//! AVC by x264 through libav: a fresh encoder of one thread for each GOP, everything that could depend on the machine or on history pinned.

use super::level::{Needs, level};
use super::libav::{Fed, Gop, Pictures};
use super::measured::Quantizers;
use super::point::{self, X264Point};
use super::vbv::Vbv;
use super::{EncodeError, Encoder, Opened, Packet, Recipe, annexb};
use crate::ffmpeg as raw;
use crate::frame::Frame;
use crate::govern::Step;
use crate::plan::Rendition;
use ffmpeg_next as ffmpeg;
use hwaccel::isa::Isa;
use std::sync::Arc;

const NAME: &str = "x264";
/// Without its macroblock tree x264 makes so much more of the same quality that a hurried GOP aims lower by this.
const COARSER: f32 = 4.0;

/// Opens an encoder for one GOP. Its parameter sets depend on the rendition and the recipe's point alone.
pub fn open(rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    open_as(NAME, rendition, recipe)
}

/// Opens one as backend `name` of the rung, whose place in the rung's list is the id of its parameter sets: encoders that take turns have each its own.
pub fn open_as(name: &'static str, rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    let refused = |why: String| EncodeError::Open { rung: rendition.name.clone(), backend: name, why };
    let point = point::x264(&recipe.point).ok_or_else(|| refused(format!("point \"{}\" is none of {}", recipe.point, point::POINTS.join(", "))))?;
    if !(1.0..=51.0).contains(&recipe.quality) {
        return Err(refused(format!("quality {} is not a CRF from 1 to 51", recipe.quality)));
    }
    if rendition.depth != 8 {
        return Err(refused(format!("{} bits; 8 are accepted", rendition.depth)));
    }
    let codec = ffmpeg::encoder::find_by_name("libx264").ok_or_else(|| refused("libav has no libx264".to_owned()))?;
    let pictures = Pictures::of(rendition).map_err(refused)?;
    let (point, low) = point.at(rendition.latency);
    let point = if recipe.step > Step::Full { point.hurried() } else { point };
    let options = options(rendition, recipe, &point, low, sets_id(name, rendition)).map_err(refused)?;
    let encoder = pictures.open(codec, options).map_err(refused)?;
    let config = annexb::avcc(&raw::extradata(&encoder)).ok_or_else(|| refused("it gave no parameter sets".to_owned()))?;
    Ok(Opened { encoder: Box::new(X264(Gop::new(name, rendition, encoder, pictures))), config })
}

/// The place of backend `name` in the rung's list; x264 has ids up to 31.
fn sets_id(name: &str, rendition: &Rendition) -> usize {
    rendition.backends.iter().position(|backend| backend == name).unwrap_or(0).min(31)
}

/// libav's options. Those of the bucket and the quality must be libav's own: its wrapper would take a difference between them and x264's for a change of mind.
fn options(rendition: &Rendition, recipe: &Recipe, point: &X264Point, low: &[(&str, &str)], sets_id: usize) -> Result<Vec<(String, String)>, String> {
    let rate = rendition.grid.rate;
    let vbv = Vbv::new(rendition, recipe, (point.fill_percent, point.start_percent))?;
    let occupied = vbv.size / 100 * vbv.start;
    let hurried = if recipe.step > Step::Full { point.hurries_by() } else { &[] };
    let quality = if hurried.is_empty() { recipe.quality } else { (recipe.quality + COARSER).min(51.0) };
    let needs = Needs {
        width: rendition.width,
        height: rendition.height,
        rate: (rate.num(), rate.den()),
        frames: point.dpb_frames(),
        bitrate: rendition.max_bitrate,
        buffer: vbv.whole,
        high: point.transform_8x8,
    };
    let level = level(&needs).ok_or_else(|| format!("{}x{} at {rate} is beyond level 6.2 of H.264", rendition.width, rendition.height))?;
    let mut settings: Vec<(&str, String)> = vec![
        ("asm", Isa::pinned().x264().to_owned()),
        ("log", "1".to_owned()),
        ("threads", "1".to_owned()),
        ("sliced-threads", "0".to_owned()),
        ("level", level.to_string()),
        ("sps-id", sets_id.to_string()),
        ("keyint", "infinite".to_owned()),
        ("scenecut", "0".to_owned()),
        ("open-gop", "0".to_owned()),
        ("intra-refresh", "0".to_owned()),
        ("force-cfr", "1".to_owned()),
        ("stitchable", "1".to_owned()),
        ("repeat-headers", "0".to_owned()),
        ("annexb", "1".to_owned()),
        ("aud", "0".to_owned()),
        ("nal-hrd", "none".to_owned()),
        ("pic-struct", "0".to_owned()),
        ("chromaloc", "0".to_owned()),
        ("ref", point.refs.to_string()),
        ("bframes", point.bframes.to_string()),
        ("rc-lookahead", point.lookahead.to_string()),
        ("qcomp", "0.6".to_owned()),
        ("qpmin", "0".to_owned()),
        ("qpmax", "69".to_owned()),
        ("qpstep", "4".to_owned()),
        ("ipratio", "1.4".to_owned()),
        ("pbratio", "1.3".to_owned()),
        ("deadzone-inter", "21".to_owned()),
        ("deadzone-intra", "11".to_owned()),
        ("nr", "0".to_owned()),
    ];
    let altered = |key: &str| low.iter().chain(hurried).any(|(other, _)| *other == key);
    let own = point.settings.iter().filter(|(key, _)| !altered(key));
    let low = low.iter().filter(|(key, _)| hurried.iter().all(|(other, _)| other != key));
    settings.retain(|(key, _)| !altered(key));
    settings.extend(own.chain(low).chain(hurried).map(|(key, value)| (*key, (*value).to_owned())));
    let settings = settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(":");
    Ok([
        ("threads", "1".to_owned()),
        if recipe.bitrate.is_some() { ("b", vbv.rate.to_string()) } else { ("crf", format!("{quality:.2}")) },
        ("maxrate", vbv.rate.to_string()),
        ("bufsize", vbv.size.to_string()),
        ("rc_init_occupancy", occupied.to_string()),
        ("forced-idr", "1".to_owned()),
        ("a53cc", "0".to_owned()),
        ("x264-params", settings),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect())
}

struct X264(Gop);

impl X264 {
    fn take(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.0.drain(&mut |time, stream| {
            let (data, idr) = annexb::to_sample(stream);
            out.push(Packet { time, idr, data });
            Ok(())
        })
    }
}

impl Encoder for X264 {
    fn quantizers(&self) -> Option<Arc<Quantizers>> {
        Some(self.0.quantizers())
    }

    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.0.send(frame)?;
        self.take(out)
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if self.0.end()? == Fed::Some {
            self.take(out)?;
        }
        self.0.complete()
    }
}

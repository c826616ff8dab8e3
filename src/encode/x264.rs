//! AVC by x264 through libav: a fresh encoder of one thread for each GOP, everything that could depend on the machine or on history pinned.

use super::level::{Needs, level};
use super::point::{self, X264Point};
use super::vbv::Vbv;
use super::{EncodeError, Encoder, Opened, Packet, Recipe, annexb};
use crate::ffmpeg as raw;
use crate::frame::{Frame, Picture};
use crate::plan::Rendition;
use crate::time::GopId;
use ffmpeg_next as ffmpeg;
use hwaccel::isa::Isa;

const NAME: &str = "x264";

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
    let mut context = ffmpeg::codec::Context::new_with_codec(codec);
    context.set_flags(ffmpeg::codec::Flags::GLOBAL_HEADER | ffmpeg::codec::Flags::CLOSED_GOP);
    let words = |e: ffmpeg::Error| refused(e.to_string());
    let mut video = context.encoder().video().map_err(words)?;
    let rate = rendition.grid.rate;
    let ratio = |num: u32, den: u32| ffmpeg::Rational(num as i32, den as i32);
    video.set_width(rendition.width);
    video.set_height(rendition.height);
    video.set_format(ffmpeg::format::Pixel::YUV420P);
    video.set_time_base(ratio(rate.den(), rate.num()));
    video.set_frame_rate(Some(ratio(rate.num(), rate.den())));
    video.set_aspect_ratio(ratio(1, 1));
    video.set_colorspace(ffmpeg::color::Space::BT709);
    video.set_color_range(ffmpeg::color::Range::MPEG);
    video.set_color_primaries(ffmpeg::color::Primaries::BT709);
    video.set_color_transfer_characteristic(ffmpeg::color::TransferCharacteristic::BT709);
    let options = options(rendition, recipe, point, sets_id(name, rendition)).map_err(refused)?;
    let encoder = video.open_as_with(codec, options.into_iter().collect()).map_err(words)?;
    let config = annexb::avcc(&raw::extradata(&encoder)).ok_or_else(|| refused("it gave no parameter sets".to_owned()))?;
    let this = X264 { name, encoder, rung: rendition.name.clone(), size: (rendition.width, rendition.height), gop: GopId(0), base: None, fed: 0, made: 0 };
    Ok(Opened { encoder: Box::new(this), config })
}

/// The place of backend `name` in the rung's list; x264 has ids up to 31.
fn sets_id(name: &str, rendition: &Rendition) -> usize {
    rendition.backends.iter().position(|backend| backend == name).unwrap_or(0).min(31)
}

/// libav's options. Those of the bucket and the quality must be libav's own: its wrapper would take a difference between them and x264's for a change of mind.
fn options(rendition: &Rendition, recipe: &Recipe, point: &X264Point, sets_id: usize) -> Result<Vec<(String, String)>, String> {
    let rate = rendition.grid.rate;
    let vbv = Vbv::new(rendition, recipe, point.fill_percent)?;
    let occupied = vbv.size / 100 * point.start_percent;
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
    settings.extend(point.settings.iter().map(|(key, value)| (*key, (*value).to_owned())));
    let settings = settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(":");
    Ok([
        ("threads", "1".to_owned()),
        ("crf", format!("{:.2}", recipe.quality)),
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

struct X264 {
    name: &'static str,
    encoder: ffmpeg::encoder::video::Encoder,
    rung: String,
    size: (u32, u32),
    gop: GopId,
    /// Slot of the first frame.
    base: Option<i64>,
    fed: u64,
    made: u64,
}

impl X264 {
    fn failed(&self, why: impl ToString) -> EncodeError {
        EncodeError::Failed { rung: self.rung.clone(), backend: self.name, gop: self.gop, why: why.to_string() }
    }

    fn drain(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let mut packet = ffmpeg::Packet::empty();
        loop {
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => {}
                Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => return Ok(()),
                Err(error) => return Err(self.failed(error)),
            }
            let (Some(stream), Some(pts), Some(base)) = (packet.data(), packet.pts(), self.base) else {
                return Err(self.failed("a packet without data or time"));
            };
            let (data, idr) = annexb::to_sample(stream);
            out.push(Packet { time: base + pts, idr, data });
            self.made += 1;
        }
    }
}

impl Encoder for X264 {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let Picture::Cpu(picture) = &frame.picture;
        let base = *self.base.get_or_insert(frame.slot.0);
        self.gop = frame.gop;
        // x264 reads what its settings say, whatever the frame holds.
        if (picture.width(), picture.height()) != self.size || picture.format() != ffmpeg::format::Pixel::YUV420P {
            let (w, h) = self.size;
            return Err(self.failed(format!("a {} picture of {}x{}, not yuv420p {w}x{h}", raw::format_name(picture), picture.width(), picture.height())));
        }
        let mut picture = raw::share_samples(picture).ok_or_else(|| self.failed("out of memory"))?;
        picture.set_pts(Some(frame.slot.0 - base));
        if frame.opens_gop || frame.force_idr {
            picture.set_kind(ffmpeg::picture::Type::I);
        }
        self.encoder.send_frame(&picture).map_err(|e| self.failed(e))?;
        self.fed += 1;
        self.drain(out)
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if self.fed > 0 {
            self.encoder.send_eof().map_err(|e| self.failed(e))?;
            self.drain(out)?;
        }
        if self.made == self.fed { Ok(()) } else { Err(self.failed(format!("{} packets for {} pictures", self.made, self.fed))) }
    }
}

//! What the encoders of libav have in common: how they are opened, how pictures go in and packets come out.

use super::EncodeError;
use super::measured::Quantizers;
use crate::colour::{Signal, VideoRange};
use crate::ffmpeg as raw;
use crate::frame::Frame;
use crate::plan::Rendition;
use crate::time::GopId;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::packet::side_data::Type;
use ffmpeg_next::color;
use ffmpeg_next::format::Pixel;
use std::sync::Arc;

/// The pictures that an encoder is opened for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pictures {
    size: (u32, u32),
    rate: (u32, u32),
    signal: Signal,
    format: Pixel,
}

impl Pictures {
    /// Those of a rendition. Error where there is no format for them.
    pub fn of(rendition: &Rendition) -> Result<Pictures, String> {
        let format = match rendition.depth {
            8 => Pixel::YUV420P,
            10 => Pixel::YUV420P10LE,
            other => return Err(format!("{other} bits; 8 and 10 are accepted")),
        };
        let rate = rendition.grid.rate;
        Ok(Pictures { size: (rendition.width, rendition.height), rate: (rate.num(), rate.den()), signal: rendition.signal(), format })
    }

    /// Opens `codec` for them, with one thread, closed GOPs and global headers. Errors in libav's words.
    pub fn open(&self, codec: ffmpeg::Codec, options: Vec<(String, String)>) -> Result<ffmpeg::encoder::video::Encoder, String> {
        self.open_for(codec, options, self.format, |_| Ok(()))
    }

    /// As [`Pictures::open`], of which the encoder gets pictures of format `input`, and `prepare` what is left to set before.
    pub fn open_for(
        &self,
        codec: ffmpeg::Codec,
        options: Vec<(String, String)>,
        input: Pixel,
        prepare: impl FnOnce(&mut ffmpeg::codec::Context) -> Result<(), String>,
    ) -> Result<ffmpeg::encoder::video::Encoder, String> {
        let mut context = ffmpeg::codec::Context::new_with_codec(codec);
        context.set_flags(ffmpeg::codec::Flags::GLOBAL_HEADER | ffmpeg::codec::Flags::CLOSED_GOP);
        let mut video = context.encoder().video().map_err(|e| e.to_string())?;
        let ratio = |num: u32, den: u32| ffmpeg::Rational(num as i32, den as i32);
        let ((width, height), (num, den)) = (self.size, self.rate);
        video.set_width(width);
        video.set_height(height);
        video.set_format(input);
        video.set_time_base(ratio(den, num));
        video.set_frame_rate(Some(ratio(num, den)));
        video.set_aspect_ratio(ratio(1, 1));
        let (space, primaries, transfer) = match self.signal.range {
            VideoRange::Sdr => (color::Space::BT709, color::Primaries::BT709, color::TransferCharacteristic::BT709),
            VideoRange::Hlg => (color::Space::BT2020NCL, color::Primaries::BT2020, color::TransferCharacteristic::ARIB_STD_B67),
            VideoRange::Pq => (color::Space::BT2020NCL, color::Primaries::BT2020, color::TransferCharacteristic::SMPTE2084),
        };
        video.set_colorspace(space);
        video.set_color_range(color::Range::MPEG);
        video.set_color_primaries(primaries);
        video.set_color_transfer_characteristic(transfer);
        prepare(&mut video)?;
        video.open_as_with(codec, options.into_iter().collect()).map_err(|e| e.to_string())
    }

    /// The format of the frames, whatever the encoder gets.
    pub fn format(&self) -> Pixel {
        self.format
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }
}

/// Whether any picture went in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// At least one.
    Some,
    /// None at all.
    None,
}

/// Takes a packet: the slot of its picture, and its bytes. The error is in words.
pub type Take<'a> = dyn FnMut(i64, &[u8]) -> Result<(), String> + 'a;

/// An encoder of libav that is at work on one GOP.
pub struct Gop {
    encoder: ffmpeg::encoder::video::Encoder,
    name: &'static str,
    rung: String,
    pictures: Pictures,
    gop: GopId,
    /// Slot of the first frame.
    base: Option<i64>,
    fed: u64,
    made: u64,
    ended: bool,
    quantizers: Arc<Quantizers>,
}

impl Gop {
    /// `name` is that of the backend.
    pub fn new(name: &'static str, rendition: &Rendition, encoder: ffmpeg::encoder::video::Encoder, pictures: Pictures) -> Gop {
        Gop { encoder, name, rung: rendition.name.clone(), pictures, gop: GopId(0), base: None, fed: 0, made: 0, ended: false, quantizers: Arc::default() }
    }

    /// The error of this GOP.
    pub fn failed(&self, why: impl ToString) -> EncodeError {
        EncodeError::Failed { rung: self.rung.clone(), backend: self.name, gop: self.gop, why: why.to_string() }
    }

    /// What it was opened for.
    pub fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// What its packets say of their quantizers, where they do.
    pub fn quantizers(&self) -> Arc<Quantizers> {
        Arc::clone(&self.quantizers)
    }

    /// Whether a picture went in.
    pub fn fed(&self) -> bool {
        self.fed > 0
    }

    /// Hands a picture in; an IDR is asked for where the frame wants one.
    pub fn send(&mut self, frame: &Frame) -> Result<(), EncodeError> {
        self.send_as(frame, Ok)
    }

    /// As [`Gop::send`], with the picture as `made` makes it.
    pub fn send_as(&mut self, frame: &Frame, made: impl FnOnce(ffmpeg::frame::Video) -> Result<ffmpeg::frame::Video, String>) -> Result<(), EncodeError> {
        self.gop = frame.gop;
        let picture = frame.picture.host().map_err(|why| self.failed(why))?;
        // The encoder reads what its settings say, whatever the frame holds.
        let (w, h) = self.pictures.size;
        if (picture.width(), picture.height()) != (w, h) || picture.format() != self.pictures.format {
            let format = if self.pictures.signal.depth == 10 { "yuv420p10le" } else { "yuv420p" };
            return Err(self.failed(format!("a {} picture of {}x{}, not {format} {w}x{h}", raw::format_name(picture), picture.width(), picture.height())));
        }
        let picture = self.timed(frame, picture)?;
        let picture = made(picture).map_err(|why| self.failed(why))?;
        self.hand_in(&picture)
    }

    /// As [`Gop::send`], with the picture where it lies: for an encoder that was opened for pictures of this device, in the size of its own.
    pub fn send_surface(&mut self, frame: &Frame, surface: &ffmpeg::frame::Video) -> Result<(), EncodeError> {
        self.gop = frame.gop;
        let picture = self.timed(frame, surface)?;
        self.hand_in(&picture)
    }

    /// A handle to the picture's samples with the time of its slot, as an IDR where the frame wants one.
    fn timed(&mut self, frame: &Frame, picture: &ffmpeg::frame::Video) -> Result<ffmpeg::frame::Video, EncodeError> {
        let base = *self.base.get_or_insert(frame.slot.0);
        let mut picture = raw::share_samples(picture).ok_or_else(|| self.failed("out of memory"))?;
        picture.set_pts(Some(frame.slot.0 - base));
        if frame.opens_gop || frame.force_idr {
            picture.set_kind(ffmpeg::picture::Type::I);
        }
        Ok(picture)
    }

    fn hand_in(&mut self, picture: &ffmpeg::frame::Video) -> Result<(), EncodeError> {
        self.encoder.send_frame(picture).map_err(|e| self.failed(e))?;
        self.fed += 1;
        Ok(())
    }

    /// Gives what is ready to `take`, in decoding order: the slot of the picture, and the bytes. Its error is this GOP's.
    pub fn drain(&mut self, take: &mut Take<'_>) -> Result<(), EncodeError> {
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
            let stats = packet.side_data().find(|side| side.kind() == Type::QualityStats);
            stats.iter().for_each(|stats| self.quantizers.take(stats.data()));
            take(base + pts, stream).map_err(|why| self.failed(why))?;
            self.made += 1;
        }
    }

    /// No picture follows. What is left can be drained where any went in.
    pub fn end(&mut self) -> Result<Fed, EncodeError> {
        if self.fed == 0 {
            return Ok(Fed::None);
        }
        self.ended = true;
        self.encoder.send_eof().map_err(|e| self.failed(e))?;
        Ok(Fed::Some)
    }

    /// Whether a packet came out for every picture that went in.
    pub fn holds_nothing(&self) -> bool {
        self.made == self.fed
    }

    /// Makes an encoder that was ended and drained ready for more pictures, where it is one that can (`hwaccel::encoder::can_flush`).
    pub fn go_on(&mut self) {
        hwaccel::encoder::flush(&mut self.encoder);
        self.ended = false;
    }

    /// Brings the encoder to its end from wherever it is, and throws away what it still has: for those that cannot be closed otherwise.
    pub fn wind_up(&mut self) {
        if self.fed == 0 {
            let (w, h) = self.pictures.size;
            let mut blank = ffmpeg::frame::Video::new(self.pictures.format, w, h);
            for plane in 0..blank.planes() {
                blank.data_mut(plane).fill(0);
            }
            blank.set_pts(Some(0));
            let _ = self.encoder.send_frame(&blank);
        }
        if !self.ended {
            self.ended = true;
            let _ = self.encoder.send_eof();
        }
        let mut packet = ffmpeg::Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {}
    }

    /// Error unless as many packets came out as pictures went in.
    pub fn complete(&self) -> Result<(), EncodeError> {
        if self.made == self.fed { Ok(()) } else { Err(self.failed(format!("{} packets for {} pictures", self.made, self.fed))) }
    }
}

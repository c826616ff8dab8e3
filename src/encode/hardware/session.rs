//! An open hardware encoder.

use super::super::libav::{Gop, Pictures};
use super::super::{EncodeError, Encoder, Opened, Packet, Recipe, annexb, hevc, obu, renumber};
use super::packets::{Packing, sets_id};
use super::{Hardware, refusal};
use crate::ffmpeg as raw;
use crate::frame::{Frame, Picture};
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use ffmpeg_next as ffmpeg;
use hwaccel::device::{Device, Name};
use hwaccel::frames::Frames;
use hwaccel::surface::Surface;
use hwaccel::{semiplanar, words};

/// Surfaces of a session: one that is encoded, one that is filled, and what a driver keeps to refer to.
const SURFACES: u32 = 8;

/// Opens a session. Errors in one line.
pub fn open(of: &'static Hardware, rendition: &Rendition, recipe: &Recipe) -> Result<Opened, String> {
    let part = Part { of, rendition: rendition.clone(), recipe: recipe.clone() };
    let (open, headers) = part.open()?;
    let config = |headers: &[u8]| match rendition.codec {
        VideoCodec::Avc => sets_id(of.name, rendition).map_or_else(|| annexb::avcc(headers), |id| annexb::avcc(&renumber::stream(headers, id))),
        VideoCodec::Hevc => hevc::hvcc(headers),
        VideoCodec::Av1 => obu::av1c(headers),
    };
    if let Some(config) = config(&headers) {
        let packing = Packing::new(of.name, rendition, &config);
        return Ok(Opened { encoder: Box::new(Session { part, packing, open: Some(open) }), config });
    }
    // Drivers that write the headers by themselves tell them with the first picture only.
    let headers = first_packet(open, &part)?;
    let config = config(&headers).ok_or("it gave no headers that can be read")?;
    let (open, _) = part.open()?;
    let packing = Packing::new(of.name, rendition, &config);
    Ok(Opened { encoder: Box::new(Session { part, packing, open: Some(open) }), config })
}

/// The bytes that a session makes of one grey picture; it is spent then.
fn first_packet(mut open: Open, part: &Part) -> Result<Vec<u8>, String> {
    let frame = grey(&part.rendition)?;
    let words = |error: EncodeError| error.to_string();
    let mut bytes = Vec::new();
    let Open { gop, frames } = &mut open;
    send(gop, frames, &frame).map_err(words)?;
    gop.end().map_err(words)?;
    gop.drain(&mut |_, unit| {
        bytes.extend_from_slice(unit);
        Ok(())
    })
    .map_err(words)?;
    Ok(bytes)
}

fn grey(rendition: &Rendition) -> Result<Frame, String> {
    use crate::frame::{Length, Origin};
    use crate::time::{GopId, Slot};
    let mut picture = raw::FramePool::new(rendition.width, rendition.height, rendition.signal()).and_then(|pool| pool.get()).ok_or("out of memory")?;
    for (plane, _) in raw::planes_mut(&mut picture).ok_or("out of memory")? {
        // Samples of 10 bits come out as 514 of 1024.
        plane.fill(if rendition.depth > 8 { 2 } else { 128 });
    }
    Ok(Frame {
        slot: Slot(0),
        gop: GopId(0),
        opens_gop: true,
        force_idr: false,
        last: false,
        length: Length::Whole,
        picture: Picture::Cpu(picture.into()),
        origin: Origin::Filler,
        damaged: false,
        missed: false,
        path: 0,
        sight: Default::default(),
        side: Default::default(),
    })
}

/// What a session is opened with, and opened again.
struct Part {
    of: &'static Hardware,
    rendition: Rendition,
    recipe: Recipe,
}

struct Open {
    gop: Gop,
    /// Where pictures that lie elsewhere are uploaded to.
    frames: Frames,
}

impl Part {
    fn codec(&self) -> Result<ffmpeg::Codec, String> {
        let name = self.of.encoder(self.rendition.codec).ok_or("there is no such encoder")?;
        ffmpeg::encoder::find_by_name(name).ok_or_else(|| format!("libav is built without {name}"))
    }

    /// A session, and its headers as far as they are known.
    fn open(&self) -> Result<(Open, Vec<u8>), String> {
        let codec = self.codec()?;
        let device = self.of.device(&self.rendition);
        let mut options = (self.of.options)(&self.rendition, &self.recipe, device.as_ref());
        let mut opened = self.open_with(codec, &options, device.as_ref());
        for (name, value) in self.of.also {
            if opened.is_ok() {
                break;
            }
            options.retain(|(known, _)| known != name);
            options.push((name, (*value).to_owned()));
            // What is said of the usual way is what matters where no way works.
            opened = self.open_with(codec, &options, device.as_ref()).or(opened);
        }
        opened
    }

    fn open_with(&self, codec: ffmpeg::Codec, options: &[(&str, String)], device: Option<&Name>) -> Result<(Open, Vec<u8>), String> {
        let pictures = Pictures::of(&self.rendition)?;
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let semi = semiplanar::format(pictures.format()).ok_or("pictures of a format that no device takes")?;
        let device = Device::shared(&device.cloned().unwrap_or_else(self.of.first)).map_err(|error| refusal::of_device(&error))?;
        let (frames, said) = words::hear(|| Frames::new(&device, pictures.size(), semi, SURFACES));
        let frames = frames.map_err(|error| refusal::reason(&said, &error.to_string()))?;
        let attach = |context: &mut ffmpeg::codec::Context| frames.attach(context).map_err(|e| e.to_string());
        let (encoder, said) = words::hear(|| pictures.open_for(codec, options, frames.format(), attach));
        let encoder = encoder.map_err(|error| refusal::reason(&said, &error))?;
        let headers = raw::extradata(&encoder);
        Ok((Open { gop: Gop::new(self.of.name, &self.rendition, encoder, pictures), frames }, headers))
    }
}

/// Hands a picture in: as it lies where it is on this very device in the right shape, else by way of the host.
fn send(gop: &mut Gop, frames: &Frames, frame: &Frame) -> Result<(), EncodeError> {
    if let Picture::Device(surface) = &frame.picture
        && fits(surface, frames, gop.pictures())
    {
        return gop.send_surface(frame, surface.picture());
    }
    gop.send_as(frame, |picture| {
        let semi = semiplanar::from_planar(&picture).ok_or("out of memory")?;
        frames.upload(&semi).map_err(|error| format!("the device does not take the picture: {error}"))
    })
}

/// Whether an encoder of `pictures` whose pool is `frames` takes `surface` as it lies.
fn fits(surface: &Surface, frames: &Frames, pictures: &Pictures) -> bool {
    let size = (surface.picture().width(), surface.picture().height());
    surface.is_on(frames.device()) && size == pictures.size() && semiplanar::format(pictures.format()) == Some(surface.format())
}

struct Session {
    part: Part,
    packing: Packing,
    /// None once it could not be opened again.
    open: Option<Open>,
}

impl Session {
    fn open(&mut self) -> Result<&mut Open, EncodeError> {
        let lost = || EncodeError::Open { rung: self.part.rendition.name.clone(), backend: self.part.of.name, why: "it was lost".to_owned() };
        self.open.as_mut().ok_or_else(lost)
    }

    fn take(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let Session { packing, open: Some(open), .. } = self else { return Ok(()) };
        open.gop.drain(&mut |time, unit| {
            let (data, idr) = packing.sample(unit).ok_or("bytes that are no access unit")?;
            out.push(Packet { time, idr, data });
            Ok(())
        })
    }

    /// Brings out everything that is held.
    fn end(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.open()?.gop.end()?;
        self.take(out)?;
        self.open()?.gop.complete()
    }
}

impl Encoder for Session {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.open()?;
        if let Some(Open { gop, frames }) = &mut self.open {
            send(gop, frames, frame)?;
        }
        self.take(out)
    }

    /// Without reordering and delay nothing is held as a rule, and there is nothing to do.
    fn flush(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if self.open()?.gop.holds_nothing() {
            return Ok(());
        }
        self.end(out)?;
        let refused = |why: String| EncodeError::Open { rung: self.part.rendition.name.clone(), backend: self.part.of.name, why };
        if self.part.codec().is_ok_and(|codec| hwaccel::encoder::can_flush(&codec)) {
            self.open()?.gop.go_on();
            return Ok(());
        }
        // The old one goes first: a driver may have room for no more.
        self.open = None;
        self.open = Some(self.part.open().map_err(refused)?.0);
        Ok(())
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.end(out)
    }
}

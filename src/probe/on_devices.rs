//! What each device does with a source: which codecs it decodes, and whether it scales, found out by doing it.

use super::backends::BackendReport;
use super::devices::Devices;
use crate::decode::device::{decoder_for, opened};
use crate::encode::hardware::refusal::NO_ENCODER;
use crate::ffmpeg::{extradata, set_extradata};
use crossbeam::channel::bounded;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{Context, Id};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Error, Packet};
use hwaccel::decoder::attach;
use hwaccel::device::{Device, Name};
use hwaccel::frames::Frames;
use hwaccel::scale::Scale;
use hwaccel::semiplanar::from_planar;
use hwaccel::surface::{Surface, is_on_device};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// What a device does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DeviceReport {
    /// As jobs and ladders write it: "cuda:0", "/dev/dri/renderD128".
    pub device: String,
    /// Codecs that it decodes, of those that feeds usually carry, in 8 bits.
    pub decodes: Vec<&'static str>,
    /// Whether it makes pictures smaller.
    pub scales: bool,
    /// Codecs that it encodes, as ladders write them.
    pub encodes: Vec<&'static str>,
    /// Why it cannot be used at all, or does not scale.
    pub why: Option<String>,
    /// All of it in one line.
    pub in_words: String,
}

/// A codec that some device decodes, and an encoder of libav that makes something to try it with.
struct Trial {
    codec: &'static str,
    id: Id,
    encoder: &'static str,
    settings: &'static [(&'static str, &'static str)],
}

const TRIALS: [Trial; 5] = [
    Trial { codec: "h264", id: Id::H264, encoder: "libx264", settings: &[("preset", "ultrafast")] },
    Trial {
        codec: "hevc",
        id: Id::HEVC,
        encoder: "libx265",
        settings: &[("preset", "ultrafast"), ("x265-params", "log-level=none:pools=none:frame-threads=1")],
    },
    Trial { codec: "mpeg2video", id: Id::MPEG2VIDEO, encoder: "mpeg2video", settings: &[] },
    Trial { codec: "av1", id: Id::AV1, encoder: "libsvtav1", settings: &[("preset", "12")] },
    Trial { codec: "vp9", id: Id::VP9, encoder: "libvpx-vp9", settings: &[("deadline", "realtime")] },
];
/// What is tried: small, and no smaller than any device's least.
const SIZE: (u32, u32) = (320, 240);
const PICTURES: i64 = 4;
/// How long a device may take for all of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tries every device.
pub(super) fn look(devices: &Devices, backends: &[BackendReport]) -> Vec<DeviceReport> {
    devices.names().iter().map(|name| of(name, backends)).collect()
}

fn of(name: &Name, backends: &[BackendReport]) -> DeviceReport {
    let device = name.to_string();
    let uses = || backends.iter().flat_map(|b| b.devices.iter().filter(|used| used.device == device).map(move |used| (b.codec, used)));
    let encodes: Vec<&str> = uses().filter(|(_, used)| !used.depths.is_empty()).map(|(codec, _)| codec).collect();
    let bare = encodes.is_empty() && uses().any(|(_, used)| used.why.as_ref().is_some_and(|why| why.contains(NO_ENCODER)));
    let (decodes, scaled) = apart(name).unwrap_or_else(|why| (Vec::new(), Err(why)));
    let list = |verb: &str, list: &[&str]| if list.is_empty() { format!("{verb} nothing") } else { format!("{verb} {}", list.join(", ")) };
    let scales = if scaled.is_ok() { "scales" } else { "does not scale" };
    let encoding = if bare { NO_ENCODER.to_owned() } else { list("encodes", &encodes) };
    let in_words = match &scaled {
        Err(why) if decodes.is_empty() && encodes.is_empty() => why.clone(),
        _ => format!("{}; {scales}; {encoding}", list("decodes", &decodes)),
    };
    DeviceReport { device, decodes, scales: scaled.is_ok(), encodes, why: scaled.err(), in_words }
}

type Tried = (Vec<&'static str>, Result<(), String>);

/// What it decodes, and whether it scales; on a thread of its own, which is left behind where the driver hangs.
fn apart(name: &Name) -> Result<Tried, String> {
    let device = opened(name)?;
    let (tell, told) = bounded(1);
    let work = move || {
        let decodes = TRIALS.iter().filter(|trial| decodes(&device, trial).unwrap_or(false)).map(|trial| trial.codec).collect();
        drop(tell.send((decodes, scales(&device))));
    };
    std::thread::Builder::new().name("probe device".to_owned()).spawn(work).map_err(|error| format!("{name}: {error}"))?;
    told.recv_timeout(PATIENCE).map_err(|_| format!("{name}: its driver does not answer within {} s", PATIENCE.as_secs()))
}

/// Whether pictures of the codec come out on the device.
fn decodes(device: &Arc<Device>, trial: &Trial) -> Result<bool, Error> {
    let Some(codec) = decoder_for(trial.id, device.name()) else { return Ok(false) };
    let (headers, packets) = trial.coded()?;
    let mut context = Context::new_with_codec(codec);
    set_extradata(&mut context, &headers).ok_or(Error::Bug)?;
    attach(&mut context, device, 0)?;
    let mut decoder = context.decoder().open_as(codec)?;
    let mut here = false;
    for packet in packets.iter().map(Some).chain([None]) {
        match packet {
            Some(packet) => decoder.send_packet(packet)?,
            None => decoder.send_eof()?,
        }
        let mut picture = Video::empty();
        while decoder.receive_frame(&mut picture).is_ok() {
            here |= is_on_device(&picture);
        }
    }
    Ok(here)
}

impl Trial {
    /// A few grey pictures, coded; with the headers.
    fn coded(&self) -> Result<(Vec<u8>, Vec<Packet>), Error> {
        let codec = ffmpeg::encoder::find_by_name(self.encoder).ok_or(Error::EncoderNotFound)?;
        let mut video = Context::new_with_codec(codec).encoder().video()?;
        video.set_width(SIZE.0);
        video.set_height(SIZE.1);
        video.set_format(Pixel::YUV420P);
        video.set_time_base((1, 25));
        video.set_frame_rate(Some((25, 1)));
        let mut encoder = video.open_with(self.settings.iter().copied().collect())?;
        let headers = extradata(&encoder);
        let mut packets = Vec::new();
        for number in 0..=PICTURES {
            if number < PICTURES {
                let mut picture = grey();
                picture.set_pts(Some(number));
                encoder.send_frame(&picture)?;
            } else {
                encoder.send_eof()?;
            }
            let mut packet = Packet::empty();
            while encoder.receive_packet(&mut packet).is_ok() {
                packets.push(std::mem::replace(&mut packet, Packet::empty()));
            }
        }
        Ok((headers, packets))
    }
}

fn grey() -> Video {
    let mut picture = Video::new(Pixel::YUV420P, SIZE.0, SIZE.1);
    (0..picture.planes()).for_each(|plane| picture.data_mut(plane).fill(128));
    picture
}

/// Whether a picture comes out in half its size. The error in one line.
fn scales(device: &Arc<Device>) -> Result<(), String> {
    let why = |error: Error| format!("{}: {error}", device.name());
    let pool = Frames::new(device, SIZE, Pixel::NV12, 2).map_err(why)?;
    let up = pool.upload(&from_planar(&grey()).ok_or("out of memory")?).map_err(why)?;
    let surface = Surface::of(Arc::new(up)).map_err(|_| "it is not on the device")?;
    let half = (SIZE.0 / 2, SIZE.1 / 2);
    let small = Scale::new(&surface, half, 2).and_then(|mut scale| scale.run(&surface)).map_err(|error| format!("{}: {error}", device.name()))?;
    let copy = small.host().map_err(why)?;
    let right = (copy.width(), copy.height()) == half && copy.data(0).first().is_some_and(|sample| sample.abs_diff(128) <= 2);
    if right { Ok(()) } else { Err(format!("{}: what it scales is not the picture", device.name())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::device::opened;

    /// What is tried is what it is taken for: each decodes, on the host.
    #[test]
    fn there_is_something_to_try_each_codec_with() {
        crate::ffmpeg::quiet_codecs();
        for trial in TRIALS {
            let name = trial.codec;
            if ffmpeg::encoder::find_by_name(trial.encoder).is_none() {
                eprintln!("skipped: this libav has no {}", trial.encoder);
                continue;
            }
            let (headers, packets) = trial.coded().unwrap_or_else(|error| panic!("{name}: {error}"));
            let codec = ffmpeg::decoder::find(trial.id).expect("libav decodes it");
            let mut context = Context::new_with_codec(codec);
            set_extradata(&mut context, &headers).expect("memory");
            let mut decoder = context.decoder().open_as(codec).expect("it opens");
            let mut seen = 0;
            for packet in packets.iter().map(Some).chain([None]) {
                let sent = match packet {
                    Some(packet) => decoder.send_packet(packet),
                    None => decoder.send_eof(),
                };
                assert_eq!(sent, Ok(()), "{name}");
                let mut picture = Video::empty();
                while decoder.receive_frame(&mut picture).is_ok() {
                    seen += 1;
                }
            }
            assert_eq!(seen, PICTURES, "{name}");
        }
    }

    #[test]
    fn a_device_that_only_scales_says_so() {
        let name = Name::Vulkan(0);
        if let Err(why) = opened(&name) {
            return eprintln!("skipped: {why}");
        }
        let report = of(&name, &[]);
        assert!(report.scales && report.why.is_none(), "{report:?}");
        if report.decodes.is_empty() {
            assert_eq!(report.in_words, "decodes nothing; scales; encodes nothing");
        }
    }

    #[test]
    fn a_device_that_is_not_there_says_why() {
        let report = of(&Name::Node("/dev/dri/renderD9999".to_owned()), &[]);
        assert!(!report.scales && report.why.as_ref() == Some(&report.in_words), "{report:?}");
        assert!(report.in_words.starts_with("/dev/dri/renderD9999: "), "{report:?}");
    }
}

//! What a stream's caps say, as a decoder needs it.

use super::raw::{self, Raw};
use crate::colour::{HdrMetadata, LightLevel, Mastering};
use crate::ffmpeg::{Fields, VideoParameters, audio_parameters, video_parameters};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, Id, Parameters};
use ffmpeg_next::format::sample::Type;
use ffmpeg_next::util::color;
use gstreamer as gst;
use gstreamer_video::{VideoFieldOrder, VideoInfo, VideoInterlaceMode};

/// What may come out of a pipeline.
pub const ACCEPTED: &str = "video/mpegts; \
    video/x-raw, format=(string){ I420, NV12, Y42B, YUY2, UYVY, I420_10LE, P010_10LE, I422_10LE }, interlace-mode=(string){ progressive, interleaved, mixed }; \
    video/x-h264, stream-format=(string)byte-stream, alignment=(string)au; \
    video/x-h265, stream-format=(string)byte-stream, alignment=(string)au; \
    video/mpeg, mpegversion=(int){ 1, 2 }, systemstream=(boolean)false, parsed=(boolean)true; \
    audio/x-raw, format=(string){ S16LE, S32LE, F32LE }, layout=(string)interleaved, channels=(int)[ 1, 8 ]; \
    audio/mpeg, mpegversion=(int)4, stream-format=(string)adts, framed=(boolean)true; \
    audio/mpeg, mpegversion=(int)1, parsed=(boolean)true; \
    audio/x-ac3, framed=(boolean)true; audio/x-eac3, framed=(boolean)true";

/// A stream of pictures.
pub struct Video {
    /// For the decoder.
    pub parameters: Parameters,
    /// How its buffers are laid out, where pictures are not coded.
    pub raw: Option<Raw>,
    /// Pixels across and lines.
    pub size: (i32, i32),
    /// Sample aspect ratio.
    pub sar: (i32, i32),
    /// Pictures a second; not positive where unknown.
    pub rate: (i32, i32),
    /// Whether pictures are made of two fields.
    pub interlaced: bool,
}

/// A stream of sound.
pub struct Audio {
    /// For the decoder.
    pub parameters: Parameters,
    /// Samples a second.
    pub sample_rate: u32,
}

/// A stream.
pub enum Stream {
    /// Pictures.
    Video(Box<Video>),
    /// Sound.
    Audio(Audio),
}

/// Whether it is an MPEG transport stream.
pub fn is_mpegts(caps: &gst::CapsRef) -> bool {
    caps.structure(0).is_some_and(|s| s.name() == "video/mpegts")
}

/// What `caps` describe.
///
/// # Errors
/// In words, with the caps and what is accepted, where nothing here can take them.
pub fn describe(caps: &gst::CapsRef) -> Result<Stream, String> {
    let refuse = |why: &str| format!("{caps}: {why}; accepted: {ACCEPTED}");
    let s = caps.structure(0).ok_or_else(|| refuse("there is nothing in them"))?;
    let is = |field: &str, value: &str| s.get::<&str>(field).is_ok_and(|v| v == value);
    let number = |field: &str| s.get::<i32>(field).unwrap_or(0);
    let coded = |id: Id| {
        coded_video(s, id)
            .map(|v| Stream::Video(Box::new(v)))
            .ok_or_else(|| refuse("they do not say how large the picture is; put a parser (h264parse, h265parse, mpegvideoparse) before the end"))
    };
    let sound = |id: Id| match u32::try_from(number("rate")) {
        Ok(rate) if rate > 0 => Ok(Stream::Audio(Audio { parameters: audio_parameters(id, rate), sample_rate: rate })),
        _ => Err(refuse("they do not say the sampling rate; put a parser (aacparse, ac3parse, mpegaudioparse) before the end")),
    };
    let whole = |what: &str| if is("stream-format", "byte-stream") && is("alignment", "au") { Ok(()) } else { Err(refuse(what)) };
    match s.name().as_str() {
        "video/x-raw" => raw_video(caps).map(|v| Stream::Video(Box::new(v))).map_err(|why| refuse(&why)),
        "video/x-h264" => whole("H.264 is taken as a byte stream of whole access units; put h264parse before the end").and_then(|()| coded(Id::H264)),
        "video/x-h265" => whole("H.265 is taken as a byte stream of whole access units; put h265parse before the end").and_then(|()| coded(Id::HEVC)),
        "video/mpeg" if number("mpegversion") == 2 => coded(Id::MPEG2VIDEO),
        "video/mpeg" if number("mpegversion") == 1 => coded(Id::MPEG1VIDEO),
        "audio/x-raw" => raw_audio(s).ok_or_else(|| refuse("these samples are not accepted; put audioconvert before the end")),
        "audio/mpeg" if number("mpegversion") == 4 && is("stream-format", "adts") => sound(Id::AAC),
        "audio/mpeg" if number("mpegversion") == 4 => Err(refuse("AAC is taken as ADTS; put aacparse before the end")),
        "audio/mpeg" if number("layer") == 3 => sound(Id::MP3),
        "audio/mpeg" => sound(Id::MP2),
        "audio/x-ac3" => sound(Id::AC3),
        "audio/x-eac3" => sound(Id::EAC3),
        _ => Err(refuse("this is not accepted")),
    }
}

fn fraction(s: &gst::StructureRef, field: &str) -> Option<(i32, i32)> {
    s.get::<gst::Fraction>(field).ok().map(|f| (f.numer(), f.denom()))
}

fn coded_video(s: &gst::StructureRef, codec: Id) -> Option<Video> {
    let size = (s.get::<i32>("width").ok().filter(|w| *w > 0)?, s.get::<i32>("height").ok().filter(|h| *h > 0)?);
    let interlaced = s.get::<&str>("interlace-mode").is_ok_and(|mode| mode != "progressive");
    let sar = fraction(s, "pixel-aspect-ratio").unwrap_or((1, 1));
    let colour = s.get::<&str>("colorimetry").ok().and_then(|text| text.parse::<gstreamer_video::VideoColorimetry>().ok());
    let parameters = parameters(codec, size, sar, colour.as_ref(), None, interlaced.then_some(Fields::TopFirst));
    Some(Video { parameters, raw: None, size, sar, rate: fraction(s, "framerate").unwrap_or((0, 0)), interlaced })
}

fn raw_video(caps: &gst::CapsRef) -> Result<Video, String> {
    let memory =
        caps.features(0).is_some_and(|f| !f.is_any() && !f.is_empty() && f.iter().any(|name| name != "memory:SystemMemory" && name.starts_with("memory:")));
    if memory {
        return Err("its pictures are not in the system's memory; put the element that downloads them before the end".to_owned());
    }
    let info = VideoInfo::from_caps(caps).map_err(|e| e.to_string())?;
    let pixel = raw::pixel(info.format()).ok_or("this sample format is not accepted; put videoconvert before the end")?;
    let mode = info.interlace_mode();
    if mode == VideoInterlaceMode::Fields || mode == VideoInterlaceMode::Alternate {
        return Err("fields that come one by one are not accepted; interleaved ones are".to_owned());
    }
    let interlaced = mode != VideoInterlaceMode::Progressive;
    let order = if info.field_order() == VideoFieldOrder::BottomFieldFirst { Fields::BottomFirst } else { Fields::TopFirst };
    let size = (i32::try_from(info.width()).unwrap_or(0), i32::try_from(info.height()).unwrap_or(0));
    let (sar, rate) = (info.par(), info.fps());
    let (sar, rate) = ((sar.numer(), sar.denom()), (rate.numer(), rate.denom()));
    let colour = info.colorimetry();
    let parameters = parameters(Id::RAWVIDEO, size, sar, Some(&colour), Some(pixel), interlaced.then_some(order));
    Ok(Video { parameters, raw: Some(Raw::new(info)), size, sar, rate, interlaced })
}

/// What caps say of an HDR stream's light: whole numbers between colons, in the units of HEVC's SEI; red, green, blue, white (x and y), highest and lowest luminance.
pub fn light(caps: &gst::Caps) -> HdrMetadata {
    let Some(s) = caps.structure(0) else { return HdrMetadata::default() };
    let numbers = |field: &str| -> Option<Vec<u32>> { s.get::<&str>(field).ok()?.split(':').map(|number| number.parse().ok()).collect() };
    let mastering = numbers("mastering-display-info").and_then(|n| {
        let [.., max_luminance, min_luminance] = *n else { return None };
        let point = |i: usize| Some((u16::try_from(*n.get(2 * i)?).ok()?, u16::try_from(*n.get(2 * i + 1)?).ok()?));
        (n.len() == 10).then_some(Mastering { primaries: [point(0)?, point(1)?, point(2)?], white: point(3)?, max_luminance, min_luminance })
    });
    let level = numbers("content-light-level").and_then(|n| match *n {
        [content, average] if content > 0 || average > 0 => Some(LightLevel { max_content: content.try_into().ok()?, max_average: average.try_into().ok()? }),
        _ => None,
    });
    HdrMetadata { mastering, light: level }
}

fn parameters(
    codec: Id,
    (width, height): (i32, i32),
    sar: (i32, i32),
    colour: Option<&gstreamer_video::VideoColorimetry>,
    pixel: Option<ffmpeg::format::Pixel>,
    fields: Option<Fields>,
) -> Parameters {
    use color::{Primaries as P, Range as R, Space as S, TransferCharacteristic as T};
    // Both number them as ISO/IEC 23091-2 does.
    let primaries = colour.and_then(|c| match c.primaries().to_iso() {
        1 => Some(P::BT709),
        5 => Some(P::BT470BG),
        6 => Some(P::SMPTE170M),
        9 => Some(P::BT2020),
        12 => Some(P::SMPTE432),
        _ => None,
    });
    let transfer = colour.and_then(|c| match c.transfer().to_iso() {
        1 => Some(T::BT709),
        6 => Some(T::SMPTE170M),
        13 => Some(T::IEC61966_2_1),
        14 => Some(T::BT2020_10),
        15 => Some(T::BT2020_12),
        16 => Some(T::SMPTE2084),
        18 => Some(T::ARIB_STD_B67),
        _ => None,
    });
    let matrix = colour.and_then(|c| match c.matrix().to_iso() {
        1 => Some(S::BT709),
        5 => Some(S::BT470BG),
        6 => Some(S::SMPTE170M),
        9 => Some(S::BT2020NCL),
        _ => None,
    });
    let range = colour.and_then(|c| match c.range() {
        gstreamer_video::VideoColorRange::Range0_255 => Some(R::JPEG),
        gstreamer_video::VideoColorRange::Range16_235 => Some(R::MPEG),
        _ => None,
    });
    video_parameters(&VideoParameters { codec, width, height, pixel, sar, primaries, transfer, matrix, range, fields })
}

fn raw_audio(s: &gst::StructureRef) -> Option<Stream> {
    let (id, sample) = match s.get::<&str>("format").ok()? {
        "S16LE" => (Id::PCM_S16LE, ffmpeg::format::Sample::I16(Type::Packed)),
        "S32LE" => (Id::PCM_S32LE, ffmpeg::format::Sample::I32(Type::Packed)),
        "F32LE" => (Id::PCM_F32LE, ffmpeg::format::Sample::F32(Type::Packed)),
        _ => return None,
    };
    let (rate, channels) = (s.get::<i32>("rate").ok().filter(|r| *r > 0)?, s.get::<i32>("channels").ok().filter(|c| (1..=8).contains(c))?);
    if s.get::<&str>("layout").is_ok_and(|layout| layout != "interleaved") {
        return None;
    }
    let mut pcm = codec::Context::new_with_codec(codec::encoder::find(id)?).encoder().audio().ok()?;
    pcm.set_rate(rate);
    pcm.set_format(sample);
    pcm.set_channels(channels);
    pcm.set_channel_layout(ffmpeg::ChannelLayout::default(channels));
    Some(Stream::Audio(Audio { parameters: Parameters::from(&pcm), sample_rate: u32::try_from(rate).ok()? }))
}

#[cfg(test)]
mod light_tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn light_is_read_from_caps_and_nonsense_is_none() {
        gst::init().expect("GStreamer starts");
        let of = |fields: &str| light(&gst::Caps::from_str(&format!("video/x-h265{fields}")).expect("caps"));
        let said = of(", mastering-display-info=(string)34000:16000:13250:34500:7500:3000:15635:16450:10000000:50, content-light-level=(string)1000:200");
        let mastering = said.mastering.expect("it is there");
        assert!(mastering.is_believable());
        assert_eq!(
            (mastering.primaries[2], mastering.white, mastering.max_luminance, mastering.min_luminance),
            ((7500, 3000), (15_635, 16_450), 10_000_000, 50)
        );
        assert_eq!(said.light, Some(LightLevel { max_content: 1000, max_average: 200 }));
        for nonsense in [
            "",
            ", mastering-display-info=(string)1:2, content-light-level=(string)0:0",
            ", mastering-display-info=(string)x, content-light-level=(string)70000:1",
        ] {
            assert_eq!(of(nonsense), HdrMetadata::default(), "{nonsense}");
        }
    }
}

//! The pattern's encoders: x264 or x265, and AAC, through libav. One thread each, so that the same options give the same bytes.

use super::FeedError;
use super::faults::Format;
use super::options::FeedOptions;
use super::stamp::StampCodec;
use crate::pattern::Size;
use crate::pattern::tone::{CHANNELS, SAMPLE_RATE, Tone};
use crate::time::Slot;
use ffmpeg::{Dictionary, codec, color, encoder, format, picture};
use ffmpeg_next as ffmpeg;

/// Samples in an AAC frame.
pub(super) const FRAME_SAMPLES: i64 = 1024;
const AUDIO_BITRATE: usize = 128_000;

/// Video: pictures in, access units out, both stamped with slots.
pub(super) struct VideoCoder {
    encoder: encoder::Video,
    size: Size,
    gop: i64,
}

/// Audio: frames of the tone, stamped with sample numbers.
pub(super) struct AudioCoder {
    encoder: encoder::Audio,
    tone: Tone,
}

fn refused(coder: &'static str, error: ffmpeg::Error) -> FeedError {
    FeedError::Encoder { coder, why: error.to_string() }
}

impl VideoCoder {
    /// Opens it.
    pub fn open(options: &FeedOptions, wanted: Format) -> Result<VideoCoder, FeedError> {
        let name = coder_name(wanted.codec);
        let codec = encoder::find_by_name(name).ok_or(FeedError::Encoder { coder: name, why: "libav here was built without it".to_owned() })?;
        let mut video = codec::Context::new_with_codec(codec).encoder().video().map_err(|e| refused(name, e))?;
        let (num, den) = (wanted.rate.num() as i32, wanted.rate.den() as i32);
        video.set_width(wanted.size.width());
        video.set_height(wanted.size.height());
        video.set_format(format::Pixel::YUV420P);
        video.set_aspect_ratio((1, 1));
        video.set_time_base((den, num));
        video.set_frame_rate(Some((num, den)));
        video.set_gop(options.gop_slots(wanted.rate));
        video.set_max_b_frames(options.bframes as usize);
        video.set_bit_rate(options.bitrate as usize);
        video.set_max_bit_rate(options.bitrate as usize);
        video.set_color_range(color::Range::MPEG);
        video.set_colorspace(color::Space::BT709);
        video.set_color_primaries(color::Primaries::BT709);
        video.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
        let mut settings = Dictionary::new();
        settings.set("preset", "ultrafast");
        if options.bframes == 0 {
            settings.set("tune", "zerolatency");
        }
        settings.set("bufsize", &options.bitrate.to_string());
        settings.set("forced-idr", "1");
        // One thread: with VBV, more of them make the bytes depend on the machine's load.
        match wanted.codec {
            StampCodec::H264 => {
                settings.set("threads", "1");
                settings.set("sc_threshold", "0");
                if wanted.interlaced {
                    settings.set("x264-params", "bff=1");
                }
            }
            StampCodec::Hevc => settings.set("x265-params", "pools=none:frame-threads=1:wpp=0:info=0:scenecut=0:log-level=warning"),
        }
        let encoder = video.open_as_with(codec, settings).map_err(|e| refused(name, e))?;
        Ok(VideoCoder { encoder, size: wanted.size, gop: i64::from(options.gop_slots(wanted.rate)) })
    }

    /// What a muxer needs to know.
    pub fn parameters(&self) -> codec::Parameters {
        codec::Parameters::from(&self.encoder)
    }

    /// Encodes the yuv420p picture of `slot` and appends what is ready. A key picture where `slot` is a multiple of the GOP, and the first.
    pub fn push(&mut self, slot: Slot, planes: &[u8], out: &mut Vec<ffmpeg::Packet>) -> Result<(), FeedError> {
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        let mut frame = ffmpeg::frame::Video::new(format::Pixel::YUV420P, width as u32, height as u32);
        let mut rest = planes;
        for (plane, (width, height)) in [(width, height), (width / 2, height / 2), (width / 2, height / 2)].into_iter().enumerate() {
            let stride = frame.stride(plane);
            let (rows, after) = rest.split_at(width * height);
            for (to, from) in frame.data_mut(plane).chunks_mut(stride).zip(rows.chunks(width)) {
                to[..width].copy_from_slice(from);
            }
            rest = after;
        }
        frame.set_pts(Some(slot.0));
        frame.set_kind(if slot.0 % self.gop == 0 { picture::Type::I } else { picture::Type::None });
        self.encoder.send_frame(&frame).map_err(|e| refused("video", e))?;
        receive(&mut self.encoder, out)
    }

    /// Appends everything still held.
    pub fn finish(&mut self, out: &mut Vec<ffmpeg::Packet>) -> Result<(), FeedError> {
        self.encoder.send_eof().map_err(|e| refused("video", e))?;
        receive(&mut self.encoder, out)
    }
}

fn coder_name(codec: StampCodec) -> &'static str {
    match codec {
        StampCodec::H264 => "libx264",
        StampCodec::Hevc => "libx265",
    }
}

impl AudioCoder {
    /// Opens it: AAC-LC, 48 kHz, stereo, 128 kb/s.
    pub fn open() -> Result<AudioCoder, FeedError> {
        let codec = encoder::find(codec::Id::AAC).ok_or(FeedError::Encoder { coder: "aac", why: "libav here was built without it".to_owned() })?;
        let mut audio = codec::Context::new_with_codec(codec).encoder().audio().map_err(|e| refused("aac", e))?;
        audio.set_rate(SAMPLE_RATE as i32);
        audio.set_format(format::Sample::F32(format::sample::Type::Planar));
        audio.set_channels(CHANNELS as i32);
        audio.set_channel_layout(ffmpeg::ChannelLayout::STEREO);
        audio.set_bit_rate(AUDIO_BITRATE);
        audio.set_time_base((1, SAMPLE_RATE as i32));
        audio.set_flags(codec::Flags::BITEXACT);
        Ok(AudioCoder { encoder: audio.open_as(codec).map_err(|e| refused("aac", e))?, tone: Tone::new() })
    }

    /// What a muxer needs to know.
    pub fn parameters(&self) -> codec::Parameters {
        codec::Parameters::from(&self.encoder)
    }

    /// Encodes the [`FRAME_SAMPLES`] samples from number `first` on, or as many of silence, and appends what is ready.
    pub fn push(&mut self, first: i64, silent: bool, out: &mut Vec<ffmpeg::Packet>) -> Result<(), FeedError> {
        let mut frame = ffmpeg::frame::Audio::new(format::Sample::F32(format::sample::Type::Planar), FRAME_SAMPLES as usize, ffmpeg::ChannelLayout::STEREO);
        frame.set_rate(SAMPLE_RATE);
        for channel in 0..CHANNELS {
            for (n, sample) in (first..).zip(frame.plane_mut::<f32>(channel)) {
                *sample = if silent { 0.0 } else { f32::from(self.tone.sample(n)[channel]) / 32_768.0 };
            }
        }
        frame.set_pts(Some(first));
        self.encoder.send_frame(&frame).map_err(|e| refused("aac", e))?;
        receive(&mut self.encoder, out)
    }

    /// Appends everything still held.
    pub fn finish(&mut self, out: &mut Vec<ffmpeg::Packet>) -> Result<(), FeedError> {
        self.encoder.send_eof().map_err(|e| refused("aac", e))?;
        receive(&mut self.encoder, out)
    }
}

fn receive(encoder: &mut encoder::Encoder, out: &mut Vec<ffmpeg::Packet>) -> Result<(), FeedError> {
    loop {
        let mut packet = ffmpeg::Packet::empty();
        match encoder.receive_packet(&mut packet) {
            Ok(()) => out.push(packet),
            Err(ffmpeg::Error::Eof) => return Ok(()),
            Err(ffmpeg::Error::Other { errno }) if errno == ffmpeg::error::EAGAIN => return Ok(()),
            Err(error) => return Err(refused("encoder", error)),
        }
    }
}

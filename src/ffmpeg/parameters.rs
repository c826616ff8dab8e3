//! Codec parameters of streams that no demuxer of libav describes.

use ffmpeg_next as av;
use ffmpeg_next::codec::Parameters;
use ffmpeg_next::ffi;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::util::color;

/// The order of the fields in an interlaced picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fields {
    /// The upper field is shown first.
    TopFirst,
    /// The lower field is shown first.
    BottomFirst,
}

/// A video stream.
#[derive(Clone, Debug)]
pub struct VideoParameters {
    /// Its codec.
    pub codec: av::codec::Id,
    /// Pixels across.
    pub width: i32,
    /// Lines.
    pub height: i32,
    /// Sample format, where pictures are not coded.
    pub pixel: Option<Pixel>,
    /// Sample aspect ratio.
    pub sar: (i32, i32),
    /// How the picture is meant, where that is known.
    pub primaries: Option<color::Primaries>,
    /// Likewise.
    pub transfer: Option<color::TransferCharacteristic>,
    /// Likewise.
    pub matrix: Option<color::Space>,
    /// Likewise.
    pub range: Option<color::Range>,
    /// `None` where it is progressive.
    pub fields: Option<Fields>,
}

/// libav's parameters of a video stream.
pub fn video_parameters(video: &VideoParameters) -> Parameters {
    let mut parameters = Parameters::new();
    // SAFETY: `parameters` owns a fresh AVCodecParameters that nobody else refers to; only plain fields are written.
    unsafe {
        let raw = &mut *parameters.as_mut_ptr();
        raw.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
        raw.codec_id = video.codec.into();
        raw.width = video.width;
        raw.height = video.height;
        raw.sample_aspect_ratio = ffi::AVRational { num: video.sar.0, den: video.sar.1 };
        raw.field_order = match video.fields {
            None => ffi::AVFieldOrder::AV_FIELD_PROGRESSIVE,
            Some(Fields::TopFirst) => ffi::AVFieldOrder::AV_FIELD_TT,
            Some(Fields::BottomFirst) => ffi::AVFieldOrder::AV_FIELD_BB,
        };
        if let Some(pixel) = video.pixel {
            raw.format = ffi::AVPixelFormat::from(pixel) as i32;
        }
        if let Some(primaries) = video.primaries {
            raw.color_primaries = primaries.into();
        }
        if let Some(transfer) = video.transfer {
            raw.color_trc = transfer.into();
        }
        if let Some(matrix) = video.matrix {
            raw.color_space = matrix.into();
        }
        if let Some(range) = video.range {
            raw.color_range = range.into();
        }
    }
    parameters
}

/// libav's parameters of a coded audio stream whose packets say the rest.
pub fn audio_parameters(codec: av::codec::Id, sample_rate: u32) -> Parameters {
    let mut parameters = Parameters::new();
    // SAFETY: as above.
    unsafe {
        let raw = &mut *parameters.as_mut_ptr();
        raw.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO;
        raw.codec_id = codec.into();
        raw.sample_rate = i32::try_from(sample_rate).unwrap_or(0);
    }
    parameters
}

//! The picture that is shown when the feed has been away for longer than `hold`: black, in the shape of the feed's own pictures, or one that the job names.

use super::slate::Slate;
use crate::colour::{Signal, VideoRange};
use crate::ffmpeg::FramePool;
use crate::frame::Picture;
use crate::plan::SourceFacts;
use ffmpeg_next::color::Range;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use std::sync::Arc;

/// What is shown (`timeline.filler`).
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Filler {
    /// Black.
    #[default]
    Black,
    /// This picture. Each rung fits it into its own shape, as it does with any picture of the feed, black around it where the shapes differ.
    Picture(Arc<Slate>),
}

impl Filler {
    /// The filler after `like`, the last picture of the feed.
    pub fn after(&self, like: &Picture) -> Picture {
        match self {
            Filler::Black => black(like),
            Filler::Picture(slate) => slate.picture(),
        }
    }
}

/// A picture of the kind that a source is described as; only its size and its colours count.
pub fn shape(facts: &SourceFacts) -> Option<Picture> {
    let even = |side: u32| side.max(2).next_multiple_of(2);
    let signal = Signal { depth: if facts.range == VideoRange::Sdr { 8 } else { 10 }, range: facts.range };
    let mut like = FramePool::new(even(facts.width), even(facts.height), signal)?.get()?;
    crate::ffmpeg::set_pixel_shape(&mut like, facts.sar);
    Some(Picture::Cpu(Arc::new(like)))
}

/// Black with the size, format and colour description of `like`, in host memory: of a picture on a device, in the planar format that it has there.
pub fn black(like: &Picture) -> Picture {
    let (like, format) = match like {
        Picture::Cpu(like) => (like, like.format()),
        Picture::Device(surface) if surface.format() == Pixel::P010LE => (surface.picture(), Pixel::YUV420P10LE),
        Picture::Device(surface) => (surface.picture(), Pixel::YUV420P),
    };
    let mut black = Video::new(format, like.width(), like.height());
    if let Err(error) = crate::ffmpeg::copy_properties(like, &mut black) {
        tracing::warn!(%error, "filler is not described as the feed's pictures are");
    }
    let full = like.color_range() == Range::JPEG || is_jpeg(format);
    let (depth, rgb) = crate::ffmpeg::depth_and_rgb(format);
    for plane in 0..black.planes() {
        let value: u16 = match (plane, rgb) {
            (_, true) => 0,
            (0, _) if full => 0,
            (0, _) => 16 << (depth.max(8) - 8),
            _ => 128 << (depth.max(8) - 8),
        };
        if depth > 8 {
            black.data_mut(plane).chunks_exact_mut(2).for_each(|sample| sample.copy_from_slice(&value.to_le_bytes()));
        } else {
            black.data_mut(plane).fill(value as u8);
        }
    }
    Picture::Cpu(Arc::new(black))
}

fn is_jpeg(format: Pixel) -> bool {
    matches!(format, Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ440P | Pixel::YUVJ444P | Pixel::YUVJ411P)
}

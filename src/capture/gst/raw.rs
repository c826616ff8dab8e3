//! Raw pictures: copied out of their buffers, row by row, as libav lays them out.

use ffmpeg_next::format::Pixel;
use gstreamer as gst;
use gstreamer_video::{VideoFormat, VideoFrameExt, VideoFrameRef, VideoInfo};

/// How the pictures of one stream lie in their buffers.
pub struct Raw {
    info: VideoInfo,
}

/// libav's name of a format, where it is accepted.
pub fn pixel(format: VideoFormat) -> Option<Pixel> {
    Some(match format {
        VideoFormat::I420 => Pixel::YUV420P,
        VideoFormat::Nv12 => Pixel::NV12,
        VideoFormat::Y42b => Pixel::YUV422P,
        VideoFormat::Yuy2 => Pixel::YUYV422,
        VideoFormat::Uyvy => Pixel::UYVY422,
        VideoFormat::I42010le => Pixel::YUV420P10LE,
        VideoFormat::P01010le => Pixel::P010LE,
        VideoFormat::I42210le => Pixel::YUV422P10LE,
        _ => return None,
    })
}

/// (Bytes of a row, rows) of each plane, without padding.
fn planes(format: VideoFormat, width: usize, height: usize) -> Vec<(usize, usize)> {
    let (half, lines) = (width.div_ceil(2), height.div_ceil(2));
    match format {
        VideoFormat::I420 => vec![(width, height), (half, lines), (half, lines)],
        VideoFormat::Nv12 => vec![(width, height), (2 * half, lines)],
        VideoFormat::Y42b => vec![(width, height), (half, height), (half, height)],
        VideoFormat::Yuy2 | VideoFormat::Uyvy => vec![(4 * half, height)],
        VideoFormat::I42010le => vec![(2 * width, height), (2 * half, lines), (2 * half, lines)],
        VideoFormat::P01010le => vec![(2 * width, height), (4 * half, lines)],
        VideoFormat::I42210le => vec![(2 * width, height), (2 * half, height), (2 * half, height)],
        _ => Vec::new(),
    }
}

impl Raw {
    /// For pictures of these caps.
    pub fn new(info: VideoInfo) -> Raw {
        Raw { info }
    }

    /// The picture in a buffer, tightly packed. `None` where the buffer is shorter than its caps say.
    pub fn copy(&self, buffer: &gst::BufferRef) -> Option<ffmpeg_next::Packet> {
        let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &self.info).ok()?;
        let planes = planes(self.info.format(), self.info.width() as usize, self.info.height() as usize);
        let mut packet = ffmpeg_next::Packet::new(planes.iter().map(|(row, rows)| row * rows).sum());
        let mut out = packet.data_mut()?;
        for (n, (row, rows)) in planes.into_iter().enumerate() {
            let data = frame.plane_data(n as u32).ok()?;
            let stride = usize::try_from(*frame.plane_stride().get(n)?).ok().filter(|stride| *stride >= row)?;
            for line in 0..rows {
                let (to, rest) = out.split_at_mut_checked(row)?;
                to.copy_from_slice(data.get(line * stride..line * stride + row)?);
                out = rest;
            }
        }
        Some(packet)
    }
}

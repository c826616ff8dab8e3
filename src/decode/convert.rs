//! Pictures in formats that the downscaler does not read (semi-planar, packed, palettes, alpha, big-endian), made planar.

use crate::ffmpeg::{Conversion, copy_properties, is_plain_planar, nearest_format};
use ffmpeg_next::Error;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::{Context, Flags};
use hwaccel::surface::is_on_device;

/// What an odd format becomes, the nearest of these.
const PLANAR: &[Pixel] = &[
    Pixel::YUV420P,
    Pixel::YUV422P,
    Pixel::YUV444P,
    Pixel::YUV440P,
    Pixel::YUV411P,
    Pixel::YUV420P10LE,
    Pixel::YUV422P10LE,
    Pixel::YUV444P10LE,
    Pixel::YUV420P12LE,
    Pixel::YUV422P12LE,
    Pixel::YUV444P12LE,
    Pixel::YUV420P16LE,
    Pixel::YUV422P16LE,
    Pixel::YUV444P16LE,
    Pixel::GRAY8,
    Pixel::GRAY10LE,
    Pixel::GRAY12LE,
    Pixel::GRAY16LE,
    Pixel::GBRP,
    Pixel::GBRP10LE,
    Pixel::GBRP12LE,
    Pixel::GBRP16LE,
];

/// Makes pictures planar. Keeps its scaler as long as they stay alike.
#[derive(Default)]
pub struct Planar {
    scaler: Option<Conversion>,
}

impl Planar {
    /// `picture` itself where its format is planar already, or it lies on a device; else the same picture in the nearest planar format, by swscale's exact code paths.
    pub fn make(&mut self, picture: Video) -> Result<Video, Error> {
        let format = picture.format();
        if is_plain_planar(format) || is_on_device(&picture) {
            return Ok(picture);
        }
        let (width, height) = (picture.width(), picture.height());
        let fits = |s: &Context| s.input().format == format && s.input().width == width && s.input().height == height;
        if !self.scaler.as_ref().is_some_and(|Conversion(s)| fits(s)) {
            let flags = Flags::BICUBIC | Flags::ACCURATE_RND | Flags::BITEXACT | Flags::FULL_CHR_H_INP;
            self.scaler = Some(Conversion(Context::get(format, width, height, nearest_format(format, PLANAR), width, height, flags)?));
        }
        let Some(Conversion(scaler)) = &mut self.scaler else { return Err(Error::Bug) };
        let mut planar = Video::empty();
        scaler.run(&picture, &mut planar)?;
        copy_properties(&picture, &mut planar)?;
        Ok(planar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nv12_becomes_yuv420p_sample_for_sample() {
        let mut nv12 = Video::new(Pixel::NV12, 32, 16);
        for (i, b) in nv12.data_mut(0).iter_mut().enumerate() {
            *b = (i % 200) as u8 + 16;
        }
        for (i, b) in nv12.data_mut(1).iter_mut().enumerate() {
            *b = (i % 220) as u8 + 16;
        }
        nv12.set_pts(Some(77));
        let (luma, chroma) = (nv12.data(0).to_vec(), nv12.data(1).to_vec());
        let (strides, mut planar) = ((nv12.stride(0), nv12.stride(1)), Planar::default());
        let out = planar.make(nv12).expect("swscale takes nv12");
        assert_eq!((out.format(), out.pts()), (Pixel::YUV420P, Some(77)));
        for y in 0..16 {
            assert_eq!(out.data(0)[y * out.stride(0)..][..32], luma[y * strides.0..][..32]);
        }
        for (y, x) in (0..8).flat_map(|y| (0..16).map(move |x| (y, x))) {
            assert_eq!(out.data(1)[y * out.stride(1) + x], chroma[y * strides.1 + 2 * x]);
            assert_eq!(out.data(2)[y * out.stride(2) + x], chroma[y * strides.1 + 2 * x + 1]);
        }
    }

    #[test]
    fn what_each_odd_format_becomes() {
        for (odd, planar) in [
            (Pixel::YUYV422, Pixel::YUV422P),
            (Pixel::RGB24, Pixel::GBRP),
            (Pixel::BGRA, Pixel::GBRP),
            (Pixel::PAL8, Pixel::GBRP),
            (Pixel::P010LE, Pixel::YUV420P10LE),
            (Pixel::YUV420P10BE, Pixel::YUV420P10LE),
            (Pixel::YUVA420P, Pixel::YUV420P),
            (Pixel::GRAY16BE, Pixel::GRAY16LE),
        ] {
            let mut picture = Video::new(odd, 64, 32);
            for plane in 0..picture.planes() {
                picture.data_mut(plane).fill(0x55);
            }
            let out = Planar::default().make(picture).expect("swscale takes it");
            assert_eq!(out.format(), planar, "{odd:?}");
        }
        for kept in [Pixel::YUV420P, Pixel::YUVJ420P, Pixel::YUV422P10LE, Pixel::GRAY8, Pixel::GBRP, Pixel::YUV444P] {
            assert!(is_plain_planar(kept), "{kept:?}");
        }
    }
}

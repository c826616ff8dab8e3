//! The layout that devices take pictures in: luma in one plane, chroma interleaved in another (NV12, P010).

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;

/// The semi-planar format of a planar one: NV12 of YUV420P, P010LE of YUV420P10LE.
pub fn format(planar: Pixel) -> Option<Pixel> {
    match planar {
        Pixel::YUV420P => Some(Pixel::NV12),
        Pixel::YUV420P10LE => Some(Pixel::P010LE),
        _ => None,
    }
}

/// `picture` (YUV420P or YUV420P10LE) in its semi-planar [`format()`], with its time and type; the samples of P010 are in the upper bits. `None` for another format, a
/// picture without samples, or where memory is short.
pub fn from_planar(picture: &Video) -> Option<Video> {
    let to = format(picture.format())?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (columns, rows) = (width.div_ceil(2), height.div_ceil(2));
    let mut out = Video::new(to, picture.width(), picture.height());
    if picture.planes() < 3 || out.planes() < 2 {
        return None;
    }
    let deep = to == Pixel::P010LE;
    let bytes = if deep { 2 } else { 1 };
    let rows_of = |plane: usize, count: usize| (0..count).map(move |row| picture.data(plane).get(row * picture.stride(plane)..));
    let stride = out.stride(0);
    for (from, to) in rows_of(0, height).zip(out.data_mut(0).chunks_mut(stride)) {
        let (from, to) = (from?.get(..width * bytes)?, to.get_mut(..width * bytes)?);
        if deep { shift(from.chunks_exact(2), to.chunks_exact_mut(2)) } else { to.copy_from_slice(from) }
    }
    let stride = out.stride(1);
    for ((blue, red), to) in rows_of(1, rows).zip(rows_of(2, rows)).zip(out.data_mut(1).chunks_mut(stride)) {
        let (blue, red, to) = (blue?.get(..columns * bytes)?, red?.get(..columns * bytes)?, to.get_mut(..2 * columns * bytes)?);
        if deep {
            shift(blue.chunks_exact(2), to.chunks_exact_mut(4).map(|pair| &mut pair[..2]));
            shift(red.chunks_exact(2), to.chunks_exact_mut(4).map(|pair| &mut pair[2..]));
        } else {
            for ((pair, blue), red) in to.chunks_exact_mut(2).zip(blue).zip(red) {
                pair.copy_from_slice(&[*blue, *red]);
            }
        }
    }
    out.set_pts(picture.pts());
    out.set_kind(picture.kind());
    Some(out)
}

/// The other way: `picture` (NV12 or P010LE, as a device gives it) in its planar format, with its time and type, rows at multiples of 64 bytes. `None` for another
/// format, a picture without samples, or where memory is short.
pub fn to_planar(picture: &Video) -> Option<Video> {
    let to = match picture.format() {
        Pixel::NV12 => Pixel::YUV420P,
        Pixel::P010LE => Pixel::YUV420P10LE,
        _ => return None,
    };
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (columns, rows) = (width.div_ceil(2), height.div_ceil(2));
    let mut out = Video::empty();
    out.set_format(to);
    out.set_width(picture.width());
    out.set_height(picture.height());
    // SAFETY: the frame is blank but for its format and size, as the call wants it.
    if picture.planes() < 2 || unsafe { ffmpeg_next::ffi::av_frame_get_buffer(out.as_mut_ptr(), 64) } < 0 {
        return None;
    }
    let deep = to == Pixel::YUV420P10LE;
    let bytes = if deep { 2 } else { 1 };
    let row_of = |plane: usize, row: usize, length: usize| picture.data(plane).get(row * picture.stride(plane)..)?.get(..length);
    let stride = out.stride(0);
    for (row, to) in out.data_mut(0).chunks_mut(stride).take(height).enumerate() {
        let (from, to) = (row_of(0, row, width * bytes)?, to.get_mut(..width * bytes)?);
        if deep { unshift(from.chunks_exact(2), to) } else { to.copy_from_slice(from) }
    }
    for plane in [1, 2] {
        let stride = out.stride(plane);
        for (row, to) in out.data_mut(plane).chunks_mut(stride).take(rows).enumerate() {
            let (from, to) = (row_of(1, row, 2 * columns * bytes)?, to.get_mut(..columns * bytes)?);
            let place = plane - 1;
            if deep {
                unshift(from.chunks_exact(4).map(|pair| &pair[2 * place..][..2]), to);
            } else {
                from.chunks_exact(2).zip(to).for_each(|(pair, to)| *to = pair[place]);
            }
        }
    }
    out.set_pts(picture.pts());
    out.set_kind(picture.kind());
    Some(out)
}

/// Samples of 10 bits from the upper to the lower bits of their two bytes.
fn unshift<'a>(from: impl Iterator<Item = &'a [u8]>, to: &mut [u8]) {
    for (from, to) in from.zip(to.chunks_exact_mut(2)) {
        to.copy_from_slice(&(u16::from_le_bytes([from[0], from[1]]) >> 6).to_le_bytes());
    }
}

/// Samples of 10 bits from the lower to the upper bits of their two bytes.
fn shift<'a>(from: impl Iterator<Item = &'a [u8]>, to: impl Iterator<Item = &'a mut [u8]>) {
    for (from, to) in from.zip(to) {
        let sample = u16::from_le_bytes([from[0], from[1]]) << 6;
        to.copy_from_slice(&sample.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture whose samples tell their plane, row and column.
    fn planar(format: Pixel, width: u32, height: u32) -> Video {
        let mut picture = Video::new(format, width, height);
        for plane in 0..3 {
            let stride = picture.stride(plane);
            for (y, row) in picture.data_mut(plane).chunks_mut(stride).enumerate() {
                for (x, byte) in row.iter_mut().enumerate() {
                    *byte = if format == Pixel::YUV420P {
                        (plane * 80 + y * 7 + x) as u8
                    } else {
                        (if x % 2 == 0 { plane * 80 + y * 7 + x / 2 } else { plane }) as u8
                    };
                }
            }
        }
        picture.set_pts(Some(42));
        picture.set_kind(ffmpeg_next::picture::Type::I);
        picture
    }

    #[test]
    fn chroma_is_interleaved_and_nothing_else_moves() {
        let from = planar(Pixel::YUV420P, 6, 4);
        let to = from_planar(&from).expect("a known format");
        assert_eq!((to.format(), to.pts(), to.kind()), (Pixel::NV12, Some(42), ffmpeg_next::picture::Type::I));
        assert_eq!(to.data(0)[to.stride(0)..][..6], [7, 8, 9, 10, 11, 12]);
        assert_eq!(to.data(1)[to.stride(1)..][..6], [87, 167, 88, 168, 89, 169]);
    }

    #[test]
    fn ten_bits_are_in_the_upper_ones() {
        let from = planar(Pixel::YUV420P10LE, 4, 2);
        let to = from_planar(&from).expect("a known format");
        let sample = |plane: usize, at: usize| u16::from_le_bytes([to.data(plane)[2 * at], to.data(plane)[2 * at + 1]]);
        assert_eq!((to.format(), sample(0, 1)), (Pixel::P010LE, 1 << 6));
        assert_eq!([sample(1, 0), sample(1, 1), sample(1, 3)], [(256 + 80) << 6, (512 + 160) << 6, (512 + 161) << 6]);
    }

    #[test]
    fn there_and_back_is_the_same_picture() {
        for (format, width, height) in [(Pixel::YUV420P, 64, 36), (Pixel::YUV420P10LE, 62, 34), (Pixel::YUV420P, 5, 3)] {
            let from = planar(format, width, height);
            let back = to_planar(&from_planar(&from).expect("a known format")).expect("a known format");
            assert_eq!((back.format(), back.pts(), back.kind()), (format, Some(42), ffmpeg_next::picture::Type::I));
            for plane in 0..3 {
                let (columns, rows) = if plane == 0 { (width, height) } else { (width.div_ceil(2), height.div_ceil(2)) };
                let bytes = columns as usize * if format == Pixel::YUV420P { 1 } else { 2 };
                for row in 0..rows as usize {
                    assert_eq!(back.data(plane)[row * back.stride(plane)..][..bytes], from.data(plane)[row * from.stride(plane)..][..bytes], "{plane} {row}");
                }
            }
        }
        assert!(to_planar(&planar(Pixel::YUV420P, 4, 4)).is_none());
    }

    #[test]
    fn odd_sizes_keep_their_last_column_and_others_are_refused() {
        let to = from_planar(&planar(Pixel::YUV420P, 5, 3)).expect("a known format");
        assert_eq!(to.data(1)[to.stride(1)..][..6], [87, 167, 88, 168, 89, 169]);
        assert!(from_planar(&Video::new(Pixel::YUV444P, 4, 4)).is_none());
        assert!(from_planar(&Video::empty()).is_none());
    }
}

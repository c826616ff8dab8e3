//! Pictures: how they lie in memory, what they say of their colour, frames from a pool, encoders.

use crate::colour::{Signal, VideoRange};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::ffi;
use ffmpeg_next::frame::Video;
use std::ffi::{CStr, c_int};
use std::ptr;

/// How the samples of a frame lie in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Layout {
    /// Bits per sample, 8 to 16; in the low bits of one byte, or of two in the host's order.
    pub depth: u32,
    /// Components that carry the picture: 1 (grey) or 3; alpha is left out.
    pub components: usize,
    /// Components are red, green, blue rather than Y, Cb, Cr.
    pub rgb: bool,
    /// log2 of the chroma subsampling, (horizontal, vertical).
    pub sub: (u32, u32),
    /// Full range by the format alone (`yuvj…`).
    pub full_range: bool,
    /// The plane that holds each component.
    pub plane: [usize; 3],
}

/// Colour code points of a frame, as in H.273 and as libav stores them (2 is unspecified).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Colour {
    /// `AVCOL_RANGE_*`: 0 unspecified, 1 limited, 2 full.
    pub range: i32,
    /// `AVCOL_SPC_*`.
    pub matrix: i32,
    /// `AVCOL_TRC_*`.
    pub transfer: i32,
    /// `AVCOL_PRI_*`.
    pub primaries: i32,
    /// `AVCHROMA_LOC_*`: 0 unspecified, 1 left, 2 centre, 3 top left, 4 top, 5 bottom left, 6 bottom.
    pub chroma_location: i32,
    /// Sample aspect ratio, (width, height); 0 where unknown.
    pub sar: (i32, i32),
}

/// The name of a frame's pixel format, for messages.
pub fn format_name(frame: &Video) -> String {
    // SAFETY: reads a plain integer field of a valid frame, as an integer.
    let format = unsafe { raw_format(frame) };
    if format < 0 || format >= ffi::AVPixelFormat::AV_PIX_FMT_NB as c_int {
        return format!("pixel format {format}");
    }
    // SAFETY: within the enum of the bindings; null or a static string comes back.
    let name = unsafe { ffi::av_get_pix_fmt_name(std::mem::transmute::<c_int, ffi::AVPixelFormat>(format)) };
    if name.is_null() {
        return format!("pixel format {format}");
    }
    // SAFETY: a static, terminated string.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// The layout of a frame in host memory whose components each have a plane of their own, or `None` for packed, big-endian, float, palette and device formats.
pub fn layout(frame: &Video) -> Option<Layout> {
    // SAFETY: as in `format_name`.
    let format = unsafe { raw_format(frame) };
    if format < 0 || format >= ffi::AVPixelFormat::AV_PIX_FMT_NB as c_int {
        return None;
    }
    // SAFETY: within the enum of the bindings; the descriptor is static.
    let desc = unsafe { ffi::av_pix_fmt_desc_get(std::mem::transmute::<c_int, ffi::AVPixelFormat>(format)).as_ref() }?;
    let refused = ffi::AV_PIX_FMT_FLAG_PAL
        | ffi::AV_PIX_FMT_FLAG_BITSTREAM
        | ffi::AV_PIX_FMT_FLAG_HWACCEL
        | ffi::AV_PIX_FMT_FLAG_BAYER
        | ffi::AV_PIX_FMT_FLAG_FLOAT
        | if cfg!(target_endian = "little") { ffi::AV_PIX_FMT_FLAG_BE } else { 0 };
    let components = if desc.nb_components >= 3 { 3 } else { 1 };
    let (depth, step) = (desc.comp[0].depth, desc.comp[0].step);
    let plain = desc.comp[..components].iter().all(|c| c.depth == depth && c.step == step && c.shift == 0 && c.offset == 0 && (0..4).contains(&c.plane));
    if desc.flags & refused as u64 != 0 || !plain || !(8..=16).contains(&depth) || step != if depth > 8 { 2 } else { 1 } {
        return None;
    }
    let plane: [usize; 3] = std::array::from_fn(|i| desc.comp[i.min(components - 1)].plane as usize);
    // SAFETY: a static, terminated string.
    let name = unsafe { CStr::from_ptr(desc.name) };
    Some(Layout {
        depth: depth as u32,
        components,
        rgb: desc.flags & ffi::AV_PIX_FMT_FLAG_RGB as u64 != 0,
        sub: if components == 3 { (u32::from(desc.log2_chroma_w), u32::from(desc.log2_chroma_h)) } else { (0, 0) },
        full_range: name.to_bytes().starts_with(b"yuvj"),
        plane,
    })
}

/// What the frame says of its colours. Read as integers, so a value that the bindings do not know is harmless.
pub fn colour(frame: &Video) -> Colour {
    // SAFETY: the frame is valid; each enum field is read as the C int that it is.
    unsafe {
        let f = frame.as_ptr();
        Colour {
            range: (&raw const (*f).color_range).cast::<c_int>().read(),
            matrix: (&raw const (*f).colorspace).cast::<c_int>().read(),
            transfer: (&raw const (*f).color_trc).cast::<c_int>().read(),
            primaries: (&raw const (*f).color_primaries).cast::<c_int>().read(),
            chroma_location: (&raw const (*f).chroma_location).cast::<c_int>().read(),
            sar: ((*f).sample_aspect_ratio.num, (*f).sample_aspect_ratio.den),
        }
    }
}

/// Marks a frame as of `range`, as [`VideoRange::code_points`] says: limited range, in square pixels, progressive; chroma sited left in SDR, top left in HDR.
pub fn tag(frame: &mut Video, range: VideoRange) {
    use ffi::AVColorTransferCharacteristic::{AVCOL_TRC_ARIB_STD_B67, AVCOL_TRC_BT709, AVCOL_TRC_SMPTE2084};
    use ffi::{AVChromaLocation, AVColorPrimaries, AVColorSpace};
    let (matrix, primaries, location) = match range {
        VideoRange::Sdr => (AVColorSpace::AVCOL_SPC_BT709, AVColorPrimaries::AVCOL_PRI_BT709, AVChromaLocation::AVCHROMA_LOC_LEFT),
        VideoRange::Hlg | VideoRange::Pq => (AVColorSpace::AVCOL_SPC_BT2020_NCL, AVColorPrimaries::AVCOL_PRI_BT2020, AVChromaLocation::AVCHROMA_LOC_TOPLEFT),
    };
    // SAFETY: the frame is valid and exclusively borrowed; plain fields.
    unsafe {
        let f = frame.as_mut_ptr();
        (*f).color_range = ffi::AVColorRange::AVCOL_RANGE_MPEG;
        (*f).colorspace = matrix;
        (*f).color_trc = match range {
            VideoRange::Sdr => AVCOL_TRC_BT709,
            VideoRange::Hlg => AVCOL_TRC_ARIB_STD_B67,
            VideoRange::Pq => AVCOL_TRC_SMPTE2084,
        };
        (*f).color_primaries = primaries;
        (*f).chroma_location = location;
        (*f).sample_aspect_ratio = ffi::AVRational { num: 1, den: 1 };
    }
}

/// Marks a still picture as what stills are where they do not say: sRGB's primaries, and the matrix of JFIF where it is not RGB.
pub fn tag_still(frame: &mut Video) {
    use ffi::AVColorPrimaries::{AVCOL_PRI_BT709, AVCOL_PRI_RESERVED, AVCOL_PRI_RESERVED0, AVCOL_PRI_UNSPECIFIED};
    use ffi::AVColorSpace::{AVCOL_SPC_BT470BG, AVCOL_SPC_RESERVED, AVCOL_SPC_RGB, AVCOL_SPC_UNSPECIFIED};
    let Colour { matrix, primaries, .. } = colour(frame);
    let rgb = crate::ffmpeg::depth_and_rgb(frame.format()).1;
    // SAFETY: the frame is valid and exclusively borrowed; plain fields.
    unsafe {
        let f = frame.as_mut_ptr();
        if [AVCOL_PRI_UNSPECIFIED, AVCOL_PRI_RESERVED, AVCOL_PRI_RESERVED0].iter().any(|silent| *silent as i32 == primaries) {
            (*f).color_primaries = AVCOL_PRI_BT709;
        }
        if !rgb && [AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_RESERVED, AVCOL_SPC_RGB].iter().any(|silent| *silent as i32 == matrix) {
            (*f).colorspace = AVCOL_SPC_BT470BG;
        }
    }
}

/// Says what shape a frame's pixels have.
pub fn set_pixel_shape(frame: &mut Video, (num, den): (u32, u32)) {
    let side = |n: u32| i32::try_from(n).unwrap_or(1);
    // SAFETY: the frame is valid and exclusively borrowed; a plain field.
    unsafe { (*frame.as_mut_ptr()).sample_aspect_ratio = ffi::AVRational { num: side(num), den: side(den) } }
}

/// Plane `index` of a frame as whole strides for `rows` rows, with its stride; `None` where the stride is not positive or less than `row_bytes`, or where the
/// last stride would leave the frame's buffer.
pub fn plane(frame: &Video, index: usize, row_bytes: usize, rows: usize) -> Option<(&[u8], usize)> {
    let (data, stride, left) = plane_extent(frame, index)?;
    let bytes = stride.checked_mul(rows)?;
    // SAFETY: `data` points into a buffer that the frame holds a reference to, with `left >= bytes` bytes from there on; shared frames are not written to.
    (stride >= row_bytes && bytes <= left).then(|| (unsafe { std::slice::from_raw_parts(data, bytes) }, stride))
}

/// Copies `rows` rows of `row_bytes` bytes out of a plane, wherever they lie (any alignment, bottom-up strides). `None` where they leave the frame's buffers.
pub fn copy_plane(frame: &Video, index: usize, row_bytes: usize, rows: usize, out: &mut [u8], out_stride: usize) -> Option<()> {
    if index >= 4 {
        return None;
    }
    // SAFETY: the frame is valid; plain fields.
    let (data, stride) = unsafe { ((*frame.as_ptr()).data[index], (*frame.as_ptr()).linesize[index] as isize) };
    for row in 0..rows {
        let from = data.wrapping_offset(stride.checked_mul(row as isize)?);
        let left = bytes_left(frame, from)?;
        let to = out.get_mut(row.checked_mul(out_stride)?..)?.get_mut(..row_bytes)?;
        if left < row_bytes {
            return None;
        }
        // SAFETY: `bytes_left` found `from` inside a buffer of the frame with at least `row_bytes` bytes from there on.
        to.copy_from_slice(unsafe { std::slice::from_raw_parts(from, row_bytes) });
    }
    Some(())
}

fn plane_extent(frame: &Video, index: usize) -> Option<(*const u8, usize, usize)> {
    if index >= 4 {
        return None;
    }
    // SAFETY: the frame is valid; plain fields.
    let (data, stride) = unsafe { ((*frame.as_ptr()).data[index].cast_const(), (*frame.as_ptr()).linesize[index]) };
    let stride = usize::try_from(stride).ok().filter(|s| *s > 0)?;
    Some((data, stride, bytes_left(frame, data)?))
}

/// How many bytes the buffer of `frame` that holds `at` has from there on.
fn bytes_left(frame: &Video, at: *const u8) -> Option<usize> {
    if at.is_null() {
        return None;
    }
    // SAFETY: the frame is valid; the entries of `buf` are null or valid references that it holds.
    unsafe {
        (*frame.as_ptr()).buf.iter().take_while(|b| !b.is_null()).find_map(|b| {
            let (start, size) = ((**b).data.addr(), (**b).size);
            let offset = at.addr().checked_sub(start)?;
            size.checked_sub(offset).filter(|left| *left > 0)
        })
    }
}

/// Another handle to the same samples without side data, picture type and time stamps: what an encoder is given, so that nothing but the samples can alter
/// its bytes. No samples are copied. `None` when memory is out.
pub fn share_samples(frame: &Video) -> Option<Video> {
    // SAFETY: no arguments; null when memory is out.
    let shared = ptr::NonNull::new(unsafe { ffi::av_frame_alloc() })?;
    // SAFETY: a valid frame, owned from here on.
    let mut shared = unsafe { Video::wrap(shared.as_ptr()) };
    // SAFETY: both frames are valid, the target is blank; libav's reference counts are atomic, so the source may be shared between threads.
    if unsafe { ffi::av_frame_ref(shared.as_mut_ptr(), frame.as_ptr()) } < 0 {
        return None;
    }
    // SAFETY: a valid frame of ours alone; removing a side data entry keeps the count right, and each turn removes at least the first.
    unsafe {
        let f = shared.as_mut_ptr();
        while (*f).nb_side_data > 0 && !(*f).side_data.is_null() {
            ffi::av_frame_remove_side_data(f, (**(*f).side_data).type_);
        }
        (*f).pict_type = ffi::AVPictureType::AV_PICTURE_TYPE_NONE;
        (*f).pts = ffi::AV_NOPTS_VALUE;
        (*f).pkt_dts = ffi::AV_NOPTS_VALUE;
    }
    Some(shared)
}

/// Out-of-band parameter sets of an opened encoder or of stream parameters (libav's `extradata`).
pub fn extradata(context: &ffmpeg::codec::Context) -> Vec<u8> {
    // SAFETY: the context is valid; extradata is null or holds extradata_size bytes.
    unsafe {
        let c = context.as_ptr();
        match usize::try_from((*c).extradata_size) {
            Ok(size) if size > 0 && !(*c).extradata.is_null() => std::slice::from_raw_parts((*c).extradata, size).to_vec(),
            _ => Vec::new(),
        }
    }
}

/// Gives a decoder context its out-of-band parameter sets. `None` when memory is out.
pub fn set_extradata(context: &mut ffmpeg::codec::Context, bytes: &[u8]) -> Option<()> {
    // SAFETY: the context is valid and exclusively borrowed; the old buffer is freed, the new one has the padding that libav asks for, zeroed.
    unsafe {
        let c = context.as_mut_ptr();
        let size = bytes.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
        let data = ffi::av_mallocz(size).cast::<u8>();
        if data.is_null() {
            return None;
        }
        ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
        ffi::av_freep((&raw mut (*c).extradata).cast());
        (*c).extradata = data;
        (*c).extradata_size = c_int::try_from(bytes.len()).ok()?;
    }
    Some(())
}

/// Frames of one size and signal in 4:2:0, samples of 8 bits in a byte or of 10 in two (little-endian), their buffers used again once every handle is gone.
/// Planes and strides are aligned to 64 bytes.
pub struct FramePool {
    pool: ptr::NonNull<ffi::AVBufferPool>,
    width: u32,
    height: u32,
    signal: Signal,
    strides: [usize; 3],
}

// SAFETY: AVBufferPool is made for use from several threads (its list is under a lock), and this handle owns one reference to it.
unsafe impl Send for FramePool {}

const FRAME_ALIGN: usize = 64;

impl FramePool {
    /// A pool of `width` x `height` frames, both even, from 2 to 16384, of 8 or 10 bits. `None` outside of that or when memory is out.
    pub fn new(width: u32, height: u32, signal: Signal) -> Option<FramePool> {
        let legal = |n: u32| n.is_multiple_of(2) && (2..=16384).contains(&n);
        if !legal(width) || !legal(height) {
            return None;
        }
        let sample = match signal.depth {
            8 => 1,
            10 => 2,
            _ => return None,
        };
        let luma = (width as usize * sample).next_multiple_of(FRAME_ALIGN);
        let chroma = (width as usize / 2 * sample).next_multiple_of(FRAME_ALIGN);
        let bytes = luma * height as usize + chroma * height as usize + FRAME_ALIGN;
        // SAFETY: a size and libav's own allocator; null when memory is out.
        let pool = ptr::NonNull::new(unsafe { ffi::av_buffer_pool_init(bytes, None) })?;
        Some(FramePool { pool, width, height, signal, strides: [luma, chroma, chroma] })
    }

    /// A frame with the [`tag`]s of its range. Its samples are whatever the buffer held before. `None` when memory is out.
    pub fn get(&self) -> Option<Video> {
        // SAFETY: no arguments; null when memory is out.
        let frame = ptr::NonNull::new(unsafe { ffi::av_frame_alloc() })?;
        // SAFETY: a valid frame, owned from here on.
        let mut frame = unsafe { Video::wrap(frame.as_ptr()) };
        // SAFETY: the pool is valid; the buffer has room for three planes from its first aligned byte (see `new`), and the frame takes its reference over.
        unsafe {
            let buffer = ptr::NonNull::new(ffi::av_buffer_pool_get(self.pool.as_ptr()))?.as_ptr();
            let f = frame.as_mut_ptr();
            (*f).buf[0] = buffer;
            let eight = self.signal.depth == 8;
            (*f).format = (if eight { ffi::AVPixelFormat::AV_PIX_FMT_YUV420P } else { ffi::AVPixelFormat::AV_PIX_FMT_YUV420P10LE }) as c_int;
            (*f).width = self.width as c_int;
            (*f).height = self.height as c_int;
            let mut at = (*buffer).data.add((*buffer).data.align_offset(FRAME_ALIGN));
            for (index, stride) in self.strides.iter().enumerate() {
                (*f).data[index] = at;
                (*f).linesize[index] = *stride as c_int;
                let rows = if index == 0 { self.height } else { self.height / 2 } as usize;
                at = at.add(stride * rows);
            }
            (*f).extended_data = (&raw mut (*f).data).cast();
        }
        tag(&mut frame, self.signal.range);
        Some(frame)
    }
}

impl Drop for FramePool {
    fn drop(&mut self) {
        let mut pool = self.pool.as_ptr();
        // SAFETY: our reference, given up once; libav frees the pool after the last buffer returns.
        unsafe { ffi::av_buffer_pool_uninit(&mut pool) }
    }
}

/// The three planes of a 4:2:0 frame from a [`FramePool`] for writing, each with its stride in bytes, or `None` where the frame is shared or is not one.
pub fn planes_mut(frame: &mut Video) -> Option<[(&mut [u8], usize); 3]> {
    // SAFETY: the frame is valid and exclusively borrowed; one reference to its only buffer means that nobody else sees the samples.
    let sole = unsafe {
        let f = frame.as_ptr();
        [ffi::AVPixelFormat::AV_PIX_FMT_YUV420P as c_int, ffi::AVPixelFormat::AV_PIX_FMT_YUV420P10LE as c_int].contains(&(*f).format)
            && !(*f).buf[0].is_null()
            && (*f).buf[1].is_null()
            && ffi::av_buffer_is_writable((*f).buf[0]) != 0
    };
    if !sole {
        return None;
    }
    let height = frame.height() as usize;
    let (luma, luma_stride, left) = plane_extent(frame, 0)?;
    let (cb, cb_stride, cb_left) = plane_extent(frame, 1)?;
    let (cr, cr_stride, cr_left) = plane_extent(frame, 2)?;
    let sizes = [luma_stride * height, cb_stride * (height / 2), cr_stride * (height / 2)];
    let apart = luma.addr() + sizes[0] <= cb.addr() && cb.addr() + sizes[1] <= cr.addr();
    if !apart || sizes[0] > left || sizes[1] > cb_left || sizes[2] > cr_left {
        return None;
    }
    // SAFETY: three ranges that do not overlap (checked), each within the frame's only buffer (checked), which nobody else refers to (checked), borrowed as
    // long as the frame is.
    unsafe {
        Some([
            (std::slice::from_raw_parts_mut(luma.cast_mut(), sizes[0]), luma_stride),
            (std::slice::from_raw_parts_mut(cb.cast_mut(), sizes[1]), cb_stride),
            (std::slice::from_raw_parts_mut(cr.cast_mut(), sizes[2]), cr_stride),
        ])
    }
}

/// # Safety
/// None beyond a valid frame; it is `unsafe` for reading through the raw pointer.
unsafe fn raw_format(frame: &Video) -> c_int {
    // SAFETY: by the caller; `format` is a C int.
    unsafe { (*frame.as_ptr()).format }
}

/// For tests of other modules.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use ffmpeg_next::software::scaling;

    /// Another handle to a picture without its first `left` columns (even), as a decoder crops.
    pub fn cropped_left(frame: &Video, left: usize) -> Video {
        let mut out = share_samples(frame).expect("memory");
        // SAFETY: moves the plane pointers within their rows and narrows the picture by as much.
        unsafe {
            let f = out.as_mut_ptr();
            (*f).width -= left as c_int;
            for (plane, shift) in [(0, 0), (1, 1), (2, 1)] {
                (*f).data[plane] = (*f).data[plane].add(left >> shift);
            }
        }
        out
    }

    /// libswscale's idea of `frame` in `size`, limited BT.709.
    pub fn swscale_bt709(frame: &Video, size: (u32, u32)) -> Video {
        let flags = scaling::Flags::BICUBIC | scaling::Flags::ACCURATE_RND;
        let pixel = ffmpeg_next::format::Pixel::YUV420P;
        let mut context = scaling::Context::get(frame.format(), frame.width(), frame.height(), pixel, size.0, size.1, flags).expect("swscale");
        let tags = colour(frame);
        let full = tags.range == 2 || layout(frame).is_some_and(|l| l.full_range);
        let matrix = if tags.matrix == 2 { if frame.height() <= 576 { 5 } else { 1 } } else { tags.matrix };
        // SAFETY: a valid context; the tables are libswscale's own static ones.
        unsafe {
            let (from, to) = (ffi::sws_getCoefficients(matrix), ffi::sws_getCoefficients(1));
            ffi::sws_setColorspaceDetails(context.as_mut_ptr(), from, c_int::from(full), to, 0, 0, 1 << 16, 1 << 16);
        }
        let mut out = Video::empty();
        context.run(frame, &mut out).expect("swscale");
        out
    }
}

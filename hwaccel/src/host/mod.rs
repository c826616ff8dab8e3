//! Scaling and colour conversion in host memory, by libzimg, pinned to one instruction set.
//!
//! A [`Scaler`] converts one [`Format`] into another in one pass: size, colour, depth, chroma layout. It keeps no state between pictures.

pub mod cube;
#[cfg(test)]
mod tests;
mod zimg;

use crate::isa::Isa;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

/// Data and strides must be multiples of this many bytes (what libzimg asks for up to AVX2; 64 keeps rows on cache lines).
pub const ALIGN: usize = 32;

/// What the samples of a picture are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Family {
    /// Luma alone: one plane.
    Grey,
    /// Planes red, green, blue.
    Rgb,
    /// Planes Y, Cb, Cr, the chroma subsampled by these powers of two (4:2:0 is 1, 1).
    Yuv {
        /// log2 of the horizontal subsampling, 0 to 2.
        sub_w: u32,
        /// log2 of the vertical subsampling, 0 to 2.
        sub_h: u32,
    },
}

/// A picture format. The four colour fields use the code points of ITU-T H.273.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Format {
    /// Width in samples, a multiple of the chroma subsampling.
    pub width: u32,
    /// Height in samples, a multiple of the chroma subsampling.
    pub height: u32,
    /// Sample model.
    pub family: Family,
    /// Bits per sample, 8 to 16. Above 8 a sample is two bytes, in the host's order, in the low bits.
    pub depth: u32,
    /// Full range (0 to 255 in 8 bits) rather than limited (16 to 235).
    pub full_range: bool,
    /// H.273 MatrixCoefficients.
    pub matrix: u8,
    /// H.273 TransferCharacteristics.
    pub transfer: u8,
    /// H.273 ColourPrimaries.
    pub primaries: u8,
    /// H.273 Chroma420SampleLocType: 0 left, 1 centre, 2 top left, 3 top, 4 bottom left, 5 bottom.
    pub chroma_location: u8,
}

impl Format {
    /// How many planes.
    pub fn planes(&self) -> usize {
        if self.family == Family::Grey { 1 } else { 3 }
    }

    /// Size of plane `index` in samples, (width, height).
    pub fn plane_size(&self, index: usize) -> (u32, u32) {
        match self.family {
            Family::Yuv { sub_w, sub_h } if index > 0 => (self.width >> sub_w, self.height >> sub_h),
            _ => (self.width, self.height),
        }
    }

    /// Bytes that the samples of one row of plane `index` take.
    pub fn row_bytes(&self, index: usize) -> usize {
        self.plane_size(index).0 as usize * if self.depth > 8 { 2 } else { 1 }
    }
}

/// How a [`Scaler`] works.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Options {
    /// Instruction set.
    pub isa: Isa,
    /// Ordered dither (a function of position alone) where depth is reduced; else rounding.
    pub dither: bool,
    /// Luminance, in cd/m², that becomes the peak of the standard-dynamic-range output when the source is PQ or HLG.
    pub peak_luminance: f64,
}

/// Why a conversion is not possible.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScaleError {
    /// libzimg has no such conversion.
    #[error("zimg cannot convert {from} to {to}: {why}")]
    Build {
        /// Source format.
        from: String,
        /// Wanted format.
        to: String,
        /// libzimg's words.
        why: String,
    },
    /// A plane is too short, or not aligned.
    #[error("plane {plane}: {bytes} bytes at stride {stride}; needs {rows} rows of {row_bytes} bytes, address and stride multiples of {ALIGN}")]
    Plane {
        /// Which.
        plane: usize,
        /// Bytes in the slice.
        bytes: usize,
        /// Bytes from row to row.
        stride: usize,
        /// Rows needed.
        rows: usize,
        /// Bytes needed in each row.
        row_bytes: usize,
    },
    /// libzimg failed on a picture.
    #[error("zimg: {0}")]
    Process(String),
}

/// A plane to read: its bytes and how many lie between rows.
pub type Source<'a> = (&'a [u8], usize);
/// A plane to write.
pub type Target<'a> = (&'a mut [u8], usize);

/// One conversion, ready to run on any number of pictures.
pub struct Scaler {
    graph: ptr::NonNull<zimg::Graph>,
    src: Format,
    dst: Format,
    scratch: Scratch,
}

// SAFETY: the graph is immutable after it is built and has no thread affinity (zimg.h: state is in the caller's temporary buffer), and `Scaler` owns both.
unsafe impl Send for Scaler {}

impl Scaler {
    /// Builds the conversion from `src` to `dst`. Bicubic (b = 0, c = 0.6), widened when it makes pictures smaller.
    pub fn new(src: &Format, dst: &Format, options: &Options) -> Result<Scaler, ScaleError> {
        let refused = |why: String| ScaleError::Build { from: format!("{src:?}"), to: format!("{dst:?}"), why };
        // SAFETY: takes no input; null outputs are allowed (zimg.h).
        let api = unsafe { zimg::zimg_get_api_version(ptr::null_mut(), ptr::null_mut()) };
        if api < zimg::API_VERSION {
            return Err(refused(format!("this libzimg has API {}.{}, 2.4 is needed", api >> 8, api & 0xff)));
        }
        if !(8..=16).contains(&src.depth) || !(8..=16).contains(&dst.depth) {
            return Err(refused("depths from 8 to 16 bits are supported".to_owned()));
        }
        let (from, to) = (image_format(src), image_format(dst));
        let params = graph_params(src, dst, options);
        // SAFETY: all three are initialised to the layout of the API version that they carry, and outlive the call.
        let graph = unsafe { zimg::zimg_filter_graph_build(&from, &to, &params) };
        let graph = ptr::NonNull::new(graph).ok_or_else(|| refused(last_error()))?;
        let mut scaler = Scaler { graph, src: *src, dst: *dst, scratch: Scratch::new(0) };
        let mut size = 0;
        // SAFETY: the graph is valid, `size` is writable.
        if unsafe { zimg::zimg_filter_graph_get_tmp_size(scaler.graph.as_ptr(), &mut size) } != 0 {
            return Err(refused(last_error()));
        }
        scaler.scratch = Scratch::new(size);
        Ok(scaler)
    }

    /// What it converts from.
    pub fn source(&self) -> &Format {
        &self.src
    }

    /// Converts one picture. Planes are in the order of [`Family`]; each slice holds whole strides for all its rows.
    pub fn process(&mut self, src: &[Source<'_>], dst: &mut [Target<'_>]) -> Result<(), ScaleError> {
        let none = zimg::ConstPlane { data: ptr::null(), stride: 0, mask: zimg::BUFFER_MAX };
        let mut from = zimg::ConstBuffer { version: zimg::API_VERSION, plane: [none; 4] };
        for index in 0..self.src.planes() {
            let (data, stride) = src.get(index).copied().unwrap_or((&[], 0));
            check(&self.src, index, data, stride)?;
            from.plane[index] = zimg::ConstPlane { data: data.as_ptr().cast(), stride: stride as isize, mask: zimg::BUFFER_MAX };
        }
        let none = zimg::Plane { data: ptr::null_mut(), stride: 0, mask: zimg::BUFFER_MAX };
        let mut to = zimg::Buffer { version: zimg::API_VERSION, plane: [none; 4] };
        for index in 0..self.dst.planes() {
            let (data, stride) = dst.get_mut(index).map_or((Default::default(), 0), |(data, stride)| (&mut **data, *stride));
            check(&self.dst, index, data, stride)?;
            to.plane[index] = zimg::Plane { data: data.as_mut_ptr().cast(), stride: stride as isize, mask: zimg::BUFFER_MAX };
        }
        // SAFETY: every plane that the graph touches was checked to hold all rows at an aligned address and stride; the scratch has the size and
        // alignment the graph asked for; `&mut self` and `&mut` targets keep anyone else away; no callbacks are given.
        let rc = unsafe {
            zimg::zimg_filter_graph_process(self.graph.as_ptr(), &from, &to, self.scratch.as_mut_ptr(), None, ptr::null_mut(), None, ptr::null_mut())
        };
        if rc == 0 { Ok(()) } else { Err(ScaleError::Process(last_error())) }
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        // SAFETY: the graph came from `zimg_filter_graph_build` and is freed once.
        unsafe { zimg::zimg_filter_graph_free(self.graph.as_ptr()) }
    }
}

/// Version of the linked libzimg, as part of a worker's class.
pub fn version() -> String {
    let (mut major, mut minor, mut micro) = (0, 0, 0);
    // SAFETY: writes the three integers.
    unsafe { zimg::zimg_get_version_info(&mut major, &mut minor, &mut micro) };
    format!("{major}.{minor}.{micro}")
}

/// Slices must hold whole strides: libzimg works in vectors and may touch a row's padding, the last row's too.
fn check(format: &Format, index: usize, data: &[u8], stride: usize) -> Result<(), ScaleError> {
    let (rows, row_bytes) = (format.plane_size(index).1 as usize, format.row_bytes(index));
    let enough = stride.checked_mul(rows).is_some_and(|n| n <= data.len()) && stride >= row_bytes.next_multiple_of(ALIGN);
    let aligned = stride.is_multiple_of(ALIGN) && data.as_ptr().addr().is_multiple_of(ALIGN);
    if enough && aligned { Ok(()) } else { Err(ScaleError::Plane { plane: index, bytes: data.len(), stride, rows, row_bytes }) }
}

fn image_format(format: &Format) -> zimg::ImageFormat {
    let mut out = std::mem::MaybeUninit::<zimg::ImageFormat>::zeroed();
    // SAFETY: writes at most the layout of the version given, which is the one declared; every bit pattern of the struct's fields is valid.
    let mut out = unsafe {
        zimg::zimg_image_format_default(out.as_mut_ptr(), zimg::API_VERSION);
        out.assume_init()
    };
    out.width = format.width;
    out.height = format.height;
    out.pixel_type = if format.depth > 8 { zimg::PIXEL_WORD } else { zimg::PIXEL_BYTE };
    out.depth = format.depth;
    out.color_family = match format.family {
        Family::Grey => zimg::COLOR_GREY,
        Family::Rgb => zimg::COLOR_RGB,
        Family::Yuv { sub_w, sub_h } => {
            (out.subsample_w, out.subsample_h) = (sub_w, sub_h);
            zimg::COLOR_YUV
        }
    };
    out.matrix_coefficients = c_int::from(format.matrix);
    out.transfer_characteristics = c_int::from(format.transfer);
    out.color_primaries = c_int::from(format.primaries);
    out.pixel_range = c_int::from(format.full_range);
    out.chroma_location = c_int::from(format.chroma_location);
    out
}

fn graph_params(src: &Format, dst: &Format, options: &Options) -> zimg::GraphParams {
    let mut out = std::mem::MaybeUninit::<zimg::GraphParams>::zeroed();
    // SAFETY: as for the image format.
    let mut out = unsafe {
        zimg::zimg_graph_builder_params_default(out.as_mut_ptr(), zimg::API_VERSION);
        out.assume_init()
    };
    out.resample_filter = zimg::RESIZE_BICUBIC;
    out.resample_filter_uv = zimg::RESIZE_BICUBIC;
    (out.filter_param_a, out.filter_param_b) = (0.0, 0.6);
    (out.filter_param_a_uv, out.filter_param_b_uv) = (0.0, 0.6);
    out.dither_type = if options.dither && src.depth > dst.depth { zimg::DITHER_ORDERED } else { zimg::DITHER_NONE };
    out.cpu_type = match options.isa {
        Isa::Avx2 => zimg::CPU_X86_AVX2,
        Isa::Sse2 => zimg::CPU_X86_SSE2,
        Isa::Baseline => zimg::CPU_NONE,
    };
    out.nominal_peak_luminance = options.peak_luminance;
    out.allow_approximate_gamma = 1;
    out
}

fn last_error() -> String {
    let mut text = [0u8; 256];
    // SAFETY: writes at most the given length.
    let code = unsafe { zimg::zimg_get_last_error(text.as_mut_ptr().cast(), text.len()) };
    let words = CStr::from_bytes_until_nul(&text).map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    if words.is_empty() { format!("error {code}") } else { words }
}

/// A temporary buffer aligned to 64 bytes.
struct Scratch(Vec<Line>);

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u8; 64]);

impl Scratch {
    fn new(bytes: usize) -> Scratch {
        Scratch(vec![Line([0; 64]); bytes.div_ceil(64)])
    }

    fn as_mut_ptr(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }
}

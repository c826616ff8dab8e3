//! A filter graph of libzimg.

use super::{Family, Format, Options, zimg};
use crate::isa::Isa;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

/// A conversion as libzimg has built it.
pub struct Graph(ptr::NonNull<zimg::Graph>, usize);

// SAFETY: the graph is immutable after it is built and has no thread affinity (zimg.h: state is in the caller's temporary buffer), and `Graph` owns it.
unsafe impl Send for Graph {}

impl Graph {
    /// Builds it.
    pub fn new(src: &Format, dst: &Format, options: &Options) -> Result<Graph, String> {
        let (from, to) = (image_format(src), image_format(dst));
        let params = graph_params(src, dst, options);
        // SAFETY: all three are initialised to the layout of the API version that they carry, and outlive the call.
        let graph = unsafe { zimg::zimg_filter_graph_build(&from, &to, &params) };
        let mut graph = Graph(ptr::NonNull::new(graph).ok_or_else(last_error)?, 0);
        // SAFETY: the graph is valid, the size is writable.
        let rc = unsafe { zimg::zimg_filter_graph_get_tmp_size(graph.0.as_ptr(), &mut graph.1) };
        if rc == 0 { Ok(graph) } else { Err(last_error()) }
    }

    /// The size of the temporary buffer that it wants.
    pub fn scratch_bytes(&self) -> usize {
        self.1
    }

    /// Converts a picture.
    ///
    /// # Safety
    /// Every plane of `from` and `to` has all rows of its format, at an address and stride that are multiples of 32 bytes; nobody else writes `from`,
    /// nor touches `to`. `scratch` is aligned to 64 bytes, has the size that was asked for, and is nobody else's meanwhile.
    pub unsafe fn process(&self, from: &zimg::ConstBuffer, to: &zimg::Buffer, scratch: *mut c_void) -> Result<(), String> {
        // SAFETY: as the caller says; no callbacks are given.
        let rc = unsafe { zimg::zimg_filter_graph_process(self.0.as_ptr(), from, to, scratch, None, ptr::null_mut(), None, ptr::null_mut()) };
        if rc == 0 { Ok(()) } else { Err(last_error()) }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: the graph came from `zimg_filter_graph_build` and is freed once.
        unsafe { zimg::zimg_filter_graph_free(self.0.as_ptr()) }
    }
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

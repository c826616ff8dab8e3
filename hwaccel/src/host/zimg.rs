//! libzimg's C API as far as it is used here. Layouts from `zimg.h` of 3.0.4 (API 2.4); the constants below are checked against its sizes.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// The API whose layouts are declared here: 2.4.
pub const API_VERSION: c_uint = 2 << 8 | 4;
/// Plane mask: the plane is there as a whole.
pub const BUFFER_MAX: c_uint = c_uint::MAX;

pub const CPU_NONE: c_int = 0;
pub const CPU_X86_SSE2: c_int = 1002;
pub const CPU_X86_AVX2: c_int = 1009;
pub const PIXEL_BYTE: c_int = 0;
pub const PIXEL_WORD: c_int = 1;
pub const COLOR_GREY: c_int = 0;
pub const COLOR_RGB: c_int = 1;
pub const COLOR_YUV: c_int = 2;
pub const DITHER_NONE: c_int = 0;
pub const DITHER_ORDERED: c_int = 1;
pub const RESIZE_BICUBIC: c_int = 2;

#[repr(C)]
pub struct Graph {
    _opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ConstPlane {
    pub data: *const c_void,
    pub stride: isize,
    pub mask: c_uint,
}

#[repr(C)]
pub struct ConstBuffer {
    pub version: c_uint,
    pub plane: [ConstPlane; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Plane {
    pub data: *mut c_void,
    pub stride: isize,
    pub mask: c_uint,
}

#[repr(C)]
pub struct Buffer {
    pub version: c_uint,
    pub plane: [Plane; 4],
}

#[repr(C)]
pub struct Region {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

#[repr(C)]
pub struct ImageFormat {
    pub version: c_uint,
    pub width: c_uint,
    pub height: c_uint,
    pub pixel_type: c_int,
    pub subsample_w: c_uint,
    pub subsample_h: c_uint,
    pub color_family: c_int,
    pub matrix_coefficients: c_int,
    pub transfer_characteristics: c_int,
    pub color_primaries: c_int,
    pub depth: c_uint,
    pub pixel_range: c_int,
    pub field_parity: c_int,
    pub chroma_location: c_int,
    pub active_region: Region,
    pub alpha: c_int,
}

#[repr(C)]
pub struct GraphParams {
    pub version: c_uint,
    pub resample_filter: c_int,
    pub filter_param_a: f64,
    pub filter_param_b: f64,
    pub resample_filter_uv: c_int,
    pub filter_param_a_uv: f64,
    pub filter_param_b_uv: f64,
    pub dither_type: c_int,
    pub cpu_type: c_int,
    pub nominal_peak_luminance: f64,
    pub allow_approximate_gamma: c_char,
}

const _: () = {
    assert!(size_of::<ImageFormat>() == 96);
    assert!(size_of::<GraphParams>() == 72);
    assert!(size_of::<Buffer>() == 104 && size_of::<ConstBuffer>() == 104);
};

pub type Callback = Option<unsafe extern "C" fn(user: *mut c_void, i: c_uint, left: c_uint, right: c_uint) -> c_int>;

unsafe extern "C" {
    pub fn zimg_get_api_version(major: *mut c_uint, minor: *mut c_uint) -> c_uint;
    pub fn zimg_get_version_info(major: *mut c_uint, minor: *mut c_uint, micro: *mut c_uint);
    pub fn zimg_get_last_error(message: *mut c_char, n: usize) -> c_int;
    pub fn zimg_image_format_default(format: *mut ImageFormat, version: c_uint);
    pub fn zimg_graph_builder_params_default(params: *mut GraphParams, version: c_uint);
    pub fn zimg_filter_graph_build(src: *const ImageFormat, dst: *const ImageFormat, params: *const GraphParams) -> *mut Graph;
    pub fn zimg_filter_graph_free(graph: *mut Graph);
    pub fn zimg_filter_graph_get_tmp_size(graph: *const Graph, out: *mut usize) -> c_int;
    pub fn zimg_filter_graph_process(
        graph: *const Graph,
        src: *const ConstBuffer,
        dst: *const Buffer,
        tmp: *mut c_void,
        unpack: Callback,
        unpack_user: *mut c_void,
        pack: Callback,
        pack_user: *mut c_void,
    ) -> c_int;
}

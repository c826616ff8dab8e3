//! Scaling and colour conversion in host memory, pinned to one instruction set: what only becomes smaller by `resize`, all else by libzimg.
//!
//! A [`Scaler`] converts one [`Format`] into another in one pass: size, colour, depth, chroma layout. It keeps no state between pictures.

mod conversion;
pub mod cube;
mod graph;
mod resize;
#[cfg(test)]
mod tests;
mod zimg;

use crate::isa::Isa;
use conversion::Conversion;
use resize::Resize;
use std::ffi::c_void;

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
    way: Way,
    src: Format,
    dst: Format,
}

enum Way {
    /// Of the size alone, and that to a smaller one.
    Resize(Resize),
    Convert(Conversion),
}

impl Scaler {
    /// Builds the conversion from `src` to `dst`. Bicubic (b = 0, c = 0.6), widened when it makes pictures smaller.
    pub fn new(src: &Format, dst: &Format, options: &Options) -> Result<Scaler, ScaleError> {
        let way = match Resize::new(src, dst, options) {
            Some(resize) => Way::Resize(resize),
            None => Way::Convert(Conversion::new(src, dst, options)?),
        };
        Ok(Scaler { way, src: *src, dst: *dst })
    }

    /// What it converts from.
    pub fn source(&self) -> &Format {
        &self.src
    }

    /// Converts one picture. Planes are in the order of [`Family`]; each slice holds whole strides for all its rows.
    pub fn process(&mut self, src: &[Source<'_>], dst: &mut [Target<'_>]) -> Result<(), ScaleError> {
        process_all(&mut [(self, dst)], src)
    }

    /// Whether [`process_all`] is faster with others of its kind.
    pub fn shares(&self) -> bool {
        matches!(self.way, Way::Resize(_))
    }
}

/// Makes several pictures of one, each as by [`Scaler::process`]. What only makes it smaller reads it together.
pub fn process_all(targets: &mut [(&mut Scaler, &mut [Target<'_>])], src: &[Source<'_>]) -> Result<(), ScaleError> {
    for (scaler, dst) in targets.iter() {
        for index in 0..scaler.src.planes() {
            let (data, stride) = src.get(index).copied().unwrap_or((&[], 0));
            check(&scaler.src, index, data, stride)?;
        }
        for index in 0..scaler.dst.planes() {
            let (data, stride) = dst.get(index).map_or((Default::default(), 0), |(data, stride)| (&**data, *stride));
            check(&scaler.dst, index, data, stride)?;
        }
    }
    let mut resizes = Vec::with_capacity(targets.len());
    for (scaler, dst) in targets {
        match &mut scaler.way {
            Way::Resize(resize) => resizes.push((resize, &mut **dst)),
            Way::Convert(conversion) => conversion.process(src, dst)?,
        }
    }
    resize::run_all(&mut resizes, src);
    Ok(())
}

/// Version of the linked libzimg, as part of a worker's class.
pub fn version() -> String {
    let (mut major, mut minor, mut micro) = (0, 0, 0);
    // SAFETY: writes the three integers.
    unsafe { zimg::zimg_get_version_info(&mut major, &mut minor, &mut micro) };
    format!("{major}.{minor}.{micro}")
}

/// Whether nothing but the size differs, which is done in whole numbers: the same samples on every instruction set.
fn is_resize(src: &Format, dst: &Format) -> bool {
    Format { width: dst.width, height: dst.height, ..*src } == *dst
}

/// Slices must hold whole strides: libzimg works in vectors and may touch a row's padding, the last row's too.
fn check(format: &Format, index: usize, data: &[u8], stride: usize) -> Result<(), ScaleError> {
    let (rows, row_bytes) = (format.plane_size(index).1 as usize, format.row_bytes(index));
    let enough = stride.checked_mul(rows).is_some_and(|n| n <= data.len()) && stride >= row_bytes.next_multiple_of(ALIGN);
    let aligned = stride.is_multiple_of(ALIGN) && data.as_ptr().addr().is_multiple_of(ALIGN);
    if enough && aligned { Ok(()) } else { Err(ScaleError::Plane { plane: index, bytes: data.len(), stride, rows, row_bytes }) }
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

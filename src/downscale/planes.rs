//! The planes of a picture where they can be read: as they lie, or copied.

use super::DownscaleError;
use crate::ffmpeg;
use ffmpeg_next::frame::Video;
use hwaccel::host::{ALIGN, Format, Source};

/// A picture's planes, each at an aligned address and stride. Cropped, flipped and oddly allocated ones are copied.
pub struct Planes<'a> {
    planes: Vec<Plane<'a>>,
}

enum Plane<'a> {
    Lies(Source<'a>),
    Copied { bytes: Vec<u8>, start: usize, stride: usize },
}

impl Planes<'_> {
    /// The planes of `source`, whose samples are `format` with component i in plane `order[i]`.
    ///
    /// # Errors
    /// [`DownscaleError::Planes`] where they are not within the picture's own buffers.
    pub fn of<'a>(source: &'a Video, format: &Format, order: [usize; 3]) -> Result<Planes<'a>, DownscaleError> {
        let outside = || DownscaleError::Planes { format: ffmpeg::format_name(source), width: source.width(), height: source.height() };
        let plane = |(component, plane): (usize, usize)| {
            let (row_bytes, rows) = (format.row_bytes(component), format.plane_size(component).1 as usize);
            match ffmpeg::plane(source, plane, row_bytes, rows) {
                Some(lies) if ready(lies, row_bytes) => Ok(Plane::Lies(lies)),
                _ => copy(source, plane, row_bytes, rows).ok_or_else(outside),
            }
        };
        Ok(Planes { planes: order.into_iter().enumerate().take(format.planes()).map(plane).collect::<Result<_, _>>()? })
    }

    /// Each with its stride in bytes, in the order of the components.
    pub fn sources(&self) -> Vec<Source<'_>> {
        self.planes.iter().map(Plane::source).collect()
    }
}

impl Plane<'_> {
    fn source(&self) -> Source<'_> {
        match self {
            Plane::Lies(source) => *source,
            Plane::Copied { bytes, start, stride } => (&bytes[*start..], *stride),
        }
    }
}

/// Whether it can be read as it lies.
fn ready((data, stride): Source<'_>, row_bytes: usize) -> bool {
    data.as_ptr().addr().is_multiple_of(ALIGN) && stride.is_multiple_of(ALIGN) && stride >= row_bytes.next_multiple_of(ALIGN)
}

fn copy<'a>(source: &Video, plane: usize, row_bytes: usize, rows: usize) -> Option<Plane<'a>> {
    let stride = row_bytes.checked_next_multiple_of(ALIGN)?;
    let mut bytes = vec![0; stride.checked_mul(rows)? + ALIGN];
    let start = bytes.as_ptr().align_offset(ALIGN);
    ffmpeg::copy_plane(source, plane, row_bytes, rows, bytes.get_mut(start..)?, stride)?;
    Some(Plane::Copied { bytes, start, stride })
}

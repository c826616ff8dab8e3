//! The first step: a source picture of any planar kind into the format of the rungs.

use super::{DownscaleError, colour, convert, fit, options};
use crate::ffmpeg::{self, Colour, FramePool, Layout};
use ffmpeg_next::frame::Video;
use fit::Inner;
use hwaccel::host::{Format, Scaler};
use std::sync::Arc;

/// Makes one size from the source. Rebuilt when the source's format changes; what it does depends on the picture at hand alone.
pub struct Head {
    size: (u32, u32),
    current: Option<(Key, Way)>,
}

/// All of a picture, beside its samples, that decides how it is converted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    layout: Layout,
    tags: Colour,
    size: (u32, u32),
}

enum Way {
    /// The picture is right as it is.
    Pass,
    /// Into the whole rung.
    Fill(Scaler, Format),
    /// Into a part of it, black around.
    Pad { scaler: Scaler, format: Format, inner: Inner, pool: FramePool },
}

impl Head {
    /// For a rung of `size`.
    pub fn new(size: (u32, u32)) -> Head {
        Head { size, current: None }
    }

    /// The rung's picture, its frame from `pool` (of the rung's size) unless the source passes.
    pub fn make(&mut self, source: &Arc<Video>, pool: &FramePool) -> Result<Arc<Video>, DownscaleError> {
        let size @ (width, height) = (source.width(), source.height());
        let unsupported = || DownscaleError::Pixels { format: ffmpeg::format_name(source), width, height };
        let layout = ffmpeg::layout(source).ok_or_else(unsupported)?;
        let key = Key { layout, tags: ffmpeg::colour(source), size };
        if self.current.as_ref().is_none_or(|(known, _)| *known != key) {
            if width < 2 || height < 2 || width > 16_384 || height > 16_384 {
                return Err(unsupported());
            }
            self.current = Some((key, self.way(&key)?));
        }
        let (_, way) = self.current.as_mut().expect("set above");
        let memory = |(width, height)| DownscaleError::Memory { width, height };
        let mut out = match way {
            Way::Pass => return Ok(Arc::clone(source)),
            _ => pool.get().ok_or_else(|| memory(self.size))?,
        };
        match way {
            Way::Pass => {}
            Way::Fill(scaler, format) => convert(scaler, source, format, layout.plane, &mut out)?,
            Way::Pad { scaler, format, inner, pool } => {
                let mut part = pool.get().ok_or_else(|| memory((inner.width, inner.height)))?;
                convert(scaler, source, format, layout.plane, &mut part)?;
                lay_in(&part, *inner, &mut out).ok_or_else(|| memory(self.size))?;
            }
        }
        Ok(Arc::new(out))
    }

    fn way(&self, key: &Key) -> Result<Way, DownscaleError> {
        let Key { layout, tags, size: (width, height) } = key;
        let format = colour::source(layout, tags, *width, *height);
        let inner = fit::fit(key.size, tags.sar, self.size);
        let whole = (inner.width, inner.height) == self.size;
        let target = colour::target(inner.width, inner.height);
        if whole && format == target {
            return Ok(Way::Pass);
        }
        let built = Scaler::new(&format, &target, &options()).map(|scaler| (scaler, format));
        let (scaler, format) = built.or_else(|error| {
            let untagged = colour::source_untagged(layout, tags, *width, *height);
            tracing::warn!(%error, "source colour tags cannot be used; taken for untagged");
            Scaler::new(&untagged, &target, &options()).map(|scaler| (scaler, untagged))
        })?;
        if whole {
            return Ok(Way::Fill(scaler, format));
        }
        tracing::warn!(source = ?key.size, sar = ?tags.sar, rung = ?self.size, "the source's shape differs from the rung's: black is put around it");
        let (width, height) = (inner.width, inner.height);
        let pool = FramePool::new(width, height).ok_or(DownscaleError::Size { width, height })?;
        Ok(Way::Pad { scaler, format, inner, pool })
    }
}

/// Black, with `part` at `inner`.
fn lay_in(part: &Video, inner: Inner, out: &mut Video) -> Option<()> {
    for (index, (plane, stride)) in ffmpeg::planes_mut(out)?.into_iter().enumerate() {
        plane.fill(if index == 0 { 16 } else { 128 });
        let half = u32::from(index > 0);
        let (x, y) = ((inner.x >> half) as usize, (inner.y >> half) as usize);
        let (row_bytes, rows) = ((inner.width >> half) as usize, (inner.height >> half) as usize);
        ffmpeg::copy_plane(part, index, row_bytes, rows, plane.get_mut(y * stride + x..)?, stride)?;
    }
    Some(())
}

//! The first step: a source picture of any planar kind into the format of the rungs.

use super::planes::Planes;
use super::tone::ToneMap;
use super::{DownscaleError, colour, convert, fit, options};
use crate::colour::{HdrMetadata, Signal, Target, VideoRange};
use crate::ffmpeg::{self, Colour, FramePool, Layout};
use ffmpeg_next::frame::Video;
use fit::Inner;
use hwaccel::host::{Format, Scaler};
use std::sync::Arc;

/// Makes one kind of picture from the source. Rebuilt when the source's format changes; what it does depends on the picture at hand alone.
pub struct Head {
    target: Target,
    hdr: HdrMetadata,
    /// The range of an HDR picture of the same size that is made before.
    twin: Option<VideoRange>,
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
    /// HDR to SDR: of a picture of the rung's size and of `range`, which `before` makes where there is none yet.
    Map { before: Option<(Box<Head>, FramePool)>, map: Arc<ToneMap> },
}

impl Head {
    /// For a rung's pictures. `hdr` and `twin` count where the source is HDR and the rung is not: what the source says of its light, and the range of an HDR
    /// picture of the same size that [`Head::make`] is given.
    pub fn new(target: Target, hdr: HdrMetadata, twin: Option<VideoRange>) -> Head {
        Head { target, hdr, twin, current: None }
    }

    /// The rung's picture, its frame from `pool` (of the rung's size) unless the source passes.
    pub fn make(&mut self, source: &Arc<Video>, twin: Option<&Arc<Video>>, pool: &FramePool) -> Result<Arc<Video>, DownscaleError> {
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
        let whole = (self.target.width, self.target.height);
        let mut out = match way {
            Way::Pass => return Ok(Arc::clone(source)),
            _ => pool.get().ok_or_else(|| memory(whole))?,
        };
        match way {
            Way::Pass => {}
            Way::Fill(scaler, format) => convert(scaler, source, format, layout.plane, &mut out)?,
            Way::Pad { scaler, format, inner, pool } => {
                let mut part = pool.get().ok_or_else(|| memory((inner.width, inner.height)))?;
                convert(scaler, source, format, layout.plane, &mut part)?;
                lay_in(&part, *inner, self.target.signal.depth, &mut out).ok_or_else(|| memory(whole))?;
            }
            Way::Map { before, map } => {
                let made = before.as_mut().map(|(head, pool)| head.make(source, None, pool)).transpose()?;
                let bright = made.as_ref().or(twin).unwrap_or(source);
                let planes = Planes::of(bright, &colour::target(&map.source(&self.target)), [0, 1, 2])?;
                map.run(&planes.sources(), self.target, &mut ffmpeg::planes_mut(&mut out).ok_or_else(|| memory(whole))?);
            }
        }
        Ok(Arc::new(out))
    }

    fn way(&self, key: &Key) -> Result<Way, DownscaleError> {
        let Key { layout, tags, size: (width, height) } = key;
        let Target { signal, .. } = self.target;
        let range = colour::range(tags);
        if range != VideoRange::Sdr && !signal.is_hdr() {
            return self.map(range);
        }
        let format = colour::source(layout, tags, *width, *height);
        let inner = fit::fit(key.size, tags.sar, (self.target.width, self.target.height));
        let whole = (inner.width, inner.height) == (self.target.width, self.target.height);
        let target = colour::target(&Target { width: inner.width, height: inner.height, signal });
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
        tracing::warn!(source = ?key.size, sar = ?tags.sar, rung = ?(self.target.width, self.target.height), "the source's shape differs from the rung's: black is put around it");
        let (width, height) = (inner.width, inner.height);
        let pool = FramePool::new(width, height, signal).ok_or(DownscaleError::Size { width, height })?;
        Ok(Way::Pad { scaler, format, inner, pool })
    }

    /// How a source of `range` becomes SDR.
    fn map(&self, range: VideoRange) -> Result<Way, DownscaleError> {
        let before = match self.twin {
            Some(_) => None,
            None => {
                let target @ Target { width, height, signal } = Target { signal: Signal { depth: 10, range }, ..self.target };
                let pool = FramePool::new(width, height, signal).ok_or(DownscaleError::Size { width, height })?;
                Some((Box::new(Head::new(target, self.hdr, None)), pool))
            }
        };
        Ok(Way::Map { before, map: ToneMap::of(self.twin.unwrap_or(range), &self.hdr) })
    }
}

/// Black, with `part` at `inner`.
fn lay_in(part: &Video, inner: Inner, depth: u32, out: &mut Video) -> Option<()> {
    let sample = if depth > 8 { 2 } else { 1 };
    for (index, (plane, stride)) in ffmpeg::planes_mut(out)?.into_iter().enumerate() {
        let black: u16 = if index == 0 { 16 } else { 128 };
        if sample == 1 {
            plane.fill(black as u8);
        } else {
            let black = (black << (depth - 8)).to_le_bytes();
            plane.chunks_exact_mut(2).for_each(|sample| sample.copy_from_slice(&black));
        }
        let half = u32::from(index > 0);
        let (x, y) = ((inner.x >> half) as usize, (inner.y >> half) as usize);
        let (row_bytes, rows) = ((inner.width >> half) as usize * sample, (inner.height >> half) as usize);
        ffmpeg::copy_plane(part, index, row_bytes, rows, plane.get_mut(y * stride + x * sample..)?, stride)?;
    }
    Some(())
}

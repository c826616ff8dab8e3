//! A known sequence of pictures to measure with: the test pattern, which moves, under the grain of film. The same on every machine.

use crate::ffmpeg::{self, FramePool};
use crate::pattern::Size;
use crate::pattern::picture::Pattern;
use crate::plan::SourceFacts;
use crate::time::Slot;
use crate::{colour::Signal, colour::VideoRange};
use ffmpeg_next::frame::Video;
use std::sync::Arc;

/// Where it begins: no picture before it is asked for.
const FIRST: i64 = 1_000_000;
/// Samples of grain; each row takes a run of them from another place.
const GRAIN: usize = 1 << 16;

/// Draws pictures as a source of some size and range has them.
pub struct Scene {
    pool: FramePool,
    pattern: Pattern,
    pixel: (u32, u32),
    deep: bool,
    grain: Vec<i8>,
    drawn: Vec<u8>,
}

impl Scene {
    /// Pictures like those of `source`, at least 256x144 and at most 7680x4320. `None` where memory is out.
    pub fn new(source: &SourceFacts) -> Option<Scene> {
        let even = |side: u32, least: u32, most: u32| (side / 2 * 2).clamp(least, most);
        let size = Size::new(even(source.width, 256, 7680), even(source.height, 144, 4320))?;
        let deep = source.range != VideoRange::Sdr;
        let pool = FramePool::new(size.width(), size.height(), Signal { depth: if deep { 10 } else { 8 }, range: source.range })?;
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as i32
        };
        // One step up or down on a quarter of the samples: what is left of grain in a mezzanine feed. More makes caps bind, and an encoder that must stay below one works twice.
        let grain = (0..GRAIN).map(|_| [0, 0, 0, 1, 0, 0, 0, -1][next().rem_euclid(8) as usize]).collect();
        Some(Scene { pool, pattern: Pattern::new(size, source.rate), pixel: source.sar, deep, grain, drawn: vec![0; size.bytes()] })
    }

    /// The picture at this place of the sequence.
    pub fn picture(&mut self, number: u32) -> Option<Arc<Video>> {
        let size = self.pattern.size();
        let (width, height) = (size.width() as usize, size.height() as usize);
        self.pattern.draw(Slot(FIRST + i64::from(number)), &mut self.drawn);
        for (row, samples) in self.drawn[..width * height].chunks_exact_mut(width).enumerate() {
            let at = (row * 7919 + number as usize * 104_729) % (GRAIN - 1);
            let grain = self.grain.iter().cycle().skip(at);
            samples.iter_mut().zip(grain).for_each(|(sample, grain)| *sample = sample.saturating_add_signed(*grain).clamp(16, 235));
        }
        let mut out = self.pool.get()?;
        let mut from = 0;
        for (plane, (samples, stride)) in ffmpeg::planes_mut(&mut out)?.into_iter().enumerate() {
            let (width, height) = if plane == 0 { (width, height) } else { (width / 2, height / 2) };
            let drawn = self.drawn.get(from..from + width * height)?;
            from += width * height;
            for (row, drawn) in samples.chunks_mut(stride).zip(drawn.chunks_exact(width)) {
                match self.deep {
                    false => row.get_mut(..width)?.copy_from_slice(drawn),
                    true => row.chunks_exact_mut(2).zip(drawn).for_each(|(to, sample)| to.copy_from_slice(&(u16::from(*sample) << 2).to_le_bytes())),
                }
            }
        }
        ffmpeg::set_pixel_shape(&mut out, self.pixel);
        Some(Arc::new(out))
    }
}

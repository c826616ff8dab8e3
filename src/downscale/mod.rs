//! Downscaling: every distinct picture of the ladder once, from the smallest picture at least twice as large, or else from the largest; shared by reference.
//! Of a picture on a device, the device makes what it can (`device`), and the rest is made here.
//!
//! Pictures of one signal (depth and range) are a cascade of their own. Its first step makes the source's colours, depth, shape and chroma what the rungs are:
//! 4:2:0, limited range, square pixels, BT.709 or BT.2100. An SDR picture is made of an HDR one at one place alone, the tone mapping ([`tone`]) for the largest SDR size. All steps are
//! bicubic with b = 0, c = 0.6, which VMAF rates 2.5 above c = 1/2 at 270p from 1080p, uncoded. Of Mitchell, c = 1/2 and Lanczos 3 at half size, x264 at equal CRF spent 97, 100 and 103 % of the bytes on film, 92, 100 and 107 % on
//! grass and water, while SSIM against the original rose by 0.0007 and 0.004, then fell by 0.0001 and rose by 0.0015: most of the detail for part of the price.

pub mod burst;
#[cfg(test)]
mod burst_tests;
pub mod colour;
mod device;
#[cfg(test)]
mod device_tests;
pub mod fit;
mod head;
mod planes;
pub mod slate;
mod stage;
#[cfg(test)]
mod stage_tests;

#[cfg(test)]
mod tests;
pub mod thumbnails;
pub mod tone;

pub use stage::{Beside, run};

use crate::colour::{HdrMetadata, Target, VideoRange};
use crate::ffmpeg::{self, FramePool};
use crate::frame::Picture;
use ffmpeg_next::frame::Video;
use head::Head;
use hwaccel::host::{Format, Options, ScaleError, Scaler, process_all};
use hwaccel::isa::Isa;
use planes::Planes;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::sync::Arc;

/// The luminance (cd/m²) of peak white in SDR: that of graphics white in HDR (ITU-R BT.2408).
pub const SDR_WHITE: f64 = 203.0;

/// How much larger a picture must be for another to be made of it, rather than of the largest. Every generation softens: with each size made of the next, VMAF of the
/// uncoded pictures fell by 1.4 at 540p and 7.6 at 270p; by 1.3 at 270p with two generations of one half each.
const FAR: u32 = 2;

/// How every scaler here works.
pub fn options() -> Options {
    Options { isa: Isa::pinned(), dither: true, peak_luminance: SDR_WHITE }
}

/// Why a picture could not be scaled.
#[derive(Debug, thiserror::Error)]
pub enum DownscaleError {
    /// A rung has a size that cannot be made.
    #[error("rung size {width}x{height}: sides must be even, from 2 to 16384")]
    Size {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// A rung wants pictures that the chain does not make.
    #[error("no {width}x{height} pictures of its signal are made for a rung")]
    Target {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// The decoder's pictures are of a kind that is not supported.
    #[error("source pictures in {format} {width}x{height} cannot be scaled: planar YUV, RGB or grey of 8 to 16 bits in host memory is needed, at least 2x2")]
    Pixels {
        /// libav's name.
        format: String,
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// A picture's planes are not within its own buffers.
    #[error("a {format} picture of {width}x{height} has planes outside of its buffers")]
    Planes {
        /// libav's name.
        format: String,
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// No memory for a picture.
    #[error("out of memory for a {width}x{height} picture")]
    Memory {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// A picture on a device could not be copied to host memory.
    #[error("a picture on a device could not be copied to host memory: {0}")]
    Device(String),
    /// The scaler refused.
    #[error(transparent)]
    Scale(#[from] ScaleError),
    /// The machine is too small, and the job wants to fail then.
    #[error(transparent)]
    Overload(#[from] crate::govern::ladder::Failed),
    /// A rung's encoder is gone.
    #[error("rung {0} takes no more pictures: its encoder stopped")]
    Gone(String),
    /// The stage before this one broke off.
    #[error("decoding broke off without saying how the feed ended")]
    Upstream,
}

/// Makes the pictures of all rungs out of each source picture. A function of the picture alone: nothing is carried from one to the next.
pub struct Chain {
    steps: Vec<Step>,
    /// Indices into `steps`: an order in which every step's source is made before it.
    order: Vec<usize>,
    /// Of each step: how many others are made before it, one of the other. Those of one generation do not need each other.
    generations: Vec<usize>,
    /// Whether the steps of a generation are made at once, on the threads that rayon keeps.
    spread: bool,
    last: Option<(Arc<Video>, Vec<Option<Picture>>)>,
}

/// One kind of picture.
struct Step {
    target: Target,
    pool: FramePool,
    from: From,
}

enum From {
    /// From the source picture.
    Source {
        head: Box<Head>,
        /// Where the source is HDR and this step is not: an HDR step of the same size, which saves scaling before the tone mapping.
        twin: Option<usize>,
        /// Likewise: an SDR step of more bits, which has been tone-mapped already.
        deeper: Option<(usize, Scaler)>,
    },
    /// From the picture of another step, of the same signal but for its size.
    Step(usize, Scaler),
}

impl From {
    /// The steps that it may be made of.
    fn steps(&self) -> impl Iterator<Item = usize> {
        let (one, other) = match self {
            From::Step(step, _) => (Some(*step), None),
            From::Source { twin, deeper, .. } => (*twin, deeper.as_ref().map(|(step, _)| *step)),
        };
        one.into_iter().chain(other)
    }
}

impl Step {
    /// Makes its picture of `source`, or of those that `made` has.
    fn make<'a>(&mut self, source: &Arc<Video>, hdr: bool, made: impl Fn(usize) -> Option<&'a Arc<Video>>) -> Result<Arc<Video>, DownscaleError> {
        let Step { target, pool, from } = self;
        let picture_of = |step: usize| made(step).expect("what a step is made of comes first");
        match from {
            From::Step(step, scaler) => smaller(scaler, picture_of(*step), pool, target),
            From::Source { deeper: Some((step, scaler)), .. } if hdr => smaller(scaler, picture_of(*step), pool, target),
            From::Source { head, twin, .. } => head.make(source, twin.map(picture_of), pool),
        }
    }
}

impl Chain {
    /// A chain that makes each of `targets` (distinct). Its shape depends on the targets alone; `hdr`, what the source says of its light, decides how HDR becomes SDR.
    pub fn new(targets: &[Target], hdr: &HdrMetadata) -> Result<Chain, DownscaleError> {
        let mut order: Vec<usize> = (0..targets.len()).collect();
        // HDR before SDR, deep before shallow, large before small.
        order.sort_by_key(|&i| {
            let Target { width, height, signal } = targets[i];
            (Reverse((signal.is_hdr(), signal.depth, u64::from(width) * u64::from(height))), width)
        });
        let mut steps: Vec<Option<Step>> = targets.iter().map(|_| None).collect();
        for (position, &index) in order.iter().enumerate() {
            let target @ Target { width, height, signal } = targets[index];
            let pool = FramePool::new(width, height, signal).ok_or(DownscaleError::Size { width, height })?;
            let scaler = |j: usize| Scaler::new(&colour::target(&targets[j]), &colour::target(&target), &options());
            let (made, times) =
                (&order[..position], |n: u32| move |j: &usize| targets[*j].width >= width.saturating_mul(n) && targets[*j].height >= height.saturating_mul(n));
            let (far, holds) = (times(FAR), times(1));
            let alike = |j: &usize| targets[*j].signal == signal;
            let from = match made.iter().rev().find(|j| alike(j) && far(j)).or_else(|| made.iter().find(|j| alike(j) && holds(j))) {
                Some(&j) => From::Step(j, scaler(j)?),
                None => {
                    let hdr_to_sdr = |j: &usize| !signal.is_hdr() && targets[*j].signal.is_hdr() && targets[*j].signal.depth == 10;
                    let twin = made.iter().copied().find(|j| hdr_to_sdr(j) && (targets[*j].width, targets[*j].height) == (width, height));
                    let deep = made.iter().copied().find(|j| !signal.is_hdr() && !targets[*j].signal.is_hdr() && holds(j));
                    let head = Box::new(Head::new(target, *hdr, twin.map(|j| targets[j].signal.range)));
                    From::Source { head, twin, deeper: deep.map(|j| Ok::<_, DownscaleError>((j, scaler(j)?))).transpose()? }
                }
            };
            steps[index] = Some(Step { target, pool, from });
        }
        let steps: Vec<Step> = steps.into_iter().flatten().collect();
        let mut generations = vec![0; steps.len()];
        for &index in &order {
            generations[index] = steps[index].from.steps().map(|step| generations[step] + 1).max().unwrap_or(0);
        }
        Ok(Chain { steps, order, generations, spread: false, last: None })
    }

    /// Makes sizes that do not need each other at once. One thread makes six sizes of a 2160p picture no faster than 50 times a second, however many processors there are; on few of them,
    /// which encoders keep busy, waiting for one another costs more than it saves. Alters no sample.
    pub fn spread(&mut self, spread: bool) {
        self.spread = spread;
    }

    /// One picture per target, in the order of the targets. The source itself where it is that already. The same source twice in a row
    /// gives the same pictures without work.
    pub fn scale(&mut self, source: &Arc<Video>) -> Result<Vec<Picture>, DownscaleError> {
        let all = vec![true; self.steps.len()];
        Ok(self.pick(source, &all)?.into_iter().flatten().collect())
    }

    /// As [`Chain::scale`], at least those of the targets that are `wanted`: each as it would be among all.
    pub fn pick(&mut self, source: &Arc<Video>, wanted: &[bool]) -> Result<Vec<Option<Picture>>, DownscaleError> {
        if let Some((last, pictures)) = &self.last
            && Arc::ptr_eq(last, source)
            && pictures.iter().zip(wanted).all(|(picture, wanted)| picture.is_some() || !wanted)
        {
            return Ok(pictures.clone());
        }
        self.last = None;
        let pictures = self.some(source, wanted)?;
        self.last = Some((Arc::clone(source), pictures.clone()));
        Ok(pictures)
    }

    /// As [`Chain::scale`], only those of the targets that are `wanted`: each as it would be among all.
    pub fn some(&mut self, source: &Arc<Video>, wanted: &[bool]) -> Result<Vec<Option<Picture>>, DownscaleError> {
        let needed = self.needed(wanted);
        let hdr = colour::range(&ffmpeg::colour(source)) != VideoRange::Sdr;
        let mut made: Vec<Option<Arc<Video>>> = vec![None; self.steps.len()];
        if self.spread {
            for generation in 0..=self.generations.iter().copied().max().unwrap_or(0) {
                let (generations, of) = (&self.generations, |index: usize| made[index].as_ref());
                let steps = self.steps.iter_mut().enumerate().filter(|(index, _)| needed[*index] && generations[*index] == generation);
                let steps: Vec<(usize, &mut Step)> = steps.collect();
                let pictures: Vec<(usize, Arc<Video>)> =
                    steps.into_par_iter().map(|(index, step)| Ok((index, step.make(source, hdr, of)?))).collect::<Result<_, DownscaleError>>()?;
                pictures.into_iter().for_each(|(index, picture)| made[index] = Some(picture));
            }
        } else {
            for &index in self.order.iter().filter(|index| needed[**index]) {
                let picture = match &made[index] {
                    Some(picture) => Arc::clone(picture),
                    None => self.steps[index].make(source, hdr, |step| made[step].as_ref())?,
                };
                smaller_ones(&mut self.steps, index, &picture, &needed, &mut made)?;
                made[index] = Some(picture);
            }
        }
        Ok(made.into_iter().zip(wanted).map(|(picture, wanted)| picture.filter(|_| *wanted).map(Picture::Cpu)).collect())
    }

    /// Those that are `wanted`, and what they may be made of.
    fn needed(&self, wanted: &[bool]) -> Vec<bool> {
        let mut needed: Vec<bool> = (0..self.steps.len()).map(|index| wanted.get(index).copied().unwrap_or(false)).collect();
        for &index in self.order.iter().rev().filter(|_| wanted.contains(&false)) {
            if !needed[index] {
                continue;
            }
            self.steps[index].from.steps().for_each(|step| needed[step] = true);
        }
        needed
    }
}

/// The picture of a step out of that of another.
fn smaller(scaler: &mut Scaler, larger: &Video, pool: &FramePool, target: &Target) -> Result<Arc<Video>, DownscaleError> {
    let mut out = pool.get().ok_or(DownscaleError::Memory { width: target.width, height: target.height })?;
    let from = *scaler.source();
    convert(scaler, larger, &from, [0, 1, 2], &mut out)?;
    Ok(Arc::new(out))
}

/// Makes all pictures that are only smaller than `larger`, which is that of step `of`, and are `needed`: together, so that it comes from memory once.
fn smaller_ones(steps: &mut [Step], of: usize, larger: &Video, needed: &[bool], made: &mut [Option<Arc<Video>>]) -> Result<(), DownscaleError> {
    let mut scalers = Vec::new();
    for (index, Step { target, pool, from }) in steps.iter_mut().enumerate().filter(|(index, _)| needed[*index]) {
        if let From::Step(step, scaler) = from
            && *step == of
            && scaler.shares()
        {
            scalers.push((index, scaler, pool.get().ok_or(DownscaleError::Memory { width: target.width, height: target.height })?));
        }
    }
    let Some((_, first, _)) = scalers.first() else { return Ok(()) };
    let planes = Planes::of(larger, first.source(), [0, 1, 2])?;
    let mut targets = Vec::with_capacity(scalers.len());
    for (_, scaler, out) in &mut scalers {
        let memory = DownscaleError::Memory { width: out.width(), height: out.height() };
        targets.push((&mut **scaler, ffmpeg::planes_mut(out).ok_or(memory)?));
    }
    let mut all: Vec<_> = targets.iter_mut().map(|(scaler, planes)| (&mut **scaler, planes.as_mut_slice())).collect();
    process_all(&mut all, &planes.sources())?;
    scalers.into_iter().for_each(|(index, _, out)| made[index] = Some(Arc::new(out)));
    Ok(())
}

/// Runs `scaler` from `source`, whose samples are `format` with component i in plane `order[i]`, into all of `out`.
fn convert(scaler: &mut Scaler, source: &Video, format: &Format, order: [usize; 3], out: &mut Video) -> Result<(), DownscaleError> {
    let planes = Planes::of(source, format, order)?;
    let memory = DownscaleError::Memory { width: out.width(), height: out.height() };
    scaler.process(&planes.sources(), &mut ffmpeg::planes_mut(out).ok_or(memory)?)?;
    Ok(())
}

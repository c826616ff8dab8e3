//! A job and a source to a plan. Pure: the same two give the same plan, whatever the machine is doing; only a warning depends on how many processors it has.

use super::backends;
use super::fit::{Fit, MIN_SIDE, Shape, Size, believable};
use super::{LeftOut, MAX_TRACKS, Plan, Rendition, SourceFacts, sound, speed};
use crate::class::{self, Build};
use crate::colour::{HdrMetadata, Signal, VideoRange};
use crate::encode::{BACKENDS, delay, point};
use crate::job::check::MAX_RATE;
use crate::job::{ClockKind, Job, is_file};
use crate::ladder::{AUTO, VideoRung};
use crate::time::{Grid, Rate, Seconds};
use std::num::NonZero;

/// Samples of an AAC-LC frame (ISO/IEC 14496-3).
pub const AAC_FRAME: u32 = 1024;

/// The largest side of a source.
pub const MAX_SOURCE: u32 = 16_384;

/// Why a job and a source do not go together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// The source's picture is too small or too large.
    #[error("source: size = {width}x{height}; accepted: {MIN_SIDE} to {MAX_SOURCE} each way")]
    Size {
        /// Coded width.
        width: u32,
        /// Coded height.
        height: u32,
    },
    /// Too many sounds in too many rungs.
    #[error("select.audio and ladder: {tracks} tracks, with {sounds} sounds in {rungs} rungs each; accepted: up to {MAX_TRACKS}")]
    Tracks {
        /// Tracks in all.
        tracks: usize,
        /// Sounds.
        sounds: usize,
        /// Rungs of sound.
        rungs: usize,
    },
    /// A rung's name leaves no room for the name of a further sound.
    #[error("ladder: audio rung \"{rung}\" would be track \"{name}\" for another sound; accepted: a rung's name of up to {most} characters")]
    Name {
        /// Rung.
        rung: String,
        /// Track.
        name: String,
        /// The longest that would do.
        most: usize,
    },
    /// A rung names a backend that cannot serve it.
    #[error("ladder {ladder}: backend of video rung \"{rung}\" = \"{backend}\"; accepted: {accepted}")]
    Backend {
        /// Ladder name.
        ladder: String,
        /// Rung name.
        rung: String,
        /// As written.
        backend: String,
        /// What exists.
        accepted: String,
    },
}

/// Resolves `job` against `source`.
pub fn resolve(job: &Job, source: &SourceFacts) -> Result<Plan, PlanError> {
    let shape = Shape::of(source);
    let own = shape.size();
    let sides = [source.width, source.height, own.width, own.height];
    if sides.iter().any(|side| !(MIN_SIDE..=MAX_SOURCE).contains(side)) {
        return Err(PlanError::Size { width: source.width, height: source.height });
    }
    let grid = Grid::new(job.rate.unwrap_or_else(|| grid_rate(source.rate)), job.segment);
    let mut plan = Plan {
        class: String::new(),
        source: source.clone(),
        decode: None,
        grid,
        video: Vec::new(),
        audio: Vec::new(),
        left_out: Vec::new(),
        warnings: Vec::new(),
    };
    add_video(&mut plan, job, shape)?;
    sound::add(&mut plan, job)?;
    plan.warnings.extend(warnings(job, source));
    plan.warnings.extend(mapped(&plan));
    plan.warnings.extend(speed::warnings(&plan.video, std::thread::available_parallelism().map_or(1, NonZero::get)));
    plan.warnings.extend(plan.video.iter().flat_map(delay::warnings));
    plan.class = class::of(&plan, job, &Build::here());
    Ok(plan)
}

/// The rate of the grid for a source: its own, halved until it is at most 60.
fn grid_rate(rate: Rate) -> Rate {
    let half = |rate: &Rate| if rate.num() > MAX_RATE * rate.den() { Rate::new(rate.num(), rate.den() * 2) } else { None };
    std::iter::successors(Some(rate), half).last().unwrap_or(rate)
}

fn add_video(plan: &mut Plan, job: &Job, shape: Shape) -> Result<(), PlanError> {
    let ladder = &job.ladder;
    let range = plan.source.range;
    let mut served: Vec<(&VideoRung, Vec<String>)> = Vec::new();
    for rung in &ladder.video {
        let names = backends::choose(rung, signal(rung, range).depth, BACKENDS).map_err(|backend| PlanError::Backend {
            ladder: ladder.name.clone(),
            rung: rung.name.clone(),
            backend,
            accepted: backends::offered(rung.codec, BACKENDS),
        })?;
        served.push((rung, names));
    }
    let smallest = served.iter().min_by_key(|(rung, _)| u64::from(rung.width) * u64::from(rung.height)).map(|(rung, _)| rung.name.clone());
    let own = shape.size();
    let all_above = served.iter().all(|(rung, _)| shape.fit(rung.width, rung.height) == Fit::Above);
    for (rung, names) in served {
        match shape.fit(rung.width, rung.height) {
            Fit::Size(size) => plan.video.push(rendition(rung, names, size, plan, job)),
            Fit::Above if all_above && Some(&rung.name) == smallest.as_ref() => {
                let line = format!("{} ({}x{}) is made at {}x{}: the source is no larger", rung.name, rung.width, rung.height, own.width, own.height);
                plan.warnings.push(line);
                plan.video.push(rendition(rung, names, own, plan, job));
            }
            Fit::Above => {
                let why = format!("larger than the source, {}x{}", own.width, own.height);
                plan.left_out.push(LeftOut { rung: rung.name.clone(), why });
            }
        }
    }
    plan.video.sort_by_key(|r| std::cmp::Reverse((u64::from(r.width) * u64::from(r.height), r.max_bitrate)));
    Ok(())
}

/// What the samples of `rung` are, of a source of `range`.
fn signal(rung: &VideoRung, range: VideoRange) -> Signal {
    let keeps = rung.hdr.unwrap_or_else(|| rung.codec.keeps_hdr()) && rung.depth != Some(8);
    let range = if keeps { range } else { VideoRange::Sdr };
    Signal { depth: rung.depth.unwrap_or(if range == VideoRange::Sdr { 8 } else { 10 }), range }
}

fn rendition(rung: &VideoRung, backends: Vec<String>, size: Size, plan: &Plan, job: &Job) -> Rendition {
    let (grid, signal) = (plan.grid, signal(rung, plan.source.range));
    let one = Rendition {
        name: rung.name.clone(),
        codec: rung.codec,
        width: size.width,
        height: size.height,
        grid,
        depth: signal.depth,
        range: signal.range,
        hdr: if signal.range == VideoRange::Sdr { HdrMetadata::default() } else { plan.source.hdr },
        max_bitrate: rung.cap().0,
        quality: rung.quality.unwrap_or_else(|| rung.codec.default_quality()),
        bitrate: rung.bitrate.map(|bitrate| bitrate.0),
        point: if rung.point == AUTO { point::for_size(rung.codec, size.width, size.height).to_owned() } else { rung.point.clone() },
        backends,
        lanes: 1,
        half_rate: rung.half_rate,
        chunk: chunk_slots(job, grid),
        latency: job.latency,
        devices: rung.device.iter().cloned().collect(),
    };
    Rendition { lanes: speed::lanes(&one), ..one }
}

/// Slots of a chunk of `job`; none where segments are not cut, or only in one.
pub fn chunk_slots(job: &Job, grid: Grid) -> Option<u32> {
    let slots = u32::try_from(grid.nearest(job.chunk?).0.max(1)).ok()?;
    (slots < grid.gop_slots).then_some(slots)
}

/// After how many more slots the sound of a GOP is handed on, where segments are cut into chunks: whenever a chunk is there, but no more often than every 100 ms. What is handed on
/// is decoded from the segment's run-up on each time, and four pictures show how the stamps of a feed are rounded.
pub fn sound_step(job: &Job, grid: Grid) -> Option<u32> {
    let chunk = chunk_slots(job, grid)?;
    let least = u32::try_from(grid.slots_in(Seconds::new(1, 10))).unwrap_or(u32::MAX).max(4);
    Some(least.div_ceil(chunk) * chunk).filter(|step| *step < grid.gop_slots)
}

/// Which rungs of an HDR source are not HDR.
fn mapped(plan: &Plan) -> Option<String> {
    let names: Vec<&str> = plan.video.iter().filter(|r| r.range == VideoRange::Sdr).map(|r| r.name.as_str()).collect();
    let done = match plan.source.range {
        VideoRange::Sdr => return None,
        VideoRange::Pq => "tone-mapped to SDR",
        VideoRange::Hlg => "shown as SDR",
    };
    let which = if names.len() == plan.video.len() { "all rungs are".to_owned() } else { format!("{}:", names.join(", ")) };
    (!names.is_empty()).then(|| format!("the source is HDR ({}); {which} {done}", plan.source.range.name()))
}

fn warnings(job: &Job, source: &SourceFacts) -> Vec<String> {
    let mut lines = Vec::new();
    let live = job.inputs.iter().any(|input| !is_file(input) && !input.starts_with("testsrc:"));
    let locked = job.timeline.anchor.is_some() || job.timeline.clock == ClockKind::Sei;
    if live && !locked {
        let unless = if job.timeline.clock == ClockKind::Auto { ", unless the feed carries UTC stamps" } else { "" };
        let fits = if job.shard.is_one_of_several() { ", so that the shards' segments will not fit together" } else { "" };
        lines.push(format!("not locked to another worker{unless}{fits}: give --anchor SECONDS=UTC or --clock sei"));
    }
    if job.standby.is_some() {
        lines.push("the standby is decoded all the time, beside the first feed: decoding costs twice".to_owned());
    }
    if !believable(source.sar) {
        lines.push(format!("the source says that its pixels are {}:{}; they are taken as square (accepted: 1:4 to 4:1)", source.sar.0, source.sar.1));
    }
    let made = grid_rate(source.rate);
    if job.rate.is_none() && made != source.rate {
        lines.push(format!("the source has {} pictures a second; {made} are made", source.rate));
    }
    lines
}

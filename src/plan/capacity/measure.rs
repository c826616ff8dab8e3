//! Measures what a plan takes of this machine, in a few seconds: decodes, scales and encodes a known sequence, one thing after another.
//!
//! Each rung's encoder is opened afresh for a GOP, as when it runs. What a device does is not measured.

use super::cpu::{Running, timed};
use super::scene::Scene;
use super::{Machine, Measured, RungCost};
use crate::colour::{HdrMetadata, Target, VideoRange};
use crate::downscale::{Chain, DownscaleError};
use crate::encode::{self, EncodeError, Encoder, Packet, Recipe};
use crate::ffmpeg as raw;
use crate::frame::{Frame, Length, Origin, Picture, SideData};
use crate::ladder::VideoCodec;
use crate::plan::{Plan, Rendition, speed};
use crate::time::{GopId, Slot};
use ffmpeg_next::frame::Video;
use std::sync::Arc;
use std::time::Duration;

/// A rung is measured about so long at most.
const SPAN: Duration = Duration::from_secs(2);
/// Fewest pictures of a rung, so that what it does not do at once counts.
const FEWEST: u64 = 10;
/// Bytes of pictures that are kept at once.
const KEPT: u64 = 256 << 20;
/// Pictures that are decoded, and of which all sizes are made.
const PICTURES: u32 = 16;
/// Pixels a second that one processor decodes, where there is no x264 to make a stream of.
const DECODED: u64 = 150_000_000;
/// A number of a GOP, like those of today.
const GOP: GopId = GopId(890_000_000);

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// No memory for pictures.
    #[error("there is no memory for the pictures to measure with")]
    Memory,
    /// Sizes.
    #[error("making the sizes of the ladder: {0}")]
    Scale(#[from] DownscaleError),
    /// An encoder.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Measures `plan`, whose backends must be those that open here. Takes about two seconds for each rung; twice that on one thread, and four times that by the clock, where encoding takes longer than thought.
///
/// # Errors
/// Memory is out, or an encoder refuses.
pub fn measure(plan: &Plan) -> Result<Measured, MeasureError> {
    let mut scene = Scene::new(&plan.source).ok_or(MeasureError::Memory)?;
    let source: Vec<Arc<Video>> = (0..PICTURES).map(|n| scene.picture(n)).collect::<Option<_>>().ok_or(MeasureError::Memory)?;
    let targets = plan.targets();
    let mut chain = Chain::new(&targets, &plan.source.hdr)?;
    // Once for nothing: what is made only once, and the processor's caches.
    source.first().map(|first| chain.some(first, &vec![true; targets.len()])).transpose()?;
    let all = per_picture(&source, |picture| chain.some(picture, &vec![true; targets.len()]).map(drop))?;
    let mut rungs: Vec<RungCost> = Vec::new();
    for (place, target) in targets.iter().enumerate() {
        let own = plan.video.iter().filter(|rung| rung.target() == *target);
        let most = own.clone().map(pictures).max().unwrap_or(0);
        let (made, scale) = sized(&mut scene, &mut chain, place, targets.len(), most)?;
        for rung in own {
            rungs.push(RungCost { name: rung.name.clone(), scale, encode: encode(rung, &made)? });
        }
    }
    // In the order of the plan.
    rungs.sort_by_key(|cost| plan.video.iter().position(|rung| rung.name == cost.name));
    let device = plan.decode.is_some();
    let decode = if device { 0 } else { decode(plan, &source) };
    Ok(Measured { class: plan.class.clone(), machine: Machine::here(), decode, scale: if device { 0 } else { all }, rungs })
}

/// Nanoseconds that `work` takes for each of `pictures`, on average.
fn per_picture<E>(pictures: &[Arc<Video>], mut work: impl FnMut(&Arc<Video>) -> Result<(), E>) -> Result<u64, E> {
    let (done, took) = timed(|| pictures.iter().try_for_each(&mut work));
    done.map(|()| each(took, pictures.len()))
}

fn each(took: Duration, count: usize) -> u64 {
    u64::try_from(took.as_nanos() / (count.max(1) as u128)).unwrap_or(u64::MAX)
}

/// How many pictures of a rung are encoded: a GOP, or as many as fit the time and the memory.
fn pictures(rung: &Rendition) -> u32 {
    let pixels = u64::from(rung.width) * u64::from(rung.height);
    let in_time = speed::pixels_of_one_core(rung).map_or(u64::MAX, |a_second| a_second.saturating_mul(SPAN.as_secs()) / pixels.max(1));
    let in_memory = KEPT / (pixels * 3 / 2 * u64::from(rung.depth.div_ceil(8))).max(1);
    let count = in_time.min(in_memory).clamp(FEWEST, u64::from(rung.grid.gop_slots).max(FEWEST));
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// So many pictures of a target, and what making one takes.
fn sized(scene: &mut Scene, chain: &mut Chain, place: usize, targets: usize, count: u32) -> Result<(Vec<Picture>, u64), MeasureError> {
    let wanted: Vec<bool> = (0..targets).map(|target| target == place).collect();
    let (mut made, mut took) = (Vec::new(), Duration::ZERO);
    for number in 0..count {
        let picture = scene.picture(number).ok_or(MeasureError::Memory)?;
        let (pictures, time) = timed(|| chain.some(&picture, &wanted));
        took += time;
        made.extend(pictures?.into_iter().flatten());
    }
    let count = made.len();
    Ok((made, each(took, count)))
}

/// What encoding one of `pictures` takes; nothing where a device does.
fn encode(rung: &Rendition, pictures: &[Picture]) -> Result<Option<u64>, MeasureError> {
    let Some(backend) = rung.backends.first().and_then(|name| encode::find(name)).filter(|backend| !backend.may_hang) else { return Ok(None) };
    let recipe = Recipe { slots: u32::try_from(pictures.len()).unwrap_or(u32::MAX), ..Recipe::of(rung) };
    let ((count, done), took) = timed(|| match backend.open(rung, &recipe) {
        Ok(opened) => {
            let mut packets = Vec::new();
            gop(rung, opened.encoder, pictures, &mut packets)
        }
        Err(error) => (0, Err(error)),
    });
    done?;
    Ok(Some(each(took, count)))
}

/// Encodes a GOP of `pictures`, or its beginning where that takes too long: how many of them.
fn gop(rung: &Rendition, mut encoder: Box<dyn Encoder>, pictures: &[Picture], out: &mut Vec<Packet>) -> (usize, Result<(), EncodeError>) {
    let (begun, first) = (Running::start(), rung.grid.first(GOP));
    let side = Arc::new(SideData::default());
    let mut count = 0;
    for (index, picture) in pictures.iter().enumerate() {
        let frame = Frame {
            slot: Slot(first.0 + index as i64),
            gop: GOP,
            opens_gop: index == 0,
            force_idr: false,
            last: index + 1 == pictures.len(),
            length: Length::Short(u32::try_from(pictures.len()).unwrap_or(u32::MAX)),
            picture: picture.clone(),
            origin: Origin::Input,
            damaged: false,
            missed: false,
            path: 0,
            sight: Default::default(),
            side: Arc::clone(&side),
        };
        if let Err(error) = encoder.encode(&frame, out) {
            return (count, Err(error));
        }
        count += 1;
        // A few pictures cost more than a GOP of them: where encoding takes no longer than thought, it is not ended.
        if begun.took() > SPAN * 2 || begun.elapsed() > SPAN * 4 {
            break;
        }
    }
    (count, encoder.finish(out))
}

/// What decoding one of `pictures` takes, coded as a mezzanine feed has them: AVC of high quality.
fn decode(plan: &Plan, pictures: &[Arc<Video>]) -> u64 {
    let by_pixels = || u64::from(plan.source.width) * u64::from(plan.source.height) * 1_000_000_000 / DECODED;
    stream(plan, pictures).and_then(|(config, packets)| decoded(&config, &packets)).unwrap_or_else(by_pixels)
}

/// A stream of them, and its configuration.
fn stream(plan: &Plan, pictures: &[Arc<Video>]) -> Option<(Vec<u8>, Vec<Packet>)> {
    let (size, like) = (pictures.first().map(|p| (p.width(), p.height()))?, plan.video.first()?);
    let feed = Rendition {
        name: "feed".to_owned(),
        codec: VideoCodec::Avc,
        width: size.0,
        height: size.1,
        depth: 8,
        range: VideoRange::Sdr,
        hdr: HdrMetadata::default(),
        max_bitrate: 40_000_000,
        quality: 20.0,
        bitrate: None,
        point: "veryfast".to_owned(),
        backends: vec!["x264".to_owned()],
        lanes: 1,
        chunk: None,
        latency: Default::default(),
        devices: Vec::new(),
        ..like.clone()
    };
    let mut chain = Chain::new(&[Target { width: size.0, height: size.1, signal: feed.signal() }], &plan.source.hdr).ok()?;
    let pictures = pictures.iter().map(|picture| chain.scale(picture).ok()?.pop()).collect::<Option<Vec<Picture>>>()?;
    let recipe = Recipe { slots: u32::try_from(pictures.len()).ok()?, ..Recipe::of(&feed) };
    let opened = encode::find("x264")?.open(&feed, &recipe).ok()?;
    let mut packets = Vec::new();
    gop(&feed, opened.encoder, &pictures, &mut packets).1.ok()?;
    Some((opened.config, packets))
}

/// What decoding a picture of a stream takes.
fn decoded(config: &[u8], packets: &[Packet]) -> Option<u64> {
    let codec = ffmpeg_next::decoder::find(ffmpeg_next::codec::Id::H264)?;
    let mut context = ffmpeg_next::codec::Context::new_with_codec(codec);
    raw::set_extradata(&mut context, config)?;
    let mut decoder = context.decoder().open_as(codec).ok()?.video().ok()?;
    let (count, took) = timed(|| {
        let mut count = 0;
        let mut take = |decoder: &mut ffmpeg_next::decoder::Video| {
            let mut frame = Video::empty();
            while decoder.receive_frame(&mut frame).is_ok() {
                count += 1;
            }
        };
        for (order, packet) in packets.iter().enumerate() {
            let mut sample = ffmpeg_next::Packet::copy(&packet.data);
            sample.set_pts(Some(packet.time));
            sample.set_dts(Some(order as i64));
            if decoder.send_packet(&sample).is_ok() {
                take(&mut decoder);
            }
        }
        let _ = decoder.send_eof();
        take(&mut decoder);
        count
    });
    (count > 0).then(|| each(took, count))
}

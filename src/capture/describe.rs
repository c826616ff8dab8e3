//! What an input of libav is: its streams, chosen and described, before the first of their packets is handed out.

use super::choose::{self, Chosen};
use super::facts::{field_rate, grid_rate, sane_sar};
use super::follow::Follow;
use super::libav::{LibavInput, Nature, Streams};
use super::offer::{Offer, said_language};
use super::stamps::{Scale, Stamper};
use super::watch::Watch;
use super::{CaptureError, Opened, Origin, Source, StreamInfo, Turn, new_session};
use crate::colour::{HdrMetadata, VideoRange};
use crate::ffmpeg::{Light, codec_facts, keep_only, open_decoder, wrap_bits};
use crate::job::{ProgramPick, Select};
use crate::plan::SourceFacts;
use crate::time::{MAX_SECONDS, Seconds};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::Packet;
use ffmpeg_next::format::context;
use ffmpeg_next::media::Type;
use std::collections::VecDeque;
use std::sync::Arc;

/// What may be read to get at the first pictures, where the container does not say whether they are interlaced. Counted in packets and bytes, not in time, so that twins find the same.
const PEEK_PACKETS: usize = 600;
const PEEK_BYTES: usize = 64 << 20;
const PEEK_PICTURES: usize = 4;
/// The same for the name of a programme.
const NAME_PACKETS: usize = 4000;

/// Chooses the streams of an opened context and states the facts.
///
/// # Errors
/// Where there is no video that can be decoded, or a stream that was asked for is not there.
pub fn describe(url: &str, mut context: context::Input, select: &Select, watch: &Watch, nature: Nature) -> Opened {
    let mut named = wait_for_name(&mut context, select);
    let offer = Offer::of(&context);
    let Chosen { video, sounds: chosen } = choose::choose(&offer, select).map_err(|why| CaptureError::Open { url: url.to_owned(), why })?;
    // One of which nothing has come yet is waited for, too: only then is it known what a decoder needs.
    let present: Vec<Option<usize>> = chosen.iter().map(|s| s.stream.filter(|&index| offer.stream(index).is_some_and(|s| s.decodable()))).collect();
    let kept = kept(&context, video, &present);
    keep_only(&mut context, &kept);
    let missing = || CaptureError::Open { url: url.to_owned(), why: "a chosen stream is gone".to_owned() };
    let stream = context.stream(video).ok_or_else(missing)?;
    let (average, base) = (stream.avg_frame_rate(), stream.rate());
    let session = if nature == Nature::Session { new_session() } else { 0 };
    let info = Arc::new(info(&stream, session));
    let sounds: Vec<Option<Arc<StreamInfo>>> =
        present.iter().map(|index| index.and_then(|a| context.stream(a)).map(|s| Arc::new(self::info(&s, session)))).collect();
    let codec = codec_facts(&info.parameters);

    let said = Light::of_stream(&stream);
    let Peek { interlaced, light, kept: peeked } = match codec.interlaced {
        Some(interlaced) if codec.range == VideoRange::Sdr => Peek { interlaced, light: Light::default(), kept: VecDeque::new() },
        known => peek(&mut context, &info, known),
    };
    named.extend(peeked);
    let peeked = named;
    let light = said.or(light);
    for kind in light.dynamic.iter().filter(|_| codec.range != VideoRange::Sdr) {
        tracing::info!("the source has {kind} metadata, which is left out: only what holds for the whole of it is passed on");
    }
    watch.opened();
    let picture_rate = grid_rate((average.numerator(), average.denominator()), (base.numerator(), base.denominator()));
    let (mut width, mut height, mut sar) = (codec.width.unsigned_abs(), codec.height.unsigned_abs(), sane_sar(codec.sar));
    if info.turn.swaps() {
        (width, height, sar) = (height, width, (sar.1, sar.0));
    }
    let facts = SourceFacts {
        width,
        height,
        sar,
        rate: if interlaced { field_rate(picture_rate) } else { picture_rate },
        interlaced,
        range: codec.range,
        hdr: if codec.range == VideoRange::Sdr { HdrMetadata::default() } else { light.fixed.believed() },
        video: offer.stream(video).map(|s| s.reference()),
        sounds: chosen.iter().map(|s| s.facts.clone()).collect(),
    };
    let video_scale = scale(&context, &info);
    let stamper =
        Stamper::new(video_scale, sounds.iter().map(|sound| sound.as_deref().map_or(video_scale, |info| scale(&context, info))).collect(), picture_rate);
    let origin = match nature {
        Nature::File => Origin::File,
        Nature::Session => Origin::Session,
        _ => Origin::Live { wrap: wrap(video_scale) },
    };
    let duration =
        (nature == Nature::File).then(|| Seconds::from_ticks(context.duration(), 1, ffmpeg::ffi::AV_TIME_BASE)).flatten().filter(|d| *d > Seconds::ZERO);
    let follow = Follow::new(&context, video, present.iter().copied().zip(chosen.iter().map(|sound| sound.pick.clone())).collect());
    let streams = Streams { video: Arc::clone(&info), sounds: sounds.clone(), follow, stamper };
    let input = LibavInput::new(url, context, streams, peeked, nature, &watch.stop);
    Ok((Source { facts, video: info, audio: sounds, offer, origin, duration, paths: None, later: None }, Box::new(input)))
}

/// Where a programme is asked for by a name that has not come yet (a service description table comes every two seconds), reads on until it has; the packets that were read.
fn wait_for_name(context: &mut context::Input, select: &Select) -> VecDeque<Packet> {
    let (mut read, mut bytes) = (VecDeque::new(), 0);
    let Some(pick @ ProgramPick::Name(_)) = &select.program else { return read };
    while read.len() < NAME_PACKETS && bytes < PEEK_BYTES {
        let offer = Offer::of(context);
        if choose::program(&offer, pick).is_ok() || offer.programs.iter().all(|p| p.name.is_some()) {
            break;
        }
        let mut packet = Packet::empty();
        if packet.read(context).is_err() {
            context.clear_interrupt();
            break;
        }
        bytes += packet.size();
        read.push_back(packet);
    }
    read
}

/// The streams that are demuxed: the chosen ones. Of a transport stream all video and audio, since its streams may move, and libav already has those that come later in a file.
fn kept(context: &context::Input, video: usize, sounds: &[Option<usize>]) -> Vec<usize> {
    let transport = context.format().name() == "mpegts";
    let moving = |medium: Type| transport && (medium == Type::Video || (medium == Type::Audio && !sounds.is_empty()));
    let kept = |stream: &ffmpeg::Stream<'_>| stream.index() == video || sounds.contains(&Some(stream.index())) || moving(stream.parameters().medium());
    context.streams().filter(kept).map(|stream| stream.index()).collect()
}

/// How the stamps of a stream count.
pub fn scale(context: &context::Input, info: &StreamInfo) -> Scale {
    // What libav makes of RTP's stamps of 32 bits does not wrap, and may begin below zero.
    let bits = wrap_bits(context, info.index).filter(|bits| *bits != 32 || context.format().name() != "rtsp");
    Scale { time_base: info.time_base, bits: bits.unwrap_or(64) }
}

/// What a decoder depends on of a stream.
pub fn info(stream: &ffmpeg::Stream<'_>, session: u32) -> StreamInfo {
    let time_base = stream.time_base();
    let matrix = stream.side_data().find(|s| s.kind() == ffmpeg::codec::packet::side_data::Type::DisplayMatrix);
    StreamInfo {
        index: stream.index(),
        parameters: stream.parameters().clone().into(),
        time_base: (time_base.numerator(), time_base.denominator()),
        language: said_language(stream.metadata().get("language")),
        turn: matrix.map_or(Turn::None, |m| Turn::from_matrix(m.data())),
        session,
    }
}

fn wrap(scale: Scale) -> Option<Seconds> {
    let ticks = (1..63).contains(&scale.bits).then(|| 1i64 << scale.bits)?;
    Seconds::from_ticks(ticks, scale.time_base.0, scale.time_base.1).filter(|&w| w < Seconds::new(MAX_SECONDS, 2))
}

/// What the first pictures show.
struct Peek {
    interlaced: bool,
    light: Light,
    /// The packets that were read for it, to be handed out again.
    kept: VecDeque<Packet>,
}

/// Decodes the first pictures to see what light they were made for and, where that is not `known`, whether they are interlaced.
fn peek(context: &mut context::Input, video: &StreamInfo, known: Option<bool>) -> Peek {
    let mut seen = Peek { interlaced: known.unwrap_or(false), light: Light::default(), kept: VecDeque::new() };
    let Ok(mut decoder) = open_decoder(&video.parameters, video.time_base, 1) else { return seen };
    let (mut bytes, mut pictures) = (0, 0);
    let enough = if known.is_some() { 1 } else { PEEK_PICTURES };
    while seen.kept.len() < PEEK_PACKETS && bytes < PEEK_BYTES && pictures < enough && (known.is_some() || !seen.interlaced) {
        let mut packet = Packet::empty();
        if packet.read(context).is_err() {
            context.clear_interrupt();
            break;
        }
        bytes += packet.size();
        if packet.stream() == video.index && decoder.send_packet(&packet).is_ok() {
            let mut picture = ffmpeg::frame::Video::empty();
            while decoder.receive_frame(&mut picture).is_ok() {
                pictures += 1;
                seen.interlaced = known.unwrap_or(seen.interlaced || picture.is_interlaced());
                seen.light = std::mem::take(&mut seen.light).or(Light::of_picture(&picture));
            }
        }
        seen.kept.push_back(packet);
    }
    seen
}

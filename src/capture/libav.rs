//! An input that libav demuxes: what all of them have in common.

use super::choose::{self, Chosen};
use super::facts::{field_rate, grid_rate, sane_sar};
use super::follow::{Follow, Newcomer};
use super::offer::{Offer, said_language};
use super::stamps::{Scale, Stamper};
use super::watch::Watch;
use super::{CaptureError, Delivery, Input, Kind, Lost, Opened, Origin, Read, Source, StreamInfo, Turn, Unit, new_session};
use crate::colour::{HdrMetadata, VideoRange};
use crate::ffmpeg::{Light, codec_facts, keep_only, open_decoder, wrap_bits};
use crate::job::{ProgramPick, Select};
use crate::plan::SourceFacts;
use crate::stop::Stop;
use crate::time::{MAX_SECONDS, Seconds};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context;
use ffmpeg_next::media::Type;
use ffmpeg_next::{Dictionary, Error, Packet};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes that may be read to find out what the streams are.
const PROBE_BYTES: &str = "10000000";
/// Microseconds of media that may be read for that.
const PROBE_MICROS: &str = "5000000";
/// What may be read to get at the first pictures, where the container does not say whether they are interlaced. Counted in packets and bytes, not in time, so that twins find the same.
const PEEK_PACKETS: usize = 600;
const PEEK_BYTES: usize = 64 << 20;
const PEEK_PICTURES: usize = 4;
/// The same for the name of a programme.
const NAME_PACKETS: usize = 4000;
/// A read that took longer had to wait for its packet.
const WAITED: Duration = Duration::from_millis(8);
/// Failing reads in a row before an input counts as broken.
const PATIENCE: u32 = 256;

/// What an input is, and so what becomes of it when reads fail or end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nature {
    /// Ends with what could be read.
    File,
    /// Likewise.
    Pipe,
    /// Datagrams: the next one may be good.
    Datagrams,
    /// A connection: whoever closes it may come back.
    Connection,
    /// A connection whose stamps begin anew each time (RTMP).
    Session,
    /// One answer over HTTP, perhaps of something stored. When that is complete, the feed is at its end.
    Http,
}

/// An input of libav. Owned by the capture thread.
struct LibavInput {
    url: String,
    context: context::Input,
    follow: Follow,
    /// What the chosen streams are.
    video: Arc<StreamInfo>,
    /// One is absent while it is waited for.
    sounds: Vec<Option<Arc<StreamInfo>>>,
    /// The video moved: packets until the next key packet refer to what never came.
    until_key: bool,
    /// Read while the pictures were looked at, and not handed out yet.
    peeked: VecDeque<Packet>,
    /// When those came that were read ahead, where that is known.
    came: Option<Came>,
    stamper: Stamper,
    nature: Nature,
    stop: Stop,
    failures: u32,
    ended: bool,
}

/// Before the first use: `ffmpeg-next` has no words for errors without it, and libav's network code wants its own.
pub fn start_libav() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // Fails never: it fills a table.
        let _ = ffmpeg::init();
        ffmpeg::format::network::init();
    });
}

/// The demuxer's options, and `specific` ones, which go before.
pub fn options(specific: &[(&str, &str)]) -> Dictionary<'static> {
    let mut all = Dictionary::new();
    // correct_ts_overflow: stamps are unwrapped here, the same for both streams. fflags +discardcorrupt is not set: what is damaged is the decoder's to judge.
    for (key, value) in [("probesize", PROBE_BYTES), ("analyzeduration", PROBE_MICROS), ("correct_ts_overflow", "0")].iter().chain(specific) {
        all.set(key, value);
    }
    all
}

/// An error of the system in words.
pub fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "it may not be read (permission denied)".to_owned(),
        _ => error.to_string(),
    }
}

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
    let input = LibavInput {
        url: url.to_owned(),
        context,
        follow,
        video: Arc::clone(&info),
        sounds: sounds.clone(),
        until_key: false,
        peeked,
        came: None,
        stamper,
        nature,
        stop: watch.stop.clone(),
        failures: 0,
        ended: false,
    };
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

fn scale(context: &context::Input, info: &StreamInfo) -> Scale {
    // What libav makes of RTP's stamps of 32 bits does not wrap, and may begin below zero.
    let bits = wrap_bits(context, info.index).filter(|bits| *bits != 32 || context.format().name() != "rtsp");
    Scale { time_base: info.time_base, bits: bits.unwrap_or(64) }
}

fn info(stream: &ffmpeg::Stream<'_>, session: u32) -> StreamInfo {
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

impl LibavInput {
    /// What a failed read means.
    fn failed(&mut self, error: Error) -> Result<Read, CaptureError> {
        if self.stop.is_raised() {
            return Ok(Read::Stopped);
        }
        let away = |why: String| CaptureError::Away { url: self.url.clone(), why };
        // Only an answer that said how long it is can be known to be complete.
        let sized = self.nature == Nature::Http && self.context.format().name() != "hls" && self.context.io_size().is_some();
        match (error, self.nature) {
            (Error::Eof, Nature::Datagrams) => {}
            (Error::Eof, Nature::Connection | Nature::Session) => return Err(away(LOST.to_owned())),
            (Error::Eof, Nature::Http) if self.context.format().name() != "hls" && !sized => return Err(away(LOST.to_owned())),
            (Error::Eof, _) => return Ok(Read::End),
            _ => {}
        }
        self.failures += 1;
        let again = error == Error::InvalidData || self.nature == Nature::Datagrams;
        if again && self.failures < PATIENCE {
            if self.nature == Nature::Datagrams {
                self.context.clear_eof();
                if self.stop.wait(Duration::from_millis(10)) {
                    return Ok(Read::Stopped);
                }
            }
            return Ok(Read::Lost(Lost::Read));
        }
        if matches!(self.nature, Nature::File | Nature::Pipe) {
            self.ended = true;
            return Ok(Read::Lost(Lost::Read));
        }
        let why = format!("{LOST} ({error})");
        // What is stored would begin at its beginning.
        Err(if sized { CaptureError::Broken { url: self.url.clone(), why } } else { away(why) })
    }

    /// Reads what came while the input was being opened, until a read has to wait: only then is it known when a packet came.
    fn catch_up(&mut self) -> Came {
        let (mut bytes, mut newest) = (0, None);
        while self.peeked.len() < PEEK_PACKETS && bytes < PEEK_BYTES {
            let (mut packet, began) = (Packet::empty(), Instant::now());
            // An error is met again by the next read.
            if packet.read(&mut self.context).is_err() {
                break;
            }
            bytes += packet.size();
            newest = self.context.stream(packet.stream()).and_then(|stream| time_of(&packet, &stream)).or(newest);
            self.peeked.push_back(packet);
            if began.elapsed() > WAITED {
                break;
            }
        }
        Came { now: Seconds::host_now(), newest }
    }

    /// What a packet is of.
    fn whose(&mut self, packet: &Packet) -> Result<Whose, CaptureError> {
        let index = packet.stream();
        let Some(kind) = self.follow.kind(&self.context, index) else { return Ok(self.newcomer(index)) };
        if kind == Kind::Video && self.until_key {
            if !packet.is_key() {
                return Ok(Whose::Lost(Lost::Stray));
            }
            self.until_key = false;
        }
        Ok(Whose::Ours(kind))
    }

    /// What a packet is of whose stream was none of ours.
    fn newcomer(&mut self, index: usize) -> Whose {
        let (kind, lost) = match self.follow.judge(&self.context, index) {
            Newcomer::Other => return Whose::Nobodys,
            Newcomer::Waiting => return Whose::Lost(Lost::Stray),
            Newcomer::Heir(kind) | Newcomer::Awaited(kind) => (kind, Lost::Moved),
            Newcomer::Another(kind) => (kind, Lost::Format),
        };
        let Some(stream) = self.context.stream(index) else { return Whose::Nobodys };
        let info = Arc::new(info(&stream, self.video.session));
        self.stamper.follow(kind, scale(&self.context, &info));
        match kind {
            Kind::Video => (self.video, self.until_key) = (info, true),
            Kind::Audio(n) => self.sounds.iter_mut().skip(n).take(1).for_each(|sound| *sound = Some(Arc::clone(&info))),
        }
        Whose::Heir(lost)
    }
}

/// A packet that had to be waited for, by which earlier ones are dated.
struct Came {
    now: Seconds,
    newest: Option<Seconds>,
}

impl Came {
    /// When a packet of this time came, if it came at its own rate.
    fn when(&self, stamp: Option<Seconds>) -> Option<Seconds> {
        let before = self.newest? - stamp?;
        (before >= Seconds::ZERO && before < Seconds::MINUTE).then(|| self.now - before)
    }
}

/// The time that a container gives a packet.
fn time_of(packet: &Packet, stream: &ffmpeg::Stream<'_>) -> Option<Seconds> {
    let base = stream.time_base();
    Seconds::from_ticks(packet.dts().or(packet.pts())?, base.numerator(), base.denominator())
}

/// Whose a packet is.
enum Whose {
    Ours(Kind),
    Nobodys,
    /// Ours from here on. What is counted for it.
    Heir(Lost),
    Lost(Lost),
}

/// What the loss of a connection comes to.
const LOST: &str = "the other side closed the connection, or it was lost";

impl Input for LibavInput {
    fn read(&mut self) -> Result<Read, CaptureError> {
        loop {
            if self.stop.is_raised() {
                return Ok(Read::Stopped);
            }
            if self.ended {
                return Ok(Read::End);
            }
            if self.nature == Nature::Session && self.came.is_none() {
                self.came = Some(self.catch_up());
            }
            let ahead = self.peeked.len();
            let mut packet = match self.peeked.pop_front() {
                Some(packet) => packet,
                None => {
                    let mut packet = Packet::empty();
                    if let Err(error) = packet.read(&mut self.context) {
                        return self.failed(error);
                    }
                    packet
                }
            };
            self.failures = 0;
            let kind = match self.whose(&packet)? {
                Whose::Ours(kind) => kind,
                Whose::Nobodys => continue,
                Whose::Heir(lost) => {
                    self.peeked.push_front(packet);
                    return Ok(Read::Lost(lost));
                }
                Whose::Lost(lost) => return Ok(Read::Lost(lost)),
            };
            let stamp = self.context.stream(packet.stream()).and_then(|stream| time_of(&packet, &stream));
            if !self.stamper.stamp(kind, &mut packet) {
                return Ok(Read::Lost(Lost::Stamp));
            }
            let arrival = self.came.as_ref().filter(|_| ahead > 0).and_then(|came| came.when(stamp)).unwrap_or_else(Seconds::host_now);
            let sound = if let Kind::Audio(n) = kind { self.sounds.get(n).and_then(Option::as_ref) } else { None };
            let stream = Arc::clone(sound.unwrap_or(&self.video));
            return Ok(Read::Unit(Unit { kind, stream, packet, arrival, hurt: false }));
        }
    }

    fn delivery(&self) -> Delivery {
        match self.nature {
            Nature::File => Delivery::Stored,
            Nature::Pipe | Nature::Http => Delivery::Piped,
            Nature::Datagrams | Nature::Connection | Nature::Session => Delivery::Live,
        }
    }
}

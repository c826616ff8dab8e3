//! `testsrc:`: the test pattern as an input. Its stamps are UTC: video counts slots, audio samples, both from the epoch.
//!
//! Live, it starts a few seconds back, catches up, and then shows every picture when its time comes, never sooner.
//! Fast, it is a finite file that begins at `start`.

use super::choose::choose;
use super::offer::{Medium, Offer, Offered};
use super::{CaptureError, Delivery, Input, Kind, Origin, Read, Source, StreamInfo, Unit};
use crate::colour::{HdrMetadata, VideoRange};
use crate::job::{Pace, Select, StreamRef};
use crate::pace::wait_until;
use crate::pattern::Size;
use crate::pattern::picture::Pattern;
use crate::pattern::tone::{CHANNELS, SAMPLE_RATE, Tone};
use crate::plan::SourceFacts;
use crate::stop::Stop;
use crate::time::{Rate, Seconds, Slot};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::{codec, color, format};
use std::sync::Arc;

/// The scheme, with its colon.
pub const SCHEME: &str = "testsrc:";

/// Samples in an audio packet; packets start at multiples of it, counted from the epoch.
const PACKET_SAMPLES: i64 = 1024;
/// A live source begins so many seconds before now, rounded down to [`LIVE_GRID`].
const LIVE_BACK: i64 = 2;
const LIVE_GRID: i64 = 2;
/// The first so many seconds come at once, so that there is soon something to play; what is left to catch up comes a tenth faster than real time, which encoders
/// that keep up have to spare. All at once, rungs on a busy machine would be late and leave GOPs out.
const LIVE_BURST: i64 = 2;
/// Sound begins so many seconds before the first picture, so that the first segment has its run-up.
const AUDIO_LEAD: i64 = 1;

/// What can follow `testsrc:`.
#[derive(Clone, Debug, PartialEq)]
struct Options {
    size: Size,
    rate: Rate,
    start: Option<Seconds>,
    duration: Option<Seconds>,
    audio: bool,
}

/// Opens `testsrc:size=1280x720,rate=25,start=UTC,duration=SECONDS,audio=on|off`; every option may be left out.
/// At pace fast: from `start` (the epoch where absent) for `duration` (without end where absent), as fast as it is read; else live.
/// [`Input::read`] returns [`Read::Stopped`] once `stop` is raised.
pub fn open(url: &str, pace: Pace, select: &Select, stop: &Stop) -> Result<(Source, Box<dyn Input>), CaptureError> {
    let fast = pace == Pace::Fast;
    let options = parse(url)?;
    let refuse = |why: String| CaptureError::Open { url: url.to_owned(), why };
    if !fast && options.start.is_some() {
        return Err(refuse("start is for pace fast only: a live source starts now; leave it out or use --pace fast".into()));
    }
    let start = if fast { options.start.unwrap_or(Seconds::ZERO) } else { live_start(Seconds::host_now()) };
    let offer = offer(&options);
    let chosen = choose(&offer, select).map_err(&refuse)?;
    let options = Options { audio: options.audio && chosen.sounds.iter().any(|sound| sound.stream.is_some()), ..options };
    let mut source = describe(&options).map_err(|e| refuse(format!("its codec parameters cannot be made: {e}")))?;
    // Its only sound is the first that could take it; nothing comes of the others.
    let place = chosen.sounds.iter().position(|sound| sound.stream.is_some()).unwrap_or(0);
    let mut tone = source.audio.pop().flatten();
    source.audio = chosen.sounds.iter().map(|sound| sound.stream.and_then(|_| tone.take())).collect();
    source.facts.sounds = chosen.sounds.into_iter().map(|sound| sound.facts).collect();
    source.offer = offer;
    let input = TestSource::new(url, &options, &source, start, !fast, stop.clone(), place);
    Ok((source, Box::new(input)))
}

fn live_start(now: Seconds) -> Seconds {
    Seconds::whole((now - Seconds::whole(LIVE_BACK)).floor_ticks(1).div_euclid(LIVE_GRID).max(0) * LIVE_GRID)
}

fn parse(url: &str) -> Result<Options, CaptureError> {
    let refuse = |why: String| CaptureError::Open { url: url.to_owned(), why };
    let text = url.strip_prefix(SCHEME).ok_or_else(|| refuse(format!("it does not begin with {SCHEME}")))?;
    let mut options = Options {
        size: Size::new(1280, 720).expect("even and within limits"),
        rate: Rate::new(25, 1).expect("within limits"),
        start: None,
        duration: None,
        audio: true,
    };
    for option in text.split(',').filter(|_| !text.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let bad = |why: String| refuse(format!("{key}: {why}"));
        match key {
            "size" => options.size = value.parse().map_err(|e: crate::pattern::SizeError| bad(e.to_string()))?,
            "rate" => options.rate = value.parse().map_err(|e: crate::time::TimeError| bad(e.to_string()))?,
            "start" => options.start = Some(instant(value).map_err(bad)?),
            "duration" => options.duration = Some(span(value).map_err(bad)?),
            "audio" => {
                options.audio = match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err(bad(format!("\"{value}\" is not a switch: give on or off"))),
                }
            }
            _ => {
                return Err(refuse(format!(
                    "\"{key}\" is not an option: give size=1280x720, rate=25, start=UTC, duration=SECONDS or audio=on|off, separated by commas"
                )));
            }
        }
    }
    Ok(options)
}

fn instant(value: &str) -> Result<Seconds, String> {
    let time: Seconds = value.parse().map_err(|e: crate::time::TimeError| e.to_string())?;
    if time < Seconds::ZERO { Err(format!("\"{value}\" is before 1970: give a later instant")) } else { Ok(time) }
}

fn span(value: &str) -> Result<Seconds, String> {
    let time: Seconds = value.strip_suffix('s').unwrap_or(value).parse().map_err(|e: crate::time::TimeError| e.to_string())?;
    if time <= Seconds::ZERO { Err(format!("\"{value}\" is not a duration: give more than 0 seconds (30)")) } else { Ok(time) }
}

fn offer(options: &Options) -> Offer {
    let stream = |index, kind| Offered {
        index,
        pid: None,
        kind,
        codec: if kind == Medium::Video { "rawvideo" } else { "pcm_s16le" }.to_owned(),
        size: (kind == Medium::Video).then(|| (options.size.width(), options.size.height())),
        channels: (kind == Medium::Audio).then_some(CHANNELS as u32),
        sample_rate: (kind == Medium::Audio).then_some(SAMPLE_RATE),
        language: None,
        role: None,
        default: true,
        still: false,
        decoder: true,
    };
    let sound = options.audio.then(|| stream(1, Medium::Audio));
    Offer { programs: Vec::new(), streams: std::iter::once(stream(0, Medium::Video)).chain(sound).collect() }
}

fn describe(options: &Options) -> Result<Source, ffmpeg::Error> {
    let (num, den) = (options.rate.num() as i32, options.rate.den() as i32);
    let coder = |id| codec::encoder::find(id).ok_or(ffmpeg::Error::EncoderNotFound);
    let mut video = codec::Context::new_with_codec(coder(codec::Id::RAWVIDEO)?).encoder().video()?;
    video.set_width(options.size.width());
    video.set_height(options.size.height());
    video.set_format(format::Pixel::YUV420P);
    video.set_aspect_ratio((1, 1));
    video.set_color_range(color::Range::MPEG);
    video.set_colorspace(color::Space::BT709);
    video.set_color_primaries(color::Primaries::BT709);
    video.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
    let info = |index, parameters: codec::Parameters, time_base| Arc::new(StreamInfo::new(index, parameters, time_base));
    let video = info(0, codec::Parameters::from(&video), (den, num));
    let audio = if options.audio {
        let mut pcm = codec::Context::new_with_codec(coder(codec::Id::PCM_S16LE)?).encoder().audio()?;
        pcm.set_rate(SAMPLE_RATE as i32);
        pcm.set_format(format::Sample::I16(format::sample::Type::Packed));
        pcm.set_channels(CHANNELS as i32);
        pcm.set_channel_layout(ffmpeg::ChannelLayout::STEREO);
        Some(info(1, codec::Parameters::from(&pcm), (1, SAMPLE_RATE as i32)))
    } else {
        None
    };
    let facts = SourceFacts {
        width: options.size.width(),
        height: options.size.height(),
        sar: (1, 1),
        rate: options.rate,
        interlaced: false,
        range: VideoRange::Sdr,
        hdr: HdrMetadata::default(),
        video: Some(StreamRef::Index(0)),
        sounds: Vec::new(),
    };
    Ok(Source { facts, video, audio: vec![audio], offer: Offer::default(), origin: Origin::Utc, duration: options.duration, paths: None, later: None })
}

struct TestSource {
    url: String,
    pattern: Pattern,
    tone: Tone,
    /// The next picture, and the slot after the last.
    slot: i64,
    slot_end: i64,
    /// The next sample, and the sample after the last; equal where there is no sound.
    sample: i64,
    sample_end: i64,
    live: bool,
    streams: [Arc<StreamInfo>; 2],
    start: Seconds,
    /// When the first unit was read.
    begun: Option<Seconds>,
    stop: Stop,
    /// Which of the chosen sounds the tone is.
    place: usize,
}

impl TestSource {
    fn new(url: &str, options: &Options, source: &Source, start: Seconds, live: bool, stop: Stop, place: usize) -> TestSource {
        let slot_at = |time: Seconds| {
            let (num, den) = time.fraction();
            Seconds::new(num * i128::from(options.rate.num()), den * i128::from(options.rate.den())).ceil_ticks(1)
        };
        let end = options.duration.map(|d| start + d);
        let lead = start - Seconds::whole(AUDIO_LEAD);
        let lead = if lead < Seconds::ZERO { Seconds::ZERO } else { lead };
        let first = lead.floor_ticks(SAMPLE_RATE).div_euclid(PACKET_SAMPLES) * PACKET_SAMPLES;
        let sample_end = end.map_or(i64::MAX, |end| end.ceil_ticks(SAMPLE_RATE));
        TestSource {
            url: url.to_owned(),
            pattern: Pattern::new(options.size, options.rate),
            tone: Tone::new(),
            slot: slot_at(start),
            slot_end: end.map_or(i64::MAX, slot_at),
            sample: if options.audio { first } else { sample_end },
            sample_end,
            live,
            streams: [Arc::clone(&source.video), Arc::clone(source.audio.iter().flatten().next().unwrap_or(&source.video))],
            start,
            begun: None,
            stop,
            place,
        }
    }

    /// When a live unit comes whose time is `due`.
    fn release(&mut self, due: Seconds) -> Seconds {
        let begun = *self.begun.get_or_insert_with(Seconds::host_now);
        let behind = due - self.start - Seconds::whole(LIVE_BURST);
        due.max(begun + behind.times(10).over(11))
    }

    fn samples(&self) -> i64 {
        PACKET_SAMPLES.min(self.sample_end - self.sample)
    }

    fn picture(&mut self) -> Result<ffmpeg::Packet, CaptureError> {
        let mut packet = self.packet(self.pattern.size().bytes(), self.slot, 1)?;
        if let Some(data) = packet.data_mut() {
            self.pattern.draw(Slot(self.slot), data);
        }
        self.slot += 1;
        Ok(packet)
    }

    fn sound(&mut self) -> Result<ffmpeg::Packet, CaptureError> {
        let samples = self.samples();
        let mut packet = self.packet(samples as usize * CHANNELS * 2, self.sample, samples)?;
        if let Some(data) = packet.data_mut() {
            self.tone.fill_s16le(self.sample, data);
        }
        packet.set_stream(1);
        self.sample += samples;
        Ok(packet)
    }

    /// An empty key packet of `bytes`.
    fn packet(&self, bytes: usize, stamp: i64, duration: i64) -> Result<ffmpeg::Packet, CaptureError> {
        let mut packet = ffmpeg::Packet::new(bytes);
        if packet.data().is_none_or(|data| data.len() != bytes) {
            return Err(CaptureError::Broken { url: self.url.clone(), why: format!("no memory for a packet of {bytes} bytes") });
        }
        packet.set_pts(Some(stamp));
        packet.set_dts(Some(stamp));
        packet.set_duration(duration);
        packet.set_flags(codec::packet::Flags::KEY);
        Ok(packet)
    }
}

impl Input for TestSource {
    fn read(&mut self) -> Result<Read, CaptureError> {
        if self.stop.is_raised() {
            return Ok(Read::Stopped);
        }
        // A picture is due at its time, a packet of sound when its last sample is over; in this order they are interleaved, live or not.
        let video = (self.slot < self.slot_end).then(|| self.pattern.rate().period().times(i128::from(self.slot)));
        let audio = (self.samples() > 0).then(|| Seconds::new(i128::from(self.sample + self.samples()), i128::from(SAMPLE_RATE)));
        let (kind, due) = match (video, audio) {
            (None, None) => return Ok(Read::End),
            (Some(v), Some(a)) if a < v => (Kind::Audio(self.place), a),
            (None, Some(a)) => (Kind::Audio(self.place), a),
            (Some(v), _) => (Kind::Video, v),
        };
        if self.live {
            let release = self.release(due);
            if !wait_until(release, &self.stop) {
                return Ok(Read::Stopped);
            }
        }
        let packet = if kind == Kind::Video { self.picture()? } else { self.sound()? };
        let stream = Arc::clone(&self.streams[usize::from(kind != Kind::Video)]);
        Ok(Read::Unit(Unit { kind, stream, packet, arrival: Seconds::host_now(), hurt: false }))
    }

    /// Live, `read` waits for each unit's time: paced once more from its first, it would stay as late as it began.
    fn delivery(&self) -> Delivery {
        if self.live { Delivery::Live } else { Delivery::Stored }
    }
}

#[cfg(test)]
#[path = "testsrc_tests.rs"]
mod tests;

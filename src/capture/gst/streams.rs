//! Raw and elementary streams out of a pipeline.

use super::caps::{self, Audio, Stream, Video};
use super::pipeline::{Event, Pipeline};
use super::{Early, raw::Raw};
use crate::capture::facts::{field_rate, grid_rate, sane_sar};
use crate::capture::stamps::{Scale, Stamper};
use crate::capture::{CaptureError, Delivery, Input, Kind, Lost, Opened, Origin, Read, Source, StreamInfo, Unit, new_session};
use crate::colour::{HdrMetadata, VideoRange};
use crate::ffmpeg::codec_facts;
use crate::job::Select;
use crate::plan::SourceFacts;
use crate::stop::Stop;
use crate::time::Seconds;
use ffmpeg_next::Packet;
use ffmpeg_next::codec::Parameters;
use ffmpeg_next::media::Type;
use ffmpeg_next::packet::Flags;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// Stamps are nanoseconds of the pipeline's running time.
const SCALE: Scale = Scale { time_base: (1, 1_000_000_000), bits: 64 };
/// A wait without an end of its own.
const LONG: Duration = Duration::from_secs(3600);

/// One chosen appsink.
struct Taken {
    sink: usize,
    stream: Arc<StreamInfo>,
    caps: gst::Caps,
    raw: Option<Raw>,
}

struct GstInput {
    url: String,
    pipeline: Pipeline,
    early: Early,
    video: Taken,
    audio: Option<Taken>,
    stamper: Stamper,
    told: u64,
    stop: Stop,
}

/// Makes a source of what the appsinks get: the first video and the first audio, or the ones that are asked for, counted from 0 in the order of the description.
pub fn open(url: &str, pipeline: Pipeline, firsts: &[gst::Sample], early: Early, select: &Select, stop: &Stop) -> Opened {
    let fail = |why: String| CaptureError::Open { url: url.to_owned(), why };
    let session = if pipeline.is_live() { new_session() } else { 0 };
    let (mut video, mut audio) = (None::<(Taken, Video)>, None::<(Taken, Audio)>);
    for (sink, sample) in firsts.iter().enumerate() {
        let name = &pipeline.names()[sink];
        let caps = sample.caps_owned().ok_or_else(|| fail(format!("{name} gets buffers without caps; accepted: {}", caps::ACCEPTED)))?;
        let stream = caps::describe(&caps).map_err(|why| fail(format!("{name} gets {why}")))?;
        match stream {
            Stream::Video(mut v) if video.is_none() && select.video.is_none_or(|n| n == sink) => {
                let stream = info(sink, v.parameters.clone(), session);
                video = Some((Taken { sink, stream, caps, raw: v.raw.take() }, *v));
            }
            Stream::Audio(a) if audio.is_none() && !select.no_audio && select.audio.is_none_or(|n| n == sink) => {
                audio = Some((Taken { sink, stream: info(sink, a.parameters.clone(), session), caps, raw: None }, a));
            }
            Stream::Video(_) | Stream::Audio(_) => {}
        }
    }
    let Some((taken, video)) = video else {
        return Err(fail(match select.video {
            Some(n) => format!("appsink {n} was asked for as video, and brings none; there are {} appsinks, counted from 0", firsts.len()),
            None => format!("there is no video in what the pipeline delivers; one is needed: {}", caps::ACCEPTED),
        }));
    };
    if let (Some(n), None) = (select.audio, &audio) {
        return Err(fail(format!("appsink {n} was asked for as audio, and brings none; there are {} appsinks, counted from 0", firsts.len())));
    }
    let (audio_taken, audio) = audio.map_or((None, None), |(taken, audio)| (Some(taken), Some(audio)));
    let picture_rate = grid_rate(video.rate, video.rate);
    let range = codec_facts(&video.parameters).range;
    let facts = SourceFacts {
        width: video.size.0.unsigned_abs(),
        height: video.size.1.unsigned_abs(),
        sar: sane_sar(video.sar),
        rate: if video.interlaced { field_rate(picture_rate) } else { picture_rate },
        interlaced: video.interlaced,
        range,
        hdr: if range == VideoRange::Sdr { HdrMetadata::default() } else { caps::light(&taken.caps).believed() },
        sample_rate: audio.as_ref().map(|a| a.sample_rate),
    };
    let source = Source {
        facts,
        video: Arc::clone(&taken.stream),
        audio: audio_taken.as_ref().map(|taken| Arc::clone(&taken.stream)),
        origin: if pipeline.is_live() { Origin::Session } else { Origin::Live { wrap: None } },
        duration: None,
        paths: None,
    };
    let stamper = Stamper::new(SCALE, audio_taken.is_some().then_some(SCALE), picture_rate);
    let input = GstInput { url: url.to_owned(), pipeline, early, video: taken, audio: audio_taken, stamper, told: 0, stop: stop.clone() };
    Ok((source, Box::new(input)))
}

fn info(sink: usize, parameters: Parameters, session: u32) -> Arc<StreamInfo> {
    Arc::new(StreamInfo { session, ..StreamInfo::new(sink, parameters, SCALE.time_base) })
}

impl GstInput {
    fn unit(&mut self, sink: usize, sample: &gst::Sample) -> Result<Option<Read>, CaptureError> {
        let (kind, taken) = match &self.audio {
            _ if sink == self.video.sink => (Kind::Video, &mut self.video),
            Some(_) if self.audio.as_ref().is_some_and(|a| a.sink == sink) => match &mut self.audio {
                Some(audio) => (Kind::Audio, audio),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        if let Some(caps) = sample.caps_owned().filter(|caps| *caps != taken.caps) {
            match taken.accept(caps) {
                Ok(Accepted::Same) => {}
                Ok(Accepted::Other) => {
                    tracing::warn!("input {}: what appsink {sink} gets is {} from here on, and is followed", self.url, taken.caps);
                    self.early.push_front((sink, sample.clone()));
                    return Ok(Some(Read::Lost(Lost::Format)));
                }
                Err(why) => return Err(CaptureError::Broken { url: self.url.clone(), why }),
            }
        }
        let Some(mut packet) = sample.buffer().and_then(|buffer| taken.packet(buffer)) else { return Ok(Some(Read::Lost(Lost::Read))) };
        let (pts, dts, duration) = times(sample);
        packet.set_pts(pts);
        packet.set_dts(dts.or(if taken.raw.is_some() || kind == Kind::Audio { pts } else { None }));
        packet.set_duration(duration);
        packet.set_stream(sink);
        let coded = sample.buffer().is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        if !coded {
            packet.set_flags(Flags::KEY);
        }
        if !self.stamper.stamp(kind, &mut packet) {
            return Ok(Some(Read::Lost(Lost::Stamp)));
        }
        let stream = Arc::clone(if kind == Kind::Video { &self.video.stream } else { self.audio.as_ref().map_or(&self.video.stream, |a| &a.stream) });
        Ok(Some(Read::Unit(Unit { kind, stream, packet, arrival: Seconds::host_now(), hurt: false })))
    }
}

/// What new caps mean.
enum Accepted {
    /// The same to a decoder.
    Same,
    /// Something else, of the same kind.
    Other,
}

impl Taken {
    /// New caps in mid-feed, which may mean the same to a decoder, or another one.
    fn accept(&mut self, caps: gst::Caps) -> Result<Accepted, String> {
        let same = |field: &str| {
            let value = |caps: &gst::CapsRef| caps.structure(0).and_then(|s| s.value(field).ok().and_then(|v| v.serialize().ok()));
            value(&self.caps) == value(&caps)
        };
        let name = |caps: &gst::CapsRef| caps.structure(0).map(|s| s.name().to_owned());
        let fixed: &[&str] = if self.raw.is_some() { &["format", "width", "height"] } else { &["stream-format", "rate", "channels", "format"] };
        if name(&self.caps) == name(&caps) && fixed.iter().all(|field| same(field)) {
            self.caps = caps;
            return Ok(Accepted::Same);
        }
        let session = self.stream.session;
        match (self.stream.parameters.medium(), caps::describe(&caps)) {
            (Type::Video, Ok(Stream::Video(mut video))) => {
                self.raw = video.raw.take();
                self.stream = info(self.sink, video.parameters, session);
            }
            (Type::Audio, Ok(Stream::Audio(audio))) => self.stream = info(self.sink, audio.parameters, session),
            (_, described) => {
                let why = described.err().unwrap_or_else(|| "that is not of its kind".to_owned());
                return Err(format!("what the pipeline delivers changed from {} to {caps}, which cannot be followed: {why}", self.caps));
            }
        }
        self.caps = caps;
        Ok(Accepted::Other)
    }

    fn packet(&self, buffer: &gst::BufferRef) -> Option<Packet> {
        match &self.raw {
            Some(raw) => raw.copy(buffer),
            None => buffer.map_readable().ok().map(|map| Packet::copy(&map)),
        }
    }
}

/// PTS, DTS and duration of a buffer, in nanoseconds of the pipeline's running time.
fn times(sample: &gst::Sample) -> (Option<i64>, Option<i64>, i64) {
    let Some(buffer) = sample.buffer() else { return (None, None, 0) };
    let running = |time: Option<gst::ClockTime>| {
        let time = time?;
        let signed = match sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>()) {
            Some(segment) => segment.to_running_time_full(time)?,
            None => gst::Signed::Positive(time),
        };
        match signed {
            gst::Signed::Positive(time) => i64::try_from(time.nseconds()).ok(),
            gst::Signed::Negative(time) => i64::try_from(time.nseconds()).ok().map(|t| -t),
        }
    };
    let duration = buffer.duration().and_then(|d| i64::try_from(d.nseconds()).ok()).unwrap_or(0);
    (running(buffer.pts()), running(buffer.dts()), duration)
}

impl Input for GstInput {
    fn read(&mut self) -> Result<Read, CaptureError> {
        loop {
            if self.pipeline.dropped() > self.told {
                self.told += 1;
                return Ok(Read::Lost(Lost::Overrun));
            }
            let event = match self.early.pop_front() {
                Some((sink, sample)) => Event::Sample(sink, sample),
                None => self.pipeline.next(LONG, &self.stop),
            };
            match event {
                Event::Sample(sink, sample) => {
                    if let Some(read) = self.unit(sink, &sample)? {
                        return Ok(read);
                    }
                }
                Event::Ended => return Ok(Read::End),
                // A live one is built again; another would begin at its beginning.
                Event::Failed(why) if self.pipeline.is_live() => return Err(CaptureError::Away { url: self.url.clone(), why }),
                Event::Failed(why) => return Err(CaptureError::Broken { url: self.url.clone(), why }),
                Event::Stopped => return Ok(Read::Stopped),
                Event::Nothing => {}
            }
        }
    }

    fn delivery(&self) -> Delivery {
        if self.pipeline.is_live() { Delivery::Live } else { Delivery::Piped }
    }
}

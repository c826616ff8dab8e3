//! Raw and elementary streams out of a pipeline.

use super::caps::{self, Stream, Video};
use super::pipeline::{Event, Pipeline};
use super::{Early, raw::Raw};
use crate::capture::choose::choose;
use crate::capture::facts::{field_rate, grid_rate, sane_sar};
use crate::capture::offer::{Medium, Offer, Offered};
use crate::capture::stamps::{Scale, Stamper};
use crate::capture::{CaptureError, Delivery, Input, Kind, Lost, Opened, Origin, Read, Source, StreamInfo, Unit, new_session};
use crate::colour::{HdrMetadata, VideoRange};
use crate::ffmpeg::codec_facts;
use crate::job::{Select, StreamRef};
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
    /// Absent where a sound was asked for that no appsink brings.
    sounds: Vec<Option<Taken>>,
    stamper: Stamper,
    told: u64,
    stop: Stop,
}

/// Makes a source of what the appsinks get: the largest video and the first audio, or the ones that are asked for, counted from 0 in the order of the description.
pub fn open(url: &str, pipeline: Pipeline, firsts: &[gst::Sample], early: Early, select: &Select, stop: &Stop) -> Opened {
    let fail = |why: String| CaptureError::Open { url: url.to_owned(), why };
    let session = if pipeline.is_live() { new_session() } else { 0 };
    let mut brought: Vec<(gst::Caps, Stream)> = Vec::new();
    for (sink, sample) in firsts.iter().enumerate() {
        let name = &pipeline.names()[sink];
        let caps = sample.caps_owned().ok_or_else(|| fail(format!("{name} gets buffers without caps; accepted: {}", caps::ACCEPTED)))?;
        let stream = caps::describe(&caps).map_err(|why| fail(format!("{name} gets {why}")))?;
        brought.push((caps, stream));
    }
    let offer = Offer { programs: Vec::new(), streams: brought.iter().enumerate().map(|(sink, (_, stream))| offered(sink, stream)).collect() };
    let chosen = choose(&offer, select).map_err(|why| fail(format!("{why}; appsinks are counted from 0")))?;
    let sinks: Vec<Option<usize>> = chosen.sounds.iter().map(|sound| sound.stream).collect();
    let (mut taken, mut sounds) = (None::<(Taken, Video)>, sinks.iter().map(|_| None).collect::<Vec<Option<Taken>>>());
    for (sink, (caps, stream)) in brought.into_iter().enumerate() {
        match stream {
            Stream::Video(mut v) if sink == chosen.video => {
                let stream = info(sink, v.parameters.clone(), session);
                taken = Some((Taken { sink, stream, caps, raw: v.raw.take() }, *v));
            }
            Stream::Audio(a) => {
                if let Some(place) = sinks.iter().position(|s| *s == Some(sink)).and_then(|n| sounds.get_mut(n)) {
                    *place = Some(Taken { sink, stream: info(sink, a.parameters, session), caps, raw: None });
                }
            }
            Stream::Video(_) => {}
        }
    }
    let Some((taken, video)) = taken else { return Err(fail("the chosen video is gone".to_owned())) };
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
        video: Some(StreamRef::Index(taken.sink)),
        sounds: chosen.sounds.into_iter().map(|sound| sound.facts).collect(),
    };
    let source = Source {
        facts,
        video: Arc::clone(&taken.stream),
        audio: sounds.iter().map(|sound| sound.as_ref().map(|taken| Arc::clone(&taken.stream))).collect(),
        offer,
        origin: if pipeline.is_live() { Origin::Session } else { Origin::Live { wrap: None } },
        duration: None,
        paths: None,
        later: None,
    };
    let stamper = Stamper::new(SCALE, vec![SCALE; sounds.len()], picture_rate);
    let input = GstInput { url: url.to_owned(), pipeline, early, video: taken, sounds, stamper, told: 0, stop: stop.clone() };
    Ok((source, Box::new(input)))
}

/// An appsink as a stream that can be chosen.
fn offered(sink: usize, stream: &Stream) -> Offered {
    let (kind, parameters) = match stream {
        Stream::Video(v) => (Medium::Video, &v.parameters),
        Stream::Audio(a) => (Medium::Audio, &a.parameters),
    };
    let positive = |n: i32| u32::try_from(n).ok().filter(|n| *n > 0);
    let (video, audio) = match stream {
        Stream::Video(v) => (positive(v.size.0).zip(positive(v.size.1)), None),
        Stream::Audio(a) => (None, Some(a.sample_rate)),
    };
    Offered {
        index: sink,
        pid: None,
        kind,
        codec: parameters.id().name().to_owned(),
        size: video,
        channels: audio.and_then(|_| positive(codec_facts(parameters).channels)),
        sample_rate: audio,
        language: None,
        role: None,
        default: false,
        still: false,
        decoder: true,
    }
}

fn info(sink: usize, parameters: Parameters, session: u32) -> Arc<StreamInfo> {
    Arc::new(StreamInfo { session, ..StreamInfo::new(sink, parameters, SCALE.time_base) })
}

impl GstInput {
    fn unit(&mut self, sink: usize, sample: &gst::Sample) -> Result<Option<Read>, CaptureError> {
        let own = self.sounds.iter_mut().enumerate().find_map(|(n, sound)| sound.as_mut().filter(|s| s.sink == sink).map(|sound| (Kind::Audio(n), sound)));
        let (kind, taken) = match own {
            _ if sink == self.video.sink => (Kind::Video, &mut self.video),
            Some(sound) => sound,
            None => return Ok(None),
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
        packet.set_dts(dts.or(if taken.raw.is_some() || kind != Kind::Video { pts } else { None }));
        packet.set_duration(duration);
        packet.set_stream(sink);
        let coded = sample.buffer().is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        if !coded {
            packet.set_flags(Flags::KEY);
        }
        if !self.stamper.stamp(kind, &mut packet) {
            return Ok(Some(Read::Lost(Lost::Stamp)));
        }
        let stream = Arc::clone(&taken.stream);
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

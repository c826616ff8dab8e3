//! The pattern as a feed.

use super::encode::{AudioCoder, FRAME_SAMPLES, VideoCoder};
use super::faults::{Format, Moment, Script};
use super::mux::{CLOCK, TsMux};
use super::options::FeedOptions;
use super::output::Outputs;
use super::screen::Screen;
use super::stamp::{Framing, stamp};
use super::{FeedError, FeedReport, round_up};
use crate::pace::wait_until;
use crate::pattern::tone::SAMPLE_RATE;
use crate::stop::Stop;
use crate::time::{Rate, Seconds, Slot};
use ffmpeg_next as ffmpeg;

/// A feed that is later than this goes on with the picture of now; what lies between is left out and counted.
const LATE: i64 = 1;

/// Encodes and sends, picture by picture.
pub(super) fn run(options: &FeedOptions, stop: &Stop) -> Result<FeedReport, FeedError> {
    let mut script = Script::new(options);
    let mut screen = Screen::new(options);
    // A feed joins the host's clock at its next slot; one with a start of its own is shown as if it were that time now.
    let begun = Seconds::host_now();
    let start = round_up(options.start.unwrap_or(begun), options.rate.period());
    let lag = if options.start.is_some() { begun - start } else { Seconds::ZERO };
    let mut chain = Chain::open(options, script.at(Seconds::ZERO).format, start)?;
    let mut outputs = Outputs::open(options, start, stop)?;
    let end = options.duration.map(|d| round_up(start + d, options.rate.period()));
    let mut slot = slot_of(start, chain.format.rate);
    let moment = |time: Seconds, span: Seconds| Moment { elapsed: time - start, due: (!options.fast).then(|| time + lag), span };
    let mut time = start;
    let sent = loop {
        let period = chain.format.rate.period();
        time = period.times(i128::from(slot.0)).max(time);
        if end.is_some_and(|end| time >= end) || stop.is_raised() {
            break Ok(());
        }
        if !options.fast {
            if !wait_until(time + lag, stop) {
                break Ok(());
            }
            let now = Seconds::host_now() - lag;
            if now - time > Seconds::whole(LATE) {
                let next = slot_of(now, chain.format.rate);
                chain.report.skipped += (next.0 - slot.0).unsigned_abs();
                slot = next;
                time = period.times(i128::from(slot.0));
                chain.sample = chain.sample.max(frame_at(time));
            }
        }
        let look = script.at(time - start);
        let step = if look.format == chain.format {
            let picture = screen.show(slot, look);
            let bytes = chain.encode(slot, picture, look.silent, time + period);
            slot.0 += 1;
            bytes
        } else {
            slot = slot_of(time, look.format.rate);
            chain.change(look.format)
        };
        if let Err(error) = step.and_then(|bytes| outputs.send(&bytes, moment(time, period))) {
            break Err(error);
        }
    };
    let last = Moment { due: None, ..moment(time, Seconds::ZERO) };
    let drained = sent.and_then(|()| chain.drain()).and_then(|bytes| outputs.send(&bytes, last));
    outputs.close(drained, last, &mut chain.report)?;
    Ok(chain.report)
}

/// The first slot at `time` or later.
fn slot_of(time: Seconds, rate: Rate) -> Slot {
    let (num, den) = time.fraction();
    Slot(Seconds::new(num * i128::from(rate.num()), den * i128::from(rate.den())).ceil_ticks(1))
}

/// The first sample of the audio frame that holds `time`; frames are counted from the epoch.
fn frame_at(time: Seconds) -> i64 {
    let (num, den) = time.fraction();
    Seconds::new(num * i128::from(SAMPLE_RATE), den * i128::from(FRAME_SAMPLES)).floor_ticks(1) * FRAME_SAMPLES
}

/// From a picture to bytes of transport stream.
struct Chain<'a> {
    options: &'a FeedOptions,
    format: Format,
    video: VideoCoder,
    audio: Option<AudioCoder>,
    mux: TsMux,
    /// How often the programme map has changed.
    version: u8,
    /// The last DTS given to the muxer: an encoder that starts anew begins before its first picture.
    decoded: Option<i64>,
    /// First sample of the next audio frame.
    sample: i64,
    report: FeedReport,
}

impl<'a> Chain<'a> {
    fn open(options: &'a FeedOptions, format: Format, start: Seconds) -> Result<Chain<'a>, FeedError> {
        let video = VideoCoder::open(options, format)?;
        let audio = if options.audio { Some(AudioCoder::open()?) } else { None };
        let mux = tables(&video, audio.as_ref(), 0)?;
        Ok(Chain { options, format, video, audio, mux, version: 0, decoded: None, sample: frame_at(start), report: FeedReport::default() })
    }

    /// One picture, and the sound that begins before `until`.
    fn encode(&mut self, slot: Slot, picture: &[u8], silent: bool, until: Seconds) -> Result<Vec<u8>, FeedError> {
        let (mut units, mut sound) = (Vec::new(), Vec::new());
        self.video.push(slot, picture, &mut units)?;
        if let Some(audio) = &mut self.audio {
            while Seconds::new(i128::from(self.sample), i128::from(SAMPLE_RATE)) < until {
                audio.push(self.sample, silent, &mut sound)?;
                self.sample += FRAME_SAMPLES;
            }
        }
        self.mux(units, sound)
    }

    /// Another encoder from here on; for another codec, another programme map, too.
    fn change(&mut self, format: Format) -> Result<Vec<u8>, FeedError> {
        let mut units = Vec::new();
        self.video.finish(&mut units)?;
        let mut bytes = self.mux(units, Vec::new())?;
        self.video = VideoCoder::open(self.options, format)?;
        if format.codec != self.format.codec {
            self.mux.finish()?;
            bytes.extend(self.mux.take());
            self.version = (self.version + 1) % 32;
            self.mux = tables(&self.video, self.audio.as_ref(), self.version)?;
        }
        self.format = format;
        Ok(bytes)
    }

    fn drain(&mut self) -> Result<Vec<u8>, FeedError> {
        let (mut units, mut sound) = (Vec::new(), Vec::new());
        self.video.finish(&mut units)?;
        if let Some(audio) = &mut self.audio {
            audio.finish(&mut sound)?;
        }
        let mut bytes = self.mux(units, sound)?;
        self.mux.finish()?;
        bytes.extend(self.mux.take());
        Ok(bytes)
    }

    fn mux(&mut self, units: Vec<ffmpeg::Packet>, sound: Vec<ffmpeg::Packet>) -> Result<Vec<u8>, FeedError> {
        let period = self.format.rate.period();
        for unit in units {
            let shown = unit.pts().map(|slot| period.times(i128::from(slot)));
            let decoded = unit.dts().map(|slot| period.times(i128::from(slot)).nearest_ticks(CLOCK));
            let decoded = decoded.map(|ticks| self.decoded.map_or(ticks, |last| ticks.max(last + 1)));
            self.decoded = decoded.or(self.decoded);
            let micros = shown.and_then(|time| u64::try_from(time.nearest_ticks(1_000_000)).ok());
            let stamped = micros.and_then(|micros| stamp(unit.data().unwrap_or_default(), self.format.codec, Framing::AnnexB, micros));
            self.report.unstamped += u64::from(stamped.is_none());
            let mut packet = stamped.map_or_else(|| unit.clone(), |bytes| ffmpeg::Packet::copy(&bytes));
            packet.set_flags(unit.flags());
            packet.set_pts(shown.map(|time| time.nearest_ticks(CLOCK)));
            packet.set_dts(decoded);
            packet.set_duration(period.nearest_ticks(CLOCK));
            self.report.pictures += 1;
            self.report.first = self.report.first.or(shown);
            self.report.last = self.report.last.max(shown);
            self.mux.write(packet, 0)?;
        }
        for mut packet in sound {
            packet.rescale_ts((1, SAMPLE_RATE as i32), (1, CLOCK as i32));
            self.mux.write(packet, 1)?;
        }
        Ok(self.mux.take())
    }
}

fn tables(video: &VideoCoder, audio: Option<&AudioCoder>, version: u8) -> Result<TsMux, FeedError> {
    TsMux::open([Some(video.parameters()), audio.map(AudioCoder::parameters)].into_iter().flatten().collect(), version)
}

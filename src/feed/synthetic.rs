//! The pattern as a feed.

use super::encode::{AudioCoder, FRAME_SAMPLES, VideoCoder};
use super::faults::Faults;
use super::mux::{CLOCK, TsMux};
use super::options::{FeedOptions, FeedOutput};
use super::output::Output;
use super::stamp::{Framing, stamp};
use super::{FeedError, FeedReport, round_up};
use crate::pace::wait_until;
use crate::pattern::picture::Pattern;
use crate::pattern::tone::SAMPLE_RATE;
use crate::stop::Stop;
use crate::time::{Rate, Seconds, Slot};
use ffmpeg_next as ffmpeg;

/// A feed that is later than this goes on with the picture of now; what lies between is left out and counted.
const LATE: i64 = 1;

/// Encodes and sends, picture by picture.
pub(super) fn run(options: &FeedOptions, to: &FeedOutput, stop: &Stop) -> Result<FeedReport, FeedError> {
    let pattern = Pattern::new(options.size, options.rate);
    let video = VideoCoder::open(options)?;
    let audio = if options.audio { Some(AudioCoder::open()?) } else { None };
    let mux = TsMux::open([Some(video.parameters()), audio.as_ref().map(AudioCoder::parameters)].into_iter().flatten().collect())?;
    let mut output = Output::open(to, stop)?;
    let period = options.rate.period();

    // A feed joins the host's clock at its next slot; one with a start of its own is shown as if it were that time now.
    let begun = Seconds::host_now();
    let start = round_up(options.start.unwrap_or(begun), period);
    let lag = if options.start.is_some() { begun - start } else { Seconds::ZERO };
    let end = options.duration.map(|d| round_up(start + d, period));
    let mut slot = slot_of(start, options.rate);
    let mut chain = Chain { options, video, audio, mux, sample: frame_at(start), report: FeedReport::default() };
    let mut faults = Faults::new(&options.faults);
    let mut picture = vec![0; options.size.bytes()];
    let sent = loop {
        let mut time = period.times(i128::from(slot.0));
        if end.is_some_and(|end| time >= end) || stop.is_raised() {
            break Ok(());
        }
        if !options.fast {
            if !wait_until(time + lag, stop) {
                break Ok(());
            }
            let now = Seconds::host_now() - lag;
            if now - time > Seconds::whole(LATE) {
                let next = slot_of(round_up(now, period), options.rate);
                chain.report.skipped += (next.0 - slot.0).unsigned_abs();
                slot = next;
                time = period.times(i128::from(slot.0));
                chain.sample = chain.sample.max(frame_at(time));
            }
        }
        pattern.draw(slot, &mut picture);
        let from = (!options.fast).then(|| time + lag);
        let step = chain.encode(slot, &picture, time + period).and_then(|bytes| output.send(faults.apply(bytes, time - start), from, period));
        if let Err(error) = step {
            break Err(error);
        }
        slot.0 += 1;
    };
    let drained = sent.and_then(|()| chain.drain()).and_then(|bytes| output.send(bytes, None, period));
    chain.report.lost = faults.lost;
    // The thread that sends knows better than `SenderGone` why it ended.
    let closed = output.finish();
    match drained {
        Ok(()) | Err(FeedError::SenderGone) => chain.report.bytes = closed?,
        Err(error) => return Err(error),
    }
    Ok(chain.report)
}

/// The slot that `time`, a whole number of periods, is.
fn slot_of(time: Seconds, rate: Rate) -> Slot {
    let (num, den) = time.fraction();
    Slot(Seconds::new(num * i128::from(rate.num()), den * i128::from(rate.den())).nearest_ticks(1))
}

/// The first sample of the audio frame that holds `time`; frames are counted from the epoch.
fn frame_at(time: Seconds) -> i64 {
    let (num, den) = time.fraction();
    Seconds::new(num * i128::from(SAMPLE_RATE), den * i128::from(FRAME_SAMPLES)).floor_ticks(1) * FRAME_SAMPLES
}

/// From a picture to bytes of transport stream.
struct Chain<'a> {
    options: &'a FeedOptions,
    video: VideoCoder,
    audio: Option<AudioCoder>,
    mux: TsMux,
    /// First sample of the next audio frame.
    sample: i64,
    report: FeedReport,
}

impl Chain<'_> {
    /// One picture, and the sound that begins before `until`.
    fn encode(&mut self, slot: Slot, picture: &[u8], until: Seconds) -> Result<Vec<u8>, FeedError> {
        let (mut units, mut sound) = (Vec::new(), Vec::new());
        self.video.push(slot, picture, &mut units)?;
        if let Some(audio) = &mut self.audio {
            while Seconds::new(i128::from(self.sample), i128::from(SAMPLE_RATE)) < until {
                audio.push(self.sample, &mut sound)?;
                self.sample += FRAME_SAMPLES;
            }
        }
        self.mux(units, sound)
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
        let period = self.options.rate.period();
        for unit in units {
            let shown = unit.pts().map(|slot| period.times(i128::from(slot)));
            let decoded = unit.dts().map(|slot| period.times(i128::from(slot)));
            let micros = shown.and_then(|time| u64::try_from(time.nearest_ticks(1_000_000)).ok());
            let stamped = micros.and_then(|micros| stamp(unit.data().unwrap_or_default(), self.options.codec, Framing::AnnexB, micros));
            self.report.unstamped += u64::from(stamped.is_none());
            let mut packet = stamped.map_or_else(|| unit.clone(), |bytes| ffmpeg::Packet::copy(&bytes));
            packet.set_flags(unit.flags());
            packet.set_pts(shown.map(|time| time.nearest_ticks(CLOCK)));
            packet.set_dts(decoded.map(|time| time.nearest_ticks(CLOCK)));
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

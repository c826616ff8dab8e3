//! A file as a feed: copied again and again, with stamps that go on.

use super::faults::Moment;
use super::mux::{CLOCK, TsMux};
use super::options::FeedOptions;
use super::output::Outputs;
use super::stamp::stamp;
use super::survey::{Survey, survey};
use super::{FeedError, FeedReport, round_up};
use crate::pace::wait_until;
use crate::stop::Stop;
use crate::time::Seconds;
use ffmpeg_next as ffmpeg;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Packets of one stream read ahead while the other has none. Beyond it they are sent without waiting for the other.
const AHEAD: usize = 2048;

/// Copies and sends, packet by packet.
pub(super) fn run(options: &FeedOptions, path: &Path, stop: &Stop) -> Result<FeedReport, FeedError> {
    let survey = survey(path, options.audio)?;
    let streams = [Some(&survey.video), survey.audio.as_ref()].into_iter().flatten().map(|t| t.parameters.clone()).collect();
    let mut mux = TsMux::open(streams, 0)?;
    let begun = Seconds::host_now();
    let start = options.start.unwrap_or_else(|| round_up(begun, survey.period));
    let lag = if options.start.is_some() { begun - start } else { Seconds::ZERO };
    let end = options.duration.map(|d| start + d);
    let period = survey.period;
    let mut report = FeedReport::default();
    let mut outputs = Outputs::open(options, start, stop)?;
    let mut elapsed = Seconds::ZERO;
    let mut player = Player::new(path, &survey, start);
    let sent = loop {
        let unit = match player.next(&mut report) {
            Ok(unit) => unit,
            Err(error) => break Err(error),
        };
        if end.is_some_and(|end| unit.dts >= end) || stop.is_raised() {
            break Ok(());
        }
        if !options.fast && !wait_until(unit.dts + lag, stop) {
            break Ok(());
        }
        let due = (!options.fast).then(|| unit.dts + lag);
        // The first pictures may be decoded before the first is shown.
        elapsed = elapsed.max(unit.dts - start);
        let moment = Moment { elapsed, due, span: period };
        if let Err(error) = write(&mut mux, &survey, unit, &mut report).and_then(|()| outputs.send(&mux.take(), moment)) {
            break Err(error);
        }
    };
    let last = Moment { elapsed, due: None, span: Seconds::ZERO };
    let drained = sent.and_then(|()| mux.finish()).and_then(|()| outputs.send(&mux.take(), last));
    outputs.close(drained, last, &mut report)?;
    Ok(report)
}

fn write(mux: &mut TsMux, survey: &Survey, unit: Unit, report: &mut FeedReport) -> Result<(), FeedError> {
    let mut packet = unit.packet;
    if unit.stream == 0 {
        let micros = unit.pts.and_then(|time| u64::try_from(time.nearest_ticks(1_000_000)).ok());
        match micros.and_then(|micros| stamp(packet.data().unwrap_or_default(), survey.codec, survey.framing, micros)) {
            Some(bytes) => {
                let mut stamped = ffmpeg::Packet::copy(&bytes);
                stamped.set_flags(packet.flags());
                packet = stamped;
            }
            None => report.unstamped += 1,
        }
        report.pictures += 1;
        report.first = report.first.or(unit.pts);
        report.last = report.last.max(unit.pts);
    }
    packet.set_pts(unit.pts.map(|time| time.nearest_ticks(CLOCK)));
    packet.set_dts(Some(unit.dts.nearest_ticks(CLOCK)));
    packet.set_duration(0);
    mux.write(packet, unit.stream)
}

/// A packet with its place in UTC.
struct Unit {
    /// 0 video, 1 sound.
    stream: usize,
    packet: ffmpeg::Packet,
    pts: Option<Seconds>,
    dts: Seconds,
}

/// Plays the file for ever, both streams in the order of their DTS.
struct Player<'a> {
    path: PathBuf,
    survey: &'a Survey,
    input: Option<ffmpeg::format::context::Input>,
    /// UTC of the first picture of this pass.
    base: Seconds,
    /// Whether this pass has reached its first key picture, and how many pictures it has given.
    open: bool,
    given: u64,
    /// Last DTS of each stream.
    last: [Option<Seconds>; 2],
    ready: [VecDeque<Unit>; 2],
}

impl<'a> Player<'a> {
    fn new(path: &Path, survey: &'a Survey, start: Seconds) -> Player<'a> {
        let ready = [VecDeque::new(), VecDeque::new()];
        Player { path: path.to_owned(), survey, input: None, base: start, open: false, given: 0, last: [None; 2], ready }
    }

    fn next(&mut self, report: &mut FeedReport) -> Result<Unit, FeedError> {
        while self.ready[0].is_empty() || (self.survey.audio.is_some() && self.ready[1].is_empty() && self.ready[0].len() < AHEAD) {
            self.read(report)?;
        }
        let sound_first = match (self.ready[0].front(), self.ready[1].front()) {
            (Some(video), Some(sound)) => sound.dts < video.dts,
            _ => false,
        };
        self.ready[usize::from(sound_first)].pop_front().ok_or_else(|| self.broke("its packets ran out"))
    }

    fn broke(&self, why: &str) -> FeedError {
        FeedError::Input { path: self.path.display().to_string(), why: why.to_owned() }
    }

    /// Reads one packet, or begins the next pass.
    fn read(&mut self, report: &mut FeedReport) -> Result<(), FeedError> {
        if self.input.is_none() {
            let input = ffmpeg::format::input(&self.path);
            self.input = Some(input.map_err(|e| self.broke(&format!("it cannot be opened again ({e}); leave the file as it is while it is played")))?);
            (self.open, self.given) = (false, 0);
        }
        let Some(input) = &mut self.input else { return Ok(()) };
        let found = input.packets().next().map(|(stream, packet)| (stream.index(), packet));
        let Some((index, packet)) = found else {
            if self.given == 0 {
                return Err(self.broke("it has no pictures any more; leave the file as it is while it is played"));
            }
            self.input = None;
            self.base = self.base + self.survey.length;
            report.loops += 1;
            return Ok(());
        };
        let stream = match (&self.survey.audio, index) {
            (_, i) if i == self.survey.video.index => 0,
            (Some(audio), i) if i == audio.index => 1,
            _ => return Ok(()),
        };
        match self.place(stream, packet) {
            // Sound read ahead of its limit is left out, too: the file has no pictures beside it.
            Some(unit) if self.ready[stream].len() < AHEAD => {
                self.given += u64::from(stream == 0);
                self.last[stream] = Some(unit.dts);
                self.ready[stream].push_back(unit);
            }
            _ => report.dropped += 1,
        }
        Ok(())
    }

    /// Where the packet stands in UTC; `None` where it is outside the pass, or its stamps are missing or not in order.
    fn place(&mut self, stream: usize, packet: ffmpeg::Packet) -> Option<Unit> {
        let track = if stream == 0 { &self.survey.video } else { self.survey.audio.as_ref()? };
        let shift = self.base - self.survey.first;
        let pts = track.time(packet.pts());
        let dts = track.time(packet.dts()).or(pts)?;
        let inside = |time: Seconds| time >= self.survey.first && time < self.survey.first + self.survey.length;
        if stream == 0 {
            self.open |= packet.is_key() && pts.is_some_and(inside);
            // Second fields may have no PTS of their own; pictures before the first key picture have nothing to stand on.
            if !self.open || !pts.is_none_or(inside) {
                return None;
            }
        } else {
            let over = track.time(Some(packet.duration())).unwrap_or(Seconds::ZERO);
            pts.filter(|pts| inside(*pts) && *pts + over <= self.survey.first + self.survey.length)?;
        }
        let (pts, dts) = (pts.map(|t| t + shift), dts + shift);
        let tick = Seconds::new(1, i128::from(CLOCK));
        let dts = match self.last[stream] {
            Some(last) if dts < last + tick => last + tick,
            _ => dts,
        };
        pts.is_none_or(|pts| dts <= pts).then_some(Unit { stream, packet, pts, dts })
    }
}

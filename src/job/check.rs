//! Wishes to a job: defaults filled in, every value in its range.

use super::filler::FillerWish;
use super::standby::{Standby, StandbyWishes};
use super::wishes::{LadderWish, PaceWish, SelectWishes, Wishes};
use super::{ClockKind, Extras, Job, Latency, Pace, Pick, Select, Start, Timeline, Window, is_file, outputs};
use crate::capture::may_come_later;
use crate::config::ConfigError;
use crate::decode::filler::Filler;
use crate::decode::slate::{self, Slate, SlateError};
use crate::ladder::{self, Ladder};
use crate::secrets::{as_written, watch, without_secrets};
use crate::time::Seconds;
use std::path::Path;
use std::sync::Arc;

/// The highest rate of a grid, pictures per second (Apple's HLS authoring rules, 1.15).
pub const MAX_RATE: u32 = 60;

/// The most sounds of a job.
pub const MAX_SOUNDS: usize = 16;

/// Values of `limits.memory`, in MiB.
const MEMORY: std::ops::RangeInclusive<u64> = 64..=1 << 22;

/// The latest instant of an anchor, 3000-01-01T00:00:00Z in seconds: times in every timescale then stay below 2^53.
const LAST_INSTANT: i64 = 32_503_680_000;

impl Wishes {
    /// The job that these wishes make. `file` (the job file, or "arguments") goes into errors. Reads the ladder and the filler, nothing else.
    pub fn check(self, file: &str) -> Result<Job, ConfigError> {
        let no_outputs = self.outputs.as_ref().is_none_or(Vec::is_empty) && self.output.as_ref().is_none_or(Vec::is_empty);
        if no_outputs && self.listen.is_none() && self.inputs.as_ref().is_some_and(|inputs| !inputs.is_empty()) {
            let accepted = "at least one directory or URL (--output) or an address to serve on (--listen)";
            return Err(Check { file }.wrong("outputs", "none", accepted));
        }
        self.check_planned(file)
    }

    /// As [`Wishes::check`], for a job that is not run: it may have no output.
    pub fn check_planned(self, file: &str) -> Result<Job, ConfigError> {
        let check = Check { file };
        let filled = |field: &str, text: String| match super::literal::filled(&text) {
            Ok(mut filled) => Ok(std::mem::take(&mut *filled)),
            Err(why) => Err(check.refused(field, &why)),
        };
        let asked = self.inputs.unwrap_or_default();
        let written = asked.iter().map(|input| as_written(input)).collect();
        let inputs = asked.into_iter().map(|input| filled("inputs", input)).collect::<Result<_, _>>()?;
        let inputs = check.inputs(inputs)?;
        inputs.iter().for_each(|input| watch(input));
        let ladder = match self.ladder {
            Some(LadderWish::Named(wish, base)) => Ladder::load(&wish, &base)?,
            Some(LadderWish::Inline(ladder)) => ladder.check(file, ladder::POINTS).map(|()| ladder)?,
            None => Ladder::load(ladder::DEFAULT, Path::new(""))?,
        };
        let pace = match self.pace.unwrap_or_default() {
            PaceWish::Live => Pace::Live,
            PaceWish::Fast => Pace::Fast,
            PaceWish::Auto if inputs.iter().all(|input| is_file(input)) => Pace::Fast,
            PaceWish::Auto => Pace::Live,
        };
        let span = |value: Option<super::Text<super::Span>>| value.map(|text| text.0.0);
        let duration = span(self.duration).map(|d| check.span("duration", d, milliseconds(1), days(400))).transpose()?;
        if pace == Pace::Fast && duration.is_none() && inputs.iter().any(|input| input.starts_with("testsrc:") && !input.contains("duration=")) {
            return Err(check.wrong("duration", "none", "a span (30s, 2m): testsrc: at pace fast never ends by itself"));
        }
        let mut standby = self.standby;
        standby.input = standby.input.map(|input| filled("standby.input", input)).transpose()?;
        standby.input.iter().for_each(|input| watch(input));
        let standby = check.standby(&standby, pace)?;
        let anchor_of_standby = standby.as_ref().and_then(|standby| standby.anchor);
        let input_timeout = span(self.input_timeout).map(|t| check.span("input_timeout", t, milliseconds(100), days(400))).transpose()?;
        let segment = check.span("segment", span(self.segment).unwrap_or(Seconds::whole(2)), milliseconds(200), Seconds::whole(30))?;
        let latency = self.latency.unwrap_or_default();
        // One picture at the highest rate, rounded down.
        let low_chunk = (latency == Latency::Low).then(|| milliseconds(200).min(segment));
        let chunk = span(self.chunk).or(low_chunk).map(|c| check.span("chunk", c, milliseconds(16), segment)).transpose()?;
        let window = match (self.window.map(|text| text.0), pace) {
            (Some(Window::Last(span)), _) => Window::Last(check.span("window", span, segment.times(3), days(400))?),
            (Some(Window::Whole), _) | (None, Pace::Fast) => Window::Whole,
            (None, Pace::Live) => Window::Last(Seconds::whole(120).max(segment.times(3))),
        };
        let outputs = outputs::check(&check, self.outputs.unwrap_or_default(), self.output.unwrap_or_default(), window)?;
        let publish_delay = check.span(
            "publish_delay",
            span(self.publish_delay).unwrap_or(if latency == Latency::Low { Seconds::whole(1) } else { Seconds::whole(6) }),
            Seconds::ZERO,
            Seconds::whole(3600),
        )?;
        let rate = self.rate.map(|text| text.0);
        if let Some(rate) = rate.filter(|r| r.num() > MAX_RATE * r.den()) {
            return Err(check.wrong("rate", rate, format!("1 to {MAX_RATE} pictures a second (25, 30000/1001)")));
        }
        let select = check.select(self.select)?;
        let wished = self.timeline;
        let timeline = Timeline {
            clock: wished.clock.unwrap_or(ClockKind::Auto),
            anchor: wished.anchor.map(|text| text.0),
            phase: check.span("timeline.phase", span(wished.phase).unwrap_or(Seconds::ZERO), Seconds::whole(-1), Seconds::whole(1))?,
            stamp_offset: check.span("timeline.stamp_offset", span(wished.stamp_offset).unwrap_or(Seconds::ZERO), days(-1), days(1))?,
            hold: check.span("timeline.hold", span(wished.hold).unwrap_or(Seconds::whole(1)), Seconds::ZERO, Seconds::whole(3600))?,
            max_gap: check.span("timeline.max_gap", span(wished.max_gap).unwrap_or(Seconds::whole(60)), Seconds::ZERO, days(1))?,
            filler: check.filler(wished.filler.map(|text| text.0))?,
            start: check.start(wished.start.unwrap_or_default(), &inputs, pace)?,
        };
        check.timeline(&timeline)?;
        if anchor_of_standby.is_some() {
            check.timeline(&Timeline { anchor: anchor_of_standby, ..timeline.clone() })?;
        }
        if let Some(anchor) = timeline.anchor.filter(|_| standby.is_some() && anchor_of_standby.is_none()) {
            let accepted = "standby.anchor beside it (the second feed's clock is another, and would be placed somewhere else), or timeline.clock = \"sei\" without anchors";
            return Err(check.wrong("timeline.anchor", format!("{}={} with a standby", anchor.source, anchor.utc), accepted));
        }
        let source = self.source.facts(&select).map_err(|(field, value, accepted)| check.wrong(field, value, accepted))?;
        let path_window = check.span("path_window", span(self.path_window).unwrap_or(milliseconds(80)), Seconds::ZERO, Seconds::whole(2))?;
        let decode = self.decode.map(|text| text.0).unwrap_or_default();
        let memory = self.limits.memory.map(|mib| check.memory(mib)).transpose()?;
        let listen = self.listen.map(|text| text.0.0);
        let protection = check.protection(self.protection.unwrap_or_default(), &outputs, listen.is_some())?;
        Ok(Job {
            written,
            inputs,
            path_window,
            ladder,
            outputs,
            listen,
            require_capacity: self.limits.require_capacity.unwrap_or(false),
            overload: self.limits.overload.unwrap_or_default(),
            memory,
            shard: self.shard.map(|text| text.0).unwrap_or_default(),
            edits: self.edits,
            pace,
            duration,
            input_timeout,
            standby,
            timeline,
            segment,
            chunk,
            window,
            publish_delay,
            select,
            rate,
            decode,
            protection,
            latency,
            prft: self.prft.unwrap_or_default(),
            serving: check.serving(self.serve)?,
            extras: Extras { session: self.session_data.check(file)?, thumbnails: self.thumbnails.unwrap_or(false) },
            source,
        })
    }
}

fn days(n: i64) -> Seconds {
    Seconds::whole(n * 86_400)
}

fn milliseconds(n: i128) -> Seconds {
    Seconds::new(n, 1000)
}

/// The largest denominator of a span. With [`MAX_COMMON`] it keeps sums of these times, any time base and any rate within the 128 bits of a [`Seconds`].
const MAX_DENOMINATOR: i128 = 1_000_000;
/// The largest common denominator of the times that are added to every picture's.
const MAX_COMMON: i128 = 1_000_000_000;

/// The least common denominator of `times`, where it is at most [`MAX_COMMON`].
fn common_denominator(times: [Seconds; 4]) -> Option<i128> {
    let gcd = |a: i128, b: i128| std::iter::successors(Some((a, b)), |(a, b)| (*b != 0).then(|| (*b, a % b))).last().map_or(1, |(a, _)| a);
    times.into_iter().map(|time| time.fraction().1).try_fold(1, |common, den| {
        let lcm = (den <= MAX_COMMON).then(|| common / gcd(common, den) * den);
        lcm.filter(|lcm| *lcm <= MAX_COMMON)
    })
}

/// Whether an input can be one of two paths: a transport stream as it is, not pictures, and not a protocol with containers of its own.
fn is_path(input: &str) -> bool {
    is_file(input) || input == "-" || ["udp://", "rtp://", "srt://", "rist://", "tcp://", "file:"].iter().any(|scheme| input.starts_with(scheme))
}

pub(super) struct Check<'a> {
    pub(super) file: &'a str,
}

impl Check<'_> {
    pub(super) fn wrong(&self, field: &str, value: impl ToString, accepted: impl Into<String>) -> ConfigError {
        ConfigError::Value { what: "job", file: self.file.to_owned(), field: field.to_owned(), value: value.to_string(), accepted: accepted.into() }
    }

    /// As [`Check::wrong`], of what is told as "VALUE; accepted: WHAT".
    pub(super) fn refused(&self, field: &str, why: &str) -> ConfigError {
        let (value, accepted) = why.split_once("; accepted: ").unwrap_or((why, "another"));
        self.wrong(field, value, accepted)
    }

    fn memory(&self, mib: u64) -> Result<u64, ConfigError> {
        if MEMORY.contains(&mib) { Ok(mib << 20) } else { Err(self.wrong("limits.memory", mib, format!("{} to {} MiB", MEMORY.start(), MEMORY.end()))) }
    }

    pub(super) fn span(&self, field: &str, value: Seconds, least: Seconds, most: Seconds) -> Result<Seconds, ConfigError> {
        let (num, den) = value.fraction();
        if den > MAX_DENOMINATOR {
            return Err(self.wrong(field, format!("{num}/{den} s"), format!("whole microseconds, or a fraction with a denominator up to {MAX_DENOMINATOR}")));
        }
        if value < least || value > most {
            return Err(self.wrong(field, format!("{value} s"), format!("{least} s to {most} s")));
        }
        Ok(value)
    }

    fn select(&self, wishes: SelectWishes) -> Result<Select, ConfigError> {
        let audio = wishes.audio.unwrap_or_default().0;
        let no_audio = wishes.no_audio.unwrap_or(false);
        if let Some(first) = audio.first().filter(|_| no_audio) {
            return Err(self.wrong("select.audio", first, "none beside select.no_audio = true"));
        }
        if audio.len() > MAX_SOUNDS {
            return Err(self.wrong("select.audio", format!("{} of them", audio.len()), format!("up to {MAX_SOUNDS}")));
        }
        for (i, one) in audio.iter().enumerate() {
            let named = matches!(one.pick, Pick::Index(_) | Pick::Pid(_));
            if named && audio.iter().take(i).any(|other| other.pick == one.pick) {
                return Err(self.wrong("select.audio", format!("{} twice", one.pick), "each stream once"));
            }
            let label = |pick: &super::AudioPick| pick.label.clone();
            if one.label.is_some() && audio.iter().take(i).any(|other| label(other) == label(one)) {
                let shown = one.label.as_deref().unwrap_or_default();
                return Err(self.wrong("select.audio", format!("label \"{shown}\" twice"), "a label of its own for each"));
            }
        }
        let program = wishes.program.map(|text| text.0);
        Ok(Select { program, video: wishes.video.map(|text| text.0.0), audio, no_audio, kept_video: None })
    }

    fn inputs(&self, inputs: Vec<String>) -> Result<Vec<String>, ConfigError> {
        let accepted = "one: a file, - (stdin), a URL (udp://ADDRESS:PORT, rtp, srt, rist, tcp, rtmp, rtsp, http, https), gst:PIPELINE, or testsrc:OPTIONS (--input, or inputs in the job file); \
                        or two paths of one feed, each of them udp, rtp, srt, rist, tcp, -, a pipe or a file, with MPEG-TS";
        if let Some(input) = inputs.iter().find(|input| input.trim().is_empty() || input.contains('\0')) {
            return Err(self.wrong("inputs", format!("{:?}", without_secrets(input)), accepted));
        }
        let wrong = match inputs.as_slice() {
            [] => Some("none".to_owned()),
            [one, other] if one == other => Some(format!("{:?} twice", without_secrets(one))),
            [one, other] => [one, other].into_iter().find(|input| !is_path(input)).map(|input| format!("{:?} as one of two", without_secrets(input))),
            [_] => None,
            [..] => Some(format!("{} of them", inputs.len())),
        };
        wrong.map_or(Ok(inputs), |value| Err(self.wrong("inputs", value, accepted)))
    }

    fn standby(&self, wishes: &StandbyWishes, pace: Pace) -> Result<Option<Standby>, ConfigError> {
        let Some(input) = wishes.input.clone() else {
            let alone = (*wishes != StandbyWishes::default()).then(|| self.wrong("standby", "without input", "input = the second feed, beside its conditions"));
            return alone.map_or(Ok(None), Err);
        };
        if input.trim().is_empty() || input.contains('\0') {
            return Err(self.wrong("standby.input", format!("{:?}", without_secrets(&input)), "a file, or a URL as of inputs"));
        }
        if pace == Pace::Fast {
            return Err(self.wrong(
                "standby.input",
                format!("{:?} with pace = \"fast\"", without_secrets(&input)),
                "pace = \"live\": which feed is late shows in real time only",
            ));
        }
        let conditions = wishes.conditions();
        self.span("standby.loss", conditions.loss, milliseconds(40), Seconds::TEN)?;
        let waits = [
            ("invalid", conditions.invalid),
            ("black", conditions.black),
            ("frozen", conditions.frozen),
            ("silence", conditions.silence),
            ("back", conditions.back),
        ];
        for (name, wait) in waits.into_iter().filter_map(|(name, wait)| wait.map(|wait| (name, wait))) {
            self.span(&format!("standby.{name}"), wait, milliseconds(40), days(1))?;
        }
        Ok(Some(Standby { input, anchor: wishes.anchor.as_ref().map(|text| text.0), conditions }))
    }

    fn start(&self, start: Start, inputs: &[String], pace: Pace) -> Result<Start, ConfigError> {
        let odd = inputs.iter().find(|input| !may_come_later(input));
        let value = match odd {
            _ if start == Start::FirstPicture => return Ok(start),
            Some(input) => format!("\"now\" with input {:?}", without_secrets(input)),
            None if pace == Pace::Fast => "\"now\" with pace = \"fast\"".to_owned(),
            None => return Ok(start),
        };
        Err(self.wrong("timeline.start", value, "\"now\" for live inputs with a URL (udp, rtp, srt, rist, tcp, rtmp, rtsp, http); else \"first-picture\""))
    }

    /// Reads the picture, where one is named.
    fn filler(&self, wish: Option<FillerWish>) -> Result<Filler, ConfigError> {
        let Some(FillerWish::Picture(path)) = wish else { return Ok(Filler::Black) };
        let read = |e: SlateError| ConfigError::Read { what: "filler", file: e.file.display().to_string(), why: format!("{}; {}", e.why, slate::ACCEPTED) };
        Slate::read(&path).map(|slate| Filler::Picture(Arc::new(slate))).map_err(read)
    }

    fn timeline(&self, timeline: &Timeline) -> Result<(), ConfigError> {
        if timeline.hold > timeline.max_gap {
            let value = format!("{} s", timeline.hold);
            return Err(self.wrong("timeline.hold", value, format!("up to timeline.max_gap ({} s)", timeline.max_gap)));
        }
        let Some(anchor) = timeline.anchor else { return Ok(()) };
        let shown = format!("{}={}", anchor.source, anchor.utc);
        if anchor.utc < Seconds::ZERO || anchor.utc > Seconds::whole(LAST_INSTANT) {
            return Err(self.wrong("timeline.anchor", shown, "SECONDS=UTC with a UTC from 1970 to 3000"));
        }
        if common_denominator([timeline.phase, timeline.stamp_offset, anchor.source, anchor.utc]).is_none() {
            let exact = format!("{:?}={:?} beside phase {:?} and stamp_offset {:?}", anchor.source, anchor.utc, timeline.phase, timeline.stamp_offset);
            return Err(self.wrong("timeline.anchor", exact, format!("times with a common denominator up to {MAX_COMMON} (whole nanoseconds)")));
        }
        if matches!(timeline.clock, ClockKind::Arrival | ClockKind::Sei) {
            return Err(self.wrong("timeline.anchor", shown, "none beside timeline.clock = sei or arrival, which bring UTC; or timeline.clock = pts or auto"));
        }
        Ok(())
    }
}

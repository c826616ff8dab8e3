//! What was asked for: a job file, or flags, or flags over a file. Nothing is decided yet.

use super::audio::AudioWishes;
use super::extras::SessionWishes;
use super::filler::FillerWish;
use super::outputs::OutputWish;
use super::protection::ProtectionWishes;
use super::select::{ProgramPick, VideoPick};
use super::serving::ServingWishes;
use super::source::SourceWishes;
use super::standby::StandbyWishes;
use super::value::{Listen, Span, Text};
use super::{Anchor, ClockKind, DecodeOn, Latency, Overload, Prft, Start, Window};
use crate::config::{self, ConfigError};
use crate::ladder::Ladder;
use crate::shard::Shard;
use crate::time::Rate;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// A job as written. Every field may be absent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// Where the feed comes from: a path, `-`, `udp://…`, `testsrc:…`.
    pub inputs: Option<Vec<String>>,
    /// A second feed of the same programme.
    #[serde(default)]
    pub standby: StandbyWishes,
    /// How long one path is waited for where the other one lost something.
    pub path_window: Option<Text<Span>>,
    /// The name of a built-in ladder, a path relative to the job file, or the ladder itself as a table.
    pub ladder: Option<LadderWish>,
    /// Where to publish: directories and URLs.
    pub outputs: Option<Vec<PathBuf>>,
    /// Where to publish, each with its options.
    pub output: Option<Vec<OutputWish>>,
    /// Where to serve.
    pub listen: Option<Text<Listen>>,
    /// "I/N": which part of the plan this worker makes.
    pub shard: Option<Text<Shard>>,
    /// Where edits by the API are kept.
    pub edits: Option<PathBuf>,
    /// How inputs are consumed.
    pub pace: Option<PaceWish>,
    /// The event ends after this long.
    pub duration: Option<Text<Span>>,
    /// How long the feed may show nothing.
    pub input_timeout: Option<Text<Span>>,
    /// Nominal segment duration.
    pub segment: Option<Text<Span>>,
    /// Split segments into chunks of this length.
    pub chunk: Option<Text<Span>>,
    /// "whole", or a span.
    pub window: Option<Text<Window>>,
    /// Number k is due at the end of its slot plus this.
    pub publish_delay: Option<Text<Span>>,
    /// Rate of the grid.
    pub rate: Option<Text<Rate>>,
    /// "auto", "software", or a device.
    pub decode: Option<Text<DecodeOn>>,
    /// "normal" or "low".
    pub latency: Option<Latency>,
    /// "segment" or "chunk".
    pub prft: Option<Prft>,
    /// How source time becomes UTC.
    #[serde(default)]
    pub timeline: TimelineWishes,
    /// Which streams of the input are used.
    #[serde(default)]
    pub select: SelectWishes,
    /// How outputs are protected.
    pub protection: Option<ProtectionWishes>,
    /// How what is listened on is served.
    #[serde(default)]
    pub serve: ServingWishes,
    /// Tiled pictures for the seek bar.
    pub thumbnails: Option<bool>,
    /// What the multivariant playlist says of the event.
    #[serde(default)]
    pub session_data: SessionWishes,
    /// What the source is.
    #[serde(default)]
    pub source: SourceWishes,
    /// What the worker takes of its machine.
    #[serde(default)]
    pub limits: LimitWishes,
}

/// `[limits]` as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitWishes {
    /// Do not start at pace live on a machine that was measured not to hold the plan.
    pub require_capacity: Option<bool>,
    /// What happens where the machine is too small.
    pub overload: Option<Overload>,
    /// MiB that the worker may take.
    pub memory: Option<u64>,
}

/// `[timeline]` as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineWishes {
    /// Which clock.
    pub clock: Option<ClockKind>,
    /// "SECONDS=UTC".
    pub anchor: Option<Text<Anchor>>,
    /// Added to every picture's time.
    pub phase: Option<Text<Span>>,
    /// Added to every SEI stamp.
    pub stamp_offset: Option<Text<Span>>,
    /// A gap repeats the last picture for this long.
    pub hold: Option<Text<Span>>,
    /// A gap longer than this is not filled.
    pub max_gap: Option<Text<Span>>,
    /// "black", or the path of a picture, relative to the job file.
    pub filler: Option<Text<FillerWish>>,
    /// When the event begins.
    pub start: Option<Start>,
}

/// `[select]` as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectWishes {
    /// The programme, by number or name.
    pub program: Option<Text<ProgramPick>>,
    /// The video stream, by index or PID.
    pub video: Option<Text<VideoPick>>,
    /// The sounds, each by index, PID or language.
    pub audio: Option<AudioWishes>,
    /// No sound at all.
    pub no_audio: Option<bool>,
}

/// `pace` as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PaceWish {
    /// Fast for a file, else live
    #[default]
    Auto,
    /// Inputs are consumed at their own rate; a late rung leaves out whole GOPs
    Live,
    /// As fast as the machine can; nothing is ever dropped
    Fast,
}

/// `ladder` as written.
#[derive(Clone, Debug, PartialEq)]
pub enum LadderWish {
    /// A built-in name or a path, and the folder that a relative path starts at.
    Named(String, PathBuf),
    /// The ladder itself.
    Inline(Ladder),
}

impl<'de> Deserialize<'de> for LadderWish {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<LadderWish, D::Error> {
        struct Written;
        impl<'de> serde::de::Visitor<'de> for Written {
            type Value = LadderWish;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a built-in ladder, the path of a ladder file, or a table with name, video and audio")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LadderWish, E> {
                Ok(LadderWish::Named(text.to_owned(), PathBuf::new()))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<LadderWish, A::Error> {
                Ladder::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(LadderWish::Inline)
            }
        }
        d.deserialize_any(Written)
    }
}

impl Wishes {
    /// Reads a job file, TOML or JSON. A secret that stands in it as it is, is refused.
    pub fn read(path: &Path) -> Result<Wishes, ConfigError> {
        let (file, text) = (path.display().to_string(), config::read("job", path)?);
        let mut wishes: Wishes = config::parse("job", &file, &text)?;
        wishes.refuse_literals(&file, &text)?;
        if let Some(LadderWish::Named(_, base)) = &mut wishes.ladder {
            *base = path.parent().unwrap_or(Path::new("")).to_owned();
        }
        let base = path.parent().unwrap_or(Path::new(""));
        wishes.edits = wishes.edits.map(|file| base.join(file));
        wishes.timeline.filler = wishes.timeline.filler.map(|filler| Text(filler.0.from(base)));
        Ok(wishes)
    }

    /// These wishes, and those of `below` where these have none.
    pub fn over(self, below: Wishes) -> Wishes {
        Wishes {
            inputs: self.inputs.or(below.inputs),
            standby: self.standby.over(below.standby),
            path_window: self.path_window.or(below.path_window),
            ladder: self.ladder.or(below.ladder),
            // A flag means all that is written in the file, in both ways.
            output: if self.outputs.is_some() { self.output } else { self.output.or(below.output) },
            outputs: self.outputs.or(below.outputs),
            listen: self.listen.or(below.listen),
            shard: self.shard.or(below.shard),
            edits: self.edits.or(below.edits),
            pace: self.pace.or(below.pace),
            duration: self.duration.or(below.duration),
            input_timeout: self.input_timeout.or(below.input_timeout),
            segment: self.segment.or(below.segment),
            chunk: self.chunk.or(below.chunk),
            window: self.window.or(below.window),
            publish_delay: self.publish_delay.or(below.publish_delay),
            rate: self.rate.or(below.rate),
            decode: self.decode.or(below.decode),
            latency: self.latency.or(below.latency),
            prft: self.prft.or(below.prft),
            timeline: self.timeline.over(below.timeline),
            select: self.select.over(below.select),
            protection: self.protection.or(below.protection),
            serve: self.serve.over(below.serve),
            thumbnails: self.thumbnails.or(below.thumbnails),
            session_data: self.session_data.over(below.session_data),
            source: self.source.over(below.source),
            limits: LimitWishes {
                require_capacity: self.limits.require_capacity.or(below.limits.require_capacity),
                overload: self.limits.overload.or(below.limits.overload),
                memory: self.limits.memory.or(below.limits.memory),
            },
        }
    }
}

impl TimelineWishes {
    fn over(self, below: TimelineWishes) -> TimelineWishes {
        TimelineWishes {
            clock: self.clock.or(below.clock),
            anchor: self.anchor.or(below.anchor),
            phase: self.phase.or(below.phase),
            stamp_offset: self.stamp_offset.or(below.stamp_offset),
            hold: self.hold.or(below.hold),
            max_gap: self.max_gap.or(below.max_gap),
            filler: self.filler.or(below.filler),
            start: self.start.or(below.start),
        }
    }
}

impl SelectWishes {
    /// Sound is one wish: a stream asked for here answers a `no_audio` below, and the other way round.
    fn over(self, below: SelectWishes) -> SelectWishes {
        let sound = if self.audio.is_some() || self.no_audio.is_some() { (self.audio, self.no_audio) } else { (below.audio, below.no_audio) };
        SelectWishes { program: self.program.or(below.program), video: self.video.or(below.video), audio: sound.0, no_audio: sound.1 }
    }
}

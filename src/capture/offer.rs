//! What an input has: its programmes and streams, in words and in numbers.

use crate::ffmpeg::{codec_facts, programs};
use crate::job::StreamRef;
use crate::language;
use crate::role::Role;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::media::Type;
use serde::Serialize;
use std::fmt;

/// The most streams that are listed in an error.
const MOST_LISTED: usize = 64;

/// What kind of stream it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Anything else.
    Other,
}

/// A stream of an input.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Offered {
    /// Its place among all streams.
    pub index: usize,
    /// Its PID, in a transport stream.
    pub pid: Option<i32>,
    /// What kind it is.
    pub kind: Medium,
    /// Its codec, as libav calls it.
    pub codec: String,
    /// Pixels across and lines; absent where nothing of it has come.
    pub size: Option<(u32, u32)>,
    /// Channels; absent where nothing of it has come.
    pub channels: Option<u32>,
    /// Samples a second; absent where nothing of it has come.
    pub sample_rate: Option<u32>,
    /// ISO 639-2 language, where the container says.
    pub language: Option<String>,
    /// What it is for, where the container says.
    pub role: Option<Role>,
    /// The container would play it where nobody chooses.
    #[serde(skip)]
    pub default: bool,
    /// A picture that stands still (cover art).
    #[serde(skip)]
    pub still: bool,
    /// There is a decoder for it.
    #[serde(skip)]
    pub decoder: bool,
}

/// A programme of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Programme {
    /// Its number.
    pub number: i32,
    /// The name of its service, where that is known.
    pub name: Option<String>,
    /// Indices of its streams, in the order of its map.
    pub streams: Vec<usize>,
}

/// Everything that an input has.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Offer {
    /// Programmes, rising; none in containers without any.
    pub programs: Vec<Programme>,
    /// Streams.
    pub streams: Vec<Offered>,
}

impl Offered {
    /// A decoder is there, and what it needs is known.
    pub fn decodable(&self) -> bool {
        let known = match self.kind {
            Medium::Video => self.size.is_some(),
            Medium::Audio => self.sample_rate.is_some(),
            Medium::Other => false,
        };
        known && self.decoder
    }

    /// Pixels of a picture.
    pub fn area(&self) -> u64 {
        self.size.map_or(0, |(width, height)| u64::from(width) * u64::from(height))
    }

    /// How it is found again.
    pub fn reference(&self) -> StreamRef {
        self.pid.map_or(StreamRef::Index(self.index), StreamRef::Pid)
    }
}

impl Offer {
    /// Of an input of libav, as it is now.
    pub fn of(input: &Input) -> Offer {
        let transport = input.format().name() == "mpegts";
        let mut programs: Vec<Programme> =
            programs(input).into_iter().map(|p| Programme { number: p.id, name: p.name, streams: p.streams }).filter(|p| !p.streams.is_empty()).collect();
        programs.sort_by_key(|p| p.number);
        Offer { programs, streams: input.streams().map(|stream| offered(&stream, transport)).collect() }
    }

    /// The stream of that index.
    pub fn stream(&self, index: usize) -> Option<&Offered> {
        self.streams.iter().find(|s| s.index == index)
    }

    /// The first programme that has this stream.
    pub fn program_of(&self, index: usize) -> Option<&Programme> {
        self.programs.iter().find(|p| p.streams.contains(&index))
    }
}

/// A language that a container names, where it is one: the first of several (two channels of different languages).
pub fn said_language(metadata: Option<&str>) -> Option<String> {
    metadata.and_then(|all| all.split(',').next()).map(str::to_lowercase).filter(|code| language::is_legal(code) && language::tag(code).is_some())
}

fn offered(stream: &ffmpeg::Stream<'_>, transport: bool) -> Offered {
    let parameters = stream.parameters();
    let facts = codec_facts(&parameters);
    let kind = match parameters.medium() {
        Type::Video => Medium::Video,
        Type::Audio => Medium::Audio,
        _ => Medium::Other,
    };
    let positive = |n: i32| u32::try_from(n).ok().filter(|n| *n > 0);
    let disposition = stream.disposition();
    Offered {
        index: stream.index(),
        pid: transport.then(|| stream.id()),
        kind,
        codec: parameters.id().name().to_owned(),
        size: positive(facts.width).zip(positive(facts.height)),
        channels: positive(facts.channels),
        sample_rate: positive(facts.sample_rate),
        language: said_language(stream.metadata().get("language")),
        role: if kind == Medium::Audio { role(disposition) } else { None },
        default: disposition.contains(Disposition::DEFAULT),
        still: disposition.contains(Disposition::ATTACHED_PIC),
        decoder: ffmpeg::decoder::find(parameters.id()).is_some(),
    }
}

/// What a container says that a sound is for.
fn role(disposition: Disposition) -> Option<Role> {
    [
        (Disposition::VISUAL_IMPAIRED | Disposition::DESCRIPTIONS, Role::Description),
        (Disposition::HEARING_IMPAIRED, Role::EnhancedAudioIntelligibility),
        (Disposition::COMMENT, Role::Commentary),
        (Disposition::DUB, Role::Dub),
        (Disposition::KARAOKE, Role::Karaoke),
        (Disposition::CLEAN_EFFECTS, Role::Supplementary),
    ]
    .into_iter()
    .find_map(|(flags, role)| disposition.intersects(flags).then_some(role))
}

impl fmt::Display for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = ["video", "audio", ""][self.kind as usize];
        write!(f, "{}", self.index)?;
        self.pid.iter().try_for_each(|pid| write!(f, " pid {pid:#x}"))?;
        [kind, &self.codec].iter().filter(|word| !word.is_empty()).try_for_each(|word| write!(f, " {word}"))?;
        if self.kind == Medium::Video {
            self.size.iter().try_for_each(|(width, height)| write!(f, " {width}x{height}"))?;
        }
        self.sample_rate.iter().try_for_each(|rate| write!(f, " {rate} Hz"))?;
        self.channels.iter().try_for_each(|channels| write!(f, " {channels} ch"))?;
        self.language.iter().try_for_each(|language| write!(f, " {language}"))?;
        self.role.iter().try_for_each(|role| write!(f, " {role}"))
    }
}

impl fmt::Display for Programme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        self.name.iter().try_for_each(|name| write!(f, " \"{}\"", name.escape_debug()))
    }
}

/// In one line: each programme with its streams, then those of none.
impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |streams: &mut dyn Iterator<Item = &Offered>| {
            let words: Vec<String> = streams.take(MOST_LISTED).map(Offered::to_string).collect();
            if words.is_empty() { "none".to_owned() } else { words.join(", ") }
        };
        if self.programs.is_empty() {
            return write!(f, "streams: {}", of(&mut self.streams.iter()));
        }
        let mut parts: Vec<String> = Vec::new();
        for program in self.programs.iter().take(MOST_LISTED) {
            parts.push(format!("programme {program}: {}", of(&mut program.streams.iter().filter_map(|&index| self.stream(index)))));
        }
        let mut stray = self.streams.iter().filter(|s| self.program_of(s.index).is_none()).peekable();
        if stray.peek().is_some() {
            parts.push(format!("no programme: {}", of(&mut stray)));
        }
        f.write_str(&parts.join("; "))
    }
}

//! Which streams of an input are asked for, as people write it.

use crate::language;
use crate::role::Role;
use std::fmt;
use std::str::FromStr;

/// Which streams of the input are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// The programme; that of the best video where absent.
    pub program: Option<ProgramPick>,
    /// The video stream; the best of the programme where absent.
    pub video: Option<Pick>,
    /// The sounds, each a track of its own; the best one of the programme where there is none.
    pub audio: Vec<AudioPick>,
    /// No sound at all.
    pub no_audio: bool,
    /// The video that an earlier life of this job chose: taken again where it is still there, if the job does not name one.
    pub kept_video: Option<StreamRef>,
}

/// A programme of a transport stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramPick {
    /// By its number.
    Number(i32),
    /// By the name of its service.
    Name(String),
}

/// How a stream is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The best that is not taken.
    Auto,
    /// Its place among all streams of the input, from 0.
    Index(usize),
    /// Its PID in a transport stream.
    Pid(i32),
    /// Its language, a code of ISO 639 or a tag.
    Language(String),
}

/// A stream, as it is found again: by its PID in a transport stream, by its place elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamRef {
    /// PID.
    Pid(i32),
    /// Place among all streams.
    Index(usize),
}

/// A sound that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioPick {
    /// Which stream.
    pub pick: Pick,
    /// What to call it; from its language and role where absent.
    pub label: Option<String>,
    /// What it is for; what the feed says where absent.
    pub role: Option<Role>,
    /// The language to publish; what the feed says where absent.
    pub language: Option<String>,
    /// Where the feed does not have it yet, its track is silent until it comes.
    pub optional: bool,
    /// The stream that an earlier life of this job chose for it.
    pub kept: Option<StreamRef>,
}

/// PIDs of streams (ISO/IEC 13818-1, table 2-3).
const PIDS: std::ops::RangeInclusive<i32> = 0x10..=0x1FFE;
/// The longest label, in characters.
pub const MAX_LABEL: usize = 64;

/// What a pick of sound may be.
pub const AUDIO_ACCEPTED: &str =
    "auto, INDEX, pid:PID or a language (eng, pt-BR), with a ? behind it where it may come later, then perhaps ,label=…,role=…,language=…";

impl AudioPick {
    /// A pick and nothing else.
    pub fn of(pick: Pick) -> AudioPick {
        AudioPick { pick, label: None, role: None, language: None, optional: false, kept: None }
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pick::Auto => f.write_str("auto"),
            Pick::Index(index) => write!(f, "{index}"),
            Pick::Pid(pid) => write!(f, "pid:{pid:#x}"),
            Pick::Language(language) => f.write_str(language),
        }
    }
}

impl fmt::Display for AudioPick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.pick, if self.optional { "?" } else { "" })?;
        self.label.iter().try_for_each(|label| write!(f, ",label={label}"))?;
        self.role.iter().try_for_each(|role| write!(f, ",role={role}"))?;
        self.language.iter().try_for_each(|language| write!(f, ",language={language}"))
    }
}

impl fmt::Display for ProgramPick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramPick::Number(number) => write!(f, "{number}"),
            ProgramPick::Name(name) => write!(f, "\"{}\"", name.escape_debug()),
        }
    }
}

impl FromStr for ProgramPick {
    type Err = String;

    /// A number, or a name; `name:` before a name that is a number.
    fn from_str(text: &str) -> Result<ProgramPick, String> {
        let wrong = || format!("\"{}\" is not a programme; accepted: its number (0 to 65535), or the name of its service", text.escape_debug());
        if let Ok(number) = text.parse::<i64>() {
            return i32::try_from(number).ok().filter(|n| (0..=65_535).contains(n)).map(ProgramPick::Number).ok_or_else(wrong);
        }
        let name = text.strip_prefix("name:").unwrap_or(text).trim();
        if name.is_empty() || name.chars().count() > 256 { Err(wrong()) } else { Ok(ProgramPick::Name(name.to_owned())) }
    }
}

/// A PID, decimal or with 0x.
pub fn pid(text: &str) -> Result<i32, String> {
    let number = text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| i32::from_str_radix(hex, 16).ok());
    number.filter(|pid| PIDS.contains(pid)).ok_or_else(|| format!("\"{text}\" is not a PID; accepted: {} to {}, or 0x10 to 0x1ffe", PIDS.start(), PIDS.end()))
}

impl FromStr for Pick {
    type Err = String;

    fn from_str(text: &str) -> Result<Pick, String> {
        match text {
            "auto" => Ok(Pick::Auto),
            _ if text.starts_with("pid:") => pid(&text[4..]).map(Pick::Pid),
            _ if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => text.parse().map(Pick::Index).map_err(|_| format!("\"{text}\" is no index")),
            _ if language::is_legal(text) => Ok(Pick::Language(text.to_owned())),
            _ => Err(format!("\"{}\" is not a stream; accepted: {AUDIO_ACCEPTED}", text.escape_debug())),
        }
    }
}

/// The pick of the video: as that of a sound, but not by language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoPick(pub Pick);

impl FromStr for VideoPick {
    type Err = String;

    fn from_str(text: &str) -> Result<VideoPick, String> {
        match text.parse() {
            Ok(pick @ (Pick::Index(_) | Pick::Pid(_))) => Ok(VideoPick(pick)),
            Err(why) if text.starts_with("pid:") => Err(why),
            _ => Err(format!("\"{}\" is not a video stream; accepted: its INDEX among all streams, or pid:PID", text.escape_debug())),
        }
    }
}

/// A label that can stand in a playlist, a manifest and a terminal.
pub fn label(text: &str) -> Result<String, String> {
    let legal = !text.trim().is_empty() && text.chars().count() <= MAX_LABEL && !text.chars().any(|c| c.is_control() || c == '"');
    if legal {
        Ok(text.trim().to_owned())
    } else {
        Err(format!("\"{}\" is not a label; accepted: 1 to {MAX_LABEL} characters, no quotes", text.escape_debug()))
    }
}

/// A language to publish.
pub fn language_tag(text: &str) -> Result<String, String> {
    if language::is_legal(text) { Ok(text.to_owned()) } else { Err(format!("\"{}\" is not a language; accepted: eng, en, pt-BR", text.escape_debug())) }
}

impl FromStr for AudioPick {
    type Err = String;

    fn from_str(text: &str) -> Result<AudioPick, String> {
        let mut parts = text.split(',');
        let selector = parts.next().unwrap_or_default();
        let bare = selector.strip_suffix('?');
        let mut pick = AudioPick { optional: bare.is_some(), ..AudioPick::of(bare.unwrap_or(selector).parse()?) };
        for part in parts {
            match part.split_once('=') {
                Some(("label", value)) => pick.label = Some(label(value)?),
                Some(("role", value)) => pick.role = Some(value.parse()?),
                Some(("language", value)) => pick.language = Some(language_tag(value)?),
                _ => return Err(format!("\"{}\" says nothing of a sound; accepted: {AUDIO_ACCEPTED}", part.escape_debug())),
            }
        }
        Ok(pick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (text, pick) in [("1", Pick::Index(1)), ("pid:258", Pick::Pid(0x102)), ("pid:0x102", Pick::Pid(0x102)), ("eng", Pick::Language("eng".into()))] {
            assert_eq!(text.parse(), Ok(AudioPick::of(pick)));
        }
        let full: AudioPick = "fra?,label=Fran\u{e7}ais,role=dub,language=fr-CA".parse().expect("legal");
        assert!(full.optional && full.role == Some(Role::Dub) && full.language.as_deref() == Some("fr-CA"));
        assert_eq!(full.to_string().parse(), Ok(full));
        assert_eq!("7".parse(), Ok(ProgramPick::Number(7)));
        assert_eq!("name:7".parse(), Ok(ProgramPick::Name("7".into())));
        assert_eq!("BBC ONE".parse(), Ok(ProgramPick::Name("BBC ONE".into())));
    }

    #[test]
    fn what_is_wrong_is_told_what_would_do() {
        for (text, words) in [("", "INDEX"), ("english", "a language"), ("pid:0x1fff", "0x1ffe"), ("eng,role=singer", "commentary"), ("eng,loud", "label=")] {
            let why = text.parse::<AudioPick>().expect_err(text);
            assert!(why.contains(words) && why.contains("accepted"), "{why}");
        }
        for text in ["65536", "-1", "", "name:"] {
            assert!(text.parse::<ProgramPick>().expect_err(text).contains("accepted: its number"), "{text}");
        }
        assert!("eng".parse::<VideoPick>().expect_err("a language").contains("pid:PID"));
    }
}

//! `select.audio` as a job file writes it: one stream, a list of them, or tables.

use super::Text;
use super::select::{AudioPick, Pick, label, language_tag, pid};
use crate::role::Role;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use std::fmt;
use std::str::FromStr;

/// The sounds that are asked for, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AudioWishes(pub Vec<AudioPick>);

/// A PID as text or as a number.
#[derive(Clone, Copy)]
struct Pid(i32);

impl FromStr for Pid {
    type Err = String;

    fn from_str(text: &str) -> Result<Pid, String> {
        pid(text).map(Pid)
    }
}

/// `[[select.audio]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    index: Option<usize>,
    pid: Option<Text<Pid>>,
    language: Option<String>,
    label: Option<String>,
    role: Option<Role>,
    #[serde(default)]
    optional: bool,
}

impl Table {
    fn pick(self) -> Result<AudioPick, String> {
        let tag = self.language.as_deref().map(language_tag).transpose()?;
        let (pick, language) = match (self.index, self.pid, tag) {
            (Some(_), Some(_), _) => return Err("index and pid name a stream twice; accepted: one of them".to_owned()),
            (Some(index), None, tag) => (Pick::Index(index), tag),
            (None, Some(Text(Pid(pid))), tag) => (Pick::Pid(pid), tag),
            (None, None, Some(tag)) => (Pick::Language(tag), None),
            (None, None, None) => (Pick::Auto, None),
        };
        let label = self.label.as_deref().map(label).transpose()?;
        Ok(AudioPick { label, role: self.role, language, optional: self.optional, ..AudioPick::of(pick) })
    }
}

struct One;

impl<'de> Visitor<'de> for One {
    type Value = AudioPick;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the index of a stream, a text (eng, pid:0x102), or a table with index, pid or language, and perhaps label, role, optional")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<AudioPick, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<AudioPick, E> {
        self.visit_str(&n.to_string())
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<AudioPick, E> {
        self.visit_str(&n.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AudioPick, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(map))?.pick().map_err(A::Error::custom)
    }
}

struct Element(AudioPick);

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Element, D::Error> {
        d.deserialize_any(One).map(Element)
    }
}

impl<'de> Deserialize<'de> for AudioWishes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<AudioWishes, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = AudioWishes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                One.expecting(f)?;
                f.write_str("; or a list of those")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<AudioWishes, E> {
                One.visit_str(text).map(|one| AudioWishes(vec![one]))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<AudioWishes, E> {
                self.visit_str(&n.to_string())
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<AudioWishes, E> {
                self.visit_str(&n.to_string())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AudioWishes, A::Error> {
                One.visit_map(map).map(|one| AudioWishes(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<AudioWishes, A::Error> {
                let mut all = Vec::new();
                while let Some(Element(one)) = seq.next_element()? {
                    all.push(one);
                }
                Ok(AudioWishes(all))
            }
        }
        d.deserialize_any(All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Select {
        audio: AudioWishes,
    }

    fn read(text: &str) -> Result<Vec<String>, String> {
        let select: Select = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        Ok(select.audio.0.iter().map(AudioPick::to_string).collect())
    }

    #[test]
    fn every_way_to_write_it() {
        assert_eq!(read("audio = 2"), Ok(vec!["2".into()]));
        assert_eq!(read("audio = \"pid:258\""), Ok(vec!["pid:0x102".into()]));
        assert_eq!(read("audio = [\"eng\", 3, { language = \"fra\", optional = true }]"), Ok(vec!["eng".into(), "3".into(), "fra?".into()]));
        let tables = "[[audio]]\nlanguage = \"eng\"\nlabel = \"English\"\n[[audio]]\npid = \"0x103\"\nlanguage = \"pt-BR\"\nrole = \"description\"\n[[audio]]\npid = 300";
        assert_eq!(read(tables), Ok(vec!["eng,label=English".into(), "pid:0x103,role=description,language=pt-BR".into(), "pid:0x12c".into()]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("audio = -1", "\"-1\" is not a stream"),
            ("audio = [{ index = 1, pid = 256 }]", "name a stream twice"),
            ("audio = [{ lang = \"eng\" }]", "unknown field `lang`"),
            ("audio = [{ role = \"singer\" }]", "unknown variant `singer`"),
            ("audio = [{ pid = 5 }]", "\"5\" is not a PID"),
            ("audio = true", "a list of those"),
        ] {
            let why = read(text).expect_err(text);
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}

//! The verdict as an HTTP header: `CMSD-Static` (CTA-5006, common media server data), a dictionary of RFC 8941. Two keys are the standard's (object type, duration);
//! the rest are of our own, with a prefix in reverse DNS order and a hyphen as CTA-5006 asks of custom keys. A count of nothing is left out.
//!
//! ```text
//! CMSD-Static: ot=v,d=2000,com.mezzo-class="0123abcd",com.mezzo-sha256="…",com.mezzo-score=97,com.mezzo-units=50,com.mezzo-repeats=1
//! ```

use super::fields::{self, Item, Malformed, Value};
use super::{Shown, Verdict};
use crate::inspect::{Code, RULES};
use crate::mux::marks::MAX_CLASS;
use std::fmt::Write;

/// Name of the header.
pub const NAME: &str = "CMSD-Static";

/// What every key of ours begins with.
const PREFIX: &str = "com.mezzo-";

/// Why a header is not a verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmsdError {
    /// It is no dictionary.
    #[error("CMSD-Static: {0}")]
    Syntax(#[from] Malformed),
    /// A key of ours has a value that it cannot have.
    #[error("CMSD-Static: {key}: {accepted} is accepted")]
    Value {
        /// The key.
        key: String,
        /// What would be accepted.
        accepted: &'static str,
    },
}

/// What travels with a segment as HTTP headers, on a push and from an origin: names and values.
pub fn headers(verdict: &Verdict) -> Vec<(&'static str, String)> {
    let Verdict { marks, findings, over_cap, shown, .. } = verdict;
    let mut text = format!("ot={},d={}", if shown.sound { 'a' } else { 'v' }, shown.millis);
    let mut put = |key: &str, value: std::fmt::Arguments<'_>| write!(text, ",{PREFIX}{key}{value}").expect("writing to a String does not fail");
    put("class", format_args!("={}", fields::quoted(&marks.class)));
    put("sha256", format_args!("=\"{}\"", verdict.hash_text()));
    put("score", format_args!("={}", verdict.score()));
    let counts = [
        ("units", shown.units),
        ("fillers", marks.fillers),
        ("damaged", marks.damaged),
        ("repeats", marks.repeats),
        ("black", shown.black),
        ("frozen", shown.frozen),
        ("silent", shown.silent),
        ("fallback", marks.fallback.into()),
        ("path", marks.path.into()),
    ];
    counts.iter().filter(|(_, count)| *count > 0).for_each(|(key, count)| put(key, format_args!("={count}")));
    if *over_cap {
        put("over-cap", format_args!(""));
    }
    if !findings.is_empty() {
        let names: Vec<&str> = findings.iter().filter_map(|code| RULES.iter().find(|(known, _)| known == code)).map(|(_, name)| *name).collect();
        put("rules", format_args!("=({})", names.join(" ")));
    }
    vec![(NAME, text)]
}

/// Reads a `CMSD-Static` that [`headers`] wrote, whoever sent it. Nothing where it has no key of ours; keys and rules that are not known are left out, for
/// they are of a later version. The score is not taken over: it follows from the rest.
///
/// # Errors
/// It is not a dictionary, or a value is none that its key can have.
pub fn read(text: &str) -> Result<Option<Verdict>, CmsdError> {
    let members = fields::dictionary(text)?;
    let (mut verdict, mut ours) = (Verdict::default(), false);
    for (key, value) in &members {
        let Some(name) = key.strip_prefix(PREFIX) else {
            standard(key, value, &mut verdict.shown);
            continue;
        };
        let wrong = |accepted| CmsdError::Value { key: key.clone(), accepted };
        let (marks, shown) = (&mut verdict.marks, &mut verdict.shown);
        match name {
            "class" => marks.class = string(value).filter(|class| class.len() <= MAX_CLASS).ok_or_else(|| wrong("a string of at most 64 bytes"))?,
            "sha256" => verdict.hash = string(value).as_deref().and_then(hash).ok_or_else(|| wrong("a string of 64 hexadecimal digits"))?,
            "units" => shown.units = count(value).ok_or_else(|| wrong(COUNT))?,
            "fillers" => marks.fillers = count(value).ok_or_else(|| wrong(COUNT))?,
            "damaged" => marks.damaged = count(value).ok_or_else(|| wrong(COUNT))?,
            "repeats" => marks.repeats = count(value).ok_or_else(|| wrong(COUNT))?,
            "black" => shown.black = count(value).ok_or_else(|| wrong(COUNT))?,
            "frozen" => shown.frozen = count(value).ok_or_else(|| wrong(COUNT))?,
            "silent" => shown.silent = count(value).ok_or_else(|| wrong(COUNT))?,
            "fallback" => marks.fallback = count(value).ok_or_else(|| wrong(BYTE))?,
            "path" => marks.path = count(value).ok_or_else(|| wrong(BYTE))?,
            "over-cap" => verdict.over_cap = boolean(value).ok_or_else(|| wrong("a boolean"))?,
            "rules" => verdict.findings = rules(value).ok_or_else(|| wrong("a list of tokens"))?,
            _ => continue,
        }
        ours = true;
    }
    Ok(ours.then_some(verdict))
}

const COUNT: &str = "a whole number below 2^32";
const BYTE: &str = "a whole number up to 255";

fn standard(key: &str, value: &Value, shown: &mut Shown) {
    match (key, value) {
        ("ot", Value::Item(Item::Token(kind))) => shown.sound = kind == "a",
        ("d", value) => shown.millis = count(value).unwrap_or(0),
        _ => {}
    }
}

fn string(value: &Value) -> Option<String> {
    if let Value::Item(Item::String(text)) = value { Some(text.clone()) } else { None }
}

fn count<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    if let Value::Item(Item::Integer(n)) = value { T::try_from(*n).ok() } else { None }
}

fn boolean(value: &Value) -> Option<bool> {
    if let Value::Item(Item::Boolean(is)) = value { Some(*is) } else { None }
}

fn rules(value: &Value) -> Option<Vec<Code>> {
    let Value::List(items) = value else { return None };
    let names: Option<Vec<&str>> = items.iter().map(|item| if let Item::Token(name) = item { Some(name.as_str()) } else { None }).collect();
    Some(names?.iter().filter_map(|name| RULES.iter().find(|(_, known)| known == name)).map(|(code, _)| *code).collect())
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    bytes.try_into().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mux::Marks;
    use proptest::prelude::*;

    /// Any verdict whose class is printable.
    pub fn verdicts() -> impl Strategy<Value = Verdict> {
        let small = || prop_oneof![Just(0u32), 0u32..100, any::<u32>()];
        let marks = ("[ -~]{0,64}", small(), small(), small(), any::<u8>(), any::<u8>()).prop_map(|(class, repeats, fillers, damaged, fallback, path)| Marks {
            class,
            repeats,
            fillers,
            damaged,
            fallback,
            path,
        });
        let shown = (any::<bool>(), small(), small(), small(), small(), small()).prop_map(|(sound, millis, units, black, frozen, silent)| Shown {
            sound,
            millis,
            units,
            black,
            frozen,
            silent,
        });
        let codes = proptest::collection::vec((0..RULES.len()).prop_map(|n| RULES[n].0), 0..6);
        (marks, any::<[u8; 32]>(), codes, any::<bool>(), shown).prop_map(|(marks, hash, findings, over_cap, shown)| Verdict {
            marks,
            hash,
            findings,
            over_cap,
            shown,
        })
    }

    fn text(verdict: &Verdict) -> String {
        let headers = headers(verdict);
        assert_eq!((headers.len(), headers[0].0), (1, NAME));
        headers[0].1.clone()
    }

    #[test]
    fn as_it_is_documented() {
        let marks = Marks { class: "0123abcd".into(), repeats: 1, ..Marks::default() };
        let shown = Shown { units: 50, millis: 2000, ..Shown::default() };
        let verdict = Verdict { marks, shown, ..Verdict::default() };
        let zeros = "0".repeat(64);
        assert_eq!(
            text(&verdict),
            format!("ot=v,d=2000,com.mezzo-class=\"0123abcd\",com.mezzo-sha256=\"{zeros}\",com.mezzo-score=97,com.mezzo-units=50,com.mezzo-repeats=1")
        );
    }

    #[test]
    fn what_others_say_and_what_cannot_be() {
        assert_eq!(read("ot=v,sf=h,br=2000,com.example-x=5"), Ok(None));
        assert_eq!(read("com.mezzo-score=3"), Ok(None));
        let newer = read("com.mezzo-units=50,com.mezzo-later=(1 2),com.mezzo-rules=(prft of-tomorrow)").expect("reads").expect("is ours");
        assert_eq!((newer.shown.units, newer.findings.len()), (50, 1));
        for wrong in [
            "com.mezzo-units=-1",
            "com.mezzo-fallback=256",
            "com.mezzo-class=token",
            "com.mezzo-sha256=\"12\"",
            "com.mezzo-rules=prft",
            "com.mezzo-over-cap=1",
            "x=",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(verdict in verdicts()) {
            let text = text(&verdict);
            prop_assert!(text.is_ascii() && !text.contains(['\r', '\n']));
            prop_assert_eq!(read(&text), Ok(Some(verdict)));
        }

        /// Hostile text: a sound header that was hit anywhere, or noise. Read or refused; a score within its range.
        #[test]
        fn hostile_text(verdict in verdicts(), hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..6), noise in "\\PC{0,60}") {
            let mut chars: Vec<char> = text(&verdict).chars().collect();
            for (place, char) in hits {
                let at = place.index(chars.len());
                chars[at] = char;
            }
            for text in [chars.into_iter().collect::<String>(), noise] {
                if let Ok(Some(verdict)) = read(&text) {
                    prop_assert!(verdict.score() <= 100);
                }
            }
        }
    }
}

//! A bitrate as people write it: `"6M"`, `"3.5M"`, `"730k"`, or bits per second.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Bits per second, written "6M", "3.5M", "730k" or as a whole number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct Bitrate(pub u64);

/// What a bitrate looks like; also the end of every error about one.
pub const ACCEPTED: &str = "a whole number of bits per second with an optional k or M right behind it (\"6M\", \"3.5M\", \"730k\", 6000000)";

impl FromStr for Bitrate {
    type Err = String;

    /// Exact: a fraction that is not a whole number of bits is refused.
    fn from_str(text: &str) -> Result<Bitrate, String> {
        parse(text).map(Bitrate).ok_or_else(|| format!("\"{text}\" is not a bitrate; accepted: {ACCEPTED}"))
    }
}

fn parse(text: &str) -> Option<u64> {
    let (number, zeros) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 3),
        b'M' => (&text[..text.len() - 1], 6),
        _ => (text, 0),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || !digits(whole) || !digits(part) || number.ends_with('.') {
        return None;
    }
    let part = part.trim_end_matches('0');
    if part.len() > zeros {
        return None;
    }
    format!("{whole}{part:0<zeros$}").parse().ok()
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = if self.0 >= 1_000_000 { (1_000_000, "M") } else { (1000, "k") };
        let (whole, part) = (self.0 / unit, self.0 % unit);
        if self.0 < 1000 {
            return write!(f, "{}", self.0);
        }
        let part = format!("{part:0width$}", width = if unit == 1000 { 3 } else { 6 });
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole}{name}"),
            part => write!(f, "{whole}.{part}{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for Bitrate {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Bitrate, D::Error> {
        struct Written;
        impl serde::de::Visitor<'_> for Written {
            type Value = Bitrate;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ACCEPTED)
            }
            fn visit_u64<E: serde::de::Error>(self, bits: u64) -> Result<Bitrate, E> {
                Ok(Bitrate(bits))
            }
            fn visit_i64<E: serde::de::Error>(self, bits: i64) -> Result<Bitrate, E> {
                u64::try_from(bits).map(Bitrate).map_err(|_| E::custom(format!("{bits} is not a bitrate; accepted: {ACCEPTED}")))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bitrate, E> {
                text.parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, bits) in
            [("6M", 6_000_000), ("3.5M", 3_500_000), ("730k", 730_000), ("1.1M", 1_100_000), ("64000", 64_000), ("0.000001M", 1), ("2.50k", 2500)]
        {
            assert_eq!(text.parse(), Ok(Bitrate(bits)), "{text}");
        }
    }

    #[test]
    fn says_what_would_do() {
        for text in ["6 M", "", "M", "6m", "6K", "-1", "+6M", "6.", ".5M", "1e6", "6.5", "0.0001k", "9999999999999M", "6M\u{e9}", "6MM"] {
            let error = text.parse::<Bitrate>().expect_err(text);
            assert!(error.contains(&format!("\"{text}\"")) && error.contains("\"3.5M\""), "{error}");
        }
    }

    #[test]
    fn shows_what_it_reads() {
        for bits in [1, 999, 1000, 64_000, 365_500, 730_000, 1_100_000, 3_500_000, 6_000_001, 200_000_000] {
            assert_eq!(Bitrate(bits).to_string().parse(), Ok(Bitrate(bits)));
        }
    }
}

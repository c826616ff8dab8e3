//! Values as people write them in a job file, a flag or the environment: exact, and with errors that say what would do.

use super::{Anchor, Window};
use crate::time::Seconds;
use serde::Deserialize;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::str::FromStr;

/// A value that is written as text or as a whole number, and read exactly. TOML's floats are refused: 0.1 is not one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text<T>(pub T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Text<T>, D::Error> {
        struct Written<T>(PhantomData<T>);
        impl<T: FromStr<Err: fmt::Display>> serde::de::Visitor<'_> for Written<T> {
            type Value = Text<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text in quotes, or a whole number")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<T>, E> {
                text.parse().map(Text).map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Text<T>, E> {
                self.visit_str(&n.to_string())
            }
            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Text<T>, E> {
                self.visit_str(&n.to_string())
            }
            fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<Text<T>, E> {
                Err(E::custom(format!("{n} without quotes is not exact; accepted: the same in quotes (\"{n}\")")))
            }
        }
        d.deserialize_any(Written(PhantomData))
    }
}

/// A span of time: "30s", "2m", "1.5s", "40ms", "1h", "1001/30000", or seconds without a unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Seconds);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let units: [(&str, i128, i128); 4] = [("ms", 1, 1000), ("s", 1, 1), ("m", 60, 1), ("h", 3600, 1)];
        let found = units.iter().find_map(|(unit, mul, div)| text.strip_suffix(unit).map(|number| (number, *mul, *div)));
        let (number, mul, div) = found.unwrap_or((text, 1, 1));
        let seconds = if number.contains('T') { None } else { number.parse::<Seconds>().ok() };
        let seconds =
            seconds.ok_or_else(|| format!("\"{text}\" is not a span of time; accepted: 30s, 2m, 1h, 40ms, 1.5s, 1001/30000, or seconds without a unit"))?;
        Ok(Span(seconds.times(mul).over(div)))
    }
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Anchor, String> {
        let sides = text.split_once('=').and_then(|(source, utc)| Some((source.parse::<Span>().ok()?, utc.parse().ok()?)));
        let (source, utc) = sides.ok_or_else(|| {
            format!(
                "\"{text}\" is not an anchor; accepted: SECONDS=UTC, the source time and the instant that it is (0=2026-11-21T20:15:30Z, 95443.7=1795205730.04)"
            )
        })?;
        Ok(Anchor { source: source.0, utc })
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Window, String> {
        match (text, text.parse::<Span>()) {
            ("whole", _) => Ok(Window::Whole),
            (_, Ok(span)) => Ok(Window::Last(span.0)),
            _ => Err(format!("\"{text}\" is not a window; accepted: whole, or a span of time (120, 2m, 1h)")),
        }
    }
}

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, or `:8080` for every IPv4 address of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listen(pub SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        let written = match text.rsplit_once(':') {
            Some(("", port)) => format!("0.0.0.0:{port}"),
            Some(("localhost", port)) => format!("127.0.0.1:{port}"),
            _ => text.to_owned(),
        };
        let wrong = || {
            format!(
                "\"{text}\" is not an address to listen on; accepted: IP:PORT (127.0.0.1:8080, [::1]:8080), localhost:PORT, or :PORT for every IPv4 address"
            )
        };
        written.parse().map(Listen).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact() {
        for (text, num, den) in
            [("30s", 30, 1), ("2m", 120, 1), ("30", 30, 1), ("1.5s", 3, 2), ("40ms", 1, 25), ("1h", 3600, 1), ("1001/30000", 1001, 30_000), ("-0.1", -1, 10)]
        {
            assert_eq!(text.parse(), Ok(Span(Seconds::new(num, den))), "{text}");
        }
    }

    #[test]
    fn wrong_values_are_told_what_would_do() {
        for text in ["", "s", "1 s", "1e3", "NaN", "2d", "1.s", "2026-11-21T20:15:30Z", "99999999999999999999"] {
            let error = text.parse::<Span>().expect_err(text);
            assert!(error.contains(&format!("\"{text}\"")) && error.contains("30s, 2m"), "{error}");
        }
        for text in ["", "0", "=", "0=yesterday", "x=0", "0=2026-13-01T00:00:00Z"] {
            let error = text.parse::<Anchor>().expect_err(text);
            assert!(error.contains(&format!("\"{text}\"")) && error.contains("SECONDS=UTC"), "{error}");
        }
        for text in ["all", "", "-"] {
            let error = text.parse::<Window>().expect_err(text);
            assert!(error.contains(&format!("\"{text}\"")) && error.contains("whole"), "{error}");
        }
        for text in ["8080", "", ":", "host:80", ":99999", "1.2.3.4"] {
            let error = text.parse::<Listen>().expect_err(text);
            assert!(error.contains(&format!("\"{text}\"")) && error.contains("127.0.0.1:8080"), "{error}");
        }
    }

    #[test]
    fn an_anchor_takes_seconds_and_dates() {
        let utc = Seconds::whole(1_795_292_130);
        for text in ["95443.7=2026-11-21T20:15:30Z", "95443.7=1795292130", "95443700ms=1795292130.0"] {
            assert_eq!(text.parse(), Ok(Anchor { source: Seconds::new(954_437, 10), utc }), "{text}");
        }
    }

    #[test]
    fn an_address_may_leave_out_the_host() {
        for (text, addr) in [(":8080", "0.0.0.0:8080"), ("localhost:80", "127.0.0.1:80"), ("[::1]:80", "[::1]:80"), ("10.0.0.1:80", "10.0.0.1:80")] {
            assert_eq!(text.parse::<Listen>().map(|l| l.0.to_string()), Ok(addr.to_owned()));
        }
    }
}

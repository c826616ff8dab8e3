//! Masks: numbers of one pipeline that are not chosen, because somebody who looked at them says so.

use crate::time::GopId;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Most masks at once.
pub const MAX_MASKS: usize = 256;

/// A range of numbers of one pipeline, on every track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Name of the pipeline.
    pub pipeline: String,
    /// The first number.
    pub from: GopId,
    /// The last one; absent: all that follow.
    pub to: Option<GopId>,
}

impl Mask {
    /// Whether it hides that number of that pipeline.
    pub fn hides(&self, pipeline: &str, number: GopId) -> bool {
        self.pipeline == pipeline && self.from <= number && self.to.is_none_or(|to| number <= to)
    }
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Mask, String> {
        let wrong = || format!("\"{text}\" is not a mask; accepted: PIPELINE:FROM-TO, PIPELINE:FROM- (and all that follow), PIPELINE:NUMBER");
        let (pipeline, range) = text.split_once(':').filter(|(pipeline, _)| legal_pipeline(pipeline)).ok_or_else(wrong)?;
        let number = |digits: &str| {
            let plain = digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|n| plain && *n <= crate::sink::stored::MAX_NUMBER).map(GopId)
        };
        let (from, to) = match range.split_once('-') {
            None => (number(range).ok_or_else(wrong)?, Some(number(range).ok_or_else(wrong)?)),
            Some((from, "")) => (number(from).ok_or_else(wrong)?, None),
            Some((from, to)) => (number(from).ok_or_else(wrong)?, Some(number(to).ok_or_else(wrong)?)),
        };
        if to.is_some_and(|to| to < from) { Err(wrong()) } else { Ok(Mask { pipeline: pipeline.to_owned(), from, to }) }
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mask { pipeline, from, to } = self;
        match to {
            Some(to) if to == from => write!(f, "{pipeline}:{from}"),
            Some(to) => write!(f, "{pipeline}:{from}-{to}"),
            None => write!(f, "{pipeline}:{from}-"),
        }
    }
}

impl Serialize for Mask {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// Whether a pipeline may be called so: 1 to 32 letters, digits, underscores and hyphens.
pub fn legal_pipeline(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_hide_their_numbers() {
        for (text, hidden, shown) in [
            ("A:5-7", vec![("A", 5), ("A", 7)], vec![("A", 4), ("A", 8), ("B", 6)]),
            ("west-1:9-", vec![("west-1", 9), ("west-1", 1 << 40)], vec![("west-1", 8)]),
            ("B:3", vec![("B", 3)], vec![("B", 2), ("B", 4)]),
        ] {
            let mask: Mask = text.parse().expect("legal");
            assert_eq!(mask.to_string(), text);
            assert!(hidden.iter().all(|(p, n)| mask.hides(p, GopId(*n))), "{text}");
            assert!(shown.iter().all(|(p, n)| !mask.hides(p, GopId(*n))), "{text}");
        }
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        for text in ["", "A", "A:", "A:x", "A:7-5", ":1-2", "A:-5", "a/b:1", "A:1-99999999999999999999", "A:+1"] {
            assert!(text.parse::<Mask>().is_err_and(|e| e.contains("PIPELINE:FROM-TO")), "{text}");
        }
    }
}

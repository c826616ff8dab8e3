//! Frame rates.

use super::{Seconds, TimeError};
use num_rational::Ratio;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A frame rate in pictures per second, in lowest terms, from 1 to 120.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    num: u32,
    den: u32,
}

impl Rate {
    /// `num / den` pictures per second, reduced. `None` outside 1 to 120, or where either side is above 240,000 in lowest terms.
    pub fn new(num: u32, den: u32) -> Option<Rate> {
        if num == 0 || den == 0 {
            return None;
        }
        let r = Ratio::new(num, den);
        let rate = Rate { num: *r.numer(), den: *r.denom() };
        (rate.num >= rate.den && u64::from(rate.num) <= 120 * u64::from(rate.den) && rate.num <= 240_000).then_some(rate)
    }

    /// Numerator in lowest terms.
    pub fn num(self) -> u32 {
        self.num
    }

    /// Denominator in lowest terms.
    pub fn den(self) -> u32 {
        self.den
    }

    /// The span of one picture.
    pub fn period(self) -> Seconds {
        Seconds::new(i128::from(self.den), i128::from(self.num))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 { write!(f, "{}", self.num) } else { write!(f, "{}/{}", self.num, self.den) }
    }
}

impl FromStr for Rate {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Rate, TimeError> {
        let (num, den) = text.split_once('/').unwrap_or((text, "1"));
        let parsed = num.parse().ok().zip(den.parse().ok()).and_then(|(n, d)| Rate::new(n, d));
        parsed.ok_or_else(|| TimeError::Rate(text.to_owned()))
    }
}

impl TryFrom<String> for Rate {
    type Error = TimeError;
    fn try_from(text: String) -> Result<Rate, TimeError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

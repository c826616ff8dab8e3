//! Exact instants and spans, and how they are written.

use super::TimeError;
use num_rational::Ratio;
use std::fmt;
use std::ops::{Add, Neg, Sub};
use std::str::FromStr;

/// An exact instant or span in seconds. Instants count from 1970-01-01T00:00:00Z, leap seconds left out (UTC as POSIX has it).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(Ratio<i128>);

/// The largest whole number of seconds, either side of zero, that a [`Seconds`] accepts (about 34,000 years): products with any time base then fit in 128 bits.
pub const MAX_SECONDS: i128 = 1 << 40;

impl Seconds {
    /// No time at all; as an instant, the epoch.
    pub const ZERO: Seconds = Seconds(Ratio::new_raw(0, 1));

    /// One second.
    pub const ONE: Seconds = Seconds(Ratio::new_raw(1, 1));

    /// Half a second.
    pub const HALF: Seconds = Seconds(Ratio::new_raw(1, 2));

    /// Two seconds.
    pub const TWO: Seconds = Seconds(Ratio::new_raw(2, 1));

    /// Two milliseconds.
    pub const TWO_MILLIS: Seconds = Seconds(Ratio::new_raw(1, 500));

    /// Ten seconds.
    pub const TEN: Seconds = Seconds(Ratio::new_raw(10, 1));

    /// A minute.
    pub const MINUTE: Seconds = Seconds(Ratio::new_raw(60, 1));

    /// A tenth of a second.
    pub const TENTH: Seconds = Seconds(Ratio::new_raw(1, 10));

    /// `num / den` seconds. `den` must not be zero.
    pub fn new(num: i128, den: i128) -> Seconds {
        Seconds(Ratio::new(num, den))
    }

    /// Whole seconds.
    pub fn whole(seconds: i64) -> Seconds {
        Seconds(Ratio::from_integer(i128::from(seconds)))
    }

    /// `ticks` of a time base of `num / den` seconds (libav's `AVRational`), or `None` where the result is beyond [`MAX_SECONDS`] or the base is not positive.
    pub fn from_ticks(ticks: i64, num: i32, den: i32) -> Option<Seconds> {
        if num <= 0 || den <= 0 {
            return None;
        }
        let value = Ratio::new(i128::from(ticks) * i128::from(num), i128::from(den));
        (value.to_integer().abs() <= MAX_SECONDS).then_some(Seconds(value))
    }

    /// Whole nanoseconds.
    pub fn from_nanos(nanos: i128) -> Seconds {
        Seconds(Ratio::new(nanos, 1_000_000_000))
    }

    /// What the host's clock says now. Only where the clock is `arrival`, where an anchor is taken, and for pacing.
    pub fn host_now() -> Seconds {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Seconds::from_nanos(since.map_or(0, |d| d.as_nanos() as i128))
    }

    /// In ticks of `timescale` per second, rounded down.
    pub fn floor_ticks(self, timescale: u32) -> i64 {
        (self.0 * i128::from(timescale)).floor().to_integer() as i64
    }

    /// In ticks of `timescale` per second, rounded up.
    pub fn ceil_ticks(self, timescale: u32) -> i64 {
        (self.0 * i128::from(timescale)).ceil().to_integer() as i64
    }

    /// In ticks of `timescale` per second, to the nearest, halves up.
    pub fn nearest_ticks(self, timescale: u32) -> i64 {
        (self.0 * i128::from(timescale) + Ratio::new(1, 2)).floor().to_integer() as i64
    }

    /// As a [`std::time::Duration`], rounded down to nanoseconds; zero for negative spans.
    pub fn to_duration(self) -> std::time::Duration {
        let nanos = (self.0 * 1_000_000_000).floor().to_integer().max(0);
        std::time::Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// For display and statistics only; never for a decision.
    pub fn as_f64(self) -> f64 {
        *self.0.numer() as f64 / *self.0.denom() as f64
    }

    /// Times an integer.
    pub fn times(self, n: i128) -> Seconds {
        Seconds(self.0 * n)
    }

    /// Divided by an integer that is not zero.
    pub fn over(self, n: i128) -> Seconds {
        Seconds(self.0 / n)
    }

    /// The remainder of a division by a positive `span`, at least zero and below it.
    pub fn modulo(self, span: Seconds) -> Seconds {
        let turns = (self.0 / span.0).floor();
        Seconds(self.0 - turns * span.0)
    }

    /// How many times a positive `span` goes into this, to the nearest, halves up.
    pub fn ratio_nearest(self, span: Seconds) -> i64 {
        (self.0 / span.0 + Ratio::new(1, 2)).floor().to_integer() as i64
    }

    /// The span without its sign.
    pub fn abs(self) -> Seconds {
        Seconds(if self.0 < Ratio::from_integer(0) { -self.0 } else { self.0 })
    }

    /// Numerator and denominator in lowest terms, the denominator positive.
    pub fn fraction(self) -> (i128, i128) {
        (*self.0.numer(), *self.0.denom())
    }

    /// The instant as `2026-11-21T20:15:30.040Z`, rounded to the nearest millisecond (HLS PROGRAM-DATE-TIME, MPD dates).
    pub fn to_rfc3339(self) -> String {
        let millis = i128::from(self.nearest_ticks(1000));
        let (days, day_ms) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
        let (y, m, d) = civil_from_days(days as i64);
        let (h, min, s, ms) = (day_ms / 3_600_000, day_ms / 60_000 % 60, day_ms / 1000 % 60, day_ms % 1000);
        format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{s:02}.{ms:03}Z")
    }
}

/// Days since 1970-01-01 to (year, month, day) in the proleptic Gregorian calendar.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// (year, month, day) to days since 1970-01-01. The inverse of [`civil_from_days`], same source.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (i64::from(month) + 9) % 12;
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

impl Add for Seconds {
    type Output = Seconds;
    fn add(self, other: Seconds) -> Seconds {
        Seconds(self.0 + other.0)
    }
}

impl Sub for Seconds {
    type Output = Seconds;
    fn sub(self, other: Seconds) -> Seconds {
        Seconds(self.0 - other.0)
    }
}

impl Neg for Seconds {
    type Output = Seconds;
    fn neg(self) -> Seconds {
        Seconds(-self.0)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.nearest_ticks(1_000_000);
        let (whole, part) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
        let sign = if micros < 0 { "-" } else { "" };
        let text = format!("{part:06}");
        match text.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            part => write!(f, "{sign}{whole}.{part}"),
        }
    }
}

impl fmt::Debug for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}s", self.0.numer(), self.0.denom())
    }
}

impl FromStr for Seconds {
    type Err = TimeError;

    /// Decimal seconds, a fraction `a/b`, or an RFC 3339 UTC date, all exact.
    fn from_str(text: &str) -> Result<Seconds, TimeError> {
        let wrong = || TimeError::Time(text.to_owned());
        if text.contains('T') {
            return parse_rfc3339(text).ok_or_else(wrong);
        }
        if let Some((num, den)) = text.split_once('/') {
            let (num, den): (i64, i64) = (num.parse().map_err(|_| wrong())?, den.parse().map_err(|_| wrong())?);
            let value = (den > 0).then(|| Seconds::new(i128::from(num), i128::from(den))).ok_or_else(wrong)?;
            return in_range(value).ok_or_else(wrong);
        }
        parse_decimal(text).and_then(in_range).ok_or_else(wrong)
    }
}

fn in_range(value: Seconds) -> Option<Seconds> {
    (value.0.to_integer().abs() <= MAX_SECONDS).then_some(value)
}

fn parse_decimal(text: &str) -> Option<Seconds> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 13 || part.len() > 12 || !plain(whole) || !plain(part) || digits.ends_with('.') {
        return None;
    }
    let den = 10i128.pow(part.len() as u32);
    let num = whole.parse::<i128>().ok()? * den + if part.is_empty() { 0 } else { part.parse::<i128>().ok()? };
    Some(Seconds::new(if negative { -num } else { num }, den))
}

fn parse_rfc3339(text: &str) -> Option<Seconds> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|s| s.parse::<u32>().ok());
    let (y, m, d) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':');
    let (h, min) = (time.next()?.parse::<u32>().ok()?, time.next()?.parse::<u32>().ok()?);
    let s = parse_decimal(time.next()?)?;
    if y > 9999 || !(1..=12).contains(&m) || !(1..=31).contains(&d) || h > 23 || min > 59 || s < Seconds::ZERO || s >= Seconds::whole(61) {
        return None;
    }
    let days = days_from_civil(i64::from(y), m, d);
    Some(Seconds::whole(days * 86_400 + i64::from(h * 3600 + min * 60)) + s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Seconds, TimeError> {
        text.parse()
    }

    #[test]
    fn what_is_written_is_read_exactly() {
        assert_eq!(parse("12.345"), Ok(Seconds::new(12_345, 1000)));
        assert_eq!(parse("-0.5"), Ok(Seconds::new(-1, 2)));
        assert_eq!(parse("60060/30000"), Ok(Seconds::new(1001, 500)));
        assert_eq!(parse("2026-11-21T20:15:30.5Z"), Ok(Seconds::new(3_590_584_261, 2)));
        assert_eq!(parse("1970-01-01T00:00:00Z"), Ok(Seconds::ZERO));
        for wrong in ["", "1.", ".5", "1e3", "1/0", "1/-2", "12 s", "2026-13-01T00:00:00Z", "2026-11-21T20:15:30", "99999999999999"] {
            assert_eq!(parse(wrong), Err(TimeError::Time(wrong.to_owned())), "{wrong}");
        }
    }

    #[test]
    fn dates_of_leap_years_and_centuries() {
        for (text, seconds) in [("2000-02-29T00:00:00.000Z", 951_782_400), ("2100-03-01T00:00:00.000Z", 4_107_542_400), ("1969-12-31T23:59:59.000Z", -1)] {
            assert_eq!(Seconds::whole(seconds).to_rfc3339(), text);
            assert_eq!(parse(text), Ok(Seconds::whole(seconds)));
        }
    }

    proptest! {
        #[test]
        fn a_date_is_its_millisecond(millis in 0..253_000_000_000_000i64) {
            let time = Seconds::new(millis.into(), 1000);
            prop_assert_eq!(parse(&time.to_rfc3339()), Ok(time));
        }

        #[test]
        fn rounding_is_within_a_tick(num in any::<i32>(), den in 1..1_000_000i32, scale in 1..100_000u32) {
            let time = Seconds::new(num.into(), den.into());
            let (floor, nearest, ceil) = (time.floor_ticks(scale), time.nearest_ticks(scale), time.ceil_ticks(scale));
            prop_assert!(floor <= nearest && nearest <= ceil && ceil - floor <= 1);
            prop_assert!((Seconds::new(nearest.into(), scale.into()) - time).abs() <= Seconds::new(1, 2 * i128::from(scale)));
        }
    }
}

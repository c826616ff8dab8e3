//! Time and the epoch grid: exact instants, frame rates, slots and GOPs.
//!
//! No float holds a time or a frame rate here. A rendition at rate R has frame n at n/R seconds since
//! 1970-01-01T00:00:00Z; GOP k holds the slots [kG, (k+1)G); the segment number is k.

use num_rational::Ratio;
use serde::{Deserialize, Serialize};
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

/// Why a text is not a time or a rate.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeError {
    /// Not a plain decimal number of seconds, a fraction, or an RFC 3339 date.
    #[error("\"{0}\" is not a time: give seconds (12, 12.345, 60060/30000) or a date (2026-11-21T20:15:30.5Z)")]
    Time(String),
    /// Not a frame rate.
    #[error("\"{0}\" is not a frame rate: give a whole number or a fraction from 1 to 120 (25, 30000/1001)")]
    Rate(String),
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

/// A place for one picture on the epoch grid: slot n is shown at n/R seconds since the epoch. Never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Slot(pub i64);

/// A GOP of the grid, which is also the segment number of every track.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct GopId(pub i64);

impl GopId {
    /// The GOP after this one.
    pub fn next(self) -> GopId {
        GopId(self.0 + 1)
    }
}

impl fmt::Display for GopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The epoch grid of a video rendition: its rate and how many slots a GOP has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Grid {
    /// Pictures per second.
    pub rate: Rate,
    /// Slots in a GOP, at least 2.
    pub gop_slots: u32,
}

impl Grid {
    /// The grid at `rate` whose GOPs last as near to `segment` as whole slots can, at least 2 slots.
    pub fn new(rate: Rate, segment: Seconds) -> Grid {
        let (num, den) = segment.fraction();
        let slots = Seconds::new(num * i128::from(rate.num), den * i128::from(rate.den)).nearest_ticks(1);
        Grid { rate, gop_slots: u32::try_from(slots.max(2)).unwrap_or(u32::MAX) }
    }

    /// When `slot` is shown.
    pub fn time(&self, slot: Slot) -> Seconds {
        self.rate.period().times(i128::from(slot.0))
    }

    /// The slot whose time is nearest to `time`; halfway, the later one.
    pub fn nearest(&self, time: Seconds) -> Slot {
        let (num, den) = time.fraction();
        Slot(Seconds::new(num * i128::from(self.rate.num), den * i128::from(self.rate.den)).nearest_ticks(1))
    }

    /// How many slots it takes to show something for `span`: rounded up, none for a negative span.
    pub fn slots_in(&self, span: Seconds) -> u64 {
        let (num, den) = span.fraction();
        Seconds::new(num * i128::from(self.rate.num), den * i128::from(self.rate.den)).ceil_ticks(1).max(0).unsigned_abs()
    }

    /// The GOP that holds `slot`.
    pub fn gop(&self, slot: Slot) -> GopId {
        GopId(slot.0.div_euclid(i64::from(self.gop_slots)))
    }

    /// The first slot of `gop`.
    pub fn first(&self, gop: GopId) -> Slot {
        Slot(gop.0 * i64::from(self.gop_slots))
    }

    /// Where `slot` stands in its GOP, from 0.
    pub fn index(&self, slot: Slot) -> u32 {
        slot.0.rem_euclid(i64::from(self.gop_slots)) as u32
    }

    /// When `gop` starts.
    pub fn gop_time(&self, gop: GopId) -> Seconds {
        self.time(self.first(gop))
    }

    /// How long every whole GOP lasts.
    pub fn gop_duration(&self) -> Seconds {
        self.rate.period().times(i128::from(self.gop_slots))
    }

    /// The media timescale of a video track: a multiple of the rate's numerator, at least 1000 a second.
    pub fn timescale(&self) -> u32 {
        if self.rate.num < 1000 { self.rate.num * 1000 } else { self.rate.num }
    }

    /// How many ticks of [`Grid::timescale`] one slot lasts. An integer by construction.
    pub fn slot_ticks(&self) -> u32 {
        self.rate.den * (self.timescale() / self.rate.num)
    }
}

/// The epoch grid of an audio rendition: frames of `frame` samples, cut into segments that follow the video's GOPs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct AudioGrid {
    /// The video grid whose GOPs number the segments.
    pub video: Grid,
    /// Samples per second, which is also the media timescale.
    pub sample_rate: u32,
    /// Samples in a frame (AAC: 1024).
    pub frame: u32,
}

impl AudioGrid {
    /// The first audio frame (counted from the epoch) of segment `gop`: ⌈k S / F⌉, S the samples of a video GOP.
    pub fn first(&self, gop: GopId) -> i64 {
        self.frame_at_or_after(self.video.gop_time(gop))
    }

    /// The first audio frame that starts at `time` or later.
    pub fn frame_at_or_after(&self, time: Seconds) -> i64 {
        let (num, den) = time.fraction();
        Seconds::new(num * i128::from(self.sample_rate), den * i128::from(self.frame)).ceil_ticks(1)
    }

    /// How many frames segment `gop` has; it varies by one.
    pub fn frames(&self, gop: GopId) -> u32 {
        (self.first(gop.next()) - self.first(gop)) as u32
    }
}

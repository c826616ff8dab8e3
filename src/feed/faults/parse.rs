//! The grammar: `[WHERE:]… KIND [AMOUNT] [WHEN]`, one text a fault.
//!
//! ```text
//! WHERE   a number (an output, counted from 1), video, audio, pat, pmt, or a PID as 0x101
//! AMOUNT  what the kind wants, behind a = where that reads better: 5%  500ms  -5s  =640x360
//! WHEN    @AT  @AT+FOR  ~EVERY  ~EVERY+FOR   in seconds (10, 2.5, 500ms) since the start; FOR is 1 s where it is left out behind ~
//! ```

use super::kinds::Times;
use super::{Fault, KINDS, Share, Stream, When};
use crate::feed::FeedError;
use crate::feed::stamp::StampCodec;
use crate::pattern::Size;
use crate::time::{Rate, Seconds};

/// PIDs of the feed, as libav's muxer gives them.
pub(super) const PMT_PID: u16 = 0x1000;
pub(super) const VIDEO_PID: u16 = 0x100;
pub(super) const AUDIO_PID: u16 = 0x101;

const WHERE: &str = "an output (1, 2, …), video, audio, pat, pmt or a PID (0x0 to 0x1fff) before a colon";

impl Fault {
    /// Parses one fault.
    ///
    /// # Errors
    /// [`FeedError::Option`] with the part of the text that is not understood, and what may stand there.
    pub fn parse(text: &str) -> Result<Fault, FeedError> {
        parse(text).map_err(|(part, accepted)| {
            let accepted = if part == text { accepted } else { format!("in place of \"{part}\": {accepted}") };
            FeedError::Option { field: "fault", value: text.to_owned(), accepted }
        })
    }
}

fn parse(text: &str) -> Result<Fault, (&str, String)> {
    let (mut output, mut stream, mut rest) = (None, None, text);
    while let Some((place, after)) = rest.split_once(':') {
        match place {
            "video" => stream = Some(Stream(VIDEO_PID)),
            "audio" => stream = Some(Stream(AUDIO_PID)),
            "pat" => stream = Some(Stream(0)),
            "pmt" => stream = Some(Stream(PMT_PID)),
            _ => match (place.strip_prefix("0x"), place.parse::<usize>()) {
                (Some(hex), _) => {
                    let pid = u16::from_str_radix(hex, 16).ok().filter(|pid| *pid < 0x2000);
                    stream = Some(Stream(pid.ok_or((place, WHERE.to_owned()))?));
                }
                (None, Ok(number @ 1..)) => output = Some(number - 1),
                _ => return Err((place, WHERE.to_owned())),
            },
        }
        rest = after;
    }
    let (what, when) = rest.split_at(rest.find(['@', '~']).unwrap_or(rest.len()));
    let (name, amount) = what.split_at(what.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(what.len()));
    let names = || KINDS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    let row = KINDS.iter().find(|row| row.name == name).ok_or_else(|| (if name.is_empty() { text } else { name }, names()))?;
    let kind = (row.make)(amount.strip_prefix('=').unwrap_or(amount)).ok_or_else(|| {
        let accepted = if row.amount.is_empty() { "nothing".to_owned() } else { row.amount.to_owned() };
        (if amount.is_empty() { text } else { amount }, format!("{accepted} behind {name} ({})", row.example))
    })?;
    if stream.is_some() && !row.streams {
        return Err((text, format!("{name} without a stream: it concerns all of them ({})", row.example)));
    }
    let when = spell(when, row.times)
        .ok_or_else(|| (if when.is_empty() { text } else { when }, format!("{} behind {name} ({})", row.times.accepted(), row.example)))?;
    Ok(Fault { output, stream, kind, when })
}

fn spell(text: &str, times: Times) -> Option<When> {
    let Some(mark) = text.chars().next() else { return (times == Times::Any).then_some(When::Always) };
    let (first, second) = match text[1..].split_once('+') {
        Some((first, second)) => (first, Some(time(second).filter(|t| *t > Seconds::ZERO)?)),
        None => (&text[1..], None),
    };
    let first = time(first)?;
    match (mark, times, second) {
        ('@', Times::Once, Some(_)) | ('@', Times::Whiles, None) | ('~', Times::Once, _) => None,
        ('@', ..) => Some(When::At { at: first, span: second }),
        _ => (first > Seconds::ZERO).then_some(When::Random { every: first, span: second.unwrap_or(Seconds::ONE) }),
    }
}

/// A time of zero or more: `2`, `2.5`, `2s`, `500ms`.
fn time(text: &str) -> Option<Seconds> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1000),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    // Dates and fractions are times, too, but not here.
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    digits.parse::<Seconds>().ok().filter(|t| plain && *t <= Seconds::whole(1 << 32)).map(|t| t.over(unit))
}

/// A time from 1 ms to 10 s.
pub(super) fn span(text: &str) -> Option<Seconds> {
    time(text).filter(|t| (Seconds::new(1, 1000)..=Seconds::TEN).contains(t))
}

/// A time either way, within a turn of the 33-bit clock.
pub(super) fn signed(text: &str) -> Option<Seconds> {
    let (digits, back) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    let span = time(digits).filter(|t| *t > Seconds::ZERO && *t <= Seconds::whole(95_000))?;
    Some(if back { -span } else { span })
}

/// `5%`, `5`, `0.01%`.
pub(super) fn share(text: &str) -> Option<Share> {
    let percent = time(text.strip_suffix('%').unwrap_or(text)).filter(|_| !text.contains('s'))?;
    let millionths = u32::try_from(percent.times(10_000).nearest_ticks(1)).ok()?;
    (1..=1_000_000).contains(&millionths).then_some(Share(millionths))
}

pub(super) fn rate(text: &str) -> Option<Rate> {
    text.parse().ok()
}

pub(super) fn size(text: &str) -> Option<Size> {
    text.parse().ok()
}

pub(super) fn codec(text: &str) -> Option<StampCodec> {
    match text {
        "h264" => Some(StampCodec::H264),
        "hevc" => Some(StampCodec::Hevc),
        _ => None,
    }
}

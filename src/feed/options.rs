//! What a feed is asked for.

use super::FeedError;
use super::faults::{Fault, FaultKind, Layer};
use super::place::parse_output;
use super::stamp::StampCodec;
use crate::pattern::Size;
use crate::time::{Rate, Seconds};
use std::path::PathBuf;

pub use super::place::FeedOutput;

/// Where the pictures come from (`--input`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FeedInput {
    /// The moving test pattern, encoded here.
    Pattern,
    /// A file with H.264 or HEVC, copied in a loop.
    File(PathBuf),
}

/// Distance of key pictures (`--gop`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gop {
    /// The whole number of pictures nearest to so many seconds.
    Time(Seconds),
    /// So many pictures.
    Pictures(u32),
}

/// What a feed is asked for. [`FeedOptions::set`] fills it from the texts of a command line.
#[derive(Clone, PartialEq, Debug)]
pub struct FeedOptions {
    /// Where the feed goes, at least one place; the same bytes to all of them, but for their faults.
    pub outputs: Vec<FeedOutput>,
    /// Where the pictures come from.
    pub input: FeedInput,
    /// Size of the pattern.
    pub size: Size,
    /// Rate of the pattern.
    pub rate: Rate,
    /// Codec of the pattern.
    pub codec: StampCodec,
    /// Bits per second of the pattern's video, 100,000 to 200,000,000.
    pub bitrate: u64,
    /// Distance of the pattern's key pictures; they stand at multiples of it, counted from the epoch.
    pub gop: Gop,
    /// B-pictures between others in the pattern, 0 to 4; none is the lowest delay.
    pub bframes: u32,
    /// Whether the pattern has sound (AAC, stereo), and whether a file's is copied.
    pub audio: bool,
    /// The feed ends after so long; never, where absent.
    pub duration: Option<Seconds>,
    /// UTC of the first picture; now, where absent. With it and a file as output, the same options give the same bytes.
    pub start: Option<Seconds>,
    /// What goes wrong (`--fault`, any number of times).
    pub faults: Vec<Fault>,
    /// What chance in the faults comes from: the same options and seed give the same faults.
    pub seed: u64,
    /// As fast as the machine can, for a file as output.
    pub fast: bool,
}

impl Default for FeedOptions {
    fn default() -> FeedOptions {
        FeedOptions {
            outputs: Vec::new(),
            input: FeedInput::Pattern,
            size: Size::new(1280, 720).expect("even and within limits"),
            rate: Rate::new(25, 1).expect("within limits"),
            codec: StampCodec::H264,
            bitrate: 8_000_000,
            gop: Gop::Time(Seconds::whole(2)),
            bframes: 0,
            audio: true,
            duration: None,
            start: None,
            faults: Vec::new(),
            seed: 0,
            fast: false,
        }
    }
}

impl FeedOptions {
    /// Sets `field` (a flag's name without its dashes: output, input, size, rate, codec, bitrate, gop, bframes, audio, duration, start, fault, seed) from its text; outputs and faults are added to those that are there. A [`FeedError::Option`] names field, value and what is accepted.
    pub fn set(&mut self, field: &'static str, value: &str) -> Result<(), FeedError> {
        let bad = |accepted: &str| FeedError::Option { field, value: value.to_owned(), accepted: accepted.to_owned() };
        match field {
            "output" => self.outputs.push(parse_output(value)?),
            "input" => self.input = if value == "pattern" { FeedInput::Pattern } else { FeedInput::File(value.into()) },
            "size" => self.size = value.parse().map_err(|_| bad("WIDTHxHEIGHT, both even, 256x144 to 7680x4320 (1280x720)"))?,
            "rate" => self.rate = value.parse().map_err(|_| bad("a whole number or a fraction from 1 to 120 (25, 30000/1001)"))?,
            "codec" => {
                self.codec = match value {
                    "h264" => StampCodec::H264,
                    "hevc" => StampCodec::Hevc,
                    _ => return Err(bad("h264 or hevc")),
                }
            }
            "bitrate" => self.bitrate = parse_bitrate(value).ok_or_else(|| bad("bits per second from 100k to 200M, without a space (8M, 800k, 8000000)"))?,
            "gop" => self.gop = parse_gop(value).ok_or_else(|| bad("seconds from 0.1s to 60s (2s), or pictures from 1 to 3600 (50)"))?,
            "bframes" => self.bframes = value.parse().ok().filter(|n| *n <= 4).ok_or_else(|| bad("0 to 4"))?,
            "fault" => self.faults.push(Fault::parse(value)?),
            "seed" => self.seed = value.parse().map_err(|_| bad("a whole number from 0 to 18446744073709551615"))?,
            "audio" => {
                self.audio = match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err(bad("on or off")),
                }
            }
            "duration" => {
                let seconds = value.strip_suffix('s').unwrap_or(value).parse().ok().filter(|d: &Seconds| *d > Seconds::ZERO);
                self.duration = Some(seconds.ok_or_else(|| bad("more than 0 seconds (30, 30s, 12.5)"))?);
            }
            "start" => {
                let time = value.parse().ok().filter(|t: &Seconds| *t >= Seconds::ZERO);
                self.start = Some(time.ok_or_else(|| bad("a UTC date from 1970 on (2026-11-21T20:15:30Z) or seconds since 1970"))?);
            }
            _ => return Err(FeedError::Option { field, value: value.to_owned(), accepted: "a flag of mezzo feed".to_owned() }),
        }
        Ok(())
    }

    /// What single fields cannot tell.
    pub(super) fn check(&self) -> Result<(), FeedError> {
        let bad = |field, value: &str, accepted: &str| Err(FeedError::Option { field, value: value.to_owned(), accepted: accepted.to_owned() });
        if self.outputs.is_empty() {
            return bad("output", "", super::place::ACCEPTED);
        }
        if self.fast && !self.outputs.iter().all(FeedOutput::is_file) {
            return bad("fast", "true", "only with a file as output: a receiver needs the feed in real time");
        }
        if self.fast && self.duration.is_none() {
            return bad("duration", "", "a length, where the feed is made as fast as possible: it would never end");
        }
        self.faults.iter().try_for_each(|fault| self.check_fault(fault))
    }

    /// Whether a fault can happen to this feed.
    fn check_fault(&self, fault: &Fault) -> Result<(), FeedError> {
        let row = fault.row();
        let bad = |accepted: String| Err(FeedError::Option { field: "fault", value: row.name.to_owned(), accepted });
        if let Some(place) = fault.output.filter(|place| *place >= self.outputs.len()) {
            return bad(format!("outputs 1 to {}; there is no output {}", self.outputs.len(), place + 1));
        }
        let concerned = self.outputs.iter().enumerate().filter(|(place, _)| fault.output.is_none_or(|own| own == *place)).map(|(_, output)| output);
        match row.layer {
            Layer::Picture if fault.output.is_some() => return bad("without an output before it: it happens before the outputs part ways".to_owned()),
            Layer::Picture if self.input != FeedInput::Pattern => {
                return bad("with the pattern as input: the pictures and sound of a file are copied, not encoded here".to_owned());
            }
            Layer::Timing if concerned.clone().any(FeedOutput::is_file) => return bad("for an output that is sent in real time: a file has no time".to_owned()),
            Layer::Connection if !concerned.clone().all(FeedOutput::connects) => {
                return bad("for an output with a connection (tcp, srt); for others, gap sends nothing".to_owned());
            }
            _ => {}
        }
        match fault.kind {
            FaultKind::Silence if !self.audio => bad("with sound (audio on)".to_owned()),
            FaultKind::Interlaced if self.codec != StampCodec::H264 || !self.size.height().is_multiple_of(4) => {
                bad("for H.264 with a height that is a multiple of 4".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Pictures from one key picture of the pattern to the next, at `rate`.
    pub(super) fn gop_slots(&self, rate: Rate) -> u32 {
        match self.gop {
            Gop::Pictures(n) => n.max(1),
            Gop::Time(span) => {
                let (num, den) = span.fraction();
                let slots = Seconds::new(num * i128::from(rate.num()), den * i128::from(rate.den())).nearest_ticks(1);
                u32::try_from(slots.max(1)).unwrap_or(u32::MAX)
            }
        }
    }
}

fn parse_bitrate(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 1000),
        b'M' => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    let value: Seconds = digits.parse().ok()?;
    let (num, den) = value.times(unit).fraction();
    let bits = u64::try_from(num).ok().filter(|_| den == 1)?;
    (100_000..=200_000_000).contains(&bits).then_some(bits)
}

fn parse_gop(text: &str) -> Option<Gop> {
    match text.strip_suffix('s') {
        Some(seconds) => seconds.parse().ok().filter(|s| (Seconds::new(1, 10)..=Seconds::whole(60)).contains(s)).map(Gop::Time),
        None => text.parse().ok().filter(|n| (1..=3600).contains(n)).map(Gop::Pictures),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_values() {
        let mut options = FeedOptions::default();
        for (field, value) in [
            ("output", "udp://239.1.2.3:5000?ttl=4&pkt_size=1316"),
            ("size", "320x180"),
            ("rate", "30000/1001"),
            ("bitrate", "1.5M"),
            ("gop", "2s"),
            ("duration", "30s"),
            ("start", "2026-11-21T20:15:30Z"),
            ("codec", "hevc"),
            ("audio", "off"),
            ("input", "clip.mp4"),
        ] {
            options.set(field, value).expect("legal");
        }
        assert_eq!(options.outputs, [FeedOutput::Udp { to: "239.1.2.3:5000".parse().expect("an address"), ttl: 4 }]);
        assert_eq!((options.bitrate, options.gop_slots(options.rate), options.duration), (1_500_000, 60, Some(Seconds::whole(30))));
        assert_eq!(options.start, Some(Seconds::whole(1_795_292_130)));
        options.set("gop", "17").expect("legal");
        assert_eq!(options.gop_slots(options.rate), 17);
    }

    #[test]
    fn errors_name_field_value_and_what_is_accepted() {
        for (field, value, part) in [
            ("output", "rist://x:1", "udp://"),
            ("output", "clip.mp4", ".ts"),
            ("output", "udp://127.0.0.1", "udp://ADDRESS:PORT"),
            ("output", "udp://127.0.0.1:0", "1 to 65535"),
            ("output", "udp://127.0.0.1:5000?ttl=0", "1 to 255"),
            ("output", "tcp://127.0.0.1:5000?ttl=1", "listen=1"),
            ("output", "srt://:0?mode=listener", "1 to 65535"),
            ("size", "1281x720", "even"),
            ("rate", "0/1", "1 to 120"),
            ("rate", "25.0", "fraction"),
            ("bitrate", "8 M", "without a space"),
            ("bitrate", "M", "8M"),
            ("bitrate", "1", "100k"),
            ("gop", "0", "1 to 3600"),
            ("gop", "2x", "pictures"),
            ("bframes", "9", "0 to 4"),
            ("duration", "0", "more than 0"),
            ("start", "yesterday", "UTC"),
            ("start", "-1", "1970"),
            ("codec", "vp9", "h264 or hevc"),
            ("seed", "-1", "whole number"),
        ] {
            let message = FeedOptions::default().set(field, value).expect_err(value).to_string();
            assert!(message.contains(field) && message.contains(&format!("\"{value}\"")) && message.contains(part), "{message}");
        }
    }
}

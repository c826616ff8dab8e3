//! `mezzo feed`: a test feed with UTC in every picture.

use clap::{Args, ValueEnum};
use mezzo::job::Span;
use mezzo::time::{Rate, Seconds};
use std::str::FromStr;

/// Arguments of `mezzo feed`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  mezzo feed --output udp://127.0.0.1:5000                                  a live pattern
  mezzo feed --output feed.ts --duration 30s --start 2026-11-21T20:15:30Z   the same feed on any day
  mezzo feed --output udp://127.0.0.1:5000 --input clip.mp4                 a clip, looped and stamped")]
pub struct FeedArgs {
    /// Where to send MPEG-TS: udp://ADDRESS:PORT or a file; may be given more than once
    #[arg(long, short, env = "MEZZO_FEED_OUTPUT", value_name = "URL|FILE", required = true)]
    pub output: Vec<String>,
    /// What to show: the moving pattern, or a file, looped
    #[arg(long, short, env = "MEZZO_FEED_INPUT", value_name = "pattern|FILE", default_value = "pattern")]
    pub input: String,
    /// Size of the picture
    #[arg(long, env = "MEZZO_FEED_SIZE", value_name = "WIDTHxHEIGHT", default_value = "1280x720")]
    pub size: Size,
    /// Pictures a second (25, 30000/1001)
    #[arg(long, env = "MEZZO_FEED_RATE", value_name = "RATE", default_value = "25")]
    pub rate: Rate,
    /// Stop after this long (30s, 2m)
    #[arg(long, env = "MEZZO_FEED_DURATION", value_name = "TIME")]
    pub duration: Option<Span>,
    /// UTC of the first picture, a date or seconds since 1970 [default: now]
    #[arg(long, env = "MEZZO_FEED_START", value_name = "UTC")]
    pub start: Option<Seconds>,
    /// Whether there is a tone beside the picture
    #[arg(long, env = "MEZZO_FEED_AUDIO", value_enum, default_value_t = Switch::On)]
    pub audio: Switch,
}

/// On or off.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

/// A picture size, "1280x720": both sides even, from 16 to 8192.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Pixels.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let sizes = mezzo::ladder::SIZES;
        let side = |s: &str| s.parse::<u32>().ok().filter(|n| sizes.contains(n) && n.is_multiple_of(2));
        let sides = text.split_once('x').and_then(|(w, h)| Some((side(w)?, side(h)?)));
        let (width, height) = sides
            .ok_or_else(|| format!("\"{text}\" is not a size; accepted: WIDTHxHEIGHT, even numbers from {} to {} (1280x720)", sizes.start(), sizes.end()))?;
        Ok(Size { width, height })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        feed: FeedArgs,
    }

    fn parse(args: &str) -> Result<FeedArgs, String> {
        Only::try_parse_from(args.split_whitespace()).map(|only| only.feed).map_err(|e| e.to_string())
    }

    #[test]
    fn what_a_feed_is_made_of() {
        let feed = parse("feed -o a.ts --size 640x360 --rate 60000/1001 --duration 1.5s --start 2026-11-21T20:15:30Z --audio off").expect("legal");
        assert_eq!((feed.size, feed.rate), (Size { width: 640, height: 360 }, Rate::new(60_000, 1001).expect("legal")));
        assert_eq!((feed.duration, feed.start), (Some(Span(Seconds::new(3, 2))), Some(Seconds::whole(1_795_292_130))));
        assert_eq!((feed.output, feed.input.as_str(), feed.audio), (vec!["a.ts".to_owned()], "pattern", Switch::Off));
    }

    #[test]
    fn wrong_values_are_told_what_would_do() {
        for (args, value, accepted) in [
            ("feed", "--output", "required"),
            ("feed -o a --size 641x360", "641x360", "even numbers from 16 to 8192"),
            ("feed -o a --size 640", "\"640\"", "WIDTHxHEIGHT"),
            ("feed -o a --rate 0", "\"0\"", "30000/1001"),
            ("feed -o a --start noon", "\"noon\"", "2026-11-21T20:15:30"),
            ("feed -o a --audio maybe", "maybe", "on, off"),
        ] {
            let message = parse(args).expect_err(args);
            assert!(message.contains(value) && message.contains(accepted), "{args}: {message}");
        }
    }
}

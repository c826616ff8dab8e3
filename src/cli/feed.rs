//! `mezzo feed`: a test feed with UTC in every picture.

use super::Failure;
use clap::Args;
use mezzo::feed::{self, FeedError, FeedOptions};
use mezzo::stop::Stop;

/// Arguments of `mezzo feed`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  a live pattern:
    mezzo feed --output udp://127.0.0.1:5000
  into a file, the same on any day:
    mezzo feed -o feed.ts --fast --duration 30s --start 2026-11-21T20:15:30Z
  a clip, looped and stamped:
    mezzo feed --output udp://127.0.0.1:5000 --input clip.mp4
  nothing for 2 s after 10 s, and again about every minute:
    mezzo feed -o udp://127.0.0.1:5000 --fault gap@10+2 --fault gap~60+2
  two paths of one feed, each losing its own 1 % of the datagrams:
    mezzo feed -o rtp://127.0.0.1:5000 -o rtp://127.0.0.1:5002 --fault drop1%

--help shows every fault.")]
pub struct FeedArgs {
    /// Where to send MPEG-TS: udp:// rtp:// tcp:// srt://ADDRESS:PORT, or a file FILE.ts; may be given more than once
    #[arg(long, short, env = "MEZZO_FEED_OUTPUT", value_name = "URL|FILE", required = true)]
    output: Vec<String>,
    /// What to show: the moving pattern, or a file, looped
    #[arg(long, short, env = "MEZZO_FEED_INPUT", value_name = "pattern|FILE")]
    input: Option<String>,
    /// Size of the pattern [default: 1280x720]
    #[arg(long, env = "MEZZO_FEED_SIZE", value_name = "WIDTHxHEIGHT")]
    size: Option<String>,
    /// Pictures a second of the pattern [default: 25]
    #[arg(long, env = "MEZZO_FEED_RATE", value_name = "RATE", allow_hyphen_values = true)]
    rate: Option<String>,
    /// Codec of the pattern: h264 or hevc [default: h264]
    #[arg(long, env = "MEZZO_FEED_CODEC", value_name = "CODEC")]
    codec: Option<String>,
    /// Bitrate of the pattern's video [default: 8M]
    #[arg(long, env = "MEZZO_FEED_BITRATE", value_name = "BITRATE", allow_hyphen_values = true)]
    bitrate: Option<String>,
    /// Distance of the pattern's key pictures: a time (2s) or a number of pictures (50) [default: 2s]
    #[arg(long, env = "MEZZO_FEED_GOP", value_name = "TIME|PICTURES", allow_hyphen_values = true)]
    gop: Option<String>,
    /// B-pictures between others in the pattern, 0 to 4 [default: 0]
    #[arg(long, env = "MEZZO_FEED_BFRAMES", value_name = "NUMBER", allow_hyphen_values = true)]
    bframes: Option<String>,
    /// Whether there is sound: on or off [default: on]
    #[arg(long, env = "MEZZO_FEED_AUDIO", value_name = "on|off")]
    audio: Option<String>,
    /// Stop after this long (30s, 2m) [default: never]
    #[arg(long, env = "MEZZO_FEED_DURATION", value_name = "TIME", allow_hyphen_values = true)]
    duration: Option<String>,
    /// UTC of the first picture, a date or seconds since 1970 [default: now]
    #[arg(long, env = "MEZZO_FEED_START", value_name = "UTC", allow_hyphen_values = true)]
    start: Option<String>,
    /// What goes wrong: gap@10+2 (nothing is sent for 2 s after 10 s), drop1% (so many datagrams are lost), jump-5s~60 (about every minute); may be given more than once
    #[arg(long, env = "MEZZO_FEED_FAULT", value_name = "[WHERE:]KIND[AMOUNT][WHEN]", long_help = faults())]
    fault: Vec<String>,
    /// What chance in the faults comes from: the same seed, the same faults [default: 0]
    #[arg(long, env = "MEZZO_FEED_SEED", value_name = "NUMBER", allow_hyphen_values = true)]
    seed: Option<String>,
    /// Into a file as fast as the machine can, instead of in real time
    #[arg(long, env = "MEZZO_FEED_FAST")]
    fast: bool,
}

/// Every fault, for `--help`.
fn faults() -> String {
    format!(
        "What goes wrong: [WHERE:]KIND[AMOUNT][WHEN]; may be given more than once.
WHERE is an output (1, 2, …), or a stream (video, audio, pat, pmt, 0x101), or both: 2:audio:gap@10+2.
WHEN is @AT, @AT+FOR, ~EVERY or ~EVERY+FOR (again and again at random), in seconds, or nothing: all the time.

{}",
        feed::faults::table()
    )
}

impl FeedArgs {
    fn options(&self) -> Result<FeedOptions, FeedError> {
        let mut options = FeedOptions { fast: self.fast, ..FeedOptions::default() };
        self.output.iter().try_for_each(|output| options.set("output", output))?;
        let single = [
            ("input", &self.input),
            ("size", &self.size),
            ("rate", &self.rate),
            ("codec", &self.codec),
            ("bitrate", &self.bitrate),
            ("gop", &self.gop),
            ("bframes", &self.bframes),
            ("audio", &self.audio),
            ("duration", &self.duration),
            ("start", &self.start),
            ("seed", &self.seed),
        ];
        let given = single.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?)));
        given.chain(self.fault.iter().map(|text| ("fault", text.as_str()))).try_for_each(|(field, text)| options.set(field, text))?;
        Ok(options)
    }
}

/// Sends the feed until it ends or a signal stops it.
pub fn feed(args: &FeedArgs) -> Result<(), Failure> {
    let options = args.options().map_err(Failure::wrong)?;
    let stop = Stop::new();
    super::signals::raise_on(&stop).map_err(Failure::failed)?;
    let report = feed::run(&options, &stop).map_err(|error| if error.is_usage() { Failure::wrong(error) } else { Failure::failed(error) })?;
    tracing::info!(?report, "the feed ended");
    Ok(())
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

    fn options(args: &str) -> Result<FeedOptions, String> {
        Only::try_parse_from(args.split_whitespace()).map_err(|e| e.to_string())?.feed.options().map_err(|e| e.to_string())
    }

    #[test]
    fn what_a_feed_is_made_of() {
        let feed = options("feed -o a.ts --size 640x360 --rate 60000/1001 --duration 1.5s --start 2026-11-21T20:15:30Z --audio off --fast").expect("legal");
        assert_eq!((feed.size.width(), feed.size.height(), feed.audio, feed.fast), (640, 360, false, true));
        assert_eq!(Some(feed.rate), mezzo::time::Rate::new(60_000, 1001));
        let refused = options("feed -o a.ts --size 641x360").expect_err("odd");
        assert!(refused.contains("size") && refused.contains("641x360"), "{refused}");
        assert!(options("feed").expect_err("nowhere").contains("--output"));
    }
}

//! What goes to stderr: log lines, as text or JSON, and the one line of a failure.

mod limit;

use super::progress::Manner;
use super::{Failure, screen};
use clap::{Args, ValueEnum};
use limit::{Limit, Limiter};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The target of lines that say now and then how it goes. They are never left out.
pub const BEAT: &str = "mezzo::beat";

/// How to log.
#[derive(Args, Clone, Copy, Debug)]
pub struct LogArgs {
    /// How log lines look on stderr; on a terminal, text has a live view below it
    #[arg(long, env = "MEZZO_LOG_FORMAT", value_enum, default_value_t = Format::Text, global = true, help_heading = "Log")]
    pub log_format: Format,
    /// The least severe lines to log; debug adds the errors of libav, trace its warnings
    #[arg(long, env = "MEZZO_LOG_LEVEL", value_enum, default_value_t = Level::Info, global = true, help_heading = "Log")]
    pub log_level: Level,
}

/// `--log-format`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// `--log-level`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Only what ends the job
    Error,
    /// What costs pictures or sound
    Warn,
    /// What happens once in a while
    Info,
    /// What happens for every segment
    Debug,
    /// Everything
    Trace,
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        }
    }

    /// Whether a thousand lines of one kind are too many: who asks for more than what happens once in a while wants all of it.
    fn limited(self) -> bool {
        self.filter() <= LevelFilter::INFO
    }

    /// libav writes to stderr by itself, without a stage or a track: nothing of it unless someone looks for trouble.
    fn libav(self) -> ffmpeg_next::log::Level {
        match self {
            Level::Error | Level::Warn | Level::Info => ffmpeg_next::log::Level::Quiet,
            Level::Debug => ffmpeg_next::log::Level::Error,
            Level::Trace => ffmpeg_next::log::Level::Warning,
        }
    }
}

/// What was logged lately.
static LIMIT: OnceLock<Arc<Limit>> = OnceLock::new();

/// Says what was left out so far.
pub fn finish() {
    LIMIT.get().into_iter().for_each(|limit| limit.tell(Instant::now(), true));
}

/// Starts logging for the whole process. Once.
pub fn start(args: &LogArgs) {
    let layer = tracing_subscriber::fmt::layer()
        // A pipe that nobody reads any more must not end a thread: the complaint about it would go to the same pipe, and panic.
        .log_internal_errors(false)
        .with_writer(screen::Log);
    let layer = match args.log_format {
        Format::Text => layer.with_target(false).with_ansi(colour()).boxed(),
        Format::Json => layer.json().boxed(),
    };
    let limit = LIMIT.get_or_init(Arc::default);
    // Without its thread nothing says how many lines were left out, so none is.
    let limiter = args.log_level.limited().then(|| Limiter::start(limit).ok()).flatten();
    tracing_subscriber::registry().with(layer).with(limiter).with(args.log_level.filter()).init();
    ffmpeg_next::log::set_level(args.log_level.libav());
}

/// Whether stderr is a terminal that understands more than lines.
fn terminal() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty())
}

/// Whether stderr takes colours. `NO_COLOR` as <https://no-color.org> has it: any value but an empty one.
fn colour() -> bool {
    terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How a command that takes long shows what it does. From debug on libav writes to stderr by itself, which no view survives.
pub fn manner(args: &LogArgs) -> Manner {
    let quiet = matches!(args.log_level, Level::Error | Level::Warn | Level::Info);
    if terminal() && quiet && args.log_format == Format::Text { Manner::View { colour: colour() } } else { Manner::Lines }
}

/// Says why the command fails: in the manner of a shell tool, or as a log line where a machine reads.
pub fn failure(args: &LogArgs, failure: &Failure) {
    match args.log_format {
        Format::Text => {
            // Nobody is left to tell when stderr is closed; the exit code still says it.
            let _ = writeln!(std::io::stderr(), "error: {:#}", failure.error);
        }
        Format::Json => tracing::error!(exit = failure.code, "{:#}", failure.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_for_more_gets_all() {
        assert_eq!([Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace].map(Level::limited), [true, true, true, false, false]);
    }
}

//! Arguments that several commands share, and the table of commands.

use super::log::LogArgs;
use super::{Failure, check, completions, feed, man, origin, plan, probe, run};
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};
use mezzo::config::ConfigError;
use mezzo::job::audio::AudioWishes;
use mezzo::job::extras::SessionWishes;
use mezzo::job::filler::FillerWish;
use mezzo::job::protection::Hidden;
use mezzo::job::select::VideoPick;
use mezzo::job::serving::ServingWishes;
use mezzo::job::source::SourceWishes;
use mezzo::job::standby::StandbyWishes;
use mezzo::job::wishes::{LadderWish, LimitWishes, PaceWish, SelectWishes, TimelineWishes};
use mezzo::job::{Anchor, AudioPick, ClockKind, DecodeOn, Job, Latency, Listen, Overload, Prft, ProgramPick, Span, Start, Text, Window, Wishes};
use mezzo::shard::Shard;
use mezzo::time::Rate;
use std::path::PathBuf;

/// A live transcoding worker: one mezzanine feed in, aligned CMAF segments of a ladder out, in real time
#[derive(Parser, Debug)]
#[command(version, arg_required_else_help = true, max_term_width = 120)]
#[command(after_help = "Begin here:
  mezzo run --input testsrc: --ladder demo --listen :8080
                                        a test picture, at localhost:8080
  mezzo plan --input feed.ts            what a feed of yours would become
  mezzo run --input feed.ts --output out
                                        make it
  mezzo check out                       and check it

Every flag can be given in the environment, too: --log-level as MEZZO_LOG_LEVEL,
--output of feed as MEZZO_FEED_OUTPUT. run and plan take a job file. A flag wins
over the environment, the environment over the file.

Exit codes:
  0  the feed ended, or a stop was asked for (SIGTERM, Ctrl-C)
  1  it failed while running, or its feed is not there
  2  the job, the ladder or an argument is wrong; nothing was written")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The command line as clap knows it. The variables are told once, by their rule, instead of behind each flag.
pub fn command() -> clap::Command {
    fn quiet(command: clap::Command) -> clap::Command {
        command.mut_args(|arg| arg.hide_env(true)).mut_subcommands(quiet)
    }
    quiet(Cli::command())
}

/// Reads the command line; help, version and mistakes end the process.
pub fn parse() -> Cli {
    let matches = command().get_matches();
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    if let (Some((_, given)), Command::Run(run::RunArgs { job, .. }) | Command::Plan(plan::PlanArgs { job, .. })) = (matches.subcommand(), &mut cli.command) {
        job.settle(given);
    }
    cli
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Transcode a feed into a ladder of segments, until it ends or a signal asks to stop
    Run(run::RunArgs),
    /// Show what a job would make of its source, and open nothing for writing
    Plan(plan::PlanArgs),
    /// Show what this machine can do: encoders, decoders, devices, and why one is absent
    Probe(probe::ProbeArgs),
    /// Make a live test feed with UTC in every picture, as MPEG-TS over UDP or into a file
    Feed(feed::FeedArgs),
    /// Take pushes from any number of workers, publish the best candidate of each segment, and serve players
    Origin(origin::OriginArgs),
    /// Check a published tree against the standards, or whether two are interchangeable
    Check(check::CheckArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Write man pages into a directory
    Man(man::ManArgs),
}

/// A job, by file or by flags. Flags win.
#[derive(Args, Clone, Debug, Default)]
pub struct JobArgs {
    /// A job file, TOML or JSON (docs/job.md); flags override what it says
    #[arg(value_name = "JOB.toml|JOB.json", env = "MEZZO_JOB", value_hint = ValueHint::FilePath)]
    job: Option<PathBuf>,
    /// Where the feed comes from: a file, - (stdin), udp:// rtp:// srt:// rist:// rtmp:// rtsp:// http:// https://, gst:PIPELINE, testsrc: (or testsrc:size=1920x1080,rate=50,audio=off); twice for two paths of one feed
    #[arg(long, short, env = "MEZZO_INPUT", value_name = "URL", value_hint = ValueHint::FilePath, help_heading = "Job")]
    input: Vec<String>,
    /// A second feed of the same programme, from encoders of its own: decoded all the time, and shown where the first is in trouble
    #[arg(long, env = "MEZZO_STANDBY", value_name = "URL", value_hint = ValueHint::FilePath, help_heading = "Job")]
    standby: Option<String>,
    /// How long one of two paths is waited for, where the other one lost something [default: 80ms]
    #[arg(long, env = "MEZZO_PATH_WINDOW", value_name = "TIME", allow_hyphen_values = true, help_heading = "Job")]
    path_window: Option<Span>,
    /// The ladder: the name of a built-in one (avc-1080p-6, demo, hevc-1080p-6, sd-to-4k, three-codecs, tiny) or a TOML file [default: avc-1080p-6]
    #[arg(long, short, env = "MEZZO_LADDER", value_name = "NAME|FILE", value_hint = ValueHint::FilePath, help_heading = "Job")]
    ladder: Option<String>,
    /// Where to publish: a directory, https://… (DASH-IF ingest), s3://, gs:// or az://BUCKET/PREFIX; may be repeated. Options behind a # of a URL, or in [[output]] of a job file: docs/outputs.md
    #[arg(long, short, env = "MEZZO_OUTPUT", value_name = "DIRECTORY|URL", value_hint = ValueHint::DirPath, help_heading = "Job")]
    output: Vec<PathBuf>,
    /// Serve the page (/), the streams (/live/), health and status here: 127.0.0.1:8080, or :8080 for every address
    #[arg(long, env = "MEZZO_LISTEN", value_name = "ADDRESS", help_heading = "Job")]
    listen: Option<Listen>,
    /// Make part I (from 0) of the N that several workers on one feed share: whole rungs, or every so many segments of one that is too much for a machine. Together they publish what one worker would; playlists are written by the origin that they push to (docs/shards.md) [default: 0/1]
    #[arg(long, env = "MEZZO_SHARD", value_name = "I/N", help_heading = "Job")]
    shard: Option<Shard>,
    /// Refuse to start (exit code 2) at pace live where this machine was measured not to hold the plan (mezzo plan --measure); it is measured first where that has not been done; =false, where the variable or the job file says so
    #[arg(long, env = "MEZZO_REQUIRE_CAPACITY", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Job")]
    require_capacity: Option<bool>,
    /// Where the machine turns out to be too small for the ladder [default: degrade]
    #[arg(long, env = "MEZZO_OVERLOAD", value_enum, help_heading = "Job")]
    overload: Option<Overload>,
    /// MiB of memory that the worker may take in all; a plan that needs more is refused (exit code 2) [default: three quarters of what the machine has, 4096 of it for pictures]
    #[arg(long, env = "MEZZO_MEMORY", value_name = "MIB", help_heading = "Job")]
    memory: Option<u64>,
    /// How inputs are consumed [default: auto]
    #[arg(long, env = "MEZZO_PACE", value_enum, help_heading = "Job")]
    pace: Option<PaceWish>,
    /// End the event after this long (30s, 2m) [default: with the feed]
    #[arg(long, env = "MEZZO_DURATION", value_name = "TIME", allow_hyphen_values = true, help_heading = "Job")]
    duration: Option<Span>,
    /// Where the source is decoded and scaled: auto (on a device where all rungs are encoded on devices), software, or a device: cuda:0, /dev/dri/renderD128 [default: auto]
    #[arg(long, env = "MEZZO_DECODE", value_name = "auto|software|DEVICE", help_heading = "Job")]
    decode: Option<DecodeOn>,
    /// End with exit code 1 where the feed shows nothing for this long, at its beginning or in mid-event; until then it is called again and again [default: never, once it was there]
    #[arg(long, env = "MEZZO_INPUT_TIMEOUT", value_name = "TIME", allow_hyphen_values = true, help_heading = "Job")]
    input_timeout: Option<Span>,

    /// How long a segment lasts, to the nearest whole number of pictures [default: 2s]
    #[arg(long, env = "MEZZO_SEGMENT", value_name = "TIME", allow_hyphen_values = true, help_heading = "Segments")]
    segment: Option<Span>,
    /// Hand segments out in chunks of this length (200ms), each as soon as it is encoded [default: one chunk a segment; 200ms with --latency low]
    #[arg(long, env = "MEZZO_CHUNK", value_name = "TIME", allow_hyphen_values = true, help_heading = "Segments")]
    chunk: Option<Span>,
    /// How far encoders look ahead [default: normal]
    #[arg(long, env = "MEZZO_LATENCY", value_enum, help_heading = "Segments")]
    latency: Option<Latency>,
    /// What says when it was produced (prft) [default: segment]
    #[arg(long, env = "MEZZO_PRFT", value_enum, help_heading = "Segments")]
    prft: Option<Prft>,
    /// Which segments are kept and listed: whole, or the last so many seconds [default: 120 at pace live, whole at pace fast]
    #[arg(long, env = "MEZZO_WINDOW", value_name = "whole|TIME", allow_hyphen_values = true, help_heading = "Segments")]
    window: Option<Window>,
    /// When a segment is due, counted from the end of its slot; the same for both workers of a pair [default: 6s; 1s with --latency low]
    #[arg(long, env = "MEZZO_PUBLISH_DELAY", value_name = "TIME", allow_hyphen_values = true, help_heading = "Segments")]
    publish_delay: Option<Span>,
    /// Pictures a second (25, 30000/1001) [default: as the source, at most 60]
    #[arg(long, env = "MEZZO_RATE", value_name = "RATE", allow_hyphen_values = true, help_heading = "Segments")]
    rate: Option<Rate>,

    /// Where UTC comes from [default: auto]
    #[arg(long, env = "MEZZO_CLOCK", value_enum, help_heading = "Timeline")]
    clock: Option<ClockKind>,
    /// The source time SECONDS is the instant UTC (0=2026-11-21T20:15:30Z); two workers with one anchor make the same segments
    #[arg(long, env = "MEZZO_ANCHOR", value_name = "SECONDS=UTC", allow_hyphen_values = true, help_heading = "Timeline")]
    anchor: Option<Anchor>,
    /// Added to every picture's time; moves a feed that sits half a picture off the grid (-20ms)
    #[arg(long, env = "MEZZO_PHASE", value_name = "TIME", allow_hyphen_values = true, help_heading = "Timeline")]
    phase: Option<Span>,
    /// Added to every UTC stamp in the pictures (stamps without leap seconds: -37s)
    #[arg(long, env = "MEZZO_STAMP_OFFSET", value_name = "TIME", allow_hyphen_values = true, help_heading = "Timeline")]
    stamp_offset: Option<Span>,
    /// A gap repeats the last picture for this long, then shows black [default: 1s]
    #[arg(long, env = "MEZZO_HOLD", value_name = "TIME", allow_hyphen_values = true, help_heading = "Timeline")]
    hold: Option<Span>,
    /// A gap longer than this is left out of the playlists [default: 60s]
    #[arg(long, env = "MEZZO_MAX_GAP", value_name = "TIME", allow_hyphen_values = true, help_heading = "Timeline")]
    max_gap: Option<Span>,
    /// What is shown where the feed is away for longer than hold: black, or a picture (PNG, JPEG and the like), fitted into each rung [default: black]
    #[arg(long, env = "MEZZO_FILLER", value_name = "black|PICTURE", value_hint = ValueHint::FilePath, help_heading = "Timeline")]
    filler: Option<FillerWish>,
    /// When the event begins; now: with filler until the feed comes, where [source] in the job file, or an earlier run, says what that is [default: first-picture]
    #[arg(long, env = "MEZZO_START", value_enum, help_heading = "Timeline")]
    start: Option<Start>,

    /// The programme of a transport stream, by number or service name [default: that of the largest picture]
    #[arg(long, env = "MEZZO_PROGRAM", value_name = "NUMBER|NAME", help_heading = "Streams")]
    program: Option<ProgramPick>,
    /// The video stream, by index among all streams or by PID (pid:0x100) [default: the largest picture]
    #[arg(long, env = "MEZZO_VIDEO", value_name = "INDEX|pid:PID", help_heading = "Streams")]
    video: Option<VideoPick>,
    /// A sound, by index, PID or language: 1, pid:0x101, eng. May be repeated, each a track of its own; "fra?" is silent until it comes; "eng,label=English,role=description" says more [default: the best one]
    #[arg(long, env = "MEZZO_AUDIO", value_name = "INDEX|pid:PID|LANGUAGE", value_delimiter = ';', help_heading = "Streams")]
    audio: Vec<AudioPick>,
    /// No sound; =false, where the variable or the job file says so
    #[arg(long, env = "MEZZO_NO_AUDIO", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Streams")]
    no_audio: Option<bool>,

    /// Serve encrypted (https), with the certificate and those that lead to its issuer in this PEM file; a new one there is taken up by itself
    #[arg(long, env = "MEZZO_TLS_CERT", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Serving")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, a PEM file
    #[arg(long, env = "MEZZO_TLS_KEY", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Serving")]
    tls_key: Option<PathBuf>,
    /// What opens the control API (docs/api.md), as where it is: ${NAME} of the environment, or file:PATH (the variable of this flag may have it as it is) [default: none; only who is on this machine may change anything]
    #[arg(long, env = "MEZZO_API_TOKEN", value_name = "${NAME}|file:PATH", help_heading = "Serving")]
    api_token: Option<String>,
    /// Where edits by the API are kept, and read from at the start [default: edits.json in each directory that is published into]
    #[arg(long, env = "MEZZO_EDITS", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Serving")]
    edits: Option<PathBuf>,
    /// Segments to hold in memory for players; older ones are served from the first directory that is published into [default: 512]
    #[arg(long, env = "MEZZO_SERVE_MEMORY", value_name = "MIB", help_heading = "Serving")]
    serve_memory: Option<u64>,
}

impl JobArgs {
    /// Sound is one wish, which two flags can say: one that was given leaves no say to the variable of the other.
    fn settle(&mut self, given: &ArgMatches) {
        use clap::parser::ValueSource::{CommandLine, EnvVariable};
        match (given.value_source("no_audio"), given.value_source("audio")) {
            (Some(CommandLine), Some(EnvVariable)) if self.no_audio == Some(true) => self.audio.clear(),
            (Some(EnvVariable), Some(CommandLine)) => self.no_audio = None,
            _ => {}
        }
    }

    /// The job: file and flags together, checked, its places looked at. Opens nothing for writing.
    pub fn job(&self) -> Result<Job, Failure> {
        self.checked(Wishes::check)
    }

    /// As [`JobArgs::job`], for a job that is not run: it may have no output.
    pub fn planned(&self) -> Result<Job, Failure> {
        self.checked(Wishes::check_planned)
    }

    fn checked(&self, check: impl FnOnce(Wishes, &str) -> Result<Job, ConfigError>) -> Result<Job, Failure> {
        let (below, file) = match &self.job {
            Some(path) => (Wishes::read(path)?, path.display().to_string()),
            None => (Wishes::default(), "arguments".to_owned()),
        };
        let job = check(self.wishes().over(below), &file)?;
        job.check_places()?;
        Ok(job)
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            protection: None,
            inputs: some(&self.input),
            standby: StandbyWishes { input: self.standby.clone(), ..StandbyWishes::default() },
            path_window: self.path_window.map(Text),
            ladder: self.ladder.clone().map(|wish| LadderWish::Named(wish, PathBuf::new())),
            outputs: some(&self.output),
            output: None,
            listen: self.listen.map(Text),
            shard: self.shard.map(Text),
            edits: self.edits.clone(),
            pace: self.pace,
            duration: self.duration.map(Text),
            input_timeout: self.input_timeout.map(Text),
            segment: self.segment.map(Text),
            chunk: self.chunk.map(Text),
            window: self.window.map(Text),
            publish_delay: self.publish_delay.map(Text),
            rate: self.rate.map(Text),
            decode: self.decode.clone().map(Text),
            latency: self.latency,
            prft: self.prft,
            timeline: TimelineWishes {
                clock: self.clock,
                anchor: self.anchor.map(Text),
                phase: self.phase.map(Text),
                stamp_offset: self.stamp_offset.map(Text),
                hold: self.hold.map(Text),
                max_gap: self.max_gap.map(Text),
                filler: self.filler.clone().map(Text),
                start: self.start,
            },
            select: SelectWishes {
                program: self.program.clone().map(Text),
                video: self.video.clone().map(Text),
                audio: some(&self.audio).map(AudioWishes),
                no_audio: self.no_audio,
            },
            serve: ServingWishes {
                tls_cert: self.tls_cert.clone(),
                tls_key: self.tls_key.clone(),
                memory: self.serve_memory,
                api_token: self.api_token.as_deref().map(token),
            },
            thumbnails: None,
            session_data: SessionWishes::default(),
            source: SourceWishes::default(),
            limits: LimitWishes { require_capacity: self.require_capacity, overload: self.overload, memory: self.memory },
        }
    }
}

/// A token as where it is: the variable of the flag may have it as it is, for that is a place for secrets.
fn token(text: &str) -> Hidden {
    const VARIABLE: &str = "MEZZO_API_TOKEN";
    let reference = text.starts_with("${") || text.starts_with("file:");
    let here = !reference && std::env::var(VARIABLE).is_ok_and(|value| value == text);
    Hidden::new(if here { format!("${{{VARIABLE}}}") } else { text.to_owned() })
}

/// A flag that may be repeated counts as given once it is there at all.
fn some<T: Clone>(values: &[T]) -> Option<Vec<T>> {
    (!values.is_empty()).then(|| values.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_arguments_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn examples_fit_a_terminal() {
        let command = command();
        for c in std::iter::once(&command).chain(command.get_subcommands()).filter(|c| c.get_name() != "help") {
            let text = c.get_after_help().unwrap_or_else(|| panic!("{} has no examples", c.get_name())).to_string();
            assert!(text.lines().all(|l| l.chars().count() <= 80), "{}: {text}", c.get_name());
        }
    }

    #[test]
    fn every_flag_has_a_variable_and_a_line_of_help() {
        let command = Cli::command();
        let subcommands = std::iter::once(&command).chain(command.get_subcommands());
        for (name, arg) in subcommands.flat_map(|c| c.get_arguments().map(|arg| (c.get_name().to_owned(), arg))) {
            assert!(arg.get_help().is_some(), "{name} {} has no help", arg.get_id());
            if let Some(long) = arg.get_long().filter(|long| !["help", "version"].contains(long)) {
                // The feed is no job: a worker's environment must not reach it.
                let of = if name == "feed" { "MEZZO_FEED" } else { "MEZZO" };
                let variable = format!("{of}_{}", long.to_uppercase().replace('-', "_"));
                assert_eq!(arg.get_env().and_then(|e| e.to_str()), Some(variable.as_str()), "{name} --{long}");
            }
        }
    }

    #[test]
    fn flags_and_keys_of_a_job_are_each_others() {
        use mezzo::job::keys::SECTIONS;
        let of_keys: Vec<&str> = SECTIONS.iter().flat_map(|section| section.keys).map(|key| key.flag).filter(|flag| !flag.is_empty()).collect();
        let page = include_str!("../../docs/job.md");
        for name in ["run", "plan"] {
            let command = command();
            let command = command.find_subcommand(name).expect("a command");
            let flags: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
            for flag in &of_keys {
                assert!(flags.contains(flag), "mezzo {name} has no --{flag}, which src/job/keys says");
            }
            for flag in flags.iter().filter(|flag| !of_keys.contains(flag)) {
                assert!(page.contains(&format!("`--{flag}`")), "docs/job.md does not say that --{flag} of mezzo {name} has no key");
            }
        }
    }

    #[test]
    fn the_ladders_in_the_help_are_those_built_in() {
        let help = command().find_subcommand_mut("plan").expect("plan").render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let names: Vec<&str> = mezzo::ladder::BUILT_IN.iter().map(|(name, _)| *name).collect();
        assert!(help.contains(&format!("({})", names.join(", "))), "{help}");
        assert!(help.contains(&format!("[default: {}]", mezzo::ladder::DEFAULT)));
    }
}

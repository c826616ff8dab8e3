//! The command line: one file per command here, each a function from its arguments to an exit code.

mod args;
mod check;
mod columns;
mod completions;
mod feed;
mod log;
mod man;
mod origin;
mod plan;
mod probe;
mod progress;
mod run;
mod screen;
mod signals;

pub use args::{Cli, Command, parse};
use mezzo::capture::CaptureError;
use mezzo::config::ConfigError;
use mezzo::encode::served::ServeError;
use mezzo::pipeline::RunError;
use mezzo::plan::PlanError;
use mezzo::resolution::ResolutionError;
use std::io::Write;
use std::process::ExitCode;

/// Why a command ends with another exit code than 0.
#[derive(Debug)]
pub struct Failure {
    /// 1: it failed while running. 2: the job, ladder or arguments are wrong, and nothing was written.
    pub code: u8,
    /// What to tell.
    pub error: anyhow::Error,
}

impl Failure {
    /// The job, ladder or arguments are wrong.
    pub fn wrong(error: impl Into<anyhow::Error>) -> Failure {
        Failure { code: 2, error: error.into() }
    }

    /// It failed while running.
    pub fn failed(error: impl Into<anyhow::Error>) -> Failure {
        Failure { code: 1, error: error.into() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::wrong(error)
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Failure {
        Failure::wrong(error)
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Failure {
        Failure::wrong(error)
    }
}

impl From<ResolutionError> for Failure {
    fn from(error: ResolutionError) -> Failure {
        Failure::wrong(error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        match error {
            RunError::Wrong(_) => Failure::wrong(error),
            RunError::Failed(_) => Failure::failed(error),
        }
    }
}

impl From<CaptureError> for Failure {
    fn from(error: CaptureError) -> Failure {
        match error {
            CaptureError::Open { .. } | CaptureError::Unfit { .. } => Failure::wrong(error),
            CaptureError::Away { .. } | CaptureError::Silent { .. } | CaptureError::Broken { .. } => Failure::failed(error),
        }
    }
}

/// Does what the command line asks for.
pub fn main(cli: &Cli) -> ExitCode {
    mezzo::ffmpeg::quiet_codecs();
    log::start(&cli.log);
    mezzo::ffmpeg::scrub_lines();
    mezzo::ffmpeg::return_memory();
    mezzo::ffmpeg::pin_cpu();
    let done = match &cli.command {
        Command::Run(args) => run::run(args, log::manner(&cli.log)),
        Command::Plan(args) => plan::plan(args),
        Command::Probe(args) => probe::probe(args),
        Command::Completions(args) => completions::completions(args),
        Command::Man(args) => man::man(args),
        Command::Feed(args) => feed::feed(args),
        Command::Origin(args) => origin::origin(args),
        Command::Check(args) => return check::check(args).unwrap_or_else(|failure| failed(cli, &failure)),
    };
    let code = match done {
        Ok(()) => 0,
        Err(failure) => {
            log::failure(&cli.log, &failure);
            failure.code
        }
    };
    log::finish();
    // What libraries do at exit (libsrt's destructors) does not bear a thread that is still inside them.
    if mezzo::capture::abandoned() > 0 {
        mezzo::ffmpeg::leave_at_once(i32::from(code));
    }
    ExitCode::from(code)
}

fn failed(cli: &Cli, failure: &Failure) -> ExitCode {
    log::failure(&cli.log, failure);
    ExitCode::from(failure.code)
}

/// Writes what was asked for to stdout. A reader that has left is not a failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::failed(anyhow::Error::new(e).context("stdout"))),
        _ => Ok(()),
    }
}

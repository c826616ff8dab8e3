//! `mezzo run`: the worker.

use super::Failure;
use super::args::JobArgs;
use super::progress::{Manner, Progress};
use clap::Args;
use mezzo::pipeline;
use mezzo::secrets::without_secrets;
use mezzo::status::Status;
use mezzo::stop::Stop;
use mezzo::traces::{self, Tracer};
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `mezzo run`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  a file, as fast as the machine can:
    mezzo run --input feed.ts --output out
  a live feed, played at http://localhost:8080/:
    mezzo run --input udp://239.1.1.1:5000 --listen :8080
  a test picture, for two minutes:
    mezzo run --input testsrc: --ladder demo --listen :8080 --duration 2m
  one of two workers that make the same segments:
    mezzo run --input udp://239.1.1.1:5000 --clock sei --output /srv/live
  a job file, with another output:
    mezzo run event.toml --output /srv/live
  pushed to an origin, and kept in a bucket (docs/outputs.md):
    mezzo run event.toml --output https://origin.example/live/ch1 \\
      --output s3://my-bucket/ch1

A job file has the names of the flags:
  inputs = [\"udp://239.1.1.1:5000\"]
  outputs = [\"/srv/live\"]
  ladder = \"avc-1080p-6\"       # or a path relative to this file, or a table
  segment = 2
  [timeline]
  clock = \"sei\"

While it runs, a terminal shows the position, the lag, and each rung's rate,
bitrate, queue and drops; a pipe gets a line with them every ten seconds
(--heartbeat). Metrics for Prometheus are at /metrics (docs/metrics.md).

SIGTERM or Ctrl-C leaves: what is in flight is finished, and no end of the event
is written, for its twin goes on. A second one ends the process at once.")]
pub struct RunArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// Log a line with state, lag, segments, misses and outputs this often, where there is no terminal; 0 for never
    #[arg(long, env = "MEZZO_HEARTBEAT", value_name = "TIME", default_value = "10s", value_parser = heartbeat, help_heading = "Log")]
    heartbeat: Duration,
    /// Send a trace of each segment's life, from capture to published, to this OTLP collector (http://127.0.0.1:4318)
    #[arg(long, env = "MEZZO_OTLP", value_name = "URL", value_parser = otlp, help_heading = "Log")]
    otlp: Option<url::Url>,
}

/// A span that may be nothing.
fn heartbeat(text: &str) -> Result<Duration, String> {
    let span = if text == "0" { Ok(Duration::ZERO) } else { humantime::parse_duration(text) };
    let accepted = "accepted: 0, or from 1s to 1h";
    match span {
        Ok(span) if span.is_zero() || (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&span) => Ok(span),
        Ok(_) => Err(accepted.to_owned()),
        Err(error) => Err(format!("{error}; {accepted}")),
    }
}

fn otlp(text: &str) -> Result<url::Url, String> {
    traces::endpoint(text).map_err(|e| e.to_string())
}

/// Runs a job to its end, and shows `manner` what it does.
pub fn run(args: &RunArgs, manner: Manner) -> Result<(), Failure> {
    let stop = Stop::new();
    super::signals::raise_on(&stop).map_err(Failure::failed)?;
    let job = args.job.job()?;
    job.inputs.iter().for_each(|input| tracing::info!("opening {}", without_secrets(input)));
    let (mut progress, mut tracer) = (None, None);
    let ended = pipeline::run(&job, &stop, |status, url| {
        tracer = args.otlp.as_ref().map(|to| trace(to, status));
        url.iter().for_each(|url| tracing::info!("the page is at {url}"));
        progress = Some(Progress::start(Arc::clone(status), url, manner, args.heartbeat));
    });
    // The view is gone before the reason of a failure is told.
    drop((progress, tracer));
    Ok(ended?)
}

/// Sends traces. Where that cannot be, the job goes on without.
fn trace(to: &url::Url, status: &Arc<Status>) -> Option<Tracer> {
    let counts = Arc::default();
    status.watch_traces(Arc::clone(&counts));
    let started = Tracer::start(to, &status.probes, status.names(), status.class(), counts);
    started.inspect_err(|error| tracing::warn!("no traces are sent: {error}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use mezzo::job::Job;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        run: RunArgs,
    }

    fn job(args: &[&str]) -> Result<Job, String> {
        let parsed = Only::try_parse_from(std::iter::once(&"run").chain(args)).map_err(|e| e.to_string())?;
        parsed.run.job.job().map_err(|failure| format!("{} {:#}", failure.code, failure.error))
    }

    #[test]
    fn flags_make_a_job() {
        let text = "-i - -o o -l tiny --pace live --duration 90s --anchor -1.5=1795292130 --phase -20ms --window 1m --rate 30000/1001 --audio 2 --audio eng? --program 7";
        let job = job(&text.split(' ').collect::<Vec<_>>()).expect("legal");
        assert_eq!((job.inputs, job.ladder.name.as_str(), job.rate), (vec!["-".to_owned()], "tiny", mezzo::time::Rate::new(30_000, 1001)));
        assert_eq!(job.duration, Some(mezzo::time::Seconds::whole(90)));
        assert_eq!(job.timeline.anchor.map(|a| a.source), Some(mezzo::time::Seconds::new(-3, 2)));
        assert_eq!(job.timeline.phase, mezzo::time::Seconds::new(-1, 50));
        let audio: Vec<String> = job.select.audio.iter().map(ToString::to_string).collect();
        assert_eq!((audio, job.select.program), (vec!["2".to_owned(), "eng?".to_owned()], Some(mezzo::job::ProgramPick::Number(7))));
    }

    #[test]
    fn a_wrong_job_is_refused() {
        let message = job(&["-i", "-", "-o", "o", "--segment", "31"]).expect_err("too long");
        assert!(message.starts_with("2 job arguments: segment = 31 s"), "{message}");
    }
}

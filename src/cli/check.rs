//! `mezzo check`: whether what is published is as it must be.

use super::{Failure, print};
use clap::Args;
use mezzo::check::{self, Options};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `mezzo check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  mezzo check /srv/live
  mezzo check /srv/live --json
  mezzo check /srv/a --against /srv/b      whether two are interchangeable
  mezzo check /srv/all --no-playlists      several shards' trees together

Exit codes:
  0  clean
  1  something is wrong, and the report says what
  2  there is nothing to check")]
pub struct CheckArgs {
    /// A published tree: its directory, or its main.m3u8
    #[arg(value_name = "TARGET", env = "MEZZO_TARGET", value_hint = clap::ValueHint::AnyPath)]
    pub target: PathBuf,
    /// Another one, made from the same feed, to compare with
    #[arg(long, env = "MEZZO_AGAINST", value_name = "OTHER")]
    pub against: Option<PathBuf>,
    /// The trees have no media playlists: those of several shards, copied together (docs/shards.md)
    #[arg(long, env = "MEZZO_NO_PLAYLISTS", value_parser = clap::builder::BoolishValueParser::new())]
    pub no_playlists: bool,
    /// Print findings as JSON
    #[arg(long, env = "MEZZO_JSON", value_parser = clap::builder::BoolishValueParser::new())]
    pub json: bool,
}

/// Checks, prints the report, and says by the exit code whether it is clean.
pub fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let options = Options { playlists: !args.no_playlists, ..Options::default() };
    let report = check::run(&args.target, args.against.as_deref(), options).map_err(Failure::wrong)?;
    print(&if args.json { report.to_json() + "\n" } else { report.to_string() })?;
    Ok(if report.clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        check: CheckArgs,
    }

    #[test]
    fn a_target_is_needed_and_another_may_be_given() {
        let parse = |args: &str| Only::try_parse_from(args.split_whitespace()).map(|only| only.check);
        let check = parse("check a --against b --json").expect("legal");
        assert_eq!((check.target, check.against, check.json), ("a".into(), Some("b".into()), true));
        assert!(parse("check").expect_err("nothing to check").to_string().contains("TARGET"));
    }
}

//! `mezzo check`: whether what is published is as it must be.

use clap::Args;

/// Arguments of `mezzo check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  mezzo check /srv/live
  mezzo check http://localhost:8080/live/ --json
  mezzo check /srv/a --against /srv/b        whether two workers are interchangeable")]
pub struct CheckArgs {
    /// A published tree, or the URL of one
    #[arg(value_name = "TARGET", env = "MEZZO_TARGET")]
    pub target: String,
    /// Another one, made from the same feed, to compare with
    #[arg(long, env = "MEZZO_AGAINST", value_name = "OTHER")]
    pub against: Option<String>,
    /// Print findings as JSON
    #[arg(long, env = "MEZZO_JSON", value_parser = clap::builder::BoolishValueParser::new())]
    pub json: bool,
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
        assert_eq!((check.target.as_str(), check.against.as_deref(), check.json), ("a", Some("b"), true));
        assert!(parse("check").expect_err("nothing to check").to_string().contains("TARGET"));
    }
}

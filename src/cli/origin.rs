//! `mezzo origin`: the embedded origin as its own process, fed by pushes.

use super::Failure;
use clap::{Args, ValueHint};
use mezzo::job::{Listen, Span, Window};
use mezzo::origin::{Mask, Options, Origin, OriginError, Secrets, Settings};
use mezzo::stop::Stop;
use mezzo::time::Seconds;
use std::path::PathBuf;

/// The variable that may hold a token. Not a flag: what is on a command line, everybody on the machine can read.
const TOKEN: &str = "MEZZO_TOKEN";

/// Arguments of `mezzo origin`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  for workers on this machine:
    mezzo origin --listen 127.0.0.1:8080
  two pipelines of workers elsewhere, with a token; kept on disk:
    MEZZO_TOKEN=... mezzo origin --listen :8080 --output /srv/live
  their workers:
    mezzo run ... --output http://origin:8080/ingest/A
    mezzo run ... --output http://origin:8080/ingest/B
  what B sent from number 5 to 9 is not shown:
    mezzo origin --listen :8080 --open --mask B:5-9
  the same while it runs:
    curl -H \"Authorization: Bearer $MEZZO_TOKEN\" \\
      -d '{\"mask\": \"B:5-9\"}' http://origin:8080/v1/mask

Pushed to, by PUT or POST: /ingest/PIPELINE/TRACK/init.mp4 and
/ingest/PIPELINE/TRACK/NUMBER.m4s. Players read /live/main.m3u8 and
/live/manifest.mpd. /v1/status says what came, and from whom.

A token for pushing is taken from the variable MEZZO_TOKEN, more of them, and
passwords, from a file. SIGTERM or Ctrl-C stops it; the event goes on.")]
pub struct OriginArgs {
    /// Take pushes (/ingest/) and serve players (/live/) here: 127.0.0.1:8080, or :8080 for every address
    #[arg(long, env = "MEZZO_LISTEN", value_name = "ADDRESS")]
    listen: Listen,
    /// A directory that keeps everything that is published, for a restart
    #[arg(long, short, env = "MEZZO_OUTPUT", value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
    /// Names of the pipelines, the preferred one first
    #[arg(long, env = "MEZZO_PIPELINES", value_name = "A,B", value_delimiter = ',', default_value = "A,B")]
    pipelines: Vec<String>,
    /// Numbers of a pipeline that are not chosen: A:5-9, A:5- (and all that follow), A:5; may be repeated
    #[arg(long, env = "MEZZO_MASK", value_name = "PIPELINE:FROM-TO", value_delimiter = ',')]
    mask: Vec<Mask>,
    /// Which segments are kept and listed: whole, or the last so many seconds
    #[arg(long, env = "MEZZO_WINDOW", value_name = "whole|TIME", default_value = "120", allow_hyphen_values = true)]
    window: Window,
    /// When a segment is due, counted from the end of its slot: the same as the workers'
    #[arg(long, env = "MEZZO_PUBLISH_DELAY", value_name = "TIME", default_value = "6s", allow_hyphen_values = true)]
    publish_delay: Span,
    /// How long a number is waited for once it was due, and later ones came, before it becomes a gap
    #[arg(long, env = "MEZZO_PATIENCE", value_name = "TIME", default_value = "2s", allow_hyphen_values = true)]
    patience: Span,
    /// A file with one TOKEN or USER:PASSWORD a line that may push
    #[arg(long, env = "MEZZO_TOKEN_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Take pushes without a token from whoever reaches the address
    #[arg(long, env = "MEZZO_OPEN", value_parser = clap::builder::BoolishValueParser::new())]
    open: bool,
    /// The most segments that are held in memory, in MiB
    #[arg(long, env = "MEZZO_MEMORY", value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    memory: u64,
}

/// Runs until a signal asks to stop.
pub fn origin(args: &OriginArgs) -> Result<(), Failure> {
    let options = args.options(std::env::var(TOKEN).ok().as_deref())?;
    let stop = Stop::new();
    super::signals::raise_on(&stop).map_err(Failure::failed)?;
    let origin = Origin::start(options)?;
    if let Some(address) = origin.address() {
        tracing::info!("pushes are taken at http://{address}/ingest/{}/, players at http://{address}/live/main.m3u8", args.pipelines.join("|"));
    }
    while !stop.wait(std::time::Duration::from_secs(3600)) {}
    origin.stop();
    Ok(())
}

impl OriginArgs {
    fn options(&self, token: Option<&str>) -> Result<Options, Failure> {
        let within = |name: &str, span: Seconds, least: Seconds, most: Seconds| {
            let fits = (least..=most).contains(&span);
            fits.then_some(span).ok_or_else(|| Failure::wrong(anyhow::anyhow!("{name} = {span} s; {least} s to {most} s are accepted")))
        };
        let window = match self.window {
            Window::Whole => Window::Whole,
            Window::Last(span) => Window::Last(within("window", span, Seconds::whole(3), Seconds::whole(400 * 86_400))?),
        };
        let settings = Settings {
            pipelines: self.pipelines.clone(),
            publish_delay: within("publish_delay", self.publish_delay.0, Seconds::ZERO, Seconds::whole(3600))?,
            window,
            patience: within("patience", self.patience.0, Seconds::ZERO, Seconds::MINUTE)?,
        };
        Ok(Options {
            listen: self.listen.0,
            settings,
            masks: self.mask.clone(),
            secrets: Secrets::read(self.token_file.as_deref(), token).map_err(Failure::wrong)?,
            open: self.open,
            output: self.output.clone(),
            memory: self.memory << 20,
            limits: mezzo::origin::Limits::default(),
        })
    }
}

impl From<OriginError> for Failure {
    fn from(error: OriginError) -> Failure {
        if error.is_wrong() { Failure::wrong(error) } else { Failure::failed(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        origin: OriginArgs,
    }

    fn options(args: &str, token: Option<&str>) -> Result<Options, String> {
        let parsed = Only::try_parse_from(std::iter::once("origin").chain(args.split_whitespace())).map_err(|e| e.to_string())?;
        parsed.origin.options(token).map_err(|failure| format!("{} {:#}", failure.code, failure.error))
    }

    #[test]
    fn flags_make_an_origin() {
        let options =
            options("--listen :0 --pipelines west,east,lab --mask west:5-9,lab:1- --window whole --publish-delay 3s --patience 1s", Some("sesame-open"))
                .expect("legal");
        assert_eq!(options.settings.pipelines, ["west", "east", "lab"]);
        assert_eq!(options.masks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["west:5-9", "lab:1-"]);
        assert_eq!((options.settings.publish_delay, options.settings.patience), (Seconds::whole(3), Seconds::whole(1)));
        assert!(options.secrets.opens(Some("Bearer sesame-open")) && !options.secrets.opens(None));
    }

    #[test]
    fn a_wrong_origin_is_refused() {
        for (args, said) in [
            ("", "--listen"),
            ("--listen x", "an address"),
            ("--listen :0 --patience 2h", "patience = 7200 s; 0 s to 60 s"),
            ("--listen :0 --mask A", "FROM-TO"),
        ] {
            let error = options(args, None).err().expect("wrong");
            assert!(error.contains(said), "{args}: {error}");
        }
        let origin = |args: &str| Origin::start(options(args, None).expect("legal")).err().map(|e| e.to_string()).expect("refused");
        assert!(origin("--listen 0.0.0.0:0").contains("could push"));
        assert!(origin("--listen 127.0.0.1:0 --pipelines A,A").contains("different names"));
        assert!(origin("--listen 127.0.0.1:0 --mask C:5").contains("no such pipeline"));
    }
}

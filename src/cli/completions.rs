//! `mezzo completions`: a script for a shell.

use super::{Failure, args, print};
use clap::Args;
use clap_complete::Shell;

/// Arguments of `mezzo completions`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  mezzo completions bash > ~/.local/share/bash-completion/completions/mezzo
  mezzo completions fish > ~/.config/fish/completions/mezzo.fish
  mezzo completions zsh > ~/.zfunc/_mezzo
                              with ~/.zfunc in fpath before compinit")]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Known,
}

/// The shells whose completions are tried.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "mezzo", &mut script);
    print(&String::from_utf8_lossy(&script))
}

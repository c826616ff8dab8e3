//! `mezzo man`: man pages, one for the program and one for each command.

use super::{Failure, args};
use clap::{Args, CommandFactory, ValueHint};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `mezzo man`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  mezzo man /usr/local/share/man/man1
  mezzo man . && man -l ./mezzo-run.1")]
pub struct ManArgs {
    /// Where to write mezzo.1, mezzo-run.1 and the others; made where it is not there
    #[arg(value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
}

/// Writes the pages.
pub fn man(args: &ManArgs) -> Result<(), Failure> {
    let at = |path: &Path| format!("{}: accepted: a directory that can be written to", path.display());
    let failed = |path: &Path, e: std::io::Error| Failure::failed(anyhow::Error::new(e).context(at(path)));
    std::fs::create_dir_all(&args.directory).map_err(|e| failed(&args.directory, e))?;
    for (name, page) in pages() {
        let path = args.directory.join(name);
        std::fs::write(&path, page).map_err(|e| failed(&path, e))?;
    }
    Ok(())
}

/// Every page, by the name of its file.
fn pages() -> Vec<(String, Vec<u8>)> {
    let mut command = args::Cli::command().disable_help_subcommand(true);
    command.build();
    let names: Vec<String> = std::iter::once("mezzo".to_owned()).chain(command.get_subcommands().map(|c| format!("mezzo-{}", c.get_name()))).collect();
    let all = std::iter::once(&command).chain(command.get_subcommands());
    names
        .iter()
        .zip(all)
        .map(|(name, command)| {
            let others: Vec<&str> = names.iter().filter(|other| *other != name).map(String::as_str).collect();
            let text = page(name, command, &others).expect("writing to memory cannot fail");
            (format!("{name}.1"), text)
        })
        .collect()
}

fn page(name: &str, command: &clap::Command, others: &[&str]) -> std::io::Result<Vec<u8>> {
    let version = concat!("mezzo ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).title(name.to_uppercase()).source(version).manual("mezzo");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut rest = Roff::default();
    if let Some(help) = command.get_after_help() {
        // As it stands: examples in columns, and lists.
        rest.control("SH", ["EXAMPLES AND NOTES"]).control("nf", []);
        help.to_string().lines().for_each(|line| {
            rest.text([roman(line)]);
        });
        rest.control("fi", []);
    }
    rest.control("SH", ["SEE ALSO"]);
    for (n, other) in others.iter().enumerate() {
        let mark = if n + 1 == others.len() { "(1)" } else { "(1)," };
        rest.text([bold(*other), roman(mark)]);
    }
    rest.to_writer(&mut text)?;
    text.flush()?;
    Ok(text)
}

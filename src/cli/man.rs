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
    // Help in several lines is a table: it stands as it is, behind the options.
    let long = |arg: &clap::Arg| arg.get_long_help().map(ToString::to_string).filter(|help| help.contains('\n'));
    let tables: Vec<(String, String)> = command.get_arguments().filter_map(|arg| Some((format!("--{}", arg.get_long()?), long(arg)?))).collect();
    // A line of every option says less than the list that follows.
    let mut usage = format!("{} [OPTIONS]", name.replacen('-', " ", 1));
    for place in command.get_positionals() {
        let value = place.get_value_names().map_or_else(|| place.get_id().to_string(), |names| names.join(" "));
        usage.push_str(&if place.is_required_set() { format!(" <{value}>") } else { format!(" [{value}]") });
    }
    if command.has_subcommands() {
        usage.push_str(" <COMMAND>");
    }
    let told =
        command.clone().display_name(name.to_owned()).override_usage(usage).mut_args(|arg| match (long(&arg), arg.get_help().map(ToString::to_string)) {
            (Some(_), Some(short)) => arg.long_help(format!("{short} (all of it below)")),
            _ => arg,
        });
    let man = Man::new(told).title(name.to_uppercase()).source(version).manual("mezzo");
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
    for (flag, table) in tables {
        as_it_stands(&mut rest, &flag.to_uppercase(), &table);
    }
    if let Some(help) = command.get_after_help() {
        as_it_stands(&mut rest, "EXAMPLES AND NOTES", &help.to_string());
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

/// A section with lines that are not filled: examples in columns, and lists.
fn as_it_stands(page: &mut Roff, heading: &str, text: &str) {
    page.control("SH", [heading]).control("nf", []);
    for line in text.lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
}

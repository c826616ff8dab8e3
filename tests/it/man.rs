//! Man pages: one for each command, and none that the tools that show them complain about.

use std::path::Path;
use std::process::{Command, Output};

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).env("LC_ALL", "C.UTF-8").env("MANWIDTH", "100").output().unwrap_or_else(|e| panic!("{program}: {e}"))
}

fn pages(dir: &Path) -> Vec<String> {
    let place = dir.join("man/man1");
    let output = run(env!("CARGO_BIN_EXE_mezzo"), &["man", &place.display().to_string()]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: Vec<String> = std::fs::read_dir(place).expect("listed").flatten().map(|entry| entry.path().display().to_string()).collect();
    found.sort();
    found
}

#[test]
fn every_command_has_a_page() {
    let dir = tempfile::tempdir().expect("a folder");
    let found = pages(dir.path());
    let help = run(env!("CARGO_BIN_EXE_mezzo"), &["--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let commands =
        help.split_once("Commands:\n").expect("a list of commands").1.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(commands.contains(&"run") && commands.contains(&"man"), "{help}");
    assert_eq!(found.len(), commands.len() + 1, "{found:?}");
    for command in commands {
        let page = std::fs::read_to_string(dir.path().join(format!("man/man1/mezzo-{command}.1"))).unwrap_or_else(|e| panic!("{command}: {e}"));
        assert!(page.contains(".SH NAME\n") && page.contains("SEE ALSO") && page.contains("EXAMPLES"), "{command}");
    }
    let run = std::fs::read_to_string(dir.path().join("man/man1/mezzo-run.1")).expect("a page");
    assert!(
        run.contains("MEZZO_PUBLISH_DELAY") && run.contains("publish\\-delay") && run.replace("\\fB", "").replace("\\fR", "").contains("\nmezzo run [OPTIONS]"),
        "{run}"
    );
}

#[test]
fn pages_are_shown_without_a_complaint() {
    let dir = tempfile::tempdir().expect("a folder");
    for page in pages(dir.path()) {
        if Command::new("groff").arg("--version").output().is_err() {
            return eprintln!("skipped: no groff here");
        }
        let output = run("groff", &["-Kutf8", "-man", "-ww", "-Tutf8", "-rLL=100n", &page]);
        // Bold is a letter over itself.
        let bytes = output.stdout.split(|byte| *byte == 8).enumerate().flat_map(|(n, part)| &part[usize::from(n > 0 && !part.is_empty())..]).copied();
        let text = String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned();
        assert!(output.status.success() && output.stderr.is_empty(), "{page}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("SYNOPSIS") && text.contains("SEE ALSO"), "{page}: {text}");
    }
}

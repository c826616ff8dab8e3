//! What a running worker writes to stderr: a live view on a terminal, lines elsewhere.

use crate::common::has;
use crate::support::{alone, mezzo, succeed};
use std::process::{Command, Stdio};
use std::time::Instant;

const LIVE: &[&str] = &["run", "--input", "testsrc:size=480x270", "--ladder", "tiny", "--pace", "live"];

/// Runs the program with a terminal, `columns` wide, for stdin, stdout and stderr, and gives back what it wrote there.
fn on_a_terminal(args: &[&str], columns: u32, environment: &[(&str, &str)]) -> Option<String> {
    if !has("script") {
        return None;
    }
    let command = format!("stty cols {columns} rows 24; exec {} {}", env!("CARGO_BIN_EXE_mezzo"), args.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR").envs(environment.iter().copied());
    script.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(String::from_utf8_lossy(&succeed(script, 60).stdout).into_owned())
}

/// What stands on an endless screen after all that was written: cursor up, return, and erasing to the end of a row or of the screen are understood.
fn screen(written: &str) -> Vec<String> {
    let (mut rows, mut row, mut column) = (vec![Vec::<char>::new()], 0usize, 0usize);
    let mut chars = written.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => row += 1,
            '\r' => column = 0,
            '\x1b' if chars.peek() == Some(&'[') => {
                let mut code = String::new();
                while let Some(c) = chars.next_if(|c| !c.is_ascii_alphabetic()) {
                    code.push(c);
                }
                match chars.next() {
                    Some('A') => row = row.saturating_sub(code[1..].parse().expect("a number")),
                    Some('K') => rows[row].truncate(column),
                    Some('J') => {
                        rows[row].truncate(column);
                        rows.truncate(row + 1);
                    }
                    Some('m') => {}
                    other => panic!("not understood: {code}{other:?}"),
                }
            }
            c => {
                let at = &mut rows[row];
                at.resize(at.len().max(column + 1), ' ');
                at[column] = c;
                column += 1;
            }
        }
        rows.resize(rows.len().max(row + 1), Vec::new());
    }
    rows.into_iter().map(|row| row.into_iter().collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn a_terminal_has_a_view_that_leaves_whole_lines() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let output = dir.path().to_string_lossy().into_owned();
    let args = [LIVE, &["--duration", "5s", "--output", &output]].concat();
    let Some(written) = on_a_terminal(&args, 100, &[]) else { return };
    assert!(written.contains("behind live") && written.contains("\x1b[32mrunning\x1b[0m") && written.contains("avc-270p"), "{written}");
    // In the end only the log is left: nothing of the view, and no line torn by it.
    let left: Vec<String> = screen(&written).into_iter().filter(|l| !l.is_empty()).collect();
    let logged = |line: &String| line.starts_with("20") && (line.contains(" INFO ") || line.contains(" WARN "));
    assert!(left.len() >= 3 && left.iter().all(logged), "{left:#?}");
    assert!(left.last().is_some_and(|l| l.contains("done segments=")), "{left:#?}");

    let other = tempfile::tempdir().expect("a folder");
    let output = other.path().to_string_lossy().into_owned();
    let args = [LIVE, &["--duration", "2s", "--output", &output]].concat();
    let plain = on_a_terminal(&args, 40, &[("NO_COLOR", "1")]).expect("there");
    assert!(plain.contains("\x1b[K") && !plain.contains("\x1b[3") && !plain.contains("\x1b[2m"), "{plain}");
    let dumb = on_a_terminal(&["plan", "--input", "testsrc:", "--log-level", "debug"], 40, &[("TERM", "dumb")]).expect("there");
    assert!(!dumb.contains('\x1b'), "{dumb}");
}

#[test]
fn a_pipe_has_lines_and_one_of_them_now_and_then_says_that_all_is_well() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let output = dir.path().to_string_lossy().into_owned();
    let begun = Instant::now();
    let run = succeed(mezzo(&[LIVE, &["--duration", "14s", "--output", &output, "--log-format", "json"]].concat()), 60);
    assert!(run.stdout.is_empty());
    let text = String::from_utf8(run.stderr).expect("text");
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect();
    let beats: Vec<&serde_json::Value> = lines.iter().filter(|l| l["fields"]["message"] == "running").collect();
    assert!(!beats.is_empty() && beats.len() as u64 <= begun.elapsed().as_secs() / 10, "one in ten seconds: {text}");
    let beat = &beats[0]["fields"];
    assert!(beat["position"].as_str().is_some_and(|p| p.ends_with(" UTC")) && beat["lag"].as_str().is_some_and(|l| l.ends_with(" s")), "{beat}");
    // Each rung's pictures a second, bitrate and queue.
    let rungs = beat["rungs"].as_str().unwrap_or_default();
    let words: Vec<&str> = rungs.split("avc-180p ").nth(1).unwrap_or_default().split(' ').collect();
    assert!(words.len() > 4 && words[0].ends_with("/s") && words[2] == "kb/s" && words[3] == "queue", "{beat}");

    let other = tempfile::tempdir().expect("a folder");
    let output = other.path().to_string_lossy().into_owned();
    let run = succeed(mezzo(&["run", "--input", "testsrc:size=480x270", "--pace", "fast", "--duration", "2s", "--ladder", "tiny", "--output", &output]), 60);
    let text = String::from_utf8(run.stderr).expect("text");
    assert!(!text.contains('\x1b') && text.contains("done segments="), "{text}");
}

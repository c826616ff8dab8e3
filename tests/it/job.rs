//! What a job is made of: flags over variables over the file, TOML or JSON, secrets by reference.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const FILE: &str = "inputs = [\"testsrc:size=320x180,rate=25\"]\nladder = \"tiny\"\noutputs = [\"of-the-file\"]\nsegment = 3\nduration = 9\nthumbnails = true\n\
                    [select]\nno_audio = true\n[serve]\nmemory = 99\n";

fn mezzo(dir: &Path, variables: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mezzo"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MEZZO_")) {
        command.env_remove(name);
    }
    command.current_dir(dir).envs(variables.iter().copied()).args(args).output().expect("the program starts")
}

fn plan(dir: &Path, variables: &[(&str, &str)], args: &[&str]) -> Value {
    let output = mezzo(dir, variables, &[&["plan", "--json"], args].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What of a plan shows where each wish came from: pictures in a segment, outputs, the rungs of sound, the ladder.
fn shown(plan: &Value) -> (u64, String, usize, usize) {
    let outputs = plan["outputs"].as_array().expect("outputs").iter().map(|o| o.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>().join(" ");
    let count = |key: &str| plan[key].as_array().map_or(0, Vec::len);
    (plan["grid"]["gop_slots"].as_u64().expect("slots"), outputs, count("audio"), count("video") + count("left_out"))
}

#[test]
fn flags_win_over_variables_and_those_over_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("job.toml"), FILE).expect("written");
    let file = shown(&plan(dir.path(), &[], &["job.toml"]));
    assert_eq!((file.0, file.1.as_str(), file.2), (75, "of-the-file", 0));

    // A span, a list, a word, and a flag that is true or false.
    let variables =
        [("MEZZO_SEGMENT", "4"), ("MEZZO_OUTPUT", "of-the-environment"), ("MEZZO_NO_AUDIO", "false"), ("MEZZO_LADDER", "demo"), ("MEZZO_JOB", "job.toml")];
    let environment = shown(&plan(dir.path(), &variables, &[]));
    assert_eq!((environment.0, environment.1.as_str()), (100, "of-the-environment"));
    assert!(environment.2 > 0 && environment.3 != file.3, "{environment:?}");

    let flags = ["--segment", "5", "--output", "of-a-flag", "--output", "of-another", "--no-audio", "--ladder", "tiny"];
    assert_eq!(shown(&plan(dir.path(), &variables, &flags)), (125, "of-a-flag of-another".to_owned(), 0, file.3));

    // Sound is one wish of two flags: the one that is given decides.
    assert_eq!(shown(&plan(dir.path(), &[("MEZZO_AUDIO", "auto")], &["job.toml", "--no-audio"])).2, 0);
    assert!(shown(&plan(dir.path(), &[("MEZZO_NO_AUDIO", "1")], &["job.toml", "--audio", "auto"])).2 > 0);
}

#[test]
fn what_a_file_asks_of_the_machine_may_be_taken_back() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("job.toml"), format!("{FILE}[limits]\nrequire_capacity = true\n")).expect("written");
    // Whoever insists on a machine that holds it has it measured first.
    let measures = |value: &str, more: &[&str]| {
        let cache = dir.path().join("cache").to_string_lossy().into_owned();
        let variables = [("MEZZO_REQUIRE_CAPACITY", value), ("XDG_CACHE_HOME", cache.as_str())];
        let output = mezzo(dir.path(), &variables, &[&["run", "job.toml", "--pace", "live", "--duration", "1s", "--segment", "1s"], more].concat());
        String::from_utf8_lossy(&output.stderr).contains("measuring what")
    };
    assert!(!measures("false", &[]), "the variable wins over the file");
    assert!(!measures("true", &["--require-capacity=false"]), "and the flag over the variable");
    assert!(measures("false", &["--require-capacity"]));
}

#[test]
fn a_job_in_json_is_the_same_job() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("job.toml"), FILE).expect("written");
    let job: toml::Table = toml::from_str(FILE).expect("TOML");
    std::fs::write(dir.path().join("job.json"), serde_json::to_string_pretty(&job).expect("JSON")).expect("written");
    assert_eq!(plan(dir.path(), &[], &["job.toml"]), plan(dir.path(), &[], &["job.json"]));

    std::fs::write(dir.path().join("wrong.json"), "{\n  \"inputs\": [\"testsrc:\"],\n  \"timeline\": {\n    \"holt\": 1\n  }\n}\n").expect("written");
    let output = mezzo(dir.path(), &[], &["plan", "wrong.json"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains("wrong.json, line 4") && error.contains("timeline.holt: unknown field"), "{error}");
}

#[test]
fn the_schema_is_printed_without_a_job() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = mezzo(dir.path(), &[], &["plan", "--schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success() && schema["properties"]["publish_delay"]["description"].is_string(), "{schema}");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_secret_stands_where_it_is_and_nowhere_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |input: &str| {
        std::fs::write(dir.path().join("job.toml"), format!("ladder = \"tiny\"\noutputs = [\"out\"]\ninputs = [\"{input}\"]\n")).expect("written")
    };
    let run = |variables: &[(&str, &str)]| {
        let output = mezzo(dir.path(), variables, &["run", "job.toml", "--input-timeout", "200ms"]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    write("srt://127.0.0.1:9?mode=caller&passphrase=open-sesame-1");
    let (code, said) = run(&[]);
    assert!(code == Some(2) && said.contains("inputs[0]") && said.contains("(line 3)") && !said.contains("sesame"), "{said}");
    write("srt://127.0.0.1:9?mode=caller&passphrase=${PASSPHRASE}");
    let (code, said) = run(&[]);
    assert!(code == Some(2) && said.contains("${PASSPHRASE}") && said.contains("set in the environment"), "{said}");
    // Nobody answers there; what was called, and with what, stays its own, in libav's lines as well.
    let (code, said) = run(&[("PASSPHRASE", "open-sesame-1")]);
    assert!(code == Some(1) && said.contains("srt://127.0.0.1:9") && !said.contains("sesame"), "{code:?} {said}");
    let (code, said) = run(&[("PASSPHRASE", "open-sesame-1"), ("MEZZO_LOG_LEVEL", "trace")]);
    assert!(code == Some(1) && said.contains("[srt @ ") && said.contains("passphrase=…") && !said.contains("sesame"), "{code:?} {said}");
    // Given as it is by a flag or a variable, too.
    let variables = [("MEZZO_INPUT", "srt://127.0.0.1:9?mode=caller&passphrase=open-sesame-1"), ("MEZZO_LOG_LEVEL", "trace")];
    let (code, said) = run(&variables);
    assert!(code == Some(1) && said.contains("[srt @ ") && !said.contains("sesame"), "{code:?} {said}");
    // Wherever it stands, its reference is shown; who is away at the start is exit code 1 without a limit, too.
    write("http://127.0.0.1:9/${TOKEN}/live.ts");
    let output = mezzo(dir.path(), &[("TOKEN", "open-sesame-2"), ("MEZZO_LOG_LEVEL", "trace")], &["run", "job.toml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("opening http://127.0.0.1:9/${TOKEN}/live.ts") && !said.contains("sesame"), "{said}");
}

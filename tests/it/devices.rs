//! A device that is asked for and is not there: one line, and the same segments as without.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Runs a short clip into `out` with further arguments; every segment by its path, and what was logged.
fn run(out: &Path, more: &[&str]) -> (BTreeMap<String, Vec<u8>>, String) {
    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/zoom-360p50.ts");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mezzo"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MEZZO_")) {
        command.env_remove(name);
    }
    let output = command.args(["run", "--ladder", "tiny", "--segment", "500ms", "-i"]).arg(&clip).arg("-o").arg(out).args(more).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let mut files = BTreeMap::new();
    for track in std::fs::read_dir(out).expect("listed").flatten().filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(track.path()).expect("listed").flatten().filter(|file| file.path().extension().is_some_and(|e| e == "m4s" || e == "mp4"))
        {
            let name = format!("{}/{}", track.file_name().to_string_lossy(), file.file_name().to_string_lossy());
            files.insert(name, std::fs::read(file.path()).expect("read"));
        }
    }
    (files, said)
}

#[test]
fn a_device_that_does_not_open_is_told_once_and_alters_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (wanted, said) = run(&dir.path().join("plain"), &[]);
    assert!(wanted.len() >= 4 && !said.contains("decoded in software"), "{:?} {said}", wanted.keys());
    for device in ["cuda:9999", "/dev/dri/renderD9999", "vulkan:9999"] {
        let (files, said) = run(&dir.path().join(device.replace('/', "_")), &["--decode", device]);
        assert!(files == wanted, "{device}: other segments");
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("decoded in software")).collect();
        assert!(matches!(lines[..], [line] if line.contains(device)), "{device}: {said}");
    }
}

#[test]
fn a_plan_names_what_is_not_there_too() {
    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/zoom-360p50.ts");
    let output = Command::new(env!("CARGO_BIN_EXE_mezzo"))
        .args(["plan", "--json", "--ladder", "tiny", "--decode", "cuda:9999", "-i"])
        .arg(&clip)
        .output()
        .expect("it starts");
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(plan.get("decode").is_none(), "{plan}");
    let warnings = plan["warnings"].to_string();
    assert!(warnings.contains("the source is decoded in software: ") && warnings.contains("cuda:9999"), "{warnings}");
    let output = Command::new(env!("CARGO_BIN_EXE_mezzo")).args(["plan", "--decode", "gpu", "-i"]).arg(&clip).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("auto, software, or a device"), "{said}");
}

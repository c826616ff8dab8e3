//! Every shared clip either comes out conforming or ends with one clear line: never a panic, never a hang.

use crate::support::{finish, media, mezzo};
use std::path::{Path, PathBuf};

/// Clips that have nothing to make a video rung of.
const REFUSED: &[&str] = &[
    "mp4_aac_stereo_plus_ac3_51_10s.mp4",
    "ts_broken_zero_video_frames.ts",
    "yuv420p_dark_scene_1920x1080_1f.yuv",
    "sample_ait.ts",
    "sample_malformed_free_box.mp4",
    "sample_with_sdt.ts",
];
/// Clips whose video stream has no picture that decodes.
const EMPTY: &[&str] = &["invalid-bitstream.webm"];

/// Runs one clip and checks what came of it; says what was wrong.
fn try_one(clip: &Path, output: &Path) -> Option<String> {
    let name = clip.file_name()?.to_string_lossy().into_owned();
    let output = output.join(&name);
    let run = finish(mezzo(&["run", "--input", &clip.to_string_lossy(), "--ladder", "tiny", "--output", &output.to_string_lossy()]), 120);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    let wanted = if REFUSED.contains(&name.as_str()) { 2 } else { i32::from(EMPTY.contains(&name.as_str())) };
    if run.status.code() != Some(wanted) || said.contains("panicked") || said.contains("internal error") {
        return Some(format!("{name}: {} instead of {wanted}\n{said}", run.status));
    }
    if wanted != 0 {
        let clear = said.lines().filter(|line| line.starts_with("error: ")).count() == 1;
        let unwritten = wanted != 2 || !output.exists();
        return (!clear || !unwritten).then(|| format!("{name}: one clear line, and nothing written\n{said}"));
    }
    let check = finish(mezzo(&["check", &output.to_string_lossy()]), 120);
    (!check.status.success()).then(|| format!("{name}: {}", String::from_utf8_lossy(&check.stdout)))
}

fn try_all(clips: Vec<PathBuf>) {
    let dir = tempfile::tempdir().expect("a folder");
    let wrong: Vec<String> = clips.iter().filter_map(|clip| try_one(clip, dir.path())).collect();
    assert!(wrong.is_empty(), "{} of {} clips:\n{}", wrong.len(), clips.len(), wrong.join("\n"));
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).expect("a folder").flatten().map(|e| e.path()).filter(|p| p.is_file()).collect();
    files.sort();
    files
}

#[test]
fn real_clips_conform() {
    let Some(manifest) = media("MANIFEST.md") else { return };
    let clips = files(manifest.parent().expect("a folder"));
    try_all(clips.into_iter().filter(|clip| clip.extension().is_none_or(|e| e != "md" && e != "gz")).collect());
}

#[test]
fn malformed_clips_conform_or_are_refused() {
    let Some(pack) = media("malformed_pack_open.tar.gz") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let unpacked = std::process::Command::new("tar").arg("-xzf").arg(&pack).arg("-C").arg(dir.path()).status().expect("tar runs");
    assert!(unpacked.success());
    try_all(files(dir.path()));
}

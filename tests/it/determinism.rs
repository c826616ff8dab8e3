//! The determinism harness, whole program: {join point, CPU load, heap contents} x {decode, filter, encode, mux}, on real
//! broadcasts, with the cap binding. Whatever two runs both publish must be the same bytes.
//! The stages' own parts of the harness stand beside their code; instruction sets are in `tests/isa.rs`.

use crate::support::{Hog, assert_interchangeable, cut_ts, marked, media, mezzo, published, succeed};
use std::path::Path;

/// Caps far below what the quality asks for, so that rate control decides every segment.
const BINDING: &str = r#"
name = "binding"
[[video]]
name = "avc-360p"
codec = "avc"
width = 640
height = 360
max_bitrate = "220k"
quality = 20.0
[[video]]
name = "avc-180p"
codec = "avc"
width = 320
height = 180
max_bitrate = "70k"
quality = 20.0
[[audio]]
name = "aac-64k"
codec = "aac"
bitrate = "64k"
[[audio]]
name = "aac-128k"
codec = "aac"
bitrate = "128k"
"#;

fn run(input: &Path, output: &Path, more: &[&str], perturb: &str) {
    let ladder = output.with_extension("toml");
    std::fs::write(&ladder, BINDING).expect("written");
    let (input, output, ladder) = (input.to_string_lossy(), output.to_string_lossy(), ladder.to_string_lossy());
    // A time of day off the grid, so that nothing falls on a slot by luck.
    let anchor = "0=1763000000.0137";
    let args = ["run", "--input", &input, "--output", &output, "--ladder", &ladder, "--anchor", anchor];
    let mut command = mezzo(&[&args, more].concat());
    command.env("MALLOC_PERTURB_", perturb).env("MALLOC_ARENA_MAX", if perturb == "0" { "1" } else { "8" });
    succeed(command, 240);
}

/// The tracks of [`BINDING`].
const TRACKS: [&str; 4] = ["avc-360p", "avc-180p", "aac-64k", "aac-128k"];

/// Where a clip breaks off in the middle of a picture, the last slot is left out of the comparison: the picture is marked in it.
/// A clean run; one that joins a third later with other heap contents; one beside a CPU hog.
fn joins_agree(clip: &str, more: &[&str], breaks_off: bool, least: usize) {
    let Some(source) = media(clip) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let (whole, later, busy) = (dir.path().join("whole"), dir.path().join("later"), dir.path().join("busy"));
    run(&source, &whole, more, "0");
    let cut = dir.path().join("cut.ts");
    cut_ts(&source, 33, &cut);
    run(&cut, &later, more, "165");
    {
        let _hog = Hog::new();
        run(&source, &busy, more, "90");
    }
    if breaks_off {
        let (last, marks) = marked(&published(&whole), TRACKS[0]).pop_last().expect("segments");
        assert!(marks[2] > 0, "{last}: {marks:?}");
        for tree in [&whole, &later, &busy] {
            assert_eq!(marked(&published(tree), TRACKS[0]).pop_last(), Some((last, marks)), "{}", tree.display());
            for track in TRACKS {
                std::fs::remove_file(tree.join(track).join(format!("{last}.m4s"))).expect("the slot that the clip breaks off in");
            }
        }
    }
    assert_interchangeable(&format!("{clip}: joined later"), &whole, &later, least);
    assert_interchangeable(&format!("{clip}: beside a hog"), &whole, &busy, least);
    assert_eq!(published(&whole).len(), published(&busy).len(), "{clip}");
}

#[test]
fn broadcast_aac() {
    joins_agree("ts_dvb_576p25_h264_aac_12s.ts", &[], false, 8);
}

#[test]
fn broadcast_eac3() {
    joins_agree("ts_dolby_720p25_eac3_51_24s.ts", &[], false, 20);
}

#[test]
fn interlaced_mpeg2_with_ac3() {
    joins_agree("d_ts_bbb_1080i5994_mpeg2_ac3_df_8s.ts", &[], false, 4);
}

// What its sound is is told in its first packet and never again: who joins later cannot decode it, so nobody may.
#[test]
fn sixty_a_second() {
    joins_agree("d_ts_bbb_1080p60_aac51_loop20s.ts", &["--no-audio"], false, 10);
}

// Its last picture is cut off, and libav's frame threads do not conceal it alike every time (1 of 80 runs): the slot that it is in is left out.
#[test]
fn stamps_that_wrap() {
    joins_agree("ts_720p25_aac_teletext_ptswrap_30s.ts", &[], true, 16);
}

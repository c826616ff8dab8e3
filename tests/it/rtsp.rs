//! RTSP as cameras speak it, over UDP: from GStreamer's own server, where that is installed.

use crate::support::{alone, finish, mezzo, numbers};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The server and its port; `None` (and a word) where it cannot be had.
fn camera() -> Option<(Child, u16)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/camera.py");
    let mut server = Command::new("/usr/bin/python3").arg(script).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take()?).read_line(&mut line).ok()?;
    match line.trim().parse() {
        Ok(port) => Some((server, port)),
        Err(_) => {
            eprintln!("skipped: no RTSP server of GStreamer here (gir1.2-gst-rtsp-server-1.0)");
            server.wait().expect("it ended");
            None
        }
    }
}

#[test]
fn a_camera_is_taken_over_udp() {
    let _alone = alone();
    let Some((mut server, port)) = camera() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("out");
    let url = format!("rtsp://127.0.0.1:{port}/camera?transport=udp");
    let run = ["run", "--input", &url, "--ladder", "tiny", "--segment", "1s", "--duration", "6s", "--output", &out.to_string_lossy()];
    let ended = finish(mezzo(&run), 60);
    server.kill().expect("a child of ours");
    server.wait().expect("it ended");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    for track in ["avc-180p", "aac-64k"] {
        assert_eq!(numbers(&out, track).len(), 6, "{track}: {said}");
    }
    let checked = finish(mezzo(&["check", &out.to_string_lossy()]), 60);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

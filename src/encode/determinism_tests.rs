//! The harness: the same pictures must give the same bytes whatever the heap holds, however busy the machine is, and whatever was encoded before.

use super::testing::{decode, frames, hash, hash_pictures, rendition, sdr, under_load};
use super::{Packet, Recipe, x264};
use crate::colour::{HdrMetadata, Signal, Target, VideoRange};
use crate::downscale::Chain;
use crate::frame::Picture;
use crate::plan::Rendition;
use crate::time::Rate;
use ffmpeg_next::frame::Video;
use std::process::Command;
use std::sync::Arc;

const CLIP: &str = "tos_1080p2997_aac_8s_ctawave_fmp4.mp4";
const SIZES: [(u32, u32); 3] = [(1280, 720), (640, 360), (320, 180)];
/// Set in child processes.
const CHILD: &str = "MEZZO_TEST_CHILD";

fn settings(point: &str) -> Rendition {
    let mut of = rendition((640, 360), Rate::new(30000, 1001).expect("legal"), 60, 300_000, &["x264"]);
    of.point = point.to_owned();
    of
}

fn encode(of: &Rendition, pictures: &[Arc<Video>]) -> Vec<Packet> {
    let recipe = Recipe::of(of);
    let mut encoder = x264::open(of, &recipe).expect("it opens").encoder;
    let mut out = Vec::new();
    for frame in frames(of.grid, 6000, pictures) {
        encoder.encode(&frame, &mut out).expect("it encodes");
    }
    encoder.finish(&mut out).expect("it drains");
    out
}

/// A hash for HDR pictures, scaled as they are and tone-mapped.
fn hdr_hash() -> Option<String> {
    let source = decode("hevc_hdr10plus_1080p_aac.mp4", 10, 1)?.remove(0);
    let wide = Target { width: 960, height: 540, signal: Signal { depth: 10, range: VideoRange::Pq } };
    let targets = [wide, sdr((1280, 720)), sdr((640, 360))];
    Some(hash_pictures(&Chain::new(&targets, &HdrMetadata::default()).expect("a chain").scale(&source).expect("it scales")))
}

/// A hash for scaling, one for HDR where its clip is there, and one for each point's packets.
fn hashes(sources: &[Arc<Video>]) -> Vec<String> {
    let mut chain = Chain::new(&SIZES.map(sdr), &HdrMetadata::default()).expect("a chain");
    let scaled: Vec<Vec<Picture>> = sources.iter().map(|s| chain.scale(s).expect("it scales")).collect();
    let small: Vec<Arc<Video>> = scaled.iter().map(|p| &p[1]).map(|p| Arc::clone(p.host().expect("in host memory"))).collect();
    let mut out = vec![hash_pictures(&scaled.concat())];
    out.extend(hdr_hash());
    for point in ["superfast", "swift", "brisk", "veryfast", "medium"] {
        let of = settings(point);
        let packets = encode(&of, &small);
        let bits = 8 * packets.iter().map(|p| p.data.len() as u64).sum::<u64>();
        assert!(bits > of.max_bitrate * 2 * 8 / 10, "{point}: {bits} bits: the cap must bind for this test to mean anything");
        out.push(hash(&packets));
    }
    out
}

/// Not a test by itself: what a child process runs.
#[test]
fn child_prints_hashes() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let Some(sources) = decode(CLIP, 90, 60) else { return };
    println!("HASHES {}", hashes(&sources).join(" "));
}

fn in_child(perturb: &str) -> String {
    let exe = std::env::current_exe().expect("this test");
    let out = Command::new(exe)
        .args(["encode::determinism_tests::child_prints_hashes", "--exact", "--nocapture", "--test-threads", "1"])
        .env(CHILD, "1")
        .env("MALLOC_PERTURB_", perturb)
        .output()
        .expect("the child runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let at = text.find("HASHES ").unwrap_or_else(|| panic!("no hashes with MALLOC_PERTURB_={perturb}: {text} {}", String::from_utf8_lossy(&out.stderr)));
    text[at + 7..].lines().next().unwrap_or_default().trim().to_owned()
}

#[test]
fn heap_load_and_history_do_not_alter_bytes() {
    let Some(sources) = decode(CLIP, 90, 60) else { return };
    let fresh = hashes(&sources).join(" ");
    // After other GOPs in the same process.
    let Some(other) = decode(CLIP, 0, 60) else { return };
    assert_ne!(hashes(&other).join(" "), fresh);
    assert_eq!(hashes(&sources).join(" "), fresh, "history");
    // Beside two threads that keep the processors busy, and an encoder that runs at the same time.
    let (busy, beside) = under_load(|| {
        std::thread::scope(|scope| {
            let beside = scope.spawn(|| hashes(&other));
            (hashes(&sources).join(" "), beside.join())
        })
    });
    assert!(beside.is_ok());
    assert_eq!(busy, fresh, "load");
    for perturb in ["0", "85", "170", "255"] {
        assert_eq!(in_child(perturb), fresh, "MALLOC_PERTURB_={perturb}");
    }
}

//! Purity of the sound: {join point, order of arrival, heap contents, CPU load, instruction set} x {decode, resample, encode} on real clips, by hash.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::sound::{Order, Track, clip, demux, encoder, segments};
use crate::support;
use mezzo::decode::audio::Counts;
use mezzo::frame::PcmSegment;
use mezzo::time::Seconds;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;

/// (clip, audio stream)
const CLIPS: [(&str, usize); 12] = [
    ("ts_dvb_576p25_h264_aac_12s.ts", 0),
    ("ts_bbb_720p60_aac_10s.ts", 0),
    ("ts_dolby_720p25_eac3_51_24s.ts", 0),
    ("d_ts_bbb_1080i5994_mpeg2_ac3_df_8s.ts", 0),
    ("ts_bear_360p_ac3.ts", 0),
    ("ts_dvb_576i_mpeg2_mp2_dvbsub_bbcnews.ts", 0),
    ("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts", 0),
    ("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts", 1),
    ("mp4_aac_stereo_plus_ac3_51_10s.mp4", 0),
    ("mp4_aac_stereo_plus_ac3_51_10s.mp4", 1),
    ("ts_bbb_cea608_cea708_29s.ts", 0),
    ("flv_h264_aac_360p_19s.flv", 0),
];

/// Set for the child process that prints hashes.
const CHILD: &str = "MEZZO_TEST_PRINT_HASHES";

/// A UTC for source time that is on no grid.
fn offset() -> Seconds {
    Seconds::new(1_763_764_230_017, 1001)
}

/// One short hash of the samples and one of the packets, by segment, of those that are clean.
fn hashes(track: &Track, joined: usize, channels: u32, order: Order) -> BTreeMap<i64, String> {
    let aac = encoder(channels, 128_000);
    let (made, counts) = segments(track, joined, offset(), channels, order);
    assert_eq!(counts.dropped.load(Relaxed) + counts.impatient.load(Relaxed), 0, "{counts:?}");
    made.iter().filter(|segment| segment.clean).map(|segment| (segment.gop.0, hash(segment, &aac))).collect()
}

fn hash(segment: &PcmSegment, aac: &mezzo::encode::aac::Aac) -> String {
    let (mut pcm, mut coded) = (Sha256::new(), Sha256::new());
    segment.planes.iter().flatten().for_each(|sample| pcm.update(sample.to_le_bytes()));
    for packet in aac.encode(segment).unwrap() {
        coded.update(packet.time.to_le_bytes());
        coded.update(&packet.data);
    }
    let short = |hash: Sha256| hash.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect::<String>();
    format!("{} {} {}", short(pcm), short(coded), segment.silent_samples)
}

#[test]
fn a_joiner_makes_the_same_segments() {
    mezzo::ffmpeg::pin_cpu();
    let mut compared = 0;
    for (name, nth) in CLIPS {
        let Some(path) = clip(name) else { continue };
        let track = demux(&path, nth);
        let all = hashes(&track, 0, 2, Order::Ahead(400));
        for (joined, order) in [(1, Order::Ahead(400)), (7, Order::Ahead(-300)), (40, Order::Ahead(3000)), (95, Order::Last), (200, Order::Ahead(0))] {
            let some = hashes(&track, joined, 2, order);
            for (gop, hash) in &some {
                assert_eq!(Some(hash), all.get(gop), "{name}:{nth}, segment {gop}, joined at packet {joined}");
                compared += 1;
            }
        }
    }
    println!("{compared} segments compared");
    assert!(compared > 100 || clip(CLIPS[0].0).is_none());
}

#[test]
fn a_join_is_not_clean_and_would_differ() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let track = demux(&path, 0);
    let (all, _) = segments(&track, 0, offset(), 2, Order::Ahead(0));
    let (some, counts) = segments(&track, 150, offset(), 2, Order::Ahead(0));
    let (before, after): (Vec<_>, Vec<_>) = some.iter().partition(|segment| !segment.clean);
    assert!(!before.is_empty() && !after.is_empty(), "{counts:?}");
    assert!(before.iter().map(|s| s.gop).max() < after.iter().map(|s| s.gop).min());
    // The last unclean one has sound, and it is not the sound that it should be.
    let last = before.last().unwrap();
    let same = all.iter().find(|segment| segment.gop == last.gop).unwrap();
    assert_ne!(last.planes, same.planes);
}

/// Runs in the child processes of the next test; by itself it prints what they compare.
#[test]
#[ignore = "run by heap_load_and_instruction_set_leave_no_trace"]
fn print_hashes() {
    match std::env::var(CHILD).as_deref() {
        Ok("twice") => assert_eq!(mezzo::ffmpeg::pin_cpu(), mezzo::ffmpeg::pin_cpu()),
        Ok("unpinned") => {}
        _ => assert!(!mezzo::ffmpeg::pin_cpu().is_empty()),
    }
    for (name, nth) in CLIPS {
        let Some(path) = clip(name) else { continue };
        let track = demux(&path, nth);
        // Mono, once.
        for channels in if name == CLIPS[0].0 { 1..=2 } else { 2..=2 } {
            for (gop, hash) in hashes(&track, 0, channels, Order::Ahead(400)) {
                println!("= {name}:{nth} {channels} {gop} {hash}");
            }
        }
    }
}

fn child(mode: &str, settings: &[(&str, &str)]) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "determinism_audio::print_hashes", "--nocapture", "--test-threads=1"])
        .env(CHILD, mode)
        .envs(settings.iter().copied());
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    // The test runner prints its own words before the first one, on the same line.
    String::from_utf8(out.stdout).unwrap().lines().filter_map(|line| Some(line[line.find("= ")?..].to_owned())).collect()
}

#[test]
fn heap_load_and_instruction_set_leave_no_trace() {
    if clip(CLIPS[0].0).is_none() {
        return;
    }
    let plain = child("once", &[]);
    assert!(plain.len() > 60, "{} segments", plain.len());
    for perturb in ["1", "170"] {
        assert_eq!(plain, child("once", &[("MALLOC_PERTURB_", perturb), ("MALLOC_ARENA_MAX", "1")]), "MALLOC_PERTURB_={perturb}");
    }
    assert_eq!(plain, child("twice", &[]), "pinned twice");
    // Three children at once on fewer cores.
    let alone = support::alone();
    let loaded: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| child("once", &[("MALLOC_PERTURB_", "165")]))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    drop(alone);
    loaded.iter().for_each(|other| assert_eq!(&plain, other, "under load"));
    // Not a demand: shows on a machine beyond x86-64-v3 why the pin is there.
    let unpinned = child("unpinned", &[]);
    let differ = unpinned.iter().zip(&plain).filter(|(a, b)| a != b).count();
    println!("{} segments; without the pin {differ} of them differ on this machine", plain.len());
}

#[test]
fn counts_what_is_missing() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let mut track = demux(&path, 0);
    // 60 packets are lost: 1.28 s.
    track.packets.drain(200..260);
    let (made, counts): (Vec<PcmSegment>, std::sync::Arc<Counts>) = segments(&track, 0, offset(), 2, Order::Ahead(0));
    let inner: u64 = made[1..made.len() - 1].iter().map(|segment| segment.silent_samples).sum();
    assert_eq!(inner, 60 * 1024, "{counts:?}");
    let silent = made.iter().flat_map(|s| &s.planes[0][s.lead as usize * 1024..][..s.frames as usize * 1024]).filter(|s| **s == 0.0).count();
    assert!(silent >= 60 * 1024);
}

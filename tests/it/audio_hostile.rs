//! Sound that is broken, changes in mid-stream, or lies about its time: no panic, no hang, what is missing is counted.

use crate::sound::{Order, clip, demux, extent, grid, segments};
use crossbeam::channel::{bounded, unbounded};
use mezzo::capture::{Kind, Unit};
use mezzo::decode::audio::{Audio, Counts, Cut, Over, Rung};
use mezzo::encode::aac::{AHEAD, LEAD, TAIL};
use mezzo::frame::{AudioCue, End, Flow};
use mezzo::stop::Stop;
use mezzo::time::Seconds;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// xorshift64: the same noise every time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn broken_packets_are_counted() {
    for name in [
        "ts_dvb_576p25_h264_aac_12s.ts",
        "ts_bear_360p_ac3.ts",
        "ts_dvb_576i_mpeg2_mp2_dvbsub_bbcnews.ts",
        "ts_dolby_720p25_eac3_51_24s.ts",
        "ts_broken_duplicate_audio_dts.ts",
    ] {
        let Some(path) = clip(name) else { continue };
        let mut track = demux(&path, 0);
        let mut noise = Noise(0x5eed);
        for packet in track.packets.iter_mut().step_by(3) {
            let data = packet.data_mut().unwrap_or_default();
            for _ in 0..8 {
                let at = noise.next() as usize % data.len().max(1);
                if let Some(byte) = data.get_mut(at) {
                    *byte = noise.next() as u8;
                }
            }
        }
        let (made, counts) = segments(&track, 0, Seconds::whole(1_000_000), 2, Order::Ahead(0));
        assert!(made.iter().flat_map(|s| s.planes.iter().flatten()).all(|sample| sample.is_finite() && sample.abs() <= 8.0), "{name}");
        assert!(counts.faults.load(Relaxed) > 0, "{name}: {counts:?}");
    }
}

#[test]
fn stamps_that_lie_do_not_hang_it() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let offset = Seconds::whole(1_000_000);
    let mut noise = Noise(7);
    for case in 0..6 {
        let mut track = demux(&path, 0);
        let base = track.packets.iter().filter_map(|p| p.pts()).min().unwrap_or_default();
        for (packet, index) in track.packets.iter_mut().zip(0i64..) {
            let honest = packet.pts().unwrap_or_default();
            packet.set_pts(match case {
                // One packet in fifty is 40 s ahead.
                0 => Some(if index % 50 == 20 { honest + 3_600_000 } else { honest }),
                // Jitter of a tenth of a second either way.
                1 => Some(honest + (noise.next() % 18_000) as i64 - 9_000),
                // No stamps but every tenth.
                2 => (index % 10 == 0).then_some(honest),
                // All within a few ticks.
                3 => Some(base + index),
                // Backwards.
                4 => Some(base + (560 - index) * 1920),
                // The feed starts again after 6 s.
                _ => Some(if index > 280 { honest - 280 * 1920 } else { honest }),
            });
        }
        let (made, counts) = segments(&track, 0, offset, 2, Order::Last);
        assert!(!made.is_empty(), "case {case}: {counts:?}");
        assert!(made.windows(2).all(|pair| pair[0].gop.next() == pair[1].gop), "case {case}");
        if case == 0 {
            // A stray costs its own frame.
            assert_eq!(made[1..5].iter().map(|s| s.silent_samples).max(), Some(2 * 1024), "{counts:?}");
        }
    }
}

#[test]
fn a_change_of_channels_and_rate_in_mid_stream_is_heard() {
    let (Some(surround), Some(stereo)) = (clip("mp4_aac_stereo_plus_ac3_51_10s.mp4"), clip("ts_bear_360p_ac3.ts")) else { return };
    let (mut track, other) = (demux(&surround, 1), demux(&stereo, 0));
    track.packets.truncate(200);
    let at = track.packets.iter().filter_map(|p| p.pts()).max().unwrap_or_default() + 1536;
    for (mut packet, index) in other.packets.into_iter().zip(0i64..) {
        packet.set_pts(Some(at + index * 1536 * 48_000 / 44_100));
        track.packets.push(packet);
    }
    let (made, counts) = segments(&track, 0, Seconds::whole(1_000_000), 2, Order::Ahead(0));
    let middle = made.get(1..made.len() - 1).unwrap_or_default();
    assert!(middle.len() > 2);
    // The two rates meet within a sample or so.
    assert!(middle.iter().map(|s| s.silent_samples).sum::<u64>() < 8, "{counts:?}");
    assert_eq!(counts.faults.load(Relaxed), 0);
    let loud = middle.last().and_then(|s| s.planes.first()).map(|plane| plane.iter().map(|s| s.abs()).fold(0.0, f32::max));
    assert!(loud > Some(0.01), "{loud:?}");
}

/// `--duration` ends a live event before its source: what its sound still lacks is waited for, but not for ever.
#[test]
fn sound_that_never_completes_does_not_hold_up_the_end_of_an_event() {
    let Some(path) = clip("ts_dvb_576p25_h264_aac_12s.ts") else { return };
    let (track, grid, offset, grace) = (demux(&path, 0), grid(), Seconds::whole(1_000_000), Duration::from_millis(400));
    let audio = Audio::open(&track.stream, Cut { grid, lead: LEAD, tail: TAIL, ahead: AHEAD }, Arc::new(Counts::default())).expect("opens");
    let (packet_tx, packets) = bounded(8);
    let (cue_tx, cues) = bounded(2);
    let (tx, made) = unbounded();
    let stop = Stop::new();
    let quit = Over::new(1, &stop);
    let thread = std::thread::spawn(move || audio.run(packets, cues, vec![Rung { channels: 2, tx }], &quit, Some(grace)));
    // Three seconds of sound, and no more, though the feed does not end.
    for packet in track.packets.iter().take(140) {
        packet_tx
            .send(Flow::Item(Unit { kind: Kind::Audio(0), stream: Arc::clone(&track.stream), packet: packet.clone(), arrival: Seconds::ZERO, hurt: false }))
            .expect("listens");
    }
    let last = grid.video.gop(grid.video.nearest(extent(&track).0 + Seconds::whole(3) + offset));
    let began = Instant::now();
    cue_tx
        .send(Flow::Item(AudioCue { gop: last, slots: grid.video.gop_slots, more: false, offset, moved: None, whole: false, away: false, last: true }))
        .expect("listens");
    cue_tx.send(Flow::End(End::Ended)).expect("listens");
    let patience = Duration::from_secs(20);
    let Ok(Flow::Item(segment)) = made.recv_timeout(patience) else { panic!("its last segment is waited for without end") };
    assert!(began.elapsed() >= grace, "{:?}", began.elapsed());
    let published = u64::from(segment.frames) * 1024;
    assert!(segment.gop == last && segment.silent_samples > 0 && segment.silent_samples < published, "{} of {published}", segment.silent_samples);
    assert!(matches!(made.recv_timeout(patience), Ok(Flow::End(End::Ended))));
    assert!(stop.wait(patience), "the source is told that nobody needs it any more");
    packet_tx.send(Flow::End(End::Leaving)).expect("listens");
    assert!(thread.join().expect("no panic").is_ok());
}

//! Sound is where it belongs: against the `ffmpeg` tool sample for sample, and against decoders and encoders that run on.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::sound::{Track, clip, demux, extent};
use mezzo::decode::samples::{Samples, Window};
use mezzo::time::Seconds;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// (clip, audio stream, its sample rate)
const CLIPS: [(&str, usize, u32); 15] = [
    ("ts_dvb_576p25_h264_aac_12s.ts", 0, 48_000),
    ("ts_bbb_720p60_aac_10s.ts", 0, 44_100),
    ("mp4_aac_stereo_plus_ac3_51_10s.mp4", 0, 48_000),
    ("mp4_aac_stereo_plus_ac3_51_10s.mp4", 1, 48_000),
    ("ts_dolby_720p25_eac3_51_24s.ts", 0, 48_000),
    ("d_ts_bbb_1080i5994_mpeg2_ac3_df_8s.ts", 0, 48_000),
    ("ts_bear_360p_ac3.ts", 0, 44_100),
    ("ts_dvb_576i_mpeg2_mp2_dvbsub_bbcnews.ts", 0, 48_000),
    ("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts", 0, 48_000),
    ("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts", 1, 48_000),
    ("ts_dvb_1080i5994_h264_mp2_dvbsub.ts", 0, 48_000),
    ("ts_bbb_cea608_cea708_29s.ts", 0, 48_000),
    ("ts_bbb_hevc_1080p24_aac51_5s.ts", 0, 48_000),
    ("flv_h264_aac_360p_19s.flv", 0, 44_100),
    ("mkv_h264_aac_560x320_5s.mkv", 0, 44_100),
];

/// What `ffmpeg` makes of the stream: interleaved stereo at 48 kHz.
fn by_ffmpeg(path: &Path, nth: usize) -> Vec<[f32; 2]> {
    let map = format!("0:a:{nth}");
    let out = Command::new("ffmpeg")
        .args(["-v", "fatal", "-flags", "+bitexact", "-i"])
        .arg(path)
        .args(["-map", &map, "-ac", "2", "-ar", "48000", "-f", "f32le", "-"])
        .output()
        .unwrap();
    out.stdout.chunks_exact(8).map(|b| [f32::from_le_bytes(b[..4].try_into().unwrap()), f32::from_le_bytes(b[4..].try_into().unwrap())]).collect()
}

fn snr(pairs: impl Iterator<Item = (f32, f32)>) -> f64 {
    let (mut signal, mut noise) = (1e-12, 1e-24);
    for (a, b) in pairs {
        signal += f64::from(a).powi(2);
        noise += f64::from(a - b).powi(2);
    }
    10.0 * f64::log10(signal / noise)
}

/// Root of the mean square difference, in dB of full scale.
fn noise(pairs: impl Iterator<Item = (f32, f32)>) -> f64 {
    let (sum, count) = pairs.fold((1e-18, 0.0), |(sum, count), (a, b)| (sum + f64::from(a - b).powi(2), count + 1.0));
    10.0 * f64::log10(sum / f64::max(count, 1.0))
}

/// Replaces the rounded stamps of a 44.1 kHz track by exact ones, so that its phase below one sample is the tool's, which starts anywhere.
fn exact_stamps(track: &mut Track) {
    let frame = match track.stream.parameters.id() {
        ffmpeg_next::codec::Id::AC3 => 1536,
        ffmpeg_next::codec::Id::MP2 => 1152,
        _ => 1024,
    };
    let (first, _) = extent(track);
    let start = first.nearest_ticks(44_100);
    track.stream = std::sync::Arc::new(mezzo::capture::StreamInfo::new(track.stream.index, (*track.stream.parameters).clone(), (1, 44_100)));
    for (packet, index) in track.packets.iter_mut().zip(0..) {
        packet.set_pts(Some(start + index * frame));
    }
}

#[test]
fn samples_are_where_ffmpeg_puts_them() {
    for (name, nth, rate) in CLIPS {
        let Some(path) = clip(name) else { continue };
        let mut track = demux(&path, nth);
        let theirs = by_ffmpeg(&path, nth);
        if rate != 48_000 {
            exact_stamps(&mut track);
        }
        let samples = Samples::open(&track.stream).unwrap();
        let all: Vec<&ffmpeg_next::Packet> = track.packets.iter().collect();
        let (num, den) = track.stream.time_base;
        // The tool writes the first sample that decodes and is to be heard as sample 0. So do we; it is of one of the first packets.
        let stamps = all.iter().take(4).filter_map(|packet| packet.pts()).chain([0]);
        let (ours, heard) = stamps
            .filter_map(|pts| Some(-Seconds::from_ticks(pts, num, den)?))
            .find_map(|offset| {
                let mut whole = samples.render(&all, &Window { first: 0, samples: theirs.len() + 4096, offset, settled: None }, &[2]);
                let heard = whole.covered[0].clone();
                (heard.start == 0).then(|| (whole.mixes.remove(0), 0..usize::try_from(heard.end).unwrap()))
            })
            .unwrap();
        let pairs = |c: usize| theirs.iter().zip(&ours[c][heard.clone()]).map(move |(theirs, ours)| (theirs[c], *ours));
        let ratio = snr(pairs(0).chain(pairs(1)));
        println!("{name}:{nth}: {ratio:.0} dB against ffmpeg over {} samples", heard.len());
        assert!(ratio > 100.0, "{name}:{nth}: {ratio} dB");
        assert!(theirs.len().abs_diff(heard.len()) < 2048 || heard.len() < theirs.len(), "{name}: {} of {} samples", heard.len(), theirs.len());
    }
}

#[test]
fn sixteen_packets_of_run_up_are_as_good_as_many() {
    for (name, nth, _) in CLIPS.into_iter().filter(|clip| clip.2 == 48_000) {
        let Some(path) = clip(name) else { continue };
        let track = demux(&path, nth);
        let samples = Samples::open(&track.stream).unwrap();
        let (num, den) = track.stream.time_base;
        let packets: Vec<&ffmpeg_next::Packet> = track.packets.iter().collect();
        let length = 4800;
        let longest = if packets.len() > 100 { 64 } else { 24 };
        let whole = samples.render(&packets, &whole_extent(&track), &[2]).mixes.remove(0);
        let origin = whole_extent(&track).first;
        let mut table = String::new();
        let mut worst = BTreeMap::new();
        for run_up in [0, 1, 2, 4, 8, 16, 24, 64].into_iter().filter(|n| *n <= longest) {
            let mut loudest = f64::NEG_INFINITY;
            for index in (longest + 2..packets.len().saturating_sub(2)).step_by(11) {
                let first = Seconds::from_ticks(packets[index].pts().unwrap(), num, den).unwrap().ceil_ticks(48_000);
                let window = Window { first, samples: length, offset: Seconds::ZERO, settled: None };
                let fresh = samples.render(&packets[index - run_up..(index + 8).min(packets.len())], &window, &[2]).mixes.remove(0);
                let from = usize::try_from(first - origin).unwrap();
                let pairs = |c: usize| fresh[c].iter().copied().zip(whole[c][from..].iter().copied());
                loudest = loudest.max(noise(pairs(0).chain(pairs(1))));
            }
            table += &format!(" {run_up}: {loudest:.0}");
            worst.insert(run_up, loudest);
        }
        println!("{name}:{nth}: worst noise in dBFS by run-up:{table}");
        let (few, many) = (worst[&16], worst[&longest]);
        assert!(few < many + 3.0 || few < -90.0, "{name}:{nth}: {few} dBFS after 16 packets, {many} after {longest}");
    }
}

/// Everything from the first stamp on, at its own time.
fn whole_extent(track: &Track) -> Window {
    let (first, last) = extent(track);
    let (from, to) = (first.floor_ticks(48_000), last.floor_ticks(48_000) + 9600);
    Window { first: from, samples: usize::try_from(to - from).unwrap(), offset: Seconds::ZERO, settled: None }
}

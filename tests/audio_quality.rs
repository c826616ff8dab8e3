//! Sound is where it belongs: against the `ffmpeg` tool sample for sample, and against decoders and encoders that run on.

#![expect(clippy::unwrap_used, reason = "tests")]

mod sound;

use mezzo::decode::samples::{Samples, Window};
use mezzo::time::Seconds;
use sound::{clip, demux, extent, segments};
use std::path::Path;
use std::process::Command;

/// (clip, audio stream, least signal-to-noise ratio in dB of a fresh decoder per segment against one that runs on)
const CLIPS: [(&str, usize, f64); 15] = [
    ("ts_dvb_576p25_h264_aac_12s.ts", 0, 60.0),
    ("ts_bbb_720p60_aac_10s.ts", 0, 60.0),
    ("mp4_aac_stereo_plus_ac3_51_10s.mp4", 0, 60.0),
    ("mp4_aac_stereo_plus_ac3_51_10s.mp4", 1, 60.0),
    ("ts_dolby_720p25_eac3_51_24s.ts", 0, 60.0),
    ("d_ts_bbb_1080i5994_mpeg2_ac3_df_8s.ts", 0, 60.0),
    ("ts_bear_360p_ac3.ts", 0, 60.0),
    ("ts_dvb_576i_mpeg2_mp2_dvbsub_bbcnews.ts", 0, 60.0),
    ("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts", 0, 60.0),
    ("ts_dvb_576i_mpeg2_mp2_latm_teletext.ts", 1, 60.0),
    ("ts_dvb_1080i5994_h264_mp2_dvbsub.ts", 0, 60.0),
    ("ts_bbb_cea608_cea708_29s.ts", 0, 60.0),
    ("ts_bbb_hevc_1080p24_aac51_5s.ts", 0, 60.0),
    ("flv_h264_aac_360p_19s.flv", 0, 60.0),
    ("mkv_h264_aac_560x320_5s.mkv", 0, 60.0),
];

/// What `ffmpeg` makes of the stream: interleaved stereo at 48 kHz.
fn by_ffmpeg(path: &Path, nth: usize) -> Vec<[f32; 2]> {
    let map = format!("0:a:{nth}");
    let out = Command::new("ffmpeg").args(["-v", "fatal", "-flags", "+bitexact", "-i"]).arg(path).args(["-map", &map, "-ac", "2", "-ar", "48000", "-f", "f32le", "-"]).output().unwrap();
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

#[test]
fn samples_are_where_ffmpeg_puts_them() {
    for (name, nth, least) in CLIPS {
        let Some(path) = clip(name) else { continue };
        let track = demux(&path, nth);
        let theirs = by_ffmpeg(&path, nth);
        // Decoded once from the start, placed so that the first sample that is heard is sample 0, as the tool writes it.
        let samples = Samples::open(&track.stream).unwrap();
        let (first, _) = extent(&track);
        let shift = if first < Seconds::ZERO && name.contains("mp4") { Seconds::ZERO } else { -first };
        let all: Vec<&ffmpeg_next::Packet> = track.packets.iter().collect();
        let whole = samples.render(&all, &Window { first: 0, samples: theirs.len(), offset: shift }, &[2]);
        let ours = &whole.mixes[0];
        let best = (-2000i64..2000).filter(|d| d % 1 == 0).map(|d| {
            let n = 20000.min(theirs.len());
            let s = snr((n/2..n).filter_map(|i| Some((theirs[i][0], *ours[0].get((i as i64 + d) as usize)?))));
            (s, d)
        }).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        let direct = snr(theirs.iter().zip(&ours[0]).map(|(t, o)| (t[0], *o)));
        // Segment by segment, with fresh decoders.
        let offset = shift + Seconds::whole(1_700_000_000);
        let (made, counts) = segments(&track, 0, offset, 2, false);
        let mut worst = f64::INFINITY;
        for segment in &made {
            let begin = segment.first_frame * 1024 - 1_700_000_000 * 48_000;
            let plane = &segment.planes[0][segment.lead as usize * 1024..][..segment.frames as usize * 1024];
            let here = snr(plane.iter().enumerate().filter_map(|(i, s)| Some((*ours[0].get(usize::try_from(begin + i as i64).ok()?)?, *s))));
            if segment.clean { worst = worst.min(here); }
        }
        println!("{name}:{nth}: direct {direct:.1} dB (best {:.1} at {}), covered {:?}, segments worst {worst:.1} dB of {} {least}, {counts:?}", best.0, best.1, whole.covered, made.len());
    }
}

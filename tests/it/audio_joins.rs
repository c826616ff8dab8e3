//! The joins between audio segments: fresh encoders against one that runs on, and what the frames decode to.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::sound::{clip, demux, encoder, extent};
use ffmpeg_next as ffmpeg;
use mezzo::capture::StreamInfo;
use mezzo::decode::samples::{Samples, Window};
use mezzo::encode::Packet;
use mezzo::encode::aac::{Aac, FRAME, LEAD, TAIL};
use mezzo::frame::PcmSegment;
use mezzo::time::{GopId, Seconds};
use std::ops::Range;
use std::sync::Arc;

const F: usize = FRAME as usize;

/// Packets, numbered from 0, decoded by libav: frame n at samples from 1024 n.
fn decode(packets: &[Packet], frames: usize) -> Vec<Vec<f32>> {
    let mut parameters = ffmpeg::codec::Parameters::new();
    parameters.set_medium(ffmpeg::media::Type::Audio);
    parameters.set_id(ffmpeg::codec::Id::AAC);
    let stream = StreamInfo::new(0, parameters, (1, 48_000));
    let units: Vec<ffmpeg::Packet> = packets.iter().map(adts).collect();
    let window = Window { first: 0, samples: frames * F, offset: Seconds::ZERO, settled: None };
    let rendered = Samples::open(&stream).unwrap().render(&units.iter().collect::<Vec<_>>(), &window, &[2]);
    assert_eq!(rendered.faults, 0);
    rendered.mixes.into_iter().next().unwrap()
}

/// With an ADTS header (ISO 13818-7, 6.2): LC, 48 kHz, stereo.
fn adts(packet: &Packet) -> ffmpeg::Packet {
    let size = packet.data.len() + 7;
    let mut bytes = vec![0xff, 0xf1, 0x4c, 0x80 | (size >> 11) as u8, (size >> 3) as u8, ((size << 5) as u8) | 0x1f, 0xfc];
    bytes.extend_from_slice(&packet.data);
    let mut unit = ffmpeg::Packet::copy(&bytes);
    unit.set_pts(Some(packet.time * i64::from(FRAME)));
    unit
}

fn segment(planes: &[Vec<f32>], first: usize, frames: usize, lead: u32, tail: u32) -> PcmSegment {
    let from = (first as i64 - i64::from(lead)) * F as i64;
    let total = (lead as usize + frames + tail as usize) * F;
    let cut = |plane: &Vec<f32>| (0..total as i64).map(|i| usize::try_from(from + i).ok().and_then(|i| plane.get(i)).copied().unwrap_or(0.0)).collect();
    PcmSegment {
        gop: GopId(first as i64),
        from: 0,
        more: false,
        first_frame: first as i64,
        frames: frames as u32,
        lead,
        tail,
        planes: Arc::new(planes.iter().map(cut).collect()),
        silent_samples: 0,
        damaged: 0,
        clean: true,
        joined: true,
        path: 0,
        last: false,
    }
}

/// The sound of a clip, decoded once.
fn source(name: &str, seconds: usize) -> Option<Vec<Vec<f32>>> {
    let track = demux(&clip(name)?, 0);
    let (first, last) = extent(&track);
    let length = ((last - first).floor_ticks(48_000) as usize).min(seconds * 48_000) / F * F;
    let window = Window { first: 0, samples: length, offset: -first, settled: None };
    let all: Vec<&ffmpeg::Packet> = track.packets.iter().collect();
    Samples::open(&track.stream).ok()?.render(&all, &window, &[2]).mixes.into_iter().next()
}

/// Energy of the error in frames `range`.
fn error(made: &[Vec<f32>], source: &[Vec<f32>], range: Range<usize>) -> f64 {
    let pairs = made.iter().zip(source).flat_map(|(a, b)| a[range.start * F..range.end * F].iter().zip(&b[range.start * F..range.end * F]));
    pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() + 1e-9
}

/// Error energy of fresh encoders in units of that of one encoder.
#[derive(Debug)]
struct Joins {
    /// In the three frames about each join, together.
    mean: f64,
    /// About the worst join.
    worst: f64,
    /// In all other frames, together.
    elsewhere: f64,
    /// In the worst three frames away from the joins.
    worst_elsewhere: f64,
}

/// Segments of `size` frames, each with an encoder of its own, against `one`, the decoded output of one encoder.
fn joins(aac: &Aac, planes: &[Vec<f32>], one: &[Vec<f32>], size: usize, lead: u32, tail: u32) -> Joins {
    let frames = planes[0].len() / F;
    let mut packets = Vec::new();
    for first in (0..frames).step_by(size) {
        packets.extend(aac.encode(&segment(planes, first, size.min(frames - first), lead, tail)).unwrap());
    }
    assert!(packets.iter().map(|p| p.time).eq(0..frames as i64));
    let many = decode(&packets, frames);
    let both = |range: Range<usize>| (error(&many, planes, range.clone()), error(one, planes, range));
    let about: Vec<(f64, f64)> = (size..frames - size).step_by(size).map(|join| both(join - 1..join + 2)).collect();
    let away: Vec<(f64, f64)> = (size..frames - size).filter(|f| (3..size - 3).contains(&(f % size))).map(|f| both(f - 1..f + 2)).collect();
    assert!(about.len() > 4);
    let together = |all: &[(f64, f64)]| all.iter().map(|e| e.0).sum::<f64>() / all.iter().map(|e| e.1).sum::<f64>();
    let worst = |all: &[(f64, f64)]| all.iter().map(|e| e.0 / e.1).fold(0.0, f64::max);
    Joins { mean: together(&about), worst: worst(&about), elsewhere: together(&away), worst_elsewhere: worst(&away) }
}

#[test]
fn joins_are_as_clean_as_the_rest() {
    for name in ["ts_dvb_576p25_h264_aac_12s.ts", "ts_dolby_720p25_eac3_51_24s.ts", "ts_bbb_cea608_cea708_29s.ts", "flv_h264_aac_360p_19s.flv"] {
        let Some(planes) = source(name, 20) else { continue };
        let frames = planes[0].len() / F;
        for bitrate in [128_000, 64_000] {
            let aac = encoder(2, bitrate);
            let whole = aac.encode(&segment(&planes, 0, frames, 0, TAIL)).unwrap();
            let one = decode(&whole, frames);
            // Frame n holds the samples from 1024 n on: any lag of up to 10 ms either way is further from the source.
            let lag = |lag: i64| {
                let pairs = (20 * F..60 * F).map(|i| (one[0][(i as i64 + lag) as usize], planes[0][i]));
                pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
            };
            assert!((-480..=480).filter(|n| *n != 0).all(|n| lag(n) > lag(0)), "{name}: frames are not at their place");

            // All of them for one clip, to choose by; the rest must hold for what was chosen.
            let all: Vec<(u32, u32)> = [1, 2, 8, 32].map(|lead| (lead, TAIL)).into_iter().chain([0, 1, 2, 8].map(|tail| (LEAD, tail))).collect();
            let others = if bitrate == 64_000 {
                &[][..]
            } else if name.contains("dvb") {
                &all[..]
            } else {
                &[(LEAD, 0)][..]
            };
            for &(lead, tail) in [(LEAD, TAIL)].iter().chain(others) {
                let found = joins(&aac, &planes, &one, 47, lead, tail);
                let Joins { mean, worst, elsewhere, worst_elsewhere } = found;
                println!(
                    "{name} {bitrate}: lead {lead} tail {tail}: {mean:.2} x one encoder's error at the joins, {worst:.1} x at the worst; {elsewhere:.2} x elsewhere, {worst_elsewhere:.1} x at the worst"
                );
                if (lead, tail) == (LEAD, TAIL) {
                    assert!(mean < 2.0 * elsewhere.max(1.0), "{name}: {found:?}");
                    assert!(worst < 6.0 || worst < 1.5 * worst_elsewhere, "{name}: {found:?}");
                }
                // What a click looks like to this test.
                if tail == 0 && bitrate == 128_000 {
                    assert!(mean > 5.0 * elsewhere, "{name}: {found:?}");
                }
            }
        }
    }
}

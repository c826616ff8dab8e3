//! The joins between audio segments: fresh encoders against one that runs on, and what the frames decode to.

#![expect(clippy::unwrap_used, reason = "tests")]

mod sound;

use ffmpeg_next as ffmpeg;
use mezzo::capture::StreamInfo;
use mezzo::decode::samples::{Samples, Window};
use mezzo::encode::Packet;
use mezzo::encode::aac::{FRAME, LEAD, TAIL};
use mezzo::frame::PcmSegment;
use mezzo::time::{GopId, Seconds};
use sound::{clip, demux, encoder, extent};
use std::sync::Arc;

const F: usize = FRAME as usize;

/// Packets, numbered from 0, decoded by libav: frame n at samples from 1024 n.
fn decode(packets: &[Packet], frames: usize) -> Vec<Vec<f32>> {
    let mut parameters = ffmpeg::codec::Parameters::new();
    parameters.set_medium(ffmpeg::media::Type::Audio);
    parameters.set_id(ffmpeg::codec::Id::AAC);
    let stream = StreamInfo { index: 0, parameters, time_base: (1, 48_000), language: None, turn: Default::default() };
    let units: Vec<ffmpeg::Packet> = packets.iter().map(adts).collect();
    let window = Window { first: 0, samples: frames * F, offset: Seconds::ZERO };
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
        first_frame: first as i64,
        frames: frames as u32,
        lead,
        tail,
        planes: Arc::new(planes.iter().map(cut).collect()),
        silent_samples: 0,
        joined: true,
        last: false,
    }
}

/// The sound of a clip, decoded once.
fn source(name: &str, seconds: usize) -> Option<Vec<Vec<f32>>> {
    let track = demux(&clip(name)?, 0);
    let (first, last) = extent(&track);
    let length = ((last - first).floor_ticks(48_000) as usize).min(seconds * 48_000) / F * F;
    let window = Window { first: 0, samples: length, offset: -first };
    let all: Vec<&ffmpeg::Packet> = track.packets.iter().collect();
    Samples::open(&track.stream).ok()?.render(&all, &window, &[2]).mixes.into_iter().next()
}

/// Energy of the error in frames `range`.
fn error(made: &[Vec<f32>], source: &[Vec<f32>], range: std::ops::Range<usize>) -> f64 {
    let pairs = made.iter().zip(source).flat_map(|(a, b)| a[range.start * F..range.end * F].iter().zip(&b[range.start * F..range.end * F]));
    pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() + 1e-9
}

struct Joins {
    mean: f64,
    worst: f64,
    elsewhere: f64,
}

/// Error energy of segments of `size` frames against that of one encoder: around the joins, and elsewhere.
fn joins(planes: &[Vec<f32>], one: &[Vec<f32>], size: usize, lead: u32, tail: u32) -> Joins {
    let frames = planes[0].len() / F;
    let aac = encoder(2);
    let mut packets = Vec::new();
    for first in (0..frames).step_by(size) {
        packets.extend(aac.encode(&segment(planes, first, size.min(frames - first), lead, tail)).unwrap());
    }
    let many = decode(&packets, frames);
    let (mut at_joins, mut worst, mut count) = ((0.0, 0.0), 0.0f64, 0.0);
    let mut elsewhere = (0.0, 0.0);
    for first in (size..frames - size).step_by(size) {
        // The frame after the join is the one whose halves come from two encoders; its neighbours show what switching windows spilled.
        let (here, there) = (error(&many, planes, first - 1..first + 2), error(one, planes, first - 1..first + 2));
        at_joins = (at_joins.0 + here, at_joins.1 + there);
        worst = worst.max(here / there);
        if std::env::var_os("NOASSERT").is_some() {
            eprintln!(
                "   join {first}: {here:.4} {there:.4} {:.2}  per frame {:?} one {:?}",
                here / there,
                (first - 2..first + 3).map(|f| (error(&many, planes, f..f + 1) * 1000.0) as i64).collect::<Vec<_>>(),
                (first - 2..first + 3).map(|f| (error(one, planes, f..f + 1) * 1000.0) as i64).collect::<Vec<_>>()
            );
        }
        count += 1.0;
        elsewhere = (elsewhere.0 + error(&many, planes, first + 2..first + size - 1), elsewhere.1 + error(one, planes, first + 2..first + size - 1));
    }
    assert!(count > 2.0);
    Joins { mean: at_joins.0 / at_joins.1, worst, elsewhere: elsewhere.0 / elsewhere.1 }
}

#[test]
fn joins_are_as_clean_as_the_rest() {
    for name in ["ts_dvb_576p25_h264_aac_12s.ts", "ts_dolby_720p25_eac3_51_24s.ts", "ts_bbb_cea608_cea708_29s.ts", "flv_h264_aac_360p_19s.flv"] {
        let Some(planes) = source(name, 20) else { continue };
        let frames = planes[0].len() / F;
        let whole = encoder(2).encode(&segment(&planes, 0, frames, 0, TAIL)).unwrap();
        let one = decode(&whole, frames);
        // Frame n holds the samples from 1024 n on: any other lag is further from the source.
        let lag = |lag: usize| error(&[one[0][lag * 8..].to_vec()], &planes[..1], 20..60);
        assert!((1..128).all(|n| lag(n) > lag(0)), "{name}: frames are late");
        for (lead, tail) in [(1, 4), (2, 4), (4, 4), (8, 4), (16, 4), (24, 4), (32, 4), (16, 0), (16, 1), (16, 2), (16, 8)] {
            let Joins { mean, worst, elsewhere } = joins(&planes, &one, 47, lead, tail);
            println!("{name}: lead {lead} tail {tail}: joins {mean:.2} x one encoder's error on average, {worst:.2} x at worst, {elsewhere:.2} x elsewhere");
            if (lead, tail) == (LEAD, TAIL) {
                if std::env::var_os("NOASSERT").is_none() {
                    assert!(mean < 1.5 && worst < 4.0, "{name}: {mean} {worst}");
                }
            }
        }
    }
}

//! The writer refuses packets, or writes a segment that reads back as exactly those packets.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use mezzo::encode::{Packet, TrackId};
use mezzo::inspect::{self, Code};
use mezzo::ladder::{AudioCodec, VideoCodec};
use mezzo::mux::{self, Marks, TrackKind, TrackSpec};
use mezzo::plan::{AudioRendition, Rendition};
use mezzo::time::{AudioGrid, GopId, Grid, Rate};

#[derive(Arbitrary, Debug)]
struct Input {
    audio: bool,
    rate: u8,
    slots: u8,
    gop: i64,
    chunk: Option<u8>,
    last: bool,
    fillers: bool,
    /// Place in the GOP, IDR, payload.
    packets: Vec<(i16, bool, Vec<u8>)>,
}

const RATES: [(u32, u32); 8] = [(24_000, 1001), (24, 1), (25, 1), (30_000, 1001), (30, 1), (50, 1), (60_000, 1001), (60, 1)];

fn track(input: &Input) -> TrackSpec {
    let (num, den) = RATES[usize::from(input.rate) % RATES.len()];
    let grid = Grid { rate: Rate::new(num, den).expect("a legal rate"), gop_slots: u32::from(input.slots).max(2) };
    let name = "t".to_owned();
    let kind = if input.audio {
        let grid = AudioGrid { video: grid, sample_rate: 48_000, frame: 1024 };
        let rendition = AudioRendition { name: name.clone(), codec: AudioCodec::Aac, bitrate: 128_000, channels: 2, grid, language: "und".into() };
        TrackKind::Audio { rendition, config: vec![0x11, 0x90] }
    } else {
        let (codec, point, backends) = (VideoCodec::Avc, String::new(), Vec::new());
        let rendition = Rendition { name: name.clone(), codec, width: 64, height: 36, grid, max_bitrate: 1, quality: 23.0, point, backends, lanes: 1 };
        TrackKind::Video { rendition, config: vec![1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 1, 0x67, 1, 0, 1, 0x68] }
    };
    TrackSpec { id: TrackId(0), name, kind }
}

fuzz_target!(|input: Input| {
    let track = track(&input);
    let gop = GopId(input.gop);
    let first = if track.legal(gop).is_ok() { track.first_unit(gop) } else { 0 };
    let packets: Vec<Packet> =
        input.packets.iter().map(|(place, idr, data)| Packet { time: first.saturating_add(i64::from(*place)), idr: *idr, data: data.clone() }).collect();
    let marks = Marks { class: "c".into(), repeats: 0, fillers: u32::from(input.fillers) };
    let Ok(bytes) = mux::segment(&track, gop, &packets, &marks, input.last, input.chunk.map(|slots| mux::Chunking { slots: u32::from(slots), prft: slots % 2 == 0 })) else { return };
    let facts = inspect::segment(&bytes, None).expect("what is written is readable");
    let harmless = |code: Code| matches!(code, Code::IdrInside);
    assert!(facts.findings.iter().all(|f| harmless(f.code)), "{:?}", facts.findings);
    let ticks = i64::from(track.unit_ticks());
    let mut decode = facts.tfdt() as i64;
    let read: Vec<Packet> = facts
        .samples()
        .map(|s| {
            let time = (decode + s.cts) / ticks;
            decode += i64::from(s.duration);
            Packet { time, idr: s.sync() && !input.audio, data: bytes[s.offset..s.offset + s.size as usize].to_vec() }
        })
        .collect();
    let want: Vec<Packet> = packets.iter().map(|p| Packet { idr: p.idr && !input.audio, ..p.clone() }).collect();
    assert_eq!(read, want);
});

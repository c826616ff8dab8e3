//! What the muxer's tests share: tracks and packets made up, and real ones from libx264 and libav's AAC encoder.

use super::{TrackKind, TrackSpec};
use crate::colour::{HdrMetadata, VideoRange};
use crate::encode::{Packet, TrackId};
use crate::ladder::VideoCodec;
use crate::plan::{AudioRendition, Rendition};
use crate::time::{AudioGrid, GopId, Grid, Rate};
use std::path::Path;
use std::process::Command;

/// An avcC of High profile, level 3.1, with plausible parameter sets.
pub fn avcc() -> Vec<u8> {
    let sps = [0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x41, 0x41, 0xfa, 0x10, 0, 0, 3, 0, 0x10, 0, 0, 3, 3, 0x20, 0xf1, 0x42, 0x99, 0x60];
    let pps = [0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];
    let mut config = vec![1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, sps.len() as u8];
    config.extend(sps);
    config.extend([1, 0, pps.len() as u8]);
    config.extend(pps);
    config
}

pub fn grid(num: u32, den: u32, gop_slots: u32) -> Grid {
    Grid { rate: Rate::new(num, den).expect("a legal rate"), gop_slots }
}

pub fn rendition(name: &str, width: u32, height: u32, max_bitrate: u64, grid: Grid) -> Rendition {
    let (name, point) = (name.to_owned(), "veryfast".to_owned());
    Rendition {
        name,
        codec: VideoCodec::Avc,
        width,
        height,
        grid,
        depth: 8,
        range: VideoRange::Sdr,
        hdr: HdrMetadata::default(),
        max_bitrate,
        quality: 23.0,
        bitrate: None,
        point,
        backends: vec!["x264".into()],
        lanes: 2,
        half_rate: false,
        chunk: None,
        latency: Default::default(),
        devices: Vec::new(),
    }
}

pub fn video(id: usize, rendition: Rendition, config: Vec<u8>) -> TrackSpec {
    TrackSpec { id: TrackId(id), name: rendition.name.clone(), kind: TrackKind::Video { rendition, config } }
}

pub fn audio(id: usize, name: &str, bitrate: u64, grid: Grid, language: &str, config: Vec<u8>) -> TrackSpec {
    let grid = AudioGrid { video: grid, sample_rate: 48_000, frame: 1024 };
    let rendition = AudioRendition::main(name, bitrate, 2, grid, language);
    TrackSpec { id: TrackId(id), name: name.into(), kind: TrackKind::Audio { rendition, config } }
}

/// AudioSpecificConfig of AAC-LC, 48 kHz, stereo.
pub const ASC: [u8; 2] = [0x11, 0x90];

/// A whole GOP of made-up packets, as an encoder with `order` (a permutation of the slots, 0 first) would hand them out.
pub fn gop(track: &TrackSpec, gop: GopId, order: &[u32], sizes: &[usize]) -> Vec<Packet> {
    let first = track.first_unit(gop);
    let packet = |(i, slot): (usize, &u32)| {
        let size = sizes.get(i % sizes.len().max(1)).copied().unwrap_or(1).max(1);
        let idr = i == 0;
        let data = if let TrackKind::Video { .. } = track.kind {
            let mut data = (size as u32).to_be_bytes().to_vec();
            data.push(if idr { 0x65 } else { 0x41 });
            data.resize(4 + size, i as u8);
            data
        } else {
            vec![i as u8; size]
        };
        Packet { time: first + i64::from(*slot), idr: idr || matches!(track.kind, TrackKind::Audio { .. }), data }
    };
    order.iter().enumerate().map(packet).collect()
}

/// A whole GOP in presentation order.
pub fn plain(track: &TrackSpec, id: GopId) -> Vec<Packet> {
    gop(track, id, &(0..track.units(id)).collect::<Vec<_>>(), &[40])
}

/// A coded clip, split into access units.
#[derive(Clone)]
pub struct Clip {
    pub config: Vec<u8>,
    /// (PTS, key, data) in decoding order.
    pub units: Vec<(i64, bool, Vec<u8>)>,
}

/// Runs ffmpeg; its standard output.
pub fn ffmpeg(args: &[&str]) -> String {
    let out = Command::new(args[0]).args(&args[1..]).output().expect("ffmpeg is installed");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    assert!(out.stderr.is_empty(), "{args:?} complains: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

/// Encodes `frames` pictures of a moving pattern with B pictures, and tone, into `path` (MP4).
pub fn encode(path: &Path, rate: &str, gop: u32, frames: u32) {
    let source = format!("testsrc2=size=320x180:rate={rate}");
    let (count, params) = (frames.to_string(), format!("keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes=3"));
    let path = path.to_str().expect("UTF-8");
    #[rustfmt::skip]
    ffmpeg(&["ffmpeg", "-v", "error", "-f", "lavfi", "-i", &source, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-frames:v", &count, "-shortest",
        "-c:v", "libx264", "-preset", "veryfast", "-x264-params", &params, "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", "-b:a", "96k", path]);
}

/// Reads one stream of a file that [`encode`] made.
pub fn demux(path: &Path, kind: ffmpeg_next::media::Type) -> Clip {
    let mut input = ffmpeg_next::format::input(path).expect("opens");
    let stream = input.streams().best(kind).expect("has the stream");
    let index = stream.index();
    let config = config(path, index);
    let mut units = Vec::new();
    for (stream, packet) in input.packets() {
        if stream.index() == index {
            units.push((packet.pts().expect("has a PTS"), packet.is_key(), packet.data().expect("has data").to_vec()));
        }
    }
    Clip { config, units }
}

/// Decoder configuration of track `index`, from the file's own `moov`.
fn config(path: &Path, index: usize) -> Vec<u8> {
    use mp4_atom::{Any, Atom, Codec, ReadFrom};
    let mut file = std::fs::File::open(path).expect("opens");
    let moov = loop {
        if let Any::Moov(moov) = Any::read_from(&mut file).expect("has a moov") {
            break moov;
        }
    };
    let mut config = Vec::new();
    match &moov.trak[index].mdia.minf.stbl.stsd.codecs[0] {
        Codec::Avc1(avc1) => avc1.avcc.encode_body(&mut config).expect("encodes"),
        Codec::Mp4a(mp4a) => config = mp4a.esds.es_desc.dec_config.dec_specific.as_ref().expect("has one").raw.clone(),
        other => panic!("{other:?}"),
    }
    config
}

//! Which encoders there are, and what of them works here.

use super::devices::Devices;
use super::hardware::{self, DeviceUse};
use crate::class::Build;
use crate::colour::{HdrMetadata, VideoRange};
use crate::encode::{Recipe, aac::Aac, find};
use crate::ladder::{AudioCodec, VideoCodec};
use crate::plan::{AAC_FRAME, AudioRendition, Rendition, SAMPLE_RATE};
use crate::time::{AudioGrid, Grid, Rate, Seconds};
use ffmpeg_next as ffmpeg;
use hwaccel::device::{Kind, Name};
use serde::Serialize;

/// Whether rungs can be made by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It opens: rungs can be made by it.
    Ready,
    /// What it needs is there, and it does not open.
    Broken,
    /// This libav lacks it, or there is no device for it.
    Absent,
}

/// One way to make a codec.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BackendReport {
    /// Codec as ladders write it.
    pub codec: &'static str,
    /// Name as ladders write it.
    pub backend: &'static str,
    /// Whether rungs can be made by it.
    pub state: State,
    /// The encoder that it takes of libav; absent where it is none of libav's.
    pub libav_encoder: Option<&'static str>,
    /// Whether this libav has that encoder.
    pub in_libav: bool,
    /// Whether it needs a device.
    pub hardware: bool,
    /// Its version, where it tells one.
    pub version: Option<String>,
    /// Bits of a sample that it makes here; empty for sound.
    pub depths: Vec<u32>,
    /// The devices that it was tried on; empty for software.
    pub devices: Vec<DeviceUse>,
    /// Why it is not ready, in words.
    pub why: Option<String>,
}

/// What a kind of encoder needs beside a library.
#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    Nvidia,
    Vaapi,
}

impl Needs {
    fn kind(self) -> Option<Kind> {
        match self {
            Needs::Nothing => None,
            Needs::Nvidia => Some(Kind::Cuda),
            Needs::Vaapi => Some(Kind::Vaapi),
        }
    }
}

/// Every backend that mezzo has: codec, name, libav's encoder, and what it needs.
const KNOWN: &[(VideoCodec, &str, Option<&str>, Needs)] = &[
    (VideoCodec::Avc, "x264", Some("libx264"), Needs::Nothing),
    (VideoCodec::Avc, "nvenc", Some("h264_nvenc"), Needs::Nvidia),
    (VideoCodec::Avc, "vaapi", Some("h264_vaapi"), Needs::Vaapi),
    (VideoCodec::Hevc, "x265", Some("libx265"), Needs::Nothing),
    (VideoCodec::Hevc, "nvenc", Some("hevc_nvenc"), Needs::Nvidia),
    (VideoCodec::Hevc, "vaapi", Some("hevc_vaapi"), Needs::Vaapi),
    (VideoCodec::Av1, "svt-av1", Some("libsvtav1"), Needs::Nothing),
    (VideoCodec::Av1, "rav1e", None, Needs::Nothing),
    (VideoCodec::Av1, "nvenc", Some("av1_nvenc"), Needs::Nvidia),
    (VideoCodec::Av1, "vaapi", Some("av1_vaapi"), Needs::Vaapi),
];

pub(super) fn look(build: &Build, devices: &Devices) -> Vec<BackendReport> {
    let names = devices.names();
    let video = KNOWN.iter().map(|&(codec, backend, encoder, needs)| {
        let mut report = BackendReport {
            codec: codec.name(),
            backend,
            state: State::Absent,
            libav_encoder: encoder,
            in_libav: encoder.is_some_and(in_libav),
            hardware: needs.kind().is_some(),
            version: version(backend, build),
            depths: Vec::new(),
            devices: Vec::new(),
            why: None,
        };
        match (encoder, needs.kind()) {
            (Some(encoder), _) if !report.in_libav => report.why = Some(format!("libav is built without {encoder}")),
            (_, None) => software(&mut report, codec),
            (_, Some(kind)) => {
                let names: Vec<Name> = names.iter().filter(|name| name.kind() == kind).cloned().collect();
                let absent = if kind == Kind::Cuda { &devices.nvidia_why } else { &devices.vaapi_why };
                by_device(&mut report, codec, &names, devices, absent.as_deref());
            }
        }
        report
    });
    let (state, why) = opened(open_aac());
    let aac = BackendReport {
        codec: AudioCodec::Aac.name(),
        backend: "aac",
        state,
        libav_encoder: Some("aac"),
        in_libav: in_libav("aac"),
        hardware: false,
        version: None,
        depths: Vec::new(),
        devices: Vec::new(),
        why,
    };
    video.chain([aac]).collect()
}

/// Opens it at every depth.
fn software(report: &mut BackendReport, codec: VideoCodec) {
    let mut refused = None;
    for depth in codec.depths() {
        match open_video(codec, report.backend, *depth) {
            Ok(()) => report.depths.push(*depth),
            Err(why) => {
                refused.get_or_insert(why);
            }
        }
    }
    (report.state, report.why) = if report.depths.is_empty() { (State::Broken, refused) } else { (State::Ready, None) };
}

/// Opens it on every device.
fn by_device(report: &mut BackendReport, codec: VideoCodec, names: &[Name], devices: &Devices, absent: Option<&str>) {
    let Some(candidate) = find(report.backend).filter(|_| !names.is_empty()) else {
        report.why = Some(absent.unwrap_or("no device").to_owned());
        return;
    };
    report.devices = hardware::look(candidate, codec, names, devices, &small(codec, report.backend, 8));
    report.depths = codec.depths().iter().copied().filter(|depth| report.devices.iter().any(|used| used.depths.contains(depth))).collect();
    let refused = report.devices.iter().find_map(|used| used.why.clone());
    (report.state, report.why) = if report.depths.is_empty() { (State::Broken, refused) } else { (State::Ready, None) };
}

/// Of the library that makes it, where it tells one.
fn version(backend: &str, build: &Build) -> Option<String> {
    match backend {
        "x264" => build.x264.clone(),
        "x265" => build.x265.clone(),
        "svt-av1" => build.svt_av1.clone(),
        _ => None,
    }
}

fn in_libav(encoder: &str) -> bool {
    ffmpeg::encoder::find_by_name(encoder).is_some()
}

fn opened(result: Result<(), String>) -> (State, Option<String>) {
    match result {
        Ok(()) => (State::Ready, None),
        Err(why) => (State::Broken, Some(why)),
    }
}

/// Opens a small rung as a job would.
fn open_video(codec: VideoCodec, backend: &str, depth: u32) -> Result<(), String> {
    let candidate = find(backend).ok_or("mezzo's table of encoders lacks it")?;
    let rendition = small(codec, backend, depth);
    candidate.open(&rendition, &Recipe::of(&rendition)).map(drop).map_err(|e| e.to_string())
}

/// A small rung.
fn small(codec: VideoCodec, backend: &str, depth: u32) -> Rendition {
    let grid = grid();
    Rendition {
        name: "probe".to_owned(),
        codec,
        width: 320,
        height: 180,
        grid,
        depth,
        range: VideoRange::Sdr,
        hdr: HdrMetadata::default(),
        max_bitrate: 500_000,
        quality: codec.default_quality(),
        bitrate: None,
        point: "veryfast".to_owned(),
        backends: vec![backend.to_owned()],
        lanes: 1,
        half_rate: false,
        chunk: None,
        latency: Default::default(),
        devices: Vec::new(),
    }
}

fn open_aac() -> Result<(), String> {
    let grid = AudioGrid { video: grid(), sample_rate: SAMPLE_RATE, frame: AAC_FRAME };
    let rendition = AudioRendition::main("probe", 128_000, 2, grid, "und");
    Aac::open(&rendition).map(drop).map_err(|e| e.to_string())
}

fn grid() -> Grid {
    Grid::new(Rate::new(25, 1).expect("25 is a rate"), Seconds::whole(2))
}

//! Which encoders there are: mezzo's backends, and what libav has beside them.

use super::devices::Devices;
use crate::class::Build;
use crate::colour::{HdrMetadata, VideoRange};
use crate::encode::{BACKENDS, Recipe, aac::Aac, find};
use crate::ladder::{AudioCodec, VideoCodec};
use crate::plan::{AAC_FRAME, AudioRendition, Rendition, SAMPLE_RATE};
use crate::time::{AudioGrid, Grid, Rate, Seconds};
use ffmpeg_next as ffmpeg;
use serde::Serialize;

/// Whether rungs can be made by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It opens: rungs can be made by it.
    Ready,
    /// mezzo has this backend, and it does not open here.
    Broken,
    /// mezzo has no such backend yet, whatever libav has.
    Planned,
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
    /// Its version, where it tells one.
    pub version: Option<String>,
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

/// Every backend that mezzo has or is to have: codec, name, libav's encoder, and what it needs.
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
    let video = KNOWN.iter().map(|&(codec, backend, encoder, needs)| {
        let exists = BACKENDS.iter().any(|b| b.name == backend && b.codecs.contains(&codec));
        let in_libav = encoder.is_some_and(in_libav);
        let (state, why) = if exists { opened(open_video(codec, backend)) } else { (State::Planned, Some(planned(encoder, in_libav, needs, devices))) };
        let version = match backend {
            "x264" => build.x264.clone(),
            "x265" => build.x265.clone(),
            "svt-av1" => build.svt_av1.clone(),
            _ => None,
        };
        BackendReport { codec: codec.name(), backend, state, libav_encoder: encoder, in_libav, version, why }
    });
    let (state, why) = opened(open_aac());
    let aac = BackendReport { codec: AudioCodec::Aac.name(), backend: "aac", state, libav_encoder: Some("aac"), in_libav: in_libav("aac"), version: None, why };
    video.chain([aac]).collect()
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

/// What there is of a backend that mezzo does not have.
fn planned(encoder: Option<&str>, in_libav: bool, needs: Needs, devices: &Devices) -> String {
    let library = match (encoder, in_libav) {
        (Some(encoder), true) => format!("no backend yet; {encoder} is in this libav"),
        (Some(encoder), false) => format!("no backend yet; {encoder} is not in this libav either"),
        (None, _) => "no backend yet".to_owned(),
    };
    let device = match needs {
        Needs::Nothing => None,
        Needs::Nvidia => devices.nvidia_why.as_deref(),
        Needs::Vaapi => devices.vaapi_why.as_deref(),
    };
    device.map_or(library.clone(), |why| format!("{library}; {why}"))
}

/// Opens a small rung as a job would.
fn open_video(codec: VideoCodec, backend: &str) -> Result<(), String> {
    let candidate = find(backend).ok_or("mezzo's table of encoders lacks it")?;
    let grid = grid();
    let rendition = Rendition {
        name: "probe".to_owned(),
        codec,
        width: 320,
        height: 180,
        grid,
        depth: 8,
        range: VideoRange::Sdr,
        hdr: HdrMetadata::default(),
        max_bitrate: 500_000,
        quality: 23.0,
        point: "veryfast".to_owned(),
        backends: vec![backend.to_owned()],
        lanes: 1,
    };
    let recipe = Recipe::of(&rendition);
    candidate.open(&rendition, &recipe).map(drop).map_err(|e| e.to_string())
}

fn open_aac() -> Result<(), String> {
    let grid = AudioGrid { video: grid(), sample_rate: SAMPLE_RATE, frame: AAC_FRAME };
    let rendition = AudioRendition { name: "probe".to_owned(), codec: AudioCodec::Aac, bitrate: 128_000, channels: 2, grid, language: "und".to_owned() };
    Aac::open(&rendition).map(drop).map_err(|e| e.to_string())
}

fn grid() -> Grid {
    Grid::new(Rate::new(25, 1).expect("25 is a rate"), Seconds::whole(2))
}

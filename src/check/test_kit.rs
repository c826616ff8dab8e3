//! Good trees for the tests: real pictures and sound, through the muxer, on disk.

use super::{Options, Report, run};
use crate::colour::VideoRange;
use crate::encode::testing::{frames, pattern, pattern10};
use crate::encode::{Packet, Stats, ToMux};
use crate::frame::End;
use crate::job::Window;
use crate::ladder::VideoCodec;
use crate::mux::test_kit::{Clip, audio, demux, ffmpeg, grid, rendition, video};
use crate::mux::{Chunking, Settings, TrackKind, TrackSpec};
use crate::plan::Rendition;
use crate::role::Role;
use crate::sink::Publish;
use crate::time::{GopId, Grid, Seconds};
use ffmpeg_next::media::Type;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// First number of every tree.
pub const FIRST: i64 = 892_000_000;

/// How a tree is made.
#[derive(Clone)]
pub struct Recipe {
    pub first: i64,
    pub skip: usize,
    pub class: &'static str,
    pub window: Window,
    pub end: End,
    pub chunk: Option<u32>,
    /// Segment numbers marked as having repeats.
    pub marked: Vec<i64>,
    /// Segment numbers that every track leaves out.
    pub skipped: Vec<i64>,
}

impl Default for Recipe {
    fn default() -> Recipe {
        let (marked, skipped) = (Vec::new(), Vec::new());
        Recipe { first: FIRST, skip: 0, class: "0123abcd", window: Window::Whole, end: End::Ended, chunk: None, marked, skipped }
    }
}

/// Files by path.
pub type Files = BTreeMap<String, Vec<u8>>;

struct Source {
    tracks: Vec<TrackSpec>,
    clips: Vec<Clip>,
}

/// 190 pictures in two sizes, and their sound.
fn source(rate: &str, grid: Grid) -> Source {
    let dir = tempfile::tempdir().expect("a folder");
    let encode = |size: &str| {
        let path = dir.path().join(format!("{size}.mp4"));
        let picture = format!("testsrc2=size={size}:rate={rate}");
        let params = format!("keyint={0}:min-keyint={0}:scenecut=0:open-gop=0:bframes=3:vbv-maxrate=600:vbv-bufsize=300", grid.gop_slots);
        #[rustfmt::skip]
        ffmpeg(&["ffmpeg", "-v", "error", "-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-frames:v", "190", "-shortest",
            "-c:v", "libx264", "-preset", "veryfast", "-x264-params", &params, "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", "-b:a", "96k", path.to_str().expect("UTF-8")]);
        path
    };
    let (large, small) = (encode("320x180"), encode("160x90"));
    let clips = vec![demux(&large, Type::Video), demux(&small, Type::Video), demux(&large, Type::Audio)];
    let tracks = vec![
        video(0, rendition("avc-180p", 320, 180, 1_000_000, grid), clips[0].config.clone()),
        video(1, rendition("avc-90p", 160, 90, 800_000, grid), clips[1].config.clone()),
        audio(2, "aac-2", 112_000, grid, "eng", clips[2].config.clone()),
    ];
    Source { tracks, clips }
}

static AT_25: LazyLock<Source> = LazyLock::new(|| source("25", grid(25, 1, 50)));
static AT_2997: LazyLock<Source> = LazyLock::new(|| source("30000/1001", grid(30_000, 1001, 60)));

/// A tree at 25 pictures a second, in slots of 2 s.
pub fn good(recipe: &Recipe) -> Files {
    make(&AT_25, recipe)
}

/// A tree with two sounds in two rungs each.
pub fn sounds(recipe: &Recipe) -> Files {
    let rung = |id: usize, name: &str, rung: &str, described: bool| {
        let mut track = audio(id, name, if rung == "aac-2" { 112_000 } else { 120_000 }, grid(25, 1, 50), "eng", AT_25.clips[2].config.clone());
        if let TrackKind::Audio { rendition, .. } = &mut track.kind {
            (rendition.rung, rendition.label, rendition.tag) = (rung.into(), "English".into(), Some("en-GB".into()));
            if described {
                (rendition.sound, rendition.language, rendition.tag) = (1, "fra".into(), None);
                (rendition.label, rendition.role) = ("fr description".into(), Role::Description);
            }
        }
        track
    };
    let tracks = [rung(2, "aac-2", "aac-2", false), rung(3, "aac-2-fra", "aac-2", true), rung(4, "aac-3", "aac-3", false), rung(5, "aac-3-fra", "aac-3", true)];
    let mut source = Source { tracks: AT_25.tracks[..2].to_vec(), clips: AT_25.clips[..2].to_vec() };
    source.clips.extend(tracks.iter().map(|_| AT_25.clips[2].clone()));
    source.tracks.extend(tracks);
    make(&source, recipe)
}

/// A tree of HEVC of 8 and 10 bits (SDR and PQ, by x265) and AV1 (by SVT-AV1), at 25 pictures a second, in slots of 2 s: two whole ones and a part.
pub fn coded(recipe: &Recipe) -> Files {
    make(&CODED, recipe)
}

static CODED: LazyLock<Source> = LazyLock::new(|| {
    let rungs = [("hevc-8", VideoCodec::Hevc, 8, "x265"), ("hevc-10", VideoCodec::Hevc, 10, "x265"), ("av1-8", VideoCodec::Av1, 8, "svt-av1")];
    let mut source = Source { tracks: Vec::new(), clips: Vec::new() };
    for (id, (name, codec, depth, backend)) in rungs.into_iter().enumerate() {
        let of = rung(name, codec, depth, backend);
        let clip = encoded(&of, 110);
        source.tracks.push(video(id, of, clip.config.clone()));
        source.clips.push(clip);
    }
    source
});

/// As [`coded`], with the AV1 clip as `change` leaves it.
pub fn changed(change: impl FnOnce(&mut Clip)) -> Files {
    let mut clips: Vec<Clip> = CODED.clips.clone();
    change(&mut clips[2]);
    make(&Source { tracks: CODED.tracks.clone(), clips }, &Recipe::default())
}

/// A rung of 320x180 in SDR, or in PQ where it has 10 bits.
pub fn rung(name: &str, codec: VideoCodec, depth: u32, backend: &str) -> Rendition {
    let range = if depth == 10 { VideoRange::Pq } else { VideoRange::Sdr };
    let like = rendition(name, 320, 180, 1_000_000, grid(25, 1, 50));
    Rendition { codec, depth, range, quality: codec.default_quality(), point: "superfast".into(), backends: vec![backend.to_owned()], ..like }
}

/// `count` pictures of a moving pattern, by the rung's own backend.
pub fn encoded(of: &Rendition, count: u32) -> Clip {
    let backend = crate::encode::find(&of.backends[0]).expect("it is there");
    let (mut units, mut config) = (Vec::new(), Vec::new());
    let whole: Vec<_> = (0..count).map(|n| if of.depth == 10 { pattern10(of.width, of.height, n) } else { pattern(of.width, of.height, n) }).collect();
    for (gop, pictures) in whole.chunks(of.grid.gop_slots as usize).enumerate() {
        let recipe = crate::encode::Recipe { slots: pictures.len() as u32, ..crate::encode::Recipe::of(of) };
        let opened = backend.open(of, &recipe).expect("it opens");
        let (mut encoder, mut out) = (opened.encoder, Vec::new());
        for frame in frames(of.grid, gop as i64 * i64::from(of.grid.gop_slots), pictures) {
            encoder.encode(&frame, &mut out).expect("it encodes");
        }
        encoder.finish(&mut out).expect("it drains");
        units.extend(out.into_iter().map(|p| (p.time, p.idr, p.data)));
        config = opened.config;
    }
    Clip { config, units }
}

/// A tree at 30000/1001, in slots of 2.002 s.
pub fn fractional(recipe: &Recipe) -> Files {
    make(&AT_2997, recipe)
}

fn make(source: &Source, recipe: &Recipe) -> Files {
    let mut input = Vec::new();
    for (track, clip) in source.tracks.iter().zip(&source.clips) {
        messages(track, clip, recipe, &mut input);
    }
    let settings = Settings {
        schedule: std::sync::Arc::default(),
        class: recipe.class.into(),
        publish_delay: Seconds::whole(3),
        window: recipe.window,
        chunking: recipe.chunk.map(|slots| Chunking { slots, prft: true }),
        not_before: Some(GopId(recipe.first + recipe.skip as i64)),
        stored: Vec::new(),
        iframes: Default::default(),
        session: Vec::new(),
        thumbnails: None,
        counts: Arc::default(),
        form: None,
        others: Vec::new(),
        share: None,
    };
    let (to_mux, rx) = crossbeam::channel::unbounded();
    let (tx, published) = crossbeam::channel::unbounded();
    input.into_iter().for_each(|m| to_mux.send(m).expect("is open"));
    crate::mux::run(source.tracks.clone(), settings, rx, tx).expect("muxes");
    let mut files = Files::new();
    for item in published {
        match item {
            Publish::Init { path, bytes } | Publish::Segment { path, bytes, .. } | Publish::Text { path, bytes, .. } => {
                drop(files.insert(path, bytes.to_vec()))
            }
            Publish::Chunk { .. } | Publish::Abort { .. } => {}
            Publish::Remove { path } => drop(files.remove(&path)),
        }
    }
    files
}

fn messages(track: &TrackSpec, clip: &Clip, recipe: &Recipe, out: &mut Vec<ToMux>) {
    let (id, mut gop, mut start) = (track.id, GopId(recipe.first), 0);
    while start < clip.units.len() {
        let count = (track.units(gop) as usize).min(clip.units.len() - start);
        let units = &clip.units[start..start + count];
        let whole = count == track.units(gop) as usize;
        start += count;
        let sent = gop.0 >= recipe.first + recipe.skip as i64 && (whole || recipe.end == End::Ended);
        if sent && recipe.skipped.contains(&gop.0) {
            out.push(ToMux::Skipped { track: id, gop, why: crate::encode::Why::Late });
        } else if sent {
            let base = units.iter().map(|u| u.0).min().expect("not empty");
            let ticks = units.iter().map(|u| u.0 - base).filter(|d| *d > 0).min().unwrap_or(1);
            for (i, (pts, key, data)) in units.iter().enumerate() {
                let place = if track.timescale() == 48_000 { i as i64 } else { (pts - base) / ticks };
                let packet = Packet { time: track.first_unit(gop) + place, idr: *key, data: data.clone() };
                out.push(ToMux::Packet { track: id, gop, attempt: 0, packet });
            }
            let last = start == clip.units.len() && recipe.end == End::Ended;
            let repeats = u32::from(recipe.marked.contains(&gop.0));
            out.push(ToMux::Done { track: id, gop, attempt: 0, stats: Stats { units: count as u32, repeats, last, ..Stats::default() } });
        }
        gop = gop.next();
    }
    out.push(ToMux::End { track: id, end: recipe.end });
}

/// Writes a tree.
pub fn write(files: &Files) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (path, bytes) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("has one")).expect("can be made");
        std::fs::write(path, bytes).expect("can be written");
    }
    dir
}

/// Checks a folder.
pub fn checked(dir: &Path) -> Report {
    run(dir, None, Options::default()).expect("is a tree")
}

/// Writes and checks a tree.
pub fn report(files: &Files) -> Report {
    checked(write(files).path())
}

/// Replaces text in a text file; it must be there.
pub fn edit(files: &mut Files, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[path].clone()).expect("text");
    assert!(text.contains(from), "{path} has no {from:?}:\n{text}");
    files.insert(path.to_owned(), text.replacen(from, to, 1).into_bytes());
}

/// Where the `nth` box of this type starts, by its name.
pub fn find(bytes: &[u8], kind: &[u8]) -> usize {
    bytes.windows(kind.len()).position(|w| w == kind).expect("has the box") - 4
}

/// Overwrites bytes `at` bytes behind the start of a box.
pub fn patch(files: &mut Files, path: &str, kind: &[u8; 4], at: usize, with: &[u8]) {
    let bytes = files.get_mut(path).expect("is there");
    let at = find(bytes, kind) + at;
    bytes[at..at + with.len()].copy_from_slice(with);
}

//! HEVC by x265 through libav: a fresh encoder of one thread for each GOP, everything that could depend on the machine or on history pinned.

use super::libav::{Fed, Gop, Pictures};
use super::measured::Quantizers;
use super::tier::{Needs, level};
use super::vbv::Vbv;
use super::{EncodeError, Encoder, Opened, Packet, Recipe, hevc, point};
use crate::colour::{HdrMetadata, VideoRange};
use crate::ffmpeg as raw;
use crate::frame::Frame;
use crate::govern::Step;
use crate::job::Latency;
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use ffmpeg_next as ffmpeg;
use hwaccel::isa::Isa;
use std::sync::Arc;

const NAME: &str = "x265";

/// What an operating point sets in x265. The rest (rate, structure, threads, colour) is the same for all.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct X265Point {
    /// Name in ladders and plans: that of the x265 preset of version 3.5 whose values these are; `swift` and `brisk` are ours, found as docs/encoders.md says.
    pub name: &'static str,
    /// Rate at which the VBV bucket fills, in percent of the cap, and how full it starts, in percent of its size, which is half of what the cap allows in a GOP.
    pub fill_percent: u64,
    /// See `fill_percent`.
    pub start_percent: u64,
    /// Settings in x265's own words.
    pub settings: &'static [(&'static str, &'static str)],
}

macro_rules! settings {
    ($($key:literal = $value:literal),* $(,)?) => { &[$(($key, $value)),*] };
}

pub(super) const POINTS: [X265Point; 8] = [
    X265Point {
        name: "ultrafast",
        fill_percent: 90,
        start_percent: 70,
        settings: settings! {
            "ctu" = "32", "min-cu-size" = "16", "bframes" = "3", "b-adapt" = "0", "rc-lookahead" = "5", "ref" = "1", "limit-refs" = "0", "me" = "dia", "subme" = "0",
            "max-merge" = "2", "early-skip" = "1", "fast-intra" = "1", "b-intra" = "0", "sao" = "0", "selective-sao" = "0", "signhide" = "0", "weightp" = "0",
            "aq-mode" = "0", "rd" = "2",
        },
    },
    X265Point {
        name: "superfast",
        fill_percent: 90,
        start_percent: 70,
        settings: settings! {
            "ctu" = "32", "min-cu-size" = "8", "bframes" = "3", "b-adapt" = "0", "rc-lookahead" = "10", "ref" = "1", "limit-refs" = "0", "me" = "hex", "subme" = "1",
            "max-merge" = "2", "early-skip" = "1", "fast-intra" = "1", "b-intra" = "0", "sao" = "0", "selective-sao" = "0", "signhide" = "1", "weightp" = "0",
            "aq-mode" = "0", "rd" = "2",
        },
    },
    X265Point {
        name: "swift",
        fill_percent: 90,
        start_percent: 70,
        settings: settings! {
            "ctu" = "32", "min-cu-size" = "8", "bframes" = "3", "b-adapt" = "0", "rc-lookahead" = "5", "ref" = "2", "limit-refs" = "3", "me" = "dia", "subme" = "1",
            "max-merge" = "2", "early-skip" = "1", "fast-intra" = "1", "b-intra" = "0", "sao" = "0", "selective-sao" = "0", "signhide" = "1", "weightp" = "1",
            "aq-mode" = "0", "rd" = "2",
        },
    },
    X265Point {
        name: "brisk",
        fill_percent: 90,
        start_percent: 70,
        settings: settings! {
            "ctu" = "32", "min-cu-size" = "8", "bframes" = "3", "b-adapt" = "0", "rc-lookahead" = "10", "ref" = "2", "limit-refs" = "3", "me" = "dia", "subme" = "1",
            "max-merge" = "2", "early-skip" = "1", "fast-intra" = "1", "b-intra" = "0", "sao" = "0", "selective-sao" = "0", "signhide" = "1", "weightp" = "1",
            "aq-mode" = "0", "rd" = "2",
        },
    },
    X265Point {
        name: "veryfast",
        fill_percent: 90,
        start_percent: 70,
        settings: settings! {
            "ctu" = "64", "min-cu-size" = "8", "bframes" = "4", "b-adapt" = "0", "rc-lookahead" = "15", "ref" = "2", "limit-refs" = "3", "me" = "hex", "subme" = "1",
            "max-merge" = "2", "early-skip" = "1", "fast-intra" = "1", "b-intra" = "0", "sao" = "1", "selective-sao" = "4", "signhide" = "1", "weightp" = "1",
            "aq-mode" = "2", "rd" = "2",
        },
    },
    X265Point {
        name: "faster",
        fill_percent: 90,
        start_percent: 70,
        settings: settings! {
            "ctu" = "64", "min-cu-size" = "8", "bframes" = "4", "b-adapt" = "0", "rc-lookahead" = "15", "ref" = "2", "limit-refs" = "3", "me" = "hex", "subme" = "2",
            "max-merge" = "2", "early-skip" = "1", "fast-intra" = "1", "b-intra" = "0", "sao" = "1", "selective-sao" = "4", "signhide" = "1", "weightp" = "1",
            "aq-mode" = "2", "rd" = "2",
        },
    },
    X265Point {
        name: "fast",
        fill_percent: 90,
        start_percent: 70,
        settings: settings! {
            "ctu" = "64", "min-cu-size" = "8", "bframes" = "4", "b-adapt" = "0", "rc-lookahead" = "15", "ref" = "3", "limit-refs" = "3", "me" = "hex", "subme" = "2",
            "max-merge" = "2", "early-skip" = "0", "fast-intra" = "1", "b-intra" = "0", "sao" = "1", "selective-sao" = "4", "signhide" = "1", "weightp" = "1",
            "aq-mode" = "2", "rd" = "2",
        },
    },
    X265Point {
        name: "medium",
        fill_percent: 87,
        start_percent: 70,
        settings: settings! {
            "ctu" = "64", "min-cu-size" = "8", "bframes" = "4", "b-adapt" = "2", "rc-lookahead" = "20", "ref" = "3", "limit-refs" = "1", "me" = "hex", "subme" = "2",
            "max-merge" = "3", "early-skip" = "1", "fast-intra" = "0", "b-intra" = "1", "sao" = "1", "selective-sao" = "4", "signhide" = "1", "weightp" = "1",
            "aq-mode" = "2", "rd" = "3",
        },
    },
];

/// The same at every point: what x265 3.5 has where nothing is said, and what makes a GOP pure.
pub(super) const COMMON: &[(&str, &str)] = settings! {
    "pools" = "none", "frame-threads" = "1", "wpp" = "0", "pmode" = "0", "pme" = "0", "lookahead-slices" = "0", "lookahead-threads" = "0", "slices" = "1",
    "copy-pic" = "1", "log-level" = "none", "psnr" = "0", "ssim" = "0", "info" = "0", "hash" = "0", "annexb" = "1", "aud" = "0", "hrd" = "0",
    "repeat-headers" = "0", "temporal-layers" = "0", "log2-max-poc-lsb" = "8", "vui-timing-info" = "1", "vui-hrd-info" = "0", "idr-recovery-sei" = "0", "single-sei" = "0",
    "opt-qp-pps" = "0", "opt-ref-list-length-pps" = "0", "multi-pass-opt-rps" = "0", "uhd-bd" = "0", "allow-non-conformance" = "0", "interlace" = "0", "field" = "0",
    "keyint" = "-1", "scenecut" = "0", "hist-scenecut" = "0", "open-gop" = "0", "radl" = "0", "intra-refresh" = "0", "gop-lookahead" = "0", "b-pyramid" = "1",
    "bframe-bias" = "0", "frame-dup" = "0", "max-tu-size" = "32", "tu-inter-depth" = "1", "tu-intra-depth" = "1", "limit-tu" = "0", "rect" = "0", "amp" = "0",
    "limit-modes" = "0", "merange" = "57", "temporal-mvp" = "1", "hme" = "0", "weightb" = "0", "analyze-src-pics" = "0", "strong-intra-smoothing" = "1",
    "constrained-intra" = "0", "rskip" = "1", "tskip" = "0", "tskip-fast" = "0", "cu-lossless" = "0", "lossless" = "0", "splitrd-skip" = "0", "rdpenalty" = "0",
    "rdoq-level" = "0", "psy-rd" = "2.0", "psy-rdoq" = "0.0", "dynamic-rd" = "0", "ssim-rd" = "0", "rd-refine" = "0", "limit-sao" = "0", "sao-non-deblock" = "0",
    "deblock" = "0,0", "nr-intra" = "0", "nr-inter" = "0", "cbqpoffs" = "0", "crqpoffs" = "0", "aq-strength" = "1.0", "aq-motion" = "0",
    "hevc-aq" = "0", "qg-size" = "32", "cutree" = "1", "rc-grain" = "0", "strict-cbr" = "0", "const-vbv" = "0", "qcomp" = "0.6", "qpstep" = "4", "qpmin" = "0",
    "qpmax" = "69", "ipratio" = "1.4", "pbratio" = "1.3", "hdr10-opt" = "0", "videoformat" = "5",
};

/// What low latency alters at every point: no lookahead and no B pictures, so that each picture comes out before the next goes in.
const LOW: &[(&str, &str)] = settings! { "bframes" = "0", "b-adapt" = "0", "rc-lookahead" = "0", "cutree" = "0", "b-pyramid" = "0", "b-intra" = "0" };

/// What a GOP alters that is hurried. Most of what makes x265 fast is in its parameter sets; with the coarser quality this is 0.88 of the time of `swift` at 1080p.
const HURRIED: &[(&str, &str)] = settings! { "subme" = "0", "me" = "dia", "early-skip" = "1" };
/// So much coarser: fewer coefficients are most of the time that is saved.
const COARSER: f32 = 4.0;

impl X265Point {
    /// Pictures that it holds back at `latency`: the next comes out when so many more are in.
    pub fn delay(&self, latency: Latency) -> u32 {
        let number = |name: &str| self.settings.iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<u32>().ok()).unwrap_or(0);
        // Measured: its lookahead, a mini-GOP, and three.
        if latency == Latency::Low { 0 } else { number("rc-lookahead") + number("bframes") + 3 }
    }
}

/// The point called `name`.
pub fn settings(name: &str) -> Option<&'static X265Point> {
    POINTS.iter().find(|point| point.name == name)
}

/// Opens an encoder for one GOP. Its parameter sets depend on the rendition and the recipe's point alone.
pub fn open(rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    open_with(Isa::pinned().x265(), rendition, recipe)
}

/// Opens one that uses the instructions `asm`, which must be there. x265 has one choice for all of a process: that of the first one opened.
pub(super) fn open_with(asm: &str, rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    let refused = |why: String| EncodeError::Open { rung: rendition.name.clone(), backend: NAME, why };
    let point = settings(&recipe.point).ok_or_else(|| refused(format!("point \"{}\" is none of {}", recipe.point, point::POINTS.join(", "))))?;
    let qualities = VideoCodec::Hevc.qualities();
    if !qualities.contains(&recipe.quality) {
        return Err(refused(format!("quality {} is not a CRF from {} to {}", recipe.quality, qualities.start(), qualities.end())));
    }
    let codec = ffmpeg::encoder::find_by_name("libx265").ok_or_else(|| refused("libav has no libx265".to_owned()))?;
    let pictures = Pictures::of(rendition).map_err(refused)?;
    let options = options(asm, rendition, recipe, point).map_err(refused)?;
    let encoder = pictures.open(codec, options).map_err(refused)?;
    let headers = raw::extradata(&encoder);
    let config = hevc::hvcc(&headers).ok_or_else(|| refused("it gave no parameter sets that can be read".to_owned()))?;
    let gop = Gop::new(NAME, rendition, encoder, pictures);
    Ok(Opened { encoder: Box::new(X265 { gop, heads: hevc::head_messages(&headers) }), config })
}

/// What x265 settles once for all encoders of a process and depth, by the first that is opened, whoever opens it: the instructions, and whether transforms of 16x16 and
/// 32x32 leave out the upper three quarters of frequencies. That saves 5 to 9 % of the time, and costs little at the bytes of streams (measured in docs/encoders.md).
/// At 10 bits they do not: there x265 3.5 gets the means of those blocks wrong, and the picture is ruined (VMAF 31 for 55 on film).
pub fn of_the_process(asm: &str, depth: u32) -> [(&'static str, String); 2] {
    [("asm", asm.to_owned()), ("lowpass-dct", u8::from(depth == 8).to_string())]
}

/// libav's options.
fn options(asm: &str, rendition: &Rendition, recipe: &Recipe, point: &X265Point) -> Result<Vec<(String, String)>, String> {
    let rate = rendition.grid.rate;
    let vbv = Vbv::new(rendition, recipe, (point.fill_percent, point.start_percent))?;
    let needs = Needs { width: rendition.width, height: rendition.height, rate: (rate.num(), rate.den()), bitrate: rendition.max_bitrate, buffer: vbv.whole };
    let (level, high) =
        level(&needs).ok_or_else(|| format!("{}x{} at {rate} and {} b/s is beyond level 6.2 of H.265", rendition.width, rendition.height, recipe.cap))?;
    let kilo = |bits: u64| (bits / 1000).max(1).to_string();
    let (primaries, transfer, matrix) = rendition.range.code_points();
    let low = if rendition.latency == Latency::Low { LOW } else { &[] };
    let (hurried, quality) = match recipe.step {
        Step::Full => (&[][..], recipe.quality),
        _ => (HURRIED, (recipe.quality + COARSER).min(*VideoCodec::Hevc.qualities().end())),
    };
    let altered = |key: &str| low.iter().chain(hurried).any(|(other, _)| *other == key);
    let all = COMMON.iter().chain(point.settings).filter(|(key, _)| !altered(key)).chain(low).chain(hurried);
    let mut settings: Vec<(&str, String)> = all.map(|(key, value)| (*key, (*value).to_owned())).collect();
    settings.extend([
        if recipe.bitrate.is_some() { ("bitrate", kilo(vbv.rate)) } else { ("crf", format!("{quality:.2}")) },
        ("vbv-maxrate", kilo(vbv.rate)),
        ("vbv-bufsize", kilo(vbv.size)),
        ("vbv-init", format!("0.{:02}", vbv.start.min(99))),
        ("level-idc", format!("{}.{}", level / 30, level % 30 / 3)),
        ("high-tier", u8::from(high).to_string()),
        ("sar", "1".to_owned()),
        ("range", "limited".to_owned()),
        ("colorprim", primaries.to_string()),
        ("transfer", transfer.to_string()),
        ("colormatrix", matrix.to_string()),
        ("chromaloc", if rendition.range == VideoRange::Sdr { "0" } else { "2" }.to_owned()),
    ]);
    settings.extend(of_the_process(asm, rendition.depth));
    settings.extend(light(rendition.range, &rendition.hdr));
    let settings = settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(":");
    let profile = if rendition.depth == 10 { "main10" } else { "main" };
    let options = [("threads", "1"), ("forced-idr", "1"), ("profile", profile), ("x265-params", &settings)];
    Ok(options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// The messages of a PQ rendition's static metadata.
fn light(range: VideoRange, hdr: &HdrMetadata) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if range != VideoRange::Pq {
        return settings;
    }
    if let Some(m) = hdr.mastering {
        let [red, green, blue] = m.primaries.map(|(x, y)| format!("({x},{y})"));
        let (x, y) = m.white;
        settings.push(("master-display", format!("G{green}B{blue}R{red}WP({x},{y})L({},{})", m.max_luminance, m.min_luminance)));
    }
    if let Some(light) = hdr.light {
        settings.push(("max-cll", format!("{},{}", light.max_content, light.max_average)));
    }
    if !settings.is_empty() {
        settings.push(("hdr10", "1".to_owned()));
    }
    settings
}

struct X265 {
    gop: Gop,
    /// Messages that go before every IDR picture.
    heads: Vec<Vec<u8>>,
}

impl X265 {
    fn take(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let heads = &self.heads;
        self.gop.drain(&mut |time, stream| {
            let (data, idr) = hevc::to_sample(stream, heads);
            out.push(Packet { time, idr, data });
            Ok(())
        })
    }
}

impl Encoder for X265 {
    fn quantizers(&self) -> Option<Arc<Quantizers>> {
        Some(self.gop.quantizers())
    }

    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.gop.send(frame)?;
        self.take(out)
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if self.gop.end()? == Fed::Some {
            self.take(out)?;
        }
        self.gop.complete()
    }
}

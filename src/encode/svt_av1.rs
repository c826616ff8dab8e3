//! AV1 by SVT-AV1 through libav: a fresh encoder for each GOP, and for each part of one that a forced key picture opens, since it has no forced ones in mid-stream.
//! One thread's worth of work at a time, everything that could depend on the machine or on history pinned.
//!
//! It codes at a constant quality. Its own limit on the rate (`mbr`) is not used: at equal bytes it lost 4 dB on film and still exceeded the cap by a quarter. So the
//! runner checks every GOP, and has those that are too large encoded again from the frames that it holds ([`coarser`]).

use super::libav::{Fed, Gop, Pictures};
use super::{EncodeError, Encoder, Opened, Packet, Recipe, obu, point};
use crate::colour::{HdrMetadata, VideoRange};
use crate::ffmpeg as raw;
use crate::frame::Frame;
use crate::job::Latency;
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use ffmpeg_next as ffmpeg;
use hwaccel::isa::Isa;
use std::sync::{Mutex, MutexGuard, PoisonError};

const NAME: &str = "svt-av1";

/// SVT-AV1's preset (of version 1.4) for each operating point. Relative time for 360p of film: 0.5 at 12, 1 at 10, 1.3 at 9, 2.1 at 8, 2.5 at 7, 3.7 at 6; bytes at
/// equal CRF: 1.09, 1, 0.96, 0.91, 0.78, 0.78.
const PRESETS: [(&str, &str); 8] =
    [("ultrafast", "12"), ("superfast", "11"), ("swift", "10"), ("brisk", "10"), ("veryfast", "9"), ("faster", "8"), ("fast", "7"), ("medium", "6")];

/// The same at every point. `pin=0`: else every encoder of this machine works on its first processor.
const COMMON: &[(&str, &str)] = &[
    ("lp", "1"),
    ("pin", "0"),
    ("rc", "0"),
    ("keyint", "-1"),
    ("irefresh-type", "2"),
    ("scd", "0"),
    ("tune", "1"),
    ("aq-mode", "2"),
    ("film-grain", "0"),
    ("enable-overlays", "0"),
    ("tile-rows", "0"),
    ("tile-columns", "0"),
    ("superres-mode", "0"),
    ("resize-mode", "0"),
    ("enable-stat-report", "0"),
];

/// Low latency: pictures in the order in which they are shown, and none ahead.
const LOW: &[(&str, &str)] = &[("pred-struct", "1"), ("lookahead", "0")];

/// Pictures that it holds back: two mini-GOPs of 16 and what its stages have; of low latency what these have.
pub fn delay(latency: Latency) -> u32 {
    if latency == Latency::Low { 2 } else { 37 }
}

/// Opens an encoder for one GOP. Its sequence header depends on the rendition alone.
pub fn open(rendition: &Rendition, recipe: &Recipe) -> Result<Opened, EncodeError> {
    let refused = |why: String| EncodeError::Open { rung: rendition.name.clone(), backend: NAME, why };
    let (_, preset) = PRESETS
        .iter()
        .find(|(name, _)| *name == recipe.point)
        .ok_or_else(|| refused(format!("point \"{}\" is none of {}", recipe.point, point::POINTS.join(", "))))?;
    let qualities = VideoCodec::Av1.qualities();
    if !qualities.contains(&recipe.quality) {
        return Err(refused(format!("quality {} is not a CRF from {} to {}", recipe.quality, qualities.start(), qualities.end())));
    }
    if rendition.width < 64 || rendition.height < 64 {
        return Err(refused(format!("{}x{}; at least 64x64 is possible", rendition.width, rendition.height)));
    }
    let encoder = Part { rendition: rendition.clone(), options: options(rendition, recipe, preset) };
    let (gop, config) = encoder.open().map_err(refused)?;
    Ok(Opened { encoder: Box::new(SvtAv1 { part: encoder, gop }), config })
}

/// So much coarser halves the bytes, in CRF.
pub const HALVES: f32 = 16.0;

/// How much coarser (in CRF) a GOP must be coded that has this many percent of what its cap allows: half the bytes cost about 16 of 63. Measured on film
/// and noise between 35 and 55.
pub fn coarser(percent: u32) -> f32 {
    let doublings = (percent / 100).max(1).ilog2();
    let rest = percent.saturating_sub(100 << doublings) as f32 / (100 << doublings) as f32;
    (HALVES * (doublings as f32 + rest)).round().max(2.0)
}

/// libav's options, at SVT-AV1's `preset`.
pub(super) fn options(rendition: &Rendition, recipe: &Recipe, preset: &str) -> Vec<(String, String)> {
    let mut settings: Vec<(&str, String)> = COMMON.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    settings.push(("asm", Isa::pinned().svt_av1().to_owned()));
    let sited = if rendition.range == VideoRange::Sdr { "vertical" } else { "colocated" };
    settings.push(("chroma-sample-position", sited.to_owned()));
    if rendition.range == VideoRange::Pq {
        settings.extend(light(&rendition.hdr));
    }
    if rendition.latency == Latency::Low {
        settings.extend(LOW.iter().map(|(key, value)| (*key, (*value).to_owned())));
    }
    let settings = settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(":");
    let crf = format!("{:.0}", recipe.quality);
    // Without `explode` it would go on without what it does not understand.
    let options = [("threads", "1"), ("preset", preset), ("crf", &crf), ("err_detect", "explode"), ("svtav1-params", &settings)];
    options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Static metadata in SVT-AV1's words: chromaticities and cd/m² in decimal.
fn light(hdr: &HdrMetadata) -> Vec<(&'static str, String)> {
    let decimal = |value: u32, unit: u32, digits: usize| format!("{}.{:0digits$}", value / unit, value % unit);
    let point = |(x, y): (u16, u16)| format!("({},{})", decimal(u32::from(x) * 2, 100_000, 5), decimal(u32::from(y) * 2, 100_000, 5));
    let mastering = hdr.mastering.map(|m| {
        let [red, green, blue] = m.primaries.map(point);
        let (max, min) = (decimal(m.max_luminance, 10_000, 4), decimal(m.min_luminance, 10_000, 4));
        ("mastering-display", format!("G{green}B{blue}R{red}WP{}L({max},{min})", point(m.white)))
    });
    let light = hdr.light.map(|light| ("content-light", format!("{},{}", light.max_content, light.max_average)));
    mastering.into_iter().chain(light).collect()
}

/// What every part of a GOP is opened with.
struct Part {
    rendition: Rendition,
    options: Vec<(String, String)>,
}

impl Part {
    fn open(&self) -> Result<(Open, Vec<u8>), String> {
        let codec = ffmpeg::encoder::find_by_name("libsvtav1").ok_or("libav has no libsvtav1")?;
        let pictures = Pictures::of(&self.rendition)?;
        let encoder = {
            let _alone = door();
            raw::no_real_time();
            pictures.open(codec, self.options.clone())?
        };
        let headers = raw::extradata(&encoder);
        let open = Open(Some(Gop::new(NAME, &self.rendition, encoder, pictures)));
        let config = obu::av1c(&headers).ok_or("it gave no sequence header that can be read")?;
        Ok((open, config))
    }
}

/// SVT-AV1 keeps tables and counts for all of its encoders in one process, unguarded: one is opened or closed at a time.
static DOOR: Mutex<()> = Mutex::new(());

fn door() -> MutexGuard<'static, ()> {
    DOOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SVT-AV1 1.4 never returns from closing an encoder that was not told that the stream has ended, and told something before.
struct Open(Option<Gop>);

impl Open {
    fn gop(&mut self) -> &mut Gop {
        self.0.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut gop) = self.0.take() else { return };
        gop.wind_up();
        let _alone = door();
        drop(gop);
    }
}

struct SvtAv1 {
    part: Part,
    gop: Open,
}

impl SvtAv1 {
    fn take(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.gop.gop().drain(&mut |time, unit| {
            let (data, idr) = obu::to_sample(unit).ok_or("a temporal unit without a frame, or broken")?;
            out.push(Packet { time, idr, data });
            Ok(())
        })
    }

    /// Drains this part.
    fn end(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if self.gop.gop().end()? == Fed::Some {
            self.take(out)?;
        }
        self.gop.gop().complete()
    }
}

impl Encoder for SvtAv1 {
    fn encode(&mut self, frame: &Frame, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if frame.force_idr && self.gop.gop().fed() {
            self.end(out)?;
            self.gop = self.part.open().map_err(|why| self.gop.gop().failed(why))?.0;
        }
        self.gop.gop().send(frame)?;
        self.take(out)
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.end(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::{LightLevel, Mastering};

    #[test]
    fn every_point_of_a_ladder_is_there() {
        assert_eq!(PRESETS.map(|(name, _)| name), point::POINTS);
    }

    #[test]
    fn light_is_written_in_decimal() {
        let primaries = [(34_000, 16_000), (13_250, 34_500), (7_500, 3_000)];
        let mastering = Mastering { primaries, white: (15_635, 16_450), max_luminance: 10_000_000, min_luminance: 1 };
        let hdr = HdrMetadata { mastering: Some(mastering), light: Some(LightLevel { max_content: 1000, max_average: 400 }) };
        let written = light(&hdr);
        assert_eq!(written[0].1, "G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)L(1000.0000,0.0001)");
        assert_eq!(written[1], ("content-light", "1000,400".to_owned()));
    }

    /// As root, too: else two busy threads of it or of its caller would stop a machine of two cores.
    #[test]
    #[cfg(target_os = "linux")]
    fn it_leaves_the_scheduler_alone() {
        let of = Rendition {
            codec: VideoCodec::Av1,
            quality: 35.0,
            ..super::super::testing::rendition((64, 64), crate::time::Rate::new(25, 1).expect("legal"), 10, 500_000, &[NAME])
        };
        let opened = open(&of, &Recipe::of(&of)).expect("it opens");
        let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
        let policies: Vec<String> = tasks
            .filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok())
            .filter_map(|stat| stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(38).map(str::to_owned)))
            .collect();
        assert!(policies.len() > 2 && policies.iter().all(|policy| policy == "0"), "{policies:?}");
        drop(opened);
    }

    #[test]
    fn larger_excess_makes_larger_steps() {
        assert_eq!([100, 111, 150, 200, 300, 400, u32::MAX].map(coarser)[..6], [2.0, 2.0, 8.0, 16.0, 24.0, 32.0]);
        assert!((2.0..=16.0 * 33.0).contains(&coarser(u32::MAX)));
    }
}

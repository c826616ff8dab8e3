//! Operating points: named sets of encoder settings, spelled out, so that neither a library's new defaults nor the quality target alters a parameter set.

use crate::job::Latency;
use crate::ladder::VideoCodec;

/// What an operating point sets in x264. The rest (rate, structure, threads, colour) is the same for all; see `x264.rs`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct X264Point {
    /// Name in ladders and plans: that of the x264 preset of version 164 whose values these are; `swift` and `brisk` are ours.
    pub name: &'static str,
    /// Reference frames (`num_ref_frames` is this or what the B-pyramid needs).
    pub refs: u32,
    /// Consecutive B frames.
    pub bframes: u32,
    /// Pictures of lookahead: memory, delay, and how far the rate is planned.
    pub lookahead: u32,
    /// 8x8 transform, hence High profile.
    pub transform_8x8: bool,
    /// Rate at which the VBV bucket fills, in percent of the cap, and how full it starts, in percent of its size, which is half of what the cap allows in a GOP.
    /// A bucket that starts fuller lets the GOP's first picture have its due: of 270p at its cap, a start at 70 % and a fill of 87 % made 2.3 VMAF more of the same bytes than 50 and 98 %, and
    /// 4 more of the worst twentieth. But points without lookahead spend the bucket they start with in every GOP (1.21 x cap at 100 %). The values of `swift`, and of `brisk` and `veryfast`,
    /// held every GOP of film, animation, sparks, grass, film grain and noise at five caps below 1.07 x cap in the x264 of FFmpeg 9; a bucket of a whole GOP did not (noise: 1.27).
    /// The other points were only run on film, grass and noise.
    pub fill_percent: u64,
    /// See `fill_percent`.
    pub start_percent: u64,
    /// Settings in x264's own words.
    pub settings: &'static [(&'static str, &'static str)],
}

/// Names of all points, fastest first.
pub const POINTS: &[&str] = &["ultrafast", "superfast", "swift", "brisk", "veryfast", "faster", "fast", "medium"];

/// Pictures of this many pixels and more are coded at `swift` where a ladder names no point, smaller ones at `brisk`.
const LARGE: u64 = 1920 * 1080;
/// The same by x264.
const LARGE_AVC: u64 = 960 * 540;

/// The point of a rung that names none. What x264's own presets miss is trellis quantisation with a cheap motion search, and that as many B pictures each time are better than what it chooses:
/// at the bytes of `veryfast`, `swift` takes 0.6 of its time, and `brisk` 0.8 to 0.9 for more VMAF, which is worth most where pictures are small: at 270 lines `swift` needs 2 to 8 % more
/// bytes than `brisk` for the same VMAF (docs/benchmarks.md, docs/design/speed.md, which say what was measured when).
pub fn for_size(codec: VideoCodec, width: u32, height: u32) -> &'static str {
    let large = if codec == VideoCodec::Avc { LARGE_AVC } else { LARGE };
    if u64::from(width) * u64::from(height) >= large { "swift" } else { "brisk" }
}

/// The point called `name`.
pub fn x264(name: &str) -> Option<&'static X264Point> {
    X264.iter().find(|p| p.name == name)
}

macro_rules! settings {
    ($($key:literal = $value:literal),* $(,)?) => { &[$(($key, $value)),*] };
}

const X264: [X264Point; 8] = [
    X264Point {
        name: "ultrafast",
        refs: 1,
        bframes: 0,
        lookahead: 0,
        transform_8x8: false,
        fill_percent: 82,
        start_percent: 50,
        settings: settings! {
            "b-adapt" = "0", "b-pyramid" = "none", "weightb" = "0", "weightp" = "0", "cabac" = "0", "no-deblock" = "1", "partitions" = "none", "direct" = "spatial",
            "me" = "dia", "merange" = "16", "subme" = "0", "mixed-refs" = "0", "trellis" = "0", "8x8dct" = "0", "aq-mode" = "0", "mbtree" = "0",
            "psy" = "1", "psy-rd" = "1.0,0.0", "chroma-me" = "1", "fast-pskip" = "1", "dct-decimate" = "1",
        },
    },
    X264Point {
        name: "superfast",
        refs: 1,
        bframes: 3,
        lookahead: 0,
        transform_8x8: true,
        fill_percent: 82,
        start_percent: 50,
        settings: settings! {
            "b-adapt" = "1", "b-pyramid" = "normal", "weightb" = "1", "weightp" = "1", "cabac" = "1", "deblock" = "0,0", "partitions" = "i4x4,i8x8", "direct" = "spatial",
            "me" = "dia", "merange" = "16", "subme" = "1", "mixed-refs" = "0", "trellis" = "0", "8x8dct" = "1", "aq-mode" = "1", "aq-strength" = "1.0", "mbtree" = "0",
            "psy" = "1", "psy-rd" = "1.0,0.0", "chroma-me" = "1", "fast-pskip" = "1", "dct-decimate" = "1",
        },
    },
    X264Point {
        name: "swift",
        refs: 1,
        bframes: 3,
        lookahead: 6,
        transform_8x8: true,
        fill_percent: 85,
        start_percent: 70,
        settings: settings! {
            "b-adapt" = "0", "b-pyramid" = "normal", "weightb" = "1", "weightp" = "1", "cabac" = "1", "deblock" = "0,0", "partitions" = "i4x4,i8x8", "direct" = "spatial",
            "me" = "dia", "merange" = "16", "subme" = "1", "mixed-refs" = "0", "trellis" = "1", "8x8dct" = "1", "aq-mode" = "1", "aq-strength" = "1.0", "mbtree" = "1",
            "psy" = "1", "psy-rd" = "1.0,0.0", "chroma-me" = "1", "fast-pskip" = "1", "dct-decimate" = "1",
        },
    },
    X264Point {
        name: "brisk",
        refs: 1,
        bframes: 4,
        lookahead: 10,
        transform_8x8: true,
        fill_percent: 85,
        start_percent: 70,
        settings: settings! {
            "b-adapt" = "0", "b-pyramid" = "normal", "weightb" = "1", "weightp" = "1", "cabac" = "1", "deblock" = "0,0", "partitions" = "i4x4,i8x8", "direct" = "spatial",
            "me" = "dia", "merange" = "16", "subme" = "2", "mixed-refs" = "0", "trellis" = "1", "8x8dct" = "1", "aq-mode" = "1", "aq-strength" = "1.0", "mbtree" = "1",
            "psy" = "1", "psy-rd" = "1.0,0.0", "chroma-me" = "1", "fast-pskip" = "1", "dct-decimate" = "1",
        },
    },
    X264Point {
        name: "veryfast",
        refs: 1,
        bframes: 3,
        lookahead: 10,
        transform_8x8: true,
        fill_percent: 90,
        start_percent: 70,
        settings: settings! {
            "b-adapt" = "1", "b-pyramid" = "normal", "weightb" = "1", "weightp" = "1", "cabac" = "1", "deblock" = "0,0", "partitions" = "p8x8,b8x8,i4x4,i8x8",
            "direct" = "spatial", "me" = "hex", "merange" = "16", "subme" = "2", "mixed-refs" = "0", "trellis" = "0", "8x8dct" = "1", "aq-mode" = "1",
            "aq-strength" = "1.0", "mbtree" = "1", "psy" = "1", "psy-rd" = "1.0,0.0", "chroma-me" = "1", "fast-pskip" = "1", "dct-decimate" = "1",
        },
    },
    X264Point {
        name: "faster",
        refs: 2,
        bframes: 3,
        lookahead: 20,
        transform_8x8: true,
        fill_percent: 98,
        start_percent: 50,
        settings: settings! {
            "b-adapt" = "1", "b-pyramid" = "normal", "weightb" = "1", "weightp" = "1", "cabac" = "1", "deblock" = "0,0", "partitions" = "p8x8,b8x8,i4x4,i8x8",
            "direct" = "spatial", "me" = "hex", "merange" = "16", "subme" = "4", "mixed-refs" = "0", "trellis" = "1", "8x8dct" = "1", "aq-mode" = "1",
            "aq-strength" = "1.0", "mbtree" = "1", "psy" = "1", "psy-rd" = "1.0,0.0", "chroma-me" = "1", "fast-pskip" = "1", "dct-decimate" = "1",
        },
    },
    X264Point {
        name: "fast",
        refs: 2,
        bframes: 3,
        lookahead: 30,
        transform_8x8: true,
        fill_percent: 96,
        start_percent: 50,
        settings: settings! {
            "b-adapt" = "1", "b-pyramid" = "normal", "weightb" = "1", "weightp" = "1", "cabac" = "1", "deblock" = "0,0", "partitions" = "p8x8,b8x8,i4x4,i8x8",
            "direct" = "spatial", "me" = "hex", "merange" = "16", "subme" = "6", "mixed-refs" = "1", "trellis" = "1", "8x8dct" = "1", "aq-mode" = "1",
            "aq-strength" = "1.0", "mbtree" = "1", "psy" = "1", "psy-rd" = "1.0,0.0", "chroma-me" = "1", "fast-pskip" = "1", "dct-decimate" = "1",
        },
    },
    X264Point {
        name: "medium",
        refs: 3,
        bframes: 3,
        lookahead: 40,
        transform_8x8: true,
        fill_percent: 93,
        start_percent: 50,
        settings: settings! {
            "b-adapt" = "1", "b-pyramid" = "normal", "weightb" = "1", "weightp" = "2", "cabac" = "1", "deblock" = "0,0", "partitions" = "p8x8,b8x8,i4x4,i8x8",
            "direct" = "spatial", "me" = "hex", "merange" = "16", "subme" = "7", "mixed-refs" = "1", "trellis" = "1", "8x8dct" = "1", "aq-mode" = "1",
            "aq-strength" = "1.0", "mbtree" = "1", "psy" = "1", "psy-rd" = "1.0,0.0", "chroma-me" = "1", "fast-pskip" = "1", "dct-decimate" = "1",
        },
    },
];

/// What low latency alters at every point: no lookahead and no B pictures, so that each picture comes out before the next goes in.
const LOW: &[(&str, &str)] = settings! { "b-adapt" = "0", "b-pyramid" = "none", "weightb" = "0", "mbtree" = "0", "sync-lookahead" = "0" };

/// As [`HURRIED`], where the point as planned is rate-distortion optimised.
const HURRIED_OF_RD: &[(&str, &str)] = settings! {
    "b-adapt" = "0", "partitions" = "none", "me" = "dia", "subme" = "0", "mixed-refs" = "0", "trellis" = "0", "aq-mode" = "0", "mbtree" = "0", "chroma-qp-offset" = "-2",
};

/// What a GOP alters that is hurried: all that costs time and is in no parameter set. 0.65 of the time of `swift` at 1080p, 0.48 of that of `brisk`.
const HURRIED: &[(&str, &str)] = settings! {
    "b-adapt" = "0", "partitions" = "none", "me" = "dia", "subme" = "0", "mixed-refs" = "0", "trellis" = "0", "aq-mode" = "0", "mbtree" = "0",
};

impl X264Point {
    /// What x264 is told where it is hurried.
    pub(super) fn hurries_by(&self) -> &'static [(&'static str, &'static str)] {
        // Rate-distortion optimised with psycho-visual weights, x264 moves chroma's quantizers, which the picture parameter set says.
        if self.settings.contains(&("subme", "6")) || self.settings.contains(&("subme", "7")) { HURRIED_OF_RD } else { HURRIED }
    }

    /// The point hurried: without lookahead, its bucket filled as those of the points that have none.
    pub(super) fn hurried(&self) -> X264Point {
        X264Point { lookahead: 0, fill_percent: 82, start_percent: 50, ..*self }
    }

    /// The point as it is at `latency`; low latency fills its bucket as the points without lookahead do.
    pub fn at(&self, latency: Latency) -> (X264Point, &'static [(&'static str, &'static str)]) {
        match latency {
            Latency::Normal => (*self, &[]),
            Latency::Low => (X264Point { bframes: 0, lookahead: 0, fill_percent: 82, start_percent: 50, ..*self }, LOW),
        }
    }

    /// Pictures that it holds back: the next comes out when so many more are in.
    pub fn delay(&self) -> u32 {
        match self.lookahead.max(self.bframes) {
            0 => 0,
            held => held + 1,
        }
    }

    /// Whether x264 takes approximate reciprocals of the processor here, whose bits differ between makers: its macroblock tree does.
    pub fn uses_reciprocals(&self) -> bool {
        !self.settings.contains(&("mbtree", "0"))
    }

    /// Frames that a decoder must hold (`max_dec_frame_buffering`): the references, and with a B-pyramid one more for each further B level, at least 4 as x264 counts.
    pub fn dpb_frames(&self) -> u32 {
        if self.bframes > 0 { self.refs.max(4) } else { self.refs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_settings() {
        assert_eq!(X264.map(|p| p.name), POINTS);
        assert!(x264("placebo").is_none());
        for point in &X264 {
            assert_eq!(point.settings.contains(&("8x8dct", "1")), point.transform_8x8, "{}", point.name);
        }
    }
}

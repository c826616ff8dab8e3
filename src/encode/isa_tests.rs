//! SVT-AV1 chooses its code by the processor: held to each level that this one has, it writes the same bytes. (x265 settles it once in a process: `x265_tests.rs`. `tests/it/isa.rs` has other processors.)
#![cfg(target_arch = "x86_64")]

use super::libav::{Gop, Pictures};
use super::testing::{frames, pattern, pattern10, rendition};
use super::{Recipe, svt_av1};
use crate::ladder::VideoCodec;
use crate::plan::Rendition;
use crate::time::Rate;
use ffmpeg_next as ffmpeg;
use hwaccel::isa::Isa;

const SIZE: (u32, u32) = (192, 108);

fn rung(codec: VideoCodec, depth: u32, backend: &str) -> Rendition {
    let like = rendition(SIZE, Rate::new(25, 1).expect("legal"), 30, 80_000, &[backend]);
    Rendition { codec, depth, quality: codec.default_quality() / 2.0, point: "medium".to_owned(), ..like }
}

/// What libav's `codec` writes with these options.
fn written(of: &Rendition, codec: &'static str, options: Vec<(String, String)>) -> Vec<u8> {
    let pictures = Pictures::of(of).expect("8 or 10 bits");
    let codec_of = ffmpeg::encoder::find_by_name(codec).expect("it is there");
    let mut gop = Gop::new(codec, of, pictures.open(codec_of, options).expect("it opens"), pictures);
    let drawn: Vec<_> = (0..of.grid.gop_slots).map(|n| if of.depth == 10 { pattern10(SIZE.0, SIZE.1, n) } else { pattern(SIZE.0, SIZE.1, n) }).collect();
    let mut out = Vec::new();
    let mut take = |_: i64, unit: &[u8]| -> Result<(), String> {
        out.extend_from_slice(unit);
        Ok(())
    };
    for frame in frames(of.grid, 0, &drawn) {
        gop.send(&frame).expect("it takes a picture");
        gop.drain(&mut take).expect("it encodes");
    }
    gop.end().expect("it ends");
    gop.drain(&mut take).expect("it drains");
    gop.complete().expect("a packet for each picture");
    out
}

fn levels(names: [&'static str; 7]) -> Vec<&'static str> {
    let has = [
        true,
        true,
        is_x86_feature_detected!("ssse3"),
        is_x86_feature_detected!("sse4.1"),
        is_x86_feature_detected!("avx"),
        is_x86_feature_detected!("avx2"),
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl"),
    ];
    names.into_iter().zip(has).filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

fn the_same_at_every_level(of: &Rendition, codec: &'static str, pinned: &str, names: [&'static str; 7], options: &[(String, String)]) {
    let own = written(of, codec, options.to_vec());
    assert!(own.len() > 5000, "{codec}: {} bytes", own.len());
    for level in levels(names) {
        let at = |text: &str| text.replace(&format!("asm={pinned}"), &format!("asm={level}"));
        let options: Vec<_> = options.iter().map(|(name, value)| (name.clone(), at(value))).collect();
        assert!(options.iter().any(|(_, value)| value.contains(&format!("asm={level}"))), "it is set");
        assert!(written(of, codec, options) == own, "{codec}, {} bits: other bytes at {level} than at {pinned}", of.depth);
    }
}

#[test]
fn svt_av1_writes_the_same_at_every_level() {
    for depth in [8, 10] {
        let of = rung(VideoCodec::Av1, depth, "svt-av1");
        let options = svt_av1::options(&of, &Recipe::of(&of), "8");
        the_same_at_every_level(&of, "libsvtav1", Isa::pinned().svt_av1(), ["c", "sse2", "ssse3", "sse4_1", "avx", "avx2", "avx512"], &options);
    }
}

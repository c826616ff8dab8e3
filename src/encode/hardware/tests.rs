use super::super::testing::rendition;
use super::super::{EncodeError, obu, point};
use super::*;
use crate::colour::{HdrMetadata, LightLevel, Mastering, VideoRange};
use crate::time::Rate;
use proptest::prelude::*;
use spread::FAMILIES;

fn of(family: &Hardware, codec: VideoCodec, depth: u32) -> Rendition {
    let base = rendition((1280, 720), Rate::new(50, 1).expect("legal"), 100, 3_000_000, &[family.name]);
    Rendition { codec, depth, quality: codec.default_quality(), ..base }
}

/// Every family with each of its codecs, depths and ranges.
fn all() -> impl Iterator<Item = (&'static Hardware, Rendition)> {
    let codecs = FAMILIES.into_iter().flat_map(|family| family.encoders.iter().map(move |(codec, _)| (family, *codec)));
    codecs.flat_map(|(family, codec)| {
        codec.depths().iter().flat_map(move |depth| {
            let ranges = if *depth == 10 { vec![VideoRange::Sdr, VideoRange::Pq] } else { vec![VideoRange::Sdr] };
            ranges.into_iter().map(move |range| (family, Rendition { range, ..of(family, codec, *depth) }))
        })
    })
}

/// Against libav's own lists, which need no device.
#[test]
fn libav_knows_every_option_and_every_value() {
    let mut checked = 0;
    for (family, of) in all() {
        let name = family.encoder(of.codec).expect("it has an encoder");
        let Some(codec) = ffmpeg_next::encoder::find_by_name(name) else {
            eprintln!("skipped: libav is built without {name}");
            continue;
        };
        let extremes = [of.codec.qualities().start(), of.codec.qualities().end()].map(|q| *q);
        let ways = point::POINTS.iter().flat_map(|point| extremes.map(|quality| [None, Some(3_000_000)].map(|bitrate| (point, quality, bitrate))).concat());
        for (point, quality, bitrate) in ways {
            let recipe = Recipe { point: (*point).to_owned(), quality, bitrate, ..Recipe::of(&of) };
            let device = Name::Cuda(1);
            let options = (family.options)(&of, &recipe, Some(&device));
            for (option, value) in options.iter().map(|(name, value)| (*name, value.as_str())).chain(family.also.iter().copied()) {
                assert_eq!(hwaccel::encoder::accepts(&codec, option, value), Ok(()));
                checked += 1;
            }
            let mut names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{name}: an option twice: {names:?}");
        }
    }
    assert!(checked > 0 || ffmpeg_next::encoder::find_by_name("h264_nvenc").is_none(), "nothing was checked");
}

#[test]
fn coarser_quality_is_a_coarser_quantizer_and_a_slower_point_no_faster_preset() {
    for (family, of) in all() {
        let value = |recipe: &Recipe, name: &str| {
            let options = (family.options)(&of, recipe, None);
            let (_, value) = options.into_iter().find(|(option, _)| *option == name).unwrap_or_else(|| panic!("{name}"));
            value.trim_start_matches('p').parse::<f32>().expect("a number")
        };
        let (quantizer, speed) = if family.name == "nvenc" { ("cq", "preset") } else { ("global_quality", "compression_level") };
        let at = |quality: f32| value(&Recipe { quality, ..Recipe::of(&of) }, quantizer);
        assert!(at(20.0) < at(30.0) && at(30.0) < at(40.0), "{} {}", family.name, of.codec.name());
        let by_point = |point: &&str| value(&Recipe { point: (*point).to_owned(), ..Recipe::of(&of) }, speed);
        let order: Vec<f32> = point::POINTS.iter().map(by_point).collect();
        let slower = |pair: &[f32]| if family.name == "nvenc" { pair[0] <= pair[1] } else { pair[0] >= pair[1] };
        assert!(order.windows(2).all(slower) && order[0] != order[7], "{order:?}");
    }
}

#[test]
fn no_gop_is_long_enough_for_an_idr_that_was_not_asked_for() {
    for (family, of) in all() {
        for slots in [2, 100, 20_000, 40_000] {
            let of = Rendition { grid: crate::time::Grid { gop_slots: slots, ..of.grid }, ..of.clone() };
            let options = (family.options)(&of, &Recipe::of(&of), None);
            let gop = options.iter().find(|(name, _)| *name == "g").and_then(|(_, value)| value.parse::<u32>().ok());
            assert!(gop.is_some_and(|gop| gop > slots), "{}: {slots}", family.name);
        }
    }
}

#[test]
fn what_cannot_be_is_refused_before_any_device_is_asked() {
    for (family, of) in all() {
        let refused = |change: &dyn Fn(&mut Rendition, &mut Recipe)| {
            let (mut of, mut recipe) = (of.clone(), Recipe::of(&of));
            change(&mut of, &mut recipe);
            match family.open(&of, &recipe) {
                Err(EncodeError::Open { why, .. }) => why,
                _ => panic!("{}: it opens", family.name),
            }
        };
        assert!(refused(&|_, r| r.point = "placebo".to_owned()).contains("\"placebo\" is none of ultrafast"));
        assert!(refused(&|_, r| r.quality = f32::NAN).contains("NaN"));
        assert!(refused(&|of, _| of.depth = 12).contains("12 bits"));
    }
}

/// The words are libav's, as it says them on such machines (FFmpeg 5.1, libavcodec/nvenc.c and ffnvcodec's loader).
#[test]
fn a_refusal_is_named_in_one_line() {
    let told = |said: &[&str]| refusal::reason(&said.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), "Generic error in an external library");
    assert!(told(&["Cannot load libcuda.so.1"]).starts_with("no NVIDIA driver here"));
    assert!(
        told(&["Cannot load libnvidia-encode.so.1", "The minimum required Nvidia driver for nvenc is 520.56.06 or newer"])
            .contains("NVIDIA_DRIVER_CAPABILITIES")
    );
    let old = told(&["Driver does not support the required nvenc API version. Required: 12.1 Found: 11.1"]);
    assert!(old.starts_with("the driver is too old") && old.contains("Found: 11.1"), "{old}");
    let datacenter = told(&["OpenEncodeSessionEx failed: unsupported device (2): (no details)", "No capable devices found"]);
    assert!(datacenter.starts_with(refusal::NO_ENCODER), "{datacenter}");
    let limit = told(&["OpenEncodeSessionEx failed: out of memory (10): (no details)", "No capable devices found"]);
    assert!(limit.starts_with(refusal::SESSIONS), "{limit}");
    assert_eq!(told(&["something new"]), "Generic error in an external library: something new");
    assert_eq!(told(&[]), "Generic error in an external library");
    assert!([old, datacenter, limit].iter().all(|line| !line.contains('\n')));
}

/// On a machine without the device this is the driver's absence, on one with it an encoder.
#[test]
fn what_opens_or_not_says_so() {
    for (family, of) in all() {
        match family.open(&of, &Recipe::of(&of)) {
            Ok(opened) => assert!(!opened.config.is_empty(), "{}", family.name),
            Err(error) => {
                let line = error.to_string();
                eprintln!("{line}");
                let bare = ["Generic error", "Operation not permitted", "Unknown error"];
                assert!(!line.contains('\n') && !bare.iter().any(|words| line.ends_with(words)), "it does not say why: {line}");
            }
        }
    }
}

fn hdr() -> HdrMetadata {
    let primaries = [(34_000, 16_000), (13_250, 34_500), (7_500, 3_000)];
    let mastering = Mastering { primaries, white: (15_635, 16_450), max_luminance: 10_000_000, min_luminance: 50 };
    HdrMetadata { mastering: Some(mastering), light: Some(LightLevel { max_content: 1000, max_average: 400 }) }
}

/// The first three bytes of an AV1 frame OBU's payload that say: a key frame, shown; an inter frame, shown.
const KEY: u8 = 0x10;
const INTER: u8 = 0x30;
/// The sequence header of a 320x180 stream of 10 bits and BT.709 that SVT-AV1 made.
const SEQUENCE: &[u8] = &[0x0a, 14, 0, 0, 0, 4, 0x3c, 0xfe, 0xcc, 0xfb, 0xf9, 0x50, 0x10, 0x10, 0x10, 0x40];

fn frame(first: u8) -> Vec<u8> {
    let mut out = vec![0x12, 0];
    obu::Obu { kind: 6, extension: None, payload: &[first, 1, 2, 3] }.write(&mut out);
    out
}

#[test]
fn a_key_picture_of_av1_gets_its_sequence_header_and_its_light() {
    let av1 = Rendition { range: VideoRange::Pq, hdr: hdr(), ..of(FAMILIES[0], VideoCodec::Av1, 10) };
    let packing = packets::Packing::new("nvenc", &av1, &[&[0x81, 0, 0, 0], SEQUENCE].concat());
    let kinds = |sample: &[u8]| obu::units(sample).map(|unit| unit.expect("whole").kind).collect::<Vec<_>>();
    let (bare, key) = packing.sample(&frame(KEY)).expect("an access unit");
    assert_eq!((kinds(&bare), key), (vec![1, 5, 5, 6], true));
    let (given, key) = packing.sample(&[&[0x12, 0], SEQUENCE, &frame(KEY)[2..]].concat()).expect("an access unit");
    assert_eq!((given, key), (bare, true), "the same whether the driver writes it or not");
    let (inter, key) = packing.sample(&frame(INTER)).expect("an access unit");
    assert_eq!((kinds(&inter), key), (vec![6], false));
}

#[test]
fn the_light_of_hdr10_is_as_the_standards_write_it() {
    let [mastering, light] = light::sei(&hdr()).try_into().expect("two messages");
    assert_eq!(light, [78, 1, 144, 4, 0x03, 0xe8, 0x01, 0x90, 0x80]);
    // Green first: 13250 is 0x33c2, 34500 is 0x86c4. The last is 50, behind two zeros that a 3 keeps apart from a start code.
    assert_eq!(mastering[..8], [78, 1, 137, 24, 0x33, 0xc2, 0x86, 0xc4]);
    assert_eq!(mastering[20..], [0x00, 0x98, 0x96, 0x80, 0, 0, 3, 0, 50, 0x80][..]);
    let [mastering, light] = light::metadata(&hdr()).try_into().expect("two messages");
    assert_eq!(light, [0x2a, 6, 1, 0x03, 0xe8, 0x01, 0x90, 0x80]);
    // Red's x is 0.68 of 65536; 1000 cd/m² is 256000 of 1/256.
    assert_eq!((mastering[..5].to_vec(), mastering.len()), (vec![0x2a, 26, 2, 0xae, 0x14], 28));
    assert_eq!(mastering[19..23], 256_000u32.to_be_bytes());
}

#[test]
fn a_gop_too_large_is_made_coarser_by_more() {
    assert_eq!([100, 111, 200, 400].map(coarser), [1.0, 1.0, 8.0, 16.0]);
}

proptest! {
    #[test]
    fn any_bytes_of_a_driver_are_survived(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0x12), Just(0x32), any::<u8>()], 0..200)) {
        for (_, of) in all() {
            let _ = packets::Packing::new("nvenc", &of, SEQUENCE).sample(&bytes);
        }
    }
}

//! The samples that each way makes.

use super::super::{Family, Format, Options, Scaler, Source, Target, conversion::Conversion};
use super::*;

const OPTIONS: Options = Options { isa: Isa::Sse2, dither: true, peak_luminance: 203.0 };

fn format(width: u32, height: u32, depth: u32) -> Format {
    Format { width, height, family: Family::Yuv { sub_w: 1, sub_h: 1 }, depth, full_range: false, matrix: 1, transfer: 1, primaries: 1, chroma_location: 0 }
}

/// An aligned plane.
struct Held(Vec<[u64; 8]>, usize);

impl Held {
    fn all(format: &Format, mut sample: impl FnMut(usize, usize, usize) -> u16) -> Vec<Held> {
        let plane = |index: usize, sample: &mut dyn FnMut(usize, usize, usize) -> u16| {
            let ((width, height), stride) = (format.plane_size(index), format.row_bytes(index).next_multiple_of(64));
            // Padding holds anything.
            let mut bytes = vec![0xa5u8; stride * height as usize];
            for (y, row) in bytes.chunks_mut(stride).enumerate() {
                for x in 0..width as usize {
                    let value = sample(index, x, y);
                    if format.depth == 8 { row[x] = value as u8 } else { row[2 * x..2 * x + 2].copy_from_slice(&value.to_ne_bytes()) }
                }
            }
            let words = bytes.chunks_exact(64).map(|line| std::array::from_fn(|word| u64::from_ne_bytes(line[8 * word..][..8].try_into().expect("eight"))));
            Held(words.collect(), stride)
        };
        (0..format.planes()).map(|index| plane(index, &mut sample)).collect()
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: words are eight initialised bytes each.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 64) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: likewise, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 64) }
    }

    fn samples(&self, format: &Format, index: usize) -> Vec<u16> {
        let bytes = format.row_bytes(index);
        let row = |row: &[u8]| match format.depth {
            8 => row[..bytes].iter().map(|byte| u16::from(*byte)).collect::<Vec<_>>(),
            _ => row[..bytes].chunks_exact(2).map(|word| u16::from_ne_bytes([word[0], word[1]])).collect(),
        };
        self.bytes().chunks(self.1).flat_map(row).collect()
    }
}

fn noise(format: &Format, extremes: bool) -> Vec<Held> {
    let (mut state, depth) = (0x9e37_79b9u32, format.depth);
    Held::all(format, |_, _, _| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let level = (state >> (32 - depth)) as u16;
        if extremes { u16::from(level >> (depth - 1) == 1) * ((1 << depth) - 1) } else { level }
    })
}

fn run(to: &Format, source: &[Held], make: impl FnOnce(&[Source<'_>], &mut [Target<'_>])) -> Vec<Vec<u16>> {
    let mut made = Held::all(to, |_, _, _| 7);
    let sources: Vec<Source<'_>> = source.iter().map(|plane| (plane.bytes(), plane.1)).collect();
    let mut targets: Vec<Target<'_>> = made.iter_mut().map(|plane| (plane.1, plane)).map(|(stride, plane)| (plane.bytes_mut(), stride)).collect();
    make(&sources, &mut targets);
    drop(targets);
    made.iter().enumerate().map(|(index, plane)| plane.samples(to, index)).collect()
}

fn by(way: Way, from: &Format, to: &Format, source: &[Held]) -> Vec<Vec<u16>> {
    let mut resize = Resize::by(way, from, to).unwrap_or_else(|| panic!("{from:?} to {to:?} is one"));
    run(to, source, |sources, targets| {
        run_all(&mut [(&mut resize, &mut *targets)], sources);
        run_all(&mut [(&mut resize, targets)], sources);
    })
}

fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        ways.extend((Isa::pinned() == Isa::Avx2).then_some(Way::Avx2));
        ways.extend((Way::of(Isa::Avx2) == Way::Avx512).then_some(Way::Avx512));
    }
    ways
}

const SIZES: [((u32, u32), (u32, u32)); 12] = [
    ((1920, 1080), (1280, 720)),
    ((1920, 1080), (960, 540)),
    ((1920, 1080), (768, 432)),
    ((1280, 720), (640, 360)),
    ((960, 540), (480, 270)),
    ((1280, 720), (638, 358)),
    ((1278, 718), (426, 240)),
    ((854, 480), (256, 144)),
    ((320, 180), (90, 46)),
    ((640, 360), (640, 180)),
    ((66, 34), (34, 18)),
    ((16, 270), (10, 134)),
];

#[test]
fn every_way_makes_the_same_samples() {
    for ((width, height), (to_width, to_height)) in SIZES {
        for depth in [8, 10, 12] {
            let (from, to) = (format(width, height, depth), format(to_width, to_height, depth));
            for extremes in [false, true] {
                let source = noise(&from, extremes);
                let portable = by(Way::Portable, &from, &to, &source);
                for way in ways() {
                    assert!(by(way, &from, &to, &source) == portable, "{way:?}: {width}x{height} to {to_width}x{to_height}, {depth} bits");
                }
            }
        }
    }
}

#[test]
fn together_they_are_what_each_is_alone() {
    for depth in [8, 10] {
        let (from, sizes) = (format(1280, 722, depth), [(854, 480), (640, 362), (512, 288), (1280, 362), (320, 182)]);
        let source = noise(&from, false);
        let sources: Vec<Source<'_>> = source.iter().map(|plane| (plane.bytes(), plane.1)).collect();
        let to = |(width, height)| format(width, height, depth);
        let alone: Vec<_> = sizes.iter().map(|size| by(Way::of(Isa::pinned()), &from, &to(*size), &source)).collect();
        let mut resizes: Vec<Resize> = sizes.iter().map(|size| Resize::by(Way::of(Isa::pinned()), &from, &to(*size)).expect("one")).collect();
        let mut made: Vec<Vec<Held>> = sizes.iter().map(|size| Held::all(&to(*size), |_, _, _| 7)).collect();
        let mut targets: Vec<Vec<Target<'_>>> = made
            .iter_mut()
            .map(|planes| planes.iter_mut().map(|plane| (plane.1, plane)).map(|(stride, plane)| (plane.bytes_mut(), stride)).collect())
            .collect();
        run_all(&mut resizes.iter_mut().zip(&mut targets).map(|(resize, targets)| (resize, targets.as_mut_slice())).collect::<Vec<_>>(), &sources);
        drop(targets);
        for ((size, alone), made) in sizes.iter().zip(&alone).zip(&made) {
            let together: Vec<Vec<u16>> = made.iter().enumerate().map(|(index, plane)| plane.samples(&to(*size), index)).collect();
            assert!(together == *alone, "{size:?}, {depth} bits");
        }
    }
}

/// libzimg has the same weights, but rounds to 16 bits between.
#[test]
fn samples_are_those_of_libzimg() {
    for ((width, height), (to_width, to_height)) in SIZES {
        for chroma_location in 0..6 {
            let (from, to) = (format(width, height, 8), format(to_width, to_height, 8));
            let (from, to) = (Format { chroma_location, ..from }, Format { chroma_location, ..to });
            // What lies within the range even behind an overshoot.
            let source = Held::all(&from, |index, x, y| 64 + ((x * 37 + y * 61 + index * 11) ^ (x * y / 7)) as u16 % 128);
            let mut other = Conversion::new(&from, &to, &OPTIONS).expect("it builds");
            let theirs = run(&to, &source, |sources, targets| other.process(sources, targets).expect("it runs"));
            let ours = by(Way::Portable, &from, &to, &source);
            for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                let most = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max();
                let differ = ours.iter().zip(theirs).filter(|(a, b)| a != b).count();
                assert!(
                    most <= Some(1) && differ * 25 <= ours.len(),
                    "{width}x{height} to {to_width}x{to_height}, chroma {chroma_location}, plane {index}: {differ} of {} by {most:?}",
                    ours.len()
                );
            }
        }
    }
}

#[test]
fn what_is_flat_stays_so_and_all_else_is_for_libzimg() {
    for level in [0, 16, 128, 255] {
        let (from, to) = (format(1920, 1080, 8), format(768, 432, 8));
        let made = by(Way::Portable, &from, &to, &Held::all(&from, |_, _, _| level));
        assert!(made.iter().flatten().all(|sample| *sample == level), "{level}");
    }
    let hd = format(1920, 1080, 8);
    for (from, to) in [
        (hd, hd),
        (format(960, 540, 8), hd),
        (format(1920, 1080, 16), format(960, 540, 16)),
        (hd, format(960, 540, 10)),
        (Format { full_range: true, ..hd }, format(960, 540, 8)),
        (hd, format(384, 216, 8)),
        (format(8, 8, 8), format(4, 4, 8)),
        (Format { chroma_location: 9, ..hd }, Format { chroma_location: 9, ..format(960, 540, 8) }),
    ] {
        assert!(Resize::new(&from, &to, &OPTIONS).is_none(), "{from:?} to {to:?}");
    }
    assert!(Scaler::new(&hd, &format(384, 216, 8), &OPTIONS).is_ok());
}

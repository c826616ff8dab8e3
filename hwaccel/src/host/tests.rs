//! The scaler by its samples.

use super::*;

/// 64-byte aligned planes of a format, filled by a formula.
fn planes(format: &Format, seed: u32) -> Vec<(Scratch, usize, usize)> {
    (0..format.planes())
        .map(|index| {
            let (stride, rows) = (format.row_bytes(index).next_multiple_of(64), format.plane_size(index).1 as usize);
            let mut plane = Scratch::new(stride * rows);
            for (i, byte) in plane.0.iter_mut().flat_map(|line| line.0.iter_mut()).enumerate() {
                let (x, y) = (i % stride, i / stride);
                let value = ((x as u32 * 7 + y as u32 * 3 + seed) ^ ((x as u32 * y as u32) >> 5)) % 219 + 16;
                // Words stay within 10 bits.
                *byte = if format.depth > 8 && x % 2 == 1 { (value % 4) as u8 } else { value as u8 };
            }
            (plane, stride, rows)
        })
        .collect()
}

fn bytes(plane: &(Scratch, usize, usize)) -> Vec<u8> {
    plane.0.0.iter().flat_map(|line| line.0).take(plane.1 * plane.2).collect()
}

fn run(from: &Format, to: &Format, isa: Isa) -> Vec<Vec<u8>> {
    let (source, mut target) = (planes(from, 3), planes(to, 250));
    let mut scaler = Scaler::new(from, to, &Options { isa, dither: true, peak_luminance: 400.0 }).expect("it builds");
    // SAFETY: the scratch holds `lines * 64` initialised bytes.
    let view = |p: &(Scratch, usize, usize)| unsafe { std::slice::from_raw_parts(p.0.0.as_ptr().cast::<u8>(), p.1 * p.2) };
    let sources: Vec<Source<'_>> = source.iter().map(|p| (view(p), p.1)).collect();
    let mut targets: Vec<Target<'_>> = target
        .iter_mut()
        // SAFETY: as above, borrowed exclusively.
        .map(|p| (unsafe { std::slice::from_raw_parts_mut(p.0.0.as_mut_ptr().cast::<u8>(), p.1 * p.2) }, p.1))
        .collect();
    scaler.process(&sources, &mut targets).expect("it runs");
    drop(targets);
    target.iter().enumerate().map(|(index, plane)| bytes(plane).chunks(plane.1).flat_map(|row| row[..to.row_bytes(index)].to_vec()).collect()).collect()
}

fn yuv420(width: u32, height: u32) -> Format {
    Format { width, height, family: Family::Yuv { sub_w: 1, sub_h: 1 }, depth: 8, full_range: false, matrix: 1, transfer: 1, primaries: 1, chroma_location: 0 }
}

#[test]
fn resizing_is_the_same_on_every_instruction_set_and_conversion_nearly() {
    if Isa::pinned() != Isa::Avx2 {
        eprintln!("skipped: this machine has no AVX2");
        return;
    }
    let (hd, small) = (yuv420(1280, 720), yuv420(638, 358));
    let resized = run(&hd, &small, Isa::Avx2);
    assert_eq!(resized, run(&hd, &small, Isa::Sse2));
    assert_eq!(resized, run(&hd, &small, Isa::Baseline));
    // What is pinned to AVX2 goes by AVX-512 where there is one.
    for (from, to) in [((1920, 1080), (1280, 720)), ((1920, 1080), (768, 432)), ((1278, 718), (426, 240)), ((960, 540), (1280, 720)), ((66, 34), (34, 18))] {
        let (from, to) = (yuv420(from.0, from.1), yuv420(to.0, to.1));
        for depth in [8, 10, 16] {
            let (from, to) = (Format { depth, ..from }, Format { depth, ..to });
            assert_eq!(run(&from, &to, Isa::Avx2), run(&from, &to, Isa::Sse2), "{from:?} to {to:?}");
        }
    }
    for (name, from) in [
        ("full range", Format { full_range: true, ..hd }),
        ("10 bit 4:2:2", Format { depth: 10, family: Family::Yuv { sub_w: 1, sub_h: 0 }, ..hd }),
        ("BT.601", Format { matrix: 6, primaries: 6, ..hd }),
        ("PQ", Format { matrix: 9, primaries: 9, transfer: 16, depth: 10, ..hd }),
    ] {
        let (wide, narrow) = (run(&from, &small, Isa::Avx2), run(&from, &small, Isa::Sse2));
        let differ = wide.iter().flatten().zip(narrow.iter().flatten()).filter(|(a, b)| a != b).count();
        let most = wide.iter().flatten().zip(narrow.iter().flatten()).map(|(a, b)| a.abs_diff(*b)).max();
        eprintln!("{name}: {differ} samples differ between AVX2 and SSE2, by {most:?} at most");
        assert!(most <= Some(2), "{name}: {most:?}");
        assert_eq!(wide, run(&from, &small, Isa::Avx2), "{name}: the same again");
    }
}

#[test]
fn short_unaligned_and_missing_planes_are_refused() {
    let (hd, small) = (yuv420(640, 360), yuv420(320, 180));
    let mut scaler = Scaler::new(&hd, &small, &Options { isa: Isa::pinned(), dither: false, peak_luminance: 100.0 }).expect("it builds");
    let error = scaler.process(&[(&[0; 64], 640)], &mut []).expect_err("too short");
    assert!(error.to_string().starts_with("plane 0: 64 bytes at stride 640; needs 360 rows of 640 bytes"), "{error}");
    let odd = Format { width: 641, ..hd };
    assert!(matches!(Scaler::new(&odd, &small, &Options { isa: Isa::pinned(), dither: false, peak_luminance: 100.0 }), Err(ScaleError::Build { .. })));
    let deep = Format { depth: 32, ..hd };
    assert!(Scaler::new(&deep, &small, &Options { isa: Isa::pinned(), dither: false, peak_luminance: 100.0 }).is_err());
    assert!(version().starts_with(char::is_numeric));
}

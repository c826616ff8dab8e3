//! A trial of a conversion that has two ways: whether both make the same samples of noise.
//!
//! libzimg 3.0.4 resizes 1280 to 638 columns wrongly by AVX-512, three columns of them, and most other sizes rightly: so each is tried before it is used.

use super::conversion::Conversion;
use super::{Format, ScaleError, Scratch, Source, Target, WIDE};

/// A plane and its stride.
struct Plane(Scratch, usize);

impl Plane {
    fn all(format: &Format) -> Vec<Plane> {
        let plane = |index| {
            let (stride, rows) = (format.row_bytes(index).next_multiple_of(WIDE), format.plane_size(index).1 as usize);
            Plane(Scratch::new(stride * rows), stride)
        };
        (0..format.planes()).map(plane).collect()
    }

    fn bytes(&mut self) -> &mut [u8] {
        self.0.bytes()
    }
}

/// Noise of all levels, or of the `extremes` alone.
fn fill(plane: &mut Plane, depth: u32, extremes: bool, state: &mut u32) {
    let most = (1u32 << depth) - 1;
    let mut next = || {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        let level = *state >> (32 - depth);
        if extremes { if level > most / 2 { most } else { 0 } } else { level }
    };
    let bytes = plane.bytes();
    if depth == 8 {
        bytes.iter_mut().for_each(|byte| *byte = next() as u8);
    } else {
        bytes.chunks_exact_mut(2).for_each(|word| word.copy_from_slice(&(next() as u16).to_ne_bytes()));
    }
}

/// Whether the two graphs of `conversion` make the same of pictures of noise. Takes as long as eight pictures.
pub fn is_same(conversion: &mut Conversion) -> Result<bool, ScaleError> {
    Ok(is_same_of(conversion, false)? && is_same_of(conversion, true)?)
}

fn is_same_of(conversion: &mut Conversion, extremes: bool) -> Result<bool, ScaleError> {
    let (from, to) = (conversion.src, conversion.dst);
    let (mut source, mut state) = (Plane::all(&from), 0x9e37_79b9);
    source.iter_mut().for_each(|plane| fill(plane, from.depth, extremes, &mut state));
    let mut made = |conversion: &mut Conversion| {
        let mut target = Plane::all(&to);
        let sources: Vec<Source<'_>> = source.iter_mut().map(|plane| (plane.1, plane)).map(|(stride, plane)| (&*plane.bytes(), stride)).collect();
        let mut targets: Vec<Target<'_>> = target.iter_mut().map(|plane| (plane.1, plane)).map(|(stride, plane)| (plane.bytes(), stride)).collect();
        conversion.process(&sources, &mut targets)?;
        drop(targets);
        Ok::<_, ScaleError>(target)
    };
    let mut wide = made(conversion)?;
    let kept = conversion.wide.take();
    let narrow = made(conversion);
    conversion.wide = kept;
    let mut narrow = narrow?;
    let same = |index: usize, wide: &mut Plane, narrow: &mut Plane| {
        let (stride, bytes) = (wide.1, to.row_bytes(index));
        wide.bytes().chunks(stride).zip(narrow.bytes().chunks(stride)).all(|(wide, narrow)| wide[..bytes] == narrow[..bytes])
    };
    Ok(wide.iter_mut().zip(&mut narrow).enumerate().all(|(index, (wide, narrow))| same(index, wide, narrow)))
}

//! For any processor.

use super::axis::Across;
use super::{BITS, BLOCK};

/// Rows of bytes, or of words where samples have more than eight bits.
pub fn interleave(depth: u32, (upper, lower): (&[u8], &[u8]), pair: &mut [i16]) {
    let pairs = pair.chunks_exact_mut(2);
    if depth == 8 {
        pairs.zip(upper.iter().zip(lower)).for_each(|(pair, (upper, lower))| pair.copy_from_slice(&[i16::from(*upper), i16::from(*lower)]));
    } else {
        let word = |bytes: &[u8]| u16::from_ne_bytes([bytes[0], bytes[1]]) as i16;
        pairs.zip(upper.chunks_exact(2).zip(lower.chunks_exact(2))).for_each(|(pair, (upper, lower))| pair.copy_from_slice(&[word(upper), word(lower)]));
    }
}

pub fn down(depth: u32, pairs: &[&[i16]], weights: &[[i16; 2]], narrow: &mut [i16], width: usize) {
    for (x, out) in narrow[..width].iter_mut().enumerate() {
        let mut sum = 1i32 << (depth - 1);
        for (pair, weights) in pairs.iter().zip(weights) {
            let samples = &pair[2 * x..2 * x + 2];
            sum = sum.wrapping_add(i32::from(samples[0]) * i32::from(weights[0])).wrapping_add(i32::from(samples[1]) * i32::from(weights[1]));
        }
        *out = (sum >> depth).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
}

pub fn across(depth: u32, narrow: &[i16], across: &Across, out: &mut [u8]) {
    let (shift, most) = (2 * BITS - depth, (1 << depth) - 1);
    for x in 0..across.width {
        let mut sum = 1i32 << (shift - 1);
        for pair in 0..across.pairs {
            let weights = &across.weights[across.blocks[x / BLOCK].weights + pair][2 * (x % BLOCK)..][..2];
            let samples = &narrow[across.starts[x] + 2 * pair..][..2];
            sum = sum.wrapping_add(i32::from(samples[0]) * i32::from(weights[0])).wrapping_add(i32::from(samples[1]) * i32::from(weights[1]));
        }
        let value = (sum >> shift).clamp(0, most);
        if depth == 8 {
            out[x] = value as u8;
        } else {
            out[2 * x..2 * x + 2].copy_from_slice(&(value as u16).to_ne_bytes());
        }
    }
}

//! What rav1e found out about the cost of each picture, as it hands it over between passes: an opaque record of version 1 in rav1e 0.8, except for the scale, by
//! which runs at different sizes compare.
//!
//! rav1e takes the bits of a picture for `pixels * scale * quantizer^-exponent`. A summary of the whole run has the sum of all scales of each type of picture.

/// Types of pictures that have a scale: key, and three levels of inter frames.
const TYPES: usize = 4;
/// Where the sums are in the summary: behind the magic number, the version, the number of temporal units, the numbers of pictures of each type and of those
/// shown again, and the exponents. 8 bytes each, little-endian, 24 bits of fraction.
const SUMS: usize = 4 + 4 + 4 + 4 * (TYPES + 1) + TYPES;

/// The stats of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    summary: Vec<u8>,
    frames: Vec<Vec<u8>>,
}

impl Stats {
    /// Adds those of a frame.
    pub fn push(&mut self, frame: &[u8]) {
        self.frames.push(frame.to_vec());
    }

    /// Those of the whole run: it is over.
    pub fn close(&mut self, summary: &[u8]) {
        self.summary = summary.to_vec();
    }

    /// Of the whole run; empty while it is not over.
    pub fn summary(&self) -> &[u8] {
        &self.summary
    }

    /// One for each frame, in coding order, those shown again included.
    pub fn frames(&self) -> &[Vec<u8>] {
        &self.frames
    }

    /// The same where every picture costs `1 / 2^by` times as much, `by` in units of 2^-24.
    pub fn cheaper(&self, by: i32) -> Stats {
        let mut other = self.clone();
        let factor = (-f64::from(by) / f64::from(1 << 24)).exp2();
        for sum in other.summary.get_mut(SUMS..).into_iter().flat_map(|sums| sums.chunks_exact_mut(8)).take(TYPES) {
            if let Ok(bytes) = <[u8; 8]>::try_from(&*sum) {
                // Exact enough: the sums are below 2^53.
                sum.copy_from_slice(&((i64::from_le_bytes(bytes) as f64 * factor) as i64).to_le_bytes());
            }
        }
        for frame in &mut other.frames {
            // 4 bytes of type, shown or not in the highest bit, and 4 of the scale's binary logarithm with 24 bits of fraction.
            if let [kind @ .., a, b, c, d] = &mut frame[..]
                && kind.first().is_some_and(|kind| usize::from(*kind) < TYPES)
            {
                [*a, *b, *c, *d] = i32::from_le_bytes([*a, *b, *c, *d]).saturating_sub(by).to_le_bytes();
            }
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_cost_is_one_less_in_the_logarithm_and_half_the_sum() {
        let mut stats = Stats::default();
        stats.push(&[1, 0, 0, 0x80, 0, 0, 0, 0xff]);
        stats.push(&[4, 0, 0, 0x80, 7, 7, 7, 7]);
        let sum = |n: i64| [&[9; SUMS][..], &n.to_le_bytes(), &[0; 24]].concat();
        stats.close(&sum(4_000_000));
        let half = stats.cheaper(1 << 24);
        assert_eq!(half.frames, [vec![1, 0, 0, 0x80, 0, 0, 0, 0xfe], vec![4, 0, 0, 0x80, 7, 7, 7, 7]], "those shown again cost nothing");
        assert_eq!(half.summary, sum(2_000_000));
        assert_eq!(half.cheaper(-(1 << 24)), stats);
    }
}

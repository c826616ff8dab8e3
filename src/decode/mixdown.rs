//! Fewer channels than the source has: the peaks that come of adding channels are held below full scale.
//!
//! ITU-R BS.775-3 (annex 4) adds to the left: 0.7071 of the centre and 0.7071 of the left surround, and leaves the level to who does it. Turned down by as much as the worst case needs
//! (7.7 dB) everything would be too quiet for the sake of moments that hardly ever come; left alone, loud ones clip. So the gain goes down for these moments only: a limiter that looks both
//! ways and has no memory. The gain at a sample is a function of the samples within [`REACH`] on either side and of nothing else, so that a segment's sound is the same wherever its decoding began.

/// The loudest sample after mixing: -1 dB of full scale, the most that EBU R 128 allows.
const CEILING: f32 = 0.891_250_9;

/// Samples on either side that a gain depends on: the gain falls and rises within twice 2.7 ms, too slowly to be heard as distortion and too fast to be heard as a change of level. Less than the 4 frames that a segment is decoded beyond its end.
pub const REACH: usize = 2 * HALF;
const HALF: usize = 64;

/// Turns loud moments down. `planes`: one a channel, all of one length; all get the same gain, so that nothing moves.
pub fn limit(planes: &mut [Vec<f32>]) {
    let length = planes.iter().map(Vec::len).min().unwrap_or(0);
    let peak = |at: usize| planes.iter().map(|plane| plane[at].abs()).fold(0.0f32, |a, b| if b > a { b } else { a });
    let wanted: Vec<f32> = (0..length).map(|at| if peak(at) > CEILING { CEILING / peak(at) } else { 1.0 }).collect();
    let Some(first) = wanted.iter().position(|gain| *gain < 1.0) else { return };
    let last = wanted.iter().rposition(|gain| *gain < 1.0).unwrap_or(first);
    // The least gain within HALF, then its mean over HALF: where a peak is, every term of the mean is at most what the peak needs.
    let from = first.saturating_sub(REACH);
    let to = (last + REACH + 1).min(length);
    let least = least(&wanted, from.saturating_sub(HALF), (to + HALF).min(length));
    let at_least = |at: isize| usize::try_from(at - from.saturating_sub(HALF) as isize).ok().and_then(|i| least.get(i)).copied().unwrap_or(1.0);
    for at in from..to {
        // Summed anew for each sample: a running sum would remember where it began.
        let mut sum = 0.0f32;
        let around = at as isize - HALF as isize..=at as isize + HALF as isize;
        if around.clone().all(|near| at_least(near) >= 1.0) {
            continue;
        }
        for near in around {
            sum += at_least(near);
        }
        let gain = sum / (2 * HALF + 1) as f32;
        planes.iter_mut().for_each(|plane| plane[at] *= gain);
    }
}

/// For each sample of `from..to` the least value within HALF on either side. Van Herk's way would be faster; loud moments are rare.
fn least(values: &[f32], from: usize, to: usize) -> Vec<f32> {
    let mut found = vec![1.0f32; to - from];
    for (at, value) in values.iter().enumerate().take(to).skip(from.saturating_sub(HALF)).filter(|(_, value)| **value < 1.0) {
        let range = at.saturating_sub(HALF).max(from)..(at + HALF + 1).min(to);
        for near in range {
            let cell = &mut found[near - from];
            if *value < *cell {
                *cell = *value;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone that is loud in the middle.
    fn swell(length: usize, begin: usize) -> Vec<f32> {
        let level = |at: usize| if (2000..2600).contains(&at) { 2.4 } else { 0.5 };
        (begin..begin + length).map(|at| level(at) * ((at * 37 % 101) as f32 / 50.5 - 1.0)).collect()
    }

    #[test]
    fn no_sample_is_louder_than_the_ceiling_and_quiet_ones_stay() {
        let whole = swell(5000, 0);
        let mut planes = vec![whole.clone(), whole.iter().map(|s| s * 0.1).collect()];
        limit(&mut planes);
        assert!(planes[0].iter().all(|s| s.abs() <= CEILING * 1.000_001), "{:?}", planes[0].iter().cloned().fold(0.0, f32::max));
        assert!(planes[0].iter().any(|s| s.abs() > 0.8 * CEILING), "turned down no further than it must be");
        let (near, far) = (2000 - REACH, 2600 + REACH);
        assert_eq!((&planes[0][..near], &planes[0][far..]), (&whole[..near], &whole[far..]));
        let same = planes[0].iter().zip(&planes[1]).all(|(a, b)| (a * 0.1 - b).abs() < 1e-6);
        assert!(same, "one gain for all channels");
        // From one sample to the next the gain moves by less than a hundredth.
        let gains: Vec<f32> = planes[0].iter().zip(&whole).map(|(a, b)| if b.abs() > 1e-3 { a / b } else { 1.0 }).collect();
        let steps = gains.windows(2).filter(|w| w[0] != 1.0 && w[1] != 1.0).map(|w| (w[0] - w[1]).abs());
        assert!(steps.fold(0.0, f32::max) < 0.02);
    }

    #[test]
    fn what_lies_further_away_than_the_reach_changes_nothing() {
        let mut whole = vec![swell(5000, 0)];
        limit(&mut whole);
        for begin in [1, 700, 1900, 2100] {
            let mut part = vec![swell(5000 - begin, begin)];
            limit(&mut part);
            assert_eq!(part[0][REACH..], whole[0][begin + REACH..], "from {begin} on");
        }
    }
}

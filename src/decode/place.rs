//! Placement: at which absolute sample number each decoded piece of sound belongs. Integers only; no libav.

use crate::time::Seconds;
use std::ops::Range;

/// Stamps within this fraction of a second of the running sample count continue it: many muxers round to 1 ms.
const TOLERANCE_PER_SECOND: i128 = 500;

/// Positions stay below 2^60 ticks.
const MAX_INDEX: i128 = 1 << 60;

/// The longest period, in input samples, after which input and output samples coincide, that the resampler's phases are used for.
const MAX_PERIOD: u32 = 4096;

/// How input samples at one rate meet output samples at another, on a scale of ticks on which both are whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meeting {
    /// Ticks from one input sample to the next. For 44.1 to 48 kHz: 160.
    pub input: u32,
    /// Ticks from one output sample to the next: 147.
    pub output: u32,
    /// Input samples a second.
    pub rate: u32,
}

impl Meeting {
    /// Of `rate` and `out_rate`, both positive. Where they coincide too seldom (44.101 kHz), a tick is an input sample and `output` is 0: positions are rounded.
    pub fn new(rate: u32, out_rate: u32) -> Meeting {
        let common = gcd(rate, out_rate).max(1);
        let output = rate / common;
        if output <= MAX_PERIOD { Meeting { input: out_rate / common, output, rate } } else { Meeting { input: 1, output: 0, rate } }
    }

    /// Ticks a second.
    pub fn ticks(&self) -> u64 {
        u64::from(self.rate) * u64::from(self.input)
    }

    /// For sound that begins at tick `first`: how many samples of silence to put in front, so that it then begins exactly on an output sample, and which.
    ///
    /// Fewer than `output` samples, because `input` and `output` have no common factor: a resampler that starts there has the right phase to 1/`input` of a sample.
    pub fn start(&self, first: i64, out_rate: u32) -> (usize, i64) {
        if self.output == 0 {
            return (0, self.at_or_after(first, out_rate));
        }
        let (input, output) = (i64::from(self.input), i64::from(self.output));
        let silence = (0..output).find(|n| (first - n * input).rem_euclid(output) == 0).unwrap_or(0);
        (silence as usize, (first - silence * input).div_euclid(output))
    }

    /// The first sample at `out_rate` that is not before `tick`.
    pub fn at_or_after(&self, tick: i64, out_rate: u32) -> i64 {
        let value = -(-i128::from(tick) * i128::from(out_rate)).div_euclid(i128::from(self.ticks().max(1)));
        i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Usable samples of one decoded frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The frame's stamp, which is that of its sample 0, usable or not; absent: it follows the piece before it.
    pub pts: Option<i64>,
    /// What must not change within a run: sample rate in Hz, ...
    pub rate: u32,
    /// ... and a number for format and channel layout.
    pub shape: u64,
    /// The first usable sample of the frame.
    pub from: u32,
    /// One past the last usable sample.
    pub to: u32,
}

/// Pieces that follow each other without a break.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// When its first sample is, in ticks of `meeting` since the epoch.
    pub first: i64,
    /// Its rate, and how that meets the output's.
    pub meeting: Meeting,
    /// How many samples.
    pub samples: u64,
    /// Which pieces.
    pub pieces: Range<usize>,
}

/// Puts pieces, in order, at absolute positions: `pts * time_base + offset`.
///
/// A piece whose stamp agrees with the count of samples since the run began (within 2 ms, or a tick of the time base where that is more) continues it; any other opens a new run. Where stamps within a run disagree
/// (they are rounded to 1/1000 or 1/90000 s), the middle between the extremes counts. Rounding spreads evenly about it, so neighbouring segments, which see other stamps, come to almost the same position,
/// and positions are finer than a sample, so that they need not fall on different sides of a rounding.
/// `time_base` is (numerator, denominator) in seconds. Pieces that cannot be placed are in no run.
pub fn place(pieces: &[Piece], time_base: (i32, i32), offset: Seconds, out_rate: u32) -> Vec<Run> {
    place_settled(pieces, time_base, offset, out_rate, None)
}

/// As [`place`], for sound that is handed on as it comes: stamps from `settled` on move nothing, so that what comes later leaves everything where it is.
pub fn place_settled(pieces: &[Piece], time_base: (i32, i32), offset: Seconds, out_rate: u32, settled: Option<i64>) -> Vec<Run> {
    let (num, den) = (i128::from(time_base.0.max(1)), i128::from(time_base.1.max(1)));
    let mut runs = Vec::new();
    let mut open: Option<Open> = None;
    for (index, piece) in pieces.iter().enumerate() {
        let length = i128::from(piece.to.saturating_sub(piece.from));
        if length == 0 || piece.rate == 0 {
            continue;
        }
        let rate = i128::from(piece.rate);
        let tolerance = (rate * den / TOLERANCE_PER_SECOND).max(num * rate);
        // In samples times `den`, so that nothing is rounded yet.
        let at = piece.pts.map(|pts| i128::from(pts) * num * rate + i128::from(piece.from) * den);
        if let Some(run) = open.as_mut().filter(|run| run.rate == piece.rate && run.shape == piece.shape && run.pieces.end == index) {
            let begin = at.map_or(run.first_seen, |at| at - run.samples * den);
            if (begin - run.first_seen).abs() <= tolerance {
                if settled.is_none_or(|settled| piece.pts.is_none_or(|pts| pts < settled)) {
                    run.low = run.low.min(begin);
                    run.high = run.high.max(begin);
                }
                run.samples += length;
                run.pieces.end = index + 1;
                continue;
            }
        }
        runs.extend(open.take().and_then(|run| run.close(den, offset, out_rate)));
        if let Some(at) = at {
            open = Some(Open { rate: piece.rate, shape: piece.shape, first_seen: at, low: at, high: at, samples: length, pieces: index..index + 1 });
        }
    }
    runs.extend(open.and_then(|run| run.close(den, offset, out_rate)));
    runs
}

struct Open {
    rate: u32,
    shape: u64,
    first_seen: i128,
    low: i128,
    high: i128,
    samples: i128,
    pieces: Range<usize>,
}

impl Open {
    fn close(self, den: i128, offset: Seconds, out_rate: u32) -> Option<Run> {
        let meeting = Meeting::new(self.rate, out_rate);
        // Source time and offset are rounded one by one: the first is then the same for every segment, whatever the anchor.
        let in_source = ((self.low + self.high).checked_mul(i128::from(meeting.input))? + den).div_euclid(2 * den);
        let first = in_source + offset_ticks(offset, meeting.ticks())?;
        let samples = u64::try_from(self.samples).ok()?;
        (first.abs() < MAX_INDEX).then_some(Run { first: first as i64, meeting, samples, pieces: self.pieces })
    }
}

impl Run {
    /// One past its last sample, in ticks.
    pub fn end(&self) -> i64 {
        let length = self.samples.saturating_mul(u64::from(self.meeting.input));
        self.first.saturating_add_unsigned(length)
    }
}

/// `offset` at `rate` a second, to the nearest; absent beyond 2^60.
pub fn offset_ticks(offset: Seconds, rate: u64) -> Option<i128> {
    let (num, den) = offset.fraction();
    let twice = num.checked_mul(2 * i128::from(rate))?.checked_add(den)?;
    let ticks = twice.div_euclid(den.checked_mul(2)?);
    (ticks.abs() < MAX_INDEX).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(pts: i64, rate: u32, to: u32) -> Piece {
        Piece { pts: Some(pts), rate, shape: 0, from: 0, to }
    }

    #[test]
    fn millisecond_stamps_of_neighbouring_windows_agree() {
        // 44.1 kHz AAC with stamps rounded down to 1 ms, as FLV and Matroska have them; the truth is sample 1024 n.
        let pieces: Vec<Piece> = (0..400i64).map(|n| piece(n * 1024 * 1000 / 44_100, 44_100, 1024)).collect();
        let offset = Seconds::whole(1_700_000_000);
        let at = |from: usize| {
            let runs = place(&pieces[from..from + 130], (1, 1000), offset, 48_000);
            assert_eq!((runs.len(), runs[0].meeting.input), (1, 160));
            runs[0].first - from as i64 * 1024 * 160
        };
        let all: Vec<i64> = (0..270).step_by(7).map(at).collect();
        let (low, high) = (all.iter().min().expect("some"), all.iter().max().expect("some"));
        // Two thirds of a sample over all windows, where one stamp alone strays by 44.
        assert!(high - low <= 107, "{low}..{high}");
        assert!((all[0] - 1_700_000_000 * 44_100 * 160).abs() <= 23 * 160);
    }

    #[test]
    fn a_gap_and_a_change_of_shape_open_new_runs() {
        let mut pieces = vec![piece(0, 48_000, 1024), piece(1024, 48_000, 1024), piece(4096, 48_000, 1024)];
        pieces.push(Piece { shape: 1, ..piece(5120, 48_000, 1024) });
        let runs = place(&pieces, (1, 48_000), Seconds::ZERO, 48_000);
        let got: Vec<(i64, u64)> = runs.iter().map(|r| (r.first, r.samples)).collect();
        assert_eq!(got, [(0, 2048), (4096, 1024), (5120, 1024)]);
    }

    proptest! {
        #[test]
        fn a_start_is_on_both_grids(rate in 8_000u32..=192_000, first in -1i64 << 50..1 << 50) {
            let meeting = Meeting::new(rate, 48_000);
            let (silence, at) = meeting.start(first, 48_000);
            if meeting.output > 0 {
                prop_assert!(silence < meeting.output as usize);
                prop_assert_eq!(first - silence as i64 * i64::from(meeting.input), at * i64::from(meeting.output));
                // A tick is the same on both sides.
                prop_assert_eq!(meeting.ticks(), u64::from(meeting.output) * 48_000);
            }
        }

        #[test]
        fn exact_stamps_give_exact_places(start in 0i64..1 << 33, from in 0usize..50, anchor in -1_000_000_000i64..2_000_000_000) {
            // 48 kHz frames of 1024 on a 90 kHz clock: 1920 ticks each, so every window gives the same origin.
            let pieces: Vec<Piece> = (0..60).map(|n| piece(start + n * 1920, 48_000, 1024)).collect();
            let offset = Seconds::new(i128::from(anchor), 7);
            let whole = place(&pieces, (1, 90_000), offset, 48_000);
            let part = place(&pieces[from..], (1, 90_000), offset, 48_000);
            prop_assert_eq!(whole.len(), 1);
            prop_assert_eq!(part[0].first, whole[0].first + 1024 * from as i64);
        }

        #[test]
        fn nothing_panics(pts in prop::collection::vec((any::<Option<i64>>(), any::<u32>(), 0u32..200_000, 0u32..200_000), 0..20), num in any::<i32>(), den in any::<i32>(), n in any::<i64>()) {
            let pieces: Vec<Piece> = pts.iter().map(|&(pts, rate, from, to)| Piece { pts, rate: rate % 192_001, shape: 0, from, to }).collect();
            place(&pieces, (num, den), Seconds::new(i128::from(n), 1001), 48_000);
        }
    }
}

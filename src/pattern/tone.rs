//! The sound: a soft continuous tone, and a 1 kHz beep of 40 ms that starts exactly at every whole UTC second.

/// Samples per second.
pub const SAMPLE_RATE: u32 = 48_000;
/// Channels: left and right.
pub const CHANNELS: usize = 2;
/// Samples that a beep lasts: 40 ms.
pub const BEEP_SAMPLES: i64 = 1920;

/// Beep: -6 dBFS. Continuous tone: -30 dBFS. Their sum never clips.
const BEEP_GAIN: i32 = 16_384;
const TONE_GAIN: i32 = 1_036;

/// The sound as a pure function of the absolute sample number (48 kHz, counted from the epoch).
pub struct Tone {
    sine: [i32; 240],
}

impl Tone {
    /// Makes its table.
    pub fn new() -> Tone {
        Tone { sine: super::sine_table() }
    }

    /// Left and right of sample `n`: 200 Hz left and 400 Hz right, and the beep on both.
    pub fn sample(&self, n: i64) -> [i16; CHANNELS] {
        let wave = |steps: i64, gain: i32| (self.sine[(n * steps).rem_euclid(240) as usize] * gain) >> 15;
        let beep = if n.rem_euclid(i64::from(SAMPLE_RATE)) < BEEP_SAMPLES { wave(5, BEEP_GAIN) } else { 0 };
        [(wave(1, TONE_GAIN) + beep) as i16, (wave(2, TONE_GAIN) + beep) as i16]
    }

    /// Fills `out` with interleaved little-endian 16-bit samples from number `first` on: 4 bytes a sample, a shorter rest stays as it is.
    pub fn fill_s16le(&self, first: i64, out: &mut [u8]) {
        for (n, bytes) in (first..).zip(out.chunks_exact_mut(4)) {
            let [left, right] = self.sample(n);
            bytes[..2].copy_from_slice(&left.to_le_bytes());
            bytes[2..].copy_from_slice(&right.to_le_bytes());
        }
    }
}

impl Default for Tone {
    fn default() -> Tone {
        Tone::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beep_starts_at_the_whole_second_and_lasts_40_ms() {
        let tone = Tone::new();
        let second = 1_795_292_130 * i64::from(SAMPLE_RATE);
        let loud = |from: i64, to: i64| (from..to).map(|n| tone.sample(second + n)[0].unsigned_abs()).max().unwrap_or(0);
        assert!(loud(-4800, 0) < 1100 && loud(1920, 6000) < 1100, "quiet before and after");
        assert!(loud(0, 48) > 16_000 && loud(1920 - 48, 1920) > 16_000, "loud from the first period to the last");
        // 1 kHz: the beep's rising zero crossings are 48 samples apart.
        let beep = |n: i64| i32::from(tone.sample(second + n)[0]) - i32::from(tone.sample(second + n + 2400)[0]);
        let rises: Vec<i64> = (1..1920).filter(|&n| beep(n - 1) < 0 && beep(n) >= 0).collect();
        assert_eq!(rises, (1..40).map(|k| k * 48).collect::<Vec<_>>());
    }

    #[test]
    fn bytes_are_the_samples() {
        let tone = Tone::new();
        let mut out = [0u8; 4 * 100];
        tone.fill_s16le(47_950, &mut out);
        for (n, bytes) in (47_950..).zip(out.chunks(4)) {
            assert_eq!([i16::from_le_bytes([bytes[0], bytes[1]]), i16::from_le_bytes([bytes[2], bytes[3]])], tone.sample(n));
        }
    }
}

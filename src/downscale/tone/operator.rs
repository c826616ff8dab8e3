//! One colour of HDR as SDR. Arithmetic of [`curves`](super::curves) alone.

use super::curves::{gamma_to_light, light_to_gamma, light_to_pq, pq_to_light};
use crate::colour::{HdrMetadata, VideoRange};
use crate::downscale::SDR_WHITE;

/// The peak of a PQ source that says nothing of its light, in cd/m².
const NOMINAL_PEAK: u32 = 1000;

/// How HDR of one kind becomes SDR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operator {
    /// Transfer function of the source: HLG or PQ.
    pub range: VideoRange,
    /// The light of PQ, in whole cd/m², that becomes SDR's peak: 203 to 10000.
    pub peak: u32,
}

impl Operator {
    /// For a source of `range` that says `hdr` of its light. The brightest pixel (MaxCLL) counts where it is known, but no more than the mastering display could show.
    pub fn of(range: VideoRange, hdr: &HdrMetadata) -> Operator {
        let content = hdr.light.map(|light| u32::from(light.max_content)).filter(|light| *light > 0);
        let display = hdr.mastering.map(|display| display.max_luminance.div_ceil(10_000)).filter(|light| *light > 0);
        let said = content.into_iter().chain(display).min().filter(|_| range == VideoRange::Pq);
        Operator { range, peak: said.unwrap_or(NOMINAL_PEAK).clamp(SDR_WHITE as u32, 10_000) }
    }

    /// What a signal from 0 to 1 means, in parts of the SDR white: its light, and that light rolled off.
    fn curve(&self, signal: f64) -> [f64; 2] {
        match self.range {
            VideoRange::Pq => {
                let light = pq_to_light(signal);
                [light, self.roll_off(light)].map(|light| light / SDR_WHITE)
            }
            // Hybrid: shown as it is, as its makers saw it on an SDR screen.
            VideoRange::Hlg | VideoRange::Sdr => [gamma_to_light(signal); 2],
        }
    }

    /// The EETF of ITU-R BT.2390 (5.4.1) from the peak to [`SDR_WHITE`], black at 0: what is below the knee stays, above it a Hermite spline in PQ bends to the white.
    fn roll_off(&self, light: f64) -> f64 {
        let source = light_to_pq(f64::from(self.peak));
        let most = light_to_pq(SDR_WHITE) / source;
        let knee = 1.5 * most - 0.5;
        let e1 = light_to_pq(light) / source;
        if e1 <= knee || most >= 1.0 {
            return light.min(SDR_WHITE);
        }
        if e1 >= 1.0 {
            return SDR_WHITE;
        }
        let t = (e1 - knee) / (1.0 - knee);
        let (t2, t3) = (t * t, t * t * t);
        let e2 = (2.0 * t3 - 3.0 * t2 + 1.0) * knee + (t3 - 2.0 * t2 + t) * (1.0 - knee) + (-2.0 * t3 + 3.0 * t2) * most;
        pq_to_light(e2 * source).min(SDR_WHITE)
    }
}

/// An operator with its curve in a table, for many colours.
pub struct Mapping {
    curve: Vec<[f64; 2]>,
}

/// Steps of that table. Between them it is as good as straight: PQ's light grows by less than 0.4 % in a step, but for what is below 1/1000 cd/m².
const STEPS: usize = 1 << 14;

impl Mapping {
    /// The mapping of `operator`.
    pub fn new(operator: &Operator) -> Mapping {
        Mapping { curve: (0..=STEPS).map(|n| operator.curve(n as f64 / STEPS as f64)).collect() }
    }

    /// A colour (R', G', B' of BT.2020, 0 to 1; what is beyond counts as the end) as R', G', B' of BT.709 for a BT.1886 display whose white is [`SDR_WHITE`], each 0 to 1.
    pub fn map(&self, signal: [f64; 3]) -> [f64; 3] {
        // Half way between rolling off the brightest component and the others with it, which keeps the hue and the saturation, and each component by itself,
        // which bleaches what is bright.
        let light = signal.map(|c| self.at(c));
        let brightest = light.into_iter().fold([0.0, 0.0], |most: [f64; 2], c| if c[0] > most[0] { c } else { most });
        let gain = if brightest[0] > 0.0 { brightest[1] / brightest[0] } else { 1.0 };
        into_gamut(to_bt709(light.map(|[plain, rolled]| 0.5 * (plain * gain + rolled)))).map(light_to_gamma)
    }

    fn at(&self, signal: f64) -> [f64; 2] {
        let place = signal.clamp(0.0, 1.0) * STEPS as f64;
        let index = (place as usize).min(STEPS - 1);
        let (near, far, by) = (self.curve[index], self.curve[index + 1], place - index as f64);
        [near[0] + (far[0] - near[0]) * by, near[1] + (far[1] - near[1]) * by]
    }
}

/// Linear BT.2020 to linear BT.709 (ITU-R BT.2407, from the primaries of both).
fn to_bt709([r, g, b]: [f64; 3]) -> [f64; 3] {
    [
        1.660_491_002_108_434_6 * r - 0.587_641_138_788_549_5 * g - 0.072_849_863_319_884_88 * b,
        -0.124_550_474_521_590_74 * r + 1.132_899_897_125_960_3 * g - 0.008_349_422_604_369_477 * b,
        -0.018_150_763_354_905_303 * r - 0.100_578_898_008_007_39 * g + 1.118_729_661_362_912_7 * b,
    ]
}

/// A colour beyond the cube from 0 to 1 as the one of its luminance and hue on the border.
fn into_gamut(c: [f64; 3]) -> [f64; 3] {
    let luminance = (0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]).clamp(0.0, 1.0);
    let keep = c.iter().fold(1.0f64, |keep, &c| {
        let most = if c < 0.0 {
            luminance / (luminance - c)
        } else if c > 1.0 {
            (1.0 - luminance) / (c - luminance)
        } else {
            1.0
        };
        keep.min(most)
    });
    c.map(|c| (luminance + (c - luminance) * keep).clamp(0.0, 1.0))
}

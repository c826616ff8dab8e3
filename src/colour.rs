//! What the samples of a picture mean: depth, dynamic range, and the light that an HDR master was made with.

use serde::{Deserialize, Serialize};

/// Dynamic range, by the transfer function. The names are those of HLS's `VIDEO-RANGE`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoRange {
    /// BT.709 and what screens show alike.
    #[default]
    Sdr,
    /// Hybrid log-gamma (ARIB STD-B67, ITU-R BT.2100).
    Hlg,
    /// Perceptual quantizer (SMPTE ST 2084, ITU-R BT.2100).
    Pq,
}

impl VideoRange {
    /// As HLS writes it in `VIDEO-RANGE`.
    pub fn name(self) -> &'static str {
        match self {
            VideoRange::Sdr => "SDR",
            VideoRange::Hlg => "HLG",
            VideoRange::Pq => "PQ",
        }
    }

    /// ColourPrimaries, TransferCharacteristics and MatrixCoefficients of ITU-T H.273: BT.709, or BT.2020 (non-constant luminance) with HLG or PQ. Limited range throughout.
    pub fn code_points(self) -> (u8, u8, u8) {
        match self {
            VideoRange::Sdr => (1, 1, 1),
            VideoRange::Hlg => (9, 18, 9),
            VideoRange::Pq => (9, 16, 9),
        }
    }
}

/// How the samples of a rendition are coded; 4:2:0, limited range, chroma sited left in SDR and top left in HDR (BT.2100).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Signal {
    /// Bits of a sample, 8 or 10.
    pub depth: u32,
    /// Dynamic range.
    pub range: VideoRange,
}

impl Signal {
    /// 8 bits of BT.709.
    pub const SDR: Signal = Signal { depth: 8, range: VideoRange::Sdr };

    /// Whether the range is more than that of BT.709.
    pub fn is_hdr(self) -> bool {
        self.range != VideoRange::Sdr
    }
}

/// The pictures that a rung is made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// Width in square pixels, even.
    pub width: u32,
    /// Height, even.
    pub height: u32,
    /// What the samples mean.
    pub signal: Signal,
}

/// The display that an HDR master was graded on (SMPTE ST 2086), in the units of HEVC's SEI and of the `mdcv` box.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Mastering {
    /// (x, y) of red, green and blue, in units of 0.00002.
    pub primaries: [(u16, u16); 3],
    /// (x, y) of white, in units of 0.00002.
    pub white: (u16, u16),
    /// Highest luminance in units of 0.0001 cd/m².
    pub max_luminance: u32,
    /// Lowest, likewise.
    pub min_luminance: u32,
}

impl Mastering {
    /// Whether there is such a display: red, green and blue lie where their names say, and its peak is within what HEVC's SEI means (5 to 10000 cd/m²) and above its black.
    /// Encoders have been seen that write the primaries in another order, or cd/m² in place of their ten-thousandths.
    pub fn is_believable(&self) -> bool {
        let [red, green, blue] = self.primaries;
        let named = red.0 > green.0.max(blue.0) && green.1 > red.1.max(blue.1) && blue.1 < red.1;
        let within = [red, green, blue, self.white].iter().all(|(x, y)| *x <= 50_000 && *y <= 50_000);
        named && within && (50_000..=100_000_000).contains(&self.max_luminance) && self.min_luminance < self.max_luminance
    }
}

impl HdrMetadata {
    /// Without what cannot be, each with a line in the log.
    pub fn believed(self) -> HdrMetadata {
        let unlikely = self.mastering.filter(|mastering| !mastering.is_believable());
        if let Some(mastering) = unlikely {
            tracing::warn!(?mastering, "the source's mastering display cannot be, and is left out");
        }
        HdrMetadata { mastering: self.mastering.filter(Mastering::is_believable), ..self }
    }
}

/// How bright the content is (CTA-861.3), in cd/m².
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct LightLevel {
    /// The brightest pixel: MaxCLL.
    pub max_content: u16,
    /// The brightest picture on average: MaxFALL.
    pub max_average: u16,
}

/// Static metadata of an HDR source, as far as it says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct HdrMetadata {
    /// The mastering display.
    pub mastering: Option<Mastering>,
    /// The content's light.
    pub light: Option<LightLevel>,
}

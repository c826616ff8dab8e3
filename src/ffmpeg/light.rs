//! What libav's side data says of an HDR source's light.

use crate::colour::{HdrMetadata, LightLevel, Mastering};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::packet::side_data;
use ffmpeg_next::ffi::AVFrameSideDataType as Kind;
use ffmpeg_next::frame::Video;

/// What a stream or a picture says of its light.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Light {
    /// Static metadata.
    pub fixed: HdrMetadata,
    /// Kinds of dynamic metadata that are there: "HDR10+", "Dolby Vision".
    pub dynamic: Vec<&'static str>,
}

impl Light {
    /// What the container says of a stream.
    pub fn of_stream(stream: &ffmpeg::Stream<'_>) -> Light {
        let mut light = Light::default();
        for side in stream.side_data() {
            match side.kind() {
                side_data::Type::MasteringDisplayMetadata => light.fixed.mastering = mastering(side.data()),
                side_data::Type::ContentLightLevel => light.fixed.light = level(side.data()),
                side_data::Type::DYNAMIC_HDR10_PLUS => light.add(HDR10_PLUS),
                side_data::Type::DOVI_CONF => light.add(DOLBY_VISION),
                _ => {}
            }
        }
        light
    }

    /// What comes with a decoded picture.
    pub fn of_picture(picture: &Video) -> Light {
        let mut light = Light::default();
        // SAFETY: libav keeps `side_data` an array of `nb_side_data` valid pointers, each to `size` bytes, as long as the frame lives and is not changed, which the borrow grants.
        let all = unsafe {
            let frame = &*picture.as_ptr();
            (0..usize::try_from(frame.nb_side_data).unwrap_or(0)).map(|n| &**frame.side_data.add(n)).filter(|side| !side.data.is_null())
        };
        for side in all {
            // SAFETY: as above.
            let data = unsafe { std::slice::from_raw_parts(side.data, side.size) };
            match side.type_ {
                Kind::AV_FRAME_DATA_MASTERING_DISPLAY_METADATA => light.fixed.mastering = mastering(data),
                Kind::AV_FRAME_DATA_CONTENT_LIGHT_LEVEL => light.fixed.light = level(data),
                Kind::AV_FRAME_DATA_DYNAMIC_HDR_PLUS => light.add(HDR10_PLUS),
                Kind::AV_FRAME_DATA_DOVI_RPU_BUFFER | Kind::AV_FRAME_DATA_DOVI_METADATA => light.add(DOLBY_VISION),
                _ => {}
            }
        }
        light
    }

    /// What this does not say, as `other` says it.
    pub fn or(mut self, other: Light) -> Light {
        self.fixed.mastering = self.fixed.mastering.or(other.fixed.mastering);
        self.fixed.light = self.fixed.light.or(other.fixed.light);
        other.dynamic.into_iter().for_each(|kind| self.add(kind));
        self
    }

    fn add(&mut self, kind: &'static str) {
        if !self.dynamic.contains(&kind) {
            self.dynamic.push(kind);
        }
    }
}

const HDR10_PLUS: &str = "HDR10+";
const DOLBY_VISION: &str = "Dolby Vision";

/// `AVMasteringDisplayMetadata`: ten rationals (x and y of red, green, blue and white; lowest and highest luminance in cd/m²), then whether there are primaries, and luminances.
fn mastering(data: &[u8]) -> Option<Mastering> {
    let words: Vec<i32> = data.as_chunks::<4>().0.iter().map(|word| i32::from_ne_bytes(*word)).collect();
    let [primaries, luminances] = *words.get(20..22)? else { return None };
    if primaries == 0 || luminances == 0 {
        return None;
    }
    let value = |index: usize, units: i64| units_of(words[2 * index], words[2 * index + 1], units);
    let coordinate = |index: usize| Some((u16::try_from(value(2 * index, 50_000)?).ok()?, u16::try_from(value(2 * index + 1, 50_000)?).ok()?));
    Some(Mastering {
        primaries: [coordinate(0)?, coordinate(1)?, coordinate(2)?],
        white: coordinate(3)?,
        min_luminance: value(8, 10_000)?,
        max_luminance: value(9, 10_000)?,
    })
}

/// `num / den` in whole numbers of 1 / `units`, rounded.
fn units_of(num: i32, den: i32, units: i64) -> Option<u32> {
    let (num, den) = (i64::from(num), i64::from(den));
    (num >= 0 && den > 0).then(|| u32::try_from((2 * num * units + den) / (2 * den)).ok())?
}

/// `AVContentLightMetadata`: MaxCLL, MaxFALL. Nothing where both are zero, which means unknown (CTA-861.3).
fn level(data: &[u8]) -> Option<LightLevel> {
    let [content, average, ..] = *data.as_chunks::<4>().0 else { return None };
    let of = |word: [u8; 4]| u16::try_from(u32::from_ne_bytes(word)).ok();
    let level = LightLevel { max_content: of(content)?, max_average: of(average)? };
    (level.max_content > 0 || level.max_average > 0).then_some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[i32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn rationals_become_whole_units() {
        let d = 50_000;
        // The second green coordinate in lowest terms, as Matroska's come.
        let mut words = vec![34_000, d, 16_000, d, 53, 200, 69, 100, 7500, d, 3000, d, 15_635, d, 16_450, d, 1, 200, 1000, 1, 1, 1];
        let read = mastering(&bytes(&words)).expect("complete");
        assert_eq!((read.primaries, read.white), ([(34_000, 16_000), (13_250, 34_500), (7500, 3000)], (15_635, 16_450)));
        assert_eq!((read.min_luminance, read.max_luminance), (50, 10_000_000));
        assert!(read.is_believable());
        assert_eq!(mastering(&bytes(&words[..21])), None, "cut short");
        words[1] = 0;
        assert_eq!(mastering(&bytes(&words)), None, "by zero");
        words[1] = 1;
        assert_eq!(mastering(&bytes(&words)), None, "beyond its 16 bits");
        words[20] = 0;
        assert_eq!(mastering(&bytes(&words)), None, "no primaries");
        assert_eq!(level(&bytes(&[1000, 200])), Some(LightLevel { max_content: 1000, max_average: 200 }));
        assert_eq!((level(&bytes(&[0, 0])), level(&bytes(&[70_000, 1])), level(&[1])), (None, None, None));
    }
}

//! Where a job wants its source decoded.

use hwaccel::device::{ACCEPTED, Name};
use std::str::FromStr;

/// `decode`: where the source is decoded and, where that is a device, scaled.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum DecodeOn {
    /// On the device that encodes most of the ladder, where all rungs are encoded on devices; else in software.
    #[default]
    Auto,
    /// In software.
    Software,
    /// On this device, as far as it can.
    Device(Name),
}

impl FromStr for DecodeOn {
    type Err = String;

    fn from_str(text: &str) -> Result<DecodeOn, String> {
        match text {
            "auto" => Ok(DecodeOn::Auto),
            "software" => Ok(DecodeOn::Software),
            _ => {
                let wrong = || format!("\"{text}\" is no place to decode; accepted: auto, software, or a device ({ACCEPTED})");
                Name::parse(text).map(DecodeOn::Device).ok_or_else(wrong)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_nothing_else() {
        let read = |text: &str| text.parse::<DecodeOn>();
        assert_eq!((read("auto"), read("software")), (Ok(DecodeOn::Auto), Ok(DecodeOn::Software)));
        for device in ["cuda:1", "/dev/dri/renderD129", "vulkan:0"] {
            assert_eq!(read(device), Ok(DecodeOn::Device(Name::parse(device).expect("a name"))));
        }
        for wrong in ["", "Auto", "cuda", "gpu"] {
            assert!(read(wrong).is_err_and(|why| why.contains("auto, software, or a device")), "{wrong}");
        }
    }
}

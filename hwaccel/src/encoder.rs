//! What an encoder of libav is asked beside `ffmpeg-next`: its options, and whether it goes on behind a flush.

use ffmpeg_next::ffi;
use std::ffi::CString;
use std::ptr;

/// Whether an encoder can be drained and then go on ([`flush`]).
pub fn can_flush(codec: &ffmpeg_next::Codec) -> bool {
    // SAFETY: a codec is a static description; a plain field is read.
    unsafe { (*codec.as_ptr()).capabilities as u32 & ffi::AV_CODEC_CAP_ENCODER_FLUSH != 0 }
}

/// Makes an open encoder whose end was asked for, and which gave all its packets, ready for more. Only for those that [`can_flush`].
pub fn flush(encoder: &mut ffmpeg_next::codec::Context) {
    // SAFETY: the context is open and borrowed mutably; libav refuses by itself, with a line in its log, where the encoder cannot.
    unsafe { ffi::avcodec_flush_buffers(encoder.as_mut_ptr()) }
}

/// Whether `codec` takes `value` for the option `name`, by libav's own lists: its own options, then those of all encoders. Reads no device.
///
/// # Errors
/// There is no such option; its value is no number and none of its words; a number is out of its range.
pub fn accepts(codec: &ffmpeg_next::Codec, name: &str, value: &str) -> Result<(), String> {
    // SAFETY: a codec is a static description; its class, where there is one, lives as long as it does.
    let own = unsafe { (*codec.as_ptr()).priv_class };
    // SAFETY: returns a static class.
    let common = unsafe { ffi::avcodec_get_class() };
    taken(&[own, common], codec.name(), name, value)
}

/// Whether one of `classes`, static ones or null, takes `value` for the option `name`; `of` is what they are classes of, for the error.
pub(crate) fn taken(classes: &[*const ffi::AVClass], of: &str, name: &str, value: &str) -> Result<(), String> {
    let (class, option) = classes
        .iter()
        .filter(|class| !class.is_null())
        .find_map(|class| find(*class, name, None).map(|option| (*class, option)))
        .ok_or_else(|| format!("{of}: there is no option \"{name}\""))?;
    // SAFETY: an option of a static class; its unit is null or a terminated string that lives as long.
    let unit = unsafe { (!option.unit.is_null()).then(|| std::ffi::CStr::from_ptr(option.unit)) };
    if unit.is_some_and(|unit| find(class, value, Some(unit)).is_some()) {
        return Ok(());
    }
    let number: f64 = value.parse().map_err(|_| format!("{of}: {name} = \"{value}\" is neither a number nor one of its words"))?;
    let text = option.type_ == ffi::AVOptionType::AV_OPT_TYPE_STRING;
    if !text && !(option.min..=option.max).contains(&number) {
        return Err(format!("{of}: {name} = {value} is not from {} to {}", option.min, option.max));
    }
    Ok(())
}

/// The option `name` of `class`, or, with a unit, its word `name`, as far as encoders and filters of pictures take it.
fn find(class: *const ffi::AVClass, name: &str, unit: Option<&std::ffi::CStr>) -> Option<&'static ffi::AVOption> {
    let name = CString::new(name).ok()?;
    let mut class = class;
    let unit = unit.map_or(ptr::null(), std::ffi::CStr::as_ptr);
    // An option of an encoder has both of the first two flags, one of a filter both of the others; those of one kind are in no class of the other.
    let kinds = [ffi::AV_OPT_FLAG_ENCODING_PARAM, ffi::AV_OPT_FLAG_FILTERING_PARAM].map(|flag| flag | ffi::AV_OPT_FLAG_VIDEO_PARAM);
    // SAFETY: with AV_OPT_SEARCH_FAKE_OBJ the object is a pointer to a pointer to a class, which is only read; the strings are terminated; what is returned is static.
    let look = |flags: i32| unsafe { ffi::av_opt_find(ptr::from_mut(&mut class).cast(), name.as_ptr(), unit, flags, ffi::AV_OPT_SEARCH_FAKE_OBJ).as_ref() };
    let option = kinds.into_iter().find_map(look)?;
    let is_word = option.type_ == ffi::AVOptionType::AV_OPT_TYPE_CONST;
    (is_word != unit.is_null()).then_some(option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_told_whatever_the_machine() {
        let codec = ffmpeg_next::encoder::find_by_name("libx264").expect("this libav has x264");
        for (name, value) in [("forced-idr", "1"), ("g", "50"), ("flags", "cgop"), ("nal-hrd", "vbr")] {
            assert_eq!(accepts(&codec, name, value), Ok(()), "{name}={value}");
        }
        for (name, value) in [("forced_idr", "1"), ("nal-hrd", "vbrr"), ("g", "many"), ("forced-idr", "2"), ("vbr", "1")] {
            assert!(accepts(&codec, name, value).is_err(), "{name}={value}");
        }
    }
}
